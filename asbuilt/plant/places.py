"""Where in the text of a TOML file a key stands (tomllib keeps no positions)."""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[\[|\[)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line where the deepest written part of `path` stands."""
    known = _lines(text)
    while path and path not in known:
        path = path[:-1]
    return known.get(path, 1)


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    places: dict[tuple[str | int, ...], int] = {}
    counts: Counter[tuple[str | int, ...]] = Counter()
    table: tuple[str | int, ...] = ()
    open_string = ""
    depth = 0
    for number, raw in enumerate(text.splitlines(), 1):
        if open_string:
            open_string = "" if open_string in raw else open_string
            continue
        header = _HEADER.match(raw) if depth == 0 else None
        if header:
            table = ()
            parts = [part.strip("\"'") for part in _PART.findall(header[2])]
            for index, part in enumerate(parts):
                table = (*table, part)
                if header[1] == "[[" and index == len(parts) - 1:
                    table = (*table, counts[table])
                    counts[table[:-1]] += 1
                elif counts[table]:
                    table = (*table, counts[table] - 1)
            places.setdefault(table, number)
            if header[1] == "[[":
                places.setdefault(table[:-1], number)
            continue
        key = _KEY.match(raw) if depth == 0 else None
        if key:
            path = (*table, *(part.strip("\"'") for part in _PART.findall(key[1])))
            for end in range(len(table) + 1, len(path) + 1):
                places.setdefault(path[:end], number)
        bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*", "", raw) if '"""' not in raw and "'''" not in raw else ""
        for quote in ('"""', "'''"):
            if raw.count(quote) % 2:
                open_string = quote
        depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return places
