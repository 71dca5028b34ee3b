"""Who is on the floor, as the others know them: a unit on its way, and what each may be asked.

The floor holds all of them and each of them holds the floor; here is what they need of each other, so that no module leads back to itself.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

import simpy

from asbuilt.plant import Part, Station
from asbuilt.simulate.equipment import AlarmText, Trouble

Doing = Generator[simpy.Event, Any, bool]
Going = Generator[simpy.Event, Any, None]


class Taken(NamedTuple):
    """A part in the hand: what it is known by."""

    serial: str | None
    lot: str
    container: str | None


class Unit:
    """An engine on its way, and what was fitted to it where."""

    __slots__ = ("fitted", "order", "serial")

    def __init__(self, serial: str, order: str) -> None:
        self.serial = serial
        self.order = order
        self.fitted: dict[str, Taken] = {}


class Outage(NamedTuple):
    """A source that is silent for a time."""

    source: str
    start: int
    end: int


class BinRole(Protocol):
    """A bin of one part at one station."""

    part: Part

    def take(self, quantity: Decimal) -> Taken:
        """Take so many for a unit."""
        ...

    def close_lot(self, lot: str) -> None:
        """Take a lot out of use."""
        ...

    def put_away(self) -> str | None:
        """Open the next box; the one that was put away."""
        ...


class StockRole(Protocol):
    """The store."""

    @property
    def bins(self) -> Mapping[str, tuple[BinRole, ...]]:
        """The bins of each operation."""
        ...

    def bin(self, product: str) -> BinRole | None:
        """The bin of a part."""
        ...


class OfficeRole(Protocol):
    """Orders, pallets, holds."""

    @property
    def held(self) -> dict[str, str]:
        """The hold of each serial that is on hold."""
        ...

    def start(self) -> None:
        """Begin to work."""
        ...

    def begin_unit(self, station: Station) -> Unit:
        """The next unit of the order."""
        ...

    def scrapped(self, unit: Unit) -> None:
        """A unit is gone; another is needed."""
        ...

    def pack(self, unit: Unit, station: Station, index: int) -> None:
        """Pack a unit that left the line."""
        ...

    def carriers(self, position: str, container: str) -> list[str]:
        """The units that carry parts of a box."""
        ...

    def hold(self, serial: str, reason: str) -> None:
        """Place a hold on a unit."""
        ...

    def next_case(self) -> str:
        """The number of a new case."""
        ...


class AlarmsRole(Protocol):
    """Alarms of stations."""

    def stands(self, name: str, station: Station) -> bool:
        """Whether an alarm stands."""
        ...

    def raise_(self, words: AlarmText, station: Station, detail: str | None = None) -> None:
        """Raise an alarm."""
        ...

    def clear(self, name: str, station: Station) -> None:
        """Clear an alarm."""
        ...

    def work_on(self, name: str, station: Station, why: str) -> None:
        """Take an alarm out of service."""
        ...

    def worked_on(self, name: str, station: Station) -> None:
        """Place an alarm in service again."""
        ...


class WatchRole(Protocol):
    """Those who watch what is measured."""

    @property
    def wear(self) -> float:
        """How far the leak fixture is worn."""
        ...

    def measured(self, characteristic: str, value: float, unit: Unit) -> None:
        """A value was measured."""
        ...

    def judged(self, station: Station, unit: Unit, failed: bool) -> None:
        """A unit was judged."""
        ...

    def remark(self) -> str:
        """What is said for the next shift."""
        ...


class BufferRole(Protocol):
    """Room for units between two stations."""

    @property
    def units(self) -> Sequence[Unit]:
        """The units in it."""
        ...


class BayRole(Protocol):
    """A station with its hours."""

    on_duty: bool


class FlowRole(Protocol):
    """The stations of the line in order."""

    on_line: int

    @property
    def bays(self) -> Sequence[BayRole]:
        """The stations."""
        ...

    @property
    def buffers(self) -> Sequence[BufferRole]:
        """The buffers between them."""
        ...

    def start(self) -> None:
        """Begin to work."""
        ...

    def working(self, time_ms: int) -> Going:
        """Let so much working time pass."""
        ...

    def waiting_around(self, index: int) -> tuple[int, int]:
        """How many units wait before and after a station."""
        ...


class InFlow(Protocol):
    """What stands in the flow."""

    @property
    def flow(self) -> FlowRole:
        """The flow."""
        ...


class PlaceRole(Protocol):
    """A place of a station, where work is done."""

    number: int
    unit: Unit | None

    @property
    def bay(self) -> InFlow:
        """The station."""
        ...

    def work(self, time_ms: int, fragile: bool = False) -> Doing:
        """Work so long; whether it was not cut off."""
        ...

    def wait(self, time_ms: int) -> Going:
        """Let working time pass."""
        ...


class DeliveryRole(Protocol):
    """What becomes of engines that have left."""

    def shipped(self, unit: Unit, customer: str, use: str) -> None:
        """A unit left for a customer."""
        ...


class ScenarioRole(Protocol):
    """What happens besides ordinary life."""

    outages: tuple[Outage, ...]

    def live(self, now: int) -> bool:
        """Whether somebody watches."""
        ...

    def calm(self, now: int) -> bool:
        """Whether chance troubles keep away."""
        ...

    def forced(self, station: str) -> list[tuple[int, Trouble]]:
        """Troubles that come at a fixed time."""
        ...

    def spares(self, station: str, now: int) -> bool:
        """Whether chance defects keep away."""
        ...

    def cycle_ms(self, station: str, cycle_ms: int, now: int, before: int, after: int) -> int:
        """How long a cycle takes."""
        ...

    def offset(self, characteristic: str, unit: Unit, now: int) -> float:
        """How far a characteristic is off."""
        ...

    def quantity(self, characteristic: str, now: int) -> float | None:
        """The mean of a station's quantity."""
        ...

    def detail(self, alarm: str, now: int) -> str | None:
        """What an alarm says besides."""
        ...

    def reseated(self, now: int) -> None:
        """The leak test fixture was reseated."""
        ...
