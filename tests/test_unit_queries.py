"""Questions about units, lots and traces on plants small enough to work the answers out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.domain.passages.rows import Passage
from asbuilt.errors import UsageError
from asbuilt.events import CorrectionMade, Event, LotPart
from asbuilt.plant import parse
from asbuilt.views.trace.compare import fisher
from asbuilt.views.unit import history

TEXT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
product = "E"
[[site.area.line.station]]
id = "10"
name = "Case"
[[site.area.line.station]]
id = "20"
name = "Test"
[[product]]
id = "E"
name = "Engine"
[[product.operation]]
id = "10"
name = "Close the case"
station = "10"
characteristics = ["bore"]
[[product.operation]]
id = "20"
name = "Run in"
station = "20"
[[product.part]]
product = "CRK"
name = "Crankshaft"
tracking = "serial"
operation = "10"
positions = ["Crank"]
[[product.part]]
product = "BRG"
name = "Bearing"
quantity = 3
operation = "10"
positions = ["Main bearings"]
[[product.characteristic]]
id = "bore"
name = "Bore Ø"
uom = "mm"
lower = "34.995"
upper = "35.011"
"""
PLANT = parse(TEXT, "engine.toml")
LINE = "works/main/hall/1"
DAY = dt.datetime(2026, 6, 3, tzinfo=PLANT.zone)


def at(hour: int, minute: int = 0) -> dt.datetime:
    return DAY.replace(hour=hour, minute=minute)


class Told:
    def __init__(self) -> None:
        self.facts: list[Event] = []

    def __call__(self, kind: type[Event], hour: int, minute: int = 0, **fields: Any) -> Any:
        when = at(hour, minute)
        fact = kind(id=events.derived_id(when, "t", str(len(self.facts))), event_time=when, source="line", **fields)
        self.facts.append(fact)
        return fact

    def unit(self, kind: type[Event], hour: int, minute: int = 0, serial: str = "1", **fields: Any) -> Any:
        return self(kind, hour, minute, product="E", serial=serial, **fields)

    def install(self, hour: int, minute: int, position: str, product: str, **fields: Any) -> Any:
        return self.unit(
            events.ComponentInstalled, hour, minute, position=position, component_product=product, **fields
        )


def good_engine(told: Told, serial: str = "1", hour: int = 6) -> None:
    told.unit(events.UnitStarted, hour, 0, serial, order="O", station=f"{LINE}/10")
    told.unit(events.OperationStarted, hour, 0, serial, operation="10", station=f"{LINE}/10")
    told.install(hour, 1, "Crank", "CRK", serial=serial, component_serial=f"C{serial}", component_lot="CL")
    told.install(hour, 2, "Main bearings", "BRG", serial=serial, component_lot="BL", container="BL-B1", quantity="3")
    told.unit(events.Measured, hour, 3, serial, characteristic="bore", value="35.003", uom="mm", lower="34.995", upper="35.011", operation="10", gauge="G-1")  # fmt: skip
    told.unit(events.OperationCompleted, hour, 5, serial, operation="10", station=f"{LINE}/10", good=1)
    told.unit(events.OperationStarted, hour, 6, serial, operation="20", station=f"{LINE}/20")
    told.unit(
        events.RunRecorded, hour, 16, serial, station=f"{LINE}/20", program="R4", verdict="pass", start_time=at(hour, 7)
    )
    told.unit(events.OperationCompleted, hour, 17, serial, operation="20", station=f"{LINE}/20", good=1)
    told.unit(events.UnitCompleted, hour, 18, serial, station=f"{LINE}/20")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ask(told: Told) -> Iterator[Any]:
    with AsBuilt(memory=True, strict=True, now=lambda: at(20), plant=PLANT) as app:
        seen = 0

        def query(name: str, **asked: Any) -> Any:
            nonlocal seen
            assert {r.status for r in app.take_in(told.facts[seen:])} <= {"accepted"}
            seen = len(told.facts)
            return app.query(name, **asked)

        yield query


# --------------------------------------------------------------------------- completeness


def test_a_whole_engine_is_complete(told, ask):
    good_engine(told)
    answer = ask("unit.completeness", serial="1")
    assert (answer.complete, answer.open) == (True, ())
    assert (answer.operations, answer.parts, answer.characteristics) == ("2 of 2", "2 of 2", "1 of 1")


