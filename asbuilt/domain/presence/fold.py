"""When sources and stations were heard: events → rows.

What is said about a connection (heard, lost, missed, not heard and never coming) is kept fact by fact. What was
delivered is tallied by event time, in hours and, for sources, in minutes, with the first and the last word of each:
a silence inside a history that was imported, or at the end of a file, is seen there and nowhere else.
All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from asbuilt.domain.meaning import OBSERVATIONS, OWN_SOURCE, WATCHING, lost_since_us
from asbuilt.events import (
    AnyFact,
    GapFound,
    HeartbeatMissed,
    OperationReported,
    SourceConnected,
    SourceLost,
    microseconds,
)
from asbuilt.rows import ROW, Interned, by_type
from asbuilt.time import HOUR_US, MINUTE_US

VERSION = 1


class Notice(NamedTuple):
    """A source is heard again, or was lost (`heard` 1 or 0); `since_us` is when what is said began to hold.

    `watched` tells that the watch over live sources says so, which would have said more if there had been more to say.
    Of a loss and a connection at one instant the connection holds: that instant the source was heard.
    """

    source: Interned
    time_us: int
    heard: int
    fact: bytes
    since_us: int
    watched: int


class Gap(NamedTuple):
    """What a source saw between two moments was not heard and will not come."""

    source: Interned
    start_us: int
    fact: bytes
    end_us: int
    reason: Interned


class Hour(NamedTuple):
    """The first and last word of a subject in an hour (`hour` = hours since 1970 UTC).

    A subject is `source:NAME`, `station:PATH`, or empty for everything that observes.
    """

    subject: Interned
    hour: int
    first_us: int
    last_us: int


class Minute(NamedTuple):
    """The first and last word of a source in a minute (`minute` = minutes since 1970 UTC)."""

    source: Interned
    minute: int
    first_us: int
    last_us: int


ROWS = {
    Notice: ("source", "time_us", "heard", "fact"),
    Gap: ("source", "start_us", "fact"),
}
INDEXES = {Gap: ["start_us"]}
TALLIES = {Hour: {"first_us": "min", "last_us": "max"}, Minute: {"first_us": "min", "last_us": "max"}}
SHOWS = {
    Notice: {"source": "adapter", "heard": "type", "since_us": "event_time last_seen", "watched": "source"},
    Gap: {"source": "adapter", "start_us": "start_time", "end_us": "end_time"},
    Hour: {
        ROW: "source station event_time operation_reported.start_time",
        "subject": "source station", "hour": "event_time", "first_us": "event_time", "last_us": "event_time",
    },
    Minute: {
        ROW: "source event_time operation_reported.start_time",
        "minute": "event_time", "first_us": "event_time", "last_us": "event_time",
    },
}  # fmt: skip


def _heard(fact: SourceConnected, time_us: int) -> Iterator[Notice]:
    yield Notice(
        source=fact.adapter,
        time_us=time_us,
        heard=1,
        fact=fact.id.bytes,
        since_us=time_us,
        watched=int(fact.source == OWN_SOURCE),
    )


def _lost(fact: HeartbeatMissed | SourceLost, time_us: int) -> Iterator[Notice]:
    yield Notice(
        source=fact.adapter,
        time_us=time_us,
        heard=0,
        fact=fact.id.bytes,
        since_us=lost_since_us(fact, time_us),
        watched=int(fact.source == OWN_SOURCE),
    )


def _missed(fact: GapFound, time_us: int) -> Iterator[Gap]:
    yield Gap(
        source=fact.adapter,
        start_us=microseconds(fact.start_time),
        fact=fact.id.bytes,
        end_us=microseconds(fact.end_time),
        reason=fact.reason or "",
    )


RULES = {SourceConnected: _heard, HeartbeatMissed: _lost, SourceLost: _lost, GapFound: _missed}


# --------------------------------------------------------------------------- words

Span = list[int]


def tally(facts: Iterable[tuple[AnyFact, int]]) -> Iterator[Hour | Minute]:
    """The first and last words of a batch, by source and minute, by subject and hour."""
    minutes: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    places: defaultdict[tuple[str | None, int], list[int]] = defaultdict(list)
    for kind, some in by_type(_moments(facts)).items():
        observes = kind in OBSERVATIONS
        if observes or kind not in WATCHING:
            for fact, time_us in some:
                minutes[fact.source, time_us // MINUTE_US].append(time_us)
        # Something was heard. A loss or a gap that is noticed makes nothing heard.
        if observes or kind is SourceConnected:
            if hasattr(kind, "station"):
                for fact, time_us in some:
                    places[fact.station, time_us // HOUR_US].append(time_us)  # type: ignore[union-attr]
            else:
                for _, time_us in some:
                    places["", time_us // HOUR_US].append(time_us)
    hours: dict[tuple[str, int], Span] = {}
    for (station, hour), times in places.items():
        span = [min(times), max(times)]
        _widen(hours, ("", hour), span)
        if station:
            _widen(hours, (f"station:{station}", hour), span)
    for (source, minute), times in minutes.items():
        if source != OWN_SOURCE:
            span = [min(times), max(times)]
            _widen(hours, (f"source:{source}", minute * MINUTE_US // HOUR_US), span)
            yield Minute(source, minute, span[0], span[1])
    for (subject, hour), span in hours.items():
        yield Hour(subject, hour, span[0], span[1])


def _moments(facts: Iterable[tuple[AnyFact, int]]) -> Iterator[tuple[AnyFact, int]]:
    """When a fact speaks: at its time; a report, told when the work is over, at the begin of that as well."""
    for fact, time_us in facts:
        yield fact, time_us
        if type(fact) is OperationReported:
            yield fact, microseconds(fact.start_time)


def _widen(spans: dict[tuple[str, int], Span], key: tuple[str, int], by: Span) -> None:
    span = spans.get(key)
    if span is None:
        spans[key] = [*by]
    else:
        span[0], span[1] = min(span[0], by[0]), max(span[1], by[1])
