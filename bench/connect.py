"""Machines in: Sparkplug metrics, MTConnect observations and OPC UA changes into the durable record, every one a fact.

Beside each: the bare client library on the same stream, doing nothing with what it hears.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from asbuilt.app import AsBuilt
from asbuilt.plant import parse
from asbuilt.run.listening import Listening
from bench.edge import METRICS, PAGE
from bench.measure import Result, folder, free_port, result

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "tests" / ".peers"
MOSQUITTO = Path("/usr/sbin/mosquitto")
PLANT = """
[plant]
id = "works"
name = "Works"
zone = "UTC"
[adapter.in]
{adapter}
[[adapter.in.map]]
{what}
fact = "measured"
constants = {{ station = "works/m/h/1/10", uom = "°C" }}
[adapter.in.map.fields]
characteristic = "{name}"
value = "{value}"
"""


def run(scale: float) -> Iterator[Result]:
    """Rates of three protocols."""
    yield from _sparkplug(max(200, int(2_000 * scale)))
    yield from _mtconnect(max(20_000, int(200_000 * scale)))
    yield from _opcua(max(50, int(500 * scale)))


# --------------------------------------------------------------------------- ours


def _ours(text: str, facts: int, start: Callable[[], None], ready: Callable[[AsBuilt], bool]) -> float:
    """Facts a second, from the start of the stream until the last is durable."""
    with folder() as path, AsBuilt(path / "data", plant=parse(text)) as app:
        seconds: list[float] = []

        async def follow() -> None:
            listening = asyncio.create_task(Listening(app, lambda *_: None).run())
            while not ready(app):
                await asyncio.sleep(0.01)
            start()
            began = time.perf_counter()
            while app.record.count("type:measured.v1") < facts:
                if listening.done() or time.perf_counter() - began > 300:
                    raise RuntimeError(f"{app.record.count('type:measured.v1')} of {facts} facts came")
                await asyncio.sleep(0.005)
            seconds.append(time.perf_counter() - began)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

        asyncio.run(follow())
        return facts / seconds[0]


def _connected(app: AsBuilt) -> bool:
    return app.record.count("type:source_connected.v1") > 0


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A sender that says when it is ready."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NODE_PATH": str(PEERS / "node" / "node_modules")}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, **options
    )
    try:
        assert process.stdout is not None
        while b"ready" not in (line := process.stdout.readline()):
            if not line:
                raise RuntimeError(f"{command[:3]} ended")
        yield process
    finally:
        process.kill()
        process.wait(10)


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()


# --------------------------------------------------------------------------- Sparkplug


@contextmanager
def _broker() -> Iterator[int]:
    with folder() as path:
        port = free_port()
        config = path / "m.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\n"
        )
        process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def _sparkplug(payloads: int) -> Iterator[Result]:
    name = f"Sparkplug: {METRICS} metrics a payload, each a durable fact"
    if not MOSQUITTO.exists():
        yield result(name, "metrics/s", 0, None, "Mosquitto is not installed: not measured")
        return
    ours, bare, decoding = [], [], []
    for _ in range(3):
        with (
            _broker() as port,
            _process([sys.executable, "-m", "bench.edge", "sparkplug", str(port), str(payloads)], cwd=ROOT) as edge,
        ):
            adapter = f'kind = "sparkplug"\nport = {port}'
            text = PLANT.format(adapter=adapter, what='metric = "*Temp"', name="metric", value="value")
            ours.append(_ours(text, (payloads + 1) * METRICS, lambda: _tell(edge, "go"), _connected))
        with (
            _broker() as port,
            _process([sys.executable, "-m", "bench.edge", "sparkplug", str(port), str(payloads)], cwd=ROOT) as edge,
        ):
            bare.append(_paho(port, payloads, lambda: _tell(edge, "go")))
        with (
            _broker() as port,
            _process([sys.executable, "-m", "bench.edge", "sparkplug", str(port), str(payloads)], cwd=ROOT) as edge,
        ):
            rate = _pysparkplug(port, payloads, lambda: _tell(edge, "go"))
            decoding += [rate] if rate else []
    reference = _median(decoding) if decoding else None
    known = "pysparkplug: payloads decoded, nothing done" if decoding else "pysparkplug is not installed"
    yield result(name, "metrics/s", _median(ours), reference, known)
    yield result(name, "metrics/s", _median(ours), _median(bare), "paho: bytes received, not even decoded")


def _paho(port: int, payloads: int, start: Callable[[], None]) -> float:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    done, count = threading.Event(), 0

    def heard(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > payloads:
            done.set()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = heard
    client.connect("127.0.0.1", port)
    client.subscribe("spBv1.0/#", 1)
    client.loop_start()
    time.sleep(0.3)
    start()
    began = time.perf_counter()
    done.wait(300)
    seconds = time.perf_counter() - began
    client.loop_stop()
    return (payloads + 1) * METRICS / seconds


_PYSPARKPLUG = """
import sys, threading, time
import pysparkplug as psp
done, count = threading.Event(), 0
def heard(client, message):
    global count
    count += 1
    if count >= int(sys.argv[2]): done.set()
