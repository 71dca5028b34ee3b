"""The long tasks of a running plant: found, started, started again when they fail, and ended together.

A module of this folder that declares `TASK`, an async function of `Surroundings` that runs until it is
cancelled, is a task under its module's name. A task that fails is said so in `Supervisor.health` and is
started again after a pause that grows; the others do not notice.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import pkgutil
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asbuilt.adapters import Answer

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STEADY_AFTER_S = 60.0
"""A task that worked for so long begins again with the shortest pause when it fails."""
_log = logging.getLogger("asbuilt")


class Surroundings(NamedTuple):
    """What a task is given: the product, the doors of the web for adapters, and the plant file to watch."""

    app: AsBuilt
    mount: Callable[[str, str, Answer, bool], None]
    unmount: Callable[[str], None]
    plant_file: Path | None


Task = Callable[[Surroundings], Coroutine[Any, Any, None]]


class Health(NamedTuple):
    """How a task is: whether it works, how often it was started again, and its last fault in words."""

    works: bool
    restarts: int
    fault: str


def discover() -> dict[str, Task]:
    """Every task of this folder by its module's name."""
    tasks: dict[str, Task] = {}
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        task = getattr(importlib.import_module(f"asbuilt.run.{found.name}"), "TASK", None)
        if task is not None:
            tasks[found.name] = task
    return tasks


class Supervisor:
    """Keeps tasks at work in the running event loop."""

    def __init__(
        self, surroundings: Surroundings, tasks: Mapping[str, Task], first_pause_s: float = FIRST_PAUSE_S
    ) -> None:
        self._surroundings = surroundings
        self._tasks = dict(tasks)
        self._first_pause_s = first_pause_s
        self._running: list[asyncio.Task[None]] = []
        self.health: dict[str, Health] = {}

    async def start(self) -> None:
        """Start every task; the adapters' doors are there when this returns."""
        for name, task in self._tasks.items():
            self.health[name] = Health(works=True, restarts=0, fault="")
            self._running.append(asyncio.create_task(self._keep(name, task), name=name))
        # Once around for the tasks, once for the adapters that they start.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Cancel every task and wait until each has ended."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        self.health.clear()

    async def _keep(self, name: str, task: Task) -> None:
        loop = asyncio.get_running_loop()
        pause_s, restarts = self._first_pause_s, 0
        while True:
            began = loop.time()
            try:
                await task(self._surroundings)
            except Exception as error:
                _log.exception("%s failed; it is started again", name)
                fault = f"{type(error).__name__}: {error}"
            else:
                # A task that has done all it had to do is well, and not begun anew.
                self.health[name] = Health(works=True, restarts=restarts, fault="")
                return
            restarts += 1
            self.health[name] = Health(works=False, restarts=restarts, fault=fault)
            if loop.time() - began > STEADY_AFTER_S:
                pause_s = self._first_pause_s
            await asyncio.sleep(pause_s)
            self.health[name] = Health(works=True, restarts=restarts, fault=fault)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
