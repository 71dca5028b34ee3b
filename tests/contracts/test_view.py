"""What every view promises (laws 3 to 6), held against every view that is found.

The oracle folds the facts that hold after all corrections, in plain Python, without the store:
`effective_facts` says which facts hold, `rows_expected` what the views' own declarations make of
them. Whatever way the facts take through the store, its rows must be those.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events, pipeline, views
from asbuilt import rows as rows_contract
from asbuilt.events import AnyFact, CorrectionMade, StateChanged, Unknown
from asbuilt.record import Entry
from asbuilt.record.memory import Log
from asbuilt.rows import Derivation, Table, View
from asbuilt.rows.store import Store
from tests.strategies import History, arrivals, histories, small_facts, unknown_facts

VIEWS = views.discover()
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


MERGE = {"sum": lambda a, b: a + b, "min": min, "max": max}


def timed(fact: AnyFact) -> tuple[AnyFact, int]:
    return fact, events.microseconds(fact.event_time)


def rows_expected(facts: Iterable[AnyFact]) -> Rows:
    """What the views' declarations make of a set of facts, in no particular order."""
    delivered = list({fact.id: fact for fact in facts}.values())
    found: Rows = {}
    for view in VIEWS.values():
        rows: dict[Any, dict[tuple[Any, ...], Any]] = {row: {} for row in view.tables}
        for fact in effective_facts(delivered):
            for row in view.rules[type(fact)](*timed(fact)) if type(fact) in view.rules else ():
                key = tuple(row[at] for at in view.tables[type(row)].key_at)
                assert key not in rows[type(row)], f"two facts make the row {row}: the key must hold the fact's id"
                rows[type(row)][key] = row
        for fact in delivered if view.tally else ():
            for row in view.tally([timed(fact)]):
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

    def __init__(self, path: Path | None = None) -> None:
        self.store = Store(path, VIEWS, strict=True)
        self.facts: list[AnyFact] = []

    def fold(self, facts: Sequence[AnyFact], *, recorded_ahead: Sequence[AnyFact] = ()) -> None:
        """Fold a batch; `recorded_ahead` is in the record already, but will be folded later."""
        known = {fact.id: fact for fact in (*self.facts, *facts, *recorded_ahead)}
        first = len(self.facts) + 1
        self.store.fold(list(enumerate(facts, first)), known.get)
        self.facts.extend(facts)

    def rows(self) -> Rows:
        with self.store.reading() as db:
            return {
                table.name: db.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}").fetchall()
                for view in VIEWS.values()
                for table in view.tables.values()
            }


def folded(facts: Sequence[AnyFact], batch: int = 1_000) -> Folded:
    way = Folded()
    for start in range(0, len(facts), batch):
        way.fold(facts[start : start + batch])
    return way


def digest(facts: Sequence[AnyFact], batch: int = 1_000) -> str:
    way = folded(facts, batch)
    try:
        return way.store.digest()
    finally:
        way.store.close()


def test_views_are_found():
    assert {"line", "order", "source"} <= set(VIEWS)


# --------------------------------------------------------------------------- the laws


@given(histories(), st.data())
def test_rows_are_those_of_the_facts_that_hold(history, data):
    order = data.draw(arrivals(history))
    way = folded(order, data.draw(st.sampled_from([1, 2, 5, 1_000])))
    expected = rows_expected(history.facts)
    for table, rows in way.rows().items():
        assert rows == expected[table], table
    way.store.close()


@given(histories(), st.data())
def test_order_and_batches_do_not_matter(history, data):
    """Law 3."""
    expected = digest(history.facts)
    order = data.draw(arrivals(history))
    assert digest(order, data.draw(st.integers(1, 6))) == expected


@given(histories(), st.data())
def test_facts_seen_ahead_of_their_turn_do_not_matter(history, data):
    """The record may hold more than was folded; a correction may then find what comes later."""
    order = data.draw(arrivals(history))
    way = Folded()
    for index, fact in enumerate(order):
        way.fold([fact], recorded_ahead=order[index:])
    assert way.store.digest() == digest(history.facts)
    way.store.close()


