"""What a machine tool's observations say about its station, without any configuration.

Execution, emergency stop and functional mode become states; part counts become pieces;
conditions become alarms; overrides become measured values (MTConnect Standard, Part 2.0 and 3.0).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from asbuilt import events
from asbuilt.adapters import Taken
from asbuilt.adapters.mtconnect.documents import UNAVAILABLE, Observation, instant
from asbuilt.connect import counters
from asbuilt.connect.expression import number
from asbuilt.connect.mapping import EARLIEST_YEAR, Memory, decimal_text

STATES: Final[Mapping[str, str]] = {
    "ACTIVE": "Execute", "READY": "Idle", "INTERRUPTED": "Held", "FEED_HOLD": "Held", "STOPPED": "Stopped",
    "PROGRAM_STOPPED": "Held", "OPTIONAL_STOP": "Held", "PROGRAM_OPTIONAL_STOP": "Held", "PROGRAM_COMPLETED": "Complete",
    "WAIT": "Starved", "IDLE": "Idle",
}  # fmt: skip
"""Execution → PackML state. WAIT is waiting for another process, so Suspended; it seldom says for which."""
_URGENCY: Final = ("ACTIVE", "INTERRUPTED", "FEED_HOLD", "PROGRAM_STOPPED", "OPTIONAL_STOP", "PROGRAM_OPTIONAL_STOP",
                   "STOPPED", "WAIT", "PROGRAM_COMPLETED", "READY", "IDLE")  # fmt: skip
"""Of several paths the first of these tells the machine's state."""
OVERRIDES: Final = {"PathFeedrateOverride": "feed override", "AxisFeedrateOverride": "axis override",
                    "RotaryVelocityOverride": "spindle override"}  # fmt: skip
_NOT_MADE: Final = ("TARGET", "REMAINING", "ABORTED", "FAILURE", "ATTEMPT")
FAULT_PRIORITY: Final = 2
WARNING_PRIORITY: Final = 3
MAX_STANDING: Final = 200
"""So many conditions of one data item are kept apart."""


