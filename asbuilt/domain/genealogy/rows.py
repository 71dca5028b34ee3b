"""The rows of `genealogy`: fittings, links, and the ways of lots.

All times are microseconds since 1970 UTC, `FOREVER` is the end of what lasts; `fact` is the id of the fact behind a row;
units and lots are named by their subject keys.
"""

from __future__ import annotations

from decimal import Context
from typing import NamedTuple

from asbuilt.time import FOREVER_US

FOREVER = FOREVER_US
EXACT = Context(prec=100)
"""Quantities have at most 30 digits; sums of them are exact."""
REMOVED, INSTALLED = 0, 1


class Fitting(NamedTuple):
    """A component was installed (`step` 1) at a position of a unit, or removed (0) from it.

    `part` is the component's unit key, `lot` its lot's key; both may be empty. Of steps at the same
    time a removal comes first: a swap is told at one instant.
    """

    unit: str
    position: str
    time_us: int
    step: int
    fact: bytes
    product: str
    part: str
    lot: str
    container: str
    quantity: str
    uom: str
    evidence: str
    station: str
    operation: str
    by: str
    reason: str


class Link(NamedTuple):
    """A component sat at a position of a unit for a time; `fact` installed it.

    A removal of a part of the quantity makes `piece`s: what was taken, and what stayed.
    """

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


class Stray(NamedTuple):
    """A fitting that does not fit with the others of its unit; shown, never dropped."""

    unit: str
    position: str
    time_us: int
    fact: bytes
    kind: str
    other: str


class Receipt(NamedTuple):
    """A lot came in from a supplier."""

    lot: str
    time_us: int
    fact: bytes
    product: str
    quantity: str
    uom: str
    supplier: str
    supplier_lot: str
    heat: str
    country: str
    certificate: str
    order_no: str
    by: str


class LotMove(NamedTuple):
    """A quantity went out of a lot into another (`what` is out) or came in from it (in)."""

    lot: str
    time_us: int
    fact: bytes
    what: str
    other: str
    number: int
    quantity: str
    uom: str


class Opening(NamedTuple):
    """A lot, or a container of it, is in use at a station from now on."""

    lot: str
    time_us: int
    fact: bytes
    container: str
    station: str
    by: str


class Named(NamedTuple):
    """A product of which a unit, lot or part (`kind`) was ever named, and when first; a correction takes nothing back.

    A `part` is a serial that was installed in something.
    """

    kind: str
    product: str
    first_us: int
