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
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import apsw

from asbuilt import events
from asbuilt.errors import ViewsError
from asbuilt.events import AnyFact, CorrectionMade
from asbuilt.folder.sqlite_file import make_whole
from asbuilt.rows import Changed, Row, Rule, Table, Timed, View, by_type, corrections, names
from asbuilt.rows.corrections import Corrections
from asbuilt.rows.file import APPLICATION_ID, errors, refuse_foreign
from asbuilt.rows.writing import Batch, Writer, create, form

_CORE = """
CREATE TABLE IF NOT EXISTS folded(
    view TEXT PRIMARY KEY, version INTEGER NOT NULL, form TEXT NOT NULL, position INTEGER NOT NULL, fact BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS fold_failure(
    view TEXT NOT NULL, fact BLOB NOT NULL, error TEXT NOT NULL, PRIMARY KEY(view, fact)
) STRICT, WITHOUT ROWID;
"""
_CORE_NAME, _CORE_VERSION = "(corrections)", 3
_CORE_TABLES = frozenset({"folded", "correction", "fold_failure", "name"})

Lookup = Callable[[UUID], AnyFact | None]
_Rules = dict[type, tuple[tuple[View, Rule], ...]]


class Store:
    """All views' rows. One thread folds; any number read through `reading`.

    One that is not `logged` is faster and of use only once all is folded and it is closed: killed before, its file is rubbish.
    """

    def __init__(
        self,
        path: Path | None,
        views: Mapping[str, View],
        *,
        strict: bool = False,
        read_only: bool = False,
        logged: bool = True,
    ):
        self.views = views
        self._forms = {view.name: form(view) for view in views.values()}
        self._strict = strict
        self._read_only = read_only
        self._logged = logged
        self._location = str(path) if path else f"file:/{uuid4()}?vfs=memdb"
        self._in_memory = path is None
        self._readers: queue.LifoQueue[apsw.Connection] = queue.LifoQueue()
        self._folding = threading.Lock()
        self.names = names.Names()
        """Names that readers asked for: only what was committed."""
        self._tables = {row: table for view in views.values() for row, table in view.tables.items()}
        self._owners = {row: view.name for view in views.values() for row in view.tables}
        self._rules: dict[tuple[str, ...], _Rules] = {}
        with errors(self._location):
            if path is not None and path.exists():
                refuse_foreign(path)
            elif path is not None and not read_only:
                make_whole(path, lambda db: db.pragma("application_id", APPLICATION_ID))
            self._db = self._connect()
            if not read_only:
                self._prepare()
            elif self._is_of_another_core():
                raise ViewsError(
                    "the views were made by another version of asbuilt",
                    where=self._location,
                    remedy="Ask with the version that works on this folder, or stop it and ask again.",
                )
            self._corrections = Corrections(self._db)
            self._writer = Writer(self._db)

    def _connect(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_URI | (
            apsw.SQLITE_OPEN_READONLY if self._read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        )
        db = apsw.Connection(self._location, flags=flags)
        db.set_busy_timeout(10_000)
        if not self._logged:
            db.pragma("journal_mode", "memory")
            db.pragma("synchronous", "OFF")
        elif not self._in_memory and not self._read_only:
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
            self._db.execute(_CORE + corrections.CREATE + names.CREATE)
            self._db.execute("INSERT OR IGNORE INTO folded VALUES (?, ?, '', 0, x'')", (_CORE_NAME, _CORE_VERSION))
            self._make_anew(self.outdated())

    def make_anew(self, views: Collection[str]) -> None:
        """Empty the rows of these views alone; they stand at 0 and catch up."""
        with self._folding, errors(self._location), self._db:
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
                self._db.execute(create(table))
            self._db.execute(
                "INSERT INTO folded VALUES (?, ?, ?, 0, x'')", (name, view.version, self._forms[view.name])
            )

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
        with errors(self._location):
            found: list[Any] = self._db.execute("SELECT view, version, form FROM folded").fetchall()
        known = {name: (version, built) for name, version, built in found}
        return frozenset(
            view.name for view in self.views.values() if known.get(view.name) != (view.version, self._forms[view.name])
        )

    def position(self, view: str | None = None) -> int:
        """Up to which position a view has been folded; without its name, the view that is furthest."""
        with errors(self._location):
            found: list[Any] = self._db.execute(
                "SELECT position FROM folded WHERE view = ?", (view or _CORE_NAME,)
            ).fetchall()
        return int(found[0][0]) if found else 0

    def furthest(self, db: apsw.Connection) -> int:
        """`position()` as a reader sees it."""
        return int(db.execute("SELECT position FROM folded WHERE view = ?", (_CORE_NAME,)).get)

    def positions(self, db: apsw.Connection | None = None) -> dict[str, int]:
        """Where each view stands; one whose tables are of another version stands at 0. `db` is what a reader sees."""
        with errors(self._location):
            found: list[Any] = (db or self._db).execute("SELECT view, version, form, position FROM folded").fetchall()
        known = {name: (version, built, position) for name, version, built, position in found}
        standing = {}
        for view in self.views.values():
            version, built, position = known.get(view.name, (0, "", 0))
            standing[view.name] = position if (version, built) == (view.version, self._forms[view.name]) else 0
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
        with errors(self._location):
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
        with self._folding, errors(self._location):
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
                self._corrections.read()
                self._writer.forget()
                raise
        return changed

    def _fold_in_transaction(
        self, views: Sequence[View], facts: Sequence[tuple[int, AnyFact]], lookup: Lookup
    ) -> Changed:
        batch = Batch()
        to_settle = self._corrections.register(facts)
        by_id = {fact.id: fact for _, fact in facts} if to_settle or self._corrections.targets else {}
        corrected, rules, puts = self._corrections.targets, self._rules_of(views), batch.puts
        times = events.all_microseconds([fact.event_time for _, fact in facts])
        timed = [(fact, time_us) for (_, fact), time_us in zip(facts, times, strict=True)]
        as_said = timed
        if corrected:
            to_settle.update(fact.id for fact, _ in timed if fact.id.bytes in corrected)
            as_said = [one for one in timed if one[0].id not in to_settle]
        for kind, some in by_type(as_said).items():
            for view, rule in rules.get(kind, ()):
                for row_class, rows in self._rows_by_class(view, rule, some).items():
                    puts[row_class] += rows
        for fact_id in sorted(to_settle):
            original = by_id.get(fact_id) or lookup(fact_id)
            if original is not None and not isinstance(original, CorrectionMade):
                self._settle(original, rules, batch, lambda wanted: by_id.get(wanted) or lookup(wanted))
        for view in views:
            if view.tally is not None:
                for row in view.tally(timed):
                    batch.tallies[type(row)].append(row)
        return self._writer.write(views, batch)

    def _rows_by_class(self, view: View, rule: Rule, facts: Sequence[Timed]) -> dict[type[Row], list[Row]]:
        """The rows of facts of one type."""
        try:
            made = [row for fact, time_us in facts for row in rule(fact, time_us)]
        except Exception:
            # One of them cannot be borne: which, and what the others give, is found one after the other.
            made = [row for fact, time_us in facts for row in self._rows_of_one(view, rule, fact, time_us)]
        classes = set(map(type, made))
        if len(classes) == 1:
            return {classes.pop(): made}
        found: dict[type[Row], list[Row]] = {row_class: [] for row_class in classes}
        for row in made:
            found[type(row)].append(row)
        return found

    def _rows_of_one(self, view: View, rule: Rule, fact: AnyFact, time_us: int) -> list[Row]:
        try:
            return list(rule(fact, time_us))
        except Exception as error:
            self._failed(view, fact, error)
            return []

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

    def _settle(self, original: AnyFact, rules: _Rules, batch: Batch, find: Lookup) -> None:
        """Take back the rows of every reading of a fact, then give the rows of the one that holds."""
        readings: list[AnyFact] = [original]
        effective: AnyFact | None = original
        deciding = self._corrections.deciding(original.id.bytes)
        for _, correction_id in self._corrections.of(original.id.bytes):
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
        time_us = events.microseconds(fact.event_time)
        every = (self._rows_of_one(view, rule, fact, time_us) for view, rule in rules.get(type(fact), ()))
        return [row for rows in every for row in rows]

    def effective(self, fact: AnyFact, lookup: Lookup) -> AnyFact | None:
        """How a fact reads today: itself, its replacement, or None if it did not happen."""
        if self._read_only:
            # Somebody else folds: what was corrected is what the file says now.
            with self.reading() as db:
                deciding = Corrections(db, know_all=False).deciding(fact.id.bytes)
        elif fact.id.bytes in self._corrections.targets:
            deciding = self._corrections.deciding(fact.id.bytes)
        else:
            return fact
        if deciding is None:
            return fact
        correction = lookup(UUID(bytes=deciding))
        return correction.replacement if isinstance(correction, CorrectionMade) else None

    # ----------------------------------------------------------------- reading

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection that sees one state of all views for as long as it is held."""
        with errors(self._location):
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

    def named(self, db: apsw.Connection, rows: Sequence[Any], at: Sequence[int]) -> Sequence[Any]:
        """Rows that a reader read, with names for the numbers at these places."""
        return names.named(self.names, db, rows, at)

    def every_row(self, db: apsw.Connection, table: Table) -> Iterator[Row]:
        """All rows of a table as the fold made them, in order of their keys."""
        said = {c.name: f"{c.name}_name.text" if c.interned else f"t.{c.name}" for c in table.columns}
        joins = "".join(
            f" LEFT JOIN name AS {c.name}_name ON {c.name}_name.id = t.{c.name}" for c in table.columns if c.interned
        )
        order = ", ".join(said[column] for column in table.key)
        yield from db.execute(f"SELECT {', '.join(said.values())} FROM {table.name} AS t{joins} ORDER BY {order}")

    def failures(self) -> list[tuple[str, bytes, str]]:
        """Facts a fold could not bear: view, fact id, error."""
        with self.reading() as db:
            found: list[Any] = db.execute("SELECT view, fact, error FROM fold_failure ORDER BY view, fact").fetchall()
        return found

    def digest(self) -> str:
        """SHA-256 over every row of every view, in order of keys; equal facts give equal digests.

        Over names and not their numbers, so it does not depend on the order in which names came.
        """
        whole = hashlib.sha256()
        with self.reading() as db:
            for view in self.views.values():
                whole.update(f"{view.name} {view.version}\n".encode())
                for table in sorted(view.tables.values(), key=lambda table: table.name):
                    whole.update(f"{table.name}\n".encode())
                    for row in self.every_row(db, table):
                        whole.update(repr(row).encode() + b"\n")
        return whole.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        while not self._readers.empty():
            self._readers.get_nowait().close()
        self._db.close()


def _rules_by_type(views: Iterable[View]) -> _Rules:
    rules: defaultdict[type, list[tuple[View, Rule]]] = defaultdict(list)
    for view in views:
        for event_type, rule in view.rules.items():
            rules[event_type].append((view, rule))
    return {event_type: tuple(found) for event_type, found in rules.items()}
