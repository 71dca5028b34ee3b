"""The desks: orders and serial numbers, packing lists and shipping, handover from shift to shift."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator
from typing import Any

import simpy

from asbuilt.events import (
    HoldPlaced,
    NoteWritten,
    OrderClosed,
    OrderReleased,
    Packed,
    ShiftClosed,
    UnitCompleted,
    UnitShipped,
    UnitStarted,
)
from asbuilt.plant import Station
from asbuilt.plant.calendar import ShiftWindow
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import HOUR, MINUTE, ms, shifts_from
from asbuilt.simulate.people import PLANNING, SHIPPING
from asbuilt.simulate.roles import Unit

ORDER_QUANTITY = 600
FIRST_ORDER = 2416
FIRST_SERIAL = 801
PER_PALLET = 6
CUSTOMERS = (
    ("Voltera Generators", "generator sets"),
    ("Brisa Paramotors", "paramotors"),
    ("Ardent Pumps", "fire pumps"),
)


class Order:
    """An order on its way through the plant."""

    def __init__(self, name: str, customer: tuple[str, str], quantity: int) -> None:
        self.name = name
        self.customer = customer
        self.quantity = quantity
        self.begun = 0
        self.packed = 0


class Pallet:
    """Units that leave together."""

    def __init__(self, name: str, order: Order) -> None:
        self.name = name
        self.order = order
        self.units: list[Unit] = []
        self.packed_at = 0


class Office:
    """Orders, serials, cases, pallets and notes."""

    def __init__(self, floor: Floor, order_quantity: int = ORDER_QUANTITY) -> None:
        self.floor = floor
        self.quantity = order_quantity
        self.packed = 0
        self.held: dict[str, str] = {}
        self._hold_when_packed: dict[str, str] = {}
        self._units: dict[str, Unit] = {}
        self._random = floor.random("office")
        self._orders: list[Order] = []
        self._by_name: dict[str, Order] = {}
        self._serial = FIRST_SERIAL
        self._cases = 0
        self._pallets: list[Pallet] = []
        self._pallet_number = 300
        self._release()

    def start(self) -> None:
        """Begin to ship and to hand over shifts."""
        self.floor.env.process(self._keep_shifts())

    # ----------------------------------------------------------------- orders and units

    def begin_unit(self, station: Station) -> Unit:
        """A unit of the oldest order that still needs one is born."""
        order = next((order for order in self._orders if order.begun < order.quantity), None) or self._release()
        order.begun += 1
        if order is self._orders[-1] and order.quantity - order.begun <= order.quantity // 4:
            self._release()
        unit = self._units[f"{self._serial:05d}"] = Unit(f"{self._serial:05d}", order.name)
        self._serial += 1
        self.floor.say(
            UnitStarted, station, self.floor.operator(0), product=self.floor.product.id, serial=unit.serial,
            order=order.name, revision=self.floor.product.revision,
        )  # fmt: skip
        return unit

    def scrapped(self, unit: Unit) -> None:
        """The order needs another unit in its place."""
        self._by_name[unit.order].begun -= 1
        del self._units[unit.serial]

    def pack(self, unit: Unit, station: Station, index: int) -> None:
        """The unit is released and packed; a full order is closed."""
        floor = self.floor
        order = self._by_name[unit.order]
        by = floor.operator(index)
        floor.say(
            UnitCompleted, station, by, product=floor.product.id, serial=unit.serial, order=order.name,
            revision=floor.product.revision,
        )  # fmt: skip
        pallet = self._pallet_for(order)
        pallet.units.append(unit)
        pallet.packed_at = floor.now
        floor.say(Packed, station, by, product=floor.product.id, serial=unit.serial, container=pallet.name)
        self.packed += 1
        if unit.serial in self._hold_when_packed:
            self._place_hold(unit.serial, self._hold_when_packed.pop(unit.serial))
        order.packed += 1
        if order.packed == order.quantity:
            self._orders.remove(order)
            floor.journal.say(OrderClosed, floor.desk, PLANNING, order=order.name, good=order.packed)

    def carriers(self, position: str, container: str) -> list[str]:
        """Serials of units on the line and in stock that took a part from this box."""
        return [u.serial for u in self._units.values() if (t := u.fitted.get(position)) and t.container == container]

    def hold(self, serial: str, reason: str) -> None:
        """A unit may not leave: from now on if it is in the finished stock, else from when it is packed."""
        if any(unit.serial == serial for pallet in self._pallets for unit in pallet.units):
            self._place_hold(serial, reason)
        else:
            self._hold_when_packed[serial] = reason

    def _place_hold(self, serial: str, reason: str) -> None:
        floor = self.floor
        self.held[serial] = f"H-{serial}"
        floor.journal.say(
            HoldPlaced, floor.desk, floor.people.quality(floor.now), hold=f"H-{serial}", reason=reason,
            product=floor.product.id, serial=serial,
        )  # fmt: skip

    def next_case(self) -> str:
        """The number of a new nonconformance."""
        self._cases += 1
        return f"RC-{self.floor.journal.instant(self.floor.now):%y}-{self._cases:03d}"

    def _release(self) -> Order:
        floor = self.floor
        number = FIRST_ORDER + len(self._by_name)
        order = Order(str(number), CUSTOMERS[number % len(CUSTOMERS)], self.quantity)
        self._orders.append(order)
        self._by_name[order.name] = order
        days = 3 + 2 * len(self._orders) * self.quantity // 200
        due = floor.journal.instant(floor.now + days * 24 * HOUR).replace(hour=18, minute=0, second=0, microsecond=0)
        floor.journal.say(
            OrderReleased, floor.desk, PLANNING, order=order.name, product=floor.product.id, quantity=order.quantity,
            line=floor.line.path, due=due, customer=order.customer[0],
        )  # fmt: skip
        return order

    def _pallet_for(self, order: Order) -> Pallet:
        for pallet in self._pallets:
            if pallet.order is order and len(pallet.units) < PER_PALLET:
                return pallet
        self._pallet_number += 1
        pallet = Pallet(f"PAL-{self._pallet_number:05d}", order)
        self._pallets.append(pallet)
        return pallet

    # ----------------------------------------------------------------- shifts

    def _keep_shifts(self) -> Generator[simpy.Event, Any, None]:
        floor = self.floor
        shipped_on: dt.date | None = None
        for window in shifts_from(floor.plant, floor.line, floor.now):
            if window.day != shipped_on and ms(window.start) > floor.now:
                shipped_on = window.day
                yield from self._until(ms(window.start) + 200 * MINUTE + self._random.randrange(40 * MINUTE))
                yield from self._ship(before=ms(window.start))
            yield from self._until(ms(window.end) - self._random.randrange(3 * MINUTE, 9 * MINUTE))
            self._hand_over(window)
            yield from self._until(ms(window.end) + self._random.randrange(MINUTE, 6 * MINUTE))
            # Whoever led the shift signs it, though the next one has begun.
            floor.journal.say(
                ShiftClosed, floor.desk, window.lead or floor.people.lead(floor.now), line=floor.line.path,
                day=window.day, shift=window.id,
            )  # fmt: skip

    def _until(self, time_ms: int) -> Generator[simpy.Event, Any, None]:
        if time_ms > self.floor.now:
            yield self.floor.env.timeout(time_ms - self.floor.now)

    def _hand_over(self, window: ShiftWindow) -> None:
        floor = self.floor
        worst = sorted(floor.stops, key=lambda stop: -stop[1])[:3]
        lines = [f"{self.packed} packed."]
        lines += [
            f"{label}: {message}, {length // MINUTE} min." for label, length, message in worst if length >= 4 * MINUTE
        ]
        lines.append(floor.watch.remark())
        floor.journal.say(
            NoteWritten, floor.desk, window.lead or floor.people.lead(floor.now), line=floor.line.path,
            text="\n".join(line for line in lines if line),
        )  # fmt: skip
        self.packed = 0
        floor.stops.clear()

    def _ship(self, before: int) -> Generator[simpy.Event, Any, None]:
        """Full pallets packed before a moment leave, unless a unit on them is held."""
        floor = self.floor
        ready = [
            pallet
            for pallet in self._pallets
            if len(pallet.units) == PER_PALLET
            and pallet.packed_at < before
            and not any(unit.serial in self.held for unit in pallet.units)
        ]
        for pallet in ready:
            self._pallets.remove(pallet)
            for unit in pallet.units:
                del self._units[unit.serial]
                yield floor.env.timeout(self._random.randrange(1_500, 5_000))
                floor.journal.say(
                    UnitShipped, floor.desk, SHIPPING, product=floor.product.id, serial=unit.serial,
                    consignee=pallet.order.customer[0], end_use=pallet.order.customer[1], container=pallet.name,
                    screened_on=floor.journal.instant(floor.now).date(), order=unit.order,
                )  # fmt: skip
                floor.after.shipped(unit, *pallet.order.customer)
