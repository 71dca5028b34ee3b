"""What a reader reads from, and how much of it it may see.

`Sources` is put together once by the process that has them (`AsBuilt`) and is given to whoever makes readers;
`Clearance` is decided for who asks, at the same place for pages, live streams, queries, commands and exports.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from asbuilt.errors import UsageError
from asbuilt.exchange.curves import Curve
from asbuilt.plant import Plant
from asbuilt.record import Clock, Record
from asbuilt.rows.store import Store


class Clearance(NamedTuple):
    """What a reader may see: everything but the fact fields it `hides`, each as `type.field` (`measured.value`).

    Two readers of one clearance are given the same answers and share a rendered page.
    """

    hides: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """The same for two clearances exactly if they let the same be seen."""
        return " ".join(sorted(self.hides))


EVERYBODY = Clearance()
"""May see everything; there is nothing else yet."""


class Plants(Protocol):
    """The plant files in force over time."""

    def at(self, instant: dt.datetime) -> Plant:
        """The plant in force at an instant; before the first, the first."""

    def every(self) -> list[tuple[dt.datetime, Plant]]:
        """Every plant in force at some time, in order of when it began; the first holds before it as well."""


class OnePlant(NamedTuple):
    """One plant file, in force at all times."""

    plant: Plant
    since: dt.datetime = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

    def at(self, instant: dt.datetime) -> Plant:
        """The plant, whenever."""
        return self.plant

    def every(self) -> list[tuple[dt.datetime, Plant]]:
        """The plant, since it began."""
        return [(self.since, self.plant)]


class UnitSeal(NamedTuple):
    """How far a unit's facts are sealed: in closed blocks, waiting for theirs, and how many entries the log has."""

    sealed: int
    waiting: int
    entries: int


def _no_seal(unit: str) -> UnitSeal | None:
    """Nothing is sealed in this process."""
    return None


def _no_seal_problem() -> str:
    """Nothing keeps anything from being sealed."""
    return ""


def _no_curve(digest: str) -> Curve:
    raise UsageError("curves are kept in a data folder, and this process has none", remedy="Run with --data.")


@dataclass(frozen=True, slots=True)
class Sources:
    """What every reader of a process reads from.

    `now` is the clock; `heard` says when each source was last heard by this process (empty for a reader of files);
    `seal` how far a unit (`unit:…`) is sealed, None where nothing is; `seal_problem` what keeps it from being
    sealed, empty if nothing does; `curve` finds a run's curve by its digest.
    """

    store: Store
    record: Record
    plants: Plants
    now: Clock
    heard: Mapping[str, dt.datetime] = field(default_factory=dict)
    seal: Callable[[str], UnitSeal | None] = _no_seal
    seal_problem: Callable[[], str] = _no_seal_problem
    curve: Callable[[str], Curve] = _no_curve
