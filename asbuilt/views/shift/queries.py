"""Questions about shifts: key figures, tiles, stops. Windows are half-open; times are the plant's."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Line
from asbuilt.plant.calendar import ShiftWindow
from asbuilt.views.shift.anomalies import made_in
from asbuilt.views.shift.calendar import DAY_US, By, Calendar, time_at
from asbuilt.views.shift.clocks import ClockJump
from asbuilt.views.shift.figures import Kpi
from asbuilt.views.shift.report import HourRow, Report, Signature, find_shift, signatures_of
from asbuilt.views.shift.report import report as report_of
from asbuilt.views.shift.stops import Cause, Loss, Stop, TileRow, tile_rows
from asbuilt.views.shift.stops import losses as losses_of
from asbuilt.views.shift.stops import pareto as causes
from asbuilt.views.shift.stops import stops as stops_in
from asbuilt.views.shift.window import BYS, Look

__all__ = ["HourRow", "Kpi", "Loss", "Report", "Stop"]


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
    fact: UUID


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
    rows = [row for member in found.members for row in made_in(found.station(member))]
    rows.sort(key=lambda row: (row.time_us, row.fact))
    return [
        PieceRow(
            row.station, time_at(row.time_us, found.zone), row.told, row.order_no, row.product, row.good, row.rejected,
            row.for_review, row.rework, row.reading if row.reading >= 0 else None, row.by, UUID(bytes=row.fact),
        )
        for row in rows[:limit]
    ]  # fmt: skip


def report(
    reader: Reader, line: str, day: dt.date | None = None, shift: str | None = None, at: dt.datetime | None = None
) -> Report:
    """The handover report of a shift: hour by hour, losses, stops, what is open, who signed; the latest one if none is named."""
    found = _line(reader, line, at)
    if day is None or shift is None:
        last_day, last = latest(reader, found.path, at)
        if not last:
            raise UsageError(f"{found.name} has had no shift yet", remedy="Give the line `shifts` in the plant file.")
        day, shift = day or dt.date.fromisoformat(last_day), shift or last
    return report_of(reader, found, find_shift(reader, found, day, shift), at)


def latest(reader: Reader, line: str, at: dt.datetime | None = None) -> tuple[str, str]:
    """Day and name of the shift at work, or of the last one that began within a month; empty if there is none."""
    found = _line(reader, line, at)
    end = microseconds(reader.instant(at)) + 1
    shifts = Calendar(reader.plants(), found.path, end - 31 * DAY_US, end).shifts
    return (shifts[-1][0].day.isoformat(), shifts[-1][0].id) if shifts else ("", "")


def find(reader: Reader, line: str, day: dt.date, shift: str) -> ShiftWindow:
    """When a shift of a line works, breaks included."""
    return find_shift(reader, _line(reader, line, None), day, shift)


def signatures(reader: Reader, line: str, day: dt.date, shift: str, at: dt.datetime | None = None) -> list[Signature]:
    """Who handed a shift over, and when."""
    found = _line(reader, line, at)
    return signatures_of(reader, found, find_shift(reader, found, day, shift), reader.instant(at))


def signed(reader: Reader, line: str, at: dt.datetime) -> bool:
    """Whether the shift that worked at an instant has been handed over."""
    found = _line(reader, line, None)
    us = microseconds(at)
    shifts = Calendar(reader.plants(), found.path, us, us + 1).shifts
    return any(signatures_of(reader, found, window, reader.now) for window, _, _, _ in shifts)


def clock_jumps(
    reader: Reader, scope: str, from_: dt.datetime | None = None, to: dt.datetime | None = None
) -> list[ClockJump]:
    """Clock changes with which reported work moved: a sign that its times were told in a wrong zone."""
    return _look(reader, scope, from_, to).clock_jumps()


def matrix(
    reader: Reader, scope: str, from_: dt.datetime | None = None, to: dt.datetime | None = None, by: str = "shift"
) -> list[Kpi]:
    """Key figures of every station of a scope for every part of the window, in order of time, then of flow.

    `by=` without a value gives one row a station for the whole window.
    """
    chosen: By = next((known for known in BYS if known == by), "order")
    if chosen == "order" or chosen == "product":
        raise UsageError(f"by={by} is no part of a window", remedy="Give one of: hour, shift, day, week.")
    found = _look(reader, scope, from_, to)
    return [
        found.figures_of(part, member, chosen)
        for part in found.parts(chosen)
        for member in found.members
        if (part.key or chosen == "") and member.station.path in part.by_station
    ]


def _line(reader: Reader, name: str, at: dt.datetime | None) -> Line:
    plant = reader.plant(at)
    found = plant.line(name)
    if found is None:
        known = ", ".join(plant.address(line) for line in plant.lines.values()) or "none yet"
        raise UsageError(f"there is no line `{name}`", remedy=f"The plant has: {known}.")
    return found


def _look(reader: Reader, scope: str, from_: dt.datetime | None, to: dt.datetime | None) -> Look:
    """A look at a scope; the window ends now and begins at midnight unless told otherwise."""
    end = reader.now if to is None else to
    # At midnight "today so far" is all of yesterday.
    local = end.astimezone(reader.plant(end).zone) - dt.timedelta(microseconds=1)
    start = local.replace(hour=0, minute=0, second=0, microsecond=0) if from_ is None else from_
    return Look(reader, scope, start, end)
