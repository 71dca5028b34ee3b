"""A load generator in a process of its own: keeps a number of requests in flight, tells the times.

    python -m bench.load ADDRESS TOKEN FACTS PER_REQUEST CONNECTIONS [RATE]

Closed loop without RATE (as fast as answers come), open loop with it (facts a second, latency
counted from when a request was due). Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from urllib.parse import urlsplit

from bench.measure import bodies, percentile


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> int:
    writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(answer[9:12])


async def send(address: str, token: str, count: int, size: int, connections: int, rate: float) -> dict[str, float]:
    """Send the facts; seconds taken and latencies in milliseconds."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    lines = bodies(count)
    requests = [b"\n".join(lines[at : at + size]) for at in range(0, count, size)]
    head = f"POST /facts HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\nContent-Length: ".encode()
    latencies: list[float] = []
    began = time.perf_counter()
    todo = iter(enumerate(requests))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
        for number, body in todo:
            due = time.perf_counter()
            if rate:
                due = began + number * size / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status = await _request(reader, writer, head, body)
            if status != 200:
                raise RuntimeError(f"answered {status}")
            latencies.append((time.perf_counter() - due) * 1000)
        writer.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "p50_ms": percentile(latencies, 0.5), "p99_ms": percentile(latencies, 0.99)}


def load(address: str, token: str, count: int, size: int, connections: int, rate: float = 0) -> dict[str, float]:
    """The same from a process of its own, so that sending and answering do not share an interpreter."""
    command = [sys.executable, "-m", "bench.load", address, token, str(count), str(size), str(connections)]
    done = subprocess.run([*command, *([str(rate)] if rate else [])], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def main() -> None:
    address, token, count, size, connections, *rest = sys.argv[1:]
    # Everything is made before the clock starts; only then is the server's time taken.
    bodies(int(count))
    import uvloop

    print(
        json.dumps(
            uvloop.run(send(address, token, int(count), int(size), int(connections), float(rest[0]) if rest else 0.0))
        )
    )


if __name__ == "__main__":
    main()
