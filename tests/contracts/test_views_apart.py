"""A view at a time: each view stands at a position of its own, whatever the others and the corrections do."""

from __future__ import annotations

import datetime as dt
import sqlite3
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events, folding, pipeline, views
from asbuilt.access import OnePlant, Sources, reading
from asbuilt.errors import RecordError, ViewsError
from asbuilt.events import StateChanged
from asbuilt.plant import parse
from asbuilt.record import Entry
from asbuilt.record.memory import Log
from asbuilt.rows.store import Store
from asbuilt.testing.strategies import History, arrivals, histories
from asbuilt.testing.view_contract import PLANT_TEXT, T0, Folded, digest, timed
from tests.contracts.test_view import ORIGINAL, correction, reads

VIEWS = views.discover()
STATE = next(row for row, table in VIEWS["states"].tables.items() if table.name == "states_state")


def record_of(facts):
    log = Log(lambda: T0)
    log.append([Entry(fact, events.encode(fact)) for fact in facts])
    return log


def numbered(count):
    return [
        StateChanged(id=UUID(int=n), event_time=T0, source="g", station="p", state="Idle") for n in range(1, count + 1)
    ]


@given(history=histories(), data=st.data())
def test_views_that_catch_up_come_to_the_same_rows(history: History, data: st.DataObject):
    """Whatever is made anew at any time, in whatever portions, with corrections on either side of where it stands."""
    order = data.draw(arrivals(history))
    log, store = record_of(order), Store(None, VIEWS, strict=True)

    def find(fact_id):
        found = log.get(fact_id)
        return events.recall(found.body) if found else None

    for _ in range(data.draw(st.integers(1, 12))):
        step = data.draw(st.sampled_from(["furthest", "catch up", "make anew"]))
        count = data.draw(st.integers(1, 5))
        if step == "furthest":
            facts = folding.read_facts(log, store.position(), count)
            store.fold(facts, find)
        elif step == "catch up":
            after, count = store.next_portion(store.position(), count)
            store.fold(folding.read_facts(log, after, count) if count else [], find)
        else:
            store.make_anew(data.draw(st.sets(st.sampled_from(sorted(VIEWS)), max_size=4)))
    folding.fold_from(log, store)
    assert store.behind(len(order)) == {}
    assert store.digest() == digest(VIEWS, history.facts)
    store.close()


def test_a_correction_known_before_its_fact_is_caught_up_with_and_then_taken_back():
    facts = [ORIGINAL, correction(2, 1, 0, reads("Idle")), correction(3, 2, 5)]
    way = Folded(VIEWS)
    way.fold(facts[:2])
    way.store.make_anew({"states"})
    known = {fact.id: fact for fact in facts}
    way.store.fold([(1, ORIGINAL)], known.get)  # alone, and already by the correction that it has not come to
    (row,) = way.rows()["states_state"]
    assert row == tuple(next(iter(VIEWS["states"].rules[StateChanged](*timed(reads("Idle"))))))
    assert way.store.position("states") == 1
    assert way.store.position("line") == 2
    way.store.fold([(3, facts[2])], known.get)  # the others go on
    assert way.store.position("states") == 1
    way.store.fold([(2, facts[1])], known.get)
    way.store.fold([(3, facts[2])], known.get)
    assert way.store.digest() == digest(VIEWS, facts)
    way.store.close()


def test_a_view_of_another_version_is_made_anew_alone(tmp_path):
    facts = numbered(20)
    way = Folded(VIEWS, tmp_path / "views.db")
    way.fold(facts)
    way.store.close()
    later = {**VIEWS, "states": VIEWS["states"]._replace(version=VIEWS["states"].version + 1)}
    store = Store(tmp_path / "views.db", later)
    assert store.behind(20) == {"states": 20}
    assert store.position() == 20
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM states_state").get == 0
        assert db.execute("SELECT sum(facts) FROM source_delivered").get == 20
    folding.fold_from(record_of(facts), store)
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM states_state").get == 20
        assert db.execute("SELECT sum(facts) FROM source_delivered").get == 20
    store.close()


