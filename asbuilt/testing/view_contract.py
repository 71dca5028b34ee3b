"""What every view promises (laws 3 to 6), as tests: a package with views of its own subclasses `ViewContract`.

    class TestMine(ViewContract):
        views = {"mine": load("mine", "mypackage.mine")}        # asbuilt.rows.load

The oracle folds the facts that hold after all corrections, in plain Python, without the store:
`effective_facts` says which facts hold, `rows_expected` what the views' own declarations make of
them. Whatever way the facts take through the store, its rows must be those.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events, folding
from asbuilt.access import OnePlant, Reader, Sources, reading
from asbuilt.events import AnyFact, CorrectionMade
from asbuilt.plant import parse
from asbuilt.record import Entry
from asbuilt.record.memory import Log
from asbuilt.rows import Table, View
from asbuilt.rows.store import Store
from asbuilt.testing.showing import pool, wrong
from asbuilt.testing.strategies import UNHURRIED, History, arrivals, histories, small_facts, unknown_facts

T0 = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
Rows = dict[str, list[tuple[Any, ...]]]


# --------------------------------------------------------------------------- the oracle


def effective_facts(facts: Iterable[AnyFact]) -> list[AnyFact]:
    """The facts that hold: a corrected one reads as its last declared valid correction says."""
    known = {fact.id: fact for fact in facts}
    made: defaultdict[UUID, list[CorrectionMade]] = defaultdict(list)
    for fact in known.values():
        if isinstance(fact, CorrectionMade):
            made[fact.corrects].append(fact)

    def rank(correction: CorrectionMade) -> tuple[dt.datetime, UUID]:
        return correction.event_time, correction.id

    def valid(correction: CorrectionMade) -> bool:
        return not any(rank(other) > rank(correction) and valid(other) for other in made[correction.id])

    found: list[AnyFact] = []
    for fact in known.values():
        if isinstance(fact, CorrectionMade):
            continue
        standing = sorted(filter(valid, made[fact.id]), key=rank)
        reading = standing[-1].replacement if standing else fact
        if reading is not None:
            found.append(reading)
    return found


MERGE: Mapping[str, Callable[[Any, Any], Any]] = {"sum": lambda a, b: a + b, "min": min, "max": max}


def timed(fact: AnyFact) -> tuple[AnyFact, int]:
    """A fact and its time, as rules are given them."""
    return fact, events.microseconds(fact.event_time)


def rows_expected(views: Mapping[str, View], facts: Iterable[AnyFact]) -> Rows:
    """What the views' declarations make of a set of facts, in no particular order."""
    delivered = list({fact.id: fact for fact in facts}.values())
    found: Rows = {}
    for view in views.values():
        rows: dict[Any, dict[tuple[Any, ...], Any]] = {row: {} for row in view.tables}
        for fact in effective_facts(delivered):
            rule = view.rules.get(type(fact)) if isinstance(fact, events.Event) else None
            for row in rule(*timed(fact)) if rule else ():
                key = tuple(row[at] for at in view.tables[type(row)].key_at)
                assert key not in rows[type(row)], f"two facts make the row {row}: the key must hold the fact's id"
                rows[type(row)][key] = row
        for fact in delivered:
            for row in view.tally([timed(fact)]) if view.tally else ():
                table = view.tables[type(row)]
                key = tuple(row[at] for at in table.key_at)
                rows[type(row)][key] = _merged(table, rows[type(row)].get(key), row)
        for derivation in view.derivations:
            at = [derivation.of.row._fields.index(by) for by in derivation.by]  # type: ignore[attr-defined]
            subjects = defaultdict(list)
            for _, row in sorted(rows[derivation.of.row].items()):
                subjects[tuple(row[n] for n in at)].append(row)
            for of_subject in subjects.values():
                for row in derivation.rule(of_subject):
                    key = tuple(row[at] for at in view.tables[type(row)].key_at)
                    rows[type(row)][key] = row
        for row_class, table in view.tables.items():
            found[table.name] = [tuple(row) for _, row in sorted(rows[row_class].items())]
    return found


def _merged(table: Table, known: Any, row: Any) -> Any:
    if known is None:
        return row
    return type(row)(
        *(
            MERGE[table.merge[column.name]](old, new) if column.name in table.merge else new
            for column, old, new in zip(table.columns, known, row, strict=True)
        )
    )


# --------------------------------------------------------------------------- ways through the store


class Folded:
    """Facts folded in a given order and in given batches, as the pipeline would."""

    def __init__(self, views: Mapping[str, View], path: Path | None = None) -> None:
        self.views = views
        self.store = Store(path, views, strict=True)
        self.facts: list[AnyFact] = []

    def fold(self, facts: Sequence[AnyFact], *, recorded_ahead: Sequence[AnyFact] = ()) -> None:
        """Fold a batch; `recorded_ahead` is in the record already, but will be folded later."""
        known = {fact.id: fact for fact in (*self.facts, *facts, *recorded_ahead)}
        first = len(self.facts) + 1
        self.store.fold(list(enumerate(facts, first)), known.get)
        self.facts.extend(facts)

    def rows(self) -> Rows:
        """All rows by table, in order of their keys."""
        with self.store.reading() as db:
            return {
                table.name: list(self.store.every_row(db, table))
                for view in self.views.values()
                for table in view.tables.values()
            }


def folded(views: Mapping[str, View], facts: Sequence[AnyFact], batch: int = 1_000) -> Folded:
    """Facts folded in batches, in this order."""
    way = Folded(views)
    for start in range(0, len(facts), batch):
        way.fold(facts[start : start + batch])
    return way


