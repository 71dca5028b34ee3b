"""The rows of `passages`: what happened to units as a whole, where each is now, and where it stood when.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row; units are named by their subject keys.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.rows import Interned
from asbuilt.time import DAY_US

LONG_STAY_US = DAY_US
"""Stays longer than a day are marked, so that a look at any moment finds them without a scan."""


class Passage(NamedTuple):
    """Something happened to a unit as a whole: `what` is born, started, completed, reported, released,
    packed, shipped, fitted, returned or scrapped; `rank` puts those of one instant in order.

    `place` is the container, consignee or what it was fitted in; `start_us` 0 where not told.
    """

    unit: Interned
    time_us: int
    rank: int
    fact: bytes
    what: Interned
    station: Interned
    operation: Interned
    order_no: Interned
    program: Interned
    program_revision: Interned
    start_us: int
    good: int
    scrap: int
    rework: int
    by: Interned
    place: Interned
    reason: Interned
    revision: Interned


class Status(NamedTuple):
    """Where a unit is in its life, from all its passages.

    `state`: in work, completed, packed, shipped, fitted, returned or scrapped. `place` is the station
    where it was last, or the container, consignee or what it is fitted in. Times are 0 if never.
    """

    unit: Interned
    product: Interned
    serial: str
    state: Interned
    since_us: int
    place: Interned
    station: Interned
    consignee: Interned
    order_no: Interned
    revision: Interned
    started_us: int
    completed_us: int


class Stay(NamedTuple):
    """A unit was at a station (`at`), or past it and waiting (`after`), for a time.

    `until_us` is 0 while it still is; `long` is 1 then and for stays above `LONG_STAY_US`.
    """

    unit: Interned
    from_us: int
    until_us: int
    long: int
    station: Interned
    phase: Interned


class Oddity(NamedTuple):
    """The passages of a unit contradict each other; shown, never hidden in a count."""

    unit: Interned
    time_us: int
    kind: Interned
    station: Interned
    other: Interned
