"""Holds and nonconformances: everything said about each, and from when to when it stood on which thing.

All times are microseconds since 1970 UTC; `fact` is the id of the fact behind a row; things are named by their subject
keys, so that two of one name are two. `until_us` is `FOREVER_US` while something stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple

from asbuilt.domain.meaning import item_of, speaks_of
from asbuilt.events import (
    DispositionDecided,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
)
from asbuilt.rows import ROW, Interned
from asbuilt.time import FOREVER_US

VERSION = 3
EXACT = Context(prec=200)
"""Quantities are added and subtracted without rounding."""


class Case(NamedTuple):
    """A nonconformance was raised (`step` 0) or something decided about it (1)."""

    nonconformance: Interned
    time_us: int
    step: int
    fact: bytes
    item: Interned
    order_no: Interned
    station: Interned
    characteristic: Interned
    reason: Interned
    severity: Interned
    decision: Interned
    quantity: str
    message: str
    by: Interned


class HoldStep(NamedTuple):
    """A hold was placed (`step` 1) on an item or released (0); an empty item released is everything it stands for."""

    item: Interned
    time_us: int
    step: int
    fact: bytes
    hold: Interned
    station: Interned
    reason: Interned
    by: Interned


class Hold(NamedTuple):
    """A hold stood on an item from when to before when; `fact` placed it. One without length never stood."""

    hold: Interned
    item: Interned
    from_us: int
    until_us: int
    fact: bytes
    station: Interned
    reason: Interned
    by: Interned


class Open(NamedTuple):
    """A nonconformance stood open on an item, or on an order, from raised to decided in full; `fact` raised it."""

    nonconformance: Interned
    item: Interned
    order_no: Interned
    from_us: int
    until_us: int
    fact: bytes
    station: Interned
    reason: Interned
    severity: Interned
    by: Interned


ROWS = {
    Case: ("nonconformance", "time_us", "step", "fact"),
    HoldStep: ("item", "time_us", "step", "fact"),
    Hold: ("hold", "item", "from_us"),
    Open: ("nonconformance", "item", "order_no", "from_us"),
}
INDEXES = {
    Case: ["item WHERE item <> ''", "time_us"],
    HoldStep: ["hold, time_us"],
    Hold: ["item, until_us", "until_us"],
    Open: ["until_us"],
}
SHOWS = {
    Case: {"step": "type", "item": "product serial lot order station", "order_no": "order", "by": "by source"},
    HoldStep: {"step": "type", "item": "product serial lot station", "by": "by source"},
    Hold: {
        ROW: "hold product serial lot station event_time",
        "item": "product serial lot station", "from_us": "event_time", "until_us": "event_time", "by": "by source",
    },
    Open: {
        ROW: "nonconformance product serial lot order station event_time",
        "item": "product serial lot order station", "order_no": "order", "from_us": "event_time",
        "until_us": "event_time quantity", "by": "by source",
    },
}  # fmt: skip


def _raised(fact: NonconformanceRaised, time_us: int) -> Iterator[Case]:
    yield Case(
        nonconformance=fact.nonconformance,
        time_us=time_us,
        step=0,
        fact=fact.id.bytes,
        item=item_of(fact),
        order_no=fact.order or "",
        station=fact.station or "",
        characteristic=fact.characteristic or "",
        reason=fact.reason,
        severity=fact.severity,
        decision="",
        quantity=fact.quantity or "",
        message=fact.message or "",
        by=fact.by or fact.source,
    )


def _decided(fact: DispositionDecided, time_us: int) -> Iterator[Case]:
    yield Case(
        nonconformance=fact.nonconformance,
        time_us=time_us,
        step=1,
        fact=fact.id.bytes,
        item=item_of(fact),
        order_no=fact.order or "",
        station="",
        characteristic="",
        reason="",
        severity="",
        decision=fact.decision,
        quantity=fact.quantity or "",
        message=fact.message or "",
        by=fact.by or fact.source,
    )


def _hold(step: int) -> Any:
    def rule(fact: HoldPlaced | HoldReleased, time_us: int) -> Iterator[HoldStep]:
        yield HoldStep(
            item=item_of(fact),
            time_us=time_us,
            step=step,
            fact=fact.id.bytes,
            hold=fact.hold,
            station=fact.station or "",
            reason=fact.reason or "",
            by=fact.by or fact.source,
        )

    return rule


RULES = {
    NonconformanceRaised: _raised,
    DispositionDecided: _decided,
    HoldPlaced: _hold(1),
    HoldReleased: _hold(0),
}


# --------------------------------------------------------------------------- holds


def holds(steps: Sequence[HoldStep]) -> Iterator[Hold]:
    """From when to when one hold stood on each of its items; a release ends it on all that the release speaks of.

    Placed again while it stands is the same hold, with the station of either placing. Of what is said at one instant a
    hold is placed before it is released, so that one placed and released at once does not stand.
    """
    standing: dict[str, list[HoldStep]] = {}
    for step in sorted(steps, key=lambda step: (step.time_us, -step.step, step.fact)):
        if step.step:
            standing.setdefault(step.item, []).append(step)
            continue
        for item, placed in list(standing.items()):
            if any(speaks_of(step.item, item, station=one.station) for one in placed):
                yield _hold_of(standing.pop(item)[0], step.time_us)
    for placed in standing.values():
        yield _hold_of(placed[0], FOREVER_US)


def _hold_of(placed: HoldStep, until_us: int) -> Hold:
    return Hold(
        hold=placed.hold,
        item=placed.item,
        from_us=placed.time_us,
        until_us=until_us,
        fact=placed.fact,
        station=placed.station,
        reason=placed.reason,
        by=placed.by,
    )


# --------------------------------------------------------------------------- nonconformances


class Told(NamedTuple):
    """What was said about a nonconformance on one thing: raised (None if nobody did), and decided, in order of time."""

    raised: Case | None
    decided: tuple[Case, ...]


def cases(steps: Iterable[Case]) -> list[Told]:
    """The cases of one nonconformance: one for each thing it was raised on.

    A decision is about all that it speaks of (`meaning.speaks_of`), and about the only one there is. Raised on one thing in
    two orders it is two; a decision that names one of the orders is about that one.
    """
    told = sorted(steps, key=lambda case: (case.time_us, case.step, case.fact))
    decided = [case for case in told if case.step]
    raised: dict[tuple[str, str], Case] = {}
    for case in told:
        if not case.step:
            raised.setdefault((case.item, case.order_no), case)
    if len(raised) < 2:
        return [Told(next(iter(raised.values()), None), tuple(decided))]
    return [Told(one, tuple(case for case in decided if _decides(case, one))) for one in raised.values()]


def _decides(decision: Case, raised: Case) -> bool:
    if decision.order_no and raised.order_no and decision.order_no != raised.order_no:
        return False
    return speaks_of(decision.item, raised.item, order=raised.order_no, station=raised.station)


def undecided(told: Told) -> Decimal | None:
    """How much of what was raised nothing was decided about, below 0 if too much; None where no quantity was raised.

    A decision without a quantity is about all the rest.
    """
    if told.raised is None or not told.raised.quantity:
        return None
    left = Decimal(told.raised.quantity)
    for case in told.decided:
        left = EXACT.subtract(left, Decimal(case.quantity) if case.quantity else max(left, Decimal(0)))
    return left


def state(told: Told) -> str:
    """open, decided, or overdecided: more was decided about than was raised."""
    left = undecided(told)
    if left is None:
        return "decided" if told.decided else "open"
    return "overdecided" if left < 0 else "open" if left else "decided"


def opened(steps: Sequence[Case]) -> Iterator[Open]:
    """From when to when one nonconformance stood open on each of its things."""
    for told in cases(steps):
        if told.raised is None:
            continue
        raised, until_us = told.raised, FOREVER_US
        for number, decision in enumerate(told.decided, 1):
            if state(Told(raised, told.decided[:number])) != "open":
                until_us = max(decision.time_us, raised.time_us)
                break
        yield Open(
            nonconformance=raised.nonconformance,
            item=raised.item,
            order_no=raised.order_no,
            from_us=raised.time_us,
            until_us=until_us,
            fact=raised.fact,
            station=raised.station,
            reason=raised.reason,
            severity=raised.severity,
            by=raised.by,
        )


DERIVED = [
    {"rows": (Hold,), "of": HoldStep, "by": "hold", "rule": holds},
    {"rows": (Open,), "of": Case, "by": "nonconformance", "rule": opened},
]
