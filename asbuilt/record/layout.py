"""How a record lies in its file: its tables, a commit's checksum, and the index of a commit's subjects."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from functools import lru_cache

from asbuilt.record import Recorded

SCHEMA = """
CREATE TABLE fact(
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    record_time_us INTEGER NOT NULL,
    seed BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE about(
    subject TEXT NOT NULL,
    first_position INTEGER NOT NULL,
    more BLOB NOT NULL,
    PRIMARY KEY(subject, first_position)
) STRICT, WITHOUT ROWID;
CREATE TABLE settings(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE commits(
    first_position INTEGER PRIMARY KEY,
    facts INTEGER NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
"""
OFFSET_BYTES = 4
"""Each further position is an offset from the first (little-endian uint32)."""
_FEW = 16
_HASHED_AT_ONCE = 100
"""Some tens of kilobytes: memory of megabytes is fetched from the system anew each time, at twice the price of hashing."""


def chained(before: bytes, facts: Sequence[Recorded]) -> bytes:
    """SHA-256 over the checksum before, the commit's first position and time, and its facts in order.

    Lengths are fixed or written, so that no two commits give the same bytes.
    """
    if not facts:
        return before
    whole = hashlib.sha256(before)
    whole.update(facts[0].position.to_bytes(8, "big") + facts[0].record_time_us.to_bytes(8, "big"))
    for at in range(0, len(facts), _HASHED_AT_ONCE):
        some = facts[at : at + _HASHED_AT_ONCE]
        parts = [b""] * (4 * len(some))
        parts[0::4] = [fact.id for fact in some]
        parts[1::4] = [fact.seed for fact in some]
        parts[2::4] = [len(fact.body).to_bytes(4, "big") for fact in some]
        parts[3::4] = [fact.body for fact in some]
        whole.update(b"".join(parts))
    return whole.digest()


def is_one_commit(facts: Sequence[Recorded], first: int, count: int) -> bool:
    """Whether these are `count` facts numbered from `first` on, all of one record time."""
    return len(facts) == count and all(
        fact.position == position and fact.record_time_us == facts[0].record_time_us
        for position, fact in enumerate(facts, first)
    )


def packed(positions: Sequence[int]) -> bytes:
    """The offsets of the further positions from the first."""
    first, further = positions[0], positions[1:]
    if len(further) < _FEW or positions[-1] >= 1 << 32:
        return array("I", [position - first for position in further]).tobytes()
    # All differences at once, in one long number: none is negative, so none borrows from its neighbour.
    lanes = int.from_bytes(array("I", further).tobytes(), "little") - first * _ones(len(further))
    return lanes.to_bytes(OFFSET_BYTES * len(further), "little")


@lru_cache(maxsize=256)
def _ones(count: int) -> int:
    return int.from_bytes((1).to_bytes(OFFSET_BYTES, "little") * count, "little")


def unpacked(first: int, more: bytes) -> list[int]:
    """The positions, from the first and the packed offsets."""
    offsets = array("I")
    offsets.frombytes(more)
    return [first, *(first + offset for offset in offsets)]
