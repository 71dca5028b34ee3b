"""What the plant says of a file it hands out: for whom, for what, until when; and what it took back since.

Both are JSON Web Signatures (RFC 7515, EdDSA): the statement, and a status list (Token Status List, draft 17)
of constant size in which each file has a random place.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import b64url, malformed, read_json, unb64url, write_json
from asbuilt.proof.note import Key, Signer, is_signed

STATEMENT_TYPE, STATUS_TYPE = "asbuilt-statement+jwt", "statuslist+jwt"
STATUS_PLACES = 1 << 14
"""A status list has so many places, however many files were handed out."""
MAX_TOKEN = 200_000


class Statement(NamedTuple):
    """A statement about a file. Times are POSIX seconds; `expires` 0 says it does not end by itself.

    `content` is the SHA-256 of the file's second line; `status_at` the file's place in the status list.
    """

    issuer: str
    format: str
    disclosure: str
    recipient: str
    purpose: str
    profile: str
    issued: int
    expires: int
    status_at: int
    content: bytes

    def payload(self) -> dict[str, Any]:
        """The claims of the token."""
        status = {"status_list": {"idx": self.status_at, "uri": f"{self.issuer}/status"}}
        told = {"iss": self.issuer, "format": self.format, "disclosure": self.disclosure, "recipient": self.recipient,
                "purpose": self.purpose, "profile": self.profile, "iat": self.issued, "status": status,
                "content": b64url(self.content)}  # fmt: skip
        return {**told, "exp": self.expires} if self.expires else told


class StatusList(NamedTuple):
    """Which places are taken back, when that was said (POSIX seconds), and the size of the log then."""

    issuer: str
    issued: int
    log_size: int
    revoked: bytes

    def is_revoked(self, place: int) -> bool:
        """Whether the file at a place was taken back."""
        return bool(self.revoked[place >> 3] >> (place & 7) & 1)


def sign_token(signer: Signer, kind: str, payload: Mapping[str, Any]) -> str:
    """A compact JSON Web Signature."""
    header = write_json({"alg": "EdDSA", "kid": signer.key.id.hex(), "typ": kind})
    text = f"{b64url(header.encode())}.{b64url(write_json(payload).encode())}"
    return f"{text}.{b64url(signer.sign(text.encode()))}"


def read_token(token: str, kind: str) -> tuple[dict[str, Any], str]:
    """The payload of a token, not yet verified, and the id of the key it names. Raises `ProofError`."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        malformed("not a signed token")
    header, payload = (read_json(unb64url(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(payload, dict):
        malformed("a token holds objects")
    if set(header) != {"alg", "kid", "typ"} or header["alg"] != "EdDSA" or header["typ"] != kind:
        malformed(f"not a token of the kind {kind}")
    return payload, str(header["kid"])


def check_token(token: str, kind: str, keys: Collection[Key]) -> None:
    """Raise `ProofError` unless one of the keys has signed the token."""
    _, kid = read_token(token, kind)
    text, _, signature = token.rpartition(".")
    known = [key for key in keys if key.id.hex() == kid]
    if not known:
        raise ProofError("unknown_key", f"signed with the key {kid[:20]}, which the log does not name for statements")
    if not any(is_signed(key, unb64url(signature), text.encode()) for key in known):
        raise ProofError("bad_statement_signature", "the statement was altered after it was signed")


def content_digest(content: bytes) -> bytes:
    """What a statement names the content of a file by."""
    return hashlib.sha256(content).digest()


def read_statement(token: str) -> Statement:
    """Read a statement; its signature is for `check_token`. Raises `ProofError`."""
    told, _ = read_token(token, STATEMENT_TYPE)
    names = ("iss", "format", "disclosure", "recipient", "purpose", "profile", "content")
    place = told.get("status", {})
    place = place.get("status_list", {}) if isinstance(place, dict) else {}
    place = place.get("idx") if isinstance(place, dict) else None
    issued, expires = told.get("iat"), told.get("exp", 0)
    if (
        not all(isinstance(told.get(name), str) for name in names)
        or not all(type(number) is int and number >= 0 for number in (issued, expires, place))
        or not isinstance(place, int)
        or place >= STATUS_PLACES
    ):
        malformed("a statement lacks what it must say")
    return Statement(
        told["iss"], told["format"], told["disclosure"], told["recipient"], told["purpose"], told["profile"],
        int(told["iat"]), int(expires), place, unb64url(told["content"]),
    )  # fmt: skip


def sign_status(signer: Signer, issuer: str, issued: int, log_size: int, revoked: Collection[int]) -> str:
    """The status list as it stands; its size never changes."""
    bits = bytearray(STATUS_PLACES // 8)
    for place in revoked:
        bits[place >> 3] |= 1 << (place & 7)
    # Stored, not packed: how well it packs would tell how many were taken back.
    listed = {"bits": 1, "lst": b64url(zlib.compress(bytes(bits), 0))}
    payload = {"iss": issuer, "sub": f"{issuer}/status", "iat": issued, "log_size": log_size, "status_list": listed}
    return sign_token(signer, STATUS_TYPE, payload)


def read_status(token: str) -> StatusList:
    """Read a status list; its signature is for `check_token`. Raises `ProofError`."""
    told, _ = read_token(token, STATUS_TYPE)
    listed = told.get("status_list")
    if (
        not isinstance(listed, dict)
        or listed.get("bits") != 1
        or not isinstance(listed.get("lst"), str)
        or not all(type(told.get(name)) is int and told[name] >= 0 for name in ("iat", "log_size"))
        or not isinstance(told.get("iss"), str)
        or told.get("sub") != f"{told['iss']}/status"
    ):
        malformed("not a status list of this kind")
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(unb64url(listed["lst"]), STATUS_PLACES // 8 + 1)
    except zlib.error:
        malformed("a status list cannot be unpacked")
    if len(bits) != STATUS_PLACES // 8 or not unpacker.eof:
        malformed("a status list has the wrong size")
    return StatusList(told["iss"], told["iat"], told["log_size"], bits)
