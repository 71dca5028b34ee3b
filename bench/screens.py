"""From a fact's request to every screen: with 1, 200 and 1,000 listeners, beside a bare fan-out."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import uvloop

from asbuilt import events
from asbuilt.app import AsBuilt
from bench.measure import Result, boxer, facts, folder, free_port, percentile, result, server, token_of

ROUNDS = 40
PAGE = "/line/1"
MUSTS = {(200, "p99"): "≤ 120", (1000, "p99"): "≤ 200"}
FRAME = b"event: frag\ndata: " + b"x" * 6000 + b"\n\n"


def run(scale: float) -> Iterator[Result]:
    """Fact to screen, p50 and p99 over all listeners and rounds."""
    rounds = max(10, int(ROUNDS * scale))
    for listeners in (1, 200, 1000):
        ours = uvloop.run(_ours(listeners, rounds))
        bare = _bare(listeners, rounds)
        for key in ("p50", "p99"):
            share = 0.5 if key == "p50" else 0.99
            yield result(
                f"fact to screen, {listeners:,} listeners, {key}", "ms", percentile(ours, share),
                percentile(bare, share), "bare asyncio: 6 KB written to each of as many sockets",
                MUSTS.get((listeners, key), ""),
            )  # fmt: skip


class Screens:
    """So many streams of a page, listened to as cheaply as can be: it is not the listeners that are measured.

    `sightings` has, for each marker waited for, when each stream brought it; `chunks` counts what came at all.
    """

    def __init__(self, address: str, page: str, count: int) -> None:
        self._address, self._page, self._count = address, page, count
        self._transports: list[asyncio.BaseTransport] = []
        self.sightings: dict[bytes, list[float]] = {}
        self.chunks = 0

    async def __aenter__(self) -> Screens:
        host, port = urlsplit(self._address).hostname or "", urlsplit(self._address).port or 80
        with urllib.request.urlopen(f"{self._address}{self._page}") as answer:
            answer.read()
        path = f"/live?page={quote(self._page, safe='')}&since="
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        loop = asyncio.get_running_loop()
        readies = []
        for _ in range(self._count):
            stream = _Stream(self, request, loop.create_future())
            transport, _ = await loop.create_connection(lambda stream=stream: stream, host, port)  # type: ignore[misc]
            self._transports.append(transport)
            readies.append(stream.ready)
        await asyncio.gather(*readies)
        await asyncio.sleep(1.5)
        return self

    async def __aexit__(self, *error: object) -> None:
        for transport in self._transports:
            transport.close()


class _Stream(asyncio.Protocol):
    def __init__(self, screens: Screens, request: bytes, ready: asyncio.Future[None]) -> None:
        self._screens, self._request, self.ready = screens, request, ready
        self._tail = b""

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
        self._screens.chunks += 1
        text = self._tail + data
        for marker, seen in self._screens.sightings.items():
            if marker in text:
                seen.append(time.perf_counter())
        self._tail = text[-40:]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("the stream ended before it began"))


async def _ours(listeners: int, rounds: int) -> list[float]:
    """Post a fact with a marker, see when each stream brings it; between them the plant goes on."""
    with folder() as path:
        _history(path / "data")
        with server(path / "data") as (address, _):
            token = token_of(path / "data")
            latencies: list[float] = []
            async with Screens(address, PAGE, listeners) as screens:
                for number in range(rounds):
                    marker = f"seen-{listeners}-{number}-"
                    seen: list[float] = []
                    screens.sightings = {marker.encode(): seen}
                    began = time.perf_counter()
                    await asyncio.to_thread(_post, address, token, marker, number)
                    while len(seen) < listeners and time.perf_counter() - began < 10:
                        await asyncio.sleep(0.01)
                    latencies += [(at - began) * 1000 for at in seen]
                    latencies += [10_000.0] * (listeners - len(seen))
                    # At no fixed distance from the beat of the pages.
                    await asyncio.sleep(0.137)
            return latencies


def _history(path: Path) -> None:
    with AsBuilt(path, plant=boxer()) as app:
        every = facts(20_000)
        for at in range(0, len(every), 2000):
            app.take_in(every[at : at + 2000])


def _post(address: str, token: str, marker: str, number: int) -> None:
    now = dt.datetime.now(dt.UTC)
    fact = events.StateChanged(
        id=events.new_id(now, os.urandom), event_time=now, source="gw-1", station="boxer/main/assembly/1/10"
        if "boxer/main/assembly/1/10" in boxer().stations
        else next(iter(boxer().stations)),
        state="Held" if number % 2 else "Execute", message=marker,
    )  # fmt: skip
    request = urllib.request.Request(f"{address}/facts", events.encode(fact), {"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        assert msgspec.json.decode(answer.read())["accepted"] == 1


_BARE = """
import asyncio, sys
MUSTS = {(200, "p99"): "≤ 120", (1000, "p99"): "≤ 200"}
FRAME = b"event: frag\\ndata: " + b"x" * 6000 + b"\\n\\n"
writers = []
async def client(reader, writer):
    line = await reader.readline()
    if line.startswith(b"LISTEN"):
        writers.append(writer)
        writer.write(b"ok\\n")
    else:
        number = line.split()[1]
        for one in writers:
            one.write(FRAME + b"marker-" + number + b"-\\n")
        writer.write(b"done\\n")
async def main():
    import uvloop
    server = await asyncio.start_server(client, "127.0.0.1", int(sys.argv[1]))
    print("up", flush=True)
    await server.serve_forever()
import uvloop
uvloop.run(main())
"""


def _bare(listeners: int, rounds: int) -> list[float]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        return uvloop.run(_bare_rounds(port, listeners, rounds))
    finally:
        process.terminate()
        process.wait()


async def _bare_rounds(port: int, listeners: int, rounds: int) -> list[float]:
    sightings: dict[bytes, list[float]] = {}

    async def listen(ready: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"LISTEN\n")
        await reader.readline()
        ready.set()
        while chunk := await reader.read(1 << 20):
            now = time.perf_counter()
            for marker in [marker for marker in sightings if marker in chunk]:
                sightings[marker].append(now)

    readies = [asyncio.Event() for _ in range(listeners)]
    tasks = [asyncio.create_task(listen(ready)) for ready in readies]
    await asyncio.gather(*(ready.wait() for ready in readies))
    latencies: list[float] = []
    for number in range(rounds):
        marker = f"marker-{number}-".encode()
        sightings.clear()
        sightings[marker] = []
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.perf_counter()
        writer.write(f"SEND {number}\n".encode())
        await reader.readline()
        while len(sightings[marker]) < listeners and time.perf_counter() - began < 10:
            await asyncio.sleep(0.005)
        latencies += [(at - began) * 1000 for at in sightings[marker]]
        writer.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return latencies
