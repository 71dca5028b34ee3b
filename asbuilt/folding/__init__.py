"""What is recorded becomes rows: in a thread of this process, or in a process of its own (`asbuilt.folding.process`).

Whoever records says how far the record reaches; whoever folds follows it at its own pace and says how far it is. What is
acknowledged is durable whether it is folded yet or not: until then the rows are said to be behind, never silently short.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from asbuilt import events
from asbuilt.errors import AsBuiltError, RecordError, ViewsError
from asbuilt.events import AnyFact
from asbuilt.record import Record
from asbuilt.rows import Changed
from asbuilt.rows.store import Store

MAX_HANDED_FACTS = 50_000
MAX_FOLD_FACTS = 5_000
FOLD_BATCH = 20_000
CATCH_UP_FACTS = 1_000
"""So many facts are folded for views that catch up before those that are furthest have their turn again."""
FOLD_AGAIN_S = 1.0
"""So long it waits before it tries again what the views could not take."""

Announce = Callable[[Changed], None]
_log = logging.getLogger("asbuilt")


class Behind(NamedTuple):
    """How far the rows are behind the record: recorded facts that are not folded yet, and since how many seconds some are."""

    facts: int
    seconds: float


class Folding:
    """Follows a record; how far it is can be asked from any thread. `start` before use, `stop` after.

    `restarts` counts how often a process that folds was started again after it had ended by itself.
    """

    restarts = 0
    pid: int | None = None
    """The process that folds, where it is another one."""

    def __init__(self, head: int, folded: int) -> None:
        self._told = threading.Condition()
        self._head = head
        self._folded = folded
        self._error: AsBuiltError | None = None
        self._behind_since: float | None = None

    def start(self) -> None:
        """Begin to follow."""
        raise NotImplementedError

    def stop(self) -> None:
        """Fold what is recorded, and end."""
        raise NotImplementedError

    def recorded(self, head: int, facts: Sequence[tuple[int, AnyFact]] = ()) -> None:
        """The record reaches to `head` now; `facts` are those of the last commit by position, which need not be read."""
        raise NotImplementedError

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until every fact recorded so far is folded. Raises `ViewsError` if that does not happen.

        For views that catch up nobody waits: whoever asks them is told how far they are.
        """
        with self._told:
            wanted = self._head
            self._told.wait_for(lambda: self._folded >= wanted or self._error, timeout_s)
            if self._folded >= wanted:
                return
            error = self._error
        if error is not None:
            raise error
        raise ViewsError(f"the views are {self.behind.facts:,} facts behind", remedy="Ask again in a while.")

    @property
    def error(self) -> AsBuiltError | None:
        """Why the views do not follow the record at the moment, if so."""
        return self._error

    @property
    def behind(self) -> Behind:
        """How far the rows are behind the record."""
        with self._told:
            if self._behind_since is None:
                return Behind(0, 0.0)
            return Behind(self._head - self._folded, time.monotonic() - self._behind_since)

    def _reached(self, *, head: int | None = None, folded: int | None = None) -> None:
        """Note how far record or rows are; with the condition held."""
        self._head = self._head if head is None else head
        if folded is not None and folded > self._folded:
            self._folded, self._behind_since = folded, None
        if self._folded >= self._head:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()
        self._told.notify_all()


