"""Faults are pure and seeded, and each does what it says."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from random import Random

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import MalformedFact
from asbuilt.events import CorrectionMade, Event
from asbuilt.simulate import miniature as tiny
from asbuilt.simulate.faults import (
    CALM,
    ROUGH,
    Delivery,
    Gap,
    contents,
    corrected,
    deliver,
    malformed,
    skewed,
    with_gaps,
)


@pytest.fixture(scope="module")
def facts() -> list[Event]:
    return tiny.tiny(1, minutes=12)


def test_the_same_seed_gives_the_same_deliveries(facts: list[Event]) -> None:
    assert deliver(corrected(facts, 1), 1) == deliver(corrected(facts, 1), 1)
    assert deliver(facts, 1) != deliver(facts, 2)


def test_every_fact_arrives_after_it_happened(facts: list[Event]) -> None:
    deliveries = deliver(facts, 1, ROUGH)
    assert [d.time for d in deliveries] == sorted(d.time for d in deliveries)
    assert all(d.time >= d.content.event_time for d in deliveries if isinstance(d.content, Event))
    assert {fact.id for fact in contents(deliveries)} == {fact.id for fact in facts}
    assert contents(deliveries) != facts
    found = Counter(d.fault for d in deliveries)
    assert set(found) == {"", "late", "duplicate", "conflict", "malformed", "unknown"}


def test_a_calm_way_changes_little(facts: list[Event]) -> None:
    assert {d.fault for d in deliver(facts, 1, CALM)} == {""}


def test_conflicts_come_after_the_fact_and_have_other_content(facts: list[Event]) -> None:
    known: dict[object, Event] = {}
    for delivery in deliver(facts, 3, ROUGH):
        if delivery.fault == "conflict":
            assert isinstance(delivery.content, Event)
            assert events.encode(known[delivery.content.id]) != events.encode(delivery.content)
        elif isinstance(delivery.content, Event):
            known[delivery.content.id] = delivery.content


def test_malformed_is_malformed_and_unknown_is_only_unknown(facts: list[Event]) -> None:
    random = Random(1)
    for fact in facts:
        with pytest.raises(MalformedFact):
            events.decode(malformed(fact, random))
    for delivery in deliver(facts, 1, ROUGH):
        if delivery.fault == "unknown":
            assert isinstance(delivery.content, bytes)
            assert isinstance(events.decode(delivery.content), events.Unknown)


def test_corrections_of_all_kinds(facts: list[Event]) -> None:
    said = corrected(facts, 2, share=0.4)
    assert said[: len(facts)] == facts
    made = [fact for fact in said[len(facts) :] if isinstance(fact, CorrectionMade)]
    assert len(made) == len(said) - len(facts)
    by_id = {fact.id: fact for fact in said}
    assert len(by_id) == len(said)
    for correction in made:
        assert events.decode(events.encode(correction)) == correction
        assert correction.event_time > by_id[correction.corrects].event_time or correction.replacement is None
    assert {correction.reason for correction in made} == {"did_not_occur", "incorrect_data"}
    assert max(Counter(correction.corrects for correction in made).values()) > 1
    assert any(isinstance(by_id[correction.corrects], CorrectionMade) for correction in made)


def test_gaps_and_skewed_clocks(facts: list[Event]) -> None:
    start = facts[0].event_time
    gap = Gap("left", start + dt.timedelta(minutes=2), start + dt.timedelta(minutes=4))
    left = list(with_gaps(facts, [gap]))
    gone = {fact.id for fact in facts} - {fact.id for fact in left}
    assert gone
    assert all(fact.source == "left" for fact in facts if fact.id in gone)
    wrong = list(skewed(facts, {"right": -90.0}))
    for before, after in zip(facts, wrong, strict=True):
        assert after.event_time - before.event_time == dt.timedelta(seconds=-90 if before.source == "right" else 0)
        assert events.decode(events.encode(after)) == after


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_way_makes_no_difference_to_what_views_hold(facts: list[Event], seed: int) -> None:
    said = corrected(facts, seed)
    plain = [Delivery(fact.event_time, fact) for fact in said]
    rough = [d for d in deliver(said, seed, ROUGH) if d.fault in ("", "late", "duplicate")]
    assert _rows(plain) == _rows(rough)


def _rows(deliveries: list[Delivery]) -> str:
    now = dt.datetime(2026, 6, 3, tzinfo=dt.UTC)
    with AsBuilt(memory=True, plant=tiny.tiny_plant(), strict=True, now=lambda: now, random=Random(1).randbytes) as app:
        items = contents(deliveries)
        for at in range(0, len(items), 97):
            app.take_in(items[at : at + 97])
        app.pipeline.settle()
        return app.store.digest()


def test_tiny_covers_every_type_within_milliseconds() -> None:
    own = {"plant_defined.v1", "message_rejected.v1", "correction_made.v1"}
    for seed in range(20):
        facts = tiny.tiny(seed)
        assert {events.type_name(fact) for fact in facts} == set(events.TYPES) - own
        assert 80 < len(facts) < 400
        assert all(events.decode(events.encode(fact)) == fact for fact in facts)
    assert tiny.tiny(1) == tiny.tiny(1) != tiny.tiny(2)
