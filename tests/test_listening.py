"""Adapters at work, seen from outside: what is recorded and shown when sources fall silent, come back, or fail."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from asbuilt import events
from asbuilt.adapters import http
from asbuilt.app import AsBuilt
from asbuilt.events import AlarmCleared, AlarmRaised, Event, HeartbeatMissed, SourceConnected
from asbuilt.run import listening
from asbuilt.web import server as web_server
from asbuilt.web.site import Site
from tests.web.scripted import PLANT, Told, at
from tests.web.serving import Served, served, wait_until

PERIODS_S = 10
"""Left and right should speak every two seconds; five periods make a silence."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch looks once a second in a plant; tests have no time."""
    monkeypatch.setattr(listening, "WATCH_EVERY_S", 0.02)


@pytest.fixture
def server() -> Iterator[Served]:
    with served(None, "08:30") as running:
        running.clock.stand(at("08:30"))
        running.hear("left", "right")
        yield running


def said(app: AsBuilt, kind: type[Event]) -> list[Any]:
    """Facts of a type that the product itself said, in order."""
    with app.reader() as reader:
        return [fact for _, fact in reader.facts(f"type:{kind.__struct_config__.tag}") if fact.source == "asbuilt"]


def silent(app: AsBuilt) -> set[str]:
    return {silence.source for silence in app.query("line.silences")}


def a_fact(number: int = 1) -> bytes:
    told = Told(first=1000 + number)
    told.state("10", "Execute", at("08:30"))
    return events.encode(told.facts[0])


def settled(server: Served) -> None:
    """The watch has looked several times since."""
    server.run(asyncio.sleep(0.15))


# --------------------------------------------------------------------------- silence


def test_who_speaks_in_time_is_not_silent(server):
    server.clock.forward(seconds=PERIODS_S)
    settled(server)
    assert silent(server.app) == set()
    assert said(server.app, HeartbeatMissed) == []


def test_who_falls_silent_is_missed_with_an_alarm_that_says_what_to_do(server):
    server.clock.forward(seconds=PERIODS_S + 1)
    wait_until(lambda: silent(server.app) == {"left", "right"}, "the silence")
    missed = {fact.adapter: fact for fact in said(server.app, HeartbeatMissed)}
    assert set(missed) == {"left", "right"}  # nothing is expected of the office
    for fact in missed.values():
        assert (fact.last_seen, float(fact.period_s)) == (at("08:30"), 2.0)
        assert at("08:30:11") <= fact.event_time < at("08:30:12")
    alarms = {fact.adapter: fact for fact in said(server.app, AlarmRaised)}
    assert {name: alarm.priority for name, alarm in alarms.items()} == {"left": 3, "right": 3}
    assert alarms["right"].response == "Check the switch in cabinet C4."  # from the plant file
    assert "Gateway L" in alarms["left"].text
    assert "Gateway L" in alarms["left"].response
    assert "08:30:00" in alarms["left"].detail


def test_a_silence_is_said_once(server):
    server.clock.forward(seconds=PERIODS_S + 1)
    wait_until(lambda: silent(server.app) == {"left", "right"}, "the silence")
    for _ in range(3):
        server.clock.forward(minutes=10)
        settled(server)
    assert len(said(server.app, HeartbeatMissed)) == 2
    assert len(said(server.app, AlarmRaised)) == 2


def test_who_comes_back_is_connected_and_the_alarm_is_cleared(server):
    server.clock.forward(seconds=PERIODS_S + 1)
    wait_until(lambda: silent(server.app) == {"left", "right"}, "the silence")
    server.clock.forward(seconds=60)
    assert server.post(a_fact()).status_code == 200
    wait_until(lambda: silent(server.app) == {"right"}, "left is heard again")
    (connected,) = said(server.app, SourceConnected)
    assert (connected.adapter, connected.event_time) == ("left", at("08:31:11"))
    (cleared,) = said(server.app, AlarmCleared)
    (raised,) = [fact for fact in said(server.app, AlarmRaised) if fact.adapter == "left"]
    assert (cleared.alarm, cleared.adapter) == (raised.alarm, "left")
    # And falls silent again.
    server.clock.forward(seconds=PERIODS_S + 1)
    wait_until(lambda: silent(server.app) == {"left", "right"}, "the next silence")
    assert [fact.adapter for fact in said(server.app, HeartbeatMissed)].count("left") == 2


def test_a_sign_of_life_without_facts_is_enough(server):
    for _ in range(4):
        server.clock.forward(seconds=PERIODS_S - 2)
        assert server.post(b"").status_code == 200
        settled(server)
    assert "left" not in silent(server.app)
    assert "right" in silent(server.app)


