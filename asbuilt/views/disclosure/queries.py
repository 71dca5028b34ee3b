"""Questions about what was told to whom. Every query takes `at`; without it the answer is about now."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import Where, at_most
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.disclosure.fold import SEPARATOR, Issue, Opening, Revocation


class Disclosure(Struct, frozen=True):
    """One file: whom it is for, what it shows, and how it stands: valid, expired or revoked.

    `opened` is when the plant came to know that it was looked at; None says nothing.
    """

    disclosure: str
    state: str
    recipient: str
    purpose: str
    product: str
    serial: str
    profile: str
    fields: tuple[str, ...]
    issued: dt.datetime
    expires: dt.datetime | None
    revoked: dt.datetime | None
    revoked_because: str
    opened: dt.datetime | None
    by: str
    file_digest: str


def list_(
    reader: Reader,
    recipient: str | None = None,
    serial: str | None = None,
    state: str | None = None,
    limit: int = 500,
    at: dt.datetime | None = None,
) -> list[Disclosure]:
    """Files that were handed out, the latest first."""
    asked = {column: value for column, value in (("recipient", recipient), ("serial", serial)) if value is not None}
    where: Where = {"time_us": at_most(microseconds(reader.instant(at))), **asked}
    found: list[Disclosure] = []
    for row in reader.rows(Issue, where, order="-time_us disclosure", limit=10_000):
        one = _told(reader, row, at)
        if state is None or one.state == state:
            found.append(one)
        if len(found) >= limit:
            break
    return found


def show(reader: Reader, disclosure: str, at: dt.datetime | None = None) -> Disclosure:
    """One file. Raises `UsageError` if none has this name."""
    row = reader.first(
        Issue, {"disclosure": disclosure, "time_us": at_most(microseconds(reader.instant(at)))}, order="time_us"
    )
    if row is None:
        raise UsageError(f"nothing was handed out as {disclosure}", remedy="`asbuilt query disclosure.list` lists all.")
    return _told(reader, row, at)


def count(reader: Reader, at: dt.datetime | None = None) -> int:
    """How many files were handed out."""
    ((number,),) = reader.totals(Issue, {"time_us": at_most(microseconds(reader.instant(at)))})
    return int(number)


def _told(reader: Reader, row: Issue, at: dt.datetime | None) -> Disclosure:
    now = reader.instant(at)
    zone, now_us = reader.plant(at).zone, microseconds(now)
    told: Where = {"disclosure": row.disclosure, "time_us": at_most(now_us)}
    taken = reader.first(Revocation, told, order="time_us")
    seen = reader.first(Opening, told, order="time_us")

    def instant(time_us: int) -> dt.datetime:
        return dt.datetime.fromtimestamp(time_us / 1_000_000, zone)

    expired = 0 < row.expires_us <= now_us
    return Disclosure(
        disclosure=row.disclosure,
        state="revoked" if taken else "expired" if expired else "valid",
        recipient=row.recipient,
        purpose=row.purpose,
        product=row.product,
        serial=row.serial,
        profile=row.profile,
        fields=tuple(row.fields.split(SEPARATOR)) if row.fields else (),
        issued=instant(row.time_us),
        expires=instant(row.expires_us) if row.expires_us else None,
        revoked=instant(taken.time_us) if taken else None,
        revoked_because=taken.reason if taken else "",
        opened=instant(seen.time_us) if seen else None,
        by=row.by,
        file_digest=row.file_digest,
    )
