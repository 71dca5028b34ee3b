"""Sums of time and pieces: what every figure is made of. They add up; nothing else does."""

from __future__ import annotations

from msgspec import Struct, field

from asbuilt.domain.states.reading import Kind
from asbuilt.views.shift.timeline import KINDS

Key = tuple[str, ...]


class Sums(Struct):
    """Times in microseconds by kind, pieces by who told them, and what follows from single facts.

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
    told: dict[str, int] = {}
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
        for told, pieces in other.told.items():
            self.told[told] = self.told.get(told, 0) + pieces
        for kind_, us in other.reported_us.items():
            self.reported_us[kind_] = self.reported_us.get(kind_, 0) + us

    @property
    def pieces(self) -> int:
        """PQ: everything produced, good or not."""
        return self.good + self.rejected + self.for_review + self.rework
