"""What does not fit together at a station: named, never averaged away."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import SECOND_US, time_at
from asbuilt.views.shift.figures import disagreement
from asbuilt.views.shift.rows import Explained
from asbuilt.views.shift.sums import Sums
from asbuilt.views.shift.timeline import Station

MAX_OF_A_KIND = 20


def anomalies_of(station: Station, plant: Plant, sums: Sums) -> Iterator[str]:
    """Every anomaly of a station in the window, in words."""
    differs = disagreement(sums)
    if differs:
        yield differs
    yield from _counter(station)
    yield from _reasons(station, plant)
    yield from _explanations(station, plant)


def _counter(station: Station) -> Iterator[str]:
    """A counter that went back or jumped: its readings against the pieces it told."""
    rows = station.reader.select(
        "SELECT time_us, made, reading, before FROM (SELECT time_us, good + rejected + for_review AS made, reading,"
        " lag(reading) OVER (ORDER BY time_us, fact) AS before FROM shift_made"
        " WHERE cell >= ? AND cell <= ? AND reading >= 0 AND time_us >= ? AND time_us < ?) WHERE before IS NOT NULL"
        " AND reading <> before + made LIMIT ?",
        *station.cells, station.start_us, station.end_us, MAX_OF_A_KIND,
    )  # fmt: skip
    for _, made, reading, before in rows:
        if reading < before:
            yield f"the counter went back from {before} to {reading}"
        else:
            yield f"the counter jumped from {before} to {reading} while {made} pieces were told"


def _reasons(station: Station, plant: Plant) -> Iterator[str]:
    """Reasons that the plant file does not know."""
    rows = station.reader.select(
        "SELECT reason FROM shift_hour WHERE cell >= ? AND cell <= ? AND reason <> ''"
        " UNION SELECT reason FROM shift_explained WHERE station = ? AND end_us > ? AND start_us < ?",
        *station.cells,
        station.path, station.start_us, station.end_us,
    )  # fmt: skip
    unknown = sorted(reason for (reason,) in rows if reason not in plant.reasons)
    for reason in unknown[:MAX_OF_A_KIND]:
        yield f"reason `{reason}` is not in the plant file"


def _explanations(station: Station, plant: Plant) -> Iterator[str]:
    """Explanations of time that is still to come."""
    rows = station.reader.rows(
        Explained, "station = ? AND end_us > ? AND start_us < ? ORDER BY start_us, fact LIMIT ?",
        station.path, max(station.now_us, station.start_us), station.end_us, MAX_OF_A_KIND,
    )  # fmt: skip
    for row in rows:
        until = time_at(row.end_us, plant.zone)
        ahead_s = (row.end_us - max(row.start_us, station.now_us)) / SECOND_US
        yield f"{row.by} explained a stop until {until:%Y-%m-%d %H:%M}, {ahead_s / 60:.0f} min of it still to come"
