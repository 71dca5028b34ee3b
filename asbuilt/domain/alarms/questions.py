"""Questions about alarms: what state each was in at a moment, what asked when, and everything said. Times: µs since 1970 UTC."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, above, after_until, at_most, between, one_of
from asbuilt.domain.alarms.fold import NORMAL, STANDS, UNSEEN, Phase, Step
from asbuilt.time import MINUTE_US

FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins at more than ten annunciations in ten minutes and ends at fewer than five (ANSI/ISA-18.2)."""
TEN_MINUTES_US = 10 * MINUTE_US


class Flood(NamedTuple):
    """A flood of alarms, from its first annunciation until fewer than five were in ten minutes, or the end of the window."""

    from_us: int
    until_us: int


class Density(NamedTuple):
    """The most annunciations in any ten minutes, when those began, and the floods."""

    peak: int
    peak_us: int
    floods: tuple[Flood, ...]


def _at(at_us: int, places: Collection[str] | None) -> dict[str, Value | Test]:
    where: dict[str, Value | Test] = {"until_us": above(at_us), "from_us": at_most(at_us)}
    return where if places is None else {**where, "place": one_of(sorted(places))}


def listed(reader: Reader, at_us: int, places: Collection[str] | None = None) -> list[Phase]:
    """Every alarm that was not plainly normal at a moment: it stood, was latched, returned unacknowledged, or was put aside."""
    return reader.rows(Phase, _at(at_us, places), order="since_us")


def current(reader: Reader, at_us: int, places: Collection[str] | None = None) -> list[Phase]:
    """Alarms that are people's business: they stood, were latched or returned unacknowledged; also those put aside."""
    return [phase for phase in listed(reader, at_us, places) if phase.state != NORMAL]


def standing(reader: Reader, at_us: int) -> set[tuple[str, str]]:
    """Alarm and place of every alarm whose condition was present at a moment, seen or not, put aside or not."""
    return {(phase.alarm, phase.place) for phase in listed(reader, at_us) if phase.state in STANDS}


def cleared(
    reader: Reader, after_us: int, at_us: int, places: Collection[str] | None = None, limit: int | None = None
) -> list[Phase]:
    """Alarms whose condition went after `after_us` and until `at_us`, the latest first, as they read at `at_us`.

    One that returned unacknowledged and was acknowledged later, until `at_us`, tells by whom.
    """
    where: dict[str, Value | Test] = {"what": "cleared", "from_us": after_until(after_us, at_us)}
    if places is not None:
        where["place"] = one_of(sorted(places))
    found = reader.rows(Phase, where, order="-from_us", limit=limit)
    return sorted(
        (_seen(reader, phase, at_us) for phase in found), key=lambda one: (-one.from_us, one.alarm, one.place)
    )


def settled(
    reader: Reader, after_us: int, at_us: int, places: Collection[str] | None = None, limit: int | None = None
) -> list[Phase]:
    """Of the same those that are not listed any more: what waits to be seen or reset stands in one list, not in two."""
    waiting = {(one.alarm, one.place, one.since_us) for one in current(reader, at_us, places)}
    found = cleared(reader, after_us, at_us, places, limit)
    return [one for one in found if (one.alarm, one.place, one.since_us) not in waiting]


def _seen(reader: Reader, phase: Phase, at_us: int) -> Phase:
    if phase.state not in UNSEEN:
        return phase
    later = reader.first(
        Phase,
        {
            "alarm": phase.alarm,
            "place": phase.place,
            "from_us": between(phase.from_us, at_us + 1),
            "what": "acknowledged",
            "gone_us": phase.gone_us,
            "since_us": phase.since_us,
        },
        order="from_us",
    )
    return phase if later is None else phase._replace(seen_us=later.seen_us, seen_by=later.seen_by)


def annunciations(reader: Reader, start_us: int, end_us: int) -> list[Phase]:
    """When alarms began to ask for a response in a half-open window: came, escalated, or were put aside no longer."""
    found = reader.rows(Phase, {"from_us": between(start_us, end_us), "asks": 1})
    return sorted(found, key=lambda one: (one.from_us, one.alarm, one.place))


def acknowledgements(reader: Reader, start_us: int, end_us: int) -> list[Phase]:
    """When people acknowledged in a half-open window: `seen_us - asked_us` is how long it had asked."""
    return reader.rows(Phase, {"from_us": between(start_us, end_us), "what": "acknowledged"}, order="from_us")


def history(reader: Reader, after_us: int, at_us: int, limit: int | None = None) -> list[Step]:
    """Everything said about alarms after `after_us` and until `at_us`, the latest first: what, by whom, why."""
    return reader.rows(Step, {"time_us": after_until(after_us, at_us)}, order="-time_us -fact", limit=limit)


def density(times: Sequence[int], end_us: int) -> Density:
    """How dense annunciations were, from their instants in order; a flood that goes on is cut at `end_us`."""
    peak, peak_us, begun = 0, 0, -1
    floods: list[Flood] = []
    recent: deque[int] = deque()
    for time_us in [*times, end_us]:
        # One leaves the ten minutes after the other: the flood is over when the fifth from last has left.
        while recent and recent[0] <= time_us - TEN_MINUTES_US:
            gone_us = recent.popleft() + TEN_MINUTES_US
            if begun >= 0 and len(recent) < FLOOD_ENDS:
                floods.append(Flood(begun, min(gone_us, end_us)))
                begun = -1
        if time_us >= end_us:
            break
        recent.append(time_us)
        if len(recent) > peak:
            peak, peak_us = len(recent), recent[0]
        if begun < 0 and len(recent) > FLOOD_BEGINS:
            begun = recent[0]
    if begun >= 0:
        floods.append(Flood(begun, end_us))
    return Density(peak, peak_us, tuple(floods))
