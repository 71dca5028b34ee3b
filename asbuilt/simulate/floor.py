"""The shop floor: what everything in the simulated plant shares."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import Any

import simpy

from asbuilt.errors import UsageError
from asbuilt.events import Event
from asbuilt.plant import Line, Plant, Product, Station
from asbuilt.simulate.engine import Know, known_about
from asbuilt.simulate.journal import Journal
from asbuilt.simulate.people import People
from asbuilt.simulate.roles import (
    AlarmsRole,
    DeliveryRole,
    FlowRole,
    OfficeRole,
    ScenarioRole,
    StockRole,
    Unit,
    WatchRole,
)

OFFICE = "office"
"""The source of what people at desks say, if the plant file has it."""


class Floor:
    """One line of a plant, its clock, its people, its stock, and one source of chance for each of them.

    Chance is drawn per name, so that a change at one station does not shift what happens at another.
    """

    stock: StockRole
    office: OfficeRole
    alarms: AlarmsRole
    watch: WatchRole
    flow: FlowRole
    after: DeliveryRole

    def __init__(self, plant: Plant, line: Line, seed: int, start_ms: int, scenario: ScenarioRole) -> None:
        if not line.station or line.flow != "serial":
            raise UsageError(
                f"line {line.id} has no serial flow of stations", remedy="Simulate a line that has stations in order."
            )
        self.plant = plant
        self.line = line
        self.product = plant.products.get(line.product or "") or Product(id="U", name="Unit")
        self.know: Know = known_about(self.product)
        self.seed = seed
        self.scenario = scenario
        self.env = simpy.Environment(initial_time=start_ms)
        self.journal = Journal(self.env, plant.zone, self.random("ids"))
        self.people = People(plant, line, start_ms)
        self.stops: list[tuple[str, int, str]] = []

    def random(self, name: str) -> Random:
        """A source of chance of its own."""
        return Random(f"{self.seed}/{name}")

    @property
    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        return int(self.env.now)

    @property
    def desk(self) -> str:
        """The source of what is said at a desk."""
        return OFFICE if OFFICE in self.plant.adapters else next(iter(self.plant.adapters), "plant")

    def source(self, station: Station) -> str:
        """The source a station speaks through."""
        return station.source or self.desk

    def reason(self, code: str) -> str | None:
        """The reason, if the plant file has it."""
        return code if code in self.plant.reasons else None

    def offset(self, characteristic: str, unit: Unit) -> float:
        """How far a characteristic is off its usual mean for this unit now."""
        wear = self.watch.wear if characteristic == "leak_rate" else 0.0
        return wear + self.scenario.offset(characteristic, unit, self.now)

    def operator(self, index: int) -> str:
        """Who works at a station now."""
        return self.people.operator(index, self.now)

    def say(self, kind: type[Event], station: Station, by: str | None = None, **fields: Any) -> dt.datetime:
        """Record that something happens at a station now."""
        return self.journal.say(kind, station.source or self.desk, by, station=station.path, **fields)
