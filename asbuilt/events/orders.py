"""What is to be made, and that it is made."""

from __future__ import annotations

from asbuilt.events.envelope import Count, Event, Instant, Name, Path, Text


class OrderReleased(Event, tag="order_released.v1", frozen=True, kw_only=True):
    """An order may be worked on: so many pieces of a product, due at a time."""

    order: Name
    product: Name
    quantity: Count
    line: Path | None = None
    due: Instant | None = None
    customer: Name | None = None


class OrderClosed(Event, tag="order_closed.v1", frozen=True, kw_only=True):
    """An order is finished, complete or short; a short one says why."""

    order: Name
    good: Count | None = None
    short: bool = False
    reason: Text | None = None
