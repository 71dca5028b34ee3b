"""What happened to a unit: passes through operations, measurements, runs, cases, moments."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from asbuilt.domain.cases import fold as told_cases
from asbuilt.domain.cases.fold import Case, Told
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages.rows import Passage
from asbuilt.plant import Plant
from asbuilt.views.unit.answers import (
    CaseRow,
    ChannelRow,
    Decision,
    Measurement,
    Moment,
    RunRow,
    Step,
)
from asbuilt.views.unit.build import time_at
from asbuilt.views.unit.fold import Run


class Pass(NamedTuple):
    """One pass through an operation: its start, its end, or both; the other is None."""

    start: Passage | None
    end: Passage | None

    @property
    def told(self) -> Passage:
        """What tells of it."""
        found = self.end or self.start
        assert found is not None
        return found

    @property
    def from_us(self) -> int:
        """When it began, as far as that is told."""
        if self.start is not None:
            return self.start.time_us
        return self.told.start_us or self.told.time_us

    @property
    def result(self) -> str:
        """Good, scrap, rework or open."""
        if self.end is None:
            return "open"
        if self.end.scrap and not self.end.good:
            return "scrap"
        return "rework" if self.end.rework and not self.end.good else "good"


NEAR_US = 60_000_000
"""A start that is told with the end is the one that was told by itself if they are so near: clocks of two tellers."""


def passes(passages: Iterable[Passage]) -> list[Pass]:
    """A unit's passes through operations, in order of their begin. Passages come in order of time.

    A unit is in an operation once at a time: ends belong to the starts of their operation and station in the order of both,
    also where a repeat's start is told before the end of what it repeats. Where starts are more than ends that follow,
    the last ones are ended; where ends are more, the first ones had a start. An end that tells its own start belongs to that
    one or to none. An end without a start, and a start that is never ended, are passes as well: none is lost.
    """
    told: defaultdict[tuple[str, str], list[Passage]] = defaultdict(list)
    found: list[Pass] = []
    for passage in passages:
        if passage.what in ("started", "completed"):
            told[passage.station, passage.operation].append(passage)
        elif passage.what == "reported":
            found.append(Pass(None, passage))
    for several in told.values():
        found += _paired(several)
    return sorted(found, key=lambda one: (one.from_us, one.told.time_us, one.told.fact))


def _paired(several: Sequence[Passage]) -> Iterator[Pass]:
    """Starts and ends of one operation at one station, in order of time."""
    own: dict[bytes, Passage] = {}
    taken: set[bytes] = set()
    starts = [one for one in several if one.what == "started"]
    times = [one.time_us for one in starts]
    for end in several:
        if end.what == "completed" and end.start_us:
            near = range(bisect_left(times, end.start_us - NEAR_US), bisect_right(times, end.start_us + NEAR_US))
            free = [starts[at] for at in near if starts[at].fact not in taken and times[at] <= end.time_us]
            if free:
                start = min(free, key=lambda one: (abs(one.time_us - end.start_us), one.fact))
                own[end.fact] = start
                taken.add(start.fact)
    waiting: list[Passage] = []
    rest = [one for one in several if one.fact not in taken and not (one.what == "completed" and one.start_us)]
    for what, group in groupby(rest, key=lambda one: one.what):
        if what == "started":
            waiting += group
            continue
        ends = list(group)
        begun = waiting[max(0, len(waiting) - len(ends)) :]
        own.update((end.fact, start) for start, end in zip(begun, ends, strict=False))
        taken.update(start.fact for start in begun)
        del waiting[len(waiting) - len(begun) :]
    for one in several:
        if one.what == "completed":
            yield Pass(own.get(one.fact), one)
        elif one.fact not in taken:
            yield Pass(one, None)


def steps(plant: Plant, product: str, passages: Sequence[Passage]) -> Iterator[Step]:
    """A unit's passes with touch and wait times; a pass that follows another of the same operation is a repeat."""
    known = plant.products.get(product)
    names = {operation.id: operation.name for operation in known.operation} if known else {}
    numbers: Counter[str] = Counter()
    before_us = 0
    for one in passes(passages):
        told, end_us = one.told, one.end.time_us if one.end else 0
        has_start = one.start is not None or bool(told.start_us)
        numbers[told.operation] += 1
        yield Step(
            operation=told.operation,
            name=names.get(told.operation, ""),
            station=told.station,
            by=told.by or (one.start.by if one.start else ""),
            program=told.program,
            program_revision=told.program_revision,
            number=numbers[told.operation],
            result=one.result,
            reason=told.reason,
            start=time_at(one.from_us, plant.zone) if has_start else None,
            end=time_at(end_us, plant.zone) if one.end else None,
            touch_s=(end_us - one.from_us) / 1e6 if has_start and one.end else None,
            wait_s=max(0, one.from_us - before_us) / 1e6 if before_us and has_start else None,
            fact=UUID(bytes=told.fact),
        )
        before_us = max(before_us, end_us)


