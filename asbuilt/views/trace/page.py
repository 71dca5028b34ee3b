"""The trace page: which engines are touched, where are they?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from asbuilt.access import Reader
from asbuilt.domain.genealogy import questions as genealogy
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.passages import questions as passages
from asbuilt.errors import UsageError
from asbuilt.identity import scan
from asbuilt.views.order import queries as orders
from asbuilt.views.trace import acts, carriers, queries
from asbuilt.views.trace.content import Finding
from asbuilt.views.unit import find
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Trace", "/trace", 40, "t")
ACTIONS = acts.ACTIONS
MAX_FOUND = 50


def show(
    reader: Reader, q: str = "", char: str = "", limit: str = "", at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> Shown:  # fmt: skip
    """Where something went, or the lots received last if nothing is asked."""
    q = q.strip()
    if not q:
        values = {"lots": queries.lots(reader, limit=100, at=at)}
        return Shown("Trace", {"lots": Fragment("lots", values)}, layout="index", menu="/trace")
    item = _item(reader, q)
    finding = Finding(reader, item, char, limit, at, known_at)
    own = {"f": finding, "q": q}
    fragments = {
        name: Fragment(name, own) for name in ("asked", "flow", "evidence", "containment", "serials", "origins")
    }
    return Shown(q, fragments, layout="trace", menu="/trace")


def _item(reader: Reader, q: str) -> str:
    """What is meant by what was typed or scanned: KIND:ID as it is, else whatever has that name."""
    if q.partition(":")[0] in (*carriers.KINDS, "serial") and ":" in q:
        return q
    found = things(reader, q)
    if not found:
        raise UsageError(f"nothing is known of `{q}`", remedy="Try a serial, a lot, a box, a heat, or KIND:ID such as gauge:G-014.")  # fmt: skip
    return found[0][1]


def _is_supply(kind: str, reader: Reader, name: str) -> bool:
    return genealogy.is_supply(reader, kind, name)


def _passed(kind: str, reader: Reader, name: str) -> bool:
    return passages.is_named(reader, kind, name)


def things(reader: Reader, name: str) -> list[tuple[str, str]]:
    """Whatever has this name: what it is in words, and its item (KIND:ID), the likeliest first."""
    found = _named(reader, name)
    if found:
        # A text that is known as it stands is that, whatever else it could be read as.
        return found
    try:
        read = scan.read(name)
    except UsageError:
        return []
    return _named(reader, read.name) if read.name != name else []


def _named(reader: Reader, name: str) -> list[tuple[str, str]]:
    found = [(f"unit, {find.product_of(key)}", key) for key in find.every(reader, "unit", name)]
    found += [(f"lot, {find.product_of(key)}", key) for key in find.every(reader, "lot", name)]
    found += [(kind.replace("_", " "), f"{kind}:{name}") for kind, is_named in _NAMED if is_named(reader, name)]
    return found


_NAMED: tuple[tuple[str, Callable[[Reader, str], bool]], ...] = (
    ("container", genealogy.is_container),
    *((kind, partial(_is_supply, kind)) for kind in ("heat", "supplier_lot", "supplier")),
    ("order", partial(_passed, "order")),
    ("gauge", measurements.is_gauge),
    ("program", partial(_passed, "program")),
    ("person", partial(_passed, "person")),
)


def search(reader: Reader, q: str = "", at: dt.datetime | None = None) -> Shown:
    """The search box of every page: a serial, lot, order, station, person; one answer is gone to at once."""
    q = q.strip()
    found = (
        [(words, name, _address(item)) for words, item in dict.fromkeys(things(reader, q)) for name in [q]] if q else []
    )
    if q:
        plant = reader.plant(at)
        low = q.lower()
        for line in plant.lines.values():
            address = plant.address(line)
            found += [
                (f"station of {line.name}", station.name, f"/line/{quote(address, safe='/')}/station/{quote(station.id, safe='')}")
                for station in line.station
                if low in (station.id.lower(), station.name.lower(), station.path.lower()) or low in station.name.lower().split()
            ]  # fmt: skip
            if low in (line.name.lower(), address.lower()):
                found.append(("line", line.name, f"/line/{quote(address, safe='/')}"))
        found += [(f"product, {known.name}", known.id, f"/unit?product={quote(known.id, safe='')}") for known in plant.products.values() if low == known.id.lower()]  # fmt: skip
        if any(row.order == q for row in orders.list_(reader, limit=1000, at=at)):
            found = [one for one in found if one[0] != "order"]
            found.insert(0, ("order", q, f"/orders/{quote(q, safe='')}"))
        found += (
            [(f"unit, {find.product_of(key)}", find.name_of(key), _address(key)) for key in _beginning(reader, q)]
            if not found and len(q) > 1
            else []
        )
    found = list(dict.fromkeys(found))[:MAX_FOUND]
    values = {"q": q, "found": found}
    go = found[0][2] if len(found) == 1 and at is None else ""
    return Shown(f"Search {q}", {"found": Fragment("found", values)}, layout="searched", menu="/trace", go=go)


def _address(item: str) -> str:
    kind = item.partition(":")[0]
    if kind == "unit":
        return f"/unit/{quote(find.product_of(item), safe='')}/{quote(find.name_of(item), safe='')}"
    return f"/trace?q={quote(item, safe='')}"


def _beginning(reader: Reader, q: str) -> list[str]:
    """Units whose serial begins or ends so."""
    return passages.by_name(reader, q, MAX_FOUND)


PAGES = [
    Page("/trace", show, refresh_s=0),
    Page("/search", search, live=False),
]
