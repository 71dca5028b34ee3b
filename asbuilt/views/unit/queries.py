"""Questions about units. Every query takes `at`; without it the answer is about now.

`known_at` asks what was known at a moment: only what had been recorded then counts, corrected as
was known then. A serial needs its `product` only where several products have it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.access.conditions import at_most
from asbuilt.domain.cases import questions as open_questions
from asbuilt.domain.cases.fold import Case
from asbuilt.domain.passages import questions as passages
from asbuilt.domain.passages.rows import Passage, Status
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.unit import build, checklist, find, history
from asbuilt.views.unit.answers import (
    AsBuilt,
    AtStation,
    Balance,
    CaseRow,
    Completeness,
    FactRow,
    Measurement,
    Moment,
    RunRow,
    Standing,
    Step,
    Unit,
)
from asbuilt.views.unit.build import time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import Rows, rows_for

MAX_ROWS = 100_000
STATES = passages.STATES


def list_(
    reader: Reader,
    state: str | None = None,
    product: str | None = None,
    order: str | None = None,
    limit: int = 500,
    at: dt.datetime | None = None,
) -> list[Unit]:
    """Units, the one that changed last first.

    `state` is in work, packed, shipped, fitted, returned or scrapped; `completed` are all that have been
    released, whatever came after (but not scrapped).
    """
    if state is not None and state not in STATES:
        raise UsageError(f"there is no state `{state}`", remedy=f"Ask for one of: {', '.join(STATES)}.")
    zone, limit = reader.plant(at).zone, max(0, min(limit, MAX_ROWS))
    at_us = microseconds(reader.instant(at))
    if at is None:
        found = passages.in_state(reader, at_us, state, order, product, limit)
    else:
        every = _statuses_at(reader, at_us, product, order)
        fitting = [s for s in every if state is None or s.state == state or (state == "completed" and s.completed_us and s.state != "scrapped")]  # fmt: skip
        found = sorted(fitting, key=lambda s: (-s.since_us, s.unit))[:limit]
    return _units(rows_for(reader, None), found, microseconds(reader.instant(at)), zone)


def show(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> Unit:
    """One unit: where it is in its life."""
    unit = find.unit(reader, serial, product)
    rows, zone = rows_for(reader, known_at), reader.plant(at).zone
    at_us = microseconds(reader.instant(at))
    status = rows.statuses([unit], None if at is None else at_us).get(unit)
    if status is not None:
        return _units(rows, [status], at_us, zone)[0]
    return _component(rows, unit, at_us, zone)


def as_built(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> AsBuilt:
    """What a unit is made of at a moment: components at positions, all levels, with the evidence of each link."""
    return build.as_built(reader, find.unit(reader, serial, product), at, known_at)


def as_released(
    reader: Reader, serial: str, product: str | None = None, known_at: dt.datetime | None = None
) -> AsBuilt:
    """What a unit was made of when it was released last: its birth certificate."""
    unit = find.unit(reader, serial, product)
    status = rows_for(reader, known_at).statuses([unit], None).get(unit)
    if status is None or not status.completed_us:
        raise UsageError(
            f"{name_of(unit)} has not been released", remedy="`unit.as_built` says what it is made of now."
        )
    return build.as_built(reader, unit, time_at(status.completed_us, dt.UTC), known_at)


def completeness(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> Completeness:
    """A unit against routing, parts list and limits: what is missing, doubled, unexpected, out of limits, held."""
    return checklist.completeness(reader, find.unit(reader, serial, product), at, known_at)


def steps(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[Step]:
    """A unit's passes through operations: station, person, program revision, touch and wait time, result."""
    unit = find.unit(reader, serial, product)
    return list(history.steps(reader.plant(at), product_of(unit), _passages(reader, unit, at, known_at)))


