"""What share of the package the tests reach: told for each room, and asked for on the ground floor.

`python -m tools.covered` after a run under coverage. Ends with 1 where a room of the ground floor is below what is asked.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).parent.parent
ASKED = 0.92
GROUND = ("record", "pipeline", "rows", "proof", "verify")
"""Rooms in which a branch that no test takes may lose a fact or accept a forgery."""
NUMBERS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def room_of(file: str) -> str:
    """The first folder or module below the package, of a path from the checkout."""
    return Path(file).parts[1].removesuffix(".py")


def shares(files: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Of each room, the share of statements and the share of branches that were reached; `files` as coverage reports them."""
    told: dict[str, list[int]] = defaultdict(lambda: [0] * len(NUMBERS))
    for file, found in files.items():
        room = told[room_of(file)]
        for at, name in enumerate(NUMBERS):
            room[at] += found["summary"][name]
    return {
        room: (ran / lines if lines else 1.0, taken / branches if branches else 1.0)
        for room, (ran, lines, taken, branches) in told.items()
    }


def below(found: dict[str, tuple[float, float]]) -> list[str]:
    """Rooms of the ground floor in which fewer branches were taken than is asked; what was never measured is below."""
    return [room for room in GROUND if found.get(room, (0.0, 0.0))[1] < ASKED]


def main() -> int:
    """Print the shares."""
    measured = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        whole = measured.json_report(outfile=str(file))
        found = shares(json.loads(file.read_text())["files"])
    print("room             lines  branches")
    for room, (lines, branches) in sorted(found.items()):
        print(f"{room:14}{lines:8.1%}{branches:10.1%}{f'   asked: {ASKED:.0%}' if room in GROUND else ''}")
    print(f"asbuilt: {whole:.1f} % of lines and branches")
    if missing := below(found):
        print(f"Below {ASKED:.0%} of branches: {', '.join(missing)}. `coverage report -m` names the lines.")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
