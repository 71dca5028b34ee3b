"""Which reading of a fact holds: the corrections that the rows know (law 5)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import apsw

from asbuilt import events
from asbuilt.events import AnyFact, CorrectionMade

CREATE = """
CREATE TABLE IF NOT EXISTS correction(
    target BLOB NOT NULL, declared_us INTEGER NOT NULL, fact BLOB NOT NULL, PRIMARY KEY(target, declared_us, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS correction_fact ON correction(fact);
"""


class Corrections:
    """The corrections kept in a file of rows; `targets` are the ids of all facts that were ever corrected, if they are to be known."""

    def __init__(self, db: apsw.Connection, *, know_all: bool = True) -> None:
        self._db = db
        self.targets: set[bytes] = set()
        if know_all:
            self.read()

    def read(self) -> None:
        """Know what the file knows: at the start, and after a transaction that came to nothing."""
        self.targets = {row[0] for row in self._db.execute("SELECT DISTINCT target FROM correction")}

    def register(self, facts: Sequence[tuple[int, AnyFact]]) -> set[UUID]:
        """Note the corrections of this batch; returns the facts whose reading may have changed."""
        touched: set[UUID] = set()
        made = [fact for _, fact in facts if isinstance(fact, CorrectionMade)]
        for fact in made:
            self._db.execute(
                "INSERT OR IGNORE INTO correction VALUES (?, ?, ?)",
                (fact.corrects.bytes, events.microseconds(fact.event_time), fact.id.bytes),
            )
            self.targets.add(fact.corrects.bytes)
        walked: set[bytes] = set()
        for fact in made:
            # A correction of a correction changes the reading of whatever that one corrected.
            target = fact.corrects.bytes
            while target not in walked:
                walked.add(target)
                above = self._db.execute("SELECT target FROM correction WHERE fact = ?", (target,)).fetchone()
                if above is None:
                    touched.add(UUID(bytes=target))
                else:
                    target = above[0]
        return touched

    def of(self, target: bytes) -> list[tuple[int, bytes]]:
        """When each correction of a fact was declared, and its id."""
        found: list[tuple[int, bytes]] = self._db.execute(
            "SELECT declared_us, fact FROM correction WHERE target = ?", (target,)
        ).fetchall()  # type: ignore[assignment]
        return found

    def deciding(self, target: bytes) -> bytes | None:
        """The correction that says how a fact reads: the last declared one that is not void.

        A correction is void if a later declared one, itself not void, corrects it. So the last
        declared of all is valid, and going back from it each valid one makes its target void.
        """
        found: list[tuple[int, bytes, bytes]] = []
        known, waiting = {target}, [target]
        while waiting:
            corrected = waiting.pop()
            for declared_us, fact in self.of(corrected):
                found.append((declared_us, fact, corrected))
                if fact not in known:
                    known.add(fact)
                    waiting.append(fact)
        void: set[bytes] = set()
        for _, fact, corrected in sorted(found, reverse=True):
            if fact not in void:
                if corrected == target:
                    return fact
                void.add(corrected)
        return None
