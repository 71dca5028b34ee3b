"""The real shop's log by shifts: hours by kind, setup, allocation and process ratios, idle Saturdays, four renderings."""

from __future__ import annotations

import datetime as dt
import statistics
from uuid import UUID

import pytest

from asbuilt import events
from asbuilt import plant as plant_
from asbuilt.app import AsBuilt
from tests.conftest import NOW
from tests.test_machine_shop import PLANT, import_file

pytestmark = pytest.mark.oracle
ZONE = plant_.load(PLANT).zone
FROM = dt.datetime(2012, 1, 1, tzinfo=ZONE)
TO = dt.datetime(2012, 4, 2, tzinfo=ZONE)


@pytest.fixture(scope="module")
def shop(oracles):
    with AsBuilt(memory=True, plant=plant_.load(PLANT), now=lambda: NOW, strict=True) as app:
        import_file(app, oracles / "shop-log" / "Production_disco_export.csv")
        app.pipeline.settle()
        yield app


def ask(shop, **more):
    return shop.query("shift.kpi", **{"scope": "shop", "from": FROM, "to": TO, **more})


def test_hours_by_kind_and_setup_ratio(shop):
    found = ask(shop)
    assert round(found.reported_setup_s / 3600, 3) == 2_432.933
    assert round(found.reported_production_s / 3600, 3) == 11_098.617
    assert round(found.reported_breakdown_s / 3600, 3) == 175.617
    assert found.setup_ratio == pytest.approx(0.1798, abs=5e-5)
    assert (found.gq, found.sq, found.review) == (91_174, 593, 105)
    assert found.gq / (found.gq + found.sq) == pytest.approx(0.9936, abs=1e-4)


def test_people_on_several_jobs_are_no_error_and_never_more_than_all_the_time(shop):
    for kpi in [ask(shop), *ask(shop, by="week")]:
        assert 0 <= kpi.availability <= 1
        assert kpi.apt_s + kpi.aust_s + kpi.adet_s + kpi.adot_s == pytest.approx(kpi.pbt_s)
    assert any(
        "side by side" in anomaly for anomaly in ask(shop, scope="shop/main/hall/shop/turning-milling").anomalies
    )


def test_orders_overlap_and_say_so(shop):
    orders = {kpi.name: kpi for kpi in ask(shop, by="order")}
    assert len(orders) == 225
    # All work on an order against the time from its first to its last: the published 12.5 % and 190 %.
    assert statistics.median(kpi.allocation_ratio for kpi in orders.values()) == pytest.approx(0.125, abs=5e-4)
    assert max(kpi.allocation_ratio for kpi in orders.values()) == pytest.approx(1.90, abs=5e-3)
    assert all(kpi.process_ratio <= kpi.allocation_ratio for kpi in orders.values())
    busiest = max(orders.values(), key=lambda kpi: kpi.allocation_ratio)
    assert busiest.allocation_ratio > 1
    assert "overlap" in busiest.anomalies[0]
    assert sum(kpi.reported_setup_s for kpi in orders.values()) == pytest.approx(2_432.933 * 3600, abs=2)


def test_saturdays_are_idle_and_sundays_are_not(shop):
    worked = {}
    for kpi in ask(shop, by="day"):
        worked.setdefault(dt.date.fromisoformat(kpi.name).strftime("%a"), []).append(kpi.apt_s + kpi.aust_s)
    assert statistics.mean(worked["Sat"]) < statistics.mean(worked["Sun"]) / 4


def test_the_wall_clock_jump_of_25_march_is_an_hour_less(shop):
    (day,) = [kpi for kpi in ask(shop, by="day") if kpi.name == "2012-03-25"]
    assert day.window_s == 23 * 3600 * len(shop.plant.stations)


def test_the_jump_of_25_march_is_flagged(shop):
    """The naive file was told in a zone with a clock change; the shop's own clock had none: work begins at 8, not 7."""
    (jump,) = shop.query("shift.clock_jumps", scope="shop", **{"from": FROM, "to": TO})
    assert (jump.time.date(), jump.moved_min) == (dt.date(2012, 3, 25), 60)
    assert jump.alike_moved > 0.9 > 0.5 > jump.alike_as_told
    assert any("begins 60 min later by the clock from 2012-03-25 on" in anomaly for anomaly in ask(shop).anomalies)


def test_told_by_a_clock_without_change_nothing_jumps(oracles):
    text = PLANT.read_text().replace("Europe/Tallinn", "Etc/GMT-2")
    with AsBuilt(memory=True, plant=plant_.parse(text), now=lambda: NOW, strict=True) as app:
        import_file(app, oracles / "shop-log" / "Production_disco_export.csv")
        assert app.query("shift.clock_jumps", scope="shop", **{"from": FROM, "to": TO}) == []


def test_work_that_follows_the_wall_clock_is_not_flagged():
    text = PLANT.read_text()
    told = []
    for day in range(60):
        for n in range(10):
            start = dt.datetime(2012, 2, 20, 7, 10 * (n % 3), tzinfo=ZONE) + dt.timedelta(days=day)
            told.append(events.OperationReported(
                id=UUID(int=day * 100 + n + 1), event_time=start + dt.timedelta(hours=2), start_time=start, source="s",
                station="shop/main/hall/shop/lapping", operation="lap", order="1", kind="production",
            ))  # fmt: skip
    with AsBuilt(memory=True, plant=plant_.parse(text), now=lambda: NOW, strict=True) as app:
        app.take_in(told)
        assert app.query("shift.clock_jumps", scope="shop", **{"from": FROM, "to": TO}) == []
