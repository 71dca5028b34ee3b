"""What machines of the field say, and what it was once taken for: counters, retained messages, recordings in pieces."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from asbuilt.adapters import Message
from asbuilt.adapters.mqtt import packets
from asbuilt.app import AsBuilt, configure
from asbuilt.connect import mapping
from asbuilt.connect.counters import step
from asbuilt.connect.mapping import Memory
from asbuilt.events import AlarmCleared, AlarmRaised, Counted, DeviationNoticed
from asbuilt.plant import load
from tests.cases.told import FILES

CONNECT = Path(__file__).parent / "connect"
NOON = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


def counted(*readings: int, step_max: int | None = None, every_s: float = 10) -> tuple[list[int | None], list[str]]:
    memory = Memory()
    steps = [
        step(memory, "k", reading, NOON + dt.timedelta(seconds=at * every_s), step_max)
        for at, reading in enumerate(readings)
    ]
    return [one.pieces for one in steps], [one.deviation[0] for one in steps if one.deviation]


@pytest.mark.parametrize(
    ("readings", "pieces", "deviations"),
    [
        ((501, 502, 3, 505, 508, 599_999, 509, 510), [0, 1, None, 3, 3, None, 1, 1], ["counter-glitch"] * 2),
        ((508, 599_999, 599_999, 599_999, 509), [0, None, None, None, 1], ["counter-glitch"]),
        ((508, 599_999, 508, 509), [0, None, None, 1], ["counter-glitch"]),
        ((502, 0, 1, 2), [0, None, 1, 1], []),
        ((502, 3, 2, 3, 4), [0, None, None, 1, 1], []),
        ((10, 60_000, 60_001), [0, None, 1], ["counter-jump"]),
        ((7, 7, 7), [0, None, None], []),
    ],
)
def test_a_reading_that_cannot_be_is_held_until_the_next_says_what_it_was(readings, pieces, deviations):
    assert counted(*readings) == (pieces, deviations)


def test_how_far_a_counter_goes_is_said_or_follows_from_the_time_between():
    assert counted(0, 5, 60, 6, step_max=50) == ([0, 5, None, 1], ["counter-glitch"])
    assert counted(0, 30_000, every_s=3600) == ([0, 30_000], [])
    assert counted(0, 30_000, every_s=60) == ([0, None], [])


def test_a_glitch_over_mqtt_is_a_deviation_and_no_pieces():
    plant = load(CONNECT / "count-glitch.toml")
    module, config = configure(plant, "mq")
    rules, memory, found = module.Rules(config, "mq"), Memory(), []
    for at, reading in enumerate((501, 502, 3, 505, 508, 599_999, 509, 510)):
        context = module.Context("m/30/count", NOON + dt.timedelta(seconds=at), False, at + 1)
        found += rules.taken(str(reading).encode(), context, memory)
    with AsBuilt(memory=True, strict=True, plant=plant) as app:
        assert {result.status for result in app.take_in(found, "mq")} == {"accepted"}
    assert sum(fact.good for fact in found if isinstance(fact, Counted)) == 9
    told = [fact.message for fact in found if isinstance(fact, DeviationNoticed)]
    assert told == [
        "m/30/count: the counter read 3 between 502 and 505; that is no pieces",
        "m/30/count: the counter read 599999 between 508 and 509; that is no pieces",
    ]


def test_two_topics_of_a_station_are_two_counters():
    """Two spindles of one station tell counts of their own: what one says is no glitch of the other."""
    rule = {"fact": "counted", "counts": "good", "constants": {"station": "p/s/a/1/10"}, "fields": {"reading": "value"}}
    mapper = mapping.Mapper("x", [mapping.Rule(**rule)], frozenset(("value",)))
    memory, made = Memory(), 0
    for at, (item, reading) in enumerate((("a", 1000), ("b", 40), ("a", 1001), ("b", 41), ("a", 1002))):
        moment = NOON + dt.timedelta(seconds=at)
        for fact in mapper.facts(mapper.rules, {"value": reading}, b"", moment, (str(at),), memory, item=item):
            assert isinstance(fact, Counted)
            made += fact.good
    assert made == 3


def test_what_was_remembered_of_a_station_is_of_its_counter_and_a_recorded_reading_is_newer():
    rule = {"fact": "counted", "counts": "good", "constants": {"station": "p/s/a/1/10"}, "fields": {"reading": "value"}}
    mapper = mapping.Mapper("x", [mapping.Rule(**rule)], frozenset(("value",)))

    def heard(memory: Memory, reading: int) -> list[Any]:
        return [*mapper.facts(mapper.rules, {"value": reading}, b"", NOON, (str(reading),), memory, item="n/s=1")]

    memory = Memory({"0|p/s/a/1/10|good": 20})  # as an earlier version noted it
    (first,) = heard(memory, 22)
    (second,) = heard(memory, 25)
    assert (first.good, second.good) == (2, 3)
    killed = Memory({"0|p/s/a/1/10|good": 20})
    mapping.recollect(killed, [first, second], mapper.rules)
    assert [fact.good for fact in heard(killed, 26)] == [1]


def test_each_part_count_of_a_lathe_counts_for_itself():
    plant = load(CONNECT / "mtconnect-two-part-counts" / "plant.toml")
    module, config = configure(plant, "machines")
    data = (CONNECT / "mtconnect-two-part-counts" / "streams.xml").read_bytes()
    found = [*module.translator(config, "machines")(Message(data))]
    assert sum(fact.good for fact in found if isinstance(fact, Counted)) == 18
    assert not [fact for fact in found if isinstance(fact, DeviationNoticed)]


@pytest.mark.parametrize("version", [4, 5])
def test_retained_is_what_the_broker_kept_and_not_what_the_publisher_asked_for(version):
    """MQTT 5's option `retain as published` would mark what is said live as kept for newcomers."""
    assert packets.subscribe_packet(version, 1, ["a"], 1)[-1] & 0x08 == 0


