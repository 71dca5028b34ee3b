"""Conditions in words give the rows and figures that SQL would."""

from __future__ import annotations

import datetime as dt

import pytest

from asbuilt import events
from asbuilt.access.conditions import at_most, between, count, least, most, one_of, other_than, total
from asbuilt.domain.pieces.rows import Made
from asbuilt.domain.states.rows import State
from tests.conftest import NOW


@pytest.fixture
def told(app):
    for n, (station, state) in enumerate([("a", "Idle"), ("a", "Execute"), ("b", "Execute"), ("a", "Held")]):
        time = NOW - dt.timedelta(minutes=10 - n)
        app.take_in([events.StateChanged(id=events.new_id(time, app.random), event_time=time, source="t", station=station, state=state)])  # fmt: skip
        app.take_in([events.Counted(id=events.new_id(time, app.random), event_time=time, source="t", station=station, good=n)])  # fmt: skip
    app.pipeline.settle()
    with app.reader() as reader:
        yield reader


def at(minutes: int) -> int:
    return events.microseconds(NOW - dt.timedelta(minutes=10 - minutes))


def test_rows_in_order_and_bounded(told):
    assert [row.state for row in told.rows(State, {"station": "a"}, order="-time_us fact", limit=2)] == [
        "Held",
        "Execute",
    ]
    assert told.first(State, {"station": "a", "time_us": at_most(at(1))}, order="-time_us").state == "Execute"
    assert [row.state for row in told.rows(State, {"station": "a", "time_us": between(at(0), at(1))})] == ["Idle"]
    assert told.first(State, {"station": "never heard of"}) is None


def test_alternatives_lists_and_what_is_not(told):
    found = told.rows(State, [{"station": "b"}, {"state": "Held"}], order="time_us")
    assert [row.station for row in found] == ["b", "a"]
    assert len(told.rows(State, {"state": one_of(["Idle", "Held", "Aborted"])})) == 2
    assert told.rows(State, {"state": one_of([])}) == []
    assert len(told.rows(State, {"state": other_than("Execute")})) == 2
    assert len(told.rows_of(State, "station", ["b", "a", "c"])) == 4


def test_totals(told):
    by_station = told.totals(Made, by=("station",), of=(count(), total("good"), least("time_us"), most("time_us")))
    assert sorted(by_station) == [("a", 3, 4, at(0), at(3)), ("b", 1, 2, at(2), at(2))]
    assert told.totals(Made, {"station": "c"}, of=(count(), total("good"), most("good"))) == [(0, 0, None)]
    assert told.totals_in(Made, [(at(0), at(2)), (at(5), at(6)), (at(1), at(4))], "time_us", of=(total("good"),)) == [
        (0, 1),
        (2, 6),
    ]
    assert told.values(Made, "station") == ["a", "b"]


def test_a_column_that_is_not_there_is_a_mistake(told):
    with pytest.raises(AssertionError, match="no column 'weight'"):
        told.rows(State, {"weight": 1})
