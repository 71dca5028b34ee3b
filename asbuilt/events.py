"""The vocabulary: every fact a plant can record, and the bytes that stand for it.

A *fact* says that something happened at `event_time`, and who says so. All facts share one
envelope (`Event`); each type adds its own fields. In JSON a fact is one flat object whose
`type` is an explicit, versioned name such as `state_changed.v1`.

Conventions that hold for every type:

- **Times** are RFC 3339 with the offset of the place where it happened, microsecond precision.
- **Counts** are whole pieces, 0 … 1,000,000,000.
- **Quantities and values** are decimal strings (`"36.004"`), never floats: what is sealed must
  read the same in every language and keep the resolution it was measured with.
- **Durations** are whole or decimal seconds and end in `_s`.
- **Equipment** is an ISA-95 path `enterprise/site/area/line/station`.
- A **unit** is a serialised product (`product`, `serial`); a **lot** is (`product`, `lot`).
- An absent field is left out; `null` and a field's default mean the same and are not written.

`docs/record-format.md` is the normative text; a change here needs a decision note.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NoReturn, get_args, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from asbuilt.errors import MalformedFact

# --------------------------------------------------------------------------- field types

Name = Annotated[str, Meta(min_length=1, max_length=200)]
"""An identifier or short title: 1 to 200 characters, no control characters."""
Text = Annotated[str, Meta(max_length=4000)]
"""Words for people: at most 4,000 characters; may have line breaks and tabs."""
PlantText = Annotated[str, Meta(max_length=900_000)]
"""The text of a plant file."""
Path = Annotated[str, Meta(min_length=1, max_length=400)]
"""An ISA-95 equipment path, parts joined by `/`."""
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
"""Whole pieces."""
_DECIMAL = r"\A-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,12})?\Z"
_SHA256 = r"\A[0-9a-f]{64}\Z"
_COUNTRY = r"\A[A-Z]{2}\Z"

Decimal = Annotated[str, Meta(pattern=_DECIMAL)]
"""An exact decimal number as a string; trailing zeros are kept (they say the resolution)."""
Instant = Annotated[dt.datetime, Meta(tz=True)]
"""A point in time with its offset from UTC."""
Country = Annotated[str, Meta(pattern=_COUNTRY)]
"""ISO 3166-1 alpha-2."""
Digest = Annotated[str, Meta(pattern=_SHA256)]
"""SHA-256 in lower-case hexadecimal."""
Priority = Annotated[int, Meta(ge=1, le=4)]
"""ISA-18.2 alarm priority, 1 is the most urgent."""

State = Literal[
    "Idle", "Starting", "Execute", "Completing", "Complete", "Resetting",
    "Holding", "Held", "Unholding", "Suspending", "Starved", "Blocked", "Unsuspending",
    "Stopping", "Stopped", "Aborting", "Aborted", "Clearing",
]  # fmt: skip
"""PackML states (ISA-TR88.00.02). `Suspended` is told apart by its cause: `Starved` waits for
material from upstream, `Blocked` cannot pass material on."""

MAX_FACT_BYTES: Final = 64 * 1024
"""A fact from outside is at most this long in canonical bytes."""
MAX_REJECTED_BYTES: Final = 16 * 1024
"""How much of a rejected message is kept; its length and digest stand for the rest."""
MAX_NESTING: Final = 50
"""How deep the content of a fact of unknown type may nest."""


# --------------------------------------------------------------------------- envelope


class Event(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False, tag_field="type"
):
    """The envelope every fact has.

    `id` is a UUIDv7, or derived from the source row (`derived_id`) so that a re-import is a
    duplicate. `source` is the adapter or person that says so; `by` the person who did it.
    """

    id: UUID
    event_time: Instant
    source: Name
    by: Name | None = None


# --------------------------------------------------------------------------- the plant itself


class PlantDefined(Event, tag="plant_defined.v1", frozen=True, kw_only=True):
    """This plant file is in force from `event_time` on; `text` is the whole file (TOML)."""

    digest: Digest
    text: PlantText


# --------------------------------------------------------------------------- stations


class StateChanged(Event, tag="state_changed.v1", frozen=True, kw_only=True):
    """A station is now in this state.

    `reason` is a code of the plant's reason tree; `message` the cause in plain words.
    """

    station: Path
    state: State
    reason: Name | None = None
    message: Text | None = None


class HeartbeatMissed(Event, tag="heartbeat_missed.v1", frozen=True, kw_only=True):
    """A source that should speak every `period_s` seconds has been silent since `last_seen`."""

    adapter: Name
    last_seen: Instant
    period_s: Decimal


class SourceConnected(Event, tag="source_connected.v1", frozen=True, kw_only=True):
    """A source is heard (again): observation begins."""

    adapter: Name


class SourceLost(Event, tag="source_lost.v1", frozen=True, kw_only=True):
    """A source said goodbye or its connection broke: observation ends."""

    adapter: Name
    last_seen: Instant | None = None
    reason: Text | None = None


class GapFound(Event, tag="gap_found.v1", frozen=True, kw_only=True):
    """What a source saw from `start_time` to `end_time` was not heard and will not come.

    `event_time` is when that was noticed.
    """

    adapter: Name
    start_time: Instant
    end_time: Instant
    reason: Text | None = None

    def __post_init__(self) -> None:
        _in_order(self.start_time, self.end_time)


class DeviationNoticed(Event, tag="deviation_noticed.v1", frozen=True, kw_only=True):
    """A source does not keep to its protocol; what it says is taken all the same where it is clear.

    `deviation` is a code of the adapter; each is recorded once per source.
    """

    adapter: Name
    deviation: Name
    message: Text | None = None


class Counted(Event, tag="counted.v1", frozen=True, kw_only=True):
    """Pieces a station made since its last count.

    `reading` is the counter's own value after the count; a reset of the counter books nothing.
    """

    station: Path
    product: Name | None = None
    order: Name | None = None
    good: Count = 0
    rejected: Count = 0
    for_review: Count = 0
    reading: Count | None = None


class StopExplained(Event, tag="stop_explained.v1", frozen=True, kw_only=True):
    """The station stood from `start_time` to `end_time` for this reason.

    May come late; where explanations overlap, the one declared later (`event_time`) wins.
    """

    station: Path
    start_time: Instant
    end_time: Instant
    reason: Name
    message: Text | None = None

    def __post_init__(self) -> None:
        _in_order(self.start_time, self.end_time)


# --------------------------------------------------------------------------- work


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
        _about_something(self)


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
        _about_something(self)
        if self.start_time is not None:
            _in_order(self.start_time, self.event_time)


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
        _about_something(self)
        _in_order(self.start_time, self.event_time)


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


# --------------------------------------------------------------------------- units


class UnitStarted(Event, tag="unit_started.v1", frozen=True, kw_only=True):
    """A serialised unit is born."""

    product: Name
    serial: Name
    order: Name | None = None
    station: Path | None = None
    revision: Name | None = None


class UnitCompleted(Event, tag="unit_completed.v1", frozen=True, kw_only=True):
    """A unit is released: its birth certificate."""

    product: Name
    serial: Name
    order: Name | None = None
    station: Path | None = None
    revision: Name | None = None


class UnitScrapped(Event, tag="unit_scrapped.v1", frozen=True, kw_only=True):
    """A unit's end."""

    product: Name
    serial: Name
    station: Path | None = None
    order: Name | None = None
    reason: Name | None = None
    message: Text | None = None


