"""Proof: sealing, closing blocks, passports, claims and inclusion, beside bare hashing and signing; and what sealing costs take-in."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from uuid import UUID

from asbuilt import events, verify
from asbuilt.events import LaneRegistered, Measured, UnitCompleted
from asbuilt.folder import DataFolder
from asbuilt.proof import merkle, policy, tiles
from asbuilt.record import Entry
from asbuilt.record.sqlite import Log
from asbuilt.seal import sealer
from asbuilt.seal.issue import Issuer, Told
from asbuilt.seal.profiles import profile
from bench.ingest import over_http
from bench.measure import Result, bodies, facts, folder, percentile, result

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SLOTS = 4096


class _Works:
    """A record that is sealed by a clock that the measurement moves."""

    def __init__(self, path: Path) -> None:
        self.folder = DataFolder(path)
        self.folder.make()
        self.now = START
        self.record = Log(self.folder.record, lambda: self.now)
        sealer.begin(self.folder, START, os.urandom, origin="bench.example/log", slots=SLOTS)
        self.sealer = sealer.Sealer(self.folder, self.record, lambda: self.now, os.urandom)

    def minute(self) -> None:
        self.now += dt.timedelta(seconds=60)
        while self.sealer.catch_up():
            pass

    def policy(self) -> policy.Policy:
        return policy.Policy(tuple(self.sealer.manifest.of("checkpoint")), {}, {}, "none")

    def issuer(self) -> Issuer:
        return Issuer(self.folder, self.record, self.now, os.urandom)

    def close(self) -> None:
        self.sealer.stop()
        self.record.close()


def run(scale: float) -> Iterator[Result]:
    """All figures of proof."""
    yield from _sealing(max(1, int(10 * scale)))
    yield from _closing(max(20, int(200 * scale)))
    yield from _files(max(10, int(30 * scale)))
    yield from _inclusion(max(200, int(4000 * scale)))
    yield from _beside_take_in(max(20_000, int(150_000 * scale)))


# --------------------------------------------------------------------------- sealing


def _sealing(blocks: int) -> Iterator[Result]:
    count = blocks * SLOTS
    entries = [Entry(fact, body) for fact, body in zip(facts(count), bodies(count), strict=True)]
    with folder() as path:
        works = _Works(path / "data")
        for at in range(0, count, 1000):
            works.record.append(entries[at : at + 1000])
        # In turn, block by block, so that both see the same machine.
        ours = bare = 0.0
        for number in range(blocks):
            works.now += dt.timedelta(seconds=60)
            ours += _seconds(works.sealer.catch_up)
            bare += _seconds(lambda number=number: _hashed(entries[number * SLOTS : (number + 1) * SLOTS]))  # type: ignore[misc]
        assert works.sealer.waiting == 0
        works.close()
    yield result("seal, blocks full, durable and signed", "facts/s", count / ours, count / bare, "hashlib: the digests, leaves and nodes alone")  # fmt: skip


def _hashed(entries: list[Entry]) -> None:
    """The hashes that a block of facts needs, and nothing else."""
    sha256 = hashlib.sha256
    for entry in entries:
        for _ in range(entry.body.count(b":")):
            sha256(entry.body[:90]).digest()
        sha256(entry.body * 4).digest()
    for _ in range(SLOTS):
        sha256(b"0123456789012345678901234567890123456789012345678901234567890123!").digest()


def _closing(blocks: int) -> Iterator[Result]:
    """A block as a plant of a hundred engines a day has it: twenty facts that were followed as they came."""
    entries = [Entry(fact, body) for fact, body in zip(facts(blocks * 20), bodies(blocks * 20), strict=True)]
    ours, bare = [], []
    with folder() as path:
        works = _Works(path / "data")
        for number in range(blocks):
            works.record.append(entries[number * 20 : number * 20 + 20])
            works.sealer.follow()
            works.now += dt.timedelta(seconds=60)
            ours.append(_seconds(works.sealer.catch_up) * 1000)
            bare.append(_seconds(lambda: merkle.root_of([merkle.leaf_hash(b"x" * 48)] * SLOTS)) * 1000)
        works.close()
    yield result("block close, 4,096 places, 20 facts, durable and signed, median", "ms", statistics.median(ours), statistics.median(bare), "hashlib: leaves and nodes of 4,096 places")  # fmt: skip
    yield result("block close, p99", "ms", percentile(ours, 0.99), percentile(bare, 0.99), "hashlib: the same, p99")


# --------------------------------------------------------------------------- files


def _unit_of(works: _Works, count: int, per_block: int) -> None:
    """Facts about one unit, two a block, among others."""
    chance = Random(1)
    number = 1
    for at in range(0, count, per_block):
        for n in range(20):
            serial = "1" if n < per_block else f"x{at}-{n}"
            fact = Measured(
                id=UUID(int=number), event_time=works.now, source="gw-1", by="A. Berg", product="P", serial=serial,
                characteristic="bore", value=f"52.{chance.randrange(1000):03}", uom="mm", lower="52.000", upper="52.012",
                station="works/main/assembly/1/30", gauge="G-031",
            )  # fmt: skip
            number += 1
            works.record.append([Entry(fact, events.encode(fact))])
        works.minute()


def _files(runs: int) -> Iterator[Result]:
    with folder() as path:
        works = _Works(path / "data")
        lane = "completed/P/2026-01-02"
        registered = LaneRegistered(id=UUID(int=1 << 90), event_time=works.now, source="cli", lane=lane)
        works.record.append([Entry(registered, events.encode(registered))])
        _unit_of(works, 300, 2)
        made = [
            UnitCompleted(id=UUID(int=(1 << 91) + n), event_time=START + dt.timedelta(days=1, seconds=n), source="gw", product="P", serial=str(n))
            for n in range(8000)
        ]  # fmt: skip
        works.record.append([Entry(fact, events.encode(fact)) for fact in made])
        works.now = START + dt.timedelta(days=2)
        works.minute()
        built, verified, bare, claims, checks = [], [], [], [], []
        known = verify.Known(now=works.now, policy=works.policy())
        for _ in range(runs):
            began = time.perf_counter()
            issuer = works.issuer()
            file = issuer.passport("unit:P/1", Told("R", "p"), profile("customer")).file
            issuer.close()
            built.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            assert verify.verify(file, known).exit_code == 0
            verified.append((time.perf_counter() - began) * 1000)
            bare.append(_seconds(lambda file=file: _rehashed(file)) * 1000)  # type: ignore[misc]
            began = time.perf_counter()
            issuer = works.issuer()
            claim = issuer.claim(lane, Told("R", "p"), at_least=7900).file
            issuer.close()
            claims.append((time.perf_counter() - began) * 1000)
            checks.append(_seconds(lambda claim=claim: _holds(claim, known)) * 1000)  # type: ignore[misc]
        works.close()
    reference = statistics.median(bare)
    yield result("passport of 300 facts in 150 blocks, build", "ms", statistics.median(built), reference, "hashlib and OpenSSL: its hashes and signatures alone")  # fmt: skip
    yield result(
        "passport of 300 facts, verify", "ms", statistics.median(verified), reference, "hashlib and OpenSSL: the same"
    )
    yield result("passport of 300 facts, size", "kB", len(file) / 1000, None, "")
    yield result("claim of at least 7,900 of 8,000, build", "ms", statistics.median(claims), None, "")
    yield result("claim, verify", "ms", statistics.median(checks), None, "")
    yield result("claim, size", "kB", len(claim) / 1000, None, "")


def _holds(file: bytes, known: verify.Known) -> None:
    assert verify.verify(file, known).exit_code == 0


def _rehashed(file: bytes) -> None:
    """The hashes of a passport of 300 facts: 12 disclosures, a leaf, 12 steps each; and five signatures checked."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    sha256 = hashlib.sha256
    for _ in range(300):
        for _ in range(12 + 12):
            sha256(file[:90]).digest()
        sha256(file[:1500]).digest()
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = key.sign(b"x")
    for _ in range(5):
        key.public_key().verify(signature, b"x")


