"""A small plant and the means to tell facts about it, second by second.

Wednesday, 3 June 2026, shift A (06:00 to 14:00, a break from 09:00 to 09:15): a line of three
stations and a job shop. What tests expect of pages and numbers can be worked out by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.events import Event
from asbuilt.plant import Plant, parse

PLANT_TEXT = """
[plant]
id = "works"
name = "Pump works"
zone = "Europe/Berlin"

[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"

[[site.area.line]]
id = "1"
name = "Line 1"
product = "P7"
takt_s = 60
shifts = "day"
[[site.area.line.station]]
id = "10"
name = "Machining"
cycle_s = 50
buffer = 4
source = "left"
key = "bore"
[[site.area.line.station]]
id = "20"
name = "Fuel and ignition"
cycle_s = 55
buffer = 4
source = "left"
[[site.area.line.station]]
id = "30"
name = "Test bench"
short = "Test"
cycle_s = 52
source = "right"
key = "leak"

[[site.area.line]]
id = "shop"
name = "Job shop"
flow = "job_shop"
[[site.area.line.station]]
id = "lathe"
name = "Lathe"
[[site.area.line.station]]
id = "mill"
name = "Mill"

[[product]]
id = "P7"
name = "Pump"
revision = "B"
[[product.characteristic]]
id = "bore"
name = "Bore Ø"
uom = "mm"
nominal = 35.003
lower = 34.995
upper = 35.011
digits = 3
[[product.characteristic]]
id = "leak"
name = "Leak rate"
uom = "ml/min"
lower = 0
upper = 6.0
digits = 1

[[shift_pattern]]
id = "day"
[[shift_pattern.shift]]
id = "A"
start = "06:00"
end = "14:00"
days = ["mon", "tue", "wed", "thu", "fri"]
lead = "T. Moreau"
breaks = [{ start = "09:00", end = "09:15" }]

[[reason]]
id = "coolant"
name = "Coolant, oil"

[adapter.left]
kind = "http"
title = "Gateway L"
fresh_s = 2
[adapter.right]
kind = "http"
title = "Gateway R"
fresh_s = 2
response = "Check the switch in cabinet C4."
[adapter.office]
kind = "http"
title = "Office"
"""
LINE = "works/main/hall/1"
SHOP = "works/main/hall/shop"
DAY = dt.date(2026, 6, 3)


def scripted_plant() -> Plant:
    """The plant of the script."""
    return parse(PLANT_TEXT, "script.toml")


PLANT = scripted_plant()


def at(text: str, day: dt.date = DAY) -> dt.datetime:
    """A wall time at the plant, such as `08:30` or `08:30:15`."""
    return dt.datetime.combine(day, dt.time.fromisoformat(text), PLANT.zone)


class Told:
    """Facts, told one after the other. Times are wall times of the day, or instants."""

    def __init__(self, first: int = 1) -> None:
        self.facts: list[Event] = []
        self._next = first

    def tell(self, kind: type[Event], time: str | dt.datetime, source: str = "office", /, **fields: Any) -> Event:
        """A fact of any kind."""
        when = at(time) if isinstance(time, str) else time
        fact = kind(id=UUID(int=self._next), event_time=when, source=source, **fields)
        self._next += 1
        self.facts.append(fact)
        return fact

    def connect(self, time: str | dt.datetime) -> None:
        """Both gateways are heard from now on: they speak every two seconds, mostly without a fact."""
        for source in ("left", "right"):
            self.tell(events.SourceConnected, time, "asbuilt", adapter=source)

    def state(self, station: str, state: str, time: str | dt.datetime, **fields: Any) -> Event:
        """A station of line 1 is in a state."""
        return self.tell(
            events.StateChanged, time, _source(station), station=f"{LINE}/{station}", state=state, **fields
        )

    def start(self, station: str, serial: str, time: str | dt.datetime, **fields: Any) -> Event:
        """A unit began at a station of line 1."""
        return self.tell(
            events.OperationStarted, time, _source(station), station=f"{LINE}/{station}", operation=station,
            product="P7", serial=serial, **fields,
        )  # fmt: skip

    def done(self, station: str, serial: str, time: str | dt.datetime, **fields: Any) -> Event:
        """A unit left a station of line 1, good unless told otherwise."""
        return self.tell(
            events.OperationCompleted, time, _source(station), station=f"{LINE}/{station}", operation=station,
            product="P7", serial=serial, **fields,
        )  # fmt: skip

    def value(self, station: str, characteristic: str, value: str, time: str | dt.datetime, **fields: Any) -> Event:
        """A station of line 1 measured something."""
        known = PLANT.characteristic(PLANT.lines[LINE], characteristic)
        uom = known.uom if known else "mm"
        return self.tell(
            events.Measured, time, _source(station), station=f"{LINE}/{station}", characteristic=characteristic,
            value=value, uom=uom, **fields,
        )  # fmt: skip

    def alarm(self, station: str, alarm: str, time: str | dt.datetime, priority: int = 2, **fields: Any) -> Event:
        """An alarm stands at a station of line 1."""
        told = {"text": "Oil too warm", "response": "Open the valve.", **fields}
        return self.tell(
            events.AlarmRaised, time, _source(station), station=f"{LINE}/{station}", alarm=alarm, priority=priority,
            **told,
        )  # fmt: skip

    def report(self, station: str, start: str | dt.datetime, end: str | dt.datetime, **fields: Any) -> Event:
        """A person of the job shop reported work."""
        told = {"operation": "turn", "kind": "production", **fields}
        began = at(start) if isinstance(start, str) else start
        return self.tell(events.OperationReported, end, station=f"{SHOP}/{station}", start_time=began, **told)


def _source(station: str) -> str:
    return "right" if station == "30" else "left"


def morning(until: str = "08:30") -> Told:
    """A shift until 08:30: all three stations at work, then 20 is held and 30 starves.

    A unit leaves every minute: the first passes 10 at 06:01, 20 at 06:02, 30 at 06:03. At 08:20
    station 20 stops; 10 goes on and fills the buffer, 30 has nothing left from 08:22 on.
    """
    told = Told()
    told.tell(events.OrderReleased, "05:30", order="2418", product="P7", quantity=600, line=LINE)
    for station in ("10", "20", "30"):
        told.state(station, "Execute", "06:00:00")
    minute = dt.timedelta(minutes=1)
    for number in range(int((at("08:20") - at("06:00")) / minute)):
        began = at("06:00") + number * minute
        serial = f"0{number:04}"
        for step, station in enumerate(("10", "20", "30")):
            if station != "30" or began + 2 * minute < at("08:20"):
                told.start(station, serial, began + step * minute, order="2418")
            if began + (step + 1) * minute <= at("08:20"):
                told.done(station, serial, began + (step + 1) * minute, order="2418")
    told.value("10", "bore", "35.0031", "08:19:30")
    told.value("30", "leak", "5.8", "08:19:40")
    told.state("20", "Held", "08:20:00", reason="coolant")
    told.alarm("20", "oil", "08:20:05", detail="31.8 °C, limit 30.0")
    told.state("30", "Starved", "08:22:00")
    told.connect("05:30")
    return told


@contextmanager
def shop(
    told: Told | None = None, now: str | dt.datetime | Callable[[], dt.datetime] = "08:30", **options: Any
) -> Iterator[AsBuilt]:
    """The product in memory on this plant at a moment, having taken in what was told."""
    moment = at(now) if isinstance(now, str) else now
    clock = moment if callable(moment) else lambda: moment
    with AsBuilt(memory=True, strict=True, now=clock, plant=options.pop("plant", PLANT), **options) as app:
        if told is not None:
            statuses = {result.status for result in app.take_in(told.facts)}
            assert statuses <= {"accepted"}, statuses
            app.pipeline.settle()
        yield app
