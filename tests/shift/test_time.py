"""Time is tiled: without gaps and overlaps, whatever is asked, in any zone and order of arrival.

A slow and simple second opinion says for every minute what it counts as; the product must agree.
"""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import Plant, parse
from tests.conftest import examples
from tests.shift.telling import LINE, Facts, plant, shift, taken_in

STATION = f"{LINE}/1"
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
[[reason]]
id = "waiting"
name = "Waiting"
"""
ODD_DAYS = [
    ("Europe/Berlin", dt.date(2025, 10, 26)),  # 25 hours
    ("Europe/Berlin", dt.date(2026, 3, 29)),  # 23 hours
    ("Australia/Lord_Howe", dt.date(2025, 10, 5)),  # half an hour less
    ("America/Sao_Paulo", dt.date(2018, 11, 4)),  # no midnight
    ("Pacific/Apia", dt.date(2011, 12, 29)),  # the next day never was
    ("Asia/Kathmandu", dt.date(2026, 1, 10)),  # a quarter past the hour
    ("UTC", dt.date(2026, 6, 3)),
]
KINDS = ("off", "planned_down", "apt", "aust", "adet", "adot", "not_observed", "ahead")


class Story(NamedTuple):
    """A plant, its facts and a window; all times are whole minutes from a midnight."""

    plant: Plant
    facts: Facts
    start: int
    end: int
    cut: int
    now: int


@st.composite
def stories(draw: Any) -> Story:
    zone, day = draw(st.sampled_from(ODD_DAYS))
    shifts = draw(
        st.sampled_from(
            [
                "",
                shift("A", "06:00", "14:00", 'breaks = [{ start = "08:10", end = "08:40" }]'),
                shift("N", "22:00", "06:00", 'breaks = [{ start = "01:30", end = "02:30" }]'),
                shift("A", "05:00", "13:00") + shift("B", "13:00", "21:30") + shift("N", "21:30", "05:00"),
                shift("A", "00:00", "12:00", 'days = ["sun", "fri"]'),
            ]
        )
    )
    facts = Facts(ZoneInfo(zone), day)
    # Real minutes from midnight UTC of the day, so that clock changes do not make some of them twice.
    facts.zone = dt.UTC
    minutes = st.integers(-300, 2_000)
    for _ in range(draw(st.integers(0, 8))):
        state = draw(st.sampled_from(["Execute", "Held", "Idle", "Aborted", "Starved"]))
        facts.state(draw(minutes), state, draw(st.sampled_from([None, None, "setup", "jam", "upkeep", "unknown"])))
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(minutes), draw(minutes)))
        facts.explain(draw(minutes), start, end, draw(st.sampled_from(["setup", "jam", "upkeep", "waiting"])))
    for _ in range(draw(st.integers(0, 2))):
        lost = draw(minutes)
        seen = lost - draw(st.integers(0, 60))
        facts.tell(events.SourceLost, lost, adapter="gw", last_seen=facts.at(seen))
        if draw(st.booleans()):
            facts.tell(events.SourceConnected, lost + draw(st.integers(1, 200)), adapter="gw")
    start, cut, end = sorted(draw(st.lists(st.integers(-200, 1_800), min_size=3, max_size=3, unique=True)))
    # Silence for want of words has laws of its own (tests/domain/test_presence.py).
    made = plant(60.0, zone=zone, shifts=shifts, more=REASONS + "[time]\nunheard_s = 172800\n", source="gw")
    return Story(made, facts, start, end, cut, draw(st.integers(800, 2_500)))


def times(app: AsBuilt, story: Story, start: int, end: int, by: str = "") -> Any:
    window = {"from": story.facts.at(start), "to": story.facts.at(end)}
    return app.query("shift.kpi", scope=STATION, **window, by=by)


def sums(kpi: Any) -> dict[str, float]:
    return {kind: getattr(kpi, f"{kind}_s") for kind in (*KINDS, "repair", "window")} | {"failures": kpi.failures or 0}


def added(kpis: list[Any]) -> dict[str, float]:
    total = dict.fromkeys((*KINDS, "repair", "window", "failures"), 0.0)
    for kpi in kpis:
        for kind, value in sums(kpi).items():
            total[kind] += value
    return total


# --------------------------------------------------------------------------- a second opinion


def opinion(story: Story, minute: int) -> str:
    """What a minute counts as, from the definitions alone."""
    facts, plant_ = story.facts, story.plant
    instant = facts.at(minute)
    if minute >= story.now:
        return "ahead"
    calendar = _calendar(plant_, instant)
    if calendar in ("off", "planned_down"):
        return calendar
    states = sorted(
        (f for f in facts.all if isinstance(f, events.StateChanged) and f.event_time <= instant),
        key=lambda f: (f.event_time, f.id.bytes),
    )
    told = [f for f in facts.all if isinstance(f, events.StopExplained) and f.start_time <= instant < f.end_time]
    observed = bool(states) and not _silent(story, instant)
    state, reason = (states[-1].state, _reason(story, states[-1])) if observed else ("", "")
    kind = _kind(state, reason) if observed else "not_observed"
    if told and kind != "apt":
        last = max(told, key=lambda f: (f.event_time, f.id.bytes))
        kind = _kind(state or "Stopped", last.reason)
        # Who explains a stop says that the station stood.
        kind = "adet" if kind == "apt" else kind
    return kind


def _reason(story: Story, of: events.StateChanged) -> str:
    """The reason of the stop a state belongs to: the one told for it so far, or later while it stood, up to now."""
    by_time = {
        f.event_time: f
        for f in sorted((f for f in story.facts.all if isinstance(f, events.StateChanged)), key=lambda f: f.id.bytes)
        if f.event_time < story.facts.at(story.now)
    }
    stop: list[events.StateChanged] = []
    for _, fact in sorted(by_time.items()):
        known = {one.reason for one in stop if one.reason}
        same = (
            stop
            and fact.state == stop[-1].state != "Execute"
            and (
                fact.reason in known or (fact.reason is None and stop[-1].reason is None) or (fact.reason and not known)
            )
        )
        if not same:
            if of in stop:
                break
            stop = []
        stop.append(fact)
    return next((one.reason for one in stop if one.reason), "") if of in stop else of.reason or ""


def _kind(state: str, reason: str) -> str:
    if reason in ("setup", "upkeep"):
        return {"setup": "aust", "upkeep": "planned_down"}[reason]
    return {"Execute": "apt", "Idle": "adot"}.get(state, "adet")


def _silent(story: Story, instant: dt.datetime) -> bool:
    watches = sorted(
        (f for f in story.facts.all if isinstance(f, events.SourceLost | events.SourceConnected)),
        key=lambda f: (f.event_time, isinstance(f, events.SourceConnected)),
    )
    since: dt.datetime | None = None
    heard = dt.datetime.min.replace(tzinfo=dt.UTC)
    silences = []
    for watch in watches:
        if isinstance(watch, events.SourceLost):
            begun = max(min(watch.last_seen or watch.event_time, watch.event_time), heard)
            since = begun if since is None else min(since, begun)
        else:
            if since is not None:
                silences.append((since, watch.event_time))
            since, heard = None, watch.event_time
    if since is not None:
        silences.append((since, dt.datetime.max.replace(tzinfo=dt.UTC)))
    known = [f.event_time for f in story.facts.all if isinstance(f, events.StateChanged | events.StopExplained)]
    now = story.facts.at(story.now)
    for start, end in silences:
        late = [time for time in known if start < time < min(end, now)]
        if start <= instant < end and not (late and min(late) <= instant < max(late)):
            return True
    return False


def _calendar(plant_: Plant, instant: dt.datetime) -> str:
    pattern = plant_.shift_patterns.get("x")
    if pattern is None:
        return "work"
    here = instant.astimezone(plant_.zone)
    for back in (0, 1, 2):
        day = here.date() - dt.timedelta(days=back)
        for one in pattern.shift:
            if ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()] not in one.days:
                continue
            if _wall(plant_, day, one.start, one.start) <= instant < _wall(plant_, day, one.start, one.end, True):
                for pause in one.breaks:
                    if _wall(plant_, day, one.start, pause.start) <= instant < _wall(plant_, day, one.start, pause.end):
                        return "planned_down"
                return "work"
    return "off"


def _wall(plant_: Plant, day: dt.date, begin: str, time: str, is_end: bool = False) -> dt.datetime:
    start, at = (int(t[:2]) * 60 + int(t[3:]) for t in (begin, time))
    after = (at - start) % 1440 or (1440 if is_end else 0)
    wall = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=start + after)
    return wall.replace(tzinfo=plant_.zone).astimezone(dt.UTC)


# --------------------------------------------------------------------------- properties


@examples(80)
@given(stories())
def test_every_minute_counts_as_the_definitions_say(story):
    with taken_in(story.plant, story.facts, story.facts.at(story.now)) as app:
        found = sums(times(app, story, story.start, story.end))
    expected = dict.fromkeys(KINDS, 0.0)
    for minute in range(story.start, story.end):
        expected[opinion(story, minute)] += 60.0
    assert {kind: found[kind] for kind in KINDS} == expected
    assert found["window"] == (story.end - story.start) * 60.0


@examples(60)
@given(stories())
def test_a_window_cut_anywhere_gives_the_same_sums(story):
    with taken_in(story.plant, story.facts, story.facts.at(story.now)) as app:
        whole = times(app, story, story.start, story.end)
        parts = [times(app, story, story.start, story.cut), times(app, story, story.cut, story.end)]
    assert added(parts) == sums(whole)


@examples(60)
@given(stories(), st.sampled_from(["hour", "day", "week"]))
def test_parts_add_up_to_the_whole(story, by):
    with taken_in(story.plant, story.facts, story.facts.at(story.now)) as app:
        whole = times(app, story, story.start, story.end)
        parts = times(app, story, story.start, story.end, by)
        shifts = times(app, story, story.start, story.end, "shift")
    assert added(parts) == sums(whole)
    # Time outside shifts is nobody's: it is in the day, not in a shift.
    without_off = {kind: value for kind, value in sums(whole).items() if kind not in ("off", "window", "ahead")}
    assert {kind: added(shifts)[kind] for kind in without_off} == (
        without_off if story.plant.shift_patterns else dict.fromkeys(without_off, 0.0)
    )


@examples(40)
@given(stories(), st.randoms(use_true_random=False))
def test_arrival_order_never_matters(story, random):
    now = story.facts.at(story.now)
    with taken_in(story.plant, story.facts, now) as app:
        first = times(app, story, story.start, story.end)
    mixed = list(story.facts.all)
    random.shuffle(mixed)
    with taken_in(story.plant, mixed, now) as app:
        assert times(app, story, story.start, story.end) == first


@examples(60)
@given(stories())
def test_figures_stay_in_their_range(story):
    with taken_in(story.plant, story.facts, story.facts.at(story.now)) as app:
        found = times(app, story, story.start, story.end)
    for name in ("availability", "technical_efficiency", "utilisation_efficiency", "setup_ratio", "coverage", "oee", "nee"):  # fmt: skip
        value = getattr(found, name)
        assert value is None or 0 <= value <= 1, (name, value)
    if found.coverage is None or found.coverage < 0.5:
        assert found.availability is None and found.oee is None and found.withheld["oee"]


@examples(40)
@given(stories())
def test_tiles_have_neither_gaps_nor_overlaps_and_add_up_to_the_figures(story):
    window = {"from": story.facts.at(story.start), "to": story.facts.at(story.end)}
    with taken_in(story.plant, story.facts, story.facts.at(story.now)) as app:
        rows = app.query("shift.tiles", scope=STATION, **window)
        found = sums(times(app, story, story.start, story.end))
        stops = app.query("shift.stops", scope=STATION, **window)
        lost = {loss.id: loss.seconds for loss in app.query("shift.losses", scope=STATION, **window)}
    assert [rows[0].start, rows[-1].end] == list(window.values())
    assert all(a.end == b.start and a.start < a.end for a, b in pairwise(rows))
    names = {"production": "apt", "setup": "aust", "delay": "adet", "down": "adot", "planned": "planned_down",
             "break": "planned_down", "not observed": "not_observed"}  # fmt: skip
    told = dict.fromkeys(KINDS, 0.0)
    for row in rows:
        told[names.get(row.kind, row.kind)] += row.seconds
    assert told == {kind: found[kind] for kind in KINDS}
    # Every second that is no production, and was planned and observed, belongs to exactly one stop.
    assert sum(stop.seconds for stop in stops) == told["adet"] + told["adot"] + told["aust"]
    assert lost["stops"] + lost["short_stops"] == told["adet"]


def test_a_reason_told_in_a_break_is_that_of_the_stop_before_it():
    """Held at midnight, a break from half past on, the reason told in the break: the half hour was setup in every window."""
    plant = parse(
        """
[plant]
id = "p"
name = "Plant"
zone = "UTC"
[[site]]
id = "s"
name = "Site"
[[site.area]]
id = "a"
name = "Area"
[[site.area.line]]
id = "l"
name = "Line"
shifts = "x"
[[site.area.line.station]]
id = "1"
name = "Station 1"
[[shift_pattern]]
id = "x"
[[shift_pattern.shift]]
id = "N"
start = "22:00"
end = "06:00"
breaks = [{ start = "00:30", end = "01:30" }]
[[reason]]
id = "setup"
name = "Setup"
time = "setup"
"""
    )
    facts = Facts()
    facts.state(0, "Execute")
    facts.state(0, "Held")
    facts.state(60, "Held", reason="setup")
    with taken_in(plant, facts, facts.at(800)) as app:
        windows = [
            app.query("shift.kpi", scope=LINE, **{"from": facts.at(start), "to": facts.at(end)}).aust_s
            for start, end in ((0, 61), (0, 1), (1, 61))
        ]
    assert windows == [1800, 60, 1740]