Evidence = Literal["scanned", "container", "time_window"]
"""How a link is known: read at the part, by the container it came from, by the time it was open."""


class ComponentInstalled(Event, tag="component_installed.v1", frozen=True, kw_only=True):
    """A component (a serial, or a quantity of a lot) now sits at a position of a unit."""

    product: Name
    serial: Name
    position: Name
    component_product: Name
    component_serial: Name | None = None
    component_lot: Name | None = None
    container: Name | None = None
    quantity: Decimal = "1"
    uom: Name = "pcs"
    evidence: Evidence = "scanned"
    station: Path | None = None
    operation: Name | None = None

    def __post_init__(self) -> None:
        if self.component_serial is None and self.component_lot is None and self.container is None:
            raise ValueError("a component needs a component_serial, a component_lot or a container")


class ComponentRemoved(Event, tag="component_removed.v1", frozen=True, kw_only=True):
    """A component left its position of a unit."""

    product: Name
    serial: Name
    position: Name
    component_product: Name | None = None
    component_serial: Name | None = None
    component_lot: Name | None = None
    quantity: Decimal | None = None
    uom: Name = "pcs"
    reason: Name | None = None
    station: Path | None = None
    operation: Name | None = None


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
        _in_order(self.start_time, self.event_time)


# --------------------------------------------------------------------------- lots


