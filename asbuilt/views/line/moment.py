"""One line at one moment: what every part of the board begins with."""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.events import microseconds
from asbuilt.plant import Line, Plant
from asbuilt.plant.calendar import ShiftWindow, next_shift, shift_at, shifts_of

SECOND_US = 1_000_000
LAST_CYCLES = 12


def time_at(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    """Microseconds since 1970 UTC as an instant in a zone."""
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)


class Moment:
    """A line, the moment asked for, and the shift it falls into; without one, the eight hours before."""

    def __init__(self, reader: Reader, plant: Plant, line: Line, at: dt.datetime | None) -> None:
        self.reader = reader
        self.plant = plant
        self.line = line
        self.live = at is None
        self.at = reader.instant(at).astimezone(plant.zone)
        self.at_us = microseconds(self.at)
        self.shift = shift_at(plant, line, self.at)
        self.pause = self.shift.pause_at(self.at) if self.shift else None
        start = self.shift.start if self.shift else self.at - dt.timedelta(hours=8)
        self.start_us = microseconds(start)
        self._windows: dict[dt.date, list[ShiftWindow]] = {}

    def time(self, time_us: int) -> dt.datetime:
        """Microseconds as an instant at the plant."""
        return time_at(time_us, self.plant.zone)

    def shifts_on(self, day: dt.date) -> list[ShiftWindow]:
        """The shifts of the line that begin on a day."""
        if day not in self._windows:
            self._windows[day] = list(shifts_of(self.plant, self.line, day, day))
        return self._windows[day]

    def following_shift(self) -> ShiftWindow | None:
        """The next shift, if it is none now."""
        return None if self.shift else next_shift(self.plant, self.line, self.at)
