"""Stops: where they end, which are short, who explained them; and facts that contradict each other."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import pytest

from asbuilt import events
from asbuilt.errors import MalformedFact, UsageError
from tests.shift.telling import LATER, LINE, Facts, plant, shift, taken_in

MORE = """
[[reason]]
id = "setup"
name = "Setup"
time = "setup"
[[reason]]
id = "machine"
name = "Machine"
[[reason]]
id = "jam"
name = "Jam"
under = "machine"
failure = true
[[reason]]
id = "belt"
name = "Belt torn"
under = "jam"
[[reason]]
id = "meeting"
name = "Meeting"
time = "planned"
"""
TWO = shift("A", "06:00", "14:00", 'breaks = [{ start = "09:00", end = "09:15" }]') + shift("B", "14:00", "22:00")


def stops(app, start="06:00", end="22:00", **more):
    facts = Facts()
    return app.query("shift.stops", scope=LINE, **{"from": facts.at(start), "to": facts.at(end)}, **more)


def kpi(app, start="06:00", end="22:00", **more):
    facts = Facts()
    return app.query("shift.kpi", scope=LINE, **{"from": facts.at(start), "to": facts.at(end)}, **more)


def spans(found):
    return sorted((f"{stop.start:%H:%M}", f"{stop.end:%H:%M}", stop.title) for stop in found)


def test_a_stop_ends_where_a_break_or_a_shift_does():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.state("08:50", "Held")
    facts.state("09:30", "Execute")
    facts.state("13:50", "Aborted")
    facts.state("14:10", "Execute")
    with taken_in(plant(60, shifts=TWO, more=MORE), facts) as app:
        assert spans(stops(app)) == [
            ("08:50", "09:00", "Not explained"), ("09:15", "09:30", "Not explained"),
            ("13:50", "14:00", "Not explained"), ("14:00", "14:10", "Not explained"),
        ]  # fmt: skip
        assert spans(stops(app, "14:00")) == [("14:00", "14:10", "Not explained")]


def test_a_stop_ends_where_an_order_does():
    facts = Facts()
    facts.count("06:30", good=1, order="A")
    facts.state("07:00", "Held")
    facts.tell(events.OrderClosed, "07:20", order="A")
    facts.state("07:30", "Execute")
    with taken_in(plant(60, more=MORE), facts) as app:
        found = stops(app)
        orders = {kpi.name: kpi.adet_s for kpi in kpi(app, by="order")}
    assert [(stop.order, stop.length_s) for stop in sorted(found, key=lambda stop: stop.start)] == [
        ("A", 1200),
        ("", 600),
    ]
    assert orders == {"A": 1200, "": 600}


def test_a_product_is_made_on_when_its_order_is_closed():
    facts = Facts()
    facts.count("06:10", good=1, order="A", product="P")
    facts.state("06:00", "Execute")
    facts.tell(events.OrderClosed, "07:00", order="A")
    facts.count("07:30", good=1, order="B", product="P")
    facts.count("08:00", good=1, order="C", product="Q")
    with taken_in(plant(60), facts) as app:
        found = {row.name: (row.apt_s, row.gq) for row in kpi(app, "06:10", "09:00", by="product")}
    assert found == {"P": (110 * 60, 2), "Q": (3600, 1)}


def test_whether_a_stop_is_short_never_depends_on_what_is_asked():
    facts = Facts()
    facts.state("06:00", "Execute")
    for minute, seconds in ((10, 119), (20, 120), (30, 600)):
        begin = facts.at(f"06:{minute}")
        facts.state(begin, "Held")
        facts.state(begin + dt.timedelta(seconds=seconds), "Execute")
    with taken_in(plant(60, more=MORE), facts) as app:
        whole = {stop.length_s: stop.short for stop in stops(app)}
        cut = stops(app, "06:31", "06:32")
    assert whole == {119: True, 120: False, 600: False}
    assert [(stop.seconds, stop.length_s, stop.short) for stop in cut] == [(60, 600, False)]


def test_the_explanation_declared_last_holds_at_every_instant():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.state("07:00", "Held")
    facts.state("08:00", "Execute")
    facts.explain("09:00", "06:50", "07:40", "jam", by="Ann")
    facts.explain("08:30", "07:20", "08:10", "meeting", by="Ben")
    with taken_in(plant(60, more=MORE), facts) as app:
        found = kpi(app, "06:00", "09:00")
        assert (found.adet_s, found.planned_down_s, found.apt_s) == (40 * 60, 20 * 60, 2 * 3600)
        (jam,) = [stop for stop in stops(app) if stop.reason == "jam"]
    assert (jam.title, jam.group, jam.explained_by, jam.seconds) == ("Jam", "Machine", "Ann", 2400)


def test_pareto_by_reason_and_by_the_root_of_its_branch():
    facts = Facts()
    facts.state("06:00", "Execute")
    for start, end, reason in (("07:00", "07:30", "belt"), ("08:00", "08:20", "jam"), ("09:00", "09:05", None)):
        facts.state(start, "Aborted", reason)
        facts.state(end, "Execute")
    facts.state("10:00", "Held")
    facts.state(10 * 60 + 1, "Execute")
    with taken_in(plant(60, more=MORE), facts) as app:
        window = {"from": facts.at("06:00"), "to": facts.at("22:00")}
        causes = app.query("shift.pareto", scope=LINE, **window)
        groups = app.query("shift.pareto", scope=LINE, **window, group=True)
        found = kpi(app)
    assert [(c.title, c.seconds, c.count) for c in causes] == [
        ("Belt torn", 1800, 1), ("Jam", 1200, 1), ("Not explained", 300, 1), ("Short stops", 60, 1),
    ]  # fmt: skip
    assert causes[-1].cumulated == 1
    assert [(c.title, c.count) for c in groups] == [("Machine", 2), ("not explained", 1), ("short stops", 1)]
    # What is under a reason that counts as a failure is one; without a reason, what was aborted.
    assert (found.failures, found.repair_s) == (3, 3300)


def test_stops_that_wait_for_a_reason():
    facts = Facts()
    for start, state, reason in (("06:00", "Held", None), ("07:00", "Starved", None), ("08:00", "Held", "jam")):
        facts.state(start, state, reason)
    facts.state("09:00", "Execute")
    with taken_in(plant(60, more=MORE), facts) as app:
        assert spans(stops(app, waiting=True)) == [("06:00", "07:00", "Not explained")]
        app.take_in([events.StopExplained(
            id=UUID(int=99), event_time=LATER, source="screen", by="Ann", station=f"{LINE}/1",
            start_time=facts.at("06:00"), end_time=facts.at("07:00"), reason="jam",
        )])  # fmt: skip
        assert stops(app, waiting=True) == []


def test_a_correction_changes_the_sums_and_both_stay_in_the_record():
    facts = Facts()
    facts.state("06:00", "Held")
    facts.state("07:00", "Execute")
    first = facts.explain("07:10", "06:00", "07:00", "jam")
    with taken_in(plant(60, more=MORE), facts) as app:
        assert kpi(app, "06:00", "08:00").failures == 1
        setup = events.StopExplained(**{**{f: getattr(first, f) for f in first.__struct_fields__}, "reason": "setup"})
        app.take_in([events.CorrectionMade(
            id=UUID(int=77), event_time=LATER, source="screen", by="Ben", corrects=first.id, reason="incorrect_data",
            replacement=setup,
        )])  # fmt: skip
        found = kpi(app, "06:00", "08:00")
        assert (found.failures, found.aust_s, found.adet_s) == (0, 3600, 0)
        with app.reader() as reader:
            assert reader.fact(first.id) == first


# --------------------------------------------------------------------------- what contradicts itself


def test_counts_beyond_run_time_withhold_what_they_would_spoil():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.state("07:00", "Held")
    facts.count("07:30", good=120)
    with taken_in(plant(60, more=MORE), facts) as app:
        found = kpi(app, "06:00", "08:00")
    assert (found.availability, found.quality_ratio) == (0.5, 1.0)
    assert found.effectiveness is None and found.oee is None and found.nee is None
    assert found.withheld["oee"] == "the counts go beyond the run time: 120 pieces need 2:00 h, the station ran 1:00 h"


def test_a_line_with_a_station_that_contradicts_itself_names_it():
    facts = Facts()
    for station, pieces in (("1", 60), ("2", 300)):
        facts.state("06:00", "Execute", station=station)
        facts.count("06:59", good=pieces, station=station)
    with taken_in(plant(60, 60), facts) as app:
        found = kpi(app, "06:00", "07:00")
    assert found.oee is None
    assert found.withheld["oee"].startswith("Station 2: the counts go beyond the run time")


def test_too_little_observed_is_no_figure():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.count("06:20", good=20)
    facts.tell(events.SourceLost, "06:30", adapter="gw")
    with taken_in(plant(60, source="gw"), facts) as app:
        found = kpi(app, "06:00", "08:00")
        near = kpi(app, "06:00", "06:45")
    assert (found.coverage, found.not_observed_s, found.oee) == (0.25, 5400, None)
    assert found.withheld["oee"] == "only 25 % of the time was observed, 50 % are needed"
    assert near.coverage == pytest.approx(2 / 3)
    assert (near.availability, near.effectiveness) == (1.0, pytest.approx(20 / 30))


def test_nobody_counts_here():
    facts = Facts()
    facts.state("06:00", "Execute")
    with taken_in(plant(60), facts) as app:
        found = kpi(app, "06:00", "08:00")
    assert (found.availability, found.oee) == (1.0, None)
    assert found.withheld["oee"] == "nobody has told pieces here yet"


def test_no_planned_run_time():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.count("07:00", good=5)
    with taken_in(plant(None), facts) as app:
        assert (
            kpi(app, "06:00", "08:00").withheld["oee"]
            == "5 pieces have no planned run time (cycle_s) in the plant file"
        )


def test_a_counter_that_goes_back_or_jumps_is_named_and_books_nothing():
    facts = Facts()
    facts.state("06:00", "Execute")
    for minute, good, reading in ((10, 10, 110), (20, 10, 120), (30, 0, 5), (40, 10, 15), (50, 5, 90)):
        facts.count(f"06:{minute}", good=good, reading=reading)
    with taken_in(plant(60), facts) as app:
        found = kpi(app, "06:00", "07:00")
    assert found.pq == 35
    assert found.anomalies == (
        "Station 1: the counter went back from 120 to 5",
        "Station 1: the counter jumped from 15 to 90 while 5 pieces were told",
    )


def test_ways_of_telling_that_disagree_are_shown():
    facts = Facts()
    facts.state("06:00", "Execute")
    facts.count("06:30", good=12)
    facts.tell(
        events.OperationCompleted, "06:40", station=f"{LINE}/1", operation="x", order="A", product="P", good=10, scrap=1
    )
    with taken_in(plant(60), facts) as app:
        found = kpi(app, "06:00", "07:00")
    assert found.told == {"completed": 11, "counted": 12}
    assert found.pq == 11
    assert found.anomalies == (
        "Station 1: pieces do not agree: completions 11, counters 12; the figures use the first",
    )


def test_ways_of_telling_are_compared_while_one_of_them_is_believed():
    """Units told for a week, then a counter alone: ten against ten, then twenty of which nobody else tells."""
    facts = Facts()
    facts.state("06:00", "Execute")
    for day, good in ((0, 10), (9, 20)):
        facts.count(6 * 60 + 30 + day * 24 * 60, good=good)
    facts.tell(events.OperationCompleted, "06:40", station=f"{LINE}/1", operation="x", order="A", product="P", good=10)
    with taken_in(plant(60), facts) as app:
        found = app.query("shift.kpi", scope=LINE, **{"from": facts.at("06:00"), "to": facts.at(10 * 24 * 60)})
    assert (found.told, found.pq) == ({"completed": 10, "counted": 30}, 30)
    assert not [one for one in found.anomalies if "agree" in one]


def test_an_unknown_reason_is_kept_and_named():
    facts = Facts()
    facts.state("06:00", "Held")
    facts.explain("08:00", "06:00", "07:00", "gremlins")
    with taken_in(plant(60, more=MORE), facts) as app:
        assert kpi(app, "06:00", "08:00").anomalies == ("Station 1: reason `gremlins` is not in the plant file",)
        assert [stop.group for stop in stops(app, "06:00", "08:00") if stop.reason] == ["not in the plant file"]


def test_a_stop_in_the_future_is_ahead_and_named():
    facts = Facts()
    facts.state("06:00", "Held")
    facts.explain("06:50", "06:00", "09:00", "jam")
    with taken_in(plant(60, more=MORE), facts, now=facts.at("07:00")) as app:
        found = kpi(app, "06:00", "10:00")
    assert (found.adet_s, found.ahead_s) == (3600, 3 * 3600)
    assert found.anomalies == ("Station 1: Ann explained a stop until 2026-06-03 09:00, 120 min of it still to come",)


def test_a_stop_cannot_end_before_it_starts():
    facts = Facts()
    with pytest.raises((MalformedFact, ValueError), match="before it starts"):
        facts.explain("08:00", "07:00", "06:00", "jam")


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"scope": "nowhere"}, "there is no station under `nowhere`"),
        ({"from": LATER, "to": LATER}, "is empty"),
        ({"by": "moon"}, "by=moon is no part of a window"),
        ({"from": LATER - dt.timedelta(days=9_000), "to": LATER}, "9,000 days long"),
        ({"from": LATER - dt.timedelta(days=3_000), "to": LATER, "by": "hour"}, "more than 10,000 parts"),
    ],
)
def test_questions_that_cannot_be_answered(asked, what):
    with taken_in(plant(60), []) as app, pytest.raises(UsageError, match=what) as error:
        app.query("shift.kpi", **{"scope": LINE, **asked})
    assert error.value.remedy


def cut_at(app, minute: int) -> list[int]:
    """Failures of the hour before an instant, of the hour after, and of both together."""
    windows = ((minute - 60, minute), (minute, minute + 60), (minute - 60, minute + 60))
    return [kpi(app, start, end).failures for start, end in windows]


def test_a_failure_is_counted_once_where_it_ends_wherever_one_cuts():
    facts = Facts()
    facts.state("05:00", "Aborted")
    facts.explain("09:00", "06:00", "07:00", "meeting")
    facts.state("08:00", "Execute")
    with taken_in(plant(60, more=MORE), facts) as app:
        # What was a meeting is no failure: one ends where it begins, and one begins where it ends.
        assert cut_at(app, 6 * 60) == [1, 0, 1]
        assert cut_at(app, 7 * 60) == [0, 1, 1]
        assert cut_at(app, 8 * 60) == [1, 0, 1]
        assert (kpi(app, "07:30", "08:30").mttr_s, kpi(app, "07:30", "08:30").repair_s) == (3600, 1800)


def test_a_failure_that_goes_on_after_a_silence_is_one_failure():
    facts = Facts()
    facts.state("05:00", "Aborted")
    facts.tell(events.SourceLost, "06:00", adapter="gw")
    facts.tell(events.SourceConnected, "07:00", adapter="gw")
    facts.state("08:00", "Execute")
    with taken_in(plant(60, source="gw"), facts) as app:
        assert [cut_at(app, hour * 60) for hour in (6, 7, 8)] == [[0, None, 0], [None, 1, 1], [1, 0, 1]]
        found = kpi(app, "04:00", "09:00")
    assert (found.failures, found.mttr_s, found.repair_s, found.not_observed_s) == (1, 7200, 7200, 7200)