# --------------------------------------------------------------------------- inclusion


def _inclusion(proofs: int) -> Iterator[Result]:
    """Proofs in a log of ten million entries (19 years of minutes), tiles read from disk. All its full tiles hold the same
    hashes, so that only those that are read need to be written."""
    size = 10_000_000
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(256)]
    content = [b"".join(leaves)]
    while len(content) < 4:
        above = merkle.levels_of([content[-1][at : at + 32] for at in range(0, 8192, 32)])[-1][0]
        content.append(above * 256)
    chance, times = Random(3), []
    with folder() as path:
        written: set[str] = set()

        def read(name: str) -> bytes | None:
            file = path / name
            if name not in written:
                level, width = int(name.split("/")[1]), name.partition(".p/")[2]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content[level][: 32 * int(width or 256)])
                written.add(name)
            return file.read_bytes()

        indexes = [chance.randrange(size) for _ in range(proofs)]
        warm = tiles.Tiles(read, size)
        root = merkle.root(size, warm.node)
        for index in indexes:
            merkle.inclusion_path(index, size, warm.node)
        fresh = tiles.Tiles(read, size)
        for index in indexes:
            began = time.perf_counter()
            found = merkle.inclusion_path(index, size, fresh.node)
            times.append((time.perf_counter() - began) * 1000)
            merkle.check_inclusion(index, size, leaves[index % 256], found, root)
    bare = [_seconds(lambda: merkle.root_of(leaves)) * 1000 for _ in range(200)]
    yield result("inclusion proof among 10 million, p50", "ms", percentile(times, 0.5), percentile(bare, 0.5), "hashlib: the nodes of one tile")  # fmt: skip
    yield result("inclusion proof among 10 million, p99", "ms", percentile(times, 0.99), percentile(bare, 0.99), "hashlib: the nodes of one tile, p99")  # fmt: skip


# --------------------------------------------------------------------------- beside take-in


def _beside_take_in(count: int) -> Iterator[Result]:
    """The same take-in over HTTP with and without sealing, in turn."""
    sealing, without = [], []
    for _ in range(3):
        without.append(over_http(count, "--no-seal")[0])
        sealing.append(over_http(count)[0])
    yield result("take-in over HTTP while it is sealed", "facts/s", statistics.median(sealing), statistics.median(without), "the same without sealing")  # fmt: skip


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
