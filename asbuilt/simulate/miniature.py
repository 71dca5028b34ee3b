"""A plant so small that a whole history of it takes milliseconds: for property tests.

`tiny` gives some minutes of a three-station line, and among them at least one fact of every type,
about the same units, stations and orders, whether they make sense together or not.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from random import Random
from typing import Any

from asbuilt import events
from asbuilt.events import Event
from asbuilt.plant import Plant, parse
from asbuilt.simulate.plant import SimulatedPlant

TINY_TEXT = """
[plant]
id = "tiny"
name = "Tiny plant"
zone = "Europe/Berlin"

[[site]]
id = "s"
name = "Site"
[[site.area]]
id = "a"
name = "Area"
[[site.area.line]]
id = "1"
name = "Line"
product = "P"
takt_s = 30
[[site.area.line.station]]
id = "1"
name = "Press"
cycle_s = 28
buffer = 2
source = "left"
key = "force"
[[site.area.line.station]]
id = "2"
name = "Oven"
cycle_s = 54
places = 2
buffer = 2
source = "left"
key = "heat"
[[site.area.line.station.characteristic]]
id = "heat"
name = "Heat"
uom = "°C"
nominal = 180
lower = 170
upper = 190
digits = 1
[[site.area.line.station]]
id = "3"
name = "Test"
cycle_s = 26
source = "right"
key = "leak"

[[product]]
id = "P"
name = "Pump"
revision = "A"
[[product.operation]]
id = "1"
name = "Press"
station = "1"
characteristics = ["force"]
[[product.operation]]
id = "2"
name = "Bake"
station = "2"
[[product.operation]]
id = "3"
name = "Test"
station = "3"
characteristics = ["leak"]
[[product.part]]
product = "BODY"
name = "Body"
tracking = "serial"
operation = "1"
[[product.part]]
product = "SEAL"
name = "Seal"
quantity = 2
operation = "1"
[[product.characteristic]]
id = "force"
name = "Force"
uom = "kN"
lower = 4.0
upper = 6.0
digits = 2
[[product.characteristic]]
id = "leak"
name = "Leak"
uom = "ml/min"
lower = 0
upper = 1.0
digits = 2

[[reason]]
id = "breakdown"
name = "Breakdown"