def test_a_rejected_message_is_a_sign_of_life_too(server):
    for _ in range(4):
        server.clock.forward(seconds=PERIODS_S - 2)
        server.post(b"this is no fact")
        settled(server)
    assert "left" not in silent(server.app)


def test_a_wrong_token_is_no_sign_of_life(server):
    for _ in range(2):
        server.clock.forward(seconds=PERIODS_S - 2)
        answer = httpx.post(f"{server.address}/facts", content=a_fact(), headers={"authorization": "Bearer wrong"})
        assert answer.status_code == 401
        settled(server)
    assert "left" in silent(server.app)


def test_the_stations_of_a_silent_source_are_shown_as_not_observed(server):
    assert server.post(a_fact()).status_code == 200
    server.hear()
    settled(server)
    assert server.app.query("line.states", line="1")[0].observed == "yes"
    server.clock.forward(seconds=PERIODS_S + 1)
    wait_until(lambda: silent(server.app) == {"left", "right"}, "the silence")
    tile = server.app.query("line.states", line="1")[0]
    assert (tile.observed, tile.state) == ("no", "No data")
    html = httpx.get(f"{server.address}/line/1").text
    assert "Gateway L" in html
    assert "No data from" in html


def test_after_a_restart_a_silence_that_lasts_is_not_said_again(tmp_path: Path):
    now = [at("08:30")]

    async def run(app: AsBuilt, *steps: dt.timedelta) -> None:
        site = Site(app)
        supervisor = web_server.supervised(site)
        await supervisor.start()
        try:
            for step in steps:
                now[0] += step
                await asyncio.sleep(0.15)
        finally:
            await supervisor.stop()

    minute = dt.timedelta(minutes=1)
    with AsBuilt(tmp_path, plant=PLANT, now=lambda: now[0], strict=True) as app:
        asyncio.run(run(app, minute))
        assert silent(app) == {"left", "right"}
        count = len(said(app, HeartbeatMissed)), len(said(app, AlarmRaised))
    with AsBuilt(tmp_path, plant=PLANT, now=lambda: now[0], strict=True) as app:
        asyncio.run(run(app, minute, minute))
        assert silent(app) == {"left", "right"}
        assert (len(said(app, HeartbeatMissed)), len(said(app, AlarmRaised))) == count == (2, 2)


def test_a_source_that_begins_after_the_process_is_given_its_time(server):
    """Five periods from the start, not from the beginning of time."""
    with served(None, "08:30") as fresh:
        settled(fresh)
        assert silent(fresh.app) == set()


# --------------------------------------------------------------------------- failure

supervised = pytest.mark.skipif(
    not hasattr(listening, "FIRST_PAUSE_S"), reason="adapters that fail are not started again yet"
)


class Failing:
    """`http.listen`, but of one adapter it fails the first times."""

    def __init__(self, name: str, times: int, error: Exception) -> None:
        self._listen = http.listen
        self._name = name
        self._error = error
        self.left = times
        self.begun = 0

    async def __call__(self, config: Any, sink: Any) -> None:
        if sink.name == self._name:
            self.begun += 1
            if self.left:
                self.left -= 1
                raise self._error
        await self._listen(config, sink)


@supervised
@pytest.mark.parametrize("error", [ValueError("a fault"), OSError(98, "Address already in use")])
def test_an_adapter_that_fails_is_reported_and_started_again_and_costs_no_other(monkeypatch, caplog, error):
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.05)
    failing = Failing("left", 2, error)
    monkeypatch.setattr(http, "listen", failing)
    with served(None, "08:30") as server:
        assert server.post(a_fact(1), "right").status_code == 200
        wait_until(lambda: server.post(a_fact(2), "left").status_code == 200, "left is started again")
        assert failing.begun == 3
        lost = said(server.app, events.SourceLost)
        assert {fact.adapter for fact in lost} == {"left"}
        assert all(fact.reason for fact in lost)
        assert httpx.get(f"{server.address}/healthz").status_code == 200
    assert "left" in caplog.text


@supervised
def test_the_watch_goes_on_while_an_adapter_keeps_failing(monkeypatch, caplog):
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(http, "listen", Failing("left", 1000, RuntimeError("again")))
    with served(None, "08:30") as server:
        server.clock.forward(seconds=PERIODS_S + 1)
        wait_until(lambda: "right" in silent(server.app), "the silence of right")
        assert server.post(a_fact(), "right").status_code == 200
        wait_until(lambda: "right" not in silent(server.app), "right is heard again")
        rows = json.loads(httpx.get(f"{server.address}/api/source.list").text)
        assert {row["source"] for row in rows} >= {"left", "right"}
