"""What cameras, doors and guards saw: events → rows.

How long something was there follows from all that was told of it: by its own id where it has one (a
review of a camera), otherwise by device and category, on and off in turn.
All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.events import RoundChecked, SiteObserved, microseconds
from asbuilt.rows import ROW, Interned

VERSION = 1


class Sighting(NamedTuple):
    """Something was seen, changed or ended. `start_us` is 0 where it is not told; `ended` is 1 when it is over."""

    thing: str
    time_us: int
    fact: bytes
    device: Interned
    zone: Interned
    category: Interned
    severity: Interned
    start_us: int
    ended: int
    external_id: str
    message: str


class Presence(NamedTuple):
    """Something was in a zone for a time: `until_us` is 0 while no end was told, `last_us` when it was told of last."""

    thing: str
    zone: Interned
    from_us: int
    until_us: int
    last_us: int
    device: Interned
    category: Interned
    severity: Interned
    message: str


class Check(NamedTuple):
    """A guard passed a checkpoint of a round."""

    round: Interned
    time_us: int
    fact: bytes
    checkpoint: Interned
    message: str


ROWS = {
    Sighting: ("thing", "time_us", "fact"),
    Presence: ("thing", "zone", "from_us"),
    Check: ("round", "time_us", "fact"),
}
INDEXES = {Presence: ["from_us", "until_us, last_us", "category, from_us"], Sighting: ["time_us"]}
SHOWS = {
    Sighting: {"thing": "device category external_id", "start_us": "start_time", "ended": "end_time"},
    Presence: {
        ROW: "device category external_id zone event_time start_time end_time",
        "thing": "device category external_id", "from_us": "event_time start_time", "until_us": "event_time end_time",
        "last_us": "event_time",
    },
    Check: {},
}  # fmt: skip
_URGENCY = {"info": 0, "detection": 1, "alert": 2}


def _observed(fact: SiteObserved, time_us: int) -> Iterator[Sighting]:
    start_us = microseconds(fact.start_time) if fact.start_time else 0
    yield Sighting(
        thing=f"{fact.device}\t{fact.category}\t{fact.external_id or ''}",
        time_us=time_us,
        fact=fact.id.bytes,
        device=fact.device,
        zone=fact.zone,
        category=fact.category,
        severity=fact.severity,
        start_us=start_us,
        ended=int(fact.end_time is not None),
        external_id=fact.external_id or "",
        message=fact.message or "",
    )


def _checked(fact: RoundChecked, time_us: int) -> Iterator[Check]:
    yield Check(
        round=fact.round,
        time_us=time_us,
        fact=fact.id.bytes,
        checkpoint=fact.checkpoint,
        message=fact.message or "",
    )


def presences(rows: list[Sighting]) -> Iterator[Presence]:
    """The times one thing was there, from all that was told of it, in order of time."""
    by_zone: dict[str, list[Sighting]] = {}
    for row in rows:
        by_zone.setdefault(row.zone, []).append(row)
    over_us = max((row.time_us for row in rows if row.ended and row.external_id), default=0)
    for told in by_zone.values():
        if told[0].external_id:
            yield _presence(told, over_us)
        else:
            yield from _in_turn(told)


def _in_turn(told: list[Sighting]) -> Iterator[Presence]:
    spell: list[Sighting] = []
    for row in told:
        if not row.ended:
            spell.append(row)
        elif spell or row.start_us:
            yield _presence([*spell, row], row.time_us)
            spell = []
    if spell:
        yield _presence(spell, 0)


def _presence(told: list[Sighting], until_us: int) -> Presence:
    first, last = told[0], told[-1]
    begins = [row.start_us or row.time_us for row in told]
    urgent = max(told, key=lambda row: _URGENCY.get(row.severity, 0))
    return Presence(
        thing=first.thing,
        zone=first.zone,
        from_us=min(begins),
        until_us=max(until_us, last.time_us) if until_us else 0,
        last_us=last.time_us,
        device=first.device,
        category=first.category,
        severity=urgent.severity,
        message=last.message,
    )


RULES = {SiteObserved: _observed, RoundChecked: _checked}
DERIVED = [{"rows": (Presence,), "of": Sighting, "by": "thing", "rule": presences}]
