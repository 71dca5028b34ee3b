"""Silence is an algebra of intervals: the union of its reasons, the same in whatever window one looks."""

from __future__ import annotations

import contextlib
import datetime as dt
from itertools import pairwise
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.presence.intervals import common, length, outside, union, within
from asbuilt.events import microseconds
from tests.conftest import examples
from tests.shift.telling import LINE, Facts, plant, taken_in

STATION = f"{LINE}/1"
HOUR_US = 3_600_000_000
INTERVALS = st.lists(st.tuples(st.integers(-20, 40), st.integers(-20, 40)).map(lambda pair: tuple(sorted(pair))))


# --------------------------------------------------------------------------- the algebra


def points(intervals: list[tuple[int, int]]) -> set[int]:
    return {n for start, end in intervals for n in range(start, end)}


@examples(200)
@given(INTERVALS, INTERVALS)
def test_intervals_are_sets_of_instants(left, right):
    both, a, b = union(left, right), union(left), union(right)
    assert points(both) == points(left) | points(right)
    assert both == union(right, left) == union(a, b) == union(both)
    assert points(common(a, b)) == points(left) & points(right)
    assert points(within(a, 0, 20)) == points(left) & set(range(20))
    assert points(outside(a, 0, 20)) == set(range(20)) - points(left)
    assert length(a) == len(points(left))
    for found in (both, common(a, b), outside(a, 0, 20)):
        assert all(x[1] < y[0] for x, y in pairwise(found)), "sorted, nothing touches"


# --------------------------------------------------------------------------- histories


def silent(app: Any, start: int, end: int, station: str = STATION) -> list[presence.Silence]:
    """Silences between two minutes of the day."""
    app.pipeline.settle()
    facts = Facts()
    with app.reader() as reader:
        return presence.silences(reader, station, microseconds(facts.at(start)), microseconds(facts.at(end)))


