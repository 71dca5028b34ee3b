"""Questions about pieces that several pages ask: who is believed about them, what was made, of which product at what cycle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Ranges, Test, Value, Where, at_most, below, between, one_of, other_than, total
from asbuilt.domain.meaning import TELLERS, TELLS_FOR_H, tellers_over
from asbuilt.domain.orders.questions import closed_us, product_of
from asbuilt.domain.pieces.cycles import Cycles
from asbuilt.domain.pieces.rows import Made, Pieces, Worked
from asbuilt.domain.presence import questions as presence
from asbuilt.plant import Plant
from asbuilt.time import HOUR_US

COUNTS = ("good", "rejected", "for_review", "rework")
"""The columns that hold pieces."""


class Believed(NamedTuple):
    """Which way of telling is believed at a station from when to when (half-open), in order."""

    parts: Sequence[tuple[int, int, str]]

    def at(self, time_us: int) -> str:
        """The way believed at an instant; empty where none tells."""
        n = bisect_right(self.parts, time_us, key=lambda part: part[0]) - 1
        return self.parts[n][2] if n >= 0 and time_us < self.parts[n][1] else ""

    def holds(self, row: Made) -> bool:
        """Whether the pieces of a row of this station count."""
        return row.told == self.at(row.time_us)


def believed(reader: Reader, station: str, start_us: int, end_us: int) -> Believed:
    """Who is believed about a station's pieces over a window; of an instant the same in every window."""
    return reader.once(("believed", station, start_us, end_us), lambda: _believed(reader, station, start_us, end_us))


