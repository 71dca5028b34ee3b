"""Signed notes (C2SP signed-note v1.0.0) with Ed25519, and timestamped cosignatures (tlog-cosignature v1.1.0).

Kinds of key: 0x01 Ed25519 over the text; 0x04 Ed25519 cosignature; 0x06 ML-DSA-44 cosignature.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from asbuilt.errors import ProofError
from asbuilt.proof import checkpoint
from asbuilt.proof.encoding import b64, malformed, unb64

ED25519, COSIGNED_ED25519, COSIGNED_MLDSA44 = 0x01, 0x04, 0x06
KEY_BYTES = {ED25519: 32, COSIGNED_ED25519: 32, COSIGNED_MLDSA44: 1312}
SIGNATURE_BYTES = {ED25519: 64, COSIGNED_ED25519: 8 + 64, COSIGNED_MLDSA44: 8 + 2420}
MAX_SIGNATURES = 64
MAX_NOTE_BYTES = 1_000_000

_NAME = re.compile(r"[^\s+]+\Z")
_VKEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\Z")
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)\Z")


class Key(NamedTuple):
    """A public key with the name it signs under; as text a *vkey*, `name+id+base64`."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ newline ‖ kind ‖ key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text."""
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    @property
    def spelled(self) -> str:
        """SHA-256 of the key as people compare it: eight groups of four hexadecimal digits."""
        digest = hashlib.sha256(self.vkey.encode()).hexdigest()[:32]
        return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


class Signer(Protocol):
    """Whoever can sign with a key: a file, a PKCS#11 token. `key.kind` says how the note is signed."""

    @property
    def key(self) -> Key:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """A bare Ed25519 (RFC 8032) or ML-DSA-44 (FIPS 204, empty context) signature."""
        ...


class Signature(NamedTuple):
    """A signature line: who says to have signed, the key's id, and the signature."""

    name: str
    key_id: bytes
    data: bytes


class Note(NamedTuple):
    """A text and the signatures under it, not yet verified."""

    text: str
    signatures: tuple[Signature, ...]


class Verified(NamedTuple):
    """A key whose signature holds, and the time it states (POSIX seconds), if any."""

    key: Key
    timestamp: int | None


def parse_vkey(text: str) -> Key:
    """A key from its text. Raises `ProofError` for unknown kinds and ids that do not belong to the key."""
    found = _VKEY.match(text)
    if not found:
        malformed("not a key: name+id+base64")
    material = unb64(found[3])
    kind = material[0] if material else 0
    if kind not in KEY_BYTES or len(material) != 1 + KEY_BYTES[kind]:
        raise ProofError("unknown_key", f"a key of kind 0x{kind:02x} is not known here")
    key = Key(found[1], kind, material[1:])
    if key.id.hex() != found[2]:
        malformed("the id does not belong to the key")
    return key


def parse(data: bytes) -> Note:
    """Read a signed note. Raises `ProofError`."""
    if len(data) > MAX_NOTE_BYTES:
        malformed(f"a note of {len(data):,} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        malformed("a note is UTF-8")
    if any(char < " " and char != "\n" for char in whole):
        malformed("a control character in a note")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        malformed("a note ends with a blank line and signatures")
    found = []
    for line in lines[:-1].split("\n"):
        match = _LINE.match(line)
        if not match:
            malformed("a line under a note is not a signature")
        material = unb64(match[2])
        if len(material) < 5:
            malformed("a signature is too short")
        found.append(Signature(match[1], material[:4], material[4:]))
    if len(found) > MAX_SIGNATURES:
        malformed(f"{len(found)} signatures under a note, at most {MAX_SIGNATURES} are read")
    return Note(text + "\n", tuple(found))


def verified(note: Note, keys: Sequence[Key]) -> list[Verified]:
    """Whose signatures hold; lines of unknown keys are passed over.

    Raises `ProofError`: `bad_signature` if a known key's signature is wrong, `unknown_key` if
    nobody known has signed.
    """
    known: dict[tuple[str, bytes], list[Key]] = {}
    for key in dict.fromkeys(keys):
        known.setdefault((key.name, key.id), []).append(key)
    found: list[Verified] = []
    for signature in note.signatures:
        candidates = known.get((signature.name, signature.key_id), [])
        if len(candidates) > 1:
            raise ProofError("unknown_key", f"two keys of {signature.name} have one id; take one of them")
        if not candidates or any(one.key == candidates[0] for one in found):
            continue
        if not _holds(candidates[0], note.text, signature.data):
            raise ProofError("bad_signature", f"the signature of {signature.name} does not belong to this text")
        stamp = int.from_bytes(signature.data[:8], "big") if candidates[0].kind != ED25519 else None
        found.append(Verified(candidates[0], stamp))
    if not found:
        names = ", ".join(dict.fromkeys(signature.name for signature in note.signatures))
        raise ProofError("unknown_key", f"signed by {names or 'nobody'}, by no key that is trusted here")
    return found


def _holds(key: Key, text: str, data: bytes) -> bool:
    if len(data) != SIGNATURE_BYTES[key.kind]:
        return False
    if key.kind == ED25519:
        return is_signed(key, data, text.encode())
    stamp = int.from_bytes(data[:8], "big")
    return stamp < 1 << 63 and is_signed(key, data[8:], _cosigned(key, text, stamp))


def is_signed(key: Key, signature: bytes, message: bytes) -> bool:
    """Whether a bare signature of a key belongs to a message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    maker = MLDSA44PublicKey if key.kind == COSIGNED_MLDSA44 else Ed25519PublicKey
    try:
        maker.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _cosigned(key: Key, text: str, stamp: int) -> bytes:
    """The bytes a cosignature of a checkpoint is over (tlog-cosignature, "signed message")."""
    if key.kind == COSIGNED_ED25519:
        return f"cosignature/v1\ntime {stamp}\n{text}".encode()
    said = checkpoint.parse(text)
    name, origin = key.name.encode(), said.origin.encode()
    if len(name) > 255 or len(origin) > 255:
        malformed("a name of more than 255 bytes cannot be cosigned")
    return b"".join(
        [
            b"subtree/v1\n\0", bytes([len(name)]), name, stamp.to_bytes(8, "big"),
            bytes([len(origin)]), origin, bytes(8), said.size.to_bytes(8, "big"), said.root,
        ]
    )  # fmt: skip


def with_signatures(note: Note, added: Sequence[Signature]) -> bytes:
    """The note with further signature lines."""
    lines = [f"— {one.name} {b64(one.key_id + one.data)}\n" for one in (*note.signatures, *added)]
    return (note.text + "\n" + "".join(lines)).encode()


def signed(text: str, signers: Iterable[Signer], timestamp: int) -> bytes:
    """The note of a text with each signer's line; cosignatures state `timestamp` (POSIX seconds)."""
    lines = []
    for signer in signers:
        key = signer.key
        if not _NAME.match(key.name):
            malformed(f"{key.name!r} cannot be a key's name")
        if key.kind == ED25519:
            data = signer.sign(text.encode())
        else:
            data = timestamp.to_bytes(8, "big") + signer.sign(_cosigned(key, text, timestamp))
        lines.append(f"— {key.name} {b64(key.id + data)}\n")
    return (text + "\n" + "".join(lines)).encode()
