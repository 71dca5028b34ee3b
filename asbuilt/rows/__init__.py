"""The contract of rows: how a fold declares what it makes of facts, and where that is kept.

A fold is a module `fold.py` in a folder of `asbuilt.domain` (rows that several pages need, owned once) or of
`asbuilt.views` (rows of one view alone). It is pure; it imports the vocabulary and nothing else, and declares in
plain data:

- `VERSION`: raise it whenever rows change; the view is then folded anew from the record.
- `ROWS`: row class (a `NamedTuple`) → its key columns. Column types come from the annotations. A column of names that
  come again and again (paths, serial keys, operations, people) is annotated `Interned`: a str for folds and queries,
  an integer in the file. It is asked for by equality only, never by order or by how it begins.
- `RULES`: event type → function of a fact and its `event_time` in microseconds, giving the rows
  that belong to *that one fact*. Keys hold the fact's id, so the same fact always gives the same
  rows and a correction can take them back.
- `SHOWS`: row class → which fact fields its columns show (`rows.shows`), for readers to whom some are hidden.
- `INDEXES` (optional): row class → index columns, SQL text such as `"station, time_us"`.
- `DERIVED` (optional): what needs the history of one subject. Each entry is a dictionary:
  `rows` (the row classes it makes), `of` (the row class it is made from), `by` (a column of
  both, or several that name the subject together), `rule` (all `of` rows of one subject in key order → its derived rows; of two with the same
  key the later one stays).
- `TALLIES` (optional): row class → {column: "sum" | "min" | "max"}; the other columns are the
  key. `tally(facts)` gives rows of a batch of (fact, microseconds), to be merged in. Tallies count what was
  delivered, so corrections do not change them.

Whatever a view declares this way is independent of arrival order (laws 3 and 4): rows of a fact
depend on the fact alone, derived rows on the set of their subject's rows, tallies commute.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Annotated, Any, NamedTuple

from asbuilt.events import TYPES, AnyFact, Event
from asbuilt.rows.shows import ROW as ROW
from asbuilt.rows.shows import Shown, made_of, shown

INTERNED = "interned"
Interned = Annotated[str, INTERNED]
"""A name that is kept once and stood for by an integer: see `ROWS`."""

Row = tuple[Any, ...]
Rule = Callable[[Any, int], Iterable[Row]]
Timed = tuple[AnyFact, int]
"""A fact with its event time in microseconds since 1970 UTC."""

Changed = dict[str, set[Any]]
"""Table name → first key columns of the rows that changed."""

_SQL_TYPES = {str: "TEXT", int: "INTEGER", bytes: "BLOB", float: "REAL"}


class Column(NamedTuple):
    """A column: its name, SQL type, whether it may be None, and whether a name is kept in it as its number."""

    name: str
    sql_type: str
    optional: bool
    interned: bool = False


class Table(NamedTuple):
    """How the rows of one class are stored.

    `key_at` says where the key columns stand in a row; `merge` is empty unless it is a tally. `interned` says where
    names stand that are kept as their numbers, `names` which columns these are. `shows` says which fact fields columns
    show; rows of which nothing is said are for nobody to whom anything is hidden.
    """

    name: str
    row: type[Row]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    key_at: tuple[int, ...]
    indexes: tuple[str, ...] = ()
    merge: Mapping[str, str] = {}
    interned: tuple[int, ...] = ()
    names: frozenset[str] = frozenset()
    shows: Shown | None = None

    def is_interned(self, column: str) -> bool:
        """Whether the names of a column are kept as their numbers."""
        return column in self.names


class Derivation(NamedTuple):
    """Rows of one subject that follow from all its rows of another class."""

    of: Table
    by: tuple[str, ...]
    into: tuple[Table, ...]
    rule: Callable[[list[Any]], Iterable[Row]]


class View(NamedTuple):
    """A view, or rows that views share, loaded and checked."""

    name: str
    version: int
    tables: Mapping[type[Row], Table]
    rules: Mapping[type[Event], Rule]
    tallies: frozenset[type[Row]]
    tally: Callable[[Iterable[Timed]], Iterable[Row]] | None
    derivations: tuple[Derivation, ...]
    fold: ModuleType
    queries: ModuleType | None
    page: ModuleType | None


def load(name: str, package: str) -> View:
    """Import the modules of a view, or of rows that views share, and check that they keep the contract."""
    # What only asks for rows that are owned elsewhere has none of its own.
    fold = _optional(package, "fold") or _NO_ROWS
    queries = _optional(package, "queries")
    page = _optional(package, "page")
    indexes = getattr(fold, "INDEXES", {})
    tallies = getattr(fold, "TALLIES", {})
    tables = {
        row: _table(name, row, key, tuple(indexes.get(row, ())), {}) for row, key in getattr(fold, "ROWS", {}).items()
    }
    for row, merge in tallies.items():
        key = tuple(column for column in row._fields if column not in merge)
        tables[row] = _table(name, row, key, tuple(indexes.get(row, ())), merge)
    _say_what_shows(fold, tables)
    derivations = tuple(
        Derivation(tables[entry["of"]], _names(entry["by"]), tuple(tables[row] for row in entry["rows"]), entry["rule"])
        for entry in getattr(fold, "DERIVED", ())
    )
    for derivation in derivations:
        for table in (derivation.of, *derivation.into):
            lacking = [by for by in derivation.by if by not in [column.name for column in table.columns]]
            if lacking:
                raise TypeError(f"view {name}: {table.name} has no column {lacking[0]!r} to derive by")
            unlike = [by for by in derivation.by if table.is_interned(by) != derivation.of.is_interned(by)]
            if unlike:
                raise TypeError(
                    f"view {name}: {unlike[0]!r} of {table.name} is to be `Interned` as in {derivation.of.name}, or in neither"
                )
        width = len(derivation.by)
        found = [derivation.of.key[:width], *(tuple(i.split(", ")[:width]) for i in derivation.of.indexes)]
        if derivation.by not in found:
            raise TypeError(f"view {name}: {derivation.of.name} needs {derivation.by} first in its key or an index")
    return View(
        name=name,
        version=fold.VERSION,
        tables=tables,
        rules=fold.RULES,
        tallies=frozenset(tallies),
        tally=getattr(fold, "tally", None),
        derivations=derivations,
        fold=fold,
        queries=queries,
        page=page,
    )


def _say_what_shows(fold: ModuleType, tables: dict[type[Row], Table]) -> None:
    said = getattr(fold, "SHOWS", {})
    derived_of = {row: entry["of"] for entry in getattr(fold, "DERIVED", ()) for row in entry["rows"]}
    for row, table in tables.items():
        if row in said:
            kinds = TYPES.values() if table.merge else made_of(derived_of.get(row, row), fold.RULES)
            tables[row] = table._replace(shows=shown(row, said[row], kinds))


_NO_ROWS = types.ModuleType("no_rows")
_NO_ROWS.VERSION, _NO_ROWS.RULES = 1, {}  # type: ignore[attr-defined]


def by_type(facts: Iterable[Timed]) -> dict[type, list[Timed]]:
    """Facts by their type, in their order; all that this version does not know are of one type, `Unknown`."""
    found: dict[type, list[Timed]] = {}
    for one in facts:
        kind = type(one[0])
        if kind in found:
            found[kind].append(one)
        else:
            found[kind] = [one]
    return found


def _names(by: str | tuple[str, ...]) -> tuple[str, ...]:
    return (by,) if isinstance(by, str) else tuple(by)


def _optional(package: str, name: str) -> ModuleType | None:
    found = importlib.util.find_spec(f"{package}.{name}") is not None
    return importlib.import_module(f"{package}.{name}") if found else None


def _table(view: str, row: Any, key: tuple[str, ...], indexes: tuple[str, ...], merge: Mapping[str, str]) -> Table:
    hints = typing.get_type_hints(row, include_extras=True)
    columns = []
    for name in row._fields:
        hint, optional = hints[name], False
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            optional = True
            (hint,) = [part for part in typing.get_args(hint) if part is not types.NoneType]
        interned = hint == Interned
        if interned and name in merge:
            raise TypeError(f"view {view}: {row.__name__}.{name} is merged by value and cannot be interned")
        columns.append(Column(name, "INTEGER" if interned else _SQL_TYPES[hint], optional, interned))
    key_at = tuple(row._fields.index(column) for column in key)
    return Table(
        f"{view}_{_snake(row.__name__)}",
        row,
        tuple(columns),
        key,
        key_at,
        indexes,
        merge,
        *interned_in(columns),
    )


def interned_in(columns: Sequence[Column]) -> tuple[tuple[int, ...], frozenset[str]]:
    """Where names stand that are kept as their numbers, and in which columns: `interned` and `names` of a table."""
    at = tuple(n for n, column in enumerate(columns) if column.interned)
    return at, frozenset(columns[n].name for n in at)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
