"""A checkpoint key that never leaves its PKCS#11 token (SoftHSM where it is installed)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from asbuilt.errors import AsBuiltError
from asbuilt.proof import note
from asbuilt.proof.note import ED25519
from asbuilt.seal import keyring
from asbuilt.seal.keyring import Keyring
from tests.connect import peers
from tests.proof.works import ORIGIN, Works

LIBRARIES = [Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")]


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh token with one Ed25519 key; what stands in a key file instead of the secret."""
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    library = next((path for path in LIBRARIES if path.exists()), None)
    peers.needs("softhsm2", library)
    tool = peers.needs("softhsm2", shutil.which("softhsm2-util"))
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    monkeypatch.setenv("ASBUILT_PKCS11_LIBRARY", str(library))
    monkeypatch.setenv("ASBUILT_PKCS11_PIN", "1234")
    keyring._session.cache_clear()
    words = ["--init-token", "--free", "--label", "works", "--pin", "1234", "--so-pin", "123456"]
    subprocess.run([tool, *words], check=True, capture_output=True)
    lib = pkcs11.lib(str(library))
    lib.reinitialize()
    with lib.get_token(token_label="works").open(rw=True, user_pin="1234") as session:
        # A DER PrintableString, as PKCS#11 v3.0 names the curve.
        curve = b"\x13\x0cedwards25519"
        domain = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
        )
        domain.generate_keypair(store=True, label="log", mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN)
    return "pkcs11:works/log"


def test_a_checkpoint_is_signed_in_a_token(token, tmp_path):
    works = Works(tmp_path / "data")
    ring = Keyring(works.folder.keys)
    (works.folder.keys / "proof-checkpoint-token.key").write_text(f"asbuilt.key/1 {ORIGIN} {ED25519:02x} {token}\n")
    held = next(key for key, signer in ring.signers().items() if type(signer).__name__ == "TokenKey")
    manifest = works.sealer.manifest
    kept = [(use, key) for use, key in manifest.keys if key.kind != ED25519 or use != "checkpoint"]
    works.sealer.use_keys(ring._signed(manifest._replace(number=2, keys=(("checkpoint", held), *kept))))
    works.engine("1")
    works.close_blocks(60)
    signed = note.parse((works.folder.proof / "checkpoint").read_bytes())
    assert [one.key for one in note.verified(signed, [held])] == [held]
    works.end()


def test_a_token_that_is_not_there_is_told_with_a_remedy(tmp_path, monkeypatch):
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    monkeypatch.delenv("ASBUILT_PKCS11_LIBRARY", raising=False)
    keyring._session.cache_clear()
    (tmp_path / "proof-checkpoint-x.key").write_text(f"asbuilt.key/1 {ORIGIN} 01 pkcs11:works/log\n")
    with pytest.raises(AsBuiltError, match="unknown make") as refused:
        Keyring(tmp_path).signers()
    assert "ASBUILT_PKCS11_LIBRARY" in refused.value.remedy
