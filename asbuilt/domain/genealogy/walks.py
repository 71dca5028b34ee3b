"""What walks ask about what is made of what, and the rows as they are; `as_known` answers the same as it was known at a moment.

Rows are walked from numbers to numbers, as names are kept; what was found is put into words once, at the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Protocol, TypeVar

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_most, filled, least, most, named
from asbuilt.domain.genealogy.plain import (
    LINK_NAMES,
    NAMES,
    PART,
    SHORT,
    SHORT_NAMES,
    STEP,
    TIME,
    TOLD,
    alone_of,
    link_of,
    positions,
    seats_of,
)
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
from asbuilt.domain.passages import fold as passages
from asbuilt.domain.passages.questions import Touch, status_of, touched
from asbuilt.domain.passages.rows import Passage, Status
from asbuilt.events import ComponentInstalled, ComponentRemoved

R = TypeVar("R", bound=tuple[Any, ...])
COLUMNS = ("part", "lot", "container")
SUPPLY = ("heat", "supplier_lot", "supplier")
TOUCH = ("station", "gauge", "program", "person", "order")
FITTING = (ComponentInstalled, ComponentRemoved)
PASSING = tuple(passages.RULES)


Whereabouts = tuple[str, str, str]
"""State, place and consignee of a unit."""


class Genealogy(Protocol):
    """What walks ask about units and lots; answers in any order unless told otherwise."""

    def passages(self, unit: str) -> list[Passage]:
        """Where a unit passed, in order of time."""
        ...

    def values(self, unit: str) -> list[ItemValue]:
        """What was measured on a unit, in order of time."""
        ...

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        """Where units are in their lives at a moment (None: now); those that have passed nothing are left out."""
        ...

    def whereabouts(self, units: Sequence[str], at_us: int | None) -> dict[str, Whereabouts]:
        """State, place and consignee alone of `statuses`."""
        ...

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        """Units that a station, gauge, program, person or order had to do with, and when."""
        ...

    def seats_below(self, unit: str, at_us: int, *, is_over_too: bool, at_most: int) -> dict[str, list[Seat]]:
        """What sits in a unit at a moment, and in what sits in it, by unit; every serial that is met has an entry.

        With `is_over_too` also what sat there before. Units are looked into until there are more seats than `at_most`.
        """
        ...

    def strays(self, units: Sequence[str]) -> list[Stray]:
        """Fittings of these units that do not fit."""
        ...

    def links_of(self, column: str, names: Sequence[str], but: Collection[bytes] = ()) -> list[Link]:
        """Where these parts, lots or containers (`column`) sat, but by other facts than these."""
        ...

    def is_ever_part(self, product: str) -> bool:
        """Whether a serial of this product may ever have been installed in something; never a wrong no."""
        ...

    def receipts(self, lots: Sequence[str]) -> list[Receipt]:
        """How these lots came in."""
        ...

    def received(self, column: str, name: str) -> list[Receipt]:
        """What came in of a heat, supplier's lot or supplier."""
        ...

    def moves(self, lots: Sequence[str]) -> list[LotMove]:
        """What went into and out of these lots."""
        ...

    def openings(self, column: str, names: Sequence[str]) -> list[Opening]:
        """When these lots or containers (`column`) were taken into use; those that name a container."""
        ...

    def uoms_of(self, lot: str) -> tuple[str, dict[bytes, str]]:
        """The unit told of what was installed of a lot, and of installations in other units theirs, by the fact."""
        ...

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        """Lot, container, first and last time that both were named when something was installed until a moment."""
        ...


