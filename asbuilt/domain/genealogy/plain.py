"""Fittings as they are kept, names as numbers: which columns walks ask for, and what seats and links follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

from asbuilt.domain.genealogy.fold import seats
from asbuilt.domain.genealogy.rows import FOREVER, Fitting, Link, Seat

TIME, STEP, PART = (Fitting._fields.index(name) for name in ("time_us", "step", "part"))
TOLD = Fitting._fields[:-1]
SHORT = ("unit", "position", "time_us", "fact", "quantity", "part", "lot", "container", "evidence")
"""What a fitting tells of a link, without `piece` and `until_us`."""
_NUMBERS = {"time_us", "from_us", "until_us", "step", "piece", "fact", "quantity"}
"""Columns that are kept as they are; all others hold names."""
NAMES = tuple(n for n, name in enumerate(TOLD) if name not in _NUMBERS)
SHORT_NAMES = tuple(n for n, name in enumerate(SHORT) if name not in _NUMBERS)
LINK_NAMES = tuple(n for n, name in enumerate(Link._fields) if name not in _NUMBERS)


link_of = partial(tuple.__new__, Link)
seat_of = partial(tuple.__new__, Seat)


def positions(rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Plain fittings of whole units, as the index gives them: those alone at their positions, and the others."""
    places = [row[:2] for row in rows]
    if len(set(places)) == len(rows):
        return rows, []
    times = Counter(places)
    return [row for row in rows if times[row[:2]] == 1], [row for row in rows if times[row[:2]] > 1]


def alone_of(columns: Sequence[Sequence[Any]]) -> Iterator[Seat]:
    """Seats of installations beside which nothing was said of their positions, from the columns of these fittings."""
    if columns:
        unit, position, from_us, _, fact, product, part, lot, container, quantity, uom, evidence, *rest = columns
        told = (quantity, part, lot, container, evidence, product, uom, *rest[:3])
        yield from map(seat_of, zip(unit, position, from_us, fact, repeat(0), repeat(FOREVER), *told, strict=False))


def seats_of(fittings: Iterable[Fitting]) -> list[Seat]:
    """What follows from fittings at positions of which more was said."""
    there = groupby(sorted(fittings), key=itemgetter(0, 1))
    return [row for _, several in there for row in seats(list(several)) if isinstance(row, Seat)]
