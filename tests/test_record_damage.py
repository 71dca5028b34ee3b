"""A record that is torn, truncated, foreign or altered is named, never repaired (promise 5)."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import RecordError, RecordFull
from asbuilt.events import Counted, Measured
from asbuilt.record import Entry
from asbuilt.record.sqlite import Log

NOW = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)


def entry(number: int) -> Entry:
    fact = Counted(id=UUID(int=number), event_time=NOW, source="gateway", station="p/s/a/l/1", good=number)
    return Entry(fact, events.encode(fact))


def open_log(path: Path, **more: object) -> Log:
    return Log(path, lambda: NOW, **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of four commits: facts 1–5, 6, 7–26, 27–29; everything in the main file."""
    path = tmp_path / "record.db"
    log = open_log(path)
    numbers = iter(range(1, 30))
    for size in (5, 1, 20, 3):
        log.append([entry(next(numbers)) for _ in range(size)])
    log.close()
    assert not path.with_name("record.db-wal").exists()
    return path


def change(path: Path, sql: str, *bindings: object) -> None:
    """Alter the file behind the product's back."""
    db = apsw.Connection(str(path))
    db.execute(sql, bindings)
    db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    db.close()


def damages(path: Path) -> list[tuple[str, int, int]]:
    log = open_log(path, read_only=True)
    try:
        return [tuple(damage) for damage in log.verify()]  # type: ignore[misc]
    finally:
        log.close()


def test_an_undamaged_record_is_found_whole(path):
    seen = []
    log = open_log(path, read_only=True)
    assert list(log.verify(seen.append)) == []
    assert seen == [5, 6, 26, 29]
    log.close()


# --------------------------------------------------------------------------- files that are not it


def _truncate(to: Callable[[int], int]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: to(len(data))])

    return damage


