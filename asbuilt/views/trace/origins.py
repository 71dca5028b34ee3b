"""Made-from: from a unit down to everything that went into it, narrowed in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import FOREVER, Link, Receipt, Seat
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import Origin
from asbuilt.views.trace.lots import START, Lots
from asbuilt.views.unit.build import time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import Rows, rows_for

MAX_ORIGINS = 200_000
"""So many things are told of one unit."""
_ROOT = Seat("", "", 0, b"", 0, 0, "", "", "", "", "", "", "", "", "", "")


class _Inside(NamedTuple):
    """A seat, its level, and when what was installed there was inside the unit asked about."""

    level: int
    seat: Seat
    since: int
    until: int
    path: tuple[str, ...]


def made_from(reader: Reader, unit: str, at: dt.datetime | None, known_at: dt.datetime | None) -> list[Origin]:
    """The whole answer, each component followed by what is in it."""
    zone, at_us = reader.plant(at).zone, microseconds(reader.instant(at))
    rows = rows_for(reader, known_at)
    inside = list(_inside(rows, unit, at_us))
    lots = Lots(rows, at_us)
    told = _told_of(rows, [one.seat.part for one in inside if one.seat.part], at_us)
    links = [one.seat.link for one in inside] + [link for several in told.values() for link in several]
    lots.above(
        {link.lot for link in links if link.lot} | {f"container:{link.container}" for link in links if link.container}
    )
    found: list[Origin] = []
    for one in inside:
        found += _told(one, lots, told, zone)
        if len(found) > MAX_ORIGINS:
            break
    return found


def _inside(rows: Rows, unit: str, at_us: int) -> Iterator[_Inside]:
    """Links below a unit, depth first in order of position and time."""
    below = rows.seats_below(unit, at_us, is_over_too=True, at_most=MAX_ORIGINS)
    waiting = [_Inside(0, _ROOT._replace(part=unit), START, FOREVER, ())]
    count = 0
    while waiting and count < MAX_ORIGINS:
        above = waiting.pop()
        if above.level:
            yield above
            count += 1
        name = above.seat.part
        if not name or name in above.path:
            continue
        for seat in sorted(below.get(name, ()), reverse=True):
            until = seat.until_us if seat.until_us <= at_us else FOREVER
            since, until = max(above.since, seat.from_us), min(above.until, until)
            if since < until:
                waiting.append(_Inside(above.level + 1, seat, since, until, (*above.path, name)))


def _told_of(rows: Rows, parts: Sequence[str], at_us: int) -> dict[str, list[Link]]:
    """Whatever links tell of parts: of which lot or container they are."""
    found: dict[str, list[Link]] = {}
    for link in rows.links_of("part", sorted(set(parts))):
        if link.from_us <= at_us and (link.lot or link.container):
            found.setdefault(link.part, []).append(link)
    return found


def _told(one: _Inside, lots: Lots, told: dict[str, list[Link]], zone: dt.tzinfo) -> Iterator[Origin]:
    seat = one.seat
    since = None if one.since == START else time_at(one.since, zone)
    until = None if one.until == FOREVER else time_at(one.until, zone)

    def origin(level: int, key: str, parent: str, contains: str, receipt: Receipt | None) -> Origin:
        kind = {"unit": "serial", "lot": "lot", "container": "container"}[key.partition(":")[0]]
        return Origin(
            level=level, kind=kind, product=product_of(key) if kind != "container" else "", id=name_of(key),
            parent=name_of(parent), position=seat.position, quantity=seat.quantity,
            uom=seat.uom, contains=contains, evidence=seat.evidence, since=since, until=until,
            supplier=receipt.supplier if receipt else "", supplier_lot=receipt.supplier_lot if receipt else "",
            heat=receipt.heat if receipt else "", country=receipt.country if receipt else "",
            received=time_at(receipt.time_us, zone) if receipt else None,
        )  # fmt: skip

    own = seat.part or seat.lot or f"container:{seat.container}"
    yield from _with_receipts(origin, one.level, own, seat.unit, "yes", lots)
    sources = origins_of([seat.link] if not seat.part else told.get(seat.part, []), lots)
    for key, sure in sorted(sources.items()):
        if key != own:
            yield from _with_receipts(origin, one.level + 1, key, own, "yes" if sure else "may", lots)


def origins_of(links: Sequence[Link], lots: Lots) -> dict[str, bool]:
    """The lots and containers of which something is in what was installed: certainly (by all that is told) or maybe."""
    told = [_origins(link, lots) for link in links]
    every = {key for one in told for key in one}
    return {key: all(one.get(key) for one in told) for key in every}


def _origins(link: Link, lots: Lots) -> dict[str, bool]:
    own = link.lot or f"container:{link.container}"
    found = {own: True, **lots.origins(own, link.from_us)}
    if link.lot and link.container:
        box = f"container:{link.container}"
        found[box] = True
        found.update((key, True) for key, sure in lots.origins(box, link.from_us).items() if sure)
    return found


def _with_receipts(make: object, level: int, key: str, parent: str, contains: str, lots: Lots) -> Iterator[Origin]:
    """A lot once for every time it came in; what was never received stands once."""
    assert callable(make)
    receipts: list[Receipt | None] = [*lots.receipts.get(key, [])] or [None]
    for receipt in receipts:
        yield make(level, key, parent, contains, receipt)