def test_what_is_missing_doubled_unexpected_and_out_of_limits_is_named(told, ask):
    told.unit(events.OperationStarted, 6, operation="10", station=f"{LINE}/10")
    told.install(6, 1, "Main bearings", "BRG", component_lot="BL", quantity="2")
    told.install(6, 2, "Nowhere", "XYZ", component_serial="7")
    told.unit(events.Measured, 6, 3, characteristic="bore", value="35.020", uom="mm", upper="35.011")
    answer = ask("unit.completeness", serial="1")
    assert answer.open == (
        "Close the case: open",
        "Run in: not done",
        "Crankshaft, Crank: not installed",
        "Bearing, Main bearings: 2 of 3 pcs installed",
        "Bore Ø: 35.020 mm is out of limits",
    )
    assert [line.state for line in answer.lines if line.id == "XYZ"] == ["unexpected"]
    told.install(6, 4, "Main bearings", "BRG", component_lot="BL", quantity="2")
    told.install(6, 5, "Crank", "CRK", component_serial="C1")
    told.unit(events.Measured, 6, 6, characteristic="bore", value="35.001", uom="mm", upper="35.011")
    answer = ask("unit.completeness", serial="1")
    assert "Bearing, Main bearings: 4 pcs installed, 3 wanted" in answer.open
    assert not [sentence for sentence in answer.open if "Bore" in sentence or "Crank," in sentence]


def test_a_hold_an_open_case_and_scrap_keep_a_unit_from_being_complete(told, ask):
    good_engine(told)
    told.unit(events.HoldPlaced, 8, hold="H", reason="vibration")
    told.unit(events.NonconformanceRaised, 8, nonconformance="N-1", reason="noise")
    assert ask("unit.completeness", serial="1").open == ("hold H stands: vibration", "nothing is decided about N-1")
    told.unit(events.HoldReleased, 9, hold="H")
    told(events.DispositionDecided, 9, nonconformance="N-1", decision="use_as_is")
    assert ask("unit.completeness", serial="1").complete
    told.unit(events.UnitScrapped, 10)
    assert ask("unit.completeness", serial="1").open == ("it is scrapped",)
    assert ask("unit.completeness", serial="1", at=at(8, 30)).open == (
        "hold H stands: vibration",
        "nothing is decided about N-1",
    )


# --------------------------------------------------------------------------- three times


def test_as_built_as_maintained_as_known(told, ask):
    good_engine(told)
    told.unit(
        events.ComponentRemoved, 12, position="Crank", component_product="CRK", component_serial="C1", reason="bent"
    )
    told.install(12, 0, "Crank", "CRK", component_serial="C9")
    released = ask("unit.as_released", serial="1")
    assert [c.serial for c in released.components] == ["C1", None]
    assert [c.serial for c in ask("unit.as_built", serial="1").components] == ["C9", None]
    assert [c.serial for c in ask("unit.as_built", serial="1", at=at(11)).components] == ["C1", None]
    assert released.at == at(6, 18)


def test_a_certificate_can_be_explained_after_a_correction(told):
    clock = [at(7)]
    good_engine(told)
    with AsBuilt(memory=True, strict=True, now=lambda: clock[0], plant=PLANT) as app:
        app.take_in(told.facts)
        wrong = told.facts[2]
        clock[0] = at(15)
        right = events.ComponentInstalled(
            **{**{f: getattr(wrong, f) for f in wrong.__struct_fields__}, "component_serial": "C7"}
        )
        app.take_in([CorrectionMade(id=UUID(int=7 << 76 | 2 << 62), event_time=at(15), source="office", corrects=wrong.id,
                                    reason="incorrect_data", replacement=right)])  # fmt: skip
        clock[0] = at(20)
        assert app.query("unit.as_released", serial="1").components[0].serial == "C7"
        assert app.query("unit.as_released", serial="1", known_at=at(10)).components[0].serial == "C1"
        assert app.query("trace.where_used", item="unit:CRK/C1").uses == ()
        assert [use.serial for use in app.query("trace.where_used", item="unit:CRK/C1", known_at=at(10)).uses] == ["1"]


