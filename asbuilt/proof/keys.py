"""Who signs: keys held in memory, and the manifest that says which key is for what.

A log has three kinds of key: the *root*, kept away from the machine, signs the manifest; *checkpoint*
keys sign the log (named as the log is); *statement* keys sign what is told to whom. Each block names
the manifest in force by its digest, so the manifest is as public and as fixed as the log.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof import note
from asbuilt.proof.checkpoint import decimal
from asbuilt.proof.encoding import malformed
from asbuilt.proof.note import COSIGNED_MLDSA44, ED25519, Key

CHECKPOINT, STATEMENT, ROOT = "checkpoint", "statement", "root"
_MANIFEST = "asbuilt.keys/1"
PRIVATE_BYTES = 32
"""A private key is a seed of 32 bytes, of Ed25519 (RFC 8032) as of ML-DSA-44 (FIPS 204)."""


class HeldKey:
    """A private key in memory: name, kind and its seed of 32 bytes."""

    def __init__(self, name: str, kind: int, private: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        held: Ed25519PrivateKey | MLDSA44PrivateKey
        if kind == COSIGNED_MLDSA44:
            held = MLDSA44PrivateKey.from_seed_bytes(private)
        else:
            held = Ed25519PrivateKey.from_private_bytes(private)
        self._held = held
        self._key = Key(name, kind, held.public_key().public_bytes_raw())

    @property
    def key(self) -> Key:
        """The public half."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """A bare signature."""
        return self._held.sign(message)


class Manifest(NamedTuple):
    """The keys of a log: number of the manifest from 1, the root's key, and (use, key) of the others."""

    origin: str
    number: int
    root: Key
    keys: tuple[tuple[str, Key], ...]

    def of(self, use: str) -> list[Key]:
        """The keys for a use."""
        return [key for known, key in self.keys if known == use]

    def text(self) -> str:
        """The lines that the root signs."""
        lines = [_MANIFEST, self.origin, str(self.number), f"{ROOT} {self.root.vkey}"]
        return "\n".join([*lines, *(f"{use} {key.vkey}" for use, key in self.keys)]) + "\n"


def names_fit(manifest: Manifest) -> bool:
    """Whether every key has the name its use asks for."""
    wanted = {CHECKPOINT: manifest.origin, STATEMENT: f"{manifest.origin}/statements"}
    return manifest.root.name == f"{manifest.origin}/root" and all(
        use in wanted and key.name == wanted[use] and (use == CHECKPOINT or key.kind == ED25519)
        for use, key in manifest.keys
    )


def sign_manifest(manifest: Manifest, root: note.Signer) -> bytes:
    """The manifest as a note signed by the root."""
    assert root.key == manifest.root and names_fit(manifest)
    return note.signed(manifest.text(), [root], 0)


def digest(signed_manifest: bytes) -> bytes:
    """What a block names a manifest by: SHA-256 over its text, without the signature."""
    return hashlib.sha256(note.parse(signed_manifest).text.encode()).digest()


def parse_manifest(data: bytes) -> Manifest:
    """Read a signed manifest and check the root's own signature. Raises `ProofError`."""
    found = note.parse(data)
    lines = found.text[:-1].split("\n")
    if len(lines) < 5 or lines[0] != _MANIFEST or len(lines) > 100:
        malformed("not a manifest of keys")
    uses = [line.partition(" ") for line in lines[3:]]
    if uses[0][0] != ROOT or any(use not in (CHECKPOINT, STATEMENT) for use, _, _ in uses[1:]):
        malformed("a manifest of keys names a root, then checkpoint and statement keys")
    keys = [(use, note.parse_vkey(text)) for use, _, text in uses]
    manifest = Manifest(lines[1], decimal(lines[2]), keys[0][1], tuple(keys[1:]))
    if not names_fit(manifest):
        raise ProofError("wrong_origin", "a key of the manifest has a name that does not belong to the log")
    note.verified(found, [manifest.root])
    return manifest