def test_tables_that_are_built_otherwise_are_seen_whatever_version_says(tmp_path):
    Store(tmp_path / "views.db", VIEWS).close()
    table = VIEWS["states"].tables[STATE]
    other = {**VIEWS["states"].tables, STATE: table._replace(indexes=(*table.indexes, "fact"))}
    later = {**VIEWS, "states": VIEWS["states"]._replace(tables=other)}
    store = Store(tmp_path / "views.db", later, read_only=True)
    assert store.outdated() == {"states"}
    store.close()


def test_a_view_that_is_gone_takes_its_tables_along(tmp_path):
    Store(tmp_path / "views.db", VIEWS).close()
    fewer = {name: view for name, view in VIEWS.items() if name != "states"}
    Store(tmp_path / "views.db", fewer).close()
    with sqlite3.connect(tmp_path / "views.db") as db:
        left = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    db.close()
    assert not any(name.startswith("states_") for name in left)
    assert "source_delivered" in left


def test_views_of_the_version_before_are_made_anew(tmp_path):
    """Its table of positions had one position for all and no form."""
    with sqlite3.connect(tmp_path / "views.db") as db:
        db.execute(f"PRAGMA application_id = {0x61736276}")
        db.execute("CREATE TABLE folded(view TEXT PRIMARY KEY, version INTEGER, position INTEGER, fact BLOB)")
        db.execute("INSERT INTO folded VALUES ('(corrections)', 2, 7, x'01'), ('states', 3, 7, x'01')")
        db.execute("CREATE TABLE states_state(station TEXT PRIMARY KEY)")
    db.close()
    with pytest.raises(ViewsError, match="another version"):
        Store(tmp_path / "views.db", VIEWS, read_only=True)
    store = Store(tmp_path / "views.db", VIEWS, strict=True)
    assert store.position() == 0
    folding.fold_from(record_of(numbered(5)), store)
    assert store.digest() == digest(VIEWS, numbered(5))
    store.close()


def test_a_portion_that_no_view_waits_for_is_not_folded():
    way = Folded(VIEWS)
    way.fold(numbered(3))
    with pytest.raises(AssertionError, match="no view stands right before fact 6"):
        way.store.fold(list(enumerate(numbered(9), 1))[5:], {}.get)
    way.store.close()


def test_a_reader_says_that_a_view_is_being_folded_and_answers_of_the_others():
    facts = numbered(20)
    log, store = record_of(facts), Store(None, VIEWS, strict=True)
    folding.fold_from(log, store)
    store.make_anew({"states"})
    store.fold(folding.read_facts(log, 0, 5), {}.get)
    plant = parse(PLANT_TEXT)
    with reading(Sources(store, log, OnePlant(plant), lambda: T0), "test") as reader:
        delivered = next(row for row, table in VIEWS["source"].tables.items() if table.name == "source_delivered")
        assert reader.folding(delivered) is None
        assert reader.rows(delivered)
        assert reader.folding(STATE) == ("states", 5, 20)
        with pytest.raises(ViewsError, match="states is being folded anew: 5 of 20 facts"):
            reader.rows(STATE)
    store.close()


def test_a_view_that_catches_up_must_be_of_this_record_as_well():
    facts = numbered(20)
    store = Store(None, VIEWS, strict=True)
    folding.fold_from(record_of([*numbered(3)[:2], *numbered(9)[5:6]]), store)
    store.make_anew({"states"})
    with pytest.raises(RecordError, match="fact 3 of the record is not the one"):
        folding.FoldThread(record_of(facts), store)
    store.close()


def test_the_pipeline_lets_views_catch_up_beside_the_others(monkeypatch):
    monkeypatch.setattr(folding, "CATCH_UP_FACTS", 7)
    facts = numbered(50)
    log, store = record_of(facts), Store(None, VIEWS, strict=True)
    folding.fold_from(log, store)
    store.make_anew({"states", "line"})
    line = pipeline.Pipeline(log, folding.FoldThread(log, store), lambda: T0 + dt.timedelta(hours=1))
    line.start()
    more = StateChanged(id=UUID(int=99), event_time=T0, source="g", station="p", state="Idle")
    assert line.take_in("g", [more]).result(20)[0].status == "accepted"
    line.settle(20)
    with line.folding._told:
        assert line.folding._told.wait_for(lambda: not line.folding._catching_up, 300)
    line.stop()
    assert store.behind(51) == {}
    assert store.digest() == digest(VIEWS, [*facts, more])
    store.close()
