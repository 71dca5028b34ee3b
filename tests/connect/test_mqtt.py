"""The MQTT adapter against real brokers: what is promised when either side fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.events import Counted, Measured, MessageRejected, SourceConnected, SourceLost, StateChanged
from asbuilt.plant import parse
from tests.connect import peers
from tests.faults import FailingRecord
from tests.web.serving import Process, Served, allowed_s, wait_until

paho = pytest.importorskip("paho.mqtt.client")

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
source = "cell"

[adapter.cell]
kind = "mqtt"
port = {port}
{settings}
response = "Look at the broker."

[[adapter.cell.map]]
topic = "press/+/state"
fact = "state_changed"
[adapter.cell.map.fields]
station = '"works/main/hall/1/" + topic[1]'
state = "payload.state"
event_time = "time(payload.ts)"

[[adapter.cell.map]]
topic = "press/+/parts"
format = "text"
fact = "counted"
counts = "good"
[adapter.cell.map.fields]
station = '"works/main/hall/1/" + topic[1]'
reading = "number(payload)"

[[adapter.cell.map]]
topic = "press/+/pulse"
format = "text"
fact = "counted"
constants = {{ good = 1 }}
[adapter.cell.map.fields]
station = '"works/main/hall/1/" + topic[1]'

[[adapter.cell.map]]
topic = "{wide}"
fact = "measured"
constants = {{ characteristic = "temp", uom = "°C" }}
[adapter.cell.map.fields]
station = '"works/main/hall/1/" + topic[1]'
value = "payload.v"
event_time = "time(payload.t)"
"""


def plant_text(port: int, settings: str = "", wide: str = "Öfen/+/Temp °C/#") -> str:
    return PLANT.format(port=port, settings=settings, wide=wide)


class Publisher:
    """A foreign client that publishes and waits for the broker's word."""

    def __init__(self, port: int, version: int = 5, **tls: Any) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=version)
        if tls.get("user"):
            self.client.username_pw_set(tls["user"], tls["password"])
        self.client.max_inflight_messages_set(1000)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def say(self, topic: str, payload: Any, qos: int = 1, retain: bool = False) -> None:
        data = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        told = self.client.publish(topic, data, qos=qos, retain=retain)
        if qos:
            told.wait_for_publish(20)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def publisher(port: int, **options: Any) -> Iterator[Publisher]:
    made = Publisher(port, **options)
    try:
        yield made
    finally:
        made.close()


def recorded(app: AsBuilt, *types: type[Any]) -> list[Any]:
    found = [events.recall(fact.body) for fact in app.record.read(0, 200_000)]
    return [fact for fact in found if not types or isinstance(fact, types)]


@contextmanager
def listening(text: str) -> Iterator[Served]:
    server = Served(None, "08:30", parse(text))
    try:
        yield server
    finally:
        server.close()


def until_connected(server: Served, times: int = 1) -> None:
    wait_until(lambda: len(recorded(server.app, SourceConnected)) >= times, "connected")


