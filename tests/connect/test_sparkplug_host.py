"""The host application's duties, one test each, in the order of the specification's assertions.

Sparkplug 3.0.0; the names in brackets are stems of the ids in its conformance chapter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.host import ASKED_PER_S, DOUBT_S, Host
from asbuilt.adapters.sparkplug.host_results import Command, Data, Deviation, Offline, Online, Refused, rebirth_payload
from asbuilt.adapters.sparkplug.payload import Metric, Payload, Row, Template
from asbuilt.events import DeviationNoticed, Measured, SourceConnected, SourceLost
from asbuilt.plant import parse
from tests.connect.brokers import TellingBroker
from tests.connect.test_mqtt import recorded
from tests.web.serving import Served, wait_until

NOW_MS = 1_780_468_200_000
STATE = "spBv1.0/STATE/plant host"
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
name = "Press"
source = "cells:G/E"

[adapter.cells]
kind = "sparkplug"
port = {port}
host_id = "plant host"
{settings}
[[adapter.cells.map]]
metric = "Temp"
fact = "measured"
constants = {{ station = "works/main/hall/1/10", characteristic = "temp", uom = "°C" }}
[adapter.cells.map.fields]
value = "value"
"""


def plant_text(port: int, settings: str = "") -> str:
    return PLANT.format(port=port, settings=settings)


# --------------------------------------------------------------------------- an edge node that keeps the rules


def birth(bdseq: int = 0, *more: Metric, seq: int | None = 0, rebirth: bool = True, t: int = NOW_MS) -> bytes:
    metrics = [Metric(name="bdSeq", timestamp=t, datatype=wire.INT64, value=bdseq)]
    if rebirth:
        metrics.append(Metric(name="Node Control/Rebirth", timestamp=t, datatype=wire.BOOLEAN, value=False))
    return wire.encode(Payload(timestamp=t, seq=seq, metrics=[*metrics, *more]))


def temp(value: Any = 21.5, alias: int | None = 1, t: int = NOW_MS, **more: Any) -> Metric:
    return Metric(name="Temp", alias=alias, timestamp=t, datatype=wire.DOUBLE, value=value, **more)


def by_alias(value: Any, alias: int = 1, t: int = NOW_MS + 1, **more: Any) -> Metric:
    return Metric(alias=alias, timestamp=t, datatype=wire.DOUBLE, value=value, **more)


def said(seq: int | None, *metrics: Metric, t: int = NOW_MS + 1) -> bytes:
    return wire.encode(Payload(timestamp=t, seq=seq, metrics=list(metrics)))


def death(bdseq: int) -> bytes:
    return wire.encode(Payload(timestamp=NOW_MS, metrics=[Metric(name="bdSeq", datatype=wire.INT64, value=bdseq)]))


class Trial:
    """A host, and what it made of messages."""

    def __init__(self, **settings: Any) -> None:
        self.host = Host(**{"reorder_s": 2.0, **settings})
        self.now_s = 100.0

    def on(self, topic: str, data: bytes, qos: int = 1) -> list[Any]:
        return list(self.host.receive(f"spBv1.0/{topic}", data, self.now_s, qos))

    def after(self, seconds: float) -> list[Any]:
        self.now_s += seconds
        return list(self.host.tick(self.now_s))

    def born(self, *more: Metric) -> Trial:
        self.on("G/NBIRTH/E", birth(3, *(more or (temp(),))))
        return self

    def with_device(self) -> Trial:
        self.born()
        self.on("G/DBIRTH/E/D", said(1, Metric(name="Count", alias=9, timestamp=NOW_MS, datatype=wire.INT32, value=5)))
        return self


def kinds(outcomes: list[Any]) -> list[type[Any]]:
    return [type(outcome) for outcome in outcomes if not isinstance(outcome, Deviation)]


def values(outcomes: list[Any]) -> list[tuple[str, Any]]:
    return [
        (name, wire.valued(metric, datatype))
        for outcome in outcomes
        if isinstance(outcome, Data)
        for name, datatype, metric in outcome.metrics
    ]


def codes(outcomes: list[Any]) -> set[str]:
    return {outcome.code for outcome in outcomes if isinstance(outcome, Deviation)}


@contextmanager
def hosting(settings: str = "", start: str = "08:30") -> Iterator[tuple[TellingBroker, Served]]:
    broker = TellingBroker()
    server = Served(None, start, parse(plant_text(broker.port, settings)))
    try:
        wait_until(lambda: recorded(server.app, SourceConnected), "the host's connection")
        yield broker, server
    finally:
        server.close()
        broker.close()


