"""What a fact says, decided once: pure rules that every fold and question uses, never written a second time.

One function a rule, each with its reason. A rule sees facts alone: no rows, no plant, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeVar

from asbuilt.events import (
    Counted,
    Event,
    GapFound,
    HeartbeatMissed,
    Measured,
    OperationCompleted,
    OperationReported,
    OperationStarted,
    RunRecorded,
    SourceConnected,
    SourceLost,
    StateChanged,
    lot_key,
    microseconds,
    unit_key,
)

# --------------------------------------------------------------------------- what a fact is about


def item_of(fact: Any) -> str:
    """The narrowest thing a fact is about, as a subject key: unit, lot, order, product or station; empty if none is told."""
    # Asked for nearly every fact: nothing is looked at that is not needed.
    if (serial := getattr(fact, "serial", None)) is not None:
        return unit_key(fact.product, serial)
    if (lot := getattr(fact, "lot", None)) is not None:
        return lot_key(fact.product, lot)
    for kind in ("order", "product", "station"):
        if (name := getattr(fact, kind, None)) is not None:
            return f"{kind}:{name}"
    return ""


def named_in(key: str) -> tuple[str, str]:
    """Product and name in the key of a unit or lot; of a key of another kind nothing and its name."""
    kind, _, rest = key.partition(":")
    if kind not in ("unit", "lot"):
        return "", rest
    product, _, name = rest.partition("/")
    return product.replace("%2F", "/").replace("%25", "%"), name


def speaks_of(said: str, item: str, *, order: str = "", station: str = "") -> bool:
    """Whether what is said later of `said` is said of a hold or a case that was told of `item`, with that order and station.

    The narrowest thing said decides, and what is wider holds for what is narrower: said of nothing, it is said of all; of
    a product, of its units and lots too; of an order or a station alone, of everything that was told with it. A
    thing that was not told is never meant by a wider word, so that no hold is lifted by a station that it does not name.
    """
    if said in ("", item):
        return True
    kind, _, name = said.partition(":")
    if kind == "product":
        return named_in(item)[0] == name
    return bool(name) and name == {"order": order, "station": station}.get(kind)


# --------------------------------------------------------------------------- pieces


class Pieces(NamedTuple):
    """Whole pieces: good, rejected (scrap), for review, sent to rework."""

    good: int
    rejected: int
    for_review: int
    rework: int


def pieces_of(fact: Counted | OperationCompleted | OperationReported) -> Pieces:
    """The pieces a fact brings forth.

    A unit that completed with no quantities told is one good piece. A report brings pieces forth only as production:
    what a setup or a breakdown made is not output.
    """
    match fact:
        case Counted():
            return Pieces(fact.good, fact.rejected, fact.for_review, 0)
        case OperationCompleted():
            told = fact.good or fact.scrap or fact.rework
            return Pieces(1 if fact.serial is not None and not told else fact.good, fact.scrap, 0, fact.rework)
        case OperationReported():
            return (
                Pieces(fact.good, fact.rejected, fact.for_review, 0)
                if fact.kind == "production"
                else Pieces(0, 0, 0, 0)
            )


# --------------------------------------------------------------------------- when a source was heard

OWN_SOURCE = "asbuilt"
"""The source of what the product itself says (plant files, rejections, silences)."""
OBSERVATIONS: frozenset[type[Event]] = frozenset(
    (StateChanged, Counted, OperationStarted, OperationCompleted, OperationReported, Measured, RunRecorded)
)
"""What is seen of a station while it happens: it shows that somebody observes. What people explain, plan, note or
decide later is no observation of the moment at which they say it."""
WATCHING: frozenset[type[Event]] = frozenset((SourceConnected, SourceLost, HeartbeatMissed, GapFound))
"""What is said about sources, by the watch over them or by a part in front of them: no word of theirs."""


def lost_since_us(fact: HeartbeatMissed | SourceLost, time_us: int) -> int:
    """Since when a source that is said to be lost at `time_us` was silent.

    Never later than the moment at which it is said: a sender whose clock is ahead cannot be heard after it was lost.
    """
    seen_us = microseconds(fact.last_seen) if fact.last_seen is not None else time_us
    return min(seen_us, time_us)


# --------------------------------------------------------------------------- what is one stop

Told = tuple[str, str]
"""A state and the reason told with it; empty where none is."""

_ABORT = ("Aborting", "Aborted", "Clearing")
_STOP = ("Stopping", "Stopped")
_HOLD = ("Holding", "Held", "Unholding")
_SUSPEND = ("Suspending", "Suspended", "Unsuspending")
_FOLLOWS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_ABORT, (*_ABORT, "Stopped", "Resetting")),
    **dict.fromkeys(_STOP, (*_STOP, "Resetting")),
    **dict.fromkeys(_HOLD, _HOLD),
    **dict.fromkeys(_SUSPEND, _SUSPEND),
}
"""Which states go on with the stop that a state belongs to: PackML passes Aborting, Aborted, Clearing, Stopped and
Resetting on its way back from one stop."""
_RUNS = ("Execute", "Starting", "Completing")
_LEAD = {
    **dict.fromkeys(_ABORT, "Aborted"),
    **dict.fromkeys(_STOP, "Stopped"),
    **dict.fromkeys(_HOLD, "Held"),
    **dict.fromkeys(_SUSPEND, "Suspended"),
}


def goes_on(before: Told, after: Told, reason: str = "") -> bool:
    """Whether a change of state goes on with what stood: the same state, or the next state of the same stop.

    Another reason than the one told so far (`reason`) is another stop, and so is the same state told again without its
    reason: that was taken back. A reason that comes later is that of the whole stop. What runs is no stop.
    """
    if before[0] in _RUNS:
        return False
    known = reason or before[1]
    if known and after[1] and known != after[1]:
        return False
    if not known and after[1] and before[0] in _ABORT and after[0] in _STOP:
        # Aborted for nobody knows what, then stopped for a reason: that reason is not why it aborted.
        return False
    if after[0] == before[0]:
        return bool(after[1]) or not before[1]
    return after[0] in _FOLLOWS.get(before[0], ())


def comes_after(state: str) -> bool:
    """Whether a state may go on with a stop that began in another one."""
    return state in _LEAD or state == "Resetting"


@lru_cache(maxsize=4096)
def changes_meaning(before: Told, after: Told) -> bool:
    """Whether what goes on reads otherwise than it was told: for another reason, or as part of a stop of other kind."""
    if not goes_on(before, after):
        return False
    return before[1] != after[1] or lead_of(before[0]) != lead_of(after[0])


def lead_of(state: str) -> str:
    """The state by which a stop that begins with this state goes: Aborted for Aborting, Held for Holding."""
    return _LEAD.get(state, state)


class Instant(Protocol):
    """A row told for an instant, microseconds since 1970 UTC."""

    @property
    def time_us(self) -> int:
        """The instant."""
        ...


T = TypeVar("T", bound=Instant)


def last_of_instants(later_first: Sequence[T]) -> list[T]:
    """What was told for an instant, one row an instant, in the given order: the latest first, by time and then by id.

    Of two states told for one instant the one of the later id holds; the other lasted for no time.
    """
    found: list[T] = []
    for row in later_first:
        if not found or row.time_us != found[-1].time_us:
            found.append(row)
    return found


# --------------------------------------------------------------------------- who is believed about pieces

TELLERS = ("completed", "counted", "reported")
"""The ways in which pieces are told, the one that is believed first: identified units, counters, people."""
TELLS_FOR_H = 168
"""So many hours after it last told pieces, a way of telling still speaks for its station: a week.

