"""A scan at a station while 50,000 holds stand on other units, beside the same scan while none stands."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import parse
from asbuilt.web import acting
from bench.measure import Result, folder, percentile, result

HOLDS, UNITS, AT_ONCE = 50_000, 40, 2_000
PLANT = parse("""
[plant]
id = "works"
name = "Works"
zone = "UTC"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
product = "E"
[[site.area.line.station]]
id = "10"
name = "Station 10"
[[site.area.line.station]]
id = "20"
name = "Station 20"
[[product]]
id = "E"
name = "Engine"
revision = "A"
[[product.operation]]
id = "10"
name = "Begin"
station = "10"
[[product.operation]]
id = "20"
name = "Fit"
station = "20"
[[product.part]]
product = "P"
name = "Part"
quantity = 1
tracking = "serial"
operation = "20"
positions = ["front"]
""")


def run(scale: float) -> Iterator[Result]:
    """Units built with scans, in turn in both folders; each scan from the request to its answer."""
    holds = max(1_000, int(HOLDS * scale))
    with folder() as path, _plant(path / "few", 0) as few, _plant(path / "many", holds) as many:
        times: dict[int, list[float]] = {0: [], holds: []}
        for number in range(max(10, int(UNITS * scale))):
            for count, app in ((0, few), (holds, many)):
                times[count] += _scans(app, f"B{number:05d}")
    for words, share in (("median", 0.5), ("p90", 0.9)):
        must = "≤ 1.25 ×" if words == "median" else ""
        yield result(
            f"a scan at a station, {holds:,} holds standing, {words}", "ms", percentile(times[holds], share),
            percentile(times[0], share), "the same scans, no hold standing", must,
        )  # fmt: skip


def _plant(path: Path, holds: int) -> AsBuilt:
    app = AsBuilt(path, plant=PLANT)
    told = app.now()
    for at in range(0, holds, AT_ONCE):
        app.take_in([_hold(number, told) for number in range(at, min(at + AT_ONCE, holds))])
    app.pipeline.settle(600)
    return app


def _hold(number: int, time: dt.datetime) -> events.HoldPlaced:
    return events.HoldPlaced(
        id=events.derived_id(time, "bench", str(number)), event_time=time, source="bench", hold=f"H-{number}",
        reason="Held for the measurement", product="E", serial=f"HELD{number:06d}",
    )  # fmt: skip


def _scans(app: AsBuilt, serial: str) -> list[float]:
    """Milliseconds of each scan that builds a unit: in and out at the first station; in, its part, out at the second."""
    token = {"x-act-token": app.token(acting.TOKEN_NAME), "accept": "application/json"}
    times = []
    for station, code in (("10", serial), ("10", serial), ("20", serial), ("20", f"P-{serial}"), ("20", serial)):
        told = {"line": "1", "station": station, "by": "M. Okafor", "scan": code, "anyway": "1"}
        began = time.perf_counter()
        answer = app.client.post("/act/station/scan", json=told, headers=token)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.json()["status"] == "saved", answer.text
    return times
