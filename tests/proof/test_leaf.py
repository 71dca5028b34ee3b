"""A fact as a leaf: what it shows, what it hides, and that the reference library reads it."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.errors import MalformedFact, ProofError
from asbuilt.proof import block, leaf, merkle
from asbuilt.proof.encoding import b64url
from asbuilt.proof.leaf import Link
from asbuilt.testing.strategies import facts_of, unknown_facts
from tests.proof.test_log_format import ask_reader

ANY_FACT = st.sampled_from(sorted(events.TYPES.items())).flatmap(lambda found: facts_of(found[1]))
SEED = bytes(range(32))
LINK = Link("unit:P/1", 2, bytes(32))


@given(ANY_FACT | unknown_facts, st.binary(min_size=32, max_size=32))
def test_every_fact_of_every_type_is_sealed_and_opened_again(fact, seed):
    try:
        body = events.encode(fact)
    except MalformedFact:
        return
    links = [LINK, Link("unit:Q/2", 1, b"")]
    made = leaf.sealed(body, seed, links)
    members = leaf.opened(made.leaf.decode(), list(made.disclosures.values()))
    assert leaf.read_links(members) == links
    shown = {name: value for name, value in members.items() if not name.startswith("link_")}
    shown |= shown.pop(leaf.MORE, {})
    expected = json.loads(body, parse_float=str, parse_int=lambda text: int(text) if abs(int(text)) < 2**53 else text)
    if expected["type"] == "correction_made.v1" and "replacement" in expected:
        inside = expected.pop("replacement")
        expected |= {f"replacement.{name}": value for name, value in inside.items() if name != "id"}
    assert shown == expected


@given(ANY_FACT | unknown_facts)
def test_all_leaves_look_alike(fact):
    try:
        body = events.encode(fact)
    except MalformedFact:
        return
    made = leaf.sealed(body, SEED)
    assert len(made.leaf) == len(leaf.sealed(b"{}", SEED).leaf)
    assert len(leaf.digests_of(made.leaf.decode())) == leaf.DIGESTS


def test_nothing_of_a_leaf_follows_from_the_fact_without_its_seed():
    body = b'{"good":1}'
    one, other = leaf.sealed(body, SEED), leaf.sealed(body, bytes(32))
    assert not leaf.digests_of(one.leaf.decode()) & leaf.digests_of(other.leaf.decode())
    assert leaf.sealed(body, SEED) == one


def test_a_disclosure_altered_in_any_character_is_refused():
    made = leaf.sealed(b'{"value":"36.004"}', SEED)
    (text,) = made.disclosures.values()
    for at in range(len(text)):
        altered = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(ProofError):
            leaf.opened(made.leaf.decode(), [altered])
    with pytest.raises(ProofError):
        leaf.opened(made.leaf.decode(), [text, text])


@pytest.mark.parametrize(
    "wrong",
    [
        ["short", "name", 1], ["A" * 22, "_sd", 1], ["A" * 22, "..."], {"a": 1}, ["A" * 22, 1, 1], ["A" * 22, "n", "\u202e"],
    ],
)  # fmt: skip
def test_what_is_not_a_disclosure_is_refused(wrong):
    with pytest.raises(ProofError):
        leaf.read_disclosure(b64url(json.dumps(wrong).encode()))


def test_a_number_beyond_what_everybody_can_hold_is_kept_as_text():
    text = '["' + "A" * 22 + '","n",[9007199254740991,9007199254740992,0.1,1e3]]'
    assert leaf.read_disclosure(b64url(text.encode()))[1] == [9007199254740991, "9007199254740992", "0.1", "1e3"]


def test_a_leaf_is_written_in_one_way_only():
    text = leaf.sealed(b'{"value":"36.004"}', SEED).leaf.decode()
    assert msgspec.json.decode(text)["_sd_alg"] == "sha-256"
    digests = sorted(leaf.digests_of(text))
    for wrong in (
        text + " ", text.replace(",", ", ", 1), text.replace(digests[0], digests[1]), text.replace("event/1", "event/2"),
        text.replace(f'"{digests[0]}",', ""), text.replace(digests[0], "x").replace(digests[1], digests[0]).replace('"x"', f'"{digests[1]}"'),
    ):  # fmt: skip
        with pytest.raises(ProofError):
            leaf.digests_of(wrong)


def test_members_beyond_the_number_of_digests_are_disclosed_together():
    body = msgspec.json.encode({"type": "big.v1", "_sd": 1, "link_1": 2, **{f"m{n:02}": n for n in range(40)}})
    made = leaf.sealed(body, SEED, [LINK])
    members = leaf.opened(made.leaf.decode(), list(made.disclosures.values()))
    assert len(members) == leaf.DIGESTS
    assert members["type"] == "big.v1"
    assert members["_more"]["_sd"] == 1 and members["_more"]["link_1"] == 2
    assert leaf.read_links(members) == [LINK]


def test_the_reference_library_discloses_two_of_our_fields():
    body = b'{"characteristic":"bore_dia","type":"measured.v1","uom":"mm","value":"36.004"}'
    made = leaf.sealed(body, SEED, [LINK])
    shown = [made.disclosures["characteristic"], made.disclosures["value"]]
    read = ask_reader("sd_jwt", leaf=made.leaf.decode(), disclosures=shown)
    assert read == {"characteristic": "bore_dia", "value": "36.004", "v": "asbuilt.event/1"}


@pytest.mark.oracle
def test_disclosures_of_the_reference_library_are_read(oracles):
    folder = oracles / "proof" / "sd-jwt" / "simple"
    text = "".join((folder / "sd_jwt_presentation.txt").read_text().split())
    payload = json.loads((folder / "sd_jwt_payload.json").read_bytes())
    committed = {*payload["_sd"], *(entry["..."] for entry in payload["nationalities"])}
    expected = json.loads((folder / "verified_contents.json").read_bytes())
    found = 0
    for disclosure in text.split("~")[1:-1]:
        assert leaf.digest_of(disclosure) in committed
        if leaf.digest_of(disclosure) in payload["_sd"]:
            name, value = leaf.read_disclosure(disclosure)
            assert expected[name] == value
            found += 1
    assert found


# --------------------------------------------------------------------------- blocks


def test_facts_lie_at_random_places_of_a_block_and_empty_ones_can_be_opened():
    order = block.places(SEED, 64)
    assert sorted(order) == list(range(64)) and order != sorted(order)
    assert order == block.places(SEED, 64) != block.places(bytes(32), 64)
    assert block.places(SEED, 64, {3, 5}) == [slot for slot in order if slot not in (3, 5)]
    leaves = {order[0]: merkle.leaf_hash(b"a fact"), order[1]: merkle.leaf_hash(b"another")}
    for slots in (64, 1024):
        roots = block.group_roots(SEED, slots, leaves)
        assert len(roots) == slots // min(slots, 128)
        for slot in {*order[:2], 0, 63}:
            group = slot // block.group_size(slots)
            levels = block.group_tree(SEED, slots, group, leaves)
            empty = block.empty_leaves(SEED, slots, group)[slot % block.group_size(slots)]
            path = block.slot_path(slot, levels, roots)
            hashed = leaves.get(slot) or merkle.leaf_hash(empty)
            merkle.check_inclusion(slot, slots, hashed, path, merkle.root_of(roots))


def test_places_are_even():
    counts = [0] * 16
    for n in range(800):
        counts[block.places(random.Random(n).randbytes(32), 16)[0]] += 1
    assert min(counts) > 20 and max(counts) < 90  # 50 expected; six standard deviations are 41
