"""Two populations of serials against an outcome, with an exact test."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal, InvalidOperation

from asbuilt.access import Reader
from asbuilt.access.conditions import at_most, filled
from asbuilt.domain.cases.fold import Case
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.passages import questions as passages
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import Comparison
from asbuilt.views.trace.carriers import resolved, walk_from
from asbuilt.views.unit.fold import Run
from asbuilt.views.unit.history import within

OUTCOMES = "above:CHARACTERISTIC:LIMIT, below:CHARACTERISTIC:LIMIT, out:CHARACTERISTIC, run (a run failed), case or case:REASON, scrapped"
_EQUAL = 1 + 1e-7
"""Tables whose probabilities differ by less are equally likely, as in R's fisher.test."""


def fisher(a: int, b: int, c: int, d: int) -> float:
    """Two-sided p of the table [[a, b], [c, d]]: the probability of all tables at most as likely as this one.

    R. A. Fisher, The logic of inductive inference, J. Royal Statistical Society 98 (1935).
    """
    rows, column, total = (a + b, c + d), a + c, a + b + c + d
    whole = _log_choose(total, column)

    def chance(x: int) -> float:
        return math.exp(_log_choose(rows[0], x) + _log_choose(rows[1], column - x) - whole)

    seen = chance(a) * _EQUAL
    possible = range(max(0, column - rows[1]), min(rows[0], column) + 1)
    return min(1.0, math.fsum(p for p in map(chance, possible) if p <= seen))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def compare(reader: Reader, first: str, second: str, outcome: str, at: dt.datetime | None) -> Comparison:
    """The whole answer."""
    at_us = microseconds(reader.instant(at))
    one, two = (set(walk_from(reader, *resolved(reader, item), at_us, None).carriers) for item in (first, second))
    both = one & two
    known = _outcome(reader, outcome, at_us)(sorted((one | two) - both))
    counts = [
        sum(known.get(unit) is wanted for unit in group - both) for group in (one, two) for wanted in (True, False)
    ]
    a, b, c, d = counts
    p = fisher(a, b, c, d)
    return Comparison(
        first=first, second=second, outcome=outcome, first_with=a, first_without=b, second_with=c, second_without=d,
        both=len(both), unknown=len((one | two) - both) - sum(counts), p=float(f"{p:.6g}"),
        says=_says(a, b, c, d, p),
    )  # fmt: skip


def _says(a: int, b: int, c: int, d: int, p: float) -> str:
    if not (a + b and c + d):
        return "One of the two is empty: there is nothing to compare."
    shares = f"{a} of {a + b} against {c} of {c + d}."
    if p >= 0.05:
        return f"{shares} Chance alone gives a difference like this often (p = {p:.2g}): it shows nothing."
    return f"{shares} By chance alone such a difference comes once in {round(1 / p):,} times: it is worth a look, not proof of a cause."


Known = Callable[[Sequence[str]], dict[str, bool]]


def _outcome(reader: Reader, outcome: str, at_us: int) -> Known:
    """What says of units whether it happened; those it says nothing about are left out."""
    kind, _, rest = outcome.partition(":")
    name, _, number = rest.rpartition(":") if kind in ("above", "below") else (rest, "", "")
    if kind in ("above", "below") and name:
        try:
            limit = Decimal(number)
        except InvalidOperation:
            raise UsageError(f"`{number}` is not a number", remedy=f"Outcomes: {OUTCOMES}.") from None
        return lambda units: {
            unit: Decimal(value) > limit if kind == "above" else Decimal(value) < limit
            for unit, value, _, _ in last_values(reader, units, name, at_us)
        }
    if kind == "out" and rest:
        return lambda units: {
            unit: within(value, lower, upper) is False
            for unit, value, lower, upper in last_values(reader, units, rest, at_us)
        }
    if kind == "run":
        return lambda units: _any_run_failed(reader, units, at_us)
    if kind == "case":
        return lambda units: _raised(reader, units, at_us, rest)
    if kind == "scrapped":
        return lambda units: _each(units, passages.scrapped(reader, units, at_us))
    raise UsageError(f"there is no outcome `{outcome}`", remedy=f"Outcomes: {OUTCOMES}.")


def _each(units: Sequence[str], found: Collection[str]) -> dict[str, bool]:
    return {unit: unit in found for unit in units}


def _any_run_failed(reader: Reader, units: Sequence[str], at_us: int) -> dict[str, bool]:
    failed: dict[str, bool] = {}
    for run in reader.rows_of(Run, "unit", units, {"time_us": at_most(at_us)}):
        failed[run.unit] = failed.get(run.unit, False) or run.verdict != "pass"
    return failed


def _raised(reader: Reader, units: Sequence[str], at_us: int, reason: str) -> dict[str, bool]:
    found = reader.rows_of(Case, "item", units, {"item": filled(), "step": 0, "time_us": at_most(at_us)})
    return _each(units, {case.item for case in found if not reason or case.reason == reason})


def last_values(
    reader: Reader, units: Sequence[str], characteristic: str, at_us: int
) -> list[tuple[str, str, str, str]]:
    """The value measured last, with its limits; of several positions measured last, each."""
    return measurements.of_characteristic(reader, characteristic, units, at_us)
