"""Cases about alarms and holds: each with its right value."""

from __future__ import annotations

from asbuilt import events
from tests.cases.told import LINE, at, case
from tests.web.scripted import LINE as SHOP_LINE
from tests.web.scripted import Told, shop


def test_31_returned_unacknowledged_stays_listed_and_its_acknowledgement_is_kept():
    with case("31-rtn-unacknowledged") as app:
        (stands,) = app.query("alarm.standing", at=at("06-03 08:00:30"))
        (gone,) = app.query("alarm.standing", at=at("06-03 08:04:00"))
        (board,) = app.query("line.board", line=LINE, at=at("06-03 08:04:00")).alarms
        after = app.query("alarm.standing", at=at("06-03 08:05:00"))
        (cleared,) = app.query("alarm.cleared", at=at("06-03 08:06:00"))
        (before,) = app.query("alarm.cleared", at=at("06-03 08:04:00"))
    assert (stands.state, gone.state, board.state) == ("UNACK", "RTN-UNACK", "RTN-UNACK")
    assert gone.until == board.until == at("06-03 08:01:00")
    assert after == []
    # What was learned later is not said of before.
    assert (before.seen_by, cleared.seen_by, cleared.seen_at) == ("", "Ann", at("06-03 08:05:00"))


def test_33_a_higher_priority_asks_again():
    with case("33-escalated") as app:
        (seen,) = app.query("alarm.standing", at=at("06-03 08:01:30"))
        (again,) = app.query("alarm.standing", at=at("06-03 08:02:00"))
        rates = app.query("alarm.rates", **{"from": at("06-03 08:00"), "to": at("06-03 09:00")})
    assert (seen.state, seen.seen_by, seen.priority, seen.text) == ("ACK", "Ann", 4, "Hot")
    assert (again.state, again.seen_by, again.priority, again.text) == ("UNACK", "", 1, "Very hot")
    assert (rates.count, rates.to_see_s) == (2, 60)


def test_35_shelved_until_its_end_over_many_raises():
    with case("35-shelve-then-chatter") as app:
        for time in ("08:12:30", "08:16:00", "08:49:00", "11:59:59"):
            assert app.query("alarm.standing", at=at(f"06-03 {time}"), shelved=False) == [], time
        (between,) = app.query("alarm.standing", at=at("06-03 08:15:00"), shelved=True)
        (shelved,) = app.query("alarm.standing", at=at("06-03 11:59:59"), shelved=True)
        (back,) = app.query("alarm.standing", at=at("06-03 12:00:00"))
        rates = app.query("alarm.rates", **{"from": at("06-03 08:00"), "to": at("06-03 13:00")})
    assert (between.state, between.shelved_by) == ("RTN-UNACK", "Ann")
    assert (shelved.shelved_until, shelved.shelved_why) == (at("06-03 12:00:00"), "known")
    assert (back.state, back.shelved_until, back.since) == ("UNACK", None, at("06-03 08:48:00"))
    # It asked when it first came and when its shelf ended.
    assert rates.count == 2


def test_44_a_flood_ends_below_five_in_ten_minutes():
    with case("44-ends-below-5") as app:
        rates = app.query("alarm.rates", **{"from": at("06-03 08:00"), "to": at("06-03 09:00")})
    # One comes every 110 s at the end, five or six in ten minutes: it goes on until the last but four is ten minutes old.
    assert (rates.peak, rates.floods, rates.flood_s) == (18, 1, 33 * 60 + 20)


def test_4_raised_and_cleared_at_one_instant_does_not_stand():
    told = Told()
    told.tell(events.AlarmCleared, "08:00", "left", station=f"{SHOP_LINE}/20", alarm="oil")
    told.alarm("20", "oil", "08:00")
    with shop(told) as app:
        (board,) = app.query("line.board", line="1").alarms
        (row,) = app.query("alarm.standing")
    assert board.state == row.state == "RTN-UNACK"
    assert board.until == row.until == row.since


def told(*facts: tuple[type[events.Event], str, dict[str, str]]) -> Told:
    found = Told()
    for kind, time, values in facts:
        found.tell(kind, time, **values)
    return found


PLACED, RELEASED = events.HoldPlaced, events.HoldReleased


def test_2_one_hold_on_two_things_that_share_a_name_is_released_on_one():
    facts = told(
        (PLACED, "07:00", {"hold": "H-1", "product": "P1", "serial": "1", "reason": "crack"}),
        (PLACED, "07:01", {"hold": "H-1", "product": "P2", "serial": "1", "reason": "crack"}),
        (RELEASED, "07:30", {"hold": "H-1", "product": "P1", "serial": "1"}),
    )
    with shop(facts) as app:
        listed = app.query("unit.holds")
        report = app.query("shift.report", line="1")
    assert [(one.hold, one.item) for one in listed] == [("H-1", "unit:P2/1")]
    assert [(one.item, one.subject) for one in report.open_items] == [("hold H-1", "serial 1 of P2")]


def test_2_placed_and_released_at_one_instant_does_not_stand():
    about = {"hold": "H-2", "product": "P1", "serial": "2"}
    for facts in (
        ((PLACED, "07:00", {**about, "reason": "x"}), (RELEASED, "07:00", about)),
        ((RELEASED, "07:00", about), (PLACED, "07:00", {**about, "reason": "x"})),
    ):
        with shop(told(*facts)) as app:
            assert app.query("unit.holds") == []
            assert app.query("shift.report", line="1").open_items == ()


def test_a_nonconformance_half_decided_is_open_on_both_pages():
    case_of = {"nonconformance": "N-1", "product": "P1", "lot": "L1"}
    raised = (events.NonconformanceRaised, "07:00", {**case_of, "reason": "burr", "quantity": "10"})
    some = (events.DispositionDecided, "07:10", {**case_of, "decision": "scrap", "quantity": "3"})
    rest = (events.DispositionDecided, "07:20", {**case_of, "decision": "rework"})
    for facts, states in (((raised, some), ["open"]), ((raised, some, rest), ["decided"])):
        with shop(told(*facts)) as app:
            assert [one.state for one in app.query("unit.cases")] == states
            assert (len(app.query("shift.report", line="1").open_items) == 1) == (states == ["open"])
