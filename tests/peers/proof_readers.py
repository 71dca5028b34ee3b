"""Other people's readers of logs and selective disclosure, asked over standard input: one JSON request, one answer."""

from __future__ import annotations

import json
import sys
from typing import Any


def sd_jwt(asked: dict[str, Any]) -> Any:
    """The reference library of RFC 9901 on a leaf, signed as an SD-JWT with a key made here."""
    from jwcrypto.jwk import JWK
    from jwcrypto.jws import JWS
    from sd_jwt.verifier import SDJWTVerifier

    key = JWK.generate(kty="EC", crv="P-256")
    token = JWS(payload=asked["leaf"])
    token.add_signature(key, None, json.dumps({"alg": "ES256", "typ": "sd+jwt"}))
    presented = "~".join([token.serialize(compact=True), *asked["disclosures"], ""])
    return SDJWTVerifier(presented, lambda issuer, header: key).get_verified_payload()


def scitt(asked: dict[str, Any]) -> Any:
    """The Merkle part of scitt-cose (RFC 9162): does it accept these proofs, and what are its own?"""
    import scitt_cose

    entries, root = asked["entries"], asked["root"]
    return {
        "root": scitt_cose.merkle_root(entries),
        "included": [
            scitt_cose.verify_inclusion(entries[at], at, len(entries), path, root) for at, path in asked["paths"]
        ],
        "consistent": scitt_cose.verify_consistency(
            asked["old_root"], root, asked["old"], len(entries), asked["between"]
        ),
        "paths": [scitt_cose.inclusion_proof(entries, at) for at, _ in asked["paths"]],
        "between": scitt_cose.consistency_proof(entries, asked["old"], len(entries)),
    }


def sigstore(asked: dict[str, Any]) -> Any:
    """sigstore-python reads a checkpoint, checks its Ed25519 signature and an inclusion path."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from sigstore._internal import merkle
    from sigstore._internal.rekor.checkpoint import LogCheckpoint, SignedNote

    read = SignedNote.from_text(asked["note"])
    said = LogCheckpoint.from_text(read.note)

    class Keyring:
        def verify(self, *, key_id: bytes, signature: bytes, data: bytes) -> None:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(asked["public"])).verify(signature, data)

    read.verify(Keyring(), bytes.fromhex(asked["key_id"]))
    path = [bytes.fromhex(step) for step in asked["path"]]
    inner, border = merkle._decomp_inclusion_proof(asked["index"], said.log_size)
    assert len(path) == inner + border
    found = merkle._chain_inner(bytes.fromhex(asked["leaf"]), path[:inner], asked["index"])
    found = merkle._chain_border_right(found, path[inner:])
    return {
        "origin": said.origin, "size": said.log_size, "root": said.log_hash, "computed": found.hex(),
        "names": [one.name for one in read.signatures],
    }  # fmt: skip


asked = json.loads(sys.stdin.read())
sys.stdout.write(json.dumps({"sd_jwt": sd_jwt, "scitt": scitt, "sigstore": sigstore}[asked["reader"]](asked)))
