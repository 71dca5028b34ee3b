"""`?at=`: every page shows the plant as it was then, by the plant file then in force."""

from __future__ import annotations

import datetime as dt

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import parse
from tests.web.markup import Element, read
from tests.web.scripted import LINE, PLANT, PLANT_TEXT, Told, at, morning, shop

ADDRESSES = [
    "/line",
    "/line/1",
    "/line/shop",
    "/orders",
    "/orders/2418",
    "/sources",
    "/unit",
    "/unit/00001",
    "/trace",
    "/site",
]


def page(app: AsBuilt, address: str, time: str) -> Element:
    response = app.client.get(address, params={"at": time})
    assert response.status_code == 200, response.text
    return read(response.text)


def test_the_line_as_it_stood_before_it_was_held(morning_app):
    document = page(morning_app, "/line/1", "2026-06-03T08:10:30")
    assert document.one("h1").text == "Line 1 runs, 2 behind plan."
    assert document.one(id="head-output").text == "made / plan now 128 / 130 −2"
    assert document.one(id="head-wip").text == "on line 3"
    tile = document.one(id="st-20")
    assert tile.one(class_="stt").text == "Execute 2:10 h"
    assert tile.one(class_="cyc").text == "cycle 00129 0:30"
    assert document.one(id="alarms").one("li").text == "Nothing asks for a response."
    assert "order 2418, 128 of 600" in document.one(class_="ctx").text


def test_an_instant_counts_what_happened_at_it(morning_app):
    assert (
        page(morning_app, "/line/1", "2026-06-03T08:19:59.999999").one(id="st-20").one(class_="state").text == "Execute"
    )
    assert page(morning_app, "/line/1", "2026-06-03T08:20").one(id="st-20").one(class_="state").text == "Held"


def test_before_anything_happened(morning_app):
    document = page(morning_app, "/line/1", "2026-06-03T05:00")
    assert document.one("h1").text == "Line 1 has not been heard of yet."
    assert document.one(id="st-10").one(class_="state").text == "No data"
    assert (
        page(morning_app, "/orders", "2026-06-03T05:00").one("h1").text == "No order has been released or reported yet."
    )


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_of_the_past_says_so_and_stands_still(morning_app, address):
    document = page(morning_app, address, "2026-06-03T08:10:30")
    assert document.one(class_="past-bar", role="status").text == (
        "The plant as it was on Wed 3 Jun 2026 at 08:10:30, as known now. Back to now"
    )
    assert document.one(class_="past-bar", role="status").one("a").attributes["href"] == address
    assert "data-live" not in document.one("html").attributes
    assert document.one("body").attributes["data-stream"] == ""
    assert not document.all(id="live")
    assert document.one(id="clock").text == "08:10:30"
    assert document.one(class_="date").text == "Wed 3 Jun"
    assert not [element for element in document if "data-source" in element.attributes]
    assert not [element for element in document if "data-grow" in element.attributes]
    assert document.one(class_="past").one("input").attributes["value"] == "2026-06-03T08:10:30"


@pytest.mark.parametrize(
    "text", ["2026-06-03T08:10+02:00", "2026-06-03T06:10:00Z", "2026-06-03 08:10", "2026-06-03T08:10"]
)
def test_a_time_is_read_in_the_plants_zone_unless_it_has_its_own(morning_app, text):
    assert page(morning_app, "/line/1", text).one(id="clock").text == "08:10:00"


def test_a_plus_that_reads_as_a_space_is_a_plus(morning_app):
    html = morning_app.client.get("/line/1?at=2026-06-03T08:10+02:00").text
    assert read(html).one(id="clock").text == "08:10:00"


def test_what_comes_to_be_known_later_belongs_to_its_time():
    late = Told(first=900)
    late.state("10", "Held", "07:00", message="Coolant low")
    late.state("10", "Execute", "07:10")
    with shop(morning()) as app:
        assert page(app, "/line/1", "2026-06-03T07:05").one(id="st-10").one(class_="state").text == "Execute"
        app.take_in(late.facts)
        app.pipeline.settle()
        tile = page(app, "/line/1", "2026-06-03T07:05").one(id="st-10")
        assert (tile.one(class_="stt").text, tile.one(class_="cause").text) == ("Held 5:00", "Coolant low")
        assert read(app.client.get("/line/1").text).one(id="st-10").one(class_="state").text == "Execute"


