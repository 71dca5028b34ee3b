"""What happens on purpose. Without a scenario the plant only has its ordinary luck.

The show: honing is held for warm oil, head and piston starves soon after, the packing gateway
falls silent, the leak rate drifts and one box of bearings makes engines vibrate.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from asbuilt.events import SourceConnected
from asbuilt.simulate.equipment import AlarmText, Trouble
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import MINUTE
from asbuilt.simulate.roles import Outage, Unit

SECOND = 1_000


class Scenario:
    """Ordinary life: nothing in particular."""

    outages: tuple[Outage, ...] = ()

    def live(self, now: int) -> bool:
        """Whether somebody watches, so that sensors tell more."""
        return False

    def begin(self, floor: Floor) -> None:
        """Start whatever shall happen by itself."""

    def calm(self, now: int) -> bool:
        """Whether chance troubles keep away."""
        return False

    def forced(self, station: str) -> list[tuple[int, Trouble]]:
        """Troubles of a station that come at a fixed time."""
        return []

    def spares(self, station: str, now: int) -> bool:
        """Whether chance defects keep away from a station."""
        return False

    def cycle_ms(self, station: str, cycle_ms: int, now: int, before: int, after: int) -> int:
        """How long a cycle takes, given how many units wait before and after the station."""
        return cycle_ms

    def offset(self, characteristic: str, unit: Unit, now: int) -> float:
        """How far a characteristic of a unit is off its usual mean."""
        return 0.0

    def quantity(self, characteristic: str, now: int) -> float | None:
        """The mean of a station's quantity, where it is not the usual one."""
        return None

    def detail(self, alarm: str, now: int) -> str | None:
        """What an alarm says besides."""
        return None

    def reseated(self, now: int) -> None:
        """The leak test fixture was reseated."""


WARM_OIL = Trouble(
    "Held", "coolant_oil", "Oil too warm, spindle parked", (9.5, 10.0, 10.5),
    alarm=AlarmText("hone_oil_temp_high", 2, "Hone oil temperature high", "Check chiller KW-2 flow. Release below 28 °C."),
)  # fmt: skip
HELD_AFTER = 15 * SECOND
SILENT_AFTER = 60 * SECOND
SILENT_FOR = 10 * MINUTE


class Show(Scenario):
    """The story of the demo, told around the moment `live_from` (milliseconds since 1970 UTC)."""

    def __init__(self, live_from: int) -> None:
        self.live_from = live_from
        self.held_at = live_from + HELD_AFTER
        self.outages = (Outage("gw-3", live_from + SILENT_AFTER, live_from + SILENT_AFTER + SILENT_FOR),)
        self._bad_box: str | None = None
        self._reseated = False

    def live(self, now: int) -> bool:
        return now >= self.live_from

    def begin(self, floor: Floor) -> None:
        floor.env.process(self._open_bad_box(floor))
        for outage in self.outages:
            if outage.source in floor.plant.adapters:
                floor.env.process(self._come_back(floor, outage))

    def calm(self, now: int) -> bool:
        return self.live_from - 100 * MINUTE < now < self.live_from + 14 * MINUTE

    def forced(self, station: str) -> list[tuple[int, Trouble]]:
        return [(self.held_at, WARM_OIL)] if station == "30" else []

    # ----------------------------------------------------------------- pace

    def spares(self, station: str, now: int) -> bool:
        return station == "30" and self.live_from - 25 * MINUTE < now < self.live_from

    def cycle_ms(self, station: str, cycle_ms: int, now: int, before: int, after: int) -> int:
        """Honing slows down as the oil warms, so that the buffer after it is empty when it is held.

        The last unit leaves it five minutes before; the next one is in the machine at the hold.
        Before it buffers fill but do not overflow; fuel and ignition keeps a few, to run dry later.
        """
        if not self.live_from - 95 * MINUTE <= now < self.live_from:
            return cycle_ms
        match station:
            case "10" | "20" if after >= 5:
                return cycle_ms * 24 // 20
            case "50":
                return cycle_ms * (23 if before < 2 else 18) // 20
            case "30":
                return self._honing_ms(cycle_ms, self.live_from - 5 * MINUTE - now, after)
        return cycle_ms

    def _honing_ms(self, cycle_ms: int, left: int, after: int) -> int:
        if left <= 0:
            return max(cycle_ms, 7 * MINUTE)
        wanted = left / 344_000 - after
        slowest = cycle_ms * (1.7 if after < 4 else 2.2)
        pace = min(slowest, max(1.02 * cycle_ms, left / wanted if wanted > 1 else slowest))
        units = max(1, round(left / pace))
        # Only the last one is timed to the second; the others keep their chance.
        return left // units if units == 1 else left // units + (cycle_ms - 329_000) // 2

    # ----------------------------------------------------------------- what is measured

    def quantity(self, characteristic: str, now: int) -> float | None:
        """The oil warms for 20 minutes, passes its limit at the hold and cools with the spindle parked."""
        minutes = (now - self.held_at) / MINUTE
        if characteristic == "hone_oil_temp" and -20 <= minutes < 40:
            if minutes < 3:
                return 25.5 + (minutes + 20) * 4.6 / 20 if minutes < 0 else 30.1 + minutes * 0.75
            return max(25.5, 32.35 - (minutes - 3) * 0.64)
        if characteristic == "chiller_flow" and -25 <= minutes < 8:
            return 6.1
        if characteristic == "spindle_load" and 0 <= minutes < 10:
            return 4.0
        return None

    def detail(self, alarm: str, now: int) -> str | None:
        return "30.1 °C, limit 30.0" if alarm == "hone_oil_temp_high" else None

    # ----------------------------------------------------------------- quality

    def offset(self, characteristic: str, unit: Unit, now: int) -> float:
        minutes = (now - self.live_from) / MINUTE
        if characteristic == "leak_rate" and minutes > -70 and not self._reseated:
            return min(1.5, 0.025 * (minutes + 70))
        if characteristic == "vibration" and self._bad_box is not None:
            bearings = unit.fitted.get("Main bearings")
            # From engine to engine the same bearing box makes more or less of it.
            return 0.6 + int(unit.serial) % 5 * 0.4 if bearings and bearings.container == self._bad_box else 0.0
        if characteristic == "bore":
            # A warm spindle hones a little wider.
            return 0.0012 if -15 < minutes < 12 else 0.0
        return 0.0

    def reseated(self, now: int) -> None:
        self._reseated = now > self.live_from - 70 * MINUTE

    def _open_bad_box(self, floor: Floor) -> Generator[simpy.Event, Any, None]:
        yield floor.env.timeout(max(0, self.live_from - 200 * MINUTE - floor.now))
        bearings = floor.stock.bin("MBR")
        if bearings is not None:
            self._bad_box = bearings.put_away()

    # ----------------------------------------------------------------- the gateway

    def _come_back(self, floor: Floor, outage: Outage) -> Generator[simpy.Event, Any, None]:
        yield floor.env.timeout(max(0, outage.end - floor.now))
        floor.journal.say(SourceConnected, outage.source, adapter=outage.source)
