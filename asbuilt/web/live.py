"""Live pages: changed fragments, rendered once for all who may see the same, sent as server-sent events.

A `LivePage` is an address somebody looks at, as those see it who may see the same. It holds each fragment's last HTML with the number of
the change that made it. A listener holds only the number it has seen: on connecting it gets
whatever is newer, so nothing is missed between page and stream and a slow client costs nothing
but its place (what changes twice meanwhile is sent once). No replay log, no per-client rendering.

Events: `frag` (an element with its id, to be morphed in), `beat` (once a second: plant time and
when each source was heard; a page without beats knows it is no longer live).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from asbuilt.access import ANY_FACT
from asbuilt.rows import Changed
from asbuilt.web.pages import Rendered

TICK_S = 0.1
"""At most so often is a page rendered; what changes in between goes out together."""
BEAT_S = 1.0
SEND_TIMEOUT_S = 15.0
"""A client that takes nothing for so long is let go."""
MAX_LISTENERS = 5_000
IDLE_PAGE_S = 30.0
"""A page nobody looks at is forgotten after this."""

_log = logging.getLogger("asbuilt")
_RUNNING = re.compile(r'(data-(?:since|age)\b[^>]*>)[^<]*|data-seen="[^"]*"|width="[^"]*"(?=[^>]*class="grow")')
"""What a page lets run by itself; it alone is no reason to send a fragment again."""
Render = Callable[[], Awaitable[Rendered]]


class LivePage:
    """One address as those see it who may see the same: its fragments, and who looks at it."""

    def __init__(self, render: Render, views: tuple[str, ...], refresh_s: float, number: int = 0) -> None:
        self.views = views
        self.listeners: set[Listener] = set()
        self.number = number
        self.dirty = True
        self.failed = False
        self.used = time.monotonic()
        self._render = render
        self._refresh_s = refresh_s
        self._rendered: Rendered | None = None
        self._rendered_at = 0.0
        self._took_s = 0.0
        self._asked: frozenset[str] = frozenset()
        self._asked_before: frozenset[str] = frozenset()
        self._standing: dict[str, str] = {}
        self._frames: dict[str, tuple[int, bytes]] = {}
        self._latest: tuple[int, bytes] = (0, b"")
        self._rendering = asyncio.Lock()

    def concerns(self, tables: frozenset[str]) -> bool:
        """Whether a change of these tables may change the page."""
        if self.views:
            return any(table == view or table.startswith(f"{view}_") for view in self.views for table in tables)
        asked = self._asked | self._asked_before
        return ANY_FACT in asked or not asked or not tables.isdisjoint(asked)

    def is_due(self, now: float) -> bool:
        """Whether to render: something changed or time did, and the last rendering is long enough ago."""
        age = now - self._rendered_at
        # A page that is slow to render must not take all the time there is.
        if age < max(TICK_S * 0.9, 3 * self._took_s):
            return False
        return self.dirty or (self._refresh_s > 0 and age >= self._refresh_s)

    async def rendered(self, max_age_s: float = 1.0) -> Rendered:
        """The page as rendered at most `max_age_s` ago and after the last change."""
        self.used = time.monotonic()
        async with self._rendering:
            # Of many who come at once, the first has it rendered for all.
            if self._rendered is None or self.dirty or time.monotonic() - self._rendered_at > max_age_s:
                await self._refresh()
        assert self._rendered is not None
        return self._rendered

    async def refresh(self) -> None:
        """Render, and number the fragments that are not as they were."""
        async with self._rendering:
            await self._refresh()

    async def _refresh(self) -> None:
        self.dirty = False
        begun = time.monotonic()
        try:
            rendered = await self._render()
        except BaseException as error:
            self.dirty, self.failed = True, isinstance(error, Exception)
            raise
        self.failed = False
        self._rendered, self._rendered_at = rendered, time.monotonic()
        # What it read before counts as well: a change that came while it was rendered may concern either.
        self._asked, self._asked_before = rendered.asked, self._asked
        self._took_s = self._rendered_at - begun
        standing = {name: _RUNNING.sub(r"\1", html) for name, html in rendered.fragments.items()}
        changed = [name for name, html in standing.items() if self._standing.get(name) != html]
        if not changed:
            return
        before, self.number = self.number, self.number + 1
        for name in changed:
            self._frames[name] = (self.number, _frame(str(rendered.fragments[name])))
        self._standing = standing
        self._latest = (before, b"".join(self._frames[name][1] for name in changed))
        for listener in self.listeners:
            listener.wake.set()

    def newer(self, than: int) -> bytes:
        """The frames of every fragment that changed after a number."""
        before, latest = self._latest
        if than == before:
            return latest
        return b"".join(frame for number, frame in self._frames.values() if number > than)


class Listener:
    """A browser on the stream."""

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self.wake = asyncio.Event()
        self.beat: bytes = b""
        self.wake.set()


class Live:
    """All live pages, and the task that keeps them so."""

    def __init__(self, beat: Callable[[], Mapping[str, Any] | None]) -> None:
        self.boot = secrets.token_hex(4)
        self._beat = beat
        self._pages: dict[str, LivePage] = {}
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners = 0
        self._forgotten = 0
        self._stopping = False

    def announce(self, changed: Changed) -> None:
        """Rows changed; may be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            tables = frozenset(changed)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._mark, tables)

    def _mark(self, tables: frozenset[str]) -> None:
        for page in self._pages.values():
            if page.concerns(tables):
                page.dirty = True
        self._changed.set()

    def page(self, key: str, render: Render, views: tuple[str, ...], refresh_s: float) -> LivePage:
        """The live page of an address."""
        found = self._pages.get(key)
        if found is None:
            found = self._pages[key] = LivePage(render, views, refresh_s, self._forgotten)
        return found

    def since(self, page: LivePage) -> str:
        """What a freshly loaded document says it has seen."""
        return f"{self.boot}.{page.number}"

    @property
    def listeners(self) -> int:
        """How many browsers are on a stream."""
        return self._listeners

    # ----------------------------------------------------------------- tasks

    async def run(self) -> None:
        """Render what is due and beat, until cancelled."""
        self._loop = asyncio.get_running_loop()
        next_beat = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + BEAT_S
                self._send_beat()
                self._forget_unused(now)
            for page in list(self._pages.values()):
                if page.listeners and page.is_due(time.monotonic()):
                    known = page.failed
                    try:
                        await page.refresh()
                    except Exception:
                        # It gets no beats from now on, so its readers see that it is no longer live;
                        # the others go on. The next load of the address shows the error itself.
                        if not known:
                            _log.exception("a live page could not be rendered")
                        await asyncio.sleep(TICK_S)
            self._changed.clear()
            # Not `wait_for`: before Python 3.12 it can swallow the cancellation that ends this task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_beat - time.monotonic())):
                    await self._changed.wait()
            await asyncio.sleep(max(0.0, min(TICK_S, next_beat - time.monotonic())))

    def _send_beat(self) -> None:
        beat = self._beat()
        if beat is None:
            return
        data = b"event: beat\ndata: " + msgspec.json.encode(beat) + b"\n\n"
        for page in self._pages.values():
            if page.failed:
                continue
            for listener in page.listeners:
                listener.beat = data
                listener.wake.set()

    def _forget_unused(self, now: float) -> None:
        for key, page in list(self._pages.items()):
            if not page.listeners and now - page.used > IDLE_PAGE_S:
                # Who comes back later must not hold a number of the page that is to come.
                self._forgotten = max(self._forgotten, page.number)
                del self._pages[key]

    def stop(self) -> None:
        """Let every browser go."""
        self._stopping = True
        for page in self._pages.values():
            for listener in page.listeners:
                listener.wake.set()

    # ----------------------------------------------------------------- the stream

    async def stream(self, page: LivePage, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one browser until it goes, or until it takes nothing any more."""
        listener = Listener(self._seen(scope))
        if self._listeners >= MAX_LISTENERS:
            await _refuse(send, 503, "too many screens are looking")
            return
        page.listeners.add(listener)
        self._listeners += 1
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            if page.dirty:
                self._changed.set()
            while not gone.done() and not self._stopping:
                wake = asyncio.ensure_future(listener.wake.wait())
                await asyncio.wait({wake, gone}, return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
                listener.wake.clear()
                number, data = page.number, b""
                if number > listener.seen:
                    data = page.newer(listener.seen) + b"id: %s.%d\nevent: seen\ndata:\n\n" % (
                        self.boot.encode(),
                        number,
                    )
                    listener.seen = number
                data += listener.beat
                listener.beat = b""
                if data:
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await send({"type": "http.response.body", "body": data, "more_body": True})
        except (TimeoutError, OSError):
            pass
        finally:
            gone.cancel()
            page.listeners.discard(listener)
            page.used = time.monotonic()
            self._listeners -= 1
        # One that takes nothing takes no end either.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _seen(self, scope: dict[str, Any]) -> int:
        """The number the browser has seen: from its last event, else from its document; 0 of another run."""
        headers = dict(scope["headers"])
        told = headers.get(b"last-event-id", b"").decode("latin-1")
        told = told or parse_qs(scope.get("query_string", b"").decode("latin-1")).get("since", [""])[0]
        boot, _, number = told.partition(".")
        return int(number) if boot == self.boot and number.isdigit() and len(number) < 16 else 0


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def _frame(html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"event: frag\n{lines}\n".encode()


async def _disconnected(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Any, status: int, words: str) -> None:
    body = words.encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", str(len(body)).encode()), (b"retry-after", b"10")]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})
