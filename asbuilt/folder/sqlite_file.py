"""What the record and the views both need of SQLite files: a look before opening, many rows at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

_SIZES = (128, 16, 1)


def put_rows(db: apsw.Connection, insert: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
    """Run `insert` (up to and with VALUES) for the rows, all of one width; `then` follows the values.

    The driver lets other threads run at every statement it steps; with one statement per row, a
    writer among busy threads would wait for its turn at every row. Statements of many rows are
    faster by themselves as well.
    """
    if not rows:
        return
    width, at, left = len(rows[0]), 0, len(rows)
    for size in _SIZES:
        while left >= size:
            values = list(chain.from_iterable(rows[at : at + size]))
            db.execute(_statement(insert, width, size, then), values)
            at, left = at + size, left - size


@lru_cache(maxsize=512)
def _statement(insert: str, width: int, size: int, then: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"{insert} {','.join([row] * size)} {then}"


def log_beside(path: Path) -> Path:
    """The write-ahead log of a database file."""
    return path.with_name(path.name + "-wal")


def header_fault(path: Path) -> tuple[bool, str] | None:
    """What the 100-byte header says is wrong with a file, before SQLite calls all of it "not a database".

    Whether it is foreign (else: damaged), and in words; None if nothing. Raises `OSError`.
    """
    with path.open("rb") as file:
        header = file.read(100)
    log = log_beside(path)
    has_log = log.exists() and log.stat().st_size > 0
    if len(header) < 100 and has_log:
        return None  # created, not yet checkpointed: everything is in the log beside it
    if header[:16] != b"SQLite format 3\0":
        return True, "the file is not a record (not SQLite)"
    if len(header) < 100:
        return False, "the file is truncated in its header"
    page_size = int.from_bytes(header[16:18], "big")
    expected = (65536 if page_size == 1 else page_size) * int.from_bytes(header[28:32], "big")
    actual = path.stat().st_size
    if actual < expected and not has_log:
        return False, f"the file is truncated: {actual:,} of {expected:,} bytes are there"
    return None


def make_whole(path: Path, make: Callable[[apsw.Connection], None]) -> None:
    """Make a new database file that is there whole or not at all, whenever the process is killed.

    It is made under another name and moved into place, readable by its owner alone, in write-ahead mode;
    `make` fills it in one transaction. What an earlier attempt left behind is removed. Raises `apsw.Error`.
    """
    making = path.with_name(path.name + ".making")
    try:
        for left in (making, *(making.with_name(making.name + ending) for ending in ("-journal", "-wal", "-shm"))):
            left.unlink(missing_ok=True)
        making.touch(mode=0o600)
        with closing(apsw.Connection(str(making))) as db:
            db.pragma("journal_mode", "wal")
            db.pragma("synchronous", "FULL")
            with db:
                make(db)
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        making.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        kind = apsw.FullError if error.errno == errno.ENOSPC else apsw.CantOpenError
        raise kind(error.strerror) from error


def is_blank(path: Path) -> bool:
    """Whether nothing was ever made in a database: an older version was stopped at the very beginning of it."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(5_000)
        made = db.pragma("application_id") or db.pragma("user_version")
        return not made and db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None
    finally:
        db.close()
