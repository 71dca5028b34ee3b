"""Passport, trace and search: what they say, what they refuse, what acts do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.web import acting
from tests.web.markup import read
from tests.web.scripted import LINE, Told, at, morning, shop


@pytest.fixture
def told() -> Told:
    told = morning()
    told.tell(events.LotReceived, "05:00", product="BRG", lot="B-1", quantity="40", supplier="Norrlager", heat="48-1")
    for number in range(6):
        serial, box = f"{number:05}", "B-1-1" if number < 3 else "B-1-2"
        told.tell(
            events.ComponentInstalled, f"06:{number:02}:30", product="P7", serial=serial, position="Bearing",
            component_product="BRG", component_lot="B-1", container=box, quantity="2", evidence="container",
        )  # fmt: skip
        told.value(
            "30",
            "leak",
            "3.0" if number < 3 else "6.5",
            f"06:{number + 3:02}:40",
            product="P7",
            serial=serial,
            upper="6.0",
        )
    told.tell(events.UnitShipped, "08:00", product="P7", serial="00000", consignee="Voltera")
    told.tell(events.ComponentInstalled, "06:10", product="P7", serial="00001", position="Shaft", component_product="S", component_serial="S-1")  # fmt: skip
    told.tell(events.ComponentInstalled, "06:11", product="P7", serial="00002", position="Shaft", component_product="S", component_serial="S-1")  # fmt: skip
    return told


@pytest.fixture
def app(told: Told) -> Iterator[AsBuilt]:
    with shop(told) as product:
        yield product


def words(app: AsBuilt, address: str) -> str:
    answer = app.client.get(address)
    assert answer.status_code == 200, answer.text
    return read(answer.text).one("main").text


def act(app: AsBuilt, what: str, **values: str) -> httpx.Response:
    token = {"x-act-token": app.token(acting.TOKEN_NAME), "accept": "application/json"}
    return app.client.post(f"/act/{what}", json={"by": "J. Lindqvist", **values}, headers=token)


def test_a_passport_says_what_does_not_fit_on_both_units(app):
    for serial, other in (("00001", "00002"), ("00002", "00001")):
        text = words(app, f"/unit/{serial}")
        assert f"S-1 at Shaft of {serial} also sits at Shaft of {other}" in text
        assert "One of the two is wrong" in text
    assert "Installed." in words(app, "/unit/S/S-1")


def test_a_passport_as_it_was_and_as_it_was_known(app):
    assert "B-1" in words(app, "/unit/00001")
    assert "Nothing has been installed in it." in words(app, "/unit/00001?at=2026-06-03T06:00")
    assert "Nothing has been installed in it." in words(app, "/unit/00001?known_at=2026-06-03T05:00")
    assert app.client.get("/unit/nothing").status_code == 404


def test_a_trace_says_how_many_and_where(app):
    text = words(app, "/trace?q=B-1")
    assert "6 units carry this lot. 5 are still here, 1 has shipped." in text
    text = words(app, "/trace?q=lot:BRG/B-1&char=leak")
    assert "All 3 out of limits come from B-1-2." in text
    assert "3 of 3 against 0 of 3." in text or "0 of 3 against 3 of 3." in text
    assert "Norrlager" in text
    assert app.client.get("/trace?q=nothing").status_code == 404
    assert app.client.get("/trace?q=B-1&char=leak&limit=x").status_code == 404


def test_the_list_can_be_taken_away(app):
    csv = app.client.get("/api/trace.uses.csv?item=lot:BRG/B-1")
    assert csv.headers["content-type"].startswith("text/csv")
    lines = csv.text.splitlines()
    assert lines[0].startswith("product,serial,contains,evidence,")
    assert len(lines) == 7
    assert app.client.get("/api/trace.where_used?item=lot:BRG/B-1").json()["serials"] == 6


def test_everything_in_reach_is_held_in_one_act_and_once(app):
    assert act(app, "trace/hold", item="lot:BRG/B-1").status_code == 409  # says why first
    answer = act(
        app, "trace/hold", item="lot:BRG/B-1", reason="noise", lots="yes", hold="H-7", act_time=at("08:29").isoformat()
    )
    assert answer.json() == {"status": "saved", "facts": 6}
    held = {hold.item: hold for hold in app.query("unit.holds")}
    assert set(held) == {"lot:BRG/B-1", *(f"unit:P7/{n:05}" for n in range(1, 6))}
    assert {hold.by for hold in held.values()} == {"J. Lindqvist"}
    assert "On hold." in words(app, "/unit/00003")
    assert act(app, "trace/hold", item="lot:BRG/B-1", reason="noise").status_code == 409
    assert act(app, "trace/release", hold="H-7", item="unit:P7/00003").json()["status"] == "saved"
    assert "unit:P7/00003" not in {hold.item for hold in app.query("unit.holds")}
    act(app, "trace/release", hold="H-7")
    assert app.query("unit.holds") == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("S-1", "/unit/S/S-1"), ("B-1", "/trace?q=lot%3ABRG%2FB-1"), ("B-1-2", "/trace?q=container%3AB-1-2"), ("2418", "/orders/2418"),
        ("48-1", "/trace?q=heat%3A48-1"), ("Machining", "/line/1/station/10"), ("Norrlager", "/trace?q=supplier%3ANorrlager"),
    ],
)  # fmt: skip
def test_the_search_box_goes_to_the_only_thing_of_that_name(app, asked, found):
    answer = app.client.get("/search", params={"q": asked})
    assert (answer.status_code, answer.headers.get("location")) == (303, found)


def test_the_search_box_offers_what_begins_or_ends_so_and_takes_anything(app):
    text = words(app, "/search?q=0001")
    assert "units are called" not in text
    assert "00010" in text and "things are called 0001" in text
    for asked in (
        "",
        "%",
        "_",
        "'",
        '"><script>',
        "nothing",
        "(01)09506000117201",
        "https://id.gs1.org/01/09506000117201/21/x",
    ):
        answer = app.client.get("/search", params={"q": asked})
        assert answer.status_code == 200, asked
        assert "<script>" not in answer.text.replace('<script type="module"', "")


def test_a_scanned_gs1_link_finds_the_unit(app):
    for scanned in (
        "https://id.gs1.org/01/09506000117201/21/00001",
        "(01)09506000117201(21)00001",
        "010950600011720121" + "00001",
    ):
        answer = app.client.get("/search", params={"q": scanned})
        assert answer.headers.get("location") == "/unit/P7/00001", scanned


def test_every_page_has_the_search_box(app):
    for address in ("/line/1", "/orders", "/unit/00001", "/trace", "/search", "/nowhere"):
        document: Any = read(app.client.get(address).text)
        (box,) = [element for element in document.all("input") if element.attributes.get("id") == "search"]
        assert box.attributes["name"] == "q"
    assert LINE


# --------------------------------------------------------------------------- what is decided about a unit

UNIT = {"product": "P7", "serial": "00004"}


def test_a_held_unit_is_neither_packed_nor_shipped(app):
    assert (
        act(app, "unit/hold", reason="noise", hold="H-1", act_time=at("08:20").isoformat(), **UNIT).status_code == 200
    )
    for what, values in (("pack", {"container": "PAL-1"}), ("ship", {"consignee": "Voltera"})):
        answer = act(app, f"unit/{what}", **values, **UNIT)
        assert answer.status_code == 409
        assert answer.json()["error"] == "00004 is on hold: noise (H-1)"
    text = words(app, "/unit/00004")
    assert "Neither packed nor shipped while it is on hold." in text
    assert act(app, "unit/release", hold="H-9", **UNIT).status_code == 409
    assert act(app, "unit/release", hold="H-1", act_time=at("08:25").isoformat(), **UNIT).status_code == 200
    assert act(app, "unit/pack", container="PAL-1", **UNIT).status_code == 200
    assert app.query("unit.show", serial="00004").state == "packed"


def test_a_lot_on_hold_keeps_what_carries_it(app):
    act(app, "trace/hold", item="lot:BRG/B-1", reason="noise", lots="yes", act_time=at("08:20").isoformat(), hold="L")
    act(app, "unit/release", hold="L", act_time=at("08:25").isoformat(), **UNIT)
    answer = act(app, "unit/ship", consignee="Voltera", **UNIT)
    assert answer.json()["error"] == "00004 is on hold: noise (L)"
    assert act(app, "unit/release", hold="L", **UNIT).json()["remedy"] == "Release it from the trace of what it is on."


def test_nonconformance_disposition_rework_and_scrap(app):
    assert act(app, "unit/raise", reason="coolant", nonconformance="N-1", **UNIT).status_code == 200
    assert "nothing is decided about N-1" in app.query("unit.completeness", serial="00004").open
    assert act(app, "unit/decide", nonconformance="N-1", decision="magic").status_code == 409
    assert act(app, "unit/decide", nonconformance="N-9", decision="rework").status_code == 409
    assert (
        act(app, "unit/decide", nonconformance="N-1", decision="use_as_is", message="within the drawing").status_code
        == 200
    )
    (case,) = app.query("unit.cases", nonconformance="N-1")
    assert (case.state, case.decisions[0].decision) == ("decided", "use_as_is")
    assert "concessions 1" in words(app, "/unit/00004")
    act(app, "unit/raise", reason="coolant", nonconformance="N-2", severity="major", **UNIT)
    assert act(app, "unit/decide", nonconformance="N-2", decision="scrap").json()["facts"] == 2
    assert app.query("unit.show", serial="00004").state == "scrapped"
    assert act(app, "unit/scrap", reason="coolant", **UNIT).status_code == 409
    assert act(app, "unit/ship", consignee="Voltera", **UNIT).status_code == 409


def test_shipped_fitted_and_back_again(app):
    for minute, (what, values, state) in enumerate((("ship", {"consignee": "Voltera", "end_use": "pumps"}, "shipped"), ("fit", {"fitted_in": "G-77"}, "fitted"),
                                ("return", {"reason": "noise"}, "returned"))):  # fmt: skip
        assert act(app, f"unit/{what}", act_time=at(f"08:2{minute}").isoformat(), **values, **UNIT).status_code == 200
        assert app.query("unit.show", serial="00004").state == state
    assert act(app, "unit/ship", product="P7", serial="nothing", consignee="x").status_code == 409
