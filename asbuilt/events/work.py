"""Operations on units, lots and orders."""

from __future__ import annotations

from typing import Literal

from asbuilt.events.envelope import Count, Event, Instant, Name, Path, in_order


class OperationStarted(Event, tag="operation_started.v1", frozen=True, kw_only=True):
    """A unit, a lot or an order began an operation at a station."""

    station: Path
    operation: Name
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    program: Name | None = None
    program_revision: Name | None = None

    def __post_init__(self) -> None:
        about_something(self)


class OperationCompleted(Event, tag="operation_completed.v1", frozen=True, kw_only=True):
    """A unit, a lot or an order left an operation at a station, with what came out.

    `start_time` is given by sources that report only the end.
    """

    station: Path
    operation: Name
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    start_time: Instant | None = None
    good: Count = 0
    scrap: Count = 0
    rework: Count = 0
    reason: Name | None = None
    program: Name | None = None
    program_revision: Name | None = None

    def __post_init__(self) -> None:
        about_something(self)
        if self.start_time is not None:
            in_order(self.start_time, self.event_time)


class OperationReported(Event, tag="operation_reported.v1", frozen=True, kw_only=True):
    """Work told after the fact: from `start_time` to `event_time`, of one kind, with quantities."""

    operation: Name
    kind: Literal["setup", "production", "breakdown"]
    start_time: Instant
    station: Path | None = None
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    good: Count = 0
    rejected: Count = 0
    for_review: Count = 0
    rework: bool = False

    def __post_init__(self) -> None:
        about_something(self)
        in_order(self.start_time, self.event_time)


def about_something(fact: OperationStarted | OperationCompleted | OperationReported) -> None:
    """Refuse work on nothing, and a serial or lot without its product (a `ValueError`)."""
    if fact.serial is None and fact.lot is None and fact.order is None:
        raise ValueError("say what was worked on: serial, lot or order")
    if (fact.serial is not None or fact.lot is not None) and fact.product is None:
        raise ValueError("a serial or lot needs its product")
