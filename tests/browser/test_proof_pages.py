"""Passports that verify themselves from a disk, and the page that checks files: with script, dropped, without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from asbuilt.verify import Known
from asbuilt.web import proving
from tests.proof.flaws import Scene, again, scene
from tests.proof.test_verify import PRODUCT, SERIAL
from tests.proof.works import EVENING, Works
from tests.web.serving import Served, served


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    works = Works(tmp_path_factory.mktemp("scene") / "data", start=EVENING)
    yield scene(works)
    works.end()


@pytest.fixture
def page_file(made: Scene, tmp_path: Path) -> Path:
    file = tmp_path / "passport.html"
    file.write_bytes(proving.self_verifying(made.passport, f"Passport {SERIAL}", Known(now=made.works.now)))
    return file


class Alone:
    """A browser that notes every request; a file opened in it must make none but for itself."""

    def __init__(self, browser: Browser, **options: object) -> None:
        self.context = browser.new_context(**options)  # type: ignore[arg-type]
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))


@pytest.fixture
def alone(browser: Browser) -> Iterator[Alone]:
    opened = Alone(browser, offline=True)
    yield opened
    opened.context.close()


def test_a_passport_verifies_itself_offline_from_a_disk(alone, page_file):
    alone.page.goto(page_file.as_uri())
    alone.page.wait_for_selector("html[data-verified=yes]", state="attached")
    words = alone.page.inner_text("main")
    assert f"8 facts about {PRODUCT}/{SERIAL} stand in the log" in words
    assert "by a key that nobody here vouches for" in words
    assert "What this does not show" in words and "Not verified yet" not in words
    assert alone.page.locator(".proof-facts tr.corrected").count() == 1
    assert alone.requests == [page_file.as_uri()] and alone.complaints == []


def test_an_altered_page_says_so(alone, made, tmp_path):
    file = tmp_path / "forged.html"
    forged = proving.self_verifying(made.passport, "Passport", Known(now=made.works.now))
    at = forged.index(b'"disclosures":["') + 40
    file.write_bytes(forged[:at] + bytes([forged[at] ^ 1]) + forged[at + 1 :])
    alone.page.goto(file.as_uri())
    alone.page.wait_for_selector("html[data-verified=no]", state="attached")
    assert "Reason: content_altered" in alone.page.inner_text("main")
    assert alone.page.locator(".proof-facts").count() == 0, "facts of a file that does not hold are not shown"


def test_without_script_the_page_says_that_nothing_was_verified(browser, page_file):
    plain = Alone(browser, java_script_enabled=False)
    plain.page.goto(page_file.as_uri())
    words = plain.page.inner_text("main")
    assert "Not verified yet." in words and "only what the plant says" in words
    assert SERIAL in words
    plain.context.close()


def test_a_page_is_made_of_what_it_carries_not_of_what_is_written_around_it(alone, page_file):
    """Whoever writes another headline into the page has it overwritten by what the proof says."""
    text = page_file.read_text().replace(">Not verified yet.<", ">Valid: certified by everybody.<")
    page_file.write_text(text)
    alone.page.goto(page_file.as_uri())
    alone.page.wait_for_selector("html[data-verified=yes]", state="attached")
    assert "certified by everybody" not in alone.page.inner_text("main")


# --------------------------------------------------------------------------- /verify


@pytest.fixture
def server(quick: None) -> Iterator[Served]:
    with served(None, "08:30") as running:
        yield running


def test_a_file_is_checked_in_the_browser_and_goes_nowhere(server, look, made, tmp_path):
    file, trusted = tmp_path / "x.passport", tmp_path / "works.policy"
    file.write_bytes(made.passport)
    trusted.write_bytes(made.policy)
    screen = look("desk")
    page = screen.open(f"{server.address}/verify", wait="")
    page.set_input_files("input[name=policy]", trusted)
    before = len(screen.requests)
    page.set_input_files("input[name=file]", file)
    page.wait_for_selector("html[data-verified=yes]", state="attached")
    assert page.inner_text("#shown h1").startswith("Valid: 8 facts about")
    assert screen.requests[before:] == []


def test_a_file_is_dropped(server, look, made):
    screen = look("desk")
    page = screen.open(f"{server.address}/verify", wait="")
    transfer = page.evaluate_handle(
        """(text) => { const data = new DataTransfer(); data.items.add(new File([text], "x.passport")); return data; }""",
        again(made, made.passport, lambda held: held["leaves"].pop()).decode(),
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    page.wait_for_selector("html[data-verified=no]", state="attached")
    assert "Not valid" in page.inner_text("#shown h1")


def test_without_script_the_server_checks(server, browser, made, tmp_path):
    file = tmp_path / "x.passport"
    file.write_bytes(made.passport)
    plain = Alone(browser, java_script_enabled=False)
    plain.page.goto(f"{server.address}/verify")
    plain.page.set_input_files("input[name=file]", file)
    plain.page.click("button[type=submit]")
    assert plain.page.inner_text("#shown h1").startswith(
        "Whole in itself, by a key that nobody here vouches for: 8 facts"
    )
    plain.context.close()


@pytest.mark.parametrize("size", ["desk", "tablet", "phone"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_hangs_out(server, look, made, tmp_path, size, theme):
    file = tmp_path / "x.passport"
    file.write_bytes(made.passport)
    page = look(size, theme=theme).open(f"{server.address}/verify", wait="")
    page.set_input_files("input[name=file]", file)
    page.wait_for_selector("html[data-verified]", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    out = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert out == []
