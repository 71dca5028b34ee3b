"""Orders: what was released and closed, and their units. Their pieces are told by `pieces`. Events → rows."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.domain.orders.rows import Close, Release, UnitOf
from asbuilt.events import (
    OrderClosed,
    OrderReleased,
    UnitCompleted,
    UnitScrapped,
    UnitStarted,
    microseconds,
    unit_key,
)
from asbuilt.rows import ROW

VERSION = 1

ROWS = {
    Release: ("order_no", "time_us", "fact"),
    Close: ("order_no", "time_us", "fact"),
    UnitOf: ("order_no", "what", "unit", "time_us", "fact"),
}
INDEXES = {Release: ["time_us"]}
SHOWS = {
    Release: {"order_no": "order", "due_us": "due"},
    Close: {"order_no": "order"},
    UnitOf: {ROW: "order", "order_no": "order", "what": "type", "unit": "product serial"},
}


def _released(fact: OrderReleased, time_us: int) -> Iterator[Release]:
    yield Release(
        order_no=fact.order,
        time_us=time_us,
        fact=fact.id.bytes,
        product=fact.product,
        quantity=fact.quantity,
        line=fact.line or "",
        due_us=microseconds(fact.due) if fact.due else 0,
        customer=fact.customer or "",
    )


def _closed(fact: OrderClosed, time_us: int) -> Iterator[Close]:
    yield Close(
        order_no=fact.order,
        time_us=time_us,
        fact=fact.id.bytes,
        good=-1 if fact.good is None else fact.good,
        short=int(fact.short),
        reason=fact.reason or "",
    )


def _unit(fact: UnitStarted | UnitCompleted | UnitScrapped, time_us: int) -> Iterator[UnitOf]:
    if fact.order is not None:
        what = {UnitStarted: "started", UnitCompleted: "completed", UnitScrapped: "scrapped"}[type(fact)]
        yield UnitOf(
            order_no=fact.order,
            what=what,
            unit=unit_key(fact.product, fact.serial),
            time_us=time_us,
            fact=fact.id.bytes,
        )


RULES = {
    OrderReleased: _released,
    OrderClosed: _closed,
    UnitStarted: _unit,
    UnitCompleted: _unit,
    UnitScrapped: _unit,
}
