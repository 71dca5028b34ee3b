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
from asbuilt.events.codec import (
    convert,
    decode,
    decode_all,
    encode,
    encode_all,
    in_words,
    recall,
    recall_all,
    rejection,
    type_name,
    unchecked_bytes,
)
from asbuilt.events.delivery import Packed, UnitFitted, UnitReturned, UnitShipped
from asbuilt.events.disclosure import (
    DisclosureIssued,
    DisclosureOpened,
    DisclosureRevoked,
    LaneRegistered,
    StatementChecked,
)
from asbuilt.events.envelope import (
    MAX_FACT_BYTES,
    MAX_NESTING,
    MAX_REJECTED_BYTES,
    Count,
    Country,
    Decimal,
    Digest,
    Event,
    Instant,
    Name,
    Path,
    PlantText,
    Priority,
    State,
    Text,
)
from asbuilt.events.facts import TYPES, AnyFact, CorrectionMade, Fact, MessageRejected, PlantDefined, Unknown
from asbuilt.events.ids import all_microseconds, derived_id, microseconds, new_id
from asbuilt.events.keys import SUBJECTS_VERSION, lot_key, places, subjects, unit_key
from asbuilt.events.lots import LotMerged, LotOpened, LotPart, LotReceived, LotSplit
from asbuilt.events.measurements import Channel, Measured, RunRecorded
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
from asbuilt.events.units import (
    ComponentInstalled,
    ComponentRemoved,
    Evidence,
    UnitCompleted,
    UnitScrapped,
    UnitStarted,
)
from asbuilt.events.work import OperationCompleted, OperationReported, OperationStarted

__all__ = [
    "MAX_FACT_BYTES",
    "MAX_NESTING",
    "MAX_REJECTED_BYTES",
    "SUBJECTS_VERSION",
    "TYPES",
    "AlarmAcknowledged",
    "AlarmCleared",
    "AlarmPlacedInService",
    "AlarmRaised",
    "AlarmRemovedFromService",
    "AlarmReset",
    "AlarmShelved",
    "AlarmSuppressed",
    "AlarmUnsuppressed",
    "AnyFact",
    "Channel",
    "ComponentInstalled",
    "ComponentRemoved",
    "CorrectionMade",
    "Count",
    "Counted",
    "Country",
    "Decimal",
    "DeviationNoticed",
    "Digest",
    "DisclosureIssued",
    "DisclosureOpened",
    "DisclosureRevoked",
    "DispositionDecided",
    "Event",
    "Evidence",
    "Fact",
    "GapFound",
    "GateDecided",
    "HeartbeatMissed",
    "HoldPlaced",
    "HoldReleased",
    "Instant",
    "LaneRegistered",
    "LotMerged",
    "LotOpened",
    "LotPart",
    "LotReceived",
    "LotSplit",
    "Measured",
    "MessageRejected",
    "Name",
    "NonconformanceRaised",
    "NoteWritten",
    "OperationCompleted",
    "OperationReported",
    "OperationStarted",
    "OrderClosed",
    "OrderReleased",
    "Packed",
    "Path",
    "PlantDefined",
    "PlantText",
    "Priority",
    "RoundChecked",
    "RunRecorded",
    "ShiftClosed",
    "SiteObserved",
    "SourceConnected",
    "SourceLost",
    "State",
    "StateChanged",
    "StatementChecked",
    "StopExplained",
    "Text",
    "UnitCompleted",
    "UnitFitted",
    "UnitReturned",
    "UnitScrapped",
    "UnitShipped",
    "UnitStarted",
    "Unknown",
    "all_microseconds",
    "convert",
    "decode",
    "decode_all",
    "derived_id",
    "encode",
    "encode_all",
    "in_words",
    "lot_key",
    "microseconds",
    "new_id",
    "places",
    "recall",
    "recall_all",
    "rejection",
    "subjects",
    "type_name",
    "unchecked_bytes",
    "unit_key",
]
