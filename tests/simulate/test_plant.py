"""The simulated plant as a whole: the same from the same seed, credible, and at ease in the product."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from asbuilt.events import Event, NoteWritten, ShiftClosed
from asbuilt.plant import Plant, parse
from asbuilt.simulate import SimulatedPlant, good_start, history, plant_facts, start_of_history
from asbuilt.simulate import miniature as tiny
from asbuilt.simulate.hours import spells
from tests.simulate.conftest import BOXER, Days


def digest(facts: Iterable[Event]) -> str:
    whole = hashlib.sha256()
    for fact in facts:
        whole.update(events.encode(fact) + b"\n")
    return whole.hexdigest()


# --------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("step_s", [7, 600, 3_333.333])
def test_steps_make_no_difference(boxer: Plant, step_s: float) -> None:
    start = dt.datetime(2026, 6, 1, 5, 55, tzinfo=boxer.zone)
    end = start + dt.timedelta(hours=2)
    live = start + dt.timedelta(hours=1)
    whole = SimulatedPlant(boxer, 7, start, live_from=live).until(end)
    stepped = SimulatedPlant(boxer, 7, start, live_from=live)
    facts: list[Event] = []
    instant = start
    while instant < end:
        instant = min(end, instant + dt.timedelta(seconds=step_s))
        facts += stepped.until(instant)
    assert facts == whole
    assert digest(facts) == digest(whole)


def test_another_seed_or_start_is_another_plant(boxer: Plant) -> None:
    start = dt.datetime(2026, 6, 1, 6, 0, tzinfo=boxer.zone)
    digests = {
        digest(islice(plant_facts(boxer, seed, begin), 3_000))
        for seed in (1, 2)
        for begin in (start, start + dt.timedelta(days=1))
    }
    assert len(digests) == 4


def test_the_same_bytes_in_every_process() -> None:
    code = (
        "import datetime as dt, hashlib, sys; from pathlib import Path; from itertools import islice\n"
        "from asbuilt import events; from asbuilt.plant import load; from asbuilt.simulate import plant_facts\n"
        "start = dt.datetime(2026, 6, 1, 6, 0, tzinfo=dt.UTC)\n"
        "facts = islice(plant_facts(load(Path(sys.argv[1])), 1, start), 3000)\n"
        "print(hashlib.sha256(b''.join(map(events.encode, facts))).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(BOXER)],
            env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for number, zone in ((1, "UTC"), (2, "Asia/Tokyo"))
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 65


def test_history_ends_where_it_is_told(boxer: Plant) -> None:
    end = dt.datetime(2026, 6, 3, 9, 30, tzinfo=boxer.zone)
    facts = list(history(boxer, 1, 4, end))
    assert facts[0].event_time == start_of_history(boxer, 1, end)
    assert end - dt.timedelta(seconds=30) < facts[-1].event_time < end


# --------------------------------------------------------------------------- credible


def test_a_calm_plant(days: Days) -> None:
    with AsBuilt(memory=True, plant=days.plant, strict=True, now=lambda: days.end) as app:
        for at in range(0, len(days.facts), 1000):
            assert {result.status for result in app.take_in(days.facts[at : at + 1000])} == {"accepted"}
        now = app.query("line.board", line="1")
        with app.store.reading() as rows:
            assert list(rows.execute("SELECT * FROM passages_oddity")) == []
        assert now.on_line == days.simulated.on_line
        assert tuple(buffer.count for buffer in now.buffers) == days.simulated.waiting
        assert now.contradictions == ()
        board = app.query("line.board", line="1", at=days.end.replace(hour=13, minute=59))
    assert 64 <= board.output <= 80
    assert 0.7 <= board.rolled_yield <= 0.95
    assert 12 <= board.on_line <= 34
    for ribbon in board.ribbons:
        seconds = dict.fromkeys(("Execute", "Starved", "Blocked", "Held", "Stopped", "Aborted", "Idle"), 0.0)
        for part in ribbon.parts:
            seconds[part.state] += (part.end - part.start).total_seconds()
        work = sum(seconds.values()) - seconds["Idle"]
        assert seconds["Execute"] > 0.8 * work


def test_facts_per_engine_stay_sane(days: Days) -> None:
    packed = sum(isinstance(fact, events.Packed) for fact in days.facts)
    assert 150 <= len(days.facts) / packed <= 250


def test_shifts_are_handed_over(days: Days) -> None:
    notes = [fact for fact in days.facts if isinstance(fact, NoteWritten)]
    assert [fact.shift for fact in days.facts if isinstance(fact, ShiftClosed)] == ["A", "B", "A"]
    assert [note.by for note in notes] == ["K. B.", "T. Moreau", "K. B."]
    assert "packed." in notes[0].text


# --------------------------------------------------------------------------- hours


@pytest.mark.parametrize("near", ["2026-06-02T03:00", "2026-06-06T12:00", "2026-06-02T16:04", "2026-06-01T06:10"])
def test_a_good_start_has_work_before_and_after_it(boxer: Plant, near: str) -> None:
    moment = dt.datetime.fromisoformat(near).replace(tzinfo=boxer.zone)
    start = good_start(boxer, moment)
    assert moment - dt.timedelta(days=4) < start <= moment
    line = boxer.line("1")
    assert line is not None
    since = round((start - dt.timedelta(minutes=15)).timestamp() * 1000)
    spell = next(spells(boxer, line, since + 1))
    assert spell.start <= since
    assert spell.end >= since + 40 * 60_000


def test_a_night_shift_over_the_change_of_clocks() -> None:
    night = parse(
        tiny.TINY_TEXT.replace("takt_s = 30", 'takt_s = 30\nshifts = "n"')
        + '[[shift_pattern]]\nid = "n"\n[[shift_pattern.shift]]\nid = "N"\nstart = "22:00"\nend = "06:00"\n'
        'breaks = [{ start = "02:30", end = "03:15" }]\n'
    )
    start = dt.datetime(2026, 10, 24, 21, 0, tzinfo=night.zone)
    facts = SimulatedPlant(night, 1, start).until(dt.datetime(2026, 10, 25, 7, 0, tzinfo=night.zone))
    work = [fact for fact in facts if isinstance(fact, events.OperationCompleted)]
    assert {fact.event_time.utcoffset() for fact in work} == {dt.timedelta(hours=2), dt.timedelta(hours=1)}
    assert all(events.decode(events.encode(fact)) == fact for fact in facts)
    worked = work[-1].event_time - work[0].event_time
    assert dt.timedelta(hours=8, minutes=55) < worked < dt.timedelta(hours=9)


def test_the_smallest_line_works_too() -> None:
    plant = parse(
        '[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n[[site]]\nid = "s"\nname = "S"\n[[site.area]]\nid = "a"\nname = "A"\n'
        '[[site.area.line]]\nid = "1"\nname = "L"\n[[site.area.line.station]]\nid = "1"\nname = "Only"\n'
        '[[site.area.line.station]]\nid = "2"\nname = "Last"\n'
    )
    start = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    simulated = SimulatedPlant(plant, 1, start)
    facts = simulated.until(start + dt.timedelta(hours=1))
    assert sum(isinstance(fact, events.Packed) for fact in facts) > 30
    assert {fact.source for fact in facts} == {"plant"}
    assert simulated.on_line <= 3
    assert simulated.now == start + dt.timedelta(hours=1)


def test_a_job_shop_cannot_be_simulated() -> None:
    shop = parse(
        '[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n[[site]]\nid = "s"\nname = "S"\n[[site.area]]\nid = "a"\nname = "A"\n'
        '[[site.area.line]]\nid = "1"\nname = "L"\nflow = "job_shop"\n'
    )
    with pytest.raises(UsageError):
        SimulatedPlant(shop, 1, dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
