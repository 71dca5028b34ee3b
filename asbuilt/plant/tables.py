"""The tables of a plant file and the keys each may hold."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._ -]{0,79}\Z")]
"""Letters, digits, `.`, `_`, `-` and spaces; it becomes part of paths and addresses."""
SourceName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._ -]{0,79}(:.{1,110})?\Z")]
"""An adapter, or a part behind it: `cell` or `cell:Group/Node`."""
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Number = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,18}(\.[0-9]{1,12})?\Z")]
"""A decimal number kept as it was written."""
TimeOfDay = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the plant file; keys that are not declared are refused."""


# --------------------------------------------------------------------------- products


class Characteristic(Table, frozen=True, kw_only=True):
    """Something that is measured, with its limits; `digits` is how many decimals are shown."""

    id: Id
    name: Title
    uom: Title
    nominal: Number | None = None
    lower: Number | None = None
    upper: Number | None = None
    digits: Annotated[int, Meta(ge=0, le=9)] | None = None


class Operation(Table, frozen=True, kw_only=True):
    """A step of a product's routing; `station` is an id on the product's line or a full path."""

    id: Id
    name: Title
    station: str
    cycle_s: Seconds | None = None
    characteristics: tuple[Id, ...] = ()


class Part(Table, frozen=True, kw_only=True):
    """A line of the parts list: how many go in, at which operation, and how they are tracked."""

    product: Id
    name: Title
    quantity: Number = "1"
    uom: Title = "pcs"
    tracking: Literal["serial", "lot", "bulk"] = "lot"
    operation: Id | None = None
    positions: tuple[Title, ...] = ()


class Product(Table, frozen=True, kw_only=True):
    """What is built, with routing, parts list and characteristics.

    `drawing` is the SVG in which its units' pages write what was built (`asbuilt.plant.drawing`); in the file it is the name of one.
    `serial` is a regular expression that every serial of it fits: what does not is asked about before it is begun.
    """

    id: Id
    name: Title
    revision: Title | None = None
    serial: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    gtin: Annotated[str, Meta(pattern=r"\A[0-9]{8,14}\Z")] | None = None
    drawing: Annotated[str, Meta(max_length=200_000)] | None = None
    operation: tuple[Operation, ...] = ()
    part: tuple[Part, ...] = ()
    characteristic: tuple[Characteristic, ...] = ()


# --------------------------------------------------------------------------- equipment


class Station(Table, frozen=True, kw_only=True):
    """A work unit of a line. `buffer` is the capacity of the buffer after it (none: no buffer).

    `key` names the characteristic shown on its tile; `source` the adapter it speaks through.
    """

    id: Id
    name: Title
    short: Title | None = None
    cycle_s: Seconds | None = None
    buffer: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    source: SourceName | None = None
    key: Id | None = None
    places: Annotated[int, Meta(ge=1, le=1000)] = 1
    characteristic: tuple[Characteristic, ...] = ()
    path: str = field(default="", name="_path")

    @property
    def label(self) -> str:
        """The name used in sentences."""
        return self.short or self.name


class Line(Table, frozen=True, kw_only=True):
    """A work centre: stations in the order of flow, a takt, a shift pattern."""

    id: Id
    name: Title
    product: Id | None = None
    takt_s: Seconds | None = None
    shifts: Id | None = None
    flow: Literal["serial", "job_shop"] = "serial"
    station: tuple[Station, ...] = ()
    path: str = field(default="", name="_path")


class Area(Table, frozen=True, kw_only=True):
    """A part of a site."""

    id: Id
    name: Title
    line: tuple[Line, ...] = ()


class Site(Table, frozen=True, kw_only=True):
    """A place."""

    id: Id
    name: Title
    area: tuple[Area, ...] = ()


# --------------------------------------------------------------------------- time, reasons, sources


class Break(Table, frozen=True, kw_only=True):
    """A pause inside a shift, times of day in the plant's zone."""

    start: TimeOfDay
    end: TimeOfDay
    name: Title = "break"


class Shift(Table, frozen=True, kw_only=True):
    """A shift of a pattern. It begins on the given days; one that ends at or before its start ends on the next day."""

    id: Id
    start: TimeOfDay
    end: TimeOfDay
    days: tuple[Day, ...] = DAYS
    lead: Title | None = None
    breaks: tuple[Break, ...] = ()


class ShiftPattern(Table, frozen=True, kw_only=True):
    """The shifts of a week."""

    id: Id
    shift: tuple[Shift, ...] = ()


class DayChange(Table, frozen=True, kw_only=True):
    """Other shifts than usual on the days from `day` to `until` (both included): none, or those given.

    Without `site` and `line` it holds for the whole plant. Of two for one day the narrower holds,
    of equally narrow ones the later in the file.
    """

    day: dt.date
    until: dt.date | None = None
    name: Title = "no work"
    site: Id | None = None
    line: str | None = None
    shift: tuple[Shift, ...] = ()


TimeKind = Literal["production", "setup", "delay", "down", "planned"]
"""What a station's time counts as (ISO 22400-2): `production` APT, `setup` AUST, `delay` ADET, `down` ADOT,
`planned` downtime, which is taken out of PBT."""

STATE_TIMES: dict[str, TimeKind] = {
    "Execute": "production", "Starting": "production", "Completing": "production",
    "Idle": "down", "Complete": "down", "Resetting": "down",
    **dict.fromkeys(
        ("Holding", "Held", "Unholding", "Suspending", "Starved", "Blocked", "Unsuspending",
         "Stopping", "Stopped", "Aborting", "Aborted", "Clearing"), "delay",
    ),
}  # fmt: skip
"""What each PackML state counts as unless the plant file or the reason says otherwise."""


