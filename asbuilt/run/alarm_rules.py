"""Alarms of the plant file (ISA-18.2): raised and cleared as facts when their conditions hold and end.

`Watch` is one rule at one station: a state machine without clock or record. `Alarms` feeds the
watches with what the views know and takes their facts in. An alarm that stands already, whoever
raised it, is never raised a second time; one that is due while its cause stands is not raised, and that is recorded.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.access.conditions import above, at_least
from asbuilt.app import OWN_SOURCE
from asbuilt.domain.alarms import questions as alarms
from asbuilt.domain.alarms.fold import STANDS
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.fold import Measurement
from asbuilt.domain.states.rows import State
from asbuilt.errors import AsBuiltError
from asbuilt.events import AlarmCleared, AlarmRaised, AlarmSuppressed, AlarmUnsuppressed, Event, microseconds
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


Due = Literal["raise", "clear", "suppress", "unsuppress"]


class Watch:
    """One rule at one place: what was seen becomes `raise` or `clear` once a delay has passed.

    Times are microseconds. `stands` tells whether the alarm stands, `suppressed` whether it is recorded as suppressed.
    """

    def __init__(self, rule: AlarmRule, stands: bool = False, suppressed: bool = False) -> None:
        self.rule = rule
        self.stands = stands
        self.suppressed = suppressed
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

    def due(self, now_us: int, cause: bool) -> list[Due]:
        """What is to be said now; `cause` tells whether an alarm stands that suppresses this one.

        What would be raised while its cause stands is suppressed until the cause is gone; it is raised then if it still holds.
        """
        found: list[Due] = []
        delay_s = self.rule.off_delay_s if self.stands else self.rule.on_delay_s
        if self._since is not None and now_us - self._since >= delay_s * 1_000_000:
            if self.stands or not cause:
                self.stands, self._since = not self.stands, None
                found.append("raise" if self.stands else "clear")
            elif not self.suppressed:
                self.suppressed = True
                found.append("suppress")
        if self.suppressed and not cause:
            self.suppressed = False
            found.append("unsuppress")
        return found


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
        """The facts that alarms are raised, cleared or suppressed, as of now."""
        plant = self._app.plant
        now = self._app.now()
        with self._app.reader(OWN_SOURCE) as reader:
            listed = alarms.listed(reader, microseconds(now))
            standing = {(phase.alarm, phase.place) for phase in listed if phase.state in STANDS}
            suppressed = {(phase.alarm, phase.place): phase.suppressed_by for phase in listed if phase.suppressed_us}
            if plant.digest != self._digest:
                self._place(plant, standing)
            facts = []
            for placed in self._placed:
                self._feed(reader, placed)
                key = (placed.watch.rule.id, placed.station.path)
                # Somebody else may have raised, cleared or suppressed it.
                placed.watch.stands = key in standing
                placed.watch.suppressed = suppressed.get(key) in placed.watch.rule.suppressed_by
                cause = self._cause(placed, standing)
                for due in placed.watch.due(microseconds(now), cause is not None):
                    if due == "raise":
                        standing.add(key)
                    elif due == "clear":
                        standing.discard(key)
                    facts.append(self._fact(due, placed, now.astimezone(plant.zone), cause))
        return facts

    def _cause(self, placed: _Placed, standing: set[tuple[str, str]]) -> tuple[AlarmRule, Station] | None:
        """The alarm of the same line that suppresses this one now, and where it stands."""
        for cause in placed.watch.rule.suppressed_by:
            for station in placed.line.station:
                if (cause, station.path) in standing:
                    return self._app.plant.alarms[cause], station
        return None

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

    def _fact(self, due: Due, placed: _Placed, now: dt.datetime, cause: tuple[AlarmRule, Station] | None) -> Event:
        rule, watch = placed.watch.rule, placed.watch
        told: dict[str, Any] = {
            "id": events.new_id(now, self._app.random), "event_time": now, "source": OWN_SOURCE, "alarm": rule.id,
            "station": placed.station.path,
        }  # fmt: skip
        if due == "clear":
            return AlarmCleared(**told)
        if due == "unsuppress":
            return AlarmUnsuppressed(**told)
        if due == "suppress" and cause is not None:
            why, where = cause
            return AlarmSuppressed(rule=why.id, reason=f"{why.name}, {where.id} {where.label}", **told)
        return AlarmRaised(
            priority=rule.priority, text=rule.name, response=rule.response, detail=watch.detail or None,
            latching=rule.latching, **told,
        )  # fmt: skip


async def TASK(around: Surroundings) -> None:
    """Watch the alarm rules of the plant in force."""
    await Alarms(around.app).run()
