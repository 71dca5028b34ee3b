"""Law 1: `kill -9` at any instant loses nothing acknowledged and doubles nothing.

A child process takes known facts in and prints each batch once it is acknowledged; the parent kills
it at a random instant and starts another. The seed of the instants is printed.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest

from asbuilt import plant as plant_
from asbuilt.app import AsBuilt
from tests.conftest import ROOT
from tests.crash_child import BATCH, NOW, known_facts

pytestmark = pytest.mark.crash

KILLS = 30
IMPORT_KILLS = 12


@pytest.fixture
def chance() -> random.Random:
    """Instants of death; printed, so that a failure can be looked at again."""
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    sys.stdout.write(f"CRASH_SEED={seed}\n")
    return random.Random(seed)


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def killed_after(process: subprocess.Popen[str], seconds: float) -> str:
    """Everything the process said until it was killed, or ended by itself."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    told, _ = process.communicate()
    timer.cancel()
    return told


def test_nothing_acknowledged_is_lost_and_nothing_doubled(tmp_path, chance):
    folder, acknowledged = tmp_path / "data", set[int]()
    startup_s = _seconds_to_open(tmp_path / "trial")
    lived = 0
    for kill in range(KILLS):
        # Every third dies while it starts, the others at work.
        instant_s = chance.uniform(0.3, 1.05) if kill % 3 == 0 else chance.uniform(1.0, 2.5)
        first = max(acknowledged, default=-1) + 1
        told = killed_after(start("tests.crash_child", folder, first), startup_s * instant_s)
        assert "Error" not in told, told
        batches = [(int(number), statuses) for number, statuses in re.findall(r"^(\d+) (\S+) end$", told, re.MULTILINE)]
        for number, statuses in batches:
            # Only the one batch that was under way when the last child died may be known already.
            assert statuses == "accepted" or (number == first and statuses == "duplicate"), (number, statuses)
            acknowledged.add(number)
        lived += bool(batches)
        _check(folder, acknowledged)
    assert lived >= KILLS // 4, "hardly a child lived long enough to record anything"
    assert acknowledged == set(range(len(acknowledged)))


def _seconds_to_open(folder: Path) -> float:
    began = time.monotonic()
    process = start("tests.crash_child", folder, 0)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    taken_s = time.monotonic() - began
    process.kill()
    process.communicate()
    return taken_s


def _check(folder: Path, acknowledged: set[int]) -> None:
    """What was acknowledged is there once, as it was sent, and the views are those of a clean run."""
    if not (folder / "record.db").exists():
        assert not acknowledged
        return
    with AsBuilt(folder, now=lambda: NOW) as app:
        recorded = [UUID(bytes=found.id).int - 1 for found in app.record.read(0, 10_000_000)]
        assert len(recorded) == len(set(recorded)), "a fact is there twice"
        batches = {number // BATCH for number in recorded}
        assert acknowledged <= batches, f"lost: {sorted(acknowledged - batches)}"
        assert len(batches) <= len(acknowledged) + 1, "at most the batch under way is there without its answer"
        assert len(recorded) == len(batches) * BATCH, "a batch is there by half"
        assert list(app.record.verify()) == []
        with AsBuilt(memory=True, now=lambda: NOW) as clean:
            clean.take_in([fact for batch in sorted(batches) for fact in known_facts(batch)], "gw")
            clean.pipeline.settle()
            assert app.store.digest() == clean.store.digest()


def test_a_copy_of_the_folder_at_any_instant_is_whole(tmp_path, chance):
    """What is on disk while the process stands still is enough to go on from."""
    folder = tmp_path / "data"
    process = start("tests.crash_child", folder, 0)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    for number in range(8):
        for _ in range(chance.randrange(1, 30)):
            told = int(process.stdout.readline().split()[0])
        process.send_signal(signal.SIGSTOP)
        shutil.copytree(folder, tmp_path / f"copy-{number}")
        process.send_signal(signal.SIGCONT)
        with AsBuilt(tmp_path / f"copy-{number}", now=lambda: NOW) as app:
            recorded = {UUID(bytes=found.id).int - 1 for found in app.record.read(0, 10_000_000)}
            assert set(range((told + 1) * BATCH)) <= recorded
            assert list(app.record.verify()) == []
    process.kill()
    process.communicate()


def test_the_known_facts_are_of_many_kinds():
    made = [fact for batch in range(3) for fact in known_facts(batch)]
    assert len({fact.id for fact in made}) == len(made) == 3 * BATCH
    assert len({type(fact) for fact in made}) == 4
    assert known_facts(1) == known_facts(1)


# --------------------------------------------------------------------------- an import, killed and repeated

PLANT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"

[adapter.counts]
kind = "csv_file"
fact = "counted"
zone = "Europe/Berlin"

[adapter.counts.columns]
event_time = "time"
station = "station"
good = "good"
"""


REJECTED = 4
"""How an import ends that took in all but what is recorded as rejected."""


def test_an_import_killed_and_repeated(tmp_path, chance):
    plant, file, folder = tmp_path / "plant.toml", tmp_path / "counts.csv", tmp_path / "data"
    plant.write_text(PLANT)
    rows = [f"2026-06-{n % 28 + 1:02} 07:{n % 60:02}:{n // 60 % 60:02},s{n % 7},{n % 5}" for n in range(30_000)]
    file.write_text("\n".join(["time,station,good", *rows, "not a row", rows[0]]) + "\n")
    words = ("asbuilt", "import", plant, "counts", file, "--data")

    began = time.monotonic()
    process = start(*words, tmp_path / "clean")
    told, _ = process.communicate()
    whole_s = time.monotonic() - began
    assert process.returncode == REJECTED, told

    for _ in range(IMPORT_KILLS):
        told = killed_after(start(*words, folder), chance.uniform(0.2, 1.0) * whole_s)
        assert "Traceback" not in told, told
    process = start(*words, folder)
    told, _ = process.communicate()
    assert process.returncode == REJECTED, told

    with AsBuilt(folder, now=lambda: NOW) as app, AsBuilt(tmp_path / "clean", now=lambda: NOW) as expected:
        assert app.record.count("type:counted.v1") == len(set(rows))
        assert app.record.count("type:message_rejected.v1") == 1
        assert app.record.count("type:plant_defined.v1") == 1
        assert app.store.digest() == expected.store.digest()
        assert list(app.record.verify()) == []
        assert app.plant.digest == plant_.load(plant).digest
