"""The log's format held against published vectors, and against other people's implementations both ways."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import ProofError
from asbuilt.proof import checkpoint, merkle, note, policy, tiles, tlogproof
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.keys import HeldKey
from asbuilt.proof.note import COSIGNED_ED25519, COSIGNED_MLDSA44, ED25519, Key

ORIGIN = "log.example/engines"


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def vectors(folder: Path, kind: str) -> list[Path]:
    found = sorted((folder / "proof" / "merkle" / kind).rglob("*.json"))
    assert found
    return found


def grown_log(entries: list[bytes], steps: list[int]) -> tuple[dict[str, bytes], int]:
    """A log's files after its entries were added in steps; partial tiles of every step are kept."""
    files: dict[str, bytes] = {}
    size = 0
    for step in steps:
        for path, content in list(tiles.added(files.get, size, entries[size : size + step])):
            assert files.get(path, content) == content, "a tile that was there has changed"
            files[path] = content
        size += step
    return files, size


# --------------------------------------------------------------------------- vectors


@pytest.mark.oracle
def test_inclusion_vectors(oracles):
    for path in vectors(oracles, "inclusion"):
        case = json.loads(path.read_bytes())
        proof = [decoded(step) for step in case["proof"] or []]
        said = (case["leafIdx"], case["treeSize"], decoded(case["leafHash"]), proof, decoded(case["root"]))
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.check_inclusion(*said)
        else:
            merkle.check_inclusion(*said)


@pytest.mark.oracle
def test_consistency_vectors(oracles):
    for path in vectors(oracles, "consistency"):
        case = json.loads(path.read_bytes())
        proof = [decoded(step) for step in case["proof"] or []]
        said = (case["size1"], case["size2"], decoded(case["root1"]), decoded(case["root2"]), proof)
        if case["wantErr"]:
            with pytest.raises(ProofError):
                merkle.check_consistency(*said)
        else:
            merkle.check_consistency(*said)


def test_the_three_arguable_cases_are_refused():
    junk = hashlib.sha256(b"junk").digest()
    with pytest.raises(ProofError, match="cannot be held"):
        merkle.check_consistency(0, 5, merkle.EMPTY, junk, [])
    with pytest.raises(ProofError):
        merkle.check_consistency(0, 0, junk, junk, [])
    with pytest.raises(ProofError):
        merkle.check_inclusion(0, 1, b"short", [], b"short")


@pytest.mark.oracle
def test_signed_note_vectors(oracles):
    for case in json.loads((oracles / "proof" / "signed-note.json").read_bytes()):
        keys = [note.parse_vkey(text) for text in case["vkeys"]]
        if case["name"] == "ambiguous duplicate verifier, used":
            # Two keys with one name and id: the vector gives one twice, which is one key.
            other = Key(keys[0].name, keys[0].kind, keys[0].public)
            assert len(note.verified(note.parse(case["note"].encode()), [keys[0], other])) == 1
            continue
        if case["ok"]:
            assert len(note.verified(note.parse(case["note"].encode()), keys)) == case["verified"]
        else:
            with pytest.raises(ProofError):
                note.verified(note.parse(case["note"].encode()), keys)


@pytest.mark.oracle
def test_the_checkpoint_of_the_go_checksum_database(oracles):
    case = json.loads((oracles / "proof" / "sumdb-checkpoint.json").read_bytes())
    found = note.parse(case["checkpoint"].encode())
    assert note.verified(found, [note.parse_vkey(case["vkey"])])
    said = checkpoint.parse(found.text)
    assert (said.origin, said.size) == ("go.sum database tree", 35225469)
    assert said.text() == found.text


