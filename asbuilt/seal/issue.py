"""Making passports and claims: what is sealed, told to one recipient with the proof that it is what was sealed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from asbuilt import events
from asbuilt.errors import ProofError, UsageError
from asbuilt.events import AnyFact, ComponentInstalled, CorrectionMade, DisclosureIssued
from asbuilt.folder import DataFolder
from asbuilt.proof import container, keys, merkle, statement
from asbuilt.proof import lane as lane_
from asbuilt.proof.block import Block, Founding
from asbuilt.proof.content import ClaimContent, Content, PassportContent
from asbuilt.proof.encoding import b64, b64url
from asbuilt.proof.keys import STATEMENT
from asbuilt.proof.statement import STATUS_PLACES, Statement
from asbuilt.proof.tiles import Tiles
from asbuilt.record import Random, Record
from asbuilt.seal import corrected
from asbuilt.seal.keyring import Keyring
from asbuilt.seal.leaves import Leaves, Placed
from asbuilt.seal.logfiles import LogFiles
from asbuilt.seal.profiles import Profile
from asbuilt.seal.sealer import founding
from asbuilt.seal.store import LaneRow, SealStore

MAX_ENTRIES = 20_000
"""So many facts one passport holds at most, components included."""
MAX_UNITS = 300
MAX_DEPTH = 4
"""So deep components of components are followed."""
MAX_ISSUED = 1_000_000
MAX_CURVE_BYTES = 16 * 1024 * 1024


class Told(NamedTuple):
    """Whom a file is for, for what, and until when."""

    recipient: str
    purpose: str
    expires: dt.datetime | None = None


class Issued(NamedTuple):
    """A file and the fact that it was issued, to be recorded before the file leaves the house.

    `unsealed` facts about the unit wait for their block and are not in the file.
    """

    file: bytes
    fact: DisclosureIssued
    unsealed: int = 0


class Issuer:
    """Makes files of one data folder; may run beside the process that seals. Close it.

    `witnessed` makes them against the last checkpoint that a witness has signed, instead of the newest.
    """

    def __init__(
        self, folder: DataFolder, record: Record, now: dt.datetime, random: Random, *, witnessed: bool = False
    ) -> None:
        self._folder = folder
        self._record = record
        self._now = now
        self._random = random
        self._files = LogFiles(folder.proof)
        self._store = SealStore(folder.seals, read_only=True)
        self._founding: Founding = founding(self._store)
        out = self._files.checkpoint("witnessed" if witnessed else "checkpoint")
        if out is None and witnessed:
            raise UsageError(
                "no witness has signed a checkpoint", remedy="Take one in with `asbuilt log witnessed FILE`."
            )
        if out is None:
            raise UsageError(
                "the log has no checkpoint yet", remedy="Wait until the first block is closed, or `asbuilt seal now`."
            )
        self._checkpoint_text, self._said = out[0].decode(), out[1]
        self._tree: Tiles = self._files.tree(self._said.size)
        self._leaves = Leaves(self._store, record, self._founding)

    def close(self) -> None:
        """Let go of the file of seals."""
        self._store.close()

    # ----------------------------------------------------------------- passports

    def passport(self, unit: str, told: Told, profile: Profile, *, curves: bool = False) -> Issued:
        """The passport of a unit (`unit:PRODUCT/SERIAL`). Raises `UsageError` if nothing about it is sealed."""
        units = self._units(unit)
        pack = _Pack(self)
        listed = []
        for name, found in units.items():
            at = [pack.leaf(one, self._shown(one, name, profile)) for one in found]
            listed.append({"unit": name, "leaves": at})
        others = self._others(units, pack, profile)
        brought = self._curves(units, profile) if curves else []
        held = pack.content("passport", units=listed, others=others, curves=brought)
        product, serial = _product_and_serial(unit)
        return self._issued(
            container.PASSPORT, held, PassportContent, told, profile.name, profile.named(), self._unsealed(unit),
            product=product, serial=serial,
        )  # fmt: skip

    def _units(self, unit: str) -> dict[str, list[Placed]]:
        """The unit and its components that have numbers of their own, each with its facts in order."""
        found: dict[str, list[Placed]] = {}
        waiting = [(unit, 0)]
        entries = 0
        while waiting:
            name, depth = waiting.pop(0)
            if name in found:
                continue
            positions = [
                position for position in self._store.positions(name, MAX_ENTRIES + 1) if self._is_out(position)
            ]
            if not positions:
                if name != unit:
                    continue
                raise UsageError(
                    f"nothing about {name.removeprefix('unit:')} is sealed",
                    remedy="Check product and serial; what was recorded a moment ago is sealed when its block closes.",
                )
            entries += len(positions)
            if entries > MAX_ENTRIES or len(found) >= MAX_UNITS:
                raise UsageError(f"more than {MAX_ENTRIES:,} facts or {MAX_UNITS} components do not go into one passport", remedy="Make passports of the components.")  # fmt: skip
            found[name] = [self._leaves.of(position) for position in positions]
            if depth < MAX_DEPTH:
                waiting += [(part, depth + 1) for part in _components(name, found[name])]
        return found

    def _unsealed(self, unit: str) -> int:
        """How many facts about a unit wait for their block."""
        last = self._store.block(self._said.size - 1)
        after = last.last_position if last else 0
        waiting = (events.recall(found.body) for found in self._record.about(unit, after, MAX_ENTRIES))
        return sum(unit in corrected.units_of(self._record, fact) for fact in waiting)

    def _is_out(self, position: int) -> bool:
        """Whether a fact's block is in the log that was signed."""
        block = self._leaves.block_with(position)
        return block is not None and block.number < self._said.size

    def _shown(self, one: Placed, unit: str, profile: Profile) -> list[str]:
        """The names that are disclosed of a fact: its place among those about the unit, and what the profile shows."""
        links = [f"link_{n}" for n, link in enumerate(one.links, 1) if link.unit == unit]
        fact, corrected = _fact(one), ""
        if isinstance(fact, CorrectionMade):
            original = self._record.get(fact.corrects)
            corrected = _kind(events.recall(original.body)) if original else ""
        return [*links, *profile.fields(_kind(fact), one.sealed.disclosures, corrected)]

    def _others(self, units: Mapping[str, Sequence[Placed]], pack: _Pack, profile: Profile) -> list[int]:
        """Corrections that came before what they correct, so that no unit's numbering has them."""
        numbered = {one.recorded.position for found in units.values() for one in found if one.recorded}
        added = []
        for position in sorted(numbered):
            fact_id = UUID(bytes=self._record.read(position - 1, 1)[0].id)
            for early in self._record.about(f"fact:{fact_id}"):
                if early.position not in numbered and self._is_out(early.position):
                    one = self._leaves.of(early.position)
                    added.append(pack.leaf(one, self._shown(one, "", profile)))
        return added

    def _curves(self, units: Mapping[str, Sequence[Placed]], profile: Profile) -> list[dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for one in (one for placed in units.values() for one in placed):
            fact = _fact(one)
            digest = getattr(fact, "curve_digest", None)
            if digest and "curve_digest" in profile.fields(_kind(fact), one.sealed.disclosures):
                path = self._folder.traces / digest
                if path.is_file() and path.stat().st_size <= MAX_CURVE_BYTES:
                    found[digest] = {"digest": digest, "content": b64(path.read_bytes())}
        return list(found.values())

    # ----------------------------------------------------------------- claims

    def claim(self, name: str, told: Told, *, at_least: int | None = None, opening: Sequence[int] = ()) -> Issued:
        """The claim that a closed lane holds exactly its number, or at least a smaller one.

        `opening` are numbers, from 0, of counted units to be shown; only with the exact number. Raises `UsageError`
        if the lane is not closed or holds fewer.
        """
        road = lane_.parse(name)
        row = self._store.lane(name)
        if row is None:
            raise UsageError(
                f"no lane {name} is registered", remedy=f"Register it in time: `asbuilt claim register {name}`."
            )
        if row.body is None or row.chain is None or row.block >= self._said.size:
            closes = self._founding.closes(row.block)
            raise UsageError(f"the lane {name} is not closed yet", remedy=f"It closes {closes:%Y-%m-%d %H:%M} UTC.")
        size = len(row.counted)
        count = size if at_least is None else at_least
        if count > size:
            raise UsageError(f"the lane {name} holds fewer than {count:,}", remedy="Claim what the record holds.")
        pack = _Pack(self)
        shown = ["lane", "size", "root"] if at_least is None else ["lane", "floor"]
        closed = pack.leaf(self._leaves.closing(name), shown)
        registered = pack.leaf(self._leaves.of(row.registered), ["type", "lane"])
        reveal = "" if at_least is None else b64url(lane_.chained(name, row.chain, size - count))
        if opening and (at_least is not None or not all(0 <= number < size for number in opening)):
            raise UsageError(
                "only numbers that an exact claim counts can be opened", remedy=f"Choose from 0 to {size - 1}."
            )
        checks = self._opened(row, road, pack, sorted(set(opening)))
        held = pack.content(
            "claim", checks=checks, lane=name, says="exactly" if at_least is None else "at_least", count=count, reveal=reveal,
            registered=registered, closed=closed,
        )  # fmt: skip
        return self._issued(
            container.CLAIM, held, ClaimContent, told, "claim", (name, str(count)), 0, product=road.product
        )

    def _opened(self, row: LaneRow, road: lane_.Lane, pack: _Pack, numbers: Sequence[int]) -> list[dict[str, Any]]:
        if not numbers:
            return []
        hashes = [self._leaves.of(position).hash for position in row.counted]
        tree = merkle.node_of(merkle.levels_of(hashes))
        found = []
        for number in numbers:
            one = self._leaves.of(row.counted[number])
            fact = _fact(one)
            if events.type_name(fact) != lane_.KINDS[road.counts] or getattr(fact, "product", None) != road.product:
                raise UsageError(
                    f"number {number} counts by a correction and cannot be opened", remedy="Choose another."
                )
            shown = ["type", "product", "serial", "event_time", "verdict"]
            path = [b64(step) for step in merkle.inclusion_path(number, len(hashes), tree)]
            found.append({"number": number, "leaf": pack.leaf(one, shown), "path": path})
        return found

    # ----------------------------------------------------------------- the file

    def _issued(
        self, format_: str, held: dict[str, Any], kind: type[Content], told: Told, profile: str, fields: tuple[str, ...],
        unsealed: int, **about: str,
    ) -> Issued:  # fmt: skip
        msgspec.convert(held, kind)
        content = container.content_of(held)
        place = self._free_place()
        disclosure = f"D-{b64url(self._random(9))}"
        said = Statement(
            self._said.origin, format_, disclosure, told.recipient, told.purpose, profile, int(self._now.timestamp()),
            int(told.expires.timestamp()) if told.expires else 0, place, statement.content_digest(content),
        )  # fmt: skip
        token = statement.sign_token(self._signer(), statement.STATEMENT_TYPE, said.payload())
        statement.read_statement(token)
        file = container.written(format_, token, content)
        if len(file) > container.MAX_FILE_BYTES:
            raise UsageError(f"the file would have {len(file):,} bytes", remedy="Leave curves out.")
        fact = DisclosureIssued(
            id=events.new_id(self._now, self._random), event_time=self._now, source="asbuilt", disclosure=disclosure,
            recipient=told.recipient, purpose=told.purpose, fields=fields, expires=told.expires, profile=profile,
            file_digest=hashlib.sha256(file).hexdigest(), status_place=place, **about,
        )  # fmt: skip
        return Issued(file, fact, unsealed)

    def _free_place(self) -> int:
        """A random place of the status list that no other file has: revoking one must not revoke another."""
        issued = (events.recall(found.body) for found in self._record.about("type:disclosure_issued.v1", 0, MAX_ISSUED))
        taken = {fact.status_place for fact in issued if isinstance(fact, DisclosureIssued)}
        free = [place for place in range(STATUS_PLACES) if place not in taken]
        if not free:
            raise UsageError(
                f"{STATUS_PLACES:,} files were handed out, and the status list has no place left",
                remedy="Begin a log of another name for what comes.",
            )
        return free[int.from_bytes(self._random(8), "big") % len(free)]

    def _signer(self) -> Any:
        """The statement key of the manifest that the log's last block names."""
        manifest = keys.parse_manifest(self._manifest(self._last_block().keys))
        return Keyring(self._folder.keys).of(manifest, STATEMENT)[0]

    def _manifest(self, digest: bytes) -> bytes:
        found = self._store.setting(f"manifest.{digest.hex()}")
        if found is None:
            raise ProofError(
                "unknown_key", "a manifest of keys is missing from seal.db", remedy="Restore it from the backup."
            )
        return found

    def _last_block(self) -> Block:
        if self._said.size < 2:
            raise UsageError("no block is closed yet", remedy="Wait for the first one, a minute after the log begins.")
        return self._block(self._said.size - 1)

    def _block(self, number: int) -> Block:
        found = self._store.block(number)
        assert found is not None
        return Block(self._said.origin, number, self._founding.slots, found.root, found.keys)

    def _path(self, index: int) -> list[str]:
        return [b64(step) for step in merkle.inclusion_path(index, self._said.size, self._tree.node)]


class _Pack:
    """The leaves of a file and the blocks they are in, each once."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._leaves: list[dict[str, Any]] = []
        self._at: dict[tuple[int, int], int] = {}
        self._blocks: dict[int, int] = {}

    def leaf(self, one: Placed, names: Iterable[str]) -> int:
        """The index of a leaf; a leaf that is wanted twice discloses what either time is shown."""
        place = (one.block.number, one.slot)
        shown = [one.sealed.disclosures[name] for name in names if name in one.sealed.disclosures]
        if place not in self._at:
            self._at[place] = len(self._leaves)
            block = self._blocks.setdefault(one.block.number, len(self._blocks))
            path = [b64(step) for step in self._issuer._leaves.path(one)]
            self._leaves.append({"block": block, "slot": one.slot, "path": path, "leaf": one.sealed.leaf.decode(), "disclosures": []})  # fmt: skip
        kept = self._leaves[self._at[place]]["disclosures"]
        kept += [text for text in shown if text not in kept]
        return self._at[place]

    def content(self, kind: str, **rest: Any) -> dict[str, Any]:
        """Everything but the statement."""
        issuer = self._issuer
        last = issuer._last_block()
        numbers = [number for number in self._blocks if number != last.number]
        order = [*numbers, last.number]
        index = {number: at for at, number in enumerate(order)}
        was = {at: number for number, at in self._blocks.items()}
        for leaf in self._leaves:
            leaf["block"] = index[was[leaf["block"]]]
        records = [issuer._block(number) for number in order]
        manifests = [issuer._manifest(digest) for digest in dict.fromkeys(record.keys for record in records)]
        status = issuer._files.read("status")
        return {
            "kind": kind,
            "log": {
                "founding": issuer._founding.text(),
                "founding_path": issuer._path(0),
                "manifests": [signed.decode() for signed in manifests],
            },
            "checkpoint": issuer._checkpoint_text,
            "blocks": [{"record": record.text(), "path": issuer._path(record.number)} for record in records],
            "leaves": self._leaves,
            "status": status.decode() if status else "",
            **rest,
        }


def _fact(one: Placed) -> AnyFact:
    assert one.recorded is not None
    return events.recall(one.recorded.body)


def _kind(fact: AnyFact) -> str:
    return events.type_name(fact).rpartition(".")[0]


def _components(unit: str, placed: Sequence[Placed]) -> list[str]:
    """The serial components that were installed in a unit."""
    found = []
    for one in placed:
        fact = _fact(one)
        if (
            isinstance(fact, ComponentInstalled)
            and fact.component_serial is not None
            and events.unit_key(fact.product, fact.serial) == unit
        ):
            found.append(events.unit_key(fact.component_product, fact.component_serial))
    return found


def _product_and_serial(unit: str) -> tuple[str, str]:
    product, _, serial = unit.removeprefix("unit:").partition("/")
    return product.replace("%2F", "/").replace("%25", "%"), serial
