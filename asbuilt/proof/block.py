"""Blocks: the facts of a minute at random places of a tree that is always of one size.

The log's first entry says its name, start, cadence and size of blocks (`Founding`); entry *n* is the
record of block *n*. How many places of a block hold facts cannot be seen: the others are hashes of
tagged random bytes, and both are drawn with SHAKE256 from 32 random bytes kept with each block.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import struct
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from asbuilt.proof.checkpoint import decimal
from asbuilt.proof.encoding import b64, malformed, unb64
from asbuilt.proof.merkle import HASH, inclusion_path, leaf_hash, levels_of, node_of

SLOTS = 4096
CADENCE_S = 60
MAX_SLOTS = 65_536
GROUP = 128
EMPTY_TAG = b"asbuilt.empty/1\n"

_FOUNDING, _BLOCK = "asbuilt.log/1", "asbuilt.block/1"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")


class Founding(NamedTuple):
    """What is fixed when a log begins.

    `start` is in UTC, whole seconds; blocks have `slots` places (a power of two) and close every
    `cadence_s` seconds. The first `backlog` blocks are closed at the start, for what was recorded before.
    `keys` is the SHA-256 of the first key manifest.
    """

    origin: str
    start: dt.datetime
    cadence_s: int
    slots: int
    backlog: int
    keys: bytes

    def text(self) -> str:
        """The log's first entry."""
        start = self.start.strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [_FOUNDING, self.origin, start, str(self.cadence_s), str(self.slots), str(self.backlog), b64(self.keys)]
        return "\n".join(lines) + "\n"

    def closes(self, number: int) -> dt.datetime:
        """When block `number` closes by the cadence. Raises `ProofError` beyond the calendar."""
        try:
            return self.start + dt.timedelta(seconds=self.cadence_s * max(0, number - self.backlog))
        except OverflowError:
            malformed(f"block {number} would close beyond the calendar")

    def due(self, now: dt.datetime) -> int:
        """The number of the last block that is to be closed by now; 0 before the first."""
        if now < self.start:
            return 0
        return self.backlog + int((now - self.start).total_seconds()) // self.cadence_s

    def block_of(self, instant: dt.datetime) -> int:
        """The number of the first block that closes at or after an instant."""
        seconds = (instant - self.start) / dt.timedelta(seconds=1)
        return self.backlog + max(0, -int(-seconds // self.cadence_s))


class Block(NamedTuple):
    """The record of a block: its number from 1, its places, its root, and the key manifest in force (SHA-256)."""

    origin: str
    number: int
    slots: int
    root: bytes
    keys: bytes

    def text(self) -> str:
        """The log's entry."""
        lines = [_BLOCK, self.origin, str(self.number), str(self.slots), b64(self.root), b64(self.keys)]
        return "\n".join(lines) + "\n"


def parse_founding(text: str) -> Founding:
    """Read a log's first entry. Raises `ProofError`."""
    lines = _lines(text, _FOUNDING, 7)
    if not _TIME.match(lines[2]):
        malformed("a log's start is a time in UTC")
    try:
        start = dt.datetime.fromisoformat(lines[2])
    except ValueError:
        malformed("a log's start is not a time")
    cadence_s, slots, backlog = decimal(lines[3]), _slots(lines[4]), decimal(lines[5])
    if not 1 <= cadence_s <= 86_400 or backlog > 1_000_000:
        malformed("a log's cadence or backlog is impossible")
    return Founding(lines[1], start, cadence_s, slots, backlog, unb64(lines[6], HASH))


def parse_block(text: str) -> Block:
    """Read the record of a block. Raises `ProofError`."""
    lines = _lines(text, _BLOCK, 6)
    return Block(lines[1], decimal(lines[2]), _slots(lines[3]), unb64(lines[4], HASH), unb64(lines[5], HASH))


def _lines(text: str, head: str, count: int) -> list[str]:
    lines = text.split("\n")
    if len(lines) != count + 1 or lines[0] != head or lines[-1] or not lines[1]:
        malformed(f"not an entry of the kind {head}")
    return lines


def _slots(text: str) -> int:
    slots = decimal(text)
    if not 2 <= slots <= MAX_SLOTS or slots & (slots - 1):
        malformed("the places of a block are a power of two")
    return slots


# --------------------------------------------------------------------------- making


def places(seed: bytes, slots: int, taken: Collection[int] = ()) -> list[int]:
    """All free places of a block in the random order in which facts get them."""
    keys = struct.unpack(f">{slots}Q", hashlib.shake_256(b"asbuilt.places/1\n" + seed).digest(8 * slots))
    order = sorted(range(slots), key=keys.__getitem__)
    return [slot for slot in order if slot not in taken] if taken else order


def group_size(slots: int) -> int:
    """So many places share one draw of randomness, so that a path can be made without the whole block."""
    return min(slots, GROUP)


def empty_leaves(seed: bytes, slots: int, group: int) -> list[bytes]:
    """What stands at the empty places of a group, so that an auditor can be shown that they are empty."""
    size = group_size(slots)
    random = hashlib.shake_256(b"asbuilt.empties/1\n" + seed + group.to_bytes(2, "big")).digest(HASH * size)
    return [EMPTY_TAG + random[at : at + HASH] for at in range(0, HASH * size, HASH)]


def group_tree(seed: bytes, slots: int, group: int, leaves: Mapping[int, bytes]) -> list[list[bytes]]:
    """The levels over one group of places: leaf hashes at their places of the block, random ones elsewhere."""
    first = group * group_size(slots)
    return levels_of(
        [
            leaves[slot] if slot in leaves else leaf_hash(empty)
            for slot, empty in enumerate(empty_leaves(seed, slots, group), first)
        ]
    )


def group_roots(seed: bytes, slots: int, leaves: Mapping[int, bytes]) -> list[bytes]:
    """The roots of a block's groups; the tree over them has the block's root."""
    return [group_tree(seed, slots, group, leaves)[-1][0] for group in range(slots // group_size(slots))]


def slot_path(slot: int, own_group: Sequence[Sequence[bytes]], roots: Sequence[bytes]) -> list[bytes]:
    """The path of a place to the block's root, from the levels of its group and the roots of all groups."""
    size = len(own_group[0])
    above = node_of(levels_of(roots))
    return [
        *inclusion_path(slot % size, size, node_of(own_group)),
        *inclusion_path(slot // size, len(roots), above),
    ]