@pytest.fixture(scope="module")
def session() -> Iterator[TellingBroker]:
    """A session of a host under MQTT 5 that has begun."""
    with hosting() as (broker, _):
        wait_until(lambda: broker.of("publish"))
        yield broker


def first(broker: TellingBroker) -> dict[str, Any]:
    return broker.of("connect")[0]


# --------------------------------------------------------------------------- session establishment


def test_01_connect_carries_a_will(session):
    """[host-application-connect-will]"""
    assert "will" in first(session)


def test_02_the_wills_topic_is_the_hosts_state(session):
    """[host-application-connect-will-topic]"""
    assert first(session)["will"]["topic"] == STATE


def test_03_the_wills_payload_says_offline_and_when(session):
    """[host-application-connect-will-payload]"""
    payload = json.loads(first(session)["will"]["payload"])
    assert payload["online"] is False
    assert isinstance(payload["timestamp"], int)
    assert set(payload) == {"online", "timestamp"}


def test_04_the_will_is_of_qos_1(session):
    """[host-application-connect-will-qos]"""
    assert first(session)["will"]["qos"] == 1


def test_05_the_will_is_retained(session):
    """[host-application-connect-will-retained]"""
    assert first(session)["will"]["retain"] is True


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_06_the_session_is_clean(version):
    """[phid-clean-session-311, phid-clean-session-50]"""
    with hosting(f'version = "{version}"') as (broker, _):
        assert first(broker)["version"] == {"3.1.1": 4, "5": 5}[version]
        assert first(broker)["clean"] is True
        assert first(broker)["expiry_s"] == 0


def test_07_it_subscribes_to_the_namespace_and_its_own_state_before_its_birth(session):
    """[phid-subscription]"""
    order = [told.kind for told in session.told if told.kind in ("subscribe", "publish")]
    assert order[0] == "subscribe"
    assert set(session.of("subscribe")[0]["topics"]) == {"spBv1.0/#", STATE}


def test_08_its_state_is_the_first_that_it_publishes(session):
    """[phid-birth-message]"""
    assert session.of("publish")[0]["topic"] == STATE


def test_09_its_birth_says_online_with_the_wills_timestamp(session):
    """[phid-birth-payload]"""
    will = json.loads(first(session)["will"]["payload"])
    assert json.loads(session.of("publish")[0]["payload"]) == {"online": True, "timestamp": will["timestamp"]}


def test_10_its_birth_is_of_qos_1(session):
    """[phid-birth-qos]"""
    assert session.of("publish")[0]["qos"] == 1


def test_11_its_birth_is_retained(session):
    """[phid-birth-retain]"""
    assert session.of("publish")[0]["retain"] is True


def test_12_told_that_it_is_offline_it_says_at_once_that_it_is_not():
    """[hid-state-message-delivered]"""
    with hosting() as (broker, _):
        (born,) = broker.of("publish")
        broker.say(STATE, b'{"online":false,"timestamp":1}')
        wait_until(lambda: len(broker.of("publish")) == 2)
        assert broker.of("publish")[1] == born


def test_13_another_host_of_the_same_name_is_noticed():
    """[host-id-unique]"""
    with hosting() as (broker, server):
        broker.say(STATE, b'{"online":true,"timestamp":99}')
        wait_until(lambda: recorded(server.app, DeviationNoticed))
        assert recorded(server.app, DeviationNoticed)[0].deviation == "host-id-twice"


def test_14_each_server_has_its_own_timestamp():
    """[multi-server-timestamp]"""
    # Clocks of tests begin at a time of their own: two that began alike may tell the same millisecond.
    with hosting() as (one, _), hosting(start="08:31") as (two, _):
        mine, other = (json.loads(first(broker)["will"]["payload"])["timestamp"] for broker in (one, two))
        assert mine != other
        assert json.loads(two.of("publish")[0]["payload"])["timestamp"] == other


def test_15_every_new_session_begins_with_a_birth():
    """[with-multiple-servers-state]"""
    with hosting() as (broker, _):
        broker.drop()
        wait_until(lambda: broker.sessions == 2 and len(broker.of("publish")) >= 2, "a second session")
        wills = [json.loads(holds["will"]["payload"])["timestamp"] for holds in broker.of("connect")]
        births = [json.loads(holds["payload"]) for holds in broker.of("publish")]
        assert [b["timestamp"] for b in births if b["online"]] == wills


