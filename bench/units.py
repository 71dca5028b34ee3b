"""A unit's histories and lists, of units of the simulated plant in a data folder; processor time.

Every question is asked as the pages and the command line ask it, each by a reader of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.app import AsBuilt
from asbuilt.cli.shared import collect_less
from asbuilt.views.unit import queries as unit
from bench.measure import Result, boxer, facts, folder, percentile, result

FACTS = 60_000
UNITS = 30
AT_ONCE = 2_000
MUST = "≤ 5"
HISTORIES: dict[str, Callable[..., Any]] = {
    "steps": unit.steps,
    "moments": unit.moments,
    "measurements": unit.measurements,
    "runs": unit.runs,
    "completeness": unit.completeness,
    "facts": unit.facts,
    "as-built": unit.as_built,
}


def run(scale: float) -> Iterator[Result]:
    """Histories of completed units, lists of units."""
    every = facts(max(20_000, int(FACTS * scale)))
    clock = [every[-1].event_time]
    with folder() as path, AsBuilt(path, plant=boxer(), now=lambda: clock[0]) as app:
        _take_in(app, every)
        collect_less()
        units = [(one.serial, one.product) for one in app.query("unit.list", state="completed")][:UNITS]
        told = sorted(len(app.query("unit.facts", serial=serial, product=product)) for serial, product in units)
        words = f"of a unit of {told[len(told) // 2]} facts"
        for name, question in HISTORIES.items():
            times = [_ms(app, partial(question, serial=serial, product=product)) for serial, product in units * 5]
            yield result(f"{name} {words}, p99, processor time", "ms", percentile(times, 0.99), None, "", MUST)
        listed = [_ms(app, partial(unit.list_, limit=100)) for _ in range(30)]
        yield result("list of 100 units, median, processor time", "ms", percentile(listed, 0.5), None, "", MUST)


def _take_in(app: AsBuilt, every: Sequence[events.Event]) -> None:
    for at in range(0, len(every), AT_ONCE):
        app.pipeline.take_in("bench", every[at : at + AT_ONCE]).result()
    app.pipeline.settle(600)


def _ms(app: AsBuilt, question: Callable[[Reader], Any]) -> float:
    began = time.process_time()
    with app.reader("bench") as reader:
        question(reader)
    return (time.process_time() - began) * 1000
