"""PostgreSQL 15 doing the same: COPY of the facts, and the same rows of all views upserted.

The folds are ours (pure functions give the rows); only recording and upserting is PostgreSQL's,
through asyncpg, in one transaction per batch with `synchronous_commit` on. No HTTP: what is
measured is at its best.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asbuilt import events, views
from asbuilt.events import Event
from bench.measure import free_port

BINARIES = Path("/usr/lib/postgresql/15/bin")
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
            yield {"host": "127.0.0.1", "port": port, "user": "bench", "database": "postgres"}
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(path, ignore_errors=True)


async def connect(settings: dict[str, Any]) -> Any:
    """A connection, once the server accepts one."""
    import asyncpg

    for _ in range(200):
        try:
            return await asyncpg.connect(**settings)
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start")


class Peer:
    """The same job on PostgreSQL."""

    def __init__(self, db: Any) -> None:
        self.db = db
        self.views = views.discover()

    async def prepare(self) -> None:
        """Tables like ours, with the same keys and indexes."""
        await self.db.execute(
            "CREATE TABLE fact(position bigserial PRIMARY KEY, id uuid NOT NULL UNIQUE, record_time_us bigint NOT NULL,"
            " seed bytea NOT NULL, body bytea NOT NULL)"
        )
        await self.db.execute("CREATE TABLE about(subject text, position bigint, PRIMARY KEY(subject, position))")
        for table in self._tables():
            columns = ", ".join(
                f'"{c.name}" {_TYPES[c.sql_type]}{"" if c.optional else " NOT NULL"}' for c in table.columns
            )
            key = ", ".join(f'"{name}"' for name in table.key)
            await self.db.execute(f"CREATE TABLE {table.name}({columns}, PRIMARY KEY({key}))")
            await self.db.execute(f"CREATE TEMP TABLE new_{table.name}(LIKE {table.name})")
            for number, index in enumerate(table.indexes):
                names, _, where = index.partition(" WHERE ")
                quoted = ", ".join(f'"{name.strip()}"' for name in names.split(","))
                await self.db.execute(
                    f"CREATE INDEX {table.name}_{number} ON {table.name}({quoted})"
                    + (f" WHERE {where.replace('long', chr(34) + 'long' + chr(34))}" if where else "")
                )

    def _tables(self) -> list[Any]:
        return [table for view in self.views.values() for table in view.tables.values()]

    async def take_in(self, facts: Sequence[Event], lines: Sequence[bytes], first: int) -> None:
        """One batch: decode, COPY, rows of all views, one commit."""
        decoded = [events.decode(line) for line in lines]
        now_us = time.time_ns() // 1000
        seeds = os.urandom(32 * len(lines))
        async with self.db.transaction():
            await self.db.copy_records_to_table(
                "fact",
                columns=["id", "record_time_us", "seed", "body"],
                records=[
                    (fact.id, now_us, seeds[32 * n : 32 * n + 32], events.encode(fact))
                    for n, fact in enumerate(decoded)
                ],
            )
            about = [(key, first + n) for n, fact in enumerate(decoded) for key in dict.fromkeys(events.subjects(fact))]
            await self.db.copy_records_to_table("about", records=about)
            timed = [(fact, events.microseconds(fact.event_time)) for fact in decoded]
            for view in self.views.values():
                await self._fold(view, timed)

    async def _fold(self, view: Any, facts: Sequence[Any]) -> None:
        rows: defaultdict[Any, list[Any]] = defaultdict(list)
        for fact, time_us in facts:
            rule = view.rules.get(type(fact))
            if rule is not None:
                for row in rule(fact, time_us):
                    rows[type(row)].append(row)
        if view.tally is not None:
            for row in view.tally(facts):
                rows[type(row)].append(row)
        for row_class, found in rows.items():
            await self._upsert(view.tables[row_class], found)
        for derivation in view.derivations:
            await self._derive(derivation, rows[derivation.of.row])

    async def _upsert(self, table: Any, rows: Sequence[Any]) -> None:
        await self.db.copy_records_to_table(f"new_{table.name}", records=rows)
        key = ", ".join(f'"{name}"' for name in table.key)
        others = [column.name for column in table.columns if column.name not in table.key]
        changes = ", ".join(
            f'"{name}" = ' + ({"sum": f'{table.name}."{name}" + excluded."{name}"', "min": f'least({table.name}."{name}", excluded."{name}")', "max": f'greatest({table.name}."{name}", excluded."{name}")'}[table.merge[name]] if name in table.merge else f'excluded."{name}"')
            for name in others
        )  # fmt: skip
        then = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        await self.db.execute(
            f"INSERT INTO {table.name} SELECT * FROM new_{table.name} ON CONFLICT ({key}) {then}; TRUNCATE new_{table.name}"
        )

    async def _derive(self, derivation: Any, touched: Sequence[Any]) -> None:
        at = derivation.of.row._fields.index(derivation.by)
        subjects = sorted({row[at] for row in touched})
        if not subjects:
            return
        order = ", ".join(f'"{name}"' for name in derivation.of.key)
        found = await self.db.fetch(
            f'SELECT * FROM {derivation.of.name} WHERE "{derivation.by}" = ANY($1) ORDER BY {order}', subjects
        )
        groups: defaultdict[str, list[Any]] = defaultdict(list)
        for record in found:
            groups[record[at]].append(derivation.of.row(*record.values()))
        made: defaultdict[Any, list[Any]] = defaultdict(list)
        for subject in subjects:
            for row in derivation.rule(groups[subject]):
                made[type(row)].append(row)
        for table in derivation.into:
            await self.db.execute(f'DELETE FROM {table.name} WHERE "{derivation.by}" = ANY($1)', subjects)
            if made[table.row]:
                await self.db.copy_records_to_table(table.name, records=made[table.row])
