"""The subjects of a fact, held against the rules as `docs/record-format.md` tells them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.events import AnyFact
from asbuilt.testing.strategies import examples, facts_of, histories, small_facts, unknown_facts

any_facts = st.sampled_from(list(events.TYPES.values())).flatmap(facts_of) | unknown_facts | small_facts()


def told(fact: AnyFact) -> set[str]:
    """Section 3, word by word, with no thought for time."""
    found = {f"type:{events.type_name(fact)}", f"source:{fact.source}"}
    if fact.by is not None:
        found.add(f"person:{fact.by}")
    if isinstance(fact, events.Unknown):
        return found

    def key(kind: str, product: str | None, name: str) -> str:
        return f"{kind}:{(product or '').replace('%', '%25').replace('/', '%2F')}/{name}"

    for kind, product, field in (
        ("unit", "product", "serial"), ("lot", "product", "lot"),
        ("unit", "component_product", "component_serial"), ("lot", "component_product", "component_lot"),
    ):  # fmt: skip
        name = getattr(fact, field, None)
        if name is not None:
            found.add(key(kind, getattr(fact, product), name))
    for field in ("order", "station", "line", "adapter", "container", "nonconformance", "hold", "disclosure"):
        name = getattr(fact, field, None)
        if name is not None:
            found.add(f"{field}:{name}")
    for part in getattr(fact, "into", ()) or getattr(fact, "merged", ()):
        found.add(key("lot", fact.product, part.lot))  # type: ignore[union-attr]
    if isinstance(fact, events.CorrectionMade):
        found.add(f"fact:{fact.corrects}")
        if fact.replacement is not None:
            found |= {one for one in told(fact.replacement) if not one.startswith(("type:", "source:"))}
    return found


@examples(200)
@given(any_facts)
def test_a_fact_is_found_under_what_the_format_says(fact):
    assert set(events.subjects(fact)) == told(fact)


@examples(40)
@given(histories())
def test_corrections_are_found_where_what_they_replace_is(history):
    for fact in history.facts:
        assert set(events.subjects(fact)) == told(fact)


@examples(200)
@given(st.lists(any_facts, max_size=12), st.integers(1, 10_000))
def test_many_facts_are_found_where_each_is(facts, first):
    expected: dict[str, list[int]] = {}
    for position, fact in enumerate(facts, first):
        for key in sorted(told(fact)):
            expected.setdefault(key, []).append(position)
    assert events.places(facts, first) == expected


def test_a_fact_that_names_a_subject_twice_is_found_there_once():
    itself = events.ComponentInstalled(
        id=UUID(int=1), event_time=dt.datetime(2026, 6, 1, tzinfo=dt.UTC), source="s",
        product="A/B", serial="1", position="p", component_product="A/B", component_serial="1",
    )  # fmt: skip
    assert events.places([itself, itself], 7)["unit:A%2FB/1"] == [7, 8]


def test_many_products_do_not_fill_the_memory():
    from asbuilt.events import keys

    for number in range(5000):
        key = events.subjects(events.UnitStarted(
            id=events.derived_id(None, str(number)), event_time=events.decode(FACT).event_time, source="s",
            product=f"A/{number}%", serial="1",
        ))  # fmt: skip
        assert f"unit:A%2F{number}%25/1" in key
    assert len(keys._ESCAPED) <= 4096


FACT = (
    b'{"event_time":"2026-06-01T05:00:00Z","id":"019a0000-0000-7000-8000-000000000001","source":"s","type":"later.v1"}'
)
