"""The sealer: blocks by the clock, the same ones after any crash, and never two histories."""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from asbuilt import events
from asbuilt.errors import RecordError
from asbuilt.proof import block, checkpoint, consistency, merkle, note, statement
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.seal import audit, sealer
from asbuilt.seal.leaves import Leaves
from asbuilt.seal.logfiles import LogFiles
from tests.proof.works import ORIGIN, PRODUCT, SLOTS, START, Works
from tests.web.serving import wait_until


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    made = Works(tmp_path / "data")
    yield made
    made.end()


def problems(works: Works) -> list[str]:
    return [finding.what for finding in audit.audit(works.folder, works.record) if finding.bad]


def out(works: Works) -> Checkpoint:
    found = works.sealer.files.checkpoint()
    assert found is not None
    return found[1]


# --------------------------------------------------------------------------- by the clock


def test_a_block_closes_every_minute_also_when_nothing_happens(works):
    assert works.sealer.catch_up() == 0
    assert out(works).size == 1
    works.engine("1")
    assert works.close_blocks(60) == 1
    assert works.close_blocks(59) == 1
    assert works.close_blocks(180) == 3
    assert out(works).size == 1 + 5
    assert problems(works) == []
    assert [len(found.slots) for found in works.sealer.store.blocks(0, 10)] == [5, 0, 0, 0, 0]


def test_downtime_is_caught_up(works):
    works.engine("1")
    works.sealer.stop()
    works.later(3600)
    works.open()
    assert works.close_blocks(0) == 60
    assert works.sealer.waiting == 0
    assert problems(works) == []


def test_a_clock_that_is_months_ahead_is_doubted(works, monkeypatch):
    works.close_blocks(60)
    monkeypatch.setattr(sealer, "MAX_DUE", 100)
    works.later(101 * 60)
    with pytest.raises(RecordError, match="101 blocks are due"):
        works.sealer.catch_up()
    assert out(works).size == 2
    works.sealer.trusts_clock = True
    assert works.close_blocks(0) == 101


def test_the_thread_seals_as_time_passes_and_tells_what_keeps_it(works, monkeypatch):
    monkeypatch.setattr(sealer, "LOOK_EVERY_S", 0.01)
    works.sealer.start()
    works.engine("1")
    works.later(120)
    wait_until(lambda: works.sealer.closed == 2 and works.sealer.waiting == 0)
    assert works.sealer.problem is None
    monkeypatch.setattr(sealer, "MAX_DUE", 1)
    works.later(600)
    assert "blocks are due" in wait_until(lambda: works.sealer.problem).message
    monkeypatch.setattr(sealer, "MAX_DUE", 100)
    wait_until(lambda: works.sealer.closed == 12 and works.sealer.problem is None)


def test_a_fact_goes_into_the_block_of_its_arrival_with_its_own_time_inside(works):
    works.close_blocks(300)
    late = works.about(events.UnitStarted, "1", event_time=START)
    works.close_blocks(60)
    placed = Leaves(works.sealer.store, works.record, works.sealer.founding).of(1)
    assert placed.block.number == out(works).size - 1
    assert placed.sealed.disclosures["event_time"]
    assert late.event_time == START


def test_what_does_not_fit_spills_into_the_next_block(works):
    for n in range(SLOTS + 10):
        works.about(events.UnitStarted, str(n))
    works.close_blocks(60)
    assert works.sealer.waiting == 10
    works.close_blocks(60)
    assert works.sealer.waiting == 0
    assert [len(found.slots) for found in works.sealer.store.blocks(0, 9)] == [SLOTS, 10]
    assert problems(works) == []


def test_a_log_may_begin_with_blocks_for_what_was_recorded_before(tmp_path):
    works = Works(tmp_path / "data", backlog=4)
    for n in range(100):
        works.about(events.UnitStarted, str(n), event_time=START - dt.timedelta(days=1))
    works.now = START + dt.timedelta(seconds=1)
    works.sealer.catch_up()
    assert (works.sealer.closed, works.sealer.waiting) == (4, 0)
    assert [len(found.slots) for found in works.sealer.store.blocks(0, 9)] == [SLOTS, 100 - SLOTS, 0, 0]
    works.end()


