"""Facts in: over HTTP durable and folded, beside bare appends and beside PostgreSQL 15."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import apsw

from asbuilt import events
from bench import postgres
from bench.load import load
from bench.measure import Result, bodies, cpu_seconds, folder, result, server, token_of

PER_REQUEST = 1000


def run(scale: float) -> Iterator[Result]:
    """Take-in rate until all is folded, in turn with the others, so that all three see the same machine."""
    count = max(PER_REQUEST, int(200_000 * scale))
    bodies(count)
    ours, raw, peer, rows, ours_us, peer_us = [], [], [], [], [], []
    for _ in range(3):
        raw.append(_apsw_appends(count))
        rate, row_bytes, cpu_us = over_http(count)
        ours.append(rate)
        ours_us.append(cpu_us)
        rows.append(row_bytes)
        if postgres.available():
            rate, cpu_us = postgres.facts_a_second(count)
            peer.append(rate)
            peer_us.append(cpu_us)
    name = "take-in over HTTP, durable, all views folded, 1000 a request"
    yield result(name, "facts/s", _median(ours), _median(raw), "apsw: bare appends of the same bytes, synchronous FULL", "≥ 40000")  # fmt: skip
    if peer:
        yield result(name, "facts/s", _median(ours), _median(peer), "PostgreSQL 15: COPY of the facts and of the same narrow rows, folded alike, without HTTP", "≥ 1.5 ×")  # fmt: skip
    else:
        yield result(name, "facts/s", _median(ours), None, "PostgreSQL 15 (not installed)")
    yield result(f"{name}: processor time of all processes but the sender", "µs/fact", _median(ours_us), _median(peer_us) if peer else None, "PostgreSQL 15, its server's and its two clients'")  # fmt: skip
    mix = sum(map(len, bodies(count))) / count
    yield result("rows of all views", "B/fact", _median(rows), mix, "the facts themselves", "≤ 250")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _apsw_appends(count: int) -> float:
    lines = bodies(count)
    ids = [events.recall(line).id.bytes for line in lines]
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


def over_http(count: int, *options: str) -> tuple[float, float, float]:
    """Facts a second from the first request to the last fact folded, bytes of rows and the processor's µs a fact.

    `options` are those of `asbuilt run`.
    """
    with folder() as path:
        with server(path / "data", None, *options) as (address, process):
            before_s = cpu_seconds(process.pid)
            told = load(address, token_of(path / "data"), count, PER_REQUEST, 8)
            began = time.perf_counter()
            while _behind(address):
                time.sleep(0.005)
            rate = count / (told["seconds"] + time.perf_counter() - began)
            cpu_us = (cpu_seconds(process.pid) - before_s) / count * 1e6
        rows = path / "data" / "views.db"
        # A server that was slow to end leaves rows in the log beside the file.
        with closing(apsw.Connection(str(rows))) as db:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return rate, rows.stat().st_size / count, cpu_us


def _behind(address: str) -> int:
    with urllib.request.urlopen(f"{address}/healthz") as answer:
        return int(json.load(answer)["behind"])
