"""What columns show, and whether it is found where that is not said, or is said and is not so."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from asbuilt import events, rows, views
from asbuilt.events import AlarmCleared, AlarmRaised, Measured, StateChanged
from asbuilt.rows import ROW
from asbuilt.rows.shows import EVERY_FIELD, UNSAID, Shown, made_of, shown
from asbuilt.testing.showing import pool, wrong
from asbuilt.testing.view_contract import rows_expected

FACTS = pool(25)


class Visit(NamedTuple):
    """A station told a state."""

    station: str
    fact: bytes
    state: str
    words: str


def visits(fact: StateChanged, time_us: int) -> Iterator[Visit]:
    yield Visit(station=fact.station, fact=fact.id.bytes, state=fact.state, words=fact.message or "")


def some_visits(fact: StateChanged, time_us: int) -> Iterator[Visit]:
    """What a fold does when it leaves rows out by a field."""
    if fact.reason:
        yield from visits(fact, time_us)


def found(says: dict[str, str] | None, rule: Any = visits) -> list[str]:
    """What the contract finds wrong with a view of such rows."""
    fold = ModuleType("fold")
    fold.SHOWS = {} if says is None else {Visit: says}  # type: ignore[attr-defined]
    fold.RULES = {StateChanged: rule}  # type: ignore[attr-defined]
    tables: Any = {Visit: rows._table("demo", Visit, ("station", "fact"), (), {})}
    rows._say_what_shows(fold, tables)
    view = views.discover()["line"]._replace(
        name="demo", tables=tables, rules=fold.RULES, tallies=frozenset(), tally=None, derivations=()
    )
    return [line.partition(":\n")[0] for line in wrong(view, FACTS, rows_expected)]


def test_columns_that_say_what_they_show_are_right():
    assert found({"words": "message"}) == []
    assert found({"words": "message", ROW: "reason"}, some_visits) == []


@pytest.mark.parametrize(
    ("says", "rule", "wrong_is"),
    [
        (None, visits, "demo_visit is not in SHOWS"),
        ({}, visits, "SHOWS says nothing of demo_visit.words"),
        ({"words": ""}, visits, "demo_visit.words shows state_changed.message, and SHOWS does not say so"),
        ({"words": "message", "station": ""}, visits, "demo_visit.station shows state_changed.station, and SHOWS does not say so"),
        ({"words": "message"}, some_visits, "demo_visit.(row) shows state_changed.reason, and SHOWS does not say so"),
        ({"words": "message reason"}, visits, "demo_visit.words does not show 'reason'"),
        ({"words": "message", "state": "state event_time"}, visits, "demo_visit.state does not show 'event_time'"),
    ],
)  # fmt: skip
def test_what_is_not_so_is_found(says: dict[str, str] | None, rule: Any, wrong_is: str):
    assert found(says, rule) == [wrong_is]


def test_a_word_that_names_nothing_is_refused_when_the_view_is_loaded():
    for says, what in [
        ({"words": "massage"}, "no fact it is made of has a field 'massage'"),
        ({"words": "measured.value"}, "no fact it is made of has a field 'measured.value'"),
        ({"wods": "message"}, "Visit.wods, and there is no such column"),
        ({ROW: "nothing"}, "no fact it is made of has a field 'nothing'"),
    ]:
        with pytest.raises(TypeError, match=what):
            shown(Visit, says, [StateChanged])


def test_of_which_facts_rows_are_made_is_what_rules_return():
    def of_nothing_said(fact, time_us):
        yield

    def others(fact: Measured, time_us: int) -> Iterator[tuple[int, int]]:
        yield 1, 2

    rules: dict[Any, Any] = {StateChanged: visits, Measured: others, AlarmRaised: of_nothing_said}
    assert made_of(Visit, rules) == {StateChanged, AlarmRaised}


def test_fields_are_those_of_the_types_that_rows_are_made_of():
    class Said(NamedTuple):
        alarm: str
        what: str
        time_us: int
        fact: bytes
        text: str
        other: str

    found = shown(Said, {"what": "type", "text": "alarm_raised.text alarm"}, [AlarmRaised, AlarmCleared])
    assert found.of("alarm") == {"alarm_raised.alarm", "alarm_cleared.alarm"}
    assert found.of("what") == {"alarm_raised.type", "alarm_cleared.type"}
    assert found.of("text") == {"alarm_raised.text", "alarm_raised.alarm", "alarm_cleared.alarm"}
    assert found.of("time_us") == {"alarm_raised.event_time", "alarm_cleared.event_time"}
    assert found.of("fact") == frozenset()
    # Of what nobody said anything, everything is withheld.
    assert UNSAID in found.said["other"] and "alarm_raised.priority" in found.of("other")
    assert found.hidden(frozenset({"alarm_raised.text"})) == {"text", "other"}


def test_every_row_class_says_what_it_shows():
    for name, view in views.discover().items():
        for table in view.tables.values():
            assert isinstance(table.shows, Shown), f"{name}: {table.name} is not in SHOWS"
            assert set(table.shows.said) == {ROW, *(column.name for column in table.columns)}


def test_every_field_of_every_type_is_a_field_that_can_be_hidden():
    assert {"measured.value", "measured.by", "state_changed.type"} <= EVERY_FIELD
    assert {field.partition(".")[0] for field in EVERY_FIELD} == {name.partition(".")[0] for name in events.TYPES}