def _other_sqlite(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE mine(x)")
    db.close()


def _newer_format(path: Path) -> None:
    change(path, "PRAGMA user_version = 99")


FOREIGN = {
    "text": (lambda path: path.write_text("my shopping list"), "not a record"),
    "other bytes": (lambda path: path.write_bytes(b"\xff" * 10_000), "not a record"),
    "only a header": (_truncate(lambda size: 60), "truncated in its header"),
    "half of it": (_truncate(lambda size: size // 2), "truncated"),
    "without its last page": (_truncate(lambda size: size - 4096), "truncated"),
    "without its last byte": (_truncate(lambda size: size - 1), "truncated"),
    "another program's SQLite": (_other_sqlite, "not a record of asbuilt"),
    "a newer format": (_newer_format, "format 99"),
}  # fmt: skip


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(("damage", "says"), FOREIGN.values(), ids=FOREIGN)
def test_it_is_named_and_left_as_it_is(path, damage, says, read_only):
    damage(path)
    before = path.read_bytes()
    with pytest.raises(RecordError, match=says) as refusal:
        open_log(path, read_only=read_only)
    assert refusal.value.where == str(path)
    assert refusal.value.remedy
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "record.db").mkdir()
    with pytest.raises(RecordError):
        open_log(tmp_path / "record.db")


@pytest.mark.parametrize("offset", [100, 4096, 8192])
def test_a_torn_page_is_named(path, offset):
    data = bytearray(path.read_bytes())
    data[offset : offset + 512] = b"\xa5" * 512
    path.write_bytes(data)
    try:
        found = damages(path)
    except RecordError as error:
        found = [(error.message, 0, 0)]
    assert found


def test_a_file_emptied_to_nothing_is_noticed_by_the_views(tmp_path):
    with AsBuilt(tmp_path, now=lambda: NOW) as app:
        app.take_in([entry(1).fact])
    (tmp_path / "record.db").write_bytes(b"")
    with pytest.raises(RecordError, match="facts are missing"):
        AsBuilt(tmp_path, now=lambda: NOW)


# --------------------------------------------------------------------------- facts that were altered


def test_a_flipped_byte_in_a_fact_is_named_with_its_commit(path):
    # SQLite may keep an older copy on a free page: every one is flipped.
    body = entry(6).body
    data = path.read_bytes()
    assert body in data
    path.write_bytes(data.replace(body, bytes([body[0] ^ 1]) + body[1:]))
    assert ("facts are not what was committed", 6, 6) in damages(path)


ALTERED = {
    "a body": ("UPDATE fact SET body = ? WHERE position = 8", (entry(80).body,), [7, 26]),
    "a seed": ("UPDATE fact SET seed = zeroblob(32) WHERE position = 3", (), [1, 5]),
    "a record time": ("UPDATE fact SET record_time_us = record_time_us + 1 WHERE position = 6", (), [6, 6]),
    "an id": ("UPDATE fact SET id = zeroblob(16) WHERE position = 10", (), [7, 26]),
    "a fact is gone": ("DELETE FROM fact WHERE position = 9", (), [7, 26]),
    "a checksum": ("UPDATE commits SET checksum = zeroblob(32) WHERE first_position = 1", (), [1, 5]),
}


@pytest.mark.parametrize(("sql", "bindings", "positions"), ALTERED.values(), ids=ALTERED)
def test_an_alteration_is_named_with_its_commit(path, sql, bindings, positions):
    change(path, sql, *bindings)
    found = damages(path)
    assert ("facts are not what was committed", *positions) in found
    # Damage does not spread: the commits before stand, and an altered fact leaves the later ones whole.
    assert all(damage[1] >= positions[0] for damage in found)
    if "commits" not in sql:
        assert len([damage for damage in found if damage[0].startswith("facts")]) == 1


def test_two_facts_in_each_others_place_are_named(path):
    first, second = entry(1), entry(2)
    change(path, "UPDATE fact SET id = zeroblob(16) WHERE position = 1")
    change(path, "UPDATE fact SET id = ?, body = ? WHERE position = 2", first.fact.id.bytes, first.body)
    change(path, "UPDATE fact SET id = ?, body = ? WHERE position = 1", second.fact.id.bytes, second.body)
    assert ("facts are not what was committed", 1, 5) in damages(path)


def test_a_deleted_commit_row_is_named(path):
    change(path, "DELETE FROM commits WHERE first_position = 6")
    assert damages(path) == [("a commit is missing", 6, 6)]


def test_a_commit_taken_out_whole_is_named(path):
    change(path, "DELETE FROM commits WHERE first_position = 6")
    change(path, "DELETE FROM fact WHERE position = 6")
    found = damages(path)
    assert ("a commit is missing", 6, 6) in found
    assert ("facts are not what was committed", 7, 26) in found


def test_a_missing_index_entry_is_named(path):
    change(path, "DELETE FROM about WHERE subject = 'station:p/s/a/l/1' AND first_position = 7")
    assert damages(path) == [("the index does not find every fact under station:p/s/a/l/1", 7, 26)]


def test_a_shortened_index_entry_is_named(path):
    change(path, "UPDATE about SET more = substr(more, 1, 8) WHERE subject = 'source:gateway' AND first_position = 7")
    assert damages(path) == [("the index does not find every fact under source:gateway", 7, 26)]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_record_whose_making_was_cut_off_is_made(tmp_path, journal):
    """The first thing that reaches the disk is a database with nothing in it; nothing can be lost from that."""
    path = tmp_path / "record.db"
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", journal)
    db.execute("VACUUM")
    db.close()
    assert path.exists()
    with pytest.raises(RecordError, match="there is no record here"):
        open_log(path, read_only=True)
    log = open_log(path)
    log.append([entry(1)])
    log.close()
    assert damages(path) == []


def test_the_last_commit_is_checked_when_the_record_is_opened(path):
    change(path, "UPDATE fact SET body = ? WHERE position = 29", entry(30).body)
    with pytest.raises(RecordError, match="the last commit is not whole"):
        open_log(path)


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM commits WHERE first_position = 27", "DELETE FROM commits", "DELETE FROM fact WHERE position > 27"],
)
def test_a_torn_end_is_named_when_the_record_is_opened(path, sql):
    change(path, sql)
    with pytest.raises(RecordError, match="the record is torn"):
        open_log(path)


def test_facts_of_types_this_version_cannot_read_do_not_stop_the_check(tmp_path):
    # Written by a newer version: a known type with a field that this one does not know.
    body = (
        b'{"added_later":1,"event_time":"2026-06-01T07:30:00Z","id":"019a0000-0000-7000-8000-000000000001",'
        b'"source":"gateway","station":"s","type":"counted.v1"}'
    )
    fact = events.recall(body)
    assert isinstance(fact, events.Unknown)
    assert (fact.type, fact.source) == ("counted.v1", "gateway")
    log = open_log(tmp_path / "record.db")
    log.append([Entry(fact, events.encode(fact))])
    assert list(log.verify()) == []
    log.close()


# --------------------------------------------------------------------------- lost -wal


def test_a_record_that_lost_its_wal_is_shorter_than_its_views(tmp_path):
    folder, kept = tmp_path / "data", tmp_path / "kept"
    with AsBuilt(folder, now=lambda: NOW) as app:
        app.take_in([entry(n).fact for n in range(1, 4)])
        app.pipeline.settle()
        # As a crash leaves it: the -wal holds everything since the last checkpoint.
        shutil.copytree(folder, kept)
    assert (kept / "record.db-wal").stat().st_size > 0
    (kept / "record.db-wal").unlink()
    (kept / "record.db-shm").unlink(missing_ok=True)
    with pytest.raises(RecordError) as refusal:
        AsBuilt(kept, now=lambda: NOW)
    assert "-wal" in str(refusal.value)
    assert not (tmp_path / "kept" / "lock").read_text()


def test_with_its_wal_the_copy_is_whole(tmp_path):
    folder, kept = tmp_path / "data", tmp_path / "kept"
    with AsBuilt(folder, now=lambda: NOW) as app:
        app.take_in([entry(n).fact for n in range(1, 4)])
        app.pipeline.settle()
        shutil.copytree(folder, kept)
        digest = app.store.digest()
    with AsBuilt(kept, now=lambda: NOW) as again:
        assert again.record.head() == 3
        assert again.store.digest() == digest
        assert list(again.record.verify()) == []


# --------------------------------------------------------------------------- a full disk


def limit(log: Log, pages: int | None) -> None:
    """Pretend the disk has only so many pages more (None: room again)."""
    assert log._writer is not None
    used = log._writer.pragma("page_count")
    log._writer.pragma("max_page_count", 1 << 30 if pages is None else used + pages)


def big(number: int, size: int = 50_000) -> Entry:
    fact = Measured(
        id=UUID(int=number),
        event_time=NOW,
        source="gateway",
        characteristic="bore",
        value="1",
        uom="mm",
        order="o" * 200,
    )
    del size
    return Entry(fact, events.encode(fact))


def test_no_room_records_nothing_of_the_batch_and_goes_on_when_there_is(path):
    log = open_log(path)
    before = log.read()
    limit(log, 2)
    batch = [big(100 + n) for n in range(500)]
    with pytest.raises(RecordFull, match="no room") as refusal:
        log.append(batch)
    assert "may be sent again" in refusal.value.remedy
    assert log.read() == before
    assert log.head() == 29
    assert log.count("type:measured.v1") == 0
    limit(log, None)
    receipts = log.append(batch)
    assert [receipt.position for receipt in receipts] == list(range(30, 530))
    assert list(log.verify()) == []
    log.close()
    assert damages(path) == []
