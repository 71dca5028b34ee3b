"""What a station did at every instant of a window, told by its facts: tiles without gaps and overlaps.

What holds at an instant, in this order: time that has not come yet; time off and breaks of the
calendar; the explanation declared last, where the station did not produce; the state, where it was
observed. What nobody observed or explained is `not observed`: never idle, never zero.
All times are microseconds since 1970 UTC.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from asbuilt.access import Reader
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import Plants, Span
from asbuilt.views.shift.rows import Explained, Reported, State, Watch, cell_of

Kind = Literal["production", "setup", "delay", "down", "planned", "break", "off", "not observed", "ahead"]
KINDS: tuple[Kind, ...] = (
    "production", "setup", "delay", "down", "planned", "break", "off", "not observed", "ahead"
)  # fmt: skip
FOREVER = 2**62
REPORTED: dict[str, Kind] = {
    "production": "production", "rework": "production", "setup": "setup", "breakdown": "delay", "no report": "down"
}  # fmt: skip
"""What the time of a station counts as whose work people report, by the kind of report."""


class Spell(NamedTuple):
    """From when to when a station was in a state, as told by one fact."""

    start_us: int
    end_us: int
    state: str
    reason: str
    message: str
    fact: bytes


class Gap(NamedTuple):
    """From when to when nobody observed a station."""

    start_us: int
    end_us: int


class Reasoned(NamedTuple):
    """The explanation that holds from when to when."""

    start_us: int
    end_us: int
    told: Explained


class Task(NamedTuple):
    """Which order and product a station worked on from when to when."""

    start_us: int
    end_us: int
    order: str
    product: str


class Tile(NamedTuple):
    """A piece of a station's time: what it counts as, and the facts that say so."""

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
            spell, gap, told, task = found
            yield _tile(at, until, span, spell, gap, told, task, at >= now_us)
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
    told: Reasoned | None,
    task: Task | None,
    ahead: bool,
) -> Tile:
    state, reason, message, fact = (
        (spell.state, spell.reason, spell.message, spell.fact) if spell else ("", "", "", b"")
    )
    explained = told.told if told is not None else None
    if ahead:
        return Tile(start, end, "ahead", "", "", "", b"", None, None, span)
    plant = span.plant
    kind: Kind = "not observed" if spell is None or gap is not None else kind_of(plant, state, reason)
    if explained is not None and kind != "production":
        # A person fills in what the machine did not say; what it says it made, it made.
        state = state if kind != "not observed" else ""
        kind = plant.time_of(state or "Stopped", explained.reason)
        kind = "delay" if kind == "production" else kind
        reason, message = explained.reason, explained.message
    if kind == "delay" and task is None and plant.time_model.without_order == "down":
        kind = "down"
    return Tile(
        start, end, kind if span.kind == "work" else span.kind, state, reason, message, fact, explained, task, span
    )


def kind_of(plant: Plant, state: str, reason: str) -> Kind:
    """What a station's time counts as: by the kind of report, or by state and reason."""
    return REPORTED[state] if state in REPORTED else plant.time_of(state, reason)