def test_facts_are_numbered_per_unit_and_name_the_one_before(works):
    works.engine("1", cylinder="C7")
    works.engine("2")
    works.close_blocks(90)
    leaves = Leaves(works.sealer.store, works.record, works.sealer.founding)
    for unit, count in ((f"unit:{PRODUCT}/1", 6), (f"unit:{PRODUCT}/2", 5), ("unit:CYL/C7", 2)):
        before = b""
        positions = works.sealer.store.positions(unit, 100)
        assert len(positions) == count
        for number, position in enumerate(positions, 1):
            placed = leaves.of(position)
            (link,) = [link for link in placed.links if link.unit == unit]
            assert (link.number, link.before) == (number, before)
            before = placed.hash
            record = placed.block
            merkle.check_inclusion(placed.slot, SLOTS, placed.hash, leaves.path(placed), record.root)


def test_a_correction_is_numbered_among_the_facts_about_what_it_corrects(works):
    wrong = works.engine("1")[1]
    works.tell(events.CorrectionMade, corrects=wrong.id, reason="did_not_occur")
    works.close_blocks(60)
    assert works.sealer.store.positions(f"unit:{PRODUCT}/1", 100) == [1, 2, 3, 4, 5, 6]


# --------------------------------------------------------------------------- crashes


STEPS = ["add", "grow", "set", "sign", "write checkpoint", "forget"]


class Crash(Exception):
    """The process is gone."""


def crash_at(works: Works, step: str, patch: pytest.MonkeyPatch, *, after: bool) -> None:
    def dying(real):
        def die(*given, **named):
            if after:
                real(*given, **named)
            raise Crash

        return die

    match step:
        case "add":
            patch.setattr(works.sealer.store, "add", dying(works.sealer.store.add))
        case "set":
            patch.setattr(works.sealer.store, "set", dying(works.sealer.store.set))
        case "grow":
            patch.setattr(works.sealer.files, "grow", dying(works.sealer.files.grow))
        case "sign":
            patch.setattr(note, "signed", dying(note.signed))
        case "forget":
            patch.setattr(works.sealer.files, "forget_partial", dying(works.sealer.files.forget_partial))
        case "write checkpoint":
            real = works.sealer.files.write

            def write(files):
                files = list(files)
                if any(path == "checkpoint" for path, _ in files):
                    dying(real)(files)
                real(files)

            patch.setattr(works.sealer.files, "write", write)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_it_makes_the_same_blocks_and_never_two_roots(works, step, after, monkeypatch):
    works.engine("1")
    works.close_blocks(60)
    signed = {out(works).size: out(works).root}
    for _ in range(2):
        works.engine("2")
        works.later(60)
        with monkeypatch.context() as patch:
            crash_at(works, step, patch, after=after)
            with pytest.raises(Crash):
                works.sealer.catch_up()
        if (found := works.sealer.files.checkpoint()) is not None:
            assert signed.setdefault(found[1].size, found[1].root) == found[1].root
        works.sealer.stop()
        works.engine("3")
        works.open()
        works.sealer.catch_up()
        assert signed.setdefault(out(works).size, out(works).root) == out(works).root
        assert problems(works) == []
    works.close_blocks(120)
    assert works.sealer.waiting == 0
    assert problems(works) == []


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_a_sealer_that_met_an_error_goes_on_by_itself(works, step, after, monkeypatch):
    works.engine("1")
    works.later(60)
    with monkeypatch.context() as patch:
        crash_at(works, step, patch, after=after)
        with pytest.raises(Crash):
            works.sealer.catch_up()
    works.engine("2")
    works.close_blocks(60)
    works.close_blocks(60)
    assert (out(works).size, works.sealer.waiting) == (4, 0)
    assert problems(works) == []


def test_seals_are_secret(works):
    assert works.folder.seals.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in works.folder.keys.iterdir())


