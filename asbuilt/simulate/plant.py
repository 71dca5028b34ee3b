"""The simulated plant: facts in the order in which a plant would deliver them."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterator
from itertools import count

from asbuilt.events import Event, SourceConnected
from asbuilt.plant import Line, Plant
from asbuilt.simulate import sensors
from asbuilt.simulate.alarms import Alarms
from asbuilt.simulate.delivery import After
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import HOUR, ms, start_of_history
from asbuilt.simulate.line import Flow
from asbuilt.simulate.office import ORDER_QUANTITY, Office
from asbuilt.simulate.scenario import Scenario, Show
from asbuilt.simulate.stock import Stock
from asbuilt.simulate.watch import Watch


class SimulatedPlant:
    """One line of a plant that lives from `start` on, moved forward step by step.

    The same plant file, seed and start give the same facts, byte for byte, in whatever steps.
    `live_from` tells the story of the demo around that moment. The line begins empty.
    """

    def __init__(
        self,
        plant: Plant,
        seed: int,
        start: dt.datetime,
        *,
        live_from: dt.datetime | None = None,
        line: Line | None = None,
        order_quantity: int = ORDER_QUANTITY,
    ) -> None:
        self.plant = plant
        self.scenario = Show(ms(live_from)) if live_from is not None else Scenario()
        line = line or next(iter(plant.lines.values()))
        self._floor = floor = Floor(plant, line, seed, ms(start), self.scenario)
        self._withheld: list[tuple[int, int, Event]] = []
        self._number = count()
        self.sources = sorted({floor.source(station) for station in line.station} | {floor.desk})
        for source in self.sources:
            floor.journal.say(SourceConnected, source, adapter=source)
        floor.office = Office(floor, order_quantity)
        floor.alarms = Alarms(floor)
        floor.watch = Watch(floor)
        floor.stock = Stock(floor)
        floor.after = After(floor)
        floor.flow = Flow(floor)
        floor.flow.start()
        floor.office.start()
        sensors.start(floor)
        self.scenario.begin(floor)

    @property
    def now(self) -> dt.datetime:
        """How far the plant has been moved."""
        return self._floor.journal.instant(self._floor.now)

    @property
    def on_line(self) -> int:
        """How many units are in work: begun, neither packed nor scrapped."""
        return self._floor.flow.on_line

    @property
    def waiting(self) -> tuple[int, ...]:
        """How many units are in each buffer, in the order of flow."""
        return tuple(len(buffer.units) for buffer in self._floor.flow.buffers)

    def until(self, instant: dt.datetime) -> list[Event]:
        """Live on until an instant; the facts delivered meanwhile, in order of delivery."""
        to = ms(instant)
        if to > self._floor.now:
            self._floor.env.run(until=to)
        delivered: list[Event] = []
        for fact in self._floor.journal.take():
            self._release(ms(fact.event_time), delivered)
            until = self._held_back(fact.source, ms(fact.event_time))
            if until is None:
                delivered.append(fact)
            else:
                heapq.heappush(self._withheld, (until, next(self._number), fact))
        self._release(to, delivered)
        return delivered

    def facts(self, until: dt.datetime | None = None) -> Iterator[Event]:
        """Facts in order of delivery, an hour at a time; for ever if no end is given."""
        end = None if until is None else ms(until)
        while end is None or self._floor.now < end:
            step = self._floor.now + HOUR
            yield from self.until(self._floor.journal.instant(step if end is None else min(step, end)))

    def speaking(self, instant: dt.datetime) -> list[str]:
        """The sources that are heard at an instant, whether they have something to tell or not."""
        return [source for source in self.sources if self._held_back(source, ms(instant)) is None]

    def _held_back(self, source: str, time_ms: int) -> int | None:
        """Until when a source cannot deliver what it says at a time; None if it can at once."""
        for outage in self.scenario.outages:
            if outage.source == source and outage.start <= time_ms < outage.end:
                return outage.end
        return None

    def _release(self, time_ms: int, delivered: list[Event]) -> None:
        while self._withheld and self._withheld[0][0] <= time_ms:
            delivered.append(heapq.heappop(self._withheld)[2])


def plant_facts(
    plant: Plant, seed: int, start: dt.datetime, *, live_from: dt.datetime | None = None
) -> Iterator[Event]:
    """Every fact of a plant from `start` on, for ever, in order of delivery."""
    return SimulatedPlant(plant, seed, start, live_from=live_from).facts()


def history(plant: Plant, days: float, seed: int, end: dt.datetime) -> Iterator[Event]:
    """The facts up to `end`, from the first shift of the day that lies `days` before it."""
    return SimulatedPlant(plant, seed, start_of_history(plant, days, end)).facts(end)
