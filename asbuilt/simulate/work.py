"""What is done to a unit at a station: parts fitted, values measured, failures found and mended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple

import simpy

from asbuilt.events import (
    Channel,
    ComponentInstalled,
    ComponentRemoved,
    Counted,
    DispositionDecided,
    Measured,
    NonconformanceRaised,
    OperationCompleted,
    OperationStarted,
    RunRecorded,
    UnitScrapped,
)
from asbuilt.plant import Characteristic, Operation, Station
from asbuilt.simulate.engine import Defect, Program, Spread
from asbuilt.simulate.equipment import Trouble
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import MINUTE
from asbuilt.simulate.roles import BinRole, Doing, PlaceRole, Taken, Unit
from asbuilt.simulate.stock import plain, positions

Step = Callable[[], None]

PER_STEP = 4
"""So many parts or values come together; a worker scans a tray, a gauge gives several values."""
MOST_ATTEMPTS = 3
FAILS_AGAIN = 0.2


class Gauged(NamedTuple):
    """A characteristic with how it comes out and its limits as numbers."""

    spec: Characteristic
    spread: Spread
    lower: float | None
    upper: float | None
    digits: int


class Value(NamedTuple):
    """A measured value, as it is written."""

    gauged: Gauged
    position: str
    text: str
    outside: bool


class Task(NamedTuple):
    """An operation at a station, with everything it needs."""

    operation: str
    cycle_ms: int
    gauged: tuple[Gauged, ...]
    defects: tuple[Defect, ...]
    program: Program | None
    bins: tuple[BinRole, ...]


class Work:
    """What a station does."""

    def __init__(self, floor: Floor, station: Station, index: int) -> None:
        self.floor = floor
        self.station = station
        self.index = index
        self.random = floor.random(f"work/{station.id}")
        self.tasks = tuple(self._tasks())
        self.cycle_ms = sum(task.cycle_ms for task in self.tasks) * 11 // 10
        self._reading = 0
        self._run_since: dict[int, int] = {}

    def _tasks(self) -> Iterator[Task]:
        floor, product = self.floor, self.floor.product
        known = {characteristic.id: characteristic for characteristic in product.characteristic}
        here = [o for o in product.operation if o.station in (self.station.id, self.station.path)]
        whole = self.station.cycle_s or floor.line.takt_s or 60
        for operation in here or [Operation(id=self.station.id, name=self.station.name, station=self.station.id)]:
            yield Task(
                operation=operation.id,
                cycle_ms=int(1000 * (operation.cycle_s or whole / max(1, len(here)))),
                gauged=tuple(
                    _gauged(known[name], floor.know.spread(known[name])) for name in operation.characteristics
                ),
                defects=floor.know.defects_of(operation.id, operation.characteristics),
                program=floor.know.programs.get(operation.id),
                bins=floor.stock.bins.get(operation.id, ()),
            )

    # ----------------------------------------------------------------- one unit

    def do(self, place: PlaceRole, unit: Unit) -> Doing:
        """Everything the station does to a unit. Returns False if that was the unit's end."""
        for number, task in enumerate(self.tasks, 1):
            if not (yield from self._operation(place, unit, task)):
                return False
            if number < len(self.tasks):
                self._completed(unit, task, good=1)
        return True

    def complete(self, unit: Unit) -> None:
        """The unit leaves the station: its last operation here is completed."""
        self._completed(unit, self.tasks[-1], good=1)

    def _operation(self, place: PlaceRole, unit: Unit, task: Task) -> Doing:
        defect = self._chance_of_defect(task)
        attempt = 0
        while True:
            attempt += 1
            self._say(OperationStarted, unit, task, **self._program(task))
            values = self._values(unit, task, defect)
            failed = defect or _failed_by(values, task)
            time_ms = self._time(place, task, attempt)
            if task.operation == self.floor.know.bench:
                time_ms -= yield from self._run_in(place, unit, task, time_ms, values, failed)
            fits = self._fitting(unit, task) if attempt == 1 else []
            yield from self._steps(place, time_ms, [*fits, *self._measuring(unit, task, values)])
            self.floor.watch.judged(self.station, unit, failed is not None)
            if failed is None:
                return True
            if failed.remedy == "scrap" or attempt > MOST_ATTEMPTS:
                yield from self._scrap(place, unit, task, failed)
                return False
            yield from self._mend(place, unit, task, failed, attempt)
            defect = failed if self.random.random() < FAILS_AGAIN else None

    def _chance_of_defect(self, task: Task) -> Defect | None:
        draw = self.random.random()
        if self.floor.scenario.spares(self.station.id, self.floor.now):
            return None
        for defect in task.defects:
            draw -= defect.chance
            if draw < 0:
                return defect
        return None

    def _time(self, place: PlaceRole, task: Task, attempt: int) -> int:
        random = self.random
        share = min(1.2, max(0.92, random.gauss(1, 0.03)))
        if random.random() < 0.04:
            share += random.uniform(0.1, 0.35)
        time_ms = task.cycle_ms * share
        if attempt > 1:
            time_ms *= 0.9 if task.operation == self.floor.know.bench else 0.45
            return int(time_ms)
        before, after = place.bay.flow.waiting_around(self.index)
        return self.floor.scenario.cycle_ms(self.station.id, int(time_ms), self.floor.now, before, after)

    def _steps(self, place: PlaceRole, time_ms: int, steps: list[Step]) -> Generator[simpy.Event, Any, None]:
        """Spread the steps over the time, a few at once."""
        groups = [steps[at : at + PER_STEP] for at in range(0, len(steps), PER_STEP)]
        cuts = sorted(self.random.randrange(max(1, time_ms)) for _ in groups)
        done = 0
        for cut, group in zip(cuts, groups, strict=True):
            yield from place.work(cut - done)
            done = cut
            for step in group:
                step()
        yield from place.work(time_ms - done)

    # ----------------------------------------------------------------- parts

    def _fitting(self, unit: Unit, task: Task) -> list[Step]:
        return [
            partial(self._fit, unit, task, bin, position, quantity)
            for bin in task.bins
            for position, quantity in positions(bin.part)
        ]

    def _fit(self, unit: Unit, task: Task, bin: BinRole, position: str, quantity: Decimal) -> None:
        taken = bin.take(quantity)
        unit.fitted[position] = taken
        evidence = "time_window" if bin.part.tracking == "bulk" else "container" if taken.container else "scanned"
        self._say_plain(
            ComponentInstalled, unit, self._operator(), operation=task.operation, position=position,
            component_product=bin.part.product, component_serial=taken.serial, component_lot=taken.lot,
            container=taken.container, quantity=plain(quantity), uom=bin.part.uom, evidence=evidence,
        )  # fmt: skip

    def _swap(self, unit: Unit, task: Task, defect: Defect) -> None:
        """A part comes out, another goes in."""
        bin = next((bin for bin in task.bins if bin.part.product == defect.part), None) or self.floor.stock.bin(
            defect.part
        )
        if bin is None:
            return
        position, quantity = self.random.choice(list(positions(bin.part)))
        old: Taken | None = unit.fitted.pop(position, None)
        if old is not None:
            self._say_plain(
                ComponentRemoved, unit, self._operator(), operation=task.operation, position=position,
                component_product=bin.part.product, component_serial=old.serial, component_lot=old.lot,
                quantity=plain(quantity), uom=bin.part.uom, reason=self.floor.reason(defect.reason),
            )  # fmt: skip
        self._fit(unit, task, bin, position, quantity)

    # ----------------------------------------------------------------- values

    def _values(self, unit: Unit, task: Task, defect: Defect | None) -> list[Value]:
        floor, random = self.floor, self.random
        found = []
        shown = defect.shows if defect else ""
        for gauged in task.gauged:
            spread = gauged.spread
            mean = spread.mean + floor.offset(gauged.spec.id, unit)
            bad = random.randrange(len(spread.positions)) if gauged.spec.id == shown else -1
            for number, position in enumerate(spread.positions):
                value = _outside(gauged, random) if number == bad else random.gauss(mean, spread.sigma)
                found.append(_written(gauged, position, value, keep=number == bad or spread.free))
        return found

    def _measuring(self, unit: Unit, task: Task, values: list[Value]) -> list[Step]:
        return [partial(self._measure, unit, task, value) for value in values]

    def _measure(self, unit: Unit, task: Task, value: Value) -> None:
        spec = value.gauged.spec
        self._say_plain(
            Measured, unit, None, operation=task.operation, position=value.position or None,
            characteristic=spec.id, value=value.text, uom=spec.uom, gauge=value.gauged.spread.gauge or None,
            nominal=spec.nominal, lower=spec.lower, upper=spec.upper,
        )  # fmt: skip
        self.floor.watch.measured(spec.id, float(value.text), unit)

    # ----------------------------------------------------------------- the bench

    def _run_in(
        self, place: PlaceRole, unit: Unit, task: Task, time_ms: int, values: list[Value], failed: Defect | None
    ) -> Generator[simpy.Event, Any, int]:
        """Run the engine; a run that the cell aborts is begun anew. Returns the time that counts as the run."""
        run_ms = time_ms * 9 // 10
        yield from place.work((time_ms - run_ms) // 2)
        while True:
            self._run_since[place.number] = self.floor.now
            if (yield from place.work(run_ms, fragile=True)):
                break
        self._run_recorded(place, task, unit, "pass" if failed is None else "fail", tuple(_channels(values)))
        return run_ms + (time_ms - run_ms) // 2

    def interrupted(self, place: PlaceRole, trouble: Trouble) -> None:
        """The equipment stopped under the unit."""
        if trouble.state == "Aborted" and place.number in self._run_since and place.unit is not None:
            self._run_recorded(place, self.tasks[-1], place.unit, "aborted", ())

    def _run_recorded(
        self, place: PlaceRole, task: Task, unit: Unit, verdict: str, channels: tuple[Channel, ...]
    ) -> None:
        since = self._run_since.pop(place.number)
        program = task.program or Program("run-in", "1")
        self._say_plain(
            RunRecorded, unit, self._operator(), program=program.name, program_revision=program.revision,
            verdict=verdict, start_time=self.floor.journal.instant(since), channels=channels,
        )  # fmt: skip

    # ----------------------------------------------------------------- failures

    def _mend(
        self, place: PlaceRole, unit: Unit, task: Task, defect: Defect, attempt: int
    ) -> Generator[simpy.Event, Any, None]:
        if defect.remedy == "swap" or attempt > 1:
            case = self._raise_case(unit, defect, "minor")
            yield from place.wait(self.random.randrange(MINUTE // 2, 2 * MINUTE))
            self._decide(case, unit, "rework")
        if defect.remedy == "swap":
            yield from place.wait(self.random.randrange(MINUTE // 2, 2 * MINUTE))
            self._swap(unit, task, defect)
        self._completed(unit, task, rework=1, reason=self.floor.reason(defect.reason))

    def _scrap(self, place: PlaceRole, unit: Unit, task: Task, defect: Defect) -> Generator[simpy.Event, Any, None]:
        case = self._raise_case(unit, defect, "major")
        yield from place.wait(self.random.randrange(MINUTE, 3 * MINUTE))
        self._decide(case, unit, "scrap")
        reason = self.floor.reason(defect.reason)
        self._completed(unit, task, scrap=1, reason=reason)
        self._say_plain(UnitScrapped, unit, self._operator(), order=unit.order, reason=reason, message=defect.message)
        self.floor.office.scrapped(unit)

    def _raise_case(self, unit: Unit, defect: Defect, severity: str) -> str:
        case = self.floor.office.next_case()
        self._say_plain(
            NonconformanceRaised, unit, self._operator(), nonconformance=case, reason=defect.reason,
            severity=severity, message=defect.message,
        )  # fmt: skip
        return case

    def _decide(self, case: str, unit: Unit, decision: str) -> None:
        floor = self.floor
        floor.journal.say(
            DispositionDecided, floor.desk, floor.people.quality(floor.now), nonconformance=case, decision=decision,
            product=floor.product.id, serial=unit.serial,
        )  # fmt: skip

    # ----------------------------------------------------------------- saying

    def _operator(self) -> str:
        return self.floor.operator(self.index)

    def _program(self, task: Task) -> dict[str, str]:
        return {"program": task.program.name, "program_revision": task.program.revision} if task.program else {}

    def _say(self, kind: type[Any], unit: Unit, task: Task, **fields: Any) -> None:
        self._say_plain(kind, unit, self._operator(), operation=task.operation, order=unit.order, **fields)

    def _say_plain(self, kind: type[Any], unit: Unit, by: str | None, **fields: Any) -> None:
        self.floor.say(kind, self.station, by, product=self.floor.product.id, serial=unit.serial, **fields)

    def _completed(self, unit: Unit, task: Task, **what: Any) -> None:
        self._say(OperationCompleted, unit, task, **what, **self._program(task))
        if task.operation in self.floor.know.counting and "rework" not in what:
            self._reading += 1
            self.floor.say(
                Counted, self.station, product=self.floor.product.id, order=unit.order,
                good=what.get("good", 0), rejected=what.get("scrap", 0), reading=self._reading,
            )  # fmt: skip


def _gauged(spec: Characteristic, spread: Spread) -> Gauged:
    lower, upper = (None if limit is None else float(limit) for limit in (spec.lower, spec.upper))
    digits = spec.digits if spec.digits is not None else 3
    return Gauged(spec, spread, lower, upper, digits)


def _written(gauged: Gauged, position: str, value: float, keep: bool) -> Value:
    """A value as the gauge writes it; within the limits unless it may leave them."""
    lower, upper = gauged.lower, gauged.upper
    if not keep:
        value = value if upper is None else min(value, upper)
        value = value if lower is None else max(value, lower)
    elif lower == 0:
        value = max(value, 0.0)
    text = f"{value + 0.0:.{gauged.digits}f}"
    if text.startswith("-") and not float(text):
        text = text[1:]
    written = float(text)
    outside = (upper is not None and written > upper) or (lower is not None and written < lower)
    return Value(gauged, position, text, outside)


def _outside(gauged: Gauged, random: Random) -> float:
    """A value beyond one of the limits, by at least one step of the gauge."""
    lower, upper = gauged.lower, gauged.upper
    below = lower is not None and lower != 0 and (upper is None or random.random() < 0.4)
    limit = lower if below else upper
    if limit is None:
        return gauged.spread.mean
    room = abs(limit - gauged.spread.mean)
    beyond = 10.0**-gauged.digits + room * random.uniform(0.02, 0.3)
    return limit - beyond if below else limit + beyond


def _failed_by(values: list[Value], task: Task) -> Defect | None:
    """The failure that a value outside its limits means."""
    value = next((value for value in values if value.outside), None)
    if value is None:
        return None
    name = value.gauged.spec.id
    known = next((defect for defect in task.defects if defect.shows == name and defect.remedy == "again"), None)
    return known or Defect(name, 0, name, "again", f"{value.gauged.spec.name} {value.text} {value.gauged.spec.uom}")


def _channels(values: list[Value]) -> Iterator[Channel]:
    """What the bench keeps of its curves, in step with the values measured from them."""
    for value in values:
        spec = value.gauged.spec
        if spec.id not in _CURVES:
            continue
        lowest, mean = _CURVES[spec.id]
        top = float(value.text)
        digits = value.gauged.digits
        yield Channel(
            name=f"{spec.name}, {value.position}" if value.position else spec.name, uom=spec.uom,
            minimum=f"{top * lowest:.{digits}f}", maximum=value.text, mean=f"{top * mean:.{digits}f}",
            lower=spec.lower, upper=spec.upper,
        )  # fmt: skip


_CURVES = {
    "head_temp_max": (0.16, 0.71),
    "egt_max": (0.12, 0.66),
    "vibration": (0.15, 0.6),
    "full_speed": (0.26, 0.63),
    "power": (0.0, 0.48),
}
"""Smallest and mean value of a curve as shares of its greatest."""
