"""What no simulated plant may break: the laws of physics, bookkeeping and working hours."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from asbuilt import events
from asbuilt.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmPlacedInService,
    AlarmRaised,
    AlarmRemovedFromService,
    ComponentInstalled,
    ComponentRemoved,
    Counted,
    Event,
    LotMerged,
    LotOpened,
    LotReceived,
    LotSplit,
    Measured,
    NonconformanceRaised,
    OperationCompleted,
    OperationStarted,
    OrderClosed,
    OrderReleased,
    Packed,
    RunRecorded,
    StateChanged,
    StopExplained,
    UnitCompleted,
    UnitFitted,
    UnitReturned,
    UnitScrapped,
    UnitShipped,
    UnitStarted,
)
from asbuilt.plant import Plant
from asbuilt.plant.calendar import shifts_of
from asbuilt.simulate import SimulatedPlant
from asbuilt.simulate import miniature as tiny
from asbuilt.simulate.delivery import COMPLAINTS, After
from asbuilt.simulate.line import Unit
from tests.simulate.conftest import Days

WORK = (
    UnitStarted, OperationStarted, OperationCompleted, ComponentInstalled, ComponentRemoved, RunRecorded, Counted,
    UnitCompleted, UnitScrapped, Packed,
)  # fmt: skip


def of(facts: list[Event], *kinds: type[Event]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kinds)]


def working(days: Days, instant: dt.datetime) -> bool:
    """Whether the line works at an instant, by the plant file."""
    line = days.plant.line("1")
    assert line is not None
    day = instant.astimezone(days.plant.zone).date()
    windows = [w for w in shifts_of(days.plant, line, day - dt.timedelta(days=1), day) if w.start <= instant < w.end]
    return any(window.pause_at(instant) is None for window in windows)


# --------------------------------------------------------------------------- facts as such


def test_facts_are_told_in_order_and_no_two_at_the_same_time(days: Days) -> None:
    assert all(a.event_time < b.event_time for a, b in pairwise(days.facts))
    assert len({fact.id for fact in days.facts}) == len(days.facts)
    assert days.start <= days.facts[0].event_time
    assert days.facts[-1].event_time < days.end


def test_every_fact_is_read_back_from_its_bytes(days: Days) -> None:
    for fact in days.facts:
        assert events.decode(events.encode(fact)) == fact


def test_facts_speak_only_of_what_the_plant_file_has(days: Days) -> None:
    plant = days.plant
    product = plant.products["BX172"]
    operations = {operation.id: operation for operation in product.operation}
    known = {
        c.id: c for c in (*product.characteristic, *(c for s in plant.stations.values() for c in s.characteristic))
    }
    for fact in days.facts:
        assert fact.source in plant.adapters
        assert getattr(fact, "station", None) in {*plant.stations, None}
        if isinstance(fact, StateChanged | StopExplained | NonconformanceRaised | OperationCompleted):
            assert fact.reason in {*plant.reasons, None}
        if isinstance(fact, Measured):
            spec = known[fact.characteristic]
            assert (fact.uom, fact.nominal, fact.lower, fact.upper) == (spec.uom, spec.nominal, spec.lower, spec.upper)
        operation = operations.get(getattr(fact, "operation", None) or "")
        if operation is not None:
            assert plant.stations[getattr(fact, "station", "")].id == operation.station


def test_the_stations_gateway_says_what_happens_there(days: Days) -> None:
    for fact in of(days.facts, StateChanged, OperationStarted, Measured):
        assert fact.source == days.plant.stations[fact.station].source


# --------------------------------------------------------------------------- working hours


def test_nothing_is_produced_in_breaks_and_outside_shifts(days: Days) -> None:
    for fact in of(days.facts, *WORK):
        assert working(days, fact.event_time), fact


def test_every_station_rests_in_breaks_and_outside_shifts(days: Days) -> None:
    shown: dict[str, str] = {}
    changes = iter(of(days.facts, StateChanged))
    change = next(changes)
    instant = days.start + dt.timedelta(minutes=1)
    while instant < days.end:
        while change is not None and change.event_time <= instant:
            shown[change.station] = change.state
            change = next(changes, None)
        assert len(shown) == 8
        if not working(days, instant):
            assert set(shown.values()) == {"Idle"}, instant
        instant += dt.timedelta(minutes=1)


# --------------------------------------------------------------------------- units


@pytest.fixture(scope="module", params=["boxer", "tiny line"])
def life(request: pytest.FixtureRequest, days: Days) -> tuple[Plant, list[Event], SimulatedPlant]:
    """The boxer plant, and an hour of a small plant nothing is known about."""
    if request.param == "boxer":
        return days.plant, days.facts, days.simulated
    simulated = SimulatedPlant(tiny.tiny_plant(), 3, tiny.START)
    return simulated.plant, simulated.until(tiny.START + dt.timedelta(hours=1)), simulated


def test_buffers_never_hold_more_than_they_can_and_places_one_unit_each(
    life: tuple[Plant, list[Event], SimulatedPlant],
) -> None:
    plant, facts, simulated = life
    stations = list(plant.stations.values())
    index = {station.path: number for number, station in enumerate(stations)}
    waiting, inside = [0] * len(stations), [0] * len(stations)
    again: set[tuple[str, str]] = set()
    for fact in of(facts, OperationStarted, OperationCompleted):
        at = index[fact.station]
        if isinstance(fact, OperationStarted):
            if at and (fact.station, fact.serial) not in again:
                waiting[at - 1] -= 1
            again.discard((fact.station, fact.serial))
            inside[at] += 1
        else:
            inside[at] -= 1
            if fact.rework:
                again.add((fact.station, fact.serial))
            elif fact.good and at + 1 < len(stations):
                waiting[at] += 1
        assert 0 <= inside[at] <= stations[at].places
        assert all(0 <= count <= (s.buffer or 0) for count, s in zip(waiting[:-1], stations[:-1], strict=True))
    assert tuple(waiting[:-1]) == simulated.waiting


def test_operations_of_a_unit_come_in_order_and_end_once(life: tuple[Plant, list[Event], SimulatedPlant]) -> None:
    plant, facts, simulated = life
    order = [station.path for station in plant.stations.values()]
    passages: defaultdict[str, list[Any]] = defaultdict(list)
    for fact in of(facts, UnitStarted, OperationStarted, OperationCompleted, UnitScrapped, UnitCompleted, Packed):
        passages[fact.serial].append(fact)
    for steps in passages.values():
        assert isinstance(steps[0], UnitStarted)
        at, open_, ended = 0, False, False
        for step in steps[1:]:
            assert not ended
            if isinstance(step, OperationStarted):
                assert not open_
                assert step.station == order[at]
                open_ = True
            elif isinstance(step, OperationCompleted):
                assert open_
                assert step.station == order[at]
                assert step.good + step.scrap + step.rework == 1
                open_, at = False, at + step.good
            elif isinstance(step, UnitCompleted):
                assert at == len(order)
            else:
                ended = True
    in_work = sum(1 for steps in passages.values() if not isinstance(steps[-1], UnitScrapped | Packed))
    assert in_work == simulated.on_line


def test_good_scrap_and_rework_add_up(days: Days) -> None:
    completed = of(days.facts, OperationCompleted)
    scrapped = of(days.facts, UnitScrapped)
    assert sum(fact.scrap for fact in completed) == len(scrapped)
    assert len({fact.serial for fact in scrapped}) == len(scrapped)
    for path in {fact.station for fact in of(days.facts, Counted)}:
        counted = [fact for fact in of(days.facts, Counted) if fact.station == path]
        here = [fact for fact in completed if fact.station == path]
        assert sum(fact.good for fact in counted) == sum(fact.good for fact in here)
        assert sum(fact.rejected for fact in counted) == sum(fact.scrap for fact in here)
        assert [fact.reading for fact in counted] == list(range(1, len(counted) + 1))
    last = list(days.plant.stations)[-1]
    assert len(of(days.facts, Packed)) == sum(fact.good for fact in completed if fact.station == last)


def test_a_value_outside_its_limits_never_passes(days: Days) -> None:
    bad: set[tuple[str, str]] = set()
    for fact in of(days.facts, Measured, OperationCompleted):
        key = (fact.serial, fact.station)
        if isinstance(fact, OperationCompleted):
            assert not (fact.good and key in bad), fact
            bad.discard(key)
        elif fact.serial is not None:
            value = Decimal(fact.value)
            low, high = fact.lower, fact.upper
            if (low is not None and value < Decimal(low)) or (high is not None and value > Decimal(high)):
                bad.add(key)


def test_every_packed_engine_has_passed_its_run(days: Days) -> None:
    verdicts: dict[str, str] = {}
    for fact in of(days.facts, RunRecorded, Packed):
        if isinstance(fact, RunRecorded):
            assert fact.event_time - fact.start_time > dt.timedelta(minutes=0)
            verdicts[fact.serial] = fact.verdict
        else:
            assert verdicts[fact.serial] == "pass"


def test_what_leaves_leaves_in_the_container_it_was_packed_into(days: Days) -> None:
    packed = {fact.serial: fact.container for fact in of(days.facts, Packed)}
    shipped = of(days.facts, UnitShipped)
    assert shipped
    assert all(packed[fact.serial] == fact.container for fact in shipped)


# --------------------------------------------------------------------------- parts


def test_serials_are_unique_and_a_part_sits_in_one_unit_at_a_time(days: Days) -> None:
    born = [fact.serial for fact in of(days.facts, UnitStarted)]
    assert len(set(born)) == len(born)
    inside: dict[tuple[str, str], str] = {}
    filled: dict[tuple[str, str], ComponentInstalled] = {}
    for fact in of(days.facts, ComponentInstalled, ComponentRemoved):
        part, place = (fact.component_product, fact.component_serial), (fact.serial, fact.position)
        if isinstance(fact, ComponentInstalled):
            assert place not in filled
            filled[place] = fact
            if fact.component_serial is not None:
                assert part not in inside
                inside[part] = fact.serial
        else:
            was = filled.pop(place)
            assert (was.component_product, was.component_serial, was.component_lot) == (*part, fact.component_lot)
            if fact.component_serial is not None:
                del inside[part]


def test_every_engine_gets_every_part(days: Days) -> None:
    product = days.plant.products["BX172"]
    wanted = {part.product: Decimal(part.quantity) for part in product.part}
    fitted: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for fact in of(days.facts, ComponentInstalled, ComponentRemoved):
        sign = 1 if isinstance(fact, ComponentInstalled) else -1
        fitted[fact.serial][fact.component_product] += sign * Decimal(fact.quantity)
    for fact in of(days.facts, Packed):
        assert fitted[fact.serial] == wanted


def test_lots_are_received_then_opened_then_used_and_never_overdrawn(days: Days) -> None:
    received: dict[str, Decimal] = {}
    opened: set[tuple[str, str | None]] = set()
    used: Counter[str] = Counter()
    for fact in of(days.facts, LotReceived, LotSplit, LotMerged, LotOpened, ComponentInstalled):
        if isinstance(fact, LotReceived):
            assert fact.lot not in received
            received[fact.lot] = Decimal(fact.quantity)
        elif isinstance(fact, LotSplit):
            assert sum(Decimal(part.quantity) for part in fact.into) == received[fact.lot]
            received[fact.lot] = Decimal(0)
            received.update((part.lot, Decimal(part.quantity)) for part in fact.into)
        elif isinstance(fact, LotMerged):
            for part in fact.merged:
                assert used[part.lot] + Decimal(part.quantity) == received[part.lot]
            received[fact.lot] = sum((Decimal(part.quantity) for part in fact.merged), Decimal(0))
        elif isinstance(fact, LotOpened):
            assert fact.lot in received
            opened.add((fact.lot, fact.container))
        else:
            assert fact.component_lot is not None
            assert (fact.component_lot, fact.container) in opened
            used[fact.component_lot] += Decimal(fact.quantity)  # type: ignore[assignment]
            assert used[fact.component_lot] <= received[fact.component_lot]
    assert len(opened) > 60


# --------------------------------------------------------------------------- orders, alarms


def test_orders_are_closed_when_all_their_units_are_packed(boxer: Plant) -> None:
    start = dt.datetime(2026, 6, 1, 5, 30, tzinfo=boxer.zone)
    facts = SimulatedPlant(boxer, 5, start, order_quantity=20).until(start + dt.timedelta(hours=14))
    released = {fact.order: fact.quantity for fact in of(facts, OrderReleased)}
    closed = of(facts, OrderClosed)
    assert len(closed) >= 3
    of_order = {fact.serial: fact.order for fact in of(facts, UnitStarted)}
    for end in closed:
        packed = [f for f in of(facts, Packed) if of_order[f.serial] == end.order and f.event_time < end.event_time]
        assert len(packed) == end.good == released[end.order]


def test_alarms_are_raised_once_seen_by_somebody_and_cleared(days: Days) -> None:
    standing: dict[tuple[str, str], bool] = {}
    seen = 0
    for fact in of(days.facts, AlarmRaised, AlarmAcknowledged, AlarmCleared):
        key = (fact.alarm, fact.station)
        if isinstance(fact, AlarmRaised):
            assert key not in standing
            assert fact.response
            standing[key] = True
        elif isinstance(fact, AlarmAcknowledged):
            assert standing[key]
            assert fact.by
            seen += 1
        else:
            del standing[key]
    assert seen


def test_alarms_out_of_service_come_back(days: Days) -> None:
    out = of(days.facts, AlarmRemovedFromService)
    back = of(days.facts, AlarmPlacedInService)
    assert out and len(out) - len(back) in (0, 1)
    assert all(fact.by and fact.reason for fact in out)


# --------------------------------------------------------------------------- what becomes of them


def test_lots_are_split_and_merged(days: Days) -> None:
    assert of(days.facts, LotSplit)
    assert all(len(fact.merged) == 2 for fact in of(days.facts, LotMerged))


@pytest.mark.slow
def test_some_engines_come_back_get_another_part_and_leave_again(boxer: Plant) -> None:

    start = dt.datetime(2026, 6, 1, 5, 30, tzinfo=boxer.zone)
    plant = SimulatedPlant(boxer, 5, start)
    plant.until(start + dt.timedelta(hours=10))
    after, facts = After(plant._floor), []
    units = [Unit(f"{n:05d}", "2416") for n in range(90_000, 90_150)]
    for unit in units:
        for _, part in COMPLAINTS:
            bin = plant._floor.stock.bin(part)
            assert bin is not None
            unit.fitted[next(iter(bin.part.positions))] = bin.take(Decimal(1))
        after.shipped(unit, "Voltera Generators", "generator sets")
    facts = plant.until(start + dt.timedelta(days=40))
    ours = {unit.serial for unit in units}
    assert {fact.serial for fact in of(facts, UnitFitted)} >= ours
    back = [fact.serial for fact in of(facts, UnitReturned) if fact.serial in ours]
    assert back
    for serial in back:
        removed = [fact for fact in of(facts, ComponentRemoved) if fact.serial == serial]
        again = [fact for fact in of(facts, ComponentInstalled) if fact.serial == serial]
        assert len(removed) == len(again) <= 1
        if removed:
            assert removed[0].position == again[0].position