# --------------------------------------------------------------------------- what does not fit


def test_what_does_not_fit_is_recorded_and_shown_on_both_units(told, ask):
    told.install(6, 0, "Crank", "CRK", component_serial="C1")
    told.install(7, 0, "Crank", "CRK", component_serial="C1", serial="2")
    for serial, other in (("1", "2"), ("2", "1")):
        (anomaly,) = ask("unit.as_built", serial=serial).anomalies
        assert anomaly.kind == "installed elsewhere as well"
        assert f"C1 at Crank of {serial} also sits at Crank of {other}" in anomaly.message
        assert anomaly.remedy
        assert [c.serial for c in ask("unit.as_built", serial=serial).components] == ["C1"]
    assert not ask("unit.as_built", serial="1", at=at(6, 30)).anomalies


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        ([("out", {})], ["removed, but not installed"]),
        ([("in", {"component_serial": "C1"}), ("in", {"component_serial": "C2"})], ["installed over another"]),
        ([("in", {"component_lot": "L", "quantity": "2"}), ("out", {"quantity": "3"})], ["removed more than was installed"]),
        ([("in", {"component_lot": "L", "quantity": "-1"})], ["quantity not above zero"]),
        ([("in", {"component_lot": "L", "quantity": "2"}), ("out", {"quantity": "1"}), ("out", {"quantity": "1"})], []),
    ],
)  # fmt: skip
def test_fittings_that_do_not_fit(told, ask, steps, kinds):
    for minute, (what, fields) in enumerate(steps):
        if what == "in":
            told.install(6, minute, "Crank", "CRK", **fields)
        else:
            told.unit(events.ComponentRemoved, 6, minute, position="Crank", **fields)
    anomalies = ask("unit.as_built", serial="1").anomalies
    assert [anomaly.kind for anomaly in anomalies] == kinds
    assert all(anomaly.remedy for anomaly in anomalies)


def test_a_circle_is_shown_and_ends(told, ask):
    told(
        events.ComponentInstalled,
        6,
        product="A",
        serial="1",
        position="in",
        component_product="B",
        component_serial="1",
    )
    told(
        events.ComponentInstalled,
        6,
        product="B",
        serial="1",
        position="in",
        component_product="A",
        component_serial="1",
    )
    answer = ask("unit.as_built", serial="1", product="A")
    assert [anomaly.kind for anomaly in answer.anomalies] == ["inside itself"]
    assert answer.components[0].components[0].components == ()
    assert {(u.product, u.serial) for u in ask("trace.where_used", item="unit:A/1").uses} == {("A", "1"), ("B", "1")}
    assert len(ask("trace.made_from", serial="1", product="A")) == 2


def test_unknown_and_ambiguous_serials_say_what_to_do(told, ask):
    told.install(6, 0, "Crank", "CRK", component_serial="1")
    for name, asked in (("unit.as_built", {"serial": "nothing"}), ("trace.where_used", {"item": "lot:nothing"}),
                        ("trace.where_used", {"item": "nonsense"}), ("unit.list", {"state": "lost"}),
                        ("unit.as_released", {"serial": "1", "product": "E"})):  # fmt: skip
        with pytest.raises(UsageError) as error:
            ask(name, **asked)
        assert error.value.remedy
    with pytest.raises(UsageError, match="several products"):
        ask("unit.as_built", serial="1")
    assert ask("unit.as_built", serial="E/1").product == "E"
    assert ask("unit.show", serial="1", product="CRK").state == "installed"


# --------------------------------------------------------------------------- lots and holds


def test_a_lots_book(told, ask):
    told(
        events.LotReceived,
        5,
        product="BRG",
        lot="BL",
        quantity="10",
        supplier="Norrlager",
        heat="48-1",
        origin_country="SE",
    )
    told(events.LotSplit, 5, 30, product="BRG", lot="BL", into=(LotPart(lot="BL-2", quantity="4"),))
    good_engine(told)
    lot = ask("trace.lot", lot="BL")
    assert (lot.quantity, lot.out, lot.installed, lot.left, lot.overdrawn) == ("10", "4", "3", "3", False)
    assert (lot.suppliers, lot.heats, lot.targets, lot.containers) == (("Norrlager",), ("48-1",), ("BL-2",), ("BL-B1",))
    good_engine(told, "2", 7)
    good_engine(told, "3", 8)
    lot = ask("trace.lot", lot="BL")
    assert (lot.left, lot.overdrawn) == ("-3", True)
    assert ask("trace.lot", lot="BL-2").left == "4"
    assert [row.lot for row in ask("trace.lots")] == ["BL"]
    assert ask("trace.lot", lot="CL").left is None


