"""The algebra of half-open intervals [start, end): sorted lists that neither overlap nor touch.

Union, what is left, and what two have in common; every result is again such a list, so that what is put together in
any order, and from any pieces, is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Interval = tuple[int, int]


def union(*several: Iterable[Interval]) -> list[Interval]:
    """What is in any of them; what touches becomes one."""
    found: list[Interval] = []
    for start, end in sorted(interval for one in several for interval in one if interval[0] < interval[1]):
        if found and start <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def within(intervals: Iterable[Interval], start: int, end: int) -> list[Interval]:
    """The part between two instants."""
    return [(max(a, start), min(b, end)) for a, b in intervals if max(a, start) < min(b, end)]


def outside(intervals: Iterable[Interval], start: int, end: int) -> list[Interval]:
    """The time between two instants that is in none of them, which are sorted and do not overlap."""
    found: list[Interval] = []
    at = start
    for a, b in intervals:
        if a > at and at < end:
            found.append((at, min(a, end)))
        at = max(at, b)
    if at < end:
        found.append((at, end))
    return found


def common(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """What is in both."""
    found: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return found


def length(intervals: Iterable[Interval]) -> int:
    """How long they are together."""
    return sum(end - start for start, end in intervals)
