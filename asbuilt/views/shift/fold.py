"""Pieces of every station, and what a shift hands over: events → rows.

Pieces are summed per station and clock hour (UTC).
All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.domain.meaning import pieces_of
from asbuilt.events import (
    Counted,
    NoteWritten,
    OperationCompleted,
    OperationReported,
    OperationStarted,
    OrderClosed,
    OrderReleased,
    ShiftClosed,
    microseconds,
    unit_key,
)
from asbuilt.time import HOUR_US
from asbuilt.views.shift.rows import (
    First,
    Handover,
    Made,
    Note,
    OrderStep,
    Pieces,
    Reported,
    Run,
)

VERSION = 4

ROWS = {
    Made: ("station", "hour", "time_us", "fact"),
    Pieces: ("station", "hour", "told", "kind", "order_no", "product"),
    Reported: ("station", "time_us", "fact"),
    Run: ("item", "station", "time_us", "fact"),
    First: ("item", "station"),
    OrderStep: ("order_no", "time_us", "fact"),
    Handover: ("line", "day", "shift", "time_us", "fact"),
    Note: ("place", "time_us", "fact"),
}
INDEXES = {
    First: ["station, time_us"],
    Note: ["shift WHERE shift <> ''"],
    Made: ["order_no, time_us"],
    Reported: ["station, start_us"],
}


# --------------------------------------------------------------------------- rows of one fact


def _counted(fact: Counted, time_us: int) -> Iterator[Made]:
    yield Made(
        fact.station, time_us // HOUR_US, time_us, fact.id.bytes, "counted", "", 0, fact.order or "", fact.product or "",
        fact.good, fact.rejected, fact.for_review, 0, -1 if fact.reading is None else fact.reading, fact.by or "",
    )  # fmt: skip


def _started(fact: OperationStarted, time_us: int) -> Iterator[Made]:
    yield Made(
        fact.station, time_us // HOUR_US, time_us, fact.id.bytes, "started", "", 0, fact.order or "", fact.product or "",
        0, 0, 0, 0, -1, fact.by or "",
    )  # fmt: skip


def _completed(fact: OperationCompleted, time_us: int) -> Iterator[Made | Run]:
    good = pieces_of(fact).good
    yield Made(
        fact.station, time_us // HOUR_US, time_us, fact.id.bytes, "completed", "",
        microseconds(fact.start_time) if fact.start_time else 0, fact.order or "", fact.product or "",
        good, fact.scrap, 0, fact.rework, -1, fact.by or "",
    )  # fmt: skip
    if fact.serial is not None:
        clean = int(bool(good) and not fact.scrap and not fact.rework)
        yield Run(unit_key(fact.product, fact.serial), fact.station, time_us, fact.id.bytes, clean)


def _reported(fact: OperationReported, time_us: int) -> Iterator[Made | Reported]:
    # What a setup or a breakdown reports is told by the order view.
    made = pieces_of(fact)[:3]
    kind = "rework" if fact.rework and fact.kind == "production" else fact.kind
    station, start_us = fact.station or "", microseconds(fact.start_time)
    yield Reported(station, time_us, fact.id.bytes, start_us, kind, fact.order or "", fact.product or "", fact.by or "")
    yield Made(
        station, time_us // HOUR_US, time_us, fact.id.bytes, "reported", kind, start_us,
        fact.order or "", fact.product or "", *made, 0, -1, fact.by or "",
    )  # fmt: skip


def _released(fact: OrderReleased, time_us: int) -> Iterator[OrderStep]:
    yield OrderStep(fact.order, time_us, fact.id.bytes, "released", fact.product, fact.quantity)


def _closed(fact: OrderClosed, time_us: int) -> Iterator[OrderStep]:
    yield OrderStep(fact.order, time_us, fact.id.bytes, "closed", "", 0)


def _handed_over(fact: ShiftClosed, time_us: int) -> Iterator[Handover]:
    yield Handover(fact.line, fact.day.isoformat(), fact.shift, time_us, fact.id.bytes, fact.by or fact.source)


def _note(fact: NoteWritten, time_us: int) -> Iterator[Note]:
    about = unit_key(fact.product, fact.serial) if fact.serial else f"order:{fact.order}" if fact.order else ""
    shift = f"{fact.day.isoformat()} {fact.shift}" if fact.day and fact.shift else ""
    yield Note(fact.station or fact.line or "", time_us, fact.id.bytes, fact.text, fact.by or fact.source, about, shift)


RULES = {
    Counted: _counted,
    OperationStarted: _started,
    OperationCompleted: _completed,
    OperationReported: _reported,
    OrderReleased: _released,
    OrderClosed: _closed,
    ShiftClosed: _handed_over,
    NoteWritten: _note,
}


# --------------------------------------------------------------------------- whole hours, first runs


def pieces(made: list[Made]) -> Iterator[Pieces]:
    """The pieces of one hour, from everything told in it."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for one in made:
        if one.told != "started":
            found = sums.setdefault((one.told, one.kind, one.order_no, one.product), [0, 0, 0, 0])
            for n, count in enumerate((one.good, one.rejected, one.for_review, one.rework)):
                found[n] += count
    for key, counts in sums.items():
        yield Pieces(made[0].station, made[0].hour, *key, *counts)


def first_runs(runs: list[Run]) -> Iterator[First]:
    """A unit's first completion at each station, from all its completions."""
    seen: dict[str, Run] = {}
    for run in runs:
        first = seen.get(run.station)
        if first is None or (run.time_us, run.fact) < (first.time_us, first.fact):
            seen[run.station] = run
    for run in seen.values():
        yield First(run.item, run.station, run.time_us, run.clean)


DERIVED = [
    {"rows": (Pieces,), "of": Made, "by": ("station", "hour"), "rule": pieces},
    {"rows": (First,), "of": Run, "by": "item", "rule": first_runs},
]