class LotReceived(Event, tag="lot_received.v1", frozen=True, kw_only=True):
    """A lot came in from a supplier."""

    product: Name
    lot: Name
    quantity: Decimal
    uom: Name = "pcs"
    supplier: Name | None = None
    supplier_lot: Name | None = None
    heat: Name | None = None
    origin_country: Country | None = None
    certificate_digest: Digest | None = None
    order: Name | None = None


class LotPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A quantity of a lot or container that a split made or a merge took."""

    lot: Name
    quantity: Decimal


class LotSplit(Event, tag="lot_split.v1", frozen=True, kw_only=True):
    """A lot was divided into others."""

    product: Name
    lot: Name
    into: Annotated[tuple[LotPart, ...], Meta(min_length=1, max_length=1000)]
    uom: Name = "pcs"


class LotMerged(Event, tag="lot_merged.v1", frozen=True, kw_only=True):
    """Lots were put together into one."""

    product: Name
    lot: Name
    merged: Annotated[tuple[LotPart, ...], Meta(min_length=1, max_length=1000)]
    uom: Name = "pcs"


class LotOpened(Event, tag="lot_opened.v1", frozen=True, kw_only=True):
    """A lot or one of its containers is in use at a station from now on."""

    product: Name
    lot: Name
    station: Path
    container: Name | None = None


# --------------------------------------------------------------------------- quality


class NonconformanceRaised(Event, tag="nonconformance_raised.v1", frozen=True, kw_only=True):
    """Something is not as it should be: on a unit, a lot, an order or a station."""

    nonconformance: Name
    reason: Name
    severity: Literal["minor", "major", "critical"] = "minor"
    product: Name | None = None
    serial: Name | None = None
    lot: Name | None = None
    order: Name | None = None
    station: Path | None = None
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


# --------------------------------------------------------------------------- alarms (ISA-18.2)


class AlarmRaised(Event, tag="alarm_raised.v1", frozen=True, kw_only=True):
    """An alarm condition is present and asks for a response."""

    alarm: Name
    priority: Priority
    text: Text
    response: Text
    station: Path | None = None
    adapter: Name | None = None
    detail: Text | None = None


class AlarmCleared(Event, tag="alarm_cleared.v1", frozen=True, kw_only=True):
    """The alarm condition is gone."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None


