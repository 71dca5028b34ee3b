"""A station's times by kind: whole hours from their sums, what something cuts tile by tile. Both give the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from asbuilt.views.shift.calendar import Span
from asbuilt.views.shift.hours import Hours, Plan
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Gap, Kind, Reasoned, Spell, Station, Task, Tile, tiles


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

    def add_other(self, result: Mapping[Key, Sums]) -> None:
        """Add time off, breaks and what is still ahead."""
        for (key, kind), us in self._other.items():
            result[key].us[kind] += us


def time_sums(station: Station, spans: Spans, result: Mapping[Key, Sums]) -> None:
    """Add a station's times to the groups that the spans belong to."""
    spans.add_other(result)
    gaps, reasons = station.gaps(), station.explanations()
    if station.reports or spans.by_order:
        exact, spells = spans.work, station.spells()
    else:
        cuts = [*((gap.start_us, gap.end_us) for gap in gaps), *((one.start_us, one.end_us) for one in reasons)]
        hours = Hours(station, cuts)
        exact = hours.settle(spans.work, spans.plan, result)
        spells = hours.spells([span for span, _ in exact]) if exact else []
    if exact:
        layers = (spells, gaps, reasons, station.tasks() if spans.by_order else [])
        _add_tiles(exact, layers, station.now_us, result)


def _add_tiles(
    exact: Sequence[tuple[Span, Key]],
    layers: tuple[Sequence[Spell], Sequence[Gap], Sequence[Reasoned], Sequence[Task]],
    now_us: int,
    result: Mapping[Key, Sums],
) -> None:
    keys = {span.start_us: key for span, key in exact}
    before: Tile | None = None
    # One microsecond before each piece tells whether a failure begins in it or goes on.
    for tile in tiles(_led_in([span for span, _ in exact]), *layers, now_us):
        if tile.span.start_us == tile.span.end_us - 1 and tile.span.start_us not in keys:
            before = tile
            continue
        sums = result[keys[tile.span.start_us]]
        sums.us[tile.kind] += tile.end_us - tile.start_us
        if is_failure(tile):
            sums.repair_us += tile.end_us - tile.start_us
            sums.failures += int(before is None or not is_failure(before))
        before = tile


def _led_in(spans: Sequence[Span]) -> Iterator[Span]:
    end = -(2**62)
    for span in spans:
        if span.start_us != end:
            yield span._replace(start_us=span.start_us - 1, end_us=span.start_us)
        yield span
        end = span.end_us


def is_failure(tile: Tile) -> bool:
    """Whether a station failed at this time: a delay for a reason that counts for MTBF and MTTR."""
    if tile.kind != "delay":
        return False
    return tile.state == "breakdown" or tile.span.plant.is_failure(tile.state, tile.reason)
