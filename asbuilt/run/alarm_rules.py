"""Alarms of the plant file (ISA-18.2): raised and cleared as facts when their conditions hold and end.

`Watch` is one rule at one station: a state machine without clock or record. `Alarms` feeds the
watches with what the views know and takes their facts in. An alarm that stands already, whoever
raised it, is never raised a second time; what is suppressed by its cause is not raised at all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.access.conditions import above, at_least
from asbuilt.app import OWN_SOURCE
from asbuilt.domain.alarms import questions as alarms
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.fold import Measurement
from asbuilt.domain.states.rows import State
from asbuilt.errors import AsBuiltError
from asbuilt.events import AlarmCleared, AlarmRaised, Event, microseconds
from asbuilt.plant import AlarmRule, Line, Plant, Station
from asbuilt.time import HOUR_US

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt
    from asbuilt.run.supervisor import Surroundings

LOOK_EVERY_S = 1.0
MAX_WATCHES = 5_000
"""So many rules at so many stations are watched; more are named in the log."""
READ_AT_ONCE = 1_000
_log = logging.getLogger("asbuilt")


class Watch:
    """One rule at one place: what was seen becomes `raise` or `clear` once a delay has passed.

    Times are microseconds. `stands` tells whether the alarm stands.
    """

    def __init__(self, rule: AlarmRule, stands: bool = False) -> None:
        self.rule = rule
        self.stands = stands
        self.detail = ""
        self._since: int | None = None
        self._above, self._below = (None if x is None else float(x) for x in (rule.above, rule.below))
        self._deadband = float(rule.deadband)

    def value(self, time_us: int, value: float, words: str = "") -> None:
        """A value was measured."""
        inside = self._deadband if self.stands else 0.0
        over = self._above is not None and value > self._above - inside
        under = self._below is not None and value < self._below + inside
        self.sees(time_us, over or under, words)

    def state(self, time_us: int, state: str, words: str = "") -> None:
        """The station entered a state."""
        self.sees(time_us, state in self.rule.states, words)

    def sees(self, time_us: int, holds: bool, words: str = "") -> None:
        """Whether the condition holds from now on; what is as it was changes nothing."""
        if holds == self.stands:
            self._since = None
        elif self._since is None:
            self._since, self.detail = time_us, words

    def due(self, now_us: int, suppressed: bool) -> Literal["raise", "clear"] | None:
        """What is to be said now. A suppressed alarm waits: it is raised when its cause is gone and it still holds."""
        delay_s = self.rule.off_delay_s if self.stands else self.rule.on_delay_s
        if self._since is None or now_us - self._since < delay_s * 1_000_000:
            return None
        if not self.stands and suppressed:
            return None
        self.stands, self._since = not self.stands, None
        return "raise" if self.stands else "clear"


class _Placed:
    """A watch at its station, and up to when its values were read."""

    def __init__(self, rule: AlarmRule, line: Line, station: Station, stands: bool) -> None:
        self.watch = Watch(rule, stands)
        self.line = line
        self.station = station
        self.read_us = -1


class Alarms:
    """The alarm rules of a plant at work."""

    def __init__(self, app: AsBuilt) -> None:
        self._app = app
        self._digest = ""
        self._placed: list[_Placed] = []

    async def run(self) -> None:
        """Watch until cancelled; a fault is logged and does not end the watch."""
        while True:
            try:
                facts = await asyncio.to_thread(self.look)
                if facts:
                    await asyncio.wrap_future(self._app.pipeline.take_in(OWN_SOURCE, facts))
            except AsBuiltError as error:
                _log.warning("the alarm rules wait: %s", error)
            except Exception:
                _log.exception("the alarm rules could not be looked at")
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> list[Event]:
        """The facts that alarms are raised or cleared, as of now."""
        plant = self._app.plant
        now = self._app.now()
        with self._app.reader(OWN_SOURCE) as reader:
            standing = alarms.standing(reader, microseconds(now))
            if plant.digest != self._digest:
                self._place(plant, standing)
            facts = []
            for placed in self._placed:
                self._feed(reader, placed)
                key = (placed.watch.rule.id, placed.station.path)
                # Somebody else may have raised or cleared it.
                if placed.watch.stands and key not in standing:
                    placed.watch.stands = False
                elif key in standing and not placed.watch.stands:
                    placed.watch.stands = True
                suppressed = any(
                    (cause, station.path) in standing
                    for cause in placed.watch.rule.suppressed_by
                    for station in placed.line.station
                )
                due = placed.watch.due(microseconds(now), suppressed)
                if due == "raise":
                    standing.add(key)
                elif due == "clear":
                    standing.discard(key)
                if due is not None:
                    facts.append(self._fact(due, placed, now.astimezone(plant.zone)))
        return facts

    def _place(self, plant: Plant, standing: set[tuple[str, str]]) -> None:
        lines = {station.path: line for line in plant.lines.values() for station in line.station}
        wanted = [(rule, station) for rule in plant.alarms.values() for station in plant.alarm_places(rule)]
        if len(wanted) > MAX_WATCHES:
            _log.warning("of %d alarm watches only the first %d are kept", len(wanted), MAX_WATCHES)
        self._placed = [
            _Placed(rule, lines[station.path], station, (rule.id, station.path) in standing)
            for rule, station in wanted[:MAX_WATCHES]
        ]
        self._digest = plant.digest

    def _feed(self, reader: Reader, placed: _Placed) -> None:
        """Give a watch what was recorded since the last look; at first only the last value and state."""
        rule, path = placed.watch.rule, placed.station.path
        limit_of = 1 if placed.read_us < 0 else READ_AT_ONCE
        after = above(placed.read_us)
        rows: Sequence[Measurement | State]
        if rule.characteristic is not None:
            rows = measurements.since(reader, path, rule.characteristic, placed.read_us, limit_of)
        else:
            hour = at_least(placed.read_us // HOUR_US)
            rows = reader.rows(
                State, {"station": path, "hour": hour, "time_us": after}, order="-hour -time_us -fact", limit=limit_of
            )
        for row in reversed(rows):
            placed.read_us = row.time_us
            if isinstance(row, Measurement):
                limit = rule.above if rule.above is not None else rule.below
                placed.watch.value(row.time_us, float(row.value), f"{row.value} {row.uom}, limit {limit}")
            elif isinstance(row, State):
                placed.watch.state(row.time_us, row.state, row.message or row.reason)

    def _fact(self, due: str, placed: _Placed, now: dt.datetime) -> Event:
        rule, watch = placed.watch.rule, placed.watch
        fact_id, path = events.new_id(now, self._app.random), placed.station.path
        if due == "clear":
            return AlarmCleared(id=fact_id, event_time=now, source=OWN_SOURCE, alarm=rule.id, station=path)
        return AlarmRaised(
            id=fact_id, event_time=now, source=OWN_SOURCE, alarm=rule.id, station=path, priority=rule.priority,
            text=rule.name, response=rule.response, detail=watch.detail or None,
        )  # fmt: skip


async def TASK(around: Surroundings) -> None:
    """Watch the alarm rules of the plant in force."""
    await Alarms(around.app).run()
