"""Where each fact is sealed (`seal.db`): blocks, and each fact's place among the facts about a unit.

Secret, and to be backed up with the record: without it nothing that was sealed can be shown.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from asbuilt.errors import RecordError, RecordFull
from asbuilt.folder.sqlite_file import header_fault, log_beside, make_whole, put_rows
from asbuilt.proof.leaf import Link

APPLICATION_ID = 0x61736273  # "asbs"
FORMAT = 1

_SCHEMA = """
CREATE TABLE settings(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE block(
    number INTEGER PRIMARY KEY,
    first_position INTEGER NOT NULL,
    slots BLOB NOT NULL,
    seed BLOB NOT NULL,
    groups BLOB NOT NULL,
    root BLOB NOT NULL,
    keys BLOB NOT NULL
) STRICT;
CREATE TABLE leaf(block INTEGER PRIMARY KEY, hashes BLOB NOT NULL) STRICT;
CREATE INDEX block_of_position ON block(first_position);
CREATE TABLE link(
    position INTEGER NOT NULL,
    unit TEXT NOT NULL,
    number INTEGER NOT NULL,
    before BLOB NOT NULL,
    PRIMARY KEY(position, unit)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX link_of_unit ON link(unit, number);
CREATE TABLE head(unit TEXT PRIMARY KEY, number INTEGER NOT NULL, leaf BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lane(
    name TEXT PRIMARY KEY,
    registered INTEGER NOT NULL,
    block INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    seed BLOB,
    body BLOB,
    chain BLOB,
    counted BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_of_block ON lane(block);
"""


class SealedBlock(NamedTuple):
    """A closed block: facts from `first_position` on lie at `slots`; `groups` are the roots of its groups."""

    number: int
    first_position: int
    slots: Sequence[int]
    seed: bytes
    groups: Sequence[bytes]
    root: bytes
    keys: bytes

    @property
    def last_position(self) -> int:
        """The position of its last fact; one before the first if it has none."""
        return self.first_position + len(self.slots) - 1


class Head(NamedTuple):
    """How far the numbering of a unit's facts has come."""

    number: int
    leaf: bytes


class LaneRow(NamedTuple):
    """A lane: the position of its registration, its place, and once closed its leaf's seed and members,
    the beginning of its hash chain, and the positions of the facts that were counted."""

    name: str
    registered: int
    block: int
    slot: int
    seed: bytes | None
    body: bytes | None
    chain: bytes | None
    counted: Sequence[int]


class SealStore:
    """The file. One sealer writes; `read_only` opens it beside, `create` makes it if there is none."""

    def __init__(self, path: Path, *, read_only: bool = False, create: bool = False) -> None:
        self._path = path
        self._lock = threading.Lock()
        # An older version could be stopped right after it had made the name.
        is_new = not path.exists() or (path.stat().st_size == 0 and not log_beside(path).exists())
        if is_new and not create:
            raise RecordError(
                "nothing is sealed here yet",
                where=str(path),
                remedy="`asbuilt run` seals what it records; `asbuilt seal begin` begins the log by itself.",
            )
        fault = None if is_new else header_fault(path)
        if fault is not None:
            raise RecordError(fault[1], where=str(path), remedy="Restore seal.db from the backup.")
        with self._errors():
            if is_new:
                make_whole(path, _create)
            flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
            self._db = apsw.Connection(str(path), flags=flags)
            self._db.set_busy_timeout(5_000)
            if not read_only:
                self._db.pragma("journal_mode", "wal")
                self._db.pragma("synchronous", "FULL")
            found = self._db.pragma("application_id"), self._db.pragma("user_version")
        if found != (APPLICATION_ID, FORMAT):
            raise RecordError(
                "this is not a file of seals that this version reads",
                where=str(path),
                remedy="Name the right data folder with --data, or use the version of asbuilt that wrote it.",
            )

    # ----------------------------------------------------------------- settings

    def setting(self, name: str) -> bytes | None:
        """A setting."""
        found = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return found[0][0] if found else None

    def set(self, values: Mapping[str, bytes]) -> None:
        """Write settings, durably."""
        with self._errors(), self._lock, self._db:
            put_rows(self._db, "INSERT OR REPLACE INTO settings VALUES", list(values.items()))

    # ----------------------------------------------------------------- blocks

    def last(self) -> SealedBlock | None:
        """The block closed last."""
        found = self._blocks("ORDER BY number DESC LIMIT 1")
        return found[0] if found else None

    def block(self, number: int) -> SealedBlock | None:
        """A block by its number."""
        found = self._blocks("WHERE number = ?", number)
        return found[0] if found else None

    def block_with(self, position: int) -> SealedBlock | None:
        """The block in which the fact at a position is sealed; None if it is not sealed yet."""
        found = self._blocks("WHERE first_position <= ? ORDER BY first_position DESC, number DESC LIMIT 1", position)
        return found[0] if found and found[0].first_position <= position <= found[0].last_position else None

    def blocks(self, after: int, limit: int) -> list[SealedBlock]:
        """Blocks with a number above `after`, in order."""
        return self._blocks("WHERE number > ? ORDER BY number LIMIT ?", after, limit)

    def _blocks(self, where: str, *bindings: object) -> list[SealedBlock]:
        rows = self._rows(
            f"SELECT number, first_position, slots, seed, groups, root, keys FROM block {where}", *bindings
        )
        return [
            SealedBlock(number, first, array("H", slots), seed, [groups[at : at + 32] for at in range(0, len(groups), 32)], root, keys)
            for number, first, slots, seed, groups, root, keys in rows
        ]  # fmt: skip

    def leaves(self, number: int) -> list[bytes]:
        """The leaf hashes of a block's facts, in order of the facts."""
        rows = self._rows("SELECT hashes FROM leaf WHERE block = ?", number)
        hashes = rows[0][0] if rows else b""
        return [hashes[at : at + 32] for at in range(0, len(hashes), 32)]

    def add(
        self,
        block: SealedBlock,
        leaves: Sequence[bytes],
        links: Mapping[int, Sequence[Link]],
        heads: Mapping[str, Head],
        lanes: Sequence[LaneRow],
    ) -> None:
        """Keep a block with the places of its facts, durably and whole or not at all."""
        with self._errors(), self._lock, self._db:
            self._db.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)",
                (block.number, block.first_position, array("H", block.slots).tobytes(), block.seed,
                 b"".join(block.groups), block.root, block.keys),
            )  # fmt: skip
            if leaves:
                self._db.execute("INSERT INTO leaf VALUES (?, ?)", (block.number, b"".join(leaves)))
            rows = [(position, *link) for position, found in links.items() for link in found]
            put_rows(self._db, "INSERT INTO link VALUES", rows)
            put_rows(self._db, "INSERT OR REPLACE INTO head VALUES", [(unit, *head) for unit, head in heads.items()])
            put_rows(self._db, "INSERT OR REPLACE INTO lane VALUES", [_lane_row(lane) for lane in lanes])

    # ----------------------------------------------------------------- units

    def head(self, unit: str) -> Head | None:
        """How far the numbering of a unit's facts has come."""
        found = self._rows("SELECT number, leaf FROM head WHERE unit = ?", unit)
        return Head(*found[0]) if found else None

    def links(self, position: int) -> list[Link]:
        """The places of a fact among the facts about units."""
        return [
            Link(*row) for row in self._rows("SELECT unit, number, before FROM link WHERE position = ? ORDER BY unit", position)
        ]  # fmt: skip

    def links_of_block(self, block: SealedBlock) -> dict[int, list[Link]]:
        """The same for every fact of a block, by position."""
        found: dict[int, list[Link]] = {}
        rows = self._rows(
            "SELECT position, unit, number, before FROM link WHERE position BETWEEN ? AND ? ORDER BY position, unit",
            block.first_position, block.last_position,
        )  # fmt: skip
        for position, *link in rows:
            found.setdefault(position, []).append(Link(*link))
        return found

    def positions(self, unit: str, limit: int) -> list[int]:
        """The positions of the sealed facts about a unit, in order of their numbers."""
        rows = self._rows("SELECT position FROM link WHERE unit = ? ORDER BY number LIMIT ?", unit, limit)
        return [row[0] for row in rows]

    # ----------------------------------------------------------------- lanes

    def lane(self, name: str) -> LaneRow | None:
        """A lane by its name."""
        found = self._lanes("WHERE name = ?", name)
        return found[0] if found else None

    def lanes_of(self, block: int) -> list[LaneRow]:
        """The lanes that are closed in a block."""
        return self._lanes("WHERE block = ? ORDER BY name", block)

    def lanes(self) -> list[LaneRow]:
        """Every lane that was registered."""
        return self._lanes("ORDER BY name")

    def _lanes(self, where: str, *bindings: object) -> list[LaneRow]:
        rows = self._rows(
            f"SELECT name, registered, block, slot, seed, body, chain, counted FROM lane {where}", *bindings
        )
        return [
            LaneRow(name, registered, block, slot, seed, body, chain, array("Q", counted or b""))
            for name, registered, block, slot, seed, body, chain, counted in rows
        ]

    # ----------------------------------------------------------------- the file

    def _rows(self, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
        with self._errors(), self._lock:
            return self._db.execute(sql, bindings).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except apsw.FullError as error:
            raise RecordFull(
                f"there is no room to seal: {error}", where=str(self._path), remedy="Make room on the disk."
            ) from error
        except apsw.Error as error:
            raise RecordError(
                f"the file of seals cannot be used: {error}",
                where=str(self._path),
                remedy="Check the disk and the folder's rights; if the file is damaged, restore seal.db from the backup.",
            ) from error


def _create(db: apsw.Connection) -> None:
    db.pragma("application_id", APPLICATION_ID)
    db.pragma("user_version", FORMAT)
    db.execute(_SCHEMA)


def _lane_row(lane: LaneRow) -> tuple[object, ...]:
    return (*lane[:7], array("Q", lane.counted).tobytes())
