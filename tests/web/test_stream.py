"""The stream of server-sent events held against its protocol, without a network between.

What a browser does is played here: it loads a document, follows the stream, puts fragments in
their place, goes away and comes back, or takes nothing for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.web import live as live_
from asbuilt.web.live import Live, LivePage
from asbuilt.web.pages import Rendered, Shown
from tests.conftest import examples

PATIENCE_S = 5


class Frame(NamedTuple):
    """An event as a browser's parser gives it."""

    name: str
    data: str
    id: str


def parsed(body: bytes) -> list[Frame]:
    """Events of a stream, by the rules of the HTML standard (9.2.6, Interpreting an event stream)."""
    found, name, data, last_id = [], "", [], ""
    for line in body.decode().split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if name or data:
                found.append(Frame(name or "message", "\n".join(data), last_id))
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value
        else:
            raise AssertionError(f"a browser would ignore {line!r}")
    assert not (name or data), "the last event is cut off"
    return found


class Plant:
    """A page of named fragments, and how often it was rendered."""

    def __init__(self, **fragments: str) -> None:
        self.fragments = fragments
        self.rendered = 0

    async def render(self) -> Rendered:
        self.rendered += 1
        await asyncio.sleep(0)
        html = {name: f'<p id="{name}">{text}</p>' for name, text in self.fragments.items()}
        return Rendered(Shown("", {}), html)  # type: ignore[arg-type]


class Browser:
    """One end of a stream: what was sent, and whether it takes any more."""

    def __init__(self, live: Live, page: LivePage, since: str = "", last_event_id: str = "") -> None:
        self.frames: list[Frame] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.sent = 0
        self.largest = 0
        self.ended = False
        self.takes = asyncio.Event()
        self.takes.set()
        self._gone = asyncio.Event()
        headers = [(b"last-event-id", last_event_id.encode())] if last_event_id else []
        scope = {"headers": headers, "query_string": f"page=x&since={since}".encode()}
        self.task = asyncio.create_task(live.stream(page, scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.takes.wait()
        body = message.get("body", b"")
        self.sent += bool(body)
        self.largest = max(self.largest, len(body))
        self.ended = not message.get("more_body", False)
        if self.status == 200:
            self.frames += parsed(body)

    def has(self, text: str) -> bool:
        return any(text in frame.data for frame in self.frames if frame.name == "frag")

    def shown(self) -> dict[str, str]:
        """The fragments in their place."""
        return {frame.data.split('"')[1]: frame.data for frame in self.frames if frame.name == "frag"}

    @property
    def place(self) -> str:
        return next((frame.id for frame in reversed(self.frames) if frame.id), "")

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)

    async def leave(self) -> None:
        self._gone.set()
        self.takes.set()
        async with asyncio.timeout(PATIENCE_S):
            await self.task


BEAT: dict[str, Any] = {"now": 1.5, "heard": {}}


@asynccontextmanager
async def running(beat: Callable[[], Any] = lambda: BEAT) -> AsyncIterator[Live]:
    live = Live(beat)
    task = asyncio.create_task(live.run())
    await asyncio.sleep(0)
    try:
        yield live
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plant's pace is a hundred times slower."""
    monkeypatch.setattr(live_, "TICK_S", 0.001)
    monkeypatch.setattr(live_, "BEAT_S", 0.02)


def play(story: Coroutine[Any, Any, None]) -> None:
    async def told() -> None:
        async with asyncio.timeout(6 * PATIENCE_S):
            await story

    asyncio.run(told())


async def change(live: Live, plant: Plant, **fragments: str) -> None:
    plant.fragments |= fragments
    live.announce({"line_state": frozenset()})
    await asyncio.sleep(0)


def looked_at(live: Live, plant: Plant, key: str = "x", refresh_s: float = 0) -> LivePage:
    return live.page(key, plant.render, ("line",), refresh_s)


# --------------------------------------------------------------------------- the protocol


def test_the_head_of_the_answer():
    async def story() -> None:
        async with running() as live:
            browser = Browser(live, looked_at(live, Plant(a="1")))
            await browser.until(lambda: browser.frames)
            assert browser.status == 200
            assert browser.headers["content-type"].startswith("text/event-stream")
            assert browser.headers["cache-control"] == "no-store"
            await browser.leave()

    play(story())


def test_fragments_then_their_place_then_beats():
    async def story() -> None:
        async with running() as live:
            browser = Browser(live, looked_at(live, Plant(a="1", b="2")))
            await browser.until(lambda: [frame for frame in browser.frames if frame.name == "beat"])
            names = [frame.name for frame in browser.frames if frame.name != "beat"]
            assert names == ["frag", "frag", "seen"]
            assert browser.place == f"{live.boot}.1"
            beat = next(frame for frame in browser.frames if frame.name == "beat")
            assert json.loads(beat.data) == BEAT
            await browser.leave()

    play(story())


def test_a_fragment_of_several_lines_is_one_event():
    async def story() -> None:
        async with running() as live:
            browser = Browser(live, looked_at(live, Plant(a="one\ntwo\n\nfour: five")))
            await browser.until(lambda: browser.place)
            assert browser.shown() == {"a": '<p id="a">one\ntwo\n\nfour: five</p>'}
            await browser.leave()

    play(story())


def test_only_what_changed_is_sent_and_what_did_not_is_not():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1", b="1")
            browser = Browser(live, looked_at(live, plant))
            await browser.until(lambda: browser.place)
            browser.frames.clear()
            await change(live, plant, b="2")
            await browser.until(lambda: browser.has("2"))
            await change(live, plant, b="2")
            await browser.until(lambda: len([frame for frame in browser.frames if frame.name == "beat"]) > 2)
            assert [frame.data for frame in browser.frames if frame.name == "frag"] == ['<p id="b">2</p>']
            assert [frame.id for frame in browser.frames if frame.name == "seen"] == [f"{live.boot}.2"]
            await browser.leave()

    play(story())


def test_a_change_elsewhere_renders_nothing_here():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1")
            browser = Browser(live, looked_at(live, plant))
            await browser.until(lambda: browser.place)
            rendered = plant.rendered
            live.announce({"order_report": frozenset()})
            beats = len(browser.frames)
            await browser.until(lambda: len(browser.frames) > beats + 2)
            assert plant.rendered == rendered
            await browser.leave()

    play(story())


def test_what_runs_by_itself_is_no_reason_to_send():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a='<b data-since="5">1 s</b><i data-seen="7"></i>', b="1")
            browser = Browser(live, looked_at(live, plant))
            await browser.until(lambda: browser.place)
            browser.frames.clear()
            await change(live, plant, a='<b data-since="5">2 s</b><i data-seen="8"></i>', b="2")
            await browser.until(lambda: browser.has('<p id="b">2'))
            assert set(browser.shown()) == {"b"}
            await browser.leave()

    play(story())


