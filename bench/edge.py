"""Senders for `bench.connect`, each a process of its own: `python -m bench.edge sparkplug|agent|opcua PORT COUNT`.

`sparkplug` is an edge node that says COUNT payloads of 100 metrics once it reads a line; `agent` is an
MTConnect agent with COUNT observations in its buffer, rendered beforehand; `opcua` a server that changes 100
nodes COUNT times at each line.
"""

from __future__ import annotations

import asyncio
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from asbuilt.adapters.mqtt.client import Client
from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.payload import Metric, Payload

METRICS = 100
T0_MS = 1_780_468_200_000
PAGE = 5_000


def payload(number: int, *, birth: bool = False) -> bytes:
    """A payload of 100 metrics: with names in the birth, by alias afterwards."""
    metrics = [
        Metric(
            name=f"Cell/Drive {n}/Temp" if birth else None, alias=n + 1, timestamp=T0_MS + number, datatype=wire.DOUBLE,
            value=number + n / 128,
        )
        for n in range(METRICS)
    ]  # fmt: skip
    if birth:
        metrics.append(Metric(name="bdSeq", timestamp=T0_MS, datatype=wire.INT64, value=0))
    return wire.encode(Payload(timestamp=T0_MS + number, seq=number % 256, metrics=metrics))


async def speak(port: int, count: int) -> None:
    """Be born, wait for a line, say everything as fast as the broker takes it."""
    bodies = [payload(number) for number in range(1, count + 1)]
    client = Client(4, 1 << 24)
    await client.connect("127.0.0.1", port, "bench-edge", keep_session=False)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await client.publish("spBv1.0/G/NBIRTH/E", payload(0, birth=True), qos=1)
    at_once = asyncio.Semaphore(200)

    async def say(body: bytes) -> None:
        try:
            await client.publish("spBv1.0/G/NDATA/E", body, qos=1)
        finally:
            at_once.release()

    tasks = []
    for body in bodies:
        await at_once.acquire()
        tasks.append(asyncio.create_task(say(body)))
    await asyncio.gather(*tasks)
    await asyncio.to_thread(sys.stdin.readline)
    await client.close()


async def change(port: int, rounds: int) -> None:
    """Change 100 nodes `rounds` times whenever a line is read."""
    import logging

    from asyncua import ua
    from asyncua.server.server import Server

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:bench")
    folder = await server.nodes.objects.add_folder(space, "Bench")
    nodes = [
        await folder.add_variable(ua.NodeId.from_string(f"ns={space};s=Wide {n}"), f"Wide {n}", float(n))
        for n in range(METRICS)
    ]
    await server.start()
    print("ready", space, flush=True)
    turn = 0
    while await asyncio.to_thread(sys.stdin.readline):
        for _ in range(rounds):
            turn += 1
            for node in nodes:
                await server.write_attribute_value(
                    node.nodeid, ua.DataValue(ua.Variant(turn + 0.5, ua.VariantType.Double))
                )
            await asyncio.sleep(0)


def serve(port: int, count: int) -> None:
    """Answer `sample?from=` from pages rendered beforehand."""

    def page(first: int) -> bytes:
        last = min(first + PAGE, count + 1)
        rows = "".join(
            f'<Load dataItemId="l" name="Sload" sequence="{n}" timestamp="2026-06-03T06:{n // 60_000 % 60:02d}:{n // 1000 % 60:02d}.{n % 1000:03d}Z">{n % 97}.5</Load>'
            for n in range(first, last)
        )
        header = f'<Header instanceId="7" firstSequence="1" nextSequence="{last}" lastSequence="{count}" creationTime="2026-06-03T06:00:00Z"/>'
        return f'<MTConnectStreams>{header}<Streams><DeviceStream name="M"><ComponentStream componentId="c"><Samples>{rows}</Samples></ComponentStream></DeviceStream></Streams></MTConnectStreams>'.encode()

    pages = {first: page(first) for first in range(1, count + 2, PAGE)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = pages.get(int(asked.get("from", ["1"])[0])) or page(count + 1)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "sparkplug":
        asyncio.run(speak(int(sys.argv[2]), int(sys.argv[3])))
    elif sys.argv[1] == "opcua":
        asyncio.run(change(int(sys.argv[2]), int(sys.argv[3])))
    else:
        serve(int(sys.argv[2]), int(sys.argv[3]))
