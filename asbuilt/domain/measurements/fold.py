"""Measured values, each stored once: by characteristic, place and time. Events → rows.

What was measured on one unit is not stored again by unit: the record finds a unit's own facts as fast
(`questions.of_item`). All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.domain.meaning import item_of
from asbuilt.events import Measured
from asbuilt.rows import Interned

VERSION = 1


class Measurement(NamedTuple):
    """A characteristic was measured at a place, with the limits in force then (empty: none).

    `station` is empty where none is told; `item` is the key of the unit, lot or order it was measured on, else of the
    product or station.
    """

    characteristic: Interned
    station: Interned
    time_us: int
    fact: bytes
    item: Interned
    position: Interned
    value: str
    uom: Interned
    lower: Interned
    upper: Interned
    gauge: Interned


ROWS = {Measurement: ("characteristic", "station", "time_us", "fact")}
INDEXES = {Measurement: ["gauge, time_us, item WHERE gauge <> ''"]}
SHOWS = {Measurement: {"item": "product serial lot order station"}}


def _measured(fact: Measured, time_us: int) -> Iterator[Measurement]:
    yield Measurement(
        characteristic=fact.characteristic,
        station=fact.station or "",
        time_us=time_us,
        fact=fact.id.bytes,
        item=item_of(fact),
        position=fact.position or "",
        value=fact.value,
        uom=fact.uom,
        lower=fact.lower or "",
        upper=fact.upper or "",
        gauge=fact.gauge or "",
    )


RULES = {Measured: _measured}
