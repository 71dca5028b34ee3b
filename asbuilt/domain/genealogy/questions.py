"""Questions about what is made of what: what walks ask, and what is known by name.

Rows as they are (`today`) and facts as they were known at a moment (`known`) answer walks alike (`Genealogy`), so that every
walk can be done "as known at R".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_most, filled, most, named
from asbuilt.domain.genealogy.rows import (
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
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages.fold import Passage, Status
from asbuilt.domain.passages.questions import status_of

COLUMNS = ("part", "lot", "container")
SUPPLY = ("heat", "supplier_lot", "supplier")
TOUCH = ("station", "gauge", "program", "person", "order")


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

    def links_of(self, column: str, names: Sequence[str]) -> list[Link]:
        """Where these parts, lots or containers (`column`) sat."""
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

    def boxed(self, column: str, names: Sequence[str], at_us: int) -> list[tuple[str, str, int, int]]:
        """Lot, container, first and last time that both were named when something was installed until a moment."""
        ...


def statuses_at(rows: Genealogy, units: Sequence[str], at_us: int | None) -> dict[str, Status]:
    """Where units were at a moment, from their passages until then."""
    found = {}
    for unit in units:
        status = status_of(rows.passages(unit), at_us)
        if status is not None:
            found[unit] = status
    return found


# --------------------------------------------------------------------------- what is known by name


def products(reader: Reader, kind: str) -> list[str]:
    """The products of which units or lots (`kind`) were ever named, in order."""
    return reader.values(Named, "product", {"kind": kind})


def exists(reader: Reader, key: str) -> bool:
    """Whether anything was ever said of a unit or lot (its key), even if it was corrected since."""
    columns = (("unit", "part") if key.startswith("unit:") else ("lot",)) if key else ()
    return any(reader.exists(Fitting, {column: named(key) if column != "unit" else key}) for column in columns) or bool(
        reader.facts(key, 0, 1)
    )


def is_container(reader: Reader, name: str) -> bool:
    """Whether anything came out of a container of this name, or was filled into it."""
    return any(reader.exists(row, {"container": named(name)}) for row in (Fitting, Opening))


def is_supply(reader: Reader, kind: str, name: str) -> bool:
    """Whether anything came in of a heat, supplier's lot or supplier (`kind`) of this name."""
    assert kind in SUPPLY
    return reader.exists(Receipt, {kind: named(name)})


def lots_received(reader: Reader, product: str | None, until_us: int, limit: int) -> list[str]:
    """Lots that came in until a moment, the one received last first, then by key."""
    asked: dict[str, Value | Test] = {"time_us": at_most(until_us)}
    if product is not None:
        asked["product"] = product
    found = reader.totals(Receipt, asked, by=("lot",), of=(most("time_us"),))
    return [lot for lot, _ in sorted(found, key=lambda one: (-one[1], one[0]))[:limit]]


def lot_in(reader: Reader, container: str, at_us: int) -> str | None:
    """The lot that was filled into a container or named with it last, at a moment at the latest."""
    opened = reader.totals(
        Opening, {"container": named(container), "time_us": at_most(at_us)}, by=("lot",), of=(most("time_us"),)
    )
    taken = reader.totals(
        Fitting,
        {"container": named(container), "lot": filled(), "step": INSTALLED, "time_us": at_most(at_us)},
        by=("lot",),
        of=(most("time_us"),),
    )
    ranked = sorted((-time_us, lot) for lot, time_us in [*opened, *taken])
    return str(ranked[0][1]) if ranked else None
