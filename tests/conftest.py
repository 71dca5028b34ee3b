"""Fixtures that hold the whole product in memory, and the settings of the property tests."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from asbuilt.app import AsBuilt

ROOT = Path(__file__).parent.parent
NOW = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)

_common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", max_examples=60, **_common)
settings.register_profile("thorough", max_examples=2_000, **_common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def examples(number: int) -> settings:
    """So many examples for a test that is slower or quicker than others; in proportion under other profiles."""
    return settings(max_examples=number * settings().max_examples // 60)


@pytest.fixture
def now() -> dt.datetime:
    """The moment at which all tests happen."""
    return NOW


@pytest.fixture
def app() -> Iterator[AsBuilt]:
    """The product in memory; a fold that fails is an error."""
    with AsBuilt(memory=True, strict=True, now=lambda: NOW) as product:
        yield product


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of reference data; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("ASBUILT_ORACLES") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; name its folder with ASBUILT_ORACLES")
    return folder