UNHEARD_S = 28_800.0
"""A station that produces makes itself heard: pieces, cycles, the next state. More than a shift without any word is no
production, and words further apart do not vouch for the time between."""
UNHEARD_STANDING_S = 604_800.0
"""One that stands has nothing to say until it goes on: over a weekend, or a long repair. Two weeks are no repair."""


class TimeModel(Table, frozen=True, kw_only=True):
    """How states become times and when figures are withheld.

    `states` changes what a state counts as. Stops shorter than `short_stop_s` seconds are short
    stops, everywhere. Ratios are withheld below `min_coverage` (share of the planned busy time that
    was observed) and where planned run time exceeds run time by more than `max_effectiveness`.
    `without_order` says what a delay counts as while no order is in work at the station.

    Where a source has no `fresh_s`, its last word holds for `unheard_s` seconds, and for `unheard_standing_s` where the
    station then stood (or people report what they did): what lies beyond that is not observed.
    """

    states: dict[str, TimeKind] = {}
    short_stop_s: Annotated[float, Meta(ge=0, le=86_400)] = 120.0
    min_coverage: Annotated[float, Meta(ge=0, le=1)] = 0.5
    max_effectiveness: Annotated[float, Meta(gt=0, le=100)] = 1.2
    without_order: Literal["delay", "down"] = "delay"
    unheard_s: Annotated[float, Meta(gt=0, le=31_536_000)] = UNHEARD_S
    unheard_standing_s: Annotated[float, Meta(gt=0, le=31_536_000)] = UNHEARD_STANDING_S


class Reason(Table, frozen=True, kw_only=True):
    """A reason for a stop, with the group it belongs to, or the reason it is `under`.

    `time` is what a stop for this reason counts as, else that of the reason above, else what the
    state says. `failure` makes it count for MTBF and MTTR.
    """

    id: Id
    name: Title
    group: Title = "other"
    under: Id | None = None
    time: TimeKind | None = None
    failure: bool | None = None


class AlarmRule(Table, frozen=True, kw_only=True):
    """When an alarm is raised, and what is to be done then (ISA-18.2: without a response it is no alarm).

    The condition is a measured `characteristic` `above` or `below` a value, or one of `states`; at
    `station`, else at every station of `line`. It must hold for `on_delay_s` to raise the alarm and
    be gone for `off_delay_s` to clear it; a value is back when it is `deadband` inside its limit.
    While an alarm of `suppressed_by` stands on the same line, the rule raises none and records that it is suppressed.
    One that is `latching` stands after its condition is gone, until somebody resets it.
    """

    id: Id
    name: Title
    response: Title
    priority: Annotated[int, Meta(ge=1, le=4)]
    line: str | None = None
    station: str | None = None
    characteristic: Id | None = None
    above: Number | None = None
    below: Number | None = None
    deadband: Number = "0"
    states: tuple[str, ...] = ()
    on_delay_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    off_delay_s: Annotated[float, Meta(ge=0, le=86_400)] = 0.0
    suppressed_by: tuple[Id, ...] = ()
    latching: bool = False


class Zone(Table, frozen=True, kw_only=True):
    """A part of the premises on the plan: a rectangle, in any unit of length, x to the right and y downwards.

    `expected` are the categories (person, car, …) that may be there; with `in_shifts`, only while `line`, the line
    that stands there, has a shift.
    """

    id: Id
    name: Title
    x: Annotated[float, Meta(ge=0, le=100_000)]
    y: Annotated[float, Meta(ge=0, le=100_000)]
    width: Annotated[float, Meta(gt=0, le=100_000)]
    height: Annotated[float, Meta(gt=0, le=100_000)]
    expected: tuple[Title, ...] = ()
    line: str | None = None
    in_shifts: bool = False


class Round(Table, frozen=True, kw_only=True):
    """A guard's round: its checkpoints, at which times of day it begins, and how long it may take."""

    id: Id
    name: Title
    checkpoints: tuple[Title, ...]
    starts: tuple[TimeOfDay, ...]
    within_min: Annotated[int, Meta(ge=1, le=1440)] = 60


class AdapterSettings(Struct, frozen=True, kw_only=True):
    """An adapter of the plant file: its kind, what every adapter has, and its own settings.

    `title` is its name for people, `fresh_s` how often it should be heard, `response` what to do
    when it is silent.
    """

    name: str
    kind: str
    title: str
    fresh_s: float | None
    response: str
    settings: dict[str, Any]


class Head(Table, frozen=True, kw_only=True):
    """What the plant is called and by which zone its clocks go."""

    id: Id
    name: Title
    zone: str


class File(Table, frozen=True, kw_only=True):
    """The whole plant file."""

    plant: Head
    site: tuple[Site, ...] = ()
    product: tuple[Product, ...] = ()
    shift_pattern: tuple[ShiftPattern, ...] = ()
    day_change: tuple[DayChange, ...] = ()
    time: TimeModel = TimeModel()
    reason: tuple[Reason, ...] = ()
    alarm: tuple[AlarmRule, ...] = ()
    zone: tuple[Zone, ...] = ()
    round: tuple[Round, ...] = ()
    adapter: dict[Id, dict[str, Any]] = {}


def minutes(time_of_day: str) -> int:
    """Minutes since midnight of `HH:MM`."""
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])


def shift_minutes(shift: Shift) -> int:
    """Length of a shift by the clock on the wall, 1 … 1440 minutes."""
    return (minutes(shift.end) - minutes(shift.start)) % 1440 or 1440
