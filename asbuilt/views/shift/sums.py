"""Sums of time and pieces: what every figure is made of. They add up; nothing else does.

Whole hours that nothing cuts are read as their sums (see `fold`); the rest state by state. Both
ways give the same microseconds.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from asbuilt.plant import Plant
from asbuilt.plant import Station as PlantStation
from asbuilt.views.shift.calendar import HOUR_US, By, Group, Span
from asbuilt.views.shift.fold import Edge, State, cell_of, hour_of
from asbuilt.views.shift.timeline import KINDS, Gap, Kind, Reasoned, Spell, Station, Tile, tiles

Key = tuple[str, ...]


class Sums(Struct):
    """Times in microseconds by kind, pieces by who told them, and what follows from single facts.

    `planned_us` is planned run time: per product, planned run time per item times pieces, `bad_us` that of
    the pieces that were not good;
    `unplanned` pieces have none. `slack_us` is what may be in work where the window begins.
    `rework` pieces were sent to rework, `mended` ones were made good by it.
    """

    us: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    failures: int = 0
    repair_us: int = 0
    good: int = 0
    rejected: int = 0
    for_review: int = 0
    rework: int = 0
    planned_us: int = 0
    bad_us: int = 0
    unplanned: int = 0
    told: dict[str, int] = {}
    inspected: int = 0
    clean: int = 0
    mended: int = 0
    slack_us: int = 0
    contradiction: str = ""
    reported_us: dict[str, int] = {}

    def add(self, other: Sums) -> None:
        """Add what another part holds."""
        for kind, us in other.us.items():
            self.us[kind] += us
        for name in ("failures", "repair_us", "good", "rejected", "for_review", "rework", "planned_us", "bad_us", "unplanned",
                     "inspected", "clean", "mended", "slack_us"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.contradiction = self.contradiction or other.contradiction
        for told, pieces in other.told.items():
            self.told[told] = self.told.get(told, 0) + pieces
        for kind_, us in other.reported_us.items():
            self.reported_us[kind_] = self.reported_us.get(kind_, 0) + us

    @property
    def pieces(self) -> int:
        """PQ: everything produced, good or not."""
        return self.good + self.rejected + self.for_review + self.rework


# --------------------------------------------------------------------------- time


def time_sums(station: Station, spans: Sequence[tuple[Span, Key]], result: Mapping[Key, Sums]) -> None:
    """Add a station's times to the groups that the spans belong to."""
    gaps, reasons = station.gaps(), station.explanations()
    by_order = any(span.plant.time_model.without_order == "down" for span, _ in spans)
    hours = None if station.reports or by_order else _Hours(station, [*gaps, *reasons])
    exact: list[tuple[Span, Key]] = []
    for span, key in spans:
        past = min(max(station.now_us, span.start_us), span.end_us)
        result[key].us["ahead"] += span.end_us - past
        if span.kind != "work":
            result[key].us[span.kind] += past - span.start_us
        elif span.start_us < past:
            span = span._replace(end_us=past)
            exact += [(span, key)] if hours is None else [(piece, key) for piece in hours.add(span, result[key])]
    if not exact:
        return
    spells = station.spells() if hours is None else hours.spells([span for span, _ in exact])
    tasks = station.tasks() if by_order else []
    layers = (spells, gaps, reasons, tasks)
    keys = {span.start_us: key for span, key in exact}
    before: Tile | None = None
    # One microsecond before each piece tells whether a failure begins in it or goes on.
    for tile in tiles(_led_in([span for span, _ in exact]), *layers, station.now_us):
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