def resolved(told: Iterable[Explained]) -> list[Reasoned]:
    """Which explanation holds from when to when: of those that overlap the one declared last, at every instant."""
    begins = sorted(
        (row for row in told if row.start_us < row.end_us), key=lambda row: (row.start_us, row.declared_us, row.fact)
    )
    edges = sorted({edge for row in begins for edge in (row.start_us, row.end_us)})
    found: list[Reasoned] = []
    open_: list[tuple[int, int, Explained]] = []
    at = 0
    for start, end in pairwise(edges):
        while at < len(begins) and begins[at].start_us <= start:
            row = begins[at]
            heapq.heappush(open_, (-row.declared_us, -int.from_bytes(row.fact, "big"), row))
            at += 1
        while open_ and open_[0][2].end_us <= start:
            heapq.heappop(open_)
        if open_:
            holds = open_[0][2]
            if found and found[-1].told == holds and found[-1].end_us == start:
                found[-1] = found[-1]._replace(end_us=end)
            else:
                found.append(Reasoned(start, end, holds))
    return found


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
        self._plants = plants
        self._flow = flow

    @cached_property
    def reports(self) -> bool:
        """Whether people report what is done here, and no machine tells states."""
        if self.state_before(self.end_us) is not None:
            return False
        if self._flow == "job_shop":
            return True
        return bool(self.reader.select("SELECT 1 FROM shift_reported WHERE station = ? LIMIT 1", self.path))

    @property
    def cells(self) -> tuple[str, str]:
        """The first and last cell of the window."""
        return cell_of(self.path, self.start_us), cell_of(self.path, self.end_us)

    def state_before(self, time_us: int) -> State | None:
        """The last change before an instant."""
        return self.reader.first(
            State, "cell >= ? AND cell <= ? AND time_us < ? ORDER BY cell DESC, time_us DESC, fact DESC",
            f"{self.path}\t", cell_of(self.path, time_us), time_us,
        )  # fmt: skip

    def states(self, start_us: int, end_us: int) -> list[State]:
        """Changes in a window, in order."""
        return self.reader.rows(
            State, "cell >= ? AND cell <= ? AND time_us >= ? AND time_us < ? ORDER BY cell, time_us, fact",
            cell_of(self.path, start_us), cell_of(self.path, end_us), start_us, end_us,
        )  # fmt: skip

    def spells(self) -> list[Spell]:
        """The station's states over the window, in order, without overlaps."""
        if self.reports:
            return self._reported()
        before = self.state_before(self.start_us)
        rows = ([before] if before else []) + self.states(self.start_us, min(self.end_us, self.now_us))
        ends = [row.time_us for row in rows[1:]] + [FOREVER] * bool(rows)
        return [
            Spell(row.time_us, end, row.state, row.reason, row.message, row.fact)
            for row, end in zip(rows, ends, strict=True)
            if row.time_us < end
        ]

    def _reported(self) -> list[Spell]:
        """Time covered by reports: production before setup before breakdown where they are side by side."""
        rows = self.reader.rows(
            Reported, "station = ? AND start_us < ? AND time_us > ?",
            self.path, self.end_us, self.start_us,
        )  # fmt: skip
        # The same sweep as for explanations, with the more valuable work in place of the later word.
        ranked = [
            Explained(row.station, row.time_us, row.fact, row.start_us, _RANK[row.kind], row.kind, row.order_no, row.by)
            for row in rows
        ]
        found: list[Spell] = []
        at = min(self.start_us, *(row.start_us for row in ranked)) if ranked else self.start_us
        for piece in resolved(ranked):
            if at < piece.start_us:
                found.append(Spell(at, piece.start_us, "no report", "", "", b""))
            found.append(Spell(piece.start_us, piece.end_us, piece.told.reason, "", "", piece.told.fact))
            at = piece.end_us
        return [*found, Spell(at, FOREVER, "no report", "", "", b"")]

    def explanations(self) -> list[Reasoned]:
        """Which explanation holds when."""
        return resolved(
            self.reader.rows(
                # What ends where the window begins decides whether something begins there.
                Explained,
                "station = ? AND end_us >= ? AND start_us < ?",
                self.path,
                self.start_us,
                self.end_us,
            )
        )

    def gaps(self) -> list[Gap]:
        """When nobody observed the station: its source was silent and nothing of that time came later."""
        found: list[Gap] = []
        begins = [-(2**62), *(microseconds(since) for since, _ in self._plants[1:]), FOREVER]
        for n, (_, plant) in enumerate(self._plants):
            station = plant.stations.get(self.path)
            start, end = max(begins[n], self.start_us - 1), min(begins[n + 1], self.end_us)
            if station is not None and station.source and start < end:
                for gap in map(self._filled, _silences(self.reader, station.source, start, end)):
                    found.append(Gap(max(gap.start_us, start), min(gap.end_us, end)))
        return [gap for gap in found if gap.start_us < gap.end_us]

    def tasks(self, *, closing: bool = True) -> list[Task]:
        """Orders and products the station worked on: each until the next one, or (`closing`) until its order was closed."""
        before = self.reader.select(
            "SELECT time_us, order_no, product FROM shift_made WHERE cell >= ? AND cell <= ? AND time_us < ?"
            " AND (order_no <> '' OR product <> '') ORDER BY cell DESC, time_us DESC, fact DESC LIMIT 1",
            f"{self.path}\t", self.cells[0], self.start_us,
        )  # fmt: skip
        rows = self.reader.select(
            "SELECT time_us, order_no, product FROM shift_made WHERE cell >= ? AND cell <= ? AND time_us >= ? AND time_us < ?"
            " AND (order_no <> '' OR product <> '') ORDER BY cell, time_us, fact",
            *self.cells, self.start_us, min(self.end_us, self.now_us),
        )  # fmt: skip
        found: list[Task] = []
        for time_us, order, product in (*before, *rows):
            if found and (found[-1].order, found[-1].product) == (order, product):
                continue
            if found:
                found[-1] = found[-1]._replace(end_us=time_us)
            found.append(Task(time_us, FOREVER, order, product))
        ended = map(self._until_closed, found) if closing else found
        return [task for task in ended if task.start_us < task.end_us]

    def _until_closed(self, task: Task) -> Task:
        closed = task.order and self.reader.select(
            "SELECT min(time_us) FROM shift_order_step WHERE order_no = ? AND what = 'closed' AND time_us >= ?",
            task.order, task.start_us,
        )[0][0]  # fmt: skip
        return task._replace(end_us=min(task.end_us, closed)) if closed else task

    def _filled(self, gap: Gap) -> Gap:
        """A gap without the part that facts of that time tell of after all."""
        last = self.reader.select(
            "SELECT max(t) FROM (SELECT max(time_us) AS t FROM shift_state WHERE cell >= ?1 AND cell <= ?2"
            " AND time_us > ?3 AND time_us < ?4 UNION ALL"
            " SELECT max(time_us) FROM shift_made WHERE cell >= ?1 AND cell <= ?2 AND time_us > ?3 AND time_us < ?4)",
            cell_of(self.path, gap.start_us), cell_of(self.path, min(gap.end_us, self.now_us)),
            gap.start_us, min(gap.end_us, self.now_us),
        )[0][0]  # fmt: skip
        return gap if last is None else Gap(last, gap.end_us)

    def tiles(self, spans: Sequence[Span]) -> list[Tile]:
        """The station's tiles over spans of its calendar."""
        layers = (self.spells(), self.gaps(), self.explanations(), self.tasks())
        return list(tiles(spans, *layers, self.now_us))


