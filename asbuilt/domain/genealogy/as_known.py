"""What walks ask about what is made of what, answered by the facts that were known at a moment.

Of what was known then, whatever no fact recorded since has to do with stands in the rows as it does today and is read
there; the rest is folded anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from asbuilt.access import Reader
from asbuilt.access.known import Known
from asbuilt.domain.genealogy.fold import RULES, seats
from asbuilt.domain.genealogy.rows import (
    INSTALLED,
    Fitting,
    Link,
    LotMove,
    Opening,
    Receipt,
    Seat,
    Stray,
)
from asbuilt.domain.genealogy.walks import FITTING, PASSING, Genealogy, Now, Whereabouts, statuses_at, whereabouts_of
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages import fold as passages
from asbuilt.domain.passages.questions import Touch
from asbuilt.domain.passages.rows import Passage, Status
from asbuilt.events import Measured, microseconds, unit_key


class Then(Genealogy):
    """What facts tell that were known at a moment."""

    def __init__(self, reader: Reader, known: Known) -> None:
        self.known = known
        self._now = Now(reader)
        self._rows: dict[str, list[Any]] = {}
        self._passages: dict[str, list[Passage]] = {}
        self._seats: dict[str, list[Seat | Stray]] = {}
        self._links: dict[tuple[str, str], list[Link]] = {}

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

    def whereabouts(self, units: Sequence[str], at_us: int | None) -> dict[str, Whereabouts]:
        return whereabouts_of(self.statuses(units, at_us))

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

    def links_of(self, column: str, names: Sequence[str], but: Collection[bytes] = ()) -> list[Link]:
        fresh = [name for name in dict.fromkeys(names) if (column, name) not in self._links]
        self._links.update(((column, name), []) for name in fresh)
        for link in self._links_of(column, fresh):
            self._links[column, getattr(link, column)].append(link)
        found = (link for name in dict.fromkeys(names) for link in self._links[column, name])
        return [link for link in found if link.fact not in but] if but else list(found)

    def _links_of(self, column: str, names: Sequence[str]) -> Iterator[Link]:
        subject = "{}" if column != "container" else "container:{}"
        parents: dict[str, None] = {}
        for name in names:
            for row in self._of(subject.format(name)):
                if isinstance(row, Fitting) and getattr(row, column) == name:
                    parents[row.unit] = None
        same, others = self.known.unchanged(list(parents), FITTING)
        alike = set(same)
        wanted = set(names)
        yield from (link for link in self._now.links_of(column, names) if link.unit in alike)
        for unit in others:
            for seat in self._derived(unit):
                if isinstance(seat, Seat) and getattr(seat, column) in wanted:
                    yield seat.link

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

    def uoms_of(self, lot: str) -> tuple[str, dict[bytes, str]]:
        told = {
            row.fact: row.uom
            for row in self._of(lot)
            if isinstance(row, Fitting) and row.lot == lot and row.step == INSTALLED
        }
        usual = min(told.values(), default="")
        return usual, {fact: uom for fact, uom in told.items() if uom != usual}

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
