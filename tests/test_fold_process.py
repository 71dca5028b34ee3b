"""Folding in a process of its own: the same rows, nothing lost whichever process is killed, and nobody left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.cli import serve
from asbuilt.errors import AsBuiltError, RecordBusy, ViewsError
from asbuilt.events import AnyFact, CorrectionMade, Measured, StateChanged
from asbuilt.folding import process
from asbuilt.web.health import behind
from bench.measure import family, server
from tests.crash_child import NOW, known_facts

TIMEOUT_S = 30
pytestmark = pytest.mark.alone


def opened(folder: Path, **more: object) -> AsBuilt:
    return AsBuilt(folder, now=lambda: NOW, processes=True, **more)  # type: ignore[arg-type]


def until(is_so: Callable[[], object], what: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def digest_of(facts: list[AnyFact]) -> str:
    with AsBuilt(memory=True, now=lambda: NOW, strict=True) as clean:
        clean.take_in(facts, "gw")
        clean.pipeline.settle()
        return clean.store.digest()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(process, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(process, "STEADY_AFTER_S", 0.0)
    yield


def test_it_folds_what_is_recorded_and_is_asked_here(tmp_path):
    facts = [fact for n in range(20) for fact in known_facts(n)]
    with opened(tmp_path) as app:
        assert app.pipeline.folding.pid not in (None, os.getpid())
        for at in range(0, len(facts), 50):
            app.take_in(facts[at : at + 50], "gw")
        app.pipeline.settle(TIMEOUT_S)
        assert app.store.digest() == digest_of(facts)
        assert app.pipeline.folding.behind == (0, 0.0)
    with opened(tmp_path) as again:
        assert again.pipeline.behind == 0
        assert again.store.digest() == digest_of(facts)


def test_changes_are_announced_after_they_can_be_read(tmp_path):
    with opened(tmp_path) as app:
        heard: list[frozenset[str]] = []
        app.listeners.append(lambda changed: heard.append(frozenset(changed)))
        fact = StateChanged(id=UUID(int=1), event_time=NOW, source="gw", station="p/s/a/l/1", state="Idle")
        app.take_in([fact], "gw")
        until(lambda: any("states_state" in tables for tables in heard), "nobody was told")
        with app.store.reading() as db:
            assert db.execute("SELECT count(*) FROM states_state").get == 1


def test_what_reads_another_way_since_reads_so_here(tmp_path):
    measured = Measured(id=UUID(int=1), event_time=NOW, source="gw", product="P", serial="1", characteristic="bore", value="1.0", uom="mm")  # fmt: skip
    wrong = CorrectionMade(id=UUID(int=2), event_time=NOW, source="gw", corrects=measured.id, reason="did_not_occur")
    with opened(tmp_path) as app:
        app.take_in([measured], "gw")
        assert app.effective(measured) == measured
        assert len(app.query("unit.measurements", serial="1", product="P")) == 1
        app.take_in([wrong], "gw")
        assert app.query("unit.measurements", serial="1", product="P") == []
        assert app.effective(measured) is None


def test_one_that_was_killed_is_started_again_and_nothing_is_missing(tmp_path, quick):
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    sys.stdout.write(f"CRASH_SEED={seed}\n")
    chance = random.Random(seed)
    facts: list[AnyFact] = []
    with opened(tmp_path) as app:
        folding = app.pipeline.folding
        for number in range(60):
            more = known_facts(number)
            assert {result.status for result in app.take_in(more, "gw")} == {"accepted"}, "recording does not notice"
            facts += more
            if number % 10 == 5:
                killed, restarts = folding.pid, folding.restarts
                assert killed is not None
                time.sleep(chance.uniform(0, 0.05))
                os.kill(killed, signal.SIGKILL)
                until(lambda before=restarts: folding.restarts > before, "nobody noticed that it was killed")  # type: ignore[misc]
                until(lambda before=killed: folding.pid != before, "it was not started again")  # type: ignore[misc]
        until(lambda: folding.error is None and folding.behind.facts == 0, "the rows did not follow again")
        app.pipeline.settle(TIMEOUT_S)
        assert app.store.digest() == digest_of(facts)
        assert folding.restarts == 6


def test_one_that_is_started_again_while_the_command_ends_ends_as_well(tmp_path, quick, monkeypatch):
    """The end is said to whoever folds then, and not only to the one that has just been killed."""
    app = opened(tmp_path)
    folding = app.pipeline.folding
    assert isinstance(folding, process.FoldProcess)
    launch, launched, ending = folding._launch, threading.Event(), threading.Thread(target=app.close, daemon=True)

    def launch_late() -> None:
        ending.start()
        until(lambda: folding._stopping, "the command did not begin to end")
        time.sleep(0.3)  # by now it has told the one that is gone
        launch()
        launched.set()

    monkeypatch.setattr(folding, "_launch", launch_late)
    assert folding.pid is not None
    os.kill(folding.pid, signal.SIGKILL)
    assert launched.wait(TIMEOUT_S)
    ending.join(TIMEOUT_S)
    ended = not ending.is_alive()
    if not ended:
        os.kill(folding.pid, signal.SIGKILL)
    assert ended, "the command waits for ever"
    assert not is_there(folding.pid), "the folding process outlived the command"


def test_while_it_is_away_everybody_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "FIRST_PAUSE_S", 60.0)
    with opened(tmp_path) as app:
        folding = app.pipeline.folding
        assert folding.pid is not None
        os.kill(folding.pid, signal.SIGKILL)
        until(lambda: folding.error is not None, "nobody noticed")
        app.take_in(known_facts(0), "gw")
        assert "signal 9" in str(app.pipeline.views_error)
        with pytest.raises(ViewsError, match="started again"):
            app.pipeline.settle(1)
        assert folding.behind.facts == len(known_facts(0))
        assert app.client.get("/healthz").json()["behind"] == len(known_facts(0))
        assert "do not follow the record" in app.client.get("/sources").text
        assert "asbuilt_fold_restarts_total 1" in app.client.get("/metrics").text


def test_pages_say_how_far_they_are_behind(tmp_path):
    with opened(tmp_path) as app:
        folding = app.pipeline.folding
        assert folding.pid is not None
        os.kill(folding.pid, signal.SIGSTOP)
        try:
            app.take_in(known_facts(0), "gw")
            until(lambda: folding.behind.seconds > 2.1, "time stands still")
            assert f"behind by {len(known_facts(0))} recorded facts" in behind(app)
        finally:
            os.kill(folding.pid, signal.SIGCONT)
        app.pipeline.settle(TIMEOUT_S)
        assert behind(app) == ""


def test_a_recorder_never_waits_for_one_that_does_not_fold(tmp_path):
    with opened(tmp_path) as app:
        folding = app.pipeline.folding
        assert folding.pid is not None
        os.kill(folding.pid, signal.SIGSTOP)
        try:
            for number in range(2_000):
                fact = StateChanged(id=UUID(int=number + 1), event_time=NOW, source="gw", station="p/s/a/l/1", state="Idle")  # fmt: skip
                app.pipeline.take_in("gw", [fact]).result(TIMEOUT_S)
        finally:
            os.kill(folding.pid, signal.SIGCONT)
        app.pipeline.settle(TIMEOUT_S)
        assert app.store.position() == 2_000


CHILD = """
import datetime as dt, sys
from pathlib import Path
from asbuilt.app import AsBuilt
from asbuilt.web.health import behind
from tests.crash_child import NOW, known_facts
with AsBuilt(Path(sys.argv[1]), now=lambda: NOW, processes=True) as app:
    sys.stdout.write(f"{app.pipeline.folding.pid}\\n"); sys.stdout.flush()
    for number in range(int(sys.argv[2]), 100_000):
        app.take_in(known_facts(number), "gw")
        sys.stdout.write(f"{number}\\n"); sys.stdout.flush()
