"""Orders: what was released, reported, completed and closed. Events → rows.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.events import (
    OperationCompleted,
    OperationReported,
    OrderClosed,
    OrderReleased,
    UnitCompleted,
    UnitScrapped,
    UnitStarted,
    microseconds,
)

VERSION = 1


class Report(NamedTuple):
    """Work on an order: an interval of a kind, with what came out.

    `rejected` of a serial or batch operation is its scrap; `rework` counts pieces sent back, and
    is 1 for a report marked as rework.
    """

    order_no: str
    time_us: int
    fact: bytes
    start_us: int
    kind: str
    operation: str
    station: str
    by: str
    good: int
    rejected: int
    for_review: int
    rework: int
    told: str


class Release(NamedTuple):
    """An order was released: so many of a product, due at a time (0: none given)."""

    order_no: str
    time_us: int
    fact: bytes
    product: str
    quantity: int
    line: str
    due_us: int
    customer: str


class Close(NamedTuple):
    """An order was closed; `good` is -1 where it was not told."""

    order_no: str
    time_us: int
    fact: bytes
    good: int
    short: int
    reason: str


class UnitOf(NamedTuple):
    """A unit of an order was started, completed or scrapped."""

    order_no: str
    what: str
    product: str
    serial: str
    time_us: int
    fact: bytes


ROWS = {
    Report: ("order_no", "time_us", "fact"),
    Release: ("order_no", "time_us", "fact"),
    Close: ("order_no", "time_us", "fact"),
    UnitOf: ("order_no", "what", "product", "serial", "time_us", "fact"),
}
INDEXES = {Report: ["by, time_us", "station, time_us"], Release: ["time_us"]}


def _reported(fact: OperationReported, time_us: int) -> Iterator[Report]:
    if fact.order is not None:
        yield Report(
            fact.order, time_us, fact.id.bytes, microseconds(fact.start_time), fact.kind,
            fact.operation, fact.station or "", fact.by or "",
            fact.good, fact.rejected, fact.for_review, int(fact.rework), "reported",
        )  # fmt: skip


def _completed(fact: OperationCompleted, time_us: int) -> Iterator[Report]:
    if fact.order is not None:
        yield Report(
            fact.order, time_us, fact.id.bytes, microseconds(fact.start_time) if fact.start_time else time_us,
            "production", fact.operation, fact.station, fact.by or "", fact.good, fact.scrap, 0, fact.rework, "seen",
        )  # fmt: skip


def _released(fact: OrderReleased, time_us: int) -> Iterator[Release]:
    yield Release(
        fact.order, time_us, fact.id.bytes, fact.product, fact.quantity,
        fact.line or "", microseconds(fact.due) if fact.due else 0, fact.customer or "",
    )  # fmt: skip


def _closed(fact: OrderClosed, time_us: int) -> Iterator[Close]:
    yield Close(
        fact.order, time_us, fact.id.bytes,
        -1 if fact.good is None else fact.good, int(fact.short), fact.reason or "",
    )  # fmt: skip


def _unit(fact: UnitStarted | UnitCompleted | UnitScrapped, time_us: int) -> Iterator[UnitOf]:
    if fact.order is not None:
        what = {UnitStarted: "started", UnitCompleted: "completed", UnitScrapped: "scrapped"}[type(fact)]
        yield UnitOf(fact.order, what, fact.product, fact.serial, time_us, fact.id.bytes)


RULES = {
    OperationReported: _reported,
    OperationCompleted: _completed,
    OrderReleased: _released,
    OrderClosed: _closed,
    UnitStarted: _unit,
    UnitCompleted: _unit,
    UnitScrapped: _unit,
}
