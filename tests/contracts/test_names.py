"""Names kept as numbers: folds, digests and questions must not see any of it."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import rows as rows_contract
from asbuilt import views
from asbuilt.access import OnePlant, Sources, reading
from asbuilt.access.conditions import at_least, count, distinct, filled, least, named, one_of, other_than
from asbuilt.events import StateChanged
from asbuilt.plant import parse
from asbuilt.record.memory import Log
from asbuilt.rows import Interned, Table, View, interned_in
from asbuilt.rows import names as names_module
from asbuilt.rows.names import Names
from asbuilt.rows.store import Store
from asbuilt.testing.strategies import History, arrivals, histories
from asbuilt.testing.view_contract import PLANT_TEXT, T0, Folded, digest, folded

VIEWS = views.discover()


def with_numbers(view: View) -> View:
    """The view with every text it has, but those that are merged by value, kept as a number."""

    def table(known: Table) -> Table:
        columns = tuple(
            c._replace(sql_type="INTEGER", interned=True) if c.sql_type == "TEXT" and c.name not in known.merge else c
            for c in known.columns
        )
        interned, names = interned_in(columns)
        return known._replace(columns=columns, interned=interned, names=names)

    return view._replace(
        tables={row: table(known) for row, known in view.tables.items()},
        derivations=tuple(d._replace(of=table(d.of), into=tuple(map(table, d.into))) for d in view.derivations),
    )


NUMBERED = {name: with_numbers(view) for name, view in VIEWS.items()}


@given(history=histories(), data=st.data())
def test_every_view_has_the_same_rows_and_digest_with_names_as_numbers(history: History, data: st.DataObject):
    """In any order and in any batches: numbers are given as names come, and must not show."""
    order = data.draw(arrivals(history))
    plain = folded(VIEWS, history.facts)
    numbered = folded(NUMBERED, order, data.draw(st.sampled_from([1, 2, 5, 1_000])))
    assert numbered.rows() == plain.rows()
    assert numbered.store.digest() == plain.store.digest()
    plain.store.close()
    numbered.store.close()


@given(history=histories())
def test_names_that_leave_memory_are_found_again(history: History):
    most = names_module.MOST_IN_MEMORY
    try:
        names_module.MOST_IN_MEMORY = 3  # type: ignore[misc]
        assert digest(NUMBERED, history.facts, 2) == digest(VIEWS, history.facts)
    finally:
        names_module.MOST_IN_MEMORY = most  # type: ignore[misc]


class Visit(NamedTuple):
    """A fact at a station."""

    station: Interned
    fact: bytes
    reason: Interned
    by: Interned | None
    time_us: int


def _view() -> View:
    visit = rows_contract._table("demo", Visit, ("station", "fact"), ("reason WHERE reason <> ''",), {})
    rules: dict[Any, Any] = {
        StateChanged: lambda fact, time_us: [
            Visit(fact.station, fact.id.bytes, fact.reason or "", fact.source if fact.source != "-" else None, time_us)
        ]
    }
    return VIEWS["line"]._replace(name="demo", tables={Visit: visit}, rules=rules, derivations=(), tally=None)


DEMO = {"demo": _view()}


def said(number: int, station: str, reason: str = "", source: str = "g") -> StateChanged:
    return StateChanged(
        id=UUID(int=number), event_time=T0, source=source, station=station, state="Idle", reason=reason or None
    )


FACTS = [said(1, "zulu", "oil"), said(2, "alpha"), said(3, "zulu", "chips"), said(4, "mike", "oil", "-")]


@pytest.fixture
def reader():
    way, plant = folded(DEMO, FACTS, 1), parse(PLANT_TEXT)
    with reading(Sources(way.store, Log(lambda: T0), OnePlant(plant), lambda: T0), "test") as reader:
        yield reader
    way.store.close()


def facts_of(found):
    return sorted(row.fact[-1] for row in found)


def test_questions_are_asked_and_answered_in_names(reader):
    assert reader.first(Visit, {"station": "alpha"}) == Visit("alpha", UUID(int=2).bytes, "", "g", 1_000_000 * int(T0.timestamp()))  # fmt: skip
    assert facts_of(reader.rows(Visit, {"station": "zulu"})) == [1, 3]
    assert facts_of(reader.rows(Visit, {"station": one_of(["zulu", "mike", "never"])})) == [1, 3, 4]
    assert facts_of(reader.rows(Visit, {"station": other_than("zulu")})) == [2, 4]
    assert facts_of(reader.rows(Visit, {"by": None})) == [4]
    assert facts_of(reader.rows(Visit, {"reason": filled()})) == [1, 3, 4]
    assert facts_of(reader.rows(Visit, {"reason": named("oil")})) == [1, 4]
    assert facts_of(reader.rows(Visit, {"reason": named("")})) == []
    assert facts_of(reader.rows(Visit, {"reason": ""})) == [2]
    assert facts_of(reader.rows_of(Visit, "station", ["mike", "never", "alpha"])) == [2, 4]
    assert reader.values(Visit, "station") == ["alpha", "mike", "zulu"]
    assert sorted(reader.totals(Visit, by=("station",), of=(count(), distinct("reason")))) == [
        ("alpha", 1, 1), ("mike", 1, 1), ("zulu", 2, 2),
    ]  # fmt: skip
    at_us = reader.rows(Visit)[0].time_us
    found = reader.totals_in(Visit, [(at_us, at_us + 1), (0, 1)], "time_us", by=("station",))
    assert sorted(found) == [(0, "alpha", 1), (0, "mike", 1), (0, "zulu", 2)]


def test_a_name_that_no_row_ever_had_matches_nothing(reader):
    assert reader.rows(Visit, {"station": "never"}) == []
    assert reader.rows(Visit, {"station": one_of(["never"])}) == []
    assert reader.rows_of(Visit, "station", ["never"]) == []
    assert len(reader.rows(Visit, {"station": other_than("never")})) == 4
    assert reader.numbers(["never"]) == {}


def test_names_are_not_compared_by_order(reader):
    for ask in (
        lambda: reader.rows(Visit, order="station"),
        lambda: reader.rows(Visit, {"station": at_least(3)}),
        lambda: reader.totals(Visit, of=(least("station"),)),
    ):
        with pytest.raises(AssertionError, match="holds names as numbers"):
            ask()


def test_a_walk_keeps_numbers_until_its_end(reader):
    numbers = reader.numbers(["zulu", "alpha", "never"])
    assert set(numbers) == {"zulu", "alpha"}
    found = reader.plain_rows_of(Visit, "station", list(numbers.values()), ("reason", "station"), {"reason": filled()})
    texts = reader.names({number for row in found for number in row})
    assert sorted((texts[reason], texts[station]) for reason, station in found) == [("chips", "zulu"), ("oil", "zulu")]


def test_the_index_that_leaves_out_the_empty_name_is_used(reader):
    plan = reader._rows.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM demo_visit WHERE reason <> 0 AND reason = 5"
    ).fetchall()
    assert "demo_visit_1" in plan[0][3], plan


def test_names_of_a_batch_that_came_to_nothing_are_not_remembered():
    """Their numbers are given to other names then."""
    way = Folded(DEMO)
    way.fold(FACTS[:1])
    broken = said(9, "lost")
    rule = DEMO["demo"].rules[StateChanged]
    write = way.store._writer.write

    def fails(*given: Any) -> Any:
        write(*given)
        raise ValueError("the disk is gone")

    way.store._writer.write = fails  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="disk is gone"):
        way.fold([broken])
    way.store._writer.write = write  # type: ignore[method-assign]
    way.fold(FACTS[1:])
    assert way.store.digest() == digest(DEMO, FACTS)
    assert rule is DEMO["demo"].rules[StateChanged]
    way.store.close()


def test_names_stay_after_a_restart_and_a_view_made_anew(tmp_path):
    way = Folded(DEMO, tmp_path / "views.db")
    way.fold(FACTS[:3])
    way.store.close()
    store = Store(tmp_path / "views.db", DEMO, strict=True)
    store.fold([(4, FACTS[3])], {}.get)
    assert store.digest() == digest(DEMO, FACTS)
    store.make_anew({"demo"})
    store.fold(list(enumerate(reversed(FACTS), 1)), {}.get)
    assert store.digest() == digest(DEMO, FACTS)
    with store.reading() as db:
        assert Names().numbers(db, [""]) == {"": 0}
    store.close()


def test_a_name_that_is_merged_by_value_cannot_be_a_number():
    with pytest.raises(TypeError, match="cannot be interned"):
        rows_contract._table("demo", Visit, ("station",), (), {"reason": "max"})


UNLIKE = """
from typing import NamedTuple
from asbuilt.rows import Interned

