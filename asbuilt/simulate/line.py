"""The physics of a line: stations with places, finite buffers between them, hours of work, stops.

A unit leaves a station only when there is room for it: until then it is in the machine and the
station is blocked. Nothing is worked on in breaks and outside shifts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import simpy

from asbuilt.events import State, StateChanged, StopExplained
from asbuilt.plant import Station
from asbuilt.simulate.equipment import Trouble, troubles_of
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import FOREVER, HOUR, MINUTE, spells
from asbuilt.simulate.roles import Going, Unit
from asbuilt.simulate.work import Work

PATIENCE = MINUTE
"""A station that waits longer than this says so; shorter waits belong to its rhythm."""
FILL = 0.45
"""The share of all buffer places that units in work may take up, besides the stations themselves."""


class Buffer:
    """Room for so many units between two stations."""

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        self.capacity = capacity
        self.units: deque[Unit] = deque()
        self._env = env
        self.filled = env.event()
        self.emptied = env.event()

    def put(self, unit: Unit) -> None:
        """A unit comes in; there must be room."""
        assert len(self.units) < self.capacity, "a buffer took more than it holds"
        self.units.append(unit)
        event, self.filled = self.filled, self._env.event()
        event.succeed()

    def take(self) -> Unit | None:
        """The unit that waits longest, if one does."""
        if not self.units:
            return None
        event, self.emptied = self.emptied, self._env.event()
        event.succeed()
        return self.units.popleft()

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return len(self.units) >= self.capacity


class Condition(NamedTuple):
    """What a place does, as its station would show it."""

    state: State
    reason: str | None = None
    message: str | None = None


EXECUTE = Condition("Execute")
STARVED = Condition("Starved")
_GRAVITY: tuple[State, ...] = ("Aborted", "Held", "Stopped", "Blocked", "Starved", "Idle")


class Bay:
    """A station: its places, its hours, and the state it shows."""

    def __init__(self, floor: Floor, flow: Flow, spec: Station, index: int) -> None:
        self.floor = floor
        self.flow = flow
        self.spec = spec
        self.index = index
        self.on_duty = False
        self.off_at = 0
        self.closes = False
        self.resumed = floor.env.event()
        self._rest = Condition("Idle", floor.reason("no_shift"))
        self._shown: Condition | None = None
        self.work = Work(floor, spec, index)
        self.places = [Place(self, number) for number in range(1, spec.places + 1)]

    def start(self) -> None:
        """Begin to keep hours and to work."""
        self.floor.env.process(self._keep_hours())
        for place in self.places:
            self.floor.env.process(place.run())

    def _keep_hours(self) -> Going:
        floor = self.floor
        random = floor.random(f"hours/{self.spec.id}")
        begun = floor.now
        for spell in spells(floor.plant, floor.line, floor.now):
            # People come back a little late and stop a little early, each station on its own.
            begin = spell.start + random.randrange(1_000, 25_000) if spell.start > begun else begun
            end = spell.end if spell.end == FOREVER else spell.end - random.randrange(1_000, 20_000)
            if begin > floor.now:
                self.show()
                yield floor.env.timeout(begin - floor.now)
            self.on_duty, self.off_at, self.closes = True, end, spell.closes
            event, self.resumed = self.resumed, floor.env.event()
            event.succeed()
            self.show()
            if end > floor.now:
                yield floor.env.timeout(end - floor.now)
            self.on_duty = False
            self._rest = Condition("Idle", floor.reason("no_shift" if spell.closes else "break"))
            self.show()

    def show(self) -> None:
        """Say the station's state if it is another than before."""
        condition = self._condition()
        if condition != self._shown:
            self._shown = condition
            self.floor.say(
                StateChanged, self.spec, state=condition.state, reason=condition.reason, message=condition.message
            )

    def _condition(self) -> Condition:
        if not self.on_duty:
            return self._rest
        conditions = [place.condition for place in self.places]
        loud = [place.condition for place in self.places if place.loud]
        if loud:
            return loud[0]
        if len(conditions) == 1 or any(condition.state == "Execute" for condition in conditions):
            return conditions[0] if len(conditions) == 1 else EXECUTE
        return min(conditions, key=lambda condition: _GRAVITY.index(condition.state))

    def too_late_for(self, time_ms: int) -> bool:
        """Whether work of this length would not end before the plant goes home."""
        return self.closes and self.floor.now + time_ms > self.off_at

    def explain_later(self, start: int, end: int, trouble: Trouble, message: str) -> Going:
        """A person tells the reason of a stop some minutes after it."""
        floor = self.floor
        yield floor.env.timeout(floor.random(f"explain/{start}").randrange(MINUTE, 9 * MINUTE))
        reason = floor.reason(trouble.reason)
        if reason is not None:
            floor.say(
                StopExplained, self.spec, floor.operator(self.index), reason=reason, message=message,
                start_time=floor.journal.instant(start), end_time=floor.journal.instant(end),
            )  # fmt: skip


