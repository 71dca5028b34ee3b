"""The facts behind rows, as a reader may see them: as they were said, as they read today, as they were known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar
from uuid import UUID

import apsw

from asbuilt import events
from asbuilt.access.known import Known
from asbuilt.access.sources import Clearance, Sources
from asbuilt.access.withheld import Hiding, Seen
from asbuilt.events import AnyFact
from asbuilt.record import Recorded

ANY_FACT: Final = "*"
"""Among the tables asked: facts of the record, which any change may concern."""
_IDS_AT_ONCE = 5_000
R2 = TypeVar("R2")


class Facts:
    """The part of a reader that asks for facts; hidden fields of them read `WITHHELD`."""

    def __init__(self, sources: Sources, rows: apsw.Connection, seen_as: Clearance) -> None:
        self.asked: set[str] = set()
        self._rows = rows
        self._store = sources.store
        self._record = sources.record
        self._hiding = Hiding(seen_as) if seen_as.hides else None
        self._known: dict[dt.datetime | None, Known] = {}
        self._once: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], R2]) -> R2:
        """What a question works out is worked out once for all who ask in the same reader; `key` names it."""
        if key not in self._once:
            self._once[key] = make()
        found: R2 = self._once[key]
        return found

    def know(self, key: Any, found: Any) -> None:
        """What was worked out for several at once, for those who ask `once` for one of them."""
        self._once.setdefault(key, found)

    def fact(self, fact_id: UUID | bytes) -> AnyFact | None:
        """A recorded fact as it was first said."""
        return self._shown(self._fact(fact_id))

    def _fact(self, fact_id: UUID | bytes) -> AnyFact | None:
        found = self._record.get(fact_id if isinstance(fact_id, UUID) else UUID(bytes=fact_id))
        return events.recall(found.body) if found else None

    def _shown(self, fact: AnyFact | None) -> AnyFact | None:
        return self._hiding.fact(fact) if self._hiding and fact is not None else fact

    def effective(self, fact_id: UUID | bytes) -> AnyFact | None:
        """How a recorded fact reads today, after corrections; None if there is none or it did not occur."""
        found = self._fact(fact_id)
        return self._shown(self._store.effective(found, self._fact)) if found is not None else None

    def facts(self, subject: str, after: int = 0, limit: int = 10_000) -> list[tuple[Recorded, AnyFact]]:
        """Facts under a subject key, in order of recording, as they were first said."""
        self.asked.add(ANY_FACT)
        if not self._hiding:
            return self._about(subject, after, limit)
        self._hiding.subject(subject)
        return [self._hiding.recorded(*found) for found in self._about(subject, after, limit)]

    def _about(self, subject: str, after: int, limit: int) -> list[tuple[Recorded, AnyFact]]:
        return [(found, events.recall(found.body)) for found in self._record.about(subject, after, limit)]

    def known(self, known_at: dt.datetime) -> Known:
        """The facts as they were known at a moment."""
        self.asked.add(ANY_FACT)
        return self._known_at(known_at)

    def current(self, subject: str) -> list[AnyFact]:
        """Every fact about a subject as it reads today, corrections honoured, in order of id."""
        self.asked.add(ANY_FACT)
        return self._known_at(None).facts(subject)

    def _known_at(self, known_at: dt.datetime | None) -> Known:
        if known_at not in self._known:
            sources = (self._about, self._found, self._corrected, self._position_at, self._after)
            self._known[known_at] = (
                Seen(self._hiding, known_at, *sources) if self._hiding else Known(known_at, *sources)
            )
        return self._known[known_at]

    def _corrected(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of some facts that were ever corrected, as this reader's state of the rows has it."""
        if not ids or not self._has_corrections():
            return set()
        found: set[UUID] = set()
        every = [fact_id.bytes for fact_id in ids]
        for at in range(0, len(every), _IDS_AT_ONCE):
            some = every[at : at + _IDS_AT_ONCE]
            sql = f"SELECT DISTINCT target FROM correction WHERE target IN ({', '.join('?' * len(some))})"
            found.update(UUID(bytes=target) for (target,) in self._rows.execute(sql, some))
        return found

    def _position_at(self, until_us: int) -> int:
        """Up to which position facts had been recorded at a moment."""
        first, last = 0, self._record.head()
        while first < last:
            middle = (first + last + 1) // 2
            if self._record.read(middle - 1, 1)[0].record_time_us <= until_us:
                first = middle
            else:
                last = middle - 1
        return first

    def _after(self, position: int, at_most: int) -> list[AnyFact] | None:
        """Every fact recorded after a position, if there are no more than so many."""
        count = self._record.head() - position
        if count > at_most:
            return None
        return [events.recall(found.body) for found in self._record.read(position, count)]

    def _has_corrections(self) -> bool:
        return self.once("corrections", lambda: bool(self._rows.execute("SELECT 1 FROM correction LIMIT 1").fetchall()))

    def _found(self, fact_id: UUID) -> tuple[Recorded, AnyFact] | None:
        found = self._record.get(fact_id)
        return (found, events.recall(found.body)) if found else None

    def latest(self, subject: str) -> tuple[Recorded, AnyFact] | None:
        """The fact recorded last under a subject key."""
        self.asked.add(ANY_FACT)
        if self._hiding:
            self._hiding.subject(subject)
        found = self._record.latest(subject)
        if found is None:
            return None
        fact = events.recall(found.body)
        return self._hiding.recorded(found, fact) if self._hiding else (found, fact)

    def recorded_at(self, fact_id: bytes) -> dt.datetime | None:
        """When a fact was recorded."""
        found = self._record.get(UUID(bytes=fact_id))
        return dt.datetime.fromtimestamp(found.record_time_us / 1_000_000, dt.UTC) if found else None

    def subjects(self, kind: str) -> list[str]:
        """Every subject of a kind that facts speak of (`station` → paths), in order."""
        self.asked.add(ANY_FACT)
        if self._hiding:
            self._hiding.subject(kind)
        return self._record.subjects(kind)

    def failures(self) -> list[tuple[str, bytes, str]]:
        """Facts that a view could not fold: view, fact id, error (which may quote the fact)."""
        found = self._store.failures()
        return [(view, fact, "withheld") for view, fact, _ in found] if self._hiding else found
