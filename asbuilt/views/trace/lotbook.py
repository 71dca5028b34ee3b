"""What came into a lot, what went out of it, and what is left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from fractions import Fraction
from itertools import groupby

from asbuilt.access import Reader
from asbuilt.domain.cases.fold import cases
from asbuilt.domain.quantities import plain, total
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import LotRow
from asbuilt.views.unit.build import time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import Rows, rows_for


def lot_row(reader: Reader, lot: str, at: dt.datetime | None, known_at: dt.datetime | None) -> LotRow:
    """One lot's book at a moment."""
    rows, zone, at_us = rows_for(reader, known_at), reader.plant(at).zone, microseconds(reader.instant(at))
    receipts = sorted(row for row in rows.receipts([lot]) if row.time_us <= at_us)
    moves = [row for row in rows.moves([lot]) if row.time_us <= at_us]
    links = [link for link in rows.links_of("lot", [lot]) if link.from_us <= at_us]
    usual, others = rows.uoms_of(lot)
    uom = next(iter([*(row.uom for row in receipts), *(row.uom for row in moves)]), usual)
    came, odd = total(
        [(row.quantity, row.uom) for row in receipts] + [(row.quantity, row.uom) for row in moves if row.what == "in"],
        uom,
    )
    out, odd_out = total([(row.quantity, row.uom) for row in moves if row.what == "out"], uom)
    # A serial that was taken out and built in again is one piece of the lot.
    once = {link.part: link for link in reversed(links) if link.part}
    taken = [*once.values(), *(link for link in links if not link.part)]
    installed, odd_in = total([(link.quantity, others.get(link.fact, usual)) for link in taken], uom)
    returned, _ = total(
        [(link.quantity, others.get(link.fact, usual)) for link in taken if not link.part and link.until_us <= at_us],
        uom,
    )
    differs = tuple(dict.fromkeys([*odd, *odd_out, *odd_in]))
    is_known = (bool(receipts) or any(row.what == "in" for row in moves)) and not differs
    left = came - out - installed
    # Of pieces without serials nobody can say whether what was taken out went in again; where the lot held too few for
    # anything else, it did.
    reused = min(max(-left, Fraction(0)), returned) if is_known else Fraction(0)
    left += reused
    scrapped = _scrapped(rows, lot, at_us, left) if is_known else Fraction(0)
    left -= scrapped
    boxes = {row.container for row in rows.openings("lot", [lot]) if row.time_us <= at_us}
    boxes |= {link.container for link in links if link.container}
    return LotRow(
        product=product_of(lot),
        lot=name_of(lot),
        uom=uom,
        quantity=plain(came),
        out=plain(out),
        installed=plain(installed),
        reused=plain(reused),
        scrapped=plain(scrapped),
        left=plain(left) if is_known else None,
        overdrawn=is_known and left < 0,
        differs=differs,
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


def _scrapped(rows: Rows, lot: str, at_us: int, left: Fraction) -> Fraction:
    """How much of a lot was decided to be scrapped or sent back, in its own unit; without a quantity anywhere all that is left."""
    steps = [case for case in rows.cases([], [lot]) if case.time_us <= at_us]
    by_name = groupby(sorted(steps, key=lambda case: case.nonconformance), key=lambda case: case.nonconformance)
    gone = Fraction(0)
    for told in (told for _, several in by_name for told in cases(several)):
        if told.raised is None or told.raised.item != lot:
            continue
        open_ = Fraction(told.raised.quantity) if told.raised.quantity else None
        for decision in told.decided:
            rest = open_ if open_ is not None else max(left - gone, Fraction(0))
            quantity = Fraction(decision.quantity) if decision.quantity else rest
            if open_ is not None:
                open_ = max(open_ - quantity, Fraction(0))
            if decision.decision in ("scrap", "return"):
                gone += quantity
    return gone


def _told(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name}))
