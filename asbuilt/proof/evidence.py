"""The steps of checking what a file says of a log: keys, checkpoint, blocks, leaves, numbering.

Each step raises `ProofError` with the flaw's name. `asbuilt.verify` runs them and tells what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof import block as block_
from asbuilt.proof import checkpoint as checkpoint_
from asbuilt.proof import keys as keys_
from asbuilt.proof import leaf as leaf_
from asbuilt.proof import merkle, note
from asbuilt.proof.block import Block, Founding
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.content import Content, LeafPart, UnitPart
from asbuilt.proof.encoding import malformed, unb64
from asbuilt.proof.keys import Manifest
from asbuilt.proof.note import Key, Verified
from asbuilt.proof.policy import Policy


class Signed(NamedTuple):
    """A checkpoint and whose signatures under it hold: the log's own, and witnesses'."""

    checkpoint: Checkpoint
    by_log: list[Verified]
    by_witness: list[Verified]


class OpenLeaf(NamedTuple):
    """A leaf whose place is proved: its hash, its block's number, and what is disclosed of it."""

    hash: bytes
    block: int
    slot: int
    members: dict[str, Any]
    links: list[leaf_.Link]


def manifests(content: Content) -> dict[bytes, Manifest]:
    """The manifests of keys by digest, each signed by its own root."""
    found = {}
    for text in content.log.manifests:
        data = text.encode()
        found[keys_.digest(data)] = keys_.parse_manifest(data)
    return found


def signed_checkpoint(text: str, own_keys: Sequence[Key], policy: Policy | None) -> Signed:
    """A checkpoint whose signatures hold: of a log the policy trusts, else of the keys the file brings itself."""
    found = note.parse(text.encode())
    said = checkpoint_.parse(found.text)
    if policy is None:
        trusted = list(own_keys)
    else:
        trusted = [*policy.logs, *policy.witnesses.values()]
        if said.origin not in {key.name for key in policy.logs}:
            names = ", ".join(sorted({key.name for key in policy.logs})) or "no log"
            raise ProofError("wrong_origin", f"this is the log {said.origin}; the policy trusts {names}")
    holding = note.verified(found, trusted)
    by_log = [one for one in holding if one.key.name == said.origin and (policy is None or one.key in policy.logs)]
    witnesses = list(policy.witnesses.values()) if policy else []
    by_witness = [one for one in holding if one.key in witnesses]
    if not by_log:
        raise ProofError("wrong_origin", f"the checkpoint of {said.origin} is not signed by that log")
    if policy is not None and not policy.is_witnessed(one.key for one in by_witness):
        raise ProofError("not_witnessed", "fewer witnesses have signed the checkpoint than the policy asks for")
    return Signed(said, by_log, by_witness)


def founding(content: Content, said: Checkpoint) -> Founding:
    """The log's first entry, proved to be in the log."""
    text = content.log.founding
    found = block_.parse_founding(text)
    if found.origin != said.origin:
        raise ProofError("wrong_origin", f"the log's first entry names {found.origin}, its checkpoint {said.origin}")
    path = [unb64(step, merkle.HASH) for step in content.log.founding_path]
    _in_log(0, text, path, said)
    return found


def blocks(content: Content, said: Checkpoint, begun: Founding, known: dict[bytes, Manifest]) -> list[Block]:
    """The records of blocks, proved to be in the log at their numbers; the last is the log's last."""
    found = []
    for part in content.blocks:
        record = block_.parse_block(part.record)
        if record.origin != said.origin:
            raise ProofError("wrong_origin", f"a block of {record.origin} in the log {said.origin}")
        if record.slots != begun.slots:
            malformed(f"block {record.number} has {record.slots} places, the log was begun with {begun.slots}")
        manifest = known.get(record.keys)
        if manifest is None or manifest.origin != said.origin:
            raise ProofError("unknown_key", f"the manifest of keys that block {record.number} names is not in the file")
        _in_log(record.number, part.record, [unb64(step, merkle.HASH) for step in part.path], said)
        found.append(record)
    if found[-1].number != said.size - 1:
        malformed("the last block of the file is not the last of the log")
    return found


def _in_log(index: int, text: str, path: list[bytes], said: Checkpoint) -> None:
    try:
        merkle.check_inclusion(index, said.size, merkle.leaf_hash(text.encode()), path, said.root)
    except ProofError as error:
        raise ProofError("block_not_in_log", f"entry {index} is not in the log: {error.message}") from None


def leaves(content: Content, records: Sequence[Block]) -> list[OpenLeaf]:
    """Every leaf, proved to be at its place of its block, with what is disclosed of it."""
    found: list[OpenLeaf] = []
    taken: set[tuple[int, int]] = set()
    for at, part in enumerate(content.leaves):
        record = records[part.block]
        hashed = merkle.leaf_hash(part.leaf.encode())
        path = [unb64(step, merkle.HASH) for step in part.path]
        try:
            merkle.check_inclusion(part.slot, record.slots, hashed, path, record.root)
        except ProofError as error:
            raise ProofError(
                "leaf_not_in_block", f"leaf {at} is not at place {part.slot} of block {record.number}: {error.message}"
            ) from None
        place = (record.number, part.slot)
        if place in taken:
            raise ProofError("entry_doubled", f"place {part.slot} of block {record.number} is shown twice")
        taken.add(place)
        found.append(OpenLeaf(hashed, *place, *_opened(at, part, content.leaves)))
    return found


def _opened(at: int, part: LeafPart, others: Sequence[LeafPart]) -> tuple[dict[str, Any], list[leaf_.Link]]:
    try:
        members = leaf_.opened(part.leaf, part.disclosures)
    except ProofError as error:
        if error.reason != "disclosure_not_in_leaf":
            raise
        own = leaf_.digests_of(part.leaf)
        strays = {digest for text in part.disclosures if (digest := leaf_.digest_of(text)) not in own}
        if any(strays & leaf_.digests_of(other.leaf) for other in others if other is not part):
            raise ProofError("disclosure_of_another_leaf", f"a field of leaf {at} belongs to another fact") from None
        raise ProofError("disclosure_not_in_leaf", f"leaf {at}: {error.message}") from None
    return members, leaf_.read_links(members)


def numbering(part: UnitPart, opened: Sequence[OpenLeaf]) -> None:
    """The facts about a unit are numbered 1 … n, each naming the one before it: none is left out, none added."""
    seen: set[int] = set()
    before = b""
    for number, at in enumerate(part.leaves, 1):
        if at >= len(opened):
            malformed(f"{part.unit} names a leaf that is not there")
        if at in seen:
            raise ProofError("entry_doubled", f"one fact stands twice among those about {part.unit}")
        seen.add(at)
        links = [link for link in opened[at].links if link.unit == part.unit]
        if len(links) != 1:
            raise ProofError("entry_of_another_unit", f"entry {number} is not shown to be about {part.unit}")
        if links[0].number != number:
            if links[0].number in range(1, number):
                raise ProofError("entry_doubled", f"number {links[0].number} of {part.unit} stands twice")
            raise ProofError("entry_missing", f"number {number} of {part.unit} is missing; {links[0].number} follows")
        if links[0].before != before:
            raise ProofError("numbering_broken", f"entry {number} of {part.unit} follows another one than is shown")
        before = opened[at].hash
