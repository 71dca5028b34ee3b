"""The story of the demo happens when it shall, whatever the seed."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

import pytest

from asbuilt.events import (
    AlarmCleared,
    AlarmRaised,
    AlarmReset,
    Event,
    HoldPlaced,
    Measured,
    Packed,
    SourceConnected,
    StateChanged,
)
from asbuilt.plant import Plant
from asbuilt.simulate import SimulatedPlant, good_start

STEP = dt.timedelta(seconds=5)


class Live(NamedTuple):
    """What was told before the show and during its first quarter of an hour, with the time of delivery."""

    simulated: SimulatedPlant
    began: dt.datetime
    past: list[Event]
    news: list[tuple[float, Event]]
    waiting: tuple[int, ...]

    def seconds(self, fact: Event) -> float:
        return (fact.event_time - self.began).total_seconds()

    def said(self, kind: type[Event], **fields: Any) -> list[float]:
        """When facts of a kind with these fields happened, in seconds of the show."""
        return [
            self.seconds(fact)
            for fact in (*self.past, *(fact for _, fact in self.news))
            if isinstance(fact, kind) and all(getattr(fact, name) == value for name, value in fields.items())
        ]


@pytest.fixture(scope="module", params=[1, 2, 3, 4, 5])
def live(request: pytest.FixtureRequest, boxer: Plant) -> Live:
    began = good_start(boxer, dt.datetime(2025, 11, 18, 17, 21, 41, tzinfo=boxer.zone))
    start = dt.datetime(2025, 11, 17, 5, 30, tzinfo=boxer.zone)
    simulated = SimulatedPlant(boxer, request.param, start, live_from=began)
    past = simulated.until(began)
    waiting = simulated.waiting
    news = []
    for number in range(1, 1 + int(dt.timedelta(minutes=16) / STEP)):
        news += [(number * STEP.total_seconds(), fact) for fact in simulated.until(began + number * STEP)]
    return Live(simulated, began, past, news, waiting)


def station(live: Live, name: str) -> str:
    return next(path for path in live.simulated.plant.stations if path.endswith(f"/{name}"))


def test_honing_is_held_after_15_seconds(live: Live) -> None:
    honing = station(live, "30")
    states = [fact for fact in live.past if isinstance(fact, StateChanged) and fact.station == honing]
    assert states[-1].state == "Execute"
    held = live.said(
        StateChanged, station=honing, state="Held", reason="coolant_oil", message="Oil too warm, spindle parked"
    )
    assert held == [15.0]
    (raised,) = live.said(AlarmRaised, alarm="hone_oil_temp_high", priority=2, text="Hone oil temperature high")
    assert 15 <= raised < 16
    again = [at for at in live.said(StateChanged, station=honing, state="Execute") if at > 15]
    assert 570 < again[0] < 660
    (cleared,) = live.said(AlarmCleared, alarm="hone_oil_temp_high")
    assert abs(cleared - again[0]) < 1


def test_the_oil_is_above_its_limit_while_honing_is_held(live: Live) -> None:
    told = [
        (live.seconds(fact), float(fact.value))
        for _, fact in live.news
        if isinstance(fact, Measured) and fact.characteristic == "hone_oil_temp"
    ]
    assert len(told) > 150
    assert all(value > 30 for at, value in told if 20 < at < 300)
    assert min(value for at, value in told if at < 620) < 28.5


def test_head_and_piston_starves_soon_after(live: Live) -> None:
    assert live.waiting[2] == 0
    starved = [at for at in live.said(StateChanged, station=station(live, "40"), state="Starved") if at > 0]
    assert 15 < starved[0] < 360


def test_the_packing_gateway_keeps_its_facts_for_ten_minutes(live: Live) -> None:
    delays = [(live.seconds(fact), at - live.seconds(fact)) for at, fact in live.news if fact.source == "gw-3"]
    late = [(at, delay) for at, delay in delays if delay > 5]
    assert late
    assert all(60 <= at < 660 for at, _ in late)
    assert not [at for at, fact in live.news if fact.source == "gw-3" and 65 < at < 660]
    assert all(delay <= 5 for at, delay in delays if not 60 <= at < 660)
    assert all(delay <= 5 for at, fact in live.news if fact.source != "gw-3" for delay in [at - live.seconds(fact)])
    assert live.said(SourceConnected, adapter="gw-3")[-1] == 660
    for second, heard in ((59, True), (61, False), (659, False), (660, True)):
        assert ("gw-3" in live.simulated.speaking(live.began + dt.timedelta(seconds=second))) is heard


def test_the_record_gets_the_same_facts_late_as_in_time(live: Live) -> None:
    told = [fact for _, fact in live.news]
    assert len({fact.id for fact in told}) == len(told)
    assert sorted(told, key=lambda fact: fact.event_time) != told
    assert sum(isinstance(fact, Packed) for fact in told) >= 1


def test_one_box_of_bearings_makes_engines_vibrate(boxer: Plant) -> None:
    began = dt.datetime(2025, 11, 18, 17, 21, 41, tzinfo=boxer.zone)
    plant = SimulatedPlant(boxer, 3, dt.datetime(2025, 11, 17, 5, 30, tzinfo=boxer.zone), live_from=began)
    facts = plant.until(began + dt.timedelta(hours=6))
    (alarm,) = [fact for fact in facts if isinstance(fact, AlarmRaised) and fact.alarm == "vibration"]
    assert alarm.priority == 2
    # It stands until the last suspect engine has run and somebody has reset it.
    (cleared,) = [fact for fact in facts if isinstance(fact, AlarmCleared) and fact.alarm == "vibration"]
    (reset,) = [fact for fact in facts if isinstance(fact, AlarmReset)]
    assert alarm.latching and reset.alarm == "vibration" and reset.by
    assert alarm.event_time < cleared.event_time < reset.event_time
    assert alarm.text.startswith("Vibration, 5 alerts in ")
    assert alarm.response.startswith("Hold 0")
    assert alarm.response.endswith("after run-in, bay Q2.")
    holds = [fact for fact in facts if isinstance(fact, HoldPlaced) and fact.serial]
    packed = {fact.serial: fact.event_time for fact in facts if isinstance(fact, Packed)}
    assert holds
    assert all(packed[hold.serial or ""] < hold.event_time for hold in holds)
    assert [
        fact.alarm for fact in facts if isinstance(fact, AlarmRaised) and fact.priority == 3 and "drift" in fact.alarm
    ]
