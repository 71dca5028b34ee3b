"""Law 1 where `kill -9` cannot reach: what was not synced to the disk is lost with the power.

SQLite's writes go through a file system layer of our own (an apsw VFS) that remembers which bytes were
synced. When the power goes, of the writes since the last sync any part may have reached the disk.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

from asbuilt.app import AsBuilt
from asbuilt.record.sqlite import Log
from asbuilt.testing.record_contract import entry
from tests.crash_child import BATCH, NOW, known_facts

MACHINE = apsw.vfs_names()[0]
T0 = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)


class Disk(apsw.VFS):
    """The machine's file system, and what of it would be there after a loss of power."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.pending: dict[str, list[tuple[int, bytes]]] = {}
        self.lock = threading.RLock()
        super().__init__("losing-power", MACHINE, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> DiskFile:
        file = DiskFile(self, name, flags)
        # A file that was made under another name and moved here keeps what of it was synced, and what was not.
        making = f"{file.path}.making"
        if Path(file.path).exists() and not Path(making).exists():
            with self.lock:
                if making in self.synced:
                    self.synced[file.path] = self.synced.pop(making)
                if making in self.pending:
                    self.pending[file.path] = self.pending.pop(making)
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with self.lock:
            super().xDelete(filename, syncdir)
            self.synced.pop(filename, None)
            self.pending.pop(filename, None)

    def lose_power(self, folder: Path, to: Path, chance: random.Random) -> None:
        """Write what the disk holds of a folder into another: all that was synced, and any part of the rest."""
        to.mkdir()
        with self.lock:
            synced = {name: bytes(content) for name, content in self.synced.items() if Path(name).parent == folder}
            pending = {name: list(writes) for name, writes in self.pending.items() if Path(name).parent == folder}
        for name in sorted({*synced, *pending}):
            content = bytearray(synced.get(name, b""))
            for offset, data in pending.get(name, []):
                kept = data[: chance.choice((0, 0, len(data) // 2, len(data), len(data)))]
                if kept:
                    content.extend(bytes(max(0, offset + len(kept) - len(content))))
                    content[offset : offset + len(kept)] = kept
            (to / Path(name).name).write_bytes(content)

    def unsynced(self, ending: str) -> int:
        """How many writes to files with this ending wait for a sync."""
        return sum(len(writes) for name, writes in self.pending.items() if name.endswith(ending))


class DiskFile(apsw.VFSFile):
    """An open file of the disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__(MACHINE, name, flags)
        self._disk = disk
        self.path = self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._disk.lock:
            super().xWrite(data, offset)
            self._disk.pending.setdefault(self._name, []).append((offset, bytes(data)))

    def xLock(self, level: int) -> None:
        try:
            super().xLock(level)
        except apsw.IOError:
            # A read-only connection tries to lock for writing when it closes. SQLite shrugs this off,
            # but an error that went through Python would be raised.
            raise apsw.BusyError from None

    def xTruncate(self, newsize: int) -> None:
        with self._disk.lock:
            super().xTruncate(newsize)
            self._sync()
            del self._disk.synced[self._name][newsize:]

    def xSync(self, flags: int) -> None:
        with self._disk.lock:
            super().xSync(flags)
            self._sync()

    def _sync(self) -> None:
        content = self._disk.synced.setdefault(self._name, bytearray())
        for offset, data in self._disk.pending.pop(self._name, []):
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            content[offset : offset + len(data)] = data


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


def test_the_disk_loses_what_was_not_synced(disk, tmp_path):
    """The layer itself: a database without syncs comes back empty."""
    (tmp_path / "on").mkdir()
    db = apsw.Connection(str(tmp_path / "on" / "x.db"))
    db.pragma("synchronous", "OFF")
    db.execute("CREATE TABLE x(y)")
    assert disk.unsynced("x.db") > 0
    disk.lose_power(tmp_path / "on", tmp_path / "after", random.Random(0))
    assert disk.synced.get(str(tmp_path / "on" / "x.db")) is None
    db.close()


def test_nothing_waits_for_a_sync_when_append_returns(disk, tmp_path):
    log = Log(tmp_path / "record.db", lambda: T0)
    assert disk.pending or disk.synced, "the record must be written through this disk"
    for number in range(1, 50):
        log.append([entry(number)])
        assert disk.unsynced("record.db-wal") == 0
    log.append([entry(number) for number in range(50, 1_050)])
    assert disk.unsynced("record.db-wal") == 0
    log.close()


@pytest.mark.parametrize("seed", range(6))
def test_what_was_acknowledged_is_there_after_a_loss_of_power(disk, tmp_path, seed):
    chance = random.Random(seed)
    log = Log(tmp_path / "record.db", lambda: T0)
    assert log._writer is not None
    log._writer.pragma("wal_autocheckpoint", 20)  # so that losses hit checkpoints too
    number = 0
    for loss in range(12):
        for _ in range(chance.randrange(1, 8)):
            size = chance.choice((1, 3, 200))
            log.append([entry(number + n + 1) for n in range(size)])
            number += size
        disk.lose_power(tmp_path, tmp_path / f"after-{loss}", chance)
        after = Log(tmp_path / f"after-{loss}" / "record.db", lambda: T0)
        assert [UUID(bytes=found.id).int for found in after.read(0, 100_000)] == list(range(1, number + 1))
        assert list(after.verify()) == []
        assert after.append([entry(number + 1)])[0].position == number + 1
        after.close()
    log.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_whole_product_goes_on_after_a_loss_of_power(disk, tmp_path, seed):
    chance = random.Random(seed)
    with AsBuilt(tmp_path / "data", now=lambda: NOW) as app:
        for batch in range(30):
            app.take_in(known_facts(batch), "gw")
            if chance.random() < 0.2:
                disk.lose_power(tmp_path / "data", tmp_path / f"after-{batch}", chance)
                with AsBuilt(tmp_path / f"after-{batch}", now=lambda: NOW) as after:
                    assert after.record.head() == (batch + 1) * BATCH
                    assert list(after.record.verify()) == []
                    with AsBuilt(memory=True, now=lambda: NOW) as clean:
                        clean.take_in([fact for n in range(batch + 1) for fact in known_facts(n)], "gw")
                        clean.pipeline.settle()
                        assert after.store.digest() == clean.store.digest()
