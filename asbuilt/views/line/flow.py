"""Where units are: at stations, in the buffers between them, and which buffer runs empty or full next."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from asbuilt.access.conditions import above, at_most, between
from asbuilt.domain.passages.rows import LONG_STAY_US, Stay
from asbuilt.plant.calendar import seconds_between
from asbuilt.views.line.answers import FROM_OUTSIDE, OWN_CAUSES, Buffer, Tile
from asbuilt.views.line.moment import Moment

Here = dict[tuple[str, str], list[Stay]]
"""(station, `at` or `after`) → the stays there."""


def units_on_line(look: Moment) -> Here:
    """(station, phase) → stays at this moment, longest first. What passed the last station has left."""
    found: defaultdict[tuple[str, str], list[Stay]] = defaultdict(list)
    last = look.line.station[-1].path if look.line.station else ""
    for station in look.line.station:
        recent = look.reader.rows(
            Stay,
            {
                "station": station.path,
                "from_us": between(look.at_us - LONG_STAY_US, look.at_us + 1),
                "long": 0,
                "until_us": above(look.at_us),
            },
        )
        long = look.reader.rows(
            Stay,
            [
                {"station": station.path, "long": 1, "from_us": at_most(look.at_us), "until_us": until}
                for until in (0, above(look.at_us))
            ],
        )
        for stay in sorted((*recent, *long), key=lambda stay: (stay.from_us, stay.unit)):
            if (stay.station, stay.phase) != (last, "after"):
                found[stay.station, stay.phase].append(stay)
    return dict(found)


def tracked(look: Moment) -> bool:
    """Whether any unit was ever told to be on this line: before that, nobody knows that its buffers are empty."""
    until = at_most(look.at_us)
    return any(look.reader.exists(Stay, {"station": one.path, "from_us": until}) for one in look.line.station)


def buffers(look: Moment, here: Here, tiles: Sequence[Tile], known: bool) -> list[Buffer]:
    """What waits after each station that has a buffer; `known` tells whether units are told here at all."""
    found = []
    for (station, tile), (_, after) in pairwise(zip(look.line.station, tiles, strict=True)):
        if station.buffer is None:
            continue
        count = len(here.get((station.path, "after"), ()))
        found.append(
            Buffer(
                after=station.id,
                count=count,
                capacity=station.buffer or None,
                observed=known and tile.observed == after.observed == "yes",
                empty_at=_runs_empty(look, tile, after, count) if known else None,
                full_at=_runs_full(look, tile, after, count, station.buffer) if known else None,
            )
        )
    return found


def _runs_empty(look: Moment, before: Tile, after: Tile, count: int) -> dt.datetime | None:
    """When the station after has used up what waits, if the one before gives no more."""
    if before.state not in (*OWN_CAUSES, *FROM_OUTSIDE) or after.state != "Execute" or look.shift is None:
        return None
    pace = _pace(after)
    if pace is None:
        return None
    return look.shift.after_work(look.at, _remaining(look, after, pace) + count * pace)


def _runs_full(look: Moment, before: Tile, after: Tile, count: int, capacity: int) -> dt.datetime | None:
    """When the buffer is full, if the station after takes nothing."""
    if after.state not in (*OWN_CAUSES, "Blocked") or before.state != "Execute" or look.shift is None:
        return None
    pace = _pace(before)
    if pace is None or not capacity:
        return None
    free = capacity - count
    return look.shift.after_work(look.at, _remaining(look, before, pace) + (free - 1) * pace) if free > 0 else None


def _remaining(look: Moment, tile: Tile, pace: float) -> float:
    if tile.cycle.since is None:
        return 0.0
    return max(0.0, pace - seconds_between(tile.cycle.since, look.at))


def _pace(tile: Tile) -> float | None:
    """Seconds between pieces of a station: the mean of its last cycles, shared by its places."""
    if tile.cycles_s:
        mean = sum(tile.cycles_s) / len(tile.cycles_s)
        return mean / max(1, len(tile.units))
    return tile.cycle.target_s
