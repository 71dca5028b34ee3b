"""What is not as it should be, what becomes of it, and gates of a product's ramp."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from asbuilt.events.envelope import Decimal, Digest, Event, Name, Path, Text


class NonconformanceRaised(Event, tag="nonconformance_raised.v1", frozen=True, kw_only=True):
    """Something is not as it should be: on a unit, a lot, an order or a station; of a characteristic where it is one's."""

    nonconformance: Name
    reason: Name
    severity: Literal["minor", "major", "critical"] = "minor"
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    station: Path | None = None
    characteristic: Name | None = None
    quantity: Decimal | None = None
    message: Text | None = None


class DispositionDecided(Event, tag="disposition_decided.v1", frozen=True, kw_only=True):
    """What is to be done about a nonconformance."""

    nonconformance: Name
    decision: Literal["use_as_is", "rework", "repair", "return", "scrap"]
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    quantity: Decimal | None = None
    message: Text | None = None


class HoldPlaced(Event, tag="hold_placed.v1", frozen=True, kw_only=True):
    """Nothing may be packed or shipped of this unit, lot, product, or from this station."""

    hold: Name
    reason: Text
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    station: Path | None = None


class HoldReleased(Event, tag="hold_released.v1", frozen=True, kw_only=True):
    """A hold no longer stands for this unit, lot, product or station."""

    hold: Name
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    station: Path | None = None
    reason: Text | None = None


class GateDecided(Event, tag="gate_decided.v1", frozen=True, kw_only=True):
    """A product passed, failed or waits at a gate (experimental → pilot → serial)."""

    product: Name
    gate: Name
    decision: Literal["passed", "failed", "deferred"]
    evidence: Annotated[tuple[Digest, ...], Meta(max_length=1000)] = ()
    message: Text | None = None