class AlarmAcknowledged(Event, tag="alarm_acknowledged.v1", frozen=True, kw_only=True):
    """A person has seen the alarm."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None


class AlarmShelved(Event, tag="alarm_shelved.v1", frozen=True, kw_only=True):
    """A person put the alarm aside until a time, with a reason."""

    alarm: Name
    until: Instant
    station: Path | None = None
    adapter: Name | None = None
    reason: Text | None = None


# --------------------------------------------------------------------------- shift


class NoteWritten(Event, tag="note_written.v1", frozen=True, kw_only=True):
    """A person's note for the next shift, on a line, a station, a unit or an order.

    `day` and `shift` name the shift it is about where that is over already.
    """

    text: Text
    day: dt.date | None = None
    shift: Name | None = None
    line: Path | None = None
    station: Path | None = None
    product: Name | None = None
    serial: Name | None = None
    order: Name | None = None


class ShiftClosed(Event, tag="shift_closed.v1", frozen=True, kw_only=True):
    """A shift was handed over and signed; `day` is the date on which the shift began."""

    line: Path
    day: dt.date
    shift: Name


# --------------------------------------------------------------------------- ramp


class GateDecided(Event, tag="gate_decided.v1", frozen=True, kw_only=True):
    """A product passed, failed or waits at a gate (experimental → pilot → serial)."""

    product: Name
    gate: Name
    decision: Literal["passed", "failed", "deferred"]
    evidence: Annotated[tuple[Digest, ...], Meta(max_length=1000)] = ()
    message: Text | None = None


# --------------------------------------------------------------------------- out of the plant


class Packed(Event, tag="packed.v1", frozen=True, kw_only=True):
    """A unit was put into a container."""

    product: Name
    serial: Name
    container: Name
    station: Path | None = None


class UnitShipped(Event, tag="unit_shipped.v1", frozen=True, kw_only=True):
    """A unit left for a consignee, for a stated end use."""

    product: Name
    serial: Name
    consignee: Name
    end_use: Text | None = None
    screened_on: dt.date | None = None
    container: Name | None = None
    order: Name | None = None


class UnitFitted(Event, tag="unit_fitted.v1", frozen=True, kw_only=True):
    """A unit was built into something: an aircraft, a generator set, a pump."""

    product: Name
    serial: Name
    fitted_in: Name
    message: Text | None = None


class UnitReturned(Event, tag="unit_returned.v1", frozen=True, kw_only=True):
    """A unit came back."""

    product: Name
    serial: Name
    reason: Text
    returned_by: Name | None = None


# --------------------------------------------------------------------------- site


class SiteObserved(Event, tag="site_observed.v1", frozen=True, kw_only=True):
    """A camera, door or detector saw something in a zone; no personal data.

    `end_time` says that it is over. What belongs together has one `external_id`, or is of one device
    and category. Of category `blind`, the device sees nothing itself.
    """

    device: Name
    zone: Name
    category: Name
    severity: Literal["info", "detection", "alert"] = "info"
    start_time: Instant | None = None
    end_time: Instant | None = None
    external_id: Name | None = None
    message: Text | None = None


class RoundChecked(Event, tag="round_checked.v1", frozen=True, kw_only=True):
    """A guard passed a checkpoint of a round."""

    round: Name
    checkpoint: Name
    message: Text | None = None


# --------------------------------------------------------------------------- disclosure


class StatementChecked(Event, tag="statement_checked.v1", frozen=True, kw_only=True):
    """A public claim was held against the record, and what the record says."""

    statement: Text
    verdict: Literal["supported", "contradicted", "not_decidable"]
    finding: Text | None = None


class DisclosureIssued(Event, tag="disclosure_issued.v1", frozen=True, kw_only=True):
    """Something was told to someone: what, to whom, for what, until when.

    `profile` names the choice of fields, `status_place` the file's place in the status list.
    """

    disclosure: Name
    recipient: Name
    purpose: Text
    product: Name | None = None
    serial: Name | None = None
    fields: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    expires: Instant | None = None
    file_digest: Digest | None = None
    profile: Name | None = None
    status_place: Count | None = None


class DisclosureRevoked(Event, tag="disclosure_revoked.v1", frozen=True, kw_only=True):
    """What was told no longer stands."""

    disclosure: Name
    reason: Text | None = None


class DisclosureOpened(Event, tag="disclosure_opened.v1", frozen=True, kw_only=True):
    """What was told was looked at or checked, as far as the plant came to know."""

    disclosure: Name
    message: Text | None = None


class LaneRegistered(Event, tag="lane_registered.v1", frozen=True, kw_only=True):
    """Units of a product will be counted in this period, and the count closed once, at a place fixed by the lane's name."""

    lane: Name


