"""Where rows about units come from: the tables as they are, or facts as they were known at a moment.

Both answer the same questions, so that every query can be asked "as known at R".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from asbuilt.access import Reader
from asbuilt.access.known import Known
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.events import microseconds
from asbuilt.views.unit.fold import (
    RULES,
    Case,
    Fitting,
    HoldStep,
    Link,
    Passage,
    Run,
    Status,
    Stray,
    links,
    status,
)

R = TypeVar("R", Fitting, Passage, Run)
COLUMNS = ("part", "lot", "container")


class Rows(Protocol):
    """What queries ask about units; in any order unless told otherwise."""

    def of_unit(self, row: type[R], unit: str) -> list[R]:
        """A unit's rows of a class in order of time."""
        ...

    def values(self, unit: str) -> list[ItemValue]:
        """What was measured on a unit, in order of time."""
        ...

    def links_in(self, units: Sequence[str]) -> list[Link]:
        """What sat in these units."""
        ...

    def fittings(self, units: Sequence[str]) -> list[Fitting]:
        """What was installed in and removed from these units."""
        ...

    def strays(self, units: Sequence[str]) -> list[Stray]:
        """Fittings of these units that do not fit."""
        ...

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        """Where these parts, lots or containers (`column`) sat."""
        ...

    def is_ever_part(self, prefix: str) -> bool:
        """Whether anything whose key begins so was ever installed in something."""
        ...

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        """Where units are in their lives at a moment (None: now); those that have passed nothing are left out."""
        ...

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        """Everything about nonconformances of these names, or raised on these items."""
        ...

    def holds(self, items: Sequence[str]) -> list[HoldStep]:
        """Every step of holds that were ever placed on one of these items."""
        ...


def rows_for(reader: Reader, known_at: dt.datetime | None) -> Rows:
    """Rows as they are, or as they were known at a moment."""
    return Now(reader) if known_at is None else Then(reader.known(known_at))


def listed(names: Sequence[str]) -> str:
    """Names as one SQL parameter, for `json_each`."""
    return msgspec.json.encode(names).decode()