@pytest.fixture(scope="module", params=["mosquitto", "nats"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Peer]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "mosquitto":
        with peers.mosquitto(folder) as peer:
            yield peer
        return
    path, port, other = peers.nats_path(), peers.free_port(), peers.free_port()
    config = folder / "nats.conf"
    config.write_text(f'server_name: "peer"\nport: {other}\nhost: 127.0.0.1\njetstream {{ store_dir: "{folder}" }}\nmqtt {{ port: {port}, host: 127.0.0.1 }}\n')  # fmt: skip
    peer = peers.Peer([path, "-c", str(config)], port, folder / "log").start()
    try:
        yield peer
    finally:
        peer.close()


def test_messages_become_facts_through_any_broker(broker, request):
    wide = "ovens/+/temp/#" if "nats" in request.node.name else "Öfen/+/Temp °C/#"
    with listening(plant_text(broker.port, wide=wide)) as server, publisher(broker.port, version=4) as out:
        until_connected(server)
        out.say("press/10/state", {"state": "Execute", "ts": "2026-06-03T06:29:00Z"})
        out.say("press/10/parts", "40")
        out.say("press/10/parts", "42")
        out.say("press/10/parts", "42")
        out.say("press/10/parts", "1")
        out.say(wide.replace("+", "oven").replace("#", "1"), {"v": 812.5, "t": 1780468200})
        out.say("press/10/state", "Execute")
        wait_until(lambda: len(recorded(server.app, MessageRejected)) == 1)
        (state,) = recorded(server.app, StateChanged)
        assert (state.station, state.state, state.source) == ("works/main/hall/1/10", "Execute", "cell")
        # The 1 is held until the next reading says whether the counter was set anew.
        assert [(fact.good, fact.reading) for fact in recorded(server.app, Counted)] == [(0, 40), (2, 42)]
        assert [(fact.value, fact.uom) for fact in recorded(server.app, Measured)] == [("812.5", "°C")]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_was_sent_while_away_is_delivered(tmp_path, version):
    with peers.mosquitto(tmp_path / "broker") as broker:
        text = plant_text(broker.port, f'version = "{version}"')
        with listening(text) as server:
            until_connected(server)
        with publisher(broker.port) as out:
            for second in range(50):
                out.say("press/10/state", {"state": ["Idle", "Execute"][second % 2], "ts": 1780468200 + second})
        with listening(text) as server:
            wait_until(lambda: len(recorded(server.app, StateChanged)) == 50)


def test_a_message_is_acknowledged_only_when_it_is_durable(tmp_path):
    with (
        peers.mosquitto(tmp_path / "broker", "max_inflight_messages 10") as broker,
        listening(plant_text(broker.port)) as server,
        publisher(broker.port) as out,
    ):
        until_connected(server)
        holding = FailingRecord(server.app.record)
        server.app.pipeline._record = holding
        holding.go.clear()
        for second in range(30):
            out.say("press/10/state", {"state": ["Idle", "Execute"][second % 2], "ts": 1780468200 + second})
        assert holding.appending.wait(10)
        time.sleep(0.3)
        # Ten are on the way and none is acknowledged: the broker keeps the other twenty.
        assert sum(isinstance(fact, StateChanged) for fact in recorded(server.app)) == 0
        assert holding.appends == 1
        holding.go.set()
        wait_until(lambda: len(recorded(server.app, StateChanged)) == 30)


@pytest.mark.slow
def test_the_brokers_death_is_recorded_and_its_return(tmp_path):
    port = peers.free_port()
    with peers.mosquitto(tmp_path / "broker", port=port) as broker, listening(plant_text(port)) as server:
        until_connected(server)
        with publisher(port) as out:
            out.say("press/10/state", {"state": "Execute", "ts": "2026-06-03T06:29:00Z"})
        wait_until(lambda: recorded(server.app, StateChanged))
        time.sleep(1.2)  # the broker writes its sessions down once a second
        broker.kill()
        began = time.monotonic()
        wait_until(lambda: recorded(server.app, SourceLost))
        assert time.monotonic() - began < allowed_s(5)
        (lost,) = recorded(server.app, SourceLost)
        assert "hung up" in lost.reason or "broke" in lost.reason
        (tile,) = server.query("line.states", line="1")
        assert tile.state == "No data"
        broker.start()
        until_connected(server, 2)
        with publisher(port) as out:
            out.say("press/10/state", {"state": "Held", "ts": "2026-06-03T06:31:00Z"})
        wait_until(lambda: len(recorded(server.app, StateChanged)) == 2)


@pytest.mark.slow
def test_a_frozen_broker_is_lost_though_its_socket_is_open(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker, listening(plant_text(broker.port)) as server:
        until_connected(server)
        broker.freeze()
        began = time.monotonic()
        wait_until(lambda: recorded(server.app, SourceLost))
        assert time.monotonic() - began < allowed_s(5.5)
        assert "sign of life" in recorded(server.app, SourceLost)[0].reason
        broker.thaw()
        until_connected(server, 2)
        with publisher(broker.port) as out:
            out.say("press/10/state", {"state": "Held", "ts": "2026-06-03T06:31:00Z"})
        wait_until(lambda: recorded(server.app, StateChanged))


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.parametrize("topic", ["state", "pulse"])
def test_killed_with_messages_in_flight_nothing_is_lost_and_nothing_doubled(tmp_path, topic):
    """States say their own time; pulses say nothing at all, not even which one they are."""
    count = 3_000
    with peers.mosquitto(tmp_path / "broker") as broker:
        process = Process(tmp_path, plant_text(broker.port))
        process.start()
        time.sleep(1)

        def speak() -> None:
            with publisher(broker.port) as out:
                for number in range(count):
                    if topic == "state":
                        out.say("press/10/state", {"state": ["Idle", "Execute"][number % 2], "ts": 1780468200 + number})
                    else:
                        out.say("press/10/pulse", "")

        speaker = threading.Thread(target=speak)
        speaker.start()
        for _ in range(4):
            time.sleep(0.4)
            process.kill()
            process.start()
        speaker.join(60)
        wanted = StateChanged if topic == "state" else Counted

        def arrived() -> bool:
            with AsBuilt(process.data, read_only=True) as app:
                return len(recorded(app, wanted)) >= count

        wait_until(arrived, "all messages", 40)
        time.sleep(1)
        process.kill()
        process.close()
        with AsBuilt(process.data) as app:
            assert len(recorded(app, wanted)) == count
            if wanted is Counted:
                assert sum(fact.good for fact in recorded(app, Counted)) == count


def test_wrong_password_and_no_broker_are_said_in_words_without_the_secret(tmp_path, monkeypatch, caplog):
    passwords = tmp_path / "passwords"
    tool = peers.needs("mosquitto_passwd", shutil.which("mosquitto_passwd"))
    subprocess.run([tool, "-b", "-c", str(passwords), "asbuilt", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    monkeypatch.setenv("CELL_PASSWORD", "hunter2-secret")
    with peers.mosquitto(tmp_path / "broker", "allow_anonymous false", f"password_file {passwords}") as broker:
        settings = 'user = "asbuilt"\npassword = "env:CELL_PASSWORD"'
        with listening(plant_text(broker.port, settings)) as server:
            wait_until(lambda: recorded(server.app, SourceLost))
            assert "the broker refuses" in recorded(server.app, SourceLost)[0].reason
            assert all("hunter2" not in str(fact) for fact in recorded(server.app))
            assert "hunter2" not in caplog.text
            monkeypatch.setenv("CELL_PASSWORD", "right")
            until_connected(server)
    with listening(plant_text(peers.free_port())) as server:
        wait_until(lambda: recorded(server.app, SourceLost))
        assert "cannot connect" in recorded(server.app, SourceLost)[0].reason


def certificates(folder: Path) -> None:
    openssl = peers.needs("openssl", shutil.which("openssl"))

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], check=True, capture_output=True, cwd=folder)

    folder.mkdir()
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2")  # fmt: skip
    for name in ("server", "client"):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile", "names")  # fmt: skip
    for file in folder.iterdir():
        file.chmod(0o644)


@pytest.mark.slow
def test_tls_with_a_client_certificate(tmp_path):
    certificates(tmp_path / "tls")
    at = tmp_path / "tls"
    options = (f"cafile {at}/ca.crt", f"certfile {at}/server.crt", f"keyfile {at}/server.key", "require_certificate true", "use_identity_as_username true")  # fmt: skip
    with peers.mosquitto(tmp_path / "broker", *options) as broker:
        settings = f'tls = true\nca = "{at}/ca.crt"\ncertificate = "{at}/client.crt"\nkey = "{at}/client.key"'
        with listening(plant_text(broker.port, settings)) as server:
            until_connected(server)
        with listening(plant_text(broker.port, "tls = true")) as server:
            wait_until(lambda: recorded(server.app, SourceLost))
            assert "TLS failed" in recorded(server.app, SourceLost)[0].reason


def test_a_message_above_the_limit_is_rejected_and_the_next_is_taken(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker, listening(plant_text(broker.port, "bytes_max = 100000")) as server:  # fmt: skip
        until_connected(server)
        with publisher(broker.port) as out:
            out.say("press/10/state", "x" * 3_000_000)
            out.say("press/10/state", {"state": "Held", "ts": "2026-06-03T06:31:00Z"})
        wait_until(lambda: recorded(server.app, StateChanged))
        (rejected,) = recorded(server.app, MessageRejected)
        assert "3,000,000 bytes long" in rejected.reason
        assert rejected.message == b"x" * 16_384


def test_what_was_retained_tells_a_state_and_counts_nothing(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker:
        with publisher(broker.port) as out:
            out.say("press/10/state", {"state": "Held"}, retain=True)
            out.say("press/10/pulse", "1", retain=True)
        with listening(plant_text(broker.port)) as server:
            wait_until(lambda: recorded(server.app, StateChanged))
            time.sleep(0.2)
            assert recorded(server.app, Counted) == []


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_what_a_publisher_says_live_is_counted_though_it_asks_the_broker_to_keep_it(tmp_path, version):
    with peers.mosquitto(tmp_path / "broker") as broker, publisher(broker.port) as out:
        out.say("press/10/parts", "10", retain=True)
        with listening(plant_text(broker.port, f'version = "{version}"')) as server:
            until_connected(server)
            for reading in ("11", "12", "13"):
                out.say("press/10/parts", reading, retain=True)
            wait_until(lambda: sum(fact.good for fact in recorded(server.app, Counted)) == 2)
            assert [fact.reading for fact in recorded(server.app, Counted)] == [11, 12, 13]


@pytest.mark.slow
def test_a_new_connection_needs_no_restart(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker:
        text = plant_text(broker.port)
        process = Process(tmp_path, text[: text.index("[adapter.cell]")].replace('source = "cell"\n', ""))
        process.start()
        try:
            process.plant.write_text("[plant\n")
            time.sleep(1.5)
            process.plant.write_text(text)

            def connected() -> bool:
                with AsBuilt(process.data, read_only=True) as app:
                    return bool(recorded(app, SourceConnected))

            wait_until(connected, "the new adapter")
            with publisher(broker.port) as out:
                out.say("press/10/state", {"state": "Held", "ts": "2026-06-03T06:31:00Z"})
            assert process.interrupt() in (0, 130)
            with AsBuilt(process.data) as app:
                assert recorded(app, StateChanged)
                assert [fact.reason for fact in recorded(app, SourceLost)] == ["asbuilt was stopped"]
        finally:
            process.close()


@pytest.mark.parametrize(
    "settings", ['password = "secret"', 'user = "u"\npassword = "plain"', 'ca = "x"', "port = 99999"]
)
def test_settings_that_cannot_be_meant_are_refused_with_a_remedy(settings):
    from asbuilt.app import configure
    from asbuilt.errors import PlantError

    text = plant_text(1883).replace("port = 1883", settings if "port" in settings else f"port = 1883\n{settings}")
    with pytest.raises(PlantError, match="→") as caught:
        configure(parse(text), "cell")
    assert "plain" not in str(caught.value)
