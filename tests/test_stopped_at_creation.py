"""A process may be killed after any write of the files' creation; the next start goes on, whatever it finds.

SQLite's writes go through a layer that copies the folder after every change of a file: each copy is what a
`kill -9` at that instant would leave behind. (What a loss of power leaves is `test_power_loss`'s.)
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from asbuilt.app import AsBuilt
from asbuilt.errors import AsBuiltError, RecordError
from asbuilt.record.sqlite import Log
from asbuilt.seal.store import SealStore
from tests.crash_child import NOW, known_facts

MACHINE = apsw.vfs_names()[0]


class Camera(apsw.VFS):
    """The machine's file system; after each change of a file below `folder` it copies the whole folder."""

    def __init__(self, folder: Path, pictures: Path) -> None:
        self.folder, self.pictures, self.on = folder, pictures, False
        super().__init__("camera", MACHINE, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> CameraFile:
        file = CameraFile(self, name, flags)
        self.take()
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.take()

    def take(self) -> None:
        if self.on:
            self.on = False  # reading the folder opens nothing of SQLite's, but one picture at a time
            shutil.copytree(self.folder, self.pictures / f"{len(list(self.pictures.iterdir())):04}")
            self.on = True

    def taken(self) -> list[Path]:
        return sorted(self.pictures.iterdir())


class CameraFile(apsw.VFSFile):
    def __init__(self, camera: Camera, name: Any, flags: list[int]) -> None:
        super().__init__(MACHINE, name, flags)
        self._camera = camera

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._camera.take()

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._camera.take()

    def xLock(self, level: int) -> None:
        try:
            super().xLock(level)
        except apsw.IOError:
            # A read-only connection tries to lock for writing when it closes: SQLite shrugs this off.
            raise apsw.BusyError from None


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Callable[[Callable[[Path], object]], list[Path]]]:
    """What is left of a folder at every instant of making something in it."""
    (tmp_path / "pictures").mkdir()
    folder = tmp_path / "folder"
    folder.mkdir()
    camera = Camera(folder, tmp_path / "pictures")

    def taken(make: Callable[[Path], object]) -> list[Path]:
        camera.on = True
        make(folder)
        camera.on = False
        camera.unregister()
        return camera.taken()

    yield taken
    camera.unregister()


def test_of_a_record(pictures):
    taken = pictures(lambda folder: Log(folder / "record.db", lambda: NOW).close())
    assert len(taken) > 5
    for at in taken:
        reader_saw = _opened_beside(at)
        log = Log(at / "record.db", lambda: NOW)
        assert log.head() == 0
        log.close()
        assert reader_saw in ("there is no record here", ""), at


def _opened_beside(folder: Path) -> str:
    """What a reader beside is told: that there is no record, or nothing where it is there. It changes no file."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    try:
        Log(folder / "record.db", lambda: NOW, read_only=True).close()
        said = ""
    except RecordError as error:
        said = error.message
    # SQLite's index of the -wal is a reader's as well.
    after = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(("-shm", "-wal"))}
    assert after == {name: content for name, content in before.items() if not name.endswith(("-shm", "-wal"))}
    return said


def test_of_seals(pictures):
    for at in pictures(lambda folder: SealStore(folder / "seal.db", create=True).close()):
        SealStore(at / "seal.db", create=True).close()


def test_of_a_whole_data_folder(pictures):
    def make(folder: Path) -> None:
        with AsBuilt(folder / "data", now=lambda: NOW) as app:
            app.take_in(known_facts(0), "gw")
            app.pipeline.settle()

    taken = pictures(make)
    assert len(taken) > 20
    for at in taken:
        with AsBuilt(at / "data", now=lambda: NOW) as app:
            app.take_in(known_facts(0), "gw")
            app.pipeline.settle()
            assert app.pipeline.behind == 0
            assert list(app.record.verify()) == []


def test_a_foreign_file_in_the_middle_of_its_own_change_is_refused(tmp_path):
    """Another program's database that waits for its own repair is not ours to repair."""
    own = apsw.Connection(str(tmp_path / "theirs.db"))
    own.execute(
        "CREATE TABLE theirs(x); INSERT INTO theirs WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9000) SELECT x FROM n"
    )
    own.pragma("cache_size", 1)
    own.execute("BEGIN; UPDATE theirs SET x = x + 1; ")
    own.cache_flush()
    (tmp_path / "killed").mkdir()
    for name in ("theirs.db", "theirs.db-journal"):
        shutil.copy(tmp_path / name, tmp_path / "killed" / name.replace("theirs", "record"))
    own.close()
    before = [path.read_bytes() for path in sorted((tmp_path / "killed").iterdir())]
    with pytest.raises(AsBuiltError, match=r"not a record|cannot be used"):
        Log(tmp_path / "killed" / "record.db", lambda: dt.datetime.now(dt.UTC))
    assert [path.read_bytes() for path in sorted((tmp_path / "killed").iterdir())] == before
