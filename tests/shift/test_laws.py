"""Laws of time at a line of two stations, on random histories: parts add up, windows agree, pages agree.

Stops pass through PackML's states with reasons told early, late or never; people explain them for one station or for
the whole line; the source is lost, missed, incomplete and heard again.
"""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import Plant
from tests.conftest import examples
from tests.shift.telling import LINE, Facts, plant, shift, taken_in

REASONS = """
[[reason]]
id = "setup"
name = "Setup"
time = "setup"
[[reason]]
id = "upkeep"
name = "Upkeep"
time = "planned"
[[reason]]
id = "jam"
name = "Jam"
failure = true
"""
STATES = ("Execute", "Execute", "Held", "Unholding", "Aborting", "Aborted", "Clearing", "Stopped", "Resetting", "Idle", "Starved")  # fmt: skip
SHIFTS = [
    "",
    shift("A", "06:00", "14:00", 'breaks = [{ start = "08:10", end = "08:40" }]') + shift("B", "14:00", "22:00"),
]
MINUTES = st.integers(200, 1_400)
REASON = st.sampled_from([None, None, "setup", "jam", "upkeep"])
FRESH = ["", "\nfresh_s = 1800\n"]


class Story(NamedTuple):
    """A plant, its facts, a window with a cut in it, a window that overlaps it, and now; minutes of a day."""

    plant: Plant
    facts: Facts
    start: int
    cut: int
    end: int
    now: int


@st.composite
def stories(draw: Any) -> Story:
    facts = Facts()
    for station in ("1", "2"):
        for _ in range(draw(st.integers(0, 9))):
            facts.state(draw(MINUTES), draw(st.sampled_from(STATES)), draw(REASON), station=station)
        for _ in range(draw(st.integers(0, 4))):
            facts.count(draw(MINUTES), good=draw(st.integers(0, 9)), rejected=draw(st.integers(0, 2)), station=station)
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(MINUTES), draw(MINUTES)))
        place = draw(st.sampled_from([f"{LINE}/1", f"{LINE}/2", LINE]))
        facts.tell(
            events.StopExplained, draw(MINUTES), station=place, start_time=facts.at(start), end_time=facts.at(end),
            reason=draw(st.sampled_from(["setup", "jam", "upkeep"])), by="Ann",
        )  # fmt: skip
    for _ in range(draw(st.integers(0, 4))):
        time, length = draw(MINUTES), draw(st.integers(0, 90))
        since = facts.at(time - length)
        kind = draw(st.sampled_from(["lost", "missed", "gap", "heard", "heard"]))
        if kind == "lost":
            facts.tell(events.SourceLost, time, adapter="gw", last_seen=since)
        elif kind == "missed":
            facts.tell(events.HeartbeatMissed, time, adapter="gw", last_seen=since, period_s="5")
        elif kind == "gap":
            facts.tell(events.GapFound, time, adapter="gw", start_time=since, end_time=facts.at(time))
        else:
            facts.tell(events.SourceConnected, time, adapter="gw")
    more = draw(st.sampled_from(FRESH)) + REASONS + "[time]\nunheard_s = 10800\nunheard_standing_s = 21600\n"
    made = plant(60.0, 90.0, shifts=draw(st.sampled_from(SHIFTS)), source="gw", more=more)
    start, cut, end = sorted(draw(st.lists(st.integers(240, 1_380), min_size=3, max_size=3, unique=True)))
    return Story(made, facts, start, cut, end, draw(st.integers(700, 2_000)))


def taken(story: Story) -> Any:
    return taken_in(story.plant, story.facts, story.facts.at(story.now))


def ask(app: AsBuilt, story: Story, query: str, start: int, end: int, scope: str = LINE, **more: Any) -> Any:
    window = {"from": story.facts.at(start), "to": story.facts.at(end)}
    return app.query(query, scope=scope, **window, **more)


TIMES = ("off_s", "planned_down_s", "apt_s", "aust_s", "adet_s", "adot_s", "not_observed_s", "ahead_s", "repair_s", "window_s",
         "planned_run_s")  # fmt: skip
PIECES = ("failures", "pq", "gq", "sq")


def figures(*kpis: Any) -> dict[str, float]:
    """What adds up, added up; what is not known adds nothing."""
    return {name: sum(getattr(kpi, name) or 0 for kpi in kpis) for name in (*TIMES, *PIECES)} | {
        "restored": round(sum((kpi.mttr_s or 0) * (kpi.failures or 0) for kpi in kpis), 3)
    }


