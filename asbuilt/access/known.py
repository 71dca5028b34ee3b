"""The record as it was known at a moment: what was recorded until then, corrected as was known then.

Rows say how facts read today. What a certificate said when it was printed follows from the facts
recorded until then alone; views fold them again (`views/*/`), this finds them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from asbuilt import events
from asbuilt.events import AnyFact, CorrectionMade, Event
from asbuilt.record import Recorded

About = Callable[[str, int, int], list[tuple[Recorded, AnyFact]]]
"""Facts under a subject key after a position, at most so many."""
Corrected = Callable[[Collection[UUID]], set[UUID]]
"""Those of some facts that were ever corrected: all others read as they were said, and need no further look."""
_AT_ONCE = 5_000
_SINCE_AT_ONCE = 1_000
_NOTHING: frozenset[type] = frozenset()
FEW = 100
"""So few subjects are folded again at once: that is less than to look through all corrections."""
_FACTS_A_SUBJECT = 3
"""To read so many facts costs as much as to look for what was recorded about one subject."""
_ALWAYS = 2**63 - 1


class Known:
    """The facts that held at a moment, as far as they were known then; without a moment, as they read today."""

    def __init__(
        self,
        known_at: dt.datetime | None,
        about: About,
        get: Callable[[UUID], tuple[Recorded, AnyFact] | None],
        corrected: Corrected,
        position_at: Callable[[int], int],
        after: Callable[[int, int], list[AnyFact] | None],
    ):
        self.known_at = known_at
        self._until_us = events.microseconds(known_at) if known_at is not None else _ALWAYS
        self._about = about
        self._get = get
        self._corrected = corrected
        self._position_at = position_at
        self._after = after
        self._until_position: int | None = None
        self._moved: set[str] | None = None
        self._since: dict[str, frozenset[type]] = {}
        self._every_since: dict[str, set[type]] | None = None
        self._subjects: dict[str, list[AnyFact]] = {}

    def facts(self, subject: str) -> list[AnyFact]:
        """Every fact about a subject as it read then, in order of id."""
        if subject not in self._subjects:
            said: dict[UUID, AnyFact | None] = {}
            subjects = [subject]
            if subject.startswith(("type:", "source:")):
                # A correction is not found under the type or source of what it replaces a fact with.
                subjects.append("type:correction_made.v1")
            for found in subjects:
                for fact in self._recorded(found):
                    if not isinstance(fact, CorrectionMade):
                        said[fact.id] = fact
                    else:
                        # What is corrected may have been about something else before.
                        said.setdefault(fact.corrects, None)
            self._subjects[subject] = list(self._readings(said, subject))
        return self._subjects[subject]

    def unchanged(self, subjects: Sequence[str], kinds: tuple[type[Event], ...]) -> tuple[list[str], list[str]]:
        """Subjects about which no fact of these kinds was recorded or corrected since the moment, and the others.

        What follows from such facts is today what was known then: rows have it, and nothing is folded again.
        """
        if len(subjects) <= FEW:
            return [], list(subjects)
        same: list[str] = []
        others: list[str] = []
        moved, every = self._corrections(), self._look_at_all(len(subjects))
        for subject in subjects:
            since: frozenset[type] | set[type] | None = None
            if subject not in moved:
                since = every.get(subject, _NOTHING) if every is not None else self._types_since(subject)
            is_same = since is not None and since.isdisjoint(kinds) and Event not in since
            (same if is_same else others).append(subject)
        return same, others

    def _look_at_all(self, subjects: int) -> dict[str, set[type]] | None:
        """By subject the types of what was recorded since, if that is no more than to look for each of so many subjects."""
        if self._every_since is None:
            found = self._after(self._position(), _FACTS_A_SUBJECT * subjects)
            if found is not None:
                self._every_since = {}
                for fact in found:
                    for subject in events.subjects(fact):
                        self._every_since.setdefault(subject, set()).add(type(fact))
        return self._every_since

    def _position(self) -> int:
        """The last position that was known."""
        if self._until_position is None:
            self._until_position = self._position_at(self._until_us)
        return self._until_position

    def _types_since(self, subject: str) -> frozenset[type]:
        """Types of what was recorded about a subject since; `Event` among them if that is too much to look through."""
        known = self._since.get(subject)
        if known is None:
            found = self._about(subject, self._position(), _SINCE_AT_ONCE)
            types = [type(fact) for _, fact in found] + [Event] * (len(found) == _SINCE_AT_ONCE)
            known = self._since[subject] = frozenset(types) if found else _NOTHING
        return known

    def _corrections(self) -> set[str]:
        """Every subject that any correction has to do with, whenever it was made."""
        if self._moved is None:
            self._moved = set()
            after = 0
            while found := self._about("type:correction_made.v1", after, _AT_ONCE):
                for _, fact in found:
                    assert isinstance(fact, CorrectionMade), "it is found by its type"
                    self._moved.update(events.subjects(fact))
                    original = self._get(fact.corrects)
                    if original is not None:
                        self._moved.update(events.subjects(original[1]))
                after = found[-1][0].position
        return self._moved

    def _readings(self, said: dict[UUID, AnyFact | None], subject: str) -> Iterator[AnyFact]:
        """How facts found under a subject read, in order of id; those that are not about it are left out."""
        corrected = self._corrected(said.keys())
        for fact_id in sorted(said, key=_number):
            fact = said[fact_id]
            if fact is not None and fact_id not in corrected:
                yield fact
                continue
            reading = self._reading(fact_id)
            if reading is not None and subject in events.subjects(reading):
                yield reading

    def _recorded(self, subject: str) -> Iterator[AnyFact]:
        after = 0
        while found := self._about(subject, after, _AT_ONCE):
            for recorded, fact in found:
                if recorded.record_time_us > self._until_us:
                    return
                yield fact
            if len(found) < _AT_ONCE:
                return
            after = found[-1][0].position

    def _reading(self, fact_id: UUID) -> AnyFact | None:
        """How a fact read then: itself, the replacement of the correction that decided, or nothing."""
        found = self._get(fact_id)
        if found is None or found[0].record_time_us > self._until_us or isinstance(found[1], CorrectionMade):
            return None
        made: dict[UUID, list[CorrectionMade]] = {}
        waiting = [fact_id]
        while waiting:
            target = waiting.pop()
            if target not in made:
                made[target] = [f for f in self._recorded(f"fact:{target}") if isinstance(f, CorrectionMade)]
                waiting += [correction.id for correction in made[target]]
        void: set[UUID] = set()
        every = {correction.id: correction for several in made.values() for correction in several}
        # The last declared of all is valid; going back from it, each valid one makes its target void.
        for correction in sorted(every.values(), key=_rank, reverse=True):
            if correction.id not in void:
                if correction.corrects == fact_id:
                    return correction.replacement
                void.add(correction.corrects)
        return found[1]


def _number(fact_id: UUID) -> int:
    return fact_id.int


def _rank(correction: CorrectionMade) -> tuple[Any, ...]:
    return events.microseconds(correction.event_time), correction.id
