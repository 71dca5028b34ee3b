"""Two checkpoints of one log held against each other, and the small file that proves the older begins the newer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof import merkle
from asbuilt.proof.checkpoint import Checkpoint, decimal
from asbuilt.proof.encoding import b64, malformed, unb64

_HEAD = "asbuilt.consistency/1"


class Consistency(NamedTuple):
    """A path from the tree of `old` entries to that of `new` (RFC 6962, 2.1.2)."""

    origin: str
    old: int
    new: int
    path: tuple[bytes, ...]

    def text(self) -> str:
        """The file."""
        return "\n".join([_HEAD, self.origin, str(self.old), str(self.new), *map(b64, self.path)]) + "\n"


def parse(data: bytes) -> Consistency:
    """Read the file. Raises `ProofError`."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        malformed("a proof of consistency is text")
    if len(lines) < 5 or lines[0] != _HEAD or lines[-1] or len(lines) > 5 + merkle.MAX_PATH:
        malformed("not a proof of consistency")
    path = tuple(unb64(line, merkle.HASH) for line in lines[4:-1])
    return Consistency(lines[1], decimal(lines[2]), decimal(lines[3]), path)


def compare(known: Checkpoint, said: Checkpoint, proof: Consistency | None) -> bool:
    """Whether a checkpoint that somebody kept and the one at hand are shown to be of one log; False: not decided.

    Raises `ProofError`: `forked_log` where they cannot be of one log, `stale_checkpoint` where the one at
    hand is older and nothing connects them.
    """
    if known.origin != said.origin:
        raise ProofError(
            "wrong_origin", f"the checkpoint that was kept is of {known.origin}, this one of {said.origin}"
        )
    if known.size == said.size:
        if known.root != said.root:
            raise ProofError("forked_log", f"two different logs of {said.size} entries were signed by {said.origin}")
        return True
    older, newer = sorted([known, said], key=lambda one: one.size)
    steps: Sequence[bytes] | None = None
    if proof is not None and (proof.origin, proof.old, proof.new) == (said.origin, older.size, newer.size):
        steps = proof.path
    if steps is None:
        if said.size < known.size:
            raise ProofError(
                "stale_checkpoint",
                f"the checkpoint at hand has {said.size} entries, the one that was kept {known.size}",
                remedy="Ask for a newer file, or for `asbuilt log consistency` between the two and give it with --consistency.",
            )
        return False
    try:
        merkle.check_consistency(older.size, newer.size, older.root, newer.root, steps)
    except ProofError as error:
        raise ProofError("forked_log", error.message) from None
    return True
