"""PostgreSQL 15 doing the same, at its best: COPY of the facts and of the same narrow rows of all views.

What is the same: facts are decoded, checked and encoded, found under the same packed index of subjects, and folded by
the same pure functions; names are integers given once, a row is written once, tallies are merged, what is derived is
compared with what stands and only the difference written; tables have the same keys and indexes. What is PostgreSQL's:
everything is loaded by COPY (asyncpg, binary) with `synchronous_commit` on, and only where a key stands already by
way of a temporary table.

What it is spared: HTTP, duplicates told apart, receipts, seeds' checksums, corrections. As ours, it records in one
process and folds in another, each with a connection of its own; its folding does not even wait for the record.

    python -m bench.postgres record|fold PORT FACTS     says "ready", begins at a line on standard input, says the seconds by the
clock and of the processor.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from asbuilt import events, views
from asbuilt.events import AnyFact
from asbuilt.record import layout
from asbuilt.rows import Derivation, Table, View
from bench.measure import bodies, cpu_seconds, free_port

BINARIES = Path("/usr/lib/postgresql/15/bin")
AT_ONCE = 5000
"""Facts a transaction: as many as ours commits and folds at once when senders do not wait for each other."""
_TYPES = {"TEXT": "text", "INTEGER": "bigint", "BLOB": "bytea", "REAL": "double precision"}


def available() -> bool:
    """Whether PostgreSQL 15 can be started here."""
    return (BINARIES / "postgres").exists() and (os.getuid() != 0 or _other_user() is not None)


def _other_user() -> str:
    """PostgreSQL refuses root: any ordinary user will do."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise SystemExit("PostgreSQL refuses root, and there is no user `postgres` or `nobody` to run it as.")


def _as_user(command: list[str]) -> list[str]:
    return ["setpriv", f"--reuid={_other_user()}", "--clear-groups", *command] if os.getuid() == 0 else command


