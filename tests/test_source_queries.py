"""Answers about sources against counts made from the facts alone."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.adapters import Message, http
from asbuilt.app import AsBuilt
from tests.conftest import NOW, examples
from tests.web.scripted import LINE, Told, at, shop


def told() -> Told:
    """Two facts of `left` between 07:00 and 08:10, one of `office` at 06:00."""
    facts = Told()
    facts.state("10", "Execute", "07:00")
    facts.value("10", "bore", "35.001", "08:10")
    facts.tell(events.OrderReleased, "06:00", order="2418", product="P7", quantity=4)
    return facts


def refuse(app: AsBuilt, *bodies: bytes, source: str = "left") -> None:
    """A source sends what cannot be taken in."""
    translate = http.translator(http.Config(), source)
    results = app.take_in([item for body in bodies for item in translate(Message(body))], source)
    assert {result.status for result in results} <= {"rejected", "conflict"}


def test_every_source_of_plant_and_record():
    facts = told()
    facts.tell(events.NoteWritten, "08:00", "stranger", text="who am I", by="X", station=f"{LINE}/10")
    with shop(facts) as app:
        rows = {row.source: row for row in app.query("source.list")}
        assert list(rows) == ["left", "office", "right", "stranger"]
        assert [(row.facts, row.types) for row in rows.values()] == [(2, 2), (1, 1), (0, 0), (1, 1)]
        assert (rows["left"].first, rows["left"].last) == (at("07:00"), at("08:10"))
        assert (rows["left"].title, rows["left"].kind, rows["left"].period_s) == ("Gateway L", "http", 2.0)
        assert (rows["stranger"].title, rows["stranger"].kind) == ("stranger", "")
        assert rows["right"].first is rows["right"].last is rows["right"].recorded is rows["right"].lag_s is None
        assert rows["left"].lag_s == 20 * 60  # recorded at 08:30 what happened at 08:10


def test_heard_silent_never_heard_and_unwatched():
    clock = [at("08:30")]
    with shop(told(), now=lambda: clock[0]) as app:

        def states() -> dict[str, str]:
            return {row.source: row.state for row in app.query("source.list")}

        assert states() == {"left": "heard", "office": "unwatched", "right": "never heard"}
        clock[0] = at("08:30:10")  # five periods of two seconds
        assert states()["left"] == "heard"
        clock[0] = at("08:30:11")
        assert states()["left"] == "silent"
        app.hear("left")
        app.hear("right")
        assert (states()["left"], states()["right"]) == ("heard", "heard")
        assert {row.source: row.heard for row in app.query("source.list")}["right"] == at("08:30:11")


def test_of_the_past_are_the_deliveries_of_then_and_no_hearing():
    with shop(told()) as app:
        app.hear("left")
        rows = {row.source: row for row in app.query("source.list", at=at("07:30"))}
        assert {source: (row.facts, row.state) for source, row in rows.items()} == {
            "left": (1, "silent"), "office": (1, "unwatched"), "right": (0, "never heard"),
        }  # fmt: skip
        assert all(row.heard is row.recorded is row.lag_s is None for row in rows.values())


def test_types_by_source():
    with shop(told()) as app:
        rows = [(row.source, row.type, row.facts, row.first) for row in app.query("source.types")]
        assert rows == [
            ("left", "measured.v1", 1, at("08:10")), ("left", "state_changed.v1", 1, at("07:00")),
            ("office", "order_released.v1", 1, at("06:00")),
        ]  # fmt: skip
        assert [row.type for row in app.query("source.types", source="office")] == ["order_released.v1"]
        assert app.query("source.types", source="nix") == []


def test_rejections_with_reason_and_beginning():
    with shop(told()) as app:
        refuse(app, b"no json at all", b'{"type": "measured.v1"}')
        refuse(app, b"\xff\xfe\x00", source="right")
        rows = app.query("source.rejections")
        assert len(rows) == 3
        assert {row.source for row in rows} == {"left", "right"}
        assert [row.text for row in app.query("source.rejections", source="left")].count("no json at all") == 1
        assert all(row.reason and not row.conflict and row.recorded == at("08:30") for row in rows)
        assert len(app.query("source.rejections", limit=2)) == 2
        assert app.query("source.rejections", limit=0) == []
        counts = {row.source: (row.rejected, row.conflicts) for row in app.query("source.list")}
        assert counts == {"left": (2, 0), "right": (1, 0), "office": (0, 0)}


def test_a_conflict_is_told_as_one():
    facts = told()
    with shop(facts) as app:
        other = json.loads(events.encode(facts.facts[1])) | {"value": "35.009"}
        refuse(app, json.dumps(other).encode())
        (row,) = app.query("source.rejections")
        assert row.conflict
        assert next((r.rejected, r.conflicts) for r in app.query("source.list") if r.source == "left") == (1, 1)
        assert app.query("line.states", line="1")[0].key.value == "35.001"


def test_rejections_of_the_past_are_those_known_then():
    clock = [at("08:00")]
    with shop(None, now=lambda: clock[0]) as app:
        refuse(app, b"one")
        clock[0] = at("09:00")
        refuse(app, b"two")
        assert [row.text for row in app.query("source.rejections")] == ["two", "one"]
        assert [row.text for row in app.query("source.rejections", at=at("08:30"))] == ["one"]
        assert app.query("source.rejections", at=at("07:59")) == []
        assert next(row.rejected for row in app.query("source.list", at=at("08:30")) if row.source == "left") == 1


def test_stations_the_plant_file_does_not_have():
    facts = told()
    facts.tell(events.StateChanged, "07:30", "left", station=f"{LINE}/99", state="Execute")
    with shop(facts) as app:
        assert app.query("source.unknown_stations") == [f"{LINE}/99"]


def test_an_empty_plant():
    with AsBuilt(memory=True, now=lambda: NOW) as app:
        for name in ("list", "types", "rejections", "failures", "unknown_stations"):
            assert app.query(f"source.{name}") == []


def test_a_correction_does_not_change_what_was_delivered():
    facts = told()
    facts.tell(events.CorrectionMade, "08:20", corrects=facts.facts[0].id, reason="did_not_occur")
    with shop(facts) as app:
        rows = {row.source: (row.facts, row.types) for row in app.query("source.list")}
        assert rows["office"] == (2, 2)  # the order and the correction
        assert rows["left"] == (2, 2)
        before = rows
        app.take_in(facts.facts)
        app.pipeline.settle()
        assert {row.source: (row.facts, row.types) for row in app.query("source.list")} == before


deliveries = st.lists(
    st.tuples(st.sampled_from(["left", "right", "stranger"]), st.integers(0, 300), st.booleans()), max_size=30
)


@examples(60)
@given(deliveries, st.integers(1, 7), st.booleans())
def test_counts_are_those_of_the_facts_however_they_come(deliveries, size, twice):
    facts: list[events.Event] = []
    for number, (source, minute, counted) in enumerate(deliveries, 1):
        head = {"id": UUID(int=number), "event_time": at("03:00") + dt.timedelta(minutes=minute), "source": source}
        if counted:
            facts.append(events.Counted(**head, station=f"{LINE}/10", good=1))  # type: ignore[arg-type]
        else:
            facts.append(events.StateChanged(**head, station=f"{LINE}/10", state="Idle"))  # type: ignore[arg-type]
    with shop(None, "09:00") as app:
        for _ in range(1 + twice):
            for first in range(0, len(facts), size):
                app.take_in(facts[first : first + size])
        rows = {row.source: row for row in app.query("source.list") if row.facts}
        assert Counter({source: row.facts for source, row in rows.items()}) == Counter(s for s, *_ in deliveries)
        for source, row in rows.items():
            times = [fact.event_time for fact in facts if fact.source == source]
            assert (row.first, row.last) == (min(times), max(times))
            assert row.types == len({type(fact) for fact in facts if fact.source == source})
        by_type = {(row.source, row.type): row.facts for row in app.query("source.types")}
        assert by_type == Counter((fact.source, events.type_name(fact)) for fact in facts)


@pytest.mark.parametrize("limit", [-1, 0])
def test_a_limit_below_one_gives_nothing(limit):
    with shop(told()) as app:
        refuse(app, b"x")
        assert app.query("source.rejections", limit=limit) == []
