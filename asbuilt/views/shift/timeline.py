"""What a station did at every instant of a window, told by its facts: tiles without gaps and overlaps.

What holds at an instant, in this order: time that has not come yet; time off and breaks of the
calendar; then as the station's time reads (`domain.states.reading`). What nobody observed or explained is
`not observed`: never idle, never zero. All times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, above, below, between
from asbuilt.domain.orders.questions import closed_us
from asbuilt.domain.pieces.questions import worked_before
from asbuilt.domain.pieces.rows import Made
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.presence.intervals import Interval, union
from asbuilt.domain.states import spells
from asbuilt.domain.states.reading import Kind, Reasoned, reading, resolved
from asbuilt.domain.states.rows import Explained
from asbuilt.domain.states.spells import Spell
from asbuilt.time import HOUR_US
from asbuilt.views.shift.calendar import Plants, Span
from asbuilt.views.shift.rows import Reported

KINDS: tuple[Kind, ...] = (
    "production", "setup", "delay", "down", "planned", "break", "off", "not observed", "ahead"
)  # fmt: skip
FOREVER = 2**62


class Gap(NamedTuple):
    """From when to when nobody observed a station."""

    start_us: int
    end_us: int


class Task(NamedTuple):
    """Which order and product a station worked on from when to when."""

    start_us: int
    end_us: int
    order: str
    product: str


class Tile(NamedTuple):
    """A piece of a station's time: what it counts as, and the facts that say so.

    `lead` is the state its stop goes by, `stop_us` when that began (0 where no state is known).
    """

    start_us: int
    end_us: int
    kind: Kind
    state: str
    reason: str
    message: str
    fact: bytes
    explained: Explained | None
    task: Task | None
    span: Span
    lead: str
    stop_us: int


# --------------------------------------------------------------------------- putting together


def tiles(
    spans: Iterable[Span],
    spells: Sequence[Spell],
    gaps: Sequence[Gap],
    reasons: Sequence[Reasoned],
    tasks: Sequence[Task],
    now_us: int,
) -> Iterator[Tile]:
    """The spans cut by everything known; neither gaps nor overlaps, the same wherever the window is cut."""
    layers = (_Layer(spells), _Layer(gaps), _Layer(reasons), _Layer(tasks))
    for span in spans:
        at = span.start_us
        while at < span.end_us:
            until = span.end_us
            if at < now_us < until:
                until = now_us
            found: list[Any] = []
            for layer in layers:
                covering, change = layer.at(at)
                until = min(until, change)
                found.append(covering)
            spell, gap, reasoned, task = found
            yield _tile(at, until, span, spell, gap, reasoned, task, at >= now_us)
            at = until


class _Layer:
    """Sorted intervals that do not overlap, walked through once."""

    def __init__(self, intervals: Sequence[Any]) -> None:
        self._intervals = intervals
        self._next = 0

    def at(self, time_us: int) -> tuple[Any, int]:
        """The interval that covers an instant, and when that changes."""
        while self._next < len(self._intervals) and self._intervals[self._next].end_us <= time_us:
            self._next += 1
        if self._next == len(self._intervals):
            return None, FOREVER
        interval = self._intervals[self._next]
        return (interval, interval.end_us) if interval.start_us <= time_us else (None, interval.start_us)


def _tile(
    start: int,
    end: int,
    span: Span,
    spell: Spell | None,
    gap: Gap | None,
    reasoned: Reasoned | None,
    task: Task | None,
    ahead: bool,
) -> Tile:
    if ahead:
        return Tile(start, end, "ahead", "", "", "", b"", None, None, span, "", 0)
    plant = span.plant
    found = reading(plant, spell, gap is not None, reasoned)
    kind = found.kind
    if kind == "delay" and task is None and plant.time_model.without_order == "down":
        kind = "down"
    return Tile(
        start_us=start,
        end_us=end,
        kind=kind if span.kind == "work" else span.kind,
        state=found.state,
        reason=found.reason,
        message=found.message,
        fact=spell.fact if spell else b"",
        explained=found.explained,
        task=task,
        span=span,
        lead=found.lead,
        stop_us=spell.stop_us if spell else 0,
    )


# --------------------------------------------------------------------------- gathering


class Station:
    """The rows about one station's time over a window, read when asked for."""

    def __init__(
        self, reader: Reader, path: str, plants: Plants, start_us: int, end_us: int, now_us: int, flow: str
    ) -> None:
        self.reader = reader
        self.path = path
        self.start_us = start_us
        self.end_us = end_us
        self.now_us = now_us
        self.plants = plants
        self._flow = flow

    def over(self, start_us: int, end_us: int) -> Station:
        """The same station over another window."""
        return Station(self.reader, self.path, self.plants, start_us, end_us, self.now_us, self._flow)

    @cached_property
    def reports(self) -> bool:
        """Whether people report what is done here, and no machine has ever told a state."""
        known = spells.before(self.reader, self.path, self.start_us // HOUR_US * HOUR_US)
        if known is not None or spells.before(self.reader, self.path, self.now_us) is not None:
            return False
        return self._flow == "job_shop" or self.reader.exists(Reported, {"station": self.path})

    def spells(self) -> list[Spell]:
        """The station's states over the window, in order, without overlaps."""
        if self.reports:
            return self._reported()
        return spells.spells(self.reader, self.path, self.start_us, self.end_us, self.now_us)

    def _reported(self) -> list[Spell]:
        """Time covered by reports: production before setup before breakdown where they are side by side."""
        rows = self.reader.rows(
            Reported, {"station": self.path, "start_us": below(self.end_us), "time_us": above(self.start_us)}
        )
        # The same sweep as for explanations, with the more valuable work in place of the later word.
        ranked = [
            Explained(row.station, row.time_us, row.fact, row.start_us, _RANK[row.kind], row.kind, row.order_no, row.by)
            for row in rows
        ]
        found: list[Spell] = []
        at = min(self.start_us, *(row.start_us for row in ranked)) if ranked else self.start_us
        for piece in resolved(ranked):
            if at < piece.start_us:
                found.append(_report(at, piece.start_us, "no report", b""))
            found.append(_report(piece.start_us, piece.end_us, piece.told.reason, piece.told.fact))
            at = piece.end_us
        return [*found, _report(at, FOREVER, "no report", b"")]

    def explanations(self) -> list[Reasoned]:
        """Which explanation holds when."""
        return resolved(spells.explanations(self.reader, self.path, self.start_us, self.end_us))

    def gaps(self) -> list[Gap]:
        """When nobody observed the station; time for which nobody named a station is observed by who reports it."""
        if not self.path:
            return []
        silent: list[Interval] = [
            (one.start_us, one.end_us) for one in presence.silences(self.reader, self.path, self.start_us, self.end_us)
        ]
        return [Gap(start_us, end_us) for start_us, end_us in union(silent)]

    def tasks(self, *, closing: bool = True) -> list[Task]:
        """Orders and products the station worked on: each until the next one, or (`closing`) until its order was closed."""
        asked: dict[str, Value | Test] = {"station": self.path}
        until_us = min(self.end_us, self.now_us)
        before = worked_before(self.reader, self.path, self.start_us)
        told_of = [] if before is None else [(before.time_us, before.order_no, before.product)]
        inside = self.reader.columns(
            Made,
            ("time_us", "order_no", "product"),
            {
                **asked,
                "hour": between(self.start_us // HOUR_US, -(-until_us // HOUR_US)),
                "time_us": between(self.start_us, until_us),
            },
            order="hour time_us fact",
        )
        told_of += [(time_us, order, product) for time_us, order, product in inside if order or product]
        found: list[Task] = []
        for time_us, order, product in told_of:
            if found and (found[-1].order, found[-1].product) == (order, product):
                continue
            if found:
                found[-1] = found[-1]._replace(end_us=time_us)
            found.append(Task(time_us, FOREVER, order, product))
        ended = map(self._until_closed, found) if closing else found
        return [task for task in ended if task.start_us < task.end_us]

    def _until_closed(self, task: Task) -> Task:
        if not task.order:
            return task
        closing_us = closed_us(self.reader, task.order, task.start_us)
        return task if closing_us is None else task._replace(end_us=min(task.end_us, closing_us))

    def tiles(self, spans: Sequence[Span]) -> list[Tile]:
        """The station's tiles over spans of its calendar."""
        layers = (self.spells(), self.gaps(), self.explanations(), self.tasks())
        return list(tiles(spans, *layers, self.now_us))


def _report(start_us: int, end_us: int, kind: str, fact: bytes) -> Spell:
    return Spell(start_us, end_us, kind, "", "", fact, kind, start_us)


_RANK = {"breakdown": 0, "setup": 1, "rework": 2, "production": 2}
