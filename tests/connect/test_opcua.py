"""OPC UA against node-opcua, a foreign server: killed, frozen, secured; nodes, machines and jobs."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from asbuilt.events import (
    Counted,
    GapFound,
    Measured,
    MessageRejected,
    OperationCompleted,
    SourceConnected,
    SourceLost,
    StateChanged,
)
from tests.connect import peers
from tests.connect.test_mqtt import listening, recorded
from tests.connect.test_sparkplug_peers import tell_real_time
from tests.web.serving import Served, allowed_s, wait_until

pytest.importorskip("asyncua", reason="asyncua is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::cryptography.utils.CryptographyDeprecationWarning"
    ),
]

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
name = "Mill"
source = "cell:Mill 1"

[adapter.cell]
kind = "opcua"
address = "opc.tcp://127.0.0.1:{port}"
every_s = 0.1
stations = {{ "/Machines/Mill 1" = "works/main/hall/1/10" }}
{settings}

[[adapter.cell.map]]
node = "/Press/Temp"
fact = "measured"
constants = {{ station = "works/main/hall/1/10", characteristic = "temp", uom = "°C" }}
[adapter.cell.map.fields]
value = "value"

[[adapter.cell.map]]
node = "ns=1;s=Count"
fact = "counted"
counts = "good"
constants = {{ station = "works/main/hall/1/10" }}
[adapter.cell.map.fields]
reading = "value"
"""


def plant_text(port: int, settings: str = "") -> str:
    return PLANT.format(port=port, settings=settings)