@given(histories(), st.data())
def test_repetition_does_not_matter(history, data):
    """The record drops repeated facts, so what reaches the views is the same set."""
    log, store = Log(lambda: T0), Store(None, VIEWS, strict=True)
    again = [*history.facts, *data.draw(st.lists(st.sampled_from(history.facts or [None]), max_size=10))]
    for fact in data.draw(st.permutations(again)):
        if fact is not None:
            log.append([Entry(fact, events.encode(fact))])
        if data.draw(st.booleans()):
            pipeline.fold_from(log, store)
    pipeline.fold_from(log, store)
    assert store.digest() == digest(history.facts)
    store.close()


@given(histories(), st.integers(1, 6))
def test_rebuild_equals_incremental(history, batch):
    """Law 4: from the record's bytes, all at once, the same rows."""
    way = folded(history.facts, batch)
    log, rebuilt = Log(lambda: T0), Store(None, VIEWS, strict=True)
    log.append([Entry(fact, events.encode(fact)) for fact in history.facts])
    pipeline.fold_from(log, rebuilt)
    assert rebuilt.digest() == way.store.digest()
    assert rebuilt.position() == way.store.position() == len(history.facts)
    rebuilt.close()
    way.store.close()


@given(histories(), unknown_facts, unknown_facts)
def test_unknown_types_change_only_tallies(history, first, last):
    """Law 6."""
    plain, with_unknown = folded(history.facts), folded([first, *history.facts, last])
    tallied = {view.tables[row].name for view in VIEWS.values() for row in view.tallies}
    for table, rows in plain.rows().items():
        if table not in tallied:
            assert rows == with_unknown.rows()[table]
    for way in (plain, with_unknown):
        way.store.close()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@given(fact=small_facts())
def test_rules_are_pure_and_their_rows_fit(view, fact):
    if type(fact) not in view.rules:
        return
    rule = view.rules[type(fact)]
    rows = list(rule(*timed(fact)))
    assert rows == list(rule(*timed(fact))) == list(rule(*timed(events.decode(events.encode(fact)))))
    types = {"TEXT": str, "INTEGER": int, "BLOB": bytes, "REAL": float}
    for row in rows:
        table = view.tables[type(row)]
        for column, value in zip(table.columns, row, strict=True):
            assert (value is None and column.optional) or type(value) is types[column.sql_type], (table.name, column)


class Visit(NamedTuple):
    """A fact at a station."""

    station: str
    time_us: int
    fact: bytes


class Last(NamedTuple):
    """Made from all visits, always under the same key."""

    station: str
    number: int


class Longer(NamedTuple):
    """A visit as a later version keeps it."""

    station: str
    time_us: int
    fact: bytes
    gate: str


def test_rows_of_another_version_that_lack_a_column_are_seen_to_be_outdated(tmp_path):
    view = VIEWS["line"]
    old = rows_contract._table("demo", Visit, ("station", "time_us", "fact"), (), {})
    new = rows_contract._table("demo", Longer, ("station", "time_us", "fact"), ("gate",), {})._replace(name=old.name)
    bare = view._replace(name="demo", rules={}, derivations=())
    Store(tmp_path / "views.db", {"demo": bare._replace(version=1, tables={Visit: old})}).close()
    store = Store(tmp_path / "views.db", {"demo": bare._replace(version=2, tables={Longer: new})})
    assert store.outdated()
    store.close()


