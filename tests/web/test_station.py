"""At a station: what a scan means, what is refused and why, one touch, undo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.app import AsBuilt
from asbuilt.web import acting
from tests.web.eight import LINE, PLANT, START, STATIONS
from tests.web.markup import read


class Hand:
    """Somebody at a station, doing one thing after the other, a minute apart."""

    def __init__(self, app: AsBuilt, clock: list[dt.datetime]) -> None:
        self.app, self.clock = app, clock
        self.refused = ""

    def __call__(self, station: int | str, act: str, /, **values: str) -> bool:
        self.clock[0] += dt.timedelta(minutes=1)
        told = {"line": LINE, "station": str(station), "by": "M. Okafor", **values}
        token = {"x-act-token": self.app.token(acting.TOKEN_NAME), "accept": "application/json"}
        answer = self.app.client.post(f"/act/station/{act}", json=told, headers=token).json()
        self.refused = f"{answer.get('error', '')} → {answer.get('remedy', '')}"
        return str(answer["status"]) == "saved"

    def scan(self, station: int | str, code: str, **values: str) -> bool:
        return self(station, "scan", scan=code, **values)

    def build(self, serial: str, until: int = 80) -> None:
        for n in STATIONS:
            if n <= until:
                assert self.scan(n, serial), self.refused
                for code in codes(n, serial):
                    assert self.scan(n, code), self.refused
                assert self.scan(n, serial), self.refused

    def page(self, station: int | str) -> str:
        answer = self.app.client.get(f"/line/1/station/{station}")
        assert answer.status_code == 200, answer.text
        return read(answer.text).one("main").text


def codes(n: int, serial: str) -> list[str]:
    """What is scanned at a station for a unit."""
    if n == 20:
        return [f"P20-{serial}1", f"P20-{serial}2"]
    return [f"P30-L{serial}" if n == 30 else f"P{n}-{serial}"]


@pytest.fixture
def hand() -> Iterator[Hand]:
    clock = [START]
    with AsBuilt(memory=True, strict=True, now=lambda: clock[0], plant=PLANT) as app:
        app.take_in(
            [events.OrderReleased(id=events.new_id(START, lambda n: bytes(n)), event_time=START, source="office", order="2418", product="E", quantity=9)]
        )  # fmt: skip
        yield Hand(app, clock)


def test_an_engine_is_built_with_scans_only_and_released(hand):
    hand.build("E1")
    unit = hand.app.query("unit.show", serial="E1", product="E")
    assert (unit.state, unit.order, unit.revision) == ("completed", "2418", "B")
    built = hand.app.query("unit.as_built", serial="E1", product="E")
    assert [(c.position, c.serial or c.lot) for c in built.components] == sorted(
        [("left", "P20-E11"), ("right", "P20-E12"), ("Place 30", "P30-LE1")] + [(f"Place {n}", f"P{n}-E1") for n in STATIONS if n not in (20, 30)],
    )  # fmt: skip
    whole = hand.app.query("unit.completeness", serial="E1", product="E")
    assert (whole.operations, whole.parts) == ("8 of 8", "9 of 9")
    assert whole.open == ("Bore Ø: not measured",)
    assert {step.by for step in hand.app.query("unit.steps", serial="E1", product="E")} == {"M. Okafor"}


def test_a_wrong_part_is_refused_with_the_reason(hand):
    hand.scan(10, "E1")
    assert not hand.scan(10, "P40-7")
    assert hand.refused.startswith("P40-7 is a part 40: it goes in at 40, not here → ")
    assert not hand.scan(10, "nonsense")
    assert hand.refused.startswith("nonsense is not known: neither a unit of Engine nor in its parts list")
    assert hand.app.query("unit.as_built", serial="E1", product="E").links == 0
    assert hand.scan(10, "P40-7", anyway="yes")
    assert [
        line.state for line in hand.app.query("unit.completeness", serial="E1", product="E").lines if line.id == "P40"
    ] == ["complete"]


def test_a_position_is_filled_once_and_swapped_on_purpose(hand):
    hand.scan(10, "E1")
    assert hand.scan(10, "P10-1")
    assert not hand.scan(10, "P10-2")
    assert "is in already (P10-1)" in hand.refused
    assert hand.scan(10, "P10-2", swap="Place 10")
    assert [c.serial for c in hand.app.query("unit.as_built", serial="E1", product="E").components] == ["P10-2"]
    assert hand.app.query("unit.show", serial="P10-1", product="P10").state == "removed"
    assert not hand.scan(10, "P40-1", swap="Place 10")
    assert "is a part 40, not a part 10" in hand.refused
    assert hand(10, "remove", position="Place 10")
    assert not hand(10, "remove", position="Place 10")
    assert hand.app.query("unit.as_built", serial="E1", product="E").links == 0


def test_a_part_of_another_engine_is_refused_and_recorded_only_on_purpose(hand):
    hand.build("E1", until=10)
    assert hand.scan(10, "E2")
    assert not hand.scan(10, "P10-E1")
    assert hand.refused.startswith("P10-E1 sits in E1")
    assert hand.scan(10, "P10-E1", anyway="yes")
    for serial in ("E1", "E2"):
        (anomaly,) = hand.app.query("unit.as_built", serial=serial, product="E").anomalies
        assert anomaly.kind == "installed elsewhere as well"


G = "09506000117201"
FOREIGN = "09506000134352"


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("hello wor", "`hello wor` does not look like a serial"),
        ("engine", "does not look like a serial"),
        (f"]d201{FOREIGN}21S1", f"{FOREIGN} is a GTIN that the plant file does not know, not of Engine"),
        (f"]d201{G}10L1", "the code names no serial"),
        (f"01{G}10L121S1", "the lot L121S1 may be the lot L1 and the serial S1"),
    ],
)
def test_what_is_hardly_an_engine_is_asked_about_once(hand, code, asked):
    assert not hand.scan(10, code)
    assert asked in hand.refused
    assert hand.app.query("unit.list") == []
    assert hand.scan(10, code, anyway="yes"), hand.refused
    assert len(hand.app.query("unit.list")) == 1


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        (f"]d201{G[:-1]}21" + "1S1", "check digit"),
        (f"]d201{G}21" + "x" * 21, "21 characters"),
        (f"+d201{G}21S1", "keyboard layout"),
    ],
)
def test_a_code_that_is_wrong_begins_nothing_whatever_is_ticked(hand, code, wrong):
    for ticked in ({}, {"anyway": "yes"}):
        assert not hand.scan(10, code, **ticked)
        assert wrong in hand.refused
    assert hand.app.query("unit.list") == []


@pytest.mark.parametrize(
    "code", [f"]d201{G}21S1", f"01{G}21S1", f"(01){G}(21)S1", f"https://id.gs1.org/01/{G}/21/S1", "]d1S1", "S1"]
)
def test_an_engine_is_begun_and_ended_by_any_of_its_codes(hand, code):
    assert hand.scan(10, code), hand.refused
    assert hand.scan(10, "P10-1"), hand.refused
    assert hand.scan(10, code), hand.refused
    (step,) = hand.app.query("unit.steps", serial="S1", product="E")
    assert step.result == "good"


def test_a_text_that_is_known_as_it_stands_is_that(hand):
    """A serial that could be read as something else, begun on purpose, is found by its text for ever."""
    text = f"01{G}21S1"
    hand.app.take_in([events.UnitStarted(id=events.new_id(START, lambda n: b"\3" * n), event_time=START, source="q", product="E", serial=text)])  # fmt: skip
    assert hand.scan(10, text), hand.refused
    assert [unit.serial for unit in hand.app.query("unit.list")] == [text]


def test_what_is_missing_keeps_the_engine_here(hand):
    hand.scan(10, "E1")
    assert not hand.scan(10, "E1")
    assert hand.refused.startswith("E1 is not whole: Part 10, Place 10 is missing")
    assert not hand(10, "finish", result="good")
    assert hand(10, "finish", result="good", anyway="yes")
    assert not hand.scan(30, "E1")
    assert hand.refused.startswith("20 Work 20 is not done on E1")
    assert not hand.scan(40, "E99")
    assert "nothing is known" in hand.refused or "not known" in hand.refused


def test_a_held_lot_does_not_go_in_and_a_held_engine_is_not_released(hand):
    app = hand.app
    app.take_in([events.HoldPlaced(id=events.new_id(START, lambda n: b"\1" * n), event_time=START, source="q", hold="H", reason="burrs", product="P10", serial="P10-E1")])  # fmt: skip
    hand.scan(10, "E1")
    assert not hand.scan(10, "P10-E1")
    assert hand.refused.startswith("P10-E1 is on hold: burrs")
    assert hand.scan(10, "P10-2")
    app.take_in([events.HoldPlaced(id=events.new_id(START, lambda n: b"\2" * n), event_time=START, source="q", hold="H2", reason="noise", product="E", serial="E1")])  # fmt: skip
    assert hand.scan(10, "E1")
    assert "On hold." in hand.page(20) or hand.scan(20, "E1")
    assert "On hold." in hand.page(20)
    for n in STATIONS:
        if n > 10:
            hand.scan(n, "E1")
            for code in codes(n, "E1"):
                assert hand.scan(n, code), hand.refused
            assert hand.scan(n, "E1")
    assert hand.app.query("unit.show", serial="E1", product="E").state == "in work"


def test_scrap_and_rework_take_one_touch_with_the_reason(hand):
    hand.scan(10, "E1")
    assert not hand(10, "finish", result="scrap")
    assert hand(10, "finish", result="rework", reason="burr")
    assert hand.scan(10, "E1")
    assert hand(10, "finish", result="scrap", reason="burr")
    assert hand.app.query("unit.show", serial="E1", product="E").state == "scrapped"
    (balance,) = hand.app.query("unit.balance", serial="E1", product="E")
    assert (balance.started, balance.good, balance.scrap, balance.rework, balance.open) == (2, 0, 1, 1, 0)
    assert not hand.scan(10, "E1")
    assert hand.refused.startswith("E1 is scrapped")


def test_values_are_held_against_the_limits_in_force(hand):
    assert not hand(10, "measure", **{"value:bore": "35.0"})
    hand.scan(10, "E1")
    assert not hand(10, "measure", **{"value:bore": "wide"})
    assert not hand(10, "measure", **{"value:bore": ""})
    assert hand(10, "measure", **{"value:bore": "35,020"})
    (value,) = hand.app.query("unit.measurements", serial="E1", product="E")
    assert (value.value, value.lower, value.upper, value.within) == ("35.020", "34.995", "35.011", False)
    assert "out of limits: 35.020" in hand.page(10)


def test_counts_stops_and_help(hand):
    assert not hand(10, "count", order="2418", good="0")
    assert not hand(10, "count", order="2418", good="3", scrap="1")
    assert not hand(10, "count", order="2418", good="x")
    assert hand(10, "count", order="2418", good="3", scrap="1", reason="burr")
    step = hand.app.query("order.steps", order="2418")[0]
    assert (step.good, step.rejected) == (3, 1)
    assert hand(10, "call", what="hoist")
    assert "Help is called." in hand.page(10)
    assert hand(10, "call", done="yes")
    assert "Help is called." not in hand.page(10)
    since = (hand.clock[0] - dt.timedelta(minutes=5)).isoformat()
    assert hand(10, "explain", since=since, reason="tool")
    for wrong in (
        {"since": "x", "reason": "tool"},
        {"since": since, "reason": "luck"},
        {"since": "2027-01-01T00:00:00Z", "reason": "tool"},
    ):
        assert not hand(10, "explain", **wrong)


def test_undo_is_a_correction(hand):
    hand.scan(10, "E1")
    hand.scan(10, "P10-1")
    (component,) = hand.app.query("unit.as_built", serial="E1", product="E").components
    assert "Undo" in hand.page(10)
    token = {"x-act-token": hand.app.token(acting.TOKEN_NAME), "accept": "application/json"}
    done = hand.app.client.post("/act/facts/undo", json={"fact": str(component.fact)}, headers=token)
    assert done.json()["status"] == "saved"
    assert hand.app.query("unit.as_built", serial="E1", product="E").links == 0
    assert hand.scan(10, "P10-1")


def test_the_page_says_what_is_here_and_what_comes(hand):
    assert "No unit is known to be in the machine." in hand.page(10)
    hand.build("E1", until=10)
    assert "Next: E1 , 1 waiting." in hand.page(20)
    hand.scan(20, "E1")
    text = hand.page(20)
    assert "E1" in text and "0 of 2" in text and "2 parts are missing." in text
    assert hand.app.client.get("/line/1/station/99").status_code == 404
    assert hand.app.client.get("/line/9/station/10").status_code == 404


def test_a_gs1_code_is_the_unit(hand):
    assert hand.scan(10, "https://id.gs1.org/01/09506000117201/21/E7")
    assert hand.app.query("unit.show", serial="E7", product="E").state == "in work"


def test_the_same_scan_sent_twice_counts_once(hand):
    act_id = str(events.new_id(START, lambda n: b"\7" * n))
    assert hand.scan(10, "E1")
    assert hand.scan(10, "P10-1", act_id=act_id)
    head = hand.app.record.head()
    assert not hand.scan(10, "P10-1", act_id=act_id)  # "again", not "saved" a second time
    assert hand.app.record.head() == head


def test_every_act_knows_its_station(hand):
    for what in ("scan", "finish", "remove", "measure", "count", "explain", "call"):
        token = {"x-act-token": hand.app.token(acting.TOKEN_NAME), "accept": "application/json"}
        answer: Any = hand.app.client.post(f"/act/station/{what}", json={}, headers=token)
        assert answer.status_code == 409
        assert answer.json()["error"].endswith("is missing")


def rows_read(hand: Hand, monkeypatch: pytest.MonkeyPatch, serial: str) -> int:
    """How many rows are read for the scans of an engine at its first stations."""
    read = 0

    def counted(right: Any) -> Any:
        def rows(*values: Any, **more: Any) -> Any:
            nonlocal read
            found = right(*values, **more)
            read += len(found)
            return found

        return rows

    with monkeypatch.context() as patch:
        for name in ("rows", "rows_of", "columns", "plain_rows_of"):
            patch.setattr(Reader, name, counted(getattr(Reader, name)))
        hand.build(serial, until=30)
    return read


def test_a_scan_reads_nothing_of_holds_on_other_things(hand, monkeypatch):
    """Fifty thousand standing holds made a scan a second slower."""
    hand.build("E1", until=30)
    before = rows_read(hand, monkeypatch, "E2")
    holds = [
        events.HoldPlaced(
            id=events.derived_id(None, f"hold {n}"), event_time=START, source="office", hold=f"H{n % 3}", reason="recall",
            product=product, serial=f"X{n}",
        )
        for n, product in enumerate(("E", "P20") * 500)
    ]  # fmt: skip
    hand.app.take_in(holds)
    hand.app.pipeline.settle()
    assert len(hand.app.query("unit.holds")) == 1_000
    assert rows_read(hand, monkeypatch, "E3") < before + 100
