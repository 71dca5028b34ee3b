"""Leaves that were sealed, made again from the record: what each fact's leaf is, and its path in its block."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof import block as block_
from asbuilt.proof import leaf as leaf_
from asbuilt.proof import merkle
from asbuilt.proof.block import Founding
from asbuilt.proof.leaf import Link, Sealed
from asbuilt.record import Record, Recorded
from asbuilt.seal.store import SealedBlock, SealStore

CACHED_GROUPS = 2_000
CACHED_BLOCKS = 64


class Placed(NamedTuple):
    """A fact where it is sealed: the block, its place in it, its leaf with all disclosures, and the leaf's hash."""

    recorded: Recorded | None
    block: SealedBlock
    slot: int
    links: list[Link]
    sealed: Sealed
    hash: bytes


class Leaves:
    """Makes leaves again; one for one task, it remembers what it made."""

    def __init__(self, store: SealStore, record: Record, founding: Founding) -> None:
        self._store = store
        self._record = record
        self._slots = founding.slots
        self._group = lru_cache(maxsize=CACHED_GROUPS)(self._made_group)
        self._block = lru_cache(maxsize=CACHED_GROUPS)(self._found_block)
        self._hashes = lru_cache(maxsize=CACHED_BLOCKS)(store.leaves)
        self._looked_at: SealedBlock | None = None

    def of(self, position: int) -> Placed:
        """The fact at a position. Raises `ProofError` if it is not sealed or not recorded."""
        block = self.block_with(position)
        if block is None:
            raise ProofError("not_sealed", f"fact {position:,} is not in a closed block yet")
        return self._placed(position, block)

    def block_with(self, position: int) -> SealedBlock | None:
        """The block in which a fact is sealed; facts about one unit are often in one block."""
        known = self._looked_at
        if known is None or not known.first_position <= position <= known.last_position:
            self._looked_at = known = self._store.block_with(position)
        return known

    def _placed(
        self, position: int, block: SealedBlock, recorded: Recorded | None = None, known: list[Link] | None = None
    ) -> Placed:
        found = recorded or next(iter(self._record.read(position - 1, 1)), None)
        if found is None or found.position != position:
            raise ProofError("not_recorded", f"fact {position:,} is sealed but not in the record")
        links = self._store.links(position) if known is None else known
        made = leaf_.sealed(found.body, found.seed, links)
        return Placed(
            found, block, block.slots[position - block.first_position], links, made, merkle.leaf_hash(made.leaf)
        )

    def closing(self, name: str) -> Placed:
        """The closing of a lane."""
        lane = self._store.lane(name)
        if lane is None or lane.body is None or lane.seed is None:
            raise ProofError("lane_not_closed", f"the lane {name} is not closed")
        made = leaf_.sealed(lane.body, lane.seed)
        return Placed(None, self._block(lane.block), lane.slot, [], made, merkle.leaf_hash(made.leaf))

    def _found_block(self, number: int) -> SealedBlock:
        found = self._store.block(number)
        assert found is not None
        return found

    def path(self, placed: Placed) -> list[bytes]:
        """The path of a leaf to its block's root. Raises `ProofError` if the fact is not what was sealed."""
        group = placed.slot // block_.group_size(self._slots)
        levels = self._group(placed.block.number, group)
        path = block_.slot_path(placed.slot, levels, placed.block.groups)
        try:
            merkle.check_inclusion(placed.slot, self._slots, placed.hash, path, placed.block.root)
        except ProofError:
            position = placed.recorded.position if placed.recorded else 0
            raise ProofError(
                "not_recorded",
                f"fact {position:,} is not what was sealed in block {placed.block.number}",
                remedy="The record or seal.db was altered: `asbuilt log audit` tells what differs.",
            ) from None
        return path

    def _made_group(self, number: int, group: int) -> list[list[bytes]]:
        block = self._block(number)
        size = block_.group_size(self._slots)
        leaves = {}
        for slot, hashed in zip(block.slots, self._hashes(number), strict=True):
            if slot // size == group:
                leaves[slot] = hashed
        leaves |= self._closings(block)
        return block_.group_tree(block.seed, self._slots, group, leaves)

    def _closings(self, block: SealedBlock) -> dict[int, bytes]:
        return {lane.slot: self.closing(lane.name).hash for lane in self._store.lanes_of(block.number) if lane.body}

    def all_of(self, block: SealedBlock) -> list[Placed]:
        """Every fact of a block, made again from the record. Raises `ProofError` if one is not there."""
        if not block.slots:
            return []
        recorded = self._record.read(block.first_position - 1, len(block.slots))
        if [one.position for one in recorded] != list(range(block.first_position, block.last_position + 1)):
            raise ProofError("not_recorded", f"facts of block {block.number} are sealed but not in the record")
        links = self._store.links_of_block(block)
        return [
            self._placed(one.position, block, one, links.get(one.position, [])) for one in recorded
        ]  # fmt: skip

    def root(self, block: SealedBlock, placed: Sequence[Placed] | None = None) -> bytes:
        """A block's root, made again from the record, or from what `all_of` gave."""
        leaves = {one.slot: one.hash for one in (self.all_of(block) if placed is None else placed)}
        leaves |= self._closings(block)
        return merkle.root_of(block_.group_roots(block.seed, self._slots, leaves))
