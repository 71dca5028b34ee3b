"""Questions about what was told to whom. Every query takes `at`; without it the answer is about now."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from asbuilt.access import Reader
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
    where, bindings = "time_us <= ?", [microseconds(reader.instant(at))]
    for column, value in (("recipient", recipient), ("serial", serial)):
        if value is not None:
            where, bindings = f"{where} AND {column} = ?", [*bindings, value]  # type: ignore[list-item]
    found: list[Disclosure] = []
    for row in reader.rows(Issue, f"{where} ORDER BY time_us DESC, disclosure LIMIT 10000", *bindings):
        one = _told(reader, row, at)
        if state is None or one.state == state:
            found.append(one)
        if len(found) >= limit:
            break
    return found


def show(reader: Reader, disclosure: str, at: dt.datetime | None = None) -> Disclosure:
    """One file. Raises `UsageError` if none has this name."""
    row = reader.first(
        Issue, "disclosure = ? AND time_us <= ? ORDER BY time_us", disclosure, microseconds(reader.instant(at))
    )
    if row is None:
        raise UsageError(f"nothing was handed out as {disclosure}", remedy="`asbuilt query disclosure.list` lists all.")
    return _told(reader, row, at)


def count(reader: Reader, at: dt.datetime | None = None) -> int:
    """How many files were handed out."""
    ((number,),) = reader.select(
        "SELECT count(*) FROM disclosure_issue WHERE time_us <= ?", microseconds(reader.instant(at))
    )
    return int(number)


def _told(reader: Reader, row: Issue, at: dt.datetime | None) -> Disclosure:
    now = reader.instant(at)
    zone, now_us = reader.plant(at).zone, microseconds(now)
    taken = reader.first(Revocation, "disclosure = ? AND time_us <= ? ORDER BY time_us", row.disclosure, now_us)
    seen = reader.first(Opening, "disclosure = ? AND time_us <= ? ORDER BY time_us", row.disclosure, now_us)

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
