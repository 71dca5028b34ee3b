"""What stations say they do, hour by hour, and why people say they stood: events → rows.

Every change of state is kept. What a whole hour holds is derived per station and hour, so that a year is read as hours
and only hours that a shift, a break, an explanation or a silence cuts are read state by state. The state a station
brings into an hour comes from an earlier one and is put together when asked: a fact changes its own hour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from asbuilt.domain.meaning import changes_meaning, goes_on, last_of_instants
from asbuilt.domain.states.rows import Edge, Explained, Hour, State
from asbuilt.events import StateChanged, StopExplained, microseconds
from asbuilt.rows import ROW
from asbuilt.time import HOUR_US

VERSION = 1

ROWS = {
    State: ("station", "hour", "time_us", "fact"),
    Hour: ("station", "hour", "state", "reason"),
    Edge: ("station", "hour"),
    Explained: ("place", "end_us", "fact"),
}
SHOWS = {
    State: {"hour": "event_time"},
    Hour: {ROW: "station event_time state reason", "hour": "event_time", "us": "event_time"},
    Edge: {
        ROW: "station event_time",
        "hour": "event_time", "first_us": "event_time", "first_state": "state", "first_reason": "reason",
        "last_state": "state", "last_reason": "reason", "single": "state reason", "plain": "state reason",
    },
    Explained: {
        "place": "station", "end_us": "end_time", "start_us": "start_time", "declared_us": "event_time",
        "by": "by source",
    },
}  # fmt: skip


def _state(fact: StateChanged, time_us: int) -> Iterator[State]:
    yield State(
        station=fact.station,
        hour=time_us // HOUR_US,
        time_us=time_us,
        fact=fact.id.bytes,
        state=fact.state,
        reason=fact.reason or "",
        message=fact.message or "",
    )


def _explained(fact: StopExplained, time_us: int) -> Iterator[Explained]:
    yield Explained(
        place=fact.station,
        end_us=microseconds(fact.end_time),
        fact=fact.id.bytes,
        start_us=microseconds(fact.start_time),
        declared_us=time_us,
        reason=fact.reason,
        message=fact.message or "",
        by=fact.by or fact.source,
    )


RULES = {StateChanged: _state, StopExplained: _explained}


def hours(states: list[State]) -> Iterator[Hour | Edge]:
    """What one hour of a station holds, from all its changes in order of time."""
    states = last_of_instants(states[::-1])[::-1]
    first, last = states[0], states[-1]
    sums: dict[tuple[str, str], int] = {}
    until_us = (first.hour + 1) * HOUR_US
    for state in reversed(states):
        told = (state.state, state.reason)
        sums[told] = sums.get(told, 0) + until_us - state.time_us
        until_us = state.time_us
    for (name, reason), us in sums.items():
        yield Hour(station=first.station, hour=first.hour, state=name, reason=reason, us=us)
    told_in_turn = [(state.state, state.reason) for state in states]
    yield Edge(
        station=first.station,
        hour=first.hour,
        first_us=first.time_us,
        first_state=first.state,
        first_reason=first.reason,
        last_state=last.state,
        last_reason=last.reason,
        single=int(all(goes_on(before, after) for before, after in pairwise(told_in_turn))),
        plain=int(not any(changes_meaning(before, after) for before, after in pairwise(told_in_turn))),
    )


DERIVED = [{"rows": (Hour, Edge), "of": State, "by": ("station", "hour"), "rule": hours}]
