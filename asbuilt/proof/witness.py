"""Witnesses: somebody outside who signs that a log they watch only grew (C2SP tlog-cosignature).

A witness remembers the largest checkpoint they signed and signs another only if that begins it. With their
signature a reader knows that others were shown the same log.
"""

from __future__ import annotations

from asbuilt.errors import ProofError
from asbuilt.proof import checkpoint, note
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.consistency import Consistency, compare
from asbuilt.proof.note import Signer
from asbuilt.proof.policy import Policy


def cosigned(
    signed: bytes, trusted: Policy, last: Checkpoint | None, proof: Consistency | None, signer: Signer, timestamp: int
) -> bytes:
    """The checkpoint with the witness's line under it; `timestamp` in POSIX seconds.

    Raises `ProofError` unless a log of the policy has signed it and it continues the last one that was cosigned.
    """
    found = note.parse(signed)
    said = checkpoint.parse(found.text)
    if not any(one.key.name == said.origin for one in note.verified(found, trusted.logs)):
        raise ProofError("wrong_origin", f"the checkpoint of {said.origin} is not signed by that log")
    if last is not None and not compare(last, said, proof):
        raise ProofError(
            "not_consistent",
            f"nothing shows that this log of {said.size:,} entries begins with the {last.size:,} that were cosigned",
            remedy="Ask the plant for `asbuilt log consistency` from the last one, and give it with --consistency.",
        )
    if said.size < 1:
        raise ProofError("malformed", "an empty log is not cosigned")
    (line,) = note.parse(note.signed(found.text, [signer], timestamp)).signatures
    return note.with_signatures(found, [line])


def merged(known: bytes, brought: bytes) -> bytes:
    """A checkpoint with the signatures of both copies. Raises `ProofError` if they are not the same checkpoint."""
    one, other = note.parse(known), note.parse(brought)
    if one.text != other.text:
        raise ProofError("wrong_origin", "these are two different checkpoints")
    return note.with_signatures(one, [line for line in other.signatures if line not in one.signatures])
