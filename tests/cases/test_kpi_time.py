"""Cases about time, silence, states, explanations and stops: each with its right value."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from asbuilt.plant import load, parse
from tests.cases.told import FILES, KPI, LINE, NOW, STATION, ask, at, case
from tests.commands import process

HOUR = 3600.0


def test_01_pieces_told_twice_over_a_shift_change_are_made_once():
    with case("01-two-tellers-over-a-shift-change") as app:
        first, second = ask(app, "shift.kpi", "06-03 06:00", "06-03 22:00", by="shift")
        whole = ask(app, "shift.kpi", "06-03 06:00", "06-03 22:00")
        made = [app.query("shift.report", line=LINE, day=dt.date(2025, 6, 3), shift=name).made for name in "AB"]
        late = ask(app, "shift.kpi", "06-03 14:01", "06-03 15:00")
    assert (first.pq, second.pq, whole.pq, made) == (10, 0, 10, [10, 0])
    # The counter's word is kept beside it.
    assert (late.pq, late.told) == (0, {"counted": 10})


def test_02_the_board_counts_what_the_handover_counts():
    with case("02-counter-only-line", now=at("06-03 13:59")) as app:
        board = app.query("line.board", line=LINE)
        report = app.query("shift.report", line=LINE, day=dt.date(2025, 6, 3), shift="A")
    assert (board.output, report.made, sum(hour.made or 0 for hour in board.hours)) == (360, 360, 360)


def test_01_the_board_of_the_next_shift_counts_nothing_again():
    with case("01-two-tellers-over-a-shift-change", now=at("06-03 15:00")) as app:
        assert app.query("line.board", line=LINE).output == 0


def test_03_one_stop_of_five_states_and_its_reason_holds_for_all_of_it():
    with case("03-one-stop-three-states") as app:
        first, second = sorted(ask(app, "shift.stops"), key=lambda stop: stop.start)
        found = ask(app, "shift.kpi")
    assert (first.start, first.end, first.reason) == (at("06-03 08:00:00"), at("06-03 08:21:30"), "jam")
    # Held for three minutes before somebody said why: the late reason is that of the whole stop.
    assert (second.start, second.end, second.reason) == (at("06-03 10:00:00"), at("06-03 10:10:00"), "jam")
    assert not any(stop.waiting or stop.short for stop in (first, second))
    assert (found.adet_s, found.adot_s) == (1290 + 600, 0)
    assert (found.failures, found.repair_s, found.mttr_s) == (2, 1890, 945)


def test_03_by_hour_and_over_a_cut_stop_the_same():
    with case("03-one-stop-three-states") as app:
        whole = ask(app, "shift.kpi")
        hours = ask(app, "shift.kpi", by="hour")
        early = ask(app, "shift.stops", "06-03 10:00", "06-03 10:02")
    assert sum(hour.adet_s for hour in hours) == whole.adet_s
    # What was told at 10:03 says what the stop was that began at 10:00, whatever window is asked.
    assert [(stop.reason, stop.length_s) for stop in early] == [("jam", 600)]


@pytest.mark.parametrize(
    ("start", "end"), [("06-01 00:00", "06-08 00:00"), ("06-03 06:00", "06-03 14:00"), ("06-06 23:00", "06-07 07:00")]
)
def test_04_a_stop_of_five_days_has_its_real_ends_in_every_window(start, end):
    with case("04-stop-of-five-days-no-shifts") as app:
        (stop,) = ask(app, "shift.stops", start, end)
    assert (stop.start, stop.end, stop.length_s) == (at("06-02 06:00:00"), at("06-07 06:00:00"), 5 * 24 * HOUR)
    assert (stop.began, stop.ended, stop.stood_s) == (stop.start, stop.end, stop.length_s)


def test_04_its_parts_add_up():
    with case("04-stop-of-five-days-no-shifts") as app:
        days = ask(app, "shift.kpi", "06-01 00:00", "06-08 00:00", by="day")
        whole = ask(app, "shift.kpi", "06-01 00:00", "06-08 00:00")
    assert sum(day.adet_s for day in days) == whole.adet_s == 5 * 24 * HOUR
    assert sum(day.failures for day in days) == whole.failures == 1
    assert whole.mttr_s == 5 * 24 * HOUR


def test_06_a_gap_inside_a_silence_leaves_all_of_it_unobserved():
    with case("06-gap-found-inside-silence") as app:
        found = ask(app, "shift.kpi")
        tiles = ask(app, "shift.tiles")
    assert (found.not_observed_s, found.coverage) == (4 * HOUR, 0.5)
    assert sum(tile.seconds for tile in tiles if tile.kind == "not observed") == 4 * HOUR


def test_09_a_failure_that_began_before_the_shift_is_in_its_figures():
    with case("09-failure-before-shift") as app:
        found = ask(app, "shift.kpi")
        before = ask(app, "shift.kpi", "06-02 14:00", "06-03 06:00")
    # It began before the shift, in time off: what it took of planned time is 30 minutes.
    assert (found.failures, found.repair_s, found.mttr_s) == (1, 1800, 1800)
    assert before.failures == 0


def test_09_a_failure_over_a_shift_change_counts_where_it_is_repaired_with_all_of_its_length():
    with case("09-failure-before-shift") as app:
        later = [
            events.StateChanged(id=events.new_id(NOW, app.random), event_time=at(time), source="g", station=STATION,
                                state=state, reason=reason)
            for time, state, reason in (("06-03 13:40", "Aborted", "jam"), ("06-03 14:20", "Execute", None))
        ]  # fmt: skip
        app.take_in(later)
        first, second = ask(app, "shift.kpi", "06-03 06:00", "06-03 22:00", by="shift")
        both = ask(app, "shift.kpi", "06-03 06:00", "06-03 22:00")
    assert (first.failures, first.repair_s, first.mttr_s) == (1, 3000, 1800)
    assert (second.failures, second.repair_s, second.mttr_s) == (1, 1200, 2400)
    assert (both.failures, both.mttr_s) == (2, 2100)


def test_16_an_explanation_against_execute_is_named_as_without_effect():
    with case("16-explained-while-producing") as app:
        found = ask(app, "shift.kpi")
        report = app.query("shift.report", line=LINE, day=dt.date(2025, 6, 3), shift="A")
    assert found.apt_s == 8 * HOUR
    (named,) = [what for what in found.anomalies if "without effect" in what]
    assert "Jam" in named and "60 min" in named and "2025-06-03 07:00 to 08:00" in named
    (explanation,) = report.explanations
    assert (explanation.holds, explanation.without_effect_s) == (False, HOUR)


def test_56_a_stop_of_the_whole_line_counts_for_its_stations_and_its_state_is_named():
    with case("56-line-wide-stop") as app:
        found = ask(app, "shift.kpi")
        tiles = ask(app, "shift.tiles")
        line = ask(app, "shift.kpi", scope=LINE)
    assert found.planned_down_s == 2 * HOUR
    assert (tiles[0].kind, tiles[0].reason, tiles[0].end) == ("planned", "prev", at("06-03 08:00:00"))
    assert any(LINE in what and "no station" in what for what in line.anomalies)


def test_58_one_reason_on_every_screen():
    with case("58-two-screens-reason") as app:
        (stop,) = ask(app, "shift.stops")
        tiles = {tile.reason for tile in ask(app, "shift.tiles") if tile.state == "Held"}
        board = app.query("line.states", line=LINE, at=at("06-03 08:20"))
        ribbons = app.query("line.board", line=LINE, at=at("06-03 13:30")).ribbons
    assert (stop.title, tiles) == ("Tool change", {"tool"})
    assert [state.cause for state in board] == ["Tool change"]
    assert "Tool change" in {part.cause for ribbon in ribbons for part in ribbon.parts if part.state == "Held"}


def test_61_two_weeks_without_a_word_are_not_observed():
    with case("61-nothing-for-days") as app:
        found = ask(app, "shift.kpi")
        tiles = ask(app, "shift.tiles")
        weeks = ask(app, "shift.kpi", "05-20 06:00", "06-03 06:00")
        second = ask(app, "shift.kpi", "05-20 14:00", "05-20 22:00")
        report = app.query("shift.report", line=LINE, day=dt.date(2025, 6, 3), shift="A")
    assert (found.coverage, found.availability, found.oee, found.apt_s) == (0, None, None, 0)
    assert {tile.kind for tile in tiles} == {"not observed"}
    # Its one word holds for a shift, the first of twenty-eight; two days were called observed for it.
    assert weeks.coverage == pytest.approx(1 / 28)
    assert (second.coverage, second.availability) == (0, None)
    assert report.made is None and "not observed" in report.headline


def test_76_a_state_counts_as_the_plant_file_in_force_then_says():
    text = (KPI / "mini.toml").read_text()
    clock = [at("06-03 05:00")]
    with AsBuilt(memory=True, strict=True, plant=parse(text), now=lambda: clock[0]) as app:
        held = events.StateChanged(
            id=events.new_id(clock[0], app.random), event_time=clock[0], source="g", station=STATION, state="Held"
        )
        app.take_in([held])
        clock[0] = at("06-03 10:00")
        app.define(parse(text + '\n[time.states]\nHeld = "planned"\n'))
        clock[0] = at("06-03 15:00")
        found = ask(app, "shift.kpi")
        first = ask(app, "shift.kpi", "06-03 06:00", "06-03 10:00")
    assert (found.adet_s, found.planned_down_s) == (4 * HOUR, 4 * HOUR)
    assert (first.adet_s, first.planned_down_s) == (4 * HOUR, 0)


def test_76_pieces_count_by_the_cycle_in_force_when_they_were_told():
    text = (KPI / "mini.toml").read_text()
    clock = [at("06-03 05:00")]
    with AsBuilt(memory=True, strict=True, plant=parse(text), now=lambda: clock[0]) as app:
        app.take_in([events.decode(line) for line in (KPI / "76-plant-change.ndjson").read_bytes().splitlines()])
        clock[0] = at("06-03 10:00")
        before = ask(app, "shift.kpi", "06-03 06:00", "06-03 10:00")
        app.define(parse(text.replace("cycle_s = 30", "cycle_s = 60")))
        late = events.Counted(
            id=events.new_id(clock[0], app.random), event_time=at("06-03 11:00"), source="g", station=STATION, good=10
        )
        clock[0] = at("06-03 15:00")
        app.take_in([late])
        whole = ask(app, "shift.kpi")
        first = ask(app, "shift.kpi", "06-03 06:00", "06-03 10:00")
        hours = ask(app, "shift.kpi", by="hour")
    # A later plant file changes no earlier answer.
    assert first == before
    assert (first.planned_run_s, whole.planned_run_s) == (3000, 3600)
    assert sum(hour.planned_run_s for hour in hours) == whole.planned_run_s


@pytest.mark.parametrize("name", ["07-product-known-by-order", "07b-line-product-cycle"])
def test_07_the_cycle_is_that_of_the_orders_product_else_of_the_lines(name):
    with case(name) as app:
        found = ask(app, "shift.kpi")
    assert (found.planned_run_s, found.oee) == (400 * 50, pytest.approx(400 * 50 / (8 * HOUR)))


def test_78_cycles_longer_than_an_hour_make_no_hour_of_two_hundred_per_cent():
    with case("78-long-cycle") as app:
        hours = ask(app, "shift.kpi", "06-03 06:00", "06-03 10:00", by="hour")
        whole = ask(app, "shift.kpi", "06-03 06:00", "06-03 10:00")
    assert [hour.effectiveness for hour in hours] == [None] * 4
    assert all("a cycle takes 2:00 h, longer than" in hour.withheld["effectiveness"] for hour in hours)
    assert whole.effectiveness == 1.0


def test_night_a_shift_of_one_day_alone_is_simulated(tmp_path):
    done = process(
        "simulate", str(KPI / "night.toml"), "--days", "2", "--seed", "5", "--end", "2025-03-31T15:00:00", "--out",
        str(tmp_path / "x"),
    )  # fmt: skip
    assert done.code == 0, done.err


# --------------------------------------------------------------------------- what was imported


def imported(name: str) -> AsBuilt:
    return AsBuilt(memory=True, strict=True, plant=load(FILES / name / "plant.toml"), now=lambda: NOW_2026)


NOW_2026 = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
FOUR_DAYS = {"from": dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC), "to": dt.datetime(2026, 3, 5, 23, tzinfo=dt.UTC)}


def told_by_file(name: str) -> list[events.Event]:
    rows = (FILES / name / "log.csv").read_text().splitlines()[1:]
    return [
        events.StateChanged(
            id=events.derived_id(None, row), event_time=dt.datetime.fromisoformat(row.split(",")[0]), source="st",
            station="w/m/a/1/M1", state="Execute",
        )
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["r2-silence", "r3-jobshop"])
def test_r2_r3_two_bursts_in_four_days_are_minutes_and_everybody_says_the_same(name):
    with imported(name) as app:
        app.take_in(told_by_file(name))
        found = app.query("shift.kpi", scope="w/m/a/1/M1", **FOUR_DAYS)
        tiles = app.query("shift.tiles", scope="w/m/a/1/M1", **FOUR_DAYS)
        observed_s = found.window_s - found.not_observed_s
        assert 5 * 60 <= observed_s <= 20 * 60
        assert sum(tile.seconds for tile in tiles if tile.kind != "not observed") == observed_s
        for moment in (dt.timedelta(hours=7, minutes=3), dt.timedelta(hours=12), dt.timedelta(days=3, hours=8)):
            when = FOUR_DAYS["from"] + moment
            (state,) = app.query("line.states", line="1", at=when)
            (tile,) = [tile for tile in tiles if tile.start <= when < tile.end]
            assert (state.state == "No data") == (tile.kind == "not observed"), when
            assert tile.kind == "not observed" or state.state == tile.state, when


def test_tiles_of_what_is_not_observed_join_without_gaps():
    with case("06-gap-found-inside-silence") as app:
        tiles = ask(app, "shift.tiles", "06-03 00:00", "06-04 00:00")
    assert all(a.end == b.start for a, b in pairwise(tiles))


# --------------------------------------------------------------------------- moments that have not come, windows that were

LATER = dt.datetime.fromisoformat("2031-01-01T12:00:00+01:00")


def test_no_query_answers_about_a_moment_later_than_now():
    with case("58-two-screens-reason") as app:
        asked = [query for query in app.queries.values() if "at" in query.parameters]
        assert len(asked) > 20
        for query in asked:
            given = {name: "x" for name, one in query.parameters.items() if one.default is one.empty and name != "at"}
            with pytest.raises(UsageError, match="2031-01-01 12:00:00 has not come yet"):
                app.query(query.name, **given, at=LATER)


def test_no_page_answers_about_a_moment_later_than_now():
    with case("58-two-screens-reason") as app:
        for address in ("/line/1", "/shift/2025-06-03/A", "/kpi", "/sources", "/alarms", "/orders", "/site"):
            answer = app.client.get(f"{address}?at=2031-01-01T12:00")
            assert answer.status_code >= 400, address
            assert "has not come yet" in answer.text, address


def test_key_figures_name_the_window_they_were_computed_over():
    with case("58-two-screens-reason", now=at("06-03 14:00")) as app:
        text = app.client.get("/kpi?days=28&figure=availability").text
    assert "over 1 day of the 28 asked for, since 3 Jun, when the record begins" in text


def test_pages_of_what_nobody_saw_say_so_and_name_no_number():
    with case("61-nothing-for-days", now=at("06-03 15:00")) as app:
        shift = app.client.get("/shift/2025-06-03/A").text
        window = app.client.get("/kpi/window?scope=p/s/a/1/10&start=2025-06-03T06:00&end=2025-06-03T14:00").text
        pdf = app.query("shift.report", line=LINE, day=dt.date(2025, 6, 3), shift="A")
    assert "Line 1 was not observed in shift A: what it made is not known." in shift
    assert "What stations did is not known: nothing was observed." in shift
    assert "Stops are not known: nothing was observed." in shift
    assert "to plan" not in shift and "behind plan" not in shift
    assert "PQ — · GQ — · SQ —" in window
    assert {hour.made for hour in pdf.hours} == {None}
    assert {hour.reason for hour in pdf.hours} == {"Not observed"}
    assert (pdf.kpi.pq, pdf.kpi.failures, pdf.kpi.throughput_rate, pdf.forecast) == (None, None, None, None)
