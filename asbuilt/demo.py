"""The demo: a simulated engine plant with some history, then live.

The plant's clock begins at a fixed moment of a Tuesday's late shift and runs on from there, so
that there is always something to see. What the simulation delivers takes the same way as what
gateways deliver: take-in, record, views, screens.
"""

from __future__ import annotations

import datetime as dt
import time
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

LIVE_FROM = dt.datetime(2025, 11, 18, 17, 21, 40, tzinfo=ZoneInfo("Europe/Berlin"))
FEED_EVERY_S = 0.25
BATCH = 1000


class DemoClock:
    """Plant time: begins at `start` when `begin` is called and runs `speed` times as fast as the wall clock."""

    def __init__(self, start: dt.datetime, speed: float) -> None:
        self._start = start.astimezone(dt.UTC)
        self._speed = speed
        self._began: float | None = None

    def begin(self) -> None:
        """Let the clock run."""
        self._began = time.monotonic()

    def __call__(self) -> dt.datetime:
        passed = 0.0 if self._began is None else time.monotonic() - self._began
        return self._start + dt.timedelta(seconds=passed * self._speed)


def plant_file() -> Path:
    """The plant of the demo: beside the package in an installation, in `examples/` in a checkout."""
    installed = Path(str(resources.files("asbuilt"))) / "simulate" / "boxer.toml"
    return installed if installed.exists() else Path(__file__).parent.parent / "examples" / "boxer" / "plant.toml"
