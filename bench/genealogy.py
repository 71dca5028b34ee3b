"""As-built trees and where-used at ten million component links, beside PostgreSQL's recursive CTE.

An engine has 100 links: 60 of its own (20 serials, 40 lots) and 8 in each of 5 assemblies in it. Ours is
asked through the queries of the pages and the command line, all answers whole; PostgreSQL gets the same
links with the same indexes and one recursive CTE, its rows fetched.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from asbuilt import events, views
from asbuilt.access import OnePlant, Reader, Sources, reading
from asbuilt.app import AsBuilt
from asbuilt.cli.shared import collect_less
from asbuilt.domain.genealogy.rows import FOREVER, Fitting, Link, Named
from asbuilt.domain.passages.rows import Passage, Status
from asbuilt.plant import parse
from asbuilt.record.memory import Log
from asbuilt.rows.store import Store
from asbuilt.views.trace import queries as trace
from asbuilt.views.unit import queries as unit
from bench import postgres
from bench.measure import Result, boxer, facts, folder, percentile, result

ENGINES = 100_000
ASSEMBLIES, INSIDE, SERIALS, LOTS = 5, 8, 20, 40
PER_LOT = 150
"""A lot inside an assembly went into so many: with their engines 300 nodes."""
AT_ONCE = 2_000
"""So many engines are copied into PostgreSQL at once."""
FOLDED_AT_ONCE = 10
"""Engines in a batch: what is taken in together gets neighbouring numbers for its names."""
MUSTS = {"tree p99": "≤ 1", "300 p99": "≤ 2.5", "all": "≤ 700"}
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY_US = 86_400_000_000
PLANT = parse('[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n')


def run(scale: float) -> Iterator[Result]:
    """As-built, 300 nodes, 100,000 engines, the passport page's queries."""
    engines = max(2 * PER_LOT, int(ENGINES * scale))
    with folder() as path:
        store = _filled(path / "views.db", engines)
        links = engines * (ASSEMBLIES * INSIDE + SERIALS + LOTS)
        ours = _ours(store, engines)
        theirs = asyncio.run(_theirs(store, engines)) if postgres.available() else {}
        store.close()
    words = f"at {links:,} links"
    named = {
        "tree p99": f"as-built tree, 100 links, p99, {words}",
        "tree p50": f"as-built tree, 100 links, median, {words}",
        "300 p99": f"where-used, 300 nodes, p99, {words}",
        "all": f"where-used, {engines:,} engines with serials and places, {words}",
    }
    for key, name in named.items():
        yield result(name, "ms", ours[key], theirs.get(key), "PostgreSQL 15, recursive CTE")
        yield result(
            f"{name}, processor time", "ms", ours[f"{key} cpu"], ours[key], "the same on the clock", MUSTS.get(key, "")
        )
    yield result("passport page of a shipped engine, median", "ms", _passport(int(60_000 * scale)), None, "")


def _passport(count: int) -> float:
    """From the request to the whole document, asked about a moment so that nothing is kept from before."""
    with AsBuilt(memory=True, plant=boxer()) as app:
        every = facts(max(count, 20_000))
        for at in range(0, len(every), 2000):
            app.take_in(every[at : at + 2000])
        app.pipeline.settle(600)
        moment = every[-1].event_time
        serials = [one.serial for one in app.query("unit.list", state="completed", at=moment)][:30]
        times = []
        for serial in serials:
            began = time.perf_counter()
            answer = app.client.get(f"/unit/{serial}", params={"at": moment.isoformat()})
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, answer.text
    return percentile(times, 0.5)


# --------------------------------------------------------------------------- rows


