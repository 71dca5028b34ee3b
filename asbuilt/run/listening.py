"""Adapters at work, and the watch over sources that should be heard.

`Listening.run` starts every adapter of the plant file that listens, each a task of its own that is
started again when it fails, and takes a changed plant file without a restart. It says as facts when
a source falls silent (`fresh_s`), when its connection is lost, and when it is heard again: that
is what makes "no data" a state of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asbuilt import events
from asbuilt.adapters import Answer, Taken
from asbuilt.app import OWN_SOURCE, configure
from asbuilt.domain.presence.questions import SILENT_PERIODS
from asbuilt.errors import AsBuiltError, RecordFull
from asbuilt.events import AlarmCleared, AlarmRaised, HeartbeatMissed, SourceConnected, SourceLost
from asbuilt.plant import AdapterSettings, Plant, load
from asbuilt.run.intake import AppSink

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt
    from asbuilt.run.supervisor import Surroundings

WATCH_EVERY_S = 1.0
NO_DATA_PRIORITY = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STEADY_AFTER_S = 60.0
"""An adapter that worked for so long begins again with the shortest pause when it fails."""

Mount = Callable[[str, str, Answer, bool], None]
"""(path, adapter name, ASGI answer, open to all) → answered by the web server."""
Unmount = Callable[[str], None]
_log = logging.getLogger("asbuilt")


class Listening:
    """The adapters of a plant at work."""

    def __init__(
        self, app: AsBuilt, mount: Mount, unmount: Unmount = lambda adapter: None, file: Path | None = None
    ) -> None:
        self._app = app
        self._mount = mount
        self._unmount = unmount
        self._file = file
        self._seen_file = _stamp(file)
        self._silent: set[str] = set()
        self._lost: dict[str, str] = {}
        self._connected: set[str] = set()
        self._open: set[str] = set()
        self._started = app.now()
        self._tasks: dict[str, tuple[AdapterSettings, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Listen and watch until cancelled."""
        self._started = self._app.now()
        self._recall()
        try:
            self._apply(self._app.plant)
            await self._watch()
        finally:
            for name, (_, task) in self._tasks.items():
                task.cancel()
                # Begun again, it opens its doors anew.
                self._unmount(name)
            await asyncio.gather(*(task for _, task in self._tasks.values()), return_exceptions=True)
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Observation ends with this process; what comes later is known only if it is delivered again."""
        now = self._app.now()
        facts: list[Taken] = [
            SourceLost(id=self._id(now), event_time=now.astimezone(self._app.plant.zone), source=OWN_SOURCE,
                       adapter=source, reason="asbuilt was stopped")
            for source in sorted(self._connected)
        ]  # fmt: skip
        if facts:
            with contextlib.suppress(AsBuiltError):
                self._app.pipeline.take_in(OWN_SOURCE, facts)

    def _recall(self) -> None:
        """What the record says of sources: which are silent, which were heard when it ended."""
        silent = {silence.source for silence in self._app.query("line.silences")}
        self._silent = set(silent)
        self._open = set(self._app.record.subjects("adapter")) - silent

    # ----------------------------------------------------------------- adapters

    def _apply(self, plant: Plant) -> None:
        """Start what is new, stop what is gone, restart what is set otherwise."""
        for name, (settings, task) in [*self._tasks.items()]:
            if plant.adapters.get(name) != settings:
                task.cancel()
                self._unmount(name)
                del self._tasks[name]
        for name, settings in plant.adapters.items():
            if name in self._tasks:
                continue
            module, config = configure(plant, name)
            if hasattr(module, "listen"):
                sink = AppSink(self._app, name, self._mount, self, module.translator(config, name))
                task = asyncio.create_task(self._supervise(module, config, sink), name=f"adapter-{name}")
                self._tasks[name] = (settings, task)

    async def _supervise(self, module: Any, config: Any, sink: AppSink) -> None:
        """Run one adapter; when it fails say so, pause, and run it again."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                await module.listen(config, sink)
                return
            except AsBuiltError as error:
                reason = f"{error.where}: {error.message}" if error.where else error.message
            except Exception as error:
                _log.exception("adapter %s failed; it is started again", sink.name)
                reason = f"a fault of the adapter: {type(error).__name__}"
            try:
                await sink.lost(reason)
            except AsBuiltError:
                _log.exception("the loss of %s could not be recorded", sink.name)
            if loop.time() - began > STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _reload(self) -> None:
        """Take a changed plant file; one that does not hold together changes nothing."""
        assert self._file is not None
        try:
            plant = load(self._file)
            for name in plant.adapters:
                configure(plant, name)
        except AsBuiltError as error:
            _log.warning("the changed plant file is not taken: %s", error)
            return
        if plant.digest != self._app.plant.digest:
            self._app.define(plant)
            self._apply(plant)
            _log.warning("the changed plant file is in force")

    # ----------------------------------------------------------------- watch

    async def _watch(self) -> None:
        while True:
            facts = self.noticed(self._app.now())
            if facts:
                await self._record(facts)
            await asyncio.sleep(WATCH_EVERY_S)
            stamp = _stamp(self._file)
            if stamp is not None and stamp != self._seen_file:
                self._seen_file = stamp
                self._reload()

    async def _record(self, facts: list[Taken]) -> None:
        while True:
            try:
                await asyncio.wrap_future(self._app.pipeline.take_in(OWN_SOURCE, facts))
                return
            except RecordFull:
                await asyncio.sleep(0.5)

    def noticed(self, now: dt.datetime) -> list[Taken]:
        """The facts that a source fell silent or is heard again, as of now."""
        facts: list[Taken] = []
        for name, settings in self._app.plant.adapters.items():
            if settings.fresh_s is None or name in self._lost:
                continue
            heard = self._app.heard.get(name)
            silent_s = (now - (heard or self._started)).total_seconds()
            if silent_s > SILENT_PERIODS * settings.fresh_s and name not in self._silent:
                self._silent.add(name)
                self._connected.discard(name)
                facts += self._fell_silent(name, heard or self._last_recorded(name), now)
            elif heard is not None and silent_s <= SILENT_PERIODS * settings.fresh_s and name in self._silent:
                self._silent.remove(name)
                self._connected.add(name)
                self._open.discard(name)
                facts += self._heard_again(name, now)
            elif heard is not None and name not in self._silent and name not in self._connected:
                facts += self._first_heard(name, heard)
        return facts

    def _first_heard(self, name: str, heard: dt.datetime) -> list[Taken]:
        """A source that speaks every few seconds, mostly without a fact: that it is heard must stand in the record.

        What lies between its last fact and now, if the process before this one ended without a word, was not heard.
        """
        self._connected.add(name)
        here = heard.astimezone(self._app.plant.zone)
        facts: list[Taken] = []
        last = self._last_heard(name)
        if name in self._open and last is not None and last < heard:
            lost = SourceLost(
                id=self._id(heard), event_time=here, source=OWN_SOURCE, adapter=name,
                last_seen=last.astimezone(self._app.plant.zone), reason="asbuilt was not listening",
            )  # fmt: skip
            facts.append(lost)
        self._open.discard(name)
        return [*facts, SourceConnected(id=self._id(heard), event_time=here, source=OWN_SOURCE, adapter=name)]

    async def connected(self, adapter: str, part: str, resumed: bool, at: dt.datetime | None) -> None:
        """An adapter, or a part of it, is connected."""
        source, now = source_of(adapter, part), self._app.now()
        when = at if at is not None and at < now else now
        self._app.hear(source)
        facts: list[Taken] = []
        if source in self._lost or source in self._silent:
            self._lost.pop(source, None)
            self._silent.discard(source)
            facts = self._heard_again(source, when)
        elif source not in self._connected:
            last = self._last_heard(adapter)
            if source in self._open and not resumed and last is not None:
                facts.append(self._gap(source, last, now, "asbuilt was not listening"))
            here = when.astimezone(self._app.plant.zone)
            facts.append(SourceConnected(id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=source))
        self._connected.add(source)
        self._open.discard(source)
        if facts:
            await self._record(facts)

    async def lost(self, adapter: str, part: str, reason: str, at: dt.datetime | None) -> None:
        """The connection to an adapter's source, or to a part of it, is lost."""
        now = self._app.now()
        when = at if at is not None and at < now else now
        source = source_of(adapter, part)
        parts = {one for one in self._connected | self._told_of() if one.startswith(f"{adapter}:")}
        gone = [source] if part else [source, *sorted(parts)]
        facts: list[Taken] = []
        for one in gone:
            self._connected.discard(one)
            known = self._lost.get(one)
            if known is not None or one in self._silent:
                self._lost[one] = reason
                continue
            self._lost[one] = reason
            facts += self._fell_away(one, self._app.heard.get(one) or self._last_heard(adapter), reason, when)
        if facts:
            await self._record(facts)

    def _last_heard(self, name: str) -> dt.datetime | None:
        latest = self._app.record.latest(f"source:{name}")
        return dt.datetime.fromtimestamp(latest.record_time_us / 1_000_000, dt.UTC) if latest else None

    def _last_recorded(self, name: str) -> dt.datetime:
        """When a source that this process has not heard was last heard by any."""
        return self._last_heard(name) or self._started

    # ----------------------------------------------------------------- facts

    def _fell_silent(self, name: str, heard: dt.datetime, now: dt.datetime) -> list[Taken]:
        plant = self._app.plant
        settings = plant.adapters[name]
        missed = HeartbeatMissed(
            id=self._id(now), event_time=now.astimezone(plant.zone), source=OWN_SOURCE, adapter=name,
            last_seen=heard.astimezone(plant.zone), period_s=f"{settings.fresh_s:g}",
        )  # fmt: skip
        return [missed, self._no_data(name, heard, now)]

    def _fell_away(self, name: str, heard: dt.datetime | None, reason: str, now: dt.datetime) -> list[Taken]:
        zone = self._app.plant.zone
        lost = SourceLost(
            id=self._id(now), event_time=now.astimezone(zone), source=OWN_SOURCE, adapter=name,
            last_seen=heard.astimezone(zone) if heard else None, reason=reason[:4000],
        )  # fmt: skip
        return [lost, self._no_data(name, heard, now, reason)] if self._concerns_somebody(name) else [lost]

    def _no_data(self, name: str, heard: dt.datetime | None, now: dt.datetime, reason: str = "") -> AlarmRaised:
        plant = self._app.plant
        adapter, _, part = name.partition(":")
        settings = plant.adapters.get(adapter)
        title = f"{settings.title if settings else adapter}{f', {part}' if part else ''}"
        seen = f"last seen {heard.astimezone(plant.zone):%H:%M:%S}" if heard else "never seen"
        return AlarmRaised(
            id=self._id(now), event_time=now.astimezone(plant.zone), source=OWN_SOURCE, adapter=name,
            alarm=f"no-data-{name}"[:200], priority=NO_DATA_PRIORITY, text=f"No data from {title}",
            response=(settings.response if settings else "") or f"Check that {title} runs and is connected.",
            detail=f"{seen}; {reason}" if reason else seen,
        )  # fmt: skip

    def _told_of(self) -> set[str]:
        """The sources that stations speak through."""
        return {station.source for station in self._app.plant.stations.values() if station.source}

    def _concerns_somebody(self, source: str) -> bool:
        """Whether people must know: an adapter, or a part that a station speaks through."""
        return ":" not in source or source in self._told_of()

    def _heard_again(self, name: str, now: dt.datetime) -> list[Taken]:
        here = now.astimezone(self._app.plant.zone)
        connected = SourceConnected(id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name)
        cleared = AlarmCleared(
            id=self._id(now), event_time=here, source=OWN_SOURCE, adapter=name, alarm=f"no-data-{name}"[:200]
        )
        return [connected, cleared] if self._concerns_somebody(name) else [connected]

    def _gap(self, source: str, start: dt.datetime, end: dt.datetime, reason: str) -> events.GapFound:
        now, zone = self._app.now(), self._app.plant.zone
        return events.GapFound(
            id=self._id(now), event_time=now.astimezone(zone), source=OWN_SOURCE, adapter=source,
            start_time=min(start, end).astimezone(zone), end_time=end.astimezone(zone), reason=reason[:4000],
        )  # fmt: skip

    async def gap(self, adapter: str, part: str, start: dt.datetime, end: dt.datetime, reason: str) -> None:
        """Record that a source was not heard between two moments."""
        await self._record([self._gap(source_of(adapter, part), start, end, reason)])

    async def deviation(self, adapter: str, part: str, code: str, message: str) -> None:
        """Record, once for all, that a source does not keep to its protocol."""
        source = source_of(adapter, part)
        fact_id = events.derived_id(None, "deviation_noticed", source, code)
        if self._app.record.get(fact_id) is None:
            here = self._app.now().astimezone(self._app.plant.zone)
            noticed = events.DeviationNoticed(
                id=fact_id, event_time=here, source=OWN_SOURCE, adapter=source, deviation=code[:200],
                message=message[:4000],
            )  # fmt: skip
            await self._record([noticed])

    def _id(self, now: dt.datetime) -> UUID:
        return events.new_id(now, self._app.random)


def source_of(adapter: str, part: str) -> str:
    """How stations and facts name an adapter, or a part behind it: `cell` or `cell:Group/Node`."""
    return f"{adapter}:{part}"[:200] if part else adapter


def _stamp(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


async def TASK(around: Surroundings) -> None:
    """Listen through every adapter of the plant in force and watch its sources."""
    await Listening(around.app, around.mount, around.unmount, around.plant_file).run()
