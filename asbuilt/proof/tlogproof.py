"""A proof that an entry is in a log, as one small text file (C2SP tlog-proof@v1)."""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof import checkpoint, merkle, note
from asbuilt.proof.checkpoint import decimal
from asbuilt.proof.encoding import b64, malformed, unb64
from asbuilt.proof.note import Verified
from asbuilt.proof.policy import Policy

_HEAD = "c2sp.org/tlog-proof@v1"


class TlogProof(NamedTuple):
    """An entry's index in the log, its path, and the checkpoint as it was signed; `extra` is for applications and proves nothing."""

    number: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def text(self) -> str:
        """The file."""
        lines = [
            _HEAD,
            *([f"extra {b64(self.extra)}"] if self.extra else []),
            f"index {self.number}",
            *map(b64, self.path),
        ]
        return "\n".join(lines) + "\n\n" + self.checkpoint


def parse(data: bytes) -> TlogProof:
    """Read the file. Raises `ProofError`."""
    try:
        head, blank, signed = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        malformed("a proof of a log is text")
    lines = head.split("\n")
    if not blank or lines[0] != _HEAD or len(lines) < 2 or len(lines) > 3 + merkle.MAX_PATH:
        malformed("not a proof of a log")
    extra = b""
    if lines[1].startswith("extra "):
        extra = unb64(lines.pop(1).removeprefix("extra "))
    if len(lines) < 2 or not lines[1].startswith("index "):
        malformed("a proof of a log names an index")
    path = tuple(unb64(line, merkle.HASH) for line in lines[2:])
    return TlogProof(decimal(lines[1].removeprefix("index ")), path, signed, extra)


def check(proof: TlogProof, entry: bytes, policy: Policy) -> list[Verified]:
    """Whose signatures hold under the checkpoint; raises `ProofError` unless the policy is met and the entry is in the log."""
    signed = note.parse(proof.checkpoint.encode())
    said = checkpoint.parse(signed.text)
    found = note.verified(signed, [*policy.logs, *policy.witnesses.values()])
    if not any(one.key in policy.logs and one.key.name == said.origin for one in found):
        raise ProofError("wrong_origin", f"the checkpoint of {said.origin} is not signed by a log of the policy")
    if not policy.is_witnessed(one.key for one in found):
        raise ProofError("not_witnessed", "fewer witnesses have signed the checkpoint than the policy asks for")
    merkle.check_inclusion(proof.number, said.size, merkle.leaf_hash(entry), proof.path, said.root)
    return found
