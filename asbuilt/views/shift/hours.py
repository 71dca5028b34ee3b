"""Whole hours of a station, from their sums; pieces of hours as differences of sums.

Most of a window is neither silent nor explained, and nothing in it fails: its times are summed by
state where the rows lie. Hours in which more must be told apart are given back, to be read tile by tile.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import HOUR_US, Span
from asbuilt.views.shift.rows import State, cell_of, hour_of
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Spell, Station

Told = tuple[str, str]
"""A state and its reason."""


class Plan:
    """Spans of work as whole hours and pieces of hours; what stations of one line have in common.

    Hours of `cut` are left out: `exact` holds the pieces that must be read tile by tile.
    """

    def __init__(self, work: Sequence[tuple[Span, Key]], cut: Set[int] = frozenset()) -> None:
        self.exact: list[tuple[Span, Key]] = []
        self.ranges: list[tuple[int, int, int]] = []
        self._groups: dict[tuple[Key, Plant], int] = {}
        runs: list[tuple[int, int, int]] = []
        heads: list[tuple[int, int, int, int]] = []
        for span, key in work:
            for start_us, end_us, is_cut in _parts(span, cut):
                if is_cut:
                    self.exact.append((span._replace(start_us=start_us, end_us=end_us), key))
                    continue
                number = self._groups.setdefault((key, span.plant), len(self._groups))
                self.ranges.append((number, start_us, end_us))
                # Whole hours from the one it begins in, less that one's head; more the head of the one it ends in.
                first, last = start_us // HOUR_US, end_us // HOUR_US
                if first < last:
                    runs.append((number, first, last))
                if start_us % HOUR_US:
                    heads.append((number, first, start_us, -1))
                if end_us % HOUR_US:
                    heads.append((number, last, end_us, 1))
        self.groups = list(self._groups)
        self.runs, self.heads = json.dumps(runs), json.dumps(heads)


def _parts(span: Span, cut: Set[int]) -> list[tuple[int, int, bool]]:
    """A span where cut hours begin and end, and which of the parts are cut."""
    hours = range(span.start_us // HOUR_US, -(-span.end_us // HOUR_US))
    if not cut or cut.isdisjoint(hours):
        return [(span.start_us, span.end_us, False)]
    found: list[tuple[int, int, bool]] = []
    for hour in hours:
        start_us, end_us = max(hour * HOUR_US, span.start_us), min((hour + 1) * HOUR_US, span.end_us)
        if found and found[-1][2] == (hour in cut):
            found[-1] = (found[-1][0], end_us, found[-1][2])
        else:
            found.append((start_us, end_us, hour in cut))
    return found


class Hours:
    """A station's hours over its window; `cuts` are times in which its states do not decide alone."""

    def __init__(self, station: Station, cuts: Iterable[tuple[int, int]]) -> None:
        self._station = station
        first = station.start_us // HOUR_US * HOUR_US
        self._window = (cell_of(station.path, first), cell_of(station.path, min(station.end_us, station.now_us)))
        rows = station.reader.select(
            "SELECT cell, first_us, last_state, last_reason FROM shift_edge WHERE cell >= ? AND cell <= ? ORDER BY cell",
            *self._window,
        )
        at = len(station.path) + 1
        self._begins = [int(cell[at:]) for cell, _, _, _ in rows]
        self._firsts = [first_us for _, first_us, _, _ in rows]
        before = station.state_before(first)
        self._initial = (before.state, before.reason) if before else None
        self._lasts: list[Told] = [(state, reason) for _, _, state, reason in rows]
        # Where a cut ends on the hour, it still decides what the next hour begins with.
        self._cut = {
            hour
            for start_us, end_us in cuts
            for hour in range(max(start_us, first) // HOUR_US, min(end_us, station.end_us) // HOUR_US + 1)
        }
        if self._initial is None:
            # Before the first state nothing is known: that is told by tiles.
            until = self._begins[0] if self._begins else -(-station.end_us // HOUR_US)
            self._cut.update(range(first // HOUR_US, until + 1))

    def _carried(self, hour: int) -> Told | None:
        """The state a station brings into an hour."""
        at = bisect_left(self._begins, hour) - 1
        return self._lasts[at] if at >= 0 else self._initial

    def settle(
        self, work: Sequence[tuple[Span, Key]], common: Plan | None, result: Mapping[Key, Sums]
    ) -> list[tuple[Span, Key]]:
        """Add the times of spans to their groups; gives back the pieces that must be read tile by tile.

        `common` is the plan of these spans with nothing cut, if it is made already.
        """
        plan = common if common is not None and not self._cut else Plan(work, self._cut)
        sums = self._sums(plan)
        failing = {told for (number, told) in sums if _fails(plan.groups[number][1], told)}
        if failing:
            # Failures are counted where they begin: that needs tiles, and the hours after know only what was carried.
            plan = Plan(work, self._cut | self._with(failing))
            sums = self._sums(plan)
        for (number, told), us in sums.items():
            key, plant = plan.groups[number]
            result[key].us[plant.time_of(*told)] += us
        return plan.exact

    def _sums(self, plan: Plan) -> dict[tuple[int, Told], int]:
        """Microseconds by group, state and reason."""
        found: defaultdict[tuple[int, Told], int] = defaultdict(int)
        self._add_carried(plan, found)
        path = f"{self._station.path}\t"
        for sql, asked in ((_RUNS, plan.runs), (_HEADS, plan.heads)):
            if asked != "[]":
                for number, state, reason, us in self._station.reader.select(sql, asked, path):
                    found[number, (state, reason)] += us
        return found

    def _add_carried(self, plan: Plan, found: defaultdict[tuple[int, Told], int]) -> None:
        """Add the times between the end of one cell and the first change in the next, in the state carried on."""
        begins, firsts, lasts = self._begins, self._firsts, self._lasts
        until = self._station.end_us
        if not begins:
            for number, start_us, end_us in plan.ranges:
                found[number, self._initial or ("", "")] += end_us - start_us
            return
        starts = [0, *((hour + 1) * HOUR_US for hour in begins)]
        ends = [*firsts, until]
        told = [self._initial or ("", ""), *lasts]
        for number, start_us, end_us in plan.ranges:
            for n in range(bisect_right(ends, start_us), len(ends)):
                begin = starts[n]
                if begin >= end_us:
                    break
                end = ends[n]
                us = (end if end < end_us else end_us) - (begin if begin > start_us else start_us)
                if us > 0:
                    found[number, told[n]] += us

    def _with(self, failing: set[Told]) -> set[int]:
        """The hours in which a station fails, and those into which it brings a failure."""
        rows = self._station.reader.select(
            "SELECT DISTINCT h.cell FROM json_each(?) j CROSS JOIN shift_hour h"
            " WHERE h.cell >= ? AND h.cell <= ? AND h.state = j.value->>0 AND h.reason = j.value->>1",
            json.dumps(sorted(failing)), *self._window,
        )  # fmt: skip
        found = {hour_of(cell) // HOUR_US for (cell,) in rows}
        last = -(-self._station.end_us // HOUR_US)
        for at, carried in enumerate(self._lasts):
            if carried in failing:
                until = self._begins[at + 1] if at + 1 < len(self._begins) else last
                found.update(range(self._begins[at], until + 1))
        if self._initial in failing:
            found.update(range(self._station.start_us // HOUR_US, (self._begins[0] if self._begins else last) + 1))
        return found

    def spells(self, spans: Sequence[Span]) -> list[Spell]:
        """The states over these pieces and the microsecond before each."""
        station = self._station
        hours = sorted(
            {hour for span in spans for hour in range((span.start_us - 1) // HOUR_US, -(-span.end_us // HOUR_US))}
        )
        rows = station.reader.select(
            "SELECT s.* FROM json_each(?) j CROSS JOIN shift_state s ON s.cell = j.value ORDER BY s.cell, s.time_us, s.fact",
            json.dumps([cell_of(station.path, hour * HOUR_US) for hour in hours]),
        )
        changes = [State(*row) for row in rows]
        found: list[Spell] = []
        at = 0
        for hour in hours:
            carried = self._carried(hour)
            end = (hour + 1) * HOUR_US
            until = changes[at].time_us if at < len(changes) and changes[at].time_us < end else end
            if carried is not None and hour * HOUR_US < until:
                found.append(Spell(hour * HOUR_US, until, *carried, "", b""))
            while at < len(changes) and changes[at].time_us < end:
                row = changes[at]
                at += 1
                until = changes[at].time_us if at < len(changes) and changes[at].time_us < end else end
                if row.time_us < until:
                    found.append(Spell(row.time_us, until, row.state, row.reason, row.message, row.fact))
        return found


# What is asked for is read out of its JSON once, not for every row that is compared with it.
_RUNS = """
WITH run AS MATERIALIZED (
  SELECT value->>0 AS number, printf('%s%07d', ?2, value->>1) AS first_cell, printf('%s%07d', ?2, value->>2) AS end_cell
  FROM json_each(?1)
)
SELECT number, h.state, h.reason, sum(h.us)
FROM run CROSS JOIN shift_hour h ON h.cell >= first_cell AND h.cell < end_cell GROUP BY 1, 2, 3
"""
# A head is an hour up to an instant: only its changes up to there are read. A piece is a difference of heads.
_HEADS = """
WITH head AS MATERIALIZED (
  SELECT key AS head, value->>0 AS number, printf('%s%07d', ?2, value->>1) AS of_cell, value->>2 AS until_us,
    value->>3 AS sign FROM json_each(?1)
)
SELECT number, state, reason, sum(sign * (end_us - time_us)) FROM (
  SELECT number, sign, s.time_us, s.state, s.reason,
    lead(s.time_us, 1, until_us) OVER (PARTITION BY head ORDER BY s.time_us, s.fact) AS end_us
  FROM head CROSS JOIN shift_state s ON s.cell = of_cell AND s.time_us < until_us
) GROUP BY 1, 2, 3
"""


def _fails(plant: Plant, told: Told) -> bool:
    return plant.time_of(*told) == "delay" and plant.is_failure(*told)
