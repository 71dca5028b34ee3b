"""Test runs of units, cases about things and holds on them: events → rows, each of one fact.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row; units and lots are named by their
subject keys. What a unit is made of is in `domain.genealogy`, where it passed in `domain.passages`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.events import (
    DispositionDecided,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
    RunRecorded,
    lot_key,
    microseconds,
    unit_key,
)

VERSION = 3


class Run(NamedTuple):
    """A test run of a unit; `curve` is the digest of its curve file, `channels` are JSON."""

    unit: str
    time_us: int
    fact: bytes
    start_us: int
    station: str
    program: str
    program_revision: str
    verdict: str
    curve: str
    channels: str
    by: str


class Case(NamedTuple):
    """A nonconformance was raised (`step` 0) or something decided about it (1)."""

    nonconformance: str
    time_us: int
    step: int
    fact: bytes
    item: str
    order_no: str
    station: str
    reason: str
    severity: str
    decision: str
    quantity: str
    message: str
    by: str


class HoldStep(NamedTuple):
    """A hold was placed (`step` 1) on an item or released (0); an empty item is everything it stands for."""

    item: str
    time_us: int
    step: int
    fact: bytes
    hold: str
    reason: str
    by: str


ROWS = {
    Run: ("unit", "time_us", "fact"),
    Case: ("nonconformance", "time_us", "step", "fact"),
    HoldStep: ("item", "time_us", "step", "fact"),
}
INDEXES = {
    Case: ["item WHERE item <> ''", "time_us"],
    HoldStep: ["hold, time_us"],
}


def _run(fact: RunRecorded, time_us: int) -> Iterator[Run]:
    yield Run(
        unit=unit_key(fact.product, fact.serial),
        time_us=time_us,
        fact=fact.id.bytes,
        start_us=microseconds(fact.start_time),
        station=fact.station,
        program=fact.program,
        program_revision=fact.program_revision or "",
        verdict=fact.verdict,
        curve=fact.curve_digest or "",
        channels="\n".join(
            "\t".join((c.name, c.uom, c.minimum, c.maximum, c.mean, c.lower or "", c.upper or ""))
            for c in fact.channels
        ),
        by=fact.by or "",
    )


def item_key(fact: Any) -> str:
    """The narrowest thing that a case or a hold is about: unit, lot, product or station; empty if none is told."""
    if fact.serial is not None:
        return unit_key(fact.product, fact.serial)
    if fact.lot is not None:
        return lot_key(fact.product, fact.lot)
    if fact.product is not None:
        return f"product:{fact.product}"
    station = getattr(fact, "station", None)
    return f"station:{station}" if station is not None else ""


def _raised(fact: NonconformanceRaised, time_us: int) -> Iterator[Case]:
    yield Case(
        nonconformance=fact.nonconformance,
        time_us=time_us,
        step=0,
        fact=fact.id.bytes,
        item=item_key(fact),
        order_no=fact.order or "",
        station=fact.station or "",
        reason=fact.reason,
        severity=fact.severity,
        decision="",
        quantity=fact.quantity or "",
        message=fact.message or "",
        by=fact.by or "",
    )


def _decided(fact: DispositionDecided, time_us: int) -> Iterator[Case]:
    yield Case(
        nonconformance=fact.nonconformance,
        time_us=time_us,
        step=1,
        fact=fact.id.bytes,
        item=item_key(fact),
        order_no=fact.order or "",
        station="",
        reason="",
        severity="",
        decision=fact.decision,
        quantity=fact.quantity or "",
        message=fact.message or "",
        by=fact.by or "",
    )


def _hold(step: int) -> Any:
    def rule(fact: HoldPlaced | HoldReleased, time_us: int) -> Iterator[HoldStep]:
        yield HoldStep(
            item=item_key(fact),
            time_us=time_us,
            step=step,
            fact=fact.id.bytes,
            hold=fact.hold,
            reason=fact.reason or "",
            by=fact.by or "",
        )

    return rule


RULES = {
    RunRecorded: _run,
    NonconformanceRaised: _raised,
    DispositionDecided: _decided,
    HoldPlaced: _hold(1),
    HoldReleased: _hold(0),
}