class Place:
    """One place of a station: takes a unit, works on it, passes it on."""

    def __init__(self, bay: Bay, number: int) -> None:
        self.bay = bay
        self.number = number
        self.env = bay.floor.env
        self.unit: Unit | None = None
        self.condition = Condition("Idle")
        self.loud = False
        self.random = bay.floor.random(f"place/{bay.spec.id}/{number}")
        troubles = troubles_of(bay.floor.line.product, bay.spec.id)
        self._by_time = [trouble for trouble in troubles if trouble.hours]
        self._by_pieces = {trouble: self.random.randrange(trouble.pieces) for trouble in troubles if trouble.pieces}
        self._forced = deque(bay.floor.scenario.forced(bay.spec.id) if number == 1 else ())
        self._fails_in = self._time_to_failure()

    def run(self) -> Going:
        """Work for ever."""
        bay = self.bay
        while True:
            yield from self._care()
            unit = yield from self._receive()
            self.unit = unit
            if (yield from bay.work.do(self, unit)):
                yield from self._pass_on(unit)
            else:
                bay.flow.leave(unit)
            self.unit = None

    # ----------------------------------------------------------------- units in and out

    def _receive(self) -> Generator[simpy.Event, Any, Unit]:
        bay = self.bay
        while True:
            if not self._present:
                yield bay.resumed
            elif bay.too_late_for(bay.work.cycle_ms):
                self._set(Condition("Idle", bay.floor.reason("shift_end")))
                yield bay.resumed
            elif (unit := bay.flow.fetch(bay.index)) is not None:
                self._set(EXECUTE)
                return unit
            else:
                yield from self._wait_for(*bay.flow.wait_before(bay.index))

    def _pass_on(self, unit: Unit) -> Going:
        bay = self.bay
        buffer = bay.flow.after(bay.index)
        while buffer is not None and (buffer.full or not self._present):
            if not self._present:
                yield bay.resumed
            else:
                following = bay.floor.line.station[bay.index + 1].label
                message = f"No room before {following}"
                yield from self._wait_for(buffer.emptied, Condition("Blocked", bay.floor.reason("downstream"), message))
        bay.work.complete(unit)
        if buffer is None:
            bay.floor.office.pack(unit, bay.spec, bay.index)
            bay.flow.leave(unit)
        else:
            buffer.put(unit)

    def _wait_for(self, event: simpy.Event, condition: Condition) -> Going:
        if self.condition.state != condition.state:
            yield event | self.env.timeout(PATIENCE)
            if event.triggered:
                return
            self._set(condition)
        yield event

    # ----------------------------------------------------------------- time

    @property
    def _present(self) -> bool:
        return self.bay.on_duty and self.bay.off_at > self.env.now

    def wait(self, time_ms: int) -> Going:
        """Let so much working time pass."""
        while time_ms > 0:
            if not self._present:
                yield self.bay.resumed
                continue
            step = min(time_ms, self.bay.off_at - self.bay.floor.now)
            yield self.env.timeout(step)
            time_ms -= step

    def work(self, time_ms: int, fragile: bool = False) -> Generator[simpy.Event, Any, bool]:
        """Work for so much time; breaks and stops come on top. Returns False if `fragile` work was aborted."""
        bay, env = self.bay, self.env
        while time_ms > 0:
            if not self._present:
                yield bay.resumed
                continue
            now = int(env.now)
            step = min(time_ms, bay.off_at - now, self._fails_in)
            if self._forced:
                step = min(step, max(0, self._forced[0][0] - now))
            if step:
                yield env.timeout(step)
                time_ms -= step
                self._fails_in -= step
            if self._forced and self._forced[0][0] <= env.now:
                _, trouble = self._forced.popleft()
                yield from self.stop(trouble)
            elif self._fails_in <= 0:
                self._fails_in = self._time_to_failure()
                chance = self._failure()
                if chance is not None and not bay.floor.scenario.calm(bay.floor.now):
                    yield from self.stop(chance)
                    if fragile and chance.state == "Aborted":
                        return False
        return True

    # ----------------------------------------------------------------- stops

    def stop(self, trouble: Trouble) -> Going:
        """Stand for as long as the trouble lasts."""
        bay = self.bay
        floor = bay.floor
        start = floor.now
        shortest, usual, longest = trouble.minutes
        length = int(self.random.triangular(shortest, longest, usual) * MINUTE)
        message = trouble.message.format(place=self.number)
        self.loud = True
        self._set(Condition(trouble.state, floor.reason(trouble.reason), message))
        bay.work.interrupted(self, trouble)
        alarm = None
        if trouble.alarm is not None:
            words = trouble.alarm
            alarm = words._replace(
                name=words.name.format(place=self.number),
                text=words.text.format(place=self.number),
                response=words.response.format(place=self.number),
            )
            floor.alarms.raise_(alarm, bay.spec, floor.scenario.detail(alarm.name, floor.now))
        noticed = min(length, 2 * MINUTE) if len(bay.places) > 1 else length
        yield from self.wait(noticed)
        self.loud = False
        bay.show()
        yield from self.wait(length - noticed)
        if alarm is not None:
            floor.alarms.clear(alarm.name, bay.spec)
        self._set(EXECUTE)
        floor.stops.append((bay.spec.label, length, message))
        if length > 4 * MINUTE and trouble.state in ("Held", "Aborted"):
            self.env.process(bay.explain_later(start, floor.now, trouble, message))

    def _care(self) -> Going:
        """Planned stops that come after so many pieces."""
        for trouble, made in self._by_pieces.items():
            self._by_pieces[trouble] = made + 1
            if made >= trouble.pieces and not self.bay.floor.scenario.calm(self.bay.floor.now):
                self._by_pieces[trouble] = 0
                yield from self.stop(trouble)

    def _set(self, condition: Condition) -> None:
        self.condition = condition
        self.bay.show()

    def _time_to_failure(self) -> int:
        rate = sum(1 / trouble.hours for trouble in self._by_time)
        return 1 + int(self.random.expovariate(rate) * HOUR) if rate else FOREVER

    def _failure(self) -> Trouble | None:
        weights = [1 / trouble.hours for trouble in self._by_time]
        return self.random.choices(self._by_time, weights)[0] if weights else None


