"""What is in what: every answer equals a brute-force walk over the facts, for random plants.

Swaps, splits and merges, boxes filled twice, corrections, late facts, facts about the same part in two
places, circles, and every state of knowledge in between.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asbuilt import events, folding, views
from asbuilt.access import OnePlant, Reader, Sources, known, reading
from asbuilt.errors import UsageError
from asbuilt.events import (
    ComponentInstalled,
    ComponentRemoved,
    CorrectionMade,
    Event,
    LotMerged,
    LotOpened,
    LotPart,
    LotReceived,
    LotSplit,
    OperationStarted,
    UnitStarted,
)
from asbuilt.plant import parse
from asbuilt.record import Entry
from asbuilt.record.memory import Log
from asbuilt.rows.store import Store
from asbuilt.views.trace import queries as trace
from asbuilt.views.unit import queries as unit
from tests.brute import Brute

VIEWS = {
    name: view
    for name, view in views.discover().items()
    if name in ("unit", "trace", "measurements", "genealogy", "passages", "cases")
}
PLANT = parse('[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n')
START = dt.datetime(2026, 6, 1, 6, 0, tzinfo=dt.UTC)
RECORDED = dt.datetime(2026, 7, 1, 6, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
END = 14

# --------------------------------------------------------------------------- random plants

UNITS = [("E", "1"), ("E", "2"), ("C", "1"), ("C", "2"), ("S", "1")]
LOTS = ["L1", "L2", "L3", "L4"]
BOXES = ["B1", "B2"]

serials = st.sampled_from(UNITS)
lots = st.sampled_from(LOTS)
boxes = st.sampled_from(BOXES)
quantities = st.sampled_from(["1", "2", "3", "0.5"])
positions = st.sampled_from(["a", "b"])


@st.composite
def told(draw: Any, number: int) -> Event:
    """A fact of the small plant."""
    head = {
        "id": UUID(int=number),
        "event_time": START + draw(st.integers(0, END)) * MINUTE,
        "source": "line",
    }
    kind = draw(st.sampled_from(["in", "in", "in", "in", "out", "out", "split", "merge", "receive", "open", "start"]))
    if kind in ("in", "out"):
        product, serial = draw(serials)
        head |= {"product": product, "serial": serial, "position": draw(positions)}
    if kind == "in":
        how = draw(st.sampled_from(["serial", "serial of lot", "serial of box", "lot", "lot of box", "box"]))
        component = draw(st.sampled_from(["C", "S", "E"]))
        head["component_product"] = component
        if "serial" in how:
            head["component_serial"] = draw(st.sampled_from(["1", "2"]))
        if "lot" in how:
            head["component_lot"] = draw(lots)
        if "box" in how:
            head["container"] = draw(boxes)
        if how in ("lot", "lot of box", "box"):
            head["quantity"] = draw(quantities)
        evidence = draw(st.sampled_from(["scanned", "container", "time_window"]))
        return ComponentInstalled(**head, evidence=evidence)
    if kind == "out":
        tell = draw(st.sampled_from(["nothing", "product", "serial", "lot", "serial alone"]))
        if tell in ("product", "serial", "lot"):
            head["component_product"] = draw(st.sampled_from(["C", "S"]))
        if "serial" in tell:
            head["component_serial"] = draw(st.sampled_from(["1", "2"]))
        if tell == "lot":
            head["component_lot"] = draw(lots)
        if draw(st.booleans()):
            head["quantity"] = draw(quantities)
        return ComponentRemoved(**head)
    product = draw(st.sampled_from(["C", "S"]))
    if kind in ("split", "merge"):
        parts = tuple(
            LotPart(lot=lot, quantity="1") for lot in draw(st.lists(lots, min_size=1, max_size=3, unique=True))
        )
        if kind == "split":
            return LotSplit(**head, product=product, lot=draw(lots), into=parts)
        return LotMerged(**head, product=product, lot=draw(lots), merged=parts)
    if kind == "receive":
        heat = draw(st.none() | st.sampled_from(["H1", "H2"]))
        return LotReceived(**head, product=product, lot=draw(lots), quantity="5", heat=heat)
    if kind == "open":
        return LotOpened(**head, product=product, lot=draw(lots), station="p/s/a/l/1", container=draw(boxes))
    product, serial = draw(serials)
    if draw(st.booleans()):
        return UnitStarted(**head, product=product, serial=serial, station="p/s/a/l/1")
    return OperationStarted(**head, product=product, serial=serial, station="p/s/a/l/1", operation="10")


@st.composite
def plants(draw: Any, max_facts: int = 16) -> list[Event]:
    """Facts in the order in which they are recorded, corrections among them."""
    count = draw(st.integers(1, max_facts))
    found: list[Event] = [draw(told(number)) for number in range(1, count + 1)]
    ids = [fact.id for fact in found]
    for number in range(100, 100 + draw(st.integers(0, 4))):
        target = draw(st.sampled_from(ids))
        replaced = target.int < 100 and draw(st.booleans())
        replacement = draw(told(target.int)) if replaced else None
        found.append(
            CorrectionMade(
                id=UUID(int=number), event_time=START + draw(st.integers(0, 5)) * MINUTE, source="office",
                corrects=target, reason="incorrect_data" if replacement else "did_not_occur", replacement=replacement,
            )
        )  # fmt: skip
        ids.append(UUID(int=number))
    return draw(st.permutations(found))


class Held:
    """A plant held in memory: each fact recorded a minute after the one before."""

    def __init__(self, facts: list[Event]) -> None:
        self.now = RECORDED
        self.log = Log(lambda: self.now)
        self.store = Store(None, VIEWS, strict=True)
        for fact in facts:
            self.now += MINUTE
            self.log.append([Entry(fact, events.encode(fact))])
        folding.fold_from(self.log, self.store)
        self.printed = [
            {
                "record_time": dt.datetime.fromtimestamp(recorded.record_time_us / 1e6, dt.UTC).isoformat(),
                **json.loads(recorded.body),
            }
            for recorded in self.log.read()
        ]

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        sources = Sources(self.store, self.log, OnePlant(PLANT, START), lambda: START + 60 * MINUTE)
        with reading(sources, "test") as reader:
            yield reader


@contextmanager
def held(facts: list[Event]) -> Iterator[Held]:
    plant = Held(facts)
    try:
        yield plant
    finally:
        plant.store.close()


moments = st.none() | st.integers(0, END + 1).map(lambda n: START + n * MINUTE)
knowledge = st.none() | st.integers(0, 21).map(lambda n: RECORDED + n * MINUTE + dt.timedelta(seconds=30))


def brute(plant: Held, at: Any, known_at: Any) -> Brute:
    # "Now" is an hour after the start: nothing happens any more.
    return Brute(plant.printed, START + 60 * MINUTE if at is None else at, known_at)


# --------------------------------------------------------------------------- the same answers


def flat(components: Any) -> list[Any]:
    return [
        (c.position, c.since, str(c.fact), c.serial, c.lot, c.container, Decimal(c.quantity), flat(c.components))
        for c in components
    ]


@settings(max_examples=300)
@given(plants(), moments, knowledge)
def test_as_built_is_what_a_walk_over_the_facts_finds(facts, at, known_at):
    with held(facts) as plant, plant.reader() as reader:
        slow = brute(plant, at, known_at)
        for product, serial in UNITS:
            try:
                answer = unit.as_built(reader, serial, product, at, known_at)
            except UsageError:
                assert slow.tree((product, serial)) == []
                continue
            assert flat(answer.components) == slow.tree((product, serial)), (product, serial)


ITEMS = [
    *((("unit", *u), f"unit:{u[0]}/{u[1]}") for u in UNITS),
    *((("lot", p, name), f"lot:{p}/{name}") for p in ("C", "S") for name in LOTS),
    *((("box", name), f"container:{name}") for name in BOXES),
    *((("heat", name), f"heat:{name}") for name in ("H1", "H2")),
    (("station", "p/s/a/l/1"), "station:p/s/a/l/1"),
]


@settings(max_examples=300)
@given(plants(), moments, knowledge)
def test_where_used_is_what_a_walk_over_the_facts_finds(facts, at, known_at):
    with held(facts) as plant, plant.reader() as reader:
        slow = brute(plant, at, known_at)
        for item, name in ITEMS:
            expected = slow.where_used(item)
            try:
                answer = trace.where_used(reader, name, at, known_at)
            except UsageError:
                assert expected == {}
                continue
            found = {
                (use.product, use.serial): (use.contains == "may", use.evidence, use.since, use.until, use.still)
                for use in answer.uses
            }
            assert found == expected, name
            assert answer.serials == len(expected)
            assert not answer.cut_short


@settings(max_examples=200)
@given(plants(), moments, knowledge)
def test_made_from_is_where_used_read_backwards(facts, at, known_at):
    with held(facts) as plant, plant.reader() as reader:
        slow = brute(plant, at, known_at)
        expected: dict[Any, dict[Any, str]] = {u: {} for u in UNITS}
        for item, _ in ITEMS:
            if item[0] in ("unit", "lot", "box"):
                for carrier, (maybe, _, since, _, _) in slow.where_used(item).items():
                    carried = since is not None  # what is only made of it says so in its own origins
                    if carrier in expected and carried and not (item[0] == "unit" and carrier == item[1:]):
                        expected[carrier][item] = "may" if maybe else "yes"
        for product, serial in UNITS:
            try:
                rows = trace.made_from(reader, serial, product, at, known_at)
            except UsageError:
                continue
            found: dict[Any, str] = {}
            for row in rows:
                key = {
                    "serial": ("unit", row.product, row.id),
                    "lot": ("lot", row.product, row.id),
                    "container": ("box", row.id),
                }[row.kind]
                if row.contains == "yes" or key not in found:
                    found[key] = row.contains
            found.pop(("unit", product, serial), None)
            known = {item: contains for item, contains in expected[product, serial].items() if item in dict(ITEMS)}
            inside = {item: contains for item, contains in found.items() if item in dict(ITEMS)}
            made_of = _made_of(slow, (product, serial))
            assert {k: v for k, v in inside.items() if k not in made_of} == {
                k: v for k, v in known.items() if k not in made_of
            }, (product, serial)


def _made_of(slow: Brute, part: Any) -> set[Any]:
    """What a serial is itself told to be made of; where it was used lists it for that, not for what sits in it."""
    return {
        item
        for item, _ in ITEMS
        if item[0] in ("lot", "box")
        and slow.where_used(item).get(part, (0, 0, 0))[2] is None
        and part in slow.where_used(item)
    }


def _fitted(number: int, product: str = "E", serial: str = "1") -> events.ComponentInstalled:
    return events.ComponentInstalled(
        id=UUID(int=number), event_time=RECORDED, source="line", product=product, serial=serial, position="a",
        component_product="C", component_serial="1",
    )  # fmt: skip


# One serial told of many places at one instant: which of the others is named first must not depend on how they were found.
EVERYWHERE: list[Any] = [*map(_fitted, range(1, 5)), _fitted(5, "C", "2")]


@settings(max_examples=300)
@given(plants(), moments, knowledge)
@example(EVERYWHERE, None, RECORDED + 3 * MINUTE + dt.timedelta(seconds=30))
@example(EVERYWHERE, None, RECORDED + 10 * MINUTE)
def test_what_many_units_were_known_to_be_is_what_each_was(facts, at, known_at):
    """Many units are read from the rows where nothing recorded since has to do with them; few are folded again."""
    with held(facts) as plant:
        answers: list[list[Any]] = []
        # Folded again; what was recorded since read as a whole; looked for one unit after the other.
        for few, facts_a_subject in ((1000, 0), (0, 1000), (0, 0)):
            with pytest.MonkeyPatch.context() as patch, plant.reader() as reader:
                patch.setattr(known, "FEW", few)
                patch.setattr(known, "_FACTS_A_SUBJECT", facts_a_subject)
                found: list[Any] = []
                for _, name in ITEMS:
                    try:
                        found.append(trace.where_used(reader, name, at, known_at))
                    except UsageError as error:
                        found.append(str(error))
                for product, serial in UNITS:
                    try:
                        found.append(unit.as_built(reader, serial, product, at, known_at))
                        found.append(trace.made_from(reader, serial, product, at, known_at))
                    except UsageError as error:
                        found.append(str(error))
                answers.append(found)
        assert answers[0] == answers[1] == answers[2]


@given(plants(), moments)
def test_what_is_known_now_is_what_is_known_at_last(facts, at):
    with held(facts) as plant, plant.reader() as reader:
        last = RECORDED + 1000 * MINUTE
        for _, name in ITEMS:
            try:
                now = trace.where_used(reader, name, at)
            except UsageError:
                continue
            then = trace.where_used(reader, name, at, last)
            assert msgspec.structs.replace(then, known_at=None) == now


@given(plants(), st.randoms(use_true_random=False), moments)
def test_the_order_of_recording_changes_no_answer(facts, random, at):
    shuffled = list(facts)
    random.shuffle(shuffled)
    with held(facts) as one, held(shuffled) as two, one.reader() as first, two.reader() as second:
        for _, name in ITEMS:
            answers = []
            for reader in (first, second):
                try:
                    answers.append(msgspec.json.encode(trace.where_used(reader, name, at)))
                except UsageError as error:
                    answers.append(str(error).encode())
            assert answers[0] == answers[1]


def test_a_fact_corrected_into_another_type_is_found_by_its_new_type():
    """Found by the property above: a delivery that was told as something else first."""
    told = LotOpened(id=UUID(int=1), event_time=START, source="line", product="C", lot="L1", station="p", container="B")
    right = LotReceived(id=UUID(int=1), event_time=START, source="line", product="C", lot="L1", quantity="5", heat="H1")
    correction = CorrectionMade(
        id=UUID(int=2),
        event_time=START,
        source="office",
        corrects=UUID(int=1),
        reason="incorrect_data",
        replacement=right,
    )
    with held([told, correction]) as plant, plant.reader() as reader:
        known = trace.where_used(reader, "heat:H1", known_at=RECORDED + 9 * MINUTE)
        assert [lot.id for lot in known.lots] == ["L1"]
        assert trace.where_used(reader, "heat:H1", known_at=RECORDED + MINUTE).lots == ()
