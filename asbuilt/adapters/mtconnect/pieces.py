"""A recording in several files: what one piece leaves to the next."""

from __future__ import annotations

from typing import Final

from asbuilt.connect.mapping import Memory

MAX_PIECES: Final = 50
"""So many pieces can be read again and begin as they began."""


def begin(carried: Memory, time: str) -> Memory:
    """What a piece whose first observation is of `time` begins with.

    One read before begins as it did then, so that it gives the same facts; one that follows on all others goes
    on from them; one that overlaps others has nothing to go on from.
    """
    begun = carried.values.setdefault("begun", {})
    known = begun.get(time)
    if known is None:
        known = carried.values.get("values", {}) if time > carried.values.get("until", "") else {}
        begun[time] = {**known}
        if len(begun) > MAX_PIECES:
            del begun[next(iter(begun))]
        carried.changed = True
    return Memory(known)


def end(carried: Memory, memory: Memory, until: str) -> None:
    """Keep what the piece that reaches furthest left behind; `until` is its last time."""
    if until > carried.values.get("until", ""):
        carried.values["until"], carried.values["values"] = until, {**memory.values}
        carried.changed = True
