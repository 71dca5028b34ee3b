"""The keys of a data folder: private halves in `keys/`, one file each; the manifest that the root has signed.

A key file holds one line, `asbuilt.key/1 NAME KIND SECRET`, KIND in hexadecimal. SECRET is the key's 32 bytes in
base64, or `pkcs11:TOKEN/LABEL` for a key that never leaves its token; the token's library and PIN are then
named by the environment: ASBUILT_PKCS11_LIBRARY and ASBUILT_PKCS11_PIN.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from asbuilt.errors import ProofError, RecordError, UsageError
from asbuilt.proof import keys as keys_
from asbuilt.proof.encoding import b64, unb64
from asbuilt.proof.keys import CHECKPOINT, PRIVATE_BYTES, STATEMENT, HeldKey, Manifest
from asbuilt.proof.note import COSIGNED_MLDSA44, ED25519, Key, Signer

_HEAD = "asbuilt.key/1"
Random = Callable[[int], bytes]


class Keyring:
    """The keys in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def signers(self) -> dict[Key, Signer]:
        """Every private key that is here, by its public half."""
        found: dict[Key, Signer] = {}
        for path in sorted(self._folder.glob("proof-*.key")):
            signer = _read(path)
            found[signer.key] = signer
        return found

    def make(self, use: str, name: str, kind: int, random: Random) -> Key:
        """Make a key and keep its private half, readable by this user alone."""
        held = HeldKey(name, kind, secret := random(PRIVATE_BYTES))
        path = self._folder / f"proof-{use}-{held.key.id.hex()}.key"
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{_HEAD} {name} {kind:02x} {b64(secret)}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return held.key

    def manifest(self, origin: str, random: Random) -> bytes:
        """The first manifest of a log: a root, two checkpoint keys and a statement key, made now."""
        root = self.make(keys_.ROOT, f"{origin}/root", ED25519, random)
        return self._signed(Manifest(origin, 1, root, tuple(self._fresh(origin, random))))

    def rotated(self, now: Manifest, random: Random) -> bytes:
        """The next manifest with new keys beside those in use, so that readers can change over."""
        return self._signed(now._replace(number=now.number + 1, keys=(*self._fresh(now.origin, random), *now.keys)))

    def finished(self, now: Manifest) -> bytes:
        """The next manifest without the keys that new ones stand beside."""
        kept, seen = [], set()
        for use, key in now.keys:
            if (use, key.kind) not in seen:
                kept.append((use, key))
            seen.add((use, key.kind))
        return self._signed(now._replace(number=now.number + 1, keys=tuple(kept)))

    def _fresh(self, origin: str, random: Random) -> list[tuple[str, Key]]:
        return [
            (CHECKPOINT, self.make(CHECKPOINT, origin, ED25519, random)),
            (CHECKPOINT, self.make(CHECKPOINT, origin, COSIGNED_MLDSA44, random)),
            (STATEMENT, self.make(STATEMENT, f"{origin}/statements", ED25519, random)),
        ]

    def _signed(self, manifest: Manifest) -> bytes:
        root = self.signers().get(manifest.root)
        if root is None:
            raise UsageError(
                "the root key is not on this machine",
                where=str(self._folder),
                remedy=f"Bring proof-root-{manifest.root.id.hex()}.key back for this one step, then take it away again.",
            )
        return keys_.sign_manifest(manifest, root)

    def of(self, manifest: Manifest, use: str) -> list[Signer]:
        """The private keys for a use, in the manifest's order. Raises `RecordError` if there is none."""
        held = self.signers()
        found = [held[key] for key in manifest.of(use) if key in held]
        if not found:
            raise RecordError(
                f"no {use} key of the log is here",
                where=str(self._folder),
                remedy="Restore keys/ from the backup, or make new keys with `asbuilt seal rotate`.",
            )
        return found


def _read(path: Path) -> Signer:
    words = path.read_text().split()
    try:
        if len(words) != 4 or words[0] != _HEAD:
            raise ValueError("not a key file")
        kind = int(words[2], 16)
        if words[3].startswith("pkcs11:"):
            return TokenKey(words[1], kind, words[3].removeprefix("pkcs11:"))
        return HeldKey(words[1], kind, unb64(words[3], PRIVATE_BYTES))
    except (ValueError, ProofError) as error:
        raise RecordError(
            f"the key cannot be read: {error}", where=str(path), remedy="Restore it from the backup."
        ) from None


_token_in_use = threading.Lock()


class TokenKey:
    """A private key in a PKCS#11 token (Ed25519, CKM_EDDSA), reached through the package `python-pkcs11`."""

    def __init__(self, name: str, kind: int, place: str) -> None:
        token, _, label = place.partition("/")
        if kind != ED25519:
            raise UsageError("a token holds Ed25519 keys only", remedy="Keep the ML-DSA-44 key in a file.")
        session = _session(token)
        from pkcs11 import Attribute, KeyType, ObjectClass
        from pkcs11.exceptions import PKCS11Error

        try:
            self._private = session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC_EDWARDS, label=label)
            public = session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC_EDWARDS, label=label)
            # CKA_EC_POINT is a DER octet string around the 32 bytes.
            self._key = Key(name, kind, bytes(public[Attribute.EC_POINT])[-32:])
        except PKCS11Error as error:
            raise _refused(token, error) from error
        self._token = token

    @property
    def key(self) -> Key:
        """The public half."""
        return self._key

    def sign(self, message: bytes) -> bytes:
        """A bare signature, made in the token."""
        from pkcs11 import Mechanism
        from pkcs11.exceptions import PKCS11Error

        try:
            with _token_in_use:
                return bytes(self._private.sign(message, mechanism=Mechanism.EDDSA))
        except PKCS11Error as error:
            raise _refused(self._token, error) from error


def _refused(token: str, error: Exception) -> RecordError:
    return RecordError(
        f"the token {token} refuses: {type(error).__name__} {error}",
        remedy="Check that it is plugged in, its label, the key's label, and the PIN in ASBUILT_PKCS11_PIN.",
    )


@lru_cache(maxsize=8)
def _session(token: str) -> Any:
    """The one session of this process with a token; a token lets nobody log in twice."""
    try:
        import pkcs11
        from pkcs11.exceptions import PKCS11Error
    except ImportError:
        raise UsageError(
            "a key lies in a token, and the package python-pkcs11 is not installed", remedy="Install python-pkcs11."
        ) from None
    path = os.environ.get("ASBUILT_PKCS11_LIBRARY")
    if not path:
        raise UsageError(
            "a key lies in a token of unknown make", remedy="Name its library with ASBUILT_PKCS11_LIBRARY."
        )
    try:
        return pkcs11.lib(path).get_token(token_label=token).open(user_pin=os.environ.get("ASBUILT_PKCS11_PIN", ""))
    except (PKCS11Error, RuntimeError) as error:
        raise _refused(token, error) from error