class Machine:
    """The facts of the machines of one adapter. `stations` is device → station; `states` adds to `STATES`.

    `step_max` bounds what a part count goes on by.
    """

    def __init__(
        self, source: str, stations: Mapping[str, str], states: Mapping[str, str], step_max: int | None = None
    ) -> None:
        self.source = source
        self.stations = stations
        self._states = {**STATES, **states}
        self._step_max = step_max

    def facts(self, seen: Observation, memory: Memory) -> Iterator[Taken]:
        """What an observation says. Raises `ValueError` in words."""
        station = self.stations.get(seen.device)
        if station is None:
            return
        if seen.category == "Condition":
            yield from self._condition(seen, station, memory)
        elif seen.type in _OF_STATE:
            yield from self._state(seen, station, memory)
        elif seen.type == "PartCount" and seen.subtype not in _NOT_MADE:
            yield from self._parts(seen, station, memory)
        elif seen.type in OVERRIDES and seen.value != UNAVAILABLE:
            yield from self._override(seen, station, memory)

    def _envelope(self, seen: Observation, what: str) -> dict[str, Any]:
        time = _time(seen)
        return {"id": self._id(seen, time, what), "event_time": time, "source": self.source}

    def _fact(self, kind: type[events.Event], seen: Observation, what: str, **fields: Any) -> events.Event:
        """A checked fact. Raises `ValueError` in words for what cannot be one."""
        try:
            return events.convert({**self._envelope(seen, what), **fields}, kind)
        except msgspec.ValidationError as error:
            raise ValueError(events.in_words(str(error))) from None

    def _id(self, seen: Observation, time: dt.datetime, what: str) -> UUID:
        return events.derived_id(
            time, self.source, seen.device, seen.item, seen.time, seen.level or seen.value, what, seen.code
        )

    # ----------------------------------------------------------------- states

    def _state(self, seen: Observation, station: str, memory: Memory) -> Iterator[Taken]:
        key = f"machine|{seen.device}"
        known: dict[str, Any] = {**(memory.get(key) or {})}
        if seen.type == "Execution":
            known["paths"] = {**known.get("paths", {}), seen.item: seen.value}
        else:
            known[seen.type] = seen.value
        before = known.get("told")
        told = self._told(known)
        known["told"] = told
        memory.put(key, known)
        if told == before:
            return
        if told is None:
            if before is not None:
                yield self._fact(
                    events.SourceLost, seen, "lost", adapter=self._part(seen), reason="the machine is unavailable"
                )
            return
        if before is None:
            yield self._fact(events.SourceConnected, seen, "connected", adapter=self._part(seen))
        state, reason = told
        words = known.get("Program") if state == "Execute" else None
        yield self._fact(events.StateChanged, seen, "state", station=station, state=state, reason=reason or None,
            message=f"program {words}"[:400] if words and words != UNAVAILABLE else None,
        )  # fmt: skip

    def _told(self, known: Mapping[str, Any]) -> list[str] | None:
        """State and reason; None where the machine says nothing.

        Availability is not asked: adapters of the field forget to say it, and an agent that loses a machine
        makes its Execution unavailable as well.
        """
        paths = [value for value in known.get("paths", {}).values() if value != UNAVAILABLE]
        if not paths:
            return None
        if known.get("EmergencyStop") == "TRIGGERED":
            return ["Aborted", "emergency_stop"]
        execution = min(paths, key=lambda value: _URGENCY.index(value) if value in _URGENCY else len(_URGENCY))
        state = self._states.get(execution)
        if state is None:
            raise ValueError(f"Execution says `{execution[:60]}`; name the state in the plant file's `states`")
        mode = known.get("FunctionalMode", "")
        return [state, mode.lower() if mode not in ("", "PRODUCTION", UNAVAILABLE) else ""]

    def _part(self, seen: Observation) -> str:
        return f"{self.source}:{seen.device}"[:200]

    # ----------------------------------------------------------------- pieces, values, alarms

    def _parts(self, seen: Observation, station: str, memory: Memory) -> Iterator[Taken]:
        if seen.value == UNAVAILABLE:
            return
        found = number(seen.value)
        if found != found.to_integral_value() or found < 0:
            raise ValueError(f"a part count of {seen.value[:40]}")
        reading = int(found)
        # Good pieces that a path counts by themselves are among all of its pieces.
        path = f"{counters.ITEM}{seen.device}|{seen.component}|good"
        if seen.subtype == "GOOD" and not memory.get(path):
            memory.put(path, True)
        made = counters.step(memory, f"{counters.ITEM}{seen.device}|{seen.item}", reading, _time(seen), self._step_max)
        if made.deviation is not None:
            code, words = made.deviation
            yield self._fact(events.DeviationNoticed, seen, code, adapter=self._part(seen),
                deviation=code, message=f"{seen.name or seen.item}: {words}",
            )  # fmt: skip
        if made.pieces is None or (seen.subtype not in ("GOOD", "BAD") and memory.get(path)):
            return
        pieces = {"rejected" if seen.subtype == "BAD" else "good": made.pieces}
        yield self._fact(events.Counted, seen, "parts", station=station, reading=reading, **pieces)

    def _override(self, seen: Observation, station: str, memory: Memory) -> Iterator[Taken]:
        name = OVERRIDES[seen.type] + (f", {seen.subtype.lower()}" if seen.subtype not in ("", "PROGRAMMED") else "")
        key, value = f"value|{seen.device}|{seen.item}", decimal_text(number(seen.value))
        if memory.get(key) == value:
            return
        memory.put(key, value)
        yield self._fact(events.Measured, seen, "override", station=station, characteristic=name, value=value, uom="%")

    def _condition(self, seen: Observation, station: str, memory: Memory) -> Iterator[Taken]:
        key = f"alarms|{seen.device}|{seen.item}"
        standing: dict[str, int] = {**(memory.get(key) or {})}
        mark = seen.condition or seen.code
        alarm = f"{seen.name or seen.item}{f' {mark}' if mark else ''}"[:200]
        if seen.level == "Normal":
            gone = [alarm] if mark else [*standing]
            for name in gone:
                if standing.pop(name, None) is not None:
                    yield self._fact(events.AlarmCleared, seen, f"cleared {name}", alarm=name, station=station)
        elif seen.level in ("Fault", "Warning"):
            priority = FAULT_PRIORITY if seen.level == "Fault" else WARNING_PRIORITY
            if standing.get(alarm) != priority and len(standing) < MAX_STANDING:
                standing[alarm] = priority
                what = seen.value or f"{seen.type} {seen.qualifier}".strip()
                yield self._fact(events.AlarmRaised, seen, f"raised {alarm}", alarm=alarm, station=station, priority=priority,
                    text=_readable(what), response=f"Look at the machine's control: {alarm}.",
                    detail=f"{seen.level} {seen.qualifier}".strip(),
                )  # fmt: skip
        elif seen.level == "Unavailable":
            # Whether it still stands nobody knows; told again, it is raised again.
            for name in [*standing]:
                del standing[name]
                yield self._fact(events.AlarmCleared, seen, f"unavailable {name}", alarm=name, station=station)
        else:
            raise ValueError(f"a condition of level `{seen.level[:40]}`")
        memory.put(key, standing)


_OF_STATE: Final = ("Execution", "EmergencyStop", "FunctionalMode", "Program")


def _time(seen: Observation) -> dt.datetime:
    time = instant(seen.time)
    if time.year < EARLIEST_YEAR:
        raise ValueError(f"it says {seen.time[:40]}: that clock was never set")
    return time


def _readable(text: str) -> str:
    return "".join(character if character >= " " or character in "\n\t" else " " for character in text)[:400]
