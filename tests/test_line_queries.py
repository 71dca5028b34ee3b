"""Answers about lines against expectations worked out by hand, or from the facts alone."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from tests.conftest import NOW, examples
from tests.web.scripted import LINE, Told, at, morning, shop

STATIONS = ("10", "20", "30")


# --------------------------------------------------------------------------- the scripted morning


def test_the_lines_of_the_plant():
    with shop() as app:
        assert [(row.line, row.name, row.address, row.stations) for row in app.query("line.lines")] == [
            (LINE, "Line 1", "1", 3), ("works/main/hall/shop", "Job shop", "shop", 2),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("time", "states"),
    [
        ("06:00", ["Execute", "Execute", "Execute"]),
        ("08:19:59", ["Execute", "Execute", "Execute"]),
        ("08:20", ["Execute", "Held", "Execute"]),
        ("08:22", ["Execute", "Held", "Starved"]),
        ("08:30", ["Execute", "Held", "Starved"]),
    ],
)
def test_states_at_a_moment(time, states):
    with shop(morning()) as app:
        tiles = app.query("line.states", line="1", at=at(time))
        assert [tile.id for tile in tiles] == [*STATIONS]
        assert [tile.state for tile in tiles] == states
        since = {"Execute": "06:00", "Held": "08:20", "Starved": "08:22"}
        assert [tile.since for tile in tiles] == [at(since[state]) for state in states]


def test_why_a_station_stands():
    with shop(morning()) as app:
        _, held, starved = app.query("line.states", line="1")
        assert held.cause == "Coolant, oil"  # the reason's name in the plant file
        assert "Fuel and ignition" in starved.cause
        assert (held.units, starved.units) == (("00139",), ())
        assert held.alarm is not None
        assert (held.alarm.alarm, held.alarm.since, held.alarm.until) == ("oil", at("08:20:05"), None)


@pytest.mark.parametrize("address", ["1", LINE])
def test_a_line_is_asked_by_its_address_or_its_path(address):
    with shop(morning()) as app:
        assert app.query("line.board", line=address).line == LINE


@pytest.mark.parametrize(
    ("time", "output", "planned"),
    [
        # A unit leaves at 06:03 and every minute from then on; the plan is one a minute of work.
        # Before anybody told a piece nobody knows that none was made.
        ("06:00", None, 0), ("06:02:59", None, 2), ("06:03", 1, 3), ("07:00", 58, 60), ("08:00", 118, 120),
        ("08:20", 138, 140), ("08:30", 138, 150),
    ],
)  # fmt: skip
def test_output_against_plan(time, output, planned):
    with shop(morning()) as app:
        board = app.query("line.board", line="1", at=at(time))
        assert (board.output, board.planned) == (output, planned)
        assert (board.shift.id, board.order) == ("A", "2418" if output or time != "06:00" else board.order)


def test_the_hours_of_the_shift_add_up():
    with shop(morning()) as app:
        board = app.query("line.board", line="1")
        hours = [(hour.start.hour, hour.planned, hour.made) for hour in board.hours]
        assert hours[:4] == [(6, 60, 57), (7, 60, 60), (8, 60, 21), (9, 45, None)]
        assert sum(hour.made or 0 for hour in board.hours) == board.output == 138
        assert sum(hour.planned for hour in board.hours) == 7 * 60 + 45
        assert board.hours[2].reason == "Coolant, oil"
        assert len(board.curve.made) == 138


def test_before_and_after_the_shift():
    with shop(morning()) as app:
        early = app.query("line.board", line="1", at=at("05:00"))
        assert (early.shift, early.output, early.planned) == (None, None, None)  # nobody was there to see
        assert early.next_shift.start == at("06:00")
        assert [tile.observed for tile in early.tiles] == ["never"] * 3


def test_key_values_and_their_verdicts():
    facts = morning()
    facts.value("10", "bore", "35.0120", "08:25")
    with shop(facts) as app:
        keys = {tile.id: tile.key for tile in app.query("line.states", line="1")}
        assert (keys["10"].value, keys["10"].verdict, keys["20"]) == ("35.012", "outside", None)
        assert (keys["30"].value, keys["30"].uom, keys["30"].time) == ("5.8", "ml/min", at("08:19:40"))
        assert app.query("line.states", line="1", at=at("08:24"))[0].key.verdict == "inside"


def test_an_alarm_from_being_raised_to_being_cleared():
    facts = morning()
    facts.tell(events.AlarmAcknowledged, "08:21", "office", alarm="oil", station=f"{LINE}/20", by="T. Moreau")
    facts.tell(events.AlarmCleared, "08:28", "left", alarm="oil", station=f"{LINE}/20")
    with shop(facts) as app:

        def alarms(time: str) -> list[tuple[str, str, bool]]:
            board = app.query("line.board", line="1", at=at(time))
            return [(alarm.alarm, alarm.seen_by, alarm.until is not None) for alarm in (*board.alarms, *board.cleared)]

        assert alarms("08:20:04") == []
        assert alarms("08:20:05") == [("oil", "", False)]
        assert alarms("08:21") == [("oil", "T. Moreau", False)]
        assert [alarm.until for alarm in app.query("line.board", line="1").cleared] == [at("08:28")]
        assert app.query("line.board", line="1").alarms == ()


def test_a_state_that_was_not_is_taken_back_in_the_past_too():
    facts = morning()
    held = next(fact for fact in facts.facts if getattr(fact, "state", "") == "Held")
    facts.tell(events.CorrectionMade, "08:29", corrects=held.id, reason="did_not_occur")
    with shop(facts) as app:
        for time in ("08:21", "08:30"):
            assert app.query("line.states", line="1", at=at(time))[1].state == "Execute"


def test_a_unit_that_was_scrapped_is_nowhere():
    facts = morning()
    facts.tell(events.UnitScrapped, "08:25", "left", product="P7", serial="00139", station=f"{LINE}/20")
    with shop(facts) as app:
        assert app.query("line.states", line="1")[1].units == ()
        assert app.query("line.board", line="1").on_line == 1
        assert app.query("line.board", line="1", at=at("08:24")).on_line == 2


def test_what_cannot_be_is_named_and_no_number_is_negative():
    facts = Told()
    facts.start("20", "A", "07:00")
    facts.start("30", "A", "07:10")  # it never left 20
    facts.done("10", "B", "07:05")  # it never began
    with shop(facts, "08:00") as app:
        board = app.query("line.board", line="1")
        assert {(found.unit, found.kind, found.station[-2:]) for found in board.contradictions} == {
            ("A", "started elsewhere while still here", "30"), ("B", "completed without a start", "10"),
        }  # fmt: skip
        assert [(buffer.after, buffer.count) for buffer in board.buffers] == [("10", 1), ("20", 0)]
        assert board.on_line == 2


@pytest.mark.parametrize("query", ["board", "states", "buffers"])
def test_a_line_that_is_not_there(query):
    with shop() as app, pytest.raises(UsageError, match="there is no line `9`") as told:
        app.query(f"line.{query}", line="9")
    assert "1, shop" in told.value.remedy


def test_an_empty_plant():
    with AsBuilt(memory=True, now=lambda: NOW) as app:
        assert app.query("line.lines") == []
        assert app.query("line.silences") == []
        with pytest.raises(UsageError) as told:
            app.query("line.board", line="1")
        assert "none yet" in told.value.remedy


def test_a_plant_without_facts():
    with shop() as app:
        board = app.query("line.board", line="1")
        assert (board.output, board.on_line, board.alarms, board.contradictions) == (None, None, (), ())
        assert [(tile.observed, tile.since, tile.units, tile.output) for tile in board.tiles] == [
            ("never", None, (), None)
        ] * 3  # fmt: skip
        assert [buffer.count for buffer in board.buffers] == [0, 0]


def test_a_station_that_tells_no_states_is_shown_by_its_units():
    facts = Told()
    facts.connect("05:30")
    for number in range(3):
        facts.start("10", f"U{number}", at("07:00") + dt.timedelta(minutes=number))
        facts.done("10", f"U{number}", at("07:01") + dt.timedelta(minutes=number))
    facts.start("10", "U3", "07:03")
    with shop(facts, "07:03:30") as app:
        tile = app.query("line.states", line="1")[0]
        assert (tile.units, tile.cycles_s, tile.output, tile.observed) == (("U3",), (60.0, 60.0, 60.0), 3, "yes")


# --------------------------------------------------------------------------- any walk of units, any moment


walks = st.lists(st.lists(st.integers(1, 20), max_size=6), max_size=8)
"""For each unit, the minutes between its begin and end at one station after the other."""


@examples(100)
@given(walks, st.integers(0, 120), st.randoms())
def test_every_unit_is_somewhere_once(walks, now, chance):
    facts = Told()
    where: Counter[str] = Counter()
    out = 0
    for number, gaps in enumerate(walks):
        minute, place = number, None
        for step, gap in enumerate(gaps):
            minute += gap
            station = STATIONS[step // 2]
            time = at("06:00") + dt.timedelta(minutes=minute)
            (facts.done if step % 2 else facts.start)(station, f"U{number}", time)
            if minute <= now:
                place = f"{'after' if step % 2 else 'at'} {station}"
        if place == "after 30":
            out += 1
        elif place is not None:
            where[place] += 1
    chance.shuffle(facts.facts)
    with shop(facts, "12:00") as app:
        board = app.query("line.board", line="1", at=at("06:00") + dt.timedelta(minutes=now))
        found = {f"at {tile.id}": len(tile.units) for tile in board.tiles}
        found |= {f"after {buffer.after}": buffer.count for buffer in board.buffers}
        assert +Counter(found) == where
        # Before any unit was told to be on the line nobody knows that none is.
        assert (board.on_line or 0) == where.total()
        assert (board.output or 0) == out
        assert board.contradictions == ()


changes = st.lists(
    st.tuples(st.integers(0, 59), st.sampled_from(STATIONS), st.sampled_from(["Execute", "Held", "Idle", "Aborted"])),
    max_size=12,
    unique_by=lambda change: change[:2],
)


@examples(60)
@given(changes, st.integers(0, 60), st.randoms())
def test_the_state_is_the_last_one_told(changes, now, chance):
    facts, last = Told(), {}
    facts.connect("05:30")
    for minute, station, state in sorted(changes):
        facts.state(station, state, at("07:00") + dt.timedelta(minutes=minute))
        if minute <= now:
            before = last.get(station)
            last[station] = before if before and before[0] == state else (state, minute)
    chance.shuffle(facts.facts)
    with shop(facts, "12:00") as app:
        for tile in app.query("line.states", line="1", at=at("07:00") + dt.timedelta(minutes=now)):
            state, since = last.get(tile.id, (None, None))
            if state is None:
                assert tile.since is None
            else:
                assert tile.state == state
                told = [m for m, station, s in changes if station == tile.id and s == state and m <= now]
                # Told again, a state may count from either telling, but never from before it was first told.
                assert tile.since is not None
                assert tile.since >= at("07:00") + dt.timedelta(minutes=since)
                assert (tile.since - at("07:00")).total_seconds() / 60 in told


watch = st.lists(
    st.tuples(st.integers(0, 59), st.sampled_from(["left", "right"]), st.booleans()), max_size=10, unique_by=lambda w: w[:2]
)  # fmt: skip


@examples(60)
@given(watch, st.integers(0, 60), st.randoms())
def test_silent_is_who_was_last_missed_and_not_heard_again(watch, now, chance):
    facts, silent = Told(), {}
    for minute, source, missed in sorted(watch):
        time = at("07:00") + dt.timedelta(minutes=minute)
        if missed:
            facts.tell(events.HeartbeatMissed, time, "asbuilt", adapter=source, period_s="2",
                       last_seen=time - dt.timedelta(seconds=10))  # fmt: skip
        else:
            facts.tell(events.SourceConnected, time, "asbuilt", adapter=source)
        if minute <= now:
            silent[source] = time if missed else None
    chance.shuffle(facts.facts)
    with shop(facts, "12:00") as app:
        found = app.query("line.silences", at=at("07:00") + dt.timedelta(minutes=now))
        expected = {source: time for source, time in silent.items() if time is not None}
        assert {silence.source: silence.noticed for silence in found} == expected
        # Missed again and again, a source is silent since it was first missed.
        assert all(silence.seen <= silence.noticed - dt.timedelta(seconds=10) for silence in found)