class _Hours:
    """Whole hours of a station's states, from their sums."""

    def __init__(self, station: Station, cuts: Iterable[Gap | Reasoned]) -> None:
        self._station = station
        first = station.start_us // HOUR_US * HOUR_US
        window = (cell_of(station.path, first), cell_of(station.path, min(station.end_us, station.now_us)))
        self._rows: defaultdict[str, list[tuple[str, str, int, int]]] = defaultdict(list)
        for cell, state, reason, us, entered in station.reader.select(
            "SELECT cell, state, reason, us, entered FROM shift_hour WHERE cell >= ? AND cell <= ?", *window
        ):
            self._rows[cell].append((state, reason, us, entered))
        self._edges = station.reader.rows(Edge, "cell >= ? AND cell <= ? ORDER BY cell", *window)
        self._begins = [hour_of(edge.cell) for edge in self._edges]
        before = station.state_before(first)
        self._initial = (before.state, before.reason) if before else None
        # Where a cut ends on the hour, it still decides what the next hour begins with.
        self._cut = {
            hour
            for cut in cuts
            for hour in range(max(cut.start_us, first) // HOUR_US, min(cut.end_us, station.end_us) // HOUR_US + 1)
        }

    def _carried(self, hour_us: int) -> tuple[str, str] | None:
        """The state a station brings into an hour."""
        at = bisect_left(self._begins, hour_us) - 1
        return (self._edges[at].last_state, self._edges[at].last_reason) if at >= 0 else self._initial

    def add(self, span: Span, sums: Sums) -> Iterator[Span]:
        """Add the whole hours of a span; gives back the pieces that must be read state by state."""
        first, last = -(-span.start_us // HOUR_US), span.end_us // HOUR_US
        waiting = span.start_us
        for hour in range(first, last):
            if hour in self._cut or not self._add_hour(hour * HOUR_US, span.plant, sums):
                continue
            if waiting < hour * HOUR_US:
                yield span._replace(start_us=waiting, end_us=hour * HOUR_US)
            waiting = (hour + 1) * HOUR_US
        if waiting < span.end_us:
            yield span._replace(start_us=waiting)

    def _add_hour(self, hour_us: int, plant: Plant, sums: Sums) -> bool:
        """Add one hour; refuses one in which failures of several reasons must be told apart."""
        carried = self._carried(hour_us)
        cell = cell_of(self._station.path, hour_us)
        rows = self._rows.get(cell)
        if carried is None:
            return False
        if rows is None:
            sums.us[plant.time_of(*carried)] += HOUR_US
            if _fails(plant, *carried):
                sums.repair_us += HOUR_US
            return True
        failing = [row for row in rows if _fails(plant, row[0], row[1])]
        if len(failing) > 1 or _fails(plant, *carried):
            return False
        edge = self._edges[bisect_left(self._begins, hour_us)]
        sums.us[plant.time_of(*carried)] += edge.first_us - hour_us
        for state, reason, us, _ in rows:
            sums.us[plant.time_of(state, reason)] += us
        for state, reason, us, entered in failing:
            sums.repair_us += us
            sums.failures += entered + int((edge.first_state, edge.first_reason) == (state, reason))
        return True

    def spells(self, spans: Sequence[Span]) -> list[Spell]:
        """The states over these pieces and the microsecond before each."""
        station = self._station
        cells = sorted(
            {hour for span in spans for hour in range((span.start_us - 1) // HOUR_US, -(-span.end_us // HOUR_US))}
        )
        rows = station.reader.select(
            "SELECT s.* FROM json_each(?) j CROSS JOIN shift_state s ON s.cell = j.value ORDER BY s.cell, s.time_us, s.fact",
            json.dumps([cell_of(station.path, hour * HOUR_US) for hour in cells]),
        )
        changes = [State(*row) for row in rows]
        found: list[Spell] = []
        at = 0
        for hour in cells:
            carried = self._carried(hour * HOUR_US)
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


def _fails(plant: Plant, state: str, reason: str) -> bool:
    return plant.time_of(state, reason) == "delay" and plant.is_failure(state, reason)


# --------------------------------------------------------------------------- pieces


class Cycles:
    """Planned run time per item (PRI): of the product's operation at the station, else of the station; seconds."""

    def __init__(self, plant: Plant, station: PlantStation) -> None:
        self._cycles = {
            product.id: operation.cycle_s
            for product in plant.products.values()
            for operation in product.operation
            if operation.station in (station.id, station.path) and operation.cycle_s
        }
        self._own = station.cycle_s
        self.places = station.places

    def of(self, product: str) -> float | None:
        """Seconds of the station's time an item should take; shared by places that work side by side."""
        cycle_s = self._cycles.get(product, self._own)
        return cycle_s / self.places if cycle_s else None


TELLERS = ("completed", "counted", "reported")
"""Who tells pieces, the one that is believed first: identified units, counters, people."""


def piece_sums(station: Station, cycles: Cycles, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add a station's pieces to the groups; where several tell, all are kept and the first of `TELLERS` counts."""
    until = min(station.end_us, station.now_us + 1)
    own = {"order": "order_no", "product": "product"}.get(by, "''")
    rows = station.reader.select(
        f"SELECT j.key, told, {own}, product, sum(good), sum(rejected), sum(for_review), sum(rework),"
        " sum(CASE WHEN kind = 'rework' THEN good ELSE 0 END)"
        " FROM json_each(?) j CROSS JOIN shift_made m ON m.station = ? AND m.time_us >= j.value->>0 AND m.time_us < j.value->>1"
        " WHERE told <> 'started' GROUP BY 1, 2, 3, 4",
        json.dumps([[group.start_us, min(group.end_us, until)] for group in cut if group.start_us < until]),
        station.path,
    )  # fmt: skip
    told_by: dict[Key, dict[str, list[tuple[str, int, int, int, int, int]]]] = {}
    for number, told, name, product, *pieces in rows:
        key = (name,) if by in ("order", "product") else cut[number].key
        told_by.setdefault(key, {}).setdefault(told, []).append((product, *pieces))
    for key, tellers in told_by.items():
        _add_pieces(result[key], tellers, cycles)


def _add_pieces(sums: Sums, tellers: dict[str, list[tuple[str, int, int, int, int, int]]], cycles: Cycles) -> None:
    # What goes to rework comes again: only what is settled can be compared.
    told = {name: sum(sum(row[1:4]) for row in rows) for name, rows in tellers.items()}
    for name, pieces in told.items():
        sums.told[name] = sums.told.get(name, 0) + pieces
    believed = next(name for name in TELLERS if name in told)
    for product, good, rejected, for_review, rework, mended in tellers[believed]:
        sums.good += good
        sums.rejected += rejected
        sums.for_review += for_review
        sums.rework += rework
        sums.mended += mended
        pieces = good + rejected + for_review + rework
        cycle_s = cycles.of(product)
        if cycle_s is None:
            sums.unplanned += pieces
        else:
            sums.planned_us += round(pieces * cycle_s * 1_000_000)
            sums.bad_us += round((pieces - good) * cycle_s * 1_000_000)
            sums.slack_us = max(sums.slack_us, round(cycle_s * cycles.places * 1_000_000))


def first_run_sums(station: Station, cut: Sequence[Group], result: Mapping[Key, Sums]) -> None:
    """Add units inspected for the first time here, and those of them that were good (IP and GP)."""
    until = min(station.end_us, station.now_us + 1)
    rows = station.reader.select(
        "SELECT j.key, count(*), sum(clean) FROM json_each(?) j CROSS JOIN shift_first f"
        " ON f.station = ? AND f.time_us >= j.value->>0 AND f.time_us < j.value->>1 GROUP BY 1",
        json.dumps([[group.start_us, min(group.end_us, until)] for group in cut if group.start_us < until]),
        station.path,
    )  # fmt: skip
    for number, inspected, clean in rows:
        result[cut[number].key].inspected += inspected
        result[cut[number].key].clean += clean


def report_sums(station: Station, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add the hours people reported, by kind; side by side they count each."""
    own = {"order": "order_no", "product": "product"}.get(by, "''")
    until = min(station.end_us, station.now_us + 1)
    rows = station.reader.select(
        f"SELECT j.key, {own}, CASE kind WHEN 'rework' THEN 'production' ELSE kind END,"
        " sum(min(m.time_us, j.value->>1) - max(m.start_us, j.value->>0))"
        " FROM json_each(?) j CROSS JOIN shift_made m ON m.station = ? AND m.told = 'reported'"
        " AND m.start_us < j.value->>1 AND m.time_us > j.value->>0 GROUP BY 1, 2, 3",
        json.dumps([[group.start_us, min(group.end_us, until)] for group in cut if group.start_us < until]),
        station.path,
    )  # fmt: skip
    for number, name, kind, us in rows:
        sums = result[(name,) if by in ("order", "product") else cut[number].key]
        sums.reported_us[kind] = sums.reported_us.get(kind, 0) + us
