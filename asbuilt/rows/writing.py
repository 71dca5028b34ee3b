"""Rows of a batch into their tables, and the tables themselves: all SQL that writes rows."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

import apsw

from asbuilt.folder.sqlite_file import put_rows
from asbuilt.rows import Changed, Column, Derivation, Row, Table, View
from asbuilt.rows.names import Names, named, numbered

SUBJECTS_AT_ONCE = 200


class Batch:
    """What one batch of facts writes."""

    def __init__(self) -> None:
        self.puts: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self.deletes: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self.tallies: defaultdict[type[Row], list[Row]] = defaultdict(list)


class Writer:
    """Writes through one connection, in whatever transaction it is in."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._names = Names()

    def forget(self) -> None:
        """Forget what a transaction kept that came to nothing."""
        self._names.forget()

    def write(self, views: Sequence[View], batch: Batch) -> Changed:
        """Write what a batch brought for these views; returns what changed."""
        changed: defaultdict[str, set[Any]] = defaultdict(set)
        for view in views:
            touched = [(derivation, self._touched(derivation, batch)) for derivation in view.derivations]
            for row_class, table in view.tables.items():
                deletes, puts = batch.deletes.get(row_class, ()), batch.puts.get(row_class, ())
                if deletes:
                    self._delete(table, deletes)
                if puts:
                    self._put(table, puts)
                first = table.key_at[0]
                if deletes or puts:
                    changed[table.name].update(map(itemgetter(first), deletes), map(itemgetter(first), puts))
                tallies = batch.tallies.get(row_class)
                if tallies:
                    self._merge(table, tallies)
                    changed[table.name].update(row[first] for row in tallies)
            for derivation, subjects in touched:
                self._derive(derivation, batch, subjects, changed)
        return dict(changed)

    def _kept(self, table: Table, rows: Sequence[Row]) -> Sequence[Any]:
        """Rows as they are kept, in order of their keys, which is how a table is written fastest."""
        # Of two rows of one key the later one stays: sorting leaves them in their order.
        return sorted(numbered(self._names, self._db, rows, table.interned), key=itemgetter(*table.key_at))

    def _put(self, table: Table, rows: Sequence[Row]) -> None:
        kept = self._kept(table, rows)
        try:
            # Nearly always all are new, and SQLite looks for what it might have to replace in every index.
            put_rows(self._db, f"INSERT INTO {table.name} VALUES", kept)
        except apsw.ConstraintError:
            put_rows(self._db, f"INSERT OR REPLACE INTO {table.name} VALUES", kept)

    def _delete(self, table: Table, rows: Sequence[Row]) -> None:
        where = " AND ".join(f"{name} IS ?" for name in table.key)
        keys = ([row[at] for at in table.key_at] for row in self._kept(table, rows))
        self._db.executemany(f"DELETE FROM {table.name} WHERE {where}", keys)

    def _merge(self, table: Table, rows: Sequence[Row]) -> None:
        updates = ", ".join(
            f"{name} = {name} + excluded.{name}" if how == "sum" else f"{name} = {how}({name}, excluded.{name})"
            for name, how in table.merge.items()
        )
        put_rows(
            self._db,
            f"INSERT INTO {table.name} VALUES",
            self._kept(table, rows),
            f"ON CONFLICT DO UPDATE SET {updates}",
        )

    def _named(self, table: Table, rows: Sequence[Any]) -> Sequence[Any]:
        return named(self._names, self._db, rows, table.interned)

    def _touched(self, derivation: Derivation, batch: Batch) -> _Subjects:
        """The subjects whose rows this batch touches, before it does: those that have rows by now, and those that have none."""
        of = derivation.of
        subject = _subject(derivation)
        touched = sorted({*map(subject, batch.deletes.get(of.row, ())), *map(subject, batch.puts.get(of.row, ()))})
        several = touched if len(derivation.by) > 1 else [(one,) for one in touched]
        by_names = [n for n, name in enumerate(derivation.by) if of.is_interned(name)]
        kept = {
            tuple(row): one
            for row, one in zip(numbered(self._names, self._db, several, by_names), touched, strict=True)
        }
        here = " AND ".join(f"t.{name} = column{n}" for n, name in enumerate(derivation.by, 1))
        known: list[Row] = []
        for some in _portions(list(kept), SUBJECTS_AT_ONCE):
            known += self._db.execute(
                f"SELECT * FROM (VALUES {_marks(some)}) WHERE EXISTS (SELECT 1 FROM {of.name} AS t WHERE {here})",
                list(chain.from_iterable(some)),
            ).fetchall()
        old = {row: kept[row] for row in known}
        return _Subjects(old, set(touched).difference(old.values()))

    def _derive(
        self, derivation: Derivation, batch: Batch, subjects: _Subjects, changed: defaultdict[str, set[Any]]
    ) -> None:
        """Derive anew whatever follows from the rows of the subjects this batch touched."""
        old: dict[type[Row], set[Row]] = {table.row: set() for table in derivation.into}
        # By key, as the table has it: of two rows of one key the rule's later one stays, always.
        new: dict[type[Row], dict[Row, Row]] = {table.row: {} for table in derivation.into}
        keys = {table.row: itemgetter(*table.key_at) for table in derivation.into}
        for rows in chain(self._all_come(derivation, batch, subjects), self._read(derivation, subjects, old)):
            for row in derivation.rule(rows):
                new[type(row)][keys[type(row)](row)] = row
        for table in derivation.into:
            wanted, kept = set(new[table.row].values()), old[table.row]
            gone, come = list(kept - wanted), list(wanted - kept)
            if gone:
                self._delete(table, gone)
            if come:
                self._put(table, come)
            if gone or come:
                changed[table.name].update(map(itemgetter(table.key_at[0]), (*gone, *come)))

    def _all_come(self, derivation: Derivation, batch: Batch, subjects: _Subjects) -> Iterator[list[Any]]:
        """The rows of each subject that had none: all of them came with this batch, and nothing followed from them before."""
        subject, key = _subject(derivation), itemgetter(*derivation.of.key_at)
        found: dict[Any, dict[Any, Row]] = {}
        for row in batch.puts.get(derivation.of.row, ()):
            of = subject(row)
            if of in subjects.new:
                found.setdefault(of, {})[key(row)] = row
        for rows in found.values():
            yield [rows[at] for at in sorted(rows)] if len(rows) > 1 else list(rows.values())

    def _read(
        self, derivation: Derivation, subjects: _Subjects, old: Mapping[type[Row], set[Row]]
    ) -> Iterator[list[Any]]:
        """The rows of each subject that had some; what followed from them before goes into `old`."""
        of, by = derivation.of, ", ".join(derivation.by)
        at = [of.row._fields.index(name) for name in derivation.by]  # type: ignore[attr-defined]
        # Numbers of names bring no order: where one is in the key beside the subject, the rule's order is made here.
        sorted_by_names = any(of.is_interned(name) for name in of.key if name not in derivation.by)
        for some in _portions(list(subjects.old), SUBJECTS_AT_ONCE):
            wanted_by, bound = f"({by}) IN (VALUES {_marks(some)})", list(chain.from_iterable(some))
            if len(at) == 1:
                wanted_by = f"{by} IN ({', '.join('?' * len(some))})"
            found = self._named(
                of,
                self._db.execute(
                    f"SELECT * FROM {of.name} WHERE {wanted_by} ORDER BY {by}, {', '.join(of.key)}", bound
                ).fetchall(),
            )
            if sorted_by_names:
                found = sorted(found, key=itemgetter(*at, *of.key_at))
            for _, rows in groupby(map(of.row._make, found), key=itemgetter(*at)):  # type: ignore[attr-defined]
                yield list(rows)
            for table in derivation.into:
                kept = self._db.execute(f"SELECT * FROM {table.name} WHERE {wanted_by}", bound).fetchall()
                old[table.row].update(self._named(table, kept))


