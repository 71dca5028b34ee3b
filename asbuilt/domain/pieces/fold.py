"""Pieces of every station, a row a fact and summed per station and clock hour (UTC): events → rows."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.domain.meaning import pieces_of
from asbuilt.domain.pieces.rows import First, Made, Pieces, Run, Worked
from asbuilt.events import Counted, OperationCompleted, OperationReported, OperationStarted, microseconds, unit_key
from asbuilt.rows import ROW
from asbuilt.time import HOUR_US

VERSION = 2

ROWS = {
    Made: ("station", "hour", "time_us", "fact"),
    Pieces: ("station", "hour", "told", "kind", "order_no", "product"),
    Worked: ("station", "hour"),
    Run: ("item", "station", "time_us", "fact"),
    First: ("item", "station"),
}
INDEXES = {
    Made: ["order_no, time_us"],
    Pieces: ["station, told, hour"],
    First: ["station, time_us"],
}
SHOWS = {
    Made: {
        "hour": "event_time", "told": "type", "kind": "kind operation_reported.rework", "start_us": "event_time start_time",
        "order_no": "order", "good": "good scrap rework serial kind", "rejected": "rejected scrap kind",
        "for_review": "for_review kind", "rework": "rework",
    },
    Pieces: {
        ROW: "station event_time order product kind operation_reported.rework",
        "hour": "event_time", "told": "type", "order_no": "order", "good": "good scrap rework serial",
        "rejected": "rejected scrap", "for_review": "for_review", "rework": "rework",
    },
    Worked: {ROW: "station event_time order product", "hour": "event_time", "order_no": "order"},
    Run: {ROW: "serial", "item": "product serial", "clean": "scrap rework"},
    First: {ROW: "product serial station event_time", "item": "product serial", "clean": "scrap rework"},
}  # fmt: skip


def _counted(fact: Counted, time_us: int) -> Iterator[Made]:
    yield _made(fact, time_us, "counted", reading=-1 if fact.reading is None else fact.reading)


def _started(fact: OperationStarted, time_us: int) -> Iterator[Made]:
    yield _made(fact, time_us, "started")


def _completed(fact: OperationCompleted, time_us: int) -> Iterator[Made | Run]:
    yield _made(fact, time_us, "completed", start_us=microseconds(fact.start_time) if fact.start_time else time_us)
    if fact.serial is not None:
        clean = int(bool(pieces_of(fact).good) and not fact.scrap and not fact.rework)
        yield Run(
            item=unit_key(fact.product, fact.serial),
            station=fact.station,
            time_us=time_us,
            fact=fact.id.bytes,
            clean=clean,
        )


def _reported(fact: OperationReported, time_us: int) -> Iterator[Made]:
    kind = "rework" if fact.rework and fact.kind == "production" else fact.kind
    yield _made(fact, time_us, "reported", kind=kind, start_us=microseconds(fact.start_time))


def _made(
    fact: Counted | OperationStarted | OperationCompleted | OperationReported,
    time_us: int,
    told: str,
    *,
    kind: str = "",
    start_us: int | None = None,
    reading: int = -1,
) -> Made:
    pieces = (0, 0, 0, 0) if isinstance(fact, OperationStarted) else pieces_of(fact)
    good, rejected, for_review, rework = pieces
    return Made(
        station=fact.station or "",
        hour=time_us // HOUR_US,
        time_us=time_us,
        fact=fact.id.bytes,
        told=told,
        kind=kind,
        start_us=time_us if start_us is None else start_us,
        operation="" if isinstance(fact, Counted) else fact.operation,
        order_no=fact.order or "",
        product=fact.product or "",
        good=good,
        rejected=rejected,
        for_review=for_review,
        rework=rework,
        reading=reading,
        by=fact.by or "",
    )


RULES = {
    Counted: _counted,
    OperationStarted: _started,
    OperationCompleted: _completed,
    OperationReported: _reported,
}


def pieces(made: list[Made]) -> Iterator[Pieces | Worked]:
    """The pieces of one hour, from everything told in it, and what was worked on last.

    A station whose facts name no order has no such hour: what it works on is found without walking through its pieces.
    """
    worked = max(
        (one for one in made if one.order_no or one.product), key=lambda one: (one.time_us, one.fact), default=None
    )
    if worked is not None:
        yield Worked(
            station=worked.station,
            hour=worked.hour,
            time_us=worked.time_us,
            fact=worked.fact,
            order_no=worked.order_no,
            product=worked.product,
        )
    several: dict[tuple[str, str, str, str], list[Made]] = {}
    for one in made:
        if one.told != "started":
            several.setdefault((one.told, one.kind, one.order_no, one.product), []).append(one)
    for (told, kind, order_no, product), rows in several.items():
        yield Pieces(
            station=rows[0].station,
            hour=rows[0].hour,
            told=told,
            kind=kind,
            order_no=order_no,
            product=product,
            good=sum(row.good for row in rows),
            rejected=sum(row.rejected for row in rows),
            for_review=sum(row.for_review for row in rows),
            rework=sum(row.rework for row in rows),
        )


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
    {"rows": (Pieces, Worked), "of": Made, "by": ("station", "hour"), "rule": pieces},
    {"rows": (First,), "of": Run, "by": "item", "rule": first_runs},
]
