"""Whose pieces count: a counter and completions over a shift change, a line that only counts, an order that is counted."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import load
from tests.cases.told import KPI, LINE, NOW, STATION, ask, at, case

DAY = dt.date(2025, 6, 3)
A, B, BOTH = ("06-03 06:00", "06-03 14:00"), ("06-03 14:00", "06-03 22:00"), ("06-03 06:00", "06-03 22:00")


@pytest.mark.parametrize("window, right", [(A, 10), (B, 0), (BOTH, 10)])
def test_01_what_was_completed_one_by_one_is_not_counted_again_after_the_shift_change(window, right):
    with case("01-two-tellers-over-a-shift-change") as app:
        assert ask(app, "shift.kpi", *window).gq == right


def test_02_the_board_counts_what_the_handover_counts():
    with case("02-counter-only-line", now=at("06-03 11:45")) as app:
        board = app.query("line.board", line="1")
        assert board.output == 360
        assert board.tiles[0].output == 360
        assert ask(app, "shift.kpi").gq == 360


def test_50_counted_pieces_advance_the_order_they_name():
    with case("50-counter-and-order") as app:
        order = app.query("order.show", order="O1")
        assert (order.made, order.quantity, order.progress) == (60, 100, 0.6)
        assert [(step.operation, step.good) for step in app.query("order.steps", order="O1")] == [("10", 60)]
        assert [total.good for total in app.query("order.totals", order="O1")] == [60]
        assert [row.good for row in app.query("order.reports", order="O1")] == [60]
        by_order = ask(app, "shift.kpi", by="order", scope=LINE)
        assert {kpi.name: kpi.gq for kpi in by_order}.get("O1") == 60
        assert STATION in {row.station for row in app.query("order.reports", order="O1")}


def test_a_piece_at_the_full_hour_is_in_one_hour_of_the_board():
    """Found by the laws: on the board of 12:00 a piece of 12:00 stood in the hour that had ended as well."""
    fact = events.Counted(id=UUID(int=1), event_time=at("06-03 12:00"), source="gw", station=STATION, good=5)
    with AsBuilt(memory=True, strict=True, plant=load(KPI / "mini.toml"), now=lambda: NOW) as app:
        app.take_in([fact])
        board = app.query("line.board", line="1", at=at("06-03 12:00"))
        assert [(hour.start.hour, hour.made) for hour in board.hours if hour.made] == [(12, 5)]
