"""The demo: a simulated engine plant with some history, then live.

The plant's clock begins at a fixed moment of a Tuesday's late shift and runs on from there, so
that there is always something to see. What the simulation delivers takes the same way as what
gateways deliver: take-in, record, views, screens.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from asbuilt.app import AsBuilt
from asbuilt.plant import Plant, load
from asbuilt.proof.block import SLOTS

LIVE_FROM = dt.datetime(2025, 11, 18, 17, 21, 40, tzinfo=ZoneInfo("Europe/Berlin"))
FEED_EVERY_S = 0.25
BATCH = 1000


class DemoClock:
    """Plant time: begins at `start` when `begin` is called and runs `speed` times as fast as the wall clock."""

    def __init__(self, start: dt.datetime, speed: float) -> None:
        self._start = start.astimezone(dt.UTC)
        self._speed = speed
        self._began: float | None = None

    def set(self, start: dt.datetime) -> None:
        """Begin at another moment; only before `begin`."""
        self._start = start.astimezone(dt.UTC)

    def begin(self) -> None:
        """Let the clock run."""
        self._began = time.monotonic()

    def __call__(self) -> dt.datetime:
        passed = 0.0 if self._began is None else time.monotonic() - self._began
        return self._start + dt.timedelta(seconds=passed * self._speed)


def plant_file() -> Path:
    """The plant of the demo: beside the package in an installation, in `examples/` in a checkout."""
    installed = Path(str(resources.files("asbuilt"))) / "simulate" / "boxer.toml"
    return installed if installed.exists() else Path(__file__).parents[2] / "examples" / "boxer" / "plant.toml"


class _Story(msgspec.Struct):
    """What a kept demo needs to go on as it was: the seed, and when the history began."""

    seed: int
    start: dt.datetime


def run_demo(
    *,
    port: int,
    host: str,
    seed: int,
    speed: float,
    days: int,
    data: Path | None,
    processes: bool,
    progress: Callable[[str, float | None], AbstractContextManager[Any]],
    say: Callable[[str], object],
) -> None:
    """Fill the history, then serve and feed until interrupted."""
    from asbuilt.simulate import SimulatedPlant
    from asbuilt.web.server import serve

    plant = load(plant_file())
    with nullcontext(str(data)) if data else tempfile.TemporaryDirectory(prefix="asbuilt-demo-") as folder:
        story = _story(Path(folder), plant, seed, days)
        clock = DemoClock(LIVE_FROM, speed)
        with AsBuilt(Path(folder), plant=plant, now=clock, purpose="demo", processes=processes) as app:
            last = app.record.read(app.record.head() - 1, 1)
            if last:
                clock.set(max(LIVE_FROM, dt.datetime.fromtimestamp(last[0].record_time_us / 1_000_000, dt.UTC)))
            simulated = SimulatedPlant(plant, story.seed, story.start, live_from=LIVE_FROM)
            _fill(app, simulated, clock(), progress)
            for source in simulated.speaking(clock()):
                app.hear(source)
            # A block a minute of whoever watches, however fast the plant's clock runs.
            app.seal(cadence_s=max(60, min(86_400, round(60 * speed))), backlog=_blocks_for(app.record.head()))

            def ready(port: int) -> None:
                clock.begin()
                say(f"{plant.name} is live at http://{host}:{port}/line/1  (Ctrl+C ends)")
                say("In fifteen seconds honing is held by warm oil; in a minute gateway GW-3 falls silent.")

            serve(
                app, host, port, screen_token=None, rate=speed, ready=ready, beside=lambda: _feed(app, simulated, clock)
            )


def _blocks_for(facts: int) -> int:
    """So many blocks take the history before the live part: a power of two, which tells only its order of size."""
    return 1 << max(0, (facts // SLOTS).bit_length())


def _story(folder: Path, plant: Plant, seed: int, days: int) -> _Story:
    from asbuilt.simulate import start_of_history

    file = folder / "demo.json"
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=_Story)
    story = _Story(seed, start_of_history(plant, days, LIVE_FROM))
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(story))
    return story


def _fill(app: AsBuilt, simulated: Any, until: dt.datetime, progress: Callable[[str, float | None], Any]) -> None:
    """Record the history; of a kept demo all of it is known already."""
    waiting: deque[Any] = deque()
    hours = (until - simulated.now) / dt.timedelta(hours=1)
    with progress("Simulating the days before", round(hours)) as (bar, task):
        step, done = dt.timedelta(hours=1), 0
        while simulated.now < until:
            facts = simulated.until(min(simulated.now + step, until))
            for first in range(0, len(facts), BATCH):
                waiting.append(app.pipeline.take_in("simulation", facts[first : first + BATCH]))
                if len(waiting) > 8:
                    waiting.popleft().result()
            done += 1
            bar.update(task, completed=done)
    while waiting:
        waiting.popleft().result()
    app.pipeline.settle(600)


async def _feed(app: AsBuilt, simulated: Any, clock: DemoClock) -> None:
    """Deliver what happens as it happens; a source that speaks is heard even when it has nothing to tell."""
    while True:
        now = clock()
        facts = await asyncio.to_thread(simulated.until, now)
        for source in {*simulated.speaking(now), *(fact.source for fact in facts)}:
            app.hear(source)
        if facts:
            await asyncio.wrap_future(app.pipeline.take_in("simulation", facts))
        await asyncio.sleep(FEED_EVERY_S)
