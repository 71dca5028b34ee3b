"""Every command as a newcomer would use it: what it prints where, how it ends, and what it says when something is wrong."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from asbuilt import cli, views
from asbuilt.app import AsBuilt
from asbuilt.cli.answers import print_answer
from tests.commands import PATIENCE_S, Ask, Done, here, process, running
from tests.conftest import ROOT
from tests.web.serving import wait_until

PLANT = """
[plant]
id = "shop"
name = "Small shop"
zone = "Europe/Berlin"

[[site]]
id = "main"
name = "Main"
[[site.area]]
id = "hall"
name = "Hall"
[[site.area.line]]
id = "shop"
name = "Shop"
flow = "job_shop"
[[site.area.line.station]]
id = "lathe"
name = "Lathe"
[[site.area.line.station]]
id = "mill"
name = "Mill"

[adapter.reports]
kind = "csv_file"
fact = "operation_reported"
zone = "Europe/Berlin"
time_format = "%Y-%m-%d %H:%M"
[adapter.reports.columns]
order = "order"
operation = "operation"
station = "station"
by = "person"
start_time = "start"
event_time = "end"
kind = "kind"
good = "good"
rejected = "bad"
for_review = "review"
[adapter.reports.values.station]
lathe = "shop/main/hall/shop/lathe"
mill = "shop/main/hall/shop/mill"

[adapter.gateway]
kind = "http"
title = "Gateway"
"""
HEADER = "order,operation,station,person,start,end,kind,good,bad,review"
ROWS = [
    "A1,turn,lathe,Ann,2024-03-04 06:00,2024-03-04 07:00,setup,0,0,0",
    "A1,turn,lathe,Ann,2024-03-04 07:00,2024-03-04 11:30,production,40,2,1",
    "A1,mill,mill,Ben,2024-03-04 12:00,2024-03-04 14:00,production,38,0,0",
    "B2,turn,lathe,Ben,2024-03-05 06:00,2024-03-05 08:15,production,10,0,0",
    "B2,turn,lathe,Ben,2024-03-05 08:15,2024-03-05 09:00,breakdown,0,0,0",
]
TOTALS = [
    {"kind": "setup", "reports": 1, "hours": 1.0, "good": 0, "rejected": 0, "for_review": 0},
    {"kind": "production", "reports": 3, "hours": 8.75, "good": 88, "rejected": 2, "for_review": 1},
    {"kind": "breakdown", "reports": 1, "hours": 0.75, "good": 0, "rejected": 0, "for_review": 0},
]
"""Added up by hand from the rows above."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plant") / "plant.toml"
    file.write_text(PLANT)
    return file


def write(file: Path, *rows: str) -> Path:
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


