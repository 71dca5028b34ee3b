"""A simulated plant's facts, on rough ways, through the whole product: always the same answers.

Hypothesis picks the seed of the plant, of its corrections and of the way; a failure prints it.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from asbuilt.adapters import Message, Taken, http
from asbuilt.app import AsBuilt
from asbuilt.events import CorrectionMade, Event, MessageRejected
from asbuilt.simulate import tiny, tiny_plant
from asbuilt.simulate.faults import ROUGH, Delivery, corrected, deliver
from asbuilt.simulate.miniature import START
from tests.conftest import examples

PLANT = tiny_plant()
NOW = START + dt.timedelta(days=2)
seeds = st.integers(0, 1_000_000)


def said(seed: int) -> list[Event]:
    """Some minutes of a small plant, one fact of every type, and corrections of some of them."""
    return corrected(tiny(seed, minutes=2), seed, share=0.08)


def received(delivery: Delivery) -> list[Taken]:
    """What an adapter makes of a delivery."""
    if isinstance(delivery.content, bytes):
        return list(http.translator(http.Config(), "gateway")(Message(delivery.content)))
    return [delivery.content]


def one_by_one_and_in_order(deliveries: Sequence[Delivery]) -> list[Taken]:
    """The same deliveries as a patient sender would bring them: facts by time, each once, the rest after them."""
    facts = {d.content.id: d.content for d in deliveries if isinstance(d.content, Event) and d.fault != "conflict"}
    rest = [d for d in deliveries if d.fault in ("conflict", "malformed", "unknown")]
    return [
        *sorted(facts.values(), key=lambda fact: (fact.event_time, fact.id)),
        *(item for delivery in rest for item in received(delivery)),
    ]


ASKED = ("line.board", "line.states", "line.buffers", "line.silences", "order.list", "order.reports", "order.totals")


def answers(app: AsBuilt) -> bytes:
    """What people would be told at several moments."""
    told: list[Any] = []
    for name in ASKED:
        for minutes in (1, 2, 60):
            line = {"line": "1"} if "line" in app.queries[name].parameters else {}
            told.append(app.query(name, at=START + dt.timedelta(minutes=minutes), **line))
    return msgspec.json.encode(told)


def clean(deliveries: Sequence[Delivery]) -> tuple[str, bytes]:
    with AsBuilt(memory=True, plant=PLANT, now=lambda: NOW, strict=True) as app:
        app.take_in(one_by_one_and_in_order(deliveries), "gateway")
        app.pipeline.settle()
        return app.store.digest(), answers(app)


@examples(50)
@given(seeds, st.integers(1, 200))
def test_a_rough_way_changes_nothing(seed, batch):
    deliveries = deliver(said(seed), seed, ROUGH)
    with AsBuilt(memory=True, plant=PLANT, now=lambda: NOW, strict=True) as app:
        items = [item for delivery in deliveries for item in received(delivery)]
        for at in range(0, len(items), batch):
            app.take_in(items[at : at + batch], "gateway")
        app.pipeline.settle()
        assert (app.store.digest(), answers(app)) == clean(deliveries)


@example(246)  # The last operation of an order followed the numbers of names, and those who came first.
@examples(20)
@given(seeds)
def test_restarts_and_rebuilds_on_the_way_change_nothing(seed):
    deliveries, chance = deliver(said(seed), seed, ROUGH), Random(seed)
    items = [item for delivery in deliveries for item in received(delivery)]
    with tempfile.TemporaryDirectory() as name:
        folder, at = Path(name) / "data", 0
        while at < len(items):
            upto = at + chance.randrange(1, 150)
            with AsBuilt(folder, plant=PLANT, now=lambda: NOW, rebuild=chance.random() < 0.3, strict=True) as app:
                # What was sent before the restart is sent again, as far as the sender does not know better.
                app.take_in(items[max(0, at - chance.randrange(30)) : upto], "gateway")
            at = upto
        with AsBuilt(folder, now=lambda: NOW, strict=True) as app:
            assert (app.store.digest(), answers(app)) == clean(deliveries)
            assert list(app.record.verify()) == []
            assert app.store.failures() == []


def test_the_way_is_rough_indeed():
    """The properties above are about something only if all of this happens."""
    deliveries = deliver(said(1), 1, ROUGH)
    assert {delivery.fault for delivery in deliveries} == {"", "late", "duplicate", "conflict", "malformed", "unknown"}
    facts = [delivery.content for delivery in deliveries if isinstance(delivery.content, Event)]
    assert facts != sorted(facts, key=lambda fact: fact.event_time)
    assert sum(isinstance(fact, CorrectionMade) for fact in facts) > 5
    with AsBuilt(memory=True, plant=PLANT, now=lambda: NOW) as app:
        statuses = [r.status for r in app.take_in([i for d in deliveries for i in received(d)], "gateway")]
        assert set(statuses) == {"accepted", "duplicate", "conflict", "rejected"}
        assert any(found.conflict for found in _rejections(app))


def _rejections(app: AsBuilt) -> list[MessageRejected]:
    with app.reader() as reader:
        return [fact for _, fact in reader.facts("type:message_rejected.v1") if isinstance(fact, MessageRejected)]
