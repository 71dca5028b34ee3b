"""A machine's own counter as pieces: one way for every adapter.

A counter is known by its data item (a topic, a node, a metric): two counters of one station are two counters. Its
first reading counts nothing, for what it counted before is not known. A reading that goes on by no more than can be
is so many pieces. Any other – one that went back, one that jumped – is **held**: it makes no pieces until the next
reading says which it was.

- The next goes on from before (508, 599999, 509): the held reading was a glitch. It is told as a deviation.
- The next goes on from the held one (502, 0, 1): the counter was set anew, and counts from there. What it went by
  in between (502 to 0) is no piece and is told as a deviation where it was a jump; a counter that is set back to a
  small number at the end of an order is what counters do.

More than `step_max` pieces from one reading to the next cannot be. Where no rule says so, it is 1,000, or ten a second
since the reading before: after a night without connection the pieces of the night are believed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple, Protocol

STEP: Final = 1_000
"""So many pieces from one reading to the next are believed of any counter,"""
PER_S: Final = 10
"""and so many for each second between them."""
ITEM: Final = "counter|"
"""Begins the keys of counters among what an adapter remembers."""


class Remembers(Protocol):
    """Where readings are remembered."""

    def get(self, key: str) -> Any:
        """What was remembered under a key."""
        ...

    def put(self, key: str, value: Any) -> None:
        """Remember."""
        ...


class Step(NamedTuple):
    """What a reading says: `pieces` since the one before; None where it is held or stands as it stood.

    `deviation`, where there is one: a code, and what happened in words.
    """

    pieces: int | None
    deviation: tuple[str, str] | None = None


def step(memory: Remembers, key: str, reading: int, time: dt.datetime, step_max: int | None = None) -> Step:
    """Take a reading of the counter `key`, and remember it."""
    known = memory.get(key)
    # Notes of earlier versions hold the reading alone.
    at, when, held = known if isinstance(known, list) else (known, None, None)
    now = time.timestamp()
    if at is None:
        memory.put(key, [reading, now, None])
        return Step(0)
    if reading == at:
        if held is None:
            return Step(None)
        memory.put(key, [at, when, None])
        return Step(None, _glitch(at, held, reading))
    believed = _believed(now - when if when is not None else 0, step_max)
    if 0 < reading - at <= believed:
        memory.put(key, [reading, now, None])
        return Step(reading - at, _glitch(at, held, reading) if held is not None else None)
    if held is not None and 0 < reading - held <= believed:
        memory.put(key, [reading, now, None])
        jump = ("counter-jump", f"the counter jumped from {at} to {held} and went on from there; the jump is no pieces")
        return Step(reading - held, jump if held > at else None)
    if reading != held:
        memory.put(key, [at, when, reading])
    return Step(None)


def settled(reading: int, time: dt.datetime) -> list[Any]:
    """What is remembered of a counter whose reading was recorded."""
    return [reading, time.timestamp(), None]


def _believed(seconds: float, step_max: int | None) -> float:
    return step_max if step_max is not None else max(STEP, PER_S * seconds)


def _glitch(at: int, held: int, reading: int) -> tuple[str, str]:
    return "counter-glitch", f"the counter read {held} between {at} and {reading}; that is no pieces"
