"""Situations of a unit's and a lot's life that once gave a wrong answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.domain.passages.rows import Passage
from asbuilt.plant import load
from asbuilt.views.unit.life import passes

HERE = Path(__file__).parent / "trace"
NOW = dt.datetime.fromisoformat("2026-11-20T12:00:00+01:00")


@contextmanager
def told(*names: str) -> Iterator[AsBuilt]:
    """The product with the facts of a case, its files in order of arrival."""
    with AsBuilt(memory=True, strict=True, plant=load(HERE / "plant.toml"), now=lambda: NOW) as app:
        for name in names:
            lines = (HERE / f"{name}.ndjson").read_bytes().splitlines()
            assert {result.status for result in app.take_in([events.decode(line) for line in lines])} == {"accepted"}
        app.pipeline.settle()
        yield app


# --------------------------------------------------------------------------- 34: passes pair by what they say


def test_34_a_repeats_start_told_a_second_early():
    with told("34-start-told-one-second-early") as app:
        steps = app.query("unit.steps", serial="EQ3", product="ENG")
        assert [(step.number, step.result, step.touch_s) for step in steps] == [
            (1, "rework", 600.0),
            (2, "good", 601.0),
        ]
        whole = app.query("unit.completeness", serial="EQ3", product="ENG")
        assert [line.state for line in whole.lines if (line.kind, line.id) == ("operation", "10")] == ["complete"]


def passage(what: str, minute: float, *, start: float | None = None, good: int = 1, number: int = 0) -> Passage:
    return Passage(
        unit="unit:E/1", time_us=int(minute * 60e6), rank=0, fact=bytes([number]), what=what, station="s", operation="10",
        order_no="", program="", program_revision="", start_us=int((start or 0) * 60e6), good=good, scrap=0, rework=0, by="",
        place="", reason="", revision="",
    )  # fmt: skip


def paired(*told: tuple[str, float] | tuple[str, float, float]) -> list[tuple[float | None, float | None]]:
    """Begin and end of each pass in minutes; `s` and `e` with their minute, an end also with the start it tells."""
    found = passes(
        passage({"s": "started", "e": "completed"}[what], at, start=more[0] if more else None, number=number)
        for number, (what, at, *more) in enumerate(told, 1)
    )
    return [
        (one.start.time_us / 60e6 if one.start else None, one.end.time_us / 60e6 if one.end else None) for one in found
    ]


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ([("s", 0), ("e", 10), ("s", 10), ("e", 20)], [(0, 10), (10, 20)]),
        ([("s", 0), ("s", 9.9), ("e", 10), ("e", 20)], [(0, 10), (9.9, 20)]),
        ([("s", 0), ("s", 10), ("e", 10), ("e", 20)], [(0, 10), (10, 20)]),
        ([("s", 0), ("s", 30), ("e", 40)], [(0, None), (30, 40)]),
        ([("s", 0), ("e", 10), ("e", 20)], [(0, 10), (None, 20)]),
        ([("e", 10), ("s", 20), ("e", 30)], [(None, 10), (20, 30)]),
        ([("s", 0), ("s", 30), ("e", 40), ("s", 50), ("e", 60)], [(0, None), (30, 40), (50, 60)]),
        ([("s", 0), ("e", 80, 70)], [(0, None), (None, 80)]),
        ([("s", 0), ("s", 70), ("e", 80, 70), ("e", 85, 0.5)], [(0, 85), (70, 80)]),
        ([("s", 5), ("e", 5)], [(5, 5)]),
    ],
)  # fmt: skip
def test_34_starts_and_ends_in_other_orders(said, right):
    assert sorted(paired(*said), key=str) == sorted(right, key=str)


@given(
    st.lists(st.tuples(st.sampled_from("se"), st.integers(0, 500)), max_size=30).map(
        lambda found: sorted(found, key=lambda one: one[1])
    )
)
def test_34_none_is_lost_and_none_ends_before_it_begins(said):
    found = paired(*said)
    assert sorted(s for s, _ in found if s is not None) == [at for what, at in said if what == "s"]
    assert sorted(e for _, e in found if e is not None) == [at for what, at in said if what == "e"]
    assert all(s <= e for s, e in found if s is not None and e is not None)
