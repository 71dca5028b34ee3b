"""A station's pieces: counted, completed and reported, believed in this order of identity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from asbuilt.plant import Plant
from asbuilt.plant import Station as PlantStation
from asbuilt.views.shift.calendar import HOUR_US, By, Group
from asbuilt.views.shift.rows import cell_of
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Station


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
    whole, parts = _hours_and_parts(station.path, cut, until)
    rows = station.reader.select(_WHOLE.format(own=own), json.dumps(whole)) if whole else []
    rows += station.reader.select(_PARTS.format(own=own), json.dumps(parts)) if parts else []
    told_by: dict[Key, dict[str, list[tuple[str, int, int, int, int, int]]]] = {}
    for number, told, name, product, *pieces in rows:
        key = (name,) if by in ("order", "product") else cut[number].key
        told_by.setdefault(key, {}).setdefault(told, []).append((product, *pieces))
    for key, tellers in told_by.items():
        _add_pieces(result[key], tellers, cycles)


def _hours_and_parts(
    path: str, cut: Sequence[Group], until: int
) -> tuple[list[tuple[int, str, str]], list[tuple[int, str, str, int, int]]]:
    """Groups as runs of whole hours, and the parts of hours at their edges."""
    whole, parts = [], []
    for number, group in enumerate(cut):
        start, end = group.start_us, min(group.end_us, until)
        first, last = -(-start // HOUR_US) * HOUR_US, end // HOUR_US * HOUR_US
        if first < last:
            whole.append((number, cell_of(path, first), cell_of(path, last)))
        for a, b in ((start, min(first, end)), (max(last, first), end)) if first <= last else ((start, end),):
            if a < b:
                parts.append((number, cell_of(path, a), cell_of(path, b), a, b))
    return whole, parts


_PIECES = """told, {own}, product, sum(good), sum(rejected), sum(for_review), sum(rework),
  sum(CASE WHEN kind = 'rework' THEN good ELSE 0 END)"""
_WHOLE = f"""
WITH run AS MATERIALIZED (
  SELECT value->>0 AS number, value->>1 AS first_cell, value->>2 AS end_cell FROM json_each(?)
)
SELECT number, {_PIECES} FROM run
CROSS JOIN shift_pieces p ON p.cell >= first_cell AND p.cell < end_cell GROUP BY 1, 2, 3, 4
"""
_PARTS = f"""
SELECT j.value->>0, {_PIECES} FROM json_each(?) j CROSS JOIN shift_made m
ON m.cell >= j.value->>1 AND m.cell <= j.value->>2 AND m.time_us >= j.value->>3 AND m.time_us < j.value->>4
WHERE told <> 'started' GROUP BY 1, 2, 3, 4
"""


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
        " FROM json_each(?) j CROSS JOIN shift_reported m ON m.station = ?"
        " AND m.start_us < j.value->>1 AND m.time_us > j.value->>0 GROUP BY 1, 2, 3",
        json.dumps([[group.start_us, min(group.end_us, until)] for group in cut if group.start_us < until]),
        station.path,
    )  # fmt: skip
    for number, name, kind, us in rows:
        sums = result[(name,) if by in ("order", "product") else cut[number].key]
        sums.reported_us[kind] = sums.reported_us.get(kind, 0) + us
