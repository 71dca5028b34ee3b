"""The rows of `states`: what a station said it did, whole hours of it, and what people said about stops.

All times are microseconds since 1970 UTC; an hour is counted from then, by UTC; `fact` is the id of the fact behind a row.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.rows import Interned


class State(NamedTuple):
    """A station entered a state in an hour; a line or area may be told to have one as well."""

    station: Interned
    hour: int
    time_us: int
    fact: bytes
    state: Interned
    reason: Interned
    message: str


class Hour(NamedTuple):
    """How long a station was in a state, for the reason as it was told, during an hour from its first change on."""

    station: Interned
    hour: int
    state: Interned
    reason: Interned
    us: int


class Edge(NamedTuple):
    """With what the known part of an hour begins and ends: the first change, and the state carried on.

    `single` tells that all of it is one stop (or one state); `plain` that no change in it alters what an earlier one
    of the hour means, so that its sums read as told.
    """

    station: Interned
    hour: int
    first_us: int
    first_state: Interned
    first_reason: Interned
    last_state: Interned
    last_reason: Interned
    single: int
    plain: int


class Explained(NamedTuple):
    """A person said why a station, or every station of a line, stood; as of `declared_us`."""

    place: Interned
    end_us: int
    fact: bytes
    start_us: int
    declared_us: int
    reason: Interned
    message: str
    by: Interned
