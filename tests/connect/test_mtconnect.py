"""MTConnect: an agent that restarts, overruns and freezes; recordings of real machines."""

from __future__ import annotations

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from asbuilt import events
from asbuilt.adapters import Rejection, mtconnect
from asbuilt.adapters.mtconnect.documents import Observation, streams
from asbuilt.app import AsBuilt
from asbuilt.events import AlarmRaised, Counted, GapFound, Measured, SourceConnected, SourceLost, StateChanged
from asbuilt.plant import Plant, parse
from tests.connect.agent import Agent
from tests.connect.test_mqtt import recorded
from tests.web.serving import Process, Served, allowed_s, wait_until

PLANT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "1"
name = "Line 1"
[[site.area.line.station]]
id = "10"
name = "Mill"
source = "machines:M"

[adapter.machines]
kind = "mtconnect"
address = "http://127.0.0.1:{port}"
every_s = 0.2
stations = {{ M = "works/main/hall/1/10" }}
{more}
"""


def plant_text(port: int, more: str = "") -> str:
    return PLANT.format(port=port, more=more)


def said(kind: str, value: str, second: float = 0, category: str = "Events") -> Observation:
    moment = dt.datetime(2026, 6, 3, 6, 0, tzinfo=dt.UTC) + dt.timedelta(seconds=second)
    return Observation("M", kind[:4], kind, moment.isoformat().replace("+00:00", "Z"), value, kind, category=category)


@contextmanager
def machine(size: int = 131_072) -> Iterator[tuple[Agent, Served]]:
    agent = Agent(size)
    agent.add(said("Execution", "READY"), said("PartCount", "10"))
    server = Served(None, "08:30", parse(plant_text(agent.port)))
    try:
        wait_until(lambda: recorded(server.app, Counted), "the first observations")
        yield agent, server
    finally:
        server.close()
        agent.close()


def states(server: Served) -> list[str]:
    return [fact.state for fact in recorded(server.app, StateChanged)]


def test_a_machine_is_on_the_board_without_configuration():
    with machine() as (agent, server):
        agent.add(said("Execution", "ACTIVE", 1), said("PartCount", "12", 2), said("EmergencyStop", "TRIGGERED", 3))
        wait_until(lambda: states(server) == ["Idle", "Execute", "Aborted"])
        assert sum(fact.good for fact in recorded(server.app, Counted)) == 2
        (tile,) = server.query("line.states", line="1")
        assert (tile.state, tile.observed) == ("Aborted", "yes")
        agent.add(said("Execution", "UNAVAILABLE", 4))
        wait_until(lambda: recorded(server.app, SourceLost))
        (tile,) = server.query("line.states", line="1")
        assert tile.state == "No data"
        agent.add(said("EmergencyStop", "ARMED", 5), said("Execution", "ACTIVE", 6))
        wait_until(lambda: states(server)[-1] == "Execute")
        (tile,) = server.query("line.states", line="1")
        assert (tile.state, tile.observed) == ("Execute", "yes")


@pytest.mark.slow
def test_reading_goes_on_where_it_was_after_a_break_and_nothing_is_missed_or_doubled(tmp_path):
    agent = Agent()
    try:
        agent.add(said("Execution", "READY"), said("PartCount", "0"))
        process = Process(tmp_path, plant_text(agent.port))
        for stop in range(5):
            process.start()
            for number in range(40):
                agent.add(said("PartCount", str(stop * 40 + number + 1), stop * 100 + number))
                time.sleep(0.02)
            process.kill()
        process.start()

        def pieces() -> int:
            with AsBuilt(process.data, read_only=True) as app:
                return sum(fact.good for fact in recorded(app, Counted))

        wait_until(lambda: pieces() >= 200)
        time.sleep(0.5)
        process.kill()
        assert pieces() == 200
        with AsBuilt(process.data, read_only=True) as app:
            assert recorded(app, GapFound) == []
        process.close()
    finally:
        agent.close()


def test_an_agent_that_was_restarted_leaves_a_gap():
    with machine() as (agent, server):
        agent.restart()
        agent.add(said("Execution", "ACTIVE", 60), said("PartCount", "11", 61))
        wait_until(lambda: states(server)[-1] == "Execute")
        gaps = recorded(server.app, GapFound)
        assert {gap.adapter for gap in gaps} == {"machines", "machines:M"}
        assert all("restarted" in gap.reason for gap in gaps)
        assert sum(fact.good for fact in recorded(server.app, Counted)) == 1


def test_a_buffer_that_ran_over_leaves_a_gap():
    with machine(size=50) as (agent, server):
        agent.frozen.set()
        for number in range(200):
            agent.add(said("PartCount", str(11 + number), number))
        agent.frozen.clear()
        wait_until(lambda: recorded(server.app, GapFound))
        assert "observations are gone" in recorded(server.app, GapFound)[0].reason
        wait_until(lambda: recorded(server.app, Counted)[-1].reading == 210)
        assert sum(fact.good for fact in recorded(server.app, Counted)) == 200


@pytest.mark.slow
def test_a_frozen_agent_is_lost_within_seconds_and_heard_again():
    with machine() as (agent, server):
        agent.frozen.set()
        began = time.monotonic()
        wait_until(lambda: recorded(server.app, SourceLost))
        assert time.monotonic() - began < allowed_s(5.5)
        assert {fact.adapter for fact in recorded(server.app, SourceLost)} == {"machines", "machines:M"}
        agent.frozen.clear()
        agent.add(said("Execution", "ACTIVE", 9))
        wait_until(lambda: "Execute" in states(server))
        wait_until(lambda: server.query("line.silences") == [])


def test_an_answer_that_is_no_document_is_rejected_and_asked_for_again():
    with machine() as (agent, server):
        agent.answer = lambda path: "<html>Service unavailable</html>"  # type: ignore[method-assign]
        wait_until(lambda: recorded(server.app, SourceLost))
        del agent.answer  # type: ignore[attr-defined]
        agent.add(said("Execution", "ACTIVE", 9))
        wait_until(lambda: "Execute" in states(server))


# --------------------------------------------------------------------------- real recordings


def nist_plant(oracles: Path) -> Plant:
    return parse(f"""
