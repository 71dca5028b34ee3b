"""What becomes of engines that have left: fitted, a few returned, repaired with another part, sent out again."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from asbuilt.events import (
    ComponentInstalled,
    ComponentRemoved,
    DispositionDecided,
    NonconformanceRaised,
    UnitFitted,
    UnitReturned,
    UnitShipped,
)
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import HOUR, MINUTE
from asbuilt.simulate.people import SHIPPING
from asbuilt.simulate.roles import Unit
from asbuilt.simulate.stock import plain, positions

SERVICE = "SV-1"
RETURNED = 0.02
"""So many of a hundred shipped engines come back within their first weeks."""
COMPLAINTS = (
    ("noise at idle", "HALL"),
    ("hard to start", "COIL"),
    ("uneven power", "INJ"),
    ("leak at the pump", "FPMP"),
)
_MACHINES = {"generator sets": "GS", "paramotors": "PM", "fire pumps": "FP"}


class After:
    """The life of engines outside, as far as it is told to the plant."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._random = floor.random("after")
        self._machines = 100

    def shipped(self, unit: Unit, customer: str, use: str) -> None:
        """An engine has left: follow it."""
        self.floor.env.process(self._live(unit, customer, use))

    def _live(self, unit: Unit, customer: str, use: str) -> Generator[simpy.Event, Any, None]:
        random, floor = self._random, self.floor
        yield floor.env.timeout(random.randrange(20 * HOUR, 20 * 24 * HOUR))
        self._machines += 1
        about = {"product": floor.product.id, "serial": unit.serial}
        floor.journal.say(
            UnitFitted,
            floor.desk,
            None,
            fitted_in=f"{_MACHINES.get(use, 'M')}-{self._machines:04d}",
            message=customer,
            **about,
        )
        if random.random() >= RETURNED:
            return
        yield floor.env.timeout(random.randrange(24 * HOUR, 15 * 24 * HOUR))
        complaint, part = random.choice(COMPLAINTS)
        floor.journal.say(UnitReturned, floor.desk, SHIPPING, reason=complaint, returned_by=customer, **about)
        yield floor.env.timeout(random.randrange(HOUR, 20 * HOUR))
        case = floor.office.next_case()
        floor.journal.say(
            NonconformanceRaised,
            floor.desk,
            SERVICE,
            nonconformance=case,
            reason="returned",
            severity="major",
            message=complaint,
            **about,
        )
        floor.journal.say(
            DispositionDecided,
            floor.desk,
            floor.people.quality(floor.now),
            nonconformance=case,
            decision="repair",
            **about,
        )
        yield floor.env.timeout(random.randrange(20 * MINUTE, 3 * HOUR))
        self._swap(unit, part, about)
        yield floor.env.timeout(random.randrange(HOUR, 30 * HOUR))
        floor.journal.say(UnitShipped, floor.desk, SHIPPING, consignee=customer, end_use=use, order=unit.order, **about)

    def _swap(self, unit: Unit, part: str, about: dict[str, str]) -> None:
        """The part that failed comes out of an engine that was complete; another one goes in."""
        floor, bin = self.floor, self.floor.stock.bin(part)
        if bin is None:
            return
        position, quantity = self._random.choice(list(positions(bin.part)))
        old = unit.fitted.get(position)
        if old is None:
            return
        what = {"position": position, "component_product": part, "quantity": plain(quantity), "uom": bin.part.uom}
        floor.journal.say(
            ComponentRemoved,
            floor.desk,
            SERVICE,
            component_serial=old.serial,
            component_lot=old.lot,
            reason=None,
            **what,
            **about,
        )
        unit.fitted[position] = taken = bin.take(quantity)
        floor.journal.say(
            ComponentInstalled, floor.desk, SERVICE, component_serial=taken.serial, component_lot=taken.lot,
            container=taken.container, evidence="container" if taken.container else "scanned", **what, **about,
        )  # fmt: skip
