"""The plant's mouth: turns what happens in simulated time into facts."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import simpy

from asbuilt import events
from asbuilt.events import Event

_QUARTER_US = 900_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Journal:
    """Makes facts from simulated time and a seeded source, in order of time.

    Event times strictly increase from fact to fact: what follows from another fact in the same
    millisecond is a microsecond later, so the order of cause and effect survives in the record.
    """

    def __init__(self, env: simpy.Environment, zone: ZoneInfo, random: Random) -> None:
        self.env = env
        self.zone = zone
        self.facts: list[Event] = []
        self._bytes = random.randbytes
        self._last_us = 0
        self._quarter = -1
        self._epoch = _EPOCH

    def say(self, kind: type[Event], source: str, by: str | None = None, **fields: Any) -> dt.datetime:
        """Record that something happens now. Returns its event time."""
        time_us = max(int(self.env.now) * 1000, self._last_us + 1)
        self._last_us = time_us
        time = self._instant(time_us)
        self.facts.append(kind(id=events.new_id(time, self._bytes), event_time=time, source=source, by=by, **fields))
        return time

    def instant(self, time_ms: int) -> dt.datetime:
        """A simulated time as an instant with the offset of the plant."""
        return self._instant(time_ms * 1000)

    def take(self) -> list[Event]:
        """The facts since the last call."""
        facts, self.facts = self.facts, []
        return facts

    def _instant(self, time_us: int) -> dt.datetime:
        # Offsets change at quarter hours of UTC; asking the zone for every fact would cost more than the fact.
        # A fixed offset, so that the fact equals what is read back from its bytes, in the doubled hour too.
        quarter = time_us // _QUARTER_US
        if quarter != self._quarter:
            offset = (_EPOCH + dt.timedelta(microseconds=time_us)).astimezone(self.zone).utcoffset()
            self._epoch = _EPOCH.astimezone(dt.timezone(offset or dt.timedelta()))
            self._quarter = quarter
        return self._epoch + dt.timedelta(microseconds=time_us)
