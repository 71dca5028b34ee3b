"""The machine of alarms against an oracle written from the figure of ISA-18.2, one instant at a time."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from asbuilt import events
from asbuilt.domain.alarms import questions
from asbuilt.domain.alarms.questions import density
from tests.web.scripted import LINE, Told, at, shop

S = 1_000_000
MINUTES = 40
ORDER = ("raised", "acknowledged", "shelved", "cleared")
Said = tuple[int, str, int]
"""Minute, what, and its number: the priority raised with, or the minutes shelved for."""


def oracle(said: list[Said], at_minute: int) -> tuple[str, int, int, int]:
    """State, priority, since and shelf's end at a minute, walking minute by minute: the figure as a table."""
    table = {
        ("NORM", "raised"): "UNACK", ("RTN-UNACK", "raised"): "UNACK",
        ("UNACK", "acknowledged"): "ACK", ("RTN-UNACK", "acknowledged"): "NORM",
        ("UNACK", "cleared"): "RTN-UNACK", ("ACK", "cleared"): "NORM",
    }  # fmt: skip
    state, priority, since, shelf = "NORM", 0, -1, -1
    for minute in range(at_minute + 1):
        if shelf == minute:
            shelf = -1
            state = "UNACK" if state == "ACK" else state
        for kind in ORDER:
            for told, what, number in said:
                if (told, what) != (minute, kind):
                    continue
                if kind == "shelved":
                    if number > 0:
                        shelf = minute + number
                    elif shelf > minute:
                        shelf = -1
                        state = "UNACK" if state == "ACK" else state
                    continue
                if kind == "raised":
                    if state in ("NORM", "RTN-UNACK"):
                        since = minute
                    elif number < priority:
                        state = "UNACK"
                    priority = number
                state = table.get((state, kind), state)
    return state, priority, since, shelf


def story(seed: int) -> list[Said]:
    chance = random.Random(seed)
    found = []
    for _ in range(chance.randrange(1, 16)):
        what = chance.choice(ORDER)
        number = chance.randrange(1, 5) if what == "raised" else chance.choice((0, 2, 5, 11))
        found.append((chance.randrange(MINUTES - 12), what, number))
    # Of two raised at one instant the id decides: the oracle has the same order as the list.
    return sorted(found, key=lambda one: one[0])


def facts(said: list[Said], alarm: str) -> Told:
    told, start = Told(), at("06:00")
    for minute, what, number in said:
        time = f"06:{minute:02}"
        about: dict[str, Any] = {"alarm": alarm, "station": f"{LINE}/20"}
        match what:
            case "raised":
                told.tell(events.AlarmRaised, time, "left", priority=number, text="t", response="r", **about)
            case "acknowledged":
                told.tell(events.AlarmAcknowledged, time, "left", by="Ann", **about)
            case "cleared":
                told.tell(events.AlarmCleared, time, "left", **about)
            case _:
                until = start + dt.timedelta(minutes=minute + number)
                told.tell(events.AlarmShelved, time, "left", by="Ann", reason="known", until=until, **about)
    return told


@pytest.mark.parametrize("seed", range(40))
def test_every_minute_reads_as_the_figure_says_on_every_page(seed):
    said = story(seed)
    told = facts(said, "oil")
    random.Random(seed).shuffle(told.facts)
    with shop(told) as app:
        for minute in range(MINUTES):
            time = at("06:00") + dt.timedelta(minutes=minute)
            time_us = round(time.timestamp()) * S
            state, priority, since, shelf = oracle(said, minute)
            rows = app.query("alarm.standing", at=time)
            board = app.query("line.board", line="1", at=time).alarms
            with app.reader() as reader:
                stands = questions.standing(reader, time_us)
                listed = questions.listed(reader, time_us)
            assert (len(stands) == 1) == (state in ("UNACK", "ACK")), (minute, said)
            assert [(row.alarm, row.state, row.priority, row.since, row.until, row.seen_by) for row in rows] == [
                (row.alarm, row.state, row.priority, row.since, row.until, row.seen_by) for row in board
            ]
            if state == "NORM":
                assert rows == [], (minute, said)
                assert len(listed) == (shelf >= 0), (minute, said)
                continue
            (row,) = rows
            assert (row.state, row.priority) == (state, priority), (minute, said)
            assert row.since == at("06:00") + dt.timedelta(minutes=since)
            assert row.shelved_until == (at("06:00") + dt.timedelta(minutes=shelf) if shelf >= 0 else None), (
                minute,
                said,
            )


def counted(times: list[int], end: int) -> list[tuple[int, int]]:
    """Floods, looking at every second: begun at more than ten in ten minutes, ended at fewer than five."""
    found, begun = [], -1
    for second in range(end):
        inside = [time for time in times if second - 600 < time <= second]
        if begun < 0 and len(inside) > 10:
            begun = inside[0]
        elif begun >= 0 and len(inside) < 5:
            found.append((begun, second))
            begun = -1
    return [*found, (begun, end)] if begun >= 0 else found


@pytest.mark.parametrize("seed", range(12))
def test_floods_begin_above_ten_and_end_below_five(seed):
    chance = random.Random(seed)
    times = sorted({chance.choice((chance.randrange(900), chance.randrange(4000))) for _ in range(40)})
    found = density([time * S for time in times], 4000 * S)
    assert [(flood.from_us // S, flood.until_us // S) for flood in found.floods] == counted(times, 4000)
    assert found.peak == max(sum(1 for time in times if second - 600 < time <= second) for second in times)