# --------------------------------------------------------------------------- coming back


def test_who_comes_back_gets_each_changed_fragment_once():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1", b="1", c="1")
            page = looked_at(live, plant)
            first, other = Browser(live, page), Browser(live, page)
            await first.until(lambda: first.place and other.place)
            await first.leave()
            for number in range(2, 6):
                await change(live, plant, a=str(number), b="2")
                await other.until(lambda n=number: other.has(f'<p id="a">{n}'))  # type: ignore[misc]
            again = Browser(live, page, last_event_id=first.place)
            await again.until(lambda: again.place)
            assert [frame.data for frame in again.frames if frame.name == "frag"] == [
                '<p id="a">5</p>',
                '<p id="b">2</p>',
            ]
            assert again.place == other.place
            await again.leave()
            await other.leave()

    play(story())


def test_who_comes_back_after_the_page_was_forgotten_misses_nothing(monkeypatch):
    """A screen that slept: meanwhile nobody looked, and the page was forgotten with its numbers."""

    async def story() -> None:
        async with running() as live:
            plant = Plant(a="0", b="1")
            browser = Browser(live, looked_at(live, plant))
            for number in range(1, 9):
                await change(live, plant, a=str(number))
                await browser.until(lambda n=number: browser.has(f'<p id="a">{n}'))  # type: ignore[misc]
            await browser.leave()
            monkeypatch.setattr(live_, "IDLE_PAGE_S", 0)
            await browser.until(lambda: not live._pages)
            monkeypatch.setattr(live_, "IDLE_PAGE_S", 30)
            plant.fragments["a"] = "news"
            page = looked_at(live, plant)
            await page.rendered()
            again = Browser(live, page, last_event_id=browser.place)
            await again.until(lambda: again.place)
            assert again.shown()["a"] == '<p id="a">news</p>'
            await again.leave()

    play(story())