class Now(Rows):
    """The rows of the views."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of_unit(self, row: type[R], unit: str) -> list[R]:
        # Rows begin with unit, time and what puts those of one instant in order: tuples sort as they should.
        return sorted(self._reader.rows(row, "unit = ?", unit))

    def values(self, unit: str) -> list[ItemValue]:
        return measurements.of_item(self._reader.current(unit), unit)

    def links_in(self, units: Sequence[str]) -> list[Link]:
        if len(units) == 1:
            return self._reader.rows(Link, "unit = ?", units[0])
        sql = "SELECT l.* FROM json_each(?) AS j CROSS JOIN unit_link AS l ON l.unit = j.value"
        return list(map(Link._make, self._reader.select(sql, listed(units)))) if units else []

    def fittings(self, units: Sequence[str]) -> list[Fitting]:
        sql = "SELECT f.* FROM json_each(?) AS j CROSS JOIN unit_fitting AS f ON f.unit = j.value"
        return list(map(Fitting._make, self._reader.select(sql, listed(units)))) if units else []

    def strays(self, units: Sequence[str]) -> list[Stray]:
        sql = "SELECT s.* FROM json_each(?) AS j CROSS JOIN unit_stray AS s ON s.unit = j.value"
        return [Stray._make(row) for row in self._reader.select(sql, listed(units))]

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        assert column in COLUMNS
        if len(names) == 1:
            return self._reader.rows(Link, f"{column} = ? AND {column} <> ''", names[0])
        sql = (
            f"SELECT l.* FROM json_each(?) AS j CROSS JOIN unit_link AS l ON l.{column} = j.value AND l.{column} <> ''"
        )
        return list(map(Link._make, self._reader.select(sql, listed(names)))) if names else []

    def is_ever_part(self, prefix: str) -> bool:
        sql = "SELECT 1 FROM unit_link WHERE part >= ? AND part < ? AND part <> '' LIMIT 1"
        return bool(self._reader.select(sql, prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)))

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        if at_us is not None:
            return _at(self, units, at_us)
        sql = "SELECT s.* FROM json_each(?) AS j CROSS JOIN unit_status AS s ON s.unit = j.value"
        return {status.unit: status for status in map(Status._make, self._reader.select(sql, listed(units)))}

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        sql = (
            "SELECT c.* FROM unit_case AS c WHERE c.nonconformance IN (SELECT value FROM json_each(?1) UNION"
            " SELECT k.nonconformance FROM unit_case AS k WHERE k.item IN (SELECT value FROM json_each(?2)) AND k.item <> '')"
        )
        return [Case._make(row) for row in self._reader.select(sql, listed(names), listed(items))]

    def holds(self, items: Sequence[str]) -> list[HoldStep]:
        if not self._reader.select("SELECT 1 FROM unit_hold_step LIMIT 1"):
            return []
        sql = (
            "SELECT h.* FROM unit_hold_step AS h WHERE h.item IN (SELECT value FROM json_each(?1)) OR (h.item = '' AND h.hold IN"
            " (SELECT k.hold FROM unit_hold_step AS k WHERE k.item IN (SELECT value FROM json_each(?1))))"
        )
        return [HoldStep._make(row) for row in self._reader.select(sql, listed(items))]


class Then(Rows):
    """Rows folded from the facts that were known at a moment."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._units: dict[str, list[Any]] = {}
        self._links: dict[str, list[Link | Stray]] = {}

    def of_unit(self, row: type[R], unit: str) -> list[R]:
        return sorted(found for found in self._rows(unit) if isinstance(found, row))

    def values(self, unit: str) -> list[ItemValue]:
        return measurements.of_item(self.known.facts(unit), unit)

    def links_in(self, units: Sequence[str]) -> list[Link]:
        return [link for unit in units for link in self._derived(unit) if isinstance(link, Link)]

    def fittings(self, units: Sequence[str]) -> list[Fitting]:
        return [row for unit in units for row in self._rows(unit) if isinstance(row, Fitting)]

    def strays(self, units: Sequence[str]) -> list[Stray]:
        return [stray for unit in units for stray in self._derived(unit) if isinstance(stray, Stray)]

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        subject = "{}" if column != "container" else "container:{}"
        parents: dict[str, None] = {}
        for name in names:
            for row in fold(RULES, self.known.facts(subject.format(name))):
                if isinstance(row, Fitting) and getattr(row, column) == name:
                    parents[row.unit] = None
        wanted = set(names)
        return [link for link in self.links_in(list(parents)) if getattr(link, column) in wanted]

    def is_ever_part(self, prefix: str) -> bool:
        return True

    def statuses(self, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
        return _at(self, units, at_us)

    def cases(self, names: Sequence[str], items: Sequence[str]) -> list[Case]:
        wanted = dict.fromkeys(names)
        for item in items:
            found = fold(RULES, self.known.facts(item))
            wanted.update((row.nonconformance, None) for row in found if isinstance(row, Case) and row.item == item)
        return [
            row
            for name in wanted
            for row in fold(RULES, self.known.facts(f"nonconformance:{name}"))
            if isinstance(row, Case)
        ]

    def holds(self, items: Sequence[str]) -> list[HoldStep]:
        wanted, names = set(items), dict[str, None]()
        steps = [row for row in self._hold_steps(items) if row.item in wanted]
        names.update((row.hold, None) for row in steps)
        whole = (row for name in names for row in fold(RULES, self.known.facts(f"hold:{name}")))
        return [*steps, *(row for row in whole if isinstance(row, HoldStep) and not row.item)]

    def _hold_steps(self, items: Sequence[str]) -> Iterable[HoldStep]:
        facts = {}
        for item in items:
            # A product is no subject of the record; holds are few.
            every = item.startswith("product:")
            subjects = ("type:hold_placed.v1", "type:hold_released.v1") if every else (item,)
            facts.update({fact.id: fact for subject in subjects for fact in self.known.facts(subject)})
        return (row for row in fold(RULES, facts.values()) if isinstance(row, HoldStep))

    def _rows(self, unit: str) -> list[Any]:
        if unit not in self._units:
            found = (row for row in fold(RULES, self.known.facts(unit)) if getattr(row, "unit", None) == unit)
            self._units[unit] = list(found)
        return self._units[unit]

    def _derived(self, unit: str) -> list[Link | Stray]:
        if unit not in self._links:
            self._links[unit] = list(links(sorted(row for row in self._rows(unit) if isinstance(row, Fitting))))
        return self._links[unit]


def fold(rules: Any, facts: Iterable[Any]) -> list[Any]:
    """The rows that a view's rules make of facts."""
    return [
        row for fact in facts if type(fact) in rules for row in rules[type(fact)](fact, microseconds(fact.event_time))
    ]


def _at(rows: Rows, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
    """Where units were at a moment, from their passages until then."""
    found = {}
    for unit in units:
        passed = sorted(row for row in rows.of_unit(Passage, unit) if at_us is None or row.time_us <= at_us)
        if passed:
            (found[unit],) = status(passed)
    return found