class FoldThread(Folding):
    """Folds in a thread of this process. `failing` hears why the views do not follow, and None when they do again.

    Raises `RecordError` where the rows were made from another record.
    """

    def __init__(
        self,
        record: Record,
        store: Store,
        announce: Announce = lambda changed: None,
        failing: Callable[[AsBuiltError | None], None] = lambda error: None,
    ) -> None:
        refuse_rows_of_another_record(record, store)
        super().__init__(record.head(), store.position())
        self._record = record
        self._store = store
        self._announce = announce
        self._failing = failing
        self._handed: deque[Sequence[tuple[int, AnyFact]]] = deque()
        self._handed_facts = 0
        self._catching_up = bool(store.behind(self._folded))
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="view-folder", daemon=True)

    @property
    def folded(self) -> int:
        """Up to which position the views that are furthest are folded."""
        return self._folded

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._told:
            self._stopping = True
            self._told.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def recorded(self, head: int, facts: Sequence[tuple[int, AnyFact]] = ()) -> None:
        with self._told:
            if facts and self._handed_facts + len(facts) <= MAX_HANDED_FACTS:
                self._handed.append(facts)
                self._handed_facts += len(facts)
            self._reached(head=head)

    def _run(self) -> None:
        while True:
            with self._told:
                while self._folded >= self._head and not self._catching_up and not self._stopping:
                    self._told.wait()
                if self._folded >= self._head and (self._stopping or not self._catching_up):
                    return
                facts = self._next_handed()
            try:
                changed = self._fold_next(facts)
            except Exception as error:
                if not self._wait_to_fold_again(error):
                    return
                continue
            if self._error is not None:
                self._failing(None)
            with self._told:
                self._error = None
                self._told.notify_all()
            try:
                self._announce(changed)
            except Exception:
                _log.exception("a listener to changes failed; folding goes on")

    def _fold_next(self, facts: list[tuple[int, AnyFact]]) -> Changed:
        """What comes next for the views that are furthest, then a portion for those that catch up with them."""
        changed: Changed = {}
        if self._folded < self._head:
            if not facts:
                facts = read_facts(self._record, self._folded, FOLD_BATCH)
            changed = self._store.fold(facts, self._find)
            with self._told:
                self._reached(folded=facts[-1][0])
        if self._catching_up and not self._stopping:
            after, count = self._store.next_portion(self._folded, CATCH_UP_FACTS)
            if count:
                for table, keys in self._store.fold(read_facts(self._record, after, count), self._find).items():
                    changed.setdefault(table, set()).update(keys)
            self._catching_up = self._store.next_portion(self._folded, 1)[1] > 0
        return changed

    def _wait_to_fold_again(self, error: Exception) -> bool:
        """The record goes on without views; everyone who asks for them is told why. False at the end."""
        said = (
            error
            if isinstance(error, AsBuiltError)
            else ViewsError(f"folding failed: {error!r}", remedy="Run `asbuilt rebuild`; nothing recorded is lost.")
        )
        self._failing(said)
        with self._told:
            self._error = said
            self._told.notify_all()
            return not self._told.wait_for(lambda: self._stopping, FOLD_AGAIN_S)

    def _next_handed(self) -> list[tuple[int, AnyFact]]:
        """What the writer handed over, if it follows what was folded; else what must be read."""
        facts: list[tuple[int, AnyFact]] = []
        expected = self._folded + 1
        while self._handed and len(facts) < MAX_FOLD_FACTS:
            if self._handed[0][0][0] > expected:
                break
            batch = self._handed.popleft()
            self._handed_facts -= len(batch)
            if batch[0][0] == expected:
                facts.extend(batch)
                expected = facts[-1][0] + 1
        return facts

    def _find(self, fact_id: UUID) -> AnyFact | None:
        return _found(self._record, fact_id)


def refuse_rows_of_another_record(record: Record, store: Store) -> None:
    """Rows that were made from another record, or from more of it than is there, are not gone on with. Raises `RecordError`."""
    head, folded = record.head(), store.position()
    if folded > head:
        what = f"the record ends at fact {head:,}, but the views have seen {folded:,}: facts are missing"
    else:
        others = [at for at, fact in store.last_facts().items() if record.read(at - 1, 1)[0].id != fact]
        if not others:
            return
        what = f"fact {others[0]:,} of the record is not the one that the views have seen"
    raise RecordError(
        what,
        remedy="The record was replaced by another copy or lost its -wal file. Restore it; if this copy is "
        "what you want, run `asbuilt rebuild`.",
    )


# --------------------------------------------------------------------------- without threads


def catch_up(record: Record, store: Store, beside: bool, progress: Callable[[int, int], None]) -> None:
    """Fold what the store has not seen, before anything is answered.

    `beside` leaves views that must be made anew where they are, if others have rows to answer from: they are folded while
    the others answer. `progress` hears how many facts are folded, and of how many.
    """
    head = record.head()
    # Where no view has rows to answer from, there is nothing to wait beside.
    beside = beside and store.position() > 0 and len(store.behind(store.position())) < len(store.views)
    total = head - store.position() if beside else max(store.behind(head).values(), default=0)
    done = 0

    def report(facts: int) -> None:
        nonlocal done
        done += facts
        progress(done, total)

    (fold_furthest if beside else fold_from)(record, store, report)


def fold_from(record: Record, store: Store, progress: Callable[[int], None] = lambda facts: None) -> None:
    """Fold everything the store has not seen, without threads: rebuild and first catch-up.

    Views that are behind first come to where the next one stands; then they go on together.
    """
    while True:
        after, count = store.next_portion(record.head(), FOLD_BATCH)
        if not count:
            return
        store.fold(read_facts(record, after, count), lambda fact_id: _found(record, fact_id))
        progress(count)


def fold_furthest(record: Record, store: Store, progress: Callable[[int], None] = lambda facts: None) -> None:
    """Fold what the record has beyond the views that are furthest; those behind them stay where they are."""
    while facts := read_facts(record, store.position(), FOLD_BATCH):
        store.fold(facts, lambda fact_id: _found(record, fact_id))
        progress(len(facts))


def read_facts(record: Record, after: int, limit: int) -> list[tuple[int, AnyFact]]:
    """Recorded facts by position, decoded."""
    found = record.read(after, limit)
    facts = events.recall_all([recorded.body for recorded in found])
    return [(recorded.position, fact) for recorded, fact in zip(found, facts, strict=True)]


def _found(record: Record, fact_id: UUID) -> AnyFact | None:
    found = record.get(fact_id)
    return events.recall(found.body) if found else None
