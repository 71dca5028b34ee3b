"""A small works whose record is sealed: a clock that is moved by hand, facts about engines, blocks of few places."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any
from uuid import UUID

from asbuilt import events
from asbuilt.events import Event
from asbuilt.folder import DataFolder
from asbuilt.record import Entry
from asbuilt.record.sqlite import Log
from asbuilt.seal import sealer

START = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
EVENING = dt.datetime(2026, 11, 23, 23, 40, tzinfo=dt.UTC)
"""So late that a lane of one day can be closed soon."""
ORIGIN = "works.example/log"
PRODUCT = "BX172"
SLOTS = 64


class Works:
    """A data folder, opened as a running plant would; `seed` makes all its randomness."""

    def __init__(
        self, path: Path, *, seed: int = 1, slots: int = SLOTS, start: dt.datetime = START, backlog: int = 0
    ) -> None:
        self.folder = DataFolder(path)
        self.folder.make()
        self.now = start
        self._random = random.Random(seed)
        self._next = 1
        self.record = Log(self.folder.record, lambda: self.now, self._random.randbytes)
        sealer.begin(self.folder, self.now, self._random.randbytes, origin=ORIGIN, slots=slots, backlog=backlog)
        self.sealer = self.open()

    def open(self) -> sealer.Sealer:
        """A sealer as a process makes it that has just been started."""
        self.sealer = sealer.Sealer(self.folder, self.record, lambda: self.now, self._random.randbytes)
        return self.sealer

    def tell(self, kind: type[Event], **fields: Any) -> Event:
        """Record a fact that happens now."""
        told = {"event_time": self.now, "source": "gw-1", **fields}
        fact = kind(id=told.pop("id", UUID(int=(7 << 76) | (2 << 62) | self._next)), **told)
        self._next += 1
        self.record.append([Entry(fact, events.encode(fact))])
        return fact

    def about(self, kind: type[Event], serial: str, **fields: Any) -> Event:
        """Record a fact about an engine."""
        return self.tell(kind, product=PRODUCT, serial=serial, **fields)

    def engine(
        self, serial: str, *, cylinder: str | None = None, passes: bool = True, pace_s: float = 5
    ) -> list[Event]:
        """An engine from beginning to end, a few seconds after each other."""
        told = [self.about(events.UnitStarted, serial, order="2418", by="R. Kask")]
        self.later(pace_s)
        if cylinder:
            told.append(
                self.tell(
                    events.Measured, product="CYL", serial=cylinder, characteristic="bore_dia", value="36.004", uom="mm",
                    lower="36.000", upper="36.012", station="works/main/assembly/1/30",
                )
            )  # fmt: skip
            told.append(
                self.about(
                    events.ComponentInstalled,
                    serial,
                    position="left",
                    component_product="CYL",
                    component_serial=cylinder,
                )
            )
        for name, value in (("main_bore", "35.004"), ("torque", "11.8")):
            told.append(self.about(events.Measured, serial, characteristic=name, value=value, uom="mm", by="A. Berg"))
            self.later(pace_s)
        told.append(
            self.about(
                events.RunRecorded, serial, station="works/main/assembly/1/70", program="R4", start_time=self.now,
                verdict="pass" if passes else "fail",
            )
        )  # fmt: skip
        told.append(self.about(events.UnitCompleted, serial, revision="D"))
        return told

    def later(self, seconds: float) -> None:
        """Time passes; nothing else happens."""
        self.now += dt.timedelta(seconds=seconds)

    def close_blocks(self, seconds: float = 60) -> int:
        """Time passes, and the blocks that are due are closed and published."""
        self.later(seconds)
        closed = 0
        while more := self.sealer.catch_up():
            closed += more
        return closed

    def end(self) -> None:
        """Let go of the files."""
        self.sealer.stop()
        self.record.close()
