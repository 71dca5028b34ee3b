"""What queries about units answer. Times are at the plant; `fact` is the id of the fact behind."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from msgspec import Struct


class Anomaly(Struct, frozen=True):
    """Something recorded that does not fit; nothing was refused or moved for it. `remedy` says what to do."""

    kind: str
    unit: str
    position: str
    message: str
    remedy: str
    time: dt.datetime | None
    fact: UUID | None


class Standing(Struct, frozen=True):
    """A hold that stands: on which item (unit, lot, product or station key), since when, why."""

    hold: str
    item: str
    since: dt.datetime
    reason: str
    by: str


class Component(Struct, frozen=True, gc=False):
    """What sits at a position: a serial, a quantity of a lot, or what a container held.

    `evidence` is scanned, container or time_window; `components` is what the serial is made of itself.
    """

    position: str
    product: str
    name: str
    serial: str | None
    lot: str | None
    container: str | None
    quantity: str
    uom: str
    evidence: str
    since: dt.datetime
    station: str
    operation: str
    by: str
    fact: UUID
    components: tuple[Component, ...] = ()


class Unit(Struct, frozen=True):
    """A unit at a glance.

    `state` is in work, completed, packed, shipped, fitted, returned, scrapped, or installed where it is
    known as a component only; `place` the station, container, consignee or unit that goes with it.
    `completed` is when it was released last, whatever came after.
    """

    product: str
    serial: str
    state: str
    since: dt.datetime | None
    place: str
    consignee: str
    order: str
    revision: str
    started: dt.datetime | None
    completed: dt.datetime | None
    held: bool


class AsBuilt(Struct, frozen=True):
    """What a unit is made of at a moment `at`, as known at `known_at` (now if none).

    `links` counts the components at all levels.
    """

    product: str
    serial: str
    state: str
    place: str
    order: str
    revision: str
    completed: dt.datetime | None
    at: dt.datetime
    known_at: dt.datetime | None
    links: int
    components: tuple[Component, ...]
    holds: tuple[Standing, ...]
    anomalies: tuple[Anomaly, ...]


class Step(Struct, frozen=True):
    """A pass of a unit through an operation: from its start to what came out (open while it lasts).

    `result` is good, scrap, rework or open; `touch_s` from start to end, `wait_s` since the end of the pass before.
    """

    operation: str
    name: str
    station: str
    by: str
    program: str
    program_revision: str
    number: int
    result: str
    reason: str
    start: dt.datetime | None
    end: dt.datetime | None
    touch_s: float | None
    wait_s: float | None
    fact: UUID


class Measurement(Struct, frozen=True):
    """A measured value against the limits in force at its time; `within` is unknown without limits.

    `latest` marks the last one of its characteristic, position and operation.
    """

    characteristic: str
    name: str
    position: str
    value: str
    uom: str
    nominal: str | None
    lower: str | None
    upper: str | None
    within: bool | None
    gauge: str
    station: str
    operation: str
    by: str
    time: dt.datetime
    latest: bool
    fact: UUID


class ChannelRow(Struct, frozen=True):
    """A channel of a run, summarised, with the limits in force."""

    name: str
    uom: str
    minimum: str
    maximum: str
    mean: str
    lower: str | None
    upper: str | None


class RunRow(Struct, frozen=True):
    """A test run of a unit; `curve` is the SHA-256 of its curve file."""

    station: str
    program: str
    program_revision: str
    verdict: str
    by: str
    start: dt.datetime
    end: dt.datetime
    curve: str
    channels: tuple[ChannelRow, ...]
    fact: UUID


class Decision(Struct, frozen=True):
    """What was decided about a nonconformance, of how much of it."""

    decision: str
    quantity: str | None
    time: dt.datetime
    by: str
    message: str
    fact: UUID


class CaseRow(Struct, frozen=True):
    """A nonconformance: raised on what, and what was decided.

    Where quantities are told: raised = sum of decided + `undecided`; `state` is open, decided, or
    overdecided where more was decided than raised.
    """

    nonconformance: str
    item: str
    order: str
    station: str
    characteristic: str
    reason: str
    severity: str
    message: str
    by: str
    raised: dt.datetime | None
    quantity: str | None
    undecided: str | None
    state: str
    decisions: tuple[Decision, ...]


class Expected(Struct, frozen=True):
    """A line of the routing, parts list or list of characteristics, held against the unit.

    `kind` is operation, part or characteristic; `state` is complete, open, missing, doubled, unexpected, unit differs (what was
    installed is told in a unit that does not convert), out of limits, or conceded (out of limits, and decided to stay).
    """

    kind: str
    id: str
    name: str
    position: str
    wanted: str
    found: str
    uom: str
    state: str


class Completeness(Struct, frozen=True):
    """Whether a unit is whole against the plant file in force when it was released (now if it was not).

    `open` is what keeps it from being: each a sentence.
    """

    product: str
    serial: str
    at: dt.datetime
    known_at: dt.datetime | None
    complete: bool
    operations: str
    parts: str
    characteristics: str
    open: tuple[str, ...]
    lines: tuple[Expected, ...]


class AtStation(Struct, frozen=True):
    """A unit in work that was at a station last: still in the machine, or done there and on its way."""

    product: str
    serial: str
    order: str
    operation: str
    since: dt.datetime
    in_machine: bool
    result: str


class Balance(Struct, frozen=True):
    """Passes of units through an operation: good + scrap + rework + open = started, always."""

    operation: str
    started: int
    good: int
    scrap: int
    rework: int
    open: int


class Moment(Struct, frozen=True):
    """Something in a unit's life, in words."""

    time: dt.datetime
    what: str
    place: str
    by: str
    detail: str
    fact: UUID


class FactRow(Struct, frozen=True):
    """A recorded fact about a unit: where it stands in the record, and how it stands today."""

    position: int
    id: UUID
    type: str
    event_time: dt.datetime
    record_time: dt.datetime
    source: str
    by: str | None
    body: str
