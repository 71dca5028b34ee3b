"""When a line should work, by the plant files in force then: spans of work, break and time off.

A change of the plant file changes the calendar from its own date on: a shift that began under
the old file ends as that file said, or where the first shift of the new one begins. What time counts as
is for the file in force at that instant to say: a span's `plant` is that one.
All times are microseconds since 1970 UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.plant.calendar import ShiftWindow, at_place, shifts_of

Plants = Sequence[tuple[dt.datetime, Plant]]
SECOND_US = 1_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


class Span(NamedTuple):
    """From when to when a line works, pauses or is off; `shift` is None where it has no shifts or is off."""

    start_us: int
    end_us: int
    kind: Literal["work", "break", "off"]
    shift: ShiftWindow | None
    plant: Plant


def time_at(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    """Microseconds since 1970 UTC as an instant at a place, exactly."""
    return at_place(_EPOCH + dt.timedelta(microseconds=time_us), zone)


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Calendar:
    """The spans of one line over a window, without gaps and overlaps; the same wherever the window is cut."""

    def __init__(self, plants: Plants, line: str, start_us: int, end_us: int) -> None:
        self.line = line
        self.start_us = start_us
        self.end_us = end_us
        self._periods = _periods(plants)
        self.shifts = self._shifts() if start_us < end_us else []
        self.spans = list(_by_plant(self._spans(), self._periods)) if start_us < end_us else []

    def _shifts(self) -> list[tuple[ShiftWindow, int, int, Plant]]:
        """Every shift that reaches into the window, with its instants; none overlaps another."""
        found = []
        for begin, end, plant in self._periods:
            line = plant.lines.get(self.line)
            first, last = max(begin, self.start_us - 2 * DAY_US), min(end, self.end_us + DAY_US)
            if line is None or first >= last:
                continue
            days = [time_at(us, plant.zone).date() for us in (first, last)]
            for shift in shifts_of(plant, line, days[0] - dt.timedelta(days=1), days[1]):
                if begin <= microseconds(shift.start) < end:
                    found.append((shift, microseconds(shift.start), microseconds(shift.end), plant))
        found.sort(key=lambda entry: entry[1])
        # What a plant file began ends where the first shift of the next one begins.
        nexts = [*(start for _, start, _, _ in found[1:]), 2**62]
        cut = [
            (shift, start, min(end, after), plant)
            for (shift, start, end, plant), after in zip(found, nexts, strict=False)
        ]
        return [entry for entry in cut if entry[2] > self.start_us and entry[1] < self.end_us and entry[1] < entry[2]]

    def _spans(self) -> Iterator[Span]:
        at = self.start_us
        for shift, start, end, plant in self.shifts:
            yield from self._between(at, start)
            at = max(at, start)
            for pause in shift.breaks:
                begin, stop = max(microseconds(pause.start), at), min(microseconds(pause.end), end, self.end_us)
                if begin < stop:
                    if at < begin:
                        yield Span(at, begin, "work", shift, plant)
                    yield Span(begin, stop, "break", shift, plant)
                    at = stop
            if at < min(end, self.end_us):
                yield Span(at, min(end, self.end_us), "work", shift, plant)
                at = min(end, self.end_us)
        yield from self._between(at, self.end_us)

    def _between(self, start_us: int, end_us: int) -> Iterator[Span]:
        """Time outside shifts: off, or work where the line has none."""
        for begin, end, plant in self._periods:
            first, last = max(begin, start_us), min(end, end_us)
            if first < last:
                line = plant.lines.get(self.line)
                works = line is None or not plant.has_shifts(line)
                yield Span(first, last, "work" if works else "off", None, plant)


def _by_plant(spans: Iterator[Span], periods: Sequence[tuple[int, int, Plant]]) -> Iterator[Span]:
    """The spans cut where the plant file changed: what a state counts as is for the file in force then to say."""
    for span in spans:
        for begin, end, plant in periods:
            first, last = max(begin, span.start_us), min(end, span.end_us)
            if first < last:
                yield span._replace(start_us=first, end_us=last, plant=plant)


def _periods(plants: Plants) -> list[tuple[int, int, Plant]]:
    """Which plant was in force from when to when; the first one holds before it as well."""
    begins = [-(2**62), *(microseconds(since) for since, _ in plants[1:]), 2**62]
    return [(begins[n], begins[n + 1], plant) for n, (_, plant) in enumerate(plants)]


# --------------------------------------------------------------------------- groups

By = Literal["", "hour", "shift", "day", "week", "order", "product"]


class Group(NamedTuple):
    """A part of a window that is summed by itself; `key` is equal for parts that belong together.

    The key is the hour's start, (day, shift), the day or the week's Monday; empty for time outside shifts.
    """

    start_us: int
    end_us: int
    key: tuple[str, ...]


def groups(calendar: Calendar, by: By, zone: dt.tzinfo) -> list[Group]:
    """The window cut by clock hour, shift, day or ISO week of the plant; one group for everything else.

    A day ends where the last shift that began on it ends, and at midnight where none is at work:
    what a night shift does belongs to the day on which it began.
    """
    if by == "hour":
        return list(_hours(calendar, zone))
    if by == "shift":
        return list(_by_shift(calendar))
    if by in ("day", "week"):
        return list(_days(calendar, zone, by == "week"))
    return [Group(calendar.start_us, calendar.end_us, ())]


def _hours(calendar: Calendar, zone: dt.tzinfo) -> Iterator[Group]:
    at = calendar.start_us
    while at < calendar.end_us:
        here = time_at(at, zone)
        into_hour = dt.timedelta(minutes=here.minute, seconds=here.second, microseconds=here.microsecond)
        start = at - into_hour // dt.timedelta(microseconds=1)
        end = min(start + HOUR_US, calendar.end_us)
        yield Group(at, end, (time_at(start, zone).isoformat(),))
        at = end


def _by_shift(calendar: Calendar) -> Iterator[Group]:
    at = calendar.start_us
    for shift, start, end, _ in calendar.shifts:
        begin, stop = max(start, at), min(end, calendar.end_us)
        if at < begin:
            yield Group(at, begin, ())
        yield Group(begin, stop, (shift.day.isoformat(), shift.id))
        at = stop
    if at < calendar.end_us:
        yield Group(at, calendar.end_us, ())


def _days(calendar: Calendar, zone: dt.tzinfo, weeks: bool) -> Iterator[Group]:
    day = time_at(calendar.start_us, zone).date() - dt.timedelta(days=1)
    running = {shift.day: end for shift, _, end, _ in calendar.shifts}
    at, until = calendar.start_us, 0
    while at < calendar.end_us:
        midnight = microseconds(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone))
        # Through UTC: a midnight that never was is the instant at which the clock was put forward.
        until = max(until, midnight, running.get(day, 0))
        if until > at:
            end = min(until, calendar.end_us)
            key = day - dt.timedelta(days=day.weekday()) if weeks else day
            yield Group(at, end, (key.isoformat(),))
            at = end
        day += dt.timedelta(days=1)
