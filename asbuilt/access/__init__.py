"""The one door out: queries see rows, facts and the plant only through a `Reader`.

Every query takes one from the first day, so that clearances can be added at this place alone.
Today a reader may read everything.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import apsw

from asbuilt import events
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
from asbuilt.access.known import Known
from asbuilt.access.sources import EVERYBODY, Clearance, OnePlant, Plants, Sources, UnitSeal
from asbuilt.errors import UsageError, ViewsError
from asbuilt.events import AnyFact
from asbuilt.plant import Plant
from asbuilt.record import Recorded
from asbuilt.rows import Table

_IDS_AT_ONCE = 5_000
R = TypeVar("R", bound=tuple[Any, ...])
R2 = TypeVar("R2")
ALL: Where = {}
"""No condition."""
ANY_FACT = "*"
"""Among the tables asked: facts of the record, which any change may concern."""


def _limited(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {max(0, int(limit))}"


class Progress(NamedTuple):
    """How far a view is that is being folded anew: so many of the facts that the others have folded."""

    view: str
    folded: int
    facts: int


class Reader:
    """What one person may see of the plant at one moment.

    `who` asks and sees what `seen_as` allows; `now` is the moment of asking; `heard` says when each source was last
    heard by this process; `seal` how far a unit is sealed and `seal_problem` what keeps it from being sealed;
    `curve` finds a run's curve by its digest (`Sources`).
    `asked` gathers the tables it has read, so that whoever keeps an answer knows when it is no longer true.
    All reads of one reader see the same state of the rows. `reading` makes readers.
    """

    def __init__(self, sources: Sources, rows: apsw.Connection, who: str, seen_as: Clearance) -> None:
        self.who = who
        self.seen_as = seen_as
        self.asked: set[str] = set()
        self.now = sources.now()
        self.heard = dict(sources.heard)
        self.seal = sources.seal
        self.curve = sources.curve
        self.seal_problem = sources.seal_problem()
        self._rows = rows
        self._store = sources.store
        self._record = sources.record
        self._plants = sources.plants
        self._known: dict[dt.datetime | None, Known] = {}
        self._once: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], R2]) -> R2:
        """What a question works out is worked out once for all who ask in the same reader; `key` names it."""
        if key not in self._once:
            self._once[key] = make()
        found: R2 = self._once[key]
        return found

    def know(self, key: Any, found: Any) -> None:
        """What was worked out for several at once, for those who ask `once` for one of them."""
        self._once.setdefault(key, found)

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
        self.asked.add(found.name)
        return found

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
        sql, values = where_sql(table, where, self._kept(table))
        found = self._rows.execute(
            f"SELECT * FROM {table.name} WHERE {sql}{order_sql(table, order)}{_limited(limit)}", values
        )
        return list(map(partial(tuple.__new__, row), self._said(found.fetchall(), table.interned)))

    def columns(
        self, row: type[R], columns: Sequence[str], where: Wheres = ALL, *, order: str = ""
    ) -> list[tuple[Any, ...]]:
        """Some columns of such rows, in order."""
        table = self._table(row)
        sql, values = where_sql(table, where, self._kept(table))
        asked, _, interned = figures_sql(table, tuple(columns), ())
        found = self._rows.execute(f"SELECT {asked} FROM {table.name} WHERE {sql}{order_sql(table, order)}", values)
        return list(self._said(found.fetchall(), interned))

    def first(self, row: type[R], where: Wheres = ALL, *, order: str = "") -> R | None:
        """The first such row."""
        found = self.rows(row, where, order=order, limit=1)
        return found[0] if found else None

    def exists(self, row: type[R], where: Wheres = ALL) -> bool:
        """Whether there is such a row."""
        table = self._table(row)
        sql, values = where_sql(table, where, self._kept(table))
        return bool(self._rows.execute(f"SELECT 1 FROM {table.name} WHERE {sql} LIMIT 1", values).fetchall())

    def given(self, row: type[R], column: str, values: Sequence[Value], where: Where = ALL) -> list[Any]:
        """Those of some values that such a row has in a column, in the order asked; each is looked for by the index."""
        table = self._table(row)
        sql, bound = where_sql(table, where, self._kept(table), "t.")
        kept = self._kept(table)
        known = {value: kept(column, (value,)) for value in values}
        numbers = [number for several in known.values() for number in several]
        found = self._rows.execute(
            f"SELECT j.value FROM json_each(?) AS j WHERE EXISTS (SELECT 1 FROM {table.name} AS t"
            f" WHERE t.{checked(table, column)} = j.value AND {sql})",
            [json.dumps(numbers), *bound],
        ).fetchall()
        here = {number for (number,) in found}
        return [value for value, several in known.items() if not here.isdisjoint(several)]

    def rows_of(self, row: type[R], column: str, values: Sequence[Value], where: Where = ALL) -> list[R]:
        """Rows whose column has one of many values, found one value after the other by the column's index."""
        table = self._table(row)
        sql, bound = where_sql(table, where, self._kept(table), "t.")
        found = self._rows.execute(
            f"SELECT t.* FROM json_each(?) AS j CROSS JOIN {table.name} AS t ON t.{checked(table, column)} = j.value"
            f" WHERE {sql}",
            [json.dumps(self._kept(table)(column, values)), *bound],
        )
        return list(map(partial(tuple.__new__, row), self._said(found.fetchall(), table.interned)))

    def plain_rows_of(
        self, row: type[tuple[Any, ...]], column: str, values: Sequence[Any], columns: Sequence[str], where: Where = ALL
    ) -> list[tuple[Any, ...]]:
        """Some columns of such rows, as they are kept: of names their numbers, asked for and given as such.

        For walks from rows to rows, which put numbers into words once at their end: `numbers` and `names`.
        """
        table = self._table(row)
        sql, bound = where_sql(table, where, self._kept(table), "t.")
        asked, _, _ = figures_sql(table, tuple(columns), (), "t.")
        return self._rows.execute(
            f"SELECT {asked} FROM json_each(?) AS j CROSS JOIN {table.name} AS t"
            f" ON t.{checked(table, column)} = j.value WHERE {sql}",
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
        sql, values = where_sql(table, where, self._kept(table))
        name = checked(table, column)
        found = self._rows.execute(f"SELECT DISTINCT {name} FROM {table.name} WHERE {sql}{_limited(limit)}", values)
        interned = [0] if table.is_interned(name) else []
        return sorted(value for (value,) in self._said(found.fetchall(), interned))

    def totals(
        self, row: type[R], where: Wheres = ALL, *, by: Sequence[str] = (), of: Sequence[Total] = (count(),)
    ) -> list[tuple[Any, ...]]:
        """Figures over groups of rows: the columns grouped by, then the figures; without `by` one row."""
        table = self._table(row)
        sql, values = where_sql(table, where, self._kept(table))
        asked, names, interned = figures_sql(table, tuple(by), tuple(of))
        grouped = f" GROUP BY {names}" if names else ""
        found = self._rows.execute(f"SELECT {asked} FROM {table.name} WHERE {sql}{grouped}", values).fetchall()
        return list(self._said(found, interned))

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
        sql, values = where_sql(table, where, self._kept(table), "t.")
        begin = f"t.{checked(table, column)}"
        if end:
            text = json.dumps(ranges)
            inside = f"{begin} < r.value->>1 AND t.{checked(table, end)} > r.value->>0"
        else:
            text, first, before = (ranges if isinstance(ranges, Ranges) else Ranges(ranges)).asked
            inside = f"{begin} >= {first} AND {begin} < {before}"
        asked, names, interned = figures_sql(table, tuple(by), tuple(of), "t.", "r.key")
        found = self._rows.execute(
            f"SELECT {asked} FROM json_each(?) AS r CROSS JOIN {table.name} AS t ON {inside} AND {sql}"
            f" GROUP BY {names}",
            [text, *values],
        ).fetchall()
        return list(self._said(found, interned))

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

    # ----------------------------------------------------------------- the facts behind

    def fact(self, fact_id: UUID | bytes) -> AnyFact | None:
        """A recorded fact as it was first said."""
        found = self._record.get(fact_id if isinstance(fact_id, UUID) else UUID(bytes=fact_id))
        return events.recall(found.body) if found else None

    def effective(self, fact_id: UUID | bytes) -> AnyFact | None:
        """How a recorded fact reads today, after corrections; None if there is none or it did not occur."""
        found = self.fact(fact_id)
        return self._store.effective(found, self.fact) if found is not None else None

    def facts(self, subject: str, after: int = 0, limit: int = 10_000) -> list[tuple[Recorded, AnyFact]]:
        """Facts under a subject key, in order of recording, as they were first said."""
        self.asked.add(ANY_FACT)
        return [(found, events.recall(found.body)) for found in self._record.about(subject, after, limit)]

    def known(self, known_at: dt.datetime) -> Known:
        """The facts as they were known at a moment."""
        self.asked.add(ANY_FACT)
        return self._known_at(known_at)

    def current(self, subject: str) -> list[AnyFact]:
        """Every fact about a subject as it reads today, corrections honoured, in order of id."""
        self.asked.add(ANY_FACT)
        return self._known_at(None).facts(subject)

    def _known_at(self, known_at: dt.datetime | None) -> Known:
        if known_at not in self._known:
            self._known[known_at] = Known(
                known_at, self.facts, self._found, self._corrected, self._position_at, self._after
            )
        return self._known[known_at]

    def _corrected(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of some facts that were ever corrected, as this reader's state of the rows has it."""
        if not ids or not self._has_corrections():
            return set()
        found: set[UUID] = set()
        every = [fact_id.bytes for fact_id in ids]
        for at in range(0, len(every), _IDS_AT_ONCE):
            some = every[at : at + _IDS_AT_ONCE]
            sql = f"SELECT DISTINCT target FROM correction WHERE target IN ({', '.join('?' * len(some))})"
            found.update(UUID(bytes=target) for (target,) in self._rows.execute(sql, some))
        return found

    def _position_at(self, until_us: int) -> int:
        """Up to which position facts had been recorded at a moment."""
        first, last = 0, self._record.head()
        while first < last:
            middle = (first + last + 1) // 2
            if self._record.read(middle - 1, 1)[0].record_time_us <= until_us:
                first = middle
            else:
                last = middle - 1
        return first

    def _after(self, position: int, at_most: int) -> list[AnyFact] | None:
        """Every fact recorded after a position, if there are no more than so many."""
        count = self._record.head() - position
        if count > at_most:
            return None
        return [events.recall(found.body) for found in self._record.read(position, count)]

    def _has_corrections(self) -> bool:
        return self.once("corrections", lambda: bool(self._rows.execute("SELECT 1 FROM correction LIMIT 1").fetchall()))

    def _found(self, fact_id: UUID) -> tuple[Recorded, AnyFact] | None:
        found = self._record.get(fact_id)
        return (found, events.recall(found.body)) if found else None

    def latest(self, subject: str) -> tuple[Recorded, AnyFact] | None:
        """The fact recorded last under a subject key."""
        self.asked.add(ANY_FACT)
        found = self._record.latest(subject)
        return (found, events.recall(found.body)) if found else None

    def recorded_at(self, fact_id: bytes) -> dt.datetime | None:
        """When a fact was recorded."""
        found = self._record.get(UUID(bytes=fact_id))
        return dt.datetime.fromtimestamp(found.record_time_us / 1_000_000, dt.UTC) if found else None

    def subjects(self, kind: str) -> list[str]:
        """Every subject of a kind that facts speak of (`station` → paths), in order."""
        self.asked.add(ANY_FACT)
        return self._record.subjects(kind)

    def failures(self) -> list[tuple[str, bytes, str]]:
        """Facts that a view could not fold: view, fact id, error."""
        return self._store.failures()


@contextmanager
def reading(sources: Sources, who: str, seen_as: Clearance = EVERYBODY) -> Iterator[Reader]:
    """A reader of the present state; hold it only while asking."""
    with sources.store.reading() as rows:
        yield Reader(sources, rows, who, seen_as)


__all__ = [
    "ANY_FACT",
    "EVERYBODY",
    "Clearance",
    "OnePlant",
    "Plants",
    "Progress",
    "Reader",
    "Sources",
    "UnitSeal",
    "reading",
]