# --------------------------------------------------------------------------- about facts


class CorrectionMade(Event, tag="correction_made.v1", frozen=True, kw_only=True):
    """A recorded fact did not happen, or reads as `replacement` (EPCIS error declaration).

    `event_time` is when the correction was declared. Of two corrections of one fact the later
    declared wins, the greater id breaks a tie. The replacement keeps the id of what it replaces.
    """

    corrects: UUID
    reason: Literal["did_not_occur", "incorrect_data"]
    replacement: Fact | None = None
    message: Text | None = None

    def __post_init__(self) -> None:
        if self.replacement is not None:
            if self.replacement.id != self.corrects:
                raise ValueError("the replacement must carry the id of the fact it corrects")
            if self.reason == "did_not_occur":
                raise ValueError("what did not occur has no replacement; use reason incorrect_data")
            if isinstance(self.replacement, CorrectionMade | MessageRejected | PlantDefined):
                raise ValueError("a correction, a rejection or a plant file cannot be a replacement")


class MessageRejected(Event, tag="message_rejected.v1", frozen=True, kw_only=True):
    """A message could not be taken in: who sent it, why not, and its bytes.

    `message` holds the first 16 KiB (base64 in JSON); `size` and `digest` are of the whole.
    `conflict` tells that the id is recorded already with other content.
    """

    adapter: Name
    reason: Text
    message: Annotated[bytes, Meta(max_length=MAX_REJECTED_BYTES)]
    size: Annotated[int, Meta(ge=0)]
    digest: Digest
    conflict: bool = False


Fact = (
    PlantDefined
    | StateChanged | HeartbeatMissed | SourceConnected | SourceLost | GapFound | DeviationNoticed
    | Counted | StopExplained
    | OperationStarted | OperationCompleted | OperationReported | OrderReleased | OrderClosed
    | UnitStarted | UnitCompleted | UnitScrapped | ComponentInstalled | ComponentRemoved
    | Measured | RunRecorded
    | LotReceived | LotSplit | LotMerged | LotOpened
    | NonconformanceRaised | DispositionDecided | HoldPlaced | HoldReleased
    | AlarmRaised | AlarmCleared | AlarmAcknowledged | AlarmShelved
    | NoteWritten | ShiftClosed | GateDecided
    | Packed | UnitShipped | UnitFitted | UnitReturned
    | SiteObserved | RoundChecked
    | StatementChecked | DisclosureIssued | DisclosureRevoked | DisclosureOpened | LaneRegistered
    | CorrectionMade | MessageRejected
)  # fmt: skip
"""Any fact whose type this version knows."""

TYPES: Final[dict[str, type[Event]]] = {cls.__struct_config__.tag: cls for cls in get_args(Fact)}
"""Stored type name → class."""


class Unknown(Struct, frozen=True, gc=False):
    """A fact of a type this version does not know: kept, sealed, ignored by folds (law 6)."""

    id: UUID
    type: str
    event_time: dt.datetime
    source: str
    by: str | None
    content: dict[str, Any]


AnyFact = Event | Unknown


# --------------------------------------------------------------------------- bytes


_decoder = msgspec.json.Decoder(Fact)
_encoder = msgspec.json.Encoder(order="sorted")
_TYPE_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,79}\.v[1-9][0-9]{0,3}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SUSPECT = re.compile(rb"\\[a-z]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\x7f")


class _Envelope(Struct, frozen=True):
    id: UUID
    type: Annotated[str, Meta(max_length=100)]
    event_time: Instant
    source: Name
    by: Name | None = None


