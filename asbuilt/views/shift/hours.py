"""Whole hours of a station, from their sums; pieces of hours as differences of sums.

Most of a window is neither silent nor explained, and nothing in it fails: its times are summed by
state where the rows lie. Hours in which more must be told apart are given back, to be read tile by tile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from asbuilt.access.conditions import between, one_of, total
from asbuilt.domain.meaning import changes_meaning, goes_on, lead_of
from asbuilt.domain.states import spells as states
from asbuilt.domain.states.reading import Kind, fails, kind_of
from asbuilt.domain.states.rows import Edge, Hour, State
from asbuilt.domain.states.spells import Spell
from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import HOUR_US, Span
from asbuilt.views.shift.plan import Plan
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Station

Told = tuple[str, str]
"""A state and its reason."""


_EDGE: Final = (
    "hour", "first_us", "first_state", "first_reason", "last_state", "last_reason", "single", "plain"
)  # fmt: skip


def know_edges(stations: Sequence[Station]) -> None:
    """Read the edges of hours of several stations over one window at once."""
    one = stations[0]
    asked = between(one.start_us // HOUR_US, min(one.end_us, one.now_us) // HOUR_US + 1)
    paths = [station.path for station in stations]
    found: dict[str, list[tuple[Any, ...]]] = {path: [] for path in paths}
    for path, *edge in one.reader.columns(
        Edge, ("station", *_EDGE), {"station": one_of(paths), "hour": asked}, order="hour"
    ):
        found[path].append(tuple(edge))
    for path, edges in found.items():
        one.reader.know(("edges", path, asked), edges)


_HEAD: Final = ("hour", "time_us", "state", "reason")


def know_sums(stations: Sequence[Station], plan: Plan) -> None:
    """Read the sums and heads of a plan for several stations at once."""
    reader = stations[0].reader
    paths = [station.path for station in stations]
    here = one_of(paths)
    sums: dict[str, list[tuple[Any, ...]]] = {path: [] for path in paths}
    heads: dict[str, list[tuple[Any, ...]]] = {path: [] for path in paths}
    runs, _ = plan.asked
    for run, path, *figures in reader.totals_in(
        Hour, runs, "hour", {"station": here}, by=("station", "state", "reason"), of=(total("us"),)
    ):
        sums[path].append((run, *figures))
    if plan.heads:
        hours = one_of(sorted({hour for _, hour, _, _ in plan.heads}))
        for path, *head in reader.columns(
            State, ("station", *_HEAD), {"station": here, "hour": hours}, order="hour time_us fact"
        ):
            heads[path].append(tuple(head))
    for path in paths:
        reader.know(("sums of hours", path, plan), sums[path])
        reader.know(("heads of hours", path, plan), heads[path])


class Hours:
    """A station's hours over its window; `cuts` are times in which its states do not decide alone."""

    def __init__(self, station: Station, cuts: Iterable[tuple[int, int]]) -> None:
        self._station = station
        self._end_us = min(station.end_us, station.now_us)
        first = station.start_us // HOUR_US
        self._first = first
        asked = between(first, self._end_us // HOUR_US + 1)
        edges = station.reader.once(
            ("edges", station.path, asked),
            lambda: station.reader.columns(Edge, _EDGE, {"station": station.path, "hour": asked}, order="hour"),
        )
        columns: Any = zip(*edges, strict=True) if edges else [()] * len(_EDGE)
        begins, firsts_us, first_states, first_reasons, last_states, last_reasons, single, plain = columns
        self._begins: Sequence[int] = begins
        self._firsts_us: Sequence[int] = firsts_us
        self._firsts: list[Told] = list(zip(first_states, first_reasons, strict=True))
        self._lasts: list[Told] = list(zip(last_states, last_reasons, strict=True))
        self._single: Sequence[int] = single
        self._plain: Sequence[int] = plain
        before = states.before(station.reader, station.path, first * HOUR_US)
        self._before = before
        self._initial: Told | None = (before.state, before.reason) if before else None
        # Where a cut ends on the hour, it still decides what the next hour begins with.
        self._cut = {
            hour
            for start_us, end_us in cuts
            for hour in range(max(start_us // HOUR_US, first), min(end_us, station.end_us) // HOUR_US + 1)
        }
        self._cut_unlike()
        if self._initial is None:
            # Before the first state nothing is known: that is told by tiles.
            until = self._begins[0] if self._begins else -(-station.end_us // HOUR_US)
            self._cut.update(range(first, until + 1))

    def _carried(self, hour: int) -> Told | None:
        """The state a station brings into an hour."""
        at = bisect_left(self._begins, hour) - 1
        return self._lasts[at] if at >= 0 else self._initial

    # ----------------------------------------------------------------- stops that read otherwise than they were told

    def _cut_unlike(self) -> None:
        """Cut the hours of stops whose parts do not all read as they were told."""
        if self._before is not None and states.reads_by_what_was_before(*self._initial or ("", "")):
            # What was told before the window may say what the stop that reaches into it was.
            known = states.together([*states.back(self._station.reader, self._before), self._before])[-1]
            if (known.reason, known.lead) != (self._before.reason, lead_of(self._before.state)):
                until = self._begins[0] if self._begins else self._end_us // HOUR_US
                self._cut.update(range(self._first, until + 1))
                self._cut_stop(0)
        carried: list[Told | None] = [self._initial, *self._lasts]
        for n, (before, first, plain) in enumerate(zip(carried, self._firsts, self._plain, strict=False)):
            if not plain or (before is not None and changes_meaning(before, first)):
                self._cut_stop(n)
        last = carried[-1]
        if last is None or not states.reads_by_what_comes(*last):
            return
        # What is told after the window may say what the stop in it was.
        row = states.before(self._station.reader, self._station.path, self._end_us)
        if row is None:
            return
        for after in states.on(self._station.reader, row, self._station.now_us):
            if not goes_on(last, (after.state, after.reason)):
                return
            if after.reason:
                self._cut_stop(len(self._firsts))
                return

    def _cut_stop(self, n: int) -> None:
        """Cut the hours of whatever goes on into, in and from the n-th known hour (their number: the end)."""
        last = self._end_us // HOUR_US
        low = high = self._begins[n] if n < len(self._begins) else last
        at = n
        while at >= 0:
            before = self._lasts[at - 1] if at > 0 else self._initial
            if at < len(self._firsts) and (before is None or not goes_on(before, self._firsts[at])):
                break
            low = self._begins[at - 1] if at > 0 else self._first
            if at == 0 or not self._single[at - 1]:
                break
            at -= 1
        at = n
        while at < len(self._firsts):
            if at + 1 == len(self._firsts):
                high = last
                break
            if not goes_on(self._lasts[at], self._firsts[at + 1]):
                high = max(high, self._begins[at + 1])
                break
            at += 1
            high = self._begins[at]
            if not self._single[at]:
                break
        self._cut.update(range(low, high + 1))

    # ----------------------------------------------------------------- sums

    def settle(self, common: Plan, result: Mapping[Key, Sums]) -> list[tuple[Span, Key]]:
        """Add the times of spans to their groups; gives back the pieces that must be read tile by tile.

        `common` is the plan of these spans with nothing cut.
        """
        plan = common.without(self._cut)
        sums = self._sums(plan)
        count_as: dict[tuple[Plant, Told], tuple[Kind, bool]] = {}
        for number, told in sums:
            key_of = (plan.groups[number][1], told)
            if key_of not in count_as:
                count_as[key_of] = _reads(*key_of)
        failing = {told for (_, told), (_, failed) in count_as.items() if failed}
        if failing:
            # Failures are counted where they end: that needs tiles, and the hours after know only what was carried.
            plan = common.without(self._cut | self._with(failing))
            sums = self._sums(plan)
        for (number, told), us in sums.items():
            key, plant = plan.groups[number]
            kind, _ = count_as.get((plant, told)) or _reads(plant, told)
            result[key].us[kind] += us
        return plan.exact

    def _sums(self, plan: Plan) -> dict[tuple[int, Told], int]:
        """Microseconds by group, state and reason."""
        found: defaultdict[tuple[int, Told], int] = defaultdict(int)
        self._add_carried(plan, found)
        station = self._station
        runs, groups = plan.asked
        rows = station.reader.once(
            ("sums of hours", station.path, plan),
            lambda: station.reader.totals_in(
                Hour, runs, "hour", {"station": station.path}, by=("state", "reason"), of=(total("us"),)
            ),
        )
        for run, state, reason, us in rows:
            found[groups[run], (state, reason)] += us
        if plan.heads:
            self._add_heads(plan, found)
        return found

    def _add_heads(self, plan: Plan, found: defaultdict[tuple[int, Told], int]) -> None:
        """Add what hours hold up to an instant; the hours' changes are read once for all heads."""
        known = set(self._begins)
        by_hour: defaultdict[int, list[tuple[int, Told]]] = defaultdict(list)
        reader, path = self._station.reader, self._station.path
        rows_of_heads = reader.once(
            ("heads of hours", path, plan),
            lambda: reader.columns(
                State,
                _HEAD,
                {"station": path, "hour": one_of(sorted({hour for _, hour, _, _ in plan.heads if hour in known}))},
                order="hour time_us fact",
            ),
        )
        for hour, time_us, state, reason in rows_of_heads:
            by_hour[hour].append((time_us, (state, reason)))
        for number, hour, until_us, sign in plan.heads:
            rows = by_hour.get(hour, ())
            for n, (time_us, told) in enumerate(rows):
                if time_us >= until_us:
                    break
                end_us = rows[n + 1][0] if n + 1 < len(rows) else until_us
                found[number, told] += sign * ((end_us if end_us < until_us else until_us) - time_us)

    def _changes(self, hours: Sequence[int]) -> list[State]:
        """The changes of some hours, in order."""
        station = self._station
        rows = station.reader.rows_of(State, "hour", hours, {"station": station.path}) if hours else []
        rows.sort(key=lambda row: (row.time_us, row.fact))
        return rows

    def _add_carried(self, plan: Plan, found: defaultdict[tuple[int, Told], int]) -> None:
        """Add the times between the end of one cell and the first change in the next, in the state carried on."""
        begins, lasts = self._begins, self._lasts
        until = self._station.end_us
        if not begins:
            for number, start_us, end_us in plan.ranges:
                found[number, self._initial or ("", "")] += end_us - start_us
            return
        starts = [0, *[hour * HOUR_US + HOUR_US for hour in begins]]
        ends = [*self._firsts_us, until]
        told = [self._initial or ("", ""), *lasts]
        numbers: dict[Told, int] = {}
        states = [numbers.setdefault(state, len(numbers)) for state in told]
        sums = [[0] * len(numbers) for _ in plan.groups]
        at, every = 0, len(ends)
        # The ranges are in order, so the hours are walked through once.
        for number, start_us, end_us in plan.ranges:
            while at < every and ends[at] <= start_us:
                at += 1
            n, of_group = at, sums[number]
            while n < every and (begin := starts[n]) < end_us:
                end = ends[n]
                us = (end if end < end_us else end_us) - (begin if begin > start_us else start_us)
                if us > 0:
                    of_group[states[n]] += us
                n += 1
        for number, of_group in enumerate(sums):
            for state, us in zip(numbers, of_group, strict=True):
                if us:
                    found[number, state] += us

    def _with(self, failing: set[Told]) -> set[int]:
        """The hours in which a station fails, and those into which it brings a failure."""
        station = self._station
        rows = station.reader.rows(
            Hour,
            [
                {
                    "station": station.path,
                    "hour": between(self._first, self._end_us // HOUR_US + 1),
                    "state": state,
                    "reason": reason,
                }
                for state, reason in sorted(failing)
            ],
        )
        found = {row.hour for row in rows}
        last = -(-station.end_us // HOUR_US)
        for at, carried in enumerate(self._lasts):
            if carried in failing:
                until = self._begins[at + 1] if at + 1 < len(self._begins) else last
                found.update(range(self._begins[at], until + 1))
        if self._initial in failing:
            found.update(range(self._first, (self._begins[0] if self._begins else last) + 1))
        return found

    # ----------------------------------------------------------------- state by state

    def spells(self, spans: Sequence[Span]) -> list[Spell]:
        """The states over these pieces, as they read."""
        wanted = {hour for span in spans for hour in range(span.start_us // HOUR_US, -(-span.end_us // HOUR_US))}
        for hour in sorted(wanted):
            # A stop that is cut is read from its begin, though that may lie in time off.
            while hour - 1 in self._cut and hour - 1 not in wanted:
                hour -= 1
                wanted.add(hour)
        hours = sorted(wanted)
        known = set(self._begins)
        changes = [
            row
            for row in self._changes([hour for hour in hours if hour in known])
            if row.time_us < self._station.now_us
        ]
        found: list[Spell] = []
        at = 0
        for first, last in _runs(hours):
            until = (last + 1) * HOUR_US
            rows: list[State] = []
            carried = self._carried(first)
            if first <= self._first and self._before is not None:
                rows += [*states.back(self._station.reader, self._before), self._before]
            elif carried is not None:
                rows.append(State(self._station.path, first, first * HOUR_US, b"", *carried, ""))
            while at < len(changes) and changes[at].time_us < until:
                rows.append(changes[at])
                at += 1
            if not rows:
                continue
            # Also what is told in a break or in time off after these hours may say what the stop in them was.
            if until >= self._end_us or states.reads_by_what_comes(rows[-1].state, rows[-1].reason):
                rows += states.on(self._station.reader, rows[-1], self._station.now_us)
            begin = first * HOUR_US
            found += [
                spell._replace(start_us=max(spell.start_us, begin), end_us=min(spell.end_us, until))
                for spell in states.together(rows)
                if spell.end_us > begin and spell.start_us < until
            ]
        return found


def _runs(hours: Sequence[int]) -> list[tuple[int, int]]:
    """Hours in order as first and last of those that follow each other."""
    found: list[tuple[int, int]] = []
    for hour in hours:
        if found and found[-1][1] == hour - 1:
            found[-1] = (found[-1][0], hour)
        else:
            found.append((hour, hour))
    return found


def _reads(plant: Plant, told: Told) -> tuple[Kind, bool]:
    """What a state and reason count as, and whether that is a failure."""
    lead = lead_of(told[0])
    kind = kind_of(plant, *told, lead)
    return kind, fails(plant, kind, lead, told[1])