def test_of_two_derived_rows_of_one_key_the_later_always_stays():
    """However often the subject is derived anew, and in whatever batches."""
    view = VIEWS["line"]
    visit = rows_contract._table("demo", Visit, ("station", "time_us", "fact"), (), {})
    last = rows_contract._table("demo", Last, ("station",), (), {})
    demo = view._replace(
        name="demo",
        tables={Visit: visit, Last: last},
        rules={StateChanged: lambda fact, time_us: [Visit(fact.station, time_us, fact.id.bytes)]},
        derivations=(
            Derivation(visit, ("station",), (last,), lambda found: [Last("p", n) for n in range(len(found), 0, -1)]),
        ),
    )
    for size in (1, 2, 3, 4):
        store = Store(None, {"demo": demo}, strict=True)
        facts = [
            StateChanged(id=UUID(int=n), event_time=T0, source="g", station="p", state="Idle") for n in range(1, 5)
        ]
        for at in range(0, 4, size):
            store.fold(list(enumerate(facts, 1))[at : at + size], {}.get)
        with store.reading() as db:
            assert db.execute("SELECT * FROM demo_last").fetchall() == [("p", 1)], size
        store.close()


def test_contradictions_at_one_instant_are_all_kept():
    facts = [_completed(1, "A"), _completed(2, "B")]
    for order in (facts, facts[::-1]):
        for batch in (1, 2):
            oddities = folded(order, batch).rows()["line_oddity"]
            assert [(oddity[2], oddity[3]) for oddity in oddities] == [
                ("completed without a start", "A"),
                ("completed without a start", "B"),
            ]


def _completed(number: int, station: str) -> events.OperationCompleted:
    return events.OperationCompleted(
        id=UUID(int=number),
        event_time=T0,
        source="s",
        station=station,
        operation="hone",
        product="P",
        serial="1",
        good=1,
    )


# --------------------------------------------------------------------------- corrections, one by one

ORIGINAL = StateChanged(id=UUID(int=1), event_time=T0, source="gw", station="p/s/a/l/1", state="Held", reason="oil")


def reads(state: str, minutes: int = 0) -> StateChanged:
    """Another reading of the original."""
    return StateChanged(
        id=ORIGINAL.id, event_time=T0 + dt.timedelta(minutes=minutes), source="gw", station="p/s/a/l/2", state=state
    )


def correction(number: int, corrects: int, minutes: int, replacement: StateChanged | None = None) -> CorrectionMade:
    return CorrectionMade(
        id=UUID(int=number),
        event_time=T0 + dt.timedelta(hours=1, minutes=minutes),
        source="office",
        corrects=UUID(int=corrects),
        reason="incorrect_data" if replacement else "did_not_occur",
        replacement=replacement,
    )


CORRECTIONS: dict[str, tuple[list[CorrectionMade], AnyFact | None]] = {
    "it did not occur": ([correction(2, 1, 0)], None),
    "it reads otherwise": ([correction(2, 1, 0, reads("Idle"))], reads("Idle")),
    "it happened at another time": ([correction(2, 1, 0, reads("Held", 30))], reads("Held", 30)),
    "of two, the later declared": (
        [correction(2, 1, 5, reads("Idle")), correction(3, 1, 0, reads("Stopped"))],
        reads("Idle"),
    ),
    "of two declared at once, the greater id": (
        [correction(2, 1, 0, reads("Idle")), correction(3, 1, 0, reads("Stopped"))],
        reads("Stopped"),
    ),
    "did not occur, then it did": ([correction(2, 1, 0), correction(3, 1, 5, reads("Idle"))], reads("Idle")),
    "a correction is taken back": ([correction(2, 1, 0), correction(3, 2, 5)], ORIGINAL),
    "taking back is taken back": ([correction(2, 1, 0), correction(3, 2, 5), correction(4, 3, 9)], None),
    "the later one is taken back": (
        [correction(2, 1, 0, reads("Idle")), correction(3, 1, 5, reads("Stopped")), correction(4, 3, 9)],
        reads("Idle"),
    ),
    "taken back before it was declared: no effect": ([correction(2, 1, 5), correction(3, 2, 0)], None),
    "a correction of itself": ([correction(2, 1, 0), correction(3, 3, 0)], None),
    "two corrections of each other": ([correction(2, 3, 0), correction(3, 2, 0)], ORIGINAL),
    "of what was never recorded": ([correction(2, 99, 0, None)], ORIGINAL),
    "of an unknown correction": ([correction(3, 2, 0)], ORIGINAL),
}  # fmt: skip


