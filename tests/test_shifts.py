"""When a line works: shifts, breaks, nights and the two days a year that are not 24 hours long."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.plant import Line, Plant, parse
from asbuilt.plant.calendar import ShiftWindow, next_shift, shift_at, shifts_of

TEXT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
shifts = "two"
[[site.area.line.station]]
id = "10"
name = "Only"
[[site.area.line]]
id = "2"
name = "Line 2"
[[site.area.line.station]]
id = "10"
name = "Only"

[[shift_pattern]]
id = "two"
[[shift_pattern.shift]]
id = "N"
start = "22:00"
end = "06:00"
days = ["mon", "tue", "wed", "thu", "sat"]
breaks = [{ start = "02:00", end = "02:30" }]
[[shift_pattern.shift]]
id = "E"
start = "06:00"
end = "14:00"
days = ["mon", "tue", "wed", "thu", "fri"]
lead = "T. Moreau"
breaks = [{ start = "12:00", end = "12:30" }, { start = "09:00", end = "09:15" }]
"""
PLANT: Plant = parse(TEXT)
LINE: Line = PLANT.lines["works/main/hall/1"]
WITHOUT: Line = PLANT.lines["works/main/hall/2"]
BERLIN = ZoneInfo("Europe/Berlin")
WEDNESDAY = dt.date(2026, 6, 3)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def at(time: str, day: dt.date = WEDNESDAY) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.fromisoformat(time), BERLIN)


def the(shift: str, day: dt.date = WEDNESDAY) -> ShiftWindow:
    return next(window for window in shifts_of(PLANT, LINE, day, day) if window.id == shift)


# --------------------------------------------------------------------------- which shift


@pytest.mark.parametrize(
    ("time", "shift"),
    [
        ("2026-06-03T03:59:59", "N"),  # of Tuesday evening
        ("2026-06-03T04:00:00", "E"),
        ("2026-06-03T11:59:59", "E"),
        ("2026-06-03T12:00:00", None),
        ("2026-06-03T19:59:59", None),
        ("2026-06-03T20:00:00", "N"),
        ("2026-06-05T20:00:00", None),  # none begins on Friday night
        ("2026-06-06T20:00:00", "N"),  # Saturday
        ("2026-06-07T03:00:00", "N"),
        ("2026-06-07T20:00:00", None),
        ("2026-06-08T03:00:00", None),  # Sunday night
    ],
)
def test_the_shift_at_an_instant(time, shift):
    found = shift_at(PLANT, LINE, utc(time))
    assert (found.id if found else None) == shift


def test_a_night_is_filed_under_the_day_it_begins():
    window = shift_at(PLANT, LINE, at("03:00"))
    assert window is not None
    assert window.day == dt.date(2026, 6, 2)
    assert (window.start, window.end) == (utc("2026-06-02T20:00"), utc("2026-06-03T04:00"))


def test_the_next_shift():
    def after(time: str) -> tuple[str, dt.date] | None:
        window = next_shift(PLANT, LINE, utc(time))
        return (window.id, window.day) if window else None

    assert after("2026-06-03T03:59:59") == ("E", WEDNESDAY)
    assert after("2026-06-03T04:00:00") == ("N", WEDNESDAY)  # the one that begins now is not the next
    assert after("2026-06-05T10:00:00") == ("N", dt.date(2026, 6, 6))  # Friday's early shift → Saturday night
    assert after("2026-06-07T10:00:00") == ("E", dt.date(2026, 6, 8))


def test_a_line_without_shifts_has_none():
    assert shift_at(PLANT, WITHOUT, at("10:00")) is None
    assert next_shift(PLANT, WITHOUT, at("10:00")) is None
    assert list(shifts_of(PLANT, WITHOUT, WEDNESDAY, WEDNESDAY)) == []


def test_shifts_come_in_order_of_their_start():
    week = list(shifts_of(PLANT, LINE, dt.date(2026, 6, 1), dt.date(2026, 6, 7)))
    assert [(window.day.day, window.id) for window in week] == [
        (1, "E"), (1, "N"), (2, "E"), (2, "N"), (3, "E"), (3, "N"), (4, "E"), (4, "N"), (5, "E"), (6, "N"),
    ]  # fmt: skip
    assert [window.start for window in week] == sorted(window.start for window in week)
    assert list(shifts_of(PLANT, LINE, WEDNESDAY, WEDNESDAY - dt.timedelta(days=1))) == []


def test_a_shift_knows_its_lead_and_its_breaks_in_order():
    window = the("E")
    assert window.lead == "T. Moreau"
    assert [(pause.start, pause.end) for pause in window.breaks] == [
        (at("09:00"), at("09:15")), (at("12:00"), at("12:30")),
    ]  # fmt: skip


# --------------------------------------------------------------------------- work


@pytest.mark.parametrize(
    ("until", "minutes"),
    [("05:00", 0), ("06:00", 0), ("08:00", 120), ("09:00", 180), ("09:10", 180), ("09:15", 180), ("09:16", 181),
     ("12:00", 345), ("12:30", 345), ("14:00", 435), ("20:00", 435)],
)  # fmt: skip
def test_breaks_are_no_work(until, minutes):
    assert the("E").working_s(at(until)) == minutes * 60


