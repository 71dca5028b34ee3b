"""A package to begin with: an adapter or a view of one's own, with tests and a vector that pass at once.

What is written lies as templates beside this file, `$name` standing for the name; it is found by entry points once the package is installed.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Literal

from asbuilt.errors import UsageError

Kind = Literal["adapter", "view"]

FILES: dict[Kind, dict[str, str]] = {
    "adapter": {
        "pyproject.toml": "pyproject.toml",
        "asbuilt_$name/__init__.py": "adapter.py",
        "tests/test_$name.py": "test.py",
        "tests/vectors/first/config.toml": "config.toml",
        "tests/vectors/first/in.txt": "in.txt",
        "tests/vectors/first/facts.jsonl": "facts.jsonl",
    },
    "view": {
        "pyproject.toml": "pyproject.toml",
        "asbuilt_$name/__init__.py": "",
        "asbuilt_$name/fold.py": "fold.py",
        "asbuilt_$name/queries.py": "queries.py",
        "tests/test_$name.py": "test.py",
        "tests/facts.jsonl": "facts.jsonl",
    },
}
"""What is written, and the template it is made of."""


def write(kind: Kind, name: str, into: Path) -> list[Path]:
    """Write the package `name` as a folder in `into`; the files that were written. Raises `UsageError`; nothing is overwritten."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) or keyword.iskeyword(name):
        raise UsageError(
            f"`{name}` cannot be the name of {'an adapter' if kind == 'adapter' else 'a view'}",
            remedy="Use small letters, digits and _, beginning with a letter.",
        )
    folder = into / name
    if folder.exists():
        raise UsageError(
            "this is there already", where=str(folder), remedy="Take another name, or --into another folder."
        )
    written = []
    for place, template in FILES[kind].items():
        path = folder / place.replace("$name", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (Path(__file__).parent / kind / f"{template}.txt").read_text() if template else ""
        path.write_text(text.replace("$name", name))
        written.append(path)
    return written
