"""A unit's histories and lists, and a scan at a station beside very many holds; processor time, from a data folder.

Every question is asked as the pages and the command line ask it, each by a reader of its own, of units of the simulated
plant. A scan is worked out as the station's page does, up to the facts that it makes or the reason why it is refused.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.app import AsBuilt
from asbuilt.cli.shared import collect_less
from asbuilt.events import HoldPlaced
from asbuilt.views.station import acts
from asbuilt.views.unit import queries as unit
from asbuilt.web.acting import Act, Refused
from bench.measure import Result, boxer, facts, folder, percentile, result

FACTS = 60_000
HOLDS = 50_000
UNITS = 30
AT_ONCE = 2_000
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
    """Histories of completed units, the list of units, scans without and with holds that stand elsewhere."""
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
            yield result(f"{name} {words}, p99, processor time", "ms", percentile(times, 0.99), None, "")
        listed = [_ms(app, partial(unit.list_, limit=100)) for _ in range(30)]
        yield result("list of 100 units, median, processor time", "ms", percentile(listed, 0.5), None, "")
        without = _scans(app, clock[0])
        holds = [
            HoldPlaced(
                id=UUID(int=number + 1), event_time=clock[0], source="bench", hold=f"H{number}", product="Elsewhere",
                serial=f"{number:06d}", reason="looked at",
            )
            for number in range(int(HOLDS * scale))
        ]  # fmt: skip
        _take_in(app, holds)
        yield result(
            f"scan at a station beside {len(holds):,} standing holds, median, processor time", "ms",
            _scans(app, clock[0]), without, "the same scans without them",
        )  # fmt: skip


def _take_in(app: AsBuilt, every: Sequence[events.Event]) -> None:
    for at in range(0, len(every), AT_ONCE):
        app.pipeline.take_in("bench", every[at : at + AT_ONCE]).result()
    app.pipeline.settle(600)


def _ms(app: AsBuilt, question: Callable[[Reader], Any]) -> float:
    began = time.process_time()
    with app.reader("bench") as reader:
        question(reader)
    return (time.process_time() - began) * 1000


def _scans(app: AsBuilt, now: dt.datetime) -> float:
    """The unit that is in the machine is scanned at every station, and a part of it that sits in another."""
    times = []
    for line in app.plant.lines.values():
        for station in line.station:
            for one in app.query("unit.at_station", station=station.path)[:1]:
                inside = app.query("unit.as_built", serial=one.serial, product=one.product).components
                codes = [one.serial, *(c.serial for c in inside[:3] if c.serial)]
                for code in codes * 10:
                    act = Act(UUID(int=7), now, "bench", {"line": line.path, "station": station.id, "scan": code}, app.plant)  # fmt: skip
                    times.append(_ms(app, partial(_scan, act=act)))
    return percentile(times, 0.5)


def _scan(reader: Reader, act: Act) -> list[events.Event]:
    try:
        return acts.scan(reader, act)
    except Refused:
        return []
