"""Sums of time and pieces: what every figure is made of. They add up; nothing else does."""

from __future__ import annotations

from msgspec import Struct, field

from asbuilt.domain.states.reading import Kind
from asbuilt.views.shift.timeline import KINDS

Key = tuple[str, ...]


class Sums(Struct):
    """Times in microseconds by kind, pieces by who told them, and what follows from single facts.

    `telling`: while one way of telling is believed, the settled pieces that each way told, so that ways are compared where
    they tell of the same time.
    `planned_us` is planned run time: per product, planned run time per item times pieces, `bad_us` that of
    the pieces that were not good;
    `unplanned` pieces have none. `slack_us` is what may be in work where the window begins.
    `cycle_us` is the longest cycle of what the station makes in the whole window, for one item.
    `failures` are those that ended here, `restored_us` their whole length, `repair_us` the time in failure here.
    `rework` pieces were sent to rework, `mended` ones were made good by it.
    """

    us: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    failures: int = 0
    repair_us: int = 0
    restored_us: int = 0
    good: int = 0
    rejected: int = 0
    for_review: int = 0
    rework: int = 0
    planned_us: int = 0
    bad_us: int = 0
    unplanned: int = 0
    telling: dict[str, dict[str, int]] = {}
    inspected: int = 0
    clean: int = 0
    mended: int = 0
    slack_us: int = 0
    cycle_us: int = 0
    contradiction: str = ""
    reported_us: dict[str, int] = {}

    def add(self, other: Sums) -> None:
        """Add what another part holds."""
        own = self.us
        for kind, us in other.us.items():
            if us:
                own[kind] += us
        # One by one: a month by shift adds thousands of them.
        self.failures += other.failures
        self.repair_us += other.repair_us
        self.restored_us += other.restored_us
        self.good += other.good
        self.rejected += other.rejected
        self.for_review += other.for_review
        self.rework += other.rework
        self.planned_us += other.planned_us
        self.bad_us += other.bad_us
        self.unplanned += other.unplanned
        self.inspected += other.inspected
        self.clean += other.clean
        self.mended += other.mended
        self.slack_us += other.slack_us
        self.contradiction = self.contradiction or other.contradiction
        self.cycle_us = max(self.cycle_us, other.cycle_us)
        for teller, every in other.telling.items():
            for told, pieces in every.items():
                self.tell(teller, told, pieces)
        for kind_, us in other.reported_us.items():
            self.reported_us[kind_] = self.reported_us.get(kind_, 0) + us

    def tell(self, teller: str, told: str, pieces: int) -> None:
        """Add settled pieces that one way told while another, or the same, was believed."""
        own = self.telling.setdefault(teller, {})
        own[told] = own.get(told, 0) + pieces

    @property
    def told(self) -> dict[str, int]:
        """Settled pieces by who told them, believed or not."""
        found: dict[str, int] = {}
        for every in self.telling.values():
            for told, pieces in every.items():
                found[told] = found.get(told, 0) + pieces
        return found

    @property
    def pieces(self) -> int:
        """PQ: everything produced, good or not."""
        return self.good + self.rejected + self.for_review + self.rework