@pytest.mark.parametrize(("made", "holds"), CORRECTIONS.values(), ids=CORRECTIONS)
@pytest.mark.parametrize("batch", [1, 2, 10])
@pytest.mark.parametrize("arrange", ["original first", "original last", "reversed", "in the middle"])
def test_corrections(made, holds, batch, arrange):
    order: list[AnyFact] = {
        "original first": [ORIGINAL, *made],
        "original last": [*made, ORIGINAL],
        "reversed": [*reversed(made), ORIGINAL],
        "in the middle": [made[0], ORIGINAL, *made[1:]],
    }[arrange]  # type: ignore[assignment]
    way = folded(order, batch)
    expected = [] if holds is None else list(VIEWS["states"].rules[StateChanged](*timed(holds)))
    assert way.rows()["states_state"] == [tuple(row) for row in expected]
    assert way.store.effective(ORIGINAL, {fact.id: fact for fact in order}.get) == holds
    way.store.close()


def test_a_fact_may_become_one_of_another_type():
    counted = events.Counted(id=ORIGINAL.id, event_time=T0, source="gw", station="p/s/a/l/1", good=3)
    made = CorrectionMade(
        id=UUID(int=2),
        event_time=T0,
        source="office",
        corrects=ORIGINAL.id,
        reason="incorrect_data",
        replacement=counted,
    )
    for order in ([ORIGINAL, made], [made, ORIGINAL]):
        for batch in (1, 2):
            rows = folded(order, batch).rows()
            assert rows["states_state"] == []
            assert [row[3] for row in rows["line_output"]] == [3]


def test_a_derived_row_follows_a_corrected_fact_to_another_subject():
    started = events.UnitStarted(id=UUID(int=1), event_time=T0, source="s", product="P", serial="1", station="A")
    moved = events.OperationStarted(
        id=UUID(int=2), event_time=T0, source="s", station="A", operation="hone", product="P", serial="1"
    )
    mend = CorrectionMade(
        id=UUID(int=3), event_time=T0, source="office", corrects=moved.id, reason="incorrect_data",
        replacement=events.OperationStarted(
            id=moved.id, event_time=T0, source="s", station="A", operation="hone", product="P", serial="2"
        ),
    )  # fmt: skip
    stays = folded([started, moved, mend], 1).rows()["line_stay"]
    assert [stay[0] for stay in stays] == ["unit:P/2"]


def test_a_long_chain_of_corrections_neither_fails_nor_lasts():
    # Each takes back the one before; 2,000 of them must not meet a recursion limit.
    chain = [correction(number, number - 1, number) for number in range(2, 2_002)]
    way = folded([ORIGINAL, *chain])
    assert len(way.rows()["states_state"]) == 1  # an even number of them: the original stands
    one_more = correction(2_002, 2_001, 5_000)
    way.fold([one_more])
    assert way.rows()["states_state"] == []
    way.store.close()


def test_many_corrections_do_not_slow_each_other_down():
    facts = [
        StateChanged(id=UUID(int=n), event_time=T0, source="g", station="s", state="Idle") for n in range(1, 4_001)
    ]
    made = [correction(10_000 + n, n, 0) for n in range(1, 4_001)]
    way = folded([*facts, *made], 500)
    assert way.rows()["states_state"] == []
    with way.store.reading() as db:
        plan = db.execute("EXPLAIN QUERY PLAN SELECT target FROM correction WHERE fact = x'00'").fetchall()
    assert "SEARCH" in plan[0][3], plan
    way.store.close()


def test_many_corrections_of_one_fact():
    many = [correction(number, 1, number % 50, reads("Idle", number)) for number in range(2, 400)]
    way = folded([ORIGINAL, *many], 7)
    last = max(many, key=lambda fact: (fact.event_time, fact.id))
    assert last.replacement is not None
    assert [row[2] for row in way.rows()["states_state"]] == [events.microseconds(last.replacement.event_time)]
    way.store.close()


