"""The calendar: shifts, breaks, days off and other shifts for a day, in the plant's zone, by the file in force then."""

from __future__ import annotations

import datetime as dt
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import PlantError
from asbuilt.plant import parse
from asbuilt.plant.calendar import forecast, plan_of, shifts_of
from tests.shift.telling import LINE, Facts, plant, shift, taken_in

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTS = shift("N", "22:00", "06:00", 'breaks = [{ start = "02:00", end = "02:30" }]')


def ask(app, start, end, **more):
    return app.query("shift.kpi", scope=LINE, **{"from": start, "to": end}, **more)


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), BERLIN)


@pytest.mark.parametrize(("day", "hours"), [("2025-10-26", 25), ("2026-03-29", 23), ("2026-06-03", 24)])
def test_days_of_23_and_25_hours(day, hours):
    first = dt.date.fromisoformat(day)
    with taken_in(plant(60, zone="Europe/Berlin"), []) as app:
        found = ask(app, midnight(first), midnight(first + dt.timedelta(days=1)), by="hour")
        assert len(found) == hours
        assert {kpi.window_s for kpi in found} == {3600.0}
        (whole,) = ask(app, midnight(first), midnight(first + dt.timedelta(days=1)), by="day")
        assert whole.window_s == hours * 3600


@pytest.mark.parametrize(("day", "hours"), [("2025-10-25", 9), ("2026-03-28", 7), ("2026-06-03", 8)])
def test_a_night_shift_over_a_clock_change_is_longer_or_shorter(day, hours):
    first = dt.date.fromisoformat(day)
    with taken_in(plant(60, zone="Europe/Berlin", shifts=NIGHTS), []) as app:
        found = ask(app, midnight(first), midnight(first) + dt.timedelta(days=2), by="shift")
        (night,) = [kpi for kpi in found if kpi.name == f"{day} N"]
        assert night.pot_s == hours * 3600


@pytest.mark.parametrize(("day", "hours"), [("2025-10-25", 8.5), ("2026-03-28", 6.5), ("2026-06-03", 7.5)])
def test_plan_and_forecast_know_the_length_of_that_night(day, hours):
    of_plant = plant(60, zone="Europe/Berlin", shifts=NIGHTS)
    first = dt.date.fromisoformat(day)
    (night,) = shifts_of(of_plant, of_plant.lines[LINE], first, first)
    assert night.working_s(night.end) == hours * 3600
    assert plan_of(night, 1800, night.end) == hours * 2
    late = night.end - dt.timedelta(hours=1)
    found = forecast(night, late, [late - dt.timedelta(minutes=10 * n) for n in (2, 1, 0)])
    assert found is not None and found.total == 3 + 6


def test_a_night_shifts_stop_belongs_to_the_night_shift_and_its_day():
    facts = Facts(BERLIN)
    facts.state("21:00", "Execute")
    facts.state(24 * 60 + 60, "Held")  # 01:00 on the next day
    facts.state(24 * 60 + 90, "Execute")
    start, end = midnight(facts.day), midnight(facts.day + dt.timedelta(days=2))
    with taken_in(plant(60, zone="Europe/Berlin", shifts=NIGHTS), facts) as app:
        shifts = {kpi.name: kpi.adet_s for kpi in ask(app, start, end, by="shift")}
        days = {kpi.name: kpi.adet_s for kpi in ask(app, start, end, by="day")}
        (stop,) = [s for s in app.query("shift.stops", scope=LINE, **{"from": start, "to": end}) if s.state == "Held"]
    assert shifts["2026-06-03 N"] == days["2026-06-03"] == 1800
    assert shifts["2026-06-04 N"] == days["2026-06-04"] == 0
    assert stop.length_s == 1800


DAYS_OFF = """
[[day_change]]
day = 2026-06-04
name = "Corpus Christi"

[[day_change]]
day = 2026-06-05
until = 2026-06-06
line = "l"
shift = [{ id = "S", start = "08:00", end = "12:00" }]

[[day_change]]
day = 2026-06-05
site = "s"
"""


