"""Parts beside the line: lots that arrive, are opened, used up and replaced; serials that are never given twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import simpy

from asbuilt.events import LotMerged, LotOpened, LotPart, LotReceived, LotSplit
from asbuilt.plant import Part, Station
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import HOUR
from asbuilt.simulate.people import STORES
from asbuilt.simulate.roles import Taken

SPLIT_FROM = 200
"""A lot for so many engines is divided in the store."""


class _Box(NamedTuple):
    lot: str
    container: str | None
    quantity: Decimal


class Bin:
    """One part at one station: the open lot or box, and what waits in the store."""

    def __init__(self, part: Part, stock: Stock, station: Station) -> None:
        self.part = part
        self.station = station
        self._stock = stock
        self._supply = stock.floor.know.supply(part)
        self._store: deque[_Box] = deque()
        self._open: _Box | None = None
        self._left = Decimal(0)
        self._mixed = 0
        self._serials = stock.random.randrange(200, 9000)
        self._lots = stock.random.randrange(1, 40)

        for _ in range(2):
            self._receive()
        self._open_next()

    def take(self, quantity: Decimal) -> Taken:
        """Take so many for a unit; opens the next lot or box if the open one cannot give them."""
        if self._left < quantity:
            self._open_next()
        self._left -= quantity
        box = self._open
        assert box is not None
        return Taken(self._next_serial(), box.lot, box.container)

    def put_away(self) -> str | None:
        """Take the open lot or box out of use; the next is opened. Returns what is open then."""
        self._open_next()
        return self._open.container or self._open.lot if self._open else None

    @property
    def open_lot(self) -> str:
        """The lot in use."""
        return self._open.lot if self._open else ""

    def close_lot(self, lot: str) -> None:
        """Take a lot out of use altogether, in the store too."""
        self._store = deque(box for box in self._store if box.lot != lot)
        if self.open_lot == lot:
            self._open_next()

    def _next_serial(self) -> str | None:
        if self.part.tracking != "serial":
            return None
        self._serials += 1
        return f"{self.part.product}-{self._serials:05d}"

    def _open_next(self) -> None:
        if not self._store:
            # The store ran out: a lot is fetched by hand, so that the line is not stopped for it here.
            self._receive()
        before = self._open.lot if self._open else ""
        rest, self._open = self._left, self._store.popleft()
        self._left = self._open.quantity
        floor = self._stock.floor
        if before and self.part.tracking == "bulk" and rest > 0 and self._open.lot != before:
            # A bin of small parts is topped up, not emptied: from now on it holds both.
            self._open = self._topped_up(before, rest, self._open)
        floor.say(
            LotOpened, self.station, self._stock.operator(self.station),
            product=self.part.product, lot=self._open.lot, container=self._open.container,
        )  # fmt: skip
        if before and self._open.lot != before:
            floor.env.process(self._deliver())

    def _topped_up(self, before: str, rest: Decimal, fresh: _Box) -> _Box:
        self._mixed += 1
        self._left = rest + fresh.quantity
        mixed = f"{self.part.product}-M{self._mixed:03d}"
        self._stock.floor.journal.say(
            LotMerged, self._stock.floor.desk, STORES, product=self.part.product, lot=mixed, uom=self.part.uom,
            merged=(LotPart(lot=before, quantity=plain(rest)), LotPart(lot=fresh.lot, quantity=plain(fresh.quantity))),
        )  # fmt: skip
        return _Box(mixed, None, self._left)

    def _deliver(self) -> Generator[simpy.Event, Any, None]:
        yield from self._stock.floor.flow.working(self._stock.random.randrange(HOUR // 2, 3 * HOUR))
        self._receive()

    def _receive(self) -> None:
        self._lots += 1
        floor, random, supply = self._stock.floor, self._stock.random, self._supply
        today = floor.journal.instant(floor.now)
        lot = f"{self.part.product}-{today:%y%m}-{self._lots:02d}"
        each = Decimal(self.part.quantity) * -(-supply.engines // supply.boxes)
        floor.journal.say(
            LotReceived, floor.desk, STORES,
            product=self.part.product, lot=lot, quantity=plain(each * supply.boxes), uom=self.part.uom,
            supplier=supply.supplier, supplier_lot=f"{today:%y%j}-{random.randrange(100, 999)}",
            heat=f"{supply.heat}-{random.randrange(2000, 9999)}" if supply.heat else None,
            origin_country=supply.country,
        )  # fmt: skip
        if self.part.tracking == "lot" and supply.boxes == 1 and supply.engines >= SPLIT_FROM:
            # Too many for one bin: the store divides what came in.
            halves = (each // 2, each - each // 2)
            names = (f"{lot}.1", f"{lot}.2")
            floor.journal.say(
                LotSplit, floor.desk, STORES, product=self.part.product, lot=lot, uom=self.part.uom,
                into=tuple(LotPart(lot=name, quantity=plain(half)) for name, half in zip(names, halves, strict=True)),
            )  # fmt: skip
            self._store.extend(_Box(name, None, half) for name, half in zip(names, halves, strict=True))
            return
        boxes = [f"{lot}-B{number}" for number in range(1, supply.boxes + 1)] if supply.boxes > 1 else [None]
        self._store.extend(_Box(lot, box, each) for box in boxes)


class Stock:
    """Every part of the line's product, by the operation that needs it."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.random = floor.random("stock")
        self._index = {station.path: index for index, station in enumerate(floor.line.station)}
        stations = {key: station for station in floor.line.station for key in (station.id, station.path)}
        self.bins: dict[str, tuple[Bin, ...]] = {}
        for operation in floor.product.operation:
            station = stations.get(operation.station)
            if station is not None:
                used = [p for p in floor.product.part if p.operation == operation.id and Decimal(p.quantity) > 0]
                self.bins[operation.id] = tuple(Bin(part, self, station) for part in used)

    def operator(self, station: Station) -> str:
        """Who works at the station now."""
        return self.floor.operator(self._index[station.path])

    def bin(self, product: str) -> Bin | None:
        """The bin of a part, wherever it stands."""
        return next((found for bins in self.bins.values() for found in bins if found.part.product == product), None)


def positions(part: Part) -> Iterator[tuple[str, Decimal]]:
    """Where a part goes in a unit, and how many of it go there."""
    quantity = Decimal(part.quantity)
    names = part.positions
    if part.tracking == "serial" and len(names) != quantity:
        names = (part.name,) if quantity == 1 else tuple(f"{part.name} {n}" for n in range(1, int(quantity) + 1))
    elif not names or quantity % len(names):
        names = (names or (part.name,))[:1]
    for name in names:
        yield name, quantity / len(names)


def plain(quantity: Decimal) -> str:
    """A quantity without exponent."""
    return format(quantity, "f")