def minutes_of(found: list[presence.Silence]) -> set[int]:
    midnight_us = microseconds(Facts().at(0))
    return {
        minute
        for one in found
        for minute in range((one.start_us - midnight_us) // 60_000_000, -((midnight_us - one.end_us) // 60_000_000))
    }


MINUTES = st.integers(-600, 2_400)


@st.composite
def told(draw: Any) -> tuple[Facts, list[Any]]:
    """Facts of a station in any order, and what is said about its source."""
    facts = Facts()
    for _ in range(draw(st.integers(0, 6))):
        facts.state(draw(MINUTES), draw(st.sampled_from(["Execute", "Held"])))
    said: list[Any] = []
    for _ in range(draw(st.integers(0, 5))):
        time = draw(MINUTES)
        kind = draw(st.sampled_from(["lost", "missed", "gap", "heard"]))
        since = facts.at(time - draw(st.integers(-30, 90)))
        match kind:
            case "lost":
                said.append(
                    (events.SourceLost, time, {"adapter": "gw", "last_seen": draw(st.sampled_from([None, since]))})
                )
            case "missed":
                said.append((events.HeartbeatMissed, time, {"adapter": "gw", "last_seen": since, "period_s": "5"}))
            case "gap":
                end = facts.at(time)
                said.append((events.GapFound, time, {"adapter": "gw", "start_time": min(since, end), "end_time": end}))
            case _:
                said.append((events.SourceConnected, time, {"adapter": "gw"}))
    for one, time, fields in said:
        facts.tell(one, time, **fields)
    return facts, said


FRESH = st.sampled_from(["", "\nfresh_s = 60\n", "\nfresh_s = 1200\n"])


def works(fresh: str):
    return plant(60.0, source="gw", more=fresh + "[time]\nunheard_s = 7200\nunheard_standing_s = 18000\n")


@examples(80)
@given(told(), FRESH, st.lists(st.integers(-700, 2_500), min_size=4, max_size=4, unique=True).map(sorted))
def test_what_is_silent_in_a_window_is_so_in_any_longer_one(story, fresh, window):
    outer_start, start, end, outer_end = window
    with taken_in(works(fresh), story[0]) as app:
        inner, outer = silent(app, start, end), silent(app, outer_start, outer_end)
    cut = within(
        union((one.start_us, one.end_us) for one in outer), *(microseconds(Facts().at(m)) for m in (start, end))
    )
    assert union((one.start_us, one.end_us) for one in inner) == cut
    assert all(a.end_us <= b.start_us for a, b in pairwise(inner)), "in order, none over another"
    assert all(one.reasons for one in inner)


@examples(60)
@given(told(), FRESH, st.randoms(use_true_random=False))
def test_silence_does_not_depend_on_the_order_of_arrival(story, fresh, random):
    mixed = list(story[0].all)
    random.shuffle(mixed)
    with taken_in(works(fresh), story[0]) as first, taken_in(works(fresh), mixed) as second:
        assert silent(first, -700, 2_500) == silent(second, -700, 2_500)


@examples(60)
@given(told(), FRESH, MINUTES, st.integers(0, 300))
def test_a_further_reason_never_makes_less_silence(story, fresh, start, length_):
    with taken_in(works(fresh), story[0]) as app:
        before = minutes_of(silent(app, -700, 2_500))
        gap = Facts()
        app.take_in([
            events.GapFound(id=events.derived_id(None, "x"), event_time=gap.at(start + length_), source="asbuilt",
                            adapter="gw", start_time=gap.at(start), end_time=gap.at(start + length_))
        ])  # fmt: skip
        after = minutes_of(silent(app, -700, 2_500))
    assert before <= after
    assert set(range(start, start + length_)) & set(range(-700, 2_500)) <= after


# --------------------------------------------------------------------------- the reasons, one by one


def hours(found: list[presence.Silence]) -> float:
    return sum(one.end_us - one.start_us for one in found) / HOUR_US


def test_overlapping_reasons_are_not_added_and_each_is_named():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.tell(events.SourceConnected, "06:00", adapter="gw")
    facts.tell(events.SourceLost, "08:00", adapter="gw")
    facts.tell(events.SourceConnected, "12:00", adapter="gw")
    facts.tell(events.GapFound, "12:01", adapter="gw", start_time=facts.at("09:00"), end_time=facts.at("09:10"))
    with taken_in(plant(60.0, source="gw"), facts) as app:
        found = silent(app, 360, 840)
    assert hours(found) == 4
    assert {one.reasons for one in found} == {("lost",), ("lost", "gap")}


def test_a_sender_whose_clock_is_ahead_is_lost_when_it_is_said_to_be():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.tell(events.SourceConnected, "06:00", adapter="gw")
    facts.tell(events.SourceLost, "08:00", adapter="gw", last_seen=facts.at("08:05"))
    facts.tell(events.SourceConnected, "08:30", adapter="gw")
    with taken_in(plant(60.0, source="gw"), facts) as app:
        assert minutes_of(silent(app, 360, 840)) == set(range(480, 510))


@pytest.mark.parametrize("first", [events.SourceLost, events.SourceConnected])
def test_of_a_loss_and_a_connection_at_one_instant_the_connection_holds(first):
    facts = Facts()
    facts.state("06:00", "Execute")
    second = events.SourceConnected if first is events.SourceLost else events.SourceLost
    facts.tell(first, "08:00", adapter="gw")
    facts.tell(second, "08:00", adapter="gw")
    facts.tell(events.SourceLost, "09:00", adapter="gw")
    facts.tell(events.SourceConnected, "10:00", adapter="gw")
    with taken_in(plant(60.0, source="gw"), facts) as app:
        assert minutes_of(silent(app, 360, 840)) == set(range(540, 600))


def test_of_several_losses_the_earliest_begin_holds_but_not_before_it_was_last_heard():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.tell(events.SourceConnected, "07:45", adapter="gw")
    facts.tell(events.HeartbeatMissed, "08:10", adapter="gw", last_seen=facts.at("08:09"), period_s="5")
    facts.tell(events.SourceLost, "08:12", adapter="gw", last_seen=facts.at("07:50"))
    facts.tell(events.SourceLost, "08:13", adapter="gw", last_seen=facts.at("08:12"))
    facts.tell(events.SourceConnected, "08:30", adapter="gw")
    facts.tell(events.SourceLost, "08:40", adapter="gw", last_seen=facts.at("08:00"))
    facts.tell(events.SourceConnected, "08:45", adapter="gw")
    with taken_in(plant(60.0, source="gw"), facts) as app:
        assert minutes_of(silent(app, 360, 840)) == {*range(470, 525)}


def test_freshness_counts_by_event_time_inside_what_was_imported_and_at_its_end():
    facts = Facts()
    for time in ("06:00", "06:05", "10:00", "10:05"):
        facts.state(time, "Execute")
    with taken_in(plant(60.0, source="gw", more="\nfresh_s = 300\n"), facts) as app:
        found = silent(app, 360, 720)
    assert minutes_of(found) == set(range(360, 720)) - set(range(360, 365)) - set(range(600, 605))
    assert {one.reasons for one in found} == {("no word",)}


def test_two_bursts_within_an_hour_are_two_bursts():
    facts = Facts()
    for time in ("06:00", "06:01", "06:50", "06:51"):
        facts.state(time, "Execute")
    with taken_in(plant(60.0, source="gw", more="\nfresh_s = 60\n"), facts) as app:
        assert minutes_of(silent(app, 360, 420)) == {*range(361, 410), *range(411, 420)}


def test_without_a_period_a_word_holds_a_shift_where_it_ran_and_a_week_where_it_stood():
    ran, stood = Facts(), Facts()
    ran.state("06:00", "Execute")
    stood.state("06:00", "Held")
    day = 24 * 60
    with taken_in(plant(60.0), ran) as app:
        assert hours(silent(app, 360, 360 + 14 * day)) == 14 * 24 - 8
    with taken_in(plant(60.0), stood) as app:
        assert hours(silent(app, 360, 360 + 14 * day)) == 7 * 24


def test_the_other_stations_of_a_source_show_that_it_is_heard():
    facts = Facts()
    facts.state("06:00", "Execute")
    for hour in range(0, 72, 6):
        facts.state(hour * 60, "Execute", station="2")
    with taken_in(plant(60.0, 60.0, source="gw"), facts) as app:
        assert silent(app, 360, 72 * 60) == []


def test_a_connected_source_is_heard_while_the_record_is_written_and_not_long_after_its_end():
    facts = Facts()
    facts.tell(events.SourceConnected, "06:00", adapter="gw")
    facts.state("06:00", "Execute")
    for number in range(12):
        facts.tell(events.Counted, number * 360 + 600, station=f"{LINE}/other", good=1)
    facts.all = [fact if fact.source != "gw" or not isinstance(fact, events.Counted)
                 else events.Counted(id=fact.id, event_time=fact.event_time, source="hand", station=fact.station, good=1)
                 for fact in facts.all]  # fmt: skip
    with taken_in(plant(60.0, source="gw"), facts) as app:
        found = silent(app, 360, 14 * 1440)
    # The last word of anybody is on the fourth day at four; it holds eight hours.
    assert minutes_of(found) == set(range(3 * 1440 + 12 * 60, 14 * 1440))


def test_nothing_is_observed_before_the_first_word():
    facts = Facts()
    facts.state("08:00", "Execute")
    with taken_in(plant(60.0, source="gw"), facts) as app:
        assert minutes_of(silent(app, 360, 600)) == set(range(360, 480))


def test_silence_is_told_up_to_now_and_not_beyond():
    facts = Facts()
    facts.state("06:00", "Execute")
    now = facts.at("08:00") + dt.timedelta(days=3)
    with taken_in(plant(60.0, source="gw"), facts, now) as app:
        assert microseconds(now) == silent(app, 360, 30 * 1440)[-1].end_us


# --------------------------------------------------------------------------- cost


def rows_read(minutes: int, *, connected: bool) -> tuple[int, float]:
    """How many rows were read to say what share of a day two stations of one source were observed, and the share."""
    facts = Facts()
    for minute in range(0, minutes, 3):
        facts.state(minute, "Execute" if minute % 2 else "Held")
    if connected:
        facts.tell(events.SourceConnected, 0, adapter="gw")
    read = 0
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(taken_in(works("\nfresh_s = 60\n"), facts))
        app.pipeline.settle()
        reader = stack.enter_context(app.reader())
        asked = type(reader).rows

        def rows(self: Any, *values: Any, **more: Any) -> list[Any]:
            nonlocal read
            found = asked(self, *values, **more)
            read += len(found)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(reader), "rows", rows)
            window = (microseconds(facts.at(0)), microseconds(facts.at(minutes)))
            share = presence.observed_us(reader, STATION, *window) / (window[1] - window[0])
    return read, share


def test_where_a_connection_vouches_no_words_are_read():
    """The alarm page asks this of every station and a whole day: it read each source's minutes for it, ten milliseconds."""
    read, share = rows_read(1_400, connected=True)
    assert (share, read < 60) == (1.0, True), read
    without, share = rows_read(1_400, connected=False)
    assert share > 0.99 and without > 400


def test_many_silences_are_put_together_in_one_walk():
    """Their number was squared: a day of words with gaps between took twenty milliseconds a station."""
    from asbuilt.domain.presence.questions import _pieces

    lost = [(10 * n, 10 * n + 4) for n in range(4_000)]
    gaps = [(10 * n + 2, 10 * n + 6) for n in range(4_000)]
    begun = process_time()
    found = list(_pieces({"lost": lost, "gap": gaps, "no word": []}, "gw"))
    assert process_time() - begun < 0.4
    assert [one.reasons for one in found[:3]] == [("lost",), ("lost", "gap"), ("gap",)]
    assert len(found) == 12_000
