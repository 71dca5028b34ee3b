"""Foreign programs that tests talk to: found where they are, started on free ports, stopped by their own id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.ports import free_port as free_port
from tests.web.serving import allowed_s

PEERS = ROOT / "tests" / ".peers"
SOURCES = ROOT / "tests" / "peers"


HIDDEN = frozenset(os.environ.get("ASBUILT_HIDDEN_PEERS", "").split())
"""Peers that are to be taken for missing (`all` for every one): so that skipping can be tested where they are there."""


def needs(name: str, path: str | Path | None) -> str:
    """The program's path, or the test says which one is missing and skips."""
    if path is None or not Path(path).exists() or HIDDEN & {name, "all"}:
        pytest.skip(f"{name} is not installed; tests/install-peers installs it where it can")
    return str(path)


def mosquitto_path() -> str:
    return needs("mosquitto", shutil.which("mosquitto") or "/usr/sbin/mosquitto")


def whole(folder: str) -> Path:
    """The folder of a peer that was installed to its end; half of one is as good as none."""
    needs(folder, PEERS / folder / ".done")
    return PEERS / folder


def nats_path() -> str:
    return str(whole("nats") / "bin" / "nats-server")


def node(package: str) -> str:
    needs(f"npm {package}", whole("node") / "node_modules" / package)
    return needs("node", shutil.which("node"))


def python_of(name: str) -> str:
    return str(whole(name) / "bin" / "python")


def wait_for_port(port: int, process: subprocess.Popen[bytes], patience_s: float = 20) -> None:
    until = time.monotonic() + allowed_s(patience_s)
    while time.monotonic() < until:
        assert process.poll() is None, f"the peer ended with {process.returncode}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


class Peer:
    """A program that listens on a port; may be killed, frozen and started again."""

    def __init__(self, command: list[str], port: int, log: Path, cwd: Path | None = None) -> None:
        self.command, self.port, self.log, self.cwd = command, port, log, cwd
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Peer:
        with self.log.open("ab") as log:
            env = {**os.environ, "NODE_PATH": str(PEERS / "node" / "node_modules")}
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.cwd, env=env)
        wait_for_port(self.port, self.process)
        return self

    def _signal(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


@contextmanager
def mosquitto(folder: Path, *settings: str, port: int | None = None) -> Iterator[Peer]:
    """A Mosquitto that keeps its sessions on disk."""
    path = mosquitto_path()
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "persistence true", f"persistence_location {folder}/", "autosave_interval 1",
             "autosave_on_changes true", "max_queued_messages 100000", "user root"]  # fmt: skip
    if not any(line.startswith("allow_anonymous") for line in settings):
        lines.append("allow_anonymous true")
    config.write_text("\n".join([*lines, *settings]) + "\n")
    peer = Peer([path, "-c", str(config)], port, folder / "log").start()
    try:
        yield peer
    finally:
        peer.close()
