"""Spans of work as whole hours, whose sums are known, and as pieces of hours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from copy import copy

from asbuilt.access.conditions import Ranges
from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import HOUR_US, Span
from asbuilt.views.shift.sums import Key


class Plan:
    """Spans of work as whole hours and pieces of hours; what stations of one line have in common.

    Hours of `cut` are left out: `exact` holds the pieces that must be read tile by tile. A head is an hour up to an
    instant: (group, hour, until, sign); a piece of an hour is a difference of heads.
    """

    def __init__(self, work: Sequence[tuple[Span, Key]]) -> None:
        self._work = work
        self._ends = [span.end_us for span, _ in work]
        self._known: dict[frozenset[int], Plan] = {}
        self._numbers: dict[tuple[Key, Plant], int] = {}
        self._empty()
        # Where runs and heads of each span begin; a span is one range.
        self._runs_at: list[int] = []
        self._heads_at: list[int] = []
        for span, key in work:
            self._runs_at.append(len(self.runs))
            self._heads_at.append(len(self.heads))
            self._add(self._numbers.setdefault((key, span.plant), len(self._numbers)), span.start_us, span.end_us)
        self._runs_at.append(len(self.runs))
        self._heads_at.append(len(self.heads))
        self.groups = list(self._numbers)

    def _empty(self) -> None:
        self.exact: list[tuple[Span, Key]] = []
        self.ranges: list[tuple[int, int, int]] = []
        self.runs: list[tuple[int, int]] = []
        self.of_run: list[int] = []
        self.heads: list[tuple[int, int, int, int]] = []
        self._asked: tuple[Ranges, list[int]] | None = None

    @property
    def asked(self) -> tuple[Ranges, list[int]]:
        """The runs as stations that share the plan ask for them, and the group of each: what one group joins is one."""
        if self._asked is None:
            runs: list[tuple[int, int]] = []
            groups: list[int] = []
            for number, (first, last) in zip(self.of_run, self.runs, strict=True):
                if runs and groups[-1] == number and runs[-1][1] == first:
                    runs[-1] = (runs[-1][0], last)
                else:
                    runs.append((first, last))
                    groups.append(number)
            self._asked = Ranges(runs), groups
        return self._asked

    def _add(self, number: int, start_us: int, end_us: int) -> None:
        self.ranges.append((number, start_us, end_us))
        # Whole hours from the one it begins in, less that one's head; more the head of the one it ends in.
        first, last = start_us // HOUR_US, end_us // HOUR_US
        if first < last:
            self.runs.append((first, last))
            self.of_run.append(number)
        if start_us % HOUR_US:
            self.heads.append((number, first, start_us, -1))
        if end_us % HOUR_US:
            self.heads.append((number, last, end_us, 1))

    def without(self, cut: Set[int]) -> Plan:
        """The plan of the same spans with these hours cut; what lies in no such hour is taken over as it is."""
        if not cut:
            return self
        known = frozenset(cut)
        if known not in self._known:
            self._known[known] = self._without(cut)
        return self._known[known]

    def _without(self, cut: Set[int]) -> Plan:
        found = copy(self)
        found._empty()
        at = 0
        for n in self._touched(cut):
            found._take(self, at, n)
            at = n + 1
            span, key = self._work[n]
            for start_us, end_us, is_cut in _parts(span, cut):
                if is_cut:
                    found.exact.append((span._replace(start_us=start_us, end_us=end_us), key))
                else:
                    found._add(self._numbers[key, span.plant], start_us, end_us)
        found._take(self, at, len(self._work))
        return found

    def _touched(self, cut: Set[int]) -> list[int]:
        """The spans, by number, with time in one of these hours."""
        found: list[int] = []
        for hour in sorted(cut):
            n = bisect_right(self._ends, hour * HOUR_US)
            if found:
                n = max(n, found[-1] + 1)
            while n < len(self._work) and self._work[n][0].start_us < (hour + 1) * HOUR_US:
                found.append(n)
                n += 1
        return found

    def _take(self, whole: Plan, at: int, until: int) -> None:
        runs = slice(whole._runs_at[at], whole._runs_at[until])
        self.ranges += whole.ranges[at:until]
        self.runs += whole.runs[runs]
        self.of_run += whole.of_run[runs]
        self.heads += whole.heads[whole._heads_at[at] : whole._heads_at[until]]


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
