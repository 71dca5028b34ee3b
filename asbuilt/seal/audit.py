"""The plant's own audit: everything that was sealed, made again from the record and compared with what is out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from asbuilt import events
from asbuilt.errors import AsBuiltError, ProofError
from asbuilt.folder import DataFolder
from asbuilt.proof import keys as keys_
from asbuilt.proof import merkle, note
from asbuilt.proof.block import Block, Founding
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.keys import CHECKPOINT
from asbuilt.proof.tiles import WIDTH, Tiles
from asbuilt.record import Record
from asbuilt.seal import corrected, lanes
from asbuilt.seal.leaves import Leaves, Placed
from asbuilt.seal.logfiles import LogFiles
from asbuilt.seal.sealer import founding
from asbuilt.seal.store import Head, SealedBlock, SealStore

_BLOCKS = 500


class Finding(NamedTuple):
    """Something that was looked at: whether it is wrong, in words, and what to do."""

    bad: bool
    what: str
    remedy: str = ""


_RESTORE = "Keep the folder as it is for whoever investigates; restore the record, seal.db and proof/ from one backup."


def audit(
    folder: DataFolder, record: Record, progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Finding]:
    """Look at everything; findings as they come. Nothing is repaired."""
    store = SealStore(folder.seals, read_only=True)
    try:
        yield from _Audit(store, LogFiles(folder.proof), record).run(progress)
    except ProofError as error:
        yield Finding(True, error.message, _RESTORE)
    except AsBuiltError as error:
        yield Finding(True, error.message, error.remedy)
    finally:
        store.close()


class _Audit:
    def __init__(self, store: SealStore, files: LogFiles, record: Record) -> None:
        self._store = store
        self._files = files
        self._record = record
        self._founding: Founding = founding(store)
        self._heads: dict[str, Head] = {}
        self._entries: Tiles | None = None

    def run(self, progress: Callable[[int, int], None]) -> Iterator[Finding]:
        out = self._files.checkpoint()
        if out is None:
            yield Finding(True, "no checkpoint is out", "`asbuilt seal now` signs one.")
            return
        said = out[1]
        yield self._signatures(out[0], said)
        bad = yield from self._tiles(said)
        if not bad:
            yield Finding(False, f"the log's {said.size:,} entries have the root that was signed")
        facts = blocks = 0
        expected = 1
        wrong = False
        after = 0
        while found := self._store.blocks(after, _BLOCKS):
            for block in found:
                after, blocks, facts = block.number, blocks + 1, facts + len(block.slots)
                for finding in self._block(block, expected, said):
                    wrong = True
                    yield finding
                expected = block.last_position + 1
                progress(block.number, max(said.size - 1, block.number))
        if blocks + 1 < said.size:
            yield Finding(True, f"the log has {said.size - 1:,} blocks, seal.db {blocks:,}", _RESTORE)
        if not wrong:
            yield Finding(False, f"{facts:,} facts in {blocks:,} blocks are what was sealed")
        yield from self._lanes(expected - 1)

    def _signatures(self, data: bytes, said: Checkpoint) -> Finding:
        block = self._store.block(said.size - 1)
        signed = self._store.setting(f"manifest.{(block.keys if block else self._founding.keys).hex()}")
        if signed is None:
            return Finding(True, "the manifest of keys that the last block names is not here", _RESTORE)
        keys = keys_.parse_manifest(signed).of(CHECKPOINT)
        try:
            holding = [one.key for one in note.verified(note.parse(data), keys)]
        except ProofError as error:
            return Finding(True, f"the checkpoint's signature: {error.message}", _RESTORE)
        if said.origin != self._founding.origin:
            return Finding(True, f"the checkpoint is of {said.origin}, the log is {self._founding.origin}", _RESTORE)
        if len(holding) < len(keys):
            return Finding(True, "a checkpoint key of the manifest in force has not signed the checkpoint", _RESTORE)
        kinds = {key.kind for key in keys}
        names = " and ".join(name for kind, name in ((1, "Ed25519"), (6, "ML-DSA-44")) if kind in kinds)
        return Finding(False, f"the checkpoint of {said.size:,} entries is signed with {names}")

    def _tiles(self, said: Checkpoint) -> Generator[Finding, None, bool]:
        """Every tile against its bundle of entries, and all against the signed root. Gives whether something was wrong."""
        tree = Tiles(self._files.read, said.size)
        bad = False
        try:
            for index in range(-(-said.size // WIDTH)):
                for at, entry in enumerate(tree.entries(index), index * WIDTH):
                    if tree.node(0, at) != merkle.leaf_hash(entry):
                        bad = True
                        yield Finding(True, f"entry {at} of the log is not the one its tile commits to", _RESTORE)
                if (index + 1) * WIDTH <= said.size and not self._rises(tree, index):
                    bad = True
                    yield Finding(True, f"a tile above tile {index} does not follow from it", _RESTORE)
            if merkle.root(said.size, tree.node) != said.root:
                bad = True
                yield Finding(True, "the tiles do not have the root that was signed", _RESTORE)
        except ProofError as error:
            bad = True
            yield Finding(True, error.message, _RESTORE)
        return bad

    @staticmethod
    def _rises(tree: Tiles, index: int) -> bool:
        """Whether a full tile's root stands in the tile above it, and so on up."""
        level, size = 0, tree.size
        while size >= WIDTH and (index + 1) * WIDTH <= size:
            inside = merkle.levels_of([tree.node(8 * level, index * WIDTH + at) for at in range(WIDTH)])
            if tree.node(8 * (level + 1), index) != inside[-1][0]:
                return False
            if (index + 1) % WIDTH:
                return True
            level, size, index = level + 1, size // WIDTH, (index + 1) // WIDTH - 1
        return True

    def _block(self, block: SealedBlock, expected: int, said: Checkpoint) -> Iterator[Finding]:
        if block.first_position != expected:
            yield Finding(
                True, f"block {block.number} begins at fact {block.first_position:,}, {expected:,} follows", _RESTORE
            )
        leaves = Leaves(self._store, self._record, self._founding)
        try:
            placed = leaves.all_of(block)
            if leaves.root(block, placed) != block.root or self._store.leaves(block.number) != [
                one.hash for one in placed
            ]:
                yield Finding(
                    True,
                    f"block {block.number}: facts {block.first_position:,} to {block.last_position:,} are not what was sealed",
                    _RESTORE,
                )
            if block.number < said.size:
                entry = Block(said.origin, block.number, self._founding.slots, block.root, block.keys).text().encode()
                if self._tree(said.size).entry(block.number) != entry:
                    yield Finding(True, f"block {block.number} is not the one that is in the log", _RESTORE)
        except ProofError as error:
            yield Finding(True, f"block {block.number}: {error.message}", _RESTORE)
            return
        yield from self._numbering(placed)

    def _tree(self, size: int) -> Tiles:
        if self._entries is None or self._entries.size != size:
            self._entries = Tiles(self._files.read, size)
        return self._entries

    def _numbering(self, found: Sequence[Placed]) -> Iterator[Finding]:
        for placed in found:
            assert placed.recorded is not None
            position = placed.recorded.position
            units = corrected.units_of(self._record, events.recall(placed.recorded.body))
            numbered = {link.unit for link in placed.links}
            # What a correction corrects may have been recorded after it was sealed.
            if not numbered <= set(units):
                yield Finding(True, f"fact {position:,} is numbered among facts about {sorted(numbered)}", _RESTORE)
            for link in placed.links:
                head = self._heads.get(link.unit, Head(0, b""))
                if (link.number, link.before) != (head.number + 1, head.leaf):
                    yield Finding(
                        True, f"fact {position:,} does not follow the fact before it about {link.unit}", _RESTORE
                    )
                self._heads[link.unit] = Head(link.number, placed.hash)

    def _lanes(self, known_to: int) -> Iterator[Finding]:
        leaves = Leaves(self._store, self._record, self._founding)
        closed = [lane for lane in self._store.lanes() if lane.body is not None]
        for lane in closed:
            assert lane.chain is not None
            hashes = [leaves.of(position).hash for position in lane.counted]
            if lanes.closing(lane.name, hashes, lane.chain) != lane.body:
                yield Finding(
                    True, f"the closing of {lane.name} does not follow from the facts that were counted", _RESTORE
                )
        if closed:
            yield Finding(False, f"{len(closed)} lanes are closed with what was counted")
