"""Alarms as the state machine of ISA-18.2: what was said about each, and what state it was in from when to when.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row. Latching, suppression by design
and out of service have no state here: no fact tells them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.domain.meaning import ALARM_TURN, alarm_place
from asbuilt.events import AlarmAcknowledged, AlarmCleared, AlarmRaised, AlarmShelved, microseconds
from asbuilt.rows import ROW
from asbuilt.time import FOREVER_US

VERSION = 1

NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED = "NORM", "UNACK", "ACK", "RTN-UNACK"
"""The states of an alarm; RTN-UNACK is returned to normal, unacknowledged. Shelving lies over any of them."""
STANDS = (UNACKNOWLEDGED, ACKNOWLEDGED)
"""The states in which the condition of an alarm is present."""
SHELF_ENDS = "shelf ends"


class Step(NamedTuple):
    """An alarm was raised, acknowledged, shelved or cleared; `place` is the station, `source:NAME`, or empty."""

    alarm: str
    place: str
    time_us: int
    fact: bytes
    what: str
    priority: int
    text: str
    response: str
    detail: str
    by: str
    until_us: int
    reason: str


class Phase(NamedTuple):
    """An alarm was in one state from when to before when; `what` began it: the step, or `shelf ends`.

    A phase without length says what happened at its instant only. Plain normal without a shelf is kept that way.
    `asks` is 1 where it began to ask for a response (an annunciation). `since_us`: its condition came; `asked_us`: it
    last asked; `gone_us`: its condition went (0 while it stands); `raised`: how often it was said meanwhile;
    `seen_us`, `seen_by`: acknowledged; `shelved_us`, `shelved_by`, `shelved_why`: shelved until when, by whom, why.
    """

    alarm: str
    place: str
    from_us: int
    fact: bytes
    until_us: int
    what: str
    state: str
    asks: int
    since_us: int
    asked_us: int
    gone_us: int
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


ROWS = {Step: ("alarm", "place", "time_us", "fact"), Phase: ("alarm", "place", "from_us", "fact", "what")}
INDEXES = {Step: ["time_us"], Phase: ["until_us", "from_us"]}
SHOWS = {
    Step: {"place": "station adapter", "what": "type", "by": "by source", "until_us": "until"},
    Phase: {
        ROW: "alarm station adapter event_time until priority",
        "place": "station adapter", "from_us": "event_time until", "until_us": "event_time until", "what": "type",
        "state": "type", "asks": "type", "since_us": "event_time", "asked_us": "event_time",
        "gone_us": "event_time", "raised": "type", "seen_us": "event_time", "seen_by": "by source",
        "shelved_us": "until", "shelved_by": "by source", "shelved_why": "reason",
    },
}  # fmt: skip


def _step(what: str) -> Any:
    def rule(fact: Any, time_us: int) -> Iterator[Step]:
        yield Step(
            alarm=fact.alarm,
            place=alarm_place(fact),
            time_us=time_us,
            fact=fact.id.bytes,
            what=what,
            priority=getattr(fact, "priority", 0),
            text=getattr(fact, "text", ""),
            response=getattr(fact, "response", ""),
            detail=getattr(fact, "detail", None) or "",
            by=fact.by or fact.source,
            until_us=microseconds(fact.until) if isinstance(fact, AlarmShelved) else 0,
            reason=getattr(fact, "reason", None) or "",
        )

    return rule


RULES = {
    AlarmRaised: _step("raised"),
    AlarmAcknowledged: _step("acknowledged"),
    AlarmShelved: _step("shelved"),
    AlarmCleared: _step("cleared"),
}


# --------------------------------------------------------------------------- the machine


def _raised(now: Phase, step: Step) -> Phase:
    stands, shelved = now.state in STANDS, now.shelved_us > step.time_us
    escalated = stands and step.priority < now.priority
    if not stands:
        # Of what returned to normal unacknowledged nobody can see the old condition any more: the new one asks.
        now = now._replace(since_us=step.time_us, raised=0, gone_us=0)
    if not stands or escalated:
        now = now._replace(
            state=UNACKNOWLEDGED, seen_us=0, seen_by="", asks=int(not shelved), asked_us=0 if shelved else step.time_us
        )
    return now._replace(
        priority=step.priority, text=step.text, response=step.response, detail=step.detail, raised=now.raised + 1
    )


def _acknowledged(now: Phase, step: Step) -> Phase | None:
    if now.state not in (UNACKNOWLEDGED, RETURNED):
        return None
    state = ACKNOWLEDGED if now.state == UNACKNOWLEDGED else NORMAL
    return now._replace(state=state, seen_us=step.time_us, seen_by=step.by)


def _cleared(now: Phase, step: Step) -> Phase | None:
    if now.state not in STANDS:
        return None
    return now._replace(state=NORMAL if now.state == ACKNOWLEDGED else RETURNED, gone_us=step.time_us)


def _shelved(now: Phase, step: Step) -> Phase | None:
    if step.until_us > step.time_us:
        return now._replace(shelved_us=step.until_us, shelved_by=step.by, shelved_why=step.reason)
    return _unshelved(now, step.time_us) if now.shelved_us > step.time_us else None


def _unshelved(now: Phase, time_us: int) -> Phase:
    """What stands when its shelf ends asks again: whoever had seen it before may have gone home since."""
    now = now._replace(shelved_us=0, shelved_by="", shelved_why="")
    if now.state in STANDS:
        return now._replace(state=UNACKNOWLEDGED, seen_us=0, seen_by="", asks=1, asked_us=time_us)
    return now


def _after(now: Phase, step: Step) -> Phase | None:
    match step.what:
        case "raised":
            return _raised(now, step)
        case "acknowledged":
            return _acknowledged(now, step)
        case "cleared":
            return _cleared(now, step)
        case _:
            return _shelved(now, step)


def _begun(phase: Phase, time_us: int, fact: bytes, what: str) -> Phase:
    return phase._replace(from_us=time_us, fact=fact, what=what, until_us=FOREVER_US)


def _ended(phase: Phase, until_us: int) -> Phase:
    plain = phase.state == NORMAL and not phase.shelved_us
    return phase._replace(until_us=phase.from_us if plain else until_us)


def phases(steps: list[Step]) -> Iterator[Phase]:
    """The states of one alarm at one place, from all that was said about it: the machine of ISA-18.2.

    Of what was said at one instant an alarm is raised before it is seen, seen before it is shelved, and shelved before
    it is cleared; ids break ties. A shelf that ends at an instant has ended before whatever is said then.
    """
    if not steps:
        return
    now = Phase(
        alarm=steps[0].alarm, place=steps[0].place, from_us=0, fact=b"", until_us=0, what="", state=NORMAL, asks=0,
        since_us=0, asked_us=0, gone_us=0, priority=0, text="", response="", detail="", raised=0, seen_us=0, seen_by="",
        shelved_us=0, shelved_by="", shelved_why="",
    )  # fmt: skip
    shelf = b""
    for step in sorted(steps, key=lambda step: (step.time_us, ALARM_TURN[step.what], step.fact)):
        if 0 < now.shelved_us <= step.time_us:
            yield _ended(now, now.shelved_us)
            now = _begun(_unshelved(now._replace(asks=0), now.shelved_us), now.shelved_us, shelf, SHELF_ENDS)
        following = _after(now._replace(asks=0), step)
        if following is None:
            continue
        if now.what:
            yield _ended(now, step.time_us)
        now = _begun(following, step.time_us, step.fact, step.what)
        shelf = step.fact if step.what == "shelved" else shelf
    if now.shelved_us:
        yield _ended(now, now.shelved_us)
        now = _begun(_unshelved(now._replace(asks=0), now.shelved_us), now.shelved_us, shelf, SHELF_ENDS)
    if now.what:
        yield _ended(now, FOREVER_US)


DERIVED = [{"rows": (Phase,), "of": Step, "by": ("alarm", "place"), "rule": phases}]
