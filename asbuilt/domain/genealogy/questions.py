"""Questions about what is known by name: units, lots, containers, and what came in. Walks are in `walks`."""

from __future__ import annotations

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_most, filled, most, named
from asbuilt.domain.genealogy.rows import (
    INSTALLED,
    Fitting,
    Named,
    Opening,
    Receipt,
)
from asbuilt.domain.genealogy.walks import SUPPLY


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
