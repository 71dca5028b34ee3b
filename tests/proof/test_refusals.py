"""What is malformed, of somebody else or damaged is refused with its reason, wherever a proof is read."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asbuilt.errors import ProofError
from asbuilt.proof import (
    block,
    consistency,
    container,
    keys,
    lane,
    merkle,
    note,
    statement,
    tiles,
    tlogproof,
    witness,
)
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.consistency import Consistency
from asbuilt.proof.encoding import b64, b64url, unb64url
from asbuilt.proof.keys import HeldKey
from asbuilt.proof.note import COSIGNED_ED25519, COSIGNED_MLDSA44, ED25519
from asbuilt.proof.policy import Policy
from tests.proof.flaws import Scene, again, scene, split
from tests.proof.test_log_format import grown_log
from tests.proof.test_verify import check
from tests.proof.works import EVENING, ORIGIN, Works

ROOT = bytes(range(32))
FOUNDING = block.Founding(ORIGIN, dt.datetime(2026, 11, 23, tzinfo=dt.UTC), 60, 64, 0, ROOT)


def reason(read: Callable[..., object], *given: Any) -> str:
    with pytest.raises(ProofError) as refused:
        read(*given)
    return refused.value.reason


def line(text: str, number: int, said: str) -> str:
    """A text with another line in the place of one."""
    lines = text.split("\n")
    lines[number] = said
    return "\n".join(lines)


# --------------------------------------------------------------------------- entries of the log

WRONG_FOUNDINGS = {
    "another kind": line(FOUNDING.text(), 0, "asbuilt.block/1"), "no name": line(FOUNDING.text(), 1, ""), "a line more": FOUNDING.text() + "\n",
    "no end of line": FOUNDING.text()[:-1], "a local time": line(FOUNDING.text(), 2, "2026-11-23T00:00:00+01:00"),
    "a day that is none": line(FOUNDING.text(), 2, "2026-02-30T00:00:00Z"), "no pace": line(FOUNDING.text(), 3, "0"),
    "a pace of two days": line(FOUNDING.text(), 3, "172800"), "places that are no power of two": line(FOUNDING.text(), 4, "63"),
    "one place": line(FOUNDING.text(), 4, "1"), "too many places": line(FOUNDING.text(), 4, str(1 << 20)),
    "too much before it": line(FOUNDING.text(), 5, "1000001"), "a short digest": line(FOUNDING.text(), 6, b64(ROOT[1:])),
}  # fmt: skip


def test_a_founding_is_read_as_it_was_written():
    assert block.parse_founding(FOUNDING.text()) == FOUNDING


@pytest.mark.parametrize("text", WRONG_FOUNDINGS.values(), ids=WRONG_FOUNDINGS)
def test_what_is_no_founding_is_refused(text):
    assert reason(block.parse_founding, text) == "malformed"


def test_times_and_numbers_of_blocks():
    assert FOUNDING.due(FOUNDING.start - dt.timedelta(days=1)) == 0
    late = FOUNDING._replace(backlog=3)
    assert late.closes(3) == late.start
    assert late.closes(4) == late.start + dt.timedelta(seconds=60)
    assert late.due(late.start + dt.timedelta(seconds=61)) == 4
    assert late.block_of(late.start + dt.timedelta(seconds=1)) == 4
    assert late.block_of(late.start - dt.timedelta(days=1)) == 3
    assert reason(late.closes, 10**12) == "malformed"
    assert reason(late.closes, 10**30) == "malformed"


# --------------------------------------------------------------------------- proofs that stand alone

CONSISTENCY = Consistency(ORIGIN, 4, 7, (ROOT, ROOT)).text().encode()
WRONG_CONSISTENCIES = {
    "not text": b"\xff" + CONSISTENCY, "another head": CONSISTENCY.replace(b"consistency", b"inclusion"), "too short": b"asbuilt.consistency/1\nx\n",
    "no end of line": CONSISTENCY[:-1], "a step too short": CONSISTENCY.replace(b64(ROOT).encode(), b64(ROOT[:31]).encode(), 1),
    "too many steps": CONSISTENCY + (b64(ROOT) + "\n").encode() * 80, "no number": CONSISTENCY.replace(b"\n4\n", b"\nfour\n"),
    "a number with a zero before": CONSISTENCY.replace(b"\n4\n", b"\n04\n"),
}  # fmt: skip


@pytest.mark.parametrize("data", WRONG_CONSISTENCIES.values(), ids=WRONG_CONSISTENCIES)
def test_what_is_no_proof_of_consistency_is_refused(data):
    assert consistency.parse(CONSISTENCY) == Consistency(ORIGIN, 4, 7, (ROOT, ROOT))
    assert reason(consistency.parse, data) == "malformed"


def test_checkpoints_of_two_logs_are_not_compared():
    mine, other = Checkpoint(ORIGIN, 4, ROOT), Checkpoint("other.example/log", 4, ROOT)
    assert reason(consistency.compare, mine, other, None) == "wrong_origin"
    assert consistency.compare(mine, mine, None)
    assert reason(consistency.compare, mine, mine._replace(root=bytes(32)), None) == "forked_log"


@pytest.mark.parametrize("name", ["completed/BX172", "built/BX172/2026", "completed//2026", "completed/BX%2f172/2026", "completed/B X/2026", "completed/" + "B" * 700 + "/2026",
    "completed/BX172/2026-Q5", "completed/BX172/2026-13", "completed/BX172/2026-02-30", "completed/BX172/1969", "completed/BX172/9001", "completed/BX172/26"])  # fmt: skip
def test_what_is_no_name_of_a_lane_is_refused(name):
    assert reason(lane.parse, name) == "malformed"


@pytest.mark.parametrize(("text", "start", "end"), [("2026", "2026-01-01", "2027-01-01"), ("2026-Q4", "2026-10-01", "2027-01-01"),
    ("2026-11", "2026-11-01", "2026-12-01"), ("2026-12", "2026-12-01", "2027-01-01"), ("2026-12-31", "2026-12-31", "2027-01-01")])  # fmt: skip
def test_periods_of_lanes(text, start, end):
    assert [one.date().isoformat() for one in lane.period(text)] == [start, end]


# --------------------------------------------------------------------------- keys, notes, witnesses


def key(name: str, kind: int, seed: int) -> HeldKey:
    return HeldKey(name, kind, bytes([seed]) * 32)


LOG, OTHER, WITNESS = (
    key(ORIGIN, ED25519, 1),
    key("other.example/log", ED25519, 2),
    key("witness.example/w", COSIGNED_ED25519, 3),
)
TRUSTED = Policy((LOG.key,), {"w": WITNESS.key}, {}, "none")


def test_keys_that_are_none_are_refused():
    vkey = LOG.key.vkey
    assert note.parse_vkey(vkey) == LOG.key
    name, id_, material = vkey.split("+", 2)
    assert reason(note.parse_vkey, "no key") == "malformed"
    assert reason(note.parse_vkey, f"{name}+{id_}+{b64(bytes([9]) + bytes(32))}") == "unknown_key"
    assert reason(note.parse_vkey, f"{name}+{id_}+{b64(bytes([1]) + bytes(31))}") == "unknown_key"
    assert reason(note.parse_vkey, f"{name}+00000000+{material}") == "malformed"


def test_notes_of_impossible_size_or_signature_are_refused():
    signed = note.signed("text\n", [LOG], 0).decode()
    assert reason(note.parse, signed.encode() + b"x" * 2_000_000) == "malformed"
    assert reason(note.parse, b"\xff" + signed.encode()) == "malformed"
    assert reason(note.parse, signed.replace("text", "te\tt").encode()) == "malformed"
    last = signed.splitlines()[-1]
    assert reason(note.parse, (signed + (last + "\n") * 200).encode()) == "malformed"
    assert reason(note.parse, signed.replace(last.split(" ")[2], b64(bytes(4))).encode()) == "malformed"
    assert reason(note.signed, "text\n", [key("a name", ED25519, 1)], 0) == "malformed"
    assert (
        reason(note.signed, Checkpoint("o" * 256, 1, ROOT).text(), [key("w.example", COSIGNED_MLDSA44, 4)], 0)
        == "malformed"
    )


def grown(size: int) -> tuple[tiles.Tiles, Checkpoint]:
    files, _ = grown_log([f"entry {n}".encode() for n in range(size)], [size])
    log = tiles.Tiles(files.get, size)
    return log, Checkpoint(ORIGIN, size, merkle.root(size, log.node))


def test_a_witness_signs_what_is_signed_by_the_log_and_continues_what_it_signed():
    log, said = grown(7)
    signed = note.signed(said.text(), [LOG], 0)
    first = witness.cosigned(signed, TRUSTED, None, None, WITNESS, 1_700_000_000)
    assert [one.key for one in note.verified(note.parse(first), [LOG.key, WITNESS.key])] == [LOG.key, WITNESS.key]
    last = Checkpoint(ORIGIN, 4, merkle.root(4, log.node))
    proof = Consistency(ORIGIN, 4, 7, tuple(merkle.consistency_path(4, 7, log.node)))
    assert witness.cosigned(signed, TRUSTED, last, proof, WITNESS, 0)
    assert reason(witness.cosigned, signed, TRUSTED, last, None, WITNESS, 0) == "not_consistent"
    assert reason(witness.cosigned, signed, TRUSTED, last._replace(root=bytes(32)), proof, WITNESS, 0) == "forked_log"
    strange = note.signed(said.text(), [OTHER], 0)
    assert reason(witness.cosigned, strange, TRUSTED, None, None, WITNESS, 0) in ("unknown_key", "wrong_origin")
    # Trusted, but another log's: it cannot speak for this one.
    both = TRUSTED._replace(logs=(LOG.key, OTHER.key))
    assert reason(witness.cosigned, strange, both, None, None, WITNESS, 0) == "wrong_origin"
    empty = note.signed(Checkpoint(ORIGIN, 0, merkle.EMPTY).text(), [LOG], 0)
    assert reason(witness.cosigned, empty, TRUSTED, None, None, WITNESS, 0) == "malformed"


def test_signatures_of_two_copies_come_together_and_of_two_checkpoints_never():
    _, said = grown(7)
    plain = note.signed(said.text(), [LOG], 0)
    cosigned = witness.cosigned(plain, TRUSTED, None, None, WITNESS, 5)
    assert witness.merged(plain, cosigned) == cosigned
    assert witness.merged(cosigned, cosigned) == cosigned
    other = note.signed(Checkpoint(ORIGIN, 8, ROOT).text(), [LOG], 0)
    assert reason(witness.merged, plain, other) == "wrong_origin"


def test_a_tlog_proof_needs_text_an_index_and_signatures_of_the_policy():
    log, said = grown(7)
    path = tuple(merkle.inclusion_path(3, 7, log.node))
    made = tlogproof.TlogProof(3, path, note.signed(said.text(), [LOG], 0).decode())
    data = made.text().encode()
    assert tlogproof.check(tlogproof.parse(data), b"entry 3", TRUSTED)
    assert reason(tlogproof.parse, b"\xff" + data) == "malformed"
    assert reason(tlogproof.parse, data.replace(b"tlog-proof@v1", b"tlog-proof@v2")) == "malformed"
    assert reason(tlogproof.parse, data.replace(b"index 3", b"place 3")) == "malformed"
    assert reason(tlogproof.parse, data.split(b"\n\n")[0]) == "malformed"
    foreign = made._replace(checkpoint=note.signed(said.text(), [OTHER], 0).decode())
    assert reason(tlogproof.check, foreign, b"entry 3", TRUSTED._replace(logs=(LOG.key, OTHER.key))) == "wrong_origin"
    assert reason(tlogproof.check, made, b"entry 3", TRUSTED._replace(quorum="w")) == "not_witnessed"
    assert reason(tlogproof.check, made._replace(number=4), b"entry 3", TRUSTED) == "not_included"


def grow(files: dict[str, bytes]) -> object:
    return list(tiles.added(files.get, 300, [b"one more"]))


def test_a_log_whose_files_are_missing_or_cut_is_damaged():
    entries = [f"entry {n}".encode() for n in range(300)]
    files, size = grown_log(entries, [300])
    whole = tiles.Tiles(files.get, size)
    assert whole.entry(299) == entries[299]
    for index in (-1, 300):
        assert reason(whole.entry, index) == "not_included"
    assert reason(whole.node, 0, 600) == "not_included"
    for kind in ("entries", 0):
        path = tiles.tile_path(kind, 1, 44)
        assert path in files
        without = {name: data for name, data in files.items() if name != path}
        log = tiles.Tiles(without.get, size)
        assert reason(log.entry if kind == "entries" else lambda at, log=log: log.node(0, at), 290) == "damaged_log"
        assert reason(grow, without) == "damaged_log"
    path = tiles.tile_path(0, 1, 44)
    cut = tiles.Tiles((files | {path: files[path][:-1]}).get, size)
    assert reason(cut.node, 0, 290) == "damaged_log"


def test_manifests_name_a_root_and_keys_of_their_log():
    root = key(f"{ORIGIN}/root", ED25519, 9)
    uses = ((keys.CHECKPOINT, LOG.key), (keys.STATEMENT, key(f"{ORIGIN}/statements", ED25519, 8).key))
    made = keys.Manifest(ORIGIN, 1, root.key, uses)
    signed = keys.sign_manifest(made, root)
    assert keys.parse_manifest(signed) == made
    text = note.parse(signed).text

    def again_signed(text: str, by: HeldKey = root) -> bytes:
        return note.signed(text, [by], 0)

    assert reason(keys.parse_manifest, again_signed(line(text, 0, "asbuilt.keys/9"))) == "malformed"
    assert reason(keys.parse_manifest, again_signed(text.replace(f"{keys.ROOT} ", "router ", 1))) == "malformed"
    assert reason(keys.parse_manifest, again_signed(text.replace(LOG.key.vkey, OTHER.key.vkey))) == "wrong_origin"
    assert reason(keys.parse_manifest, again_signed(text, LOG)) == "unknown_key"


# --------------------------------------------------------------------------- statements and status lists


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "e30.e30.",
        f"{b64url(b'[]')}.{b64url(b'{}')}.x",
        f"{b64url(b'{}')}.{b64url(b'1')}.x",
        "x" * 3_000_000,
    ],
)
def test_what_is_no_token_is_refused(token):
    assert reason(statement.read_token, token, statement.STATEMENT_TYPE) == "malformed"


# --------------------------------------------------------------------------- whole files, signed anew by the plant's own key


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    works = Works(tmp_path_factory.mktemp("refusals") / "data", start=EVENING)
    yield scene(works)
    works.end()


def first_block(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def done(held: dict[str, Any]) -> None:
        held["blocks"][0]["record"] = change(held["blocks"][0]["record"])

    return done


def founding(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    def done(held: dict[str, Any]) -> None:
        held["log"]["founding"] = change(held["log"]["founding"])

    return done


def no_member_of_a_path(held: dict[str, Any]) -> None:
    held["blocks"][0]["path"].pop()


def beyond_the_leaves(held: dict[str, Any]) -> None:
    held["units"][0]["leaves"].append(len(held["leaves"]))


def without_the_last(held: dict[str, Any]) -> None:
    held["units"][0]["leaves"].pop()


def beside_and_beyond(held: dict[str, Any]) -> None:
    held["others"].append(len(held["leaves"]))


def beside_and_numbered(held: dict[str, Any]) -> None:
    held["others"].append(held["units"][0]["leaves"][0])


def without_the_last_block(held: dict[str, Any]) -> None:
    held["blocks"].pop()


PASSPORTS = {
    "a founding of another log": ("wrong_origin", founding(lambda text: text.replace(ORIGIN, "other.example/log"))),
    "another pace": ("block_not_in_log", founding(lambda text: line(text, 3, "61"))),
    "a block of another log": ("wrong_origin", first_block(lambda text: text.replace(ORIGIN, "other.example/log"))),
    "a block of other places": ("malformed", first_block(lambda text: line(text, 3, "32"))),
    "a block under unknown keys": ("unknown_key", first_block(lambda text: line(text, 5, b64(ROOT)))),
    "a block of another root": ("block_not_in_log", first_block(lambda text: line(text, 4, b64(ROOT)))),
    "a path too short": ("block_not_in_log", no_member_of_a_path),
    "without the log's last block": ("malformed", without_the_last_block),
    "a leaf that is not there": ("malformed", beyond_the_leaves),
    "a leaf that belongs to nothing": ("malformed", without_the_last),
    "a leaf beside, not there": ("malformed", beside_and_beyond),
    "a leaf beside and numbered": ("malformed", beside_and_numbered),
}  # fmt: skip


@pytest.mark.parametrize("flaw", PASSPORTS)
def test_a_passport_with_one_flaw_is_refused_with_its_reason(made, flaw):
    expected, change = PASSPORTS[flaw]
    report = check(again(made, made.passport, change), made.given)
    assert (report.ok, report.reason) == (False, expected), report.message


def swapped(held: dict[str, Any]) -> None:
    held["closed"], held["registered"] = held["registered"], held["closed"]


def one_for_two(held: dict[str, Any]) -> None:
    held["registered"] = held["closed"]


def another_reveal(held: dict[str, Any]) -> None:
    held["reveal"] = b64url(ROOT)


def beyond_all_counts(held: dict[str, Any]) -> None:
    held["count"] = lane.MAX_COUNT + 1


@pytest.mark.parametrize(("file", "change", "expected"), [
    ("exactly", swapped, "lane_elsewhere"), ("exactly", one_for_two, "malformed"), ("at_least", another_reveal, "count_not_committed"),
    ("at_least", beyond_all_counts, "count_not_committed"),
])  # fmt: skip
def test_a_claim_with_one_flaw_is_refused_with_its_reason(made, file, change, expected):
    report = check(again(made, getattr(made, file), change), made.given)
    assert (report.ok, report.reason) == (False, expected), report.message


def nothing(held: dict[str, Any]) -> None:
    """The content as it is; the statement is another."""


@pytest.mark.parametrize(
    ("told", "expected"), [({"issuer": "other.example/log"}, "wrong_origin"), ({"issued": 10**15}, "malformed")]
)
def test_a_statement_that_cannot_be_the_plants_is_refused(made, told, expected):
    report = check(again(made, made.passport, nothing, **told), made.given)
    assert (report.ok, report.reason) == (False, expected), report.message


def test_a_status_list_that_is_none_is_refused(made):
    report = check(made.passport, made.given._replace(status="not.a.list"))
    assert not report.ok and report.reason == "malformed", report.message


def test_a_policy_of_more_witnesses_than_have_signed_is_not_met(made):
    asked = made.policy.decode().replace("quorum none", f"witness w {WITNESS.key.vkey}\nquorum w").encode()
    report = check(made.passport, made.given._replace(policy=asked))
    assert (report.ok, report.reason) == (False, "not_witnessed"), report.message


def without_field(leaf: str, field: str) -> Callable[[dict[str, Any]], None]:
    """What a file does not disclose of a leaf that it rests on."""

    def done(held: dict[str, Any]) -> None:
        part = held["leaves"][held[leaf] if leaf in held else held["checks"][0]["leaf"]]
        kept = [one for one in part["disclosures"] if f'"{field}",'.encode() not in unb64url(one)]
        assert len(kept) == len(part["disclosures"]) - 1
        part["disclosures"] = kept

    return done


@pytest.mark.parametrize(
    ("file", "leaf", "field", "expected"),
    [
        ("exactly", "closed", "lane", "lane_not_closed"),
        ("exactly", "closed", "size", "count_not_committed"),
        ("at_least", "closed", "floor", "count_not_committed"),
        ("exactly", "registered", "lane", "lane_not_registered"),
        ("opened", "check", "event_time", "check_not_counted"),
        ("opened", "check", "serial", "check_not_counted"),
    ],
)
def test_a_claim_that_hides_what_it_rests_on_is_refused(made, file, leaf, field, expected):
    report = check(again(made, getattr(made, file), without_field(leaf, field)), made.given)
    assert (report.ok, report.reason) == (False, expected), report.message


@pytest.mark.parametrize("digest", [hashlib.sha256(b"a curve").hexdigest(), "0" * 64])
def test_a_curve_that_no_fact_names_or_of_another_digest_is_refused(made, digest):
    def with_curve(held: dict[str, Any]) -> None:
        held["curves"] = [{"digest": digest, "content": b64(b"a curve")}]

    report = check(again(made, made.passport, with_curve), made.given)
    assert (report.ok, report.reason) == (False, "curve_altered"), report.message


def test_an_end_beyond_the_calendar_is_refused(made):
    report = check(again(made, made.passport, nothing, expires=10**15), made.given)
    assert (report.ok, report.reason) == (False, "malformed"), report.message


def test_a_content_nested_beyond_all_measure_is_refused(made):
    said, _ = split(made.passport)
    content = b'{"kind":"passport","units":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    signer = made.works.sealer.keyring.of(made.works.sealer.manifest, "statement")[0]
    told = said._replace(content=statement.content_digest(content)).payload()
    file = container.written(said.format, statement.sign_token(signer, statement.STATEMENT_TYPE, told), content)
    report = check(file, made.given)
    assert (report.ok, report.reason) == (False, "malformed"), report.message


def test_a_status_list_that_names_another_plant_is_refused(made):
    """Signed by a key of this one all the same."""
    _, held = split(made.passport)
    payload, _ = statement.read_token(held["status"], statement.STATUS_TYPE)
    signer = made.works.sealer.keyring.of(made.works.sealer.manifest, "statement")[0]
    other = payload | {"iss": "other.example/log", "sub": "other.example/log/status"}
    token = statement.sign_token(signer, statement.STATUS_TYPE, other)
    report = check(made.passport, made.given._replace(status=token))
    assert (report.ok, report.reason) == (False, "wrong_origin"), report.message


def test_what_a_witness_signed_is_told(made):
    _, held = split(made.passport)
    found = note.parse(held["checkpoint"].encode())
    (signature,) = note.parse(note.signed(found.text, [WITNESS], 1_700_000_000)).signatures

    def witnessed(held: dict[str, Any]) -> None:
        held["checkpoint"] = note.with_signatures(found, [signature]).decode()

    asked = made.policy.decode().replace("quorum none", f"witness w {WITNESS.key.vkey}\nquorum w").encode()
    report = check(again(made, made.passport, witnessed), made.given._replace(policy=asked))
    assert report.ok, report.message
    assert f"the log was seen and found consistent by {WITNESS.key.name}" in report.proved
