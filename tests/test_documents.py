"""What the documents tell people to type works as it stands there, and prints what they promise."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import httpx
import pytest
import typer.main

from asbuilt.app import configure
from asbuilt.cli import app as command_line
from asbuilt.connect import expression
from asbuilt.plant import load
from tests.conftest import ROOT
from tests.documents import LONG, PATIENCE_S, Block, Newcomer, addresses, blocks, commands, documents, fits, newcomer

NO_INDEX = re.compile(
    r"could not find a version|no matching distribution|dns error|tcp connect|connection refused|name resolution", re.I
)
DOCUMENTS = documents()
WITH_COMMANDS = [path for path in DOCUMENTS if any(block.language == "console" for block in blocks(path))]
LANGUAGES = {"console", "toml", "python", "text", ""}

NOT_RUN = {
    (
        "DEVELOPING.md",
        "errors.py time.py    what everybody may use: errors with a remedy, units of time",
    ): "a drawing of the folders",
    (
        "docs/connect.md",
        "payload.temperature                 a member of a JSON object; what is not there is absent",
    ): "expressions, compiled by a test below",
    (
        "docs/record-format.md",
        '{"_sd":["D1","D2",…,"D32"],"_sd_alg":"sha-256","v":"asbuilt.event/1"}',
    ): "a form of bytes; the vectors have real ones",
    (
        "docs/record-format.md",
        '{"format":"asbuilt.passport/1","statement":"TOKEN"}',
    ): "a form of bytes; the vectors have real ones",
}
"""Blocks that are not commands, settings or programs, by document and first line, and why. New ones must be said here."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def kind_of(file: Path, block: Block) -> str:
    """What a block is; an indented one by how it begins."""
    first = block.lines[0]
    if (name(file), first) in NOT_RUN:
        return "not run"
    if block.language:
        return block.language
    return "toml" if first.startswith("[") else "output" if first.startswith("{") else "shell"


ALL = [(path, block) for path in DOCUMENTS for block in blocks(path)]


def of_kind(kind: str) -> list[object]:
    return [
        pytest.param(path, block, id=f"{name(path)}:{block.line}")
        for path, block in ALL
        if kind_of(path, block) == kind
    ]


def test_the_table_of_pages_is_read():
    assert {"/line/1", "/kpi", "/trace", "/verify"} <= set(pages_of_table(ROOT / "README.md"))


def test_every_block_is_of_a_kind_that_is_tried():
    for path, block in ALL:
        assert block.language in LANGUAGES, f"{name(path)}:{block.line}"
        assert kind_of(path, block) in {"console", "toml", "python", "not run", "shell", "output"}, (
            f"{name(path)}:{block.line}"
        )
    told = {(name(path), block.lines[0]) for path, block in ALL}
    assert set(NOT_RUN) <= told
    assert len(NOT_RUN) <= 4
    # The program of the one that has one is run in tests/test_examples.py.
    assert [name(path) for path, block in ALL if block.language == "python"] == ["examples/boxer/README.md"]
    in_shell = {name(path) for path, block in ALL if kind_of(path, block) in ("shell", "output")}
    assert in_shell == {"docs/adapters/http.md", "docs/adapters/site.md"}, (
        "write what is to be typed as a block of `console`"
    )


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("file", WITH_COMMANDS, ids=name)
def test_what_a_document_tells_to_type_works_and_prints_what_it_shows(file, tmp_path):
    with newcomer(tmp_path, checkout=name(file) in ("README.md", "docs/operate.md")) as shell:
        follow(file, shell)


def pages_of_table(file: Path) -> list[str]:
    """The pages that a table's first column names; the demo has them all."""
    cells = re.findall(r"^\| (`/[^|]*) \|", file.read_text(), re.MULTILINE)
    return [path for cell in cells for path in re.findall(r"`(/[^`]*)`", cell)]


