"""Names kept once, as integers that nobody sees but the store and the reader.

A column of type `Interned` holds the number of its text in the table `name`; the empty name is 0, so that partial
indexes can leave it out. A number says nothing of order, differs from file to file, and is never changed or given
to another text as long as the file is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import apsw

from asbuilt.folder.sqlite_file import put_rows

CREATE: Final = """
CREATE TABLE IF NOT EXISTS name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
INSERT OR IGNORE INTO name VALUES (0, '');
"""
MOST_IN_MEMORY: Final = 150_000
"""So many names asked for of late, and as many before: about 60 MB in all, each way."""
_AT_ONCE = 500

K = TypeVar("K")
V = TypeVar("V")
Numbers = dict[str, int]
Texts = dict[int, str]


class _Lately(Generic[K, V]):
    """What was asked for of late, in two generations: when one is full it becomes the one before.

    What is asked for again is taken over from the generation before, so that a question about very many names, each
    asked for once, does not drive out all others. A dictionary that was given away loses nothing: threads may share one.
    """

    def __init__(self) -> None:
        self._recent: dict[K, V] = {}
        self._before: dict[K, V] = {}

    def known(self, keys: Collection[K], load: Callable[[list[K]], Iterable[tuple[K, V]]]) -> dict[K, V]:
        """What is known of these keys, among others; `load` finds those that are not in memory, as far as there are."""
        recent, before = self._recent, self._before
        lacking = [key for key in keys if key not in recent]
        if not lacking:
            return recent
        found = {key: before[key] for key in lacking if key in before}
        if len(found) < len(lacking):
            found.update(load([key for key in lacking if key not in found]))
        return self.add(found, keys)

    def add(self, found: dict[K, V], asked: Collection[K] = ()) -> dict[K, V]:
        """Take note; gives what is known of the keys asked for. What is too much to be kept is given and not kept."""
        recent = self._recent
        if len(recent) + len(found) <= MOST_IN_MEMORY:
            recent.update(found)
            return recent
        fresh = {key: recent[key] for key in asked if key in recent}
        fresh.update(found)
        if len(fresh) <= MOST_IN_MEMORY:
            self._before, self._recent = recent, fresh
        return fresh


class Names:
    """Names and their numbers, those asked for of late in memory. Threads may share one, each with its connection."""

    def __init__(self) -> None:
        self.forget()

    def numbers(self, db: apsw.Connection, texts: Collection[str]) -> Numbers:
        """The numbers of these names, among others; a name that the file does not hold is not there."""

        def load(lacking: list[str]) -> list[tuple[str, int]]:
            found: list[tuple[str, int]] = []
            for at in range(0, len(lacking), _AT_ONCE):
                some = lacking[at : at + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                found += db.execute(f"SELECT text, id FROM name WHERE text IN ({marks})", some).fetchall()  # type: ignore[arg-type]
            self._texts.add({number: text for text, number in found})
            return found

        return self._numbers.known(texts, load)

    def texts(self, db: apsw.Connection, numbers: Collection[int]) -> Texts:
        """The names of these numbers, among others."""

        def load(lacking: list[int]) -> list[tuple[int, str]]:
            sql = "SELECT name.id, name.text FROM json_each(?) CROSS JOIN name ON name.id = json_each.value"
            # In their order, so that neighbours are read together.
            found: list[Any] = db.execute(sql, [json.dumps(sorted(lacking))]).fetchall()
            self._numbers.add({text: number for number, text in found})
            return found

        return self._texts.known(numbers, load)

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
            self._texts.add({number: text for text, number in given.items()})
        return known

    def forget(self) -> None:
        """Forget all that is in memory: after a transaction that came to nothing."""
        self._numbers: _Lately[str, int] = _Lately()
        self._texts: _Lately[int, str] = _Lately()


def numbered(
    names: Names, db: apsw.Connection, rows: Sequence[Sequence[Any]], at: Iterable[int]
) -> Sequence[Sequence[Any]]:
    """Rows with the numbers of the names that stand at these places; new names are kept."""
    at = tuple(at)
    if not at or not rows:
        return rows
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    texts = set().union(*(columns[n] for n in at))
    has_none = None in texts
    texts.discard(None)
    numbers: dict[Any, Any] = names.keep(db, texts)
    for n in at:
        columns[n] = list(map(numbers.get if has_none else numbers.__getitem__, columns[n]))
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
    has_none = None in numbers
    numbers.discard(None)
    texts: dict[Any, Any] = names.texts(db, numbers)
    for n in at:
        columns[n] = list(map(texts.get if has_none else texts.__getitem__, columns[n]))
    return list(zip(*columns, strict=True))
