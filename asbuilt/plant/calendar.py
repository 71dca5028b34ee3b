"""When a line works: shifts and breaks of the plant file as instants.

A shift is half-open, [start, end), and is filed under the day it begins (in the plant's zone); a
night shift belongs to the evening. Wall times become instants with the offset that holds there
and then, so a shift over a clock change is an hour shorter or longer, as it is in the plant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from asbuilt.plant import Line, Plant, Shift, minutes, shift_minutes


def utc(instant: dt.datetime) -> dt.datetime:
    """The instant on a clock that is never changed: two instants of one zone compare and subtract as wall times."""
    return instant.astimezone(dt.UTC)


def seconds_between(start: dt.datetime, end: dt.datetime) -> float:
    """Seconds from one instant to another; negative if it lies before."""
    return (utc(end) - utc(start)).total_seconds()


class Pause(Struct, frozen=True):
    """A break: instants with the offset at the plant then."""

    start: dt.datetime
    end: dt.datetime
    name: str


class ShiftWindow(Struct, frozen=True):
    """One shift of one day: instants in the plant's zone, breaks in order."""

    day: dt.date
    id: str
    lead: str | None
    start: dt.datetime
    end: dt.datetime
    breaks: tuple[Pause, ...]

    def ending_by(self, instant: dt.datetime) -> ShiftWindow:
        """The shift as it is where another begins at an instant."""
        if self.end <= instant:
            return self
        breaks = tuple(Pause(p.start, min(p.end, instant), p.name) for p in self.breaks if p.start < instant)
        return replace(self, end=max(instant, self.start), breaks=breaks)

    def working_s(self, until: dt.datetime) -> float:
        """Seconds of work from the start to `until`, breaks taken out; never negative."""
        start = utc(self.start)
        until = min(max(utc(until), start), utc(self.end))
        worked = (until - start).total_seconds()
        for pause in self.breaks:
            worked -= max(0.0, (min(until, utc(pause.end)) - utc(pause.start)).total_seconds())
        return worked

    def pause_at(self, instant: dt.datetime) -> Pause | None:
        """The break an instant falls into."""
        instant = utc(instant)
        return next((pause for pause in self.breaks if utc(pause.start) <= instant < utc(pause.end)), None)

    def after_work(self, since: dt.datetime, seconds: float) -> dt.datetime:
        """The instant by which `seconds` of work have been done from `since` on; may lie beyond the end."""
        at = utc(since)
        for pause in self.breaks:
            start, end = utc(pause.start), utc(pause.end)
            if end <= at:
                continue
            before = max(0.0, (start - at).total_seconds())
            if seconds <= before:
                break
            seconds -= before
            at = end
        return (at + dt.timedelta(seconds=seconds)).astimezone(since.tzinfo)


def shift_at(plant: Plant, line: Line, instant: dt.datetime) -> ShiftWindow | None:
    """The shift of a line that an instant falls into."""
    day = instant.astimezone(plant.zone).date()
    for window in shifts_of(plant, line, day - dt.timedelta(days=1), day):
        if utc(window.start) <= utc(instant) < utc(window.end):
            return window
    return None


def next_shift(plant: Plant, line: Line, instant: dt.datetime) -> ShiftWindow | None:
    """The first shift that begins after an instant, within the next week."""
    day = instant.astimezone(plant.zone).date()
    for window in shifts_of(plant, line, day, day + dt.timedelta(days=7)):
        if utc(window.start) > utc(instant):
            return window
    return None


def shifts_of(plant: Plant, line: Line, first: dt.date, last: dt.date) -> Iterator[ShiftWindow]:
    """Shifts that begin on the days from `first` to `last`, in order of their start.

    Where a change for one day makes a shift begin before the one before has ended, that one ends there.
    """
    if not plant.has_shifts(line):
        return
    waiting: ShiftWindow | None = None
    for number in range((last - first).days + 3):
        day = first + dt.timedelta(days=number - 1)
        for shift in sorted(plant.shifts_on(line, day), key=lambda shift: minutes(shift.start)):
            window = _window(shift, day, plant.zone)
            if waiting is not None and first <= waiting.day <= last:
                yield waiting.ending_by(window.start)
            waiting = window
    if waiting is not None and first <= waiting.day <= last:
        yield waiting


def _window(shift: Shift, day: dt.date, zone: ZoneInfo) -> ShiftWindow:
    begin = minutes(shift.start)
    breaks = sorted(((minutes(p.start) - begin) % 1440, (minutes(p.end) - begin) % 1440, p.name) for p in shift.breaks)
    return ShiftWindow(
        day=day,
        id=shift.id,
        lead=shift.lead,
        start=_instant(day, begin, zone),
        end=_instant(day, begin + shift_minutes(shift), zone),
        breaks=tuple(
            Pause(_instant(day, begin + start, zone), _instant(day, begin + end, zone), name)
            for start, end, name in breaks
        ),
    )


@lru_cache(maxsize=8192)
def _instant(day: dt.date, wall_minutes: int, zone: ZoneInfo) -> dt.datetime:
    """The instant of a wall-clock time; one that never was is read as if the clock had not been changed."""
    wall = dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=wall_minutes)
    return at_place(wall.replace(tzinfo=zone), zone)


def at_place(instant: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """An instant with the offset that holds at a place then, so that two compare and subtract as instants.

    Python compares two times of one zone by their wall clocks, which is wrong over a clock change.
    """
    here = instant.astimezone(dt.UTC).astimezone(zone)
    return here.replace(tzinfo=_offset(here.utcoffset() or dt.timedelta()), fold=0)


@lru_cache(maxsize=256)
def _offset(offset: dt.timedelta) -> dt.timezone:
    return dt.timezone(offset)


# --------------------------------------------------------------------------- plan, pace, forecast

LAST_PIECES = 12
"""The pace is that of so many pieces made last."""


class Forecast(Struct, frozen=True):
    """Pieces by the end of a shift if the pace holds, and the range its scatter leaves (one standard deviation)."""

    total: int
    low: int
    high: int


def plan_of(shift: ShiftWindow, takt_s: float, until: dt.datetime) -> int:
    """Whole pieces that the takt asks for from the start of a shift to an instant."""
    return int(shift.working_s(until) / takt_s)


def pace_s(shift: ShiftWindow, made: Sequence[dt.datetime]) -> float | None:
    """Mean working time between the last pieces, seconds; None below three pieces."""
    recent = list(made[-LAST_PIECES:])
    if len(recent) < 3:
        return None
    return (shift.working_s(recent[-1]) - shift.working_s(recent[0])) / (len(recent) - 1)


def forecast(shift: ShiftWindow, at: dt.datetime, made: Sequence[dt.datetime]) -> Forecast | None:
    """Where the pace of the last pieces leads by the end of a shift; None below three pieces."""
    pace = pace_s(shift, made)
    if not pace:
        return None
    left = shift.working_s(shift.end) - shift.working_s(at)
    gaps = [shift.working_s(b) - shift.working_s(a) for a, b in pairwise(made[-LAST_PIECES:])]
    spread = (sum((gap - pace) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    more = left / pace
    doubt = (spread / pace) * more**0.5
    total = len(made) + round(more)
    return Forecast(total, max(len(made), round(total - doubt)), round(total + doubt))
