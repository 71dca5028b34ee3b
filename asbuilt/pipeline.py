"""Facts in, rows out.

`take_in` → record → acknowledgement, and `fold_out` → rows → announcement:

- `Pipeline.take_in` checks and encodes what an adapter brings and queues it. A writer thread
  takes all that is waiting, records it as one durable commit (group commit) and answers.
- `asbuilt.folding` hands the recorded facts to every view, in a thread or in a process of its own. A thread gets them
  from the writer while it keeps up and reads them from the record when it does not; the record is its queue.

What cannot be recorded as a fact is recorded as a rejection with its bytes (law 7).
"""

from __future__ import annotations

import datetime as dt
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, cast

from asbuilt import events
from asbuilt.adapters import Rejection, Result, Taken
from asbuilt.errors import AsBuiltError, MalformedFact, RecordError, RecordFull
from asbuilt.events import AnyFact, CorrectionMade, MessageRejected
from asbuilt.folding import Folding
from asbuilt.record import Clock, Entry, Outcome, Receipt, Record, made

MAX_WAITING_FACTS = 200_000
"""So many facts may wait for the disk; then senders are told to come again."""
MAX_WAITING_BYTES = 256 * 1024 * 1024
MAX_COMMIT_FACTS = 5_000
MAX_AHEAD = dt.timedelta(days=1)
"""A fact may be this far ahead of the plant's clock; further, the sender's clock is wrong."""
EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class _Waiting(NamedTuple):
    """What one call of `take_in` brought: entries to record, and where each item's result comes from.

    `results` are those known already, None where the receipt tells; all of it None if every receipt does.
    """

    adapter: str
    entries: list[Entry]
    results: list[Result | None] | None
    size: int
    future: Future[list[Result]]


