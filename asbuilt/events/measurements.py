"""What was measured, and the runs on benches."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from asbuilt.events.envelope import Decimal, Digest, Event, Instant, Name, Path, in_order


class Measured(Event, tag="measured.v1", frozen=True, kw_only=True):
    """A characteristic had this value, with the limits in force at the time.

    A station's own quantity (an oil temperature) names only the station; a unit's names the unit.
    """

    characteristic: Name
    value: Decimal
    uom: Name
    station: Path | None = None
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    operation: Name | None = None
    position: Name | None = None
    gauge: Name | None = None
    nominal: Decimal | None = None
    lower: Decimal | None = None
    upper: Decimal | None = None


class Channel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One channel of a test run, summarised; `lower` and `upper` are the limits in force."""

    name: Name
    uom: Name
    minimum: Decimal
    maximum: Decimal
    mean: Decimal
    lower: Decimal | None = None
    upper: Decimal | None = None


class RunRecorded(Event, tag="run_recorded.v1", frozen=True, kw_only=True):
    """A test run of a unit on a bench; `curve_digest` names the file with the whole curve."""

    product: Name
    serial: Name
    station: Path
    program: Name
    verdict: Literal["pass", "fail", "aborted"]
    start_time: Instant
    program_revision: Name | None = None
    channels: Annotated[tuple[Channel, ...], Meta(max_length=200)] = ()
    curve_digest: Digest | None = None

    def __post_init__(self) -> None:
        in_order(self.start_time, self.event_time)
