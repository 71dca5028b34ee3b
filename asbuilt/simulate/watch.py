"""Eyes on quality: drift of the leak rate, retests in a row, vibration after run-in.

The alarms follow from the values themselves, as they would in a plant: nobody decides beforehand
that there shall be one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator
from typing import Any

import simpy

from asbuilt.events import DispositionDecided, HoldPlaced, HoldReleased, NonconformanceRaised
from asbuilt.plant import Station
from asbuilt.simulate.engine import VIBRATION_ALERT
from asbuilt.simulate.equipment import AlarmText
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import HOUR, MINUTE
from asbuilt.simulate.roles import Unit

LEAK_TEST, BENCH, CRANK = "60", "70", "20"
BEARINGS, BEARINGS_AT = "MBR", "Main bearings"
WEAR_PER_TEST = 0.0015
"""cm³/min that the seal of the fixture lets through more with every test."""
RUN_INS, ALERTS = 50, 5
"""So many alerts in so many run-ins are an alarm."""

RESEATING = 6 * MINUTE
_DRIFT = AlarmText("leak_rate_drift", 3, "Leak rate drifting up", "Reseat fixture B, run the master part.")
_RETESTS = AlarmText(
    "leak_retests", 3, "Three retests in a row, fixture B", "Clean the seats, wipe the seal of fixture B."
)


class Watch:
    """What is seen in the values of one product; nothing for products without a leak test and a bench."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.wear = 0.0
        self._random = floor.random("watch")
        stations = {station.id: station for station in floor.line.station}
        known = bool(floor.know.bench)
        self._leak_test = stations.get(LEAK_TEST) if known else None
        self._bench = stations.get(BENCH) if known else None
        self._mean = floor.know.spreads["leak_rate"].mean if known else 0.0
        self._sigma = floor.know.spreads["leak_rate"].sigma if known else 1.0
        self._smooth = self._mean
        self._leaks: deque[bool] = deque(maxlen=8)
        self._retests = 0
        self._run_ins: deque[tuple[Unit, bool]] = deque(maxlen=RUN_INS)
        self._suspect: set[str] = set()

    # ----------------------------------------------------------------- values

    def measured(self, characteristic: str, value: float, unit: Unit) -> None:
        """A value was measured."""
        if characteristic == "leak_rate" and self._leak_test is not None:
            self._leak(value, self._leak_test)
        elif characteristic == "vibration" and self._bench is not None:
            self._vibration(value, unit, self._bench)

    def judged(self, station: Station, unit: Unit, failed: bool) -> None:
        """An attempt at a station ended."""
        if station is not self._leak_test:
            return
        self._retests = self._retests + 1 if failed else 0
        if self._retests == 3:
            self.floor.alarms.raise_(_RETESTS, station)
            self.floor.env.process(self._clear_later(_RETESTS.name, station, 8 * MINUTE, 16 * MINUTE))

    def remark(self) -> str:
        """What the lead tells the next shift."""
        if self._leak_test is not None and self.wear > 0.4:
            return "Leak rate creeps up; keep an eye on fixture B."
        return ""

    # ----------------------------------------------------------------- leak rate

    def _leak(self, value: float, station: Station) -> None:
        self.wear += WEAR_PER_TEST
        if value > self._mean + 3.5 * self._sigma:
            # A leak, not drift; it has its own way.
            return
        self._leaks.append(value > self._mean)
        self._smooth += 0.2 * (value - self._smooth)
        above = sum(self._leaks)
        if (
            above >= 7
            and self._smooth > self._mean + self._sigma
            and not self.floor.alarms.stands(_DRIFT.name, station)
        ):
            self.floor.alarms.raise_(_DRIFT, station, f"{above} of last {len(self._leaks)} above mean")
            self.floor.env.process(self._reseat(station))

    def _reseat(self, station: Station) -> Generator[simpy.Event, Any, None]:
        """Somebody reseats the fixture, at the latest in half an hour of work or so."""
        floor = self.floor
        yield from floor.flow.working(self._random.randrange(25 * MINUTE, 50 * MINUTE) - RESEATING)
        # While the master part runs its leak rates say nothing of engines.
        floor.alarms.work_on(_DRIFT.name, station, "Fixture B is reseated, master part")
        yield from floor.flow.working(RESEATING)
        floor.scenario.reseated(floor.now)
        self.wear = 0.0
        self._smooth = self._mean
        self._leaks.clear()
        floor.alarms.clear(_DRIFT.name, station)
        floor.alarms.worked_on(_DRIFT.name, station)

    # ----------------------------------------------------------------- vibration

    def _vibration(self, value: float, unit: Unit, station: Station) -> None:
        self._run_ins.append((unit, value > VIBRATION_ALERT))
        alerts = [unit for unit, alert in self._run_ins if alert]
        if len(alerts) < ALERTS or self.floor.alarms.stands("vibration", station):
            return
        boxes = Counter(taken.container for u in alerts if (taken := u.fitted.get(BEARINGS_AT)) and taken.container)
        box, count = next(iter(boxes.most_common(1)), (None, 0))
        if box is None or count < 3 or box in self._suspect:
            return
        self._suspect.add(box)
        self._contain(box, len(alerts), station)

    def _contain(self, box: str, alerts: int, station: Station) -> None:
        """Alarm, case, and holds on what carries the box; the lot goes out of use."""
        floor = self.floor
        bin = floor.stock.bin(BEARINGS)
        lot = box.rpartition("-")[0]
        carriers = sorted(floor.office.carriers(BEARINGS_AT, box))
        case = floor.office.next_case()
        words = AlarmText(
            "vibration", 2, f"Vibration, {alerts} alerts in {len(self._run_ins)} run-ins",
            f"Hold {carriers[0]} to {carriers[-1]} after run-in, bay Q2.", latching=True,
        )  # fmt: skip
        floor.alarms.raise_(words, station, f"case {case}, bearing {box}")
        quality = floor.people.quality(floor.now)
        say = floor.journal.say
        say(
            NonconformanceRaised, floor.desk, quality, nonconformance=case, reason="vibration", severity="major",
            product=BEARINGS, lot=lot, message=f"Vibration after run-in, all from {box}",
        )  # fmt: skip
        say(HoldPlaced, floor.desk, quality, hold=f"H-{lot}", reason=f"Case {case}", product=BEARINGS, lot=lot)
        for serial in carriers:
            floor.office.hold(serial, f"Case {case}, bearing {box}")
        if bin is not None:
            bin.close_lot(lot)
        floor.env.process(self._settle(case, lot, carriers, station))

    def _settle(self, case: str, lot: str, carriers: list[str], station: Station) -> Generator[simpy.Event, Any, None]:
        """The alarm stands until the last suspect unit has run; the case is decided the day after."""
        floor = self.floor
        yield from floor.flow.working(self._random.randrange(170 * MINUTE, 240 * MINUTE))
        floor.alarms.clear("vibration", station)
        self._run_ins.clear()
        yield from floor.flow.working(self._random.randrange(9 * HOUR, 12 * HOUR))
        quality = floor.people.quality(floor.now)
        say = floor.journal.say
        say(
            DispositionDecided, floor.desk, quality, nonconformance=case, decision="return", product=BEARINGS, lot=lot,
            message="Bearings go back; engines may leave once vibration is measured again.",
        )  # fmt: skip
        for serial in carriers:
            hold = floor.office.held.pop(serial, None)
            if hold is not None:
                yield from floor.flow.working(self._random.randrange(2 * MINUTE, 6 * MINUTE))
                say(
                    HoldReleased, floor.desk, quality, hold=hold, product=floor.product.id, serial=serial,
                    reason="Vibration measured again, inside its limit",
                )  # fmt: skip

    def _clear_later(self, name: str, station: Station, soonest: int, latest: int) -> Generator[simpy.Event, Any, None]:
        yield self.floor.env.timeout(self._random.randrange(soonest, latest))
        self.floor.alarms.clear(name, station)