@pytest.mark.oracle
def test_a_log_written_by_tessera(oracles):
    folder = oracles / "proof" / "tessera-log"
    key = note.parse_vkey((folder / "vkey").read_text().strip())
    read = lambda path: (folder / path).read_bytes() if (folder / path).exists() else None  # noqa: E731
    known: list[Checkpoint] = []
    for size in range(1, 16):
        found = note.parse((folder / f"checkpoint.{size}").read_bytes())
        assert note.verified(found, [key])[0].key == key
        said = checkpoint.parse(found.text)
        assert said.size == size
        log = tiles.Tiles(read, size)
        assert merkle.root(size, log.node) == said.root
        for index in range(size):
            path = merkle.inclusion_path(index, size, log.node)
            merkle.check_inclusion(index, size, merkle.leaf_hash(log.entry(index)), path, said.root)
        for older in known:
            path = merkle.consistency_path(older.size, size, log.node)
            merkle.check_consistency(older.size, size, older.root, said.root, path)
        known.append(said)
        # Our own way of growing a log gives Tessera's files, byte for byte.
        before = tiles.Tiles(read, size - 1)
        entry = log.entry(size - 1)
        made = dict(tiles.added(read, before.size, [entry]))
        assert made and all((folder / path).read_bytes() == content for path, content in made.items())


@pytest.mark.oracle
def test_proofs_of_rekor(oracles):
    folder = oracles / "proof" / "rekor-v2"
    bundle = json.loads((folder / "staging-rekor-v2.txt.sigstore.json").read_bytes())
    root = json.loads((folder / "trusted_root.staging.json").read_bytes())
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    proof = entry["inclusionProof"]
    found = note.parse(proof["checkpoint"]["envelope"].encode())
    said = checkpoint.parse(found.text)
    keys = [
        Key(log["baseUrl"].removeprefix("https://"), ED25519, decoded(log["publicKey"]["rawBytes"])[-32:])
        for log in root["tlogs"]
        if log["publicKey"]["keyDetails"] == "PKIX_ED25519"
    ]
    assert note.verified(found, keys)
    path = [decoded(step) for step in proof["hashes"]]
    leaf = merkle.leaf_hash(decoded(entry["canonicalizedBody"]))
    merkle.check_inclusion(int(proof["logIndex"]), said.size, leaf, path, said.root)


