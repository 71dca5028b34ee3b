"""What a query asks of rows, in words: conditions on columns, orders and totals, of which `Reader` alone makes SQL.

    reader.rows(State, {"station": path, "time_us": at_most(at_us)}, order="-time_us -fact", limit=1)
    reader.totals(Report, {"order_no": name}, by=("kind",), of=(count(), total("good")))

A condition maps columns to what they must be: a value means equal, a `Test` is made by the functions here, and
several mappings in a list are alternatives. Column names are checked against the row class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

from asbuilt.rows import Row, Table

MOST_DISTINCT: Final = 1_000_000
"""More values than these are not asked for in one condition."""


class Test(NamedTuple):
    """A condition on one column: SQL with `{}` for the column, and what it binds.

    `names` tells that the bindings are values of the column, so that the store may keep them in another form.
    """

    sql: str
    bindings: tuple[Any, ...]
    ordered: bool = False


Value = str | int | bytes | float | None
Where = Mapping[str, "Value | Test"]
Wheres = Where | Sequence[Where]
"""One condition, or several of which one must hold."""


def at_most(value: int) -> Test:
    """≤ value."""
    return Test("{} <= ?", (value,), ordered=True)


def at_least(value: int) -> Test:
    """≥ value."""
    return Test("{} >= ?", (value,), ordered=True)


def below(value: int) -> Test:
    """< value."""
    return Test("{} < ?", (value,), ordered=True)


def above(value: int) -> Test:
    """> value."""
    return Test("{} > ?", (value,), ordered=True)


def between(first: int, before: int) -> Test:
    """From `first` on and before `before`: the half-open interval."""
    return Test("{0} >= ? AND {0} < ?", (first, before), ordered=True)


def after_until(after: int, until: int) -> Test:
    """After `after` and at `until` at the latest."""
    return Test("{0} > ? AND {0} <= ?", (after, until), ordered=True)


def other_than(value: Value) -> Test:
    """Not this value."""
    return Test("{} IS NOT ?", (value,))


def filled() -> Test:
    """Not empty: what partial indexes of names ask for."""
    return Test("{} <> ''", ())


def named(value: str) -> Test:
    """This name, which is none if it is empty: equal, and what partial indexes of names ask for."""
    return Test("{0} <> '' AND {0} = ?", (value,))


def beginning(text: str) -> Test:
    """Begins so, whatever the case of its letters."""
    return Test("{} LIKE ? ESCAPE '\\'", (f"{_plainly(text)}%",), ordered=True)


def ending(text: str) -> Test:
    """Ends so, whatever the case of its letters."""
    return Test("{} LIKE ? ESCAPE '\\'", (f"%{_plainly(text)}",), ordered=True)


def _plainly(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def one_of(values: Iterable[Value]) -> Test:
    """One of these values; none of them means no row."""
    listed = tuple(values)
    assert len(listed) <= MOST_DISTINCT, "ask in portions"
    return Test("{} IN", listed)


_BITS: Final = 31


class Ranges(tuple[tuple[int, int], ...]):
    """Half-open ranges as the store is asked for them; of those asked for more than once the text is made once."""

    @cached_property
    def asked(self) -> tuple[str, str, str]:
        """The text, and how begin and end are taken from it.

        A range of small numbers is one number: taking a pair apart costs more than finding the rows.
        """
        most_ = 1 << _BITS
        if all(0 <= begin < most_ and 0 <= end - begin < most_ for begin, end in self):
            packed = json.dumps([begin << _BITS | end - begin for begin, end in self])
            begin_sql = f"(r.value >> {_BITS})"
            return packed, begin_sql, f"({begin_sql} + (r.value & {most_ - 1}))"
        return json.dumps(self), "r.value->>0", "r.value->>1"


class Total(NamedTuple):
    """A figure over a group of rows: SQL with the columns in braces."""

    sql: str
    columns: tuple[str, ...]


def count() -> Total:
    """How many rows."""
    return Total("count(*)", ())


def distinct(column: str) -> Total:
    """How many different values of a column."""
    return Total("count(DISTINCT {})", (column,))


def total(column: str, minus: str = "") -> Total:
    """The sum of a column, or of the difference of two; 0 over no rows."""
    return Total("coalesce(sum({} - {}), 0)", (column, minus)) if minus else Total("coalesce(sum({}), 0)", (column,))


def least(column: str) -> Total:
    """The smallest value; None over no rows."""
    return Total("min({})", (column,))


def most(column: str) -> Total:
    """The largest value; None over no rows."""
    return Total("max({})", (column,))


def overlap(start: str, end: str) -> Total:
    """For ranges only (`Reader.totals_in`): the sum of what each row's interval shares with the range."""
    return Total("coalesce(sum(min({}, r.value->>1) - max({}, r.value->>0)), 0)", (end, start))


# --------------------------------------------------------------------------- into SQL


Translate = Callable[[str, Iterable[Value]], list[Any]]
"""The values of a column as the store keeps them; a value it never saw is left out."""


def where_sql(table: Table, where: Wheres, translate: Translate, alias: str = "") -> tuple[str, list[Any]]:
    """The condition as SQL and its bindings; `alias` stands before each column."""
    if isinstance(where, Mapping) and (known := _known_sql(table, where, translate, alias)) is not None:
        return known
    alternatives = [where] if isinstance(where, Mapping) else list(where)
    if not alternatives:
        return "0", []
    found = [_all_sql(table, one, translate, alias) for one in alternatives]
    bindings = [value for _, bound in found for value in bound]
    return (found[0][0] if len(found) == 1 else " OR ".join(f"({sql})" for sql, _ in found)), bindings