def _filled(path: Path, engines: int) -> Store:
    """The rows that folding the facts would give, in batches as facts are taken in, a thousand at a time."""
    known = views.discover()
    store = Store(
        path, {name: known[name] for name in ("genealogy", "measurements", "passages", "trace", "unit", "cases")}
    )
    db = store._db
    for start in range(0, engines, FOLDED_AT_ONCE):
        db.execute("BEGIN IMMEDIATE")
        fittings: list[Fitting] = []
        for number in range(start, min(start + FOLDED_AT_ONCE, engines)):
            fittings += _fittings(number)
        fittings.sort()
        store._writer._put(store.table(Fitting), fittings)
        passages = [_passage(number) for number in range(start, min(start + FOLDED_AT_ONCE, engines))]
        store._writer._put(store.table(Passage), passages)
        store._writer._put(store.table(Status), [_status(passage) for passage in passages])
        db.execute("COMMIT")
    parts = {f"S{n:02}" for n in range(SERIALS)}
    db.execute("BEGIN IMMEDIATE")
    store._writer._put(
        store.table(Named),
        sorted(Named(kind, product, 0) for product in parts for kind in ("part", "unit")),
    )
    store._writer._put(store.table(Named), [Named("unit", "E", 0)])
    db.execute("COMMIT")
    db.execute("PRAGMA optimize")
    return store


def _name(number: int) -> str:
    return f"unit:E/{number:08d}"


