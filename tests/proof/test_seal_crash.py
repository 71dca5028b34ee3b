"""`kill -9` while facts are sealed: never two roots for one size, nothing lost, and the audit finds nothing wrong."""

from __future__ import annotations

import datetime as dt
import os
import random
import re
import sys
import time
from pathlib import Path

import pytest

from asbuilt.folder import DataFolder
from asbuilt.proof import consistency, merkle
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.record.sqlite import Log
from asbuilt.seal import audit, logfiles
from asbuilt.seal.sealer import Sealer
from asbuilt.seal.store import SealStore
from tests.seal_child import START
from tests.test_crash import killed_after, start

pytestmark = pytest.mark.crash
KILLS = 12


def test_killed_while_sealing(tmp_path: Path) -> None:
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    sys.stdout.write(f"CRASH_SEED={seed}\n")
    chance = random.Random(seed)
    data = tmp_path / "data"
    roots: dict[int, str] = {}
    first, seconds = 0, 0.0
    until_sealing_s = _seconds_until_sealing(tmp_path / "trial")
    for kill in range(KILLS):
        # Every fourth dies while it starts, the others while they seal.
        instant_s = until_sealing_s * (chance.uniform(0.3, 1.0) if kill % 4 == 0 else chance.uniform(1.1, 2.5))
        told = killed_after(start("tests.seal_child", data, first, seconds), instant_s)
        assert "Traceback" not in told, told
        for number, size, root, passed, problem in re.findall(r"^(\d+) (\d+) (\S+) (\S+) (.+)$", told, re.MULTILINE):
            assert problem == "ok", told
            first, seconds = int(number), float(passed)
            if int(size):
                assert roots.setdefault(int(size), root) == root, f"two roots for {size} entries"
        _check(data, roots, first, seconds)
    assert len(roots) > KILLS, "hardly anything was sealed"


def _seconds_until_sealing(folder: Path) -> float:
    """How long a child of this machine, as busy as it is, takes until its first blocks are out."""
    began = time.monotonic()
    process = start("tests.seal_child", folder, 0, 0.0)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[1]) > 2:
            break
    taken_s = time.monotonic() - began
    process.kill()
    process.communicate()
    return taken_s


def _check(data: Path, roots: dict[int, str], recorded: int, seconds: float) -> None:
    folder = DataFolder(data)
    if not folder.seals.exists():
        return
    store = SealStore(folder.seals, read_only=True)
    has_begun = store.setting("founding") is not None
    store.close()
    if not has_begun:
        # Killed between the file and what the log begins with: the next start begins it.
        return
    now = START + dt.timedelta(seconds=seconds)
    record = Log(folder.record, lambda: now)
    assert record.head() >= recorded
    out = logfiles.LogFiles(folder.proof).checkpoint()
    if out is not None:
        assert roots.setdefault(out[1].size, out[1].root.hex()) == out[1].root.hex()
    sealer = Sealer(folder, record, lambda: now, os.urandom)
    while sealer.catch_up():
        pass
    said = sealer.files.checkpoint()
    assert said is not None
    tree = sealer.files.tree(said[1].size)
    for size, root in roots.items():
        old = Checkpoint(said[1].origin, size, bytes.fromhex(root))
        path = tuple(merkle.consistency_path(size, said[1].size, tree.node))
        proof = consistency.Consistency(said[1].origin, size, said[1].size, path)
        assert consistency.compare(old, said[1], proof)
    roots.setdefault(said[1].size, said[1].root.hex())
    sealer.stop()
    assert [found.what for found in audit.audit(folder, record) if found.bad] == []
    record.close()
