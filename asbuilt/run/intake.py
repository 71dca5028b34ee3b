"""Where an adapter puts what it brings: `AppSink` before the product at work, `WatchingSink` to look only."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from asbuilt import events
from asbuilt.adapters import RECENT, Answer, Message, Rejection, Result, Taken, Translate
from asbuilt.errors import RecordFull, UsageError
from asbuilt.events import AnyFact

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt
    from asbuilt.plant import Plant

LOOK_BACK = 50_000
"""So many positions of the record `recent` goes back."""
FULL_PAUSE_S = 0.5
MAX_AT_ONCE = 5_000


class Watcher(Protocol):
    """Who says as facts that sources are connected, lost or incomplete."""

    async def connected(self, adapter: str, part: str, resumed: bool, at: dt.datetime | None) -> None:
        """An adapter, or a part of it, is connected."""
        ...

    async def lost(self, adapter: str, part: str, reason: str, at: dt.datetime | None) -> None:
        """It is lost."""
        ...

    async def gap(self, adapter: str, part: str, start: dt.datetime, end: dt.datetime, reason: str) -> None:
        """It was not heard between two moments."""
        ...

    async def deviation(self, adapter: str, part: str, code: str, message: str) -> None:
        """It does not keep to its protocol."""
        ...


class AppSink:
    """Where one adapter puts what it brings."""

    only_watching = False
    watched = False

    def __init__(
        self, app: AsBuilt, name: str, mount: Callable[[str, str, Answer, bool], None], watcher: Watcher,
        translate: Translate,
    ) -> None:  # fmt: skip
        self.name = name
        self.identity = f"asbuilt-{app.plant.id}-{name}".replace(" ", "-")
        self.translate = translate
        self._app = app
        self._mount = mount
        self._watcher = watcher
        self._known = frozenset(app.plant.adapters)

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        # Whoever delivers is heard; so are adapters whose facts it delivers, but no other names: they
        # would pile up.
        told = {item.source for item in items if not isinstance(item, Rejection)}
        for source in {self.name, *(told & self._known)}:
            self._app.hear(source)
        return await asyncio.wrap_future(self._app.pipeline.take_in(self.name, items, decoded=decoded))

    async def take_all(self, items: Sequence[Taken]) -> None:
        for at in range(0, len(items), MAX_AT_ONCE):
            while True:
                try:
                    await self.take_in(items[at : at + MAX_AT_ONCE], decoded=True)
                    break
                except RecordFull:
                    # Nothing more is fetched meanwhile, so the sender holds back.
                    await asyncio.sleep(FULL_PAUSE_S)

    def alive(self, source: str) -> None:
        self._app.hear(source)

    async def connected(self, part: str = "", *, resumed: bool = False, at: dt.datetime | None = None) -> None:
        await self._watcher.connected(self.name, part, resumed, at)

    async def lost(self, reason: str, part: str = "", at: dt.datetime | None = None) -> None:
        await self._watcher.lost(self.name, part, reason, at)

    async def gap(self, start: dt.datetime, end: dt.datetime, reason: str, part: str = "") -> None:
        await self._watcher.gap(self.name, part, start, end, reason)

    async def deviation(self, code: str, message: str, part: str = "") -> None:
        await self._watcher.deviation(self.name, part, code, message)

    def now(self) -> dt.datetime:
        return self._app.now().astimezone(self._app.plant.zone)

    def show(self, message: Message, items: Sequence[Taken]) -> None:
        """Nobody watches here."""

    def remembered(self) -> bytes:
        return self._app.remembered(self.name)

    def remember(self, data: bytes) -> None:
        self._app.remember(self.name, data)

    def recent(self) -> Sequence[AnyFact]:
        after = max(0, self._app.record.head() - LOOK_BACK)
        found = self._app.record.about(f"source:{self.name}", after, LOOK_BACK)
        return [events.recall(recorded.body) for recorded in found[-RECENT:]]

    def secret(self, reference: str) -> str:
        return secret(reference)

    def mount(self, path: str, answer: Answer, *, open_to_all: bool = False) -> None:
        self._mount(path, self.name, answer, open_to_all)


def secret(reference: str) -> str:
    """The secret behind `env:NAME` or `file:PATH`. Raises `UsageError` where there is none; it is never shown."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise UsageError(f"the environment has no {name}", remedy=f"Set {name} for the process.")
        return value
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return Path(name).read_text().rstrip("\r\n")
    raise UsageError(f"the secret cannot be read from {name}", remedy="Check that the file is there and readable.")


class WatchingSink:
    """Shows what an adapter brings and records nothing: for looking before a connection is trusted."""

    only_watching = True
    watched = True

    def __init__(
        self, plant: Plant, name: str, now: Callable[[], dt.datetime],
        show: Callable[[Message, Sequence[Taken]], None], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.name = name
        self.identity = f"asbuilt-watch-{os.getpid()}-{name}".replace(" ", "-")
        self._now = now
        self._zone = plant.zone
        self._show = show
        self._say = say
        self._note = b""

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        """Take nothing."""
        return [Result("accepted") for _ in items]

    async def take_all(self, items: Sequence[Taken]) -> None:
        """Take nothing."""

    def alive(self, source: str) -> None:
        """Nothing is watched here."""

    async def connected(self, part: str = "", *, resumed: bool = False, at: dt.datetime | None = None) -> None:
        """Say that it is connected."""
        self._say(f"connected{f': {part}' if part else ''}")

    async def lost(self, reason: str, part: str = "", at: dt.datetime | None = None) -> None:
        """Say that it is lost."""
        self._say(f"lost{f': {part}' if part else ''}: {reason}")

    async def gap(self, start: dt.datetime, end: dt.datetime, reason: str, part: str = "") -> None:
        """Say what is missing."""
        self._say(f"gap{f' of {part}' if part else ''} from {start} to {end}: {reason}")

    async def deviation(self, code: str, message: str, part: str = "") -> None:
        """Say how it deviates."""
        self._say(f"deviation{f' of {part}' if part else ''}: {code}: {message}")

    def now(self) -> dt.datetime:
        """The clock, in the plant's zone."""
        return self._now().astimezone(self._zone)

    def show(self, message: Message, items: Sequence[Taken]) -> None:
        """Show a message and what it became."""
        self._show(message, items)

    def remembered(self) -> bytes:
        """What was remembered in this process."""
        return self._note

    def remember(self, data: bytes) -> None:
        """Remember it while this process lives."""
        self._note = data

    def recent(self) -> Sequence[AnyFact]:
        """Nothing is recorded."""
        return ()

    def secret(self, reference: str) -> str:
        """The secret behind a reference."""
        return secret(reference)

    def mount(self, path: str, answer: Answer, *, open_to_all: bool = False) -> None:
        """Nobody can send here."""
