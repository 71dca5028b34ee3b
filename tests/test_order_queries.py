"""Answers about orders against expectations worked out from the facts alone, in plain Python."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from asbuilt.events import Event
from tests.conftest import examples
from tests.web.scripted import LINE, SHOP, Told, at, shop

NOON = at("12:00")


def minute(number: int) -> dt.datetime:
    return at("06:00") + dt.timedelta(minutes=number)


# --------------------------------------------------------------------------- by hand


def told() -> Told:
    """Two orders of a job shop and one of a line.

    J-1: 30 min setup, 2 h production (40 good, 2 rejected, 1 for review), 1 h milling (38 good).
    J-2: released, 20 pieces until 09:00; 1.5 h production (10 good) and half an hour broken down.
    """
    told = Told()
    told.report("lathe", "06:00", "06:30", order="J-1", kind="setup", by="Ann")
    told.report("lathe", "06:30", "08:30", order="J-1", by="Ann", good=40, rejected=2, for_review=1)
    told.report("mill", "08:50", "09:50", order="J-1", by="Ben", operation="mill", good=38, rework=True)
    told.tell(events.OrderReleased, "05:00", order="J-2", product="P7", quantity=20, due=at("09:00"), customer="Acme")
    told.report("lathe", "08:30", "10:00", order="J-2", by="Ben", good=10)
    told.report("lathe", "10:00", "10:30", order="J-2", by="Ben", kind="breakdown")
    told.tell(events.OrderReleased, "05:30", order="2418", product="P7", quantity=4, line=LINE)
    for number in (1, 2, 3):
        told.tell(events.UnitStarted, minute(number), product="P7", serial=f"S{number}", order="2418")
    told.tell(events.UnitCompleted, minute(90), product="P7", serial="S1", order="2418")
    told.tell(events.UnitCompleted, minute(95), product="P7", serial="S1", order="2418")  # told twice
    told.tell(events.UnitScrapped, minute(99), product="P7", serial="S2", order="2418")
    return told


def test_totals_by_kind():
    with shop(told(), "12:00") as app:
        totals = [(t.kind, t.reports, t.hours, t.good, t.rejected, t.for_review) for t in app.query("order.totals")]
        assert totals == [("setup", 1, 0.5, 0, 0, 0), ("production", 3, 4.5, 88, 2, 1), ("breakdown", 1, 0.5, 0, 0, 0)]


@pytest.mark.parametrize(
    ("asked", "hours"),
    [
        ({"order": "J-1"}, {"setup": 0.5, "production": 3.0}),
        ({"order": "J-2"}, {"production": 1.5, "breakdown": 0.5}),
        ({"person": "Ann"}, {"setup": 0.5, "production": 2.0}),
        ({"station": f"{SHOP}/lathe"}, {"setup": 0.5, "production": 3.5, "breakdown": 0.5}),
        ({"station": f"{SHOP}/lathe", "person": "Ben"}, {"production": 1.5, "breakdown": 0.5}),
        ({"order": "J-1", "person": "Ben", "station": f"{SHOP}/lathe"}, {}),
        ({"order": "nix"}, {}),
        ({"at": at("08:30")}, {"setup": 0.5, "production": 2.0}),
        ({"at": at("08:29:59")}, {"setup": 0.5}),  # a report counts from its end on
        ({"at": at("05:00")}, {}),
        ({"order": "J-2", "at": at("10:00")}, {"production": 1.5}),
    ],
)
def test_totals_of_a_part_and_of_the_past(asked, hours):
    with shop(told(), "12:00") as app:
        assert {total.kind: total.hours for total in app.query("order.totals", **asked)} == hours


def test_an_order_at_a_glance():
    with shop(told(), "12:00") as app:
        row = app.query("order.show", order="J-2")
        assert (row.product, row.quantity, row.made, row.progress, row.state) == ("P7", 20, 10, 0.5, "open")
        assert (row.hours, row.reports, row.last_operation) == (2.0, 2, "turn")
        assert (row.first, row.last, row.due) == (at("08:30"), at("10:30"), at("09:00"))
        assert row.late


def test_an_order_is_late_from_its_due_time_until_it_is_closed():
    facts = told()
    facts.tell(events.OrderClosed, "11:00", order="J-2", good=10, short=True, reason="customer took ten")
    with shop(facts, "12:00") as app:
        assert [app.query("order.show", order="J-2", at=at(time)).late for time in ("08:59", "09:00", "09:01", "10:59")] \
            == [False, False, True, True]  # fmt: skip
        row = app.query("order.show", order="J-2")
        assert (row.state, row.late) == ("closed short", False)
        assert app.query("order.show", order="J-2", at=at("10:59")).state == "open"


def test_units_count_once_and_an_order_with_units_is_counted_by_them():
    with shop(told(), "12:00") as app:
        row = app.query("order.show", order="2418")
        assert (row.made, row.progress, row.reports, row.first) == (1, 0.25, 0, None)
        assert app.query("order.show", order="2418", at=minute(89)).made == 0


def test_an_order_nobody_released_has_no_progress():
    with shop(told(), "12:00") as app:
        row = app.query("order.show", order="J-1")
        assert (row.state, row.quantity, row.progress, row.product, row.due) == ("reported", None, None, "", None)
        assert row.made == 38  # of the last operation, not of all


def test_what_is_not_known_is_said():
    with shop(told(), "12:00") as app:
        with pytest.raises(UsageError, match="nothing is known of an order `nix`"):
            app.query("order.show", order="nix")
        with pytest.raises(UsageError, match="nothing is known"):
            app.query("order.show", order="J-1", at=at("06:29"))
        assert app.query("order.show", order="J-2", at=at("05:00")).quantity == 20


def test_the_steps_of_an_order():
    with shop(told(), "12:00") as app:
        turn, mill = app.query("order.steps", order="J-1")
        assert (turn.operation, turn.reports, turn.setup_hours, turn.production_hours, turn.breakdown_hours) == \
            ("turn", 2, 0.5, 2.0, 0.0)  # fmt: skip
        assert (turn.good, turn.rejected, turn.for_review, turn.rework) == (40, 2, 1, 0)
        assert (turn.first, turn.last) == (at("06:00"), at("08:30"))
        assert (mill.operation, mill.good, mill.rework) == ("mill", 38, 38)
        assert [step.operation for step in app.query("order.steps", order="J-1", at=at("09:49"))] == ["turn"]
        assert app.query("order.steps", order="nix") == []


def test_the_list_has_the_one_worked_on_last_first():
    with shop(told(), "12:00") as app:
        assert [row.order for row in app.query("order.list")] == ["J-2", "J-1", "2418"]
        assert [row.order for row in app.query("order.list", state="open")] == ["J-2", "2418"]
        assert [row.order for row in app.query("order.list", state="reported")] == ["J-1"]
        assert [row.order for row in app.query("order.list", limit=1)] == ["J-2"]
        assert app.query("order.list", limit=0) == []
        assert [row.order for row in app.query("order.list", at=at("05:10"))] == ["J-2"]
        assert app.query("order.count") == 3
        assert app.query("order.count", at=at("05:10")) == 1


def test_reports_as_they_were_told():
    with shop(told(), "12:00") as app:
        rows = app.query("order.reports")
        assert [(row.order, row.kind, row.hours) for row in rows] == [
            ("J-2", "breakdown", 0.5), ("J-2", "production", 1.5), ("J-1", "production", 1.0),
            ("J-1", "production", 2.0), ("J-1", "setup", 0.5),
        ]  # fmt: skip
        assert [row.end for row in app.query("order.reports", person="Ann", limit=1)] == [at("08:30")]
        assert rows[3].fact == UUID(int=2)


def test_an_empty_plant_has_nothing_to_tell():
    with shop(None, "12:00") as app:
        assert app.query("order.totals") == []
        assert app.query("order.list") == []
        assert app.query("order.reports") == []
        assert app.query("order.count") == 0
    with AsBuilt(memory=True, now=lambda: NOON) as app:
        assert (app.query("order.list"), app.query("order.totals"), app.query("order.count")) == ([], [], 0)


def test_corrections_read_as_if_it_had_been_told_right():
    facts = told()
    turned = facts.facts[1]
    facts.tell(events.CorrectionMade, "11:00", corrects=facts.facts[0].id, reason="did_not_occur")
    right = {name: getattr(turned, name) for name in turned.__struct_fields__} | {"good": 4, "event_time": at("07:30")}
    facts.tell(events.CorrectionMade, "11:01", corrects=turned.id, reason="incorrect_data",
               replacement=events.OperationReported(**right))  # fmt: skip
    with shop(facts, "12:00") as app:
        totals = {total.kind: (total.hours, total.good) for total in app.query("order.totals", order="J-1")}
        assert totals == {"production": (2.0, 42)}
        # In its past too: what is known now of then.
        assert {t.kind: t.hours for t in app.query("order.totals", order="J-1", at=at("07:30"))} == {"production": 1.0}
        assert app.query("order.show", order="J-1", at=at("07:30")).made == 4


def test_the_night_the_clocks_change_has_the_hours_that_were_worked():
    facts = Told()
    march, october = dt.date(2026, 3, 29), dt.date(2025, 10, 26)
    facts.report("lathe", at("00:00", march), at("06:00", march), order="M")
    facts.report("lathe", at("00:00", october), at("06:00", october), order="O")
    with shop(facts, "12:00") as app:
        assert app.query("order.show", order="M").hours == 5.0
        assert app.query("order.show", order="O").hours == 7.0
        (row,) = app.query("order.reports", order="M")
        assert (row.start.utcoffset(), row.end.utcoffset()) == (dt.timedelta(hours=1), dt.timedelta(hours=2))


# --------------------------------------------------------------------------- any facts, any moment


@dataclass(frozen=True)
class Said:
    """A fact about an order, before it is one."""

    what: str
    order: str
    time: int
    length: int
    number: int

    def fact(self, number: int) -> Event:
        head: dict[str, Any] = {"id": UUID(int=number), "event_time": minute(self.time), "source": "office"}
        if self.what == "release":
            due = minute(self.time + self.length) if self.number % 2 else None
            return events.OrderReleased(**head, order=self.order, product="P7", quantity=self.number, due=due)
        if self.what == "close":
            return events.OrderClosed(**head, order=self.order, short=bool(self.number % 2))
        if self.what in ("started", "completed"):
            kind = {"started": events.UnitStarted, "completed": events.UnitCompleted}[self.what]
            return kind(**head, order=self.order, product="P7", serial=f"S{self.number % 3}")
        return events.OperationReported(
            **head, order=self.order, operation="turn" if self.number % 3 else "mill", kind=self.what,  # type: ignore[arg-type]
            start_time=minute(self.time - self.length), station=f"{SHOP}/lathe" if self.number % 2 else None,
            by=("Ann", "Ben")[self.number % 2], good=self.number, rejected=self.length % 3, for_review=self.time % 2,
        )  # fmt: skip


said = st.builds(
    Said,
    st.sampled_from(["release", "close", "started", "completed", "setup", "production", "production", "breakdown"]),
    st.sampled_from(["A", "B"]),
    st.integers(0, 60),
    st.integers(0, 30),
    st.integers(0, 7),
)
KINDS = ("setup", "production", "breakdown")


def expected(facts: dict[int, Said], order: str, now: int) -> dict[str, Any] | None:
    """What is known of an order at a minute, from the facts that hold."""
    known = [(s.time, n, s) for n, s in facts.items() if s.order == order and s.time <= now]
    known.sort()
    releases = [s for *_, s in known if s.what == "release"]
    closes = [s for *_, s in known if s.what == "close"]
    reports = [s for *_, s in known if s.what in KINDS]
    if not releases and not reports:
        return None
    release = releases[-1] if releases else None
    produced = [s for s in reports if s.what == "production"]
    last = ("turn" if produced[-1].number % 3 else "mill") if produced else ""
    serials = {what: {s.number % 3 for *_, s in known if s.what == what} for what in ("started", "completed")}
    if serials["started"] or serials["completed"]:
        made = len(serials["completed"])
    else:
        made = sum(s.number for s in produced if ("turn" if s.number % 3 else "mill") == last)
    due = release.time + release.length if release and release.number % 2 else None
    return {
        "state": ("closed short" if closes[-1].number % 2 else "completed") if closes
        else "open" if release else "reported",
        "quantity": release.number if release else None,
        "made": made,
        "rejected": sum(s.length % 3 for s in produced),
        "for_review": sum(s.time % 2 for s in produced),
        "hours": round(sum(s.length for s in reports) / 60, 3),
        "reports": len(reports),
        "last_operation": last,
        "first": minute(min(s.time - s.length for s in reports)) if reports else None,
        "last": minute(max(s.time for s in reports)) if reports else None,
        "due": minute(due) if due is not None else None,
        "late": due is not None and now > due and not closes,
    }  # fmt: skip


@examples(100)
@given(st.lists(said, max_size=14), st.data())
def test_whatever_was_told_and_corrected_the_answers_are_those_of_what_holds(every, data):
    holds = dict(enumerate(every, 1))
    facts = [one.fact(number) for number, one in holds.items()]
    for number in data.draw(st.sets(st.sampled_from([*holds]), max_size=4) if holds else st.just(set()), "corrected"):
        head: dict[str, Any] = {"id": UUID(int=1000 + number), "event_time": NOON, "source": "office",
                                "corrects": UUID(int=number)}  # fmt: skip
        if data.draw(st.booleans(), "it happened otherwise"):
            holds[number] = replace(holds[number], number=data.draw(st.integers(0, 7)), order="B")
            facts.append(events.CorrectionMade(**head, reason="incorrect_data", replacement=holds[number].fact(number)))
        else:
            del holds[number]
            facts.append(events.CorrectionMade(**head, reason="did_not_occur"))
    facts = data.draw(st.permutations(facts), "order of arrival")
    now = data.draw(st.sampled_from([0, 15, 30, 45, 60, 100]), "minute")
    with shop(None, "13:00") as app:
        app.take_in(facts)
        rows = {row.order: row for row in app.query("order.list", at=minute(now))}
        wanted = {order: expected(holds, order, now) for order in "AB"}
        assert set(rows) == {order for order, row in wanted.items() if row is not None}
        assert app.query("order.count", at=minute(now)) == len(rows)
        for order, row in rows.items():
            found = {name: getattr(row, name) for name in wanted[order] or {}}
            assert found == wanted[order]
            assert app.query("order.show", order=order, at=minute(now)) == row
        totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for one in holds.values():
            if one.what in KINDS and one.time <= now:
                for place, value in enumerate((1, one.length, one.number if one.what == "production" else 0)):
                    totals[one.what][place] += value
        found = {t.kind: [t.reports, round(t.hours * 60), t.good] for t in app.query("order.totals", at=minute(now))}
        assert found == totals
        reports = app.query("order.reports", at=minute(now))
        assert [row.end for row in reports] == sorted((row.end for row in reports), reverse=True)
        assert len(reports) == sum(total[0] for total in totals.values())
