"""What every record promises, as tests: a package with a record of its own subclasses `RecordContract`.

    class TestMine(DurableRecordContract):
        def open(self, folder, clock, **more):
            return mine.Log(folder / "record", clock, **more)

`more` is what the contract of `asbuilt.record` lets a record be opened with: `read_only`, `random`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from asbuilt import events, record
from asbuilt.errors import RecordError
from asbuilt.events import AnyFact, Counted, StateChanged
from asbuilt.record import Entry, Outcome, Record, Recorded, memory
from asbuilt.testing.strategies import History, examples, histories, small_facts

T0 = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
Open = Callable[..., Record]


def fixed() -> dt.datetime:
    """A clock that stands."""
    return T0


class Clock:
    """A clock that can be set, also backwards."""

    def __init__(self) -> None:
        self.time = T0

    def __call__(self) -> dt.datetime:
        return self.time


def entry(number: int, good: int = 0, station: str = "p/s/a/l/1") -> Entry:
    """A fact with this number in its id."""
    fact = Counted(id=UUID(int=number), event_time=T0, source="gateway", station=station, good=good)
    return Entry(fact, events.encode(fact))


def entries(facts: Sequence[AnyFact]) -> list[Entry]:
    """Facts as they are given to a record."""
    return [Entry(fact, events.encode(fact)) for fact in facts]


def _plain(found: list[Recorded]) -> list[tuple[Any, ...]]:
    """Everything but the seed, which is random."""
    return [(f.position, f.record_time_us, f.id, f.body) for f in found]


class RecordContract:
    """The promises of any record, kept in memory or anywhere else."""

    durable = False

    def open(self, folder: Path, clock: Callable[[], dt.datetime], **more: Any) -> Record:
        """The record in this folder, which is empty the first time; to be written in a subclass."""
        raise NotImplementedError

    @pytest.fixture
    def open_log(self, tmp_path: Path) -> Iterator[Open]:
        """Opens records that are closed at the end."""
        logs = []

        def open_one(clock: Callable[[], dt.datetime] = fixed, **more: Any) -> Record:
            logs.append(self.open(tmp_path, clock, **more))
            return logs[-1]

        yield open_one
        for log in logs:
            log.close()

    @pytest.fixture
    def log(self, open_log: Open) -> Record:
        """An empty record."""
        return open_log()

    def test_an_empty_record(self, log: Record) -> None:
        assert log.head() == 0
        assert log.read() == []
        assert log.get(UUID(int=1)) is None
        assert log.about("source:gateway") == []
        assert log.latest("source:gateway") is None
        assert log.count("source:gateway") == 0
        assert list(log.verify()) == []

    def test_appending_nothing_changes_nothing(self, log: Record) -> None:
        assert log.append([]) == []
        assert log.head() == 0

    def test_what_was_appended_is_found_in_every_way(self, log: Record) -> None:
        one, two, three = entry(1), entry(2, good=5), entry(3, station="p/s/a/l/2")
        receipts = log.append([one, two])
        assert receipts == [(Outcome.ACCEPTED, 1), (Outcome.ACCEPTED, 2)]
        assert log.append([three]) == [(Outcome.ACCEPTED, 3)]

        found = log.read()
        assert [fact.position for fact in found] == [1, 2, 3]
        assert [fact.body for fact in found] == [one.body, two.body, three.body]
        assert [fact.id for fact in found] == [UUID(int=n).bytes for n in (1, 2, 3)]
        assert {fact.record_time_us for fact in found} == {events.microseconds(T0)}
        assert log.read(1) == found[1:]
        assert log.read(1, 1) == found[1:2]
        assert log.read(3) == log.read(99) == log.read(0, 0) == []
        assert log.get(UUID(int=2)) == found[1]
        assert log.get(UUID(int=9)) is None
        assert log.about("station:p/s/a/l/1") == found[:2]
        assert log.about("type:counted.v1") == log.about("source:gateway") == found
        assert log.latest("station:p/s/a/l/1") == found[1]
        assert log.count("station:p/s/a/l/1") == 2
        assert log.count("type:counted.v1") == 3
        assert log.head() == 3

    def test_every_name_facts_are_found_under_is_told_once_and_in_order(self, log: Record) -> None:
        log.append([entry(n + 1, station=f"p/s/a/l/{n % 3}") for n in range(9)])
        assert log.subjects("station") == ["p/s/a/l/0", "p/s/a/l/1", "p/s/a/l/2"]
        assert log.subjects("stat") == []
        assert log.subjects("unit") == []

    def test_the_same_fact_again_is_a_duplicate_without_effect(self, log: Record) -> None:
        log.append([entry(1), entry(2)])
        before = log.read()
        assert log.append([entry(2), entry(1)]) == [(Outcome.DUPLICATE, 0)] * 2
        assert log.read() == before
        assert log.count("source:gateway") == 2

    def test_the_same_id_with_other_content_is_a_conflict_without_effect(self, log: Record) -> None:
        log.append([entry(1)])
        before = log.read()
        assert log.append([entry(1, good=7)]) == [(Outcome.CONFLICT, 0)]
        assert log.append([entry(1, good=7)]) == [(Outcome.CONFLICT, 0)]
        assert log.read() == before
        assert log.about("station:p/s/a/l/1") == before

    def test_receipts_come_in_order_of_the_entries(self, log: Record) -> None:
        log.append([entry(1), entry(2)])
        receipts = log.append([entry(3), entry(1), entry(4), entry(2, good=1), entry(4), entry(3, good=9), entry(5)])
        assert [receipt.outcome for receipt in receipts] == [
            "accepted", "duplicate", "accepted", "conflict", "duplicate", "conflict", "accepted",
        ]  # fmt: skip
        assert [receipt.position for receipt in receipts] == [3, 0, 4, 0, 0, 0, 5]
        assert [fact.position for fact in log.read()] == [1, 2, 3, 4, 5]
        assert log.head() == 5
        assert log.count("source:gateway") == 5
        assert log.append([entry(6)]) == [(Outcome.ACCEPTED, 6)]

    def test_within_one_batch_the_first_of_an_id_counts(self, log: Record) -> None:
        assert log.append([entry(1, good=1), entry(1, good=1), entry(1, good=2)]) == [
            (Outcome.ACCEPTED, 1),
            (Outcome.DUPLICATE, 0),
            (Outcome.CONFLICT, 0),
        ]
        assert [fact.body for fact in log.read()] == [entry(1, good=1).body]

    def test_a_batch_of_duplicates_leaves_no_trace(self, log: Record) -> None:
        log.append([entry(1)])
        log.append([entry(1)])
        assert log.append([entry(2)]) == [(Outcome.ACCEPTED, 2)]
        assert list(log.verify()) == []

    def test_positions_have_no_gaps_over_large_and_small_batches(self, log: Record) -> None:
        numbers = itertools.count(1)
        for size in (1, 1000, 3, 2500, 1):
            log.append([entry(next(numbers)) for _ in range(size)])
        assert [fact.position for fact in log.read()] == list(range(1, 3506))
        assert log.head() == 3505

    def test_record_time_never_runs_backwards(self, open_log: Open) -> None:
        clock = Clock()
        log = open_log(clock)
        seen = []
        for number, minutes in enumerate([0, 5, -60, 3, 6, -10_000], 1):
            clock.time = T0 + dt.timedelta(minutes=minutes)
            log.append([entry(number)])
            seen.append(log.read()[-1].record_time_us - events.microseconds(T0))
        assert [us // 60_000_000 for us in seen] == [0, 5, 5, 5, 6, 6]

    def test_seeds_are_random_and_kept(self, open_log: Open) -> None:
        log = open_log()
        log.append([entry(1), entry(2)])
        log.append([entry(3)])
        seeds = [fact.seed for fact in log.read()]
        assert [len(seed) for seed in seeds] == [record.SEED_BYTES] * 3
        assert len(set(seeds)) == 3
        assert [fact.seed for fact in log.read()] == seeds

    def test_seeds_come_from_the_given_source_of_randomness(self, open_log: Open) -> None:
        log = open_log(random=lambda n: b"\x07" * n)
        log.append([entry(1), entry(2), entry(1)])
        assert {fact.seed for fact in log.read()} == {b"\x07" * record.SEED_BYTES}

    def test_a_fact_of_unknown_type_is_kept_byte_for_byte(self, log: Record) -> None:
        body = (
            b'{"event_time":"2026-06-01T07:30:00+02:00","extra":[1,2.5,{"deep":null}],'
            b'"id":"019a0000-0000-7000-8000-000000000001","source":"gateway","type":"later.v3"}'
        )
        fact = events.decode(body)
        log.append([Entry(fact, events.encode(fact))])
        assert log.read()[0].body == body
        assert log.latest("type:later.v3") == log.read()[0]
        assert list(log.verify()) == []

    def test_a_fact_under_the_same_subject_twice_is_found_once(self, log: Record) -> None:
        fact = events.LotSplit(
            id=UUID(int=1), event_time=T0, source="store", product="ring", lot="L1",
            into=(events.LotPart(lot="L1", quantity="1"), events.LotPart(lot="L1", quantity="2")),
        )  # fmt: skip
        log.append(entries([fact, *(e.fact for e in [entry(2)])]))
        assert log.count("lot:ring/L1") == 1
        assert len(log.about("lot:ring/L1")) == 1

    def test_about_pages_across_commits(self, log: Record) -> None:
        numbers = itertools.count(1)
        for size in (3, 1, 7, 2, 40, 1):
            log.append([entry(n := next(numbers), station=f"p/s/a/l/{n % 3}") for _ in range(size)])
        every = log.about("station:p/s/a/l/0")
        assert [fact.position for fact in every] == [n for n in range(1, 55) if n % 3 == 0]
        for after, limit in itertools.product(range(56), (0, 1, 2, 5, 100)):
            expected = [fact for fact in every if fact.position > after][:limit]
            assert log.about("station:p/s/a/l/0", after, limit) == expected, (after, limit)
        assert log.latest("station:p/s/a/l/0") == every[-1]
        assert log.count("station:p/s/a/l/0") == len(every)

    def test_pages_put_together_are_the_whole(self, log: Record) -> None:
        for start in range(0, 100, 10):
            log.append([entry(start + n + 1) for n in range(10)])
        for read in (log.read, lambda after, limit: log.about("source:gateway", after, limit)):
            pages, after = [], 0
            while page := read(after, 7):
                pages += page
                after = page[-1].position
            assert pages == log.read()

    def test_subjects_are_taken_literally(self, log: Record) -> None:
        facts: list[AnyFact] = [
            StateChanged(id=UUID(int=n), event_time=T0, source="g", station=station, state="Idle")
            for n, station in enumerate(["a", "A", "a%", "a_", "a/b", "'; DROP TABLE fact; --", "ä", "a\u0308"], 1)
        ]
        log.append(entries(facts))
        for fact in facts:
            assert isinstance(fact, StateChanged)
            assert [found.id for found in log.about(f"station:{fact.station}")] == [fact.id.bytes]

    def test_readers_in_other_threads_see_whole_commits(self, log: Record) -> None:
        """Law 3 of the record: positions without gaps, in the order of commit – also for a concurrent reader."""
        stop = threading.Event()
        wrong: list[object] = []

        def read() -> None:
            while not stop.is_set():
                try:
                    found = [fact.position for fact in log.read()]
                    if found != list(range(1, len(found) + 1)) or len(found) % 50:
                        wrong.append(f"saw {len(found)} facts")
                    if log.count("source:gateway") % 50 or len(log.about("source:gateway")) % 50:
                        wrong.append("the index shows half a commit")
                    latest = log.latest("source:gateway")
                    if latest and latest.position % 50:
                        wrong.append(f"latest is {latest.position}")
                except Exception as error:
                    wrong.append(error)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for batch in range(60):
                log.append([entry(batch * 50 + n + 1) for n in range(50)])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []

    def test_every_type_is_indexed_as_in_the_reference(self) -> None:
        @examples(40)
        @given(batches=st.lists(st.lists(small_facts(), max_size=6), max_size=5))
        def holds(batches: list[list[AnyFact]]) -> None:
            with tempfile.TemporaryDirectory() as folder:
                log, reference = self.open(Path(folder), fixed), memory.Log(fixed)
                for batch in batches:
                    assert log.append(entries(batch)) == reference.append(entries(batch))
                keys = {key for batch in batches for fact in batch for key in events.subjects(fact)}
                for key in keys:
                    assert _plain(log.about(key)) == _plain(reference.about(key))
                    assert log.count(key) == reference.count(key)
                for kind in {key.partition(":")[0] for key in keys} | {"station", "nothing"}:
                    assert log.subjects(kind) == sorted(
                        key.removeprefix(f"{kind}:") for key in keys if key.startswith(f"{kind}:")
                    )
                assert list(log.verify()) == []
                log.close()

        holds()

    def test_a_record_hands_back_what_it_was_given(self) -> None:
        @examples(30)
        @given(history=histories(), size=st.integers(1, 5))
        def holds(history: History, size: int) -> None:
            with tempfile.TemporaryDirectory() as folder:
                log = self.open(Path(folder), fixed)
                for start in range(0, len(history.facts), size):
                    log.append(entries(history.facts[start : start + size]))
                assert [events.decode(found.body) for found in log.read()] == list(history.facts)
                log.close()

        holds()

    def test_it_answers_as_the_reference_through_appends_questions_and_restarts(self) -> None:
        machine = cast(type[RuleBasedStateMachine], lambda: SameAsTheReference(self))
        run_state_machine_as_test(machine, settings=settings(examples(40), stateful_step_count=25))


class DurableRecordContract(RecordContract):
    """The promises of a record that outlives its process."""

    durable = True

    def test_everything_is_there_after_reopening(self, tmp_path: Path) -> None:
        clock = Clock()
        log = self.open(tmp_path, clock)
        log.append([entry(1), entry(2)])
        log.append([entry(3)])
        before = log.read()
        log.close()
        log.close()
        clock.time = T0 - dt.timedelta(days=1)
        again = self.open(tmp_path, clock)
        assert again.read() == before
        assert again.head() == 3
        assert again.append([entry(3), entry(4)]) == [(Outcome.DUPLICATE, 0), (Outcome.ACCEPTED, 4)]
        assert again.read()[-1].record_time_us == before[-1].record_time_us
        assert list(again.verify()) == []
        again.close()

    def test_a_reader_beside_the_writer_sees_what_is_recorded(self, tmp_path: Path) -> None:
        writer = self.open(tmp_path, fixed)
        writer.append([entry(1)])
        reader = self.open(tmp_path, fixed, read_only=True)
        assert reader.head() == 1
        writer.append([entry(2)])
        assert reader.head() == 2
        assert reader.read() == writer.read()
        assert list(reader.verify()) == []
        reader.close()
        writer.close()

    def test_a_read_only_record_refuses_to_write(self, tmp_path: Path) -> None:
        self.open(tmp_path, fixed).close()
        reader = self.open(tmp_path, fixed, read_only=True)
        with pytest.raises(RecordError, match="read-only"):
            reader.append([entry(1)])
        assert reader.head() == 0
        reader.close()

    def test_a_read_only_record_is_not_made_where_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(RecordError, match="no record here"):
            self.open(tmp_path, fixed, read_only=True)
        assert list(tmp_path.iterdir()) == []

    def test_opening_beside_a_busy_writer_never_calls_the_record_torn(self, tmp_path: Path) -> None:
        writer = self.open(tmp_path, fixed)
        writer.append([entry(1)])
        stop = threading.Event()

        def write() -> None:
            numbers = itertools.count(2)
            while not stop.is_set():
                writer.append([entry(next(numbers))])

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(150):
                self.open(tmp_path, fixed, read_only=True).close()
        finally:
            stop.set()
            thread.join()
            writer.close()


class SameAsTheReference(RuleBasedStateMachine):
    """A record, held against the one in memory through appends, questions and, where it is durable, restarts."""

    def __init__(self, contract: RecordContract) -> None:
        super().__init__()
        self.contract = contract
        self.clock = Clock()
        self.folder = tempfile.TemporaryDirectory()
        self.reference = memory.Log(self.clock)
        self.log = contract.open(Path(self.folder.name), self.clock)

    @rule(minutes=st.integers(-600, 600))
    def set_the_clock(self, minutes: int) -> None:
        self.clock.time += dt.timedelta(minutes=minutes)

    # Few ids, few contents: duplicates and conflicts, also within a batch.
    @rule(
        batch=st.lists(st.builds(entry, st.integers(1, 12), st.integers(0, 1), st.sampled_from(["a", "b"])), max_size=8)
    )
    def append(self, batch: list[Entry]) -> None:
        expected = self.reference.append(batch)
        assert self.log.append(batch) == expected

    @rule(after=st.integers(0, 15), limit=st.integers(0, 15))
    def read(self, after: int, limit: int) -> None:
        assert _plain(self.log.read(after, limit)) == _plain(self.reference.read(after, limit))

    @rule(key=st.sampled_from(["station:a", "station:b", "source:gateway", "station:c"]), after=st.integers(0, 15), limit=st.integers(0, 15))  # fmt: skip
    def ask_about(self, key: str, after: int, limit: int) -> None:
        assert _plain(self.log.about(key, after, limit)) == _plain(self.reference.about(key, after, limit))
        assert self.log.count(key) == self.reference.count(key)
        latest, expected = self.log.latest(key), self.reference.latest(key)
        assert (latest and latest.position) == (expected and expected.position)

    @rule(number=st.integers(1, 13))
    def get(self, number: int) -> None:
        found, expected = self.log.get(UUID(int=number)), self.reference.get(UUID(int=number))
        assert (found and found[:3]) == (expected and expected[:3])

    @rule()
    def restart(self) -> None:
        if self.contract.durable:
            self.log.close()
            self.log = self.contract.open(Path(self.folder.name), self.clock)

    @invariant()
    def heads_agree(self) -> None:
        assert self.log.head() == self.reference.head()

    def teardown(self) -> None:
        assert list(self.log.verify()) == []
        self.log.close()
        self.folder.cleanup()
