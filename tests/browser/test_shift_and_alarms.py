"""The shift and its alarms in a browser: a whole handover, late reasons, two people, alarms answered, print."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from asbuilt.plant import parse
from tests.browser.conftest import SIZES
from tests.test_alarms import RULES
from tests.web.scripted import PLANT_TEXT, Told, morning
from tests.web.serving import Served, served
from tests.web.test_shift_pages import REASONS

SHIFT = "/shift/2026-06-03/A"
PLANT = parse(PLANT_TEXT.replace("[adapter.left]", REASONS + "\n[adapter.left]", 1) + RULES)

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def floor() -> Iterator[Served]:
    """The end of the shift: 10 stood from 12:00 to 12:30, nobody has said why."""
    told = morning()
    told.state("20", "Execute", "08:40:00")
    told.state("30", "Execute", "08:41:00")
    told.state("10", "Held", "12:00:00")
    told.state("10", "Execute", "12:30:00")
    with served(told, "14:05", plant=PLANT) as running:
        running.hear()
        yield running


def explain(screen, reason: str, name: str) -> None:
    row = screen.page.locator("#stops tr", has_text="12:00:00")
    row.locator("summary").click()
    row.locator("select[name=reason]").select_option(label=reason)
    row.locator("input[name=by]").fill(name)
    row.locator("button", has_text="Save").click()


def test_a_whole_handover_seen_by_two_screens(floor, look):
    lead, other = look(), look("tablet", theme="light")
    lead.open(f"{floor.address}{SHIFT}")
    other.open(f"{floor.address}{SHIFT}")
    assert "1 stop waits for a reason" in lead.text("h1")
    stood = lead.text("#losses tr:has-text('Stops')")
    explain(lead, "Setup", "M. Okafor")
    # The losses move, on both screens, without loading anything anew.
    for screen in (lead, other):
        screen.sees("#losses", re.compile(r"Setup.*0\.50 h", re.S))
        assert "waits for a reason" not in screen.text("h1")
    assert lead.text("#losses tr:has-text('Stops')") != stood
    lead.page.locator("#notes textarea").fill("Watch the chiller.")
    lead.page.locator("#notes input[name=by]").fill("M. Okafor")
    lead.page.locator("#notes button").click()
    other.sees("#notes", "Watch the chiller.")
    lead.page.locator("#sign input[name=by]").fill("M. Okafor")
    lead.page.locator("#sign button").click()
    for screen in (lead, other):
        screen.sees("#sign", re.compile("M. Okafor handed this shift over on Wed 3 Jun at 14:0"))
        assert not screen.page.locator("#notes form, #sign form").count()


def test_two_people_who_correct_the_same_stop_both_stay_visible(floor, look):
    ann, ben = look(), look()
    ann.open(f"{floor.address}{SHIFT}")
    ben.open(f"{floor.address}{SHIFT}")
    explain(ann, "Jam", "Ann")
    ann.sees("#stops", re.compile("Jam"))
    floor.clock.forward(minutes=1)
    explain(ben, "Setup", "Ben")
    for screen in (ann, ben):
        screen.sees("#stops .former", re.compile("before: Jam, Ann"))
        screen.sees("#stops tr:has-text('12:00:00')", re.compile("Setup.*Ben", re.S))


def test_an_alarm_is_raised_acknowledged_shelved_and_cleared(floor, look):
    screen = look()
    screen.open(f"{floor.address}/alarms")
    told = Told(first=5000)
    told.state("20", "Held", "14:04:59")
    floor.tell(told)
    screen.sees("#standing", re.compile("Station held.*not acknowledged", re.S))
    row = screen.page.locator("#standing li", has_text="Station held")
    row.locator("input[name=by]").first.fill("M. Okafor")
    row.locator("button", has_text="Acknowledge").click()
    screen.sees("#standing", re.compile("M. Okafor, 14:0"))
    row.locator("summary", has_text="Shelve").click()
    shelf = row.locator("form[action$='/shelve']")
    shelf.locator("input[name=reason]").fill("part ordered")
    shelf.locator("button", has_text="Shelve").click()
    screen.sees("#shelved", re.compile("Station held.*M. Okafor: part ordered", re.S))
    assert "Station held" not in screen.text("#standing")
    told.state("20", "Execute", "14:05:00")
    floor.app.take_in(told.facts[-1:])
    screen.sees("#cleared", re.compile("Station held"))
    # The shelf is the alarm's, not the raise's: it holds until its end.
    screen.sees("#shelved", re.compile("Station held.*normal now", re.S))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("address", [SHIFT, "/kpi?scope=1", "/alarms"])
def test_the_pages_fit_every_size(floor, look, address, size, theme):
    screen = look(size, theme=theme)
    page = screen.open(f"{floor.address}{address}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_report_prints_on_two_sheets(floor, look):
    screen = look(theme="dark")
    page = screen.open(f"{floor.address}{SHIFT}")
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) == 2
    # On a sheet's width nothing is cut off, and the second side begins with the stops.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 702, "height": 1000})
    edge = page.evaluate("document.querySelector('.shift-page').getBoundingClientRect().right")
    cut = page.evaluate(
        "(edge) => [...document.querySelectorAll('.part, .part table, .fig')].filter((e) => e.getClientRects().length"
        " && e.getBoundingClientRect().right > edge + 1).map((e) => e.id || e.parentElement.id || e.outerHTML.slice(0, 60))", edge,
    )  # fmt: skip
    assert cut == []
    assert page.evaluate("getComputedStyle(document.getElementById('stops')).breakBefore") == "page"
    assert page.locator("#notes form, #sign form, #stops details").first.is_hidden()
    assert page.locator(".signature").is_visible()


def test_without_script_reasons_are_still_told(floor, look):
    screen = look(java_script_enabled=False)
    page = screen.open(f"{floor.address}{SHIFT}", wait="")
    row = page.locator("#stops tr", has_text="12:00:00")
    row.locator("summary").click()
    row.locator("select[name=reason]").select_option(label="Jam")
    row.locator("input[name=by]").fill("Ann")
    row.locator("button", has_text="Save").click()
    page.wait_for_url(f"**{SHIFT}*")
    assert "Jam" in screen.text("#stops tr:has-text('12:00:00')")