@pytest.fixture(scope="module")
def filled(plant: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the rows above: ask, do not tell."""
    folder = tmp_path_factory.mktemp("filled")
    done = process("import", plant, "reports", write(folder / "log.csv", *ROWS), "--data", folder / "data")
    assert done == Done(0, f"{folder / 'log.csv'}: 5 recorded, 0 known already, 0 rejected.\n", "")
    return folder / "data"


@pytest.fixture
def data(filled: Path, tmp_path: Path) -> Path:
    """A copy of that folder to do anything with."""
    return Path(shutil.copytree(filled, tmp_path / "data"))


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    return here(monkeypatch, capsys)


def complaint(done: Done, code: int, *says: str) -> None:
    """It ended with this code, said this and a remedy on stderr, and nothing on stdout."""
    assert done.code == code, done
    for words in says:
        assert words in done.err, done.err
    assert "\n  → " in done.err, "no remedy"
    assert "Traceback" not in done.err
    assert done.out == ""


# --------------------------------------------------------------------------- help


def leaves(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it, those of groups too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(leaves(typer.main.get_command(cli.app)))
EXPECTED = {"demo", "run", "import", "simulate", "query", "facts", "correct", "digest", "rebuild", "check", "doctor",
            "parts", "token"}  # fmt: skip


def test_every_command_that_a_message_names_is_there():
    first = {words[0] for words in COMMANDS}
    named = {
        (str(path.relative_to(ROOT)), word)
        for path in (ROOT / "asbuilt").rglob("*.*")
        if path.suffix in (".py", ".html")
        for word in re.findall(r"`asbuilt ([a-z]+)", path.read_text("utf-8"))
    }
    assert {(path, word) for path, word in named if word not in first} == set()


def test_the_commands_are_there():
    assert {" ".join(words) for words in COMMANDS} >= EXPECTED


@pytest.mark.parametrize("words", [("--help",), ()])
def test_help_names_every_command(ask, words):
    done = ask(*words)
    assert done.code in (0, 2)
    for command in EXPECTED:
        assert re.search(rf"│ {command} +[A-Z]", done.out + done.err), command


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_a_command_shows_an_example(ask, words):
    done = ask(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert re.search("Examples?: ", done.out), "its docstring has no example"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_examples_of_help_can_be_typed(words):
    examples = (COMMANDS[words].help or "").partition("Example")[2]
    typed = [found for example in re.findall("`([^`]+)`", examples) for found in _typed(example)]
    own = [found[len(words) :] for found in typed if tuple(found[: len(words)]) == words]
    assert own
    for found in own:
        # Reads options and arguments as the command line does, without doing anything.
        COMMANDS[words].make_context(words[-1], found)


def _typed(example: str) -> Iterator[list[str]]:
    for part in re.split(r"\||>|\$\(|\)", example):
        if part.strip().startswith("asbuilt "):
            yield shlex.split(part)[1:]


def test_the_version(ask):
    from asbuilt import __version__

    assert ask("--version") == Done(0, f"asbuilt {__version__}\n", "")


@pytest.mark.parametrize(
    "words", [("nonsense",), ("query",), ("import",), ("digest", "--nonsense"), ("run", "x", "--port", "70000"),
              ("simulate", "x", "--days", "0"), ("demo", "--speed", "0"), ("facts", "--limit", "-1")]
)  # fmt: skip
def test_what_cannot_be_typed_is_told_with_the_way_to_help(ask, words):
    done = ask(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err
    assert "--help" in done.err


# --------------------------------------------------------------------------- query


def test_a_query_as_a_table(ask, filled):
    done = ask("query", "order.totals", "--data", filled)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "kind        reports  hours  good  rejected  for review",
        "setup             1    1.0     0         0           0",
        "production        3   8.75    88         2           1",
        "breakdown         1   0.75     0         0           0",
    ]


def test_a_table_has_no_more_decimals_than_people_compare(capsys):
    print_answer([{"oee": 0.9235073281231406, "hours": 8.0}])
    assert capsys.readouterr().out.splitlines() == ["   oee  hours", "0.9235    8.0"]


def test_a_query_as_json(ask, filled):
    done = ask("query", "order.totals", "--json", "--data", filled)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == TOTALS


def test_a_query_as_csv(ask, filled):
    done = ask("query", "order.totals", "--csv", "--data", filled)
    assert (done.code, done.err) == (0, "")
    assert list(csv.DictReader(io.StringIO(done.out))) == [
        {name: str(value) for name, value in row.items()} for row in TOTALS
    ]


def test_one_thing_is_told_line_by_line(ask, filled):
    done = ask("query", "order.show", "order=A1", "--data", filled)
    told = dict(line.strip().split("  ", 1) for line in done.out.splitlines() if "  " in line.strip())
    assert (told["order"], told["made"], told["hours"], told["reports"]) == ("A1", "38", "7.5", "3")
    assert (told["first"], told["last"]) == ("2024-03-04 06:00:00", "2024-03-04 14:00:00")


def test_a_number_alone(ask, filled):
    assert ask("query", "order.count", "--json", "--data", filled).out == "2\n"
    assert ask("query", "order.count", "--csv", "--data", filled).out == "value\n2\n"


def test_parameters(ask, filled):
    def totals(*words: str) -> list[tuple[str, float]]:
        answer = json.loads(ask("query", "order.totals", *words, "--json", "--data", filled).out)
        return [(row["kind"], row["hours"]) for row in answer]

    assert totals("order=A1") == [("setup", 1.0), ("production", 6.5)]
    assert totals("person=Ben") == [("production", 4.25), ("breakdown", 0.75)]
    assert totals("station=shop/main/hall/shop/lathe", "order=B2") == [("production", 2.25), ("breakdown", 0.75)]


@pytest.mark.parametrize("when", ["2024-03-04T11:30", "2024-03-04T11:30:00", "2024-03-04T11:30+01:00", "2024-03-04T10:30Z"])  # fmt: skip
def test_a_moment_of_the_past_is_in_plant_time_or_has_its_own(ask, filled, when):
    rows = json.loads(ask("query", "order.totals", f"at={when}", "--json", "--data", filled).out)
    assert [(row["kind"], row["hours"]) for row in rows] == [("setup", 1.0), ("production", 4.5)]


def test_nothing_is_told_as_nothing(ask, filled):
    words = ("query", "order.reports", "order=A1", "person=Ben", "station=nowhere", "--data", filled)
    assert ask(*words) == Done(0, "", "Nothing.\n")
    assert ask(*words, "--json").out == "[]\n"


def test_a_table_without_rows_still_has_its_columns(ask, filled):
    done = ask("query", "order.reports", "station=nowhere", "--csv", "--data", filled)
    assert done.code == 0
    assert done.out.startswith("order,operation,kind,start,end,hours,")
    assert len(done.out.splitlines()) == 1


@pytest.mark.parametrize("form", ["--csv", None])
def test_cells_that_hold_several_things_are_json(ask, filled, form):
    done = ask("query", "line.states", "line=shop", *([form] if form else []), "--data", filled)
    assert done.code == 0
    assert "()" not in done.out
    if form:
        for row in csv.DictReader(io.StringIO(done.out)):
            assert json.loads(row["units"]) == []
            assert json.loads(row["cycle"]) == {"since": None, "unit": "", "target_s": None}


NEEDS_SHIFTS = {"shift.report"}
"""The shop has none: these say so."""


@pytest.mark.parametrize("name", sorted(NEEDS_SHIFTS))
def test_a_query_about_shifts_of_a_line_without_any_says_so(ask, filled, name):
    complaint(ask("query", name, "line=shop", "--data", filled), 2, "Shop has had no shift yet")


def test_every_query_answers_in_every_form(ask, filled):
    with AsBuilt(filled, read_only=True) as app:
        asked = {name: query.parameters for name, query in app.queries.items()}
    given = {"line": "shop", "order": "A1"}
    answered = 0
    for name, parameters in asked.items():
        needed = [key for key, known in parameters.items() if known.default is known.empty]
        if not set(needed) <= set(given) or name in NEEDS_SHIFTS:
            continue
        answered += 1
        words = ("query", name, *(f"{key}={given[key]}" for key in needed), "--data", filled)
        for form in ([], ["--json"], ["--csv"]):
            done = ask(*words, *form)
            assert done.code == 0, (name, form, done.err)
            if form == ["--json"]:
                json.loads(done.out)
    assert answered >= 14


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["order.nix"], ["there is no query `order.nix`", "order.totals", "line.board"]),
        (["nix"], ["there is no query `nix`"]),
        ([""], ["there is no query"]),
        (["order.totals", "colour=red"], ["order.totals has no parameter `colour`", "order, station, person, at"]),
        (["order.totals", "order"], ["`order` is not key=value", "order, station, person, at"]),
        (["order.show"], ["order.show needs order", "order=…"]),
        (["order.show", "order=nix"], ["nothing is known of an order `nix`", "order.list"]),
        (["order.list", "limit=many"], ["limit=many is not a whole number", "100"]),
        (["order.list", "limit=" + "9" * 30], ["is not a whole number"]),
        (["order.list", "limit=" + "9" * 5000], ["is not a whole number"]),
        (["order.list", "at=yesterday"], ["at=yesterday is not a time", "2025-11-18T17:26"]),
        (["order.list", "at=0001-01-01"], ["is not a time"]),
        (["line.board", "line=9"], ["there is no line `9`", "shop"]),
    ],
)
def test_a_wrong_question_is_told_what_is_right(ask, filled, words, says):
    complaint(ask("query", *words, "--data", filled), 2, *says)


# --------------------------------------------------------------------------- facts


def facts(ask: Ask, *words: object) -> list[dict[str, Any]]:
    done = ask("facts", *words)
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def test_facts_are_printed_as_they_were_said(ask, filled):
    every = facts(ask, "--data", filled)
    assert [fact["position"] for fact in every] == [1, 2, 3, 4, 5, 6]
    assert [fact["type"] for fact in every] == ["plant_defined.v1", *["operation_reported.v1"] * 5]
    second = every[2]
    assert (second["order"], second["good"], second["rejected"], second["for_review"]) == ("A1", 40, 2, 1)
    assert (second["start_time"], second["event_time"]) == ("2024-03-04T07:00:00+01:00", "2024-03-04T11:30:00+01:00")
    assert all(fact["record_time"].endswith("Z") for fact in every)


@pytest.mark.parametrize(
    ("words", "positions"),
    [
        (["--subject", "order:B2"], [5, 6]),
        (["--subject", "order:nix"], []),
        (["--subject", "nonsense"], []),
        (["--subject", "order:A1", "--after", "2"], [3, 4]),
        (["--subject", "order:A1", "--limit", "1"], [2]),
        (["--type", "plant_defined"], [1]),
        (["--type", "plant_defined.v1"], [1]),
        (["--type", "operation_reported", "--after", "3", "--limit", "2"], [4, 5]),
        (["--type", "operation_reported", "--subject", "order:B2"], [5, 6]),
        (["--type", "plant_defined", "--subject", "order:B2"], []),
        (["--type", "measured"], []),
        (["--after", "4"], [5, 6]),
        (["--after", "6"], []),
        (["--after", "999999"], []),
        (["--limit", "0"], []),
        (["--limit", "999"], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_facts_by_subject_type_and_position(ask, filled, words, positions):
    assert [fact["position"] for fact in facts(ask, *words, "--data", filled)] == positions


def test_a_type_is_not_found_in_the_words_of_another_fact(ask, data):
    mention = json.dumps({"type": "note_added.v1", "id": "01900000-0000-7000-8000-000000000001",
                          "event_time": "2024-03-05T12:00:00+01:00", "source": "gateway", "by": "Ann",
                          "text": '"type":"operation_reported.v1"'})  # fmt: skip
    with AsBuilt(data) as app:
        from asbuilt.adapters import Message, http

        taken = list(http.translator(http.Config(), "gateway")(Message(mention.encode())))
        assert [result.status for result in app.take_in(taken, "gateway")] == ["accepted"]
    found = facts(ask, "--type", "operation_reported", "--data", data)
    assert {fact["type"] for fact in found} == {"operation_reported.v1"}


# --------------------------------------------------------------------------- no record there


@pytest.mark.parametrize("words", [("query", "order.totals"), ("facts",), ("digest",), ("rebuild",), ("doctor",),
                                   ("correct", "01900000-0000-7000-8000-000000000001")])  # fmt: skip
def test_a_folder_without_a_record_is_told_and_left_alone(ask, tmp_path, words):
    complaint(ask(*words, "--data", tmp_path / "nothing"), 2, str(tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(ask, plant, tmp_path):
    log = write(tmp_path / "log.csv", *ROWS)
    complaint(ask("query", "order.totals", "--data", log), 2, str(log))
    complaint(ask("import", plant, "reports", log, "--data", log), 1, "cannot be made")


def test_the_folder_may_be_named_in_the_environment(ask, filled, monkeypatch):
    monkeypatch.setenv("ASBUILT_DATA", str(filled))
    assert json.loads(ask("query", "order.totals", "--json").out) == TOTALS


# --------------------------------------------------------------------------- import


def digest(ask: Ask, data: Path) -> dict[str, str]:
    done = ask("digest", "--data", data)
    assert (done.code, done.err) == (0, "")
    found = dict(line.rsplit(" ", 1) for line in done.out.splitlines())
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in found.values())
    return found


def test_the_digest_of_views_is_that_of_the_set_of_facts(ask, plant, filled, tmp_path):
    rows = ROWS * 2
    random.Random(3).shuffle(rows)
    shuffled = write(tmp_path / "shuffled.csv", *rows)
    parts = [write(tmp_path / f"part-{number}.csv", row) for number, row in enumerate(reversed(ROWS))]
    told = ask("import", plant, "reports", shuffled, "--data", tmp_path / "one")
    assert told == Done(0, f"{shuffled}: 5 recorded, 5 known already (5 told twice in this file), 0 rejected.\n", "")
    told = ask("import", plant, "reports", *parts, "--data", tmp_path / "two")
    assert told.out == "".join(f"{part}: 1 recorded, 0 known already, 0 rejected.\n" for part in parts)
    assert ask("import", plant, "reports", shuffled, "--data", tmp_path / "two").out.endswith(
        ": 0 recorded, 10 known already (5 told twice in this file), 0 rejected.\n"
    )
    expected = digest(ask, filled)
    assert set(expected) == {"record 6", "views"}
    for folder in (tmp_path / "one", tmp_path / "two"):
        found = digest(ask, folder)
        assert found["views"] == expected["views"]
        assert found["record 6"] != expected["record 6"]  # in another order, with a plant file taken in at another time
        assert digest(ask, folder) == found
        assert json.loads(ask("query", "order.totals", "--json", "--data", folder).out) == TOTALS


def test_bad_rows_are_told_with_their_lines_and_the_rest_is_taken_in(ask, plant, tmp_path):
    bad = write(
        tmp_path / "bad.csv",
        ROWS[0],
        "A1,turn,lathe",
        ROWS[1].replace("production", "magic"),
        ROWS[2].replace("38", "-38"),
        ROWS[3].replace("2024-03-05 06:00", "tomorrow"),
        ROWS[4],
    )
    done = ask("import", plant, "reports", bad, "--data", tmp_path / "data")
    assert (done.code, done.out) == (4, f"{bad}: 2 recorded, 0 known already, 4 rejected.\n")
    lines = done.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["  line 3", "  line 4", "  line 5", "  line 6"]
    assert "3 cells" in lines[0]
    for line, reason in zip(lines[1:], ("kind", "good", "tomorrow"), strict=True):
        assert reason in line
    again = ask("import", plant, "reports", bad, "--data", tmp_path / "data")
    assert again.out == f"{bad}: 0 recorded, 2 known already, 4 rejected.\n"
    listed = json.loads(ask("query", "source.rejections", "source=reports", "--json", "--data", tmp_path / "data").out)
    assert len(listed) == 4


def test_of_many_bad_rows_some_are_told_and_where_the_others_are(ask, plant, tmp_path):
    bad = write(tmp_path / "bad.csv", *(f"A{number},turn" for number in range(50)))
    done = ask("import", plant, "reports", bad, "--data", tmp_path / "data")
    assert done.out == f"{bad}: 0 recorded, 0 known already, 50 rejected.\n"
    *shown, last, nothing, remedy = done.err.splitlines()
    assert len(shown) == 20
    assert "30 more" in last
    assert (done.code, "of 50 messages none became a fact" in nothing, "--dry-run" in remedy) == (1, True, True)
    query = re.search(r"`asbuilt (query [^`]+)`", last)
    assert query
    assert len(json.loads(ask(*query[1].split(), "--json", "--data", tmp_path / "data").out)) == 50


@pytest.mark.parametrize(
    ("adapter", "file", "code", "says"),
    [
        ("nix", "log.csv", 2, ["plant.toml", "no adapter `nix`", "reports, gateway"]),
        ("gateway", "log.csv", 2, ["adapter `gateway` (http) does not read files"]),
        ("reports", "nix.csv", 1, ["nix.csv: cannot read it: No such file"]),
        ("reports", ".", 1, ["cannot read it: Is a directory"]),
        ("reports", "empty.csv", 1, ["empty.csv: the file is empty"]),
        ("reports", "other.csv", 2, ["other.csv:1: the file has no column", "order"]),
    ],
)
def test_a_wrong_adapter_or_file(ask, plant, tmp_path, monkeypatch, adapter, file, code, says):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "log.csv", *ROWS)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_text("colour,size\nred,4\n")
    complaint(ask("import", plant, adapter, file, "--data", "data"), code, *says)


def test_a_file_that_is_missing_among_others_costs_no_other(ask, plant, tmp_path):
    files = [write(tmp_path / "one.csv", *ROWS[:2]), tmp_path / "nix.csv"]
    done = ask("import", plant, "reports", *files, "--data", tmp_path / "data")
    assert done.code == 1
    assert done.out == f"{files[0]}: 2 recorded, 0 known already, 0 rejected.\n"
    assert ask("query", "order.count", "--json", "--data", tmp_path / "data").out == "1\n"


# --------------------------------------------------------------------------- the plant file


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('zone = "Europe/Berlin"\n\n[[site]]', 'zone = "Europe/Bärlin"\n\n[[site]]', 5, "Bärlin"),
        ('flow = "job_shop"', 'flaw = "job_shop"', 16, "flaw"),
        ('flow = "job_shop"', 'flow = "river"', 16, "river"),
        ('kind = "http"', 'kind = "carrier-pigeon"', 45, "carrier-pigeon"),
        ('good = "good"', 'goood = "good"', 37, "goood"),
        ('lathe = "shop/main/hall/shop/lathe"', 'lathe = "shop"\nlathe = "shop"', 42, ""),
        ('[adapter.gateway]', '[adapter.gateway', 44, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["check", "import", "run"])
def test_a_wrong_plant_file_is_told_with_file_line_and_remedy(ask, tmp_path, command, old, new, line, says):
    assert PLANT.count(old) == 1
    file = tmp_path / "plant.toml"
    file.write_text(PLANT.replace(old, new))
    rest = {"check": (), "import": ("reports", write(tmp_path / "log.csv"), "--data", tmp_path / "data"),
            "run": ("--data", tmp_path / "data")}[command]  # fmt: skip
    if command == "import" and "http" in old:
        return  # the other adapter is none of this one's business
    complaint(ask(command, file, *rest), 2, f"{file}:{line}: ", says)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("name", "says"), [("nix.toml", "there is no such file"), (".", "Is a directory")])
def test_a_plant_file_that_is_none(ask, tmp_path, name, says):
    complaint(ask("check", tmp_path / name), 2, str(tmp_path / name), says)


def test_check_draws_the_plant_back(ask, plant):
    done = ask("check", plant)
    assert (done.code, done.err) == (0, "")
    for word in ("Small shop", "Europe/Berlin", "line shop: Shop (job shop)", "├── lathe Lathe", "└── mill Mill",
                 "reports: csv_file", "gateway"):  # fmt: skip
        assert word in done.out


# --------------------------------------------------------------------------- correct


def fact_id(ask: Ask, data: Path, order: str, number: int) -> str:
    return str(facts(ask, "--subject", f"order:{order}", "--data", data)[number]["id"])


def hours(ask: Ask, data: Path) -> dict[str, float]:
    return {row["kind"]: row["hours"] for row in json.loads(ask("query", "order.totals", "--json", "--data", data).out)}


def test_a_fact_that_did_not_occur(ask, data):
    wrong = fact_id(ask, data, "B2", 1)
    done = ask("correct", wrong, "--by", "Ann", "-m", "it was the mill", "--data", data)
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(rf"Recorded as [0-9a-f-]{{36}}: fact {wrong} did not occur\.\n", done.out)
    assert hours(ask, data) == {"setup": 1.0, "production": 8.75}
    # Both stay visible.
    assert wrong in {fact["id"] for fact in facts(ask, "--data", data)}
    (correction,) = facts(ask, "--type", "correction_made", "--data", data)
    assert (correction["corrects"], correction["by"], correction["message"]) == (wrong, "Ann", "it was the mill")
    assert correction["reason"] == "did_not_occur"


def test_how_a_fact_should_read(ask, data, tmp_path):
    # As it was printed, with the number mended.
    fact = facts(ask, "--subject", "order:B2", "--data", data)[0]
    (tmp_path / "fixed.json").write_text(json.dumps({**fact, "good": 11}))
    done = ask("correct", fact["id"], "--replace", tmp_path / "fixed.json", "--data", data)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"fact {fact['id']} reads anew.\n")
    rows = json.loads(ask("query", "order.totals", "order=B2", "--json", "--data", data).out)
    assert [(row["kind"], row["good"]) for row in rows] == [("production", 11), ("breakdown", 0)]


def test_a_replacement_from_a_pipe_may_leave_out_who_and_when(ask, data):
    fact = facts(ask, "--subject", "order:B2", "--data", data)[0]
    short = {name: fact[name] for name in ("order", "operation", "kind", "start_time")} | {"good": 12}
    done = process("correct", fact["id"], "--replace", "-", "--data", data, given=json.dumps(short))
    assert (done.code, done.err) == (0, "")
    assert json.loads(ask("query", "order.totals", "order=B2", "--json", "--data", data).out)[0]["good"] == 12
    (correction,) = facts(ask, "--type", "correction_made", "--data", data)
    assert correction["replacement"]["event_time"] == fact["event_time"]


def test_a_corrected_folder_rebuilds_to_the_same(ask, data):
    ask("correct", fact_id(ask, data, "B2", 1), "--data", data)
    before = digest(ask, data)
    assert ask("rebuild", "--data", data).code == 0
    assert digest(ask, data) == before


@pytest.mark.parametrize(
    ("which", "replacement", "code", "says"),
    [
        ("nonsense", None, 2, "'nonsense' is not a fact id"),
        ("01900000-0000-7000-8000-000000000001", None, 2, "no fact has the id 01900000"),
        ("", "nothing there", 2, "nix.json: cannot read it: No such file"),
        ("", "not json", 1, "fixed.json: "),
        ("", "[1]", 1, "fixed.json: "),
        ("", "{}", 1, "operation"),
        ("", '{"order": "B2", "operation": "turn", "kind": "production", "start_time": "2024-03-05T06:00:00+01:00", "good": -1}', 1, "good"),
        ("", '{"type": "nonsense.v1"}', 1, ""),
        ("", '{"colour": "red"}', 1, ""),
    ],
)  # fmt: skip
def test_a_correction_that_cannot_be(ask, data, tmp_path, which, replacement, code, says):
    before = digest(ask, data)
    wrong = which or fact_id(ask, data, "B2", 0)
    words = []
    if replacement is not None:
        file = tmp_path / ("nix.json" if replacement == "nothing there" else "fixed.json")
        if file.name == "fixed.json":
            file.write_text(replacement)
        words = ["--replace", file]
    complaint(ask("correct", wrong, *words, "--data", data), code, says)
    assert digest(ask, data) == before


# --------------------------------------------------------------------------- care


def test_rebuild_folds_the_same_again(ask, data):
    before = digest(ask, data)
    done = ask("rebuild", "--data", data)
    assert done == Done(0, f"Folded 6 facts into {len(views.discover())} views: {before['views']}\n", "")
    assert digest(ask, data) == before


def test_rebuild_heals_views_that_are_damaged(ask, data):
    (data / "views.db").write_bytes(b"nonsense" * 1000)
    complaint(ask("query", "order.totals", "--data", data), 3, "the views are damaged", "asbuilt rebuild")
    assert ask("rebuild", "--data", data).code == 0
    assert json.loads(ask("query", "order.totals", "--json", "--data", data).out) == TOTALS


def test_doctor_on_a_sound_folder(ask, data):
    ask("token", "gateway", "--data", data)
    done = ask("doctor", "--data", data)
    assert (done.code, done.err) == (0, "")
    assert [line[:2] for line in done.out.splitlines()] == ["✓ "] * 3
    assert "6 facts" in done.out


def _torn(data: Path) -> None:
    record = data / "record.db"
    with record.open("r+b") as file:
        file.truncate(record.stat().st_size - 4096)


def _foreign(data: Path) -> None:
    (data / "record.db").write_bytes(b"This is a letter, not a record.\n" * 500)


def _changed(data: Path) -> None:
    content = (data / "record.db").read_bytes()
    assert content.count(b'"good":40') == 1
    (data / "record.db").write_bytes(content.replace(b'"good":40', b'"good":41'))


@pytest.mark.parametrize(
    ("harm", "says"),
    [(_torn, "truncated"), (_foreign, "not a record"), (_changed, "the last commit is not")],
)
def test_doctor_names_what_is_damaged_and_repairs_nothing(ask, data, harm: Callable[[Path], None], says):
    harm(data)
    before = (data / "record.db").read_bytes()
    done = ask("doctor", "--data", data)
    assert done.code == 3
    assert says in done.err
    assert "  → " in done.err
    for words in (("digest",), ("facts",), ("query", "order.totals")):
        complaint(ask(*words, "--data", data), 3, says)
    assert (data / "record.db").read_bytes() == before


def test_doctor_finds_keys_that_others_can_read(ask, data):
    ask("token", "gateway", "--data", data)
    (data / "keys" / "adapter-gateway.token").chmod(0o644)
    done = ask("doctor", "--data", data)
    assert done.code == 3
    assert "adapter-gateway.token can be read by other users" in done.err
    assert "chmod go-rwx" in done.err


def test_parts_lists_everything_with_its_file(ask):
    done = ask("parts")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    for name in ("view     order ", "query    order.totals ", "page     /sources ", "adapter  csv_file ", "adapter  http ",
                 "record   sqlite ", "record   memory "):  # fmt: skip
        assert [line for line in lines if line.startswith(name)], name
    for line in lines[1:]:
        # One part a line, whatever reads it.
        _, _, file, what = re.split(r" {2,}", line, maxsplit=3)
        assert (ROOT / file).is_file()
        assert what


def test_tokens(ask, tmp_path):
    data = tmp_path / "data"
    first = ask("token", "gateway", "--data", data)
    assert (first.code, first.err) == (0, "")
    assert re.fullmatch(r"[\w-]{43}\n", first.out)
    assert ask("token", "gateway", "--data", data) == first
    assert ask("token", "other", "--data", data).out != first.out
    assert ask("token", "--data", data).out not in (first.out, "")
    files = sorted((data / "keys").iterdir())
    assert [file.name for file in files] == ["adapter-gateway.token", "adapter-other.token", "screen.token"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../../outside", "../x", "a/b", "/etc/x"])
def test_a_token_of_a_name_that_can_be_none(ask, tmp_path, name):
    data = tmp_path / "deep" / "data"
    complaint(ask("token", name, "--data", data), 2, name)
    assert not list(tmp_path.rglob("*token*"))


# --------------------------------------------------------------------------- simulate


def test_simulate_into_a_file_is_the_same_every_time(ask, tmp_path):
    boxer = ROOT / "examples" / "boxer" / "plant.toml"
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        done = ask("simulate", boxer, "--days", "0.01", "--seed", seed, "--out", tmp_path / name)
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(rf"[\d,]+ facts of 0.01 days written to {re.escape(str(tmp_path / name))}\.\n", done.out)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    assert {"id", "type", "event_time", "source"} <= set(json.loads(one.splitlines()[0]))


def test_simulate_into_a_folder(ask, tmp_path):
    boxer = ROOT / "examples" / "boxer" / "plant.toml"
    done = ask("simulate", boxer, "--days", "0.01", "--end", "2025-11-18T17:00", "--data", tmp_path / "data")
    assert (done.code, done.err) == (0, "")
    count = int(done.out.split()[0].replace(",", ""))
    assert set(digest(ask, tmp_path / "data")) == {f"record {count + 1}", "views"}
    last = json.loads(ask("facts", "--data", tmp_path / "data").out.splitlines()[-1])
    assert last["event_time"] <= "2025-11-18T17:00:00+01:00"


def test_simulate_what_cannot_be(ask, plant, tmp_path):
    complaint(ask("simulate", plant, "--out", tmp_path / "x"), 2, "no serial flow")
    boxer = ROOT / "examples" / "boxer" / "plant.toml"
    complaint(ask("simulate", boxer, "--out", tmp_path / "no" / "x"), 2, str(tmp_path / "no" / "x"), "No such file")
    complaint(ask("simulate", boxer, "--out", tmp_path), 2, str(tmp_path), "Is a directory")


# --------------------------------------------------------------------------- processes


def test_a_second_process_is_told_who_works_there_and_may_ask(plant, data):
    with running("run", plant, "--data", data, "--port", "0") as server:
        assert server.stdout is not None
        assert "Small shop is live at http://127.0.0.1:" in server.stdout.readline()
        holder = f"process {server.pid} (run) is working on this data folder"
        for words in (("run", plant, "--port", "0"), ("import", plant, "reports", data.parent / "log.csv"), ("rebuild",),
                      ("correct", "01900000-0000-7000-8000-000000000001")):  # fmt: skip
            complaint(process(*words, "--data", data), 3, str(data), holder)
        assert json.loads(process("query", "order.totals", "--json", "--data", data).out) == TOTALS
        assert len(process("facts", "--data", data).out.splitlines()) == 6
        assert process("digest", "--data", data).out.startswith("record 6 ")
        assert process("doctor", "--data", data).code == 0
        server.send_signal(2)
        assert server.wait(PATIENCE_S) in (0, 130)
        assert server.stderr is not None
        assert server.stderr.read() == ""
    assert process("digest", "--data", data).code == 0


def test_a_folder_named_from_where_one_stands(plant, tmp_path):
    with running("run", plant, "--data", "data", "--port", "0", cwd=tmp_path) as server:
        assert server.stdout is not None
        assert "Small shop is live at" in server.stdout.readline()
        server.send_signal(2)
        assert server.wait(PATIENCE_S) in (0, 130)
    assert process("digest", "--data", "data", cwd=tmp_path).code == 0


def test_a_port_that_is_taken(plant, data, tmp_path):
    with running("run", plant, "--data", data, "--port", "0") as server:
        assert server.stdout is not None
        port = re.search(r":(\d+)/", server.stdout.readline())
        assert port
        done = process("run", plant, "--data", tmp_path / "other", "--port", port[1])
        complaint(done, 2, f"cannot listen on port {port[1]}", "--port")


@pytest.mark.parametrize("words", [("facts",), ("parts",), ("query", "order.reports", "--json"), ("query", "order.reports", "--csv"),
                                   ("query", "order.reports"), ("--help",)])  # fmt: skip
def test_a_reader_that_has_seen_enough_is_no_error(filled, words):
    words = words if words[0] in ("parts", "--help") else (*words, "--data", filled)
    with running(*words) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == ""
        assert command.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("later_s", [0, 0.1, 0.5])
def test_interrupted_it_ends_in_order_and_goes_on_later(tmp_path, later_s):
    boxer = ROOT / "examples" / "boxer" / "plant.toml"
    words = ("simulate", boxer, "--days", "40", "--data", tmp_path / "data")
    with running(*words) as command:
        wait_until((tmp_path / "data" / "record.db").exists, "the record")
        time.sleep(later_s)
        command.send_signal(2)
        assert command.wait(PATIENCE_S) == 130
        assert command.stderr is not None
        assert "Traceback" not in command.stderr.read()
    for words in (("digest",), ("doctor",)):
        done = process(*words, "--data", tmp_path / "data")
        assert (done.code, done.err) == (0, "")
