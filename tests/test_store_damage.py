"""Views that are damaged or foreign, a folder that is taken, a disk that is full."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from asbuilt import folding
from asbuilt.app import AsBuilt
from asbuilt.errors import AsBuiltError, RecordBusy, RecordError, RecordFull, ViewsError
from asbuilt.events import Measured, StateChanged
from asbuilt.rows.store import Store
from tests.conftest import NOW, ROOT


def fact(number: int) -> StateChanged:
    return StateChanged(id=UUID(int=number), event_time=NOW, source="gw", station=f"p/s/a/l/{number % 9}", state="Idle")


def open_app(folder: Path, **more: object) -> AsBuilt:
    return AsBuilt(folder, now=lambda: NOW, **more)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a hundred facts, folded."""
    with open_app(tmp_path / "data") as app:
        app.take_in([fact(number) for number in range(1, 101)])
    return tmp_path / "data"


@pytest.fixture
def digest(folder: Path) -> str:
    with open_app(folder, read_only=True) as app:
        return app.store.digest()


# --------------------------------------------------------------------------- views.db


def test_views_that_are_gone_are_folded_again(folder, digest):
    for name in ("views.db", "views.db-wal", "views.db-shm"):
        (folder / name).unlink(missing_ok=True)
    with open_app(folder) as app:
        assert app.store.digest() == digest


def test_views_of_another_version_are_folded_again(folder, digest):
    with sqlite3.connect(folder / "views.db") as db:
        db.execute("UPDATE folded SET version = version + 1 WHERE view = 'states'")
        db.execute("DELETE FROM states_state")
    db.close()
    with open_app(folder) as app:
        assert app.store.digest() == digest


def test_a_reader_does_not_misread_views_of_another_version(folder):
    with sqlite3.connect(folder / "views.db") as db:
        db.execute("UPDATE folded SET version = version + 1 WHERE view = 'states'")
        db.execute("DELETE FROM states_state WHERE station = 'p/s/a/l/1'")
    db.close()
    with open_app(folder, read_only=True) as app, app.reader() as reader:
        row = next(row for row in app.views["states"].tables if row.__name__ == "State")
        with pytest.raises(ViewsError, match="states is being folded anew: 0 of 100 facts") as refusal:
            reader.rows(row)
        assert refusal.value.remedy
        others = next(row for row in app.views["source"].tables if row.__name__ == "Delivered")
        assert reader.rows(others)


def test_views_of_a_view_that_is_no_longer_there_are_folded_again(folder, digest):
    with sqlite3.connect(folder / "views.db") as db:
        db.execute("INSERT INTO folded VALUES ('energy', 1, 'form', 100, x'01')")
    db.close()
    with open_app(folder) as app:
        assert app.store.digest() == digest


def test_views_behind_the_record_catch_up(folder, digest):
    kept = folder.parent / "kept"
    shutil.copytree(folder, kept)
    with open_app(kept) as app:
        app.take_in([fact(number) for number in range(101, 151)])
        app.pipeline.settle()
        expected = app.store.digest()
    shutil.copy(folder / "views.db", kept / "views.db")
    with open_app(kept) as app:
        assert app.store.position() == 150
        assert app.store.digest() == expected != digest


