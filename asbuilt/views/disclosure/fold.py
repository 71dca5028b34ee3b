"""What was told to whom: files handed out, revoked, opened. Events → rows.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.events import DisclosureIssued, DisclosureOpened, DisclosureRevoked, microseconds
from asbuilt.rows import Interned

VERSION = 1
SEPARATOR = "\x1f"
"""Between the names of fields; no name can hold it."""


class Issue(NamedTuple):
    """Something was told; `expires_us` is 0 where it does not end, `fields` is joined by `SEPARATOR`."""

    disclosure: str
    time_us: int
    fact: bytes
    recipient: Interned
    purpose: Interned
    product: Interned
    serial: str
    profile: Interned
    fields: str
    expires_us: int
    file_digest: str
    by: Interned


class Revocation(NamedTuple):
    """What was told was taken back."""

    disclosure: str
    time_us: int
    fact: bytes
    reason: Interned
    by: Interned


class Opening(NamedTuple):
    """What was told came to be looked at, as far as the plant knows."""

    disclosure: str
    time_us: int
    fact: bytes
    message: str


ROWS = {
    Issue: ("disclosure", "time_us", "fact"),
    Revocation: ("disclosure", "time_us", "fact"),
    Opening: ("disclosure", "time_us", "fact"),
}
INDEXES = {Issue: ["time_us", "recipient, time_us", "product, serial"]}
SHOWS: dict[Any, dict[str, str]] = {Issue: {"expires_us": "expires"}, Revocation: {}, Opening: {}}


def _issued(fact: DisclosureIssued, time_us: int) -> Iterator[Issue]:
    yield Issue(
        disclosure=fact.disclosure,
        time_us=time_us,
        fact=fact.id.bytes,
        recipient=fact.recipient,
        purpose=fact.purpose,
        product=fact.product or "",
        serial=fact.serial or "",
        profile=fact.profile or "",
        fields=SEPARATOR.join(fact.fields),
        expires_us=microseconds(fact.expires) if fact.expires else 0,
        file_digest=fact.file_digest or "",
        by=fact.by or "",
    )


def _revoked(fact: DisclosureRevoked, time_us: int) -> Iterator[Revocation]:
    yield Revocation(
        disclosure=fact.disclosure,
        time_us=time_us,
        fact=fact.id.bytes,
        reason=fact.reason or "",
        by=fact.by or "",
    )


def _opened(fact: DisclosureOpened, time_us: int) -> Iterator[Opening]:
    yield Opening(fact.disclosure, time_us, fact.id.bytes, fact.message or "")


RULES = {
    DisclosureIssued: _issued,
    DisclosureRevoked: _revoked,
    DisclosureOpened: _opened,
}
