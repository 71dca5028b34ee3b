"""Alarms as the state machine of ISA-18.2: what was said about each, and what state it was in from when to when.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row. Beside its state an alarm may be put
aside: shelved, suppressed by design or out of service. Those lie over any state, since what happens beneath them is what
stands when they end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from asbuilt.domain.meaning import ALARM_TURN, alarm_place
from asbuilt.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmPlacedInService,
    AlarmRaised,
    AlarmRemovedFromService,
    AlarmReset,
    AlarmShelved,
    AlarmSuppressed,
    AlarmUnsuppressed,
    microseconds,
)
from asbuilt.rows import ROW, Interned
from asbuilt.time import FOREVER_US

VERSION = 2

NORMAL, UNACKNOWLEDGED, ACKNOWLEDGED, RETURNED = "NORM", "UNACK", "ACK", "RTN-UNACK"
LATCHED, LATCHED_SEEN = "LATCH-UNACK", "LATCH-ACK"
"""The states of an alarm; RTN-UNACK is returned to normal, unacknowledged. LATCH-UNACK and LATCH-ACK: its condition is
gone, and it stands until somebody resets it."""
STANDS = (UNACKNOWLEDGED, ACKNOWLEDGED)
"""The states in which the condition of an alarm is present."""
ACTIVE = (*STANDS, LATCHED, LATCHED_SEEN)
"""The states in which it stands: its condition is present, or it waits to be reset."""
UNSEEN = (UNACKNOWLEDGED, RETURNED, LATCHED)
"""The states in which nobody has acknowledged it."""
SHELVED, SUPPRESSED, OUT_OF_SERVICE = "SHLVD", "SUPPR", "OOSRV"
"""How an alarm is put aside, so that it asks for nothing."""
SHELF_ENDS, SERVICE_BEGINS = "shelf ends", "service begins"


class Step(NamedTuple):
    """Something was said about an alarm (`what`, a word of `meaning.ALARM_TURN`); `place` is the station, `source:NAME`, or empty.

    `rule`: what suppresses it; `latching`: 1 where what is raised stands until it is reset.
    """

    alarm: Interned
    place: Interned
    time_us: int
    fact: bytes
    what: Interned
    priority: int
    text: Interned
    response: Interned
    detail: str
    by: Interned
    until_us: int
    reason: Interned
    rule: Interned
    latching: int


class Phase(NamedTuple):
    """An alarm was in one state from when to before when; `what` began it: the step, `shelf ends` or `service begins`.

    A phase without length says what happened at its instant only. Plain normal that is not put aside is kept that way.
    `asks` is 1 where it began to ask for a response (an annunciation). `since_us`: its condition came; `asked_us`: it
    last asked, 0 if it has not since it came; `gone_us`: its condition went (0 while it stands); `raised`: how often it
    was said meanwhile; `seen_us`, `seen_by`: acknowledged; `shelved_us`, `shelved_by`, `shelved_why`: shelved until when, by
    whom, why; `suppressed_…`: since when, by what rule or whom, why; `out_…`: out of service until when (`FOREVER_US`
    until it is placed back), by whom, why.
    """

    alarm: Interned
    place: Interned
    from_us: int
    fact: bytes
    until_us: int
    what: Interned
    state: Interned
    asks: int
    since_us: int
    asked_us: int
    gone_us: int
    priority: int
    text: Interned
    response: Interned
    detail: str
    latching: int
    raised: int
    seen_us: int
    seen_by: Interned
    shelved_us: int
    shelved_by: Interned
    shelved_why: Interned
    suppressed_us: int
    suppressed_by: Interned
    suppressed_why: Interned
    out_us: int
    out_by: Interned
    out_why: Interned

    @property
    def aside(self) -> str:
        """How it is put aside, the strongest way first: OOSRV, SUPPR or SHLVD; empty while it may ask."""
        if self.out_us:
            return OUT_OF_SERVICE
        return SUPPRESSED if self.suppressed_us else SHELVED if self.shelved_us else ""


ROWS = {Step: ("alarm", "place", "time_us", "fact"), Phase: ("alarm", "place", "from_us", "fact", "what")}
INDEXES = {Step: ["time_us"], Phase: ["until_us", "from_us"]}
SHOWS = {
    Step: {"place": "station adapter", "what": "type", "by": "by source", "until_us": "until"},
    Phase: {
        ROW: "alarm station adapter event_time until priority latching",
        "place": "station adapter", "from_us": "event_time until", "until_us": "event_time until", "what": "type",
        "state": "type", "asks": "type", "since_us": "event_time", "asked_us": "event_time",
        "gone_us": "event_time", "raised": "type", "seen_us": "event_time", "seen_by": "by source",
        "shelved_us": "until", "shelved_by": "by source", "shelved_why": "reason",
        "suppressed_us": "event_time", "suppressed_by": "rule by source", "suppressed_why": "reason",
        "out_us": "until", "out_by": "by source", "out_why": "reason",
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
            until_us=microseconds(until) if (until := getattr(fact, "until", None)) is not None else 0,
            reason=getattr(fact, "reason", None) or "",
            rule=getattr(fact, "rule", None) or "",
            latching=int(getattr(fact, "latching", False)),
        )

    return rule


RULES = {
    AlarmRaised: _step("raised"),
    AlarmAcknowledged: _step("acknowledged"),
    AlarmShelved: _step("shelved"),
    AlarmCleared: _step("cleared"),
    AlarmReset: _step("reset"),
    AlarmSuppressed: _step("suppressed"),
    AlarmUnsuppressed: _step("unsuppressed"),
    AlarmRemovedFromService: _step("removed from service"),
    AlarmPlacedInService: _step("placed in service"),
}


# --------------------------------------------------------------------------- the machine


def _raised(now: Phase, step: Step) -> Phase:
    stands, asks = now.state in STANDS, not now.aside
    escalated = stands and step.priority < now.priority
    if not stands:
        # Of what returned to normal unacknowledged nobody can see the old condition any more: the new one asks.
        now = now._replace(since_us=step.time_us, raised=0, gone_us=0)
    if not stands or escalated:
        # What asked before it was put aside and nobody has seen still waits for somebody.
        asked_us = step.time_us if asks else now.asked_us if now.state in UNSEEN else 0
        now = now._replace(state=UNACKNOWLEDGED, seen_us=0, seen_by="", asks=int(asks), asked_us=asked_us)
    return now._replace(
        priority=step.priority, text=step.text, response=step.response, detail=step.detail, raised=now.raised + 1,
        latching=step.latching,
    )  # fmt: skip


_SEEN = {UNACKNOWLEDGED: ACKNOWLEDGED, RETURNED: NORMAL, LATCHED: LATCHED_SEEN}
_LATCHED = {UNACKNOWLEDGED: LATCHED, ACKNOWLEDGED: LATCHED_SEEN}
_RESET = {LATCHED: RETURNED, LATCHED_SEEN: NORMAL}


def _acknowledged(now: Phase, step: Step) -> Phase | None:
    if now.state not in _SEEN:
        return None
    return now._replace(state=_SEEN[now.state], seen_us=step.time_us, seen_by=step.by)


def _cleared(now: Phase, step: Step) -> Phase | None:
    """What came and went while it was put aside never asked anybody: nobody need have seen it."""
    if now.state not in STANDS:
        return None
    if now.latching:
        return now._replace(state=_LATCHED[now.state], gone_us=step.time_us)
    seen = now.state == ACKNOWLEDGED or not now.asked_us
    return now._replace(state=NORMAL if seen else RETURNED, gone_us=step.time_us)


def _reset(now: Phase) -> Phase | None:
    """What is latched stands no longer; unseen it stays listed until somebody has seen it."""
    return now._replace(state=_RESET[now.state]) if now.state in _RESET else None


def _shelved(now: Phase, step: Step) -> Phase | None:
    if step.until_us > step.time_us:
        return now._replace(shelved_us=step.until_us, shelved_by=step.by, shelved_why=step.reason)
    return _unshelved(now, step.time_us) if now.shelved_us else None


def _unshelved(now: Phase, time_us: int) -> Phase:
    return _back(now._replace(shelved_us=0, shelved_by="", shelved_why=""), time_us)


def _suppressed(now: Phase, step: Step) -> Phase:
    since_us = now.suppressed_us or step.time_us
    return now._replace(suppressed_us=since_us, suppressed_by=step.rule or step.by, suppressed_why=step.reason)


def _unsuppressed(now: Phase, step: Step) -> Phase | None:
    if not now.suppressed_us:
        return None
    return _back(now._replace(suppressed_us=0, suppressed_by="", suppressed_why=""), step.time_us)


def _removed(now: Phase, step: Step) -> Phase | None:
    until_us = step.until_us or FOREVER_US
    if until_us <= step.time_us:
        return None
    return now._replace(out_us=until_us, out_by=step.by, out_why=step.reason)


def _placed(now: Phase, time_us: int) -> Phase | None:
    return _back(now._replace(out_us=0, out_by="", out_why=""), time_us) if now.out_us else None


def _back(now: Phase, time_us: int) -> Phase:
    """What stands and is put aside no longer asks again: whoever had seen it before may have gone home since."""
    latched_unasked = now.state == LATCHED and not now.asked_us
    if now.aside or not (now.state in STANDS or latched_unasked):
        return now
    state = LATCHED if latched_unasked else UNACKNOWLEDGED
    return now._replace(state=state, seen_us=0, seen_by="", asks=1, asked_us=time_us)


def _after(now: Phase, step: Step) -> Phase | None:
    match step.what:
        case "raised":
            return _raised(now, step)
        case "acknowledged":
            return _acknowledged(now, step)
        case "cleared":
            return _cleared(now, step)
        case "reset":
            return _reset(now)
        case "suppressed":
            return _suppressed(now, step)
        case "unsuppressed":
            return _unsuppressed(now, step)
        case "removed from service":
            return _removed(now, step)
        case "placed in service":
            return _placed(now, step.time_us)
        case _:
            return _shelved(now, step)


def _begun(phase: Phase, time_us: int, fact: bytes, what: str) -> Phase:
    return phase._replace(from_us=time_us, fact=fact, what=what, until_us=FOREVER_US)


def _ended(phase: Phase, until_us: int) -> Phase:
    plain = phase.state == NORMAL and not phase.aside
    return phase._replace(until_us=phase.from_us if plain else until_us)


class _Walk:
    """One alarm as it goes from state to state: the phase it is in, and which facts put it aside until a time."""

    def __init__(self, alarm: str, place: str) -> None:
        self.now = Phase(
            alarm=alarm, place=place, from_us=0, fact=b"", until_us=0, what="", state=NORMAL, asks=0, since_us=0,
            asked_us=0, gone_us=0, priority=0, text="", response="", detail="", latching=0, raised=0, seen_us=0,
            seen_by="", shelved_us=0, shelved_by="", shelved_why="", suppressed_us=0, suppressed_by="",
            suppressed_why="", out_us=0, out_by="", out_why="",
        )  # fmt: skip
        self.facts: dict[str, bytes] = {}

    def goes(self, following: Phase | None, time_us: int, fact: bytes, what: str) -> Iterator[Phase]:
        """Into the next phase; the one before is over."""
        if following is None:
            return
        if self.now.what:
            yield _ended(self.now, time_us)
        self.now = _begun(following, time_us, fact, what)
        self.facts[what] = fact

    def expires(self, until_us: int) -> Iterator[Phase]:
        """What was put aside until a time up to this one is back, the one that ends first first."""
        while True:
            shelf_us, out_us = self.now.shelved_us or FOREVER_US, self.now.out_us or FOREVER_US
            end_us = min(shelf_us, out_us)
            if end_us > until_us or end_us == FOREVER_US:
                return
            now = self.now._replace(asks=0)
            if shelf_us == end_us:
                yield from self.goes(_unshelved(now, end_us), end_us, self.facts["shelved"], SHELF_ENDS)
            else:
                yield from self.goes(_placed(now, end_us), end_us, self.facts["removed from service"], SERVICE_BEGINS)


def phases(steps: list[Step]) -> Iterator[Phase]:
    """The states of one alarm at one place, from all that was said about it: the machine of ISA-18.2.

    What was said at one instant has its order (`meaning.ALARM_TURN`); ids break ties. What is put aside until an instant is
    back before whatever is said then.
    """
    if not steps:
        return
    walk = _Walk(steps[0].alarm, steps[0].place)
    for step in sorted(steps, key=lambda step: (step.time_us, ALARM_TURN[step.what], step.fact)):
        yield from walk.expires(step.time_us)
        yield from walk.goes(_after(walk.now._replace(asks=0), step), step.time_us, step.fact, step.what)
    yield from walk.expires(FOREVER_US)
    if walk.now.what:
        yield _ended(walk.now, FOREVER_US)


DERIVED = [{"rows": (Phase,), "of": Step, "by": ("alarm", "place"), "rule": phases}]