def test_corrections_are_known_after_a_restart(tmp_path):
    way = Folded(tmp_path / "views.db")
    way.fold([correction(2, 1, 0)])
    way.store.close()
    again = Folded(tmp_path / "views.db")
    again.facts = [correction(2, 1, 0)]
    again.fold([ORIGINAL])
    assert again.rows()["states_state"] == []
    again.store.close()


# --------------------------------------------------------------------------- the store itself


def test_what_changed_is_told():
    way = Folded()
    changed = way.store.fold([(1, ORIGINAL)], {}.get)
    station = "p/s/a/l/1"
    assert changed == {
        "source_delivered": {"gw"}, "presence_minute": {"gw"},
        "presence_hour": {"", f"station:{station}", "source:gw"},
        **{table: {station} for table in ("states_state", "states_hour", "states_edge")},
    }  # fmt: skip
    mend = correction(2, 1, 0, reads("Idle"))
    changed = way.store.fold([(2, mend)], {ORIGINAL.id: ORIGINAL, mend.id: mend}.get)
    assert changed["states_state"] == {"p/s/a/l/1", "p/s/a/l/2"}
    way.store.close()


def test_a_digest_tells_rows_apart():
    assert digest([ORIGINAL]) != digest([reads("Idle")]) != digest([])
    assert digest([ORIGINAL]) == digest([ORIGINAL], 1)


def failing(fact_type: type[events.Event]) -> dict[str, View]:
    """The views, one of them with a rule that fails half-way."""

    def rule(known: Callable[[Any, int], Iterable[Any]], fact: Any, time_us: int) -> Iterable[Any]:
        yield from known(fact, time_us)
        raise ValueError("cannot bear it")

    states = VIEWS["states"]
    broken = {**states.rules, fact_type: functools.partial(rule, states.rules[fact_type])}
    return {**VIEWS, "states": states._replace(rules=broken)}


def test_a_fold_that_fails_is_named_and_the_rest_goes_on():
    store = Store(None, failing(StateChanged))
    counted = events.Counted(id=UUID(int=5), event_time=T0, source="gw", station="p/s/a/l/1", good=3)
    store.fold([(1, ORIGINAL), (2, counted)], {}.get)
    assert store.failures() == [("states", ORIGINAL.id.bytes, "ValueError: cannot bear it")]
    assert store.position() == 2
    with store.reading() as db:
        assert db.execute("SELECT good FROM line_output").fetchall() == [(3,)]
    store.close()


def test_a_strict_store_keeps_nothing_of_a_batch_that_fails():
    store = Store(None, failing(StateChanged), strict=True)
    before = store.digest()
    counted = events.Counted(id=UUID(int=5), event_time=T0, source="gw", station="p/s/a/l/1", good=3)
    with pytest.raises(ValueError, match="cannot bear it"):
        store.fold([(1, counted), (2, ORIGINAL), (3, correction(2, 1, 0))], {}.get)
    assert store.position() == 0
    assert store.digest() == before
    assert not store._corrected
    store.close()


def test_one_reader_sees_one_state(tmp_path):
    way = Folded(tmp_path / "views.db")
    way.fold([ORIGINAL])
    with way.store.reading() as db:
        assert db.execute("SELECT count(*) FROM states_state").get == 1
        way.fold([StateChanged(id=UUID(int=9), event_time=T0, source="gw", station="p/s/a/l/3", state="Idle")])
        assert db.execute("SELECT count(*) FROM states_state").get == 1
    assert len(way.rows()["states_state"]) == 2
    way.store.close()


@given(histories())
def test_the_oracle_itself_keeps_every_fact_that_nobody_corrects(history: History):
    corrected = {fact.corrects for fact in history.facts if isinstance(fact, CorrectionMade)}
    untouched = [fact for fact in history.facts if fact.id not in corrected and not isinstance(fact, CorrectionMade)]
    held = effective_facts(history.facts)
    assert all(fact in held for fact in untouched)
    assert all(isinstance(fact, events.Event | Unknown) for fact in held)
