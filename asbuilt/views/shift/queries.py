"""Questions about shifts: key figures, tiles, stops. Windows are half-open; times are the plant's."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.views.shift.calendar import time_at
from asbuilt.views.shift.figures import Kpi
from asbuilt.views.shift.fold import Made
from asbuilt.views.shift.look import BYS, Look
from asbuilt.views.shift.stops import Cause, Loss, Stop, TileRow, tile_rows
from asbuilt.views.shift.stops import losses as losses_of
from asbuilt.views.shift.stops import pareto as causes
from asbuilt.views.shift.stops import stops as stops_in


class PieceRow(Struct, frozen=True):
    """Pieces as one fact tells them."""

    station: str
    time: dt.datetime
    told: str
    order: str
    product: str
    good: int
    rejected: int
    for_review: int
    rework: int
    reading: int | None
    by: str
    fact: str


def kpi(
    reader: Reader, scope: str, from_: dt.datetime | None = None, to: dt.datetime | None = None, by: str = ""
) -> Kpi | list[Kpi]:
    """Key figures (ISO 22400-2) of a station, line, area or site, whole or by hour, shift, day, week, order or product.

    Without `from` and `to` the window is today so far.
    """
    if by not in BYS:
        raise UsageError(f"by={by} is no part of a window", remedy=f"Give one of: {', '.join(BYS[1:])}.")
    found = _look(reader, scope, from_, to).kpis(by)
    return found if by else found[0]


def tiles(
    reader: Reader,
    scope: str,
    from_: dt.datetime | None = None,
    to: dt.datetime | None = None,
    limit: int = 10_000,
) -> list[TileRow]:
    """What every station of a scope did at every instant, without gaps and overlaps, with the facts behind it."""
    return list(tile_rows(_look(reader, scope, from_, to), limit))


def stops(
    reader: Reader, scope: str, from_: dt.datetime | None = None, to: dt.datetime | None = None, waiting: bool = False
) -> list[Stop]:
    """Stops of a scope, the longest first; `waiting=yes` for those that still wait for a reason."""
    found = stops_in(_look(reader, scope, from_, to))
    return [stop for stop in found if stop.waiting or not waiting]


def pareto(
    reader: Reader,
    scope: str,
    from_: dt.datetime | None = None,
    to: dt.datetime | None = None,
    group: bool = False,
) -> list[Cause]:
    """Time and number of stops by reason, the costliest first; `group=yes` by group of reasons."""
    return causes(stops_in(_look(reader, scope, from_, to)), group=group)


def losses(reader: Reader, scope: str, from_: dt.datetime | None = None, to: dt.datetime | None = None) -> list[Loss]:
    """The way from planned operation time to good pieces: what each kind of loss took, what remained."""
    found = _look(reader, scope, from_, to)
    return losses_of(found, stops_in(found))


def pieces(
    reader: Reader,
    scope: str,
    from_: dt.datetime | None = None,
    to: dt.datetime | None = None,
    limit: int = 1_000,
) -> list[PieceRow]:
    """What was counted, completed and reported, fact by fact: what the quantities are made of."""
    found = _look(reader, scope, from_, to)
    rows = [
        row
        for member in found.members
        for row in reader.rows(
            Made,
            "station = ? AND time_us >= ? AND time_us < ? AND told <> 'started' ORDER BY time_us, fact LIMIT ?",
            member.station.path, found.start_us, found.end_us, limit,
        )
    ]  # fmt: skip
    rows.sort(key=lambda row: (row.time_us, row.fact))
    return [
        PieceRow(
            row.station, time_at(row.time_us, found.zone), row.told, row.order_no, row.product, row.good, row.rejected,
            row.for_review, row.rework, row.reading if row.reading >= 0 else None, row.by, str(UUID(bytes=row.fact)),
        )
        for row in rows[:limit]
    ]  # fmt: skip


def _look(reader: Reader, scope: str, from_: dt.datetime | None, to: dt.datetime | None) -> Look:
    """A look at a scope; the window ends now and begins at midnight unless told otherwise."""
    end = reader.now if to is None else to
    # At midnight "today so far" is all of yesterday.
    local = end.astimezone(reader.plant(end).zone) - dt.timedelta(microseconds=1)
    start = local.replace(hour=0, minute=0, second=0, microsecond=0) if from_ is None else from_
    return Look(reader, scope, start, end)