_RANK = {"breakdown": 0, "setup": 1, "rework": 2, "production": 2}


def _silences(reader: Reader, adapter: str, start_us: int, end_us: int) -> list[Gap]:
    """When a source was silent, from all that was noticed about it."""
    before = reader.rows(
        Watch, "adapter = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC LIMIT 1", adapter, start_us
    )
    inside = reader.rows(
        Watch, "adapter = ? AND time_us > ? AND time_us <= ? ORDER BY time_us, fact", adapter, start_us, end_us
    )
    # A silence is noticed after it has begun, and ends where the source is heard again.
    after = reader.rows(Watch, "adapter = ? AND time_us > ? ORDER BY time_us, fact LIMIT 1", adapter, end_us)
    again = reader.rows(
        Watch, "adapter = ? AND time_us > ? AND lost = 0 ORDER BY time_us, fact LIMIT 1", adapter, end_us
    )
    found: list[Gap] = []
    since: int | None = None
    heard = -(2**62)
    for watch in (*before, *inside, *after, *again):
        if watch.lost:
            since = max(watch.seen_us, heard) if since is None else since
        else:
            if since is not None:
                found.append(Gap(since, watch.time_us))
            since, heard = None, watch.time_us
    if since is not None:
        found.append(Gap(since, FOREVER))
    return [gap for gap in found if gap.start_us < end_us and gap.end_us > start_us]
