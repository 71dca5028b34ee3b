"""Times as numbers, and the ids of facts."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from uuid import UUID


def microseconds(instant: dt.datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z; the number all views count time in."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def all_microseconds(instants: Iterable[dt.datetime]) -> list[int]:
    """`microseconds` of each: of many at once without a call for each."""
    epoch = _EPOCH
    return [
        ((since := instant - epoch).days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        for instant in instants
    ]


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
