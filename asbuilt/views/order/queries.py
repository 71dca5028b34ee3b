"""Questions about orders. Every query takes `at`; without it the answer is about now."""

from __future__ import annotations

import datetime as dt
from itertools import islice

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.order.fold import Close, Release, Report

SECOND_US = 1_000_000
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


class OrderRow(Struct, frozen=True):
    """An order at a glance.

    `made` is what its last operation gave (or its units completed), `progress` that against the
    ordered quantity; `rejected` and `for_review` add up over all operations.
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
    """An operation of an order: hours by kind and pieces, in order of its first report."""

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
    """One report as it was told."""

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
    fact: str


# --------------------------------------------------------------------------- queries


def totals(
    reader: Reader,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
    at: dt.datetime | None = None,
) -> list[Total]:
    """Reports, hours and pieces by kind, of everything or of one order, station or person."""
    where, bindings = _where(reader, at, order, station, person)
    rows = reader.select(
        "SELECT kind, count(*), sum(time_us - start_us), sum(good), sum(rejected), sum(for_review)"
        f" FROM order_report WHERE {where} GROUP BY kind",
        *bindings,
    )
    found = {kind: Total(kind, n, _hours(us), good, bad, review) for kind, n, us, good, bad, review in rows}
    return [found[kind] for kind in KINDS if kind in found]


def list_(reader: Reader, state: str | None = None, limit: int = 500, at: dt.datetime | None = None) -> list[OrderRow]:
    """Orders, the one worked on last first.

    `state` is open, completed, closed short, or reported: worked on, but never released.
    """
    at_us = microseconds(reader.instant(at))
    names = reader.select(
        "SELECT order_no, max(t) FROM (SELECT order_no, max(time_us) AS t FROM order_report WHERE time_us <= ?1"
        " GROUP BY order_no UNION ALL SELECT order_no, time_us FROM order_release WHERE time_us <= ?1)"
        " GROUP BY order_no ORDER BY 2 DESC, 1",
        at_us,
    )
    rows = (_order(reader, name, at_us) for name, _ in names)
    return list(islice((row for row in rows if state is None or row.state == state), max(limit, 0)))


def count(reader: Reader, at: dt.datetime | None = None) -> int:
    """How many orders have been released or reported."""
    at_us = microseconds(reader.instant(at))
    ((orders,),) = reader.select(
        "SELECT count(*) FROM (SELECT order_no FROM order_report WHERE time_us <= ?1"
        " UNION SELECT order_no FROM order_release WHERE time_us <= ?1)",
        at_us,
    )
    return int(orders)


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
    """The operations of an order, with hours by kind and pieces."""
    zone = reader.plant(at).zone
    rows = reader.select(
        "SELECT operation, count(*),"
        " sum((kind = 'setup') * (time_us - start_us)), sum((kind = 'production') * (time_us - start_us)),"
        " sum((kind = 'breakdown') * (time_us - start_us)),"
        " sum(good * (kind = 'production')), sum(rejected), sum(for_review), sum(rework), min(start_us), max(time_us)"
        " FROM order_report WHERE order_no = ? AND time_us <= ? GROUP BY operation ORDER BY min(start_us), operation",
        order,
        microseconds(reader.instant(at)),
    )
    return [
        Step(
            name, n, _hours(setup), _hours(made), _hours(down), good, bad, review, again, _time(a, zone), _time(b, zone)
        )
        for name, n, setup, made, down, good, bad, review, again, a, b in rows
    ]


def reports(
    reader: Reader,
    order: str | None = None,
    station: str | None = None,
    person: str | None = None,
    limit: int = 1000,
    at: dt.datetime | None = None,
) -> list[ReportRow]:
    """Reports as they were told, the latest first."""
    zone = reader.plant(at).zone
    where, bindings = _where(reader, at, order, station, person)
    rows = reader.rows(Report, f"{where} ORDER BY time_us DESC, fact LIMIT ?", *bindings, max(0, min(limit, 100_000)))
    return [
        ReportRow(
            r.order_no, r.operation, r.kind, _time(r.start_us, zone), _time(r.time_us, zone), _hours(r.time_us - r.start_us),
            r.station, r.by, r.good, r.rejected, r.for_review, r.rework, r.fact.hex(),
        )
        for r in rows
    ]  # fmt: skip


# --------------------------------------------------------------------------- one order


def _order(reader: Reader, name: str, at_us: int) -> OrderRow:
    zone = reader.plant().zone
    release = reader.first(Release, "order_no = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC", name, at_us)
    close = reader.first(Close, "order_no = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC", name, at_us)
    ((reports, spent_us, bad, review, first_us, last_us),) = reader.select(
        "SELECT count(*), coalesce(sum(time_us - start_us), 0), coalesce(sum(rejected), 0),"
        " coalesce(sum(for_review), 0), min(start_us), max(time_us)"
        " FROM order_report WHERE order_no = ? AND time_us <= ?",
        name, at_us,
    )  # fmt: skip
    last = reader.first(
        Report,
        "order_no = ? AND time_us <= ? AND kind = 'production' ORDER BY time_us DESC, fact DESC",
        name, at_us,
    )  # fmt: skip
    made = _made(reader, name, last, at_us)
    quantity = release.quantity if release else None
    due_us = release.due_us if release else 0
    return OrderRow(
        order=name,
        product=release.product if release else "",
        state=_state(release, close),
        quantity=quantity,
        made=made,
        progress=round(made / quantity, 4) if quantity else None,
        rejected=bad,
        for_review=review,
        hours=_hours(spent_us),
        reports=reports,
        last_operation=last.operation if last else "",
        first=_time(first_us, zone) if first_us is not None else None,
        last=_time(last_us, zone) if last_us is not None else None,
        due=_time(due_us, zone) if due_us else None,
        late=bool(due_us and at_us > due_us and close is None),
    )


def _made(reader: Reader, name: str, last: Report | None, at_us: int) -> int:
    """Units completed, where the order has serialised units; else what its last operation gave."""
    ((started, completed),) = reader.select(
        "SELECT count(DISTINCT CASE WHEN what = 'started' THEN product || '/' || serial END),"
        " count(DISTINCT CASE WHEN what = 'completed' THEN product || '/' || serial END)"
        " FROM order_unit_of WHERE order_no = ? AND time_us <= ?",
        name, at_us,
    )  # fmt: skip
    if started or completed or last is None:
        return int(completed)
    ((good,),) = reader.select(
        "SELECT sum(good) FROM order_report"
        " WHERE order_no = ? AND operation = ? AND kind = 'production' AND time_us <= ?",
        name, last.operation, at_us,
    )  # fmt: skip
    return int(good or 0)


def _state(release: Release | None, close: Close | None) -> str:
    if close is None:
        return "open" if release is not None else "reported"
    return "closed short" if close.short else "completed"


def _where(
    reader: Reader, at: dt.datetime | None, order: str | None, station: str | None, person: str | None
) -> tuple[str, tuple[object, ...]]:
    conditions: list[tuple[str, object]] = [("time_us <= ?", microseconds(reader.instant(at)))]
    for column, value in (("order_no", order), ("station", station), ("by", person)):
        if value is not None:
            conditions.append((f"{column} = ?", value))
    return " AND ".join(sql for sql, _ in conditions), tuple(value for _, value in conditions)


def _hours(duration_us: int) -> float:
    return round(duration_us / HOUR_US, 3)


def _time(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)
