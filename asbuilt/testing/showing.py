"""What columns show, held against facts: pairs of histories that differ in one field of one fact.

Where a column differs that does not say it shows the field, or a row is there or not though nobody said the field decides
it, a reader to whom the field is hidden would learn of it. `differences` finds these, and what was seen to be so.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.errors import MalformedFact
from asbuilt.events import CorrectionMade, Event
from asbuilt.rows import Table, View
from asbuilt.rows.shows import ROW, TYPE, UNSAID, name_of
from asbuilt.testing.strategies import START, UNHURRIED, facts_of, small

Pool = Mapping[type[Event], Sequence[Event]]
Fold = Callable[[Mapping[str, View], Iterable[Event]], Mapping[str, Sequence[tuple[Any, ...]]]]
Seen = tuple[str, str, str]
"""Table, column (or `ROW`), field."""


_TIMES = st.builds(
    lambda minutes: START + dt.timedelta(minutes=minutes), st.sampled_from([0, 1, 2, 5, 61, 70, 3 * 1440])
)
_FEW = st.sampled_from([0, 0, 0, 1, 2])
_APART: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("event_time", "start_time", "end_time", "due", "until", "last_seen", "expires"), _TIMES),
    **dict.fromkeys(("good", "scrap", "rejected", "for_review", "rework"), _FEW),
    "message": st.sampled_from(["dry", "wet"]),
    "line": st.sampled_from(["p/s/a/l", "p/s/a/m"]),
    "component_product": st.sampled_from(["C-1", "C-2"]),
}
"""Values of the small plant that tell more apart: another hour, nothing made at all, other words."""
_OWN = {events.MessageRejected: ("message",), events.OperationReported: ("rework",)}


@cache
def pool(number: int) -> Pool:
    """So many facts of each type, from the small plant, always the same."""
    found: defaultdict[type[Event], list[Event]] = defaultdict(list)
    for kind in events.TYPES.values():
        if kind is CorrectionMade:
            continue

        known = {**small(kind), **_APART}
        known = {name: strategy for name, strategy in known.items() if name not in _OWN.get(kind, ())}

        @settings(UNHURRIED, max_examples=number, derandomize=True, database=None)
        @given(fact=facts_of(kind, known))
        def draw(fact: Event) -> None:
            found[type(fact)].append(fact)

        draw()
    return found


class Pair(NamedTuple):
    """Two histories that differ in one field of one fact: the others, the fact, and the fact as it might have been."""

    others: tuple[Event, ...]
    fact: Event
    changed: Event
    field: str


def pairs(facts: Pool, view: View, chance: Random, histories: int) -> Iterator[Pair]:
    """Pairs around each type that a view makes rows of: so many histories a type, and in each every field once."""
    kinds = [kind for kind in facts if kind in view.rules or _is_tallied(view, facts[kind])]
    for kind in kinds:
        for _ in range(histories):
            # Few facts: what meets is about the same things, and how it falls together shows.
            fact = _mixed(facts[kind], UUID(int=2 * chance.randrange(9) + 1), chance)
            told = [
                chance.choice(facts[chance.choice((kind, chance.choice(kinds)))]) for _ in range(chance.randrange(8))
            ]
            numbered = [_beside(one, UUID(int=2 * n + 2), fact, chance) for n, one in enumerate(told)]
            for name in kind.__struct_fields__:
                changed = _changed(fact, name, facts[kind], chance)
                if changed is not None:
                    yield Pair(tuple(numbered), fact, changed, f"{name_of(kind)}.{name}")


def _is_tallied(view: View, facts: Sequence[Event]) -> bool:
    return view.tally is not None and any(True for _ in view.tally((fact, 0) for fact in facts))


def _mixed(facts: Sequence[Event], fact_id: UUID, chance: Random) -> Event:
    """A fact under this id with the values of several, where it may have them."""
    found = msgspec.structs.replace(chance.choice(facts), id=fact_id)
    for name in found.__struct_fields__:
        if name != "id" and chance.random() < 0.5:
            found = _allowed(found, {name: getattr(chance.choice(facts), name)}) or found
    return found


def _beside(one: Event, fact_id: UUID, fact: Event, chance: Random) -> Event:
    """A fact under another id that is in part about the same as `fact`, where it may be."""
    shared = {
        name: getattr(fact, name)
        for name in one.__struct_fields__
        if name in fact.__struct_fields__ and name != "event_time" and chance.random() < _SHARED
    }
    return _allowed(one, {**shared, "id": fact_id}) or msgspec.structs.replace(one, id=fact_id)


_SHARED = 0.7
"""So likely does a fact beside another have a field in common with it."""


def _allowed(fact: Event, values: Mapping[str, Any]) -> Event | None:
    try:
        found = events.decode(events.encode(msgspec.structs.replace(fact, **values)))
    except (ValueError, TypeError, MalformedFact):
        return None
    assert isinstance(found, Event)
    return found


def _changed(fact: Event, name: str, others: Sequence[Event], chance: Random) -> Event | None:
    """The fact with another value of a field, as another fact has it; None where that is not allowed."""
    value = getattr(chance.choice(others), name)
    if name == "id" or value == getattr(fact, name):
        return None
    return _allowed(fact, {name: value})


def differences(view: View, several: Iterable[Pair], fold: Fold) -> tuple[dict[Seen, Pair], set[Seen]]:
    """What differs and is not said, each with a pair that shows it; and what is said and was seen to differ."""
    unsaid: dict[Seen, Pair] = {}
    seen: set[Seen] = set()
    for pair in several:
        one, other = (fold({view.name: view}, (*pair.others, fact)) for fact in (pair.fact, pair.changed))
        for table in view.tables.values():
            if one[table.name] != other[table.name]:
                _compare(table, pair, one[table.name], other[table.name], unsaid, seen)
    return unsaid, seen


def _compare(
    table: Table,
    pair: Pair,
    one: Sequence[tuple[Any, ...]],
    other: Sequence[tuple[Any, ...]],
    unsaid: dict[Seen, Pair],
    seen: set[Seen],
) -> None:
    assert table.shows is not None
    names = [column.name for column in table.columns]
    said = [name for name in names if pair.field in table.shows.of(name)]
    rest = [name for name in names if name not in said]
    if _differ(names, rest, one, other):
        if pair.field in table.shows.row:
            seen.add((table.name, ROW, pair.field))
        else:
            alone = [name for name in rest if _differ(names, [name], one, other)] if len(one) == len(other) else []
            for column in alone or [ROW]:
                unsaid.setdefault((table.name, column, pair.field), pair)
        return
    for column in said:
        if _differ(names, [*rest, column], one, other):
            seen.add((table.name, column, pair.field))


def _differ(
    names: Sequence[str], some: Sequence[str], one: Sequence[tuple[Any, ...]], other: Sequence[tuple[Any, ...]]
) -> bool:
    """Whether rows are other rows to whom sees only some columns."""
    at = [names.index(name) for name in some]
    first, second = (Counter(tuple(row[n] for n in at) for row in rows) for rows in (one, other))
    return first != second


def stale(view: View, seen: set[Seen]) -> list[str]:
    """What is said of columns and was not seen to be so for any type of fact.

    What a row's being there depends on is withheld with the row: columns need not show it besides. It may depend on several facts
    that meet seldom, too seldom to be waited for; to say too much of it hides too much and tells nothing.
    """
    found = []
    for table in view.tables.values():
        assert table.shows is not None
        for column, words in table.shows.said.items():
            if column == ROW:
                continue
            for word, fields in words.items():
                left = fields - table.shows.row
                varied = [field for field in left if not field.endswith(f".{TYPE}")]
                if varied and not any((table.name, column, field) in seen for field in varied):
                    found.append(f"{table.name}.{column} does not show {word!r}")
    return found


def wrong(view: View, facts: Pool, fold: Fold) -> list[str]:
    """Where what a view says of its columns is not so: of a field that shows and is not said, a pair that shows it."""
    found = [f"{table.name} is not in SHOWS" for table in view.tables.values() if table.shows is None]
    if found:
        return found
    found = [
        f"SHOWS says nothing of {table.name}.{column}"
        for table in view.tables.values() if table.shows is not None
        for column, words in table.shows.said.items() if UNSAID in words
    ]  # fmt: skip
    chance, seen, left = Random(view.name), set[Seen](), [""]
    for number in range(_ROUNDS):
        # Again while there is something said that no pair has shown: what is rare takes longer to be met.
        if found or (not left and number >= _AT_LEAST):
            break
        unsaid, also = differences(
            view, pairs(facts, view, chance, max(_HISTORIES, settings().max_examples // 4)), fold
        )
        found += [
            f"{table}.{column} shows {field}, and SHOWS does not say so:\n  {pair.fact}\n  {pair.changed}\n  beside {pair.others}"
            for (table, column, field), pair in unsaid.items()
        ]
        seen |= also
        left = stale(view, seen)
    return found or left


_HISTORIES = 15
"""So many around each type a round, where a law is tried on 60 examples."""
_AT_LEAST, _ROUNDS = 4, 40
