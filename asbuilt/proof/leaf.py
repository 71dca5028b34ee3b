"""A fact as a leaf: the payload of an SD-JWT (RFC 9901) with one salted digest per member.

Every leaf has the same number of digests, the missing ones random, so that leaves of all facts look alike.
Salts and random digests are drawn with SHAKE256 from the 32 random bytes the record keeps with
each fact: whoever sees a leaf and no disclosure learns nothing about the fact.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import b64url, malformed, read_json, unb64url

VERSION = "asbuilt.event/1"
DIGESTS = 32
"""So many digests every leaf has."""
SALT_BYTES = 16
MORE = "_more"
"""The name under which members beyond the number of digests are disclosed together."""
MAX_DISCLOSURE = 2_000_000

_HEAD, _TAIL = b'{"_sd":["', b'"],"_sd_alg":"sha-256","v":"' + VERSION.encode() + b'"}'
_RESERVED = re.compile(r"_sd\Z|_sd_alg\Z|_more\Z|\.\.\.\Z|v\Z|link_[0-9]+\Z")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_URL = bytes.maketrans(b"+/", b"-_")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode
_sha256 = hashlib.sha256
_b64 = binascii.b2a_base64


class Link(NamedTuple):
    """A fact's place among all facts about one unit: which unit, its number from 1, the leaf hash before it."""

    unit: str
    number: int
    before: bytes


class Sealed(NamedTuple):
    """A leaf and everything that can be disclosed of it, by name."""

    leaf: bytes
    disclosures: Mapping[str, str]


def sealed(body: bytes, seed: bytes, links: Sequence[Link] = ()) -> Sealed:
    """The leaf of a fact's canonical bytes, with its places among the facts about units."""
    members = [
        *_named(_spread(_members.decode(body)), DIGESTS - len(links)),
        *[(f"link_{n}", _encode([link.unit, link.number, b64url(link.before)])) for n, link in enumerate(links, 1)],
    ]
    decoys = DIGESTS - len(members)
    random = hashlib.shake_256(b"asbuilt.leaf/1\n" + seed).digest(SALT_BYTES * len(members) + 32 * decoys)
    disclosures, digests, at = {}, [], 0
    for name, value in members:
        salt = _b64(random[at : at + SALT_BYTES], newline=False).translate(_URL)[:22]
        at += SALT_BYTES
        text = _b64(b'["%b",%b,%b]' % (salt, _encode(name), value), newline=False).translate(_URL).rstrip(b"=")
        disclosures[name] = text.decode()
        digests.append(_b64(_sha256(text).digest(), newline=False).translate(_URL)[:43])
    for _ in range(decoys):
        digests.append(_b64(random[at : at + 32], newline=False).translate(_URL)[:43])
        at += 32
    digests.sort()
    return Sealed(_HEAD + b'","'.join(digests) + _TAIL, disclosures)


def _spread(members: dict[str, Any]) -> dict[str, Any]:
    """The members of a correction's replacement stand beside it, so that each can be told by itself."""
    if "replacement" in members and bytes(members.get("type", b"")) == b'"correction_made.v1"':
        inside = _members.decode(members.pop("replacement"))
        members.update((f"replacement.{name}", value) for name, value in inside.items() if name != "id")
        return dict(sorted(members.items()))
    return members


def _named(members: Mapping[str, Any], room: int) -> list[tuple[str, bytes]]:
    """Members by name with their bytes; names that mean something else here and what has no room go together."""
    named = [(name, bytes(value)) for name, value in members.items()]
    apart = [pair for pair in named if _RESERVED.match(pair[0])]
    if not apart and len(named) <= room:
        return named
    named = [pair for pair in named if not _RESERVED.match(pair[0])]
    # Whatever else has no place of its own, what kind of fact it is can be told.
    named.sort(key=lambda pair: (pair[0] not in ("type", "id", "event_time", "source"), pair[0]))
    named, over = named[: room - 1], named[room - 1 :]
    rest = b",".join(_encode(name) + b":" + value for name, value in sorted([*apart, *over]))
    return [*named, (MORE, b"{" + rest + b"}")]


# --------------------------------------------------------------------------- reading


def digests_of(leaf: str) -> frozenset[str]:
    """The digests of a leaf. Raises `ProofError` for anything but the one way a leaf is written."""
    head, tail = _HEAD.decode(), _TAIL.decode()
    found = leaf[len(head) : -len(tail)].split('","') if leaf.startswith(head) and leaf.endswith(tail) else []
    if len(found) != DIGESTS or not all(_DIGEST.match(digest) for digest in found) or sorted(set(found)) != found:
        malformed("not a leaf")
    return frozenset(found)


def digest_of(disclosure: str) -> str:
    """The digest that commits to a disclosure: SHA-256 over its text, in base64url."""
    return b64url(_sha256(disclosure.encode("ascii", "replace")).digest())


def read_disclosure(text: str) -> tuple[str, Any]:
    """Name and value of a disclosure. Raises `ProofError`."""
    if len(text) > MAX_DISCLOSURE:
        malformed("a disclosure is too long")
    found = read_json(unb64url(text))
    if not isinstance(found, list) or len(found) != 3 or not all(isinstance(part, str) for part in found[:2]):
        malformed("a disclosure holds a salt, a name and a value")
    if len(unb64url(found[0])) < SALT_BYTES:
        malformed("a salt of a disclosure is too short")
    if found[1] in ("_sd", "..."):
        malformed("a disclosure has a name that no member can have")
    return found[1], found[2]


def opened(leaf: str, disclosures: Sequence[str]) -> dict[str, Any]:
    """The members that disclosures show of a leaf, `_more` among them as it is.

    Raises `ProofError`: `disclosure_not_in_leaf` for one that the leaf does not commit to.
    """
    committed = digests_of(leaf)
    found: dict[str, Any] = {}
    for text in disclosures:
        if digest_of(text) not in committed:
            raise ProofError("disclosure_not_in_leaf", "a field is not one that this fact was sealed with")
        name, value = read_disclosure(text)
        if name in found:
            malformed("a field is disclosed twice")
        found[name] = value
    return found


def read_links(members: Mapping[str, Any]) -> list[Link]:
    """The places among facts about units that are disclosed. Raises `ProofError`."""
    found = []
    for name, value in members.items():
        if not name.startswith("link_"):
            continue
        if (
            not isinstance(value, list)
            or len(value) != 3
            or not isinstance(value[0], str)
            or type(value[1]) is not int
            or value[1] < 1
            or not isinstance(value[2], str)
        ):
            malformed("a link holds a unit, a number and the leaf before it")
        before = unb64url(value[2])
        if len(before) != (32 if value[1] > 1 else 0):
            malformed("a link's leaf before it has the wrong length")
        found.append(Link(value[0], value[1], before))
    return found
