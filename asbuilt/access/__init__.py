"""The one door out: queries see rows, facts and the plant only through a `Reader`.

Every query takes one from the first day, so that clearances can be added at this place alone.
Today a reader may read everything.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar

import apsw

from asbuilt.access.conditions import (
    Ranges,
    Total,
    Translate,
    Value,
    Where,
    Wheres,
    checked,
    count,
    figures_sql,
    order_sql,
    where_sql,
)
from asbuilt.access.facts import ANY_FACT, Facts
from asbuilt.access.sources import EVERYBODY, Clearance, OnePlant, Plants, Sources, UnitSeal
from asbuilt.access.withheld import WITHHELD, ranked, refused
from asbuilt.errors import AsBuiltError, UsageError, ViewsError
from asbuilt.plant import Plant
from asbuilt.rows import Table

R = TypeVar("R", bound=tuple[Any, ...])
ALL: Where = {}
"""No condition."""


class Progress(NamedTuple):
    """How far a view is that is being folded anew: so many of the facts that the others have folded."""

    view: str
    folded: int
    facts: int


class Reader(Facts):
    """What one person may see of the plant at one moment.

    `who` asks and sees what `seen_as` allows; `now` is the moment of asking; `heard` says when each source was last
    heard by this process; `seal` how far a unit is sealed and `seal_problem` what keeps it from being sealed;
    `curve` finds a run's curve by its digest (`Sources`).
    `asked` gathers the tables it has read, so that whoever keeps an answer knows when it is no longer true.
    All reads of one reader see the same state of the rows. `reading` makes readers.
    """

    def __init__(self, sources: Sources, rows: apsw.Connection, who: str, seen_as: Clearance) -> None:
        super().__init__(sources, rows, seen_as)
        self.who = who
        self.seen_as = seen_as
        self.now = sources.now()
        self.heard = dict(sources.heard)
        self.seal = sources.seal
        self.curve = self._hiding.curve(sources.curve) if self._hiding else sources.curve
        self.seal_problem = sources.seal_problem()
        self._plants = sources.plants

    @property
    def is_withholding(self) -> bool:
        """Whether it has given `WITHHELD` for anything so far."""
        return self._hiding is not None and self._hiding.answered

    def folding(self, row: type[tuple[Any, ...]]) -> Progress | None:
        """How far the view of a row class is that is being folded anew; None if its rows are up to the others'."""
        standing = self._standing
        view = self._store.view_of(row)
        return Progress(view, standing[view], standing[""]) if standing[view] < standing[""] else None

    @cached_property
    def _standing(self) -> dict[str, int]:
        """Where each view stands in this reader's state of the rows; under no name, the furthest."""
        return {**self._store.positions(self._rows), "": self._store.furthest(self._rows)}

    def _table(self, row: type[tuple[Any, ...]]) -> Table:
        """Where rows are kept. Raises `ViewsError` while they are being folded anew: they are not all there yet."""
        progress = self.folding(row)
        if progress is not None:
            raise ViewsError(
                f"{progress.view} is being folded anew: {progress.folded:,} of {progress.facts:,} facts so far",
                remedy="Ask again in a while; everything else answers meanwhile.",
            )
        found = self._store.table(row)
        if self._hiding:
            self._hiding.columns(found)
        self.asked.add(found.name)
        return found

    def _seen(self, table: Table, *columns: str) -> str:
        """The last of some columns that something is asked by, which must be seen: to ask by what is hidden would tell it."""
        for column in columns:
            checked(table, column)
        if self._hiding:
            self._hiding.refuse(table, columns)
        return columns[-1] if columns else ""

    def _where(self, table: Table, where: Wheres, alias: str = "") -> tuple[str, list[Any]]:
        """A condition as SQL and its bindings; every one that is asked is made here."""
        if self._hiding:
            for one in [where] if isinstance(where, Mapping) else where:
                self._hiding.refuse(table, one)
        return where_sql(table, where, self._kept(table), alias)

    def _ordered(self, table: Table, order: str, limit: int | None) -> str:
        if self._hiding:
            # Sorted and cut once names stand for their numbers.
            self._hiding.refuse(table, [word.lstrip("-") for word in order.split()])
            return ""
        return order_sql(table, order) + ("" if limit is None else f" LIMIT {max(0, int(limit))}")

    def _figures(
        self, table: Table, by: Sequence[str], of: Sequence[Total], alias: str = "", key: str = ""
    ) -> tuple[str, str, tuple[int, ...]]:
        if self._hiding:
            self._hiding.refuse(table, [*by, *(column for one in of for column in one.columns)])
        return figures_sql(table, tuple(by), tuple(of), alias, key)

    def instant(self, at: dt.datetime | None) -> dt.datetime:
        """The moment a query is about: `at`, or now. Raises `UsageError` for one that has not come: of it nothing is known."""
        if at is not None and at > self.now:
            raise UsageError(
                f"{at:%Y-%m-%d %H:%M:%S} has not come yet: nothing can be said of it",
                remedy=f"Ask for a moment up to now, {self.now.astimezone(at.tzinfo):%Y-%m-%d %H:%M:%S}.",
            )
        return self.now if at is None else at

    def plant(self, at: dt.datetime | None = None) -> Plant:
        """The plant as it was defined at a moment; of one to come, as it is defined now for it."""
        return self._plants.at(self.now if at is None else at)

    def plants(self) -> list[tuple[dt.datetime, Plant]]:
        """Every plant in force at some time, in order of when it began; the first holds before it as well."""
        return self._plants.every()

    def rows(self, row: type[R], where: Wheres = ALL, *, order: str = "", limit: int | None = None) -> list[R]:
        """Rows of a class for which the condition holds (`access.conditions`), in order, at most so many."""
        table = self._table(row)
        sql, values = self._where(table, where)
        found = self._rows.execute(
            f"SELECT * FROM {table.name} WHERE {sql}{self._ordered(table, order, limit)}", values
        )
        return self._whole(table, row, found.fetchall(), order, limit)

    def _whole(
        self, table: Table, row: type[R], found: Sequence[Any], order: str = "", limit: int | None = None
    ) -> list[R]:
        """Rows that were read, as rows of their class, in words and without what is hidden."""
        said = self._said(found, table.interned)
        if self._hiding:
            said = self._hiding.rows(table, row._fields, said, order, limit)  # type: ignore[attr-defined]
        return list(map(partial(tuple.__new__, row), said))

    def columns(
        self, row: type[R], columns: Sequence[str], where: Wheres = ALL, *, order: str = ""
    ) -> list[tuple[Any, ...]]:
        """Some columns of such rows, in order."""
        table = self._table(row)
        if self._hiding:
            every = self.rows(row, where, order=order)
            return [tuple(one[row._fields.index(name)] for name in columns) for one in every]  # type: ignore[attr-defined]
        sql, values = self._where(table, where)
        asked, _, interned = figures_sql(table, tuple(columns), ())
        found = self._rows.execute(
            f"SELECT {asked} FROM {table.name} WHERE {sql}{self._ordered(table, order, None)}", values
        )
        return list(self._said(found.fetchall(), interned))

    def first(self, row: type[R], where: Wheres = ALL, *, order: str = "") -> R | None:
        """The first such row."""
        found = self.rows(row, where, order=order, limit=1)
        return found[0] if found else None

    def exists(self, row: type[R], where: Wheres = ALL) -> bool:
        """Whether there is such a row."""
        table = self._table(row)
        sql, values = self._where(table, where)
        return bool(self._rows.execute(f"SELECT 1 FROM {table.name} WHERE {sql} LIMIT 1", values).fetchall())

    def given(self, row: type[R], column: str, values: Sequence[Value], where: Where = ALL) -> list[Any]:
        """Those of some values that such a row has in a column, in the order asked; each is looked for by the index."""
        table = self._table(row)
        sql, bound = self._where(table, where, "t.")
        kept = self._kept(table)
        known = {value: kept(column, (value,)) for value in values}
        numbers = [number for several in known.values() for number in several]
        found = self._rows.execute(
            f"SELECT j.value FROM json_each(?) AS j WHERE EXISTS (SELECT 1 FROM {table.name} AS t"
            f" WHERE t.{self._seen(table, column)} = j.value AND {sql})",
            [json.dumps(numbers), *bound],
        ).fetchall()
        here = {number for (number,) in found}
        return [value for value, several in known.items() if not here.isdisjoint(several)]

    def rows_of(self, row: type[R], column: str, values: Sequence[Value], where: Where = ALL) -> list[R]:
        """Rows whose column has one of many values, found one value after the other by the column's index."""
        table = self._table(row)
        sql, bound = self._where(table, where, "t.")
        found = self._rows.execute(
            f"SELECT t.* FROM json_each(?) AS j CROSS JOIN {table.name} AS t ON t.{self._seen(table, column)} = j.value"
            f" WHERE {sql}",
            [json.dumps(self._kept(table)(column, values)), *bound],
        )
        return self._whole(table, row, found.fetchall())

    def plain_rows_of(
        self, row: type[tuple[Any, ...]], column: str, values: Sequence[Any], columns: Sequence[str], where: Where = ALL
    ) -> list[tuple[Any, ...]]:
        """Some columns of such rows, as they are kept: of names their numbers, asked for and given as such.

        For walks from rows to rows, which put numbers into words once at their end: `numbers` and `names`.
        """
        table = self._table(row)
        sql, bound = self._where(table, where, "t.")
        asked, _, _ = self._figures(table, columns, (), "t.")
        return self._rows.execute(
            f"SELECT {asked} FROM json_each(?) AS j CROSS JOIN {table.name} AS t"
            f" ON t.{self._seen(table, column)} = j.value WHERE {sql}",
            [json.dumps(list(values)), *bound],
        ).fetchall()

    def numbers(self, names: Collection[str]) -> dict[str, int]:
        """The numbers of names, for `plain_rows_of`; a name that no row ever had is left out."""
        known = self._store.names.numbers(self._rows, names)
        return {name: known[name] for name in names if name in known}

    def names(self, numbers: Collection[int]) -> dict[int, str]:
        """The names of numbers that `plain_rows_of` gave, among others."""
        return self._store.names.texts(self._rows, numbers)

    def values(self, row: type[R], column: str, where: Wheres = ALL, limit: int | None = None) -> list[Any]:
        """The different values of a column among such rows, in order."""
        table = self._table(row)
        sql, values = self._where(table, where)
        name = self._seen(table, column)
        found = self._rows.execute(
            f"SELECT DISTINCT {name} FROM {table.name} WHERE {sql}{self._ordered(table, '', limit)}", values
        )
        interned = [0] if table.is_interned(name) else []
        return sorted(value for (value,) in self._said(found.fetchall(), interned))[:limit]

    def totals(
        self, row: type[R], where: Wheres = ALL, *, by: Sequence[str] = (), of: Sequence[Total] = (count(),)
    ) -> list[tuple[Any, ...]]:
        """Figures over groups of rows: the columns grouped by, then the figures; without `by` one row."""
        table = self._table(row)
        sql, values = self._where(table, where)
        asked, names, interned = self._figures(table, by, of)
        grouped = f" GROUP BY {names}" if names else ""
        found = self._rows.execute(f"SELECT {asked} FROM {table.name} WHERE {sql}{grouped}", values).fetchall()
        return self._in_turn(self._said(found, interned), len(by))

    def totals_in(
        self,
        row: type[R],
        ranges: Sequence[tuple[int, int]],
        column: str,
        where: Where = ALL,
        *,
        end: str = "",
        by: Sequence[str] = (),
        of: Sequence[Total] = (count(),),
    ) -> list[tuple[Any, ...]]:
        """Figures per range: the range's number, the columns grouped by, the figures; ranges without rows are left out.

        A row is in a half-open range by `column`; with `end` it is an interval from `column` to `end` and is in every
        range it overlaps (`conditions.overlap` sums what they share).
        """
        if not ranges:
            return []
        table = self._table(row)
        sql, values = self._where(table, where, "t.")
        begin = f"t.{self._seen(table, column)}"
        if end:
            text = json.dumps(ranges)
            inside = f"{begin} < r.value->>1 AND t.{self._seen(table, end)} > r.value->>0"
        else:
            text, first, before = (ranges if isinstance(ranges, Ranges) else Ranges(ranges)).asked
            inside = f"{begin} >= {first} AND {begin} < {before}"
        asked, names, interned = self._figures(table, by, of, "t.", "r.key")
        found = self._rows.execute(
            f"SELECT {asked} FROM json_each(?) AS r CROSS JOIN {table.name} AS t ON {inside} AND {sql}"
            f" GROUP BY {names}",
            [text, *values],
        ).fetchall()
        return self._in_turn(self._said(found, interned), 1 + len(by))

    def _in_turn(self, groups: Sequence[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
        """Figures of groups; where something is hidden, in order of the groups and not of numbers that hidden names have too."""
        return (
            sorted(groups, key=lambda group: [ranked(value) for value in group[:width]])
            if self._hiding
            else list(groups)
        )

    def _kept(self, table: Table) -> Translate:
        """How the store keeps the values of a table's columns."""

        def kept(column: str, values: Iterable[Value]) -> list[Any]:
            values = list(values)
            if not table.is_interned(column):
                return values
            known = self._store.names.numbers(self._rows, [value for value in values if isinstance(value, str)])
            return [
                known[value] if isinstance(value, str) else None for value in values if value is None or value in known
            ]

        return kept

    def _said(self, found: Sequence[Any], interned: Sequence[int]) -> Sequence[Any]:
        """Rows that were read, with names for the numbers at these places."""
        return self._store.named(self._rows, found, interned)


@contextmanager
def reading(sources: Sources, who: str, seen_as: Clearance = EVERYBODY) -> Iterator[Reader]:
    """A reader of the present state; hold it only while asking."""
    with sources.store.reading() as rows:
        reader = Reader(sources, rows, who, seen_as)
        try:
            yield reader
        except AsBuiltError:
            raise
        except Exception as error:
            if not reader.is_withholding:
                raise
            # Whoever was given something withheld and could do nothing with it: that is no fault of theirs.
            raise refused("Something") from error


__all__ = [
    "ANY_FACT",
    "EVERYBODY",
    "WITHHELD",
    "Clearance",
    "OnePlant",
    "Plants",
    "Progress",
    "Reader",
    "Sources",
    "UnitSeal",
    "reading",
]
