"""Alarms (ISA-18.2): everything said about each, and from when to when it stood. Events → rows.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.events import AlarmAcknowledged, AlarmCleared, AlarmRaised, AlarmShelved, microseconds

VERSION = 1


class Step(NamedTuple):
    """An alarm was raised, acknowledged, shelved or cleared; `place` is the station, or `source:NAME`."""

    subject: str
    time_us: int
    fact: bytes
    what: str
    alarm: str
    place: str
    priority: int
    text: str
    response: str
    detail: str
    by: str
    until_us: int
    reason: str


class Spell(NamedTuple):
    """An alarm stood from raised to cleared (`until_us` is 0 while it stands).

    `raised` counts how often it was said meanwhile; `seen_us`, `seen_by`: acknowledged when and
    by whom; `shelved_us`, `shelved_by`, `shelved_why`: put aside until when, by whom and why.
    """

    subject: str
    from_us: int
    fact: bytes
    until_us: int
    alarm: str
    place: str
    priority: int
    text: str
    response: str
    detail: str
    raised: int
    seen_us: int
    seen_by: str
    shelved_us: int
    shelved_by: str
    shelved_why: str


ROWS = {
    Step: ("subject", "time_us", "fact"),
    Spell: ("subject", "from_us", "fact"),
}
INDEXES = {Step: ["time_us"], Spell: ["from_us", "until_us"]}


def _subject(fact: Any) -> tuple[str, str]:
    place = fact.station if fact.station is not None else f"source:{fact.adapter}" if fact.adapter is not None else ""
    # A tab cannot be part of a name, so two alarms are never taken for one.
    return f"{fact.alarm}\t{place}", place


def _step(what: str) -> Any:
    def rule(fact: Any, time_us: int) -> Iterator[Step]:
        subject, place = _subject(fact)
        yield Step(
            subject, time_us, fact.id.bytes, what, fact.alarm, place, getattr(fact, "priority", 0),
            getattr(fact, "text", ""), getattr(fact, "response", ""), getattr(fact, "detail", None) or "",
            fact.by or fact.source, microseconds(fact.until) if isinstance(fact, AlarmShelved) else 0,
            getattr(fact, "reason", None) or "",
        )  # fmt: skip

    return rule


RULES = {
    AlarmRaised: _step("raised"),
    AlarmAcknowledged: _step("acknowledged"),
    AlarmShelved: _step("shelved"),
    AlarmCleared: _step("cleared"),
}


_TURN = {"raised": 0, "acknowledged": 1, "shelved": 2, "cleared": 3}


def spells(steps: list[Step]) -> Iterator[Spell]:
    """From when to when an alarm stood, from all that was said about it at one place.

    Raised again while it stands is the same spell: never a second one for the same cause.
    """
    standing: Spell | None = None
    # Of what was said at one instant, an alarm is raised before it is seen, and seen before it is cleared.
    for step in sorted(steps, key=lambda step: (step.time_us, _TURN[step.what], step.fact)):
        if step.what == "raised":
            if standing is None:
                standing = Spell(
                    step.subject, step.time_us, step.fact, 0, step.alarm, step.place, step.priority, step.text,
                    step.response, step.detail, 1, 0, "", 0, "", "",
                )  # fmt: skip
            else:
                standing = standing._replace(
                    priority=step.priority, text=step.text, detail=step.detail, raised=standing.raised + 1
                )
        elif standing is None:
            continue
        elif step.what == "cleared":
            yield standing._replace(until_us=max(step.time_us, standing.from_us + 1))
            standing = None
        elif step.what == "acknowledged" and not standing.seen_us:
            standing = standing._replace(seen_us=step.time_us, seen_by=step.by)
        elif step.what == "shelved":
            standing = standing._replace(shelved_us=step.until_us, shelved_by=step.by, shelved_why=step.reason)
    if standing is not None:
        yield standing


DERIVED = [{"rows": (Spell,), "of": Step, "by": "subject", "rule": spells}]
