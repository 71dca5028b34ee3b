"""Real servers: one in a thread whose clock tests can turn, one as a process that tests can kill."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from asbuilt.app import AsBuilt
from asbuilt.folder import DataFolder
from asbuilt.plant import Plant
from asbuilt.web.server import server, supervised
from asbuilt.web.site import Site
from tests.ports import free_port
from tests.web.scripted import PLANT, PLANT_TEXT, Told, at

PATIENCE_S = 30


class TurnedClock:
    """Runs on from a moment; tests can turn it forward, or make it stand."""

    def __init__(self, start: dt.datetime) -> None:
        self._start = start.astimezone(dt.UTC)
        self._began: float | None = time.monotonic()

    def stand(self, at: dt.datetime) -> None:
        self._start, self._began = at.astimezone(dt.UTC), None

    def forward(self, **by: float) -> None:
        self._start += dt.timedelta(**by)

    def __call__(self) -> dt.datetime:
        passed = 0.0 if self._began is None else time.monotonic() - self._began
        return self._start + dt.timedelta(seconds=passed)


def allowed_s(promised_s: float) -> float:
    """What may pass of a promise in seconds: as much on a quiet machine, more where others want the processors too.

    A tenfold load on two cores leaves us a fifth of them; that is no fault of what is tested. How fast
    it is by itself is measured by `make bench`.
    """
    wanting = (
        int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) if Path("/proc/loadavg").exists() else 0
    )
    return promised_s * max(1.0, max(os.getloadavg()[0], wanting) / (os.cpu_count() or 1))


def wait_until(condition: Any, what: Any = "", patience_s: float = PATIENCE_S) -> Any:
    """Ask again and again until the answer is true; returns it."""
    until = time.monotonic() + allowed_s(patience_s)
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < until, f"never came: {what() if callable(what) else what or condition}"
        time.sleep(0.02)


class Served:
    """The product on a port of this machine."""

    def __init__(self, told: Told | None, start: str | dt.datetime, plant: Plant = PLANT, **options: Any) -> None:
        self.clock = TurnedClock(at(start) if isinstance(start, str) else start)
        self.app = AsBuilt(memory=True, strict=True, now=self.clock, plant=plant)
        if told is not None:
            self.tell(told)
        self.site = Site(self.app, **options)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.supervisor = supervised(self.site)
        self._server = server(self.site, supervisor=self.supervisor)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="served", daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, "the server")

    def tell(self, told: Told) -> None:
        """Take facts in and wait until they are in the views."""
        self.app.take_in(told.facts)
        self.app.pipeline.settle()
        told.facts.clear()

    def query(self, name: str, **asked: Any) -> Any:
        """The answer once all that is recorded by now is in the views, as a look at the record may be ahead of them."""
        head = self.app.record.head()
        wait_until(lambda: self.app.store.position() >= head, "the views")
        return self.app.query(name, **asked)

    def hear(self, *sources: str) -> None:
        """These sources have just been heard."""
        for source in sources or ("left", "right"):
            self.app.hear(source)

    def post(self, body: bytes = b"", adapter: str = "left") -> httpx.Response:
        """What a gateway sends."""
        token = {"authorization": f"Bearer {self.app.token(adapter)}"}
        return httpx.post(f"{self.address}/facts", content=body, headers=token, timeout=PATIENCE_S)

    def run(self, work: Any) -> Any:
        """Let a coroutine run beside; for tests that hold many connections."""
        return asyncio.run(asyncio.wait_for(work, 3 * PATIENCE_S))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the server did not end"
        self._socket.close()
        self.app.close()


@contextmanager
def served(told: Told | None = None, start: str | dt.datetime = "08:30", **options: Any) -> Iterator[Served]:
    """A server in a thread."""
    server = Served(told, start, **options)
    try:
        yield server
    finally:
        server.close()


class Process:
    """`asbuilt run` as a process of its own, on a data folder; may be killed and started again."""

    def __init__(self, folder: Path, text: str = PLANT_TEXT) -> None:
        self.plant = folder / "plant.toml"
        self.plant.write_text(text)
        self.data = folder / "data"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "asbuilt", "run", str(self.plant), "--data", str(self.data), "--port", str(self.port)]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        wait_until(self._answers, "the server's first answer")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, Path(self._log.name).read_text()
        try:
            return httpx.get(f"{self.address}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def token(self, adapter: str = "left") -> dict[str, str]:
        """What `asbuilt token` prints, as a header."""
        return {"authorization": f"Bearer {DataFolder(self.data).secret(f'adapter-{adapter}.token')}"}

    def kill(self) -> None:
        """As if the power failed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def interrupt(self) -> int:
        """As Ctrl+C does; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(PATIENCE_S)

    def resident_mb(self) -> float:
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()
