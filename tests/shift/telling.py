"""Facts for a station of a small plant, and the plant itself in many shapes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.events import Event
from asbuilt.plant import Plant, parse

DAY = dt.date(2026, 6, 3)
LINE = "p/s/a/l"
LATER = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)

HEAD = """
[plant]
id = "p"
name = "Plant"
zone = "{zone}"
[[site]]
id = "s"
name = "Site"
[[site.area]]
id = "a"
name = "Area"
[[site.area.line]]
id = "l"
name = "Line"
{line}
"""


def plant(
    *stations: float | None, zone: str = "UTC", shifts: str = "", line: str = "", more: str = "", source: str = ""
) -> Plant:
    """A line of stations with these cycle times; `shifts` are tables of one shift pattern."""
    text = HEAD.format(zone=zone, line=line + ('\nshifts = "x"' if shifts else ""))
    for number, cycle_s in enumerate(stations or (60.0,), 1):
        text += f'[[site.area.line.station]]\nid = "{number}"\nname = "Station {number}"\n'
        text += f"cycle_s = {cycle_s}\n" if cycle_s else ""
        text += f'source = "{source}"\n' if source else ""
    if shifts:
        text += f'[[shift_pattern]]\nid = "x"\n{shifts}'
    return parse(text + (f'\n[adapter.{source}]\nkind = "http"\n' if source else "") + more)


def shift(name: str, start: str, end: str, more: str = "") -> str:
    """A shift of the pattern."""
    return f'[[shift_pattern.shift]]\nid = "{name}"\nstart = "{start}"\nend = "{end}"\n{more}\n'


class Facts:
    """Facts about the plant's stations, with ids of their own."""

    def __init__(self, zone: dt.tzinfo = dt.UTC, day: dt.date = DAY) -> None:
        self.all: list[Event] = []
        self.zone, self.day = zone, day

    def at(self, time: str | dt.datetime | float) -> dt.datetime:
        """`06:30` of the day, minutes of the day, or an instant."""
        if isinstance(time, dt.datetime):
            return time
        midnight = dt.datetime.combine(self.day, dt.time(), self.zone)
        if isinstance(time, str):
            hours, minutes = time.split(":")
            time = int(hours) * 60 + int(minutes)
        return midnight + dt.timedelta(minutes=time)

    def tell(self, kind: type[Event], time: Any, /, **fields: Any) -> Event:
        """Any fact."""
        fact = kind(id=UUID(int=len(self.all) + 1), event_time=self.at(time), source="gw", **fields)
        self.all.append(fact)
        return fact

    def state(self, time: Any, state: str, reason: str | None = None, station: str = "1") -> Event:
        """A station enters a state."""
        return self.tell(events.StateChanged, time, station=f"{LINE}/{station}", state=state, reason=reason)

    def count(self, time: Any, good: int = 0, rejected: int = 0, station: str = "1", **fields: Any) -> Event:
        """A counter tells pieces."""
        return self.tell(events.Counted, time, station=f"{LINE}/{station}", good=good, rejected=rejected, **fields)

    def explain(self, told: Any, start: Any, end: Any, reason: str, station: str = "1", by: str = "Ann") -> Event:
        """A person explains a stop."""
        return self.tell(
            events.StopExplained, told, station=f"{LINE}/{station}", start_time=self.at(start), end_time=self.at(end),
            reason=reason, by=by,
        )  # fmt: skip


@contextmanager
def taken_in(plant: Plant, facts: Facts | list[Event], now: dt.datetime = LATER) -> Iterator[AsBuilt]:
    """The product with these facts."""
    with AsBuilt(memory=True, strict=True, plant=plant, now=lambda: now) as app:
        every = facts.all if isinstance(facts, Facts) else facts
        assert {result.status for result in app.take_in(every)} <= {"accepted"}
        yield app