class _KeptEnvelope(Struct, frozen=True):
    id: UUID
    type: str
    event_time: dt.datetime
    source: str
    by: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_kept_decoder = msgspec.json.Decoder(_KeptEnvelope)


def decode(data: bytes | memoryview) -> AnyFact:
    """Read one fact from JSON, strictly: unknown fields, wrong types and bad values are refused.

    A well-formed envelope of an unknown type becomes `Unknown`.
    Raises `MalformedFact` with the place and the remedy.
    """
    try:
        fact: Event = _decoder.decode(data)
        return fact
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            return _decode_unknown(data, error)
        _malformed(error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _malformed(error)


def _decode_unknown(data: bytes | memoryview, error: Exception) -> Unknown:
    try:
        envelope = _envelope_decoder.decode(data)
        content = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as inner:
        _malformed(inner)
    if envelope.type in TYPES or not _TYPE_NAME.match(envelope.type):
        _malformed(error)
    if _nests_deeper(content, MAX_NESTING):
        raise MalformedFact(f"nested too deeply, the limit is {MAX_NESTING}")
    return Unknown(envelope.id, envelope.type, envelope.event_time, envelope.source, envelope.by, content)


def recall(body: bytes) -> AnyFact:
    """A fact from the record. What this version cannot read as its type (written by a newer one) is `Unknown`."""
    try:
        return decode(body)
    except MalformedFact:
        kept = _kept_decoder.decode(body)
        time = kept.event_time if kept.event_time.tzinfo else kept.event_time.replace(tzinfo=dt.UTC)
        return Unknown(kept.id, kept.type, time, kept.source, kept.by, msgspec.json.decode(body))


def _nests_deeper(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inside) and (levels == 0 or any(_nests_deeper(item, levels - 1) for item in inside))


def in_words(message: str) -> str:
    """The decoder's message, with its patterns said as what they ask for."""
    for pattern, words in _PATTERNS_IN_WORDS.items():
        message = message.replace(f"matching regex {pattern!r}", words)
    return message


_PATTERNS_IN_WORDS = {
    _DECIMAL: "that is a decimal number such as '36.004'",
    _SHA256: "of 64 hexadecimal digits (SHA-256)",
    _COUNTRY: "of two capital letters (ISO 3166)",
}


def _malformed(error: Exception) -> NoReturn:
    what = "nested too deeply" if isinstance(error, RecursionError) else in_words(str(error))
    raise MalformedFact(what) from None


def encode(fact: AnyFact) -> bytes:
    """Canonical bytes: one JSON object, keys sorted, no white space, defaults left out, UTF-8.

    Raises `MalformedFact` for control or direction-changing characters in identifiers, for lone
    surrogates, and for facts above `MAX_FACT_BYTES` (a plant file may be longer).
    """
    try:
        data = _encoder.encode(fact.content if isinstance(fact, Unknown) else fact)
    except UnicodeEncodeError as error:
        raise MalformedFact(f"it cannot be written as UTF-8: {error.reason}") from None
    if len(data) > MAX_FACT_BYTES and not isinstance(fact, PlantDefined):
        raise MalformedFact(f"the fact is {len(data):,} bytes long, the limit is {MAX_FACT_BYTES:,}")
    # Nearly all facts are plain ASCII without escapes; only others pay for looking at each field.
    if (not data.isascii() or b"\\" in data or b"\x7f" in data) and _SUSPECT.search(data):
        _refuse_control_characters(msgspec.json.decode(data), "$", type_name(fact))
    return data


def unchecked_bytes(fact: AnyFact) -> bytes:
    """The canonical form of what is not recordable, or the nearest to it."""
    try:
        return _encoder.encode(fact.content if isinstance(fact, Unknown) else fact)
    except (UnicodeEncodeError, TypeError):
        return repr(fact).encode(errors="backslashreplace")


def _is_free_text(hint: Any) -> bool:
    return hint in (Text, PlantText) or Text in get_args(hint)


def _refuse_control_characters(value: object, where: str, type_: str, free_text: bool = False) -> None:
    if isinstance(value, dict):
        own_type = str(value.get("type", type_))
        texts = _TEXT_FIELDS.get(own_type, frozenset())
        for key, item in value.items():
            _refuse_control_characters(key, where, own_type)
            _refuse_control_characters(item, f"{where}.{key}", own_type, key in texts)
    elif isinstance(value, list):
        for item in value:
            _refuse_control_characters(item, f"{where}[…]", type_)
    elif isinstance(value, str):
        found = _CONTROL.search(value.replace("\n", "").replace("\t", "").replace("\r", "") if free_text else value)
        if found:
            raise MalformedFact(f"character U+{ord(found[0]):04X} is not allowed - at `{where}`")


_TEXT_FIELDS = {
    name: frozenset(field for field, hint in get_type_hints(cls, include_extras=True).items() if _is_free_text(hint))
    for name, cls in TYPES.items()
}
"""Per type, the fields that hold words for people: they may have line breaks and tabs."""


def type_name(fact: AnyFact) -> str:
    """The stored, versioned name of the fact's type."""
    return _NAMES.get(type(fact)) or fact.type  # type: ignore[union-attr]


_NAMES: dict[type, str] = {cls: name for name, cls in TYPES.items()}


# --------------------------------------------------------------------------- time and identity


def microseconds(instant: dt.datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z; the number all views count time in."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def new_id(now: dt.datetime, random: Callable[[int], bytes]) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7): milliseconds of `now`, then 74 random bits."""
    return _uuid(7, int(now.timestamp() * 1000), random(10))


def derived_id(event_time: dt.datetime | None, *parts: str | bytes) -> UUID:
    """The id that these parts always give, so that the same source row is the same fact.

    With an event time it has the layout of UUIDv7 with hash bits in place of random ones (it
    sorts by time like the others); without one it is a UUIDv8 (RFC 9562, 5.8).
    """
    pieces = [part.encode() if isinstance(part, str) else part for part in parts]
    digest = hashlib.sha256(b"".join([len(data).to_bytes(8, "big") + data for data in pieces])).digest()
    if event_time is None:
        return _uuid(8, int.from_bytes(digest[10:16], "big"), digest)
    return _uuid(7, int(event_time.timestamp() * 1000), digest)


def _uuid(version: int, first_48_bits: int, rest: bytes) -> UUID:
    low = int.from_bytes(rest[:10], "big")
    value = (first_48_bits & (1 << 48) - 1) << 80
    value |= version << 76 | (low >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | low & (1 << 62) - 1
    return UUID(int=value)


def rejection(
    adapter: str, message: bytes, reason: str, now: dt.datetime, *, source: str = "asbuilt", conflict: bool = False
) -> MessageRejected:
    """The fact that a message was rejected; its id depends only on adapter, message and conflict."""
    digest = hashlib.sha256(message).hexdigest()
    return MessageRejected(
        id=derived_id(None, "message_conflict" if conflict else "message_rejected", adapter, digest),
        event_time=now,
        source=source,
        adapter=adapter,
        reason=_writable(reason)[:4000],
        message=message[:MAX_REJECTED_BYTES],
        size=len(message),
        digest=digest,
        conflict=conflict,
    )


def _writable(reason: str) -> str:
    """The reason without what may not be recorded; reasons quote the message they are about."""
    replaced = _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t\r" else "\ufffd", reason)
    return replaced.encode(errors="replace").decode()


# --------------------------------------------------------------------------- subjects


def unit_key(product: str | None, serial: str) -> str:
    """The subject key of a unit."""
    return f"unit:{_escaped(product)}/{serial}"


def lot_key(product: str | None, lot: str) -> str:
    """The subject key of a lot."""
    return f"lot:{_escaped(product)}/{lot}"


def _escaped(product: str | None) -> str:
    # The first slash ends the product, so that ("A/B", "C") and ("A", "B/C") stay two keys.
    return product.replace("%", "%25").replace("/", "%2F") if product else ""


def subjects(fact: AnyFact) -> list[str]:
    """The keys under which a fact is found: `unit:P/S`, `lot:P/L`, `order:O`, `station:PATH`, …

    Every fact is at least under its type (`type:NAME`) and its source (`source:NAME`).
    """
    plan = _SUBJECT_PLANS.get(type(fact))
    if plan is None:
        found = [f"type:{type_name(fact)}", f"source:{fact.source}"]
        return found if fact.by is None else [*found, f"person:{fact.by}"]
    own_type, values_of, places = plan
    values = values_of(fact)
    found = [own_type]
    for prefix, product_at, at in places:
        value = values[at]
        if value is not None:
            found.append(prefix + value if product_at is None else f"{prefix}{_escaped(values[product_at])}/{value}")
    if isinstance(fact, LotSplit):
        found.extend(lot_key(fact.product, part.lot) for part in fact.into)
    elif isinstance(fact, LotMerged):
        found.extend(lot_key(fact.product, part.lot) for part in fact.merged)
    elif isinstance(fact, CorrectionMade):
        # A correction is found wherever the fact it corrects is found, once that is replaced.
        found.append(f"fact:{fact.corrects}")
        if fact.replacement is not None:
            found.extend(key for key in subjects(fact.replacement) if not key.startswith(("type:", "source:")))
    return found


_OF_PRODUCT = (("unit", "product", "serial"), ("lot", "product", "lot"),
               ("unit", "component_product", "component_serial"), ("lot", "component_product", "component_lot"))  # fmt: skip
_BY_NAME = ("order", "station", "line", "adapter", "container", "nonconformance", "hold", "disclosure")

_SubjectPlan = tuple[str, Callable[[Any], Any], tuple[tuple[str, int | None, int], ...]]


def _subject_plan(name: str, cls: type[Event]) -> _SubjectPlan:
    """The type's own key, one getter for all fields needed, and per key: prefix, product's and value's place."""
    fields = ["source", "by"]
    places: list[tuple[str, int | None, int]] = [("source:", None, 0), ("person:", None, 1)]
    for kind, product, field in _OF_PRODUCT:
        if field in cls.__struct_fields__:
            places.append((f"{kind}:", len(fields), len(fields) + 1))
            fields += [product, field]
    for field in _BY_NAME:
        if field in cls.__struct_fields__:
            places.append((f"{field}:", None, len(fields)))
            fields.append(field)
    return f"type:{name}", attrgetter(*fields), tuple(places)


_SUBJECT_PLANS: dict[type, _SubjectPlan] = {cls: _subject_plan(name, cls) for name, cls in TYPES.items()}

_SUBJECTS_BY_HAND = 1
"""Raise it when the code of `subjects` changes other than by types and fields."""
SUBJECTS_VERSION: Final = int.from_bytes(
    hashlib.sha256(repr((_SUBJECTS_BY_HAND, sorted(map(repr, _SUBJECT_PLANS.values())))).encode()).digest()[:6], "big"
)
"""Changes whenever a fact is found under other subjects than before; an index made by another is made anew."""


# --------------------------------------------------------------------------- checks


def _in_order(start: dt.datetime, end: dt.datetime) -> None:
    if end < start:
        raise ValueError(f"it ends ({end.isoformat()}) before it starts ({start.isoformat()})")


def _about_something(fact: OperationStarted | OperationCompleted | OperationReported) -> None:
    if fact.serial is None and fact.lot is None and fact.order is None:
        raise ValueError("say what was worked on: serial, lot or order")
    if (fact.serial is not None or fact.lot is not None) and fact.product is None:
        raise ValueError("a serial or lot needs its product")
