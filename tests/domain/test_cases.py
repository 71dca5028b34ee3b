"""Holds against an oracle that walks minute by minute; a scan is not slowed by what is held elsewhere."""

from __future__ import annotations

import random
import time

import pytest

from asbuilt import events
from asbuilt.domain.cases import questions
from asbuilt.domain.cases.fold import Hold, HoldStep, holds
from asbuilt.views.unit.rows import rows_for
from tests.web.scripted import LINE, Told, at, shop

ITEMS = ("", "unit:P1/1", "unit:P2/1", "lot:P1/1", "product:P1", "station:10", "station:20")
STATIONS = ("", "10", "20")
MINUTES = 12


def lifts(release: HoldStep, item: str, stations: set[str]) -> bool:
    """Whether a release speaks of what stands: written out for the few things there are here."""
    if release.item in ("", item):
        return True
    if release.item == "product:P1":
        return item in ("unit:P1/1", "lot:P1/1")
    return release.item.startswith("station:") and release.item[8:] in stations


def oracle(steps: list[HoldStep], minute: int) -> set[tuple[str, str]]:
    """What stands after a minute: all placings of each minute first, then its releases."""
    standing: dict[tuple[str, str], set[str]] = {}
    for now in range(minute + 1):
        here = [step for step in steps if step.time_us == now]
        for step in here:
            if step.step == 1:
                standing.setdefault((step.hold, step.item), set()).add(step.station)
        for step in here:
            if step.step == 0:
                for one in [one for one in standing if one[0] == step.hold]:
                    if lifts(step, one[1], standing[one]):
                        del standing[one]
    return set(standing)


@pytest.mark.parametrize("seed", range(300))
def test_holds_stand_as_the_oracle_says_in_any_order(seed):
    chance = random.Random(seed)
    steps = [
        HoldStep(
            item=chance.choice(ITEMS), time_us=chance.randrange(MINUTES), step=chance.randrange(2),
            fact=number.to_bytes(16), hold=chance.choice("AB"), station=chance.choice(STATIONS), reason="x",
            by="Ann",
        )
        for number in range(chance.randrange(1, 14))
    ]  # fmt: skip
    chance.shuffle(steps)
    found: list[Hold] = [hold for name in "AB" for hold in holds([step for step in steps if step.hold == name])]
    keys = [(hold.hold, hold.item, hold.from_us) for hold in found]
    assert len(keys) == len(set(keys))
    for minute in range(MINUTES):
        now = [(hold.hold, hold.item) for hold in found if hold.from_us <= minute < hold.until_us]
        assert sorted(now) == sorted(oracle(steps, minute)), (minute, steps)


def test_a_scan_is_not_slowed_by_holds_on_other_things():
    told = Told()
    for number in range(2_000):
        told.tell(events.HoldPlaced, "07:00", hold="H-1", product="P1", serial=str(number), reason="recall")
    with shop(told) as app, app.reader() as reader:
        at_us = events.microseconds(at("07:30"))
        assert len(questions.holds_standing(reader, at_us)) == 2_000
        begun = time.process_time()
        for number in range(100):
            (one,) = questions.holds_on(reader, [f"unit:P1/{number}", "lot:P1/none"], at_us)
            assert one.item == f"unit:P1/{number}"
        # A hundredth of what reading all of them would take.
        assert time.process_time() - begun < 0.2


PLACED = (
    events.HoldPlaced,
    "07:00",
    {"hold": "H-1", "product": "P1", "serial": "1", "station": f"{LINE}/10", "reason": "x"},
)


@pytest.mark.parametrize(
    ("release", "stands"),
    [
        ({}, False),
        ({"station": f"{LINE}/10"}, False),
        ({"station": f"{LINE}/20"}, True),
        ({"product": "P1"}, False),
        ({"product": "P2"}, True),
        ({"product": "P1", "serial": "1", "station": f"{LINE}/20"}, False),
        ({"product": "P1", "serial": "2", "station": f"{LINE}/10"}, True),
    ],
)
def test_a_hold_is_released_by_what_the_release_speaks_of_at_every_door(release, stands):
    """With its station alone: it stood still, as the station was read as the thing released."""
    told = Told()
    for kind, time_, values in (PLACED, (events.HoldReleased, "07:10", {"hold": "H-1", **release})):
        told.tell(kind, time_, **values)
    with shop(told) as app, app.reader() as reader:
        at_us, unit = events.microseconds(at("07:20")), "unit:P1/1"
        doors = {
            "all": bool(app.query("unit.holds", at=at("07:20"))),
            "of the unit": bool(questions.holds_on(reader, [unit], at_us)),
            "as known now": bool(rows_for(reader, None).holds([unit], at_us)),
            "as known then": bool(rows_for(reader, at("23:00")).holds([unit], at_us)),
            "at the change": bool(app.query("shift.report", line="1", at=at("07:20")).open_items),
        }
    assert doors == dict.fromkeys(doors, stands)


def test_a_case_of_a_product_in_an_order_is_of_the_order_as_anywhere_else():
    told = Told()
    told.tell(events.NonconformanceRaised, "07:00", nonconformance="N", reason="burr", product="P1", order="O-1")
    told.tell(events.NonconformanceRaised, "07:01", nonconformance="N", reason="burr", product="P1", order="O-2")
    told.tell(events.DispositionDecided, "07:10", nonconformance="N", decision="rework", order="O-1")
    with shop(told) as app:
        assert [(row.item, row.state) for row in app.query("unit.cases", nonconformance="N")] == [
            ("order:O-1", "decided"),
            ("order:O-2", "open"),
        ]
