"""Keyboard alone, no script, no motion, dark and light by choice, on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.browser.conftest import Screen
from tests.browser.picture import boxer
from tests.web.serving import Served, wait_until

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def drawing() -> Iterator[Served]:
    with boxer() as server:
        yield server


def focused(screen: Screen) -> str:
    """The focused element: its id, or its words."""
    return screen.page.evaluate(
        "() => { const e = document.activeElement; return e.id || e.innerText?.trim() || e.tagName.toLowerCase(); }"
    )


def tabs(screen: Screen, presses: int) -> list[str]:
    found = []
    for _ in range(presses):
        screen.page.keyboard.press("Tab")
        found.append(focused(screen))
    return found


# --------------------------------------------------------------------------- keyboard


def test_tab_goes_through_everything_in_order_and_focus_is_seen(drawing, look):
    screen = look()
    page = screen.open(f"{drawing.address}/line/1")
    menu, tiles = (page.locator(where).all_inner_texts() for where in ("nav a", ".flow a:visible"))
    assert {"Line", "Orders", "Sources"} <= set(menu)
    assert {"10", "80"} <= set(tiles)
    expected = ["To the content", "asbuilt", *menu, "search", "Look back", "theme", "keys", *tiles,
                "1 contradiction in what was reported this shift", "output-chart", "As a table", "alarms"]  # fmt: skip
    walked = tabs(screen, len(expected))
    assert walked == expected
    page.goto(f"{drawing.address}/line/1")
    for _ in range(len(walked)):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]; }"
        )
        assert seen[0] == "solid"
        assert seen[1] >= 2, focused(screen)


def test_the_first_tab_skips_to_the_content(drawing, look):
    screen = look()
    page = screen.open(f"{drawing.address}/line/1")
    page.keyboard.press("Tab")
    assert page.locator(".skip").is_visible()
    page.keyboard.press("Enter")
    assert focused(screen) == "main"


def test_single_keys_lead_to_pages_alarms_and_rows(drawing, look):
    screen = look()
    page = screen.open(f"{drawing.address}/line/1")
    page.keyboard.press("a")
    assert focused(screen) == "alarms"
    page.keyboard.press("j")
    first = focused(screen)
    page.keyboard.press("j")
    second = focused(screen)
    assert first.startswith("alarms-")
    assert second.startswith("alarms-")
    assert first != second
    page.keyboard.press("k")
    assert focused(screen) == first
    page.keyboard.press("k")
    assert focused(screen) == first
    for keys, path in (("go", "/orders"), ("gs", "/sources"), ("gl", "/line"), ("GO", "/orders")):
        with page.expect_navigation():
            for key in keys:
                page.keyboard.press(key)
        assert page.url == f"{drawing.address}{path}"
        screen.is_live()
    page.keyboard.press("j")
    assert focused(screen) == "2416"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("/orders/2416")


def test_help_opens_with_a_key_or_a_press_and_the_keys_can_be_switched_off(drawing, look):
    screen = look()
    page = screen.open(f"{drawing.address}/line/1")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    for shortcut in ("G", "L", "O", "S", "A", "J", "K", "?"):
        assert page.locator("#help kbd", has_text=re.compile(rf"^{re.escape(shortcut)}$")).count() >= 1
    page.keyboard.press("a")  # while help is open, keys do nothing else
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.click("#keys")
    page.check("#keys-off")
    page.click("#help button")
    for key in ("a", "j", "?"):
        page.keyboard.press(key)
    assert not page.locator("#help").is_visible()
    assert focused(screen) == "keys"
    # It stays off on this screen, and can be switched on again.
    page.goto(f"{drawing.address}/line/1")
    screen.is_live()
    page.keyboard.press("?")
    assert not page.locator("#help").is_visible()
    page.click("#keys")
    page.uncheck("#keys-off")
    page.click("#help button")
    page.keyboard.press("a")
    assert focused(screen) == "alarms"


def test_keys_are_letters_while_somebody_types(drawing, look):
    screen = look()
    page = screen.open(f"{drawing.address}/line/1")
    page.click(".past summary")
    page.focus(".past input")
    for key in ("a", "g", "o", "?"):
        page.keyboard.press(key)
    assert not page.locator("#help").is_visible()
    assert page.url.endswith("/line/1")
    page.keyboard.press("Control+a")
    assert page.evaluate("document.activeElement.name") == "at"


# --------------------------------------------------------------------------- no script


@pytest.mark.parametrize("address", ["/line/1", "/line", "/orders", "/orders/2416", "/sources", "/site"])
def test_without_script_the_same_is_shown_as_a_picture(drawing, look, address):
    with_script, without = look(), look(java_script_enabled=False)
    with_script.open(f"{drawing.address}{address}")
    page = without.open(f"{drawing.address}{address}", wait="")

    def said(screen: Screen) -> str:
        # What runs by itself is a moment older.
        return re.sub(r"\b\d+:\d\d\b( h)?|\b\d+(\.\d)? (s|min)\b|—", "·", screen.page.locator("main").inner_text())

    assert said(without) == said(with_script)
    bar = page.locator("noscript .bar")
    assert bar.is_visible()
    assert bar.inner_text().startswith("A picture of 17:25:40. Without scripts it does not follow the plant")
    assert not page.locator("#keys").is_visible()
    assert without.text("#clock") == "17:25:40"


def test_without_script_theme_and_past_can_be_chosen(drawing, look):
    screen = look(java_script_enabled=False)
    page = screen.open(f"{drawing.address}/line/1", wait="")
    page.click("#theme")
    assert page.url == f"{drawing.address}/line/1"
    assert page.get_attribute("html", "data-theme") == "dark"
    page.click(".past summary")
    page.fill(".past input", "2025-11-18T16:05:00")
    page.click(".past button")
    assert "The plant as it was on Tue 18 Nov 2025 at 16:05:00" in screen.text(".past-bar")
    assert screen.text("h1") == "Break until 16:10."


# --------------------------------------------------------------------------- eyes

BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"
DARK, LIGHT = "rgb(27, 29, 31)", "rgb(214, 216, 217)"


def test_the_theme_is_that_of_the_system_until_one_is_chosen(drawing, look):
    for system, shown, other in (("dark", DARK, LIGHT), ("light", LIGHT, DARK)):
        screen = look(theme=system)
        page = screen.open(f"{drawing.address}/line/1")
        assert page.evaluate(BACKGROUND) == shown
        page.click("#theme")
        screen.is_live()
        assert page.evaluate(BACKGROUND) == other
        page.click("#theme")
        screen.is_live()
        assert page.evaluate(BACKGROUND) == shown


def test_nothing_moves_but_alarms_that_nobody_has_seen(drawing, look):
    moving = "() => document.getAnimations().map((a) => a.effect.target.closest('[id]')?.id ?? '')"
    calm = look(reduced_motion="reduce")
    assert calm.open(f"{drawing.address}/line/1").evaluate(moving) == []
    screen = look(reduced_motion="no-preference")
    found = set(screen.open(f"{drawing.address}/line/1").evaluate(moving))
    assert found == {"counts-3", "st-80", "alarms-no-data-gw-3-80"}


def test_no_green_and_colour_only_where_a_response_is_asked(drawing, look):
    # Hues of everything painted on the board; grey has next to no saturation.
    colours = """() => {
      const found = {};
      for (const element of document.querySelectorAll("main *, header *")) {
        if (element.closest("[hidden], .patterns, dialog")) continue;
        const style = getComputedStyle(element);
        for (const paint of [style.color, style.backgroundColor, style.fill, style.stroke, style.borderTopColor]) {
          const parts = paint.match(/^rgba?\\((\\d+), (\\d+), (\\d+)(?:, ([\\d.]+))?\\)/);
          if (!parts || parts[4] === "0") continue;
          const [r, g, b] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
          if (Math.max(r, g, b) - Math.min(r, g, b) > 40) found[`${r},${g},${b}`] = element.closest("[id]").id;
        }
      }
      return found;
    }"""
    for theme in ("dark", "light"):
        found: dict[str, str] = look(theme=theme).open(f"{drawing.address}/line/1").evaluate(colours)
        assert found
        for colour in found:
            red, green, blue = map(int, colour.split(","))
            assert not (green > red and green > blue), f"green in {found[colour]}"
        at_rest = {"head", "st-10", "st-20", "st-40", "st-50", "st-60", "buf-10"}
        assert not at_rest & set(found.values())


# --------------------------------------------------------------------------- paper


def test_on_paper_it_is_light_and_without_what_can_only_be_pressed(drawing, look):
    screen = look(theme="dark")
    page = screen.open(f"{drawing.address}/line/1")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert page.evaluate("() => getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
    for hidden in (".nav", "#live", ".past", "#theme", "#keys"):
        assert not page.locator(hidden).is_visible(), hidden
    for shown in ("h1", "#st-10", "#output", "#alarms", "#clock"):
        assert page.locator(shown).is_visible(), shown
    paper = page.pdf(format="A4", landscape=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) <= 2


def test_a_wall_shows_no_navigation_and_fills_the_screen(drawing, look):
    screen = look("wall")
    page = screen.open(f"{drawing.address}/line/1")
    for hidden in (".nav", ".past", "#theme", "#keys", ".hint"):
        assert not page.locator(hidden).first.is_visible(), hidden
    panel = page.locator("#alarms").bounding_box()
    assert panel is not None
    assert 1080 - (panel["y"] + panel["height"]) < 40
    zoom = page.evaluate("() => parseFloat(getComputedStyle(document.body).zoom)")
    assert zoom == 1.25
    wait_until(lambda: page.get_attribute("html", "data-live") == "live")
