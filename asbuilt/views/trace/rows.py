"""Where rows about lots come from: the tables as they are, or facts as they were known at a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol

from asbuilt.access import Reader
from asbuilt.access.known import Known
from asbuilt.domain.measurements import questions as measurements
from asbuilt.events import Measured, microseconds, unit_key
from asbuilt.views.trace.fold import RULES, LotMove, Opening, Receipt
from asbuilt.views.unit import rows as of_units
from asbuilt.views.unit.fold import RULES as UNIT_RULES
from asbuilt.views.unit.fold import Passage
from asbuilt.views.unit.rows import fold, listed

SUPPLY = ("heat", "supplier_lot", "supplier")
TOUCH = ("station", "gauge", "program", "person", "order")


class Rows(of_units.Rows, Protocol):
    """What a trace asks about lots, beside units; in any order."""

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
        """When these lots or containers (`column`) were taken into use."""
        ...

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        """Lot, container, first and last time that both were named when something was installed until a moment."""
        ...

    def raw_links_of(self, column: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """As `links_of`, as plain tuples of the same columns: there may be very many."""
        ...

    def places(self, units: Sequence[str], at_us: int | None) -> dict[str, tuple[str, str, str]]:
        """State, place and consignee of units at a moment (None: now)."""
        ...

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        """Units that a station, gauge, program, person or order had to do with, and when."""
        ...


def rows_for(reader: Reader, known_at: dt.datetime | None) -> Rows:
    """Rows as they are, or as they were known at a moment."""
    return Now(reader) if known_at is None else Then(reader.known(known_at))


class Now(of_units.Now, Rows):
    """The rows of the views."""

    def receipts(self, lots: Sequence[str]) -> list[Receipt]:
        sql = "SELECT r.* FROM json_each(?) AS j CROSS JOIN trace_receipt AS r ON r.lot = j.value"
        return [Receipt._make(row) for row in self._reader.select(sql, listed(lots))] if lots else []

    def received(self, column: str, name: str) -> list[Receipt]:
        assert column in SUPPLY
        return self._reader.rows(Receipt, f"{column} = ? AND {column} <> ''", name)

    def moves(self, lots: Sequence[str]) -> list[LotMove]:
        sql = "SELECT m.* FROM json_each(?) AS j CROSS JOIN trace_lot_move AS m ON m.lot = j.value"
        return [LotMove._make(row) for row in self._reader.select(sql, listed(lots))] if lots else []

    def openings(self, column: str, names: Sequence[str]) -> list[Opening]:
        assert column in ("lot", "container")
        sql = (
            f"SELECT o.* FROM json_each(?) AS j CROSS JOIN trace_opening AS o ON o.{column} = j.value"
            " WHERE o.container <> ''"
        )
        return [Opening._make(row) for row in self._reader.select(sql, listed(names))] if names else []

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        sql = (
            "SELECT l.lot, l.container, min(l.from_us), max(l.from_us) FROM json_each(?1) AS j CROSS JOIN unit_link AS l"
            f" ON l.{column} = j.value AND l.{column} <> '' WHERE l.lot <> '' AND l.container <> '' AND l.from_us <= ?2"
            " GROUP BY l.lot, l.container"
        )
        return self._reader.select(sql, listed(names), at_us) if names else []

    def places(self, units: Sequence[str], at_us: int | None) -> dict[str, tuple[str, str, str]]:
        if at_us is not None:
            return _places(self, units, at_us)
        sql = (
            "SELECT s.unit, s.state, s.place, s.consignee FROM json_each(?) AS j"
            " CROSS JOIN unit_status AS s ON s.unit = j.value"
        )
        found = self._reader.select(sql, listed(units))
        return {unit: (state, place, consignee) for unit, state, place, consignee in found}

    def raw_links_of(self, column: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT l.* FROM json_each(?) AS j CROSS JOIN unit_link AS l ON l.{column} = j.value AND l.{column} <> ''"
        )
        return self._reader.select(sql, listed(names)) if names else []

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        if kind == "gauge":
            return measurements.by_gauge(self._reader, name)
        where, *bindings = _touch(kind, name)
        return self._reader.select(f"SELECT unit, time_us FROM unit_passage WHERE {where}", *bindings)


def _places(rows: of_units.Rows, units: Sequence[str], at_us: int | None) -> dict[str, tuple[str, str, str]]:
    return {unit: (s.state, s.place, s.consignee) for unit, s in rows.statuses(units, at_us).items()}


def _touch(kind: str, name: str) -> tuple[str, ...]:
    if kind == "program":
        program, at, revision = name.rpartition("@")
        if at:
            return "program = ? AND program_revision = ? AND program <> ''", program, revision
        return "program = ? AND program <> ''", name
    column = {"station": "station", "person": "by", "order": "order_no"}[kind]
    return f"{column} = ? AND {column} <> ''", name


class Then(of_units.Then, Rows):
    """Rows folded from the facts that were known at a moment."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        self._lots: dict[str, list[Any]] = {}

    def receipts(self, lots: Sequence[str]) -> list[Receipt]:
        return [row for lot in lots for row in self._of(lot) if isinstance(row, Receipt) and row.lot == lot]

    def received(self, column: str, name: str) -> list[Receipt]:
        found = fold(RULES, self.known.facts("type:lot_received.v1"))
        return [row for row in found if isinstance(row, Receipt) and getattr(row, column) == name]

    def moves(self, lots: Sequence[str]) -> list[LotMove]:
        return [row for lot in lots for row in self._of(lot) if isinstance(row, LotMove) and row.lot == lot]

    def openings(self, column: str, names: Sequence[str]) -> list[Opening]:
        subject = "{}" if column == "lot" else "container:{}"
        return [
            row
            for name in names
            for row in self._of(subject.format(name))
            if isinstance(row, Opening) and row.container and getattr(row, column) == name
        ]

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        return [
            (link.lot, link.container, link.from_us, link.from_us)
            for link in self.links_of(column, names)
            if link.lot and link.container and link.from_us <= at_us
        ]

    def places(self, units: Sequence[str], at_us: int | None) -> dict[str, tuple[str, str, str]]:
        return _places(self, units, at_us)

    def raw_links_of(self, column: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        return [tuple(link) for link in self.links_of(column, names)]

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        if kind == "gauge":
            facts = (fact for fact in self.known.facts("type:measured.v1") if isinstance(fact, Measured))
            return [
                (unit_key(fact.product, fact.serial), microseconds(fact.event_time))
                for fact in facts
                if fact.gauge == name and fact.serial is not None
            ]
        if kind == "program":
            subjects = [f"type:{name}.v1" for name in ("operation_started", "operation_completed")]
        else:
            subjects = [f"{kind}:{name}"]
        found = fold(UNIT_RULES, (fact for subject in subjects for fact in self.known.facts(subject)))
        return [(row.unit, row.time_us) for row in found if _is_touched(row, kind, name)]

    def _of(self, subject: str) -> list[Any]:
        if subject not in self._lots:
            self._lots[subject] = fold(RULES, self.known.facts(subject))
        return self._lots[subject]


def _is_touched(row: Any, kind: str, name: str) -> bool:
    if not isinstance(row, Passage):
        return False
    if kind == "program":
        program, at, revision = name.rpartition("@")
        return (row.program, row.program_revision) == (program, revision) if at else row.program == name
    return {"station": row.station, "person": row.by, "order": row.order_no}[kind] == name


__all__ = ["SUPPLY", "TOUCH", "Now", "Rows", "Then", "rows_for"]