def know_tellers(reader: Reader, stations: Sequence[str], start_us: int, end_us: int) -> None:
    """Find out at once who tells pieces of several stations over a short window."""
    hours = between(start_us // HOUR_US - TELLS_FOR_H, -(-end_us // HOUR_US))
    where: dict[str, Value | Test] = {"station": one_of(stations), "hour": hours}
    found = {*reader.totals(Pieces, where, by=("station", "told"), of=())}
    for station in stations:
        tell = [name for name in TELLERS if (station, name) in found]
        reader.know(_telling(station, start_us, end_us), tell)


def _telling(station: str, start_us: int, end_us: int) -> tuple[str, str, int, int]:
    """What is known of who tells pieces of a station is known by the hour."""
    return "telling", station, start_us // HOUR_US, -(-end_us // HOUR_US)


def _believed(reader: Reader, station: str, start_us: int, end_us: int) -> Believed:
    hours = between(start_us // HOUR_US - TELLS_FOR_H, -(-end_us // HOUR_US))
    where: dict[str, Value | Test] = {"station": station, "hour": hours}
    tell = reader.once(_telling(station, start_us, end_us), lambda: reader.given(Pieces, "told", TELLERS, where))
    if len(tell) < 2:
        # Nobody contradicts: nothing has to be read.
        return Believed([(start_us, end_us, name) for name in tell])
    told = {name: reader.values(Pieces, "hour", {**where, "told": name}) for name in tell}
    return Believed([(a * HOUR_US, b * HOUR_US, name) for a, b, name in tellers_over(told)])


def ever_told(reader: Reader, stations: Iterable[str], at_us: int) -> bool:
    """Whether anybody has told pieces of one of some stations up to an instant: before that, none made is not known."""
    return any(
        reader.exists(Pieces, {"station": one, "hour": below(at_us // HOUR_US)})
        or reader.exists(
            Made,
            {"station": one, "hour": at_us // HOUR_US, "time_us": at_most(at_us), "told": other_than("started")},
        )
        for one in stations
    )


def tellers(reader: Reader, station: str) -> list[str]:
    """The ways in which pieces of a station were ever told, the one that is believed first."""
    return reader.once(
        ("tellers", station),
        lambda: [name for name in TELLERS if reader.exists(Pieces, {"station": station, "told": name})],
    )


def made(reader: Reader, station: str, start_us: int, end_us: int) -> list[Made]:
    """What is believed of the pieces made at a station in a half-open window, in order of time."""
    who = believed(reader, station, start_us, end_us)
    every = told(reader, station, start_us, end_us)
    if len(who.parts) == 1 and who.parts[0][0] <= start_us and end_us <= who.parts[0][1]:
        # One way of telling is believed throughout.
        return [row for row in every if row.told == who.parts[0][2]]
    return [row for row in every if who.holds(row)]


def told(reader: Reader, station: str | Test, start_us: int, end_us: int, **more: Value | Test) -> list[Made]:
    """Whatever was told of pieces at a station (or at several: `one_of`) in a half-open window, believed or not, in order of time."""
    where: dict[str, Value | Test] = {
        "station": station,
        "hour": between(start_us // HOUR_US, -(-end_us // HOUR_US)),
        "time_us": between(start_us, end_us),
        "told": other_than("started"),
        **more,
    }
    key = ("told", *where.values(), *more)
    return list(reader.once(key, lambda: reader.rows(Made, where, order="hour time_us fact")))


class Part(NamedTuple):
    """Pieces of the n-th range, as one way of telling (`told`) has them for a kind of work, an order and a product.

    `teller` is the way that is believed there; a range in which it changes has parts of each.
    """

    number: int
    told: str
    teller: str
    kind: str
    order_no: str
    product: str
    good: int
    rejected: int
    for_review: int
    rework: int

    @property
    def believed(self) -> bool:
        """Whether these pieces count."""
        return self.told == self.teller


def pieces(reader: Reader, station: str, ranges: Sequence[tuple[int, int]]) -> list[Part]:
    """What was told in each of several half-open ranges (in order, without overlaps), and whether it is believed.

    Whole hours come from their sums, those at the edges are read fact by fact. Ranges that share an edge add up.
    """
    if not ranges:
        return []
    who = believed(reader, station, ranges[0][0], ranges[-1][1])
    # Stations of one line share their windows, and mostly the way of telling.
    hours, of_range, edges = reader.once(
        ("hours of pieces", tuple(who.parts), tuple(ranges)), lambda: _hours_and_edges(who, ranges)
    )
    where = {"station": station}
    sums = reader.once(
        ("sums of pieces", station, hours),
        lambda: reader.totals_in(Pieces, hours, "hour", where, by=_BY, of=_TOTALS),
    )
    found = [Part(of_range[n][0], name, of_range[n][1], *more) for n, name, *more in sums]
    starts = [start for start, _, _, _ in edges]
    beside = tuple(sorted({start // HOUR_US for start in starts}))
    for row in reader.once(
        ("pieces beside", station, beside), lambda: reader.rows_of(Made, "hour", beside, where) if beside else []
    ):
        n = bisect_right(starts, row.time_us) - 1
        if row.told != "started" and n >= 0 and row.time_us < edges[n][1]:
            _, _, number, name = edges[n]
            counts = (row.good, row.rejected, row.for_review, row.rework)
            found.append(Part(number, row.told, name, row.kind, row.order_no, row.product, *counts))
    return found


_BY = ("told", "kind", "order_no", "product")
_TOTALS = tuple(total(name) for name in COUNTS)


def know_pieces(reader: Reader, stations: Sequence[str], ranges: Sequence[tuple[int, int]]) -> None:
    """Read at once what `pieces` reads of each of several stations over a short window."""
    if not ranges:
        return
    alike: dict[tuple[tuple[int, int, str], ...], list[str]] = {}
    for station in stations:
        alike.setdefault(tuple(believed(reader, station, ranges[0][0], ranges[-1][1]).parts), []).append(station)
    for parts, several in alike.items():
        hours, _, edges = reader.once(
            ("hours of pieces", parts, tuple(ranges)), partial(_hours_and_edges, Believed(parts), ranges)
        )
        where: Where = {"station": one_of(several)}
        sums: dict[str, list[tuple[Any, ...]]] = {station: [] for station in several}
        for number, station, *figures in reader.totals_in(
            Pieces, hours, "hour", where, by=("station", *_BY), of=_TOTALS
        ):
            sums[station].append((number, *figures))
        beside = tuple(sorted({start // HOUR_US for start, _, _, _ in edges}))
        rows: dict[str, list[Made]] = {station: [] for station in several}
        for row in reader.rows_of(Made, "hour", beside, where) if beside else ():
            rows[row.station].append(row)
        for station in several:
            reader.know(("sums of pieces", station, hours), sums[station])
            reader.know(("pieces beside", station, beside), rows[station])


def _hours_and_edges(
    who: Believed, ranges: Sequence[tuple[int, int]]
) -> tuple[Ranges, list[tuple[int, str]], list[tuple[int, int, int, str]]]:
    """Whole hours, the range of each and who is believed; and, in order, what is left of the ranges beside them."""
    hours: list[tuple[int, int]] = []
    of_range: list[tuple[int, str]] = []
    edges: list[tuple[int, int, int, str]] = []
    for number, start, end, name in _cut(who, ranges):
        first, last = -(-start // HOUR_US), end // HOUR_US
        if first < last:
            hours.append((first, last))
            of_range.append((number, name))
        parts = [(start, first * HOUR_US), (last * HOUR_US, end)] if first <= last else [(start, end)]
        edges += [(a, b, number, name) for a, b in parts if a < b]
    return Ranges(hours), of_range, sorted(edges)


def _cut(who: Believed, ranges: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int, int, str]]:
    """The ranges cut where somebody else is believed: number, start, end, who."""
    edges = sorted({edge for start, end, _ in who.parts for edge in (start, end)})
    for number, (start, end) in enumerate(ranges):
        at = start
        for edge in [*edges[bisect_right(edges, start) :], end]:
            until = min(edge, end)
            if at < until:
                yield number, at, until, who.at(at)
            at = max(at, until)
            if edge >= end:
                break


def foreseeable(reader: Reader, plant: Plant, stations: Sequence[str], at_us: int) -> bool:
    """Whether the pace at which pieces leave these stations may be carried on from an instant.

    A forecast from what nobody observed would be a guess: none while one of them is silent, nor where too little of
    the last hour was observed.
    """
    return bool(stations) and all(
        presence.silence_at(reader, station, at_us) is None
        and presence.observed_us(reader, station, at_us - HOUR_US, at_us) >= plant.time_model.min_coverage * HOUR_US
        for station in stations
    )


def worked_before(reader: Reader, station: str, before_us: int) -> Made | Worked | None:
    """What was told last of an order or product at a station before an instant, without walking back through its pieces."""
    hour = before_us // HOUR_US
    here = reader.rows(Made, {"station": station, "hour": hour, "time_us": below(before_us)}, order="-time_us -fact")
    told_here = next((row for row in here if row.order_no or row.product), None)
    return told_here or reader.first(Worked, {"station": station, "hour": below(hour)}, order="-hour")


def in_work(reader: Reader, station: str, at_us: int) -> tuple[str, str]:
    """The order and product a station was told to work on at an instant, empty where none: until its order was closed."""
    last = worked_before(reader, station, at_us + 1)
    if last is None:
        return "", ""
    ended = closed_us(reader, last.order_no, last.time_us) if last.order_no else None
    return ("", "") if ended is not None and ended <= at_us else (last.order_no, last.product)


def product_at(reader: Reader, station: str, at_us: int) -> str:
    """The product in work at a station at an instant: the one told, else its order's, else the line's then; empty if unknown."""
    order, product = in_work(reader, station, at_us)
    if not product and order:
        product = product_of(reader, order)
    cycles = Cycles(reader, reader.plants(), station)
    return product or cycles.product_of_line(cycles.number(at_us))


def cycle_at(reader: Reader, station: str, at_us: int) -> float | None:
    """Seconds of the station's time an item should take at an instant; None where none is planned."""
    cycles = Cycles(reader, reader.plants(), station)
    return cycles.of(cycles.number(at_us), product_at(reader, station, at_us))