def within(value: str, lower: str, upper: str) -> bool | None:
    """Whether a value keeps its limits; None if there are none."""
    if not lower and not upper:
        return None
    number = Decimal(value)
    return not ((lower and number < Decimal(lower)) or (upper and number > Decimal(upper)))


def measurements(plant: Plant, product: str, values: Sequence[ItemValue]) -> Iterator[Measurement]:
    """A unit's measurements, in order of time."""
    names = characteristic_names(plant, product)
    last = {(v.operation, v.characteristic, v.position): v.fact for v in values}
    for v in values:
        yield Measurement(
            characteristic=v.characteristic, name=names.get(v.characteristic, v.characteristic), position=v.position,
            value=v.value, uom=v.uom, nominal=v.nominal or None, lower=v.lower or None, upper=v.upper or None,
            within=within(v.value, v.lower, v.upper), gauge=v.gauge, station=v.station, operation=v.operation, by=v.by,
            time=time_at(v.time_us, plant.zone), latest=last[v.operation, v.characteristic, v.position] == v.fact,
            fact=UUID(bytes=v.fact),
        )  # fmt: skip


def characteristic_names(plant: Plant, product: str) -> dict[str, str]:
    """Characteristics of a product and of the stations, by id."""
    known = plant.products.get(product)
    found = {c.id: c.name for station in plant.stations.values() for c in station.characteristic}
    found.update({c.id: c.name for c in known.characteristic} if known else {})
    return found


def runs(zone: dt.tzinfo, found: Iterable[Run]) -> Iterator[RunRow]:
    """A unit's test runs, in order of time."""
    for run in found:
        channels = [line.split("\t") for line in run.channels.split("\n") if line]
        yield RunRow(
            station=run.station, program=run.program, program_revision=run.program_revision, verdict=run.verdict,
            by=run.by, start=time_at(run.start_us, zone), end=time_at(run.time_us, zone), curve=run.curve,
            channels=tuple(ChannelRow(c[0], c[1], c[2], c[3], c[4], c[5] or None, c[6] or None) for c in channels), fact=UUID(bytes=run.fact),
        )  # fmt: skip


# --------------------------------------------------------------------------- cases


def cases(zone: dt.tzinfo, found: Iterable[Case]) -> list[CaseRow]:
    """Nonconformances with what was decided, the one raised first first."""
    by_name: defaultdict[str, list[Case]] = defaultdict(list)
    for case in found:
        by_name[case.nonconformance].append(case)
    rows = [_case(zone, name, told) for name, steps in by_name.items() for told in told_cases.cases(steps)]
    return sorted(rows, key=lambda row: (row.raised is None, row.raised, row.nonconformance, row.item))


def _case(zone: dt.tzinfo, name: str, told: Told) -> CaseRow:
    raised, decided = told
    undecided = told_cases.undecided(told)
    return CaseRow(
        nonconformance=name,
        item=raised.item if raised else next((case.item for case in decided if case.item), ""),
        order=raised.order_no if raised else "",
        station=raised.station if raised else "",
        characteristic=raised.characteristic if raised else "",
        reason=raised.reason if raised else "",
        severity=raised.severity if raised else "",
        message=raised.message if raised else "",
        by=raised.by if raised else "",
        raised=time_at(raised.time_us, zone) if raised else None,
        quantity=(raised.quantity or None) if raised else None,
        undecided=format(undecided, "f") if undecided is not None else None,
        state=told_cases.state(told),
        decisions=tuple(
            Decision(c.decision, c.quantity or None, time_at(c.time_us, zone), c.by, c.message, UUID(bytes=c.fact))
            for c in decided
        ),
    )


# --------------------------------------------------------------------------- moments

_WORDS = {
    "born": "begun", "released": "released", "packed": "packed", "shipped": "shipped", "fitted": "fitted",
    "returned": "returned", "scrapped": "scrapped",
}  # fmt: skip


def moments(zone: dt.tzinfo, passages: Iterable[Passage]) -> Iterator[Moment]:
    """The milestones of a unit's life, in order of time."""
    for passage in passages:
        if passage.what in _WORDS:
            yield Moment(
                time=time_at(passage.time_us, zone), what=_WORDS[passage.what], place=passage.place or passage.station,
                by=passage.by, detail=passage.reason or (f"order {passage.order_no}" if passage.order_no else ""),
                fact=UUID(bytes=passage.fact),
            )  # fmt: skip
