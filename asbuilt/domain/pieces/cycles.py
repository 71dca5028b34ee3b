"""How long a piece should take at a station, by the plant file in force at each instant."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from asbuilt.access import Reader
from asbuilt.domain.orders.questions import products_of
from asbuilt.events import microseconds
from asbuilt.plant import Plant, Station

Plants = Sequence[tuple[dt.datetime, Plant]]


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
        self._places: dict[int, tuple[Plant, Station | None, str]] = {}
        self._of_orders: dict[str, str] = {}
        self._known: dict[tuple[int, str], float | None] = {}

    def number(self, time_us: int) -> int:
        """Which plant file is in force at an instant."""
        return max(0, bisect_right(self.begins, time_us) - 1)

    def know(self, orders: Iterable[str]) -> None:
        """Learn the products of orders, all at once."""
        unknown = {order for order in orders if order and order not in self._of_orders}
        if unknown:
            self._of_orders.update(dict.fromkeys(unknown, ""))
            self._of_orders.update(products_of(self._reader, unknown))

    def product_of_line(self, number: int) -> str:
        """What the station's line makes by a plant file; empty if that does not say."""
        return self._place(number)[2]

    def of(self, number: int, product: str, order: str = "") -> float | None:
        """Seconds of the station's time an item should take; shared by places that work side by side."""
        product = product or self._of_orders.get(order, "")
        if (number, product) not in self._known:
            self._known[number, product] = self._planned(number, product)
        return self._known[number, product]

    def _planned(self, number: int, product: str) -> float | None:
        plant, station, of_line = self._place(number)
        if station is None:
            return None
        product = product or of_line
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

    def _place(self, number: int) -> tuple[Plant, Station | None, str]:
        if number not in self._places:
            plant = self._plants[number]
            line = plant.lines.get(self._path.rpartition("/")[0])
            self._places[number] = (plant, plant.stations.get(self._path), (line.product or "") if line else "")
        return self._places[number]
