"""Which unit is meant: a serial alone is enough where only one product has it."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import lot_key, unit_key

_TABLES = {
    "unit": (("unit_status", "unit"), ("unit_link", "unit"), ("unit_link", "part"), ("unit_fitting", "unit"),
             ("unit_run", "unit"), ("unit_case", "item"), ("unit_hold_step", "item")),
    "lot": (("trace_receipt", "lot"), ("trace_lot_move", "lot"), ("trace_opening", "lot"), ("unit_link", "lot"),
            ("unit_case", "item"), ("unit_hold_step", "item")),
}  # fmt: skip
_INDEXED_WHERE_FILLED = {("unit_link", "part"), ("unit_link", "lot"), ("unit_case", "item")}
MAX_PRODUCTS = 2_000


def product_of(key: str) -> str:
    """The product in a unit's or lot's key."""
    return key.partition(":")[2].partition("/")[0].replace("%2F", "/").replace("%25", "%")


def name_of(key: str) -> str:
    """The serial or lot in a key; a key of another kind without its kind."""
    kind, _, rest = key.partition(":")
    return rest.partition("/")[2] if kind in ("unit", "lot") else rest


def unit(reader: Reader, serial: str, product: str | None = None) -> str:
    """The key of the unit with this serial. Raises `UsageError` if there is none, or several products have it."""
    return _one(reader, "unit", serial, product)


def lot(reader: Reader, name: str, product: str | None = None) -> str:
    """The key of the lot of this name. Raises `UsageError` if there is none, or several products have it."""
    return _one(reader, "lot", name, product)


def every(reader: Reader, kind: str, name: str) -> list[str]:
    """The keys of units or lots (`kind`) of any product that have this serial or name."""
    return [key for key in dict.fromkeys(f"{start}{name}" for start in _starts(reader, kind)) if exists(reader, key)]


def exists(reader: Reader, key: str) -> bool:
    """Whether anything was ever said of a unit or lot, even if it was corrected since."""
    return any(
        reader.select(f"SELECT 1 FROM {table} WHERE {column} = ? {_filled(table, column)} LIMIT 1", key)
        for table, column in _TABLES[key.partition(":")[0]]
    ) or bool(reader.facts(key, 0, 1))


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


def _starts(reader: Reader, kind: str) -> Iterator[str]:
    """`kind:PRODUCT/` for every product that rows speak of: each found by one step into an index."""
    seen = set()
    for table, column in _TABLES[kind]:
        after = f"{kind}:"
        for _ in range(MAX_PRODUCTS):
            sql = f"SELECT {column} FROM {table} WHERE {column} > ? AND {column} < ? {_filled(table, column)} ORDER BY {column} LIMIT 1"
            found = reader.select(sql, after, f"{kind};")
            if not found:
                break
            start = found[0][0].partition("/")[0] + "/"
            if start not in seen:
                seen.add(start)
                yield start
            # "0" follows "/": the first key of the next product.
            after = start[:-1] + "0"


def _filled(table: str, column: str) -> str:
    return f"AND {column} <> ''" if (table, column) in _INDEXED_WHERE_FILLED else ""
