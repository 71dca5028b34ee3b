"""Facts in: over HTTP durable and folded, beside bare appends and beside PostgreSQL 15."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import apsw

from bench import postgres
from bench.measure import Result, bodies, facts, folder, percentile, result, server, token_of

PER_REQUEST = 1000


def run(scale: float) -> Iterator[Result]:
    """Take-in rate, and the time until an acknowledgement."""
    count = int(200_000 * scale)
    # In turn, so that all three see the same machine.
    ours, raw, peer = [], [], []
    for _ in range(3):
        raw.append(_apsw_appends(count))
        ours.append(over_http(count))
        if postgres.available():
            peer.append(asyncio.run(_postgres(count // 4)))
    name = "take-in over HTTP, durable, all views folded, 1000 a request"
    yield result(name, "facts/s", _median(ours), _median(raw), "apsw: bare appends of the same bytes, synchronous FULL")
    reference = _median(peer) if peer else None
    yield result(name, "facts/s", _median(ours), reference, "PostgreSQL 15: COPY and the same upserts, without HTTP" if peer else "PostgreSQL 15 (not installed)")  # fmt: skip
    yield from _acknowledgements(max(2_000, int(20_000 * scale)))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _apsw_appends(count: int) -> float:
    lines = bodies(count)
    ids = [fact.id.bytes for fact in facts(count)]
    with folder() as path:
        db = apsw.Connection(str(path / "bare.db"))
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "FULL")
        db.pragma("wal_autocheckpoint", 20_000)
        db.execute("CREATE TABLE fact(position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, body BLOB NOT NULL)")
        began = time.perf_counter()
        for at in range(0, count, PER_REQUEST):
            with db:
                db.executemany("INSERT INTO fact(id, body) VALUES (?, ?)", zip(ids[at : at + PER_REQUEST], lines[at : at + PER_REQUEST], strict=True))  # fmt: skip
        seconds = time.perf_counter() - began
        db.close()
    return count / seconds


def _load(address: str, token: str, count: int, size: int, connections: int, rate: float = 0) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.load", address, token, str(count), str(size), str(connections)]
    done = subprocess.run([*command, *([str(rate)] if rate else [])], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def over_http(count: int, *options: str) -> float:
    """Facts per second from the first request to the last fact folded; `options` are those of `asbuilt run`."""
    with folder() as path, server(path / "data", None, *options) as (address, _):
        told = _load(address, token_of(path / "data"), count, PER_REQUEST, 8)
        began = time.perf_counter()
        while _behind(address):
            time.sleep(0.005)
        return count / (told["seconds"] + time.perf_counter() - began)


def _behind(address: str) -> int:
    with urllib.request.urlopen(f"{address}/healthz") as answer:
        return int(json.load(answer)["behind"])


async def _postgres(count: int) -> float:
    with postgres.cluster() as settings:
        db = await postgres.connect(settings)
        peer = postgres.Peer(db)
        await peer.prepare()
        batch, lines = facts(count), bodies(count)
        began = time.perf_counter()
        for at in range(0, count, PER_REQUEST):
            await peer.take_in(batch[at : at + PER_REQUEST], lines[at : at + PER_REQUEST], at + 1)
        seconds = time.perf_counter() - began
        await db.close()
    return count / seconds


def _acknowledgements(count: int) -> Iterator[Result]:
    with folder() as path:
        fsyncs = _fsyncs(path, 400)
        with server(path / "data") as (address, _):
            told = _load(address, token_of(path / "data"), count, 10, 8, 1000)
    for share, key in ((0.5, "p50"), (0.99, "p99")):
        yield result(
            f"acknowledgement at 1,000 facts/s, {key}", "ms", told[f"{key}_ms"], percentile(fsyncs, share),
            f"append of 3 KB and fsync, {key}",
        )  # fmt: skip


def _fsyncs(path: object, count: int) -> list[float]:
    import os

    times = []
    with open(f"{path}/bare.log", "wb", buffering=0) as file:  # noqa: PTH123 (unbuffered, as a log would)
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 3000)
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times