[adapter.left]
kind = "http"
fresh_s = 5
[adapter.right]
kind = "http"
fresh_s = 5
[adapter.office]
kind = "http"
"""

START = dt.datetime(2026, 6, 1, 6, 0, tzinfo=dt.UTC)


@cache
def tiny_plant() -> Plant:
    """The plant of `tiny`."""
    return parse(TINY_TEXT, "tiny plant.toml")


def tiny(seed: int, minutes: float = 4, start: dt.datetime = START) -> list[Event]:
    """The facts of some minutes, in order of event time; every type of fact is among them.

    Left out are only those that the product writes itself: plant files, corrections (see
    `faults.corrected`) and rejections.
    """
    end = start + dt.timedelta(minutes=minutes)
    life = SimulatedPlant(tiny_plant(), seed, start, order_quantity=3).until(end)
    return sorted([*life, *one_of_each(seed, start, end)], key=lambda fact: (fact.event_time, fact.id))


def one_of_each(seed: int, start: dt.datetime, end: dt.datetime) -> list[Event]:
    """A fact of every type, at chance times, about what `tiny` is about."""
    random = Random(f"{seed}/one of each")
    found = []
    for kind, fields in _EXAMPLES:
        # Whole seconds, so that now and then two facts have the same time.
        time = start + dt.timedelta(seconds=random.randrange(int((end - start).total_seconds())))
        time = time.astimezone(dt.timezone(dt.timedelta(hours=2)))
        found.append(
            kind(
                id=events.new_id(time, random.randbytes), event_time=time, source=random.choice(_SOURCES),
                by=random.choice(_PEOPLE), **_made(fields, random, time),
            )
        )  # fmt: skip
    return found


def _made(fields: dict[str, Any], random: Random, time: dt.datetime) -> dict[str, Any]:
    """The fields of an example: a choice where there is a list, a time where there are seconds."""
    made = {}
    for name, value in fields.items():
        if isinstance(value, list):
            value = random.choice(value)
        made[name] = time + value if isinstance(value, dt.timedelta) else value
    return made


_SOURCES = ["left", "right", "office"]
_PEOPLE = [None, "AB", "CD"]
_STATION = ["tiny/s/a/1/1", "tiny/s/a/1/2", "tiny/s/a/1/3"]
_SERIAL = ["00801", "00802", "00803", "00804"]
_UNIT: dict[str, Any] = {"product": "P", "serial": _SERIAL}
_ORDER = ["2416", "2417"]
_WORK = {**_UNIT, "station": _STATION, "operation": ["1", "2", "3"], "order": _ORDER}
_LOT = {"product": "SEAL", "lot": ["L-1", "L-2"]}
_ALARM = {"alarm": ["hot", "stuck"], "station": _STATION}
_AGO = [dt.timedelta(seconds=-s) for s in (0, 1, 30, 90)]
_AHEAD = [dt.timedelta(seconds=s) for s in (1, 60)]
_DIGEST = "0f" * 32

_EXAMPLES: tuple[tuple[Any, dict[str, Any]], ...] = (
    (events.StateChanged, {"station": _STATION, "state": ["Execute", "Held", "Starved"], "reason": [None, "breakdown"]}),
    (events.HeartbeatMissed, {"adapter": _SOURCES, "last_seen": _AGO, "period_s": "5"}),
    (events.SourceLost, {"adapter": _SOURCES, "last_seen": [None, *_AGO], "reason": [None, "cable"]}),
    (events.SourceConnected, {"adapter": _SOURCES}),
    (events.GapFound, {"adapter": _SOURCES, "start_time": _AGO, "end_time": _AHEAD, "reason": [None, "buffer overrun"]}),
    (events.DeviationNoticed, {"adapter": _SOURCES, "deviation": ["seq", "bdseq"], "message": [None, "off by one"]}),
    (events.Counted, {"station": _STATION, "good": [0, 1, 5], "rejected": [0, 1], "for_review": [0, 1], "reading": [None, 7]}),
    (events.StopExplained, {"station": _STATION, "start_time": _AGO, "end_time": _AHEAD, "reason": "breakdown"}),
    (events.OperationStarted, _WORK),
    (events.OperationCompleted, {**_WORK, "start_time": [None, *_AGO], "good": [0, 1], "scrap": [0, 1], "rework": [0, 1]}),
    (
        events.OperationReported,
        {"operation": "turn", "kind": ["setup", "production", "breakdown"], "start_time": _AGO, "order": _ORDER,
         "station": [None, *_STATION], "good": [0, 10], "rejected": [0, 1], "rework": [True, False]},
    ),
    (events.OperationReported, {"operation": "test", "kind": "production", "start_time": _AGO, "station": _STATION, **_UNIT}),
    (events.OrderReleased, {"order": _ORDER, "product": "P", "quantity": [3, 5], "due": [None, *_AHEAD]}),
    (events.OrderClosed, {"order": _ORDER, "good": [None, 3], "short": [True, False]}),
    (events.UnitStarted, {**_UNIT, "order": _ORDER}),
    (events.UnitCompleted, {**_UNIT, "order": _ORDER}),
    (events.UnitScrapped, {**_UNIT, "order": _ORDER, "station": [None, *_STATION]}),
    (events.ComponentInstalled, {**_UNIT, "position": "Seal", "component_product": "SEAL", "component_lot": ["L-1", "L-2"], "quantity": "2"}),
    (events.ComponentRemoved, {**_UNIT, "position": "Seal", "component_product": "SEAL", "component_lot": [None, "L-1"]}),
    (events.Measured, {"characteristic": "heat", "value": ["179.5", "-3", "195.0"], "uom": "°C", "station": _STATION, "upper": [None, "190"]}),
    (events.RunRecorded, {**_UNIT, "station": _STATION, "program": "R1", "verdict": ["pass", "fail", "aborted"], "start_time": _AGO,
                          "channels": (events.Channel(name="heat", uom="°C", minimum="20", maximum="181", mean="150.5"),)}),
    (events.LotReceived, {**_LOT, "quantity": "40", "supplier": "Dichtmar", "heat": [None, "H-1"], "origin_country": ["DE", "AT"]}),
    (events.LotSplit, {**_LOT, "into": (events.LotPart(lot="L-3", quantity="5"), events.LotPart(lot="L-4", quantity="35"))}),
    (events.LotMerged, {**_LOT, "merged": (events.LotPart(lot="L-3", quantity="5"),)}),
    (events.LotOpened, {**_LOT, "station": _STATION, "container": [None, "box 1"]}),
    (events.NonconformanceRaised, {**_UNIT, "nonconformance": "RC-1", "reason": "leak", "severity": ["minor", "critical"]}),
    (events.DispositionDecided, {**_UNIT, "nonconformance": "RC-1", "decision": ["rework", "scrap", "use_as_is"]}),
    (events.HoldPlaced, {**_UNIT, "hold": "H-1", "reason": "leak"}),
    (events.HoldReleased, {**_UNIT, "hold": "H-1"}),
    (events.AlarmRaised, {**_ALARM, "priority": [1, 2, 3, 4], "text": "Too hot", "response": "Open the door."}),
    (events.AlarmAcknowledged, _ALARM),
    (events.AlarmShelved, {**_ALARM, "until": _AHEAD}),
    (events.AlarmCleared, _ALARM),
    (events.AlarmReset, _ALARM),
    (events.AlarmSuppressed, {**_ALARM, "reason": "the line stands", "rule": [None, "line_stands"]}),
    (events.AlarmUnsuppressed, _ALARM),
    (events.AlarmRemovedFromService, {**_ALARM, "reason": "sensor exchanged", "until": [None, *_AHEAD]}),
    (events.AlarmPlacedInService, _ALARM),
    (events.NoteWritten, {"text": "All quiet.\nOven cleaned.", "line": "tiny/s/a/1"}),
    (events.ShiftClosed, {"line": "tiny/s/a/1", "day": dt.date(2026, 6, 1), "shift": "A"}),
    (events.GateDecided, {"product": "P", "gate": "pilot", "decision": ["passed", "deferred"], "evidence": (_DIGEST,)}),
    (events.Packed, {**_UNIT, "container": "PAL-1"}),
    (events.UnitShipped, {**_UNIT, "consignee": "Ardent Pumps", "end_use": "pumps", "screened_on": dt.date(2026, 6, 1)}),
    (events.UnitFitted, {**_UNIT, "fitted_in": "pump set 7"}),
    (events.UnitReturned, {**_UNIT, "reason": "noise"}),
    (events.SiteObserved, {"device": "door 1", "zone": "hall", "category": "person", "severity": ["info", "alert"]}),
    (events.RoundChecked, {"round": "night", "checkpoint": "gate"}),
    (events.StatementChecked, {"statement": "3 pumps were made", "verdict": ["supported", "not_decidable"]}),
    (events.DisclosureIssued, {**_UNIT, "disclosure": "D-1", "recipient": "a buyer", "purpose": "acceptance", "fields": ("leak",)}),
    (events.DisclosureOpened, {"disclosure": "D-1"}),
    (events.DisclosureRevoked, {"disclosure": "D-1"}),
    (events.LaneRegistered, {"lane": "completed/P/2026-Q3"}),
)  # fmt: skip