def moments(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[Moment]:
    """The milestones of a unit's life: begun, released, packed, shipped, fitted, returned, scrapped."""
    unit = find.unit(reader, serial, product)
    return list(history.moments(reader.plant(at).zone, _passages(reader, unit, at, known_at)))


def measurements(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[Measurement]:
    """Every measurement of a unit against the limits in force at its time."""
    unit = find.unit(reader, serial, product)
    at_us = microseconds(reader.instant(at))
    values = [row for row in rows_for(reader, known_at).values(unit) if row.time_us <= at_us]
    return list(history.measurements(reader.plant(at), product_of(unit), values))


def runs(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[RunRow]:
    """A unit's test runs: verdict, channels, digest of the curve."""
    unit = find.unit(reader, serial, product)
    at_us = microseconds(reader.instant(at))
    found = [row for row in rows_for(reader, known_at).runs(unit) if row.time_us <= at_us]
    return list(history.runs(reader.plant(at).zone, found))


def cases(
    reader: Reader,
    serial: str | None = None,
    product: str | None = None,
    nonconformance: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[CaseRow]:
    """Nonconformances and what was decided: of a unit, of one name, or the last 500 raised."""
    rows, at_us = rows_for(reader, known_at), microseconds(reader.instant(at))
    names = [nonconformance] if nonconformance else []
    items = [find.unit(reader, serial, product)] if serial else []
    if not names and not items:
        raised = reader.rows(Case, {"step": 0, "time_us": at_most(at_us)}, order="-time_us", limit=500)
        names = [case.nonconformance for case in raised]
    told = [case for case in rows.cases(names, items) if case.time_us <= at_us]
    return history.cases(reader.plant(at).zone, told)


def holds(
    reader: Reader, serial: str | None = None, product: str | None = None, at: dt.datetime | None = None
) -> list[Standing]:
    """Holds that stand: all, or those that keep one unit from leaving."""
    zone, at_us = reader.plant(at).zone, microseconds(reader.instant(at))
    rows = rows_for(reader, None)
    if serial is not None:
        unit = find.unit(reader, serial, product)
        return build.holds_of(rows, unit, build.Tree(rows, unit, at_us).every, at_us, zone)
    return [
        Standing(hold.hold, hold.item, time_at(hold.from_us, zone), hold.reason, hold.by)
        for hold in open_questions.holds_standing(reader, at_us)
    ]


def balance(
    reader: Reader, order: str | None = None, serial: str | None = None, product: str | None = None,
    at: dt.datetime | None = None,
) -> list[Balance]:  # fmt: skip
    """Passes through each operation, of a unit, an order or the 1,000 units that changed last.

    good + scrap + rework + open = started, always.
    """
    rows, at_us = rows_for(reader, None), microseconds(reader.instant(at))
    if serial is not None:
        units = [find.unit(reader, serial, product)]
    elif order is not None:
        units = passages.of_order(reader, order)
    else:
        units = [s.unit for s in passages.in_state(reader, at_us, None, None, None, 1000)]
    counts: dict[str, Counter[str]] = {}
    for unit in units:
        for one in history.passes([row for row in rows.passages(unit) if row.time_us <= at_us]):
            if order is None or order in (one.told.order_no, one.start.order_no if one.start else ""):
                counts.setdefault(one.told.operation, Counter())[one.result] += 1
    return [
        Balance(name, c.total(), c["good"], c["scrap"], c["rework"], c["open"]) for name, c in sorted(counts.items())
    ]


def at_station(reader: Reader, station: str, at: dt.datetime | None = None) -> list[AtStation]:
    """Units in work that were at a station (a path) last, the one that came first first."""
    rows, zone, at_us = rows_for(reader, None), reader.plant(at).zone, microseconds(reader.instant(at))
    found = []
    for status in passages.at_station(reader, station):
        told = history.passes([row for row in rows.passages(status.unit) if row.time_us <= at_us])
        mine = [one for one in told if one.told.station == station]
        if mine:
            last = mine[-1]
            found.append(
                AtStation(
                    product_of(status.unit), status.serial, status.order_no, last.told.operation,
                    time_at(last.from_us if last.end is None else last.end.time_us, zone), last.end is None, last.result,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: (one.since, one.serial))


def facts(reader: Reader, serial: str, product: str | None = None, limit: int = 10_000) -> list[FactRow]:
    """The recorded facts about a unit, as they were said, in order of recording; corrections among them."""
    unit = find.unit(reader, serial, product)
    return [
        FactRow(
            recorded.position, fact.id, events.type_name(fact), fact.event_time,
            time_at(recorded.record_time_us, dt.UTC), fact.source, fact.by, recorded.body.decode(),
        )
        for recorded, fact in reader.facts(unit, 0, max(0, min(limit, MAX_ROWS)))
    ]  # fmt: skip


# --------------------------------------------------------------------------- helpers


def _passages(reader: Reader, unit: str, at: dt.datetime | None, known_at: dt.datetime | None) -> list[Passage]:
    at_us = microseconds(reader.instant(at))
    return [row for row in rows_for(reader, known_at).passages(unit) if row.time_us <= at_us]


def _statuses_at(reader: Reader, at_us: int, product: str | None, order: str | None) -> list[Status]:
    units = passages.begun(reader, at_us, product)
    found = rows_for(reader, None).statuses(units, at_us).values()
    return [status for status in found if order is None or status.order_no == order]


def _units(rows: Rows, found: Sequence[Status], at_us: int, zone: dt.tzinfo) -> list[Unit]:
    products = {f"product:{product_of(status.unit)}" for status in found}
    held = {step.item for step in rows.holds([*(s.unit for s in found), *products], at_us)}
    return [
        Unit(
            product=product_of(s.unit), serial=s.serial, state=s.state, since=time_at(s.since_us, zone), place=s.place,
            consignee=s.consignee, order=s.order_no, revision=s.revision, started=time_at(s.started_us, zone),
            completed=time_at(s.completed_us, zone) if s.completed_us else None,
            held=s.unit in held or f"product:{product_of(s.unit)}" in held,
        )
        for s in found
    ]  # fmt: skip


def _component(rows: Rows, unit: str, at_us: int, zone: dt.tzinfo) -> Unit:
    """What is known of a serial only as a component: where it sits, or sat last."""
    sat = sorted(
        (link for link in rows.links_of("part", [unit]) if link.from_us <= at_us), key=lambda link: link.from_us
    )
    last = sat[-1] if sat else None
    sits = last is not None and at_us < last.until_us
    held = bool(rows.holds([unit, f"product:{product_of(unit)}"], at_us))
    return Unit(
        product=product_of(unit), serial=name_of(unit), state="" if last is None else "installed" if sits else "removed",
        since=time_at(last.from_us if sits else last.until_us, zone) if last else None, place=last.unit if last else "",
        consignee="", order="", revision="", started=None, completed=None, held=held,
    )  # fmt: skip
