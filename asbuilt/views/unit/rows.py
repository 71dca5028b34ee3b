"""Where rows about units come from: the tables as they are, or facts as they were known at a moment.

Both answer the same questions, so that every query can be asked "as known at R".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

from asbuilt.access import Reader
from asbuilt.access.conditions import filled
from asbuilt.access.known import Known
from asbuilt.domain.cases import questions as cases
from asbuilt.domain.cases.fold import RULES as CASE_RULES
from asbuilt.domain.cases.fold import Case, Hold, HoldStep
from asbuilt.domain.genealogy import as_known, walks
from asbuilt.domain.genealogy.as_known import fold
from asbuilt.domain.genealogy.walks import Genealogy
from asbuilt.events import HoldPlaced, HoldReleased
from asbuilt.views.unit.fold import RULES, Run


class Rows(Genealogy, Protocol):
    """What queries ask about units beside what they are made of; in any order unless told otherwise."""

    def runs(self, unit: str) -> list[Run]:
        """A unit's test runs in order of time."""
        ...

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        """Everything about nonconformances of these names, or raised on these items."""
        ...

    def holds(self, items: Sequence[str], at_us: int) -> list[Hold]:
        """Holds that stood on any of these items at a moment, by hold and item."""
        ...


def rows_for(reader: Reader, known_at: dt.datetime | None) -> Rows:
    """Rows as they are, or as they were known at a moment."""
    return Now(reader) if known_at is None else Then(reader, reader.known(known_at))


class Now(walks.Now, Rows):
    """The rows as they are."""

    def runs(self, unit: str) -> list[Run]:
        return sorted(self._reader.rows(Run, {"unit": unit}))

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        about = self._reader.rows_of(Case, "item", [item for item in dict.fromkeys(items) if item], {"item": filled()})
        wanted = dict.fromkeys([*names, *(case.nonconformance for case in about)])
        return self._reader.rows_of(Case, "nonconformance", list(wanted)) if wanted else []

    def holds(self, items: Sequence[str], at_us: int) -> list[Hold]:
        return cases.holds_on(self._reader, items, at_us)


class Then(as_known.Then, Rows):
    """Rows folded from the facts that were known at a moment."""

    def __init__(self, reader: Reader, known: Known) -> None:
        super().__init__(reader, known)
        self._reader = reader

    def runs(self, unit: str) -> list[Run]:
        found = fold(RULES, self.known.facts(unit))
        return sorted(row for row in found if isinstance(row, Run) and row.unit == unit)

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        wanted = dict.fromkeys(names)
        for item in items:
            found = fold(CASE_RULES, self.known.facts(item))
            wanted.update((row.nonconformance, None) for row in found if isinstance(row, Case) and row.item == item)
        return [
            row
            for name in wanted
            for row in fold(CASE_RULES, self.known.facts(f"nonconformance:{name}"))
            if isinstance(row, Case)
        ]

    def holds(self, items: Sequence[str], at_us: int) -> list[Hold]:
        subjects = [item for item in dict.fromkeys(items) if item and not item.startswith("product:")]
        same, others = self.known.unchanged(subjects, (HoldPlaced, HoldReleased))
        others += [item for item in items if item.startswith("product:")]
        wanted, names = set(others), dict[str, None]()
        steps = cases.steps_on(self._reader, same) if same else []
        steps += [row for row in self._hold_steps(others) if row.item in wanted]
        names.update((row.hold, None) for row in steps)
        asked = set(items)
        whole = (row for name in names for row in fold(CASE_RULES, self.known.facts(f"hold:{name}")))
        # A release may speak of them without naming them; what names them is there already.
        steps += [row for row in whole if isinstance(row, HoldStep) and not row.step and row.item not in asked]
        return cases.holds_of_steps(steps, items, at_us)

    def _hold_steps(self, items: Sequence[str]) -> Iterable[HoldStep]:
        facts = {}
        for item in items:
            # A product is no subject of the record; holds are few.
            every = item.startswith("product:")
            subjects = ("type:hold_placed.v1", "type:hold_released.v1") if every else (item,)
            facts.update({fact.id: fact for subject in subjects for fact in self.known.facts(subject)})
        return (row for row in fold(CASE_RULES, facts.values()) if isinstance(row, HoldStep))
