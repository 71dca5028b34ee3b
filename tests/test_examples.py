"""The examples: what their READMEs say of them, and the machine shop's questions asked of the real log."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.commands import ENVIRONMENT, PATIENCE_S
from tests.conftest import ROOT
from tests.documents import LONG, addresses, blocks, commands, newcomer
from tests.test_documents import follow

SHOP = ROOT / "examples/machine-shop"
REAL = ROOT / "tests/oracles/machine-shop.md"
BOXER = ROOT / "examples/boxer/README.md"


@pytest.mark.oracle
def test_the_questions_about_the_real_log_are_answered_as_they_were(oracles, tmp_path):
    found = commands(REAL)
    assert len(found) >= 20
    assert len(addresses(REAL, max(command.heading for command in found if LONG.match(command.text)))) == 4
    with newcomer(tmp_path) as shell:
        (shell.folder / "log.csv").symlink_to(oracles / "shop-log" / "Production_disco_export.csv")
        follow(REAL, shell)


def told_of_a_log(path: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """All rows of a log, and those that are reports."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, [row for row in rows if row["Activity"] not in ("Start", "End")]


def test_the_small_log_is_what_its_generator_makes_and_its_readme_says(tmp_path):
    made = tmp_path / "log.csv"
    subprocess.run([sys.executable, SHOP / "make_log.py", made], check=True, timeout=PATIENCE_S)
    assert made.read_bytes() == (SHOP / "log.csv").read_bytes()
    rows, work = told_of_a_log(made)
    different = len({tuple(row.values()) for row in work})
    told = " ".join((SHOP / "README.md").read_text().split())
    for words in (
        f"{len({row['Case ID'] for row in work})} orders, {len({row['Resource'] for row in work})} workers",
        f"{len(rows) - len(work)} of the {len(rows)} rows", f"{len(work) - different} are exact copies", f"{different} reports remain",
    ):  # fmt: skip
        assert words in told
    bad: Counter[str] = Counter()
    for row in work:
        bad[row["Activity"][-4:]] += int(row["Qty_Rejected"])
    assert bad["Q.C."] / bad.total() > 0.8  # most


@pytest.mark.oracle
def test_the_small_log_has_the_form_of_the_real_one(oracles):
    real, _ = told_of_a_log(oracles / "shop-log" / "Production_disco_export.csv")
    small, _ = told_of_a_log(SHOP / "log.csv")
    assert list(real[0]) == list(small[0])
    assert {row["Activity"] for row in small} <= {row["Activity"] for row in real}
    for column in ("Qty_Completed", "Report_Type", "Rework", "lifecycle:transition"):
        assert {type_of(row[column]) for row in small} <= {type_of(row[column]) for row in real}, column


def type_of(value: str) -> str:
    return "number" if value.isdigit() else value


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
    told = " ".join(REAL.read_text().split())
    assert [words for words in counted if words not in told] == []
    bad: Counter[str] = Counter()
    for row in work:
        bad[row["Activity"][-4:] in ("Q.C.", "tion")] += int(row["Qty_Rejected"])
    assert 0.78 < bad[True] / bad.total() < 0.85  # four of five


def test_the_code_of_the_boxer_readme_runs():
    (code,) = (block.lines for block in blocks(BOXER))
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