@contextmanager
def cluster() -> Iterator[dict[str, Any]]:
    """A fresh cluster on loopback with default durability; yields how to connect."""
    path = Path(tempfile.mkdtemp(prefix="asbuilt-pg-"))
    port = free_port()
    try:
        if os.getuid() == 0:
            shutil.chown(path, _other_user())
        data = str(path / "data")
        initdb = [str(BINARIES / "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"]
        subprocess.run(_as_user(initdb), check=True, stdout=subprocess.DEVNULL, cwd="/")
        options = ["-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB", "-c", f"unix_socket_directories={path}"]
        process = subprocess.Popen(
            _as_user([str(BINARIES / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", *options]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        try:
            yield {"pid": process.pid, "host": "127.0.0.1", "port": port, "user": "bench", "database": "postgres"}
        finally:
            process.send_signal(signal.SIGINT)  # ends what is connected; a polite end would wait for it
            process.wait(30)
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def connect(settings: dict[str, Any]) -> Any:
    """A connection, once the server accepts one."""
    import asyncpg

    where = {key: value for key, value in settings.items() if key != "pid"}
    for _ in range(200):
        try:
            return await asyncpg.connect(**where)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start")


def facts_a_second(count: int) -> tuple[float, float]:
    """Facts a second from the start until all are recorded and folded, and the processor's microseconds a fact.

    Two processes beside the server; the time of all is counted.
    """
    with cluster() as settings:
        asyncio.run(_prepare(settings))
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.postgres", job, str(settings["port"]), str(count)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for job in ("record", "fold")
        ]  # fmt: skip
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != "ready\n":
                raise RuntimeError("PostgreSQL's side did not begin")
        before_s = cpu_seconds(settings["pid"])
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        seconds, ours_s = zip(*(map(float, worker.communicate()[0].split()) for worker in workers), strict=True)
        theirs_s = cpu_seconds(settings["pid"]) - before_s
        asyncio.run(_check(settings, count))
    return count / max(seconds), (sum(ours_s) + theirs_s) / count * 1e6


async def _prepare(settings: dict[str, Any]) -> None:
    db = await connect(settings)
    await Recorder(db).prepare()
    await Folder(db).prepare()
    await db.close()


async def _check(settings: dict[str, Any], count: int) -> None:
    """It did the work: every fact is there, and rows of them."""
    db = await connect(settings)
    assert await db.fetchval("SELECT count(*) FROM fact") == count
    assert await db.fetchval("SELECT count(*) FROM name") > 1
    await db.close()


class Recorder:
    """The record on PostgreSQL."""

    def __init__(self, db: Any) -> None:
        self.db = db

    async def prepare(self) -> None:
        """Tables like ours."""
        await self.db.execute(
            "CREATE TABLE fact(position bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, record_time_us bigint NOT NULL,"
            " seed bytea NOT NULL, body bytea NOT NULL)"
        )
        await self.db.execute(
            "CREATE TABLE about(subject text, first_position bigint, more bytea, PRIMARY KEY(subject, first_position))"
        )

    async def take(self, lines: Sequence[bytes], first: int) -> None:
        """One batch, durable: read and checked, written canonically, with its subjects."""
        facts = events.decode_all(lines)
        assert facts is not None
        every = events.encode_all(facts)
        assert every is not None
        now_us = time.time_ns() // 1000
        seeds = os.urandom(32 * len(facts))
        records = [
            (first + n, fact.id, now_us, seeds[32 * n : 32 * n + 32], body)
            for n, (fact, body) in enumerate(zip(facts, every, strict=True))
        ]
        about = [(subject, at[0], layout.packed(at)) for subject, at in sorted(events.places(facts, first).items())]
        async with self.db.transaction():
            await self.db.copy_records_to_table("fact", records=records)
            await self.db.copy_records_to_table("about", records=about)


class Folder:
    """The rows of all views on PostgreSQL."""

    def __init__(self, db: Any) -> None:
        self.db = db
        self._views: Sequence[View] = list(views.discover().values())
        self._rules: defaultdict[type, list[Any]] = defaultdict(list)
        for view in self._views:
            for event_type, rule in view.rules.items():
                self._rules[event_type].append(rule)
        self._numbers: dict[str | None, int | None] = {"": 0, None: None}
        self._names: dict[int | None, str | None] = {0: "", None: None}
        self._last = 0

    async def prepare(self) -> None:
        """Tables like ours, with the same keys and indexes."""
        await self.db.execute("CREATE TABLE name(id bigint PRIMARY KEY, text text NOT NULL UNIQUE)")
        await self.db.execute("INSERT INTO name VALUES (0, '')")
        for table in self.tables():
            columns = ", ".join(
                f'"{c.name}" {_TYPES[c.sql_type]}{"" if c.optional else " NOT NULL"}' for c in table.columns
            )
            await self.db.execute(f"CREATE TABLE {table.name}({columns}, PRIMARY KEY({_quoted(table.key)}))")
            for number, index in enumerate(table.indexes):
                names, _, where = index.partition(" WHERE ")
                for column in table.columns:
                    if column.interned:
                        where = re.sub(rf"\b{column.name} (<>|=) ''", rf"{column.name} \1 0", where)
                    where = re.sub(rf"\b{column.name}\b", f'"{column.name}"', where)
                quoted = _quoted([name.strip() for name in names.split(",")])
                await self.db.execute(
                    f"CREATE INDEX {table.name}_{number} ON {table.name}({quoted})"
                    + (f" WHERE {where}" if where else "")
                )

    async def begin(self) -> None:
        """What belongs to this connection: the temporary tables."""
        for table in self.tables():
            await self.db.execute(f"CREATE TEMP TABLE new_{table.name}(LIKE {table.name})")

    def tables(self) -> list[Table]:
        """The tables of all views."""
        return [table for view in self._views for table in view.tables.values()]

    async def fold(self, lines: Sequence[bytes]) -> None:
        """One batch: decoded, folded, the rows of all views in one transaction."""
        facts = events.recall_all(lines)
        timed = [(fact, events.microseconds(fact.event_time)) for fact in facts]
        rows = self._folded(timed)
        async with self.db.transaction():
            for view in self._views:
                if view.tally is not None:
                    for row in view.tally(timed):
                        rows[type(row)].append(row)
                for row_class, table in view.tables.items():
                    if rows[row_class]:
                        await self._put(table, rows[row_class])
                for derivation in view.derivations:
                    await self._derive(derivation, rows[derivation.of.row])

    def _folded(self, timed: Sequence[tuple[AnyFact, int]]) -> defaultdict[Any, list[Any]]:
        rows: defaultdict[Any, list[Any]] = defaultdict(list)
        for fact, time_us in timed:
            for rule in self._rules.get(type(fact), ()):
                for row in rule(fact, time_us):
                    rows[type(row)].append(row)
        return rows

    async def _kept(self, rows: Sequence[Any], at: Sequence[int]) -> Sequence[Any]:
        """Rows with the numbers of their names; new names are given one and kept."""
        if not at or not rows:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        new = sorted(set().union(*(columns[n] for n in at)).difference(self._numbers))
        if new:
            given = list(enumerate(new, self._last + 1))
            self._last += len(new)
            self._names.update(given)
            self._numbers.update({text: number for number, text in given})
            await self.db.copy_records_to_table("name", records=given)
        for n in at:
            columns[n] = [self._numbers[text] for text in columns[n]]
        return list(zip(*columns, strict=True))

    async def _put(self, table: Table, rows: Sequence[Any]) -> None:
        import asyncpg

        key = itemgetter(*table.key_at)
        kept = sorted(await self._kept(rows, table.interned), key=key)
        if not table.merge:
            kept = list({key(row): row for row in kept}.values())  # of two rows of one key the later one stays
            try:
                async with self.db.transaction():
                    await self.db.copy_records_to_table(table.name, records=kept)
                return
            except asyncpg.UniqueViolationError:
                pass
        await self.db.copy_records_to_table(f"new_{table.name}", records=kept)
        changes = ", ".join(
            f'"{column.name}" = {_merged(table, column.name)}'
            for column in table.columns
            if column.name not in table.key
        )
        then = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        await self.db.execute(
            f"INSERT INTO {table.name} SELECT * FROM new_{table.name} ON CONFLICT ({_quoted(table.key)}) {then};"
            f" TRUNCATE new_{table.name}"
        )

    async def _derive(self, derivation: Derivation, touched: Sequence[Any]) -> None:
        """Derive anew what follows from the rows of these subjects; only what is different is written."""
        of = derivation.of
        at = [[column.name for column in of.columns].index(name) for name in derivation.by]
        subjects = sorted({tuple(row[n] for n in at) for row in touched})
        if not subjects:
            return
        numbered = await self._kept(subjects, [n for n, name in enumerate(derivation.by) if of.is_interned(name)])
        wanted = list(map(list, zip(*numbered, strict=True)))
        types = [_TYPES[of.columns[n].sql_type] for n in at]
        which = (
            f"({_quoted(derivation.by)}) IN (SELECT * FROM unnest("
            + ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
            + "))"
        )
        subject, key = itemgetter(*at), itemgetter(*of.key_at)
        found = [of.row(*row) for row in await self.rows(of, which, wanted)]
        found.sort(key=lambda row: (subject(row), key(row)))
        made: defaultdict[Any, dict[Any, Any]] = defaultdict(dict)
        keys = {table.row: itemgetter(*table.key_at) for table in derivation.into}
        for _, rows in groupby(found, key=subject):
            for row in derivation.rule(list(rows)):
                made[type(row)][keys[type(row)](row)] = row
        for table in derivation.into:
            old = {tuple(row) for row in await self.rows(table, which, wanted)}
            new = {tuple(row) for row in made[table.row].values()}
            gone, come = sorted(old - new), sorted(new - old)
            if gone:
                where = " AND ".join(f'"{name}" = ${n}' for n, name in enumerate(table.key, 1))
                picked = [tuple(row[n] for n in table.key_at) for row in await self._kept(gone, table.interned)]
                await self.db.executemany(f"DELETE FROM {table.name} WHERE {where}", picked)
            if come:
                await self._put(table, come)

    async def rows(self, table: Table, which: str = "true", wanted: Sequence[Any] = ()) -> list[list[Any]]:
        """Rows with names for their numbers, in no order."""
        found = [
            list(row.values()) for row in await self.db.fetch(f"SELECT * FROM {table.name} WHERE {which}", *wanted)
        ]
        for row in found:
            for n in table.interned:
                row[n] = self._names[row[n]]
        return found


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _merged(table: Table, name: str) -> str:
    here, new = f'{table.name}."{name}"', f'excluded."{name}"'
    how = table.merge.get(name)
    return {"sum": f"{here} + {new}", "min": f"least({here}, {new})", "max": f"greatest({here}, {new})"}.get(
        how or "", new
    )


async def _work(job: str, port: int, count: int) -> None:
    from asbuilt.cli.shared import collect_less

    lines = bodies(count)
    db = await connect({"host": "127.0.0.1", "port": port, "user": "bench", "database": "postgres"})
    recorder, folder = Recorder(db), Folder(db)
    if job == "fold":
        await folder.begin()
    collect_less()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, began_cpu = time.perf_counter(), time.process_time()
    for at in range(0, count, AT_ONCE):
        some = lines[at : at + AT_ONCE]
        await (recorder.take(some, at + 1) if job == "record" else folder.fold(some))
    print(time.perf_counter() - began, time.process_time() - began_cpu)
    await db.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
