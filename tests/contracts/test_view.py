"""The promises of views, held against every view that is found; corrections one by one; and the store itself."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given

from asbuilt import events, views
from asbuilt import rows as rows_contract
from asbuilt.events import AnyFact, CorrectionMade, StateChanged, Unknown
from asbuilt.rows import Derivation, View
from asbuilt.rows.store import Store
from asbuilt.testing.strategies import History, histories
from asbuilt.testing.view_contract import T0, Folded, ViewContract, digest, effective_facts, folded, timed

VIEWS = views.discover()


class TestEveryView(ViewContract):
    views = VIEWS


def test_views_are_found():
    assert {"line", "order", "source"} <= set(VIEWS)


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


def test_rows_of_another_version_that_lack_a_column_are_made_anew(tmp_path):
    view = VIEWS["line"]
    old = rows_contract._table("demo", Visit, ("station", "time_us", "fact"), (), {})
    new = rows_contract._table("demo", Longer, ("station", "time_us", "fact"), ("gate",), {})._replace(name=old.name)
    bare = view._replace(name="demo", rules={}, derivations=())
    Store(tmp_path / "views.db", {"demo": bare._replace(version=1, tables={Visit: old})}).close()
    later = {"demo": bare._replace(version=2, tables={Longer: new})}
    reader = Store(tmp_path / "views.db", later, read_only=True)
    assert reader.outdated() == {"demo"}
    reader.close()
    store = Store(tmp_path / "views.db", later)
    assert not store.outdated()
    with store.reading() as db:
        assert [name for _, name, *_ in db.pragma("table_info", old.name)] == list(Longer._fields)
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
            oddities = folded(VIEWS, order, batch).rows()["passages_oddity"]
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
    way = folded(VIEWS, order, batch)
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
            rows = folded(VIEWS, order, batch).rows()
            assert rows["states_state"] == []
            assert [row[10] for row in rows["pieces_made"]] == [3]


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
    stays = folded(VIEWS, [started, moved, mend], 1).rows()["passages_stay"]
    assert [stay[0] for stay in stays] == ["unit:P/2"]


def test_a_long_chain_of_corrections_neither_fails_nor_lasts():
    # Each takes back the one before; 2,000 of them must not meet a recursion limit.
    chain = [correction(number, number - 1, number) for number in range(2, 2_002)]
    way = folded(VIEWS, [ORIGINAL, *chain])
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
    way = folded(VIEWS, [*facts, *made], 500)
    assert way.rows()["states_state"] == []
    with way.store.reading() as db:
        plan = db.execute("EXPLAIN QUERY PLAN SELECT target FROM correction WHERE fact = x'00'").fetchall()
    assert "SEARCH" in plan[0][3], plan
    way.store.close()


def test_many_corrections_of_one_fact():
    many = [correction(number, 1, number % 50, reads("Idle", number)) for number in range(2, 400)]
    way = folded(VIEWS, [ORIGINAL, *many], 7)
    last = max(many, key=lambda fact: (fact.event_time, fact.id))
    assert last.replacement is not None
    assert [row[2] for row in way.rows()["states_state"]] == [events.microseconds(last.replacement.event_time)]
    way.store.close()


def test_corrections_are_known_after_a_restart(tmp_path):
    way = Folded(VIEWS, tmp_path / "views.db")
    way.fold([correction(2, 1, 0)])
    way.store.close()
    again = Folded(VIEWS, tmp_path / "views.db")
    again.facts = [correction(2, 1, 0)]
    again.fold([ORIGINAL])
    assert again.rows()["states_state"] == []
    again.store.close()


# --------------------------------------------------------------------------- the store itself


def test_what_changed_is_told():
    way = Folded(VIEWS)
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
    assert digest(VIEWS, [ORIGINAL]) != digest(VIEWS, [reads("Idle")]) != digest(VIEWS, [])
    assert digest(VIEWS, [ORIGINAL]) == digest(VIEWS, [ORIGINAL], 1)


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
        assert db.execute("SELECT good FROM pieces_made").fetchall() == [(3,)]
    store.close()


def test_a_strict_store_keeps_nothing_of_a_batch_that_fails():
    store = Store(None, failing(StateChanged), strict=True)
    before = store.digest()
    counted = events.Counted(id=UUID(int=5), event_time=T0, source="gw", station="p/s/a/l/1", good=3)
    with pytest.raises(ValueError, match="cannot bear it"):
        store.fold([(1, counted), (2, ORIGINAL), (3, correction(2, 1, 0))], {}.get)
    assert store.position() == 0
    assert store.digest() == before
    assert not store._corrections.targets
    store.close()


def test_one_reader_sees_one_state(tmp_path):
    way = Folded(VIEWS, tmp_path / "views.db")
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