def digest(views: Mapping[str, View], facts: Sequence[AnyFact], batch: int = 1_000) -> str:
    """The digest of the rows of facts that were folded in batches, in this order."""
    way = folded(views, facts, batch)
    try:
        return way.store.digest()
    finally:
        way.store.close()


PLANT_TEXT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
"""
"""A plant file that defines nothing but itself."""


@contextmanager
def reader_of(
    views: Mapping[str, View], facts: Sequence[AnyFact], *, now: dt.datetime = T0, plant_text: str = PLANT_TEXT
) -> Iterator[Reader]:
    """A reader of a record of these facts at a moment, to ask the queries of views."""
    log, store, plant = Log(lambda: now), Store(None, views, strict=True), parse(plant_text)
    log.append([Entry(fact, events.encode(fact)) for fact in facts])
    folding.fold_from(log, store)
    try:
        with reading(Sources(store, log, OnePlant(plant, now), lambda: now), "test") as reader:
            yield reader
    finally:
        store.close()


# --------------------------------------------------------------------------- the laws


class ViewContract:
    """The promises of views: rows are a function of the set of facts that hold, whatever way they came."""

    views: ClassVar[Mapping[str, View]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Rules are looked at view by view."""
        if "view" in metafunc.fixturenames:
            metafunc.parametrize("view", list(self.views.values()), ids=list(self.views))

    def test_rows_are_those_of_the_facts_that_hold(self) -> None:
        @UNHURRIED
        @given(history=histories(), data=st.data())
        def holds(history: History, data: st.DataObject) -> None:
            order = data.draw(arrivals(history))
            way = folded(self.views, order, data.draw(st.sampled_from([1, 2, 5, 1_000])))
            expected = rows_expected(self.views, history.facts)
            for table, rows in way.rows().items():
                assert rows == expected[table], table
            way.store.close()

        holds()

    def test_order_and_batches_do_not_matter(self) -> None:
        """Law 3."""

        @UNHURRIED
        @given(history=histories(), data=st.data())
        def holds(history: History, data: st.DataObject) -> None:
            expected = digest(self.views, history.facts)
            order = data.draw(arrivals(history))
            assert digest(self.views, order, data.draw(st.integers(1, 6))) == expected

        holds()

    def test_facts_seen_ahead_of_their_turn_do_not_matter(self) -> None:
        """The record may hold more than was folded; a correction may then find what comes later."""

        @UNHURRIED
        @given(history=histories(), data=st.data())
        def holds(history: History, data: st.DataObject) -> None:
            order = data.draw(arrivals(history))
            way = Folded(self.views)
            for index, fact in enumerate(order):
                way.fold([fact], recorded_ahead=order[index:])
            assert way.store.digest() == digest(self.views, history.facts)
            way.store.close()

        holds()

    def test_repetition_does_not_matter(self) -> None:
        """The record drops repeated facts, so what reaches the views is the same set."""

        @UNHURRIED
        @given(history=histories(), data=st.data())
        def holds(history: History, data: st.DataObject) -> None:
            log, store = Log(lambda: T0), Store(None, self.views, strict=True)
            again = [*history.facts, *data.draw(st.lists(st.sampled_from(history.facts or [None]), max_size=10))]
            for fact in data.draw(st.permutations(again)):
                if fact is not None:
                    log.append([Entry(fact, events.encode(fact))])
                if data.draw(st.booleans()):
                    folding.fold_from(log, store)
            folding.fold_from(log, store)
            assert store.digest() == digest(self.views, history.facts)
            store.close()

        holds()

    def test_rebuild_equals_incremental(self) -> None:
        """Law 4: from the record's bytes, all at once, the same rows."""

        @UNHURRIED
        @given(history=histories(), batch=st.integers(1, 6))
        def holds(history: History, batch: int) -> None:
            way = folded(self.views, history.facts, batch)
            log, rebuilt = Log(lambda: T0), Store(None, self.views, strict=True)
            log.append([Entry(fact, events.encode(fact)) for fact in history.facts])
            folding.fold_from(log, rebuilt)
            assert rebuilt.digest() == way.store.digest()
            assert rebuilt.position() == way.store.position() == len(history.facts)
            rebuilt.close()
            way.store.close()

        holds()

    def test_unknown_types_change_only_tallies(self) -> None:
        """Law 6."""

        @UNHURRIED
        @given(history=histories(), first=unknown_facts, last=unknown_facts)
        def holds(history: History, first: AnyFact, last: AnyFact) -> None:
            plain, with_unknown = folded(self.views, history.facts), folded(self.views, [first, *history.facts, last])
            tallied = {view.tables[row].name for view in self.views.values() for row in view.tallies}
            for table, rows in plain.rows().items():
                if table not in tallied:
                    assert rows == with_unknown.rows()[table]
            for way in (plain, with_unknown):
                way.store.close()

        holds()

    def test_rules_are_pure_and_their_rows_fit(self, view: View) -> None:
        @UNHURRIED
        @given(fact=small_facts())
        def holds(fact: events.Event) -> None:
            if type(fact) not in view.rules:
                return
            rule = view.rules[type(fact)]
            rows = list(rule(*timed(fact)))
            assert rows == list(rule(*timed(fact))) == list(rule(*timed(events.decode(events.encode(fact)))))
            types = {"TEXT": str, "INTEGER": int, "BLOB": bytes, "REAL": float}
            for row in rows:
                table = view.tables[type(row)]
                for column, value in zip(table.columns, row, strict=True):
                    assert (value is None and column.optional) or type(value) is (
                        str if column.interned else types[column.sql_type]
                    ), (
                        table.name,
                        column,
                    )

        holds()

    def test_columns_show_what_they_say(self, view: View) -> None:
        """Whoever may not see a field of facts is not shown it by a column that does not say so."""
        assert not (found := wrong(view, pool(25), rows_expected)), "\n".join(found)