@examples(50)
@given(stories(), st.sampled_from(["hour", "day"]))
def test_hours_shifts_and_days_add_up(story, by):
    with taken(story) as app:
        for scope in (f"{LINE}/1", LINE):
            whole = ask(app, story, "shift.kpi", story.start, story.end, scope)
            parts = ask(app, story, "shift.kpi", story.start, story.end, scope, by=by)
            both = [ask(app, story, "shift.kpi", a, b, scope) for a, b in pairwise((story.start, story.cut, story.end))]
            assert figures(*parts) == figures(whole)
            assert figures(*both) == figures(whole)


@examples(50)
@given(stories())
def test_stations_add_up_to_the_line(story):
    with taken(story) as app:
        line = ask(app, story, "shift.kpi", story.start, story.end)
        stations = [ask(app, story, "shift.kpi", story.start, story.end, f"{LINE}/{n}") for n in (1, 2)]
    assert figures(*stations) == figures(line)


@examples(50)
@given(stories())
def test_sums_of_hours_are_sums_of_tiles_and_of_stops(story):
    names = {"production": "apt_s", "setup": "aust_s", "delay": "adet_s", "down": "adot_s", "not observed": "not_observed_s",
             "planned": "planned_down_s", "break": "planned_down_s", "off": "off_s", "ahead": "ahead_s"}  # fmt: skip
    with taken(story) as app:
        for scope in (f"{LINE}/1", f"{LINE}/2"):
            kpi = ask(app, story, "shift.kpi", story.start, story.end, scope)
            sums = dict.fromkeys(names.values(), 0.0)
            for tile in ask(app, story, "shift.tiles", story.start, story.end, scope):
                sums[names[tile.kind]] += tile.seconds
            assert sums == {name: getattr(kpi, name) for name in sums}
            stops = ask(app, story, "shift.stops", story.start, story.end, scope)
            for kind in ("setup", "delay", "down"):
                assert sum(stop.seconds for stop in stops if stop.kind == kind) == sums[names[kind]], kind


def reads(tiles: list[Any], when: dt.datetime) -> tuple[str, ...]:
    (tile,) = [tile for tile in tiles if tile.start <= when < tile.end]
    return (tile.kind, tile.state, tile.reason, tile.explanation)


@examples(40)
@given(stories())
def test_two_windows_agree_on_what_they_share(story):
    with taken(story) as app:
        early = ask(app, story, "shift.tiles", story.start, story.end, f"{LINE}/1")
        late = ask(app, story, "shift.tiles", story.cut, story.end + 200, f"{LINE}/1")
        stops = [
            ask(app, story, "shift.stops", a, b, f"{LINE}/1")
            for a, b in ((story.start, story.end), (story.cut, story.end + 200))
        ]
    for minute in range(story.cut, story.end):
        when = story.facts.at(minute)
        assert reads(early, when) == reads(late, when), minute
    shared = (story.facts.at(story.cut), story.facts.at(story.end))
    ends = [
        {(stop.start, stop.end, stop.began, stop.ended, stop.reason, stop.kind, stop.short)
         for stop in found if stop.start < shared[1] and stop.end > shared[0]}
        for found in stops
    ]  # fmt: skip
    assert ends[0] == ends[1]


@examples(30)
@given(stories())
def test_the_board_and_the_figures_say_the_same_of_every_moment(story):
    with taken(story) as app:
        for station in ("1", "2"):
            tiles = ask(app, story, "shift.tiles", 200, 1_400, f"{LINE}/{station}")
            for minute in range(200, min(1_400, story.now), 83):
                when = story.facts.at(minute)
                kind, state, _, explanation = reads(tiles, when)
                (shown,) = [tile for tile in app.query("line.states", line=LINE, at=when) if tile.id == station]
                if kind in ("off", "break"):
                    continue
                if kind == "not observed":
                    assert shown.state == "No data", minute
                elif state:
                    assert shown.state == state, minute
                else:
                    # A person explained what no machine saw: the board says that nobody sees it.
                    assert explanation and shown.state == "No data", minute


@examples(60)
@given(stories())
def test_nothing_unobserved_is_a_number(story):
    with taken(story) as app:
        for scope in (f"{LINE}/1", f"{LINE}/2"):
            kpi = ask(app, story, "shift.kpi", story.start, story.end, scope)
            if not kpi.pbt_s or kpi.coverage:
                continue
            ratios = ("oee", "availability", "effectiveness", "technical_efficiency", "utilisation_efficiency", "nee", "teep",
                      "mtbf_s", "mttr_s", "failures")  # fmt: skip
            assert {name: getattr(kpi, name) for name in ratios} == dict.fromkeys(ratios)
            assert kpi.withheld["oee"]
            assert kpi.told or (kpi.pq, kpi.gq, kpi.throughput_rate) == (None, None, None)
