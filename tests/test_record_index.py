"""The subject index of another version: readers say so, the owner makes it anew in portions, also after a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.errors import RecordError
from asbuilt.folder import doctor
from asbuilt.record import layout, sqlite
from asbuilt.testing.record_contract import entry, fixed
from asbuilt.testing.strategies import examples
from tests.conftest import NOW, ROOT

COMMITS, IN_EACH = 30, 4


@examples(100)
@given(st.integers(1, 1 << 40), st.lists(st.integers(1, 1 << 20), max_size=60))
@example((1 << 32) - 8, [1] * 40)
@example((1 << 32) - 1, [1 << 31])
def test_positions_are_as_they_were_packed(first, steps):
    positions = [first]
    for step in steps:
        positions.append(positions[-1] + step)
    packed = layout.packed(positions)
    assert packed == b"".join((position - first).to_bytes(4, "little") for position in positions[1:])
    assert layout.unpacked(first, packed) == positions


@pytest.fixture
def outdated(tmp_path: Path) -> Path:
    """A record whose index was made by a version with other subjects, and finds nothing."""
    path = tmp_path / "record.db"
    log = sqlite.Log(path, fixed)
    for start in range(0, COMMITS * IN_EACH, IN_EACH):
        log.append([entry(start + n + 1, station=f"p/s/a/l/{n}") for n in range(IN_EACH)])
    log.close()
    db = apsw.Connection(str(path))
    db.execute("UPDATE settings SET value = 1 WHERE name = 'index'; DELETE FROM about")
    db.close()
    return path


def settings_of(path: Path) -> dict[str, int]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = dict(db.execute("SELECT name, value FROM settings").fetchall())
    db.close()
    return found


def assert_whole(path: Path) -> None:
    log = sqlite.Log(path, fixed)
    assert settings_of(path) == {"index": events.SUBJECTS_VERSION}
    assert log.count("source:gateway") == COMMITS * IN_EACH
    assert log.about("station:p/s/a/l/2") == log.read()[2::IN_EACH]
    assert list(log.verify()) == []
    log.close()


def test_a_reader_says_that_the_index_is_of_another_version(outdated):
    reader = sqlite.Log(outdated, fixed, read_only=True)
    assert len(reader.read()) == reader.head() == COMMITS * IN_EACH
    assert reader.get(entry(7).fact.id) == reader.read(6, 1)[0]
    for ask in (reader.about, reader.latest, reader.count):
        with pytest.raises(RecordError, match="subject index") as told:
            ask("source:gateway")
        assert "asbuilt run" in told.value.remedy
    with pytest.raises(RecordError, match="subject index"):
        reader.subjects("station")
    sqlite.Log(outdated, fixed).close()
    assert reader.count("source:gateway") == COMMITS * IN_EACH  # the same reader, once the index is made
    reader.close()


def test_the_doctor_says_how_far_it_is(outdated, monkeypatch):
    def said() -> list[str]:
        return [finding.what for finding in doctor.examine(outdated.parent, lambda: NOW) if "index" in finding.what]

    assert said() == ["record: the subject index is of another version, 0 of 120 facts are indexed anew"]
    monkeypatch.setattr(sqlite, "_PORTION", 10)

    def stop(done: int, head: int) -> None:
        if done >= 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sqlite.Log(outdated, fixed, progress=stop)
    assert said() == ["record: the subject index is of another version, 24 of 120 facts are indexed anew"]
    sqlite.Log(outdated, fixed).close()
    assert said() == []


def test_the_owner_makes_it_in_portions_with_progress(outdated, monkeypatch):
    monkeypatch.setattr(sqlite, "_PORTION", 10)
    told: list[tuple[int, int]] = []
    seen: list[dict[str, int]] = []

    def progress(done: int, head: int) -> None:
        told.append((done, head))
        seen.append(settings_of(outdated))
        reader = sqlite.Log(outdated, fixed, read_only=True)
        with pytest.raises(RecordError, match="subject index"):
            reader.count("source:gateway")
        reader.close()

    sqlite.Log(outdated, fixed, progress=progress).close()
    assert told == [(done, 120) for done in range(12, 121, 12)]
    assert [kept["index_done"] for kept in seen] == [done for done, _ in told]
    assert_whole(outdated)


def test_a_part_is_not_continued_over_an_index_of_yet_another_version(outdated, monkeypatch):
    stop_after(outdated, 2, monkeypatch)
    db = apsw.Connection(str(outdated))  # what a version does that knows of no portions: all of it, and its own version
    db.execute("DELETE FROM about; INSERT INTO settings VALUES ('index', 1)")
    db.close()
    assert_whole(outdated)


def test_it_goes_on_where_it_ended(outdated, monkeypatch):
    stop_after(outdated, 2, monkeypatch)
    told: list[int] = []
    sqlite.Log(outdated, fixed, progress=lambda done, head: told.append(done)).close()
    assert told == list(range(36, 121, 12))
    assert_whole(outdated)


def stop_after(path: Path, portions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin to make the index, and end in the midst of it."""
    monkeypatch.setattr(sqlite, "_PORTION", 10)

    def progress(done: int, head: int) -> None:
        if done >= portions * 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sqlite.Log(path, fixed, progress=progress)


_CHILD = """
import os, signal, sys
from pathlib import Path
from asbuilt.record import layout, sqlite
from asbuilt.testing.record_contract import fixed
sqlite._PORTION = 10
inside, left = sqlite.Log._index, int(sys.argv[2])
def index(db, facts, first):
    global left
    inside(db, facts, first)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
sqlite.Log._index = staticmethod(index)
sqlite.Log(Path(sys.argv[1]), fixed).close()
"""


@pytest.mark.crash
def test_a_kill_in_the_midst_of_it_costs_a_portion(outdated):
    """Killed again and again, each time within a portion: what was committed stays, and it gets to its end."""
    done = 0
    for _ in range(COMMITS):
        child = subprocess.run(
            [sys.executable, "-c", _CHILD, str(outdated), "5"], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
        )
        if child.returncode == 0:
            break
        assert child.returncode == -9
        before, done = done, settings_of(outdated)["index_done"]
        assert done > before
    assert child.returncode == 0
    assert_whole(outdated)
