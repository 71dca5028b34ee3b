"""A real Chromium that looks at real servers, and listens to what it loads and complains about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from asbuilt.run import listening
from asbuilt.web import live
from tests.connect import peers
from tests.web.scripted import morning
from tests.web.serving import Served, served

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SIZES = {"wall": (1920, 1080), "desk": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module only: while it is there, nothing else in this thread can run an event loop."""
    peers.needs("chromium", CHROMIUM)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Screen:
    """A browser window at a size, in a theme, and what it loaded and complained about."""

    def __init__(self, browser: Browser, size: str, **options: Any) -> None:
        width, height = SIZES[size]
        touch = size in ("tablet", "phone")
        self.size = size
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch, **options
        )
        self.page: Page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, address: str, *, wait: str = "live") -> Page:
        if self.size == "wall":
            address += ("&" if "?" in address else "?") + "wall=1"
        self.page.goto(address)
        if wait:
            self.is_live(wait)
        return self.page

    def is_live(self, state: str = "live", timeout_s: float = 15) -> None:
        """Wait until the page says of itself that it is live, late or dead."""
        self.page.wait_for_selector(f"html[data-live={state}]", state="attached", timeout=timeout_s * 1000)

    def sees(self, selector: str, text: str | re.Pattern[str] | None = None, timeout_s: float = 10) -> None:
        """Wait until something is on the page, with a text in it."""
        self.page.locator(selector, has_text=text).first.wait_for(state="attached", timeout=timeout_s * 1000)

    def text(self, selector: str) -> str:
        return " ".join((self.page.locator(selector).first.text_content() or "").split())


Look = Callable[..., Screen]


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens screens. At the end: nothing came from elsewhere, and nobody complained."""
    opened: list[Screen] = []

    def open_screen(size: str = "desk", *, theme: str = "dark", allow: str = "", **options: Any) -> Screen:
        screen = Screen(browser, size, color_scheme=theme, **options)
        screen.allow = allow  # type: ignore[attr-defined]
        opened.append(screen)
        return screen

    yield open_screen
    for screen in opened:
        # Bodies of streams would keep the close waiting.
        screen.context.close()
        foreign = [url for url in screen.requests if not re.match(r"http://127\.0\.0\.1:\d+/", url)]
        assert not foreign
        allow = screen.allow  # type: ignore[attr-defined]
        assert not [text for text in screen.complaints if not (allow and re.search(allow, text))]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats, updates and the watch of a server in this process come faster than in a plant."""
    monkeypatch.setattr(live, "BEAT_S", 0.2)
    monkeypatch.setattr(live, "TICK_S", 0.02)
    monkeypatch.setattr(listening, "WATCH_EVERY_S", 0.1)


@pytest.fixture
def server(quick: None) -> Iterator[Served]:
    """The scripted morning, live; both gateways have just been heard."""
    with served(morning()) as running:
        running.hear()
        yield running
