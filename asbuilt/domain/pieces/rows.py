"""The rows of `pieces`: what every fact that brings pieces forth says of them, once, and whole hours of it.

All times are microseconds since 1970 UTC; an hour is counted from then, by UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.rows import Interned


class Made(NamedTuple):
    """Pieces made at a station in an hour, as one way of telling has it; the station is empty where none is told.

    `told` is counted, completed, reported, or started (a beginning, without pieces). `start_us` is `time_us` where
    no begin is told; `kind` is of reports: setup, production, rework (production that mends) or breakdown. `rework` counts pieces
    sent to rework; `reading` is -1 without a counter's value.
    """

    station: Interned
    hour: int
    time_us: int
    fact: bytes
    told: Interned
    kind: Interned
    start_us: int
    operation: Interned
    order_no: Interned
    product: Interned
    good: int
    rejected: int
    for_review: int
    rework: int
    reading: int
    by: Interned


class Pieces(NamedTuple):
    """The pieces of a station's hour, as one way of telling has them for an order and product."""

    station: Interned
    hour: int
    told: Interned
    kind: Interned
    order_no: Interned
    product: Interned
    good: int
    rejected: int
    for_review: int
    rework: int


class Worked(NamedTuple):
    """The order and product that were told last at a station in an hour; no row where none was."""

    station: Interned
    hour: int
    time_us: int
    fact: bytes
    order_no: Interned
    product: Interned


class Run(NamedTuple):
    """A serialised unit was completed at a station; `clean` if it was good without rework or scrap."""

    item: Interned
    station: Interned
    time_us: int
    fact: bytes
    clean: int


class First(NamedTuple):
    """A unit's first completion at a station (ISO 22400-2: IP, and GP where `clean`)."""

    item: Interned
    station: Interned
    time_us: int
    clean: int
