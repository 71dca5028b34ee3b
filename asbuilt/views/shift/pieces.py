"""A station's pieces: counted, completed and reported, believed in this order of identity."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, between, count, one_of, overlap, total
from asbuilt.domain.presence.intervals import Interval, union
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.plant import Station as PlantStation
from asbuilt.time import HOUR_US
from asbuilt.views.shift.calendar import By, Group, Plants
from asbuilt.views.shift.rows import First, Made, OrderStep, Pieces, Reported
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Station

TELLERS = ("completed", "counted", "reported")
"""Who tells pieces, the one that is believed first: identified units, counters, people."""
_COUNTS = ("good", "rejected", "for_review", "rework")


TELLS_ON_H = 168
"""Whoever told pieces of a station tells them for a week on: a counter that is read beside it tells the same pieces."""


class Tellers:
    """Who tells the pieces of a station at a moment: chosen over time, the same in every window.

    Identified units from the first one on, until none came for a week; else counters, likewise; else people.
    """

    def __init__(self, station: Station) -> None:
        first, last = station.start_us // HOUR_US - TELLS_ON_H, station.end_us // HOUR_US + 1
        asked: dict[str, Value | Test] = {"station": station.path, "hour": between(first, last)}
        kinds = station.reader.values(Pieces, "told", asked)
        self._only = kinds[0] if len(kinds) == 1 else ""
        self._spans: dict[str, list[Interval]] = {
            told: union(
                (hour, hour + TELLS_ON_H) for hour in station.reader.values(Pieces, "hour", {**asked, "told": told})
            )
            for told in kinds
            if not self._only
        }

    def of(self, hour: int) -> str:
        """Who tells the pieces of an hour."""
        if self._only:
            return self._only
        found = (told for told in TELLERS if any(a <= hour < b for a, b in self._spans.get(told, ())))
        return next(found, TELLERS[-1])

    def edges(self) -> list[int]:
        """The hours at which that may change, in order."""
        return sorted({edge for spans in self._spans.values() for span in spans for edge in span})


class Cycles:
    """Planned run time per item (PRI) at a station, by the plant file in force at an instant; seconds.

    Of the product told, else of its order's, else of the line's: the product's operation at the station, else the
    station's own cycle.
    """

    def __init__(self, reader: Reader, plants: Plants, path: str) -> None:
        self._reader = reader
        self._path = path
        self.begins = [-(2**62), *(microseconds(since) for since, _ in plants[1:])]
        self._plants = [plant for _, plant in plants]
        self._places: dict[int, tuple[Plant, PlantStation | None, str]] = {}
        self._of_orders: dict[str, str] = {}

    def number(self, time_us: int) -> int:
        """Which plant file is in force at an instant."""
        return max(0, bisect_right(self.begins, time_us) - 1)

    def know(self, orders: Iterator[str]) -> None:
        """Learn the products of orders, all at once."""
        unknown = {order for order in orders if order and order not in self._of_orders}
        if unknown:
            rows = self._reader.rows(OrderStep, {"order_no": one_of(sorted(unknown)), "what": "released"})
            self._of_orders.update(dict.fromkeys(unknown, ""))
            for row in sorted(rows, key=lambda row: (row.time_us, row.fact)):
                self._of_orders[row.order_no] = row.product

    def of(self, number: int, product: str, order: str = "") -> float | None:
        """Seconds of the station's time an item should take; shared by places that work side by side."""
        plant, station, of_line = self._place(number)
        if station is None:
            return None
        product = product or self._of_orders.get(order, "") or of_line
        made = plant.products.get(product)
        own = next(
            (
                operation.cycle_s
                for operation in (made.operation if made is not None else ())
                if operation.station in (station.id, station.path) and operation.cycle_s
            ),
            station.cycle_s,
        )
        return own / station.places if own else None

    def places(self, number: int) -> int:
        """How many items are worked on side by side."""
        _, station, _ = self._place(number)
        return station.places if station is not None else 1

    def _place(self, number: int) -> tuple[Plant, PlantStation | None, str]:
        if number not in self._places:
            plant = self._plants[number]
            line = plant.lines.get(self._path.rpartition("/")[0])
            self._places[number] = (plant, plant.stations.get(self._path), (line.product or "") if line else "")
        return self._places[number]


class _Told(NamedTuple):
    """Pieces of one group and plant file, as one way of telling has them; `teller` is who is believed then."""

    number: int
    plant: int
    teller: str
    told: str
    kind: str
    order_no: str
    product: str
    counts: Sequence[int]


