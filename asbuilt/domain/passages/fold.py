"""Where units, lots and orders passed: work at stations and the milestones of a unit's life. Events → rows.

Every passage is stored once; where a unit is now follows from all its passages (`Status`). All times are microseconds
since 1970 UTC; `fact` is the id of the fact behind a row; units and lots are named by their subject keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from asbuilt.domain.meaning import Pieces, named_in, pieces_of
from asbuilt.domain.passages.rows import Oddity, Passage, Status, Stay
from asbuilt.domain.passages.stays import stays
from asbuilt.events import (
    Event,
    OperationCompleted,
    OperationReported,
    OperationStarted,
    Packed,
    UnitCompleted,
    UnitFitted,
    UnitReturned,
    UnitScrapped,
    UnitShipped,
    UnitStarted,
    microseconds,
    unit_key,
)
from asbuilt.rows import ROW

VERSION = 2


ROWS = {
    Passage: ("unit", "time_us", "rank", "fact"),
    Status: ("unit",),
    Stay: ("unit", "from_us", "station", "phase"),
    Oddity: ("unit", "time_us", "kind", "station", "other"),
}
INDEXES = {
    Passage: ["station, time_us WHERE station <> ''", "by, time_us WHERE by <> ''",
              "program, program_revision, time_us WHERE program <> ''", "order_no WHERE order_no <> ''"],
    Status: ["state, since_us", "since_us", "order_no WHERE order_no <> ''", "completed_us WHERE completed_us > 0",
             "station, state"],
    Stay: ["station, from_us", "station WHERE long = 1"],
    Oddity: ["station, time_us"],
}  # fmt: skip
SHOWS = {
    Passage: {
        ROW: "operation_started.serial operation_completed.serial operation_reported.serial kind",
        "unit": "product serial", "rank": "type", "what": "type", "order_no": "order", "start_us": "start_time",
        "good": "good scrap rework", "scrap": "scrap rejected", "rework": "rework",
        "place": "container consignee fitted_in returned_by",
    },
    Status: {
        ROW: "product serial kind",
        "unit": "product serial", "state": "type event_time good scrap rework", "since_us": "event_time good scrap rework",
        "place": "event_time good scrap rework station container consignee fitted_in returned_by",
        "station": "event_time station",
        "consignee": "event_time consignee", "order_no": "event_time order", "revision": "event_time revision",
        "started_us": "event_time", "completed_us": "event_time",
    },
    Stay: {
        ROW: "product serial event_time start_time station good scrap rework",
        "unit": "product serial", "from_us": "event_time start_time", "until_us": "event_time start_time",
        "long": "event_time start_time", "phase": "type",
    },
    Oddity: {
        ROW: "product serial event_time start_time station good scrap rework",
        "unit": "product serial", "kind": "type", "other": "station",
    },
}  # fmt: skip


# --------------------------------------------------------------------------- rows of one fact


_RANKS = ("born", "completed", "reported", "started", "released", "packed", "shipped", "fitted", "returned", "scrapped")
_PLACES = {"packed": "container", "shipped": "consignee", "fitted": "fitted_in", "returned": "returned_by"}


def _passage(what: str) -> Any:
    place, rank = _PLACES.get(what, ""), _RANKS.index(what)

    def rule(fact: Any, time_us: int) -> Iterator[Passage]:
        if fact.serial is None or (what == "reported" and fact.kind != "production"):
            return
        told = {name: getattr(fact, name, None) or "" for name in _TOLD}
        start = getattr(fact, "start_time", None)
        pieces = pieces_of(fact) if isinstance(fact, OperationCompleted | OperationReported) else _NONE
        yield Passage(
            unit=unit_key(fact.product, fact.serial),
            time_us=time_us,
            rank=rank,
            fact=fact.id.bytes,
            what=what,
            station=told["station"],
            operation=told["operation"],
            order_no=told["order"],
            program=told["program"],
            program_revision=told["program_revision"],
            start_us=microseconds(start) if start else 0,
            good=pieces.good,
            scrap=pieces.rejected,
            rework=pieces.rework,
            by=fact.by or "",
            place=(getattr(fact, place) or "") if place else "",
            reason=told["reason"],
            revision=told["revision"],
        )

    return rule


_NONE = Pieces(0, 0, 0, 0)
_TOLD = ("station", "operation", "order", "program", "program_revision", "reason", "revision")


RULES: dict[type[Event], Any] = {
    OperationStarted: _passage("started"),
    OperationCompleted: _passage("completed"),
    OperationReported: _passage("reported"),
    UnitStarted: _passage("born"),
    UnitCompleted: _passage("released"),
    UnitScrapped: _passage("scrapped"),
    Packed: _passage("packed"),
    UnitShipped: _passage("shipped"),
    UnitFitted: _passage("fitted"),
    UnitReturned: _passage("returned"),
}


# --------------------------------------------------------------------------- where a unit is

_STATES = {"released": "completed", "packed": "packed", "shipped": "shipped", "fitted": "fitted",
           "returned": "returned", "scrapped": "scrapped"}  # fmt: skip


def status(passages: list[Passage]) -> Iterator[Status]:
    """Where a unit is in its life, from all its passages in order of time.

    The last one says it. An operation that is completed opens nothing again: work on a unit that was
    released begins with a start.
    """
    first = passages[0]
    state, since, place = "in work", first.time_us, ""
    station = consignee = order = revision = ""
    completed = 0
    for passage in passages:
        station = passage.station or station
        order, revision = passage.order_no or order, passage.revision or revision
        new = _STATES.get(passage.what, "in work")
        if passage.what in ("completed", "reported"):
            lost = passage.scrap and not passage.good and not passage.rework
            new = "scrapped" if lost and passage.what == "completed" else state
        if passage.what == "released":
            completed = passage.time_us
        elif passage.what == "shipped":
            consignee = passage.place
        if new != state:
            state, since = new, passage.time_us
        elif passage.what in _STATES:
            since = passage.time_us
        place = passage.place if passage.what in _PLACES else place if new in ("packed", "shipped", "fitted", "returned") else station  # fmt: skip
    product, serial = named_in(first.unit)
    yield Status(
        unit=first.unit,
        product=product,
        serial=serial,
        state=state,
        since_us=since,
        place=place,
        station=station,
        consignee=consignee,
        order_no=order,
        revision=revision,
        started_us=first.time_us,
        completed_us=completed,
    )


def follows(passages: list[Passage]) -> Iterator[Status | Stay | Oddity]:
    """Everything that is worked out of a unit's passages, which are read once for it."""
    return chain(status(passages), stays(passages))


DERIVED = [{"rows": (Status, Stay, Oddity), "of": Passage, "by": "unit", "rule": follows}]
