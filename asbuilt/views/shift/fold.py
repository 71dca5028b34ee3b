"""What a shift hands over, and reported work: events → rows.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.events import (
    NoteWritten,
    OperationReported,
    ShiftClosed,
    microseconds,
    unit_key,
)
from asbuilt.views.shift.rows import (
    Handover,
    Note,
    Reported,
)

VERSION = 5

ROWS = {
    Reported: ("station", "time_us", "fact"),
    Handover: ("line", "day", "shift", "time_us", "fact"),
    Note: ("place", "time_us", "fact"),
}
INDEXES = {
    Note: ["shift WHERE shift <> ''"],
    Reported: ["station, start_us"],
}
SHOWS = {
    Reported: {"start_us": "start_time", "kind": "kind rework", "order_no": "order"},
    Handover: {"by": "by source"},
    Note: {"place": "station line", "about": "product serial order", "by": "by source", "shift": "day shift"},
}


# --------------------------------------------------------------------------- rows of one fact


def _reported(fact: OperationReported, time_us: int) -> Iterator[Reported]:
    kind = "rework" if fact.rework and fact.kind == "production" else fact.kind
    yield Reported(
        station=fact.station or "",
        time_us=time_us,
        fact=fact.id.bytes,
        start_us=microseconds(fact.start_time),
        kind=kind,
        order_no=fact.order or "",
        product=fact.product or "",
        by=fact.by or "",
    )


def _handed_over(fact: ShiftClosed, time_us: int) -> Iterator[Handover]:
    yield Handover(
        line=fact.line,
        day=fact.day.isoformat(),
        shift=fact.shift,
        time_us=time_us,
        fact=fact.id.bytes,
        by=fact.by or fact.source,
    )


def _note(fact: NoteWritten, time_us: int) -> Iterator[Note]:
    about = unit_key(fact.product, fact.serial) if fact.serial else f"order:{fact.order}" if fact.order else ""
    shift = f"{fact.day.isoformat()} {fact.shift}" if fact.day and fact.shift else ""
    yield Note(
        place=fact.station or fact.line or "",
        time_us=time_us,
        fact=fact.id.bytes,
        text=fact.text,
        by=fact.by or fact.source,
        about=about,
        shift=shift,
    )


RULES = {
    OperationReported: _reported,
    ShiftClosed: _handed_over,
    NoteWritten: _note,
}
