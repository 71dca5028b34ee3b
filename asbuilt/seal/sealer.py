"""The sealer: follows the record, closes a block whenever the log's cadence says so, and publishes the log.

It reads the record like anybody and never holds up take-in. What a crash can do: a block is kept in
`seal.db` (with the randomness it was made of) before anything of it is published, and the size and root
of a checkpoint before it is signed; a sealer that starts again makes the same files of them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
from collections import deque
from typing import NamedTuple

from asbuilt import events
from asbuilt.errors import AsBuiltError, ProofError, RecordError
from asbuilt.events import LaneRegistered
from asbuilt.folder import DataFolder
from asbuilt.proof import block as block_
from asbuilt.proof import keys as keys_
from asbuilt.proof import leaf as leaf_
from asbuilt.proof import merkle, note, statement
from asbuilt.proof.block import Block, Founding
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.keys import CHECKPOINT, STATEMENT, Manifest
from asbuilt.proof.leaf import Link
from asbuilt.record import Clock, Random, Record
from asbuilt.seal import corrected, lanes
from asbuilt.seal.keyring import Keyring
from asbuilt.seal.leaves import Leaves
from asbuilt.seal.logfiles import LogFiles
from asbuilt.seal.status import Revocations
from asbuilt.seal.store import Head, LaneRow, SealedBlock, SealStore

LOOK_EVERY_S = 1.0
"""How often the sealer looks for new facts and for a block that is due."""
FOLLOW_AT_ONCE = 200
"""So many facts are sealed before other threads get their turn."""
PUBLISH_AT_ONCE = 64
"""When many blocks are due, so many are closed between two checkpoints."""
MAX_DUE = 100_000
"""When more blocks are due (70 days of minutes), the clock is doubted: an empty block is never taken back."""
_log = logging.getLogger("asbuilt")


class _Pending(NamedTuple):
    """A fact that waits for its block: its leaf's hash, and its places among the facts about units."""

    position: int
    record_time_us: int
    leaf: bytes
    links: tuple[Link, ...]
    lane: LaneRow | None


