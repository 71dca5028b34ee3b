"""The answers about a line: what `queries` returns, the page shows and the API tells.

Durations end in `_s` (seconds); instants are in the plant's zone.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from msgspec import Struct

from asbuilt.domain.alarms.fold import ACTIVE
from asbuilt.plant.calendar import ShiftWindow

OWN_CAUSES = ("Held", "Aborted", "Stopped", "Holding", "Aborting", "Stopping", "Clearing", "Unholding")
"""States whose cause lies at the station itself."""
FROM_OUTSIDE = ("Starved", "Blocked")
"""States whose cause lies up or down the line."""


class Cycle(Struct, frozen=True):
    """The present cycle: since when it counts (breaks and time blocked taken out), and its target in seconds."""

    since: dt.datetime | None
    unit: str
    target_s: float | None


class Indicator(Struct, frozen=True):
    """A value in its range; limits as in force when it was measured."""

    name: str
    value: str
    uom: str
    lower: str | None
    upper: str | None
    nominal: str | None
    time: dt.datetime
    verdict: Literal["inside", "near", "outside"]


class AlarmRow(Struct, frozen=True):
    """An alarm that stands or stood, in its state of ISA-18.2; `seen_by` is empty until a person acknowledged it.

    `until` is when its condition went: one in the state RTN-UNACK is listed until somebody acknowledges it, one that is
    latched until somebody resets it. `aside`: SHLVD, SUPPR or OOSRV while it is put aside and asks for nothing.
    """

    alarm: str
    state: str
    aside: str
    priority: int
    text: str
    response: str
    detail: str
    station: str
    place: str
    since: dt.datetime
    until: dt.datetime | None
    seen_at: dt.datetime | None
    seen_by: str
    shelved_until: dt.datetime | None

    @property
    def active(self) -> bool:
        """Whether it stands: its condition is present, or it is latched until it is reset."""
        return self.state in ACTIVE


class Tile(Struct, frozen=True):
    """One station: what it does, since when and why, its cycles, its key value, its output.

    `planned` tells that its stop was planned (a reason of the group `planned`).
    `observed` is `yes`, `no` (its source is silent: everything else is last known) or `never`.
    `output` is None where no pieces were told in the shift and nothing of it was observed.
    """

    id: str
    path: str
    name: str
    label: str
    state: str
    since: dt.datetime | None
    cause: str
    planned: bool
    observed: Literal["yes", "no", "never"]
    source: str
    fresh_s: float | None
    seen: dt.datetime | None
    units: tuple[str, ...]
    cycle: Cycle
    cycles_s: tuple[float, ...]
    takt_s: float | None
    key: Indicator | None
    alarm: AlarmRow | None
    first_pass: float | None
    output: int | None
    order: str
    jobs: int

    @property
    def holds(self) -> bool:
        """Whether it is seen to stop for a cause of its own that nobody planned."""
        return self.observed == "yes" and self.state in OWN_CAUSES and not self.planned


class Buffer(Struct, frozen=True):
    """What waits between two stations; never negative, because it counts units, not differences.

    `observed` tells whether the stations before and after it are, and units are told on this line at all: if not,
    `count` is what was last known.
    """

    after: str
    count: int
    capacity: int | None
    observed: bool
    empty_at: dt.datetime | None
    full_at: dt.datetime | None


class Hour(Struct, frozen=True):
    """One hour of the shift: planned and made pieces, and what cost most."""

    start: dt.datetime
    end: dt.datetime
    planned: int
    made: int | None
    reason: str


class Curve(Struct, frozen=True):
    """Output against plan over the shift: instants of good pieces, and the forecast for the end."""

    made: tuple[dt.datetime, ...]
    planned_total: int
    forecast: int | None
    forecast_low: int | None
    forecast_high: int | None


class Ribbon(Struct, frozen=True):
    """A station's states over the shift."""

    station: str
    parts: tuple[RibbonPart, ...]


class RibbonPart(Struct, frozen=True):
    """From when to when in which state; `No data` where nobody observed it."""

    start: dt.datetime
    end: dt.datetime
    state: str
    cause: str


class Contradiction(Struct, frozen=True):
    """Facts that do not fit together, named instead of hidden in a number."""

    time: dt.datetime
    kind: str
    unit: str
    station: str
    other: str


class Board(Struct, frozen=True):
    """Everything the line page shows, for one line and one moment.

    `output` is None where no pieces were told and nothing was observed; `observed` is the share of the shift so far
    (without shifts, of the last eight hours) in which the stations at the line's end were observed. `output` is None, too,
    while nobody has ever told pieces there, and `on_line` while no unit was ever told to be on the line.
    """

    line: str
    name: str
    address: str
    flow: str
    product: str
    at: dt.datetime
    live: bool
    headline: str
    shift: ShiftWindow | None
    next_shift: ShiftWindow | None
    takt_s: float | None
    cadence_s: float | None
    output: int | None
    observed: float | None
    planned: int | None
    rolled_yield: float | None
    on_line: int | None
    order: str
    tiles: tuple[Tile, ...]
    buffers: tuple[Buffer, ...]
    curve: Curve | None
    hours: tuple[Hour, ...]
    ribbons: tuple[Ribbon, ...]
    alarms: tuple[AlarmRow, ...]
    cleared: tuple[AlarmRow, ...]
    contradictions: tuple[Contradiction, ...]
    unknown_stations: tuple[str, ...]

    @property
    def unseen(self) -> int:
        """How many of its stations are not observed."""
        return sum(1 for tile in self.tiles if tile.observed != "yes")

    @property
    def partly(self) -> bool:
        """Whether a part of what was made may not have been seen: then nothing is ahead of plan or behind it."""
        return self.observed is not None and round(self.observed, 2) < 1


class Silence(Struct, frozen=True):
    """A source that is silent: last heard when, noticed when."""

    source: str
    seen: dt.datetime
    noticed: dt.datetime


class LineRow(Struct, frozen=True):
    """A line of the plant, for lists."""

    line: str
    name: str
    address: str
    stations: int
