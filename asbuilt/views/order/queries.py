"""Questions about orders."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.events import microseconds

HOUR_US = 3_600_000_000
KINDS = ("setup", "production", "breakdown")


class Total(Struct, frozen=True):
    """Reports of one kind: how many, their hours (sum of end − start, 3 decimals), and pieces."""

    kind: str
    reports: int
    hours: float
    good: int
    rejected: int
    for_review: int


def totals(
    reader: Reader,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
    at: dt.datetime | None = None,
) -> list[Total]:
    """Reports, hours and pieces by kind, of everything or of one order, station or person."""
    where, bindings = ["time_us <= ?"], [microseconds(reader.instant(at))]
    for column, value in (("order_no", order), ("station", station), ("by", person)):
        if value is not None:
            where.append(f"{column} = ?")
            bindings.append(value)  # type: ignore[arg-type]
    rows = reader.select(
        "SELECT kind, count(*), sum(time_us - start_us), sum(good), sum(rejected), sum(for_review)"
        f" FROM order_report WHERE {' AND '.join(where)} GROUP BY kind",
        *bindings,
    )
    found = {kind: Total(kind, n, round(us / HOUR_US, 3), good, bad, review) for kind, n, us, good, bad, review in rows}
    return [found[kind] for kind in KINDS if kind in found]