# --------------------------------------------------------------------------- termination


def test_16_it_says_that_it_goes_before_it_disconnects():
    """[host-application-termination, death-topic, death-payload, death-qos, death-retain]"""
    with hosting() as (broker, server):
        born = json.loads(broker.of("publish")[0]["payload"])
        server.clock.forward(minutes=5)
    (_, gone) = broker.of("publish")
    assert (gone["topic"], gone["qos"], gone["retain"]) == (STATE, 1, True)
    payload = json.loads(gone["payload"])
    assert payload["online"] is False
    assert payload["timestamp"] >= born["timestamp"] + 300_000
    assert [told.kind for told in broker.told if told.kind in ("publish", "disconnect")][-2:] == [
        "publish",
        "disconnect",
    ]


def test_17_without_a_goodbye_the_broker_says_it():
    """[with-no-disconnect-packet]: the will of this session is what the broker then publishes."""
    with hosting() as (broker, _):
        broker.drop()
        wait_until(lambda: broker.sessions == 2)
        for connect in broker.of("connect"):
            assert json.loads(connect["will"]["payload"])["online"] is False


# --------------------------------------------------------------------------- death of edges


def test_18_a_dead_node_is_offline_at_once():
    """[ndeath-node-offline]"""
    assert kinds(Trial().born().on("G/NDEATH/E", death(3))) == [Offline]


def test_19_a_dead_nodes_metrics_are_not_known_any_more():
    """[ndeath-node-tags-stale]"""
    trial = Trial().born()
    trial.on("G/NDEATH/E", death(3))
    assert values(trial.on("G/NDATA/E", said(1, by_alias(1.0)))) == []


def test_20_a_dead_nodes_devices_are_offline():
    """[ndeath-devices-offline]"""
    outcomes = Trial().with_device().on("G/NDEATH/E", death(3))
    assert [outcome.part for outcome in outcomes if isinstance(outcome, Offline)] == ["G/E", "G/E/D"]


def test_21_a_dead_nodes_devices_metrics_are_not_known_any_more():
    """[ndeath-devices-tags-stale]"""
    trial = Trial().with_device()
    trial.on("G/NDEATH/E", death(3))
    trial.on("G/NBIRTH/E", birth(4))
    outcomes = trial.on("G/DDATA/E/D", said(1, by_alias(7.0, 9)))
    assert values(outcomes) == []
    assert "device-not-born" in codes(outcomes)


def test_22_a_dead_device_is_offline_since_the_time_it_told():
    """[ddeath-devices-offline, ddeath-devices-tags-stale]"""
    (gone,) = Trial().with_device().on("G/DDEATH/E/D", said(2, t=NOW_MS + 77))
    assert gone == Offline("G/E/D", "the device is gone (DDEATH)", NOW_MS + 77)


def test_23_the_death_of_another_session_is_not_this_ones():
    """[ndeath with a bdSeq that is not the birth's]: ignored; as the node may count otherwise, it is asked."""
    trial = Trial().born()
    outcomes = trial.on("G/NDEATH/E", death(4))
    assert kinds(outcomes) == [Command]
    assert "bdseq-mismatch" in codes(outcomes)
    assert values(trial.on("G/NDATA/E", said(1, by_alias(5.0)))) == [("Temp", 5.0)]
    assert kinds(trial.after(DOUBT_S)) == [Offline]


# --------------------------------------------------------------------------- order


def test_24_how_long_it_waits_for_order_can_be_set():
    """[host-reordering-param]"""
    for reorder_s in (0.5, 5.0):
        trial = Trial(reorder_s=reorder_s).born()
        trial.on("G/NDATA/E", said(2, by_alias(2.0)))
        assert trial.after(reorder_s - 0.1) == []
        assert Offline in kinds(trial.after(0.2))


def test_25_a_message_out_of_order_waits():
    """[host-reordering-start]"""
    trial = Trial().born()
    assert trial.on("G/NDATA/E", said(2, by_alias(2.0))) == []
    assert trial.host.nodes["G/E"].pending_until_s == trial.now_s + 2.0