"""


@pytest.mark.crash
def test_the_command_may_be_killed_at_any_instant(tmp_path):
    seed = int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000)
    sys.stdout.write(f"CRASH_SEED={seed}\n")
    chance, first = random.Random(seed), 0
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "data"), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        folder_pid = int(child.stdout.readline())
        time.sleep(chance.uniform(0.05, 0.6))
        child.kill()
        acknowledged = [int(line) for line in child.communicate()[0].split()]
        until(lambda pid=folder_pid: not is_there(pid), "the folding process outlived the command")  # type: ignore[misc]
        with opened(tmp_path / "data") as app:
            known = {recorded.id for recorded in app.record.read(0, 10**9)}
            for number in acknowledged:
                assert all(fact.id.bytes in known for fact in known_facts(number))
            first = app.record.head() // len(known_facts(0)) + 1
            facts = [events.recall(recorded.body) for recorded in app.record.read(0, 10**9)]
            assert app.store.digest() == digest_of(facts)


def test_a_second_command_on_the_folder_is_refused(tmp_path):
    with opened(tmp_path), pytest.raises(RecordBusy, match="is working on this data folder"):
        opened(tmp_path)


@pytest.mark.parametrize("options", [(), ("--one-process",)])
def test_run_says_which_process_folds(tmp_path, options):
    with server(tmp_path / "data", None, *options) as (address, command):
        with urllib.request.urlopen(f"{address}/healthz") as answer:
            folder = json.load(answer)["folder"]
        apart = not options and len(os.sched_getaffinity(0)) > 1
        assert (folder["process"] != command.pid) == apart
        assert family(command.pid) == ([command.pid, folder["process"]] if apart else [command.pid])
    assert not is_there(folder["process"])


def test_on_one_processor_one_process_does_all(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert not serve._processes(False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert serve._processes(False)
    assert not serve._processes(True)


def test_whoever_asks_beside_it_sees_the_same(tmp_path):
    with opened(tmp_path) as app:
        app.take_in(known_facts(0), "gw")
        app.pipeline.settle(TIMEOUT_S)
        with AsBuilt(tmp_path, read_only=True, now=lambda: NOW) as beside:
            assert beside.store.digest() == app.store.digest()


def test_a_view_that_is_made_anew_catches_up_while_the_others_answer(tmp_path):
    facts = [fact for n in range(30) for fact in known_facts(n)]
    with AsBuilt(tmp_path, now=lambda: NOW) as app:
        app.take_in(facts, "gw")
        app.pipeline.settle()
        right = app.store.digest()
    db = apsw.Connection(str(tmp_path / "views.db"))
    db.execute("UPDATE folded SET version = version - 1 WHERE view = 'states'")
    db.close()
    with opened(tmp_path, fold_beside=True) as app:
        until(lambda: app.store.positions()["states"] == app.record.head(), "it did not catch up")
        assert app.store.digest() == right


def test_it_cannot_begin_for_a_reason_that_is_said(tmp_path):
    with AsBuilt(tmp_path, now=lambda: NOW) as app:
        app.take_in(known_facts(0), "gw")
    (tmp_path / "views.db").write_bytes(b"not a database at all, by any means" * 100)
    with pytest.raises(AsBuiltError, match="views"):
        opened(tmp_path)
    (tmp_path / "views.db").unlink()
    with opened(tmp_path) as app:
        assert app.pipeline.behind == 0, "the folder was let go"


def test_the_rows_of_another_record_are_refused(tmp_path):
    for name, numbers in (("one", (0, 1)), ("other", (1,))):
        with AsBuilt(tmp_path / name, now=lambda: NOW) as app:
            for number in numbers:
                app.take_in(known_facts(number), "gw")
    (tmp_path / "one" / "views.db").replace(tmp_path / "other" / "views.db")
    with pytest.raises(AsBuiltError, match="facts are missing"):
        opened(tmp_path / "other")
