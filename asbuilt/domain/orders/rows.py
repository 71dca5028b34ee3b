"""The rows of `orders`: what was released and closed, and the units that name an order.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.rows import Interned


class Release(NamedTuple):
    """An order was released: so many of a product, due at a time (0: none given)."""

    order_no: Interned
    time_us: int
    fact: bytes
    product: Interned
    quantity: int
    line: Interned
    due_us: int
    customer: Interned


class Close(NamedTuple):
    """An order was closed; `good` is -1 where it was not told."""

    order_no: Interned
    time_us: int
    fact: bytes
    good: int
    short: int
    reason: Interned


class UnitOf(NamedTuple):
    """A unit (`unit:…`) of an order was started, completed or scrapped."""

    order_no: Interned
    what: Interned
    unit: Interned
    time_us: int
    fact: bytes
