"""Cycles of a station: how long units took, without what is not the station's time.

Breaks, hours outside the shifts and time blocked by the station after it are taken out: a cycle
is what is held against the takt.
"""

from __future__ import annotations

import datetime as dt

from asbuilt.access.conditions import after_until, at_most
from asbuilt.domain.passages.rows import Stay
from asbuilt.domain.states import spells
from asbuilt.events import microseconds
from asbuilt.plant import Station
from asbuilt.time import DAY_US
from asbuilt.views.line.moment import LAST_CYCLES, SECOND_US, Moment

Span = tuple[int, int]
LONGEST_US = 31 * DAY_US
"""Of a stay beyond this nothing is taken out: it is no cycle any more, and looking would take long."""


def cycles(look: Moment, station: Station) -> tuple[float, ...]:
    """The last cycles in order of their start, seconds."""
    rows = look.reader.rows(
        Stay,
        {
            "station": station.path,
            "from_us": at_most(look.at_us),
            "phase": "at",
            "until_us": after_until(0, look.at_us),
        },
        order="-from_us",
        limit=LAST_CYCLES,
    )
    stays = [(row.from_us, row.until_us) for row in rows]
    if not stays:
        return ()
    first, last = stays[-1][0], max(until for _, until in stays)
    # What all of them waited for is looked up once, unless it lies far apart.
    spans = _not_its_own(look, station, first, last) if last - first <= LONGEST_US else None
    return tuple(
        (until - start - _waited_us(look, station, start, until, spans)) / SECOND_US for start, until in stays[::-1]
    )


def counted_from(look: Moment, station: Station, from_us: int) -> dt.datetime:
    """The instant from which the present cycle counts: its begin, later by what is not the station's time."""
    return look.time(from_us + _waited_us(look, station, from_us, look.at_us))


def _waited_us(look: Moment, station: Station, start: int, end: int, spans: list[Span] | None = None) -> int:
    """How long of a stay the unit waited for something else than the station."""
    if end - start > LONGEST_US:
        return 0
    spans = _not_its_own(look, station, start, end) if spans is None else spans
    return sum(max(0, min(end, until) - max(start, since)) for since, until in spans)


def _not_its_own(look: Moment, station: Station, start: int, end: int) -> list[Span]:
    """Time that is not the station's: blocked by the next one, breaks, hours outside the shifts."""
    return _united([*_blocked(look, station, start, end), *_outside_work(look, start, end)])


def _blocked(look: Moment, station: Station, start: int, end: int) -> list[Span]:
    before = spells.before(look.reader, station.path, start)
    states = [*([before] if before else []), *spells.changes(look.reader, station.path, start, end + 1)]
    if not states:
        return []
    ends = [*(state.time_us for state in states[1:]), end]
    return [(state.time_us, until) for state, until in zip(states, ends, strict=True) if state.state == "Blocked"]


def _outside_work(look: Moment, start: int, end: int) -> list[Span]:
    if look.line.shifts is None:
        return []
    spans, worked_until = [], start
    day, last = look.time(start).date() - dt.timedelta(days=1), look.time(end).date()
    while day <= last:
        for window in look.shifts_on(day):
            begins, ends = microseconds(window.start), microseconds(window.end)
            if ends > start and begins < end:
                spans.append((worked_until, begins))
                spans += [(microseconds(pause.start), microseconds(pause.end)) for pause in window.breaks]
                worked_until = ends
        day += dt.timedelta(days=1)
    return [*spans, (worked_until, end)]


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
