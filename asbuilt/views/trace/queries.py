"""Where things went and where they came from. Every query takes `at`; without it the answer is about now.

`known_at` asks what was known at a moment: only what had been recorded then counts, corrected as
was known then. `item` is KIND:ID: unit (or serial), lot, container, heat, supplier_lot, supplier,
station, gauge, program (NAME or NAME@REVISION), person or order.
"""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.domain.genealogy import questions as genealogy
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.trace import carriers, lotbook, origins
from asbuilt.views.trace import compare as compare_
from asbuilt.views.trace.answers import Comparison, LotRow, Origin, Use, WhereUsed
from asbuilt.views.unit import find

MAX_LOTS_LISTED = 10_000


def where_used(
    reader: Reader, item: str, at: dt.datetime | None = None, known_at: dt.datetime | None = None
) -> WhereUsed:
    """Every serial in which something went, when it carried it, and where the serial is now."""
    return carriers.where_used(reader, item, at, known_at)


def uses(reader: Reader, item: str, at: dt.datetime | None = None, known_at: dt.datetime | None = None) -> list[Use]:
    """The serials of `where_used` alone: the list to export."""
    return list(carriers.where_used(reader, item, at, known_at).uses)


def made_from(
    reader: Reader,
    serial: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> list[Origin]:
    """Everything that went into a unit: serials, lots and what these were made of, suppliers' lots and heats."""
    return origins.made_from(reader, find.unit(reader, serial, product), at, known_at)


def lot(
    reader: Reader,
    lot: str,
    product: str | None = None,
    at: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
) -> LotRow:
    """A lot: where it came from, what became of it, what is left."""
    return lotbook.lot_row(reader, find.lot(reader, lot, product), at, known_at)


def lots(reader: Reader, product: str | None = None, limit: int = 500, at: dt.datetime | None = None) -> list[LotRow]:
    """Lots, the one received last first."""
    until_us = microseconds(reader.instant(at))
    found = genealogy.lots_received(reader, product, until_us, max(0, min(limit, MAX_LOTS_LISTED)))
    return [lotbook.lot_row(reader, name, at, None) for name in found]


def box(reader: Reader, container: str, at: dt.datetime | None = None) -> LotRow | None:
    """The lot that was filled into a container or named with it last; nothing if none ever was."""
    found = genealogy.lot_in(reader, container, microseconds(reader.instant(at)))
    return lotbook.lot_row(reader, found, at, None) if found else None


def compare(reader: Reader, first: str, second: str, outcome: str, at: dt.datetime | None = None) -> Comparison:
    """Two populations (what carried `first`, what carried `second`) against an outcome: Fisher's exact test.

    Outcomes: above:CHARACTERISTIC:LIMIT, below:CHARACTERISTIC:LIMIT, out:CHARACTERISTIC (last value against its
    limits), run (a run failed), case or case:REASON (a nonconformance was raised), scrapped.
    """
    if first == second:
        raise UsageError("these are the same", remedy="Name two different things.")
    return compare_.compare(reader, first, second, outcome, at)
