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
ORDER = (
    "out", "suppressed", "raised", "latched", "acknowledged", "shelved", "cleared", "reset", "unsuppressed", "in",
)  # fmt: skip
"""In what order things said for one minute count; `latched` is raised as latching."""
Said = tuple[int, str, int]
"""Minute, what, and its number: the priority raised with, or the minutes shelved or out of service for (0: for good)."""


TABLE = {
    ("NORM", "raised"): "UNACK", ("RTN-UNACK", "raised"): "UNACK",
    ("LATCH-UNACK", "raised"): "UNACK", ("LATCH-ACK", "raised"): "UNACK",
    ("UNACK", "acknowledged"): "ACK", ("RTN-UNACK", "acknowledged"): "NORM", ("LATCH-UNACK", "acknowledged"): "LATCH-ACK",
    ("UNACK", "cleared"): "RTN-UNACK", ("ACK", "cleared"): "NORM",
    ("LATCH-UNACK", "reset"): "RTN-UNACK", ("LATCH-ACK", "reset"): "NORM",
}  # fmt: skip


class Now:
    """One alarm as a person with the figure before them would follow it."""

    def __init__(self) -> None:
        self.state, self.priority, self.since, self.asked, self.latching = "NORM", 0, -1, False, False
        self.shelf, self.out, self.suppressed = -1, -1, False
        self.asks: list[int] = []

    @property
    def aside(self) -> str:
        return "OOSRV" if self.out >= 0 else "SUPPR" if self.suppressed else "SHLVD" if self.shelf >= 0 else ""

    def ask(self, minute: int) -> None:
        if not self.aside:
            self.asked = True
            self.asks.append(minute)

    def back(self, minute: int) -> None:
        """It is no longer put aside in one of the ways."""
        if self.aside:
            return
        if self.state in ("UNACK", "ACK"):
            self.state = "UNACK"
            self.ask(minute)
        elif self.state == "LATCH-UNACK" and not self.asked:
            self.ask(minute)

    def begins(self, minute: int) -> None:
        if self.shelf == minute:
            self.shelf = -1
            self.back(minute)
        if self.out == minute:
            self.out = -1
            self.back(minute)

    def hears(self, minute: int, kind: str, number: int) -> None:
        before = self.state
        if kind in ("raised", "latched"):
            stood = before in ("UNACK", "ACK")
            self.state = TABLE.get((before, "raised"), before)
            if not stood:
                self.since = minute
            if not stood or number < self.priority:
                self.state = "UNACK"
                self.asked = self.asked and before.endswith("UNACK")
                self.ask(minute)
            self.priority, self.latching = number, kind == "latched"
        elif kind == "cleared":
            self.state = TABLE.get((before, kind), before)
            if before == "UNACK" and self.latching:
                self.state = "LATCH-UNACK"
            elif before == "ACK" and self.latching:
                self.state = "LATCH-ACK"
            elif before == "UNACK" and not self.asked:
                self.state = "NORM"
        elif kind in ("acknowledged", "reset"):
            self.state = TABLE.get((before, kind), before)
        elif kind == "shelved" and number > 0:
            self.shelf = minute + number
        elif kind == "shelved" and self.shelf >= 0:
            self.shelf = -1
            self.back(minute)
        elif kind == "suppressed":
            self.suppressed = True
        elif kind == "unsuppressed" and self.suppressed:
            self.suppressed = False
            self.back(minute)
        elif kind == "out":
            self.out = minute + number if number else 10**9
        elif kind == "in" and self.out >= 0:
            self.out = -1
            self.back(minute)


def oracle(said: list[Said], at_minute: int) -> Now:
    """The alarm at a minute, walking minute by minute: the figure as a table, and what lies over it."""
    now = Now()
    for minute in range(at_minute + 1):
        now.begins(minute)
        for kind in ORDER:
            for told, what, number in said:
                if (told, "raised" if what == "latched" else what) == (minute, kind):
                    now.hears(minute, what, number)
    return now