def test_a_condition_ends_where_it_is_unavailable():
    module, config = configure(load(CONNECT / "mtconnect-two-part-counts" / "plant.toml"), "machines")
    text = (
        '<MTConnectStreams><Streams><DeviceStream name="Lathe"><ComponentStream componentId="c"><Condition>'
        '<Fault dataItemId="s" type="SYSTEM" sequence="1" nativeCode="7" timestamp="2026-03-02T06:00:00Z">hot</Fault>'
        '<Unavailable dataItemId="s" type="SYSTEM" sequence="2" timestamp="2026-03-02T06:10:00Z"/>'
        '<Fault dataItemId="s" type="SYSTEM" sequence="3" nativeCode="7" timestamp="2026-03-02T06:20:00Z">hot</Fault>'
        "</Condition></ComponentStream></DeviceStream></Streams></MTConnectStreams>"
    )
    found = [*module.translator(config, "machines")(Message(text.encode()))]
    assert [type(fact) for fact in found] == [AlarmRaised, AlarmCleared, AlarmRaised]


def test_a_device_model_lies_beside_the_plant_file_whatever_folder_one_works_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = FILES / "r8-mtc-traps"
    module, config = configure(load(folder / "plant-with-source.toml"), "mt")
    assert [*module.read(folder / "day.shdr.txt", config)]


def test_a_machines_station_need_not_repeat_its_source():
    """UNAVAILABLE hides the station, whether or not the plant file says twice which machine it is."""
    told = []
    for name in ("plant-with-source", "plant-without-source"):
        plant = load(FILES / "r8-mtc-traps" / f"{name}.toml")
        module, config = configure(plant, "mt")
        translate = module.translator(config, "mt")
        facts = [f for m in module.read(FILES / "r8-mtc-traps" / "day.shdr.txt", config) for f in translate(m)]
        with AsBuilt(
            memory=True, strict=True, plant=plant, now=lambda: dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
        ) as app:
            app.take_in(facts, "mt")
            (tile,) = app.query("line.states", line="1")
        told.append((tile.observed, tile.since))
    assert told[0] == told[1] == ("no", dt.datetime(2026, 3, 2, 6, 30, tzinfo=dt.UTC))