[plant]
id = "nist"
name = "NIST SMS test bed"
zone = "America/New_York"
[[site]]
id = "g"
name = "Gaithersburg"
[[site.area]]
id = "shop"
name = "Shop"
[[site.area.line]]
id = "shop"
name = "Shop"
shifts = "all"
[[site.area.line.station]]
id = "mazak"
name = "Mazak 01"
source = "machines:Mazak01"
[[shift_pattern]]
id = "all"
[[shift_pattern.shift]]
id = "D"
start = "00:00"
end = "00:00"
[adapter.machines]
kind = "mtconnect"
devices = "{oracles}/mtconnect/nist_agent_Devices.xml"
device = "Mazak01"
stations = {{ Mazak01 = "nist/g/shop/shop/mazak" }}
""")


WORDS = {"ACTIVE": "Execute", "READY": "Idle", "FEED_HOLD": "Held", "INTERRUPTED": "Held", "STOPPED": "Stopped"}


def told_by_hand(file: Path) -> list[tuple[dt.datetime, str]]:
    """The states of the recording, read without anything of the product; emergency stops have the last word."""
    found: list[tuple[dt.datetime, str]] = []
    execution, stop = "UNAVAILABLE", "ARMED"
    for line in file.read_text(errors="replace").splitlines():
        cells = line.split("|")
        if "execution" not in cells[1::2] and "estop" not in cells[1::2]:
            continue
        pairs = dict(zip(cells[1::2], cells[2::2], strict=False))
        execution, stop = pairs.get("execution", execution), pairs.get("estop", stop)
        state = "No data" if execution == "UNAVAILABLE" else "Aborted" if stop == "TRIGGERED" else WORDS[execution]
        if not found or found[-1][1] != state:
            found.append((dt.datetime.fromisoformat(cells[0]), state))
    return found


@pytest.mark.oracle
def test_a_real_machines_day_is_on_the_board_and_its_states_sum_to_the_day(oracles):
    file = oracles / "mtconnect" / "nist_Mazak01-20161118-20161119.shdr.txt"
    plant = nist_plant(oracles)
    begin = dt.datetime(2016, 11, 18, tzinfo=plant.zone)
    end = begin + dt.timedelta(days=1)
    with AsBuilt(memory=True, strict=True, plant=plant, now=lambda: end) as app:
        module, config = app.configured("machines")
        translate = module.translator(config, "machines")
        items = [item for message in module.read(file, config) for item in translate(message)]
        assert not [item for item in items if isinstance(item, Rejection)]
        app.take_in(items, "machines")
        by_hand = told_by_hand(file)
        assert len(by_hand) > 100
        for (moment, state), (until, _) in pairwise(by_hand):
            middle = moment + (until - moment) / 2
            if middle > begin:
                (tile,) = app.query("line.states", line="shop", at=middle)
                assert (tile.state, middle) == (state, middle)
        board = app.query("line.board", line="shop", at=end - dt.timedelta(microseconds=1))
        (ribbon,) = board.ribbons
        seconds: dict[str, float] = defaultdict(float)
        for part in ribbon.parts:
            seconds[part.state] += (part.end - part.start).total_seconds()
        before = (ribbon.parts[0].start - begin).total_seconds()
        assert sum(seconds.values()) + before == pytest.approx(86_400, abs=0.001)
        expected: dict[str, float] = defaultdict(float)
        for (moment, state), (until, _) in zip(by_hand, [*by_hand[1:], (end, "")], strict=True):
            expected[state] += (until - max(moment, begin)).total_seconds() if until > begin else 0
        assert seconds["Execute"] > 600
        for state in {*WORDS.values(), "Aborted"} & expected.keys():
            assert seconds[state] == pytest.approx(expected[state], abs=0.01), state
        assert recorded(app, AlarmRaised)


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nist_sample_001.xml", "nist_Cover-Hurco04-01of20.sample.xml", "demo_mtconnect_org_sample_2.7.xml"]
)
def test_recorded_streams_of_real_agents_served_again_become_the_same_facts(oracles, name):
    document = streams((oracles / "mtconnect" / name).read_bytes())
    names = sorted({seen.device for seen in document.observations})
    assert len(document.observations) >= 1_000
    stations = ", ".join(f'"{name}" = "works/main/hall/1/{number}"' for number, name in enumerate(names))
    more = '[[adapter.machines.map]]\nobserved = "Position"\nfact = "measured"\nconstants = { characteristic = "position", uom = "mm" }\n[adapter.machines.map.fields]\nvalue = "number(value)"\nstation = "device"\n'
    agent = Agent()
    try:
        agent.add(*document.observations)
        text = plant_text(agent.port, more).replace('{ M = "works/main/hall/1/10" }', f"{{ {stations} }}")
        plant = parse(text)
        server = Served(None, dt.datetime(2026, 7, 1, tzinfo=dt.UTC), plant)
        try:
            module, config = server.app.configured("machines")
            message = mtconnect.Message((oracles / "mtconnect" / name).read_bytes())
            once = [item for item in module.translator(config, "machines")(message) if not isinstance(item, Rejection)]
            once = [item for item in once if not isinstance(item, SourceLost | SourceConnected)]
            ids = {item.id for item in once}
            wait_until(lambda: ids <= {fact.id for fact in recorded(server.app)}, f"{len(ids)} facts")
            told = [fact for fact in recorded(server.app) if fact.source == "machines"]
            assert {fact.id for fact in told} == ids
            assert len(told) == len(ids)
        finally:
            server.close()
    finally:
        agent.close()


@pytest.mark.oracle
def test_a_recorded_part_of_a_lathe_and_a_mill_read_without_a_rejection(oracles):
    for model, device, file in (
        ("nist_tdp_Devices.xml", "Hurco02", "nist_Box-Hurco02-02of20.shdr.txt"),
        ("cppagent_demo_Devices.xml", "OKUMA", "cppagent_demo_okuma_2022.shdr.txt"),
    ):
        config = mtconnect.Config(
            devices=str(oracles / "mtconnect" / model), device=device, stations={device: "w/m/h/1/10"}
        )
        translate = mtconnect.translator(config, "machines")
        items = [
            item for message in mtconnect.read(oracles / "mtconnect" / file, config) for item in translate(message)
        ]
        refused = [item for item in items if isinstance(item, Rejection)]
        assert not refused, refused[:3]
        assert {type(item) for item in items} >= {StateChanged}
        assert all(events.encode(item) for item in items)
        assert {type(item) for item in items} & {Counted, Measured}