class Seen(NamedTuple):
    station: Interned
    fact: bytes

class Last(NamedTuple):
    station: str

VERSION, RULES = 1, {}
ROWS = {Seen: ("station", "fact"), Last: ("station",)}
DERIVED = [{"rows": (Last,), "of": Seen, "by": "station", "rule": lambda rows: []}]
"""


def test_a_subject_is_a_number_in_what_follows_from_it_too_or_in_neither(tmp_path, monkeypatch):
    """Looked for by its number, what was derived before would never be found, and never be taken back."""
    (tmp_path / "unlike").mkdir()
    (tmp_path / "unlike" / "__init__.py").touch()
    (tmp_path / "unlike" / "fold.py").write_text(UNLIKE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match="'station' of demo_last is to be `Interned`"):
        rows_contract.load("demo", "unlike")


def test_names_asked_for_again_stay_in_memory_when_many_others_pass(reader, monkeypatch):
    """Two generations: a walk over very many names does not make everything else be read again."""
    monkeypatch.setattr(names_module, "MOST_IN_MEMORY", 4)
    names, db = Names(), reader._rows
    wanted = [names.numbers(db, [text])[text] for text in ("zulu", "alpha")]
    others = [number for (number,) in db.execute("SELECT id FROM name WHERE id > 0").fetchall() if number not in wanted]
    assert len(others) >= 4
    read: list[str] = []
    reader._rows.trace_v2(1, lambda event: read.append(event["sql"]))
    for number in others:
        names.texts(db, [number])
        read.clear()
        assert set(names.texts(db, wanted)) >= set(wanted)
        assert not [sql for sql in read if "name" in sql], read
    assert len(names._texts._recent) <= 4
    assert len(names._texts._before) <= 4
    reader._rows.trace_v2(0, None)


def test_more_names_at_once_than_may_be_kept_are_all_given(reader, monkeypatch):
    monkeypatch.setattr(names_module, "MOST_IN_MEMORY", 2)
    names, db = Names(), reader._rows
    every: dict[int, str] = dict(db.execute("SELECT id, text FROM name").fetchall())
    assert {number: names.texts(db, every)[number] for number in every} == every
    numbers = names.numbers(db, every.values())
    assert {text: numbers[text] for text in every.values()} == {text: number for number, text in every.items()}
