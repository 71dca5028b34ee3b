"""Clocks that were changed on paper only: the hours of work move when the zone's clocks do.

People begin at 7:00 by the clock on the wall, before and after a clock change. Where reported work
begins an hour later by the plant's clock from that day on, the clock it was told by was not changed:
whoever wrote the times in this zone gave a plant a clock change that it did not have.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import between
from asbuilt.views.shift.calendar import DAY_US, SECOND_US, time_at
from asbuilt.views.shift.rows import Reported

COMPARED_DAYS = 21
"""Starts of so many days before and after a change are compared."""
ENOUGH = 100
"""So many starts are needed on either side."""
BIN_MIN = 10
CLEARLY = 0.2
"""By so much must the moved hours be more alike than the unmoved ones (cosine of their histograms)."""


class ClockJump(Struct, frozen=True):
    """The hours of work moved with the clocks of the plant's zone.

    `moved_min` by how much; `alike_moved` and `alike_as_told` are the likeness (0 to 1) of the hours of
    work before and after, if one takes the change back or not.
    """

    time: dt.datetime
    moved_min: int
    alike_moved: float
    alike_as_told: float
    starts_before: int
    starts_after: int
    words: str


def clock_jumps(
    reader: Reader, stations: Sequence[str], start_us: int, end_us: int, zone: dt.tzinfo
) -> Iterator[ClockJump]:
    """Clock changes in a window with which the reported starts of work moved."""
    for change_us, moved_s in _changes(start_us, end_us, zone):
        before = _starts(reader, stations, change_us - COMPARED_DAYS * DAY_US, change_us, zone)
        after = _starts(reader, stations, change_us, change_us + COMPARED_DAYS * DAY_US, zone)
        if min(sum(before), sum(after)) < ENOUGH:
            continue
        as_told = _alike(before, after, 0)
        moved = _alike(before, after, round(moved_s / 60 / BIN_MIN))
        if moved >= as_told + CLEARLY:
            time = time_at(change_us, zone)
            minutes = round(moved_s / 60)
            yield ClockJump(
                time, minutes, round(moved, 3), round(as_told, 3), sum(before), sum(after),
                f"reported work begins {abs(minutes)} min {'later' if minutes > 0 else 'earlier'} by the clock from"
                f" {time:%Y-%m-%d} on, when the clocks of {zone} were changed: whoever told these times may have kept"
                " a clock that was not; check the zone of the import",
            )  # fmt: skip


def _changes(start_us: int, end_us: int, zone: dt.tzinfo) -> Iterator[tuple[int, float]]:
    """When the zone's offset changed in a window, to the second, and by how many seconds."""

    def offset_s(us: int) -> float:
        return (time_at(us, zone).utcoffset() or dt.timedelta()).total_seconds()

    at = start_us
    while at < end_us:
        after = min(at + DAY_US, end_us)
        if offset_s(at) != offset_s(after):
            low, high = at, after
            while high - low > SECOND_US:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_s(middle) == offset_s(at) else (low, middle)
            yield -(-low // SECOND_US) * SECOND_US, offset_s(after) - offset_s(at)
        at = after


def _starts(reader: Reader, stations: Sequence[str], start_us: int, end_us: int, zone: dt.tzinfo) -> list[int]:
    """How many reports began in each ten minutes of the day, by the clock of the zone."""
    counts = [0] * (1440 // BIN_MIN)
    for station in stations:
        for row in reader.rows(Reported, {"station": station, "start_us": between(start_us, end_us)}):
            time = time_at(row.start_us, zone)
            counts[(time.hour * 60 + time.minute) // BIN_MIN] += 1
    return counts


def _alike(before: Sequence[int], after: Sequence[int], bins: int) -> float:
    """The cosine of two days' histograms, the second one moved back by so many bins."""
    both = sum(count * after[(n + bins) % len(after)] for n, count in enumerate(before))
    sizes = sum(x * x for x in before) * sum(x * x for x in after)
    return float(both / sizes**0.5) if sizes else 0.0
