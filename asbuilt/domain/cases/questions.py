"""Questions about holds and nonconformances: what stood at a moment, on everything or on some things. Times: µs since 1970 UTC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, above, at_most
from asbuilt.domain.cases.fold import Hold, HoldStep, Open, holds


def _at(at_us: int) -> dict[str, Value | Test]:
    return {"until_us": above(at_us), "from_us": at_most(at_us)}


def holds_standing(reader: Reader, at_us: int) -> list[Hold]:
    """Every hold that stood at a moment, by hold and item."""
    return sorted(reader.rows(Hold, _at(at_us)))


def holds_on(reader: Reader, items: Sequence[str], at_us: int) -> list[Hold]:
    """Holds that stood on any of these items (keys) at a moment; others are hardly looked at, however many there are."""
    wanted = dict.fromkeys(items)
    if not wanted:
        return []
    # Where few holds stand they are all read; that is less than to look for each item.
    few = len(wanted) // _ITEMS_A_HOLD
    found = reader.rows(Hold, _at(at_us), limit=few + 1) if few else []
    if not few or len(found) > few:
        found = reader.rows_of(Hold, "item", list(wanted), _at(at_us))
    return sorted(hold for hold in found if hold.item in wanted)


_ITEMS_A_HOLD = 4
"""To read a hold costs as much as to look for so many items of which none is held."""


def steps_on(reader: Reader, items: Sequence[str]) -> list[HoldStep]:
    """Everything said of holds that names one of these items, in no order."""
    return reader.rows_of(HoldStep, "item", list(dict.fromkeys(items)))


def holds_of_steps(steps: Iterable[HoldStep], items: Iterable[str], at_us: int) -> list[Hold]:
    """The same from what was known of these holds at another time."""
    by_hold: defaultdict[str, list[HoldStep]] = defaultdict(list)
    for step in steps:
        by_hold[step.hold].append(step)
    wanted = set(items)
    found = (hold for told in by_hold.values() for hold in holds(told))
    return sorted(hold for hold in found if hold.item in wanted and hold.from_us <= at_us < hold.until_us)


def open_cases(reader: Reader, at_us: int) -> list[Open]:
    """Every nonconformance that stood open at a moment, by name and thing."""
    return sorted(reader.rows(Open, _at(at_us)))
