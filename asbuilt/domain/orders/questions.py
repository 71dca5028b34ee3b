"""Questions about orders that several pages ask."""

from __future__ import annotations

from collections.abc import Iterable

from asbuilt.access import Reader
from asbuilt.access.conditions import at_least, one_of
from asbuilt.domain.orders.rows import Close, Release


def closed_us(reader: Reader, order: str, from_us: int) -> int | None:
    """When an order was first closed at or after an instant; None where it was not."""
    row = reader.first(Close, {"order_no": order, "time_us": at_least(from_us)}, order="time_us")
    return row.time_us if row is not None else None


def products_of(reader: Reader, orders: Iterable[str]) -> dict[str, str]:
    """Of each order that was released: its product, as released last."""
    rows = reader.rows(Release, {"order_no": one_of(sorted(set(orders)))})
    return {row.order_no: row.product for row in sorted(rows, key=lambda row: (row.time_us, row.fact))}


def product_of(reader: Reader, order: str) -> str:
    """An order's product, as released last; empty where it was not released."""
    return products_of(reader, [order]).get(order, "")
