"""Test runs of units: events → rows, each of one fact.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row; units and lots are named by their
subject keys. What a unit is made of is in `domain.genealogy`, where it passed in `domain.passages`, what is held in
`domain.cases`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.events import RunRecorded, microseconds, unit_key
from asbuilt.rows import Interned

VERSION = 4


class Run(NamedTuple):
    """A test run of a unit; `curve` is the digest of its curve file, `channels` are JSON."""

    unit: Interned
    time_us: int
    fact: bytes
    start_us: int
    station: Interned
    program: Interned
    program_revision: Interned
    verdict: Interned
    curve: str
    channels: str
    by: Interned


ROWS = {Run: ("unit", "time_us", "fact")}
SHOWS = {Run: {"unit": "product serial", "start_us": "start_time", "curve": "curve_digest"}}


def _run(fact: RunRecorded, time_us: int) -> Iterator[Run]:
    yield Run(
        unit=unit_key(fact.product, fact.serial),
        time_us=time_us,
        fact=fact.id.bytes,
        start_us=microseconds(fact.start_time),
        station=fact.station,
        program=fact.program,
        program_revision=fact.program_revision or "",
        verdict=fact.verdict,
        curve=fact.curve_digest or "",
        channels="\n".join(
            "\t".join((c.name, c.uom, c.minimum, c.maximum, c.mean, c.lower or "", c.upper or ""))
            for c in fact.channels
        ),
        by=fact.by or "",
    )


RULES = {RunRecorded: _run}
