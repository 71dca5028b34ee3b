"""Holds against an oracle that walks minute by minute; a scan is not slowed by what is held elsewhere."""

from __future__ import annotations

import random
import time

import pytest

from asbuilt import events
from asbuilt.domain.cases import questions
from asbuilt.domain.cases.fold import Hold, HoldStep, holds
from tests.web.scripted import Told, at, shop

ITEMS = ("", "unit:P1/1", "unit:P2/1", "lot:P1/1")
MINUTES = 12


def oracle(steps: list[HoldStep], minute: int) -> set[tuple[str, str]]:
    """What stands after a minute: all placings of each minute first, then its releases."""
    standing: set[tuple[str, str]] = set()
    for now in range(minute + 1):
        here = [step for step in steps if step.time_us == now]
        standing |= {(step.hold, step.item) for step in here if step.step == 1}
        for step in here:
            if step.step == 0:
                standing = {one for one in standing if one[0] != step.hold or step.item not in ("", one[1])}
    return standing


@pytest.mark.parametrize("seed", range(300))
def test_holds_stand_as_the_oracle_says_in_any_order(seed):
    chance = random.Random(seed)
    steps = [
        HoldStep(
            item=chance.choice(ITEMS), time_us=chance.randrange(MINUTES), step=chance.randrange(2),
            fact=number.to_bytes(16), hold=chance.choice("AB"), station="", reason="x", by="Ann",
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
