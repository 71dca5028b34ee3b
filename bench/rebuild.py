"""Views made anew from the record; CSV files in; start-up and memory with a million facts."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from asbuilt import adapters
from asbuilt.app import AsBuilt, configure
from asbuilt.plant import load
from bench.measure import Result, boxer, facts, folder, free_port, resident_mb, result, server, wait_for

BARE_SERVER = """
import sys, uvicorn
from litestar import Litestar, get
@get("/healthz")
async def healthz() -> dict[str, str]:
    return {"is": "up"}
uvicorn.run(Litestar([healthz]), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


def run(scale: float) -> Iterator[Result]:
    """Rebuild, import, start-up, memory."""
    yield from _rebuild(int(200_000 * scale))
    yield from _csv(int(40_000 * scale))
    yield from _start_up(int(1_000_000 * scale))
    yield from _demo_memory()


def _filled(path: Path, count: int) -> None:
    with AsBuilt(path, plant=boxer()) as app:
        every = facts(count)
        waiting = []
        for at in range(0, count, 2000):
            waiting.append(app.pipeline.take_in("bench", every[at : at + 2000]))
            if len(waiting) > 4:
                waiting.pop(0).result()
        for one in waiting:
            one.result()
        app.pipeline.settle(3600)


def _rebuild(count: int) -> Iterator[Result]:
    with folder() as path:
        _filled(path, count)
        ours, bare = [], []
        for _ in range(3):
            bare.append(_seconds(_READ, path))
            ours.append(_seconds(_REBUILD, path))
        yield result("rebuild of all views", "facts/s", count / sorted(ours)[1], count / sorted(bare)[1], "reading and decoding the same facts, no views", "≥ 80000")  # fmt: skip


_REBUILD = """
import sys, time
from pathlib import Path
from asbuilt.cli.shared import collect_less
from asbuilt.app import AsBuilt
collect_less()
began = time.perf_counter()
app = AsBuilt(Path(sys.argv[1]), rebuild=True)
print(time.perf_counter() - began)
app.close()
"""
_READ = """
import sys, time
from pathlib import Path
from asbuilt.cli.shared import collect_less
from asbuilt.app import system_clock
from asbuilt.folding import read_facts
from asbuilt.record.sqlite import Log
collect_less()
log = Log(Path(sys.argv[1]) / "record.db", system_clock, read_only=True)
began, after = time.perf_counter(), 0
while batch := read_facts(log, after, 20_000):
    after = batch[-1][0]
print(time.perf_counter() - began)
"""


def _seconds(code: str, path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _csv(rows: int) -> Iterator[Result]:
    shop = load(Path(__file__).parent.parent / "examples" / "machine-shop" / "plant.toml")
    module, config = configure(shop, "reports")
    with folder() as path:
        file = path / "log.csv"
        _write_log(file, rows)
        began = time.perf_counter()
        with file.open(newline="") as opened:
            parsed = sum(1 for _ in csv.DictReader(opened))
        bare = parsed / (time.perf_counter() - began)
        began = time.perf_counter()
        with AsBuilt(path / "data", plant=shop) as app:
            translate = module.translator(config, "reports")
            batch: list[adapters.Taken] = []
            waiting = []
            for message in module.read(file, config):
                batch.extend(translate(message))
                if len(batch) >= 1000:
                    waiting.append(app.pipeline.take_in("reports", batch))
                    batch = []
            waiting.append(app.pipeline.take_in("reports", batch))
            for one in waiting:
                one.result()
            app.pipeline.settle(600)
            ours = rows / (time.perf_counter() - began)
    yield result("CSV import, durable and folded", "rows/s", ours, bare, "csv.DictReader alone")


def _write_log(file: Path, rows: int) -> None:
    """A log like the machining shop's: other orders and times, the same columns."""
    names = ["Case ID", "Activity", "Resource", "Start Timestamp", "Complete Timestamp", "Qty_Completed",
             "Qty_Rejected", "Qty_for_MRB", "Report_Type", "Rework"]  # fmt: skip
    activities = ["Turning & Milling", "Round Grinding", "Lapping", "Final Inspection Q.C.", "Packing"]
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(names)
        for number in range(rows):
            day, hour, minute = 1 + number // 1440 % 28, number // 60 % 23, number % 60
            month = 1 + number // 40_320 % 12
            start = f"2013/{month:02}/{day:02} {hour:02}:{minute:02}:00.000"
            end = f"2013/{month:02}/{day:02} {hour + 1:02}:{minute:02}:00.000"
            if month == 3 and day == 31:
                start = end = f"2013/03/30 {hour:02}:{minute:02}:{number % 50:02}.000"
            writer.writerow([f"Case{number // 20}", activities[number % 5], f"ID{number % 46}", start, end, number % 30, 0, 0, "D", ""])  # fmt: skip


def _start_up(count: int) -> Iterator[Result]:
    with folder() as path:
        _filled(path / "data", count)
        port = free_port()
        bare = subprocess.Popen([sys.executable, "-c", BARE_SERVER, str(port)])
        bare_seconds = wait_for(f"http://127.0.0.1:{port}/healthz", bare)
        bare_mb = resident_mb(bare.pid)
        bare.terminate()
        bare.wait()
        began = time.perf_counter()
        with server(path / "data") as (address, process):
            wait_for(f"{address}/line/1", process)
            seconds = time.perf_counter() - began
            ours_mb = resident_mb(process.pid)
    yield result(f"start to first page, {count:,} facts", "s", seconds, bare_seconds, "an empty Litestar application to its first answer")  # fmt: skip
    yield result(f"resident memory, {count:,} facts", "MB", ours_mb, bare_mb, "an empty Litestar application")


def _demo_memory() -> Iterator[Result]:
    port = free_port()
    with tempfile.TemporaryDirectory() as path:
        command = [sys.executable, "-m", "asbuilt", "demo", "--port", str(port), "--data", path]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            seconds = wait_for(f"http://127.0.0.1:{port}/line/1", process)
            time.sleep(20)
            yield result("demo: resident memory after 20 s live", "MB", resident_mb(process.pid), None, "none")
            yield result("demo: start to first page", "s", seconds, None, "none")
        finally:
            process.terminate()
            process.wait(20)
