"""What walks ask, answered from the rows as they are.

Walks go from numbers to numbers, as names are kept; what was found is put into words once, at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, TypeVar

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_most, filled, least, most, named
from asbuilt.domain.genealogy.fold import seats
from asbuilt.domain.genealogy.questions import COLUMNS, SUPPLY, Genealogy, statuses_at
from asbuilt.domain.genealogy.rows import (
    FOREVER,
    INSTALLED,
    Fitting,
    Link,
    LotMove,
    Named,
    Opening,
    Receipt,
    Seat,
    Stray,
)
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages.fold import Passage, Status
from asbuilt.domain.passages.questions import Touch, touched

R = TypeVar("R", bound=tuple[Any, ...])


class Now(Genealogy):
    """The rows as they are."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def passages(self, unit: str) -> list[Passage]:
        # Rows begin with unit, time and rank: tuples sort as they should.
        return sorted(self._reader.rows(Passage, {"unit": unit}))

    def values(self, unit: str) -> list[ItemValue]:
        return measurements.of_item(self._reader.current(unit), unit)

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        if at_us is not None:
            return statuses_at(self, units, at_us)
        return {status.unit: status for status in self._many(Status, "unit", units)}

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        if kind == "gauge":
            return measurements.by_gauge(self._reader, name)
        return touched(self._reader, Touch.of(kind, name))

    def seats_below(self, unit: str, at_us: int, *, is_over_too: bool, at_most: int) -> dict[str, list[Seat]]:
        # From numbers to numbers, level by level; what was met is put into words once, at the end.
        reader = self._reader
        first = reader.numbers([unit]).get(unit)
        level = [first] if first is not None else []
        met: dict[int, None] = dict.fromkeys(level)
        alone: list[tuple[Any, ...]] = []
        others: list[Seat] = []
        while level and len(alone) + len(others) <= at_most:
            single, several = _positions(reader.plain_rows_of(Fitting, "unit", level, Fitting._fields))
            single = [row for row in single if row[_STEP] == INSTALLED and row[_TIME] <= at_us]
            alone += single
            level = [row[_PART] for row in single if row[_PART]]
            if several:
                sat = _seats(self._said(several))
                held = [seat for seat in sat if seat.from_us <= at_us and (is_over_too or at_us < seat.until_us)]
                others += held
                level += reader.numbers([seat.part for seat in held if seat.part]).values()
            level = sorted(set(level) - met.keys())
            met.update(dict.fromkeys(level))
        columns, texts = self._in_words(alone, _NAMES, met)
        found: dict[str, list[Seat]] = {texts[number]: [] for number in met} or {unit: []}
        for seat in _alone(columns):
            found[seat.unit].append(seat)
        for seat in others:
            found[seat.unit].append(seat)
        return found

    def seats_in(self, units: Sequence[str]) -> list[Seat]:
        """What sat in these units."""
        numbers = list(self._reader.numbers(units).values())
        alone, several = _positions(self._reader.plain_rows_of(Fitting, "unit", numbers, Fitting._fields))
        alone = [row for row in alone if row[_STEP] == INSTALLED]
        return [*_alone(self._in_words(alone, _NAMES)[0]), *_seats(self._said(several))]

    def _said(self, rows: Sequence[tuple[Any, ...]]) -> list[Fitting]:
        return list(map(Fitting._make, zip(*self._in_words(rows, _NAMES)[0], strict=True)))

    def _in_words(
        self, rows: Sequence[tuple[Any, ...]], at: Sequence[int], others: Iterable[int] = ()
    ) -> tuple[list[Sequence[Any]], dict[int, str]]:
        """Columns of plain rows with names for the numbers at these places; the names of these and of other numbers."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        texts = self._reader.names(set(others).union(*(columns[n] for n in at if columns)))
        for n in at if columns else ():
            columns[n] = [texts[number] for number in columns[n]]
        return columns, texts

    def strays(self, units: Sequence[str]) -> list[Stray]:
        return self._many(Stray, "unit", units)

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        assert column in COLUMNS
        numbers = [number for number in self._reader.numbers(names).values() if number]
        asked: dict[str, Value | Test] = {column: filled(), "step": INSTALLED}
        rows = self._reader.plain_rows_of(Fitting, column, numbers, _AS_LINK, asked)
        # Where more was said than one installation, the links that follow stand instead of it.
        links = self._many(Link, column, names, filled_=True)
        if links:
            told = {link.fact for link in links}
            rows = [row for row in rows if row[3] not in told]
        columns, _ = self._in_words(rows, _LINK_NAMES)
        if columns:
            unit, position, from_us, fact, quantity, part, lot, container, evidence = columns
            links += map(
                Link._make,
                zip(
                    unit, position, from_us, fact, repeat(0), repeat(FOREVER), quantity, part, lot, container, evidence
                ),
            )
        return links

    def is_ever_part(self, product: str) -> bool:
        return self._reader.exists(Named, {"kind": "part", "product": product})

    def receipts(self, lots: Sequence[str]) -> list[Receipt]:
        return self._many(Receipt, "lot", lots)

    def received(self, column: str, name: str) -> list[Receipt]:
        assert column in SUPPLY
        return self._reader.rows(Receipt, {column: named(name)})

    def moves(self, lots: Sequence[str]) -> list[LotMove]:
        return self._many(LotMove, "lot", lots)

    def openings(self, column: str, names: Sequence[str]) -> list[Opening]:
        assert column in ("lot", "container")
        return self._many(Opening, column, names, "container")

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        found: list[tuple[str, str, int, int]] = []
        for name in names:
            other = "container" if column == "lot" else "lot"
            asked: dict[str, Value | Test] = {
                column: named(name),
                other: filled(),
                "step": INSTALLED,
                "time_us": at_most(at_us),
            }
            rows = self._reader.totals(Fitting, asked, by=("lot", "container"), of=(least("time_us"), most("time_us")))
            found += [(lot, container, first, last) for lot, container, first, last in rows]
        return found

    def _many(self, row: type[R], column: str, names: Sequence[str], filled_: bool | str = False) -> list[R]:
        if not names:
            return []
        wanted = filled_ if isinstance(filled_, str) else column if filled_ else ""
        if len(names) == 1 and wanted in ("", column):
            return self._reader.rows(row, {column: named(names[0]) if wanted else names[0]})
        return self._reader.rows_of(row, column, names, {wanted: filled()} if wanted else {})


_UNIT, _TIME, _STEP, _PART = (Fitting._fields.index(name) for name in ("unit", "time_us", "step", "part"))
_NAMES = tuple(n for n, name in enumerate(Fitting._fields) if name not in ("time_us", "step", "fact", "quantity"))
_AS_LINK = ("unit", "position", "time_us", "fact", "quantity", "part", "lot", "container", "evidence")
"""The columns of a fitting in the order of a link's, which it is where nothing else was said of its position."""
_LINK_NAMES = tuple(n for n, name in enumerate(_AS_LINK) if name in {Fitting._fields[at] for at in _NAMES})


def _positions(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Plain fittings of whole units, as the index gives them: those alone at their positions, and the others."""
    places = [row[:2] for row in rows]
    if len(set(places)) == len(rows):
        return rows, []
    times = Counter(places)
    return [row for row in rows if times[row[:2]] == 1], [row for row in rows if times[row[:2]] > 1]


def _alone(columns: Sequence[Sequence[Any]]) -> Iterator[Seat]:
    """Seats of installations beside which nothing was said of their positions, from the columns of these fittings."""
    if columns:
        unit, position, from_us, _, fact, product, part, lot, container, quantity, uom, evidence, *rest = columns
        told = (quantity, part, lot, container, evidence, product, uom, *rest[:3])
        yield from map(Seat._make, zip(unit, position, from_us, fact, repeat(0), repeat(FOREVER), *told, strict=False))


def _seats(fittings: Iterable[Fitting]) -> list[Seat]:
    """What follows from fittings at positions of which more was said."""
    there = groupby(sorted(fittings), key=itemgetter(0, 1))
    return [row for _, several in there for row in seats(list(several)) if isinstance(row, Seat)]
