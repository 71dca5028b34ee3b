"""The demo as somebody meets it who typed `asbuilt demo`: soon there, telling its story in time, small, and gone without a trace."""

from __future__ import annotations

import datetime as dt
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from asbuilt.run.demo import LIVE_FROM, DemoClock, plant_file
from tests.commands import PATIENCE_S, process, running
from tests.web.markup import read
from tests.web.serving import allowed_s, wait_until

MOST_MB = 250
SOON_S = 3
EXACTLY = dt.timedelta(seconds=1)


class Demo:
    """A demo under way."""

    def __init__(self, command: Any, port: str) -> None:
        self.command = command
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> httpx.Response:
        answer = httpx.get(f"{self.address}{path}", timeout=PATIENCE_S)
        assert answer.status_code == 200
        return answer

    def board(self) -> dict[str, Any]:
        """The line as it is now; times are read."""
        return dict(self.get("/api/line.board?line=1").json())

    def tile(self, station: str) -> dict[str, Any]:
        return next(tile for tile in self.board()["tiles"] if tile["id"] == station)

    def memory_mb(self) -> float:
        """The most that was ever resident."""
        status = Path(f"/proc/{self.command.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1000


@contextmanager
def demo(tmp_path: Path, *words: object) -> Iterator[Demo]:
    with running("demo", "--port", "0", *words, TMPDIR=str(tmp_path)) as command:
        assert command.stdout is not None
        told = command.stdout.readline()
        port = re.search(r"Boxer engine works is live at http://127\.0\.0\.1:(\d+)/line/1 ", told)
        assert port, (told, command.poll())
        yield Demo(command, port[1])


def ended(demo: Demo) -> None:
    """Ctrl+C, and how it ends."""
    demo.command.send_signal(signal.SIGINT)
    assert demo.command.wait(PATIENCE_S) in (0, 130)
    assert demo.command.stderr.read() == ""


def when(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.slow
def test_the_story_is_told_in_time_in_little_memory_and_leaves_nothing(tmp_path):
    with demo(tmp_path, "--days", 1, "--speed", 10) as shown:
        began = time.monotonic()
        page = shown.get("/line/1")
        assert time.monotonic() - began < allowed_s(SOON_S)
        assert "Cylinder honing" in page.text
        (folder,) = tmp_path.iterdir()
        assert sum(file.stat().st_size for file in folder.glob("record.db*")) > 1_000_000  # the day before is in it

        board = shown.board()
        assert when(board["at"]) >= LIVE_FROM
        assert len(board["tiles"]) == 8
        assert all(tile["observed"] == "yes" for tile in board["tiles"])
        assert board["output"] > 10

        # Fifteen seconds in, honing is held by warm oil.
        wait_until(lambda: shown.tile("30")["state"] == "Held", "honing held")
        honing = shown.tile("30")
        assert abs(when(honing["since"]) - LIVE_FROM - dt.timedelta(seconds=15)) < EXACTLY
        assert "Oil too warm" in honing["cause"]
        assert honing["alarm"]["text"] == "Hone oil temperature high"

        def oil_is_too_warm() -> bool:
            oil = shown.tile("30")["key"]
            return oil["name"] == "Hone oil temp." and float(oil["value"]) > float(oil["upper"])

        wait_until(oil_is_too_warm, "the oil above its limit")
        assert "Honing is holding the line" in shown.board()["headline"]
        headline = read(shown.get("/line/1").text).one("h1").text
        assert "Honing is holding the line" in headline

        # Within five minutes the station after it has nothing left.
        wait_until(lambda: shown.tile("40")["state"] == "Starved", "head and piston starved", 40)
        starved = when(shown.tile("40")["since"]) - LIVE_FROM
        assert dt.timedelta(seconds=60) <= starved <= dt.timedelta(minutes=5)
        assert "Honing" in shown.tile("40")["cause"]

        # A minute in, packing's gateway falls silent; that is noticed after five of its periods.
        wait_until(lambda: shown.tile("80")["observed"] == "no", "packing silent", 40)
        (silence,) = shown.get("/api/line.silences").json()
        assert silence["source"] == "gw-3"
        assert abs(when(silence["seen"]) - LIVE_FROM - dt.timedelta(seconds=60)) < dt.timedelta(seconds=5)
        noticed = when(silence["noticed"]) - when(silence["seen"])
        # Ten plant seconds, and what passes at this speed until somebody looks again.
        assert dt.timedelta(seconds=10) <= noticed <= dt.timedelta(seconds=10 + 15)
        assert shown.tile("80")["cause"] == "Gateway GW-3 silent"
        assert "No data from Gateway GW-3" in [alarm["text"] for alarm in shown.board()["alarms"]]

        assert shown.memory_mb() < MOST_MB
        ended(shown)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_demo_that_is_kept_goes_on_where_it_was(tmp_path):
    data = tmp_path / "kept"
    with demo(tmp_path, "--days", 0, "--speed", 10, "--data", data) as shown:
        wait_until(lambda: shown.tile("30")["state"] == "Held", "honing held")
        ended(shown)
    assert data.exists()
    assert process("doctor", "--data", data).code == 0
    last = process("facts", "--data", data).out.splitlines()[-1]
    position = int(re.search(r'"position":(\d+)', last)[1])  # type: ignore[index]
    with demo(tmp_path, "--days", 3, "--speed", 10, "--data", data) as shown:
        assert shown.tile("30")["state"] == "Held"
        wait_until(lambda: shown.tile("40")["state"] == "Starved", "head and piston starved", 40)
        ended(shown)
    ids = re.findall(r'"id":"([0-9a-f-]{36})"', process("facts", "--data", data, "--after", position).out)
    assert ids
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_at_the_highest_speed_nobody_falls_silent_who_speaks(tmp_path):
    highest = re.search(r"--speed .*<=x<=(\d+)", process("demo", "--help").out)
    assert highest
    with demo(tmp_path, "--days", 0, "--speed", highest[1]) as shown:
        wait_until(lambda: when(shown.board()["at"]) > LIVE_FROM + dt.timedelta(minutes=5), "five minutes")
        said = process("facts", "--type", "heartbeat_missed", "--data", next(tmp_path.glob("asbuilt-demo-*"))).out
        assert set(re.findall(r'"adapter":"([^"]+)"', said)) == {"gw-3"}
        ended(shown)


def test_a_taken_port_is_told_and_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running("demo", "--days", 0, "--port", port, TMPDIR=str(tmp_path)) as command:
            assert command.wait(PATIENCE_S) == 2
            assert command.stderr is not None
            assert f"cannot listen on port {port}" in command.stderr.read()
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------- the clock


def test_the_clock_stands_until_it_begins_and_runs_at_its_speed(monkeypatch):
    wall = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: wall[0])
    clock = DemoClock(LIVE_FROM, 10)
    wall[0] += 50
    assert clock() == LIVE_FROM
    clock.begin()
    wall[0] += 1.5
    assert clock() - LIVE_FROM == dt.timedelta(seconds=15)
    assert clock().tzinfo == dt.UTC


def test_the_plant_of_the_demo_is_there():
    assert plant_file().name in ("plant.toml", "boxer.toml")
    assert plant_file().is_file()
