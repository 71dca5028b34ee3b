"""The rows of all views in one SQLite file (`views.db`), disposable at any time.

Every view stands at a position of its own. `Store.fold` takes facts in order of position and brings up to them
every view that stands right before the first; rows and positions commit together, so a crash leaves both where they
were. A view that is new, or whose version or tables are not those that were folded, is made anew alone and stands at
0; it catches up while the others answer.

Which facts count is decided here, once for all views: a corrected fact is replaced by what its last valid correction
says (law 5). The corrections stand where the view stands that is furthest. A view that catches up folds a fact as it
reads by all corrections known then, also by those that the view itself has not come to; when it comes to one, what
that corrects is settled once more. So once it has come to a correction, its rows are those of the reading that holds.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import apsw

from asbuilt import events
from asbuilt.errors import ViewsError
from asbuilt.events import AnyFact, CorrectionMade
from asbuilt.folder.sqlite_file import put_rows
from asbuilt.rows import Derivation, Row, Rule, Table, View

APPLICATION_ID = 0x61736276  # "asbv"
_CORE = """
CREATE TABLE IF NOT EXISTS folded(
    view TEXT PRIMARY KEY, version INTEGER NOT NULL, form TEXT NOT NULL, position INTEGER NOT NULL, fact BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS correction(
    target BLOB NOT NULL, declared_us INTEGER NOT NULL, fact BLOB NOT NULL, PRIMARY KEY(target, declared_us, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS correction_fact ON correction(fact);
CREATE TABLE IF NOT EXISTS fold_failure(
    view TEXT NOT NULL, fact BLOB NOT NULL, error TEXT NOT NULL, PRIMARY KEY(view, fact)
) STRICT, WITHOUT ROWID;
"""
_CORE_NAME, _CORE_VERSION = "(corrections)", 3
_CORE_TABLES = frozenset({"folded", "correction", "fold_failure"})
SUBJECTS_AT_ONCE = 200

Lookup = Callable[[UUID], AnyFact | None]
_Rules = dict[type, tuple[tuple[View, Rule], ...]]
Changed = dict[str, set[Any]]
"""Table name → first key columns of the rows that changed."""


class Store:
    """All views' rows. One thread folds; any number read through `reading`."""

    def __init__(self, path: Path | None, views: Mapping[str, View], *, strict: bool = False, read_only: bool = False):
        self.views = views
        self._strict = strict
        self._read_only = read_only
        self._location = str(path) if path else f"file:/{uuid4()}?vfs=memdb"
        self._in_memory = path is None
        self._readers: queue.LifoQueue[apsw.Connection] = queue.LifoQueue()
        self._folding = threading.Lock()
        self._tables = {row: table for view in views.values() for row, table in view.tables.items()}
        self._owners = {row: view.name for view in views.values() for row in view.tables}
        self._rules: dict[tuple[str, ...], _Rules] = {}
        with _errors(self._location):
            if path is not None and path.exists():
                _refuse_foreign(path)
            self._db = self._connect()
            if not read_only:
                self._prepare()
            elif self._is_of_another_core():
                raise ViewsError(
                    "the views were made by another version of asbuilt",
                    where=self._location,
                    remedy="Ask with the version that works on this folder, or stop it and ask again.",
                )
            self._corrected = {row[0] for row in self._db.execute("SELECT DISTINCT target FROM correction")}

    def _connect(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_URI | (
            apsw.SQLITE_OPEN_READONLY if self._read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        )
        db = apsw.Connection(self._location, flags=flags)
        db.set_busy_timeout(10_000)
        if not self._in_memory and not self._read_only:
            db.pragma("journal_mode", "wal")
            # Views can be folded again: a power cut may cost the last rows, never the record's.
            db.pragma("synchronous", "NORMAL")
            db.pragma("wal_autocheckpoint", 10_000)
        db.pragma("cache_size", -64_000)
        return db

    def _prepare(self) -> None:
        with self._db:
            self._db.pragma("application_id", APPLICATION_ID)
            if self._is_of_another_core():
                self._drop_all_but(())
            self._db.execute(_CORE)
            self._db.execute("INSERT OR IGNORE INTO folded VALUES (?, ?, '', 0, x'')", (_CORE_NAME, _CORE_VERSION))
            self._make_anew(self.outdated())

    def make_anew(self, views: Collection[str]) -> None:
        """Empty the rows of these views alone; they stand at 0 and catch up."""
        with self._folding, _errors(self._location), self._db:
            self._make_anew(views)

    def _make_anew(self, names: Collection[str]) -> None:
        # Dropped and not emptied: an index of another version may name a column that the rows lacked.
        kept = {t.name for view in self.views.values() if view.name not in names for t in view.tables.values()}
        self._drop_all_but(kept | _CORE_TABLES)
        for (known,) in self._db.execute("SELECT view FROM folded WHERE view <> ?", (_CORE_NAME,)).fetchall():
            if known in names or known not in self.views:
                self._db.execute("DELETE FROM folded WHERE view = ?", (known,))
                self._db.execute("DELETE FROM fold_failure WHERE view = ?", (known,))
        for name in sorted(names):
            view = self.views[name]
            for table in view.tables.values():
                self._db.execute(_create(table))
            self._db.execute("INSERT INTO folded VALUES (?, ?, ?, 0, x'')", (name, view.version, _form(view)))

    def _is_of_another_core(self) -> bool:
        """Whether what all views share was kept by another version in another form; an empty file is of none."""
        if not self._db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall():
            return self._read_only
        if not self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'folded'").fetchall():
            return True
        found = self._db.execute("SELECT version FROM folded WHERE view = ?", (_CORE_NAME,)).fetchall()
        return found != [(_CORE_VERSION,)]

    def _drop_all_but(self, kept: Collection[str]) -> None:
        found = self._db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in found.fetchall():
            if name not in kept:
                self._db.execute(f'DROP TABLE "{name}"')

    # ----------------------------------------------------------------- positions

    def outdated(self) -> frozenset[str]:
        """The views whose rows are of another version, or were never made.

        Only of a store that is read: one that folds has made their tables anew when it was opened, and they catch up.
        """
        with _errors(self._location):
            found: list[Any] = self._db.execute("SELECT view, version, form FROM folded").fetchall()
        known = {name: (version, form) for name, version, form in found}
        return frozenset(
            view.name for view in self.views.values() if known.get(view.name) != (view.version, _form(view))
        )

    def position(self, view: str | None = None) -> int:
        """Up to which position a view has been folded; without its name, the view that is furthest."""
        with _errors(self._location):
            found: list[Any] = self._db.execute(
                "SELECT position FROM folded WHERE view = ?", (view or _CORE_NAME,)
            ).fetchall()
        return int(found[0][0]) if found else 0

    def furthest(self, db: apsw.Connection) -> int:
        """`position()` as a reader sees it."""
        return int(db.execute("SELECT position FROM folded WHERE view = ?", (_CORE_NAME,)).get)

    def positions(self, db: apsw.Connection | None = None) -> dict[str, int]:
        """Where each view stands; one whose tables are of another version stands at 0. `db` is what a reader sees."""
        with _errors(self._location):
            found: list[Any] = (db or self._db).execute("SELECT view, version, form, position FROM folded").fetchall()
        known = {name: (version, form, position) for name, version, form, position in found}
        standing = {}
        for view in self.views.values():
            version, form, position = known.get(view.name, (0, "", 0))
            standing[view.name] = position if (version, form) == (view.version, _form(view)) else 0
        return standing

    def behind(self, head: int) -> dict[str, int]:
        """The views that have not folded everything up to `head`, and how many facts each still has to fold."""
        return {view: head - position for view, position in self.positions().items() if position < head}

    def next_portion(self, head: int, at_most: int) -> tuple[int, int]:
        """What to fold next: the view that is furthest behind `head` goes on after this position, with so many facts.

        Never beyond where the next one stands, so that they go on together. No facts if all views stand at `head`.
        """
        standing = sorted({*self.positions().values(), self.position(), head})
        if standing[0] >= head:
            return head, 0
        return standing[0], min(at_most, standing[1] - standing[0])

    def last_facts(self) -> dict[int, bytes]:
        """Position → id of the fact that stands there, wherever a view stands: that the rows belong to this record."""
        with _errors(self._location):
            found: list[Any] = self._db.execute(
                "SELECT DISTINCT position, fact FROM folded WHERE position > 0"
            ).fetchall()
        return {position: bytes(fact) for position, fact in found}

    # ----------------------------------------------------------------- folding

    def fold(self, facts: Sequence[tuple[int, AnyFact]], lookup: Lookup) -> Changed:
        """Bring up to these facts every view that stands right before the first; they follow each other by position.

        `lookup` finds any recorded fact by id. Returns what changed.
        """
        if not facts:
            return {}
        with self._folding, _errors(self._location):
            before, (position, last) = facts[0][0] - 1, facts[-1]
            views = [self.views[name] for name, stands in self.positions().items() if stands == before]
            furthest = self.position()
            assert views or furthest == before, f"no view stands right before fact {facts[0][0]:,}"
            self._db.execute("BEGIN IMMEDIATE")
            try:
                changed = self._fold_in_transaction(views, facts, lookup)
                for name in [view.name for view in views] + ([_CORE_NAME] if position > furthest else []):
                    self._db.execute(
                        "UPDATE folded SET position = ?, fact = ? WHERE view = ?", (position, last.id.bytes, name)
                    )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._corrected = {row[0] for row in self._db.execute("SELECT DISTINCT target FROM correction")}
                raise
        return changed

    def _fold_in_transaction(
        self, views: Sequence[View], facts: Sequence[tuple[int, AnyFact]], lookup: Lookup
    ) -> Changed:
        batch = _Batch()
        to_settle = self._register_corrections(facts)
        by_id = {fact.id: fact for _, fact in facts} if to_settle or self._corrected else {}
        corrected, rules, puts = self._corrected, self._rules_of(views), batch.puts
        timed = [(fact, events.microseconds(fact.event_time)) for _, fact in facts]
        for fact, time_us in timed:
            if corrected and fact.id.bytes in corrected:
                to_settle.add(fact.id)
                continue
            for view, rule in rules.get(type(fact), ()):
                try:
                    for row in rule(fact, time_us):
                        puts[type(row)].append(row)
                except Exception as error:
                    self._failed(view, fact, error)
        for fact_id in sorted(to_settle):
            original = by_id.get(fact_id) or lookup(fact_id)
            if original is not None and not isinstance(original, CorrectionMade):
                self._settle(original, rules, batch, lambda wanted: by_id.get(wanted) or lookup(wanted))
        for view in views:
            if view.tally is not None:
                for row in view.tally(timed):
                    batch.tallies[type(row)].append(row)
        return self._write(views, batch)

    def _rules_of(self, views: Sequence[View]) -> _Rules:
        names = tuple(view.name for view in views)
        if names not in self._rules:
            self._rules[names] = _rules_by_type(views)
        return self._rules[names]

    def _failed(self, view: View, fact: AnyFact, error: Exception) -> None:
        """A fold that cannot bear a fact must not stop the line.

        `doctor` and the sources page name it, and a new VERSION heals it. In tests it is an error.
        """
        if self._strict:
            raise error
        self._db.execute(
            "INSERT OR REPLACE INTO fold_failure VALUES (?, ?, ?)",
            (view.name, fact.id.bytes, f"{type(error).__name__}: {error}"),
        )

    # ----------------------------------------------------------------- corrections

    def _register_corrections(self, facts: Sequence[tuple[int, AnyFact]]) -> set[UUID]:
        """Note the corrections of this batch; returns the facts whose reading may have changed."""
        touched: set[UUID] = set()
        made = [fact for _, fact in facts if isinstance(fact, CorrectionMade)]
        for fact in made:
            self._db.execute(
                "INSERT OR IGNORE INTO correction VALUES (?, ?, ?)",
                (fact.corrects.bytes, events.microseconds(fact.event_time), fact.id.bytes),
            )
            self._corrected.add(fact.corrects.bytes)
        walked: set[bytes] = set()
        for fact in made:
            # A correction of a correction changes the reading of whatever that one corrected.
            target = fact.corrects.bytes
            while target not in walked:
                walked.add(target)
                above = self._db.execute("SELECT target FROM correction WHERE fact = ?", (target,)).fetchone()
                if above is None:
                    touched.add(UUID(bytes=target))
                else:
                    target = above[0]
        return touched

    def _corrections_of(self, target: bytes) -> list[tuple[int, bytes]]:
        found: list[Any] = self._db.execute(
            "SELECT declared_us, fact FROM correction WHERE target = ?", (target,)
        ).fetchall()
        return found

    def _deciding(self, target: bytes) -> bytes | None:
        """The correction that says how a fact reads: the last declared one that is not void.

        A correction is void if a later declared one, itself not void, corrects it. So the last
        declared of all is valid, and going back from it each valid one makes its target void.
        """
        found: list[tuple[int, bytes, bytes]] = []
        known, waiting = {target}, [target]
        while waiting:
            corrected = waiting.pop()
            for declared_us, fact in self._corrections_of(corrected):
                found.append((declared_us, fact, corrected))
                if fact not in known:
                    known.add(fact)
                    waiting.append(fact)
        void: set[bytes] = set()
        for _, fact, corrected in sorted(found, reverse=True):
            if fact not in void:
                if corrected == target:
                    return fact
                void.add(corrected)
        return None

    def _settle(self, original: AnyFact, rules: _Rules, batch: _Batch, find: Lookup) -> None:
        """Take back the rows of every reading of a fact, then give the rows of the one that holds."""
        readings: list[AnyFact] = [original]
        effective: AnyFact | None = original
        deciding = self._deciding(original.id.bytes)
        for _, correction_id in self._corrections_of(original.id.bytes):
            correction = find(UUID(bytes=correction_id))
            assert isinstance(correction, CorrectionMade), "the record lost a correction that the views know"
            if correction.replacement is not None:
                readings.append(correction.replacement)
            if correction_id == deciding:
                effective = correction.replacement
        for reading in readings:
            for row in self._rows_of(reading, rules):
                batch.deletes[type(row)].append(row)
        if effective is not None:
            for row in self._rows_of(effective, rules):
                batch.puts[type(row)].append(row)

    def _rows_of(self, fact: AnyFact, rules: _Rules) -> list[Row]:
        found: list[Row] = []
        for view, rule in rules.get(type(fact), ()):
            try:
                found.extend(rule(fact, events.microseconds(fact.event_time)))
            except Exception as error:
                self._failed(view, fact, error)
        return found

    def effective(self, fact: AnyFact, lookup: Lookup) -> AnyFact | None:
        """How a fact reads today: itself, its replacement, or None if it did not happen."""
        if fact.id.bytes not in self._corrected:
            return fact
        deciding = self._deciding(fact.id.bytes)
        if deciding is None:
            return fact
        correction = lookup(UUID(bytes=deciding))
        return correction.replacement if isinstance(correction, CorrectionMade) else None

    # ----------------------------------------------------------------- writing

    def _write(self, views: Sequence[View], batch: _Batch) -> Changed:
        changed: defaultdict[str, set[Any]] = defaultdict(set)
        for view in views:
            for row_class, table in view.tables.items():
                deletes, puts = batch.deletes.get(row_class, ()), batch.puts.get(row_class, ())
                if deletes:
                    self._delete(table, deletes)
                if puts:
                    put_rows(self._db, _put(table), puts)
                first = table.key_at[0]
                if deletes or puts:
                    changed[table.name].update(row[first] for row in (*deletes, *puts))
                tallies = batch.tallies.get(row_class)
                if tallies:
                    self._merge(table, tallies)
                    changed[table.name].update(row[first] for row in tallies)
            for derivation in view.derivations:
                self._derive(derivation, batch, changed)
        return dict(changed)

    def _delete(self, table: Table, rows: Sequence[Row]) -> None:
        where = " AND ".join(f"{name} IS ?" for name in table.key)
        keys = ([row[at] for at in table.key_at] for row in rows)
        self._db.executemany(f"DELETE FROM {table.name} WHERE {where}", keys)

    def _merge(self, table: Table, rows: Sequence[Row]) -> None:
        updates = ", ".join(
            f"{name} = {name} + excluded.{name}" if how == "sum" else f"{name} = {how}({name}, excluded.{name})"
            for name, how in table.merge.items()
        )
        put_rows(self._db, f"INSERT INTO {table.name} VALUES", rows, f"ON CONFLICT DO UPDATE SET {updates}")

    def _derive(self, derivation: Derivation, batch: _Batch, changed: defaultdict[str, set[Any]]) -> None:
        """Derive anew whatever follows from the rows of the subjects this batch touched."""
        of, by = derivation.of, ", ".join(derivation.by)
        at = [of.row._fields.index(name) for name in derivation.by]  # type: ignore[attr-defined]
        subject = itemgetter(*at)
        touched = {subject(row) for row in (*batch.deletes.get(of.row, ()), *batch.puts.get(of.row, ()))}
        old: dict[type[Row], set[Row]] = {table.row: set() for table in derivation.into}
        # By key, as the table has it: of two rows of one key the rule's later one stays, always.
        new: dict[type[Row], dict[Row, Row]] = {table.row: {} for table in derivation.into}
        keys = {table.row: table.key_at for table in derivation.into}
        for subjects in _portions(sorted(touched), SUBJECTS_AT_ONCE):
            marks = ", ".join([f"({', '.join('?' * len(at))})"] * len(subjects))
            wanted_by = f"{by} IN ({marks})" if len(at) == 1 else f"({by}) IN (VALUES {marks})"
            bound = subjects if len(at) == 1 else [value for row in subjects for value in row]
            found = self._db.execute(
                f"SELECT * FROM {of.name} WHERE {wanted_by} ORDER BY {by}, {', '.join(of.key)}", bound
            )
            for _, rows in groupby(map(of.row._make, found), key=subject):  # type: ignore[attr-defined]
                for row in derivation.rule(list(rows)):
                    new[type(row)][tuple(row[n] for n in keys[type(row)])] = row
            for table in derivation.into:
                old[table.row].update(self._db.execute(f"SELECT * FROM {table.name} WHERE {wanted_by}", bound))
        for table in derivation.into:
            wanted = set(new[table.row].values())
            gone, come = sorted(old[table.row] - wanted), sorted(wanted - old[table.row])
            self._delete(table, gone)
            put_rows(self._db, _put(table), come)
            if gone or come:
                changed[table.name].update(row[table.key_at[0]] for row in (*gone, *come))

    # ----------------------------------------------------------------- reading

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection that sees one state of all views for as long as it is held."""
        with _errors(self._location):
            try:
                db = self._readers.get_nowait()
            except queue.Empty:
                db = self._connect()
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")
                self._readers.put(db)

    def table(self, row_class: type[Row]) -> Table:
        """Where rows of this class are kept."""
        return self._tables[row_class]

    def view_of(self, row_class: type[Row]) -> str:
        """Whose rows they are."""
        return self._owners[row_class]

    def failures(self) -> list[tuple[str, bytes, str]]:
        """Facts a fold could not bear: view, fact id, error."""
        with self.reading() as db:
            found: list[Any] = db.execute("SELECT view, fact, error FROM fold_failure ORDER BY view, fact").fetchall()
        return found

    def digest(self) -> str:
        """SHA-256 over every row of every view, in order of keys; equal facts give equal digests."""
        whole = hashlib.sha256()
        with self.reading() as db:
            for view in self.views.values():
                whole.update(f"{view.name} {view.version}\n".encode())
                for table in sorted(view.tables.values(), key=lambda table: table.name):
                    whole.update(f"{table.name}\n".encode())
                    for row in db.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"):
                        whole.update(repr(row).encode() + b"\n")
        return whole.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        while not self._readers.empty():
            self._readers.get_nowait().close()
        self._db.close()


class _Batch:
    """What one batch of facts writes."""

    def __init__(self) -> None:
        self.puts: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self.deletes: defaultdict[type[Row], list[Row]] = defaultdict(list)
        self.tallies: defaultdict[type[Row], list[Row]] = defaultdict(list)


def _rules_by_type(views: Iterable[View]) -> _Rules:
    rules: defaultdict[type, list[tuple[View, Rule]]] = defaultdict(list)
    for view in views:
        for event_type, rule in view.rules.items():
            rules[event_type].append((view, rule))
    return {event_type: tuple(found) for event_type, found in rules.items()}


def _refuse_foreign(path: Path) -> None:
    """Look before anything is opened for writing: that would change a file which is not ours."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        application, tables = db.pragma("application_id"), db.execute("SELECT count(*) FROM sqlite_schema").get
    finally:
        db.close()
    if application != APPLICATION_ID and (application or tables):
        raise ViewsError(
            "this SQLite file does not hold views of asbuilt",
            where=str(path),
            remedy="Move it away; the views are then folded anew.",
        )


def _portions(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def _create(table: Table) -> str:
    columns = ", ".join(f"{c.name} {c.sql_type}{'' if c.optional else ' NOT NULL'}" for c in table.columns)
    sql = f"CREATE TABLE {table.name}({columns}, PRIMARY KEY({', '.join(table.key)})) STRICT, WITHOUT ROWID;"
    for number, index in enumerate(table.indexes, 1):
        names, _, where = index.partition(" WHERE ")
        sql += f"CREATE INDEX {table.name}_{number} ON {table.name}({names})"
        sql += f" WHERE {where};" if where else ";"
    return sql


@lru_cache(maxsize=1024)
def _form_of(tables: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(tables).encode()).hexdigest()[:16]


def _form(view: View) -> str:
    """A short name of how a view's tables are built: other columns or indexes make it outdated, whatever VERSION says."""
    return _form_of(tuple(_create(table) for table in view.tables.values()))


def _put(table: Table) -> str:
    return f"INSERT OR REPLACE INTO {table.name} VALUES"


@contextmanager
def _errors(location: str) -> Iterator[None]:
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise ViewsError(f"the views are damaged: {error}", where=location, remedy="Run `asbuilt rebuild`; nothing recorded is lost.") from error  # fmt: skip
    except apsw.FullError as error:
        raise ViewsError(f"there is no room for the views: {error}", where=location, remedy="Make room on the disk; the record goes on and the views catch up.") from error  # fmt: skip
    except apsw.Error as error:
        raise ViewsError(f"the views cannot be used: {error}", where=location, remedy="Check the folder; `asbuilt rebuild` makes them anew.") from error  # fmt: skip
