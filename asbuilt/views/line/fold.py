"""What happens on a line: events → rows.

Most rows belong to one fact. Where a unit stands follows from all its passages, and how long an
alarm stood from all its steps: these are derived per unit and per alarm, so whatever order the
facts came in, the same rows.
All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.domain.meaning import item_of, pieces_of
from asbuilt.events import (
    OperationCompleted,
    OperationReported,
    OperationStarted,
    Packed,
    UnitCompleted,
    UnitReturned,
    UnitScrapped,
    UnitShipped,
    UnitStarted,
    microseconds,
    unit_key,
)
from asbuilt.rows import ROW, Interned

VERSION = 4

LONG_STAY_US = 86_400_000_000
"""Stays longer than a day are marked, so that a look at any moment finds them without a scan."""


class Passage(NamedTuple):
    """An item (unit, lot or order) passed a point: `what` is started, completed, reported, born,
    released, packed, shipped, returned or scrapped. `start_us` is 0 where it is not told."""

    item: Interned
    time_us: int
    fact: bytes
    what: Interned
    station: Interned
    operation: Interned
    order_no: Interned
    start_us: int
    good: int
    scrap: int
    rework: int
    by: Interned


class Stay(NamedTuple):
    """An item was at a station (`at`), or past it and waiting (`after`), for a time.

    `until_us` is 0 while it still is; `long` is 1 then and for stays above `LONG_STAY_US`.
    """

    item: Interned
    from_us: int
    until_us: int
    long: int
    station: Interned
    phase: Interned


class Oddity(NamedTuple):
    """The passages of an item contradict each other; shown, never hidden in a count."""

    item: Interned
    time_us: int
    kind: Interned
    station: Interned
    other: Interned


ROWS = {
    Passage: ("item", "time_us", "fact"),
    Stay: ("item", "from_us", "station", "phase"),
    Oddity: ("item", "time_us", "kind", "station", "other"),
}
INDEXES = {
    Passage: ["station, time_us"],
    Stay: ["station, from_us", "station WHERE long = 1"],
    Oddity: ["station, time_us"],
}
SHOWS = {
    Passage: {
        ROW: "operation_reported.station",
        "item": "product serial lot order", "what": "type", "order_no": "order", "start_us": "start_time",
        "good": "good scrap rework serial kind", "scrap": "scrap rejected kind", "rework": "rework for_review kind",
    },
    Stay: {
        ROW: "product serial event_time start_time station good scrap rework",
        "item": "product serial", "from_us": "event_time start_time", "until_us": "event_time start_time",
        "long": "event_time start_time", "phase": "type",
    },
    Oddity: {
        ROW: "product serial event_time start_time station good scrap rework",
        "item": "product serial", "kind": "type", "other": "station",
    },
}  # fmt: skip


# --------------------------------------------------------------------------- rows of one fact


def _started(fact: OperationStarted, time_us: int) -> Iterator[Passage]:
    yield Passage(
        item=item_of(fact), time_us=time_us, fact=fact.id.bytes, what="started", station=fact.station,
        operation=fact.operation, order_no=fact.order or "", start_us=0, good=0, scrap=0, rework=0, by=fact.by or "",
    )  # fmt: skip


def _completed(fact: OperationCompleted, time_us: int) -> Iterator[Passage]:
    pieces = pieces_of(fact)
    yield Passage(
        item=item_of(fact), time_us=time_us, fact=fact.id.bytes, what="completed", station=fact.station,
        operation=fact.operation, order_no=fact.order or "",
        start_us=microseconds(fact.start_time) if fact.start_time else 0,
        good=pieces.good, scrap=pieces.rejected, rework=pieces.rework, by=fact.by or "",
    )  # fmt: skip


def _reported(fact: OperationReported, time_us: int) -> Iterator[Passage]:
    # Without a station a report says nothing about a line.
    if fact.station is not None:
        pieces = pieces_of(fact)
        yield Passage(
            item=item_of(fact), time_us=time_us, fact=fact.id.bytes, what="reported", station=fact.station,
            operation=fact.operation, order_no=fact.order or "", start_us=microseconds(fact.start_time),
            good=pieces.good, scrap=pieces.rejected, rework=pieces.for_review, by=fact.by or "",
        )  # fmt: skip


def _milestone(what: str) -> Any:
    def rule(fact: Any, time_us: int) -> Iterator[Passage]:
        yield Passage(
            item=unit_key(fact.product, fact.serial), time_us=time_us, fact=fact.id.bytes, what=what,
            station=getattr(fact, "station", None) or "", operation="", order_no=getattr(fact, "order", None) or "",
            start_us=0, good=0, scrap=0, rework=0, by=fact.by or "",
        )  # fmt: skip

    return rule


RULES = {
    OperationStarted: _started,
    OperationCompleted: _completed,
    OperationReported: _reported,
    UnitStarted: _milestone("born"),
    UnitCompleted: _milestone("released"),
    UnitScrapped: _milestone("scrapped"),
    Packed: _milestone("packed"),
    UnitShipped: _milestone("shipped"),
    UnitReturned: _milestone("returned"),
}


# --------------------------------------------------------------------------- where an item stands


def stays(passages: list[Passage]) -> Iterator[Stay | Oddity]:
    """Where a unit stood, from all its passages in order of time.

    A unit is at one place at a time, so a count of stays can never be negative; what does not
    fit becomes an `Oddity`: completed twice, completed without a start, started elsewhere while
    still at a station, seen again after it was scrapped or shipped.
    """
    if not passages[0:1] or not passages[0].item.startswith("unit:"):
        return
    item = passages[0].item
    here, since, gone = NOWHERE, 0, ""
    for passage in passages:
        kind = _contradiction(passage, here, gone)
        if kind:
            yield Oddity(item=item, time_us=passage.time_us, kind=kind, station=passage.station, other=here.station)
        if passage.what == "completed" and passage.start_us and here != Place(passage.station, "at"):
            # The source told only the end: the unit has been at the station since the start it gave.
            began = max(passage.start_us, since)
            yield from _stay(item, since, began, here)
            here, since = Place(passage.station, "at"), began
        place = _place(passage, here)
        if place != here:
            yield from _stay(item, since, passage.time_us, here)
            here, since = place, passage.time_us
        if passage.what in ("scrapped", "shipped"):
            gone = passage.what
        elif passage.what == "returned":
            gone = ""
    if here != NOWHERE:
        yield Stay(item=item, from_us=since, until_us=0, long=1, station=here.station, phase=here.phase)


class Place(NamedTuple):
    """At a station, or after it in the buffer; `NOWHERE` is off the line."""

    station: str
    phase: str


NOWHERE = Place("", "")


def _place(passage: Passage, here: Place) -> Place:
    """Where the unit is after this passage."""
    match passage.what:
        case "started":
            return Place(passage.station, "at")
        case "completed":
            lost = passage.scrap and not passage.good and not passage.rework
            return NOWHERE if lost else Place(passage.station, "after")
        case "scrapped" | "packed" | "shipped":
            return NOWHERE
        case "released":
            return here if here.phase == "at" else NOWHERE
    return here


def _contradiction(passage: Passage, here: Place, gone: str) -> str:
    if gone and passage.what in ("started", "completed"):
        return f"seen after it was {gone}"
    if passage.what == "started" and here.phase == "at":
        return "started twice" if passage.station == here.station else "started elsewhere while still here"
    if passage.what == "completed" and not passage.start_us and here != Place(passage.station, "at"):
        return "completed twice" if here == Place(passage.station, "after") else "completed without a start"
    return ""


def _stay(item: str, from_us: int, until_us: int, place: Place) -> Iterator[Stay]:
    if place != NOWHERE and until_us > from_us:
        long = int(until_us - from_us > LONG_STAY_US)
        yield Stay(item=item, from_us=from_us, until_us=until_us, long=long, station=place.station, phase=place.phase)


DERIVED = [
    {"rows": (Stay, Oddity), "of": Passage, "by": "item", "rule": stays},
]
