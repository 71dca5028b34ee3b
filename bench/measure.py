"""What all measurements share: results, facts to measure with, percentiles, processes."""

from __future__ import annotations

import gc
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

from msgspec import Struct

from asbuilt import events
from asbuilt.events import Event
from asbuilt.folder import DataFolder
from asbuilt.plant import Plant, load
from asbuilt.run.demo import LIVE_FROM, plant_file


class Result(Struct, frozen=True, omit_defaults=True):
    """One figure: ours beside a reference, and `ratio` = ours / reference.

    `must` is what has been promised of it, in words ("≥ 40000", "≤ 15", "≥ 1.5 ×": of the ratio), `met` whether it is so.
    """

    name: str
    unit: str
    ours: float
    reference: float | None
    reference_name: str
    ratio: float | None
    must: str = ""
    met: bool | None = None


def result(name: str, unit: str, ours: float, reference: float | None, reference_name: str, must: str = "") -> Result:
    """A result with its ratio, rounded to what can be trusted, and whether what it must hold is held."""
    ratio = ours / reference if reference else None
    met = None
    if must:
        sign, limit, *of_ratio = must.split()
        figure = ratio if of_ratio else ours
        met = figure is not None and (figure >= float(limit) if sign == "≥" else figure <= float(limit))
    rounded = None if ratio is None else round(ratio, 3)
    return Result(name, unit, _round(ours), None if reference is None else _round(reference), reference_name, rounded, must, met)  # fmt: skip


def _round(value: float) -> float:
    return float(f"{value:.4g}")


@cache
def boxer() -> Plant:
    """The simulated plant."""
    return load(plant_file())


@cache
def facts(count: int) -> Sequence[Event]:
    """Facts of the simulated plant, in order of delivery."""
    kept = FACTS in os.environ
    made = [cast(Event, events.recall(line)) for line in bodies(count)] if kept else _simulated(count)
    gc.collect()
    gc.freeze()
    return made


def _simulated(count: int) -> list[Event]:
    from asbuilt.simulate import SimulatedPlant, start_of_history

    plant = SimulatedPlant(boxer(), 7, start_of_history(boxer(), 400, LIVE_FROM))
    made: list[Event] = []
    for fact in plant.facts():
        made.append(fact)
        if len(made) == count:
            break
    return made


@cache
def bodies(count: int) -> Sequence[bytes]:
    """The same as canonical bytes; made once for all processes of a run, which read them from a file."""
    kept = Path(os.environ[FACTS]) if FACTS in os.environ else None
    if kept is not None and (file := kept / f"{count}.ndjson").exists():
        return file.read_bytes().split(b"\n")
    lines = [events.encode(fact) for fact in _simulated(count)]
    if kept is not None:
        making = kept / f"{count}.{os.getpid()}.making"
        making.write_bytes(b"\n".join(lines))
        making.replace(file)
    return lines


FACTS = "ASBUILT_BENCH_FACTS"
"""A folder for the facts of a run, named to the processes of it by this variable."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median_of(runs: int, measure: Callable[[], float]) -> float:
    """The median of several runs."""
    return statistics.median(measure() for _ in range(runs))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="asbuilt-bench-") as path:
        yield Path(path)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(data: Path, plant: Path | None = None, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`asbuilt run` in a process of its own; yields its address once it answers."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "asbuilt",
        "run",
        str(plant or plant_file()),
        "--data",
        str(data),
        "--port",
        str(port),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/healthz", process)
        yield address, process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(address: str, process: subprocess.Popen[bytes], timeout_s: float = 120) -> float:
    """Seconds until an address answers."""
    began = time.perf_counter()
    while time.perf_counter() - began < timeout_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                answer.read()
                return time.perf_counter() - began
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{address} did not answer in {timeout_s} s")


def token_of(data: Path, adapter: str = "gw-1") -> str:
    """The token of an adapter of a data folder."""
    return DataFolder(data).secret(f"adapter-{adapter}.token")


def resident_mb(pid: int) -> float:
    """Resident memory of a process and of those it started, in megabytes; what they share is counted in each."""
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)) * _PAGE / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of those it started, also of those that ended and were waited for."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and those it started, and they."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


_PAGE = os.sysconf("SC_PAGE_SIZE")
