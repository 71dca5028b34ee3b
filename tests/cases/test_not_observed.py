"""Pages and questions about what nobody observed or told: no zero, no "none", no moment at which nobody looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from asbuilt.app import AsBuilt
from asbuilt.plant import load
from asbuilt.views.shift.report import seen_of
from asbuilt.web import words
from tests.cases.told import KPI, LINE, at, case
from tests.web.markup import read
from tests.web.scripted import Told, shop

DAY = dt.date(2025, 6, 3)


@pytest.fixture
def nothing() -> Iterator[AsBuilt]:
    """The mini plant in the middle of a shift, of which nothing was ever told."""
    with AsBuilt(memory=True, strict=True, plant=load(KPI / "mini.toml"), now=lambda: at("06-03 10:00")) as app:
        yield app


def text(app: AsBuilt, address: str) -> str:
    answer = app.client.get(address)
    assert answer.status_code == 200, answer.text
    return read(answer.text).one("main").text


def test_a_board_of_which_nothing_was_told_says_no_zero(nothing):
    board = nothing.query("line.board", line=LINE)
    assert (board.output, board.on_line) == (None, None)
    said = text(nothing, "/line/1")
    assert "on line —" in said and "out —" in said and "0 made" not in said
    assert "Nothing known asks for a response, and nothing is observed." in said
    assert "none known" in said
    assert "Line 1 is not observed." in text(nothing, "/line")


def test_a_handover_of_which_nothing_was_told_has_no_pieces_and_no_production_time(nothing):
    losses = {loss.id for loss in nothing.query("shift.report", line=LINE, day=DAY, shift="A").losses}
    assert "not_observed" in losses and not losses & {"apt", "planned_run", "good"}
    said = text(nothing, "/shift/2025-06-03/A")
    assert "Not observed" in said and "Not observed 0:00" not in said
    assert "No alarm, hold or nonconformance is known of: nothing was observed." in said
    assert "Good pieces" not in said


def test_alarms_of_which_nothing_was_told_are_not_few(nothing):
    rates = nothing.query("alarm.rates")
    assert (rates.per_hour, rates.verdict, rates.observed) == (None, "", 0)
    said = text(nothing, "/alarms")
    assert "Nothing known asks for a response, and nothing is observed." in said
    assert "0 % observed" in said and "good" not in said.split("6 are good")[0]


def test_few_alarms_in_little_that_was_observed_are_not_good():
    with case("31-rtn-unacknowledged") as app:
        window = {"from": at("05-31 08:00"), "to": at("06-03 09:00")}
        rates = app.query("alarm.rates", **window)
    assert 0 < rates.observed < 0.5 and rates.count == 1
    assert rates.verdict == ""


def test_a_station_of_which_nothing_was_told_is_not_empty(nothing):
    said = text(nothing, "/line/1/station/10")
    assert "No unit is known to be in the machine." in said and "waiting —" in said


def test_observed_and_nobody_tells_pieces_is_neither_zero_nor_behind_plan():
    """One state of a morning: the station ran, and of pieces there was never a word."""
    with case("61-nothing-for-days", now=at("05-20 10:00")) as app:
        board = app.query("line.board", line=LINE)
        report = app.query("shift.report", line=LINE, day=dt.date(2025, 5, 20), shift="A")
        (own,) = report.stations
    assert (board.output, report.made, own.gq) == (None, None, None)
    assert all(hour.made is None for hour in (*board.hours, *report.hours))
    assert board.headline == "Line 1: nobody has told pieces yet."
    assert report.headline == "Nobody has told pieces of Line 1 yet: what it made in shift A is not known."
    assert {"apt", "good"} & {loss.id for loss in report.losses} == {"apt"}


def test_the_first_piece_makes_what_was_made_known():
    with case("02-counter-only-line") as app:
        before, after = (app.query("line.board", line=LINE, at=at(f"06-03 {time}")) for time in ("06:29:59", "06:30"))
        late = app.query("shift.report", line=LINE, day=DAY, shift="A", at=at("06-03 06:29:59"))
    assert (before.output, late.made, after.output) == (None, None, 60)


@pytest.mark.parametrize("days", [3, 20, 400])
def test_a_silence_begins_where_it_begins_however_long_ago_and_was_seen_when_it_spoke(days):
    """A last word at 11:30 that held for a shift: neither the begin nor the last sight moves with the clock."""
    now = at("06-03 11:30") + dt.timedelta(days=days)
    with case("02-counter-only-line", now=now) as app:
        (tile,) = app.query("line.states", line=LINE)
    assert tile.observed == "no"
    assert tile.since == at("06-03 19:30")
    assert tile.seen == at("06-03 11:30")


def test_buffers_of_a_line_that_tells_no_units_are_not_empty():
    told = Told()
    told.connect("06:00")
    told.state("10", "Execute", "06:00")
    told.state("20", "Held", "06:00")
    told.state("30", "Execute", "06:00")
    with shop(told, "06:10") as app:
        board = app.query("line.board", line="1")
    assert board.on_line is None
    assert {(buffer.observed, buffer.empty_at, buffer.full_at) for buffer in board.buffers} == {(False, None, None)}
    assert "runs dry" not in board.headline


@pytest.mark.parametrize(
    ("share", "digits", "shown"),
    [(1, 0, "100"), (0.999, 0, "99.9"), (0.9999, 1, "99.9"), (0.994, 0, "99"), (0.003, 0, "0.3"), (0, 0, "0"), (1.004, 0, "100")],
)  # fmt: skip
def test_what_is_not_all_is_not_rounded_to_all_nor_a_little_to_nothing(share, digits, shown):
    assert words.percent(share, digits) == shown


@pytest.mark.parametrize(
    ("coverage", "said"),
    [(None, ""), (1, ""), (0, ": nothing was observed"), (0.003, " in less than 1 % of"), (0.46, " in the 46 % of")],
)
def test_a_little_that_was_observed_is_not_nothing(coverage, said):
    assert seen_of(coverage).startswith(said) and bool(seen_of(coverage)) == bool(said)
