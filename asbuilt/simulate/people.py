"""Who works when. Pseudonyms only: initials, roles, and three invented names."""

from __future__ import annotations

from asbuilt.plant import Line, Plant
from asbuilt.plant.calendar import ShiftWindow
from asbuilt.simulate.hours import ms, shifts_from

_CREWS = (
    ("HW", "LM", "IS", "JP", "CR", "DB", "FT", "GA"),
    ("RK", "AB", "MO", "SV", "SN", "JL", "PD", "EN"),
    ("OT", "WE", "UH", "BK", "ZL", "TC", "NA", "VR"),
)
QUALITY = ("QA-1", "J. Lindqvist", "QA-3")
MAINTENANCE = ("MT-1", "M. Okafor", "MT-3")
LEADS = ("K. B.", "T. Moreau", "V. S.")
STORES = "GI-1"
PLANNING = "PL-2"
SHIPPING = "SH-1"


class People:
    """The crew of the shift that is on now, or was last."""

    def __init__(self, plant: Plant, line: Line, start_ms: int) -> None:
        pattern = plant.shift_patterns.get(line.shifts or "")
        self._order = [shift.id for shift in pattern.shift] if pattern else []
        self._windows = shifts_from(plant, line, start_ms)
        self._until = 0
        self._crew = 0
        self._lead: str | None = None
        self._next: ShiftWindow | None = next(self._windows, None)

    def at(self, now_ms: int) -> int:
        """Which crew is on; between shifts, the one that worked last."""
        while self._next is not None and ms(self._next.start) <= now_ms:
            if self._next.id not in self._order:
                # A shift of one day alone is in no pattern: it has a crew of its own, the same whenever it comes again.
                self._order.append(self._next.id)
            self._crew = self._order.index(self._next.id)
            self._lead = self._next.lead
            self._next = next(self._windows, None)
        return self._crew

    def operator(self, station: int, now_ms: int) -> str:
        """Who works at the station with this number in the order of flow."""
        crew = _CREWS[self.at(now_ms) % len(_CREWS)]
        return crew[station % len(crew)]

    def quality(self, now_ms: int) -> str:
        """Who decides about nonconformances."""
        return QUALITY[self.at(now_ms) % len(QUALITY)]

    def maintenance(self, now_ms: int) -> str:
        """Who repairs."""
        return MAINTENANCE[self.at(now_ms) % len(MAINTENANCE)]

    def lead(self, now_ms: int) -> str:
        """Who leads the shift, as the plant file says."""
        crew = self.at(now_ms)
        return self._lead or LEADS[crew % len(LEADS)]
