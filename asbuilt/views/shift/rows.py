"""The rows of the view `shift`; an hour is counted from 1970 by UTC.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from typing import NamedTuple


class Made(NamedTuple):
    """Pieces made at a station in an hour, as one way of telling has it.

    `told` is counted, completed, reported, or started (a beginning, without pieces). `start_us`
    is 0 where it is not told; `kind` is of reports: setup, production, rework (production that mends)
    or breakdown. `rework` counts pieces sent to rework; `reading` is -1 without a counter's value.
    """

    station: str
    hour: int
    time_us: int
    fact: bytes
    told: str
    kind: str
    start_us: int
    order_no: str
    product: str
    good: int
    rejected: int
    for_review: int
    rework: int
    reading: int
    by: str


class Pieces(NamedTuple):
    """The pieces of a station's hour, as one way of telling has them for an order and product."""

    station: str
    hour: int
    told: str
    kind: str
    order_no: str
    product: str
    good: int
    rejected: int
    for_review: int
    rework: int


class Reported(NamedTuple):
    """Work that people reported, as an interval (`kind` as in `Made`)."""

    station: str
    time_us: int
    fact: bytes
    start_us: int
    kind: str
    order_no: str
    product: str
    by: str


class Run(NamedTuple):
    """A serialised unit was completed at a station; `clean` if it was good without rework or scrap."""

    item: str
    station: str
    time_us: int
    fact: bytes
    clean: int


class First(NamedTuple):
    """A unit's first completion at a station (ISO 22400-2: IP, and GP where `clean`)."""

    item: str
    station: str
    time_us: int
    clean: int


class OrderStep(NamedTuple):
    """An order was released (`what` is released) or closed."""

    order_no: str
    time_us: int
    fact: bytes
    what: str
    product: str
    quantity: int


class Handover(NamedTuple):
    """A shift was handed over and signed."""

    line: str
    day: str
    shift: str
    time_us: int
    fact: bytes
    by: str


class Note(NamedTuple):
    """A person's note; `place` is the station, else the line, else empty; `shift` is `DAY ID` where it names one."""

    place: str
    time_us: int
    fact: bytes
    text: str
    by: str
    about: str
    shift: str
