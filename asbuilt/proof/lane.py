"""Lanes: one count per product and calendar period that can be closed only once.

A lane's name says what is counted, of which product and when: `completed/BX172/2026-Q4`. From the name and the
log's founding everybody computes the one block and the one place in it where the lane is closed, so
there cannot be two closings in one log. The closing commits to the number, to the leaves that were counted,
and to the end of a hash chain whose link *n* from the end shows "at least n" and nothing else.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from asbuilt.proof.block import Founding
from asbuilt.proof.encoding import malformed

CLOSED = "lane.closed/1"
"""The type in a closing's leaf; no fact can have it."""
COUNTS = {
    "run_in_passed": "passed their run-in",
    "completed": "were completed",
    "shipped": "were shipped",
}
"""What is counted, in words."""
KINDS = {"run_in_passed": "run_recorded.v1", "completed": "unit_completed.v1", "shipped": "unit_shipped.v1"}
"""The type of the facts that count."""
MAX_COUNT = 1_000_000

_PERIOD = re.compile(r"([0-9]{4})(?:-(?:Q([1-4])|(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?))?\Z")


class Lane(NamedTuple):
    """What is counted, of which product, from `start` until before `end` (UTC)."""

    name: str
    counts: str
    product: str
    period: str
    start: dt.datetime
    end: dt.datetime


def name_of(counts: str, product: str, period: str) -> str:
    """The lane's name."""
    return f"{counts}/{quote(product, safe='')}/{period}"


def parse(name: str) -> Lane:
    """Read a lane's name; periods are calendar days, months, quarters and years in UTC. Raises `ProofError`."""
    parts = name.split("/")
    if len(parts) != 3 or parts[0] not in COUNTS or not parts[1] or len(name) > 700:
        malformed(f"{name[:100]!r} is not the name of a lane, such as completed/BX172/2026-Q4")
    product = unquote(parts[1])
    if name_of(parts[0], product, parts[2]) != name:
        malformed(f"{name[:100]!r} writes its product in another way than lanes do")
    return Lane(name, parts[0], product, parts[2], *period(parts[2]))


def period(text: str) -> tuple[dt.datetime, dt.datetime]:
    """Start and end of `2026`, `2026-Q4`, `2026-11` or `2026-11-23` in UTC. Raises `ProofError`."""
    found = _PERIOD.match(text)
    if not found or not 1970 <= int(found[1]) <= 9000:
        malformed(f"{text[:30]!r} is not a period: 2026, 2026-Q4, 2026-11 or 2026-11-23")
    year, quarter, month, day = (int(part) if part else 0 for part in found.groups())
    first = quarter * 3 - 2 if quarter else month or 1
    try:
        start = dt.datetime(year, first, day or 1, tzinfo=dt.UTC)
    except ValueError:
        malformed(f"there is no day {text}")
    if day:
        return start, start + dt.timedelta(days=1)
    after = first + (3 if quarter else 1 if month else 12)
    return start, dt.datetime(year + (after - 1) // 12, (after - 1) % 12 + 1, 1, tzinfo=dt.UTC)


def place(name: str, founding: Founding) -> tuple[int, int]:
    """The block and the place in it at which a lane is closed."""
    digest = hashlib.sha256(b"asbuilt.lane/1\n" + name.encode()).digest()
    return founding.block_of(parse(name).end), int.from_bytes(digest[:4], "big") % founding.slots


def chained(name: str, value: bytes, steps: int) -> bytes:
    """The value so many steps further along the lane's hash chain."""
    head = b"asbuilt.chain/1\n" + name.encode() + b"\n"
    for _ in range(steps):
        value = hashlib.sha256(head + value).digest()
    return value