client = psp.Client()
client.connect("127.0.0.1", port=int(sys.argv[1]))
client.subscribe(psp.Topic(message_type=psp.MessageType.NDATA, group_id="G", edge_node_id="E"), psp.QoS.AT_LEAST_ONCE, heard)
time.sleep(0.5)
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
done.wait(300)
print(time.perf_counter() - began, flush=True)
"""


def _pysparkplug(port: int, payloads: int, start: Callable[[], None]) -> float | None:
    python = PEERS / "pysparkplug" / "bin" / "python"
    if not python.exists():
        return None
    with _process([str(python), "-c", _PYSPARKPLUG, str(port), str(payloads)]) as process:
        _tell(process, "go")
        start()
        assert process.stdout is not None
        return payloads * METRICS / float(process.stdout.readline())


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# --------------------------------------------------------------------------- MTConnect


def _mtconnect(observations: int) -> Iterator[Result]:
    ours, bare = [], []
    for _ in range(3):
        port = free_port()
        with _process([sys.executable, "-m", "bench.edge", "agent", str(port), str(observations)], cwd=ROOT):
            adapter = f'kind = "mtconnect"\naddress = "http://127.0.0.1:{port}"\nevery_s = 0.05'
            text = PLANT.format(adapter=adapter, what='observed = "Load"', name="name", value="number(value)")
            ours.append(_ours(text, observations, lambda: None, lambda app: True))
            bare.append(_urllib_and_etree(port, observations))
    yield result(
        "MTConnect: samples of an agent, each a durable fact", "obs/s", _median(ours), _median(bare),
        "http.client and ElementTree.iterparse: nothing done",
    )  # fmt: skip


def _urllib_and_etree(port: int, observations: int) -> float:
    import io

    connection = http.client.HTTPConnection("127.0.0.1", port)
    began, seen, place = time.perf_counter(), 0, 1
    while seen < observations:
        connection.request("GET", f"/sample?from={place}&count={PAGE}")
        for _, element in ElementTree.iterparse(io.BytesIO(connection.getresponse().read())):
            if "sequence" in element.attrib:
                seen += 1
            elif element.tag == "Header":
                place = int(element.attrib["nextSequence"])
    seconds = time.perf_counter() - began
    connection.close()
    return observations / seconds


# --------------------------------------------------------------------------- OPC UA


def _opcua(rounds: int) -> Iterator[Result]:
    name = "OPC UA: changes of 100 nodes, each a durable fact"
    try:
        import asyncua  # noqa: F401
    except ImportError:
        yield result(name, "changes/s", 0, None, "asyncua is not installed: not measured")
        return
    ours, bare = [], []
    port = free_port()
    with _process([sys.executable, "-m", "bench.edge", "opcua", str(port), str(rounds)], cwd=ROOT) as server:
        for _ in range(3):
            rules = "".join(
                f'[[adapter.in.map]]\nnode = "ns=2;s=Wide {n}"\nfact = "measured"\n'
                'constants = { station = "works/m/h/1/10", uom = "°C", characteristic = "wide" }\nfields = { value = "value" }\n'
                for n in range(100)
            )
            text = (
                '[plant]\nid = "works"\nname = "Works"\nzone = "UTC"\n[adapter.in]\nkind = "opcua"\n'
                f'address = "opc.tcp://127.0.0.1:{port}"\nevery_s = 0.05\nqueue = 2000\nsilent_s = 60\n{rules}'
            )
            waiting = lambda app: app.record.count("type:measured.v1") >= 100  # noqa: E731
            ours.append(_ours(text, 100 + rounds * 100, lambda: _tell(server, "go"), waiting))
            bare.append(asyncio.run(_asyncua(port, rounds * 100, lambda: _tell(server, "go"))))
    yield result(name, "changes/s", _median(ours), _median(bare), "asyncua: a handler that does nothing")


async def _asyncua(port: int, changes: int, start: Callable[[], None]) -> float:
    from asyncua.client.client import Client

    count, done = 0, asyncio.Event()

    class Handler:
        def datachange_notification(self, *_: Any) -> None:
            nonlocal count
            count += 1
            if count >= changes + 100:
                done.set()

    client = Client(f"opc.tcp://127.0.0.1:{port}")
    await client.connect()
    subscription = await client.create_subscription(50, Handler())
    nodes = [client.get_node(f"ns=2;s=Wide {n}") for n in range(100)]
    await subscription.subscribe_data_change(nodes, queuesize=2000, sampling_interval=0.0)  # type: ignore[call-overload]
    while count < 100:
        await asyncio.sleep(0.05)
    start()
    began = time.perf_counter()
    await asyncio.wait_for(done.wait(), 300)
    seconds = time.perf_counter() - began
    await client.disconnect()
    return changes / seconds