def test_where_everything_is(told, ask):
    for serial, hour in (("1", 6), ("2", 7), ("3", 8), ("4", 9)):
        good_engine(told, serial, hour)
    told.unit(events.Packed, 10, serial="2", container="PAL-1")
    told.unit(events.Packed, 10, serial="3", container="PAL-1")
    told.unit(events.UnitShipped, 11, serial="3", consignee="Voltera", container="PAL-1")
    told.unit(events.UnitFitted, 12, serial="3", fitted_in="G-77")
    told.unit(events.UnitScrapped, 13, serial="4", station=f"{LINE}/20")
    told.unit(events.HoldPlaced, 13, serial="2", hold="H", reason="bearing")
    answer = ask("trace.where_used", item="lot:BL")
    assert [(u.serial, u.state, u.place, u.consignee, u.held) for u in answer.uses if u.product == "E"] == [
        ("1", "completed", f"{LINE}/20", "", False), ("2", "packed", "PAL-1", "", True), ("3", "fitted", "G-77", "Voltera", False),
        ("4", "scrapped", f"{LINE}/20", "", False),
    ]  # fmt: skip
    assert answer.states == {"completed": 1, "fitted": 1, "packed": 1, "scrapped": 1}
    assert {u.serial for u in ask("unit.list", state="completed")} == {"1", "2", "3"}
    assert [u.serial for u in ask("unit.list", state="packed")] == ["2"]
    assert {u.state for u in ask("trace.where_used", item="lot:BL", at=at(9, 30)).uses} == {"completed"}
    for item in ("gauge:G-1", f"station:{LINE}/10", "program:R4", "order:O"):
        assert ask("trace.where_used", item=item).serials == (0 if item == "program:R4" else 4), item


def test_holds_on_a_lot_or_product_keep_what_carries_it(told, ask):
    good_engine(told)
    told(events.HoldPlaced, 8, hold="H1", product="BRG", lot="BL", reason="bearing lot")
    told(events.HoldPlaced, 8, hold="H2", product="E", reason="all engines")
    assert [(h.hold, h.item) for h in ask("unit.holds", serial="1")] == [("H1", "lot:BRG/BL"), ("H2", "product:E")]
    told(events.HoldReleased, 9, hold="H1")
    told(events.HoldReleased, 9, hold="H2", product="E")
    assert ask("unit.holds", serial="1") == []
    assert len(ask("unit.holds", at=at(8, 30))) == 2


# --------------------------------------------------------------------------- nothing vanishes


@given(st.lists(st.tuples(st.sampled_from(["started", "completed", "reported"]), st.sampled_from("ab"), st.sampled_from(["10", "20"]),
                          st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), max_size=12))  # fmt: skip
def test_every_pass_is_good_scrap_rework_or_open(steps):
    passages = [
        Passage(
            "unit:E/1",
            number,
            0,
            bytes([number]) * 16,
            what,
            station,
            operation,
            "",
            "",
            "",
            0,
            good,
            scrap,
            rework,
            "",
            "",
            "",
            "",
        )
        for number, (what, station, operation, good, scrap, rework) in enumerate(steps)
    ]
    found = history.passes(passages)
    assert len([one for one in found if one.start]) == sum(what == "started" for what, *_ in steps)
    assert len([one for one in found if one.end]) == sum(what != "started" for what, *_ in steps)
    results = [one.result for one in found]
    assert len(found) == sum(results.count(name) for name in ("good", "scrap", "rework", "open"))
    assert results.count("open") == len([one for one in found if not one.end])


