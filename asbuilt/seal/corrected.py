"""What the record says as it is known up to a position: facts after their corrections, and whom a fact is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

from asbuilt import events
from asbuilt.events import AnyFact, CorrectionMade, DisclosureIssued, DisclosureOpened, DisclosureRevoked
from asbuilt.record import Record

MAX_CORRECTIONS = 1_000
_BATCH = 10_000


def effective(record: Record, fact: AnyFact, known_to: int) -> AnyFact | None:
    """How a fact reads after the corrections up to a position; None if it did not happen."""
    standing = [one for one in _corrections(record, fact.id, known_to) if _stands(record, one, known_to)]
    return max(standing, key=_rank).replacement if standing else fact


def _stands(record: Record, correction: CorrectionMade, known_to: int) -> bool:
    # Only later declared corrections can void one, so this comes to an end.
    return not any(
        _rank(other) > _rank(correction) and _stands(record, other, known_to)
        for other in _corrections(record, correction.id, known_to)
    )


def _rank(correction: CorrectionMade) -> tuple[dt.datetime, UUID]:
    return correction.event_time, correction.id


def _corrections(record: Record, fact_id: UUID, known_to: int) -> list[CorrectionMade]:
    found = []
    for recorded in record.about(f"fact:{fact_id}", 0, MAX_CORRECTIONS):
        fact = events.recall(recorded.body) if recorded.position <= known_to else None
        if isinstance(fact, CorrectionMade):
            found.append(fact)
    return found


_ABOUT_FILES = (DisclosureIssued, DisclosureRevoked, DisclosureOpened)


def units_of(record: Record, fact: AnyFact) -> list[str]:
    """The units a fact is about; a correction is about the units of what it corrects as well, if that is recorded.

    What was told to whom is not about the unit: one reader must not learn from gaps how often others were told.
    """
    if isinstance(fact, _ABOUT_FILES):
        return []
    found = {key for key in events.subjects(fact) if key.startswith("unit:")}
    for _ in range(8):
        if not isinstance(fact, CorrectionMade):
            break
        corrected = record.get(fact.corrects)
        if corrected is None:
            break
        fact = events.recall(corrected.body)
        if isinstance(fact, _ABOUT_FILES):
            break
        found.update(key for key in events.subjects(fact) if key.startswith("unit:"))
    return sorted(found)[:8]


def of_type(record: Record, kind: str, known_to: int) -> Iterator[tuple[int, AnyFact]]:
    """Every fact that reads as one of a type, with its position: facts of the type, and others corrected into it."""
    tag = f"{kind}.v1"
    seen: set[UUID] = set()
    for subject in (f"type:{tag}", "type:correction_made.v1"):
        after = 0
        while found := record.about(subject, after, _BATCH):
            for recorded in found:
                after = recorded.position
                if after > known_to:
                    break
                fact = events.recall(recorded.body)
                position = after
                if isinstance(fact, CorrectionMade):
                    if fact.replacement is None or events.type_name(fact.replacement) != tag:
                        continue
                    original = record.get(fact.corrects)
                    if original is None or original.position > known_to:
                        continue
                    fact, position = events.recall(original.body), original.position
                if fact.id in seen:
                    continue
                seen.add(fact.id)
                reads = effective(record, fact, known_to)
                if reads is not None and events.type_name(reads) == tag:
                    yield position, reads
            if after > known_to:
                break
