"""`asbuilt connect`, `record` and `replay` as a person uses them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from asbuilt.app import AsBuilt
from asbuilt.events import StateChanged
from tests.commands import PATIENCE_S
from tests.connect import peers
from tests.connect.test_mqtt import plant_text, publisher, recorded


def asbuilt(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "asbuilt", *words], capture_output=True, text=True, timeout=PATIENCE_S)


@pytest.mark.slow
def test_look_record_and_play_again(tmp_path: Path) -> None:
    with peers.mosquitto(tmp_path / "broker") as broker:
        plant = tmp_path / "plant.toml"
        plant.write_text(plant_text(broker.port))
        told = asbuilt("connect", "test", str(plant), "cell")
        assert "connected, MQTT 5; 4 topics" in told.stdout, told.stderr
        assert "cell     mqtt  live" in asbuilt("connect", "list", str(plant)).stdout
        file = tmp_path / "cell.messages"
        command = [sys.executable, "-m", "asbuilt", "record", str(plant), "cell", "--out", str(file), "--seconds", "4"]
        recorder = subprocess.Popen(command)
        watcher = subprocess.Popen(
            [sys.executable, "-m", "asbuilt", "connect", "watch", str(plant), "cell", "--seconds", "4"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(2.2)
        with publisher(broker.port) as out:
            out.say("press/10/state", {"state": "Execute", "ts": "2026-06-03T06:29:00Z"})
            out.say("press/10/state", "no state")
        assert recorder.wait(PATIENCE_S) == 0
        shown, _ = watcher.communicate(timeout=PATIENCE_S)
    assert '→ {"event_time":"2026-06-03T06:29:00Z"' in shown
    assert "✗ the payload is not JSON" in shown
    for accepted, known in ((1, 0), (0, 1)):
        told = asbuilt("replay", str(plant), "cell", str(file), "--data", str(tmp_path / "data"))
        assert f"{accepted} recorded, {known} known already, 1 rejected" in told.stdout, told.stderr
    with AsBuilt(tmp_path / "data", read_only=True) as app:
        assert [fact.state for fact in recorded(app, StateChanged)] == ["Execute"]
