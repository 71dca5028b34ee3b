"""Which unit is meant: a serial alone is enough where only one product has it."""

from __future__ import annotations

from asbuilt.access import Reader
from asbuilt.domain.genealogy import questions as genealogy
from asbuilt.domain.meaning import named_in
from asbuilt.errors import UsageError
from asbuilt.events import lot_key, unit_key


def product_of(key: str) -> str:
    """The product in a unit's or lot's key."""
    return named_in(key)[0]


def name_of(key: str) -> str:
    """The serial or lot in a key; a key of another kind without its kind."""
    return named_in(key)[1]


def unit(reader: Reader, serial: str, product: str | None = None) -> str:
    """The key of the unit with this serial. Raises `UsageError` if there is none, or several products have it."""
    return _one(reader, "unit", serial, product)


def lot(reader: Reader, name: str, product: str | None = None) -> str:
    """The key of the lot of this name. Raises `UsageError` if there is none, or several products have it."""
    return _one(reader, "lot", name, product)


def every(reader: Reader, kind: str, name: str) -> list[str]:
    """The keys of units or lots (`kind`) of any product that have this serial or name."""
    make = unit_key if kind == "unit" else lot_key
    keys = (make(product, name) for product in genealogy.products(reader, kind))
    return [key for key in keys if exists(reader, key)]


def exists(reader: Reader, key: str) -> bool:
    """Whether anything was ever said of a unit or lot, even if it was corrected since."""
    return genealogy.exists(reader, key)


def _one(reader: Reader, kind: str, name: str, product: str | None) -> str:
    make = unit_key if kind == "unit" else lot_key
    if product is not None:
        found = [key] if exists(reader, key := make(product, name)) else []
    else:
        found = every(reader, kind, name)
        if not found and "/" in name and exists(reader, key := f"{kind}:{name}"):
            found = [key]
    if len(found) == 1:
        return found[0]
    word = "serial" if kind == "unit" else "lot"
    if found:
        products = ", ".join(product_of(key) for key in found)
        raise UsageError(f"several products have a {word} `{name}`", remedy=f"Say which with product=: {products}.")
    raise UsageError(
        f"nothing is known of a {word} `{name}`" + (f" of product {product}" if product else ""),
        remedy="`asbuilt query unit.list` names units; the search box finds serials, lots, orders and people.",
    )