def story(seed: int) -> list[Said]:
    chance = random.Random(seed)
    found = []
    kinds = chance.choice((ORDER, ("raised", "acknowledged", "shelved", "cleared"), ORDER[1:]))
    for _ in range(chance.randrange(1, 20)):
        what = chance.choice((*kinds, "raised", "cleared"))
        number = chance.randrange(1, 5) if what in ("raised", "latched") else chance.choice((0, 2, 5, 11))
        found.append((chance.randrange(MINUTES - 12), what, number))
    # Of two raised at one instant the id decides: the oracle has the same order as the list.
    return sorted(found, key=lambda one: one[0])


PLAIN: dict[str, type[events.Event]] = {
    "acknowledged": events.AlarmAcknowledged, "cleared": events.AlarmCleared, "reset": events.AlarmReset,
    "unsuppressed": events.AlarmUnsuppressed, "in": events.AlarmPlacedInService,
}  # fmt: skip


def facts(said: list[Said], alarm: str) -> Told:
    told, start = Told(), at("06:00")
    for minute, what, number in said:
        time = f"06:{minute:02}"
        about: dict[str, Any] = {"alarm": alarm, "station": f"{LINE}/20"}
        until = start + dt.timedelta(minutes=minute + number)
        match what:
            case "raised" | "latched":
                told.tell(
                    events.AlarmRaised, time, "left", priority=number, text="t", response="r", latching=what == "latched",
                    **about,
                )  # fmt: skip
            case "suppressed":
                told.tell(events.AlarmSuppressed, time, "left", rule="cause", reason="its cause stands", **about)
            case "shelved":
                told.tell(events.AlarmShelved, time, "left", by="Ann", reason="known", until=until, **about)
            case "out":
                about["until"] = until if number else None
                told.tell(events.AlarmRemovedFromService, time, "left", by="Ann", reason="sensor", **about)
            case _:
                told.tell(PLAIN[what], time, "left", by="Ann", **about)
    return told


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.slow) for n in range(8, 60))])
def test_every_minute_reads_as_the_figure_says_on_every_page(seed):
    said = story(seed)
    told = facts(said, "oil")
    random.Random(seed).shuffle(told.facts)
    with shop(told) as app:
        for minute in range(MINUTES):
            time = at("06:00") + dt.timedelta(minutes=minute)
            time_us = round(time.timestamp()) * S
            now = oracle(said, minute)
            rows = app.query("alarm.standing", at=time)
            board = app.query("line.board", line="1", at=time)
            put_aside = app.query("alarm.standing", aside=True, at=time)
            with app.reader() as reader:
                stands = questions.standing(reader, time_us)
                listed = questions.listed(reader, time_us)
            assert (len(stands) == 1) == (now.state in ("UNACK", "ACK")), (minute, said)
            assert [
                (row.alarm, row.state, row.aside, row.priority, row.since, row.until, row.seen_by) for row in rows
            ] == [
                (row.alarm, row.state, row.aside, row.priority, row.since, row.until, row.seen_by)
                for row in board.alarms
            ]
            assert [row.aside for row in put_aside] == [now.aside] * bool(now.aside), (minute, said)
            # What waits for somebody stands in one list, not in two.
            assert not {row.since for row in board.alarms} & {row.since for row in board.cleared}, (minute, said)
            if now.state == "NORM":
                assert rows == [], (minute, said)
                assert len(listed) == bool(now.aside), (minute, said)
                continue
            (row,) = rows
            assert (row.state, row.priority, row.aside) == (now.state, now.priority, now.aside), (minute, said)
            assert row.since == at("06:00") + dt.timedelta(minutes=now.since)
            assert row.shelved_until == (at("06:00") + dt.timedelta(minutes=now.shelf) if now.shelf >= 0 else None), (
                minute,
                said,
            )
        asks = app.query("alarm.rates", **{"from": at("06:00"), "to": at("06:00") + dt.timedelta(minutes=MINUTES)})
    assert asks.count == len(oracle(said, MINUTES - 1).asks), said


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
