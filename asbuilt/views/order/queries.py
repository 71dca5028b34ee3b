"""Questions about orders. Every query takes `at`; without it the answer is about now."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_most, least, most, one_of, other_than, total
from asbuilt.access.conditions import count as rows_of_each
from asbuilt.domain.orders.rows import Close, Release, UnitOf
from asbuilt.domain.pieces import questions as pieces
from asbuilt.domain.pieces.rows import Made
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.time import HOUR_US, SECOND_US

KINDS = ("setup", "production", "breakdown")
PRODUCTION = ("", "production", "rework")
"""The kinds of reports that bring pieces forth; what is not reported by people has none."""


class Total(Struct, frozen=True):
    """Reports of one kind: how many, their hours (sum of end − start, 3 decimals), and the pieces of them that count."""

    kind: str
    reports: int
    hours: float
    good: int
    rejected: int
    for_review: int


class OrderRow(Struct, frozen=True):
    """An order at a glance.

    `made` is what its last operation gave (or its units completed), `progress` that against the
    ordered quantity; `rejected` and `for_review` add up over all operations. Where several tell the pieces of a station,
    those count that are believed there (`meaning.TELLERS`).
    """

    order: str
    product: str
    state: str
    quantity: int | None
    made: int
    progress: float | None
    rejected: int
    for_review: int
    hours: float
    reports: int
    last_operation: str
    first: dt.datetime | None
    last: dt.datetime | None
    due: dt.datetime | None
    late: bool


class Step(Struct, frozen=True):
    """An operation of an order: hours by kind and pieces, in order of its first report.

    `rework` are pieces sent to rework or made in it, as in the key figures.
    """

    operation: str
    reports: int
    setup_hours: float
    production_hours: float
    breakdown_hours: float
    good: int
    rejected: int
    for_review: int
    rework: int
    first: dt.datetime
    last: dt.datetime


class ReportRow(Struct, frozen=True):
    """One report as it was told; `told` says how: completed, counted or reported."""

    order: str
    operation: str
    kind: str
    start: dt.datetime
    end: dt.datetime
    hours: float
    station: str
    by: str
    good: int
    rejected: int
    for_review: int
    rework: int
    told: str
    fact: UUID


# --------------------------------------------------------------------------- queries


def totals(
    reader: Reader,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
    at: dt.datetime | None = None,
) -> list[Total]:
    """Reports, hours and pieces by kind, of everything or of one order, station or person."""
    found: defaultdict[str, list[_Cell]] = defaultdict(list)
    for cell in _cells(reader, _where(reader, at, order, station, person)):
        found[_kind(cell.kind)].append(cell)
    return [
        Total(
            kind=kind,
            reports=sum(cell.reports for cell in cells),
            hours=_hours(sum(cell.us for cell in cells)),
            good=sum(cell.good for cell in cells),
            rejected=sum(cell.rejected for cell in cells),
            for_review=sum(cell.for_review for cell in cells),
        )
        for kind in KINDS
        if (cells := found.get(kind))
    ]


def list_(reader: Reader, state: str | None = None, limit: int = 500, at: dt.datetime | None = None) -> list[OrderRow]:
    """Orders, the one worked on last first.

    `state` is open, completed, closed short, or reported: worked on, but never released.
    """
    at_us = microseconds(reader.instant(at))
    last = _known(reader, at)
    names = sorted(last, key=lambda name: (-last[name], name))
    rows = (_order(reader, name, at_us) for name in names)
    return list(islice((row for row in rows if state is None or row.state == state), max(limit, 0)))


def count(reader: Reader, at: dt.datetime | None = None) -> int:
    """How many orders have been released or reported."""
    return len(_known(reader, at))


def _known(reader: Reader, at: dt.datetime | None) -> dict[str, int]:
    """Each order with the last moment at which it was released or worked on."""
    reported = reader.totals(Made, _where(reader, at), by=("order_no",), of=(most("time_us"),))
    released = reader.totals(
        Release, {"time_us": at_most(microseconds(reader.instant(at)))}, by=("order_no",), of=(most("time_us"),)
    )
    last: dict[str, int] = dict(reported)
    for name, time_us in released:
        last[name] = max(last.get(name, time_us), time_us)
    return last


def show(reader: Reader, order: str, at: dt.datetime | None = None) -> OrderRow:
    """One order: quantity, progress, hours."""
    at_us = microseconds(reader.instant(at))
    row = _order(reader, order, at_us)
    if row.first is None and row.quantity is None:
        raise UsageError(
            f"nothing is known of an order `{order}`", remedy="`asbuilt query order.list` names the orders."
        )
    return row


def steps(reader: Reader, order: str, at: dt.datetime | None = None) -> list[Step]:
    """The operations of an order, with hours by kind and pieces; what is counted without one goes by its station."""
    zone = reader.plant(at).zone
    found: defaultdict[str, list[_Cell]] = defaultdict(list)
    for cell in _cells(reader, _where(reader, at, order)):
        found[cell.step].append(cell)
    rows = [
        Step(
            operation=name,
            reports=sum(cell.reports for cell in cells),
            setup_hours=_hours_of(cells, "setup"),
            production_hours=_hours_of(cells, "production"),
            breakdown_hours=_hours_of(cells, "breakdown"),
            good=sum(cell.good for cell in cells),
            rejected=sum(cell.rejected for cell in cells),
            for_review=sum(cell.for_review for cell in cells),
            rework=sum(cell.rework + (cell.good if cell.kind == "rework" else 0) for cell in cells),
            first=_time(min(cell.first_us for cell in cells), zone),
            last=_time(max(cell.last_us for cell in cells), zone),
        )
        for name, cells in found.items()
    ]
    return sorted(rows, key=lambda row: (row.first, row.operation))


def reports(
    reader: Reader,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
    limit: int = 1000,
    at: dt.datetime | None = None,
) -> list[ReportRow]:
    """Reports as they were told, the latest first, whether their pieces count or others are believed."""
    zone = reader.plant(at).zone
    where = _where(reader, at, order, station, person)
    rows = reader.rows(Made, where, order="-time_us fact", limit=max(0, min(limit, 100_000)))
    return [
        ReportRow(
            order=row.order_no,
            operation=row.operation or _place(row.station),
            kind=_kind(row.kind),
            start=_time(row.start_us, zone),
            end=_time(row.time_us, zone),
            hours=_hours(row.time_us - row.start_us),
            station=row.station,
            by=row.by,
            good=row.good,
            rejected=row.rejected,
            for_review=row.for_review,
            rework=row.rework + (row.kind == "rework"),
            told=row.told,
            fact=UUID(bytes=row.fact),
        )
        for row in rows
    ]


# --------------------------------------------------------------------------- what was told of orders


class _Cell(NamedTuple):
    """Reports of one kind at one station and operation: how many, their time, their pieces, from when to when."""

    station: str
    told: str
    kind: str
    operation: str
    reports: int
    us: int
    first_us: int
    last_us: int
    good: int
    rejected: int
    for_review: int
    rework: int

    @property
    def step(self) -> str:
        return self.operation or _place(self.station)


def _cells(reader: Reader, where: dict[str, Value | Test]) -> list[_Cell]:
    """What was told, with the pieces of it that are believed."""
    rows = reader.totals(
        Made,
        where,
        by=("station", "told", "kind", "operation"),
        of=(
            rows_of_each(),
            total("time_us", "start_us"),
            least("start_us"),
            most("time_us"),
            *(total(name) for name in pieces.COUNTS),
        ),
    )
    # Sums come in the order of the names' numbers, which tells who came first: what was told last comes last.
    cells = sorted(
        (_Cell(*row) for row in rows),
        key=lambda cell: (cell.last_us, cell.station, cell.told, cell.kind, cell.operation),
    )
    believed: dict[str, dict[tuple[str, str, str], list[int]]] = {}
    for station in {cell.station for cell in cells}:
        if len(pieces.tellers(reader, station)) > 1:
            believed[station] = _believed(reader, station, where)
    return [
        cell
        if cell.station not in believed
        else _Cell(*cell[:8], *believed[cell.station].get((cell.told, cell.kind, cell.operation), (0, 0, 0, 0)))
        for cell in cells
    ]


def _believed(reader: Reader, station: str, where: dict[str, Value | Test]) -> dict[tuple[str, str, str], list[int]]:
    """The pieces that count, by way of telling, kind and operation, of a station of which several tell."""
    rows = reader.rows(Made, {**where, "station": station}, order="time_us fact")
    found: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    if rows:
        who = pieces.believed(reader, station, rows[0].time_us, rows[-1].time_us + 1)
        for row in filter(who.holds, rows):
            sums = found[row.told, row.kind, row.operation]
            for n, name in enumerate((row.good, row.rejected, row.for_review, row.rework)):
                sums[n] += name
    return found


def _kind(kind: str) -> str:
    return "production" if kind in PRODUCTION else kind


def _place(station: str) -> str:
    return station.rpartition("/")[2]


def _hours_of(cells: Sequence[_Cell], kind: str) -> float:
    return _hours(sum(cell.us for cell in cells if _kind(cell.kind) == kind))


# --------------------------------------------------------------------------- one order


def _order(reader: Reader, name: str, at_us: int) -> OrderRow:
    plant = reader.plant(_time(at_us, dt.UTC))
    zone = plant.zone
    until: dict[str, Value | Test] = {"order_no": name, "time_us": at_most(at_us)}
    release = reader.first(Release, until, order="-time_us -fact")
    close = reader.first(Close, until, order="-time_us -fact")
    told: dict[str, Value | Test] = {**until, "told": other_than("started")}
    cells = _cells(reader, told)
    last = reader.first(Made, {**told, "kind": one_of(PRODUCTION)}, order="-time_us -fact")
    step = (last.operation or _place(last.station)) if last is not None else ""
    step = _furthest(plant, cells) or step
    made = _made(reader, until, cells, step)
    quantity = release.quantity if release else None
    due_us = release.due_us if release else 0
    return OrderRow(
        order=name,
        product=release.product if release else "",
        state=_state(release, close),
        quantity=quantity,
        made=made,
        progress=round(made / quantity, 4) if quantity else None,
        rejected=sum(cell.rejected for cell in cells),
        for_review=sum(cell.for_review for cell in cells),
        hours=_hours(sum(cell.us for cell in cells)),
        reports=sum(cell.reports for cell in cells),
        last_operation=step,
        first=_time(min(cell.first_us for cell in cells), zone) if cells else None,
        last=_time(max(cell.last_us for cell in cells), zone) if cells else None,
        due=_time(due_us, zone) if due_us else None,
        late=bool(due_us and at_us > due_us and close is None),
    )


def _furthest(plant: Plant, cells: Sequence[_Cell]) -> str:
    """The step furthest down the one serial line that works on an order; empty where no such line does.

    On a line in flow every station works at once: which one told last says nothing of what is finished.
    """
    steps = {cell.station: cell.step for cell in cells if cell.kind in PRODUCTION}
    for line in plant.lines.values():
        places = [station.path for station in line.station if station.path in steps]
        if line.flow == "serial" and places and len(places) == len(steps):
            return steps[places[-1]]
    return ""


def _made(reader: Reader, until: dict[str, Value | Test], cells: Sequence[_Cell], step: str) -> int:
    """Units completed, where the order has serialised units; else what its last operation gave."""
    completed = reader.values(UnitOf, "unit", {**until, "what": "completed"})
    if completed or reader.exists(UnitOf, {**until, "what": "started"}):
        return len(completed)
    return sum(cell.good for cell in cells if cell.step == step)


def _state(release: Release | None, close: Close | None) -> str:
    if close is None:
        return "open" if release is not None else "reported"
    return "closed short" if close.short else "completed"


def _where(
    reader: Reader,
    at: dt.datetime | None,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
) -> dict[str, Value | Test]:
    asked: dict[str, Value | Test] = {
        "time_us": at_most(microseconds(reader.instant(at))),
        "told": other_than("started"),
        "order_no": other_than("") if order is None else order,
    }
    if station is not None:
        asked["station"] = station
    if person is not None:
        asked["by"] = person
    return asked


def _hours(duration_us: int) -> float:
    return round(duration_us / HOUR_US, 3)


def _time(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)
