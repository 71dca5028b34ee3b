"""What walks ask, answered from facts as they were known at a moment.

Whatever no fact recorded since has to do with stands in the rows as it does today and is read there; the rest is folded anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from asbuilt.access import Reader
from asbuilt.access.known import Known
from asbuilt.domain.genealogy.fold import RULES, seats
from asbuilt.domain.genealogy.questions import Genealogy, statuses_at
from asbuilt.domain.genealogy.rows import (
    Fitting,
    Link,
    LotMove,
    Opening,
    Receipt,
    Seat,
    Stray,
)
from asbuilt.domain.genealogy.today import Now
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages import fold as passages
from asbuilt.domain.passages.fold import Passage, Status
from asbuilt.domain.passages.questions import Touch
from asbuilt.events import ComponentInstalled, ComponentRemoved, Measured, microseconds, unit_key

FITTING = (ComponentInstalled, ComponentRemoved)
PASSING = tuple(passages.RULES)


class Then(Genealogy):
    """What facts tell that were known at a moment."""

    def __init__(self, reader: Reader, known: Known) -> None:
        self.known = known
        self._now = Now(reader)
        self._rows: dict[str, list[Any]] = {}
        self._passages: dict[str, list[Passage]] = {}
        self._seats: dict[str, list[Seat | Stray]] = {}

    def passages(self, unit: str) -> list[Passage]:
        if unit not in self._passages:
            found = (row for row in fold(passages.RULES, self.known.facts(unit)) if row.unit == unit)
            self._passages[unit] = sorted(found)
        return self._passages[unit]

    def values(self, unit: str) -> list[ItemValue]:
        return measurements.of_item(self.known.facts(unit), unit)

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        if at_us is not None:
            return statuses_at(self, units, at_us)
        same, others = self.known.unchanged(units, PASSING)
        found = statuses_at(self, others, None)
        found.update(self._now.statuses(same, None))
        return found

    def touched(self, kind: str, name: str) -> list[tuple[str, int]]:
        if kind == "gauge":
            facts = (fact for fact in self.known.facts("type:measured.v1") if isinstance(fact, Measured))
            return [
                (unit_key(fact.product, fact.serial), microseconds(fact.event_time))
                for fact in facts
                if fact.gauge == name and fact.serial is not None
            ]
        touch = Touch.of(kind, name)
        found = fold(passages.RULES, (fact for subject in touch.subjects for fact in self.known.facts(subject)))
        return [(row.unit, row.time_us) for row in found if touch.holds(row)]

    def seats_below(self, unit: str, at_us: int, *, is_over_too: bool, at_most: int) -> dict[str, list[Seat]]:
        found: dict[str, list[Seat]] = {}
        level, count = [unit], 0
        while level and count <= at_most:
            found.update((name, []) for name in level)
            parts: dict[str, None] = {}
            for seat in self._seats_in(level):
                if seat.from_us <= at_us and (is_over_too or at_us < seat.until_us):
                    found[seat.unit].append(seat)
                    count += 1
                    if seat.part:
                        parts[seat.part] = None
            level = sorted(parts.keys() - found.keys())
        return found

    def _seats_in(self, units: Sequence[str]) -> list[Seat]:
        same, others = self.known.unchanged(units, FITTING)
        return [
            *(self._now.seats_in(same) if same else ()),
            *(row for unit in others for row in self._derived(unit) if isinstance(row, Seat)),
        ]

    def strays(self, units: Sequence[str]) -> list[Stray]:
        same, others = self.known.unchanged(units, FITTING)
        return [
            *self._now.strays(same),
            *(row for unit in others for row in self._derived(unit) if isinstance(row, Stray)),
        ]

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        subject = "{}" if column != "container" else "container:{}"
        parents: dict[str, None] = {}
        for name in names:
            for row in fold(RULES, self.known.facts(subject.format(name))):
                if isinstance(row, Fitting) and getattr(row, column) == name:
                    parents[row.unit] = None
        same, others = self.known.unchanged(list(parents), FITTING)
        alike = set(same)
        wanted = set(names)
        return [
            *(link for link in self._now.links_of(column, names) if link.unit in alike),
            *(
                seat.link
                for unit in others
                for seat in self._derived(unit)
                if isinstance(seat, Seat) and getattr(seat, column) in wanted
            ),
        ]

    def is_ever_part(self, product: str) -> bool:
        return self._now.is_ever_part(product)

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

    def _of(self, subject: str) -> list[Any]:
        if subject not in self._rows:
            self._rows[subject] = fold(RULES, self.known.facts(subject))
        return self._rows[subject]

    def _fittings(self, unit: str) -> list[Fitting]:
        return sorted(row for row in self._of(unit) if isinstance(row, Fitting) and row.unit == unit)

    def _derived(self, unit: str) -> list[Seat | Stray]:
        if unit not in self._seats:
            by_position: dict[str, list[Fitting]] = {}
            for row in self._fittings(unit):
                by_position.setdefault(row.position, []).append(row)
            self._seats[unit] = [found for there in by_position.values() for found in seats(there)]
        return self._seats[unit]


def fold(rules: Any, facts: Iterable[Any]) -> list[Any]:
    """The rows that a fold's rules make of facts."""
    return [
        row for fact in facts if type(fact) in rules for row in rules[type(fact)](fact, microseconds(fact.event_time))
    ]