class Sealer:
    """Seals one data folder. Raises `RecordError` where going on would fork the log."""

    def __init__(self, folder: DataFolder, record: Record, now: Clock, random: Random) -> None:
        self._folder = folder
        self._record = record
        self._now = now
        self._random = random
        self.store = SealStore(folder.seals)
        self.files = LogFiles(folder.proof)
        self.keyring = Keyring(folder.keys)
        self.problem: AsBuiltError | None = None
        self.trusts_clock = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._revocations = Revocations(record)
        try:
            self.founding = founding(self.store)
            self._manifest, self._manifest_digest = self._manifest_in_force()
            last = self.store.last()
            self._closed = last.number if last else 0
            self._after = last.last_position if last else 0
            self._pending: deque[_Pending] = deque()
            self._heads: dict[str, Head] = {}
            self._refuse_another_record(last)
            self._refuse_fork()
        except BaseException:
            self.store.close()
            raise

    # ----------------------------------------------------------------- beginning

    def _manifest_in_force(self) -> tuple[Manifest, bytes]:
        signed = self.store.setting("manifest")
        assert signed is not None
        return keys_.parse_manifest(signed), keys_.digest(signed)

    def _refuse_another_record(self, last: SealedBlock | None) -> None:
        if last is None:
            return
        if self._record.head() < last.last_position:
            what = f"facts up to {last.last_position:,} are sealed, but the record ends at {self._record.head():,}"
        else:
            try:
                if Leaves(self.store, self._record, self.founding).root(last) == last.root:
                    return
                what = f"the facts of block {last.number} are not those that were sealed"
            except ProofError as error:
                what = error.message
        raise RecordError(
            what,
            where=str(self._folder.path),
            remedy="The record was altered or replaced. Restore record.db; `asbuilt log audit` tells what differs.",
        )

    def _refuse_fork(self) -> None:
        """What is out was made from what is here, or nothing more is signed."""
        out, signed = self.files.checkpoint(), self._signed()
        size = self._closed + 1
        if out is not None and (out[1].origin != self.founding.origin or out[1].size > max(signed.size, 0)):
            raise self._fork(
                f"the checkpoint that is out has {out[1].size:,} entries, this folder knows of {signed.size:,}"
            )
        if out is not None and out[1].size == signed.size and out[1].root != signed.root:
            raise self._fork("the checkpoint that is out has another root than the one that was signed here")
        if signed.size > size:
            raise self._fork(f"a checkpoint of {signed.size:,} entries was signed, seal.db holds {size:,}")

    def _fork(self, what: str) -> RecordError:
        return RecordError(
            f"going on would sign a second history of the log: {what}",
            where=str(self.files.folder),
            remedy="seal.db or proof/ is an old copy: restore both from one backup. Nothing is signed until then.",
        )

    def _signed(self) -> Checkpoint:
        """Size and root of the last checkpoint that was, or was about to be, signed."""
        kept = self.store.setting("signed")
        if kept is None:
            return Checkpoint(self.founding.origin, 0, merkle.EMPTY)
        return Checkpoint(self.founding.origin, int.from_bytes(kept[:8], "big"), kept[8:])

    # ----------------------------------------------------------------- following

    def follow(self, limit: int = FOLLOW_AT_ONCE) -> int:
        """Make leaves of facts that wait in the record, up to what one block can take; how many."""
        room = min(limit, self.founding.slots - len(self._pending))
        if room <= 0:
            return 0
        after = self._pending[-1].position if self._pending else self._after
        found = self._record.read(after, room)
        for recorded in found:
            fact = events.recall(recorded.body)
            links = []
            for unit in corrected.units_of(self._record, fact):
                head = self._heads.get(unit) or self.store.head(unit)
                links.append(Link(unit, head.number + 1, head.leaf) if head else Link(unit, 1, b""))
            hashed = merkle.leaf_hash(leaf_.sealed(recorded.body, recorded.seed, links).leaf)
            for link in links:
                self._heads[link.unit] = Head(link.number, hashed)
            lane = self._lane(fact, recorded.position) if isinstance(fact, LaneRegistered) else None
            self._pending.append(_Pending(recorded.position, recorded.record_time_us, hashed, tuple(links), lane))
        return len(found)

    def _lane(self, fact: LaneRegistered, position: int) -> LaneRow | None:
        """A lane to be closed later; what is no lane, comes too late or is registered already is a fact like others."""
        try:
            block, slot = lanes.place(fact.lane, self.founding)
        except (ProofError, OverflowError):
            return None
        return LaneRow(fact.lane, position, block, slot, None, None, None, ())

    # ----------------------------------------------------------------- closing

    def due(self) -> int:
        """How many blocks are to be closed now."""
        return max(0, self.founding.due(self._now()) - self._closed)

    def close_next(self) -> SealedBlock:
        """Close the next block with what was recorded before its time, as far as there is room."""
        number = self._closed + 1
        closing = self.store.lanes_of(number)
        until_us = events.microseconds(self.founding.closes(number))
        room = self.founding.slots - len(closing)
        while len(self._pending) < room and self.follow(min(FOLLOW_AT_ONCE, room - len(self._pending))):
            if self._pending[-1].record_time_us >= until_us:
                break
            _let_others()
        taken: list[_Pending] = []
        while self._pending and len(taken) < room and self._pending[0].record_time_us < until_us:
            taken.append(self._pending.popleft())
        try:
            block = self._sealed(number, taken, closing)
        except BaseException:
            self._read_again()
            raise
        self._closed, self._after = number, block.last_position
        self._heads = {link.unit: Head(link.number, one.leaf) for one in self._pending for link in one.links}
        return block

    def _read_again(self) -> None:
        """Begin again from what was kept: an error does not tell whether the block was."""
        self._pending.clear()
        self._heads.clear()
        with contextlib.suppress(AsBuiltError):
            last = self.store.last()
            if last is not None:
                self._closed, self._after = last.number, last.last_position

    def _sealed(self, number: int, taken: list[_Pending], closing: list[LaneRow]) -> SealedBlock:
        seed = self._random(32)
        first = self._after + 1
        last = first + len(taken) - 1
        closed = [self._closing(lane, last, {one.position: one.leaf for one in taken}) for lane in closing]
        order = block_.places(seed, self.founding.slots, {lane.slot for lane in closed})[: len(taken)]
        leaves = {slot: one.leaf for slot, one in zip(order, taken, strict=True)}
        for lane in closed:
            assert lane.body is not None and lane.seed is not None
            leaves[lane.slot] = merkle.leaf_hash(leaf_.sealed(lane.body, lane.seed).leaf)
        groups = block_.group_roots(seed, self.founding.slots, leaves)
        block = SealedBlock(number, first, order, seed, groups, merkle.root_of(groups), self._manifest_digest)
        heads = {link.unit: Head(link.number, one.leaf) for one in taken for link in one.links}
        registered: list[LaneRow] = []
        for one in taken:
            if one.lane is not None and self._is_free(one.lane, number, registered):
                registered.append(one.lane)
        self.store.add(
            block,
            [one.leaf for one in taken],
            {one.position: one.links for one in taken if one.links},
            heads,
            [*closed, *registered],
        )
        return block

    def _is_free(self, lane: LaneRow, number: int, registered: list[LaneRow]) -> bool:
        others = [*self.store.lanes_of(lane.block), *(other for other in registered if other.block == lane.block)]
        return lane.block > number and all(other.slot != lane.slot for other in others)

    def _closing(self, lane: LaneRow, known_to: int, fresh: dict[int, bytes]) -> LaneRow:
        from asbuilt.proof.lane import parse

        found = lanes.counted(self._record, parse(lane.name), known_to)
        leaves = Leaves(self.store, self._record, self.founding)
        hashes = [fresh.get(position) or leaves.of(position).hash for position in found]
        chain = self._random(32)
        return lane._replace(
            seed=self._random(32), body=lanes.closing(lane.name, hashes, chain), chain=chain, counted=found
        )

    # ----------------------------------------------------------------- publishing

    def publish(self) -> Checkpoint:
        """Bring the log up to the blocks that are closed, and sign it. Doing it twice changes nothing."""
        signed, size = self._signed(), self._closed + 1
        out = self.files.checkpoint()
        before = out[1].size if out else 0
        entries = [self._entry(number) for number in range(before, size)]
        self.files.grow(before, entries)
        tree = self.files.tree(size)
        said = Checkpoint(self.founding.origin, size, merkle.root(size, tree.node))
        try:
            if signed.size > 0:
                path = merkle.consistency_path(signed.size, size, tree.node)
                merkle.check_consistency(signed.size, size, signed.root, said.root, path)
        except ProofError as error:
            raise self._fork(error.message) from None
        self.store.set({"signed": said.size.to_bytes(8, "big") + said.root})
        # By the cadence, not by the clock: how long the work took would tell how much there was.
        stamp = int(self.founding.closes(self._closed).timestamp())
        signers = self.keyring.of(self._manifest, CHECKPOINT)
        status = statement.sign_status(
            self.keyring.of(self._manifest, STATEMENT)[0], said.origin, stamp, size, self._revocations.places()
        )
        self.files.write([("status", status.encode())])
        self.files.write([("checkpoint", note.signed(said.text(), signers, stamp))])
        self.files.forget_partial(before, size)
        return said

    def _entry(self, number: int) -> bytes:
        if number == 0:
            return self.founding.text().encode()
        found = self.store.block(number)
        assert found is not None
        return Block(self.founding.origin, number, self.founding.slots, found.root, found.keys).text().encode()

    def catch_up(self, most: int = PUBLISH_AT_ONCE) -> int:
        """Close blocks that are due, some at a time, and publish them; how many were closed.

        Raises `RecordError` when so many are due that the clock must be wrong, unless `trusts_clock`.
        """
        due = self.due()
        if due > MAX_DUE and not self.trusts_clock:
            raise RecordError(
                f"{due:,} blocks are due: by the clock, {due * self.founding.cadence_s / 86_400:,.0f} days passed since the last",
                where=str(self._folder.path),
                remedy="Set the clock. If it is right, close them once with `asbuilt seal now --long`.",
            )
        wanted = min(due, most)
        for _ in range(wanted):
            self.close_next()
            _let_others()
        out = self.files.checkpoint()
        if wanted or out is None or out[1].size <= self._closed:
            self.publish()
        return wanted

    # ----------------------------------------------------------------- running

    def start(self) -> None:
        """Seal in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                # A fork is not something that passes: it was refused when the sealer was opened, or is now.
                while not self._stop.is_set():
                    since = time.monotonic()
                    if not self.follow():
                        break
                    # Whoever takes facts in has four fifths of the time, however much comes.
                    self._stop.wait(4 * (time.monotonic() - since))
                busy = self.catch_up() == PUBLISH_AT_ONCE
                self.problem = None
            except AsBuiltError as error:
                if self.problem is None or self.problem.message != error.message:
                    _log.error("sealing: %s", error)
                busy, self.problem = False, error
            except Exception as error:
                busy = False
                self.problem = RecordError(
                    f"sealing failed: {error!r}", remedy="Run `asbuilt log audit`; facts are still recorded."
                )
                _log.exception("sealing failed; it is tried again")
            # While much is to be caught up, at least as long as it worked it leaves the machine to others.
            self._stop.wait(max(0.05, time.monotonic() - began) if busy else LOOK_EVERY_S)

    def stop(self) -> None:
        """End the thread and let go of the file."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.store.close()

    @property
    def waiting(self) -> int:
        """How many recorded facts are not in a closed block yet."""
        return self._record.head() - self._after

    def about(self, unit: str) -> tuple[int, int, int]:
        """Of the facts about a unit: how many are in closed blocks, how many wait; and the log's entries."""
        head = self.store.head(unit)
        waiting = (events.recall(found.body) for found in self._record.about(unit, self._after, 1000))
        number = sum(unit in corrected.units_of(self._record, fact) for fact in waiting)
        return head.number if head else 0, number, self._signed().size

    @property
    def closed(self) -> int:
        """The number of the block closed last."""
        return self._closed

    @property
    def manifest(self) -> Manifest:
        """The keys in force."""
        return self._manifest

    def use_keys(self, signed: bytes) -> None:
        """Put a manifest in force from the next block on."""
        manifest = keys_.parse_manifest(signed)
        self.store.set({"manifest": signed, f"manifest.{keys_.digest(signed).hex()}": signed})
        self.files.write([(f"keys/{manifest.number}", signed)])
        self._manifest, self._manifest_digest = manifest, keys_.digest(signed)