class UaServer:
    """The foreign server as a process that is told what its machine does."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.command = [peers.node("node-opcua"), str(peers.SOURCES / "opcua_server.js")]
        self.folder, self.port = folder, port or peers.free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        log = self.folder / "log"
        with log.open("wb") as out:
            env = {
                "PATH": "/usr/bin:/bin:/usr/local/bin",
                "NODE_PATH": str(peers.PEERS / "node" / "node_modules"),
                "HOME": str(self.folder),
            }
            self.process = subprocess.Popen(
                [*self.command, str(self.port), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=env,
            )
        wait_until(lambda: b"ready" in log.read_bytes() or self.process.poll() is not None, "the server", 60)
        assert self.process.poll() is None, log.read_text()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UaServer]:
    server = UaServer(tmp_path_factory.mktemp("opcua"))
    server.start()
    try:
        yield server
    finally:
        server.close()


@contextmanager
def following(server: UaServer, settings: str = "") -> Iterator[Served]:
    with listening(plant_text(server.port, settings)) as asbuilt:
        tell_real_time(asbuilt)
        wait_until(lambda: recorded(asbuilt.app, Measured), lambda: str(recorded(asbuilt.app)[1:]))
        yield asbuilt


def temps(server: Served) -> list[str]:
    return [fact.value for fact in recorded(server.app, Measured)]


def states(server: Served) -> list[str]:
    return [fact.state for fact in recorded(server.app, StateChanged)]


def test_nodes_machines_and_jobs_become_facts(shared):
    with following(shared) as server:
        shared.say("temp 21.25")
        shared.say("count 5")
        shared.say("machine Executing")
        wait_until(lambda: "21.25" in temps(server))
        wait_until(lambda: states(server)[-1:] == ["Execute"], lambda: str(recorded(server.app, MessageRejected)))
        shared.say("count 3")
        wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) >= 3)
        (tile,) = server.query("line.states", line="1")
        assert (tile.state, tile.observed) == ("Execute", "yes")
        shared.say("machine NotAvailable")
        wait_until(lambda: recorded(server.app, SourceLost))
        (tile,) = server.query("line.states", line="1")
        assert tile.state == "No data"
        shared.say("bad")
        shared.say("machine OutOfService")
        wait_until(lambda: states(server)[-1] == "Stopped")
        assert "0" not in temps(server)
        shared.say("job WO-77")
        wait_until(lambda: recorded(server.app, OperationCompleted), lambda: str(recorded(server.app, MessageRejected)))
        shared.say("job WO-78")
        wait_until(lambda: len(recorded(server.app, OperationCompleted)) == 2)
        jobs = recorded(server.app, OperationCompleted)
        assert [job.order for job in jobs] == ["WO-77", "WO-78"]
        assert (jobs[0].event_time - jobs[0].start_time).total_seconds() == 60
        shared.say("machine Executing")
        shared.say("temp 20.5")


def test_a_server_frozen_for_twenty_seconds_is_followed_again_when_thawed(shared):
    with following(shared) as server:
        shared.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            wait_until(lambda: "cell" in {fact.adapter for fact in recorded(server.app, SourceLost)})
            assert time.monotonic() - began < allowed_s(5.5)
            time.sleep(max(0.0, 20 - (time.monotonic() - began)))
        finally:
            shared.process.send_signal(signal.SIGCONT)
        wait_until(
            lambda: [f.adapter for f in recorded(server.app, SourceConnected)].count("cell") == 2, "a new client", 60
        )
        shared.say("temp 33.5")
        wait_until(lambda: "33.5" in temps(server), "values flow again")


def test_what_was_missed_is_read_from_the_history_and_the_rest_is_a_gap(shared, tmp_path):
    with following(shared) as server:
        shared.say("temp 1.5")
        wait_until(lambda: "1.5" in temps(server))
        # The network is cut: nothing passes, the server lives on.
        listening_ = next(iter(server.supervisor._running))
        assert listening_
        task = next(task for task in server.supervisor._running if task.get_name() == "listening")
        loop = task.get_loop()
        loop.call_soon_threadsafe(task.cancel)
        wait_until(task.done)
        for number in range(10):
            shared.say(f"temp {50 + number}.5")
            time.sleep(0.05)
        shared.say("temp 2.5")

        async def again() -> None:
            server.supervisor._running.remove(task)
            from asbuilt.run.listening import Listening

            more = Listening(server.app, server.site.mount)
            import asyncio

            server.supervisor._running.append(asyncio.create_task(more.run(), name="listening"))

        import asyncio

        asyncio.run_coroutine_threadsafe(again(), loop).result(10)
        wait_until(lambda: {f"{50 + number}.5" for number in range(10)} <= set(temps(server)), "history", 40)
        wait_until(lambda: [gap for gap in recorded(server.app, GapFound) if "keeps no history of" in gap.reason])


def test_a_killed_server_is_lost_and_followed_again(tmp_path):
    ua = UaServer(tmp_path / "ua")
    ua.start()
    try:
        with following(ua) as server:
            began = time.monotonic()
            ua.kill()
            wait_until(lambda: recorded(server.app, SourceLost))
            assert time.monotonic() - began < allowed_s(5.5)
            ua.start()
            wait_until(
                lambda: [f.adapter for f in recorded(server.app, SourceConnected)].count("cell") == 2, "it again", 60
            )
            ua.say("temp 44.5")
            wait_until(lambda: "44.5" in temps(server), "values", 30)
    finally:
        ua.close()


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
def test_a_server_is_trusted_when_its_certificate_is_in_the_folder(shared, tmp_path, policy, monkeypatch):
    monkeypatch.setenv("UA_PASSWORD", "right")
    trust = tmp_path / "trust"
    settings = f'security = "{policy}"\ncertificate = "{tmp_path}/own.der"\nkey = "{tmp_path}/own.pem"\ntrust = "{trust}"\nuser = "asbuilt"\npassword = "env:UA_PASSWORD"'
    with listening(plant_text(shared.port, settings)) as server:
        tell_real_time(server)
        wait_until(lambda: recorded(server.app, SourceLost))
        assert "is not trusted" in recorded(server.app, SourceLost)[0].reason
        (kept,) = (trust / "rejected").glob("*.der")
        shutil.move(kept, trust / "server.der")
        wait_until(lambda: recorded(server.app, Measured), "trusted values", 40)


def test_a_node_that_is_not_there_is_named(shared):
    text = plant_text(shared.port).replace("/Press/Temp", "/Press/Pressure")
    with listening(text) as server:
        wait_until(lambda: recorded(server.app, SourceLost))
        assert "no node `/Press/Pressure`" in recorded(server.app, SourceLost)[0].reason
