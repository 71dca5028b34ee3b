"""Time and pieces of every station: events → rows.

A station's states are cut into *cells*: one clock hour (UTC) of one station. What a whole hour
holds is derived per cell, so that a year is read as hours and only hours that a shift, a break,
an explanation or a silence cuts are read state by state. The state a station brings into an hour
comes from an earlier cell and is put together when asked: a fact changes its own hour alone.
All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asbuilt.events import (
    Counted,
    DispositionDecided,
    GapFound,
    HeartbeatMissed,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
    NoteWritten,
    OperationCompleted,
    OperationReported,
    OperationStarted,
    OrderClosed,
    OrderReleased,
    ShiftClosed,
    SourceConnected,
    SourceLost,
    StateChanged,
    StopExplained,
    microseconds,
    unit_key,
)
from asbuilt.views.shift.rows import (
    HOUR_US,
    Edge,
    Explained,
    First,
    Handover,
    Hour,
    Made,
    Note,
    OpenItem,
    OrderStep,
    Pieces,
    Reported,
    Run,
    State,
    Step,
    Watch,
    cell_of,
    hour_of,
)

VERSION = 2

ROWS = {
    State: ("cell", "time_us", "fact"),
    Hour: ("cell", "state", "reason"),
    Edge: ("cell",),
    Explained: ("station", "end_us", "fact"),
    Watch: ("adapter", "time_us", "fact"),
    Made: ("cell", "time_us", "fact"),
    Pieces: ("cell", "told", "kind", "order_no", "product"),
    Reported: ("station", "time_us", "fact"),
    Run: ("item", "station", "time_us", "fact"),
    First: ("item", "station"),
    OrderStep: ("order_no", "time_us", "fact"),
    Handover: ("line", "day", "shift", "time_us", "fact"),
    Note: ("place", "time_us", "fact"),
    Step: ("item", "time_us", "fact"),
    OpenItem: ("item", "subject", "from_us"),
}
INDEXES = {
    First: ["station, time_us"],
    Note: ["shift WHERE shift <> ''"],
    OpenItem: ["from_us", "until_us"],
    Made: ["order_no, time_us"],
    Reported: ["station, start_us"],
}


# --------------------------------------------------------------------------- rows of one fact


def _state(fact: StateChanged, time_us: int) -> Iterator[State]:
    yield State(
        cell_of(fact.station, time_us), time_us, fact.id.bytes, fact.state, fact.reason or "", fact.message or ""
    )


def _explained(fact: StopExplained, time_us: int) -> Iterator[Explained]:
    yield Explained(
        fact.station, microseconds(fact.end_time), fact.id.bytes, microseconds(fact.start_time), time_us,
        fact.reason, fact.message or "", fact.by or fact.source,
    )  # fmt: skip


def _heard(fact: SourceConnected, time_us: int) -> Iterator[Watch]:
    yield Watch(fact.adapter, time_us, fact.id.bytes, 0, 0)


def _lost(fact: HeartbeatMissed | SourceLost, time_us: int) -> Iterator[Watch]:
    seen_us = microseconds(fact.last_seen) if fact.last_seen else time_us
    yield Watch(fact.adapter, time_us, fact.id.bytes, 1, min(seen_us, time_us))


def _missed(fact: GapFound, time_us: int) -> Iterator[Watch]:
    start_us, end_us = microseconds(fact.start_time), microseconds(fact.end_time)
    if start_us < end_us:
        yield Watch(fact.adapter, start_us, fact.id.bytes, 1, start_us)
        yield Watch(fact.adapter, end_us, fact.id.bytes, 0, 0)


def _counted(fact: Counted, time_us: int) -> Iterator[Made]:
    yield Made(
        cell_of(fact.station, time_us), time_us, fact.id.bytes, "counted", "", 0, fact.order or "", fact.product or "",
        fact.good, fact.rejected, fact.for_review, 0, -1 if fact.reading is None else fact.reading, fact.by or "",
    )  # fmt: skip


def _started(fact: OperationStarted, time_us: int) -> Iterator[Made]:
    yield Made(
        cell_of(fact.station, time_us), time_us, fact.id.bytes, "started", "", 0, fact.order or "", fact.product or "",
        0, 0, 0, 0, -1, fact.by or "",
    )  # fmt: skip


def _completed(fact: OperationCompleted, time_us: int) -> Iterator[Made | Run]:
    # A unit that completed with no quantities told is one good piece.
    told = fact.good or fact.scrap or fact.rework
    good = 1 if fact.serial is not None and not told else fact.good
    yield Made(
        cell_of(fact.station, time_us), time_us, fact.id.bytes, "completed", "",
        microseconds(fact.start_time) if fact.start_time else 0, fact.order or "", fact.product or "",
        good, fact.scrap, 0, fact.rework, -1, fact.by or "",
    )  # fmt: skip
    if fact.serial is not None:
        clean = int(bool(good) and not fact.scrap and not fact.rework)
        yield Run(unit_key(fact.product, fact.serial), fact.station, time_us, fact.id.bytes, clean)


def _reported(fact: OperationReported, time_us: int) -> Iterator[Made | Reported]:
    # Only production brings pieces forth; what a setup or a breakdown reports is told by the order view.
    made = (fact.good, fact.rejected, fact.for_review) if fact.kind == "production" else (0, 0, 0)
    kind = "rework" if fact.rework and fact.kind == "production" else fact.kind
    station, start_us = fact.station or "", microseconds(fact.start_time)
    yield Reported(station, time_us, fact.id.bytes, start_us, kind, fact.order or "", fact.product or "", fact.by or "")
    yield Made(
        cell_of(station, time_us), time_us, fact.id.bytes, "reported", kind, start_us,
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
    StateChanged: _state,
    StopExplained: _explained,
    SourceConnected: _heard,
    HeartbeatMissed: _lost,
    SourceLost: _lost,
    GapFound: _missed,
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


def hours(states: list[State]) -> Iterator[Hour | Edge]:
    """What one hour of a station holds, from all its changes in order of time."""
    sums: dict[tuple[str, str], list[int]] = {}
    end_us = hour_of(states[0].cell) + HOUR_US
    before: tuple[str, str] | None = None
    for state in states:
        found = sums.setdefault((state.state, state.reason), [0, 0])
        if before is not None and before != (state.state, state.reason):
            found[1] += 1
        before = (state.state, state.reason)
    until_us = end_us
    for state in reversed(states):
        sums[state.state, state.reason][0] += until_us - state.time_us
        until_us = state.time_us
    cell, first, last = states[0].cell, states[0], states[-1]
    for (name, reason), (us, entered) in sums.items():
        yield Hour(cell, name, reason, us, entered)
    yield Edge(cell, first.time_us, first.state, first.reason, last.state, last.reason)


def pieces(made: list[Made]) -> Iterator[Pieces]:
    """The pieces of one cell, from everything told in it."""
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for one in made:
        if one.told != "started":
            found = sums.setdefault((one.told, one.kind, one.order_no, one.product), [0, 0, 0, 0])
            for n, count in enumerate((one.good, one.rejected, one.for_review, one.rework)):
                found[n] += count
    for key, counts in sums.items():
        yield Pieces(made[0].cell, *key, *counts)


def first_runs(runs: list[Run]) -> Iterator[First]:
    """A unit's first completion at each station, from all its completions."""
    seen: dict[str, Run] = {}
    for run in runs:
        first = seen.get(run.station)
        if first is None or (run.time_us, run.fact) < (first.time_us, first.fact):
            seen[run.station] = run
    for run in seen.values():
        yield First(run.item, run.station, run.time_us, run.clean)


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
    {"rows": (Hour, Edge), "of": State, "by": "cell", "rule": hours},
    {"rows": (Pieces,), "of": Made, "by": "cell", "rule": pieces},
    {"rows": (First,), "of": Run, "by": "item", "rule": first_runs},
]
