"""A station's times by kind: whole hours from their sums, what something cuts tile by tile. Both give the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cached_property

from asbuilt.domain.states.reading import Kind, Reasoned, fails
from asbuilt.domain.states.spells import Spell
from asbuilt.views.shift.calendar import DAY_US, Calendar, Span
from asbuilt.views.shift.hours import Hours
from asbuilt.views.shift.plan import Plan
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Gap, Station, Task, Tile, tiles

FAILURE_DAYS = 64
"""A failure that a window cuts is followed back and forth for so many days."""


class Spans:
    """The spans of a line's calendar, cut by groups: what all stations of a line and one question have in common."""

    def __init__(self, spans: Sequence[tuple[Span, Key]], now_us: int) -> None:
        self.work: list[tuple[Span, Key]] = []
        self.by_order = any(span.plant.time_model.without_order == "down" for span, _ in spans)
        self._other: dict[tuple[Key, Kind], int] = {}
        for span, key in spans:
            past = min(max(now_us, span.start_us), span.end_us)
            self._add(key, "ahead", span.end_us - past)
            if span.kind != "work":
                self._add(key, span.kind, past - span.start_us)
            elif span.start_us < past:
                self.work.append((span if span.end_us == past else span._replace(end_us=past), key))

    def _add(self, key: Key, kind: Kind, us: int) -> None:
        self._other[key, kind] = self._other.get((key, kind), 0) + us

    @cached_property
    def plan(self) -> Plan:
        """The work as whole hours and pieces, nothing cut."""
        return Plan(self.work)

    @cached_property
    def begins(self) -> list[int]:
        """When each span of work begins."""
        return [span.start_us for span, _ in self.work]

    def works_between(self, start_us: int, end_us: int) -> bool:
        """Whether there is work between two instants."""
        at = bisect_right(self.begins, start_us) - 1
        return any(
            span.start_us < end_us and span.end_us > start_us for span, _ in self.work[max(at, 0) : max(at, 0) + 2]
        )

    def add_other(self, result: Mapping[Key, Sums]) -> None:
        """Add time off, breaks and what is still ahead."""
        for (key, kind), us in self._other.items():
            result[key].us[kind] += us


def time_sums(station: Station, line: str, spans: Spans, result: Mapping[Key, Sums]) -> None:
    """Add a station's times to the groups that the spans belong to."""
    spans.add_other(result)
    gaps, reasons = station.gaps(), station.explanations()
    if station.reports or spans.by_order:
        exact, spells = spans.work, station.spells()
    else:
        cuts = [*((gap.start_us, gap.end_us) for gap in gaps), *((one.start_us, one.end_us) for one in reasons)]
        hours = Hours(station, cuts)
        exact = hours.settle(spans.plan, result)
        spells = hours.spells([span for span, _ in exact]) if exact else []
    if exact:
        layers = (spells, gaps, reasons, station.tasks() if spans.by_order else [])
        _add_tiles(station, line, spans, exact, layers, result)


# --------------------------------------------------------------------------- failures


class Failures:
    """Failures as they end: each counts once, in the part in which it is over, with all of its repair.

    Time off, breaks and time that nobody observed neither end nor begin a failure; it is over when the station is seen
    to do something else, and what has not ended by now counts where it stands now.
    """

    def __init__(self, begun_us: int = 0) -> None:
        self.open_us = begun_us
        self.key: Key | None = None

    def see(self, tile: Tile, key: Key, result: Mapping[Key, Sums]) -> None:
        """The next tile of work."""
        if tile.kind == "not observed":
            return
        if is_failure(tile):
            self.open_us += tile.end_us - tile.start_us
            self.key = key
        else:
            self.end(result)

    def end(self, result: Mapping[Key, Sums]) -> None:
        """The failure is over, if there was one."""
        if self.key is not None:
            result[self.key].failures += 1
            result[self.key].restored_us += self.open_us
        self.open_us, self.key = 0, None


def _add_tiles(
    station: Station,
    line: str,
    spans: Spans,
    exact: Sequence[tuple[Span, Key]],
    layers: tuple[Sequence[Spell], Sequence[Gap], Sequence[Reasoned], Sequence[Task]],
    result: Mapping[Key, Sums],
) -> None:
    keys = {span.start_us: key for span, key in exact}
    failures = Failures()
    at_us = station.start_us
    met = False
    for tile in tiles([span for span, _ in exact], *layers, station.now_us):
        key = keys[tile.span.start_us]
        sums = result[key]
        sums.us[tile.kind] += tile.end_us - tile.start_us
        if tile.start_us > at_us and spans.works_between(at_us, tile.start_us):
            # Hours that were summed lie between: nothing failed in them.
            failures.end(result)
            met = True
        at_us = tile.end_us
        if is_failure(tile):
            sums.repair_us += tile.end_us - tile.start_us
            if not met:
                failures.open_us = _around(station, line, back=True)
        met = met or tile.kind != "not observed"
        failures.see(tile, key, result)
    if failures.key is not None and (spans.works_between(at_us, station.end_us) or not _around(station, line)):
        failures.end(result)


def _around(station: Station, line: str, *, back: bool = False) -> int:
    """For how long a station failed just before its window, or fails just after it, as one failure with what is inside."""
    days, failed_us = 1, 0
    while days <= FAILURE_DAYS:
        start_us, end_us = (
            (station.start_us - days * DAY_US, station.start_us)
            if back
            else (station.end_us, min(station.end_us + days * DAY_US, station.now_us))
        )
        if start_us >= end_us:
            return 0
        near = station.over(start_us, end_us)
        spans = [span for span in Calendar(near.plants, line, start_us, end_us).spans if span.kind == "work"]
        found = near.tiles(spans)
        failed_us = 0
        for tile in reversed(found) if back else found:
            if tile.kind == "not observed":
                continue
            if not is_failure(tile):
                return failed_us
            failed_us += tile.end_us - tile.start_us
            if not back:
                return failed_us
        if not back and end_us == station.now_us:
            return failed_us
        days *= 4
    return failed_us


def is_failure(tile: Tile) -> bool:
    """Whether a station failed at this time: a delay for a reason that counts for MTBF and MTTR."""
    return fails(tile.span.plant, tile.kind, tile.lead, tile.reason)
