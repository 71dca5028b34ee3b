"""The record in one SQLite file (`record.db`), through apsw: WAL, synchronous FULL, one writer.

Tables (normative in `docs/record-format.md`):

- `fact`: position, id, record_time_us, seed, body.
- `about`: subject → positions. One row per subject and commit; `more` packs the offsets of the
  further positions (little-endian uint32), so that a batch of a thousand facts about one
  station costs one row, not a thousand.
- `commits`: one row per commit with a checksum chained over everything before it; that is how
  an altered, missing or reordered fact is found.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from asbuilt import events
from asbuilt.errors import RecordBusy, RecordError, RecordFull
from asbuilt.events import AnyFact
from asbuilt.folder.sqlite_file import header_fault, is_blank, log_beside, make_whole, put_rows
from asbuilt.record import SEED_BYTES, Clock, Damage, Entry, Outcome, Random, Receipt, Recorded, layout, made

APPLICATION_ID = 0x61736274  # "asbt"
FORMAT = 1

_COLUMNS = "position, record_time_us, id, seed, body"
_OTHER_FOLDER = "Name the right data folder with --data."
_RESTORE = (
    "Stop, keep the folder as it is, and restore record.db from a backup; `asbuilt doctor` tells what is damaged."
)


class Log:
    """A record in a file. `read_only` opens it beside another process that writes.

    `progress` hears how far a new subject index is made: the last position in it, and the head.
    """

    def __init__(
        self,
        path: Path,
        now: Clock,
        random: Random = os.urandom,
        *,
        read_only: bool = False,
        progress: Callable[[int, int], None] = lambda done, head: None,
    ) -> None:
        self._path = path
        self._now = now
        self._random = random
        self._reading = threading.Lock()
        is_new = not path.exists() or (path.stat().st_size == 0 and not log_beside(path).exists())
        self._writer: apsw.Connection | None = None
        if not is_new:
            _refuse_foreign_or_truncated(path)
        with self._errors():
            is_new = is_new or is_blank(path)
            if is_new and read_only:
                raise RecordError("there is no record here", where=str(path), remedy=_OTHER_FOLDER)
            if is_new:
                make_whole(path, _create)
            # Looked at before a writer is opened: that would change a file which is not ours.
            self._reader = _connect(path, read_only=True)
            self._refuse_unknown_format()
            self._head, self._last_time_us, self._checksum = self._read_end()
            self._writer = None if read_only else _connect(path, read_only=False)
            if self._writer is not None and self._index_version() != events.SUBJECTS_VERSION:
                self._index_anew(self._writer, progress)

    def _index_version(self) -> int:
        return int(sum(value for (value,) in _rows(self._reader, "SELECT value FROM settings WHERE name = 'index'")))

    def indexed(self) -> int | None:
        """Up to which position facts have an index of this version, while it is being made; None once it is."""
        with self._errors(), self._reading:
            kept = dict(_rows(self._reader, "SELECT name, value FROM settings"))
        ours = kept.get("index_making") == events.SUBJECTS_VERSION and "index" not in kept
        return None if kept.get("index") == events.SUBJECTS_VERSION else int(kept["index_done"]) if ours else 0

    def _index_anew(self, db: apsw.Connection, progress: Callable[[int, int], None]) -> None:
        """The index follows from the facts; one made by a version with other subjects would miss some.

        It is made in portions, each a transaction that also says how far it came, so that a kill costs one
        portion. `index` is absent all the while: no version takes a part for the whole, and one that does not
        know of portions makes the index anew and says so in `index`, which ends ours.
        """
        with db:
            kept = dict(_rows(db, "SELECT name, value FROM settings"))
            done = int(kept.get("index_done", 0))
            if "index" in kept or kept.get("index_making") != events.SUBJECTS_VERSION:
                done = 0
                db.execute("DELETE FROM about")
                db.execute("DELETE FROM settings WHERE name = 'index'")
                _set(db, "index_making", events.SUBJECTS_VERSION)
                _set(db, "index_done", 0)
        while done < self._head:
            with db:
                until = done + _PORTION
                for first, count in _rows(
                    db, "SELECT first_position, facts FROM commits WHERE first_position > ? ORDER BY 1", (done,)
                ):
                    facts = self.read(first - 1, count)
                    self._index(db, events.recall_all([fact.body for fact in facts]), first)
                    done = first + count - 1
                    if done >= until:
                        break
                else:
                    done = self._head
                _set(db, "index_done", done)
            progress(done, self._head)
        with db:
            _set(db, "index", events.SUBJECTS_VERSION)
            db.execute("DELETE FROM settings WHERE name IN ('index_making', 'index_done')")

    @contextmanager
    def _asking_by_subject(self) -> Iterator[None]:
        """One state of the file, whose index is of this version: the owner's always is, once it is open."""
        with self._errors(), self._reading, nullcontext() if self._writer else self._reader:
            if self._writer is None and self._index_version() != events.SUBJECTS_VERSION:
                raise RecordError(
                    "the subject index was made by another version, or is being made anew;"
                    " nothing can be found by its subject until it is made",
                    where=str(self._path),
                    remedy="Start `asbuilt run` here: it makes the index. Facts are found by position and id meanwhile.",
                )
            yield

    def _refuse_unknown_format(self) -> None:
        application, version = self._reader.pragma("application_id"), self._reader.pragma("user_version")
        if application != APPLICATION_ID:
            raise RecordError(
                "this SQLite file is not a record of asbuilt",
                where=str(self._path),
                remedy=_OTHER_FOLDER,
            )
        if version != FORMAT:
            raise RecordError(
                f"the record has format {version}, this version reads format {FORMAT}",
                where=str(self._path),
                remedy="Use the version of asbuilt that wrote it, or a newer one.",
            )

    def _read_end(self) -> tuple[int, int, bytes]:
        """Head, last record time and checksum; the last commit is checked, the rest by `verify`."""
        with self._reader:  # one state of the file, whatever another process writes meanwhile
            last = _rows(
                self._reader, "SELECT first_position, facts, checksum FROM commits ORDER BY first_position DESC LIMIT 2"
            )
            top = _rows(self._reader, "SELECT coalesce(max(position), 0) FROM fact")[0][0]
            first, count, checksum = last[0] if last else (1, 0, b"")
            before = last[1][2] if len(last) > 1 else b""
            facts = self.read(first - 1, count + 1)
        if not last:
            if top:
                raise self._torn("facts without a commit")
            return 0, 0, b""
        if (
            top != first + count - 1
            or not layout.is_one_commit(facts, first, count)
            or layout.chained(before, facts) != checksum
        ):
            raise self._torn("the last commit is not whole")
        return top, facts[-1].record_time_us, checksum

    def _torn(self, what: str) -> RecordError:
        return RecordError(f"the record is torn: {what}", where=str(self._path), remedy=_RESTORE)

    # ----------------------------------------------------------------- writing

    def append(self, entries: Sequence[Entry]) -> list[Receipt]:
        if not entries:
            return []
        if self._writer is None:
            raise RecordError("opened read-only", where=str(self._path), remedy="Open it for writing.")
        with self._errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                receipts, new, checksum = self._append_in_transaction(self._writer, entries)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        if new:
            self._head, self._last_time_us = new[-1].position, new[-1].record_time_us
            self._checksum = checksum
        return receipts

    def _append_in_transaction(
        self, db: apsw.Connection, entries: Sequence[Entry]
    ) -> tuple[list[Receipt], list[Recorded], bytes]:
        # Nearly always every id is new: try that first, look at single ids only if it fails.
        new = self._numbered(entries)
        receipts = made(
            Receipt, zip(repeat(Outcome.ACCEPTED), range(self._head + 1, self._head + 1 + len(new)), strict=False)
        )
        db.execute("SAVEPOINT attempt")
        try:
            put_rows(db, _INSERT, new)
        except apsw.ConstraintError:
            db.execute("ROLLBACK TO attempt")
            receipts, fresh = self._told_apart(db, entries)
            new = self._numbered(fresh)
            put_rows(db, _INSERT, new)
            entries = fresh
        db.execute("RELEASE attempt")
        checksum = layout.chained(self._checksum, new)
        if new:
            self._index(db, [entry.fact for entry in entries], new[0].position)
            db.execute("INSERT INTO commits VALUES (?, ?, ?)", (new[0].position, len(new), checksum))
        return receipts, new, checksum

    def _numbered(self, entries: Sequence[Entry]) -> list[Recorded]:
        time_us = max(self._last_time_us, events.microseconds(self._now()))
        seeds = self._random(SEED_BYTES * len(entries))
        first = self._head + 1
        columns = zip(
            range(first, first + len(entries)),
            repeat(time_us),
            [fact.id.bytes for fact, _ in entries],
            [seeds[at : at + SEED_BYTES] for at in range(0, len(seeds), SEED_BYTES)],
            [body for _, body in entries],
            strict=False,
        )
        return made(Recorded, columns)

    def _told_apart(self, db: apsw.Connection, entries: Sequence[Entry]) -> tuple[list[Receipt], list[Entry]]:
        fresh: list[Entry] = []
        receipts: list[Receipt] = []
        ids = [fact.id.bytes for fact, _ in entries]
        known: dict[bytes, bytes] = {}
        for at in range(0, len(ids), _LOOKED_UP_AT_ONCE):
            some = ids[at : at + _LOOKED_UP_AT_ONCE]
            marks = ", ".join("?" * len(some))
            known.update(_rows(db, f"SELECT id, body FROM fact WHERE id IN ({marks})", tuple(some)))
        for fact_id, entry in zip(ids, entries, strict=True):
            body = known.get(fact_id)
            if body is None:
                fresh.append(entry)
                receipts.append(Receipt(Outcome.ACCEPTED, self._head + len(fresh)))
                known[fact_id] = entry.body
            else:
                receipts.append(Receipt(Outcome.DUPLICATE if body == entry.body else Outcome.CONFLICT, 0))
        return receipts, fresh

    @staticmethod
    def _index(db: apsw.Connection, facts: Sequence[AnyFact], first: int) -> None:
        rows = [(subject, at[0], layout.packed(at)) for subject, at in sorted(events.places(facts, first).items())]
        put_rows(db, "INSERT INTO about VALUES", rows)

    # ----------------------------------------------------------------- reading

    def read(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        return self._select(f"SELECT {_COLUMNS} FROM fact WHERE position > ? ORDER BY position LIMIT ?", (after, limit))

    def get(self, fact_id: UUID) -> Recorded | None:
        found = self._select(f"SELECT {_COLUMNS} FROM fact WHERE id = ?", (fact_id.bytes,))
        return found[0] if found else None

    def about(self, subject: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        positions: list[int] = []
        with self._asking_by_subject():
            # The block that begins at or before `after` may reach beyond it.
            rows: Any = self._reader.execute(
                "SELECT first_position, more FROM about WHERE subject = ?1 AND first_position >= coalesce("
                "(SELECT max(first_position) FROM about WHERE subject = ?1 AND first_position <= ?2), 0)"
                " ORDER BY first_position",
                (subject, after),
            )
            for first, more in rows:
                positions.extend(position for position in layout.unpacked(first, more) if position > after)
                if len(positions) >= limit:
                    break
            return [
                Recorded(*row)
                for position in positions[:limit]
                for row in _rows(self._reader, f"SELECT {_COLUMNS} FROM fact WHERE position = ?", (position,))
            ]

    def latest(self, subject: str) -> Recorded | None:
        with self._asking_by_subject():
            found = _rows(
                self._reader,
                "SELECT first_position, more FROM about WHERE subject = ? ORDER BY first_position DESC LIMIT 1",
                (subject,),
            )
        return self.read(layout.unpacked(*found[0])[-1] - 1, 1)[0] if found else None

    def count(self, subject: str) -> int:
        with self._asking_by_subject():
            ((blocks, extra),) = _rows(
                self._reader, "SELECT count(*), coalesce(sum(length(more)), 0) FROM about WHERE subject = ?", (subject,)
            )
        return int(blocks + extra // layout.OFFSET_BYTES)

    def subjects(self, kind: str) -> list[str]:
        # From one subject to the next along the index: as many steps as subjects, not as rows.
        found: list[str] = []
        after, end = f"{kind}:", f"{kind};"
        with self._asking_by_subject():
            while True:
                rows = _rows(
                    self._reader, "SELECT min(subject) FROM about WHERE subject > ? AND subject < ?", (after, end)
                )
                if rows[0][0] is None:
                    return found
                after = rows[0][0]
                found.append(after.partition(":")[2])

    def head(self) -> int:
        if self._writer is None:
            with self._errors(), self._reading:
                return int(_rows(self._reader, "SELECT coalesce(max(position), 0) FROM fact")[0][0])
        return self._head

    def _select(self, sql: str, bindings: tuple[Any, ...]) -> list[Recorded]:
        with self._errors(), self._reading:
            return made(Recorded, _rows(self._reader, sql, bindings))

    # ----------------------------------------------------------------- checking

    def verify(self, progress: Callable[[int], None] = lambda position: None) -> Iterator[Damage]:
        try:
            yield from self._verify_commits(progress)
            with self._errors(), self._reading:
                problems = [row[0] for row in _rows(self._reader, "PRAGMA integrity_check(20)")]
        except RecordError as error:
            yield Damage(error.message, 0, 0)
            return
        for problem in problems:
            if problem != "ok":
                yield Damage(f"SQLite: {problem}", 0, 0)

    def _verify_commits(self, progress: Callable[[int], None]) -> Iterator[Damage]:
        checksum, expected_first = b"", 1
        with self._errors(), self._reading:
            commits = _rows(self._reader, "SELECT first_position, facts, checksum FROM commits ORDER BY 1")
        for first, count, stored in commits:
            last = first + count - 1
            if first != expected_first:
                yield Damage("a commit is missing", expected_first, first - 1)
                checksum = layout.chained(checksum, self.read(expected_first - 1, first - expected_first))
            facts = self.read(first - 1, count)
            checksum = layout.chained(checksum, facts)
            if checksum != stored or not layout.is_one_commit(facts, first, count):
                yield Damage("facts are not what was committed", first, last)
                checksum = stored
            elif self._index_version() == events.SUBJECTS_VERSION:
                yield from self._verify_index(facts)
            expected_first = last + 1
            progress(last)
        with self._errors(), self._reading:  # one statement, so that a commit of this moment is seen whole
            ((first, last),) = _rows(
                self._reader,
                "SELECT min(position), max(position) FROM fact"
                " WHERE position > coalesce((SELECT max(first_position + facts - 1) FROM commits), 0)",
            )
        if first is not None:
            yield Damage("facts without a commit", first, last)

    def _verify_index(self, facts: Sequence[Recorded]) -> Iterator[Damage]:
        for subject, at in events.places(events.recall_all([fact.body for fact in facts]), facts[0].position).items():
            with self._errors(), self._reading:
                found = _rows(
                    self._reader, "SELECT more FROM about WHERE subject = ? AND first_position = ?", (subject, at[0])
                )
            if found != [(layout.packed(at),)]:
                yield Damage(f"the index does not find every fact under {subject}", at[0], at[-1])

    def close(self) -> None:
        self._reader.close()
        if self._writer is not None:
            self._writer.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the driver's errors into ours, at this one boundary."""
        try:
            yield
        except apsw.FullError as error:
            raise RecordFull(
                f"there is no room to record: {error}",
                where=str(self._path),
                remedy="Make room on the disk; nothing of this batch was recorded, it may be sent again.",
            ) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            raise RecordBusy(
                "another program holds the record", where=str(self._path), remedy="Stop the other program."
            ) from error
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise RecordError(f"the file is damaged: {error}", where=str(self._path), remedy=_RESTORE) from error
        except apsw.Error as error:
            raise RecordError(
                f"the file cannot be used: {error}",
                where=str(self._path),
                remedy="Check that the disk is there and that this user may write to the folder.",
            ) from error


_INSERT = "INSERT INTO fact(position, record_time_us, id, seed, body) VALUES"
_LOOKED_UP_AT_ONCE = 500
_PORTION = 20_000
"""About so many facts are indexed in one transaction (whole commits): well under a second of work."""


def _create(db: apsw.Connection) -> None:
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", FORMAT)
    db.execute(layout.SCHEMA)


def _rows(db: apsw.Connection, sql: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    return db.execute(sql, bindings).fetchall()


def _set(db: apsw.Connection, name: str, value: int) -> None:
    db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


def _connect(path: Path, *, read_only: bool) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    db = apsw.Connection(str(path), flags=flags)
    db.set_busy_timeout(5_000)
    if not read_only:
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "FULL")
        # A checkpoint every 80 MB of log: fewer pauses, and a restart still takes well under a second.
        db.pragma("wal_autocheckpoint", 20_000)
    return db


def _refuse_foreign_or_truncated(path: Path) -> None:
    try:
        fault = header_fault(path)
    except OSError as error:
        raise RecordError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="Check what it is and its rights."
        ) from None
    if fault is not None:
        is_foreign, what = fault
        raise RecordError(what, where=str(path), remedy=_OTHER_FOLDER if is_foreign else _RESTORE)
