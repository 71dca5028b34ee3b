"""The Sparkplug host with foreign edge nodes, good and bad, behind a real broker."""

from __future__ import annotations

import datetime as dt
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asbuilt.events import Counted, DeviationNoticed, GapFound, Measured, MessageRejected, SourceConnected, SourceLost
from tests.connect import peers
from tests.connect.test_mqtt import listening, recorded
from tests.web.serving import Served, allowed_s, wait_until

pytestmark = pytest.mark.slow

PLANT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
[[site.area.line.station]]
id = "10"
name = "Press"
source = "cells:{part}"

[adapter.cells]
kind = "sparkplug"
port = {port}
reorder_s = 0.5

[[adapter.cells.map]]
metric = "*Count"
device = "Press*"
fact = "counted"
counts = "good"
constants = {{ station = "works/main/hall/1/10" }}
[adapter.cells.map.fields]
reading = "value"

[[adapter.cells.map]]
metric = "*Temp"
fact = "measured"
constants = {{ station = "works/main/hall/1/10", characteristic = "temp", uom = "°C" }}
[adapter.cells.map.fields]
value = "value"

[[adapter.cells.map]]
metric = "Steps"
each = "value"
fact = "measured"
constants = {{ station = "works/main/hall/1/10", uom = "N" }}
[adapter.cells.map.fields]
characteristic = '"load " + text(item.step)'
value = "item.load"
"""


class Edge:
    """A foreign edge node that is told what to say, a line at a time."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            env = {"PATH": "/usr/bin:/bin", "NODE_PATH": str(peers.PEERS / "node" / "node_modules")}
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out, env=env)

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        assert self.process.stdin is not None
        self.process.stdin.close()


EDGES = {
    "sparkplug-client": ("Sparkplug Devices/Test Edge Node", "Press 1"),
    "pysparkplug": ("Works/Py", "Press"),
    "mqtt-spb-wrapper": ("Works/Wrap", "Press"),
}


def edge(name: str, port: int, folder: Path) -> Edge:
    if name == "sparkplug-client":
        command = [peers.node("sparkplug-client"), str(peers.SOURCES / "sparkplug_edge.js"), str(port)]
    else:
        of = {"pysparkplug": "pysparkplug", "mqtt-spb-wrapper": "spbwrapper"}[name]
        command = [peers.python_of(of), str(peers.SOURCES / f"{of}_edge.py"), str(port)]
    return Edge(command, folder / "edge.log")


@contextmanager
def hosted(name: str, folder: Path) -> Iterator[tuple[peers.Peer, Served, Edge]]:
    part, _ = EDGES[name]
    with peers.mosquitto(folder / "broker") as broker, listening(PLANT.format(port=broker.port, part=part)) as server:
        tell_real_time(server)
        wait_until(lambda: recorded(server.app, SourceConnected))
        made = edge(name, broker.port, folder)
        try:
            yield broker, server, made
        finally:
            made.close()


def tell_real_time(server: Served) -> None:
    """Machines say the real time: so must the plant's clock."""
    server.clock.stand(dt.datetime.now(dt.UTC))
    server.clock._began = time.monotonic()


def silent(server: Served) -> set[str]:
    return {silence.source for silence in server.query("line.silences")}


def connected(server: Served) -> list[str]:
    return [fact.adapter for fact in recorded(server.app, SourceConnected)]


def lost(server: Served) -> set[str]:
    return {fact.adapter for fact in recorded(server.app, SourceLost)}


@pytest.mark.parametrize("name", EDGES)
def test_what_a_foreign_edge_says_becomes_facts(name, tmp_path):
    part, device = EDGES[name]
    with hosted(name, tmp_path) as (_, server, made):
        wait_until(lambda: f"cells:{part}/{device}" in connected(server), made.log.read_text)
        assert f"cells:{part}" in connected(server)
        made.say("count 300")
        wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 300, "300 pieces")
        (measured,) = [fact for fact in recorded(server.app, Measured) if fact.characteristic == "temp"]
        assert measured.value in ("21.5", "0.1", "20.5")
        assert f"cells:{part}" not in silent(server)
        made.say("stop")
        wait_until(lambda: f"cells:{part}" in lost(server), "the node's end", 25)
        assert f"cells:{part}" in silent(server)
        refused = [fact.reason for fact in recorded(server.app, MessageRejected)]
        assert not refused, refused