A weekend or a short holiday passes in it: the counter that is read on the morning after tells again of units that were
told one by one.
"""


def tellers_over(told: Mapping[str, Sequence[int]]) -> list[tuple[int, int, str]]:
    """Which way of telling is believed from which hour to which (half-open), in order; where nobody spoke, none.

    `told` says of each way in which hours it told pieces at the station, in order. A way speaks from the hour in which
    it first tells, as who tells beside it in that hour tells of the same pieces, until it was silent for a week; of
    several that speak, the first of `TELLERS` is believed. So what is believed of an hour follows from what was told
    up to it, never from the window that is asked: the parts of a window add up to it.
    """
    speaks: dict[str, list[tuple[int, int]]] = {}
    for name, hours in told.items():
        spans = speaks.setdefault(name, [])
        for hour in hours:
            if spans and hour <= spans[-1][1]:
                spans[-1] = (spans[-1][0], hour + TELLS_FOR_H)
            else:
                spans.append((hour, hour + TELLS_FOR_H))
    edges = sorted({edge for spans in speaks.values() for span in spans for edge in span})
    found: list[tuple[int, int, str]] = []
    for a, b in pairwise(edges):
        name = next((name for name in TELLERS if any(c <= a < d for c, d in speaks.get(name, ()))), "")
        if name:
            found.append((a, b, name))
    return found


# --------------------------------------------------------------------------- alarms and holds

ALARM_TURN = {
    what: turn
    for turn, what in enumerate(
        ("removed from service", "suppressed", "raised", "acknowledged", "shelved", "cleared", "reset", "unsuppressed",
         "placed in service")
    )
}  # fmt: skip
"""The order of what was said about an alarm at one instant: put aside by design before it is raised, raised before seen,
seen before shelved, shelved before cleared, and back last; so one that is raised and cleared at one instant does not
stand, and one that is gone as its suppression ends does not ask. Ids break ties."""


def alarm_place(fact: Any) -> str:
    """Where an alarm is: its station's path, `source:NAME` for one about a source, empty for the plant."""
    if fact.station is not None:
        return str(fact.station)
    return f"source:{fact.adapter}" if fact.adapter is not None else ""
