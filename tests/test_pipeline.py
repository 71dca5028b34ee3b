"""From adapters to the record and on to the views: every sender is answered, whatever fails."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events, folding, pipeline, views
from asbuilt.adapters import Rejection
from asbuilt.errors import RecordError, RecordFull, ViewsError
from asbuilt.events import AnyFact, Counted, MessageRejected, StateChanged
from asbuilt.folding import FoldThread
from asbuilt.pipeline import Pipeline
from asbuilt.record import Outcome
from asbuilt.record.memory import Log
from asbuilt.rows.store import Store
from asbuilt.testing.strategies import histories
from tests.faults import FailingRecord, When

T0 = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)
VIEWS = views.discover()
TIMEOUT_S = 10


def fact(number: int, state: str = "Idle", time: dt.datetime = T0) -> StateChanged:
    return StateChanged(id=UUID(int=number), event_time=time, source="gw", station="p/s/a/l/1", state=state)


class Line:
    """A pipeline on a record that can be told to fail."""

    def __init__(self, **more: Any) -> None:
        self.record = FailingRecord(Log(lambda: T0))
        self.store = more.pop("store", None) or Store(None, VIEWS, strict=True)
        self.pipeline = Pipeline(self.record, FoldThread(self.record, self.store, **more), lambda: T0)
        self.pipeline.start()

    def take_in(self, *items: Any, adapter: str = "gw") -> list[str]:
        return [result.status for result in self.send(*items, adapter=adapter).result(TIMEOUT_S)]

    def send(self, *items: Any, adapter: str = "gw") -> concurrent.futures.Future[Any]:
        return self.pipeline.take_in(adapter, items)

    def recorded(self) -> list[AnyFact]:
        return [events.decode(found.body) for found in self.record.read()]

    def rejections(self) -> list[MessageRejected]:
        return [found for found in self.recorded() if isinstance(found, MessageRejected)]

    def close(self) -> None:
        self.record.go.set()
        self.pipeline.stop()
        self.store.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


@pytest.fixture
def lines() -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(**more: Any) -> Line:
        made.append(Line(**more))
        return made[-1]

    yield make
    for line in made:
        line.close()


# --------------------------------------------------------------------------- results


def test_each_item_has_its_result_in_order(line):
    line.take_in(fact(1), fact(2))
    results = line.send(fact(3), fact(1), fact(2, "Held"), Rejection(b"junk", "no", line=7), fact(3)).result(TIMEOUT_S)
    assert [(result.status, result.line) for result in results] == [
        ("accepted", None), ("duplicate", None), ("conflict", None), ("rejected", 7), ("duplicate", None),
    ]  # fmt: skip
    assert [result.id for result in results] == [UUID(int=n) if n else None for n in (3, 1, 2, 0, 3)]
    assert results[2].reason == "this id is recorded already with other content"
    assert results[3].reason == "no"


def test_nothing_is_taken_in_without_harm(line):
    assert line.take_in() == []
    assert line.record.head() == 0


def test_what_was_answered_is_recorded(line):
    for number in range(1, 30):
        line.take_in(fact(number))
        assert line.record.get(UUID(int=number)) is not None


def test_a_rejected_message_is_recorded_once_with_its_bytes(line):
    line.take_in(Rejection(b"\xffjunk", "not a fact"))
    line.take_in(Rejection(b"\xffjunk", "told differently"), Rejection(b"\xffjunk", "not a fact"))
    line.take_in(Rejection(b"\xffjunk", "not a fact"), adapter="other")
    assert [(found.adapter, found.message, found.reason, found.conflict) for found in line.rejections()] == [
        ("gw", b"\xffjunk", "not a fact", False),
        ("other", b"\xffjunk", "not a fact", False),
    ]


def test_a_conflict_is_recorded_once_with_its_bytes(line):
    line.take_in(fact(1))
    assert line.take_in(fact(1, "Held"), fact(1, "Held")) == ["conflict"] * 2
    assert line.take_in(fact(1, "Held")) == ["conflict"]
    (found,) = line.rejections()
    assert found.conflict
    assert events.decode(found.message) == fact(1, "Held")
    assert str(UUID(int=1)) in found.reason


def test_a_conflict_is_recorded_though_the_same_bytes_were_rejected_before(line):
    # First its clock was ahead, so it was rejected; then, in time, its id was taken.
    late = fact(1, "Held", T0 + dt.timedelta(days=2))
    assert line.take_in(late) == ["rejected"]
    line.pipeline._now = lambda: T0 + dt.timedelta(days=2)
    assert line.take_in(fact(1, "Idle", T0)) == ["accepted"]
    assert line.take_in(late) == ["conflict"]
    assert sorted(found.conflict for found in line.rejections()) == [False, True]


@pytest.mark.parametrize("character", ["\x00", "\u202e", "\ud800"])
def test_one_bad_message_does_not_cost_its_neighbours(line, character):
    reason = f"Invalid enum value '{character}'"
    assert line.take_in(fact(1), Rejection(b"bad", reason), fact(2)) == ["accepted", "rejected", "accepted"]


# --------------------------------------------------------------------------- what is not recordable

IMPOSSIBLE = {
    "a clock years ahead": (fact(1, time=T0 + dt.timedelta(days=900)), "900 days ahead of the plant's clock"),
    "just too far ahead": (fact(1, time=T0 + pipeline.MAX_AHEAD + dt.timedelta(seconds=1)), "ahead"),
    "before 1970": (fact(1, time=dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=dt.UTC)), "before 1970"),
    "the first year": (fact(1, time=dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14)))), "before 1970"),
    "the last year": (fact(1, time=dt.datetime.max.replace(tzinfo=dt.timezone(dt.timedelta(hours=-12)))), "ahead"),
    "no offset": (fact(1, time=T0.replace(tzinfo=None)), "timezone"),
    "a state that is none": (fact(1, "Runing"), "'Runing'"),
    "a number for a name": (Counted(id=UUID(int=1), event_time=T0, source="gw", station=5), "$.station"),  # type: ignore[arg-type]
    "a negative count": (Counted(id=UUID(int=1), event_time=T0, source="gw", station="s", good=-1), "$.good"),
    "an empty name": (Counted(id=UUID(int=1), event_time=T0, source="", station="s"), "$.source"),
    "a lone surrogate": (fact(1, "\ud800"), "UTF-8"),
    "a control character": (Counted(id=UUID(int=1), event_time=T0, source="gw", station="a\x00"), "U+0000"),
    "not a value of JSON": (fact(1, object()), "not a valid fact"),  # type: ignore[arg-type]
    "too long": (
        events.Unknown(UUID(int=1), "later.v1", T0, "gw", None, {"type": "later.v1", "x": "x" * 70_000}),
        "65,536",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("item", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_recorded_becomes_a_rejection(line, item, says):
    results = line.send(fact(8), item, fact(9)).result(TIMEOUT_S)
    assert [result.status for result in results] == ["accepted", "rejected", "accepted"]
    assert says in results[1].reason
    (found,) = line.rejections()
    assert says in found.reason
    assert found.message


@pytest.mark.parametrize("days", [900, -30_000])
def test_an_impossible_time_is_not_let_in_by_a_replacement(line, days):
    mend = events.CorrectionMade(
        id=UUID(int=2), event_time=T0, source="office", corrects=UUID(int=1), reason="incorrect_data",
        replacement=fact(1, "Held", T0 + dt.timedelta(days=days)),
    )  # fmt: skip
    assert line.take_in(fact(1), mend) == ["accepted", "rejected"]
    assert "in the replacement: event_time" in line.rejections()[0].reason


def test_the_limits_of_time_are_let_in(line):
    edges = [pipeline.EARLIEST, T0 + pipeline.MAX_AHEAD]
    assert line.take_in(*(fact(n, time=time) for n, time in enumerate(edges, 1))) == ["accepted"] * 2


def test_what_is_folded_is_what_is_read_back(line):
    """Facts made in Python are not checked when they are made: the folded one comes from the recorded bytes."""
    import decimal

    made = events.Measured(
        id=UUID(int=1), event_time=T0, source="gw", station="p/s/a/l/1", characteristic="bore",
        value=decimal.Decimal("36.0040"), uom="mm",  # type: ignore[arg-type]
    )  # fmt: skip
    assert line.take_in(made) == ["accepted"]
    line.pipeline.settle(TIMEOUT_S)
    rebuilt = Store(None, VIEWS, strict=True)
    folding.fold_from(line.record, rebuilt)
    assert rebuilt.digest() == line.store.digest()
    rebuilt.close()


# --------------------------------------------------------------------------- many senders, one disk


def test_what_waits_is_recorded_as_one_commit(line):
    line.record.go.clear()
    first = line.send(fact(1))
    assert line.record.appending.wait(TIMEOUT_S)
    waiting = [line.send(fact(n)) for n in range(2, 40)]
    line.record.go.set()
    for future in (first, *waiting):
        assert future.result(TIMEOUT_S)[0].status == "accepted"
    assert line.record.appends == 2


def test_senders_of_one_commit_get_their_own_results(line):
    line.record.go.clear()
    line.send(fact(100))
    assert line.record.appending.wait(TIMEOUT_S)
    line_a = line.send(fact(1), fact(2), adapter="a")
    line_b = line.send(fact(2), fact(1, "Held"), Rejection(b"x", "no"), adapter="b")
    line_c = line.send()
    line.record.go.set()
    assert [result.status for result in line_a.result(TIMEOUT_S)] == ["accepted", "accepted"]
    assert [result.status for result in line_b.result(TIMEOUT_S)] == ["duplicate", "conflict", "rejected"]
    assert line_c.result(TIMEOUT_S) == []
    assert {found.adapter for found in line.rejections()} == {"b"}


def test_many_threads_lose_and_double_nothing(line):
    def send(sender: int) -> list[str]:
        return [
            status
            for start in range(0, 100, 5)
            for status in line.take_in(*(fact(sender // 2 * 1_000 + start + n) for n in range(5)))
        ]

    # Senders come in pairs that send the same facts.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(itertools.chain(*pool.map(send, range(8))))
    assert statuses.count("accepted") == statuses.count("duplicate") == 400
    assert len(line.recorded()) == len({found.id for found in line.recorded()}) == 400


def test_too_much_waiting_is_refused_and_taken_later(line, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_WAITING_FACTS", 10)
    line.record.go.clear()
    sent = [line.send(fact(1))]
    assert line.record.appending.wait(TIMEOUT_S)
    sent.append(line.send(*(fact(n) for n in range(2, 11))))
    with pytest.raises(RecordFull, match="wait for the disk"):
        line.send(fact(11))
    line.record.go.set()
    for future in sent:
        future.result(TIMEOUT_S)
    line.take_in()
    assert line.take_in(*(fact(n) for n in range(11, 40))) == ["accepted"] * 29, "an empty queue takes any one batch"
    assert line.record.head() == 39


def test_few_long_facts_are_too_much_as_well(line, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_WAITING_BYTES", 1_000)
    line.record.go.clear()
    sent = [line.send(fact(1))]
    assert line.record.appending.wait(TIMEOUT_S)
    long = StateChanged(id=UUID(int=2), event_time=T0, source="gw", station="s", state="Idle", message="x" * 900)
    with pytest.raises(RecordFull, match="wait for the disk"):
        line.send(long)
    line.record.go.set()
    sent[0].result(TIMEOUT_S)
    line.take_in()
    assert line.take_in(long) == ["accepted"]
    line.take_in()
    assert (line.pipeline._waiting_facts, line.pipeline._waiting_bytes) == (0, 0)


def test_a_sender_that_goes_away_stops_nobody(line):
    line.record.go.clear()
    line.send(fact(1))
    assert line.record.appending.wait(TIMEOUT_S)
    gone, waiting = line.send(fact(2)), line.send(fact(3))
    gone.cancel()
    line.record.go.set()
    assert waiting.result(TIMEOUT_S)[0].status == "accepted"
    assert line.take_in(fact(4)) == ["accepted"]
    assert line.record.get(UUID(int=2)) is not None


# --------------------------------------------------------------------------- faults, each both ways


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_full_disk_is_told_and_the_sender_tries_again(line, when: When):
    line.record.fail((when, RecordFull("no room")))
    with pytest.raises(RecordFull):
        line.take_in(fact(1), fact(2, "Held"))
    assert set(line.take_in(fact(1), fact(2, "Held"))) == ({"accepted"} if when == "before" else {"duplicate"})
    line.pipeline.settle(TIMEOUT_S)
    assert line.store.position() == line.record.head() == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_full_disk_while_a_conflict_is_noted(line, when: When):
    line.take_in(fact(1))
    line.record.fail(None, (when, RecordFull("no room")))
    with pytest.raises(RecordFull):
        line.take_in(fact(2), fact(1, "Held"))
    assert line.take_in(fact(2), fact(1, "Held")) == ["duplicate", "conflict"]
    assert [found.conflict for found in line.rejections()] == [True]


@pytest.mark.parametrize("error", [RecordError("the disk is gone"), OSError("odd"), AssertionError()])
@pytest.mark.parametrize("when", ["before", "after"])
def test_after_any_other_failure_nothing_more_is_recorded(line, when: When, error):
    line.record.go.clear()
    line.record.fail((when, error))
    first = line.send(fact(1))
    assert line.record.appending.wait(TIMEOUT_S)
    queued = line.send(fact(2))
    line.record.go.set()
    for future in (first, queued):
        with pytest.raises(RecordError):
            future.result(TIMEOUT_S)
    with pytest.raises(RecordError):
        line.send(fact(3))
    assert line.record.appends == 1
    line.pipeline.stop()


@given(histories(), st.lists(st.sampled_from(["before", "after", None]), max_size=12), st.integers(1, 5))
def test_a_sender_that_tries_again_loses_and_doubles_nothing(history, faults, size):
    """Each fault twice, failed before and after it was recorded; the views are those of a run without faults."""
    clean, faulty = Line(), Line()
    faulty.record.fail(*((when, RecordFull("no room")) if when else None for when in faults))
    batches = [history.facts[start : start + size] for start in range(0, len(history.facts), size)]
    for batch in batches:
        clean.take_in(*batch)
        while True:
            try:
                faulty.take_in(*batch)
                break
            except RecordFull:
                continue
    for line in (clean, faulty):
        line.pipeline.settle(TIMEOUT_S)
    assert [found.body for found in faulty.record.read()] == [found.body for found in clean.record.read()]
    assert faulty.store.digest() == clean.store.digest()
    clean.close()
    faulty.close()


# --------------------------------------------------------------------------- the end


def test_stopping_records_and_folds_what_waits(line):
    line.record.go.clear()
    sent = [line.send(fact(n)) for n in range(1, 20)]
    threading.Timer(0.05, line.record.go.set).start()
    line.pipeline.stop()
    assert all(future.done() for future in sent)
    assert line.store.position() == line.record.head() == 19


def test_nobody_waits_for_an_answer_that_never_comes(line):
    line.pipeline.stop()
    with pytest.raises(RecordError, match="does not record"):
        line.send(fact(1))
    line.pipeline.stop()


def test_a_pipeline_that_was_not_started_takes_nothing_in():
    store = Store(None, VIEWS)
    log = Log(lambda: T0)
    idle = Pipeline(log, FoldThread(log, store), lambda: T0)
    with pytest.raises(RecordError, match="does not record"):
        idle.take_in("gw", [fact(1)])
    idle.stop()
    store.close()


# --------------------------------------------------------------------------- out to the views


class FailingStore(Store):
    """A store whose folding fails while `error` is set."""

    error: Exception | None = None

    def fold(self, *given: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super().fold(*given)


@pytest.mark.parametrize("error", [ViewsError("no room for the views"), ZeroDivisionError("a bug")])
def test_views_that_fail_say_so_at_once_and_catch_up(lines, monkeypatch, error):
    monkeypatch.setattr(folding, "FOLD_AGAIN_S", 0.02)
    store = FailingStore(None, VIEWS)
    line = lines(store=store)
    store.error = error
    assert line.take_in(fact(1)) == ["accepted"], "the record goes on without views"
    with pytest.raises(ViewsError, match=r"no room|a bug"):
        line.pipeline.settle(TIMEOUT_S)
    assert line.take_in(fact(2)) == ["accepted"]
    assert line.pipeline.views_error is not None
    store.error = None
    assert line.take_in(fact(3)) == ["accepted"]
    with line.pipeline.folding._told:
        assert line.pipeline.folding._told.wait_for(lambda: line.pipeline.behind == 0, TIMEOUT_S)
    line.pipeline.settle(TIMEOUT_S)
    assert line.store.position() == 3
    assert line.pipeline.views_error is None


def test_views_that_fail_do_not_hinder_the_end(lines):
    store = FailingStore(None, VIEWS)
    line = lines(store=store)
    store.error = ViewsError("damaged")
    line.take_in(fact(1))
    line.pipeline.stop()
    assert line.pipeline.behind == 1


def test_settle_does_not_wait_for_facts_that_come_later(lines):
    """Under a steady stream the views are always a little behind; a question must be answered all the same."""
    begun, go = threading.Event(), threading.Event()

    class SlowStore(Store):
        def fold(self, facts: Any, lookup: Any) -> Any:
            if facts[0][0] > 1:
                begun.set()
                assert go.wait(TIMEOUT_S)
            return super().fold(facts, lookup)

    line = lines(store=SlowStore(None, VIEWS))
    line.take_in(fact(1))
    line.pipeline.settle(TIMEOUT_S)
    settled = threading.Thread(target=line.pipeline.settle)
    line.take_in(fact(2))
    assert begun.wait(TIMEOUT_S)
    line.record.go.set()
    with pytest.raises(ViewsError, match="1 facts behind"):
        line.pipeline.settle(0.01)
    settled.start()
    line.take_in(fact(3))
    go.set()
    settled.join(TIMEOUT_S)
    assert not settled.is_alive()
    assert line.store.position() >= 2


def test_a_listener_that_fails_does_not_stop_the_views(lines):
    told = []

    def announce(changed: object) -> None:
        told.append(changed)
        raise RuntimeError("the listener is gone")

    line = lines(announce=announce)
    line.take_in(fact(1))
    line.pipeline.settle(TIMEOUT_S)
    line.take_in(fact(2))
    line.pipeline.settle(TIMEOUT_S)
    line.pipeline.stop()
    assert len(told) == 2
    assert line.pipeline.views_error is None


def test_changes_are_announced_after_they_can_be_read(lines):
    seen = []

    def announce(changed: Any) -> None:
        with line.store.reading() as db:
            seen.append((changed.get("states_state"), db.execute("SELECT count(*) FROM states_state").get))

    line = lines(announce=announce)
    line.take_in(fact(1))
    line.pipeline.stop()
    assert seen == [({"p/s/a/l/1"}, 1)]


def test_a_folder_that_falls_behind_reads_from_the_record(lines, monkeypatch):
    monkeypatch.setattr(folding, "MAX_HANDED_FACTS", 5)
    monkeypatch.setattr(folding, "FOLD_BATCH", 3)
    line = lines()
    for start in range(0, 60, 4):
        line.take_in(*(fact(start + n + 1) for n in range(4)))
    line.pipeline.settle(TIMEOUT_S)
    store = Store(None, VIEWS)
    folding.fold_from(line.record, store)
    assert line.store.position() == 60
    assert line.store.digest() == store.digest()
    store.close()


def test_facts_handed_over_and_read_from_the_record_are_folded_once(lines, monkeypatch):
    """A queue with a hole: some batches were handed to the folder, others it must read, and those it has read by then."""
    monkeypatch.setattr(folding, "MAX_HANDED_FACTS", 5)
    begun, go = threading.Event(), threading.Event()

    class WaitingStore(Store):
        def fold(self, facts: Any, lookup: Any) -> Any:
            begun.set()
            assert go.wait(TIMEOUT_S)
            return super().fold(facts, lookup)

    line = lines(store=WaitingStore(None, VIEWS, strict=True))
    line.take_in(*(fact(n) for n in range(1, 5)))  # handed over, and being folded
    assert begun.wait(TIMEOUT_S)
    line.take_in(*(fact(n) for n in range(5, 9)))  # handed over
    line.take_in(*(fact(n) for n in range(9, 13)))  # no room to hand it over
    line.record.go.clear()
    behind = line.send(*(fact(n) for n in range(13, 17)))
    go.set()
    line.record.go.set()
    behind.result(TIMEOUT_S)
    line.pipeline.settle(TIMEOUT_S)
    with line.store.reading() as db:
        assert db.execute("SELECT sum(facts) FROM source_delivered").get == 16
    assert line.store.position() == 16


def test_what_was_read_from_the_record_is_not_folded_again_when_it_was_handed_over_too(lines):
    line = lines()
    line.take_in(*(fact(n) for n in range(1, 5)))
    line.pipeline.settle(TIMEOUT_S)
    with line.pipeline.folding._told:
        # As if the folder had caught up from the record while this batch waited in its queue.
        line.pipeline.folding._handed.append([(n, fact(n)) for n in range(1, 5)])
        line.pipeline.folding._handed_facts += 4
    line.take_in(fact(5))
    line.pipeline.settle(TIMEOUT_S)
    with line.store.reading() as db:
        assert db.execute("SELECT sum(facts) FROM source_delivered").get == 5
    assert line.store.position() == 5


def test_a_fact_that_this_version_cannot_read_does_not_stop_the_views(lines):
    # Recorded by a newer version: a known type with a field that this one does not know.
    body = events.encode(fact(2)).replace(b'"source"', b'"new_field":1,"source"')
    record = Log(lambda: T0)
    kept = events.recall(body)
    record.append([pipeline.Entry(kept, events.encode(kept))])
    store = Store(None, VIEWS)
    folding.fold_from(record, store)
    assert store.position() == 1
    line = Pipeline(record, FoldThread(record, store), lambda: T0)
    line.start()
    assert line.take_in("gw", [fact(3)]).result(TIMEOUT_S)[0].status == "accepted"
    line.settle(TIMEOUT_S)
    line.stop()
    store.close()


def test_views_ahead_of_the_record_are_refused():
    store = Store(None, VIEWS)
    store.fold([(1, fact(1)), (2, fact(2))], {}.get)
    with pytest.raises(RecordError, match="facts are missing"):
        FoldThread(Log(lambda: T0), store)
    store.close()


def test_receipts_are_what_results_are_made_of():
    assert {outcome.value for outcome in Outcome} <= {"accepted", "duplicate", "conflict"}
