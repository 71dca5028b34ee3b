"""An operator with a scanner: eight stations with scans only, the network gone half-way, a wrong part, print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from asbuilt import events
from tests.browser.conftest import Look, Screen
from tests.web.eight import PLANT, START, STATIONS
from tests.web.scripted import Told
from tests.web.serving import Served, served
from tests.web.test_station import codes


@pytest.fixture
def floor(quick: None) -> Iterator[Served]:
    told = Told()
    told.tell(events.OrderReleased, START, order="2418", product="E", quantity=9)
    with served(told, START, plant=PLANT) as running:
        running.hear("gateway")
        yield running


def scan(screen: Screen, code: str) -> None:
    """As a keyboard wedge does it: characters wherever the focus is, then Enter."""
    screen.page.keyboard.type(code)
    screen.page.keyboard.press("Enter")


def said(screen: Screen, words: str | re.Pattern[str]) -> None:
    screen.page.locator("#act-said", has_text=words).wait_for(timeout=10_000)


def until(screen: Screen, condition: Callable[[], bool]) -> None:
    """Like `wait_until`, but the browser's own doings go on meanwhile."""
    for _ in range(300):
        if condition():
            return
        screen.page.wait_for_timeout(50)
    raise AssertionError("it never came")


def test_an_engine_is_built_at_eight_stations_with_scans_only(floor, look: Look):
    screen = look("tablet")
    for n in STATIONS:
        screen.open(f"{floor.address}/line/1/station/{n}")
        for code in ("E1", *codes(n, "E1"), "E1"):
            scan(screen, code)
            said(screen, f"Saved: Scan {code}.")
        screen.sees(".st-none", "Nothing is in the machine.")
    unit = floor.app.query("unit.show", serial="E1", product="E")
    assert unit.state == "completed"
    assert floor.app.query("unit.as_built", serial="E1", product="E").links == 9


def test_a_wrong_part_is_refused_with_the_reason_and_can_be_recorded_anyway(floor, look: Look):
    screen = look("tablet", allow=r"409|Failed to load resource")
    page = screen.open(f"{floor.address}/line/1/station/10")
    scan(screen, "E1")
    screen.sees(".st-unit .big", "E1")
    scan(screen, "P40-7")
    said(screen, "Not saved: P40-7 is a part 40: it goes in at 40, not here.")
    assert floor.app.query("unit.as_built", serial="E1", product="E").links == 0
    page.get_by_role("button", name="Read, take away").first.click()
    assert page.locator("#acts").is_hidden()
    page.get_by_label("record it anyway").check()
    page.locator("[data-scan]").focus()
    scan(screen, "P40-7")
    said(screen, "Saved: Scan P40-7.")


def test_the_network_goes_and_comes_back(floor, look: Look):
    """What is scanned meanwhile is kept, said not to be saved, and recorded once – though an answer is lost."""
    screen = look("tablet", allow=r"ERR_|Failed to load|fetch")
    page = screen.open(f"{floor.address}/line/1/station/10")
    for code in ("E1", "P10-E1", "E1"):
        scan(screen, code)
        said(screen, f"Saved: Scan {code}.")
    screen.open(f"{floor.address}/line/1/station/20")
    scan(screen, "E1")
    said(screen, "Saved: Scan E1.")
    # The request arrives and is recorded, its answer does not.
    page.route("**/act/**", lambda route: (route.fetch(), route.abort()))
    scan(screen, "P20-E11")
    until(screen, lambda: floor.app.query("unit.as_built", serial="E1", product="E").links == 2)
    said(screen, "1 not saved yet")
    page.unroute("**/act/**")
    page.route("**/act/**", lambda route: route.abort())
    scan(screen, "P20-E12")
    scan(screen, "E1")
    said(screen, "not saved yet")
    assert page.locator("#acts").inner_text() in ("2 not saved yet", "3 not saved yet")
    assert "Saved: Scan P20-E12" not in page.locator("#act-said").inner_text()
    assert "not saved yet" in page.locator("[data-kept]").inner_text()
    assert floor.app.query("unit.as_built", serial="E1", product="E").links == 2
    # The tablet is even switched off and on in between: what waits is still there.
    page.reload()
    page.unroute("**/act/**")
    until(screen, lambda: floor.app.query("unit.steps", serial="E1", product="E")[-1].result == "good")
    said(screen, "Saved: Scan E1.")
    assert page.locator("#acts").is_hidden()
    built = floor.app.query("unit.as_built", serial="E1", product="E")
    assert [component.serial for component in built.components] == ["P10-E1", "P20-E11", "P20-E12"]
    assert not built.anomalies
    installed = floor.app.record.count("type:component_installed.v1")
    assert installed == 3


def test_two_acts_of_two_tabs_are_both_saved(floor, look: Look):
    screen = look("tablet")
    first = screen.open(f"{floor.address}/line/1/station/10")
    second = screen.context.new_page()
    second.goto(f"{floor.address}/line/1/station/10")
    first.get_by_role("button", name="Call for help").click()
    screen.sees("#do", "Help is called.")
    second.locator("#do", has_text="Help is called.").wait_for(timeout=10_000)
    second.get_by_role("button", name="Help has come").click()
    first.locator("#do", has_text="Call for help").wait_for(timeout=10_000)


def test_without_script_a_scan_is_a_form(floor, look: Look):
    screen = look("tablet", java_script_enabled=False)
    page = screen.page
    page.goto(f"{floor.address}/line/1/station/10")
    for code in ("E1", "P10-E1"):
        page.fill("input[name=scan] >> nth=0", code)
        page.locator(".st-scan button").click()
    assert "P10-E1" in page.locator(".st-slots").inner_text()
    assert floor.app.query("unit.as_built", serial="E1", product="E").links == 1


@pytest.mark.parametrize("size", ["tablet", "phone", "desk"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(floor, look: Look, size, theme):
    screen = look(size, theme=theme)
    for address in ("/line/1/station/20", "/unit", "/trace", "/search?q=E"):
        page = screen.open(f"{floor.address}{address}", wait="")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address


def test_a_passport_is_printed_on_two_pages_of_a4(floor, look: Look):
    screen = look("desk")
    screen.open(f"{floor.address}/line/1/station/10")
    for code in ("E1", "P10-E1", "E1"):
        scan(screen, code)
        said(screen, f"Saved: Scan {code}.")
    page = screen.open(f"{floor.address}/unit/E1")
    document = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", document)
    assert 1 <= len(boxes) <= 2
    for width, height in boxes:
        assert (round(float(width)), round(float(height))) == (595, 842)
