"""Names kept once, as integers that nobody sees but the store and the reader.

A column of type `Interned` holds the number of its text in the table `name`; the empty name is 0, so that partial
indexes can leave it out. A number says nothing of order, differs from file to file, and is never changed or given
to another text as long as the file is there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import apsw

from asbuilt.folder.sqlite_file import put_rows

CREATE: Final = """
CREATE TABLE IF NOT EXISTS name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
INSERT OR IGNORE INTO name VALUES (0, '');
"""
MOST_IN_MEMORY: Final = 200_000
"""About 30 MB of names and numbers each way."""
_AT_ONCE = 500

Numbers = dict[str, int]
Texts = dict[int, str]


class Names:
    """Names and their numbers, those asked for of late in memory. Threads may share one, each with its connection."""

    def __init__(self) -> None:
        self._numbers: Numbers = {}
        self._texts: Texts = {}

    def numbers(self, db: apsw.Connection, texts: Collection[str]) -> Numbers:
        """The numbers of these names, among others; a name that the file does not hold is not there."""
        known = self._numbers
        lacking = [text for text in texts if text not in known]
        if lacking:
            if len(known) + len(lacking) > MOST_IN_MEMORY:
                known = {text: known[text] for text in texts if text in known}
            for at in range(0, len(lacking), _AT_ONCE):
                some = lacking[at : at + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                known.update(_pairs(db, f"SELECT text, id FROM name WHERE text IN ({marks})", some))
            self._numbers = known
        return known

    def texts(self, db: apsw.Connection, numbers: Collection[int]) -> Texts:
        """The names of these numbers, among others."""
        known = self._texts
        lacking = [number for number in numbers if number not in known]
        if lacking:
            if len(known) + len(lacking) > MOST_IN_MEMORY:
                known = {number: known[number] for number in numbers if number in known}
            sql = "SELECT name.id, name.text FROM json_each(?) CROSS JOIN name ON name.id = json_each.value"
            known.update(_pairs(db, sql, [json.dumps(lacking)]))
            self._texts = known
        return known

    def keep(self, db: apsw.Connection, texts: Collection[str]) -> Numbers:
        """The numbers of these names, given to those that have none yet."""
        known = self.numbers(db, texts)
        new = [text for text in texts if text not in known]
        if new:
            last: Any = db.execute("SELECT max(id) FROM name").get
            # In order of text, so that a batch adds to neighbouring places of the index.
            given = {text: number for number, text in enumerate(sorted(new), last + 1)}
            put_rows(db, "INSERT INTO name(text, id) VALUES", list(given.items()))
            known.update(given)
        return known

    def forget(self) -> None:
        """Forget all that is in memory: after a transaction that came to nothing."""
        self._numbers, self._texts = {}, {}


def numbered(
    names: Names, db: apsw.Connection, rows: Sequence[Sequence[Any]], at: Iterable[int]
) -> Sequence[Sequence[Any]]:
    """Rows with the numbers of the names that stand at these places; new names are kept."""
    at = tuple(at)
    if not at or not rows:
        return rows
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    texts = set().union(*(columns[n] for n in at))
    texts.discard(None)
    numbers: dict[Any, Any] = names.keep(db, texts)
    for n in at:
        columns[n] = [None if text is None else numbers[text] for text in columns[n]]
    return list(zip(*columns, strict=True))


def named(
    names: Names, db: apsw.Connection, rows: Sequence[Sequence[Any]], at: Iterable[int]
) -> Sequence[Sequence[Any]]:
    """Rows with the names of the numbers that stand at these places."""
    at = tuple(at)
    if not at or not rows:
        return rows
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    numbers = set().union(*(columns[n] for n in at))
    numbers.discard(None)
    texts: dict[Any, Any] = names.texts(db, numbers)
    for n in at:
        columns[n] = [None if number is None else texts[number] for number in columns[n]]
    return list(zip(*columns, strict=True))


def _pairs(db: apsw.Connection, sql: str, bound: Sequence[Any]) -> list[Any]:
    return db.execute(sql, bound).fetchall()
