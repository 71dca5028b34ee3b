"""The record's own facts, and the list of all types there are."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal, get_args
from uuid import UUID

from msgspec import Meta, Struct

from asbuilt.events.alarms import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmPlacedInService,
    AlarmRaised,
    AlarmRemovedFromService,
    AlarmReset,
    AlarmShelved,
    AlarmSuppressed,
    AlarmUnsuppressed,
)
from asbuilt.events.delivery import Packed, UnitFitted, UnitReturned, UnitShipped
from asbuilt.events.disclosure import (
    DisclosureIssued,
    DisclosureOpened,
    DisclosureRevoked,
    LaneRegistered,
    StatementChecked,
)
from asbuilt.events.envelope import MAX_REJECTED_BYTES, Digest, Event, Name, PlantText, Text
from asbuilt.events.lots import LotMerged, LotOpened, LotReceived, LotSplit
from asbuilt.events.measurements import Measured, RunRecorded
from asbuilt.events.orders import OrderClosed, OrderReleased
from asbuilt.events.people import NoteWritten, ShiftClosed
from asbuilt.events.quality import DispositionDecided, GateDecided, HoldPlaced, HoldReleased, NonconformanceRaised
from asbuilt.events.site import RoundChecked, SiteObserved
from asbuilt.events.stations import (
    Counted,
    DeviationNoticed,
    GapFound,
    HeartbeatMissed,
    SourceConnected,
    SourceLost,
    StateChanged,
    StopExplained,
)
from asbuilt.events.units import ComponentInstalled, ComponentRemoved, UnitCompleted, UnitScrapped, UnitStarted
from asbuilt.events.work import OperationCompleted, OperationReported, OperationStarted


class PlantDefined(Event, tag="plant_defined.v1", frozen=True, kw_only=True):
    """This plant file is in force from `event_time` on; `text` is the whole file (TOML)."""

    digest: Digest
    text: PlantText


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
    | AlarmRaised | AlarmCleared | AlarmAcknowledged | AlarmReset
    | AlarmShelved | AlarmSuppressed | AlarmUnsuppressed | AlarmRemovedFromService | AlarmPlacedInService
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
