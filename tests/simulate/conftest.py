"""Two working days of the boxer plant, simulated once for all tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import NamedTuple

import pytest

from asbuilt.events import Event
from asbuilt.plant import Plant, load
from asbuilt.simulate import SimulatedPlant

BOXER = Path(__file__).parents[2] / "examples" / "boxer" / "plant.toml"


class Days(NamedTuple):
    """What was simulated, and the plant as it stands then."""

    plant: Plant
    simulated: SimulatedPlant
    facts: list[Event]
    start: dt.datetime
    end: dt.datetime


@pytest.fixture(scope="session")
def boxer() -> Plant:
    """The plant file of the example."""
    return load(BOXER)


@pytest.fixture(scope="session")
def days(boxer: Plant) -> Days:
    """Monday and Tuesday, up to the middle of the last shift."""
    start = dt.datetime(2026, 6, 1, 5, 30, tzinfo=boxer.zone)
    end = dt.datetime(2026, 6, 2, 19, 0, tzinfo=boxer.zone)
    simulated = SimulatedPlant(boxer, seed=1, start=start)
    return Days(boxer, simulated, simulated.until(end), start, end)
