"""The record: an append-only log of facts, and the promises every implementation keeps.

1. `append` returns after the facts are durable; a crash at any instant loses nothing that was
   returned and doubles nothing.
2. An id is recorded once. The same id with the same bytes is a `duplicate` (no effect), with
   other bytes a `conflict` (no effect; the caller records it as a rejection).
3. Positions are 1, 2, 3 … without gaps, in the order of commit; nothing recorded ever changes.
4. `record_time` never runs backwards, even when the clock does: a later position was never
   known earlier.
5. A file that is torn, truncated, foreign or altered is named, never repaired.

An implementation is a module of this package with a `Log` class; the contract tests find it.
"""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, Protocol, TypeVar, cast
from uuid import UUID

from asbuilt.events import AnyFact

SEED_BYTES = 32
"""Each fact carries this many random bytes; they will salt its seal."""


class Entry(NamedTuple):
    """A fact on its way in, with its canonical bytes (`events.encode`)."""

    fact: AnyFact
    body: bytes


class Recorded(NamedTuple):
    """A fact as recorded: `position` from 1, `record_time_us` in microseconds since 1970 UTC."""

    position: int
    record_time_us: int
    id: bytes
    seed: bytes
    body: bytes


class Outcome(StrEnum):
    """What became of one entry."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Receipt(NamedTuple):
    """The outcome of one entry; `position` is 0 unless it was accepted now."""

    outcome: Outcome
    position: int


_Kind = TypeVar("_Kind", bound=tuple[Any, ...])


def made(kind: type[_Kind], rows: Iterable[tuple[Any, ...]]) -> list[_Kind]:
    """Rows as named tuples of this kind, which must have all its fields; calling the class for each costs twice as much."""
    return list(map(partial(cast(Any, tuple.__new__), kind), rows))


class Damage(NamedTuple):
    """Something wrong with the record, in words, and the positions it concerns."""

    what: str
    first_position: int
    last_position: int


class Record(Protocol):
    """The contract; see the module's promises. One writer at a time, any number of readers."""

    def append(self, entries: Sequence[Entry]) -> list[Receipt]:
        """Record the entries as one durable commit; one receipt each, in order.

        Raises `RecordFull` when there is no room (nothing was recorded), `RecordError` otherwise.
        """
        ...

    def read(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        """Up to `limit` facts with a position above `after`, in order of position."""
        ...

    def get(self, fact_id: UUID) -> Recorded | None:
        """The fact with this id."""
        ...

    def about(self, subject: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        """Up to `limit` facts under a subject key (`events.subjects`), position above `after`."""
        ...

    def latest(self, subject: str) -> Recorded | None:
        """The fact recorded last under a subject key."""
        ...

    def count(self, subject: str) -> int:
        """How many facts are recorded under a subject key."""
        ...

    def subjects(self, kind: str) -> list[str]:
        """Every name after `kind:` that facts are found under, sorted."""
        ...

    def head(self) -> int:
        """The highest position; 0 for an empty record."""
        ...

    def verify(self, progress: Callable[[int], None] = lambda position: None) -> Iterator[Damage]:
        """Read everything and name whatever is not as it was written."""
        ...

    def close(self) -> None:
        """Let go of files; a second call has no effect."""
        ...


Clock = Callable[[], dt.datetime]
Random = Callable[[int], bytes]


def implementations() -> dict[str, ModuleType]:
    """Every module of this package that has a class `Log`, by name; it keeps the contract."""
    modules = {
        module.name: importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    }
    return {name: module for name, module in modules.items() if hasattr(module, "Log")}