def _fittings(number: int) -> Iterator[Fitting]:
    engine, time_us = _name(number), (18_000 + number // 500) * DAY_US + number % 500 * 60_000_000

    def fit(unit: str, n: int, position: str, product: str, part: str, lot: str) -> Fitting:
        fact = number.to_bytes(8, "big") + n.to_bytes(8, "big")
        return Fitting(unit, position, time_us + n, 1, fact, product, part, lot, "", "1", "pcs", "scanned", "p/s/a/l/1", "10", "AB", "")  # fmt: skip

    for n in range(SERIALS):
        yield fit(engine, n, f"S{n:02}", f"S{n:02}", f"unit:S{n:02}/{number:08d}", "")
    for n in range(LOTS):
        lot = "BULK" if n == 0 else f"L{n}-{number // PER_LOT}"
        yield fit(engine, SERIALS + n, f"Q{n:02}", f"Q{n:02}", "", f"lot:Q{n:02}/{lot}")
    for assembly in range(ASSEMBLIES):
        for n in range(INSIDE):
            at = SERIALS + LOTS + assembly * INSIDE + n
            lot = f"lot:I{assembly}{n}/{number // PER_LOT}"
            yield fit(f"unit:S{assembly:02}/{number:08d}", at, f"I{n}", f"I{assembly}{n}", "", lot)


def _link(f: Fitting) -> Link:
    return Link(f.unit, f.position, f.time_us, f.fact, 0, FOREVER, f.quantity, f.part, f.lot, f.container, f.evidence)


def _passage(number: int) -> Passage:
    time_us = (18_001 + number // 500) * DAY_US
    return Passage(_name(number), time_us, 6, number.to_bytes(16, "big"), "shipped", "", "", "", "", "", 0, 0, 0, 0, "", f"Customer {number % 50}", "", "")  # fmt: skip


def _status(p: Passage) -> Status:
    return Status(p.unit, "E", p.unit[7:], "shipped", p.time_us, p.place, "", p.place, "", "", p.time_us, 0)


# --------------------------------------------------------------------------- ours


def _ours(store: Store, engines: int) -> dict[str, float]:
    chance = random.Random(5)
    sources = Sources(store, Log(lambda: NOW), OnePlant(PLANT), lambda: NOW)

    def asked(question: Callable[[Reader], Any]) -> tuple[float, float]:
        """Milliseconds on the clock, and of the processor."""
        began, spent = time.perf_counter(), time.process_time()
        with reading(sources, "bench") as reader:
            question(reader)
        return (time.perf_counter() - began) * 1000, (time.process_time() - spent) * 1000

    def tree(reader: Reader) -> None:
        answer = unit.as_built(reader, f"{chance.randrange(engines):08d}", "E")
        assert answer.links == ASSEMBLIES * INSIDE + SERIALS + LOTS

    def some(reader: Reader) -> None:
        lots = engines // PER_LOT
        answer = trace.where_used(reader, f"lot:I{chance.randrange(5)}{chance.randrange(8)}/{chance.randrange(lots)}")
        assert answer.serials == 2 * PER_LOT

    def every(reader: Reader) -> None:
        assert trace.where_used(reader, "lot:Q00/BULK").serials == engines

    collect_less()
    asked(tree), asked(some)
    trees = [asked(tree) for _ in range(400)]
    somes = [asked(some) for _ in range(200)]
    alls = [asked(every) for _ in range(3)]
    found: dict[str, float] = {}
    for at, kind in enumerate(("", " cpu")):
        found["tree p99" + kind] = percentile([one[at] for one in trees], 0.99)
        found["tree p50" + kind] = percentile([one[at] for one in trees], 0.5)
        found["300 p99" + kind] = percentile([one[at] for one in somes], 0.99)
        found["all" + kind] = percentile([one[at] for one in alls], 0.5)
    return found


# --------------------------------------------------------------------------- PostgreSQL

_TABLES = """
CREATE TABLE link(unit text, position text, from_us bigint, until_us bigint, quantity text, part text, lot text, evidence text);
CREATE TABLE status(unit text PRIMARY KEY, state text, place text, consignee text);
"""
_INDEXES = """
CREATE INDEX link_unit ON link(unit);
CREATE INDEX link_part ON link(part, unit, from_us, until_us) WHERE part <> '';
CREATE INDEX link_lot ON link(lot, unit, from_us, until_us) WHERE lot <> '';
ANALYZE
"""
_DOWN = """
WITH RECURSIVE down(level, unit, position, quantity, part, lot, from_us, until_us) AS (
  SELECT 1, unit, position, quantity, part, lot, from_us, until_us FROM link WHERE unit = $1 AND from_us <= $2 AND $2 < until_us
  UNION ALL
  SELECT d.level + 1, l.unit, l.position, l.quantity, l.part, l.lot, l.from_us, l.until_us
  FROM down d JOIN link l ON l.unit = d.part AND d.part <> '' WHERE l.from_us <= $2 AND $2 < l.until_us)
SELECT * FROM down
"""
_UP = """
WITH RECURSIVE up(unit, from_us, until_us) AS (
  SELECT unit, from_us, until_us FROM link WHERE lot = $1 AND lot <> ''
  UNION
  SELECT l.unit, greatest(u.from_us, l.from_us), least(u.until_us, l.until_us)
  FROM up u JOIN link l ON l.part = u.unit AND l.part <> '' WHERE greatest(u.from_us, l.from_us) < least(u.until_us, l.until_us))
SELECT u.unit, min(u.from_us), max(u.until_us), max(s.state), max(s.place), max(s.consignee)
FROM up u LEFT JOIN status s ON s.unit = u.unit GROUP BY u.unit
"""


async def _theirs(store: Store, engines: int) -> dict[str, float]:
    chance = random.Random(5)
    now_us = events.microseconds(NOW)
    with postgres.cluster() as settings:
        db = await postgres.connect(settings)
        await db.execute(_TABLES)
        for start in range(0, engines, AT_ONCE):
            rows = [_link(f) for number in range(start, min(start + AT_ONCE, engines)) for f in _fittings(number)]
            records = [(r.unit, r.position, r.from_us, r.until_us, r.quantity, r.part, r.lot, r.evidence) for r in rows]
            await db.copy_records_to_table("link", records=records)
            states = [_status(_passage(number)) for number in range(start, min(start + AT_ONCE, engines))]
            await db.copy_records_to_table("status", records=[(s.unit, s.state, s.place, s.consignee) for s in states])
        await db.execute(_INDEXES)

        async def asked(sql: str, expected: int, *bindings: object) -> float:
            began = time.perf_counter()
            assert len(await db.fetch(sql, *bindings)) == expected
            return (time.perf_counter() - began) * 1000

        nodes = ASSEMBLIES * INSIDE + SERIALS + LOTS
        trees = [await asked(_DOWN, nodes, _name(chance.randrange(engines)), now_us) for _ in range(401)][1:]
        lots = engines // PER_LOT
        somes = [
            await asked(_UP, 2 * PER_LOT, f"lot:I{chance.randrange(5)}{chance.randrange(8)}/{chance.randrange(lots)}")
            for _ in range(201)
        ][1:]
        alls = sorted([await asked(_UP, engines, "lot:Q00/BULK") for _ in range(3)])
        await db.close()
    return {"tree p99": percentile(trees, 0.99), "tree p50": percentile(trees, 0.5), "300 p99": percentile(somes, 0.99), "all": alls[1]}  # fmt: skip
