"""What each source delivered. Events → rows.

Deliveries are tallied per hour of event time, whatever became of the facts later; rejections
are kept one by one, without their time of arrival, so that the rows depend on the facts alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from asbuilt.domain.meaning import OWN_SOURCE
from asbuilt.events import AnyFact, DeviationNoticed, MessageRejected, Unknown, type_name
from asbuilt.rows import ROW, Interned, by_type
from asbuilt.time import HOUR_US

VERSION = 3


class Delivered(NamedTuple):
    """How many facts of a type a source delivered about an hour (`hour` = hours since 1970 UTC)."""

    source: Interned
    type: Interned
    hour: int
    facts: int
    first_us: int
    last_us: int


class Rejected(NamedTuple):
    """A message of a source that could not be taken in; `text` is its beginning, readable."""

    adapter: Interned
    fact: bytes
    conflict: int
    reason: str
    text: str
    size: int


class Deviation(NamedTuple):
    """How a source does not keep to its protocol."""

    adapter: Interned
    fact: bytes
    deviation: Interned
    message: str
    time_us: int


ROWS = {
    Rejected: ("adapter", "fact"),
    Deviation: ("adapter", "fact"),
}
TALLIES = {Delivered: {"facts": "sum", "first_us": "min", "last_us": "max"}}
SHOWS = {
    Delivered: {ROW: "source event_time", "hour": "event_time", "facts": "type", "first_us": "event_time", "last_us": "event_time"},
    Rejected: {"text": "message"},
    Deviation: {},
}  # fmt: skip


def _rejected(fact: MessageRejected, time_us: int) -> Iterator[Rejected]:
    text = fact.message[:300].decode("utf-8", "replace")
    yield Rejected(
        adapter=fact.adapter,
        fact=fact.id.bytes,
        conflict=int(fact.conflict),
        reason=fact.reason,
        text=text,
        size=fact.size,
    )


def _deviates(fact: DeviationNoticed, time_us: int) -> Iterator[Deviation]:
    yield Deviation(
        adapter=fact.adapter, fact=fact.id.bytes, deviation=fact.deviation, message=fact.message or "", time_us=time_us
    )


def tally(facts: Iterable[tuple[AnyFact, int]]) -> Iterator[Delivered]:
    """What a batch of facts delivered, by source, type and hour."""
    times: defaultdict[tuple[str, str, int], list[int]] = defaultdict(list)
    for kind, some in by_type(facts).items():
        if kind is Unknown:
            for fact, time_us in some:
                times[fact.source, type_name(fact), time_us // HOUR_US].append(time_us)
        else:
            name = type_name(some[0][0])
            for fact, time_us in some:
                times[fact.source, name, time_us // HOUR_US].append(time_us)
    for (source, name, hour), found in times.items():
        if source != OWN_SOURCE:
            yield Delivered(
                source=source, type=name, hour=hour, facts=len(found), first_us=min(found), last_us=max(found)
            )


RULES = {MessageRejected: _rejected, DeviationNoticed: _deviates}