_FEW: Final = 16
"""So many values are bound one by one; more as one list."""
_TEXTS: dict[tuple[Any, ...], str] = {}
"""SQL by table and form of condition: the forms are written in the queries, so there are only so many."""


def _known_sql(table: Table, where: Where, translate: Translate, alias: str) -> tuple[str, list[Any]] | None:
    """The condition, made once for its form; None for one whose SQL depends on its values."""
    form: list[Any] = [table.name, table.row, alias]
    bindings: list[Any] = []
    names = table.names
    for column, wanted in where.items():
        if type(wanted) is Test:
            sql, bound, _ = wanted
            if column in names:
                known = translate(column, bound)
                if len(known) < len(bound) and sql != "{} IN":
                    return None
                sql, bound = _test_sql(table, column, wanted), tuple(known)
            if sql == "{} IN":
                if len(bound) > _FEW:
                    return None
                sql = f"{{}} IN ({_marks(bound)})"
            bindings += bound
        else:
            if wanted is None:
                return None
            sql = "{} = ?"
            if column in names:
                known = translate(column, (wanted,))  # type: ignore[arg-type]
                if not known:
                    return None
                bindings += known
            else:
                bindings.append(wanted)
        form += (column, sql)
    key = tuple(form)
    text = _TEXTS.get(key)
    if text is None:
        pairs = zip(form[3::2], form[4::2], strict=True)
        parts = [sql.format(f"{alias}{checked(table, column)}") for column, sql in pairs]
        text = _TEXTS[key] = " AND ".join(parts) or "1"
    return text, bindings


def _test_sql(table: Table, column: str, test: Test) -> str:
    """A test as it is asked of what is kept: of a name its number, which has no order; the empty name is 0."""
    if not table.is_interned(column):
        return test.sql
    assert not test.ordered, f"{table.name}.{column} holds names as numbers: compare them in Python"
    return test.sql.replace("''", "0")


def _all_sql(table: Table, where: Where, translate: Translate, alias: str) -> tuple[str, list[Any]]:
    parts: list[str] = []
    bindings: list[Any] = []
    for column, wanted in where.items():
        name = f"{alias}{checked(table, column)}"
        test = wanted if isinstance(wanted, Test) else Test("{} IS ?", (wanted,))
        test = test._replace(sql=_test_sql(table, column, test))
        values = list(test.bindings) if test.ordered else translate(column, test.bindings)
        if test.sql == "{} IN":
            parts.append(
                f"{name} IN (SELECT value FROM json_each(?))" if _plain(values) else f"{name} IN ({_marks(values)})"
            )
            bindings += [json.dumps(values)] if _plain(values) else values
        elif len(values) < len(test.bindings):
            # The store never saw this value: no row has it.
            parts.append("1" if "NOT" in test.sql else "0")
        else:
            parts.append(f"{name} = ?" if test.sql == "{} IS ?" and values[0] is not None else test.sql.format(name))
            bindings += values
    return " AND ".join(parts) or "1", bindings


def _plain(values: Sequence[Any]) -> bool:
    return not any(isinstance(value, bytes) for value in values)


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _order(names: tuple[str, ...], alias: str, order: str) -> str:
    parts = []
    for word in order.split():
        column = word.lstrip("-")
        assert column in names, f"there is no column {column!r} to order by"
        parts.append(f"{alias}{column}{' DESC' if word.startswith('-') else ''}")
    return f" ORDER BY {', '.join(parts)}" if parts else ""


def order_sql(table: Table, order: str, alias: str = "") -> str:
    """`"-time_us fact"` as ORDER BY: columns by blanks, a minus for descending; empty for none."""
    if not order:
        return ""
    key = (table.name, table.row, alias, order)
    text = _ORDERS.get(key)
    if text is None:
        for word in order.split():
            _in_order(table, word.lstrip("-"))
        text = _ORDERS[key] = _order(table.row._fields, alias, order)  # type: ignore[attr-defined]
    return text


_ORDERS: dict[tuple[Any, ...], str] = {}
"""SQL by table and order, as written in the queries."""


def figures_sql(
    table: Table, by: tuple[str, ...], of: tuple[Total, ...], alias: str = "", key: str = ""
) -> tuple[str, str, tuple[int, ...]]:
    """Columns to group by and totals as what is asked for, as what is grouped by, and where names stand; `key` first."""
    form = (table.name, table.row, by, of, alias, key)
    known = _FIGURES.get(form)
    if known is None:
        names = [*([key] if key else []), *(f"{alias}{checked(table, column)}" for column in by)]
        asked = ", ".join([*names, *(total_sql(table, one, alias) for one in of)])
        interned = tuple(at for at, name in enumerate(by, len(names) - len(by)) if table.is_interned(name))
        known = _FIGURES[form] = (asked, ", ".join(names), interned)
    return known


_FIGURES: dict[tuple[Any, ...], tuple[str, str, tuple[int, ...]]] = {}
"""By table and form, as written in the queries."""


def total_sql(table: Table, one: Total, alias: str = "") -> str:
    """A total as an SQL expression."""
    column_of = checked if one.sql.startswith("count(") else _in_order
    return one.sql.format(*(f"{alias}{column_of(table, column)}" for column in one.columns))


def _in_order(table: Table, column: str) -> str:
    """The column's name, if what is kept in it has the order of what it says."""
    assert not table.is_interned(column), f"{table.name}.{column} holds names as numbers: sort them in Python"
    return checked(table, column)


def checked(table: Table, column: str) -> str:
    """The column's name, which the row class must have."""
    row: type[Row] = table.row
    assert column in row._fields, f"{row.__name__} has no column {column!r}"  # type: ignore[attr-defined]
    return column