class Flow:
    """The stations of a line in order, the buffers between them, and the units on their way."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        env = floor.env
        stations = floor.line.station
        self.buffers = [Buffer(env, max(1, station.buffer or 1)) for station in stations[:-1]]
        self.limit = sum(s.places for s in stations) + round(FILL * sum(b.capacity for b in self.buffers))
        self.on_line = 0
        self._released = env.event()
        self.bays = [Bay(floor, self, station, index) for index, station in enumerate(stations)]

    def start(self) -> None:
        """Begin to work."""
        for bay in self.bays:
            bay.start()

    def after(self, index: int) -> Buffer | None:
        """The buffer after a station; none after the last."""
        return self.buffers[index] if index < len(self.buffers) else None

    def waiting_around(self, index: int) -> tuple[int, int]:
        """How many units wait before and after a station."""
        counts = [0, *(len(buffer.units) for buffer in self.buffers), 0]
        return counts[index], counts[index + 1]

    def fetch(self, index: int) -> Unit | None:
        """The next unit for a station, if there is one; the first station begins a new one."""
        if index:
            return self.buffers[index - 1].take()
        if self.on_line >= self.limit:
            return None
        self.on_line += 1
        return self.floor.office.begin_unit(self.floor.line.station[0])

    def wait_before(self, index: int) -> tuple[simpy.Event, Condition]:
        """What a station waits for, and how it is called."""
        if index:
            return self.buffers[index - 1].filled, STARVED
        message = "Line is full, next unit waits until one is packed"
        return self._released, Condition("Blocked", self.floor.reason("downstream"), message)

    def working(self, time_ms: int) -> Going:
        """Let so much working time of the line pass."""
        return self.bays[0].places[0].wait(time_ms)

    def leave(self, unit: Unit) -> None:
        """A unit left the line, packed or scrapped."""
        self.on_line -= 1
        event, self._released = self._released, self.floor.env.event()
        event.succeed()
