"""Both themes on a wall, a desk, a tablet and a phone: nothing hangs out, covers or cuts anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from tests.browser.conftest import SIZES, Screen
from tests.browser.picture import LONGER, boxer
from tests.web.serving import Served

PAGES = {
    "line": "/line/1",
    "lines": "/line",
    "orders": "/orders",
    "order": "/orders/2416",
    "sources": "/sources",
    "disclosures": "/disclosures",
    "site": "/site",
    "past": "/line/1?at=2025-11-18T16:05",
    "error": "/line/9",
}
BOXES = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node, number = 0; node = walker.nextNode(); number++) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("title, .only-read, dialog, noscript, script, .skip, [hidden]")) continue;
    if (!element.checkVisibility({visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    // Of long lists the beginning stands for the rest.
    if (range.getBoundingClientRect().top > 2 * innerHeight) continue;
    for (const rect of range.getClientRects()) {
      let {left, top, right, bottom} = rect;
      // The line box is taller than the letters.
      const spare = (bottom - top) * 0.22;
      top += spare; bottom -= spare;
      for (let around = element; around && around !== document.body; around = around.parentElement) {
        const style = getComputedStyle(around);
        if (style.overflowX === "visible") continue;
        const edge = around.getBoundingClientRect();
        left = Math.max(left, edge.left); right = Math.min(right, edge.right);
        if (style.overflowY !== "visible") { top = Math.max(top, edge.top); bottom = Math.min(bottom, edge.bottom); }
      }
      if (right - left < 1 || bottom - top < 1) continue;
      const holder = element.closest(".tile, .panel, .top, .buf");
      const edge = holder?.getBoundingClientRect();
      found.push({node: number, text: node.data.trim().slice(0, 40), left, top, right, bottom,
        holder: holder ? (holder.id || holder.className) : "", edge: edge && !holder.closest(".buf") ? [edge.left, edge.top, edge.right, edge.bottom] : null});
    }
  }
  return found;
}"""
CUT = """() => [...document.querySelectorAll(".nm, .cause, .key, .al-text, .al-where, .al-do, .stn, .stt > *, .foot > *, .fig *, h1, h2, .live, .date, .clock")]
  .filter((element) => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline")
  .map((element) => element.className + ": " + element.textContent.trim())"""
SMALL = """least => [...document.querySelectorAll("a, button, summary, input:not([type=checkbox])")]
  .filter((element) => element.checkVisibility() && !element.closest("td, p, dialog, .past form, .skip") && !element.matches(".skip"))
  .map((element) => [element, element.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < least - 0.5 || box.height < least - 0.5))
  .map(([element, box]) => `${element.outerHTML.slice(0, 60)} ${box.width.toFixed()}×${box.height.toFixed()}`)"""


class Box(NamedTuple):
    node: int
    text: str
    left: float
    top: float
    right: float
    bottom: float
    holder: str
    edge: tuple[float, float, float, float] | None


def boxes(screen: Screen) -> list[Box]:
    """Where letters are on the screen, as far as they are seen."""
    found: list[dict[str, Any]] = screen.page.evaluate(BOXES)
    return [Box(**box) for box in found]


def hanging_out(found: list[Box]) -> list[str]:
    return [
        f"{box.text!r} hangs out of {box.holder}"
        for box in found
        if box.edge
        and (
            box.left < box.edge[0] - 1
            or box.top < box.edge[1] - 1
            or box.right > box.edge[2] + 1
            or box.bottom > box.edge[3] + 1
        )
    ]


def covering(found: list[Box]) -> list[str]:
    return [
        f"{a.text!r} and {b.text!r} cover each other in {a.holder or b.holder}"
        for a, b in combinations(found, 2)
        if a.node != b.node
        and min(a.right, b.right) - max(a.left, b.left) > 2
        and min(a.bottom, b.bottom) - max(a.top, b.top) > 2
    ]


