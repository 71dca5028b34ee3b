"""What stations and sources say: states, counts, and whether they are heard."""

from __future__ import annotations

from asbuilt.events.envelope import Count, Decimal, Event, Instant, Name, Path, State, Text, in_order


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
        in_order(self.start_time, self.end_time)


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
        in_order(self.start_time, self.end_time)