def test_a_crash_leaves_every_old_checkpoint_good(works, monkeypatch):
    kept = []
    chance = random.Random(5)
    for number in range(30):
        works.engine(str(number))
        works.later(60)
        with monkeypatch.context() as patch:
            step = chance.choice([*STEPS, None])
            if step:
                crash_at(works, step, patch, after=chance.random() < 0.5)
                with pytest.raises(Crash):
                    works.sealer.catch_up()
        works.sealer.stop()
        works.open()
        works.sealer.catch_up()
        kept.append(out(works))
    tree = works.sealer.files.tree(kept[-1].size)
    for old in kept:
        path = tuple(merkle.consistency_path(old.size, kept[-1].size, tree.node))
        assert consistency.compare(old, kept[-1], consistency.Consistency(ORIGIN, old.size, kept[-1].size, path))


# --------------------------------------------------------------------------- forks


def test_an_old_copy_of_the_seals_is_refused_instead_of_signing_a_second_history(works, tmp_path):
    works.engine("1")
    works.close_blocks(60)
    works.sealer.stop()
    shutil.copy(works.folder.seals, tmp_path / "old.db")
    works.open()
    works.engine("2")
    works.close_blocks(60)
    works.sealer.stop()
    for suffix in ("", "-wal", "-shm"):
        works.folder.seals.with_name(f"seal.db{suffix}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", works.folder.seals)
    with pytest.raises(RecordError, match="second history"):
        works.open()


def test_an_old_copy_of_the_record_is_refused(works, tmp_path):
    works.engine("1")
    works.close_blocks(60)
    works.sealer.stop()
    other = Works(tmp_path / "other")
    shutil.copy(works.folder.seals, other.folder.seals)
    shutil.copytree(works.folder.proof, other.folder.proof, dirs_exist_ok=True)
    other.sealer.stop()
    with pytest.raises(RecordError, match="the record ends at 0"):
        other.open()
    other.record.close()


def test_a_log_whose_tiles_were_rewritten_is_not_signed_again(works):
    works.engine("1")
    works.close_blocks(60)
    tile = works.folder.proof / "tile/0/000.p/2"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    works.later(60)
    with pytest.raises(RecordError, match="second history"):
        works.sealer.catch_up()


# --------------------------------------------------------------------------- audit


def sealed_works(works: Works) -> None:
    works.engine("1", cylinder="C7")
    works.close_blocks(60)
    works.engine("2")
    works.close_blocks(120)
    assert problems(works) == []


def change(path: Path, sql: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(sql)
    db.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE fact SET body = CAST(replace(body, '35.004', '35.001') AS BLOB) WHERE position = 4",
        "UPDATE fact SET seed = zeroblob(32) WHERE position = 4",
        "UPDATE fact SET body = (SELECT body FROM fact WHERE position = 5) WHERE position = 4",
    ],
    ids=["body", "seed", "another fact's body"],
)
def test_one_rewritten_fact_or_seed_is_found(works, sql):
    sealed_works(works)
    change(works.folder.record, sql)
    assert any("not what was sealed" in what for what in problems(works))


@pytest.mark.parametrize("path", ["tile/0/000.p/4", "tile/entries/000.p/4", "checkpoint"])
def test_every_altered_byte_of_the_log_is_found(works, path):
    sealed_works(works)
    file = works.folder.proof / path
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert problems(works), f"byte {at} of {path} was altered and nobody noticed"
    file.write_bytes(whole)
    assert problems(works) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE block SET seed = zeroblob(32) WHERE number = 1", "UPDATE link SET number = 9 WHERE position = 3",
        "UPDATE link SET unit = 'unit:X/1' WHERE position = 4", "DELETE FROM block WHERE number = 2",
        "UPDATE block SET root = zeroblob(32) WHERE number = 1",
    ],
)  # fmt: skip
def test_altered_seals_are_found(works, sql):
    sealed_works(works)
    change(works.folder.seals, sql)
    assert problems(works)


