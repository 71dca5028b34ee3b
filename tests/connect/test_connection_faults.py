"""Networks that are cut, clocks that jump, hosts that are killed, messages that come twice or out of order."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.payload import Metric
from asbuilt.app import AsBuilt
from asbuilt.events import Counted, GapFound, Measured, SourceConnected, SourceLost, StateChanged
from tests.connect import peers
from tests.connect.network import Network
from tests.connect.test_mqtt import listening, plant_text, publisher, recorded
from tests.connect.test_sparkplug_host import birth as born
from tests.connect.test_sparkplug_host import by_alias, hosting, said
from tests.connect.test_sparkplug_peers import EDGES, PLANT, edge
from tests.web.serving import Process, allowed_s, wait_until

pytestmark = pytest.mark.slow
NOW_MS = 1_780_468_200_000


def test_a_cut_network_is_noticed_and_nothing_that_was_promised_is_lost(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker:
        network = Network(broker.port)
        try:
            with listening(plant_text(network.port)) as server, publisher(broker.port) as out:
                wait_until(lambda: recorded(server.app, SourceConnected))
                for number in range(20):
                    out.say("press/10/pulse", str(number))
                network.cut()
                began = time.monotonic()
                for number in range(20, 60):
                    out.say("press/10/pulse", str(number))
                wait_until(lambda: recorded(server.app, SourceLost))
                assert time.monotonic() - began < allowed_s(5.5)
                network.mend()
                wait_until(lambda: len(recorded(server.app, Counted)) >= 60, "what was sent meanwhile")
                time.sleep(0.5)
                assert len(recorded(server.app, Counted)) == 60
                assert recorded(server.app, GapFound) == []
        finally:
            network.close()


def test_clocks_that_jump_lose_nothing(tmp_path):
    with peers.mosquitto(tmp_path / "broker") as broker, listening(plant_text(broker.port, "fresh_s = 5")) as server:
        wait_until(lambda: recorded(server.app, SourceConnected))
        with publisher(broker.port) as out:
            for jump in ({"hours": 3}, {"hours": -5}, {"days": 400}, {"days": -400}, {"seconds": -1}):
                server.clock.forward(**jump)
                before = len(recorded(server.app, Counted))
                out.say("press/10/pulse", str(jump))
                wait_until(lambda before=before: len(recorded(server.app, Counted)) == before + 1, str(jump))
                time.sleep(1.1)
        assert len(recorded(server.app, Counted)) == 5


def test_what_comes_twice_or_out_of_order_is_taken_once_and_in_order():
    with hosting("reorder_s = 3.0") as (broker, server):
        first = Metric(name="Temp", alias=1, timestamp=NOW_MS, datatype=wire.DOUBLE, value=0.5)
        broker.say("spBv1.0/G/NBIRTH/E", born(0, first))
        sent = {n: said(n, by_alias(float(n), t=NOW_MS + n)) for n in range(1, 41)}
        order = [n ^ 1 for n in range(2, 40)]
        for number in [1, *order, 40]:
            broker.say("spBv1.0/G/NDATA/E", sent[number])
            if number % 5 == 0:
                broker.say("spBv1.0/G/NDATA/E", sent[number])
        wait_until(lambda: len(recorded(server.app, Measured)) == 41)
        time.sleep(3.3)
        values = [float(fact.value) for fact in recorded(server.app, Measured)]
        assert values == [0.5, *map(float, range(1, 41))]
        assert all(a.event_time < b.event_time for a, b in pairwise(recorded(server.app, Measured)))
        assert recorded(server.app, SourceLost) == []


@pytest.mark.crash
@pytest.mark.slow
def test_a_host_killed_while_an_edge_speaks_counts_every_piece_once(tmp_path):
    """Sparkplug data is QoS 0: what is said meanwhile is lost, but the counter's next reading tells how many there were."""
    part, device = EDGES["sparkplug-client"]
    with peers.mosquitto(tmp_path / "broker") as broker:
        process = Process(tmp_path, PLANT.format(port=broker.port, part=part))
        process.start()
        made = edge("sparkplug-client", broker.port, tmp_path)
        try:

            def facts(*types: type) -> list:
                with AsBuilt(process.data, read_only=True) as app:
                    return recorded(app, *types)

            wait_until(
                lambda: f"cells:{part}/{device}" in {fact.adapter for fact in facts(SourceConnected)}, "its birth"
            )
            made.say("count 10")
            wait_until(lambda: sum(fact.good for fact in facts(Counted)) == 10)
            for _ in range(3):
                speaker = threading.Thread(target=lambda: [made.say("count 20") or time.sleep(0.02) for _ in range(20)])
                speaker.start()
                time.sleep(0.15)
                process.kill()
                speaker.join()
                process.start()
            made.say("count 5")
            wait_until(
                lambda: sum(fact.good for fact in facts(Counted)) == 10 + 3 * 400 + 5,
                lambda: str(sum(fact.good for fact in facts(Counted))),
            )
            gaps = {gap.adapter for gap in facts(GapFound)}
            assert f"cells:{part}" in gaps
        finally:
            made.close()
            process.kill()
            process.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_record_that_fails_for_a_moment_holds_the_sender_back(tmp_path, when):
    from asbuilt.errors import RecordFull
    from tests.faults import FailingRecord

    with peers.mosquitto(tmp_path / "broker") as broker, listening(plant_text(broker.port)) as server:
        wait_until(lambda: recorded(server.app, SourceConnected))
        failing = FailingRecord(server.app.record)
        server.app.pipeline._record = failing
        failing.fail((when, RecordFull("no room", remedy="Free some.")))
        with publisher(broker.port) as out:
            for number in range(30):
                out.say("press/10/state", {"state": ["Idle", "Held"][number % 2], "ts": 1780468200 + number})
        wait_until(lambda: len(recorded(server.app, StateChanged)) == 30)
        time.sleep(0.3)
        assert len(recorded(server.app, StateChanged)) == 30
