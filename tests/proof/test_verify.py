"""Passports and claims, and every way in which one can be wrong: each fails with its own reason."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator

import pytest

from asbuilt import events, verify
from asbuilt.proof import consistency, container, merkle, policy
from asbuilt.verify import Known, Report
from tests.proof.flaws import FLAWS, LANE, SERIAL, Given, Scene, again, passport, scene, split
from tests.proof.works import EVENING, PRODUCT, Works


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    works = Works(tmp_path_factory.mktemp("scene") / "data", start=EVENING)
    yield scene(works)
    works.end()


def check(file: bytes, given: Given) -> Report:
    return verify.verify(
        file,
        Known(
            now=given.now,
            policy=policy.parse(given.policy) if given.policy else None,
            old_checkpoint=given.old_checkpoint,
            consistency=consistency.parse(given.consistency) if given.consistency else None,
            status=given.status,
            recipient=given.recipient,
        ),
    )


# --------------------------------------------------------------------------- what holds


def test_a_passport_is_proved_with_a_policy(made):
    report = check(made.passport, made.given)
    assert (report.ok, report.exit_code, report.reason) == (True, 0, "")
    assert [step.outcome for step in report.steps][:6] == ["proved"] * 6
    assert (
        report.headline == f"Valid: 8 facts about {PRODUCT}/{SERIAL} stand in the log, none left out before the last."
    )
    assert report.told["recipient"] == "Inspectorate 7"
    main = [entry for entry in report.entries if entry.unit == f"unit:{PRODUCT}/{SERIAL}"]
    assert [entry.number for entry in main] == list(range(1, 9))
    corrected = next(entry for entry in main if entry.members.get("value") == "35.004")
    correction = main[corrected.corrected_by - 1]
    assert correction.members["replacement.value"] == "35.005"
    assert [entry.unit for entry in report.entries if entry not in main] == ["unit:CYL/CY-05512"] * 2


def test_without_a_policy_nothing_is_wrong_but_nobody_is_trusted(made):
    report = check(made.passport, made.given._replace(policy=None))
    assert (report.ok, report.exit_code) == (True, 2)
    assert any("whose key it is" in what for what in report.not_checked)
    key = made.works.sealer.manifest.of("checkpoint")[0]
    assert report.key == key.spelled


@pytest.mark.parametrize(
    ("name", "shown", "hidden"),
    [
        ("public", {"serial", "revision"}, {"value", "by", "id", "event_time", "order", "station", "consignee"}),
        ("customer", {"value", "consignee", "component_serial", "id"}, {"by", "order", "station", "source"}),
        ("authority", {"value", "station", "order", "source"}, {"by", "replacement.by"}),
        ("full", {"value", "station", "order", "by", "replacement.by"}, set()),
    ],
)
def test_a_profile_shows_its_fields_and_nothing_else(made, name, shown, hidden):
    issued = passport(made.works, name=name)
    report = check(issued.file, made.given)
    assert report.ok
    members = {field for entry in report.entries for field in entry.members}
    assert shown <= members and not hidden & members
    # What is not disclosed is not in the file in any form.
    for secret in ("A. Berg", "R. Kask") if "by" in hidden else ():
        texts = [leaf for part in split(issued.file)[1]["leaves"] for leaf in part["disclosures"]]
        assert not any(secret.encode() in container.content_of({"x": text}) for text in texts)
        assert secret not in json.dumps([entry.members for entry in report.entries])


def test_redacted_facts_show_as_redacted_at_their_places(made):
    report = check(passport(made.works, name="public").file, made.given)
    main = [entry for entry in report.entries if entry.unit == f"unit:{PRODUCT}/{SERIAL}"]
    assert [entry.number for entry in main if not entry.redacted] == [1, 6]
    assert "8 facts are redacted: they exist" in report.hidden[0]


def test_claims_are_proved_and_their_limits_said(made):
    exact = check(made.exactly, made.given)
    assert exact.ok and exact.headline.startswith("Valid: the plant committed to “exactly 3 BX172 were completed")
    least = check(made.at_least, made.given)
    assert least.ok and "at least 2" in least.headline
    for report in (exact, least):
        assert set(verify.CLAIM_SHOWS_NOT) <= set(report.shows_not)
    assert '"size"' not in json.dumps(split(made.at_least)[1])
    assert any("the number itself" in what for what in least.hidden)


def test_some_of_those_counted_are_opened_at_a_readers_wish(made):
    from tests.proof.flaws import claim

    report = check(made.opened, made.given)
    assert report.ok and any("2 of those counted" in what for what in report.proved)
    (step,) = [step for step in report.steps if "opened" in step.title]
    assert step.detail.startswith("2 of 3, all different: ")
    with pytest.raises(Exception, match="only numbers that an exact claim counts"):
        claim(made.works, opening=[3])
    with pytest.raises(Exception, match="only numbers that an exact claim counts"):
        claim(made.works, 2, opening=[0])


def test_an_old_checkpoint_with_a_proof_of_consistency(made):
    works = made.works
    said = split(made.passport)[1]["checkpoint"].split("\n")
    size = int(said[1])
    path = tuple(merkle.consistency_path(3, size, works.sealer.files.tree(size).node))
    proof = consistency.Consistency(said[0], 3, size, path).text().encode()
    assert made.kept.split(b"\n")[1] == b"3"
    report = check(made.passport, made.given._replace(old_checkpoint=made.kept, consistency=proof))
    assert report.ok and any("unchanged" in what for what in report.proved)
    without = check(made.passport, made.given._replace(old_checkpoint=made.kept))
    assert without.ok and any("proof of consistency" in what for what in without.not_checked)
    forged = consistency.Consistency(said[0], 3, size, (path[0], *path[:-1])).text().encode()
    assert (
        check(made.passport, made.given._replace(old_checkpoint=made.kept, consistency=forged)).reason == "forked_log"
    )


def test_a_policy_that_asks_for_a_witness(made):
    from asbuilt.proof.keys import HeldKey

    witness = HeldKey("witness.example/w", 4, bytes(32)).key
    asked = made.policy.replace(b"quorum none", f"witness w {witness.vkey}\nquorum w".encode())
    assert check(made.passport, made.given._replace(policy=asked)).reason == "not_witnessed"


def test_each_passport_is_a_fact_that_names_the_file(made):
    import hashlib

    assert made.fact.file_digest == hashlib.sha256(made.passport).hexdigest()
    assert (made.fact.recipient, made.fact.profile, made.fact.serial) == ("Inspectorate 7", "customer", SERIAL)
    assert check(made.passport, made.given).told["disclosure"] == made.fact.disclosure


def test_no_two_files_share_a_place_of_the_status_list(made, monkeypatch):
    from asbuilt.proof import statement
    from asbuilt.record import Entry
    from asbuilt.seal import issue

    monkeypatch.setattr(issue, "STATUS_PLACES", 4)
    taken = {made.fact.status_place}
    for _ in range(4 - sum(place < 4 for place in taken)):
        one = passport(made.works)
        assert one.fact.status_place not in taken
        taken.add(one.fact.status_place)
        made.works.record.append([Entry(one.fact, events.encode(one.fact))])
    with pytest.raises(Exception, match="no place left"):
        passport(made.works)
    assert statement.STATUS_PLACES == 1 << 14


def test_curves_come_along_and_an_altered_one_is_found(tmp_path):
    import hashlib

    from tests.proof.flaws import Told, issuer, policy_of, profile

    works = Works(tmp_path / "data")
    curve = b"speed,vibration\n2500,2.1\n"
    digest = hashlib.sha256(curve).hexdigest()
    works.folder.traces.mkdir()
    (works.folder.traces / digest).write_bytes(curve)
    works.about(
        events.RunRecorded,
        "1",
        station="works/t",
        program="R4",
        start_time=works.now,
        verdict="pass",
        curve_digest=digest,
    )
    works.close_blocks(60)
    made = issuer(works)
    file = made.passport(events.unit_key(PRODUCT, "1"), Told("R", "p"), profile("customer"), curves=True).file
    made.close()
    given = Given(works.now, policy_of(works))
    assert check(file, given).ok
    shown = Scene(works, given.policy, file, file, file, file, file, b"", None)

    def alter(held):
        held["curves"][0]["content"] = "AAAA"

    assert check(again(shown, file, alter), given).reason == "curve_altered"
    works.end()


# --------------------------------------------------------------------------- what does not


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaw(tmp_path, flaw):
    works = Works(tmp_path / "data", start=EVENING)
    made = scene(works)
    reason, make = FLAWS[flaw]
    file, given = make(made)
    report = check(file, given)
    assert (report.ok, report.reason, report.exit_code) == (False, reason, 1), report.message
    assert report.proved == [] and report.steps[-1].outcome == "failed"
    works.end()


def test_flaws_are_the_only_thing_wrong(made):
    """The tools of the dishonest leave a valid file valid when they change nothing."""
    assert check(again(made, made.passport, lambda held: None), made.given).ok
    assert check(again(made, made.exactly, lambda held: None), made.given).ok


def test_every_flipped_byte_of_a_small_passport_is_caught(tmp_path):
    works = Works(tmp_path / "data", slots=2)
    works.about(events.UnitStarted, "1")
    works.close_blocks(60)
    from tests.proof.flaws import policy_of

    file = passport(works, "1", "public").file
    # The status list and the second signature are long and covered like everything else by one digest.
    given = Given(works.now, policy_of(works))
    assert check(file, given).ok
    known = Known(now=given.now, policy=policy.parse(given.policy))
    for at in range(len(file)):
        for flip in (0x01, 0x20, 0x80, 0xFF):
            flipped = bytearray(file)
            flipped[at] ^= flip
            assert not verify.verify(bytes(flipped), known).ok, f"byte {at} of {len(file)}"
    works.end()


HOSTILE = {
    "deep nesting": lambda held: b"[" * 200_000,
    "deep nesting inside": lambda held: (
        container.content_of(held)[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    ),
    "huge number": lambda held: container.content_of(held).replace(b'"slot":', b'"slot":' + b"9" * 100_000, 1),
    "not a number": lambda held: container.content_of(held).replace(b'"others":[]', b'"others":[NaN]', 1),
    "duplicate key": lambda held: b'{"kind":"passport",' + container.content_of(held)[1:],
    "unknown member": lambda held: b'{"more":1,' + container.content_of(held)[1:],
    "direction of text turned": lambda held: container.content_of(held).replace(b"unit:BX172", b"unit:\\u202eBX172", 1),
    "half a character": lambda held: container.content_of(held).replace(b"unit:BX172", b"unit:\\ud800", 1),
    "not UTF-8": lambda held: container.content_of(held).replace(b"unit:BX172", b"unit:\xff", 1),
    "negative place": lambda held: container.content_of(held).replace(b'"slot":', b'"slot":-', 1),
    "nothing": lambda held: b"",
    "a list": lambda held: b"[]",
    "null": lambda held: b"null",
}


def hostile(made: Scene, name: str) -> bytes:
    """A file of hostile content with a statement that fits it."""
    from asbuilt.proof import statement

    said, held = split(made.passport)
    content = HOSTILE[name](held)
    signer = made.works.sealer.keyring.of(made.works.sealer.manifest, "statement")[0]
    told = said._replace(content=statement.content_digest(content)).payload()
    return container.written(said.format, statement.sign_token(signer, statement.STATEMENT_TYPE, told), content)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused_in_words(made, name):
    report = check(hostile(made, name), made.given)
    assert not report.ok and report.reason == "malformed" and report.message


def test_a_statement_with_characters_that_turn_text_is_refused(made):
    file = again(made, made.passport, lambda held: None, recipient="Inspectorate\u202e7")
    assert check(file, made.given).reason == "malformed"


def test_a_file_beyond_the_limit_is_not_read(made, monkeypatch):
    monkeypatch.setattr(container, "MAX_FILE_BYTES", 1000)
    assert check(made.passport, made.given).reason == "too_large"


MEMORY = """
import resource, sys, datetime as dt
from asbuilt import verify
from asbuilt.proof import container
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = verify.verify(sys.stdin.buffer.read(container.MAX_FILE_BYTES + 1), verify.Known(now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
print(report.reason, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("small parts", b"[" + b"{}," * 15_000_000 + b"{}]", "too_large"),
        ("numbers", b"[" + b"1," * 1_900_000 + b"1]", "malformed"),
        ("one long text", b'"' + b"a" * 60_000_000 + b'"', "malformed"),
        ("a gigabyte", b"", "too_large"),
    ],
)
def test_hostile_files_are_refused_within_bounded_memory(made, name, body, reason):
    import subprocess
    import sys

    from asbuilt.proof import statement

    said, _ = split(made.passport)
    signer = made.works.sealer.keyring.of(made.works.sealer.manifest, "statement")[0]
    told = said._replace(content=statement.content_digest(body)).payload()
    file = container.written(said.format, statement.sign_token(signer, statement.STATEMENT_TYPE, told), body)
    if name == "a gigabyte":
        file = b"x" * (container.MAX_FILE_BYTES + 1)
    done = subprocess.run([sys.executable, "-c", MEMORY], input=file, capture_output=True, check=True)
    found, grown_mb = done.stdout.split()
    assert found.decode() == reason
    assert int(grown_mb) < 600


def test_random_damage_never_raises(made):
    chance = random.Random(3)
    known = Known(now=made.works.now)
    for _ in range(300):
        damaged = bytearray(made.passport)
        for _ in range(chance.randrange(1, 6)):
            start = chance.randrange(len(damaged))
            match chance.randrange(3):
                case 0:
                    del damaged[start : start + chance.randrange(50)]
                case 1:
                    damaged[start:start] = chance.randbytes(chance.randrange(20))
                case _:
                    damaged[start] = chance.randrange(256)
        if bytes(damaged) != made.passport:
            assert not verify.verify(bytes(damaged), known).ok


# --------------------------------------------------------------------------- lanes


def test_a_lane_is_closed_once_and_counts_what_the_record_held(tmp_path):
    works = Works(tmp_path / "data", start=EVENING)
    works.tell(events.LaneRegistered, lane=LANE)
    works.tell(events.LaneRegistered, lane=LANE)
    works.tell(events.LaneRegistered, lane="completed/BX172/2026-11-22")
    works.tell(events.LaneRegistered, lane="no lane")
    wrong = works.engine("1")[-1]
    works.engine("2")
    twice = works.engine("2")[-1]
    works.tell(events.CorrectionMade, corrects=wrong.id, reason="did_not_occur")
    works.engine("3")
    works.about(events.UnitCompleted, "4", event_time=works.now - dt.timedelta(days=1))
    works.close_blocks(20 * 60)
    assert [lane.name for lane in works.sealer.store.lanes()] == [LANE]
    lane = works.sealer.store.lane(LANE)
    counted = [events.recall(works.record.read(position - 1, 1)[0].body) for position in lane.counted]
    assert {fact.serial for fact in counted} == {"2", "3"}
    assert twice.id not in {fact.id for fact in counted}
    works.about(events.UnitCompleted, "5", event_time=works.now - dt.timedelta(days=1))
    works.close_blocks(60)
    assert works.sealer.store.lane(LANE) == lane
    from asbuilt.seal import audit

    assert [found.what for found in audit.audit(works.folder, works.record) if found.bad] == []
    works.end()


# --------------------------------------------------------------------------- nothing follows


def test_passports_and_claims_of_plants_of_any_size_look_alike(tmp_path):
    """Two plants with the same engine; one makes forty others. What each hands out has the same size and shape."""
    files = []
    for name, others in (("small", 0), ("large", 40)):
        works = Works(tmp_path / name, seed=others + 1, start=EVENING, slots=512)
        works.tell(events.LaneRegistered, lane=LANE)
        works.close_blocks(60)
        for n in range(others // 2):
            works.engine(f"{n:05}", pace_s=0)
        works.engine(SERIAL, cylinder="CY-05512", pace_s=0)
        for n in range(others // 2, others):
            works.engine(f"{n:05}", pace_s=0)
        for _ in range(25):
            works.close_blocks(60)
        works.now = EVENING + dt.timedelta(hours=1)
        works.close_blocks(0)
        lane = works.sealer.store.lane(LANE)
        assert len(lane.counted) == others + 1
        from tests.proof.flaws import claim

        public = {
            str(path.relative_to(works.folder.proof)): path.stat().st_size
            for path in works.folder.proof.rglob("*") if path.is_file()
        }  # fmt: skip
        handed = [passport(works, SERIAL, name).file for name in ("public", "customer", "full")] + [claim(works, 1)]
        files.append((public, handed))
        works.end()
    (small_public, small), (large_public, large) = files
    assert small_public == large_public
    for one, other in zip(small, large, strict=True):
        assert len(one) == pytest.approx(len(other), abs=120)  # numbers of places have one to three digits
        (said, held), (said_too, held_too) = split(one), split(other)
        assert (said.issued, said.profile) == (said_too.issued, said_too.profile)
        assert _shape(held) == _shape(held_too)
        assert [part["record"].split("\n")[:4] for part in held["blocks"]] == [
            part["record"].split("\n")[:4] for part in held_too["blocks"]
        ]


def _shape(held):
    """What remains of a file without the values: names, lengths of lists, and which texts are how long."""
    if isinstance(held, dict):
        return {name: _shape(value) for name, value in held.items() if name not in ("slot", "count")}
    if isinstance(held, list):
        return [_shape(value) for value in held]
    return len(held) if isinstance(held, str) else type(held).__name__
