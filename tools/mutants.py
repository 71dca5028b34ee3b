"""Mutants of the ground floor: small changes of its code, each of which some test must notice.

`python -m tools.mutants [--sample N] [--seed S] [MODULE …]` draws N mutants of each module (all of them with 0), tries the tests beside
each and prints those that nobody noticed. It works in a copy of the checkout. The same seed draws the same mutants of the same code.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome

ROOT = Path(__file__).parent.parent
RECORD = (
    "tests/contracts/test_record.py",
    "tests/test_record_damage.py",
    "tests/test_record_index.py",
    "tests/test_stopped_at_creation.py",
)
ROWS = (
    "tests/contracts/test_view.py",
    "tests/contracts/test_names.py",
    "tests/test_store_damage.py",
    "tests/laws/test_agree.py",
)
PROOF = (
    "tests/proof/test_leaf.py",
    "tests/proof/test_log_format.py",
    "tests/proof/test_refusals.py",
    "tests/proof/test_verify.py",
)
TESTS = {
    "asbuilt/record/sqlite.py": RECORD,
    "asbuilt/record/layout.py": RECORD,
    "asbuilt/pipeline.py": ("tests/test_pipeline.py", "tests/laws/test_faults.py"),
    "asbuilt/rows/store.py": ROWS,
    "asbuilt/rows/writing.py": ROWS,
    "asbuilt/rows/corrections.py": ROWS,
    "asbuilt/proof/leaf.py": PROOF,
    "asbuilt/proof/merkle.py": PROOF,
    "asbuilt/proof/note.py": PROOF,
    "asbuilt/proof/policy.py": PROOF,
    "asbuilt/proof/block.py": PROOF,
    "asbuilt/verify.py": PROOF,
}
"""Modules, and the tests that stand nearest to them, the quick ones first: a mutant is killed by the first that fails."""


def unseen(module: str) -> list[range]:
    """Lines of a module that say nothing at run time: annotations and what only type checkers read."""
    lines = []
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        parts: list[ast.expr | ast.stmt | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # A default stands in the same lines as its annotation: only signatures without any are left out.
            if not any([*node.args.defaults, *node.args.kw_defaults]):
                lines.append(range(node.lineno, node.body[0].lineno))
        elif isinstance(node, ast.AnnAssign) and node.value is None:
            parts.append(node)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts += [node.test, *node.body]
        lines += [range(part.lineno, (part.end_lineno or part.lineno) + 1) for part in parts if part is not None]
    return lines


def mutations(module: str, db: WorkDB) -> list[MutationSpec]:
    """All mutations of a module that can change what it does."""
    init([Path(module)], db, {})
    silent = unseen(module)
    found = [mutation for item in db.work_items for mutation in item.mutations]
    return [one for one in found if not any(one.start_pos[0] in lines for lines in silent)]


def tried(module: str, drawn: list[MutationSpec], patience_s: float) -> Iterator[tuple[MutationSpec, str, str]]:
    """Each mutation with how it ended – killed, survived, or a mutant that never ran – and its difference."""
    for one in drawn:
        result = mutate_and_test([one], test_command(module), patience_s)
        if result.worker_outcome != WorkerOutcome.NORMAL:
            yield one, "not made", result.output or ""
        else:
            yield one, "survived" if result.test_outcome == TestOutcome.SURVIVED else "killed", result.diff or ""


def test_command(module: str) -> str:
    """The tests nearest to a module, ending at the first that fails."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS[module]]
    return shlex.join(words)


def copy_to(folder: Path) -> None:
    """The checkout's files as they are now."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    kept = b"\0".join(name for name in names.split(b"\0") if name and (ROOT / os.fsdecode(name)).is_file())
    packed = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=kept, check=True, capture_output=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=packed, check=True)


def main() -> int:
    """Draw, try, tell; ends with 1 if a mutant survived."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=int, default=12, help="mutants of each module; 0 for all")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("modules", nargs="*", metavar="MODULE")
    given = asked.parse_args()
    modules = given.modules or [*TESTS]
    if unknown := [module for module in modules if module not in TESTS]:
        asked.error(f"no tests are named for {', '.join(unknown)}; there are {', '.join(TESTS)}")
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        copy_to(Path(folder))
        os.chdir(folder)
        # A mutant and its original may be of one size and second: byte code kept of one would be taken for the other's.
        os.environ |= {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_PROFILE": "fast"}
        for module in modules:
            began = time.monotonic()
            subprocess.run(shlex.split(test_command(module)), check=True, stdout=subprocess.DEVNULL)
            patience_s = 30 + 5 * (time.monotonic() - began)
            with use_db(":memory:") as db:
                found = mutations(module, db)
            drawn = (
                found
                if not given.sample
                else random.Random(f"{given.seed} {module}").sample(found, min(given.sample, len(found)))
            )
            of_module: Counter[str] = Counter()
            for one, how, told in tried(module, drawn, patience_s):
                of_module[how] += 1
                if how != "killed":
                    print(f"{how}: {module}:{one.start_pos[0]} {one.operator_name}\n{told}", flush=True)
            print(f"{module}: {of_module['killed']} of {len(drawn)} killed ({len(found)} there are)", flush=True)
            tally += of_module
    print(
        f"{tally['killed']} of {tally.total()} mutants killed, {tally['survived']} survived, {tally['not made']} not made"
    )
    return int(tally["survived"] > 0)


if __name__ == "__main__":
    sys.exit(main())
