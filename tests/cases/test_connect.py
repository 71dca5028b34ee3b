"""What machines of the field say, and what it was once taken for: counters, retained messages, recordings in pieces."""

from __future__ import annotations

import datetime as dt
import json
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
from tests.commands import Ask, Done, here
from tests.conftest import ROOT

CONNECT = Path(__file__).parent / "connect"
NOON = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    return here(monkeypatch, capsys)


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


# --------------------------------------------------------------------------- files, by the command line


def imported(ask: Ask, folder: Path, plant: str, adapter: str, *files: str, more: tuple[str, ...] = ()) -> Done:
    case = FILES / plant
    return ask("import", case, adapter, *(case.parent / file for file in files), "--data", folder, *more)


def good(ask: Ask, folder: Path) -> list[tuple[int, int]]:
    lines = ask("facts", "--type", "counted", "--data", folder).out.splitlines()
    return [(fact.get("good", 0), fact["reading"]) for fact in map(json.loads, lines)]


@pytest.mark.parametrize("pieces", [("day.shdr.txt",), ("h1.shdr.txt", "h2.shdr.txt")])
def test_a_day_in_pieces_gives_what_the_whole_gives(ask, tmp_path, pieces):
    for piece in pieces:
        assert imported(ask, tmp_path / "d", "r7-shdr-split/plant-with-source.toml", "mt", piece).code == 0
    assert good(ask, tmp_path / "d") == [(0, 10), (4, 14), (1, 15)]
    # Told again, nothing is new and nothing contradicts.
    for piece in pieces:
        again = imported(ask, tmp_path / "d", "r7-shdr-split/plant-with-source.toml", "mt", piece)
        assert again.code == 0 and ": 0 recorded" in again.out and "conflict" not in again.out


def test_a_qif_file_is_imported_and_one_without_results_says_so(ask, tmp_path):
    done = imported(ask, tmp_path / "d", "r1-qif/plant.toml", "cmm", "x.qif.xml")
    assert done.code == 1
    assert "it holds no measurement results" in done.err and "of 1 messages none became a fact" in done.err


@pytest.mark.oracle
def test_the_examples_qif_file_is_imported(ask, tmp_path, oracles):
    file = oracles / "mtconnect" / "nist_CoverResults_20_samples.qif.xml"
    done = ask("import", ROOT / "examples" / "nist-covers" / "plant.toml", "cmm", file, "--data", tmp_path / "d")
    assert (done.code, done.err.count("has no SerialNumber")) == (4, 1)
    assert done.out.endswith(" recorded, 0 known already, 1 rejected.\n")


@pytest.mark.parametrize("command", ["check", "import"])
def test_a_mapping_that_can_never_make_a_fact_is_refused(ask, tmp_path, command):
    plant = FILES / "r4-check-required" / "plant.toml"
    rest = ("al", plant.parent / "log.csv", "--data", tmp_path / "d") if command == "import" else ()
    done = ask(command, plant, *rest)
    assert done.code == 2
    assert "no row can become a fact: alarm_raised needs priority, text, response" in done.err


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        (
            'kind = "csv_file"\nfact = "counted"\nconstants = { station = "w/m/a/1/NOPE" }\ncolumns = { event_time = "ts" }',
            "the plant has no station `w/m/a/1/NOPE`",
        ),
        (
            'kind = "mqtt"\n[[adapter.al.map]]\ntopic = "a"\nfact = "counted"\nconstants = { station = "w/m/a/1/NOPE" }',
            "the plant has no station `w/m/a/1/NOPE`",
        ),
        (
            'kind = "mqtt"\n[[adapter.al.map]]\ntopic = "a"\nfact = "alarm_raised"\nfields = { station = "payload" }',
            "no message can become a fact: alarm_raised needs alarm, priority, text, response",
        ),
    ],
)
def test_stations_and_rules_are_checked_in_every_adapter(ask, tmp_path, adapter, says):
    text = (FILES / "r4-check-required" / "plant.toml").read_text()
    (tmp_path / "plant.toml").write_text(f"{text[: text.index('[adapter.al]')]}[adapter.al]\n{adapter}\n")
    done = ask("check", tmp_path / "plant.toml")
    assert done.code == 2
    assert says in done.err


def test_a_misspelt_machine_is_named(ask):
    done = ask("check", FILES / "r8-mtc-traps" / "plant-typo.toml")
    assert done.code == 2
    assert "plant-typo.toml:21: the device model has no device `D1typo`" in done.err


def test_a_number_that_can_be_read_in_two_ways_is_refused_until_somebody_says_which(ask, tmp_path):
    folder = FILES / "r5-decimal"
    done = imported(ask, tmp_path / "d", "r5-decimal/plant-pressure.toml", "p", "de.csv")
    assert done.code == 4
    assert "line 3: '1.200' is two numbers" in done.err
    plant = tmp_path / "plant.toml"
    plant.write_text(
        (folder / "plant-pressure.toml").read_text().replace('separator = ";"', 'separator = ";"\ndecimal = ","')
    )
    assert ask("import", plant, "n", folder / "de.csv", "--data", tmp_path / "e").code == 0
    told = ask("facts", "--type", "counted", "--data", tmp_path / "e").out.splitlines()
    assert sorted(json.loads(line)["good"] for line in told) == [10, 11, 12, 1200]


def test_a_decimal_comma_is_read_where_it_is_said(ask, tmp_path):
    folder = FILES / "r5-decimal"
    plant = tmp_path / "plant.toml"
    plant.write_text(
        (folder / "plant-temp.toml").read_text().replace('separator = ";"', 'separator = ";"\ndecimal = ","')
    )
    assert ask("import", plant, "temp", folder / "de.csv", "--data", tmp_path / "e").code == 0
    told = ask("facts", "--type", "measured", "--data", tmp_path / "e").out.splitlines()
    assert sorted(json.loads(line)["value"] for line in told) == ["21.5", "21.7", "22.1", "22.4"]


def test_a_workbook_is_called_one(ask, tmp_path):
    done = imported(ask, tmp_path / "d", "r6-xlsx/plant.toml", "temp", "x.xlsx")
    assert done.code == 2
    assert "is a workbook" in done.err and "UTF-16" not in done.err


def test_a_dry_run_shows_messages_beside_their_facts_and_records_nothing(ask, tmp_path):
    done = imported(
        ask, tmp_path / "d", "r7-shdr-split/plant-with-source.toml", "mt", "day.shdr.txt", more=("--dry-run",)
    )
    assert done.code == 0 and not (tmp_path / "d").exists()
    assert "line 4: 2026-03-02T06:10:00Z|pc|14" in done.out and '"good":4' in done.out
    assert "3 counted.v1" in done.out and done.out.endswith("Nothing is recorded.\n")