def follow(file: Path, shell: Newcomer) -> None:
    """Type every command in turn, and look at every page that the text names while something serves it."""
    heading = -1
    for command in commands(file):
        where = f"{name(file)}:{command.line}: {command.text}"
        if command.heading != heading:
            shell.ends()
            heading = command.heading
        if LONG.match(command.text):
            told = shell.starts(command.text)
            if "make: ***" in told and NO_INDEX.search(told):
                pytest.skip("no package index can be reached")
            assert fits(command.prints, told), f"{where}\nprints\n{told}"
            tabled = pages_of_table(file) if command.text == "make demo" else []
            for path in {"/", *addresses(file, heading), *tabled}:
                answer = httpx.get(shell.address(path), timeout=PATIENCE_S, follow_redirects=True)
                assert answer.status_code == 200, f"{where}: {path}"
                assert "</html>" in answer.text, path
            continue
        done = shell.does(command.text)
        if done.returncode and NO_INDEX.search(done.stderr):
            pytest.skip("no package index can be reached")
        assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"
        assert fits(command.prints, done.stdout + done.stderr), f"{where}\nprints\n{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_facts_over_http_as_the_page_of_the_adapter_tells(tmp_path):
    """Its blocks are part of a module's text: settings, a command, and the answer with any spaces."""
    page = ROOT / "docs/adapters/http.md"
    settings, command = (block.lines for block in blocks(page))
    command, answer = command[:1], command[2:]
    with newcomer(tmp_path) as shell:
        plant = shell.folder / "plant.toml"
        plant.write_text((ROOT / "examples/boxer/plant.toml").read_text() + "\n".join(["", *settings, ""]))
        (shell.folder / "boxer.svg").write_bytes((ROOT / "examples/boxer/boxer.svg").read_bytes())
        (shell.folder / "facts.ndjson").write_bytes((ROOT / "examples/boxer/facts.ndjson").read_bytes())
        shell.starts("asbuilt run plant.toml --data DIR")
        (token,) = re.findall(r"`(asbuilt token [^`]*)`", page.read_text())
        done = shell.does(f"TOKEN=$({token})\n" + "\n".join(command))
        assert done.returncode == 0, done.stderr
        assert fits(["".join("\n".join(answer).split())], "".join(done.stdout.split())), done.stdout


@pytest.mark.slow
def test_what_doors_and_rounds_post_as_the_page_of_the_adapter_tells(tmp_path):
    page = ROOT / "docs/adapters/site.md"
    (lines,) = (block.lines for path, block in ALL if path == page and kind_of(path, block) == "output")
    with newcomer(tmp_path) as shell:
        settings = '[adapter.site]\nkind = "site"\nmqtt = false\nwebhook = "/site/events"\n'
        plant = shell.folder / "plant.toml"
        plant.write_text(
            (ROOT / "examples/boxer/plant.toml").read_text().replace("boxer.svg", "examples/boxer/boxer.svg") + settings
        )
        shell.starts("asbuilt run plant.toml --data DIR")
        for line in lines:
            done = shell.does(
                'curl -s -w "%{http_code}" -H "Authorization: Bearer $(asbuilt token site --data DIR)" '
                f"--data-binary {shlex.quote(line)} http://127.0.0.1:8000/site/events"
            )
            assert done.stdout.endswith("200"), done.stdout + done.stderr
        facts = shell.does("asbuilt facts --data DIR").stdout
        assert '"type":"site_observed.v1"' in facts
        assert '"type":"round_checked.v1"' in facts


@pytest.mark.parametrize(("file", "block"), of_kind("toml"))
def test_settings_that_a_document_shows_are_taken(file, block, tmp_path):
    """A whole plant file as it is; settings of an adapter or rule in a plant that has the stations they name."""
    text = "\n".join(block.lines)
    told = tomllib.loads(text)
    if "plant" not in told:
        text = _plant_for(text, told, file.stem)
    plant_file = tmp_path / "plant.toml"
    plant_file.write_text(text)
    plant = load(plant_file)
    for adapter in plant.adapters:
        module, config = configure(plant, adapter)
        if hasattr(module, "translator"):
            assert module.translator(config, adapter)


NEEDED = {"mtconnect": ['address = "http://agent.works:5000"'], "opcua": ['address = "opc.tcp://cell.works:4840"']}
"""Settings that a kind cannot be without."""


def _plant_for(text: str, told: dict, page: str) -> str:
    if page != "connect":
        if "kind" not in next(iter(told["adapter"].values())):  # a rule more for what the page showed before
            (adapter,) = told["adapter"]
            text = f'[adapter.{adapter}]\nkind = "{page}"\n' + "\n".join(NEEDED.get(page, ())) + "\n" + text
    elif "kind" not in next(iter(told["adapter"].values())):  # a rule that any protocol takes
        (adapter,) = told["adapter"]
        text = text.replace(
            f"[[adapter.{adapter}.map]]",
            f'[adapter.{adapter}]\nkind = "mqtt"\n[[adapter.{adapter}.map]]\ntopic = "a/b"',
        )
    return f'[plant]\nid = "works"\nname = "Works"\nzone = "Europe/Berlin"\n\n{text}\n'