def test_rework_and_open_passes_are_counted(told, ask):
    for minute, fields in enumerate([{"rework": 1}, {"good": 1}]):
        told.unit(events.OperationStarted, 6, 2 * minute, operation="20", station=f"{LINE}/20", order="O")
        told.unit(
            events.OperationCompleted, 6, 2 * minute + 1, operation="20", station=f"{LINE}/20", order="O", **fields
        )
    told.unit(events.OperationStarted, 6, 9, operation="20", station=f"{LINE}/20", order="O", serial="2")
    (row,) = ask("unit.balance", order="O")
    assert (row.started, row.good, row.scrap, row.rework, row.open) == (3, 1, 0, 1, 1)
    first, second = ask("unit.steps", serial="1")
    assert (first.number, first.result, first.touch_s, second.number, second.result, second.wait_s) == (
        1,
        "rework",
        60,
        2,
        "good",
        60,
    )


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.sampled_from(["rework", "scrap", "use_as_is"]), st.none() | st.integers(1, 4)), max_size=4),
)
def test_quantities_of_a_case_never_vanish(raised, decided):
    told = Told()
    told(events.NonconformanceRaised, 6, nonconformance="N", reason="burr", product="E", lot="L", quantity=str(raised))
    for minute, (decision, quantity) in enumerate(decided):
        told(
            events.DispositionDecided,
            7,
            minute,
            nonconformance="N",
            decision=decision,
            quantity=str(quantity) if quantity else None,
        )
    with AsBuilt(memory=True, strict=True, now=lambda: at(20), plant=PLANT) as app:
        app.take_in(told.facts)
        (case,) = app.query("unit.cases", nonconformance="N")
    assert case.quantity is not None and case.undecided is not None
    left = raised
    for _, quantity in decided:
        left -= quantity if quantity else max(left, 0)
    assert Decimal(case.undecided) == left
    assert case.state == ("overdecided" if left < 0 else "open" if left else "decided")


# --------------------------------------------------------------------------- comparison


@pytest.mark.parametrize(
    ("table", "p"),
    [((3, 1, 1, 3), 0.485714), ((8, 2, 1, 5), 0.034965), ((10, 0, 0, 10), 1.0825e-05), ((0, 5, 0, 7), 1.0)],
)  # fmt: skip
def test_the_exact_test_is_fishers(table, p):
    """The first is Fisher's lady tasting tea; the others by adding up hypergeometric terms by hand."""
    assert fisher(*table) == pytest.approx(p, rel=1e-3)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_the_exact_test_equals_counting_all_tables(a, b, c, d):
    from fractions import Fraction
    from math import comb

    total = comb(a + b + c + d, a + c)
    chance = {
        x: Fraction(comb(a + b, x) * comb(c + d, a + c - x), total) for x in range(max(0, a - d), min(a + b, a + c) + 1)
    }
    assert fisher(a, b, c, d) == pytest.approx(float(sum(p for p in chance.values() if p <= chance[a])), rel=1e-6)


def test_two_boxes_against_a_limit(told, ask):
    for number in range(8):
        serial, box = str(number), "B1" if number < 4 else "B2"
        told.install(6, number, "Main bearings", "BRG", serial=serial, component_lot="BL", container=box, quantity="3")
        told.unit(
            events.Measured,
            7,
            number,
            serial,
            characteristic="vibration",
            value="2.0" if number < 4 else "4.0",
            uom="mm/s",
        )
    told.install(8, 0, "Main bearings", "BRG", serial="9", component_lot="BL", container="B2", quantity="3")
    answer = ask("trace.compare", first="container:B1", second="container:B2", outcome="above:vibration:3.5")
    assert (answer.first_with, answer.first_without, answer.second_with, answer.second_without) == (0, 4, 4, 0)
    assert (answer.unknown, answer.both) == (1, 0)
    assert answer.p == pytest.approx(2 / 70)
    assert "once in 35 times" in answer.says
    for outcome in ("case", "scrapped", "run", "out:vibration", "case:noise", "below:vibration:1"):
        assert ask("trace.compare", first="container:B1", second="container:B2", outcome=outcome).p == 1
    for wrong in ("above:vibration:x", "nonsense", "above:"):
        with pytest.raises(UsageError):
            ask("trace.compare", first="container:B1", second="container:B2", outcome=wrong)