def test_a_record_sealed_anew_is_found_by_whoever_kept_a_checkpoint(works, tmp_path):
    sealed_works(works)
    kept = out(works)
    forged = Works(tmp_path / "forged", seed=2)
    sealed_works(forged)
    forged.close_blocks(60)
    tree = forged.sealer.files.tree(out(forged).size)
    path = tuple(merkle.consistency_path(kept.size, out(forged).size, tree.node))
    with pytest.raises(Exception, match="does not begin") as refused:
        consistency.compare(kept, out(forged), consistency.Consistency(ORIGIN, kept.size, out(forged).size, path))
    assert refused.value.reason == "forked_log"
    forged.end()


# --------------------------------------------------------------------------- nothing leaks


def public_files(works: Works) -> dict[str, int]:
    folder = works.folder.proof
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_two_plants_of_different_size_have_logs_that_look_alike(tmp_path):
    small, large = Works(tmp_path / "small", seed=1), Works(tmp_path / "large", seed=2)
    for works, engines in ((small, 0), (large, 9)):
        for minute in range(30):
            for n in range(engines if minute % 7 else 0):
                works.engine(f"{minute}-{n}")
            # The work takes the longer, the more there is; what is published must not show it.
            works.now = START + dt.timedelta(minutes=minute + 1, seconds=engines)
            works.sealer.catch_up()
    assert large.record.head() > 500 > small.record.head()
    assert public_files(small) == public_files(large)
    stamps = [
        [one.timestamp for one in note.verified(note.parse((works.folder.proof / "checkpoint").read_bytes()), keys)]
        for works in (small, large)
        for keys in [works.sealer.manifest.of("checkpoint")]
    ]
    told = [statement.read_status((works.folder.proof / "status").read_text()) for works in (small, large)]
    assert stamps[0] == stamps[1] and told[0] == told[1]
    entries = [works.sealer.files.tree(31).entries(0) for works in (small, large)]
    for one, other in zip(*entries, strict=True):
        assert [len(line) for line in one.split(b"\n")] == [len(line) for line in other.split(b"\n")]
        if one.startswith(b"asbuilt.block"):
            assert block.parse_block(one.decode())[:3] == block.parse_block(other.decode())[:3]
    small.end()
    large.end()


def test_partial_tiles_are_deleted_once_the_tile_is_full(works):
    works.close_blocks(60 * 300)
    names = public_files(works)
    assert "tile/0/000" in names and not any(name.startswith("tile/0/000.p") for name in names)
    assert [name for name in names if name.startswith("tile/1")] == ["tile/1/000.p/1"]
    assert problems(works) == []


def test_the_checkpoint_is_signed_with_both_kinds_of_key(works):
    works.close_blocks(60)
    data = (works.folder.proof / "checkpoint").read_bytes()
    keys = works.sealer.manifest.of("checkpoint")
    assert [one.key.kind for one in note.verified(note.parse(data), keys)] == [1, 6]
    said = checkpoint.parse(note.parse(data).text)
    assert said.extensions == ()


def test_keys_are_changed_with_both_signing_for_a_while(works):
    works.engine("1")
    works.close_blocks(60)
    old = works.sealer.manifest
    works.sealer.use_keys(works.sealer.keyring.rotated(old, random.Random(9).randbytes))
    works.close_blocks(60)
    data = note.parse((works.folder.proof / "checkpoint").read_bytes())
    assert len(note.verified(data, old.of("checkpoint"))) == 2
    assert len(note.verified(data, works.sealer.manifest.of("checkpoint"))) == 4
    works.sealer.use_keys(works.sealer.keyring.finished(works.sealer.manifest))
    works.close_blocks(60)
    data = note.parse((works.folder.proof / "checkpoint").read_bytes())
    assert len(note.verified(data, works.sealer.manifest.of("checkpoint"))) == 2
    with pytest.raises(Exception, match="no key that is trusted"):
        note.verified(data, old.of("checkpoint"))
    assert problems(works) == []


def test_a_folder_may_be_named_from_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = LogFiles(Path("works/proof"))
    log.write([("keys/1", b"a key"), ("checkpoint", b"a note")])
    assert (tmp_path / "works/proof/keys/1").read_bytes() == b"a key"
    assert log.read("checkpoint") == b"a note"
