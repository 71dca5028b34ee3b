"""Whole hours of a station, from their sums; pieces of hours by one question to the database.

Most of a window is neither silent nor explained, and nothing in it fails: its times are summed by
state where the rows lie. Hours in which more must be told apart are given back, to be read tile by tile.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import HOUR_US, Span
from asbuilt.views.shift.rows import Edge, State, cell_of, hour_of
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Spell, Station

Told = tuple[str, str]
"""A state and its reason."""


class Hours:
    """A station's hours over its window; `cuts` are times in which its states do not decide alone."""

    def __init__(self, station: Station, cuts: Iterable[tuple[int, int]]) -> None:
        self._station = station
        first = station.start_us // HOUR_US * HOUR_US
        self._window = (cell_of(station.path, first), cell_of(station.path, min(station.end_us, station.now_us)))
        self._edges = station.reader.rows(Edge, "cell >= ? AND cell <= ? ORDER BY cell", *self._window)
        self._begins = [hour_of(edge.cell) // HOUR_US for edge in self._edges]
        before = station.state_before(first)
        self._initial = (before.state, before.reason) if before else None
        # Where a cut ends on the hour, it still decides what the next hour begins with.
        self._cut = {
            hour
            for start_us, end_us in cuts
            for hour in range(max(start_us, first) // HOUR_US, min(end_us, station.end_us) // HOUR_US + 1)
        }

    def _carried(self, hour: int) -> Told | None:
        """The state a station brings into an hour."""
        at = bisect_left(self._begins, hour) - 1
        return (self._edges[at].last_state, self._edges[at].last_reason) if at >= 0 else self._initial

    def settle(self, work: Sequence[tuple[Span, Key]], result: Mapping[Key, Sums]) -> list[tuple[Span, Key]]:
        """Add the times of spans to their groups; gives back the pieces that must be read tile by tile."""
        cut = self._cut
        for _ in range(2):
            sums, exact = self._summed(work, cut)
            failing = {told for (_, plant, told) in sums if _fails(plant, told)}
            if not failing:
                break
            # Failures are counted where they begin: that needs tiles, and the hours after know only what was carried.
            cut = cut | self._with(failing)
        for (key, plant, told), us in sums.items():
            result[key].us[plant.time_of(*told)] += us
        return exact

    def _with(self, failing: set[Told]) -> set[int]:
        """The hours in which a station fails, and those into which it brings a failure."""
        rows = self._station.reader.select(
            "SELECT DISTINCT h.cell FROM json_each(?) j CROSS JOIN shift_hour h"
            " WHERE h.cell >= ? AND h.cell <= ? AND h.state = j.value->>0 AND h.reason = j.value->>1",
            json.dumps(sorted(failing)), *self._window,
        )  # fmt: skip
        found = {hour_of(cell) // HOUR_US for (cell,) in rows}
        last = -(-self._station.end_us // HOUR_US)
        for at, edge in enumerate(self._edges):
            if (edge.last_state, edge.last_reason) in failing:
                until = self._begins[at + 1] if at + 1 < len(self._begins) else last
                found.update(range(self._begins[at], until + 1))
        if self._initial in failing:
            found.update(range(self._station.start_us // HOUR_US, (self._begins[0] if self._begins else last) + 1))
        return found

    def _summed(
        self, work: Sequence[tuple[Span, Key]], cut: set[int]
    ) -> tuple[dict[tuple[Key, Plant, Told], int], list[tuple[Span, Key]]]:
        """Microseconds by group, plant file, state and reason; and the pieces that are not in them."""
        parts = _Parts(self._station.path)
        exact: list[tuple[Span, Key]] = []
        begins, edges = self._begins, self._edges
        for span, key in work:
            group = (key, span.plant)
            start_us, waiting = span.start_us, -1
            hour = start_us // HOUR_US
            at = bisect_left(begins, hour)
            while start_us < span.end_us:
                end_us = min((hour + 1) * HOUR_US, span.end_us)
                carried = (edges[at - 1].last_state, edges[at - 1].last_reason) if at else self._initial
                own = at < len(begins) and begins[at] == hour
                if carried is None or hour in cut:
                    waiting = start_us if waiting < 0 else waiting
                else:
                    if waiting >= 0:
                        exact.append((span._replace(start_us=waiting, end_us=start_us), key))
                        waiting = -1
                    parts.add(group, hour, start_us, end_us, carried, edges[at].first_us if own else -1)
                at += own
                start_us, hour = end_us, hour + 1
            if waiting >= 0:
                exact.append((span._replace(start_us=waiting), key))
        return parts.sums(self._station), exact

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


class _Parts:
    """Hours and pieces of hours by group, and their sums."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._groups: dict[tuple[Key, Plant], int] = {}
        self._carried: defaultdict[tuple[int, Told], int] = defaultdict(int)
        self._runs: list[list[int]] = []
        self._pieces: list[tuple[int, str, int, int]] = []

    def add(
        self, group: tuple[Key, Plant], hour: int, start_us: int, end_us: int, carried: Told, first_us: int
    ) -> None:
        """An hour or a piece of one; `first_us` is when it first changes, -1 if it does not."""
        number = self._groups.setdefault(group, len(self._groups))
        if first_us < 0:
            self._carried[number, carried] += end_us - start_us
            return
        if first_us > start_us:
            self._carried[number, carried] += min(first_us, end_us) - start_us
        if end_us - start_us < HOUR_US:
            if first_us < end_us:
                self._pieces.append((number, f"{self._path}\t{hour:07d}", start_us, end_us))
        elif self._runs and self._runs[-1][0] == number and self._runs[-1][2] == hour - 1:
            self._runs[-1][2] = hour
        else:
            self._runs.append([number, hour, hour])

    def sums(self, station: Station) -> dict[tuple[Key, Plant, Told], int]:
        """Microseconds by group, plant file, state and reason."""
        found: defaultdict[tuple[int, Told], int] = defaultdict(int, self._carried)
        runs = [(number, f"{self._path}\t{a:07d}", f"{self._path}\t{b:07d}") for number, a, b in self._runs]
        rows = station.reader.select(_RUNS, json.dumps(runs)) if runs else []
        rows += station.reader.select(_PIECES, json.dumps(self._pieces)) if self._pieces else []
        for number, state, reason, us in rows:
            found[number, (state, reason)] += us
        groups = list(self._groups)
        total: defaultdict[tuple[Key, Plant, Told], int] = defaultdict(int)
        for (number, told), us in found.items():
            total[(*groups[number], told)] += us
        return total


# What is asked for is read out of its JSON once, not for every row that is compared with it.
_RUNS = """
WITH run AS MATERIALIZED (
  SELECT value->>0 AS number, value->>1 AS first_cell, value->>2 AS last_cell FROM json_each(?)
)
SELECT number, h.state, h.reason, sum(h.us)
FROM run CROSS JOIN shift_hour h ON h.cell >= first_cell AND h.cell <= last_cell GROUP BY 1, 2, 3
"""
_PIECES = """
WITH piece AS MATERIALIZED (
  SELECT key AS piece, value->>0 AS number, value->>1 AS of_cell, value->>2 AS start_us, value->>3 AS end_us
  FROM json_each(?)
)
SELECT number, state, reason, sum(min(until_us, end_us) - max(time_us, start_us)) FROM (
  SELECT number, start_us, end_us, s.time_us, s.state, s.reason,
    lead(s.time_us, 1, end_us) OVER (PARTITION BY piece ORDER BY s.time_us, s.fact) AS until_us
  FROM piece CROSS JOIN shift_state s ON s.cell = of_cell
) WHERE time_us < end_us AND until_us > start_us GROUP BY 1, 2, 3
"""


def _fails(plant: Plant, told: Told) -> bool:
    return plant.time_of(*told) == "delay" and plant.is_failure(*told)