def test_the_plant_file_then_in_force_tells_names_stations_and_zone():
    moment = at("08:00")
    wider = PLANT_TEXT.replace('name = "Machining"', 'name = "Turning"').replace("takt_s = 60", "takt_s = 120")
    with shop(morning(), now=lambda: moment) as app:
        moment = at("08:30")
        app.define(parse(wider))
        now = read(app.client.get("/line/1").text)
        then = page(app, "/line/1", "2026-06-03T08:15")
        assert now.one(id="st-10").one(class_="nm").text == "Turning"
        assert then.one(id="st-10").one(class_="nm").text == "Machining"
        assert now.one(id="head-cadence").all("span")[0].text == "cadence, takt 2:00"
        assert then.one(id="head-cadence").all("span")[0].text == "cadence, takt 1:00"
        assert now.one("body").attributes["data-version"] != PLANT.digest


def test_a_silence_of_the_past_is_seen_in_the_past_and_what_came_late_fills_it():
    told = morning()
    told.tell(events.HeartbeatMissed, "08:05:10", "asbuilt", adapter="right", last_seen=at("08:05"), period_s="2")
    told.tell(events.SourceConnected, "08:09", "asbuilt", adapter="right")
    with shop(told) as app:
        # The gateway kept its facts and told them afterwards, so nothing is missing now.
        tile = page(app, "/line/1", "2026-06-03T08:06:30").one(id="st-30")
        assert tile.one(class_="state").text == "Execute"
        told = Told(first=5000)
        told.tell(events.HeartbeatMissed, "08:26", "asbuilt", adapter="left", last_seen=at("08:25"), period_s="2")
        app.take_in(told.facts)
        app.pipeline.settle()
        tile = page(app, "/line/1", "2026-06-03T08:27").one(id="st-20")
        assert tile.one(class_="state").text == "No data"
        assert tile.one(class_="cause").text == "Gateway L silent"
        assert {"silent", "hatch"} <= set(tile.classes)
        assert tile.one(class_="foot").text == "seen 08:25:00 2 min old"


def test_a_corrected_order_reads_anew_in_its_past_too():
    told = Told()
    wrong = told.report("lathe", "06:00", "07:00", order="J-1", good=40)
    with shop(told) as app:
        fixed = events.OperationReported(
            id=wrong.id, event_time=at("07:00"), source="office", station=f"{LINE}/x", operation="turn",
            kind="production", start_time=at("06:00"), order="J-1", good=4,
        )  # fmt: skip
        correction = Told(first=9)
        correction.tell(events.CorrectionMade, "08:00", corrects=wrong.id, reason="incorrect_data", replacement=fixed)
        app.take_in(correction.facts)
        app.pipeline.settle()
        for time in ("2026-06-03T07:30", "2026-06-03T08:30"):
            assert page(app, "/orders/J-1", time).one("h1").text == "Order J-1 has 4 through turn."


def test_sources_of_the_past_do_not_count_what_came_after():
    told = Told()
    told.connect("05:50")
    told.state("10", "Execute", "06:00")
    told.state("10", "Held", "08:10")
    told.tell(events.HeartbeatMissed, "07:20", "asbuilt", adapter="left", last_seen=at("07:10"), period_s="2")
    told.tell(events.SourceConnected, "08:00", "asbuilt", adapter="left")
    with shop(told) as app:

        def left(time: str) -> str:
            return page(app, "/sources", f"2026-06-03T{time}").one(id="sources-left").text

        assert left("05:00") == "Gateway L left http never heard 2.0 s 0 0 0 0"
        first = "2026-06-03 06:00:00"
        assert left("07:00") == f"Gateway L left http heard 2.0 s 1 1 {first} {first} 0 0"
        assert left("07:30") == f"Gateway L left http silent 2.0 s 1 1 {first} {first} 0 0"
        assert left("08:10") == f"Gateway L left http heard 2.0 s 2 1 {first} 2026-06-03 08:10:00 0 0"


def test_times_of_a_repeated_hour_are_told_apart():
    autumn = dt.date(2026, 10, 25)
    told = Told()
    first = dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    told.connect(first)
    told.state("10", "Held", first)
    told.state("10", "Execute", first + dt.timedelta(minutes=50))
    with shop(told, now=at("12:00", autumn)) as app:
        assert page(app, "/line/1", "2026-10-25T02:40+02:00").one(id="st-10").one(class_="state").text == "Held"
        assert page(app, "/line/1", "2026-10-25T02:40+01:00").one(id="st-10").one(class_="state").text == "Execute"
