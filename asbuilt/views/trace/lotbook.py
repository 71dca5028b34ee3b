"""What came into a lot, what went out of it, and what is left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import EXACT
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import LotRow
from asbuilt.views.unit.build import time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import rows_for


def lot_row(reader: Reader, lot: str, at: dt.datetime | None, known_at: dt.datetime | None) -> LotRow:
    """One lot's book at a moment."""
    rows, zone, at_us = rows_for(reader, known_at), reader.plant(at).zone, microseconds(reader.instant(at))
    receipts = sorted(row for row in rows.receipts([lot]) if row.time_us <= at_us)
    moves = [row for row in rows.moves([lot]) if row.time_us <= at_us]
    links = [link for link in rows.links_of("lot", [lot]) if link.from_us <= at_us]
    came = _sum([*(row.quantity for row in receipts), *(row.quantity for row in moves if row.what == "in")])
    out = _sum(row.quantity for row in moves if row.what == "out")
    # What was taken off again has left the lot all the same: it is counted where it was put in.
    installed = _sum(link.quantity for link in links)
    is_known = bool(receipts) or any(row.what == "in" for row in moves)
    left = EXACT.subtract(EXACT.subtract(came, out), installed) if is_known else None
    boxes = {row.container for row in rows.openings("lot", [lot]) if row.time_us <= at_us}
    boxes |= {link.container for link in links if link.container}
    return LotRow(
        product=product_of(lot),
        lot=name_of(lot),
        uom=next(iter([*(row.uom for row in receipts), *(row.uom for row in moves)]), ""),
        quantity=_plain(came),
        out=_plain(out),
        installed=_plain(installed),
        left=_plain(left) if left is not None else None,
        overdrawn=left is not None and left < 0,
        suppliers=_told(row.supplier for row in receipts),
        supplier_lots=_told(row.supplier_lot for row in receipts),
        heats=_told(row.heat for row in receipts),
        countries=_told(row.country for row in receipts),
        received=time_at(receipts[0].time_us, zone) if receipts else None,
        sources=_told(name_of(row.other) for row in moves if row.what == "in"),
        targets=_told(name_of(row.other) for row in moves if row.what == "out"),
        containers=_told(boxes),
        held=any(step.item == lot for step in rows.holds([lot], at_us)),
    )


def _sum(quantities: Iterable[str]) -> Decimal:
    total = Decimal(0)
    for quantity in quantities:
        total = EXACT.add(total, Decimal(quantity))
    return total


def _plain(number: Decimal) -> str:
    return format(number.normalize(EXACT), "f")


def _told(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))
