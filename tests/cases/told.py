"""The situations that once gave a wrong answer: a plant file and facts, taken in and asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import load

KPI = Path(__file__).parent / "kpi"
FILES = Path(__file__).parent / "files"
STATION, LINE = "p/s/a/1/10", "p/s/a/1"
NOW = dt.datetime.fromisoformat("2025-07-01T12:00:00+02:00")
"""Long after whatever is told."""


def at(text: str) -> dt.datetime:
    """An instant of the mini plant, such as `06-03 14:00`, in 2025 and its summer time."""
    return dt.datetime.fromisoformat(f"2025-{text}+02:00")


@contextmanager
def case(name: str, *, plant: Path | None = None, now: dt.datetime = NOW) -> Iterator[AsBuilt]:
    """The product with the facts of a case and its plant: its own, or the mini plant."""
    own = KPI / f"{name}.toml"
    with AsBuilt(
        memory=True, strict=True, plant=load(plant or (own if own.exists() else KPI / "mini.toml")), now=lambda: now
    ) as app:
        facts = [events.decode(line) for line in (KPI / f"{name}.ndjson").read_bytes().splitlines()]
        assert {result.status for result in app.take_in(facts)} == {"accepted"}
        app.pipeline.settle()
        yield app


def ask(app: AsBuilt, query: str, start: str = "06-03 06:00", end: str = "06-03 14:00", **more: Any) -> Any:
    """A question about the station over a window; the first shift of 3 June unless told otherwise."""
    return app.query(query, scope=more.pop("scope", STATION), **{"from": at(start), "to": at(end)}, **more)
