"""Checkpoints: what a log says of itself, as text (C2SP tlog-checkpoint v1.0.0)."""

from __future__ import annotations

import re
from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import b64, malformed, unb64
from asbuilt.proof.merkle import HASH

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")


class Checkpoint(NamedTuple):
    """A log's name, how many entries its tree has, and the tree's root.

    `extensions` are further lines; ours has none, because cosignatures do not cover them.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The lines that are signed."""
        return "\n".join([self.origin, str(self.size), b64(self.root), *self.extensions]) + "\n"


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint note. Raises `ProofError`."""
    if not text.endswith("\n"):
        malformed("a checkpoint ends with a line break")
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not lines[0] or not all(lines):
        malformed("a checkpoint has a name, a size and a root")
    return Checkpoint(lines[0], decimal(lines[1]), unb64(lines[2], HASH), tuple(lines[3:]))


def decimal(text: str) -> int:
    """A number of a log: decimal digits without leading zeros, below 2^63."""
    if not _DECIMAL.match(text) or int(text) >= 1 << 63:
        raise ProofError("malformed", f"{text[:30]!r} is not a number of a log")
    return int(text)