def begin(
    folder: DataFolder, now: dt.datetime, random: Random, *, origin: str, cadence_s: int = block_.CADENCE_S,
    slots: int = block_.SLOTS, backlog: int = 0,
) -> None:  # fmt: skip
    """Begin the log of a folder, unless it has one: make keys and fix name, cadence and size of blocks for ever."""
    store = SealStore(folder.seals, create=True)
    try:
        if store.setting("founding") is not None:
            return
        signed = Keyring(folder.keys).manifest(origin, random)
        seconds = int(now.timestamp())
        # Blocks for a backlog take what was recorded before the start, so the start lies just ahead.
        start = dt.datetime.fromtimestamp(seconds + 1 if backlog else seconds - seconds % cadence_s, dt.UTC)
        begun = Founding(origin, start, cadence_s, slots, backlog, keys_.digest(signed))
        block_.parse_founding(begun.text())
        LogFiles(folder.proof).write([("keys/1", signed)])
        store.set(
            {
                "founding": begun.text().encode(),
                "manifest": signed,
                f"manifest.{keys_.digest(signed).hex()}": signed,
            }
        )
    finally:
        store.close()


def founding(store: SealStore) -> Founding:
    """What was fixed when the log of a folder began."""
    text = store.setting("founding")
    if text is None:
        raise RecordError("nothing is sealed here yet", remedy="`asbuilt run` or `asbuilt seal begin` begins the log.")
    return block_.parse_founding(text.decode())


def _let_others() -> None:
    """Give other threads their turn: whoever takes facts in must not wait for a block."""
    time.sleep(0.0005)