class _Subjects(NamedTuple):
    """Subjects of a derivation: `old` have rows, by the values as they are kept; `new` have none yet."""

    old: dict[Row, Any]
    new: set[Any]


def _subject(derivation: Derivation) -> Callable[[Row], Any]:
    """The columns that name the subject: one value, or several."""
    fields = derivation.of.row._fields  # type: ignore[attr-defined]
    return itemgetter(*(fields.index(name) for name in derivation.by))


def _marks(rows: Sequence[Row]) -> str:
    return ", ".join([f"({', '.join('?' * len(rows[0]))})"] * len(rows))


def create(table: Table) -> str:
    """The SQL that makes a table and its indexes."""
    return _create(table.name, table.columns, table.key, table.indexes)


@lru_cache(maxsize=1024)
def _create(name: str, columns: tuple[Column, ...], key: tuple[str, ...], indexes: tuple[str, ...]) -> str:
    """Made once: every reader asks for it, to know whether the tables are those of this version."""
    declared = ", ".join(f"{c.name} {c.sql_type}{'' if c.optional else ' NOT NULL'}" for c in columns)
    sql = f"CREATE TABLE {name}({declared}, PRIMARY KEY({', '.join(key)})) STRICT, WITHOUT ROWID;"
    for number, index in enumerate(indexes, 1):
        names, _, where = index.partition(" WHERE ")
        for column in columns:
            if column.interned:
                where = re.sub(rf"\b{column.name} (<>|=) ''", rf"{column.name} \1 0", where)
        sql += f"CREATE INDEX {name}_{number} ON {name}({names})"
        sql += f" WHERE {where};" if where else ";"
    return sql


@lru_cache(maxsize=1024)
def _form_of(tables: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(tables).encode()).hexdigest()[:16]


def form(view: View) -> str:
    """A short name of how a view's tables are built: other columns or indexes make it outdated, whatever VERSION says."""
    return _form_of(tuple(create(table) for table in view.tables.values()))


def _portions(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]
