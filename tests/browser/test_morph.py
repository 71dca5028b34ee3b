"""Changing elements in place: what somebody has in hand stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Screen
from tests.web.serving import served


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Page]:
    with served() as server:
        screen = Screen(browser, "desk")
        screen.open(f"{server.address}/orders", wait="")
        script = screen.page.get_attribute("head script", "src").replace("page.js", "morph.js")
        screen.page.evaluate(
            """async address => {
              const { morph } = await import(address);
              document.body.innerHTML = "<div id=stage></div>";
              window.show = (html) => {
                const template = document.createElement("template");
                template.innerHTML = html;
                return template.content.firstElementChild;
              };
              window.become = (html) => { morph(document.getElementById("stage").firstElementChild, show(html)); };
              window.begin = (html) => { document.getElementById("stage").replaceChildren(show(html)); };
              window.now = () => document.getElementById("stage").innerHTML;
            }""",
            script,
        )
        yield screen.page
        screen.context.close()


def morphed(page: Page, before: str, after: str, between: str = "") -> str:
    """What a document becomes; `between` is done by somebody meanwhile."""
    page.evaluate("html => begin(html)", before)
    if between:
        page.evaluate(between)
    page.evaluate("html => become(html)", after)
    return str(page.evaluate("now()"))


DOCUMENTS = [
    '<div id="a"><p>one</p></div>',
    '<div id="a"><p>two</p></div>',
    '<div id="a" class="x"><p>one</p><p>two</p></div>',
    '<div id="a"><ul><li id="1">1</li><li id="2">2</li><li id="3">3</li></ul></div>',
    '<div id="a"><ul><li id="3">3</li><li id="1">1!</li></ul></div>',
    '<div id="a"><ul><li id="4">4</li><li id="2">2</li><li id="1">1</li></ul></div>',
    '<div id="a">text <b>bold</b> text<!-- c --></div>',
    '<div id="a"><b>bold</b> text</div>',
    '<div id="a"><svg viewBox="0 0 1 1"><g><rect width="1" height="1"></rect></g></svg></div>',
    '<div id="a"><svg viewBox="0 0 2 2"><path d="M0 0"></path></svg><p id="p">x</p></div>',
    '<div id="a"></div>',
    '<div id="a"><p id="p">x</p><ul><li>new</li></ul></div>',
]


def test_anything_becomes_anything(page):
    for before in DOCUMENTS:
        for after in DOCUMENTS:
            assert morphed(page, before, after) == after, (before, after)


def test_elements_with_an_id_stay_the_same_wherever_they_move(page):
    before = '<ul id="l"><li id="1">1</li><li id="2">2</li><li id="3">3</li></ul>'
    after = '<ul id="l"><li id="3">3</li><li>x</li><li id="1">1</li></ul>'
    morphed(page, before, after, "for (const li of document.querySelectorAll('li')) li.was = li.id")
    assert page.evaluate("[...document.querySelectorAll('li')].map((li) => li.was ?? '')") == ["3", "", "1"]


def test_focus_and_what_is_typed_stay(page):
    before = '<form id="f"><label>a</label><input id="i" value="x"><button>go</button></form>'
    typed = "document.getElementById('i').focus(); document.getElementById('i').value = 'typed'"
    morphed(page, before, before.replace("<label>a", "<label>b"), typed)
    assert page.evaluate("[document.activeElement.id, document.getElementById('i').value]") == ["i", "typed"]
    morphed(page, before, before.replace('value="x"', 'value="y"'), typed)
    assert page.evaluate("[document.activeElement.id, document.getElementById('i').value]") == ["i", "typed"]
    # A field nobody touched follows.
    morphed(page, before, before.replace('value="x"', 'value="y"'))
    assert page.evaluate("document.getElementById('i').value") == "y"


def test_what_somebody_opened_or_closed_stays_so(page):
    closed = '<div id="a"><details id="d"><summary>s</summary>1</details></div>'
    opened = closed.replace("<details", "<details open")
    assert "open" in morphed(page, closed, closed.replace("1", "2"), "document.getElementById('d').open = true")
    assert "open" not in morphed(page, opened, opened.replace("1", "2"), "document.getElementById('d').open = false")


def test_a_selection_stays(page):
    before = '<div id="a"><p id="p">words</p><b>1</b></div>'
    morphed(page, before, before.replace("1", "2"), "getSelection().selectAllChildren(document.getElementById('p'))")
    assert page.evaluate("getSelection().toString()") == "words"


def test_what_is_equal_is_not_touched(page):
    before = '<div id="a"><p id="p">words</p><b>1</b></div>'
    count = """window.touched = 0; window.watch?.disconnect();
      window.watch = new MutationObserver((all) => { window.touched += all.length; });
      watch.observe(document.getElementById("stage"), {subtree: true, childList: true, attributes: true, characterData: true})"""
    morphed(page, before, before, count)
    assert page.evaluate("new Promise((done) => setTimeout(() => done(window.touched)))") == 0
    morphed(page, before, before.replace("1", "2"), count)
    assert page.evaluate("new Promise((done) => setTimeout(() => done(window.touched)))") == 1
