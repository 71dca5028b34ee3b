"""Cycles are the station's own time; the headline names who holds the line, and why it is nobody."""

from __future__ import annotations

import datetime as dt

import pytest

from asbuilt.plant import parse
from asbuilt.views.line import moment
from asbuilt.views.line.sentence import joined
from tests.web.scripted import PLANT_TEXT, Told, at, morning, shop

PLANNED = """
[[reason]]
id = "tool_change"
name = "Tool change"
group = "planned"
"""


def board(told: Told, now: str, **options):
    with shop(told, now, **options) as app:
        return app.query("line.board", line="1")


def tile(told: Told, now: str, station: str = "10", **options):
    return next(tile for tile in board(told, now, **options).tiles if tile.id == station)


def test_a_cycle_lasts_from_start_to_completion():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "06:10:00")
    told.done("10", "1", "06:10:48")
    assert tile(told, "06:20").cycles_s == (48.0,)


def test_a_break_is_not_part_of_a_cycle():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "08:59:30")
    told.done("10", "1", "09:15:20")
    assert tile(told, "09:20").cycles_s == (50.0,)


def test_time_blocked_is_not_part_of_a_cycle():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "06:10:00")
    told.state("10", "Blocked", "06:10:45")
    told.state("10", "Execute", "06:14:45")
    told.done("10", "1", "06:14:47")
    assert tile(told, "06:20").cycles_s == (47.0,)


def test_time_blocked_in_a_break_is_taken_out_once():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "08:59:00")
    told.state("10", "Blocked", "08:59:40")
    told.state("10", "Execute", "09:16:00")
    told.done("10", "1", "09:16:10")
    assert tile(told, "09:20").cycles_s == (50.0,)


def test_a_night_is_not_part_of_a_cycle():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "13:59:40")
    with shop(told, at("06:00:10", dt.date(2026, 6, 4))) as app:
        now = app.query("line.board", line="1")
    # 20 s before the end of the shift and 10 s after the start of the next one.
    assert (now.at - now.tiles[0].cycle.since).total_seconds() == 30


def test_the_present_cycle_counts_without_the_break():
    told = Told()
    told.state("10", "Execute", "06:00")
    told.start("10", "1", "08:59:30")
    answer = board(told, "09:15:10")
    assert (answer.at - answer.tiles[0].cycle.since).total_seconds() == 40


def test_the_station_stopped_longest_holds_the_line():
    assert board(morning(), "08:30").headline == "Fuel and ignition is holding the line. Test is starved."


def test_a_planned_stop_does_not_hold_the_line():
    told = Told()
    told.connect("05:30")
    for station in ("10", "20", "30"):
        told.state(station, "Execute", "06:00")
    told.state("20", "Held", "06:30", reason="tool_change")
    answer = board(told, "06:31", plant=parse(PLANT_TEXT + PLANNED, "planned.toml"))
    assert [tile.planned for tile in answer.tiles] == [False, True, False]
    assert "holding" not in answer.headline


def test_an_unplanned_stop_holds_the_line_beside_a_longer_planned_one():
    told = Told()
    told.connect("05:30")
    told.state("10", "Held", "06:10", reason="tool_change")
    told.state("20", "Held", "06:30", reason="coolant")
    told.state("30", "Execute", "06:00")
    answer = board(told, "06:31", plant=parse(PLANT_TEXT + PLANNED, "planned.toml"))
    assert answer.headline.startswith("Fuel and ignition is holding the line.")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], ""),
        (["Honing"], "Honing"),
        (["Honing", "Test"], "Honing and test"),
        (["Honing", "Wash", "Test"], "Honing, wash and test"),
        (["Head and piston", "Fuel and ignition"], "Head and piston as well as fuel and ignition"),
        (["Wash", "ECU test"], "Wash and ECU test"),
    ],
)
def test_labels_are_joined_as_people_say_them(labels, words):
    assert joined(labels) == words


def test_a_stay_of_a_year_is_told_as_it_is_without_walking_its_calendar(monkeypatch):
    told = Told()
    told.state("10", "Execute", at("06:00", dt.date(2025, 6, 3)))
    told.start("10", "1", at("06:10", dt.date(2025, 6, 3)))
    walked = []
    monkeypatch.setattr(moment, "shifts_of", lambda *asked: walked.append(asked) or iter(()))
    with shop(told) as app:
        since = app.query("line.board", line="1").tiles[0].cycle.since
    assert since == at("06:10", dt.date(2025, 6, 3))
    assert not walked


NIGHTS = (
    PLANT_TEXT.replace('start = "06:00"\nend = "14:00"', 'start = "22:00"\nend = "06:00"')
    .replace('days = ["mon", "tue", "wed", "thu", "fri"]\n', "")
    .replace('breaks = [{ start = "09:00", end = "09:15" }]\n', "")
)
AUTUMN = dt.datetime(2026, 10, 24, 20, 0, tzinfo=dt.UTC)
"""22:00 at the plant on the evening before the clocks go back: the shift has nine hours."""


def test_the_night_the_clocks_go_back_has_nine_hours_and_each_piece_is_in_one():
    told = Told()
    told.connect(AUTUMN)
    for minutes in range(5, 540, 10):
        told.done("30", f"{minutes:04}", AUTUMN + dt.timedelta(minutes=minutes))
    told.state("20", "Held", AUTUMN + dt.timedelta(hours=4, minutes=10), reason="coolant")
    told.state("20", "Execute", AUTUMN + dt.timedelta(hours=5, minutes=20))
    with shop(told, AUTUMN + dt.timedelta(minutes=535), plant=parse(NIGHTS, "nights.toml")) as app:
        answer = app.query("line.board", line="1")
        page = app.client.get("/line/1").text
    assert [hour.planned for hour in answer.hours] == [60] * 9
    assert [hour.made for hour in answer.hours] == [6] * 9
    assert [hour.reason for hour in answer.hours] == [""] * 4 + ["Coolant, oil"] * 2 + [""] * 3
    assert "(1:10 h)" in page
