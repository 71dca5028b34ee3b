"""Cycles of a station: how long units took, without what is not the station's time.

Breaks, hours outside the shifts and time blocked by the station after it are taken out: a cycle
is what is held against the takt.
"""

from __future__ import annotations

import datetime as dt

from asbuilt.events import microseconds
from asbuilt.plant import Station
from asbuilt.shifts import shifts_of
from asbuilt.views.line.fold import State
from asbuilt.views.line.moment import LAST_CYCLES, SECOND_US, Moment

Span = tuple[int, int]


def cycles(look: Moment, station: Station) -> tuple[float, ...]:
    """The last cycles in order of their start, seconds."""
    stays = look.reader.select(
        "SELECT from_us, until_us FROM line_stay WHERE station = ? AND from_us <= ? AND phase = 'at'"
        " AND until_us > 0 AND until_us <= ? ORDER BY from_us DESC LIMIT ?",
        station.path, look.at_us, look.at_us, LAST_CYCLES,
    )  # fmt: skip
    if not stays:
        return ()
    idle = _not_its_time(look, station, stays[-1][0])
    return tuple((until - start - _overlap(idle, start, until)) / SECOND_US for start, until in reversed(stays))


def counted_from(look: Moment, station: Station, from_us: int) -> dt.datetime:
    """The instant from which the present cycle counts: its begin, later by what is not the station's time."""
    return look.time(from_us + _overlap(_not_its_time(look, station, from_us), from_us, look.at_us))


def _not_its_time(look: Moment, station: Station, since_us: int) -> list[Span]:
    """Spans up to the moment in which a unit waits in the station for something else; they do not overlap."""
    return _united([*_blocked(look, station, since_us), *_outside_work(look, since_us)])


def _blocked(look: Moment, station: Station, since_us: int) -> list[Span]:
    before = look.reader.rows(
        State, "station = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC LIMIT 1", station.path, since_us
    )
    later = look.reader.rows(
        State,
        "station = ? AND time_us > ? AND time_us <= ? ORDER BY time_us, fact",
        station.path, since_us, look.at_us,
    )  # fmt: skip
    states = [*before, *later]
    ends = [*(state.time_us for state in states[1:]), look.at_us]
    return [(state.time_us, end) for state, end in zip(states, ends, strict=True) if state.state == "Blocked"]


def _outside_work(look: Moment, since_us: int) -> list[Span]:
    if look.line.shifts is None:
        return []
    first = look.time(since_us).date() - dt.timedelta(days=1)
    spans, worked_until = [], microseconds(look.time(since_us))
    for window in shifts_of(look.plant, look.line, first, look.at.date()):
        start, end = microseconds(window.start), microseconds(window.end)
        if end <= since_us or start >= look.at_us:
            continue
        spans.append((worked_until, start))
        spans += [(microseconds(pause.start), microseconds(pause.end)) for pause in window.breaks]
        worked_until = end
    return [*spans, (worked_until, look.at_us)]


def _united(spans: list[Span]) -> list[Span]:
    united: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def _overlap(spans: list[Span], start: int, end: int) -> int:
    return sum(max(0, min(end, until) - max(start, since)) for since, until in spans)
