"""What the second line of a file holds, as types; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from asbuilt.proof.encoding import malformed

Natural = Annotated[int, Meta(ge=0)]
Path = Annotated[list[str], Meta(max_length=64)]
MAX_LEAVES = 50_000


class LogPart(Struct, forbid_unknown_fields=True):
    """The log's first entry with its path, and every manifest of keys that a block here names."""

    founding: str
    founding_path: Path
    manifests: Annotated[list[str], Meta(min_length=1, max_length=1000)]


class BlockPart(Struct, forbid_unknown_fields=True):
    """The record of a block and its path in the log; it stands at the index of its number."""

    record: str
    path: Path


class LeafPart(Struct, forbid_unknown_fields=True):
    """A leaf: which of the file's blocks it is in, at which place, its path there, and what of it is disclosed."""

    block: Natural
    slot: Natural
    path: Path
    leaf: str
    disclosures: Annotated[list[str], Meta(max_length=64)]


class UnitPart(Struct, forbid_unknown_fields=True):
    """All facts about a unit: indexes of leaves, in order of their numbers 1 … n."""

    unit: str
    leaves: Annotated[list[Natural], Meta(min_length=1, max_length=MAX_LEAVES)]


class CurvePart(Struct, forbid_unknown_fields=True):
    """A file that a fact names by its digest: SHA-256 in hexadecimal, and its bytes in base64."""

    digest: str
    content: str


class Content(Struct, forbid_unknown_fields=True, kw_only=True):
    """What passports and claims share. The last of `blocks` is the last of the log at the checkpoint."""

    kind: str
    log: LogPart
    checkpoint: str
    blocks: Annotated[list[BlockPart], Meta(min_length=1, max_length=MAX_LEAVES)]
    leaves: Annotated[list[LeafPart], Meta(min_length=1, max_length=MAX_LEAVES)]
    status: str


class PassportContent(Content, forbid_unknown_fields=True, kw_only=True):
    """A passport: the first unit is the one it is for, the others are its components.

    `others` are leaves that belong to no unit's numbering: corrections that came before what they correct.
    """

    units: Annotated[list[UnitPart], Meta(min_length=1, max_length=1000)]
    others: Annotated[list[Natural], Meta(max_length=1000)]
    curves: Annotated[list[CurvePart], Meta(max_length=1000)]


class CheckPart(Struct, forbid_unknown_fields=True):
    """One that was counted, opened at a reader's wish: its number in the lane from 0, its leaf, its path there."""

    number: Natural
    leaf: Natural
    path: Path


class ClaimContent(Content, forbid_unknown_fields=True, kw_only=True):
    """A claim: the lane, what is said of its number, and the leaves of its registration and closing.

    `reveal` is a link of the lane's hash chain in base64url; only "at least" has one. `checks` open some of
    those that were counted; only "exactly" has any.
    """

    lane: str
    says: Literal["exactly", "at_least"]
    count: Natural
    reveal: str
    registered: Natural
    closed: Natural
    checks: Annotated[list[CheckPart], Meta(max_length=1000)]


C = TypeVar("C", bound=Content)


def read(held: dict[str, Any], kind: type[C]) -> C:
    """The content as a type. Raises `ProofError`."""
    try:
        found = msgspec.convert(held, kind)
    except msgspec.ValidationError as error:
        malformed(f"the content is not as it should be: {error}")
    for at, leaf in enumerate(found.leaves):
        if leaf.block >= len(found.blocks):
            malformed(f"leaf {at} names a block that is not there")
    return found
