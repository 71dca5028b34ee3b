"""The view contract and discovery.

A view is a folder with `fold.py`, `queries.py` and, if people look at it, `page.py` + `page.html`.

`fold.py` is pure; it imports the vocabulary and nothing else, and declares in plain data:

- `VERSION`: raise it whenever rows change; the view is then folded anew from the record.
- `ROWS`: row class (a `NamedTuple`) → its key columns. Column types come from the annotations.
- `RULES`: event type → function of a fact and its `event_time` in microseconds, giving the rows
  that belong to *that one fact*. Keys hold the fact's id, so the same fact always gives the same
  rows and a correction can take them back.
- `INDEXES` (optional): row class → index columns, SQL text such as `"station, time_us"`.
- `DERIVED` (optional): what needs the history of one subject. Each entry is a dictionary:
  `rows` (the row classes it makes), `of` (the row class it is made from), `by` (a column of
  both), `rule` (all `of` rows of one subject in key order → its derived rows; of two with the same
  key the later one stays).
- `TALLIES` (optional): row class → {column: "sum" | "min" | "max"}; the other columns are the
  key. `tally(facts)` gives rows of a batch of (fact, microseconds), to be merged in. Tallies count what was
  delivered, so corrections do not change them.

Whatever a view declares this way is independent of arrival order (laws 3 and 4): rows of a fact
depend on the fact alone, derived rows on the set of their subject's rows, tallies commute.

`queries.py` has functions `(reader, …) → answer`; each is a query of the command line and of
the HTTP API as well. `page.py` is described in `asbuilt.web.pages`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, NamedTuple

from asbuilt.errors import UsageError
from asbuilt.events import AnyFact, Event

Row = tuple[Any, ...]
Rule = Callable[[Any, int], Iterable[Row]]
Timed = tuple[AnyFact, int]
"""A fact with its event time in microseconds since 1970 UTC."""

_SQL_TYPES = {str: "TEXT", int: "INTEGER", bytes: "BLOB", float: "REAL"}


class Column(NamedTuple):
    """A column: its name, SQL type, and whether it may be empty."""

    name: str
    sql_type: str
    optional: bool


class Table(NamedTuple):
    """How the rows of one class are stored.

    `key_at` says where the key columns stand in a row; `merge` is empty unless it is a tally.
    """

    name: str
    row: type[Row]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    key_at: tuple[int, ...]
    indexes: tuple[str, ...] = ()
    merge: Mapping[str, str] = {}


class Derivation(NamedTuple):
    """Rows of one subject that follow from all its rows of another class."""

    of: Table
    by: str
    into: tuple[Table, ...]
    rule: Callable[[list[Any]], Iterable[Row]]


class View(NamedTuple):
    """A view, loaded and checked."""

    name: str
    version: int
    tables: Mapping[type[Row], Table]
    rules: Mapping[type[Event], Rule]
    tallies: frozenset[type[Row]]
    tally: Callable[[Iterable[Timed]], Iterable[Row]] | None
    derivations: tuple[Derivation, ...]
    fold: ModuleType
    queries: ModuleType
    page: ModuleType | None


def discover() -> dict[str, View]:
    """Every view of this package and of entry points `asbuilt.views`, by name, in order of name."""
    found = {module.name: f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__) if module.ispkg}
    found.update({point.name: point.value for point in entry_points(group="asbuilt.views")})
    return {name: load(name, found[name]) for name in sorted(found)}


def load(name: str, package: str) -> View:
    """Import a view's modules and check that they keep the contract."""
    fold = importlib.import_module(f"{package}.fold")
    queries = importlib.import_module(f"{package}.queries")
    has_page = importlib.util.find_spec(f"{package}.page") is not None
    page = importlib.import_module(f"{package}.page") if has_page else None
    indexes = getattr(fold, "INDEXES", {})
    tallies = getattr(fold, "TALLIES", {})
    tables = {
        row: _table(name, row, key, tuple(indexes.get(row, ())), {}) for row, key in getattr(fold, "ROWS", {}).items()
    }
    for row, merge in tallies.items():
        key = tuple(column for column in row._fields if column not in merge)
        tables[row] = _table(name, row, key, tuple(indexes.get(row, ())), merge)
    derivations = tuple(
        Derivation(tables[entry["of"]], entry["by"], tuple(tables[row] for row in entry["rows"]), entry["rule"])
        for entry in getattr(fold, "DERIVED", ())
    )
    for derivation in derivations:
        for table in (derivation.of, *derivation.into):
            if derivation.by not in [column.name for column in table.columns]:
                raise TypeError(f"view {name}: {table.name} has no column {derivation.by!r} to derive by")
        if derivation.by not in [derivation.of.key[0], *(index.split(",")[0] for index in derivation.of.indexes)]:
            raise TypeError(f"view {name}: {derivation.of.name} needs {derivation.by!r} first in its key or an index")
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


def _table(view: str, row: Any, key: tuple[str, ...], indexes: tuple[str, ...], merge: Mapping[str, str]) -> Table:
    hints = typing.get_type_hints(row)
    columns = []
    for name in row._fields:
        hint, optional = hints[name], False
        if isinstance(hint, types.UnionType):
            optional = True
            (hint,) = [part for part in hint.__args__ if part is not types.NoneType]
        columns.append(Column(name, _SQL_TYPES[hint], optional))
    key_at = tuple(row._fields.index(column) for column in key)
    return Table(f"{view}_{_snake(row.__name__)}", row, tuple(columns), key, key_at, indexes, merge)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


# --------------------------------------------------------------------------- queries


class Query(NamedTuple):
    """A question that can be asked by name, `view.name`; parameters after the reader."""

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, inspect.Parameter]

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


def queries(views: Mapping[str, View]) -> dict[str, Query]:
    """Every public query of every view, by `view.name`."""
    found = {}
    for view in views.values():
        for name, function in inspect.getmembers(view.queries, inspect.isfunction):
            if name.startswith("_") or function.__module__ != view.queries.__name__:
                continue
            signature = inspect.signature(function, eval_str=True)
            parameters = list(signature.parameters.values())
            if parameters and parameters[0].name == "reader":
                # A trailing underscore keeps Python's own words free: list_ is asked as `list`, from_ as `from`.
                asked = f"{view.name}.{name.rstrip('_')}"
                found[asked] = Query(asked, function, {p.name.rstrip("_"): p for p in parameters[1:]})
    return found


def find_query(known: Mapping[str, Query], name: str) -> Query:
    """The query of this name. Raises `UsageError` that lists what there is."""
    if name not in known:
        raise UsageError(f"there is no query `{name}`", remedy=f"Ask one of: {', '.join(known)}.")
    return known[name]
