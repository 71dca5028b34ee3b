"""Questions about passages: of one unit, of what touched it, and where units are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, above, at_most, beginning, ending, named, one_of
from asbuilt.domain.passages.fold import status
from asbuilt.domain.passages.rows import Passage, Status

MOST_UNITS = 100_000
STATES = ("in work", "completed", "packed", "shipped", "fitted", "returned", "scrapped")


class Touch(NamedTuple):
    """A station, program, person or order that units had to do with: how passages name it."""

    column: str
    name: str
    revision: str | None
    subjects: tuple[str, ...]

    @classmethod
    def of(cls, kind: str, name: str) -> Touch:
        """By kind and name; a program is NAME or NAME@REVISION."""
        if kind == "program":
            program, at, revision = name.rpartition("@")
            types = ("type:operation_started.v1", "type:operation_completed.v1")
            return cls("program", program, revision, types) if at else cls("program", name, None, types)
        column = {"station": "station", "person": "by", "order": "order_no"}[kind]
        return cls(column, name, None, (f"{kind}:{name}",))

    def holds(self, passage: Passage) -> bool:
        """Whether a passage names it."""
        return getattr(passage, self.column) == self.name and self.revision in (None, passage.program_revision)


def touched(reader: Reader, touch: Touch) -> list[tuple[str, int]]:
    """The units it had to do with, and when; in any order."""
    asked: dict[str, Value | Test] = {touch.column: named(touch.name)}
    if touch.revision is not None:
        asked["program_revision"] = touch.revision
    found = reader.totals(Passage, asked, by=("unit", "time_us"), of=())
    return [(unit, time_us) for unit, time_us in found]


def is_named(reader: Reader, kind: str, name: str) -> bool:
    """Whether any passage names a station, program, person or order so."""
    return reader.exists(Passage, {Touch.of(kind, name).column: named(name)})


def of_order(reader: Reader, order: str) -> list[str]:
    """The units that passed anywhere for an order, in order of their keys."""
    return reader.values(Passage, "unit", {"order_no": named(order)})


def scrapped(reader: Reader, units: Sequence[str], at_us: int) -> set[str]:
    """Those units that were scrapped until a moment, whatever came after."""
    return {row.unit for row in reader.rows_of(Passage, "unit", units, {"what": "scrapped", "time_us": at_most(at_us)})}


def status_of(passages: Iterable[Passage], at_us: int | None) -> Status | None:
    """Where a unit was in its life at a moment (None: after all), from its passages in order of time."""
    passed = [row for row in passages if at_us is None or row.time_us <= at_us]
    return next(iter(status(passed)), None) if passed else None


def in_state(
    reader: Reader, until_us: int, state: str | None, order: str | None, product: str | None, limit: int
) -> list[Status]:
    """Where units are now, the one that changed last first, then by key; those that changed until a moment.

    `completed` are all that have been released, whatever came after, but not scrapped.
    """
    asked: dict[str, Value | Test] = {"since_us": at_most(until_us)}
    if state == "completed":
        asked |= {"completed_us": above(0), "state": one_of(one for one in STATES if one != "scrapped")}
    elif state is not None:
        asked["state"] = state
    if order is not None:
        asked["order_no"] = named(order)
    if product is not None:
        asked["product"] = product
    found = reader.rows(Status, asked, order="-since_us", limit=limit + _SPARE)
    # Of those that changed at one instant the order is that of their keys; the last instant may be cut by the limit.
    return sorted(found, key=lambda one: (-one.since_us, one.unit))[:limit]


_SPARE = 1_000
"""So many that changed at one instant are put in order of their keys."""


def begun(reader: Reader, until_us: int, product: str | None) -> list[str]:
    """Units that had passed anything by a moment."""
    asked: dict[str, Value | Test] = {"started_us": at_most(until_us)}
    if product is not None:
        asked["product"] = product
    return [row.unit for row in reader.rows(Status, asked, limit=MOST_UNITS)]


def at_station(reader: Reader, station: str) -> list[Status]:
    """Units in work that were at a station last, by when their state began, then by key."""
    found = reader.rows(Status, {"station": station, "state": "in work"})
    return sorted(found, key=lambda one: (one.since_us, one.unit))


def by_name(reader: Reader, text: str, limit: int) -> list[str]:
    """Units whose serial begins or ends so, the one that changed last first."""
    asked = [{"serial": beginning(text)}, {"serial": ending(text)}]
    found = reader.rows(Status, asked, order="-since_us", limit=limit)
    return [row.unit for row in found]


def statuses(reader: Reader, units: Sequence[str]) -> Mapping[str, Status]:
    """Where these units are now; those that have passed nothing are left out."""
    return {row.unit: row for row in reader.rows_of(Status, "unit", units)}
