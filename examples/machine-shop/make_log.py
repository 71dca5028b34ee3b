"""Makes `log.csv`: a small machining shop's quarter, simulated, in the form of the real log.

The columns, the artificial first and last row of every order, exact copies of rows and the ways of writing are those of
the real log; orders, workers, times and pieces are invented. The same seed gives the same file, byte for byte:

    python3 examples/machine-shop/make_log.py examples/machine-shop/log.csv
"""

from __future__ import annotations

import csv
import datetime as dt
import random
import sys
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Tallinn")
SEED = 11
ORDERS = 30
COLUMNS = (
    "Case ID", "Activity", "Resource", "Start Timestamp", "Complete Timestamp", "Variant", "Variant index",
    "(case) creator", "(case) variant", "(case) variant-index", "Qty_Completed", "Qty_Rejected", "Qty_for_MRB",
    "Report_Type", "Rework", "concept:name", "lifecycle:transition", "org:resource",
)  # fmt: skip
ROUTES = (
    ("Turning & Milling", "Turning & Milling Q.C.", "Laser Marking", "Lapping", "Round Grinding", "Final Inspection Q.C.", "Packing"),
    ("Turning & Milling", "Turning & Milling Q.C.", "Laser Marking", "Flat Grinding", "Final Inspection Q.C.", "Packing"),
    ("Turning", "Turning Q.C.", "Stress Relief", "Round Grinding", "Round  Q.C.", "Final Inspection Q.C.", "Packing"),
)  # fmt: skip
MINUTES_A_PIECE = {"Turning & Milling": 21, "Turning": 17, "Round Grinding": 9, "Lapping": 6, "Flat Grinding": 5,
                   "Final Inspection Q.C.": 7, "Turning & Milling Q.C.": 5, "Turning Q.C.": 4, "Round  Q.C.": 3}  # fmt: skip
SET_UP = {"Turning & Milling": 190, "Turning": 150, "Round Grinding": 80}
FIRST = dt.datetime(2026, 1, 5, 7, 0, tzinfo=ZONE)
LAST = dt.datetime(2026, 3, 31, 18, 0, tzinfo=ZONE)
# The night in which the clocks go forward: the shift of 28 March ends on the 29th by summer time.
NIGHT = (dt.datetime(2026, 3, 28, 23, 0, tzinfo=ZONE), dt.datetime(2026, 3, 29, 6, 30, tzinfo=ZONE))


class Report(NamedTuple):
    """What a worker wrote down; times of UTC."""

    activity: str
    worker: str
    begin: dt.datetime
    end: dt.datetime
    kind: str
    good: int = 0
    rejected: int = 0
    for_review: int = 0
    rework: bool = False


class Shop:
    """Draws a shop's quarter. Only `random()` is asked, whose numbers are the same in every Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both of them possible."""
        return low + int(self._random.random() * (high - low + 1))

    def happens(self, share: float) -> bool:
        return self._random.random() < share

    def worker(self, activity: str) -> str:
        first = 60 if activity.endswith("Q.C.") else 20
        return f"W{first + self.whole(0, 7)}"

    def order(self) -> list[Report]:
        """The reports of one order, operation after operation."""
        route = ROUTES[self.whole(0, len(ROUTES) - 1)]
        pieces = self.whole(4, 60)
        at = (FIRST + dt.timedelta(days=self.whole(0, 66))).astimezone(dt.UTC)
        reports: list[Report] = []
        for activity in route:
            at = self.working(at + dt.timedelta(minutes=self.whole(40, 4_000)))
            if activity in SET_UP:
                end = at + dt.timedelta(minutes=SET_UP[activity] + self.whole(-60, 90))
                reports.append(Report(activity, self.worker(activity), at, end, "S", good=self.whole(0, 1)))
                at = self.working(end + dt.timedelta(minutes=self.whole(1, 20)))
            left = pieces
            while left:
                each = MINUTES_A_PIECE.get(activity, 2)
                now = min(left, max(1, self.whole(240, 470) // each))
                end = at + dt.timedelta(minutes=max(10, now * each + self.whole(-4, 9)))
                found = self.found(activity, now)
                reports.append(Report(activity, self.worker(activity), at, end, "D", now - sum(found[:2]), *found))
                left -= now
                at = self.working(end + dt.timedelta(minutes=self.whole(1, 90)))
                if activity in SET_UP and self.happens(0.06):
                    end = at + dt.timedelta(minutes=self.whole(25, 700))
                    reports.append(Report(activity, self.worker(activity), at, end, "B"))
                    at = self.working(end)
            pieces = max(1, pieces - sum(report.rejected for report in reports if report.activity == activity))
        return reports

    def found(self, activity: str, pieces: int) -> tuple[int, int, bool]:
        """What is rejected, what is set aside for review, and whether it was rework."""
        inspected = activity.endswith("Q.C.")
        rejected = sum(self.happens(0.045 if inspected else 0.003) for _ in range(pieces))
        for_review = 1 if inspected and pieces - rejected > 1 and self.happens(0.08) else 0
        return rejected, for_review, self.happens(0.02)

    @staticmethod
    def working(at: dt.datetime) -> dt.datetime:
        """The next moment at which somebody begins something: not on Sundays, not between 21:00 and 7:00."""
        local = at.astimezone(ZONE)
        while local.weekday() == 6 or not 7 <= local.hour < 21:
            local = (local + dt.timedelta(hours=1)).replace(minute=local.minute % 15)
        return local.astimezone(dt.UTC)


def wall(at: dt.datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y/%m/%d %H:%M:%S.000")


def rows(seed: int = SEED) -> list[tuple[str, ...]]:
    """All rows of the log, order by order, without the header."""
    shop = Shop(seed)
    lines: list[tuple[str, ...]] = []
    for number in range(1, ORDERS + 1):
        reports = [report for report in shop.order() if report.end <= LAST.astimezone(dt.UTC)]
        if number == 1:  # somebody entered the first set-up again, ten minutes later
            again = reports[0]
            reports.insert(
                1,
                again._replace(begin=again.begin + dt.timedelta(minutes=10), end=again.end + dt.timedelta(minutes=10)),
            )
        lines += written(f"M{100 + number}", sorted(reports, key=lambda report: (report.begin, report.end)), shop)
    begin, end = (moment.astimezone(dt.UTC) for moment in NIGHT)
    for number in (1, 2):
        end += dt.timedelta(minutes=19)
        night = Report("Turning & Milling", f"W2{number}", begin, end, "D", good=17 + number)
        lines += written(f"M{100 + ORDERS + number}", [night], shop)
    return lines


def written(order: str, reports: list[Report], shop: Shop) -> list[tuple[str, ...]]:
    """An order's reports as rows, between the artificial first and last, a few of them twice."""
    variant = ("Variant 1", "1", "simulated", "Variant 1", "1")

    def artificial(word: str, at: dt.datetime) -> tuple[str, ...]:
        return (order, word, word, wall(at), wall(at), *variant, word, word, word, word, word, word, "complete", word)

    lines = [artificial("Start", reports[0].begin)]
    for it in reports:
        line = (
            order, it.activity, it.worker, wall(it.begin), wall(it.end), *variant, str(it.good), str(it.rejected),
            str(it.for_review), it.kind, "Y" if it.rework else "", it.activity, "complete", it.worker,
        )  # fmt: skip
        lines += [line, line] if shop.happens(0.02) else [line]
    return [*lines, artificial("End", reports[-1].end)]


def main(path: Path) -> None:
    """Write the log."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(rows())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
