"""The examples' READMEs: every command in them does what they say it does."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.commands import ENVIRONMENT, PATIENCE_S, running
from tests.conftest import ROOT

SHOP = ROOT / "examples/machine-shop/README.md"
BOXER = ROOT / "examples/boxer/README.md"
ANY = "…"
"""In a sample: a line of it is any number of lines, in a line it is any text."""


class Command(NamedTuple):
    """A command of a README, the line it stands in, and what the README says it prints."""

    line: int
    text: str
    prints: list[str]


def blocks(file: Path, language: str) -> Iterator[tuple[int, list[str]]]:
    """Blocks of code of a language, with the number of the line before."""
    inside: str | None = None
    block: list[str] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.startswith("```"):
            if inside == language:
                yield number - 1 - len(block), block
            inside, block = (line[3:] or "text") if inside is None else None, []
        elif inside is not None:
            block.append(line)


def commands(file: Path) -> list[Command]:
    found: list[Command] = []
    for before, block in blocks(file, "console"):
        for number, line in enumerate(block, before + 1):
            if line.startswith("$ "):
                found.append(Command(number, line[2:], []))
            else:
                found[-1].prints.append(line)
    return found


def fits(sample: list[str], printed: str) -> bool:
    parts = (".*" if line == ANY else re.escape(line).replace(ANY, "[^\n]*") for line in sample)
    lines = "\n".join(line.rstrip() for line in printed.splitlines())
    return re.fullmatch("\n".join(parts), lines, re.DOTALL) is not None


@pytest.fixture(scope="module")
def folder(oracles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the README supposes it: the examples, the log, and the command on the path."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "log.csv").symlink_to(oracles / "shop-log" / "Production_disco_export.csv")
    (folder / "bin").mkdir()
    script = folder / "bin" / "asbuilt"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m asbuilt "$@"\n')
    script.chmod(0o755)
    return folder


def bash(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, env={**ENVIRONMENT, "PATH": path, "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def run_and_look(command: Command, folder: Path, addresses: list[str]) -> None:
    """Start a command that goes on until it is interrupted, and look at the pages."""
    words = shlex.split(command.text)[1:]
    with running(*words, "--port", "0", cwd=folder) as server:
        assert server.stdout is not None
        told = server.stdout.readline()
        port = re.search(r":(\d+)/", told)
        assert port, told
        assert fits(command.prints, told.replace(port[0], ":8000/"))
        for address in addresses:
            answer = httpx.get(address.replace(":8000/", port[0]), timeout=PATIENCE_S)
            assert answer.status_code == 200, address
            assert "</html>" in answer.text
        server.send_signal(2)
        assert server.wait(PATIENCE_S) in (0, 130)


@pytest.mark.oracle
def test_every_command_of_the_machine_shop_prints_what_its_readme_shows(folder):
    addresses = re.findall(r"<(http://127\.0\.0\.1:8000/[^>]*)>", SHOP.read_text())
    assert len(addresses) == 4
    found = commands(SHOP)
    assert len(found) >= 20
    for command in found:
        if command.text.startswith("asbuilt run "):
            run_and_look(command, folder, addresses)
            continue
        done = bash(command.text, folder)
        where = f"{SHOP.relative_to(ROOT)}:{command.line}: {command.text}"
        assert (done.returncode, done.stderr) == (0, ""), where
        assert fits(command.prints, done.stdout), f"{where}\nprints\n{done.stdout}"


@pytest.mark.oracle
def test_what_the_readme_tells_of_the_log(oracles):
    with (oracles / "shop-log" / "Production_disco_export.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    work = [row for row in rows if row["Activity"] not in ("Start", "End")]
    days = [row[name][:10] for row in work for name in ("Start Timestamp", "Complete Timestamp")]
    counted = {
        f"{len(rows[0])} columns", f"{len(rows):,} rows", f"{len({row['Case ID'] for row in work})} orders",
        f"{len({row['Resource'] for row in work})} workers", f"{len(rows) - len(work)} of the rows",
        f"{len(work) - len({tuple(row.values()) for row in work})} are exact copies",
        f"{len({tuple(row.values()) for row in work}):,} reports remain",
    }  # fmt: skip
    assert (min(days), max(days)) == ("2012/01/02", "2012/03/31")
    told = " ".join(SHOP.read_text().split())
    assert [words for words in counted if words not in told] == []
    bad: Counter[str] = Counter()
    for row in work:
        bad[row["Activity"][-4:] in ("Q.C.", "tion")] += int(row["Qty_Rejected"])
    assert 0.78 < bad[True] / bad.total() < 0.85  # four of five


def test_all_code_of_the_readmes_is_run():
    """What is in another kind of block would not be."""
    for file, language in ((SHOP, "console"), (BOXER, "python")):
        kinds = re.findall(r"^```(\w*)\n.*?^```$", file.read_text(), re.MULTILINE | re.DOTALL)
        assert set(kinds) == {language}


def test_the_code_of_the_boxer_readme_runs():
    ((_, code),) = blocks(BOXER, "python")
    ask = """
assert past and all(fact.event_time <= live for fact in past)
assert all(live < fact.event_time <= live + dt.timedelta(minutes=5) for fact in news)
assert {fact.source for fact in past} == {"gw-1", "gw-2", "gw-3", "bench", "office"}
again = SimulatedPlant(plant, seed=1, start=start_of_history(plant, 5, live), live_from=live)
assert [*again.until(live - dt.timedelta(days=1)), *again.until(live)] == list(past)
from collections import Counter
print({type(fact).__name__ for fact in news} >= {"StateChanged", "Measured"})
"""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code) + ask], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize(
    ("sample", "printed", "fit"),
    [
        (["a", "b"], "a\nb  \n", True), (["a"], "a\nb\n", False), (["a", ANY], "a\nb\nc\n", True),
        (["a…c"], "abc\n", True), (["a…c"], "ab\nc\n", False), ([], "", True), ([], "a\n", False),
    ],
)  # fmt: skip
def test_what_fits_a_sample(sample, printed, fit):
    assert fits(sample, printed) is fit