def piece_sums(station: Station, cycles: Cycles, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add a station's pieces to the groups; where several tell, all are kept and those of the teller count."""
    rows = list(_told(station, cycles, cut))
    cycles.know(row.order_no for row in rows)
    told_by: defaultdict[Key, defaultdict[str, list[_Told]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        own = {"order": row.order_no, "product": row.product}.get(by)
        told_by[cut[row.number].key if own is None else (own,)][row.told].append(row)
    for key, tellers in told_by.items():
        _add_pieces(result[key], tellers, cycles)


def _told(station: Station, cycles: Cycles, cut: Sequence[Group]) -> Iterator[_Told]:
    """What was told in each group: of whole hours from their sums, of the hours at the edges fact by fact."""
    until = min(station.end_us, station.now_us + 1)
    hours: list[tuple[int, int]] = []
    of_range: list[tuple[int, int, str]] = []
    edges: list[tuple[int, int, int, int]] = []
    tellers = Tellers(station)
    changes = tellers.edges()
    for number, group in enumerate(cut):
        for plant, start, end in _by_plant(cycles, group.start_us, min(group.end_us, until)):
            first, last = -(-start // HOUR_US), end // HOUR_US
            for low, high in pairwise([first, *(edge for edge in changes if first < edge < last), last]):
                if low < high:
                    hours.append((low, high))
                    of_range.append((number, plant, tellers.of(low)))
            parts = [(start, first * HOUR_US), (last * HOUR_US, end)] if first <= last else [(start, end)]
            edges += [(a, b, number, plant) for a, b in parts if a < b]
    reader, where = station.reader, {"station": station.path}
    by = ("told", "kind", "order_no", "product")
    for at, told, kind, order, product, *counts in reader.totals_in(
        Pieces, hours, "hour", where, by=by, of=[total(name) for name in _COUNTS]
    ):
        number, plant, teller = of_range[at]
        yield _Told(number, plant, teller, told, kind, order, product, counts)
    edges.sort()
    starts = [a for a, _, _, _ in edges]
    for row in reader.rows_of(Made, "hour", sorted({a // HOUR_US for a in starts}), where) if edges else ():
        at = bisect_right(starts, row.time_us) - 1
        if row.told != "started" and at >= 0 and row.time_us < edges[at][1]:
            _, _, number, plant = edges[at]
            pieces = (row.good, row.rejected, row.for_review, row.rework)
            yield _Told(number, plant, tellers.of(row.hour), row.told, row.kind, row.order_no, row.product, pieces)


def _by_plant(cycles: Cycles, start_us: int, end_us: int) -> Iterator[tuple[int, int, int]]:
    """A stretch of time cut where the plant file changed, each part with the number of the file."""
    at = start_us
    while at < end_us:
        number = cycles.number(at)
        until = min(end_us, cycles.begins[number + 1]) if number + 1 < len(cycles.begins) else end_us
        yield number, at, until
        at = until


def _add_pieces(sums: Sums, tellers: Mapping[str, Sequence[_Told]], cycles: Cycles) -> None:
    # What goes to rework comes again: only what is settled can be compared.
    told = {name: sum(sum(row.counts[:3]) for row in rows) for name, rows in tellers.items()}
    for name, pieces in told.items():
        sums.told[name] = sums.told.get(name, 0) + pieces
    # Rounded once for all pieces of one cycle: the parts of a window add up to it.
    by_cycle: defaultdict[tuple[int, float | None], list[int]] = defaultdict(lambda: [0, 0])
    for row in (row for rows in tellers.values() for row in rows if row.told == row.teller):
        good, rejected, for_review, rework = row.counts
        sums.good += good
        sums.rejected += rejected
        sums.for_review += for_review
        sums.rework += rework
        sums.mended += good if row.kind == "rework" else 0
        both = by_cycle[row.plant, cycles.of(row.plant, row.product, row.order_no)]
        both[0] += good + rejected + for_review + rework
        both[1] += good
    for (plant, cycle_s), (pieces, good) in by_cycle.items():
        if cycle_s is None:
            sums.unplanned += pieces
        else:
            sums.planned_us += round(pieces * cycle_s * 1_000_000)
            sums.bad_us += round((pieces - good) * cycle_s * 1_000_000)
            sums.slack_us = max(sums.slack_us, round(cycle_s * cycles.places(plant) * 1_000_000))


def first_run_sums(station: Station, cut: Sequence[Group], result: Mapping[Key, Sums]) -> None:
    """Add units inspected for the first time here, and those of them that were good (IP and GP)."""
    for number, inspected, clean in station.reader.totals_in(
        First, _ranges(station, cut), "time_us", {"station": station.path}, of=(count(), total("clean"))
    ):
        result[cut[number].key].inspected += inspected
        result[cut[number].key].clean += clean


def report_sums(station: Station, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add the hours people reported, by kind; side by side they count each."""
    own = {"order": "order_no", "product": "product"}.get(by)
    for number, kind, *name, us in station.reader.totals_in(
        Reported,
        _ranges(station, cut),
        "start_us",
        {"station": station.path},
        end="time_us",
        by=("kind", *([own] if own else [])),
        of=(overlap("start_us", "time_us"),),
    ):
        sums = result[(name[0],) if name else cut[number].key]
        kind = "production" if kind == "rework" else kind
        sums.reported_us[kind] = sums.reported_us.get(kind, 0) + us


def _ranges(station: Station, cut: Sequence[Group]) -> list[tuple[int, int]]:
    """The groups as intervals up to now; what is ahead is an empty one."""
    until = min(station.end_us, station.now_us + 1)
    return [(group.start_us, max(group.start_us, min(group.end_us, until))) for group in cut]
