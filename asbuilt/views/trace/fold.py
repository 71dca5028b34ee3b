"""Lots and their ways: received, split, merged, opened. Events → rows, each of one fact.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row; lots are named
by their subject keys. What a split or merge says of two lots stands under both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.events import LotMerged, LotOpened, LotReceived, LotSplit, lot_key

VERSION = 1


class Receipt(NamedTuple):
    """A lot came in from a supplier."""

    lot: str
    time_us: int
    fact: bytes
    quantity: str
    uom: str
    supplier: str
    supplier_lot: str
    heat: str
    country: str
    certificate: str
    order_no: str
    by: str


class LotMove(NamedTuple):
    """A quantity went out of a lot into another (`what` is out) or came in from it (in)."""

    lot: str
    time_us: int
    fact: bytes
    what: str
    other: str
    number: int
    quantity: str
    uom: str


class Opening(NamedTuple):
    """A lot, or a container of it, is in use at a station from now on."""

    lot: str
    time_us: int
    fact: bytes
    container: str
    station: str
    by: str


ROWS = {
    Receipt: ("lot", "time_us", "fact"),
    LotMove: ("lot", "time_us", "fact", "what", "other", "number"),
    Opening: ("lot", "time_us", "fact"),
}
INDEXES = {
    Receipt: ["heat WHERE heat <> ''", "supplier_lot WHERE supplier_lot <> ''", "supplier WHERE supplier <> ''"],
    Opening: ["container WHERE container <> ''", "station, time_us"],
}


def _received(fact: LotReceived, time_us: int) -> Iterator[Receipt]:
    yield Receipt(
        lot_key(fact.product, fact.lot), time_us, fact.id.bytes, fact.quantity, fact.uom, fact.supplier or "",
        fact.supplier_lot or "", fact.heat or "", fact.origin_country or "", fact.certificate_digest or "",
        fact.order or "", fact.by or "",
    )  # fmt: skip


def _split(fact: LotSplit, time_us: int) -> Iterator[LotMove]:
    whole = lot_key(fact.product, fact.lot)
    for number, part in enumerate(fact.into):
        name = lot_key(fact.product, part.lot)
        yield LotMove(whole, time_us, fact.id.bytes, "out", name, number, part.quantity, fact.uom)
        yield LotMove(name, time_us, fact.id.bytes, "in", whole, number, part.quantity, fact.uom)


def _merged(fact: LotMerged, time_us: int) -> Iterator[LotMove]:
    whole = lot_key(fact.product, fact.lot)
    for number, part in enumerate(fact.merged):
        name = lot_key(fact.product, part.lot)
        yield LotMove(whole, time_us, fact.id.bytes, "in", name, number, part.quantity, fact.uom)
        yield LotMove(name, time_us, fact.id.bytes, "out", whole, number, part.quantity, fact.uom)


def _opened(fact: LotOpened, time_us: int) -> Iterator[Opening]:
    yield Opening(
        lot_key(fact.product, fact.lot), time_us, fact.id.bytes, fact.container or "", fact.station, fact.by or ""
    )


RULES = {LotReceived: _received, LotSplit: _split, LotMerged: _merged, LotOpened: _opened}
