"""Many rows into an SQLite table with few calls.

The driver lets other threads run at every statement it steps; with one statement per row, a
writer among busy threads would wait for its turn at every row. Statements of many rows are
faster by themselves as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import apsw

_SIZES = (128, 16, 1)


def put_rows(db: apsw.Connection, insert: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
    """Run `insert` (up to and with VALUES) for the rows, all of one width; `then` follows the values."""
    if not rows:
        return
    width, at, left = len(rows[0]), 0, len(rows)
    for size in _SIZES:
        while left >= size:
            values = list(chain.from_iterable(rows[at : at + size]))
            db.execute(_statement(insert, width, size, then), values)
            at, left = at + size, left - size


@lru_cache(maxsize=512)
def _statement(insert: str, width: int, size: int, then: str) -> str:
    row = f"({','.join('?' * width)})"
    return f"{insert} {','.join([row] * size)} {then}"