def test_days_off_and_other_shifts_for_a_day():
    start, end = midnight(dt.date(2026, 6, 3)), midnight(dt.date(2026, 6, 8))
    with taken_in(plant(60, zone="Europe/Berlin", shifts=shift("A", "06:00", "14:00"), more=DAYS_OFF), []) as app:
        found = {kpi.name: kpi.pot_s / 3600 for kpi in ask(app, start, end, by="shift")}
    # Of two changes for one day the narrower holds.
    assert found == {"2026-06-03 A": 8, "2026-06-05 S": 4, "2026-06-06 S": 4, "2026-06-07 A": 8}


def test_a_change_that_begins_early_ends_the_shift_before():
    early = '[[day_change]]\nday = 2026-06-04\nshift = [{ id = "E", start = "04:00", end = "12:00" }]\n'
    start, end = midnight(dt.date(2026, 6, 3)), midnight(dt.date(2026, 6, 5))
    with taken_in(plant(60, zone="Europe/Berlin", shifts=NIGHTS, more=early), []) as app:
        found = {kpi.name: (kpi.start.hour, kpi.end.hour) for kpi in ask(app, start, end, by="shift")}
    assert found["2026-06-03 N"] == (22, 4)
    assert found["2026-06-04 E"] == (4, 12)


def test_a_change_of_the_calendar_never_rewrites_the_past():
    clock = [midnight(dt.date(2026, 6, 1))]
    with AsBuilt(
        memory=True, plant=plant(60, zone="Europe/Berlin", shifts=shift("A", "06:00", "14:00")), now=lambda: clock[0]
    ) as app:
        clock[0] = midnight(dt.date(2026, 6, 4)) + dt.timedelta(hours=10)
        two = plant(60, zone="Europe/Berlin", shifts=shift("A", "06:00", "14:00") + shift("B", "14:00", "22:00"))
        defined = events.PlantDefined(
            id=UUID(int=9), event_time=clock[0], source="office", digest=two.digest, text=two.text
        )
        assert [result.status for result in app.take_in([defined])] == ["accepted"]
        clock[0] = midnight(dt.date(2026, 6, 10))
        found = [kpi.name for kpi in ask(app, midnight(dt.date(2026, 6, 2)), midnight(dt.date(2026, 6, 6)), by="shift")]
    assert found == ["2026-06-02 A", "2026-06-03 A", "2026-06-04 A", "2026-06-04 B", "2026-06-05 A", "2026-06-05 B"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('[[day_change]]\nday = 2026-06-05\nuntil = 2026-06-01\n', "the change goes from 2026-06-05 to 2026-06-01"),
        ('[[day_change]]\nday = 2026-06-05\nuntil = 2126-06-01\n', "Let it end on its first day or later"),
        ('[[day_change]]\nday = 2026-06-05\nsite = "x"\n', "there is no site `x`"),
        (
            '[[day_change]]\nday = 2026-06-05\nshift = [{ id = "A", start = "06:00", end = "14:00" },'
            ' { id = "B", start = "13:00", end = "20:00" }]\n',
            "shift B begins before shift A has ended",
        ),
        ('[[reason]]\nid = "a"\nname = "A"\nunder = "b"\n[[reason]]\nid = "b"\nname = "B"\nunder = "a"\n', "is under itself"),
        ('[[reason]]\nid = "a"\nname = "A"\ntime = "holiday"\n', "Invalid enum value"),
        ('[time.states]\nRunning = "production"\n', "there is no state `Running`"),
        ('[time]\nshort_stop_s = -1\n', "Expected `float` >= 0"),
    ],
)  # fmt: skip
def test_a_calendar_or_time_model_that_cannot_be(more, what):
    with pytest.raises(PlantError, match=what) as error:
        plant(60, more=more)
    assert error.value.remedy or "→" in str(error.value)


def test_a_shift_that_overlaps_itself():
    with pytest.raises(PlantError, match="begins before shift A has ended"):
        plant(60, shifts=shift("A", "06:00", "14:00") + shift("B", "13:30", "22:00"))


def test_a_shift_without_an_end():
    with pytest.raises(PlantError, match="missing key `end`"):
        parse(
            '[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n[[shift_pattern]]\nid = "x"\n[[shift_pattern.shift]]\nid = "A"\nstart = "06:00"\n'
        )