@pytest.mark.oracle
def test_wycheproof_ed25519(oracles):
    groups = json.loads((oracles / "proof" / "wycheproof" / "ed25519_test.json").read_bytes())["testGroups"]
    looked_at = 0
    for group in groups:
        key = Key("k", ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            holds = note.is_signed(key, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert holds == (case["result"] == "valid"), case["comment"]
            looked_at += 1
    assert looked_at == 151


# --------------------------------------------------------------------------- properties


@given(st.integers(1, 80), st.data())
def test_every_leaf_of_every_tree_is_proved_and_nothing_else(size, data):
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(size)]
    node = merkle.node_of(merkle.levels_of(leaves))
    root = merkle.root(size, node)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, node)
    merkle.check_inclusion(index, size, leaves[index], path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else size
    with pytest.raises(ProofError):
        merkle.check_inclusion(other, size, leaves[index], path, root)
    with pytest.raises(ProofError):
        merkle.check_inclusion(index, size, leaves[index], [*path, root], root)
    old = data.draw(st.integers(1, size))
    between = merkle.consistency_path(old, size, node)
    merkle.check_consistency(old, size, merkle.root(old, node), root, between)
    for at in range(len(between)):
        wrong = [*between[:at], hashlib.sha256(between[at]).digest(), *between[at + 1 :]]
        with pytest.raises(ProofError):
            merkle.check_consistency(old, size, merkle.root(old, node), root, wrong)


@pytest.mark.parametrize("steps", [[1] * 300, [255, 1, 1, 300], [700], [256, 256], [3, 65_600]])
def test_a_log_grows_in_any_steps_to_the_same_tree(steps):
    total = sum(steps)
    entries = [f"entry {n}".encode() for n in range(total)]
    files, size = grown_log(entries, steps)
    log = tiles.Tiles(files.get, size)
    assert merkle.root(size, log.node) == merkle.root_of([merkle.leaf_hash(entry) for entry in entries])
    for index in {0, size // 2, size - 1}:
        assert log.entry(index) == entries[index]
        path = merkle.inclusion_path(index, size, log.node)
        merkle.check_inclusion(index, size, merkle.leaf_hash(entries[index]), path, merkle.root(size, log.node))


def test_tile_paths_are_those_of_the_specification():
    assert tiles.tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.tile_path("entries", 0, 5) == "tile/entries/000.p/5"
    # "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial …"
    files, _ = grown_log([b""] * 70_000, [70_000])
    assert {path for path in files if "p/" in path} == {
        "tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    }  # fmt: skip
    assert sum(path.startswith("tile/0/") for path in files) == 274


# --------------------------------------------------------------------------- notes


def all_signers() -> list[HeldKey]:
    return [
        HeldKey(ORIGIN, ED25519, bytes(range(32))),
        HeldKey("witness.example/w", COSIGNED_ED25519, bytes(range(1, 33))),
        HeldKey(ORIGIN, COSIGNED_MLDSA44, bytes(range(2, 34))),
    ]


def test_all_kinds_of_signature_hold_and_none_survives_a_change():
    text = Checkpoint(ORIGIN, 5, merkle.EMPTY).text()
    signers = all_signers()
    made = note.signed(text, signers, 1_700_000_000)
    keys = [note.parse_vkey(signer.key.vkey) for signer in signers]
    assert [one.timestamp for one in note.verified(note.parse(made), keys)] == [None, 1_700_000_000, 1_700_000_000]
    altered = made.replace(b"\n5\n", b"\n6\n", 1)
    for key in keys:
        assert note.verified(note.parse(made), [key])
        with pytest.raises(ProofError) as refused:
            note.verified(note.parse(altered), [key])
        assert refused.value.reason == "bad_signature"
    with pytest.raises(ProofError) as refused:
        note.verified(note.parse(made), [HeldKey(ORIGIN, ED25519, bytes(32)).key])
    assert refused.value.reason == "unknown_key"


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"text\n", b"text\n\n", b"text\n\nno signature\n", "text\n\n— k AAAA\n".encode(),
        "te\x07xt\n\n— k AAAAAAAAAA==\n".encode(), "text\n\n— k AAAAAAAAAB==\n".encode(), b"\xff\n\n",
        "text\n\n— k AAAAAAAAAA==".encode(),
    ],
)  # fmt: skip
def test_what_is_not_a_note_is_refused(wrong):
    with pytest.raises(ProofError) as refused:
        note.parse(wrong)
    assert refused.value.reason == "malformed"


@pytest.mark.parametrize(
    "wrong",
    ["a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "\n1\n\n", "a\n1\nx"],
)
def test_what_is_not_a_checkpoint_is_refused(wrong):
    with pytest.raises(ProofError):
        checkpoint.parse(wrong)


def test_a_policy_and_its_quorum():
    log, w1, w2 = (
        HeldKey(name, kind, bytes([n] * 32)).key for n, (name, kind) in enumerate([("l", 1), ("w1", 4), ("w2", 6)])
    )
    text = f"# trusted\nlog {log.vkey}\nwitness a {w1.vkey}\nwitness b {w2.vkey}\ngroup both all a b\nquorum both\n"
    read = policy.parse(text.encode())
    assert read.logs == (log,)
    assert read.is_witnessed([w1, w2]) and not read.is_witnessed([w1])
    assert policy.parse(text.replace("both all", "both any").encode()).is_witnessed([w2])
    assert policy.parse(f"log {log.vkey}\nquorum none\n".encode()).is_witnessed([])
    for wrong in (
        "", f"log {log.vkey}\n", f"quorum x\nlog {log.vkey}\n", f"log {w1.vkey[:-4]}\nquorum none\n",
        f"log {log.vkey}\nlog {log.vkey}\nquorum none\n", text.replace("both all", "both 3"), text + "quorum none\n",
        text.replace("all a b", "all a a"), "quorum none\r\n",
    ):  # fmt: skip
        with pytest.raises(ProofError):
            policy.parse(wrong.encode())


def test_a_tlog_proof_is_read_as_it_was_written_and_every_change_is_refused():
    entries = [f"block {n}".encode() for n in range(20)]
    files, size = grown_log(entries, [20])
    log = tiles.Tiles(files.get, size)
    signer = HeldKey(ORIGIN, ED25519, bytes(32))
    signed = note.signed(Checkpoint(ORIGIN, size, merkle.root(size, log.node)).text(), [signer], 0).decode()
    trusted = policy.Policy((signer.key,), {}, {}, "none")
    made = tlogproof.TlogProof(7, tuple(merkle.inclusion_path(7, size, log.node)), signed)
    for proof in (made, made._replace(extra=b"words")):
        assert tlogproof.parse(proof.text().encode()) == proof
        assert tlogproof.check(proof, entries[7], trusted)
    assert made.text().startswith("c2sp.org/tlog-proof@v1\nindex 7\n")
    with pytest.raises(ProofError):
        tlogproof.check(made, entries[8], trusted)
    text = made.text().encode()
    for at in range(len(text)):
        altered = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        with pytest.raises(ProofError):
            tlogproof.check(tlogproof.parse(altered), entries[7], trusted)


# --------------------------------------------------------------------------- other people's readers


def ask_reader(reader: str, **asked: object) -> Any:
    """Ask somebody else's reader, in a process of its own; skips where it is not installed."""
    import subprocess

    from tests.connect import peers

    command = [peers.python_of("proof"), str(peers.SOURCES / "proof_readers.py")]
    told = json.dumps({"reader": reader, **asked})
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_scitt_cose_accepts_our_proofs_and_we_its():
    entries = [f"block {n}".encode() for n in range(70)]
    files, size = grown_log(entries, [33, 37])
    log = tiles.Tiles(files.get, size)
    root, old = merkle.root(size, log.node), merkle.root(33, log.node)
    places = (0, 31, 69)
    answer = ask_reader(
        "scitt",
        entries=[entry.hex() for entry in entries],
        root=root.hex(),
        paths=[[at, [step.hex() for step in merkle.inclusion_path(at, size, log.node)]] for at in places],
        old=33,
        old_root=old.hex(),
        between=[step.hex() for step in merkle.consistency_path(33, size, log.node)],
    )
    assert answer["root"] == root.hex()
    assert answer["included"] == [True] * 3 and answer["consistent"] is True
    for at, path in zip(places, answer["paths"], strict=True):
        merkle.check_inclusion(at, size, merkle.leaf_hash(entries[at]), [bytes.fromhex(step) for step in path], root)
    merkle.check_consistency(33, 70, old, root, [bytes.fromhex(step) for step in answer["between"]])


def test_sigstore_reads_our_checkpoint_and_its_proof():
    entries = [f"block {n}".encode() for n in range(9)]
    files, size = grown_log(entries, [9])
    log = tiles.Tiles(files.get, size)
    root = merkle.root(size, log.node)
    signers = [HeldKey(ORIGIN, ED25519, bytes(32)), HeldKey(ORIGIN, COSIGNED_MLDSA44, bytes(32))]
    answer = ask_reader(
        "sigstore",
        note=note.signed(Checkpoint(ORIGIN, size, root).text(), signers, 0).decode(),
        public=signers[0].key.public.hex(),
        key_id=signers[0].key.id.hex(),
        index=5,
        leaf=merkle.leaf_hash(entries[5]).hex(),
        path=[step.hex() for step in merkle.inclusion_path(5, size, log.node)],
    )
    assert (answer["origin"], answer["size"], answer["root"]) == (ORIGIN, size, root.hex())
    assert answer["computed"] == root.hex() and answer["names"] == [ORIGIN, ORIGIN]
