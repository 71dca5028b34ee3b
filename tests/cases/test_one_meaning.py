"""One fact, one meaning: whoever can answer how many pieces an order has gives the same number."""

from __future__ import annotations

from collections import Counter

from tests.web.scripted import LINE, at, morning, shop


def test_1_units_completed_without_quantities_are_pieces_on_every_page():
    with shop(morning()) as app:
        window = {"from": at("06:00"), "to": at("08:30")}
        told = [row for row in app.query("shift.pieces", scope="1", limit=100_000, **window) if row.order == "2418"]
        right: Counter[str] = Counter()
        for row in told:
            right[row.station.rpartition("/")[2]] += row.good
        assert right["30"] == 138
        reports: Counter[str] = Counter()
        for row in app.query("order.reports", order="2418", limit=100_000, at=at("08:30")):
            reports[row.station.rpartition("/")[2]] += row.good
        assert +reports == +right
        assert sum(step.good for step in app.query("order.steps", order="2418", at=at("08:30"))) == right.total()
        assert sum(total.good for total in app.query("order.totals", order="2418", at=at("08:30"))) == right.total()
        board = app.query("line.board", line="1", at=at("08:30"))
        assert board.output == right["30"]
        assert board.tiles[-1].output == right["30"]
        kpi = app.query("shift.kpi", scope=f"{LINE}/30", by="order", **window)
        assert {row.name: row.gq for row in kpi}.get("2418") == right["30"]
        assert {row.operation: row.good for row in app.query("unit.balance", order="2418")} == {
            step.operation: step.good for step in app.query("order.steps", order="2418")
        }
