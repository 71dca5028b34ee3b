"""Adapters at work, and the watch over sources that should be heard.

`Listening.run` starts every adapter of the plant file that listens, and says as facts when a
source with a period (`fresh_s`) falls silent and when it is heard again: that is what makes
"no data" a state of its own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from asbuilt import events
from asbuilt.adapters import Answer, Rejection, Result, Taken
from asbuilt.app import OWN_SOURCE, configure
from asbuilt.events import AlarmCleared, AlarmRaised, HeartbeatMissed, SourceConnected

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

SILENT_PERIODS = 5
WATCH_EVERY_S = 1.0
NO_DATA_PRIORITY = 3

Mount = Callable[[str, str, Answer, bool], None]
"""(path, adapter name, ASGI answer, open to all) → answered by the web server."""


class AppSink:
    """Where one adapter puts what it brings."""

    def __init__(self, app: AsBuilt, name: str, mount: Mount) -> None:
        self.name = name
        self._app = app
        self._mount = mount
        self._known = frozenset(app.plant.adapters)

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        # Whoever delivers is heard; so are adapters whose facts it delivers, but no other names: they
        # would pile up.
        told = {item.source for item in items if not isinstance(item, Rejection)}
        for source in {self.name, *(told & self._known)}:
            self._app.hear(source)
        return await asyncio.wrap_future(self._app.pipeline.take_in(self.name, items, decoded=decoded))

    def alive(self, source: str) -> None:
        self._app.hear(source)

    def mount(self, path: str, answer: Answer, *, open_to_all: bool = False) -> None:
        self._mount(path, self.name, answer, open_to_all)


class Listening:
    """The adapters of a plant at work."""

    def __init__(self, app: AsBuilt, mount: Mount) -> None:
        self._app = app
        self._mount = mount
        self._silent: set[str] = set()
        self._started = app.now()

    async def run(self) -> None:
        """Listen and watch until cancelled."""
        plant = self._app.plant
        async with asyncio.TaskGroup() as tasks:
            for name in plant.adapters:
                module, config = configure(plant, name)
                if hasattr(module, "listen"):
                    tasks.create_task(module.listen(config, AppSink(self._app, name, self._mount)))
            tasks.create_task(self._watch())

    async def _watch(self) -> None:
        self._started = self._app.now()
        self._silent = {silence.source for silence in self._app.query("line.silences")}
        while True:
            facts = self.noticed(self._app.now())
            if facts:
                await asyncio.wrap_future(self._app.pipeline.take_in(OWN_SOURCE, facts))
            await asyncio.sleep(WATCH_EVERY_S)

    def noticed(self, now: dt.datetime) -> list[Taken]:
        """The facts that a source fell silent or is heard again, as of now."""
        facts: list[Taken] = []
        for name, settings in self._app.plant.adapters.items():
            if settings.fresh_s is None:
                continue
            heard = self._app.heard.get(name)
            silent_s = (now - (heard or self._started)).total_seconds()
            if silent_s > SILENT_PERIODS * settings.fresh_s and name not in self._silent:
                self._silent.add(name)
                facts += self._fell_silent(name, heard or self._last_recorded(name), now)
            elif heard is not None and silent_s <= SILENT_PERIODS * settings.fresh_s and name in self._silent:
                self._silent.remove(name)
                facts += self._heard_again(name, now)
        return facts

    def _last_recorded(self, name: str) -> dt.datetime:
        """When a source that this process has not heard was last heard by any."""
        latest = self._app.record.latest(f"source:{name}")
        return dt.datetime.fromtimestamp(latest.record_time_us / 1_000_000, dt.UTC) if latest else self._started

    def _fell_silent(self, name: str, heard: dt.datetime, now: dt.datetime) -> list[Taken]:
        plant = self._app.plant
        settings = plant.adapters[name]
        here = now.astimezone(plant.zone)
        missed = HeartbeatMissed(
            id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name,
            last_seen=heard.astimezone(plant.zone), period_s=f"{settings.fresh_s:g}",
        )  # fmt: skip
        raised = AlarmRaised(
            id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name, alarm=f"no-data-{name}",
            priority=NO_DATA_PRIORITY, text=f"No data from {settings.title}",
            response=settings.response or f"Check that {settings.title} runs and is connected.",
            detail=f"last seen {heard.astimezone(plant.zone):%H:%M:%S}",
        )  # fmt: skip
        return [missed, raised]

    def _heard_again(self, name: str, now: dt.datetime) -> list[Taken]:
        here = now.astimezone(self._app.plant.zone)
        connected = SourceConnected(id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name)
        cleared = AlarmCleared(
            id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name, alarm=f"no-data-{name}"
        )
        return [connected, cleared]

    def _id(self, now: dt.datetime) -> UUID:
        return events.new_id(now, self._app.random)
