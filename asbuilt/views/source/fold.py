"""What each source delivered. Events → rows.

Deliveries are tallied per hour of event time, whatever became of the facts later; rejections
are kept one by one, without their time of arrival, so that the rows depend on the facts alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.events import AnyFact, MessageRejected, microseconds, type_name

VERSION = 1
HOUR_US = 3_600_000_000


class Delivered(NamedTuple):
    """How many facts of a type a source delivered about an hour (`hour` = hours since 1970 UTC)."""

    source: str
    type: str
    hour: int
    facts: int
    first_us: int
    last_us: int


class Rejected(NamedTuple):
    """A message of a source that could not be taken in; `text` is its beginning, readable."""

    adapter: str
    fact: bytes
    conflict: int
    reason: str
    text: str
    size: int


ROWS = {Rejected: ("adapter", "fact")}
TALLIES = {Delivered: {"facts": "sum", "first_us": "min", "last_us": "max"}}

OWN = "asbuilt"
"""The source of what the product itself says (plant files, rejections, silences)."""


def _rejected(fact: MessageRejected) -> Iterator[Rejected]:
    text = fact.message[:300].decode("utf-8", "replace")
    yield Rejected(fact.adapter, fact.id.bytes, int(fact.conflict), fact.reason, text, fact.size)


def tally(fact: AnyFact) -> Iterator[Delivered]:
    """One delivery of one fact."""
    if fact.source != OWN:
        time_us = microseconds(fact.event_time)
        yield Delivered(fact.source, type_name(fact), time_us // HOUR_US, 1, time_us, time_us)


RULES = {MessageRejected: _rejected}