def test_a_document_that_was_just_loaded_gets_only_what_is_newer():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1", b="1")
            page = looked_at(live, plant)
            await page.rendered()
            since = live.since(page)
            plant.fragments["b"] = "2"
            page.dirty = True
            browser = Browser(live, page, since=since)
            await browser.until(lambda: browser.place)
            assert browser.shown() == {"b": '<p id="b">2</p>'}
            await browser.leave()

    play(story())


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["leave", "come", "sleep", "wake", "turn", "forget"]), st.just(""), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@examples(300)
@given(steps)
def test_whatever_happens_between_in_the_end_the_screen_shows_the_page(steps):
    """Coming, going, sleeping, being forgotten, changes at any instant: nothing is missed."""

    async def story() -> None:
        async with running() as live:
            plant = Plant(a="0", b="0", c="0")
            shown: dict[str, str] = {}
            place = ""
            browser = Browser(live, looked_at(live, plant))

            async def leave() -> None:
                nonlocal place
                await browser.leave()
                shown.update(browser.shown())
                place = browser.place or place

            for what, name, value in steps:
                if what == "change":
                    await change(live, plant, **{name: str(value)})
                elif what == "leave" and not browser.task.done():
                    await leave()
                elif what == "come" and browser.task.done():
                    page = looked_at(live, plant)
                    await page.rendered()
                    browser = Browser(live, page, last_event_id=place)
                elif what == "sleep":
                    browser.takes.clear()
                elif what == "wake":
                    browser.takes.set()
                elif what == "forget" and browser.task.done():
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr(live_, "IDLE_PAGE_S", float("-inf"))
                        live._forget_unused(0)
                await asyncio.sleep(0.003 if what == "turn" else 0)
            if browser.task.done():
                page = looked_at(live, plant)
                await page.rendered()
                browser = Browser(live, page, last_event_id=place)
            browser.takes.set()
            expected = {name: f'<p id="{name}">{text}</p>' for name, text in plant.fragments.items()}
            await browser.until(lambda: {**shown, **browser.shown()} == expected)
            await leave()
            assert live.listeners == 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_, "TICK_S", 0.001)
        patch.setattr(live_, "BEAT_S", 0.01)
        play(story())


# --------------------------------------------------------------------------- many, slow, too many, gone


def test_of_many_listeners_each_change_is_rendered_once():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1")
            page = looked_at(live, plant)
            browsers = [Browser(live, page) for _ in range(200)]
            for browser in browsers:
                await browser.until(lambda b=browser: b.place)  # type: ignore[misc]
            rendered = plant.rendered
            assert rendered <= 2
            await change(live, plant, a="2")
            for browser in browsers:
                await browser.until(lambda b=browser: b.has('<p id="a">2'))  # type: ignore[misc]
            assert plant.rendered == rendered + 1
            assert live.listeners == len(page.listeners) == 200
            for browser in browsers:
                await browser.leave()
            assert live.listeners == len(page.listeners) == 0

    play(story())


def test_a_slow_listener_holds_up_nobody_and_gets_the_last_state_once():
    async def story() -> None:
        async with running() as live:
            plant = Plant(a="0", b="0")
            page = looked_at(live, plant)
            slow, quick = Browser(live, page), Browser(live, page)
            await slow.until(lambda: slow.place and quick.place)
            slow.frames.clear()
            slow.takes.clear()
            sent = slow.sent
            for number in range(1, 101):
                await change(live, plant, a=str(number))
                await quick.until(lambda n=number: quick.has(f'<p id="a">{n}<'))  # type: ignore[misc]
            assert slow.sent == sent
            slow.takes.set()
            await slow.until(lambda: slow.has('<p id="a">100<'))
            # One that was on its way, then the last; never the ninety-eight between.
            frames = [frame.data for frame in slow.frames if frame.name == "frag"]
            assert len(frames) <= 2
            assert slow.largest < 1000
            assert len(page._frames) == 2
            for browser in (slow, quick):
                await browser.leave()

    play(story())


def test_one_that_takes_nothing_is_let_go_and_its_place_is_free(monkeypatch):
    monkeypatch.setattr(live_, "SEND_TIMEOUT_S", 0.05)

    async def story() -> None:
        async with running() as live:
            page = looked_at(live, Plant(a="1"))
            deaf = Browser(live, page)
            deaf.takes.clear()
            await deaf.until(lambda: deaf.task.done())
            assert deaf.task.exception() is None
            assert live.listeners == len(page.listeners) == 0

    play(story())


