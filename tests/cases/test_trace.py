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
from asbuilt.views.unit.history import passes

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


# --------------------------------------------------------------------------- 02, 14, 32: lots and units of measure


def test_02_taken_apart_and_used_again():
    with told("02-disassemble-reuse.1") as app:
        lot = app.query("trace.lot", lot="L-C")
        assert (lot.installed, lot.reused, lot.left, lot.overdrawn) == ("4", "2", "0", False)
        case = app.query("trace.lot", lot="CCL")
        assert (case.installed, case.left, case.overdrawn) == ("1", "0", False)


def test_14_units_of_measure_convert():
    with told("14-uom.1") as app:
        for serial, state, found in (
            ("U1", "complete", "0.004"),
            ("U2", "complete", "0.004"),
            ("U3", "missing", "0.000004"),
        ):
            whole = app.query("unit.completeness", serial=serial, product="ENG")
            (joint,) = [line for line in whole.lines if line.id == "SLN"]
            assert (joint.state, joint.found, joint.uom) == (state, found, "kg"), serial
        lot = app.query("trace.lot", lot="KG", product="SLN")
        assert (lot.uom, lot.installed, lot.left, lot.differs) == ("kg", "0.008004", "0.991996", ())


def test_14_a_unit_of_another_kind_is_named_never_added():
    with told("14-uom.1") as app:
        at = dt.datetime.fromisoformat("2026-11-02T07:00:00+01:00")
        app.take_in(
            [
                events.ComponentInstalled(
                    id=events.new_id(at, lambda n: b"\1" * n), event_time=at, source="gw", product="ENG", serial="U9",
                    position="Joint", component_product="SLN", component_lot="KG", quantity="1", uom="pcs",
                )
            ]
        )  # fmt: skip
        whole = app.query("unit.completeness", serial="U9", product="ENG")
        assert "Sealant: 1 pcs installed, 0.004 kg wanted: the unit differs" in whole.open
        lot = app.query("trace.lot", lot="KG", product="SLN")
        assert (lot.left, lot.overdrawn, lot.differs) == (None, False, ("pcs",))


def test_32_what_a_decision_scrapped_is_out_of_the_lot():
    with told("32-scrapped-by-disposition") as app:
        lot = app.query("trace.lot", lot="L58", product="BRG")
        assert (lot.scrapped, lot.left) == ("3", "7")


# --------------------------------------------------------------------------- 18, 22: measured again, conceded

MINUTES = dt.timedelta(minutes=1)
START = dt.datetime.fromisoformat("2026-11-02T06:00:00+01:00")


def bore(number: int, value: str, operation: str, position: str = "") -> events.Measured:
    at = START + number * MINUTES
    return events.Measured(
        id=events.new_id(at, lambda n: bytes([number]) * n), event_time=at, source="gw", product="ENG", serial="Z",
        characteristic="bore", value=value, uom="mm", operation=operation, position=position or None, lower="36.000", upper="36.012",
    )  # fmt: skip


def nonconformance(number: int, decision: str, characteristic: str | None = None) -> list[events.Event]:
    at, name = START + number * MINUTES, f"NC-{number}"
    about = {"product": "ENG", "serial": "Z"}
    return [
        events.NonconformanceRaised(id=events.new_id(at, lambda n: bytes([number]) * n), event_time=at, source="gw", nonconformance=name, reason="leak", characteristic=characteristic, **about),
        events.DispositionDecided(id=events.new_id(at, lambda n: bytes([number + 100]) * n), event_time=at, source="gw", nonconformance=name, decision=decision, **about),
    ]  # fmt: skip


def state_of_bore(app: AsBuilt, serial: str) -> str:
    whole = app.query("unit.completeness", serial=serial, product="ENG")
    (line,) = [line for line in whole.lines if line.kind == "characteristic"]
    is_open = any(sentence.startswith("Bore") for sentence in whole.open)
    assert is_open == (line.state not in ("complete", "conceded"))
    return line.state


def test_18_a_good_value_at_a_rework_operation_mends_a_bad_one():
    with told("18-remeasure.1") as app:
        assert state_of_bore(app, "Y1") == "complete"


def test_22_a_concession_clears_what_was_out_of_limits():
    with told("22-concession.1") as app:
        assert state_of_bore(app, "BB") == "conceded"
        assert app.query("unit.completeness", serial="BB", product="ENG").complete


@pytest.mark.parametrize(
    ("facts", "right"),
    [
        ([bore(1, "36.020", "10"), bore(2, "36.005", "R10")], "complete"),
        ([bore(1, "36.005", "10"), bore(2, "36.020", "R10")], "out of limits"),
        ([bore(1, "36.020", "10"), bore(2, "36.020", "R10"), bore(3, "36.005", "10")], "complete"),
        ([bore(1, "36.020", "10", "left"), bore(2, "36.005", "R10", "right")], "out of limits"),
        ([bore(1, "36.020", "10"), bore(2, "36.005", "10")], "complete"),
        ([bore(2, "36.005", "R10"), bore(3, "36.020", "10")], "out of limits"),
        ([bore(1, "36.020", "10"), *nonconformance(2, "use_as_is", "bore")], "conceded"),
        ([bore(1, "36.020", "10"), *nonconformance(2, "use_as_is", "other")], "out of limits"),
        ([bore(1, "36.020", "10"), *nonconformance(2, "rework", "bore")], "out of limits"),
        ([*nonconformance(1, "use_as_is", "bore"), bore(2, "36.020", "10")], "out of limits"),
        ([], "missing"),
    ],
)  # fmt: skip
def test_18_22_other_histories(facts, right):
    with told() as app:
        app.take_in([events.UnitStarted(id=events.new_id(START, lambda n: b"\0" * n), event_time=START, source="gw", product="ENG", serial="Z"), *facts])  # fmt: skip
        assert state_of_bore(app, "Z") == right