def test_26_when_the_gap_is_filled_all_come_in_order():
    """[host-reordering-success]"""
    trial = Trial().born()
    for seq in (3, 2):
        trial.on("G/NDATA/E", said(seq, by_alias(float(seq))))
    assert [value for _, value in values(trial.on("G/NDATA/E", said(1, by_alias(1.0))))] == [1.0, 2.0, 3.0]
    assert trial.after(10) == []


def test_27_when_it_is_not_the_node_is_asked_for_a_rebirth():
    """[host-reordering-rebirth]"""
    trial = Trial().born()
    trial.on("G/NDATA/E", said(5, by_alias(2.0)))
    outcomes = trial.after(2.1)
    assert kinds(outcomes) == [Data, Offline, Command]
    assert values(outcomes) == [("Temp", 2.0)]
    assert outcomes[-1].topic == "spBv1.0/G/NCMD/E"


def test_28_the_sequence_is_the_nodes_and_wraps_at_255():
    """[payloads-sequence]: devices count with their node; a birth is 0, a death has none."""
    trial = Trial().with_device()
    for number in range(2, 600):
        device = number % 2
        topic = "G/DDATA/E/D" if device else "G/NDATA/E"
        metric = by_alias(number, 9) if device else by_alias(float(number))
        metric.datatype = wire.INT32 if device else wire.DOUBLE
        assert [value for _, value in values(trial.on(topic, said(number % 256, metric)))] == [number]
    assert "birth-seq" in codes(Trial().on("G/NBIRTH/E", birth(seq=7)))
    with_seq = wire.encode(
        Payload(timestamp=NOW_MS, seq=9, metrics=[Metric(name="bdSeq", datatype=wire.INT64, value=3)])
    )
    assert "death-seq" in codes(Trial().born().on("G/NDEATH/E", with_seq))


# --------------------------------------------------------------------------- commands


@pytest.fixture(scope="module")
def command() -> Iterator[dict[str, Any]]:
    """A command that the host sent: data came of a node without a birth."""
    with hosting() as (broker, _):
        broker.say("spBv1.0/G/NDATA/E", said(4, by_alias(1.0)))
        wait_until(lambda: len(broker.of("publish")) == 2, "a command")
        yield broker.of("publish")[1]


def test_29_commands_go_to_the_nodes_command_topic(command):
    """[topics-ncmd]"""
    assert command["topic"] == "spBv1.0/G/NCMD/E"


def test_30_commands_are_of_qos_0_and_not_retained(command):
    """[topics-ncmd-mqtt]"""
    assert (command["qos"], command["retain"]) == (0, False)


def test_31_commands_say_when(command):
    """[payloads-ncmd-timestamp]"""
    payload = wire.decode(command["payload"])
    assert payload.timestamp
    assert payload.timestamp > 1_500_000_000_000


def test_32_commands_have_no_sequence_number(command):
    """[payloads-ncmd-seq]"""
    assert wire.decode(command["payload"]).seq is None


def test_33_a_command_names_a_metric_that_every_birth_has(command):
    """[ncmd-metric-name]"""
    assert [metric.name for metric in wire.decode(command["payload"]).metrics] == ["Node Control/Rebirth"]


def test_34_a_commands_value_is_of_the_metrics_datatype(command):
    """[ncmd-metric-value]"""
    (metric,) = wire.decode(command["payload"]).metrics
    assert metric.datatype == wire.BOOLEAN
    assert wire.valued(metric, wire.BOOLEAN) is True


def test_35_a_rebirth_is_asked_for_once_in_a_while():
    """[rebirth-action]: paced per node and over all."""
    trial = Trial()
    asked = [outcome for _ in range(50) for outcome in trial.on("G/NDATA/E", said(1, by_alias(1.0)))]
    assert kinds(asked) == [Command]
    many = Trial()
    storm = [outcome for node in range(500) for outcome in many.on(f"G/NDATA/E{node}", said(1, by_alias(1.0)))]
    assert len(storm) == ASKED_PER_S
    later = [outcome for _ in range(30) for outcome in many.after(1.0)]
    assert len([outcome for outcome in later if isinstance(outcome, Command)]) == 500 - ASKED_PER_S


# --------------------------------------------------------------------------- payloads


