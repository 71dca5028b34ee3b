"""Questions about lines. Every query takes `at`; without it the answer is about now."""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.presence import connections
from asbuilt.domain.states import spells
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.line.answers import Board, Buffer, LineRow, Silence, Tile
from asbuilt.views.line.gathered import look_at
from asbuilt.views.line.moment import time_at


def lines(reader: Reader, at: dt.datetime | None = None) -> list[LineRow]:
    """The lines of the plant."""
    plant = reader.plant(at)
    return [LineRow(line.path, line.name, plant.address(line), len(line.station)) for line in plant.lines.values()]


def states(reader: Reader, line: str, at: dt.datetime | None = None) -> list[Tile]:
    """The stations of a line: state, reason, duration, cycle, key value, output."""
    return list(board(reader, line, at).tiles)


def buffers(reader: Reader, line: str, at: dt.datetime | None = None) -> list[Buffer]:
    """What waits between the stations of a line."""
    return list(board(reader, line, at).buffers)


def silences(reader: Reader, at: dt.datetime | None = None) -> list[Silence]:
    """Sources that are silent: since when, and when that was noticed."""
    zone = reader.plant(at).zone
    found = connections.lost_sources(reader, microseconds(reader.instant(at)))
    return [Silence(one.source, time_at(one.since_us, zone), time_at(one.noticed_us, zone)) for one in found]


def condition(reader: Reader, station: str, characteristic: str = "", at: dt.datetime | None = None) -> str:
    """The last value of a characteristic at a station, or the station's state if none is named; empty if unknown."""
    at_us = microseconds(reader.instant(at))
    if characteristic:
        reading = measurements.last(reader, station, characteristic, at_us)
        return reading.value if reading is not None else ""
    state = spells.before(reader, station, at_us + 1)
    return state.state if state is not None else ""


def board(reader: Reader, line: str, at: dt.datetime | None = None) -> Board:
    """The whole line board at one moment."""
    plant = reader.plant(at)
    found = plant.line(line)
    if found is None:
        known = ", ".join(plant.address(known) for known in plant.lines.values()) or "none yet"
        raise UsageError(f"there is no line `{line}`", remedy=f"The plant has: {known}.")
    return look_at(reader, plant, found, at)
