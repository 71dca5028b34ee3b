"""The rows of `genealogy`: fittings, links, and the ways of lots; and seats, which follow from fittings when asked.

All times are microseconds since 1970 UTC, `FOREVER` is the end of what lasts; `fact` is the id of the fact behind a row;
units and lots are named by their subject keys.
"""

from __future__ import annotations

from decimal import Context
from typing import NamedTuple

from asbuilt.rows import Interned
from asbuilt.time import FOREVER_US

FOREVER = FOREVER_US
EXACT = Context(prec=100)
"""Quantities have at most 30 digits; sums of them are exact."""
REMOVED, INSTALLED = 0, 1


class Fitting(NamedTuple):
    """A component was installed (`step` 1) at a position of a unit, or removed (0) from it.

    `part` is the component's unit key, `lot` its lot's key; both may be empty. Of steps at the same
    time a removal comes first: a swap is told at one instant. What sat where from when to when (`Seat`) follows from
    all fittings at a position.
    """

    unit: Interned
    position: Interned
    time_us: int
    step: int
    fact: bytes
    product: Interned
    part: Interned
    lot: Interned
    container: Interned
    quantity: str
    uom: Interned
    evidence: Interned
    station: Interned
    operation: Interned
    by: Interned
    reason: Interned


class Link(NamedTuple):
    """A component sat at a position of a unit for a time; `fact` installed it.

    A removal of a part of the quantity makes `piece`s: what was taken, and what stayed. Kept as rows are those at positions
    where more was said than one installation alone; of all others the fitting itself says that it sits to this day.
    """

    unit: Interned
    position: Interned
    from_us: int
    fact: bytes
    piece: int
    until_us: int
    quantity: str
    part: Interned
    lot: Interned
    container: Interned
    evidence: Interned


class Seat(NamedTuple):
    """A link with all that its installation told: in the first places the columns of `Link`. Kept nowhere."""

    unit: str
    position: str
    from_us: int
    fact: bytes
    piece: int
    until_us: int
    quantity: str
    part: str
    lot: str
    container: str
    evidence: str
    product: str
    uom: str
    station: str
    operation: str
    by: str

    @property
    def link(self) -> Link:
        """The same without what only the installation told."""
        return Link(*self[:11])


class Stray(NamedTuple):
    """A fitting that does not fit with the others of its unit; shown, never dropped."""

    unit: Interned
    position: Interned
    time_us: int
    fact: bytes
    kind: Interned
    other: Interned


class Receipt(NamedTuple):
    """A lot came in from a supplier."""

    lot: Interned
    time_us: int
    fact: bytes
    product: Interned
    quantity: str
    uom: Interned
    supplier: Interned
    supplier_lot: Interned
    heat: Interned
    country: Interned
    certificate: str
    order_no: Interned
    by: Interned


class LotMove(NamedTuple):
    """A quantity went out of a lot into another (`what` is out) or came in from it (in)."""

    lot: Interned
    time_us: int
    fact: bytes
    what: Interned
    other: Interned
    number: int
    quantity: str
    uom: Interned


class Opening(NamedTuple):
    """A lot, or a container of it, is in use at a station from now on."""

    lot: Interned
    time_us: int
    fact: bytes
    container: Interned
    station: Interned
    by: Interned


class Named(NamedTuple):
    """A product of which a unit, lot or part (`kind`) was ever named, and when first; a correction takes nothing back.

    A `part` is a serial that was installed in something.
    """

    kind: Interned
    product: Interned
    first_us: int
