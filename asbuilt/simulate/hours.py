"""When the line works, as milliseconds since 1970 UTC: spells of work between breaks and nights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from asbuilt.plant import Line, Plant
from asbuilt.plant.calendar import ShiftWindow, next_shift, shifts_of

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LONG_GAP = 2 * HOUR
"""Nothing is left half done over a gap longer than this."""
FAR = 400 * 365 * DAY
FOREVER = 2**62


class Spell(NamedTuple):
    """The line works from `start` to `end`; `closes` tells that the plant then goes home."""

    start: int
    end: int
    closes: bool


def ms(instant: dt.datetime) -> int:
    """Milliseconds since 1970 UTC, rounded up: what happens at a whole millisecond is not before it."""
    since = instant.astimezone(dt.UTC) - _EPOCH
    return -(-since // dt.timedelta(milliseconds=1))


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def at(time_ms: int, zone: dt.tzinfo) -> dt.datetime:
    """The instant of so many milliseconds since 1970 UTC, in a zone."""
    return (_EPOCH + dt.timedelta(milliseconds=time_ms)).astimezone(zone)


def works_by_shifts(plant: Plant, line: Line) -> bool:
    """Whether the line has shifts; one without them never rests."""
    pattern = plant.shift_patterns.get(line.shifts or "")
    return pattern is not None and any(shift.days for shift in pattern.shift)


def shifts_from(plant: Plant, line: Line, since_ms: int) -> Iterator[ShiftWindow]:
    """Every shift that ends after `since_ms`, for ever; none if the line has no shifts."""
    if not works_by_shifts(plant, line):
        return
    day = at(since_ms, plant.zone).date() - dt.timedelta(days=1)
    while True:
        last = day + dt.timedelta(days=6)
        for window in shifts_of(plant, line, day, last):
            if ms(window.end) > since_ms:
                yield window
        day = last + dt.timedelta(days=1)


def spells(plant: Plant, line: Line, since_ms: int) -> Iterator[Spell]:
    """Every spell of work that ends after `since_ms`, in order, for ever."""
    if not works_by_shifts(plant, line):
        yield Spell(since_ms, FOREVER, False)
        return
    waiting: tuple[int, int] | None = None
    for start, end in _stretches(plant, line, since_ms):
        if waiting is None:
            waiting = (start, end)
        elif start <= waiting[1]:
            waiting = (waiting[0], end)
        else:
            yield Spell(*waiting, closes=start - waiting[1] > LONG_GAP)
            waiting = (start, end)


def _stretches(plant: Plant, line: Line, since_ms: int) -> Iterator[tuple[int, int]]:
    for window in shifts_from(plant, line, since_ms):
        begin = ms(window.start)
        for pause in window.breaks:
            if ms(pause.start) > since_ms:
                yield begin, ms(pause.start)
            begin = ms(pause.end)
        if ms(window.end) > begin and ms(window.end) > since_ms:
            yield begin, ms(window.end)


def good_start(plant: Plant, near: dt.datetime, line: Line | None = None) -> dt.datetime:
    """The last instant up to `near` when a line has run in, and neither break nor night is close.

    Three and a half hours of work lie before it and two after it; no break is within the quarter of an hour
    before and the 25 minutes after. A show that begins there has something to show.
    """
    line = line or next(iter(plant.lines.values()))
    if not works_by_shifts(plant, line):
        return near
    found: int | None = None
    shift_start, gone_home = 0, True
    limit = ms(near)
    for spell in spells(plant, line, limit - 14 * DAY):
        if spell.start > limit:
            break
        if gone_home:
            shift_start = spell.start
        gone_home = spell.closes
        earliest = max(spell.start + 15 * MINUTE, shift_start + 210 * MINUTE)
        latest = min(spell.end - (120 if spell.closes else 25) * MINUTE, limit)
        if earliest <= latest:
            found = latest
    return near if found is None else at(found, plant.zone)


def start_of_history(plant: Plant, days: float, end: dt.datetime, line: Line | None = None) -> dt.datetime:
    """Half an hour before the first shift of the day that lies `days` before `end`, or of the next day with one."""
    line = line or next(iter(plant.lines.values()))
    begin = end - dt.timedelta(days=days)
    midnight = begin.astimezone(plant.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    window = next_shift(plant, line, midnight - dt.timedelta(microseconds=1))
    return window.start - dt.timedelta(minutes=30) if window is not None and window.start < end else begin
