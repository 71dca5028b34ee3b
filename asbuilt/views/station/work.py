"""What stands at a station now, and what is to be done: operation, parts and their positions, characteristics."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import EXACT
from asbuilt.domain.quantities import plain, total
from asbuilt.errors import UsageError
from asbuilt.plant import Characteristic, Line, Operation, Part, Plant, Product, Station
from asbuilt.views.unit import queries as units
from asbuilt.views.unit.answers import AsBuilt, AtStation, Component, Measurement, Step


class Slot(NamedTuple):
    """A position to be filled at this station: how much is wanted, how much is there, and what."""

    part: Part
    position: str
    wanted: Decimal
    there: Decimal
    components: tuple[Component, ...]

    @property
    def left(self) -> Decimal:
        """How much is still to go in."""
        return max(Decimal(0), EXACT.subtract(self.wanted, self.there))


class Work:
    """A station at a moment."""

    def __init__(self, reader: Reader, line: str, station: str, at: dt.datetime | None) -> None:
        self.reader, self.at = reader, at
        self.plant: Plant = reader.plant(at)
        self.line, self.station = _station(self.plant, line, station)
        self.product: Product | None = self.plant.products.get(self.line.product or "")
        routing = self.product.operation if self.product else ()
        names = (self.station.id, self.station.path)
        self.operations: list[Operation] = [operation for operation in routing if operation.station in names]
        self.here: list[AtStation] = units.at_station(reader, self.station.path, at)
        inside = [one for one in self.here if one.in_machine]
        self.current: AtStation | None = inside[-1] if inside else None
        self.tree: AsBuilt | None = None
        self.values: list[Measurement] = []
        self.steps: list[Step] = []
        if self.current is not None:
            asked = {"serial": self.current.serial, "product": self.current.product, "at": at}
            self.tree = units.as_built(reader, **asked)  # type: ignore[arg-type]
            self.values = units.measurements(reader, **asked)  # type: ignore[arg-type]
            self.steps = units.steps(reader, **asked)  # type: ignore[arg-type]
        self.slots: list[Slot] = list(self._slots())

    # ----------------------------------------------------------------- routing

    @property
    def operation(self) -> Operation | None:
        """The operation under way, else the station's first."""
        if self.current is not None:
            found = next((o for o in self.operations if o.id == self.current.operation), None)
            if found is not None:
                return found
        return self.operations[0] if self.operations else None

    @property
    def first(self) -> bool:
        """Whether units are begun here."""
        return bool(self.product and self.operations and self.product.operation[0] is self.operations[0])

    def following(self, operation: Operation) -> Operation | None:
        """The station's next operation on the same unit."""
        at = self.operations.index(operation) if operation in self.operations else len(self.operations)
        return self.operations[at + 1] if at + 1 < len(self.operations) else None

    def before(self) -> list[Operation]:
        """Operations of the routing before this station's."""
        if self.product is None or not self.operations:
            return []
        return list(self.product.operation[: self.product.operation.index(self.operations[0])])

    @property
    def waiting(self) -> list[AtStation]:
        """Units that the station before is done with, the one that waits longest first."""
        before = self.before()
        if not before:
            return []
        last = before[-1].station
        path = next((s.path for s in self.line.station if last in (s.id, s.path)), last)
        return [
            one for one in units.at_station(self.reader, path, self.at) if not one.in_machine and one.result == "good"
        ]

    # ----------------------------------------------------------------- parts and values

    def _slots(self) -> list[Slot]:
        ids = {operation.id for operation in self.operations}
        parts = [part for part in (self.product.part if self.product else ()) if part.operation in ids]
        components = self.tree.components if self.tree else ()
        found = []
        for part in parts:
            wanted, names = Decimal(part.quantity), part.positions or (part.name,)
            each = wanted / len(names) if wanted % len(names) == 0 else wanted
            for name in names if each != wanted or len(names) == 1 else names[:1]:
                here = tuple(c for c in components if c.position == name and c.product == part.product)
                told, _ = total(((component.quantity, component.uom) for component in here), part.uom)
                found.append(Slot(part, name, each, Decimal(plain(told)), here))
        return found

    @property
    def missing(self) -> list[Slot]:
        """Positions that are not filled."""
        return [slot for slot in self.slots if slot.left > 0]

    @property
    def characteristics(self) -> list[tuple[Characteristic, Measurement | None]]:
        """What is measured here, with the last value."""
        wanted = {name for operation in self.operations for name in operation.characteristics}
        specs = [c for c in (self.product.characteristic if self.product else ()) if c.id in wanted]
        last = {value.characteristic: value for value in self.values}
        return [(spec, last.get(spec.id)) for spec in specs]


def _station(plant: Plant, line: str, station: str) -> tuple[Line, Station]:
    found = plant.line(line)
    if found is None:
        raise UsageError(f"there is no line `{line}`", remedy=f"The plant has: {', '.join(plant.address(known) for known in plant.lines.values())}.")  # fmt: skip
    for one in found.station:
        if station in (one.id, one.path):
            return found, one
    raise UsageError(
        f"{found.name} has no station `{station}`", remedy=f"It has: {', '.join(s.id for s in found.station)}."
    )