def test_how_each_of_them_deviates_is_recorded_once(tmp_path):
    found: dict[str, set[str]] = {}
    for name in EDGES:
        with hosted(name, tmp_path / name) as (_, server, made):
            part, device = EDGES[name]
            wait_until(lambda part=part, device=device, server=server: f"cells:{part}/{device}" in connected(server))
            made.say("count 5")
            wait_until(lambda server=server: sum(fact.good for fact in recorded(server.app, Counted)) == 5)
            made.say("stop")
            wait_until(lambda part=part, server=server: f"cells:{part}" in lost(server), "its end", 25)
            facts = recorded(server.app, DeviationNoticed)
            found[name] = {fact.deviation for fact in facts}
            assert len(facts) == len({(fact.adapter, fact.deviation) for fact in facts})
    # As those libraries are known to behave; the text of the specification is section 6.4 of Sparkplug 3.0.0.
    assert {"bdseq-type", "timestamp-missing"} <= found["sparkplug-client"]
    assert {"rebirth-missing", "bdseq-mismatch"} <= found["pysparkplug"]
    assert {"metric-not-born"} <= found["mqtt-spb-wrapper"]


def test_data_sets_and_compressed_payloads_of_a_foreign_edge(tmp_path):
    with hosted("sparkplug-client", tmp_path) as (_, server, made):
        wait_until(lambda: len(connected(server)) == 3)
        made.say("count 6")
        wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 6)
        loads = {fact.characteristic: fact.value for fact in recorded(server.app, Measured)}
        assert loads == {"temp": "21.5", "load 1": "2.5", "load 2": "3.5"}


def test_a_node_born_before_the_host_is_asked_for_its_birth(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker:
        made = edge("sparkplug-client", broker.port, tmp_path)
        try:
            time.sleep(1.5)
            with listening(PLANT.format(port=broker.port, part="x/y")) as server:
                tell_real_time(server)
                wait_until(lambda: recorded(server.app, SourceConnected))
                made.say("count 3")
                wait_until(lambda: len(connected(server)) == 3, made.log.read_text)
                assert "asked" in made.log.read_text()
                made.say("count 4")
                wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 4)
        finally:
            made.close()


def test_a_killed_edge_is_lost_and_its_return_is_a_new_birth(tmp_path):
    part, _ = EDGES["sparkplug-client"]
    with hosted("sparkplug-client", tmp_path) as (broker, server, made):
        wait_until(lambda: len(connected(server)) == 3)
        made.say("count 10")
        wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 10)
        made.process.kill()
        wait_until(lambda: f"cells:{part}" in lost(server), "the broker says its will")
        again = edge("sparkplug-client", broker.port, tmp_path)
        try:
            wait_until(lambda: len(connected(server)) == 5, "born anew")
            again.say("count 4")
            # Its counter began at 0 again: what it made is not guessed, what it makes from then on is counted.
            wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 14)
        finally:
            again.close()


def test_the_broker_gone_and_back(tmp_path):
    part, _ = EDGES["sparkplug-client"]
    with hosted("sparkplug-client", tmp_path) as (broker, server, made):
        wait_until(lambda: len(connected(server)) == 3)
        began = time.monotonic()
        broker.kill()
        wait_until(lambda: {"cells", f"cells:{part}"} <= lost(server))
        assert time.monotonic() - began < allowed_s(5)
        broker.start()
        wait_until(lambda: len(connected(server)) == 6, "all born again", 40)
        made.say("count 2")
        wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 2)
        assert recorded(server.app, GapFound) == []
