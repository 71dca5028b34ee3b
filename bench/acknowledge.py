"""The time until an acknowledgement at 1,000 facts a second, while 200 screens look at the line, beside a bare fsync."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from bench.load import load
from bench.measure import Result, bodies, folder, percentile, result, server, token_of
from bench.screens import PAGE, Screens

RATE, A_REQUEST, SCREENS = 1_000, 10, 200


def run(scale: float) -> Iterator[Result]:
    """Requests of ten facts come when they are due, whether the one before is answered or not."""
    count = max(3_000, int(20_000 * scale))
    bodies(count)
    with folder() as path:
        fsyncs = _fsyncs(path / "bare.log", 400)
        with server(path / "data") as (address, _):
            told, seen = asyncio.run(_beside_screens(address, token_of(path / "data"), count))
    assert seen > SCREENS, "the screens saw nothing"
    for share, key, must in ((0.5, "p50", ""), (0.99, "p99", "≤ 15")):
        yield result(
            f"acknowledgement at {RATE:,} facts/s with {SCREENS} screens open, {key}", "ms", told[f"{key}_ms"],
            percentile(fsyncs, share), f"append of 3 KB and fsync, {key}", must,
        )  # fmt: skip


async def _beside_screens(address: str, token: str, count: int) -> tuple[dict[str, float], int]:
    async with Screens(address, PAGE, SCREENS) as screens:
        told = await asyncio.to_thread(load, address, token, count, A_REQUEST, 8, RATE)
        return told, screens.chunks


def _fsyncs(path: Path, count: int) -> list[float]:
    times = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    for _ in range(count):
        began = time.perf_counter()
        os.write(file, b"x" * 3000)
        os.fsync(file)
        times.append((time.perf_counter() - began) * 1000)
    os.close(file)
    return times