@pytest.mark.parametrize(
    ("time", "pause"), [("08:59:59", None), ("09:00", "09:00"), ("09:14:59", "09:00"), ("09:15", None), ("12:10", "12:00")]
)  # fmt: skip
def test_the_break_at_an_instant(time, pause):
    found = the("E").pause_at(at(time))
    assert (found.start if found else None) == (at(pause) if pause else None)


@pytest.mark.parametrize(
    ("since", "minutes", "end"),
    [
        ("06:00", 0, "06:00"), ("06:00", 60, "07:00"), ("06:00", 180, "09:00"), ("06:00", 181, "09:16"),
        ("08:30", 60, "09:45"), ("09:05", 10, "09:25"), ("09:00", 10, "09:25"), ("11:00", 60, "12:00"),
        ("11:00", 61, "12:31"), ("08:00", 300, "13:45"), ("13:00", 120, "15:00"), ("12:30", 5, "12:35"),
    ],
)  # fmt: skip
def test_when_so_much_work_is_done(since, minutes, end):
    assert the("E").after_work(at(since), minutes * 60) == at(end)


@given(st.integers(0, 479), st.integers(0, 435), st.sampled_from("EN"))
def test_so_much_work_takes_so_long(begin, minutes, shift):
    window = the(shift)
    since = window.start + dt.timedelta(minutes=begin)
    end = window.after_work(since, minutes * 60)
    assert end >= since
    if end <= window.end:
        assert window.working_s(end) - window.working_s(since) == minutes * 60


# --------------------------------------------------------------------------- when the clocks change


def test_the_night_the_clocks_go_forward_is_an_hour_shorter():
    night = the("N", dt.date(2026, 3, 28))
    assert (night.start, night.end) == (utc("2026-03-28T21:00"), utc("2026-03-29T04:00"))
    # 02:00 to 02:30 never was; the break is half an hour all the same.
    assert [(pause.start, pause.end) for pause in night.breaks] == [(utc("2026-03-29T01:00"), utc("2026-03-29T01:30"))]
    assert night.working_s(night.end) == 6.5 * 3600
    assert shift_at(PLANT, LINE, utc("2026-03-29T03:59:59")) == night
    assert shift_at(PLANT, LINE, utc("2026-03-29T04:00:00")) is None


def test_the_night_the_clocks_go_back_is_an_hour_longer():
    night = the("N", dt.date(2026, 10, 24))
    assert (night.start, night.end) == (utc("2026-10-24T20:00"), utc("2026-10-25T05:00"))
    # Of the two times it is two o'clock, the first.
    (pause,) = night.breaks
    assert (pause.start.astimezone(dt.UTC), pause.end.astimezone(dt.UTC)) == (
        utc("2026-10-25T00:00"),
        utc("2026-10-25T00:30"),
    )
    assert night.pause_at(utc("2026-10-25T00:29:59")) == pause
    assert night.pause_at(utc("2026-10-25T01:10:00")) is None  # ten past two once more
    assert night.working_s(night.end) == 8.5 * 3600


@pytest.mark.parametrize(("day", "hours"), [(dt.date(2026, 3, 28), 7), (dt.date(2026, 10, 24), 9)])
@pytest.mark.parametrize("zone", [BERLIN, dt.UTC])
def test_work_goes_on_through_the_change_whatever_clock_is_read(day, hours, zone):
    night = the("N", day)
    start, end = night.start.astimezone(zone), night.end.astimezone(zone)
    assert night.after_work(start, (hours - 0.5) * 3600).astimezone(dt.UTC) == end.astimezone(dt.UTC)
    for half_hours in range(2 * hours + 1):
        then = start.astimezone(dt.UTC) + half_hours * dt.timedelta(minutes=30)
        # Four hours after ten the break begins, on both nights.
        worked = 30 * half_hours - max(0, min(30, 30 * (half_hours - 8)))
        assert night.working_s(then.astimezone(zone)) == worked * 60


@given(st.dates(dt.date(2025, 1, 1), dt.date(2027, 12, 31)))
def test_no_instant_is_in_two_shifts_and_each_shift_is_found_at_its_start(day):
    windows = list(shifts_of(PLANT, LINE, day, day + dt.timedelta(days=7)))
    for before, after in pairwise(windows):
        assert before.end <= after.start
    for window in windows:
        assert shift_at(PLANT, LINE, window.start) == window
        assert shift_at(PLANT, LINE, window.end - dt.timedelta(seconds=1)) == window
        assert 0 < window.working_s(window.end) <= window.end.timestamp() - window.start.timestamp()
        assert next_shift(PLANT, LINE, window.start - dt.timedelta(seconds=1)) == window


@given(st.integers(0, 3 * 365 * 24 * 60))
def test_an_instant_is_in_the_shift_that_its_wall_time_says(minute):
    """Told apart by the clock on the wall alone, as a person would."""
    instant = (utc("2025-01-01") + dt.timedelta(minutes=minute)).astimezone(BERLIN)
    day, hour = instant.date(), instant.hour
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    expected = None
    if 6 <= hour < 14 and names[day.weekday()] in ("mon", "tue", "wed", "thu", "fri"):
        expected = ("E", day)
    evening = day if hour >= 22 else day - dt.timedelta(days=1) if hour < 6 else None
    if evening and names[evening.weekday()] in ("mon", "tue", "wed", "thu", "sat"):
        expected = ("N", evening)
    found = shift_at(PLANT, LINE, instant)
    assert ((found.id, found.day) if found else None) == expected
