"""Where a unit stood, and where what was told of it does not fit together: from all its passages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.domain.passages.rows import LONG_STAY_US, Oddity, Passage, Stay


class Place(NamedTuple):
    """At a station, or after it in the buffer; `NOWHERE` is off the line."""

    station: str
    phase: str


NOWHERE = Place("", "")


def stays(passages: list[Passage]) -> Iterator[Stay | Oddity]:
    """Where a unit stood, from all its passages in order of time.

    A unit is at one place at a time, so a count of stays can never be negative; what does not
    fit becomes an `Oddity`: completed twice, completed without a start, started elsewhere while
    still at a station, seen again after it was scrapped or shipped.
    """
    unit = passages[0].unit
    here, since, gone = NOWHERE, 0, ""
    for passage in passages:
        kind = _contradiction(passage, here, gone)
        if kind:
            yield Oddity(unit=unit, time_us=passage.time_us, kind=kind, station=passage.station, other=here.station)
        if passage.what == "completed" and passage.start_us and here != Place(passage.station, "at"):
            # The source told only the end: the unit has been at the station since the start it gave.
            began = max(passage.start_us, since)
            yield from _stay(unit, since, began, here)
            here, since = Place(passage.station, "at"), began
        place = _place(passage, here)
        if place != here:
            yield from _stay(unit, since, passage.time_us, here)
            here, since = place, passage.time_us
        if passage.what in ("scrapped", "shipped"):
            gone = passage.what
        elif passage.what == "returned":
            gone = ""
    if here != NOWHERE:
        yield Stay(unit=unit, from_us=since, until_us=0, long=1, station=here.station, phase=here.phase)


def _place(passage: Passage, here: Place) -> Place:
    """Where the unit is after this passage."""
    match passage.what:
        case "started":
            return Place(passage.station, "at")
        case "completed":
            lost = passage.scrap and not passage.good and not passage.rework
            return NOWHERE if lost else Place(passage.station, "after")
        case "scrapped" | "packed" | "shipped":
            return NOWHERE
        case "released":
            return here if here.phase == "at" else NOWHERE
    return here


def _contradiction(passage: Passage, here: Place, gone: str) -> str:
    if gone and passage.what in ("started", "completed"):
        return f"seen after it was {gone}"
    if passage.what == "started" and here.phase == "at":
        return "started twice" if passage.station == here.station else "started elsewhere while still here"
    if passage.what == "completed" and not passage.start_us and here != Place(passage.station, "at"):
        return "completed twice" if here == Place(passage.station, "after") else "completed without a start"
    return ""


def _stay(unit: str, from_us: int, until_us: int, place: Place) -> Iterator[Stay]:
    if place != NOWHERE and until_us > from_us:
        long = int(until_us - from_us > LONG_STAY_US)
        yield Stay(unit=unit, from_us=from_us, until_us=until_us, long=long, station=place.station, phase=place.phase)