def check_layout(screen: Screen) -> None:
    page, (width, height) = screen.page, SIZES[screen.size]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if screen.size == "wall" and "/line/" in page.url:
        assert page.evaluate("document.documentElement.scrollHeight") <= height
    found = boxes(screen)
    assert found
    problems = hanging_out(found) + covering(found)
    problems += [
        f"{box.text!r} is off the screen" for box in found if box.edge and not -1 <= box.left <= box.right <= width + 1
    ]
    problems += [f"smaller than a finger: {small}" for small in page.evaluate(SMALL, 24)]
    assert not problems, "\n".join(problems)


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def drawing() -> Iterator[Served]:
    with boxer() as server:
        yield server


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_page_fits(drawing, look, size, theme):
    screen = look(size, theme=theme, allow="404")
    for name, address in PAGES.items():
        screen.open(f"{drawing.address}{address}", wait="" if name in ("past", "error") else "live")
        if name == "line":
            screen.sees("#st-80.silent")
        try:
            check_layout(screen)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@pytest.mark.parametrize("size", SIZES)
def test_no_name_and_no_cause_is_cut(drawing, look, size):
    screen = look(size)
    screen.open(f"{drawing.address}/line/1")
    assert screen.page.evaluate(CUT) == []


@pytest.mark.parametrize("size", SIZES)
def test_longer_words_do_not_break_the_page(look, size):
    with boxer(LONGER) as server:
        screen = look(size)
        screen.open(f"{server.address}/line/1")
        assert screen.text("#st-10 .nm") == "Crankcasecra machiningmac"
        check_layout(screen)


@pytest.mark.parametrize("size", ["tablet", "phone"])
def test_fingers_find_what_they_press(drawing, look, size):
    screen = look(size)
    screen.open(f"{drawing.address}/line/1")
    small = """() => [...document.querySelectorAll(".nav a, .btn, .theme, .past summary, .table summary")]
      .filter((element) => element.checkVisibility()).map((element) => element.getBoundingClientRect().height)"""
    assert min(screen.page.evaluate(small)) >= 47.5


def test_text_can_be_twice_as_large(drawing, look):
    # WCAG 1.4.4: a desk at 200 % is a page of 720 × 450 to the layout.
    screen = look("desk")
    screen.page.set_viewport_size({"width": 720, "height": 450})
    screen.open(f"{drawing.address}/line/1")
    found = boxes(screen)
    assert not hanging_out(found) + covering(found)
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= 720


def test_a_narrow_phone_scrolls_one_way_only(drawing, look):
    # WCAG 1.4.10: 320 px wide without scrolling in two directions; the chart may scroll in its own frame.
    screen = look("phone")
    screen.page.set_viewport_size({"width": 320, "height": 640})
    for address in ("/line/1", "/orders", "/sources", "/line"):
        screen.open(f"{drawing.address}{address}")
        assert screen.page.evaluate("document.documentElement.scrollWidth") <= 320, address
        assert not hanging_out(boxes(screen)) + covering(boxes(screen))


def test_a_wall_tells_how_many_alarms_there_are_and_cuts_none_in_half(look):
    from tests.web.scripted import Told

    with boxer() as server:
        told = Told(first=900_000)
        from asbuilt import events

        for number in range(9):
            told.tell(
                events.AlarmRaised, server.clock(), "gw-1", alarm=f"a{number}", priority=3, station="boxer/main/assembly/1/10",
                text=f"Guard door {number} open", response="Close the door, then press reset.",
            )  # fmt: skip
        server.tell(told)
        screen = look("wall")
        screen.open(f"{server.address}/line/1")
        screen.sees("#alarms h2 + .k", "12 active")
        check_layout(screen)
        panel = screen.page.locator("#alarms").bounding_box()
        assert panel is not None
        bottom = panel["y"] + panel["height"]
        rows = [row.bounding_box() for row in screen.page.locator("#alarms li").all()]
        seen = [row for row in rows if row and row["x"] < panel["x"] + panel["width"] and row["y"] < bottom]
        assert 3 <= len(seen) < 12
        assert all(row["y"] + row["height"] <= bottom for row in seen)
