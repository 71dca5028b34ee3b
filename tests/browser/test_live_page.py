"""A page in a browser follows the plant, and nobody who looks, reads or types is disturbed."""

from __future__ import annotations

import datetime as dt

from asbuilt import events
from asbuilt.plant import parse
from tests.web.scripted import DAY, PLANT, PLANT_TEXT, Told, at, morning
from tests.web.serving import served, wait_until

MARK = "element => { element.marked = true; return true; }"
IS_MARKED = "element => element.marked === true"


def more() -> Told:
    return Told(first=100_000)


def test_a_fact_that_is_posted_appears_in_its_tile(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    for selector in ("#st-10", "#st-10 .value", "#st-20", "#output", "#alarms"):
        page.eval_on_selector(selector, MARK)
    told = more()
    told.value("10", "bore", "35.0071", server.clock())
    answer = server.post(events.encode(told.facts[0]))
    assert answer.json()["accepted"] == 1
    screen.sees("#st-10 .value", "35.007")
    # The same elements as before: changed in place, not replaced.
    for selector in ("#st-10", "#st-10 .value", "#st-20", "#output", "#alarms"):
        assert page.eval_on_selector(selector, IS_MARKED), selector
    server.post(events.encode(told.alarm("10", "tool", server.clock(), priority=1, text="Spindle broken")))
    screen.sees("#alarms li", "Spindle broken")
    screen.sees("#counts-1", "1")
    # New alarms are spoken, politely.
    screen.sees("#said", "Spindle broken. Open the valve.")


def test_focus_open_details_selection_and_typing_survive_a_hundred_updates(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    page.click("#output-table summary")
    page.click(".past summary")
    page.fill(".past input", "2026-06-03T07:15:30")
    page.eval_on_selector("#st-20 .nm", "element => getSelection().selectAllChildren(element)")
    page.focus("#alarms li >> nth=0")
    changes = """element => {
      window.changes = 0;
      new MutationObserver(() => window.changes += 1).observe(element, {subtree: true, childList: true, characterData: true});
    }"""
    page.eval_on_selector("#st-10 .value", changes)
    told = more()
    for number in range(110):
        told.value("10", "bore", f"35.{number:03}", server.clock())
        if number % 20 == 0:
            told.alarm("30", f"alarm {number}", server.clock(), priority=4, text=f"Alarm {number}")
        server.tell(told)
        screen.sees("#st-10 .value", f"35.{number:03}")
    assert page.evaluate("window.changes") >= 100
    assert page.evaluate("document.activeElement.id") == "alarms-oil-20"
    assert page.evaluate("getSelection().toString()") == "Fuel and ignition"
    assert page.eval_on_selector("#output-table", "element => element.open")
    assert page.eval_on_selector(".past", "element => element.open")
    assert page.input_value(".past input") == "2026-06-03T07:15:30"


def test_durations_ages_and_clock_run_between_updates(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    before = page.locator("#st-20 .for").text_content()
    server.clock.forward(seconds=3)
    server.hear()
    wait_until(lambda: page.locator("#st-20 .for").text_content() != before)
    minutes, seconds = page.locator("#st-20 .for").text_content().split(":")
    assert int(minutes) == 10
    assert 3 <= int(seconds) < 20
    shown = dt.time.fromisoformat(page.locator("#clock").text_content())
    at_the_plant = server.clock().astimezone(PLANT.zone).replace(tzinfo=None)
    assert abs(dt.datetime.combine(DAY, shown) - at_the_plant) < dt.timedelta(seconds=2)


def test_day_and_hour_of_the_plant_change_on_a_screen_that_is_never_loaded_again(quick, look):
    with served(start="23:59:50") as server:
        screen = look(timezone_id="America/New_York")
        page = screen.open(f"{server.address}/line/1")
        assert screen.text("#day") == "Wed 3 Jun"
        assert screen.text("#clock").startswith("23:59:5")
        server.clock.forward(seconds=30)
        screen.sees("#day", "Thu 4 Jun")
        assert screen.text("#clock").startswith("00:00:")
        # On 25 October the clocks of the plant go back.
        server.clock.forward(days=(dt.date(2026, 10, 24) - DAY).days, hours=1)
        screen.sees("#day", "Sun 25 Oct")
        assert screen.text("#clock").startswith("01:00:")
        server.clock.forward(hours=4)
        screen.sees("#clock", "04:00:")
        assert page.evaluate("performance.getEntriesByType('navigation').length") == 1


def test_contradictions_come_and_go_without_a_reload(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    page.eval_on_selector("#head", MARK)
    assert not page.locator("#contradictions").is_visible()
    told = more()
    odd = told.done("10", "09999", server.clock())
    server.tell(told)
    screen.sees("#contradictions", "1 contradiction in what was reported this shift")
    assert page.locator("#contradictions").is_visible()
    page.click("#contradictions summary")
    assert "09999 completed without a start at 10" in screen.text("#contradictions")
    told.tell(events.CorrectionMade, server.clock(), corrects=odd.id, reason="did_not_occur")
    server.tell(told)
    page.wait_for_selector("#contradictions", state="hidden")
    assert page.eval_on_selector("#head", IS_MARKED)


def test_another_plant_file_makes_screens_load_themselves_anew(server, look):
    screen = look()
    screen.open(f"{server.address}/line/1")
    server.app.define(parse(PLANT_TEXT.replace('name = "Machining"', 'name = "Turning"')))
    screen.sees("#st-10 .nm", "Turning")


def test_nobody_who_types_loses_the_page(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    page.click(".past summary")
    page.focus(".past input")
    page.eval_on_selector("#head", MARK)
    server.app.define(parse(PLANT_TEXT.replace('name = "Machining"', 'name = "Turning"')))
    screen.sees("#st-10 .nm", "Turning")
    page.wait_for_timeout(1500)
    assert page.eval_on_selector("#head", IS_MARKED)
    with page.expect_navigation():
        page.evaluate("document.activeElement.blur()")


def test_orders_and_sources_follow_too(server, look):
    screen = look()
    screen.open(f"{server.address}/orders")
    other = look()
    other.open(f"{server.address}/sources")
    told = more()
    told.tell(events.OrderReleased, server.clock(), order="2419", product="P7", quantity=10)
    server.tell(told)
    server.post(b"junk")
    screen.sees("#orders-2419", "open")
    other.sees("#sources-rejections", "junk")


def test_a_tab_in_the_background_gives_its_stream_up_and_a_wall_never(server, look):
    hide = """hidden => {
      Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    screen = look()
    page = screen.open(f"{server.address}/line/1")
    wait_until(lambda: server.site.live.listeners == 1)
    page.evaluate(hide, True)
    wait_until(lambda: server.site.live.listeners == 0)
    told = more()
    told.value("10", "bore", "35.0022", server.clock())
    server.tell(told)
    page.evaluate(hide, False)
    screen.sees("#st-10 .value", "35.002")
    wall = look("wall")
    wall.open(f"{server.address}/line/1").evaluate(hide, True)
    told.value("10", "bore", "35.0044", server.clock())
    server.tell(told)
    wall.sees("#st-10 .value", "35.004")


def test_a_page_of_the_past_asks_for_nothing_more(server, look):
    screen = look()
    page = screen.open(f"{server.address}/line/1?at=2026-06-03T08:10", wait="")
    page.wait_for_selector(".past-bar")
    assert screen.text("#clock") == "08:10:00"
    page.wait_for_timeout(600)
    assert screen.text("#clock") == "08:10:00"
    assert not [url for url in screen.requests if "/live" in url]
    page.click("text=Back to now")
    screen.is_live()
    page.click(".past summary")
    page.fill(".past input", "2026-06-03T07:15")
    page.click(".past button")
    page.wait_for_selector(".past-bar")
    assert screen.text("#clock") == "07:15:00"


def test_at_the_edge_of_a_shift_the_page_turns_by_itself(quick, look):
    with served(morning(), start="13:59:56") as server:
        server.hear()
        screen = look()
        screen.open(f"{server.address}/line/1")
        assert "Shift A, output against plan" in screen.text("#output")
        server.clock.forward(seconds=8)
        server.hear()
        screen.sees("#output", "No shift now. The next one, A, begins Thu 4 Jun at 06:00.", timeout_s=12)
        assert screen.text("h1") == "No shift until Thu 06:00."
        assert at("14:00") < server.clock()
