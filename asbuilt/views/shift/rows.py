"""The rows of the view `shift`.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.rows import Interned


class Reported(NamedTuple):
    """Work that people reported, as an interval (`kind` as in `pieces.Made`)."""

    station: Interned
    time_us: int
    fact: bytes
    start_us: int
    kind: Interned
    order_no: Interned
    product: Interned
    by: Interned


class Handover(NamedTuple):
    """A shift was handed over and signed."""

    line: Interned
    day: Interned
    shift: Interned
    time_us: int
    fact: bytes
    by: Interned


class Note(NamedTuple):
    """A person's note; `place` is the station, else the line, else empty; `shift` is `DAY ID` where it names one."""

    place: Interned
    time_us: int
    fact: bytes
    text: str
    by: Interned
    about: Interned
    shift: Interned
