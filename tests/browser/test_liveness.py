"""A screen never looks more alive than it is: silent stations, a killed server, and the way back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from asbuilt import events
from asbuilt.app import system_clock
from tests.web.scripted import LINE, PLANT_TEXT, Told, morning
from tests.web.serving import Process, allowed_s, served

HATCH = "element => getComputedStyle(element).backgroundImage.includes('repeating-linear-gradient')"
WEIGHT = "element => getComputedStyle(element).fontWeight"


def test_a_station_gone_silent_ages_is_hatched_and_withdrawn_and_comes_back(quick, look):
    with served(morning()) as server:

        def pass_by(seconds: float) -> None:
            # Only the right gateway speaks.
            server.clock.forward(seconds=seconds)
            server.hear("right")

        server.hear()
        screen = look()
        page = screen.open(f"{server.address}/line/1")
        screen.sees('#st-10[data-aging=""]')
        assert page.eval_on_selector("#st-10 .age", WEIGHT) == "400"
        assert not page.eval_on_selector("#st-10", HATCH)

        pass_by(5)
        screen.sees('#st-10[data-aging="old"]')
        assert page.eval_on_selector("#st-10 .age", WEIGHT) == "600"
        assert screen.text("#st-10 .state") == "Execute"

        pass_by(6)
        screen.sees("#st-10 .state", "No data")
        screen.sees('#st-10[data-aging="stale"]')
        assert page.eval_on_selector("#st-10", HATCH)
        assert screen.text("#st-10 .cause") == "Gateway L silent"
        assert screen.text("#st-10 .foot").startswith("seen 08:30:0")
        assert screen.text("#st-10 .value") == "35.003"
        assert page.eval_on_selector("#st-10 .value", "e => getComputedStyle(e).textDecorationStyle") == "dotted"
        screen.sees("#alarms li", "No data from Gateway L")
        screen.sees("#counts-3", "1")
        assert "Check that Gateway L runs and is connected." in screen.text("#alarms")
        # The other gateway's station, and the page, are as live as before.
        assert page.get_attribute("#st-30", "data-aging") == ""
        assert page.get_attribute("html", "data-live") == "live"

        pass_by(120)
        screen.sees('#st-10[data-aging="gone"]')
        screen.sees("#st-10 .value", "—")
        # Withdrawn stays withdrawn when the tile is sent again.
        server.tell(_told(server.clock))
        screen.sees("#alarms li", "Door open")
        assert screen.text("#st-10 .value") == "—"
        assert screen.text("h1") == "Line 1 runs, 14 behind plan. No data from machining as well as fuel and ignition."

        server.post()
        screen.sees("#st-10 .state", "Execute")
        screen.sees("#st-10 .value", "35.003")
        screen.sees('#st-10[data-aging=""]')
        assert not page.eval_on_selector("#st-10", HATCH)
        # Nobody acknowledged it: it stays in the list, as returned to normal, until somebody does.
        screen.sees("#alarms-no-data-left-10", "returned to normal")


def _told(clock: Any) -> Told:
    told = Told(first=200_000)
    told.alarm("10", "door", clock(), text="Door open")
    return told


def test_ages_run_in_the_browser_when_only_beats_come(quick, look, monkeypatch):
    # Even if the server never noticed that a source is silent, the page would.
    monkeypatch.setattr("asbuilt.run.listening.SILENT_PERIODS", 1e9)
    with served(morning()) as server:
        server.hear()
        screen = look()
        page = screen.open(f"{server.address}/line/1")
        server.clock.forward(seconds=11)
        screen.sees('#st-10[data-aging="stale"]')
        assert screen.text("#st-10 .state") == "Execute"
        assert page.eval_on_selector("#st-10", HATCH)
        server.clock.forward(seconds=120)
        screen.sees("#st-10 .value", "—")
        server.hear()
        screen.sees("#st-10 .value", "35.003")
        assert not page.eval_on_selector("#st-10", HATCH)


# --------------------------------------------------------------------------- the server


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    running = Process(tmp_path, PLANT_TEXT.replace("fresh_s = 2", "fresh_s = 3600"))
    try:
        running.start()
        yield running
    finally:
        running.close()


def _post(process: Process, told: Told) -> None:
    body = b"\n".join(events.encode(fact) for fact in told.facts)
    told.facts.clear()
    answer = httpx.post(f"{process.address}/facts", content=body, headers=process.token())
    assert answer.json()["rejected"] == answer.json()["conflict"] == 0


def test_a_killed_server_is_seen_and_its_return_too_with_nothing_lost(process, look):
    told = Told()
    told.state("10", "Held", system_clock(), message="Chuck open")
    _post(process, told)
    screen = look(allow="ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE")
    page = screen.open(f"{process.address}/line/1")
    screen.sees("#st-10 .cause", "Chuck open")
    page.evaluate("window.marked = true")
    told.state("20", "Aborted", system_clock(), message="Fuse")
    _post(process, told)

    process.kill()
    killed = time.monotonic()
    screen.is_live("late")
    assert 1.5 < time.monotonic() - killed < allowed_s(3.5 + 0.3)
    assert screen.text("#live").startswith("Late")
    assert not page.locator("#dead").is_visible()

    screen.is_live("dead")
    assert time.monotonic() - killed < allowed_s(9)
    assert page.locator("#dead").is_visible()
    bar = screen.text("#dead")
    assert bar.startswith("Not live. Last update ")
    assert "Values below are last known. Reconnecting, attempt " in bar
    hatched = "() => getComputedStyle(document.querySelector('.main'), '::after').backgroundImage"
    assert "repeating-linear-gradient" in page.evaluate(hatched)
    assert page.eval_on_selector("#live", "e => getComputedStyle(e).borderTopStyle") == "dashed"
    # What is last known stands still: nobody knows whether it lasts.
    lasted = screen.text("#st-10 .for")
    page.wait_for_timeout(1500)
    assert screen.text("#st-10 .for") == lasted
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.bar.dead-bar')).backgroundColor")
        == "rgb(240, 242, 242)"
    )

    process.start()
    back = time.monotonic()
    screen.is_live("live")
    assert time.monotonic() - back < allowed_s(3)
    assert not page.locator("#dead").is_visible()
    screen.sees("#st-10 .cause", "Chuck open")
    screen.sees("#st-20 .cause", "Fuse")
    told.state("30", "Held", system_clock(), message="Door open")
    _post(process, told)
    screen.sees("#st-30 .cause", "Door open")
    assert page.evaluate("window.marked") is True


def test_a_server_that_is_stopped_hangs_up_at_once(process, look):
    screen = look(allow="ERR_")
    screen.open(f"{process.address}/line/1")
    begun = time.monotonic()
    assert process.interrupt() in (0, 130)
    assert time.monotonic() - begun < allowed_s(2.5)
    screen.is_live("late")


def test_a_page_that_fails_says_not_live_while_others_live(quick, look, monkeypatch):
    with served(morning()) as server:
        server.hear()
        screen, other = look(), look()
        screen.open(f"{server.address}/line/1")
        other.open(f"{server.address}/orders")
        monkeypatch.setattr("asbuilt.views.line.chart.output_chart", lambda board: 1 / 0)
        screen.is_live("dead")
        assert other.page.get_attribute("html", "data-live") == "live"
        monkeypatch.undo()
        screen.is_live("live")


def test_a_page_loaded_before_the_stream_says_loaded_not_live(quick, look):
    with served(morning()) as server:
        screen = look(allow="404")
        server.hear()
        # A stream that never answers.
        screen.page.route("**/live?**", lambda route: None)
        screen.open(f"{server.address}/line/1", wait="yes")
        assert screen.text("#live").startswith("Loaded")
        screen.is_live("late")


def test_facts_of_an_unknown_station_are_named_on_the_page(quick, look):
    with served(morning()) as server:
        server.hear()
        screen = look()
        screen.open(f"{server.address}/line/1")
        told = Told(first=300_000)
        told.tell(events.StateChanged, server.clock(), "left", station=f"{LINE}/99", state="Held")
        server.tell(told)
        screen.sees("#contradictions", "Facts speak of station works/main/hall/1/99")
