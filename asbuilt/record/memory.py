"""The record in memory: the strict reference that the durable ones are held against.

It checks what a database cannot: that entries are canonical and that nothing it handed out or
was handed has been changed since.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

from asbuilt import events
from asbuilt.record import SEED_BYTES, Clock, Damage, Entry, Outcome, Random, Receipt, Recorded


class Log:
    """A record that lives and dies with the process. Not durable; everything else as promised."""

    def __init__(self, now: Clock, random: Random = os.urandom) -> None:
        self._now = now
        self._random = random
        self._facts: list[Recorded] = []
        self._hashes: list[bytes] = []
        self._by_id: dict[bytes, int] = {}
        self._by_subject: defaultdict[str, list[int]] = defaultdict(list)
        self._last_time_us = 0
        self._lock = threading.Lock()

    def append(self, entries: Sequence[Entry]) -> list[Receipt]:
        with self._lock:
            time_us = max(self._last_time_us, events.microseconds(self._now()))
            return [self._append_one(entry, time_us) for entry in entries]

    def _append_one(self, entry: Entry, time_us: int) -> Receipt:
        assert entry.body == events.encode(entry.fact), "an entry's body must be the canonical bytes of its fact"
        fact_id = entry.fact.id.bytes
        known = self._by_id.get(fact_id)
        if known is not None:
            same = self._checked(known).body == entry.body
            return Receipt(Outcome.DUPLICATE if same else Outcome.CONFLICT, 0)
        position = len(self._facts) + 1
        recorded = Recorded(position, time_us, fact_id, self._random(SEED_BYTES), entry.body)
        self._last_time_us = time_us
        self._facts.append(recorded)
        self._hashes.append(_hash(recorded))
        self._by_id[fact_id] = position
        for subject in dict.fromkeys(events.subjects(entry.fact)):
            self._by_subject[subject].append(position)
        return Receipt(Outcome.ACCEPTED, position)

    def _checked(self, position: int) -> Recorded:
        recorded = self._facts[position - 1]
        assert _hash(recorded) == self._hashes[position - 1], f"fact {position} was changed after it was recorded"
        return recorded

    def read(self, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        with self._lock:
            return [self._checked(position) for position in range(after + 1, min(after + limit, len(self._facts)) + 1)]

    def get(self, fact_id: UUID) -> Recorded | None:
        with self._lock:
            position = self._by_id.get(fact_id.bytes)
            return None if position is None else self._checked(position)

    def about(self, subject: str, after: int = 0, limit: int = 10_000) -> list[Recorded]:
        with self._lock:
            positions = [position for position in self._by_subject.get(subject, ()) if position > after]
            return [self._checked(position) for position in positions[:limit]]

    def latest(self, subject: str) -> Recorded | None:
        with self._lock:
            positions = self._by_subject.get(subject)
            return self._checked(positions[-1]) if positions else None

    def count(self, subject: str) -> int:
        with self._lock:
            return len(self._by_subject.get(subject, ()))

    def subjects(self, kind: str) -> list[str]:
        prefix = f"{kind}:"
        return sorted(subject.removeprefix(prefix) for subject in self._by_subject if subject.startswith(prefix))

    def head(self) -> int:
        with self._lock:
            return len(self._facts)

    def verify(self, progress: Callable[[int], None] = lambda position: None) -> Iterator[Damage]:
        for position, (recorded, expected) in enumerate(zip(self._facts, self._hashes, strict=True), 1):
            if _hash(recorded) != expected:
                yield Damage("the fact was changed after it was recorded", position, position)
        progress(len(self._facts))

    def close(self) -> None:
        return


def _hash(recorded: Recorded) -> bytes:
    return hashlib.sha256(repr(recorded).encode()).digest()