class Pipeline:
    """The way of facts from adapters to the record and on to the views. `start` before use, `stop` after."""

    def __init__(self, record: Record, folding: Folding, now: Clock) -> None:
        self._record = record
        self._now = now
        self.folding = folding
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue()
        self._waiting_facts = self._waiting_bytes = 0
        self._running = False
        self._queue_lock = threading.Lock()
        self._broken: AsBuiltError | None = None
        self._writer = threading.Thread(target=self._write, name="record-writer", daemon=True)

    def start(self) -> None:
        """Begin to record and to fold."""
        self._running = True
        self._writer.start()
        self.folding.start()

    def stop(self) -> None:
        """Record what waits, fold what is recorded, and end."""
        with self._queue_lock:
            if self._running:
                self._running = False
                self._waiting.put(None)
        if self._writer.is_alive():
            self._writer.join()
        self.folding.stop()

    # ----------------------------------------------------------------- in

    def take_in(self, adapter: str, items: Sequence[Taken], *, decoded: bool = False) -> Future[list[Result]]:
        """Record what an adapter brought; the result, one per item and in order, comes once it is durable.

        `decoded` tells that the facts were read by `events.decode` or `events.convert`; facts made
        in Python are not checked when they are made and are read back here once.
        Raises `RecordFull` when too much is waiting; then nothing was taken.
        """
        if self._broken is not None:
            raise self._broken
        waiting = self._prepared(adapter, items, decoded)
        with self._queue_lock:
            if not self._running:
                raise RecordError("this process does not record (now)", remedy="Send it again when asbuilt runs.")
            facts, size = self._waiting_facts + len(items), self._waiting_bytes + waiting.size
            if self._waiting_facts and (facts > MAX_WAITING_FACTS or size > MAX_WAITING_BYTES):
                raise RecordFull("too many facts wait for the disk", remedy="Send them again in a few seconds.")
            self._waiting_facts, self._waiting_bytes = facts, size
            self._waiting.put(waiting)
        return waiting.future

    def _prepared(self, adapter: str, items: Sequence[Taken], decoded: bool) -> _Waiting:
        now = self._now()
        latest = now + MAX_AHEAD
        at_once = _entries(items, latest, decoded)
        if at_once is not None:
            return _waiting(adapter, at_once, None)
        entries: list[Entry] = []
        results: list[Result | None] = []
        for item in items:
            if isinstance(item, Rejection):
                reason, message = item.reason, item.message
            else:
                try:
                    body = events.encode(item)
                    # What is folded now must be what is read back later.
                    fact = item if decoded else events.decode(body)
                    if EARLIEST <= fact.event_time <= latest and (
                        type(fact) is not CorrectionMade or _is_possible(fact.replacement, latest)
                    ):
                        entries.append(Entry(fact, body))
                        results.append(None)
                        continue
                    reason, message = _impossible_time(fact, now), body
                except MalformedFact as error:
                    reason, message = error.message, events.unchecked_bytes(item)
                except (TypeError, ValueError) as error:
                    reason, message = f"not a valid fact: {error}", events.unchecked_bytes(item)
            rejected = events.rejection(adapter, message, reason, now)
            entries.append(Entry(rejected, events.encode(rejected)))
            given_id = None if isinstance(item, Rejection) else item.id
            results.append(Result("rejected", given_id, reason, item.line if isinstance(item, Rejection) else None))
        return _waiting(adapter, entries, results)

    def _write(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            group, facts = [first], len(first.entries)
            ending = False
            while facts < MAX_COMMIT_FACTS:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                    break
                group.append(more)
                facts += len(more.entries)
            self._commit(group)
            with self._queue_lock:
                self._waiting_facts -= facts
                self._waiting_bytes -= sum(waiting.size for waiting in group)
            if ending:
                return

    def _commit(self, group: list[_Waiting]) -> None:
        entries = [entry for waiting in group for entry in waiting.entries]
        try:
            if self._broken is not None:
                raise self._broken
            receipts = self._append(entries)
            if Outcome.CONFLICT in {receipt.outcome for receipt in receipts}:
                self._record_conflicts(group, receipts)
        except AsBuiltError as error:
            if not isinstance(error, RecordFull):
                # After a failed write the state of the file is unknown: nobody may add to it now.
                self._broken = error
            for waiting in group:
                waiting.future.set_exception(error)
            return
        except Exception as error:
            self._broken = RecordError(f"recording failed: {error!r}", remedy="Stop asbuilt and run `asbuilt doctor`.")
            for waiting in group:
                waiting.future.set_exception(self._broken)
            return
        at = 0
        for waiting in group:
            mine = receipts[at : at + len(waiting.entries)]
            at += len(waiting.entries)
            waiting.future.set_result(_results(waiting, mine))

    def _record_conflicts(self, group: list[_Waiting], receipts: list[Receipt]) -> None:
        pairs = [(waiting.adapter, entry) for waiting in group for entry in waiting.entries]
        conflicts = [
            _conflict(adapter, entry, self._now())
            for (adapter, entry), receipt in zip(pairs, receipts, strict=True)
            if receipt.outcome is Outcome.CONFLICT and not isinstance(entry.fact, MessageRejected)
        ]
        if conflicts:
            self._append(conflicts)

    def _append(self, entries: list[Entry]) -> list[Receipt]:
        receipts = self._record.append(entries)
        accepted = [
            (receipt.position, entry.fact) for entry, receipt in zip(entries, receipts, strict=True) if receipt.position
        ]
        # Also what an earlier append recorded though it reported a failure.
        self.folding.recorded(self._record.head(), accepted)
        return receipts

    # ----------------------------------------------------------------- out

    def settle(self, timeout_s: float = 60) -> None:
        """Wait until every fact recorded so far is folded. Raises `ViewsError` if that does not happen."""
        self.folding.settle(timeout_s)

    @property
    def views_error(self) -> AsBuiltError | None:
        """Why the views do not follow the record at the moment, if so."""
        return self.folding.error

    @property
    def behind(self) -> int:
        """How many recorded facts the views have not folded yet."""
        return self.folding.behind.facts


def _waiting(adapter: str, entries: list[Entry], results: list[Result | None] | None) -> _Waiting:
    future: Future[list[Result]] = Future()
    # What was handed over is recorded whether the sender still waits or not: it cannot be cancelled.
    future.set_running_or_notify_cancel()
    return _Waiting(adapter, entries, results, sum([len(entry.body) for entry in entries]), future)


def _entries(items: Sequence[Taken], latest: dt.datetime, decoded: bool) -> list[Entry] | None:
    """All items as entries, where nothing is to be said about one of them; else None, and each is looked at."""
    types = set(map(type, items))
    if Rejection in types or CorrectionMade in types:
        return None
    facts = cast(Sequence[AnyFact], items)
    bodies = events.encode_all(facts)
    if bodies is None:
        return None
    if not decoded:
        # What is folded now must be what is read back later.
        again = events.decode_all(bodies)
        if again is None:
            return None
        facts = again
    times = [fact.event_time for fact in facts]
    if times and not EARLIEST <= min(times) <= max(times) <= latest:
        return None
    return made(Entry, zip(facts, bodies, strict=True))


def _results(waiting: _Waiting, receipts: Sequence[Receipt]) -> list[Result]:
    if waiting.results is None:
        if {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}:
            return [Result("accepted", entry.fact.id) for entry in waiting.entries]
        return list(map(_result, waiting.entries, receipts))
    return [
        _result(entry, receipt) if result is None else result
        for entry, receipt, result in zip(waiting.entries, receipts, waiting.results, strict=True)
    ]


def _result(entry: Entry, receipt: Receipt) -> Result:
    if receipt.outcome is Outcome.CONFLICT:
        return Result("conflict", entry.fact.id, "this id is recorded already with other content")
    return Result("accepted" if receipt.outcome is Outcome.ACCEPTED else "duplicate", entry.fact.id)


def _conflict(adapter: str, entry: Entry, now: dt.datetime) -> Entry:
    reason = f"id {entry.fact.id} is recorded already with other content"
    fact = events.rejection(adapter, entry.body, reason, now, conflict=True)
    return Entry(fact, events.encode(fact))


def _is_possible(replacement: AnyFact | None, latest: dt.datetime) -> bool:
    return replacement is None or EARLIEST <= replacement.event_time <= latest


def _impossible_time(fact: AnyFact, now: dt.datetime) -> str:
    if isinstance(fact, CorrectionMade) and fact.replacement and EARLIEST <= fact.event_time <= now + MAX_AHEAD:
        return f"in the replacement: {_impossible_time(fact.replacement, now)}"
    if fact.event_time < EARLIEST:
        return f"event_time {fact.event_time.isoformat()} is before 1970"
    ahead = fact.event_time - now
    return f"event_time {fact.event_time.isoformat()} is {ahead.days} days ahead of the plant's clock; set the clock of {fact.source}"