# --------------------------------------------------------------------------- as it is


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

    def whereabouts(self, units: Sequence[str], at_us: int | None) -> dict[str, Whereabouts]:
        if at_us is not None:
            return whereabouts_of(self.statuses(units, at_us))
        numbers = self._reader.numbers(units)
        rows = self._reader.plain_rows_of(
            Status, "unit", list(numbers.values()), ("unit", "state", "place", "consignee")
        )
        # Very many units are at few places.
        told = {row[0]: row[1:] for row in rows}
        places = set(told.values())
        texts = self._reader.names({number for place in places for number in place})
        said = {(a, b, c): (texts[a], texts[b], texts[c]) for a, b, c in places}
        return {unit: said[told[number]] for unit, number in numbers.items() if number in told}

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
            single, several = positions(reader.plain_rows_of(Fitting, "unit", level, TOLD))
            single = [row for row in single if row[STEP] == INSTALLED and row[TIME] <= at_us]
            alone += single
            level = [row[PART] for row in single if row[PART]]
            if several:
                sat = seats_of(self._said(several))
                held = [seat for seat in sat if seat.from_us <= at_us and (is_over_too or at_us < seat.until_us)]
                others += held
                level += reader.numbers([seat.part for seat in held if seat.part]).values()
            level = sorted(set(level) - met.keys())
            met.update(dict.fromkeys(level))
        columns, texts = self._in_words(alone, NAMES, met)
        found: dict[str, list[Seat]] = {texts[number]: [] for number in met} or {unit: []}
        for seat in alone_of(columns):
            found[seat.unit].append(seat)
        for seat in others:
            found[seat.unit].append(seat)
        return found

    def seats_in(self, units: Sequence[str]) -> list[Seat]:
        """What sat in these units."""
        numbers = list(self._reader.numbers(units).values())
        alone, several = positions(self._reader.plain_rows_of(Fitting, "unit", numbers, TOLD))
        alone = [row for row in alone if row[STEP] == INSTALLED]
        return [*alone_of(self._in_words(alone, NAMES)[0]), *seats_of(self._said(several))]

    def _said(self, rows: Sequence[tuple[Any, ...]]) -> list[Fitting]:
        return [Fitting._make((*row, "")) for row in zip(*self._in_words(rows, NAMES)[0], strict=True)]

    def _in_words(
        self, rows: Sequence[tuple[Any, ...]], at: Sequence[int], others: Iterable[int] = ()
    ) -> tuple[list[Sequence[Any]], dict[int, str]]:
        """Columns of plain rows with names for the numbers at these places; the names of these and of other numbers."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        names = set(others).union(*(columns[n] for n in at if columns))
        texts = self._reader.names(names)
        for n in at if columns else ():
            columns[n] = list(map(texts.__getitem__, columns[n]))
        return columns, texts

    def strays(self, units: Sequence[str]) -> list[Stray]:
        return self._many(Stray, "unit", units)

    def links_of(self, column: str, names: Sequence[str], but: Collection[bytes] = ()) -> list[Link]:
        assert column in COLUMNS
        reader, numbers = self._reader, [number for number in self._reader.numbers(names).values() if number]
        if not numbers:
            return []
        asked: dict[str, Value | Test] = {column: filled()}
        rows = reader.plain_rows_of(Fitting, column, numbers, SHORT, {**asked, "step": INSTALLED})
        # Where more was said than one installation, the links that follow stand instead of it.
        links = reader.plain_rows_of(Link, column, numbers, Link._fields, asked)
        told = {*but, *(link[3] for link in links)}
        if told:
            rows = [row for row in rows if row[3] not in told]
        found: list[Link] = []
        if rows:
            columns, _ = self._in_words(rows, SHORT_NAMES)
            lasting = (*columns[:4], repeat(0), repeat(FOREVER), *columns[4:])
            found += map(link_of, zip(*lasting, strict=False))
        links = [link for link in links if link[3] not in but]
        found += map(Link._make, zip(*self._in_words(links, LINK_NAMES)[0], strict=True))
        return found

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

    def uoms_of(self, lot: str) -> tuple[str, dict[bytes, str]]:
        asked: dict[str, Value | Test] = {"lot": named(lot), "step": INSTALLED}
        usual, *others = sorted(self._reader.values(Fitting, "uom", asked)) or [""]
        # One unit is told of nearly every lot: its installations are not read for it.
        return usual, {row.fact: row.uom for uom in others for row in self._reader.rows(Fitting, {**asked, "uom": uom})}

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


def whereabouts_of(statuses: Mapping[str, Status]) -> dict[str, Whereabouts]:
    """State, place and consignee of each."""
    return {unit: (status.state, status.place, status.consignee) for unit, status in statuses.items()}


def statuses_at(rows: Genealogy, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
    """Where units were at a moment, from their passages until then."""
    found = {}
    for unit in units:
        status = status_of(rows.passages(unit), at_us)
        if status is not None:
            found[unit] = status
    return found