@pytest.mark.parametrize("content", [b"my shopping list" * 1_000, b"\xff" * 10_000], ids=["text", "bytes"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_foreign_file_in_their_place_is_named(folder, content, read_only):
    (folder / "views.db").write_bytes(content)
    with pytest.raises(ViewsError) as refusal:
        open_app(folder, read_only=read_only)
    assert str(folder / "views.db") in str(refusal.value)
    assert "asbuilt rebuild" in refusal.value.remedy
    assert (folder / "views.db").read_bytes() == content


@pytest.mark.parametrize("application_id", [0, 7])
@pytest.mark.parametrize("read_only", [False, True])
def test_another_programs_sqlite_in_their_place_is_named_and_left_as_it_is(folder, application_id, read_only):
    (folder / "views.db").unlink()
    with sqlite3.connect(folder / "views.db") as db:
        db.execute(f"PRAGMA application_id = {application_id}")
        db.execute("CREATE TABLE mine(x)")
    db.close()
    before = (folder / "views.db").read_bytes()
    with pytest.raises(ViewsError, match="does not hold views of asbuilt"):
        open_app(folder, read_only=read_only)
    assert (folder / "views.db").read_bytes() == before


def test_torn_views_are_named_and_rebuilt(folder, digest):
    data = bytearray((folder / "views.db").read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    (folder / "views.db").write_bytes(data)
    with pytest.raises(ViewsError, match="damaged"), open_app(folder) as app:
        app.store.digest()
    with open_app(folder, rebuild=True) as app:
        assert app.store.digest() == digest


def test_rows_that_are_made_anew_stand_in_their_place_once_they_are_whole(folder, digest, monkeypatch):
    """They are written without a log: what a stop leaves behind must never be taken for rows."""
    fold, stopped = Store.fold, [True]

    def stop(store, facts, lookup):
        done = fold(store, facts, lookup)
        if stopped:
            assert not (folder / "views.db").exists()
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Store, "fold", stop)
    with pytest.raises(KeyboardInterrupt):
        open_app(folder, rebuild=True)
    assert not list(folder.glob("views.db*"))
    stopped.clear()
    (folder / "views.db.anew").write_bytes(b"\xff" * 10_000)
    with open_app(folder, rebuild=True) as app:
        assert app.store.digest() == digest
    assert not (folder / "views.db.anew").exists()


def test_a_failed_start_lets_the_folder_go(folder):
    (folder / "views.db").write_bytes(b"\xff" * 10_000)
    with pytest.raises(ViewsError):
        open_app(folder)
    with open_app(folder, rebuild=True) as app:
        assert app.record.head() == 100


# --------------------------------------------------------------------------- one process a folder

CHILD = """
import sys
from pathlib import Path
from asbuilt.app import AsBuilt
from asbuilt.errors import AsBuiltError
try:
    with AsBuilt(Path(sys.argv[1]), read_only="read" in sys.argv, purpose="run") as app:
        sys.stdout.write(f"open {app.record.head()}\\n")
        sys.stdout.flush()
        sys.stdin.readline()
except AsBuiltError as error:
    sys.stdout.write(f"{type(error).__name__}: {error}")
"""


def child(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@contextmanager
def process_on(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the folder."""
    process = child(folder)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("open")
    try:
        yield process
    finally:
        process.communicate("\n", timeout=300)


def test_a_second_process_is_refused_by_name(folder):
    with process_on(folder) as process:
        with pytest.raises(RecordBusy) as refusal:
            open_app(folder)
        assert f"process {process.pid} (run)" in str(refusal.value)
        assert refusal.value.where == str(folder)
        assert "--data" in refusal.value.remedy
    with open_app(folder) as app:
        assert app.record.head() == 100


def test_a_second_process_is_told_from_its_side_too(folder):
    with open_app(folder, purpose="import"):
        told, _ = child(folder).communicate(timeout=300)
    assert told.startswith("RecordBusy")
    assert f"process {os.getpid()} (import)" in told


def test_questions_may_be_asked_beside_it(folder, digest):
    with process_on(folder), open_app(folder, read_only=True) as app:
        assert app.record.head() == 100
        assert app.store.digest() == digest
        assert len(app.query("order.totals")) == 0


def test_a_reader_process_beside_a_writer(folder):
    with open_app(folder) as app:
        app.take_in([fact(101)])
        told, _ = child(folder, "read").communicate("\n", timeout=300)
    assert told == "open 101\n"


def test_a_killed_process_leaves_the_folder_free(folder):
    process = child(folder)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("open")
    process.kill()
    process.communicate()
    assert str(process.pid) in (folder / "lock").read_text(), "its name is still written there"
    with open_app(folder) as app:
        assert app.record.head() == 100


def test_two_in_one_process_are_refused_too(folder):
    with open_app(folder), pytest.raises(RecordBusy):
        open_app(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsBuiltError, match="cannot be made") as refusal:
        open_app(tmp_path / "file" / "data")
    assert "--data" in refusal.value.remedy


def test_a_reader_of_an_empty_folder_is_told_what_to_do(tmp_path):
    with pytest.raises(RecordError, match="no record here") as refusal:
        open_app(tmp_path, read_only=True)
    assert "--data" in refusal.value.remedy


def test_secrets_are_for_the_owner_alone(folder):
    with open_app(folder) as app:
        assert app.folder is not None
        secret = app.folder.secret("gateway")
        assert app.folder.secret("gateway") == secret
        assert len(secret) > 40
        assert (folder / "keys").stat().st_mode & 0o777 == 0o700
        assert (folder / "keys" / "gateway").stat().st_mode & 0o777 == 0o600


# --------------------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system needs the right to mount one")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def big(number: int) -> Measured:
    return Measured(
        id=UUID(int=number), event_time=NOW + dt.timedelta(seconds=number), source="gw", characteristic="bore",
        value="1", uom="mm", gauge="g" * 200, operation="o" * 200, position="p" * 200,
    )  # fmt: skip


def test_a_full_disk_loses_nothing_and_everything_goes_on_when_there_is_room(small_disk, monkeypatch):
    monkeypatch.setattr(folding, "FOLD_AGAIN_S", 0.05)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    acknowledged, number = [], 1
    with open_app(small_disk / "data") as app:
        with pytest.raises(RecordFull) as refusal:
            for _ in range(1_000):
                batch = [big(number + n) for n in range(20)]
                app.take_in(batch)
                acknowledged += batch
                number += 20
        assert "may be sent again" in refusal.value.remedy
        assert acknowledged
        assert app.record.head() == len(acknowledged), "nothing of the refused batch is recorded"
        assert app.record.get(batch[0].id) is None

        ballast.unlink()
        results = app.take_in(batch)
        assert {result.status for result in results} == {"accepted"}
        acknowledged += batch
        with app.pipeline.folding._told:
            assert app.pipeline.folding._told.wait_for(lambda: app.pipeline.behind == 0, 300)
        assert list(app.record.verify()) == []
        with AsBuilt(memory=True, now=lambda: NOW) as clean:
            clean.take_in(acknowledged)
            clean.pipeline.settle()
            assert app.store.digest() == clean.store.digest()
    with open_app(small_disk / "data") as app:
        assert app.record.head() == len(acknowledged)
        assert list(app.record.verify()) == []


def test_a_full_disk_is_told_at_the_start(small_disk):
    (small_disk / "ballast").write_bytes(bytes(2_000_000))
    with pytest.raises(AsBuiltError) as refusal:
        open_app(small_disk / "data")
    assert refusal.value.remedy


# --------------------------------------------------------------------------- many readers


@pytest.mark.parametrize("memory", [True, False])
def test_readers_do_not_hinder_folding_nor_see_half_of_it(tmp_path, memory):
    app = AsBuilt(None if memory else tmp_path, memory=memory, now=lambda: NOW, strict=True)
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            try:
                with app.store.reading() as db:
                    states = db.execute("SELECT count(*) FROM states_state").get
                    told = db.execute("SELECT coalesce(sum(facts), 0) FROM source_delivered").get
                    if states != told:
                        wrong.append((states, told))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(0, 3_000, 30):
            app.take_in([fact(number + n + 1) for n in range(30)])
        app.pipeline.settle(30)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        app.close()
    assert wrong == []