def test_36_an_alias_is_the_nodes_and_only_known_from_a_birth():
    """[payloads-alias-uniqueness, alias-birth-requirement]"""
    trial = Trial().with_device()
    outcomes = trial.on("G/NDATA/E", said(2, by_alias(1.0, 77)))
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, Deviation | Data)] == [Refused, Command]
    twice = Trial().on("G/NBIRTH/E", birth(0, temp(), Metric(name="Other", alias=1, timestamp=NOW_MS, datatype=wire.INT32, value=1)))  # fmt: skip
    assert "alias-twice" in codes(twice)
    named = Metric(name="Node Control/Rebirth", alias=4, timestamp=NOW_MS, datatype=wire.BOOLEAN, value=False)
    assert "rebirth-alias" in codes(Trial().on("G/NBIRTH/E", birth(0, named, rebirth=False)))


def test_37_datatypes_are_those_of_the_birth_and_null_and_history_move_nothing():
    """[payloads-metric-datatype, is_null, is_historical]"""
    trial = Trial().born(Metric(name="Level", alias=1, timestamp=NOW_MS, datatype=wire.INT16, value=-3))
    bare = Metric(alias=1, timestamp=NOW_MS, value=-4)
    outcomes = trial.on("G/NDATA/E", said(1, bare))
    assert values(outcomes) == [("Level", -4)]
    null = Metric(alias=1, timestamp=NOW_MS, datatype=wire.INT16, null=True)
    assert values(trial.on("G/NDATA/E", said(2, null))) == [("Level", None)]
    old = Metric(alias=1, timestamp=NOW_MS - 9, datatype=wire.INT16, value=1, historical=True)
    (data_,) = trial.on("G/NDATA/E", said(3, old))
    assert data_.metrics[0][2].historical


def test_38_quality_is_read_and_times_are_milliseconds_utc():
    """[payloads-propertyset-quality, timestamp-in-UTC]"""
    bad = temp(properties={"Quality": 0, "Engineering unit": "°C"})
    (_, outcome) = [o for o in Trial().on("G/NBIRTH/E", birth(0, bad)) if isinstance(o, Online | Data)]
    metric = outcome.metrics[-1][2]
    assert metric.properties == {"Quality": 0, "Engineering unit": "°C"}
    assert wire.instant(NOW_MS).isoformat() == "2026-06-03T06:30:00+00:00"


def test_39_data_sets_have_equal_counts_and_templates_are_defined_in_births():
    """[payloads-dataset, template-definition]"""
    rows = [Row(step=1, load=2.5), Row(step=2, load=3.5)]
    born = Trial().on("G/NBIRTH/E", birth(0, Metric(name="Table", timestamp=NOW_MS, datatype=wire.DATASET, value=rows)))
    assert values(born)[-1] == ("Table", rows)
    broken = wire.encode(Payload(metrics=[Metric(name="T", datatype=wire.DATASET, value=rows)])).replace(b"\x08\x02\x12", b"\x08\x03\x12")  # fmt: skip
    with pytest.raises(ValueError, match="data set of 3 columns with 2 names"):
        wire.valued(wire.decode(broken).metrics[0], wire.DATASET)
    definition = Template(rpm=0)
    definition.is_definition = True
    late = Trial().born()
    outcomes = late.on("G/DBIRTH/E/D", said(1, Metric(name="Motor", timestamp=NOW_MS, datatype=wire.TEMPLATE, value=definition)))  # fmt: skip
    assert "template-in-dbirth" in codes(outcomes)


def test_40_after_a_new_connection_every_known_node_is_stale_until_it_is_born_again():
    """[births are not retained]: all known nodes are asked, paced; what they said before says nothing now."""
    with hosting() as (broker, server):
        broker.say("spBv1.0/G/NBIRTH/E", birth(0, temp()))
        wait_until(lambda: recorded(server.app, Measured))
        broker.drop()
        wait_until(lambda: broker.sessions == 2 and [p for p in broker.of("publish") if "NCMD" in p["topic"]])
        wait_until(lambda: {fact.adapter for fact in recorded(server.app, SourceLost)} == {"cells", "cells:G/E"})
        assert {silence.source for silence in server.query("line.silences")} == {"cells:G/E"}
        broker.say("spBv1.0/G/NBIRTH/E", birth(1, temp(22.0, t=NOW_MS + 5)))
        wait_until(lambda: len(recorded(server.app, Measured)) == 2)
        connected = [fact.adapter for fact in recorded(server.app, SourceConnected)]
        assert connected == ["cells", "cells:G/E", "cells", "cells:G/E"]


def test_a_rebirth_payload_reads_back():
    from tests.conftest import NOW

    assert wire.decode(rebirth_payload(NOW)).metrics[0].name == "Node Control/Rebirth"