def test_expressions_that_the_document_shows_can_be_computed():
    (block,) = (block for path, block in ALL if (name(path), block.lines[0]) in NOT_RUN and path.name == "connect.md")
    names = {
        "payload": {"temperature": 21, "Oil temp °C": [7], "v": "1.5", "stop": True, "n": 4, "test": False},
        "topic": ["a", "b", "c"],
    }
    got = [expression.compiled(re.split(r" {2,}", line)[0], frozenset(names))(names) for line in block.lines]
    assert [str(value) for value in got] == ["21", "7", "c", "0.15", "works/main/1/b", "Held", "True"]


# --------------------------------------------------------------------------- commands inside sentences and tables

INLINE = re.compile(r"`(asbuilt [^`]+|make [a-z-]+[^`]*)`")
SAID = [
    (path, text)
    for path in DOCUMENTS
    for text in INLINE.findall(re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S))
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def unknown_in(text: str) -> str | None:
    """What of a command does not exist: a target, a command, an option."""
    words = [word.rstrip("…,") for word in shlex.split(text.replace("\\|", "|").replace("'", ""), comments=True)]
    if words[0] == "make":
        return None if words[1] in TARGETS else words[1]
    at = typer.main.get_command(command_line)
    options = {"--help", "--version"}
    for word in words[1:]:
        if word.startswith("[") or word in ("…", ">"):
            word = word.strip("[]")
        if word.startswith("-"):
            if word.split("=")[0] not in options | {
                option for it in at.params for option in (*it.opts, *it.secondary_opts)
            }:
                return word
        elif hasattr(at, "commands"):
            several = word.split("|")
            if missing := [one for one in several if one not in at.commands]:
                return missing[0]
            at = at.commands[several[0]]
    return None


@pytest.mark.parametrize(
    ("file", "text"), [pytest.param(path, text, id=f"{name(path)}: {text}") for path, text in SAID]
)
def test_a_command_inside_a_sentence_exists_with_its_options(file, text):
    assert unknown_in(text.strip("[]")) is None


def test_a_command_that_does_not_exist_is_found():
    assert unknown_in("asbuilt sael status") == "sael"
    assert unknown_in("asbuilt seal status --datta x") == "--datta"
    assert unknown_in("asbuilt connect list|tset") == "tset"
    assert unknown_in("make everything") == "everything"
    assert unknown_in("asbuilt seal rotate --finish") is None


def examples_of(at, words: str = "asbuilt") -> list[tuple[str, str]]:
    """Each command's own example, as its help shows it."""
    found = []
    text = " ".join((at.help or "").split())
    if "Example" in text:
        found += [(words, said) for said in re.findall(r"`([^`]*\basbuilt [^`]+)`", text.partition("Example")[2])]
    for more, below in getattr(at, "commands", {}).items():
        found += examples_of(below, f"{words} {more}")
    return found


EXAMPLES = examples_of(typer.main.get_command(command_line))


def test_most_commands_have_an_example():
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize(("command", "example"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_the_example_of_a_command_is_of_that_command_and_its_options_exist(command, example):
    """Some are a line of a shell with the command in it, others name a second command that goes with it."""
    assert command in " ".join(said for name, said in EXAMPLES if name == command)
    for part in re.findall(r"\basbuilt [^|)]*", example):
        assert unknown_in(part) is None


@pytest.mark.parametrize(
    ("sample", "printed", "fit"),
    [
        (["a", "b"], "a\nb  \n", True), (["a"], "a\nb\n", False), (["a", "…"], "a\nb\nc\n", True), (["a", "…"], "a\n", True),
        (["a…c"], "abc\n", True), (["a…c"], "ab\nc\n", False), ([], "", True), ([], "a\n", False), (["…", "c"], "a\nb\nc\n", True),
    ],
)  # fmt: skip
def test_what_fits_a_sample(sample, printed, fit):
    assert fits(sample, printed) is fit
