"""What a shift hands over, and reported work: events → rows.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asbuilt.events import (
    DispositionDecided,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
    NoteWritten,
    OperationReported,
    ShiftClosed,
    microseconds,
    unit_key,
)
from asbuilt.views.shift.rows import (
    Handover,
    Note,
    OpenItem,
    Reported,
    Step,
)

VERSION = 4

ROWS = {
    Reported: ("station", "time_us", "fact"),
    Handover: ("line", "day", "shift", "time_us", "fact"),
    Note: ("place", "time_us", "fact"),
    Step: ("item", "time_us", "fact"),
    OpenItem: ("item", "subject", "from_us"),
}
INDEXES = {
    Note: ["shift WHERE shift <> ''"],
    OpenItem: ["from_us", "until_us"],
    Reported: ["station, start_us"],
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
    yield Handover(fact.line, fact.day.isoformat(), fact.shift, time_us, fact.id.bytes, fact.by or fact.source)


def _note(fact: NoteWritten, time_us: int) -> Iterator[Note]:
    about = unit_key(fact.product, fact.serial) if fact.serial else f"order:{fact.order}" if fact.order else ""
    shift = f"{fact.day.isoformat()} {fact.shift}" if fact.day and fact.shift else ""
    yield Note(fact.station or fact.line or "", time_us, fact.id.bytes, fact.text, fact.by or fact.source, about, shift)


def _subject(fact: Any) -> str:
    """What a hold or nonconformance is about, the narrowest thing told."""
    for name in ("serial", "lot", "order", "product", "station"):
        if getattr(fact, name, None) is not None:
            return f"{name} {getattr(fact, name)}"
    return ""


def _step(kind: str, what: str) -> Any:
    def rule(fact: Any, time_us: int) -> Iterator[Step]:
        name = fact.hold if kind == "hold" else fact.nonconformance
        text = getattr(fact, "reason", None) or getattr(fact, "decision", "")
        # What is decided about a nonconformance is decided about all of it, unless it names a part.
        yield Step(
            f"{kind} {name}", time_us, fact.id.bytes, what, _subject(fact), getattr(fact, "station", None) or "",
            text or "", getattr(fact, "severity", ""), fact.by or fact.source,
        )  # fmt: skip

    return rule


RULES = {
    HoldPlaced: _step("hold", "open"),
    HoldReleased: _step("hold", "closed"),
    NonconformanceRaised: _step("nonconformance", "open"),
    DispositionDecided: _step("nonconformance", "closed"),
    OperationReported: _reported,
    ShiftClosed: _handed_over,
    NoteWritten: _note,
}


def open_items(steps: list[Step]) -> Iterator[OpenItem]:
    """From when to when a hold or nonconformance stood for each of its subjects; one settled without naming any ends all."""
    standing: dict[str, Step] = {}
    for step in steps:
        if step.what == "open":
            standing.setdefault(step.subject, step)
            continue
        for subject in [step.subject] if step.subject in standing else [] if step.subject else list(standing):
            opened = standing.pop(subject)
            yield _item(opened, max(step.time_us, opened.time_us + 1))
    for opened in standing.values():
        yield _item(opened, 0)


def _item(opened: Step, until_us: int) -> OpenItem:
    return OpenItem(
        opened.item, opened.subject, opened.time_us, until_us, opened.station, opened.text, opened.grade, opened.by
    )


DERIVED = [
    {"rows": (OpenItem,), "of": Step, "by": "item", "rule": open_items},
]