def test_one_more_than_there_is_room_for_is_refused_and_counts_for_nothing(monkeypatch):
    monkeypatch.setattr(live_, "MAX_LISTENERS", 2)

    async def story() -> None:
        async with running() as live:
            page = looked_at(live, Plant(a="1"))
            first, second = Browser(live, page), Browser(live, page)
            await second.until(lambda: first.place and second.place)
            for _ in range(3):
                third = Browser(live, page)
                await third.until(lambda t=third: t.task.done())  # type: ignore[misc]
                assert (third.status, third.headers["retry-after"], third.ended) == (503, "10", True)
            assert live.listeners == 2
            await first.leave()
            fourth = Browser(live, page)
            await fourth.until(lambda: fourth.place)
            assert fourth.status == 200
            for browser in (second, fourth):
                await browser.leave()

    play(story())


def test_one_that_fails_in_the_middle_frees_its_place():
    async def story() -> None:
        async with running() as live:
            page = looked_at(live, Plant(a="1"))
            browser = Browser(live, page)
            await browser.until(lambda: browser.place)

            async def broken(message: dict[str, Any]) -> None:
                raise ConnectionResetError

            other = asyncio.create_task(
                live.stream(page, {"headers": [], "query_string": b""}, browser._receive, broken)
            )
            async with asyncio.timeout(PATIENCE_S):
                await other
            assert live.listeners == 1
            await browser.leave()
            assert live.listeners == 0

    play(story())


def test_a_task_that_is_cancelled_frees_its_place():
    async def story() -> None:
        async with running() as live:
            page = looked_at(live, Plant(a="1"))
            browser = Browser(live, page)
            await browser.until(lambda: browser.place)
            browser.task.cancel()
            await browser.until(lambda: browser.task.done())
            assert live.listeners == len(page.listeners) == 0

    play(story())


# --------------------------------------------------------------------------- beats


def test_beats_go_on_when_nothing_changes_and_stop_when_nothing_is_known():
    async def story() -> None:
        known: list[Any] = [BEAT]
        async with running(lambda: known[0]) as live:
            browser = Browser(live, looked_at(live, Plant(a="1")))
            await browser.until(lambda: len([frame for frame in browser.frames if frame.name == "beat"]) >= 5)
            known[0] = None
            await asyncio.sleep(0.03)
            browser.frames.clear()
            await asyncio.sleep(0.1)
            assert browser.frames == []
            known[0] = {"now": 2.5}
            await browser.until(lambda: browser.frames)
            assert json.loads(browser.frames[0].data) == {"now": 2.5}
            await browser.leave()

    play(story())


def test_beats_do_not_pile_up_for_one_who_sleeps():
    async def story() -> None:
        async with running() as live:
            browser = Browser(live, looked_at(live, Plant(a="1")))
            await browser.until(lambda: browser.place)
            browser.frames.clear()
            browser.takes.clear()
            await asyncio.sleep(0.3)
            browser.takes.set()
            await asyncio.sleep(0.01)
            assert len(browser.frames) <= 3  # of about fifteen
            await browser.leave()

    play(story())


def test_at_the_end_all_are_let_go():
    async def story() -> None:
        async with running() as live:
            pages = [looked_at(live, Plant(a="1"), key) for key in "xy"]
            browsers = [Browser(live, page) for page in pages for _ in range(3)]
            for browser in browsers:
                await browser.until(lambda b=browser: b.place)  # type: ignore[misc]
            live.stop()
            for browser in browsers:
                await browser.until(lambda b=browser: b.task.done())  # type: ignore[misc]
                assert browser.ended
            assert live.listeners == 0

    play(story())


def test_many_addresses_nobody_looks_at_are_forgotten(monkeypatch):
    monkeypatch.setattr(live_, "IDLE_PAGE_S", 0.01)

    async def story() -> None:
        async with running() as live:
            plant = Plant(a="1")
            renderings: list[Awaitable[Rendered]] = []
            for number in range(100):
                renderings.append(looked_at(live, plant, f"page-{number}").rendered())
            await asyncio.gather(*renderings)
            browser = Browser(live, looked_at(live, plant, "page-7"))
            await browser.until(lambda: len(live._pages) == 1)
            assert "page-7" in live._pages
            await browser.leave()
            await browser.until(lambda: not live._pages)

    play(story())
