"""AsBuilt: the one file that wires everything.

    with AsBuilt(memory=True, plant=plant) as app:
        app.take_in([...])
        app.query("line.board", line="1")
        app.client.get("/line/1")

`AsBuilt(Path("asbuilt-data"))` is the same on a data folder. Tests hold the whole product this way.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asbuilt import adapters as adapters_
from asbuilt import events, views
from asbuilt.access import EVERYBODY, Clearance, Reader, Sources, UnitSeal, reading
from asbuilt.access.withheld import REMEDY
from asbuilt.adapters import Result, Taken
from asbuilt.errors import AsBuiltError, PlantError, UsageError, WithheldError
from asbuilt.events import AnyFact, PlantDefined
from asbuilt.exchange import curves
from asbuilt.folder import DataFolder
from asbuilt.folding import FoldThread, catch_up
from asbuilt.pipeline import Pipeline
from asbuilt.plant import Plant, parse
from asbuilt.record import Clock, Record, memory, sqlite
from asbuilt.rows import Changed
from asbuilt.rows.store import Store

if TYPE_CHECKING:
    from asbuilt.folding.process import FoldProcess
    from asbuilt.seal.sealer import Sealer
    from asbuilt.web.client import Client

OWN_SOURCE = "asbuilt"
PLANT_TYPE = "plant_defined.v1"
MAX_HEARD = 10_000
"""So many sources are remembered as heard; a sender cannot fill memory by inventing names."""
EMPTY_PLANT = '[plant]\nid = "plant"\nname = "No plant file yet"\nzone = "UTC"\n'


def system_clock() -> dt.datetime:
    """The time of this machine, in UTC."""
    return dt.datetime.now(dt.UTC)


class AsBuilt:
    """The product: record, pipeline, views, and the doors to them.

    `data` is the data folder; `memory=True` keeps everything in the process instead. `plant` is
    recorded as the plant in force if it differs from the last one. `read_only` asks questions
    beside another process that works on the folder. With `fold_beside` views that must be made anew are folded while
    the others answer, else before anything is answered. `processes` folds in a process of its own (of a data folder, where
    there are two processors), so that recording and rendering do not wait for it. `strict` makes a fold's error an error.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        memory: bool = False,
        plant: Plant | None = None,
        now: Clock = system_clock,
        random: Callable[[int], bytes] = os.urandom,
        read_only: bool = False,
        rebuild: bool = False,
        fold_beside: bool = False,
        processes: bool = False,
        strict: bool = False,
        purpose: str = "asbuilt",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        if (data is None) != memory:
            raise UsageError("give a data folder, or memory=True")
        self.now = now
        self.random = random
        self.views = views.discover()
        self.folder = DataFolder(data) if data else None
        self.listeners: list[Callable[[Changed], None]] = []
        self.heard: dict[str, dt.datetime] = {}
        self._memory_tokens: dict[str, str] = {}
        self._memory_notes: dict[str, bytes] = {}
        self.read_only = read_only
        self.sealer: Sealer | None = None
        self._client: Client | None = None
        self._seal_refused: AsBuiltError | None = None
        if self.folder and not read_only:
            self.folder.lock(purpose)
        with ExitStack() as undo:
            # What was opened is closed again if a later step fails, in the opposite order.
            if self.folder:
                undo.callback(self.folder.unlock)
            self.record: Record = self._open_record(progress)
            undo.callback(self.record.close)
            if self.folder and rebuild:
                self._fold_anew(self.folder, strict, progress)
            apart = self._fold_apart(strict, fold_beside, progress) if processes else None
            if apart is not None:
                undo.callback(apart.stop)
            self.store = self._open_store(strict, fold_beside, progress, is_folded_here=apart is None)
            undo.callback(self.store.close)
            self._plants = _Plants(self.record, self.effective, plant)
            self.pipeline = Pipeline(self.record, apart or FoldThread(self.record, self.store, self._announce), now)
            if not read_only:
                self.pipeline.start()
                undo.callback(self.pipeline.stop)
                self.define(plant)
            undo.pop_all()

    # ----------------------------------------------------------------- wiring

    def _open_record(self, progress: Callable[[int, int], None]) -> Record:
        if self.folder is None:
            return memory.Log(self.now, self.random)
        return sqlite.Log(self.folder.record, self.now, self.random, read_only=self.read_only, progress=progress)

    def _open_store(
        self,
        strict: bool,
        fold_beside: bool,
        progress: Callable[[int, int], None],
        is_folded_here: bool,
    ) -> Store:
        path = self.folder.views if self.folder else None
        if not is_folded_here:
            return Store(path, self.views, strict=strict, read_only=True)
        store = Store(path, self.views, strict=strict, read_only=self.read_only)
        if not self.read_only:
            catch_up(self.record, store, fold_beside, progress)
        return store

    def _fold_apart(self, strict: bool, fold_beside: bool, progress: Callable[[int, int], None]) -> FoldProcess:
        """A process of its own for the rows, which has folded what there is when this returns."""
        assert self.folder is not None and not self.read_only, "rows in memory, or of another process, are folded there"
        from asbuilt.folding.process import FoldProcess

        apart = FoldProcess(self.folder.path, self._announce, beside=fold_beside, strict=strict)
        apart.begin(progress)
        return apart

    def _fold_anew(self, folder: DataFolder, strict: bool, progress: Callable[[int, int], None]) -> None:
        """Fold everything into a file of its own, which needs no log: it takes its place when it is whole, or is rubbish."""
        folder.forget_views()
        try:
            with closing(Store(folder.views_anew, self.views, strict=strict, logged=False)) as store:
                catch_up(self.record, store, False, progress)
            folder.take_views_anew()
        except BaseException:
            folder.forget_views()
            raise

    def define(self, plant: Plant | None) -> None:
        """Record the plant file as in force from now on, unless it already is."""
        if plant is not None:
            self._plants.files[plant.digest] = plant.where
        if plant is not None and self._plants.last_digest() != plant.digest:
            now = self.now()
            fact = PlantDefined(
                id=events.new_id(now, self.random),
                event_time=now.astimezone(plant.zone),
                source=OWN_SOURCE,
                digest=plant.digest,
                text=plant.text,
            )
            self.take_in([fact])

    def _announce(self, changed: Changed) -> None:
        for listener in self.listeners:
            listener(changed)

    def remembered(self, adapter: str) -> bytes:
        """What an adapter keeps for its next start; empty at first."""
        if self.folder is None:
            return self._memory_notes.get(adapter, b"")
        return self.folder.note(adapter)

    def remember(self, adapter: str, data: bytes) -> None:
        """Keep this for the adapter's next start."""
        if self.folder is None:
            self._memory_notes[adapter] = data
        else:
            self.folder.keep_note(adapter, data)

    def token(self, adapter: str) -> str:
        """The token by which a sender shows that it may speak as this adapter."""
        if self.folder is None:
            return self._memory_tokens.setdefault(adapter, self.random(16).hex())
        return self.folder.secret(f"adapter-{adapter}.token")

    def seal(self, *, origin: str = "", cadence_s: int = 60, backlog: int = 0) -> None:
        """Begin to seal what is recorded, in a thread of its own; the log is begun if there is none yet.

        Of a new log, `origin` is the name and `cadence_s` the seconds between blocks; `backlog` blocks are closed at
        once for what was recorded before.
        Where sealing cannot go on (`seal_problem` says why), recording goes on all the same.
        """
        from asbuilt.seal import sealer

        assert self.folder is not None and not self.read_only, "what is in memory, or of another process, is not sealed"
        try:
            sealer.begin(
                self.folder, self.now(), self.random, origin=origin or f"asbuilt/{self.plant.id}", cadence_s=cadence_s,
                backlog=backlog,
            )  # fmt: skip
            self.sealer = sealer.Sealer(self.folder, self.record, self.now, self.random)
        except AsBuiltError as error:
            self._seal_refused = error
        else:
            self.sealer.start()

    def _unit_seal(self, unit: str) -> UnitSeal | None:
        return UnitSeal(*self.sealer.about(unit)) if self.sealer is not None else None

    @property
    def seal_problem(self) -> AsBuiltError | None:
        """Why what is recorded is not being sealed at the moment, if so."""
        return self._seal_refused or (self.sealer.problem if self.sealer else None)

    def close(self) -> None:
        """Record and fold what waits, then let go of the folder."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self.pipeline.stop()
        if self.sealer is not None:
            self.sealer.stop()
        self.store.close()
        self.record.close()
        if self.folder:
            self.folder.unlock()

    def __enter__(self) -> AsBuilt:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ----------------------------------------------------------------- in

    def take_in(self, items: Sequence[Taken], adapter: str = OWN_SOURCE) -> list[Result]:
        """Record facts and wait until they are durable; one result per item, in order."""
        return self.pipeline.take_in(adapter, items).result()

    def hear(self, source: str) -> None:
        """The source was heard just now."""
        if source in self.heard or len(self.heard) < MAX_HEARD:
            self.heard[source] = self.now()

    # ----------------------------------------------------------------- out

    @cached_property
    def _sources(self) -> Sources:
        return Sources(
            store=self.store,
            record=self.record,
            plants=self._plants,
            now=self.now,
            heard=self.heard,
            seal=self._unit_seal,
            seal_problem=lambda: self.seal_problem.message if self.seal_problem else "",
            **({"curve": partial(curves.find, self.folder.traces)} if self.folder else {}),
        )

    def seen_as(self, who: str) -> Clearance:
        """What somebody may see, at whatever door they ask. Everybody may see everything until people are known."""
        return EVERYBODY

    def sees_all(self, who: str, what: str) -> None:
        """Raise `WithheldError` unless nothing is hidden from somebody: for what gives facts out whole."""
        if self.seen_as(who).hides:
            raise WithheldError(f"{what}, and not all of them may be seen by you", remedy=REMEDY)

    @contextmanager
    def reader(self, who: str = "local", seen_as: Clearance | None = None) -> Iterator[Reader]:
        """A reader of the present state for whoever asks; hold it only while asking.

        Pages, live streams, queries, commands and exports have theirs from here. `seen_as` is given where it was
        decided before, to share an answer among all who may see as much.
        """
        with reading(self._sources, who, self.seen_as(who) if seen_as is None else seen_as) as reader:
            yield reader

    @cached_property
    def queries(self) -> Mapping[str, views.Query]:
        """Every question that can be asked by name."""
        return views.queries(self.views)

    def query(self, name: str, /, **parameters: Any) -> Any:
        """Ask a query by name (`view.name`), once everything recorded so far is folded, as who sits at this machine.

        Raises `UsageError` for an unknown query or parameter.
        """
        return self.ask("local", name, parameters)

    def ask(self, who: str, name: str, parameters: Mapping[str, Any]) -> Any:
        """Ask a query by name as somebody. Raises `UsageError` for an unknown query or parameter."""
        query = views.find_query(self.queries, name)
        unknown = set(parameters) - set(query.parameters)
        missing = [n for n, p in query.parameters.items() if p.default is p.empty and n not in parameters]
        if unknown or missing:
            what = f"{name} has no parameter {sorted(unknown)[0]}" if unknown else f"{name} needs {missing[0]}"
            takes = ", ".join(f"{n}=…" if p.default is p.empty else f"[{n}=…]" for n, p in query.parameters.items())
            raise UsageError(what, remedy=f"It takes: {takes or 'nothing'}.")
        if not self.read_only:
            self.pipeline.settle()
        with self.reader(who) as reader:
            # Whatever the query makes of it: no answer is about a moment that has not come.
            reader.instant(parameters.get("at"))
            return query.function(reader, **{query.parameters[n].name: value for n, value in parameters.items()})

    def plant_at(self, instant: dt.datetime) -> Plant:
        """The plant in force at a moment; before the first, the first."""
        return self._plants.at(instant)

    @property
    def plant(self) -> Plant:
        """The plant in force now."""
        return self.plant_at(self.now())

    def effective(self, fact: AnyFact) -> AnyFact | None:
        """How a recorded fact reads today, after corrections; None if it did not happen."""
        return self.store.effective(fact, self._fact)

    def _fact(self, fact_id: UUID) -> AnyFact | None:
        found = self.record.get(fact_id)
        return events.recall(found.body) if found else None

    @property
    def client(self) -> Client:
        """An in-process client of the web pages and the HTTP API."""
        from asbuilt.web.client import Client

        if self._client is None:
            self._client = Client(self)
        return self._client

    # ----------------------------------------------------------------- adapters

    def configured(self, name: str) -> tuple[Any, Any]:
        """The adapter of this name: its module and its settings, checked.

        Raises `PlantError` with the line of a setting that is wrong.
        """
        return configure(self.plant, name)


def configure(plant: Plant, name: str) -> tuple[Any, Any]:
    """The module and settings of an adapter of a plant. Raises `PlantError` naming the line."""
    import msgspec

    settings = plant.adapters.get(name)
    if settings is None:
        known = ", ".join(plant.adapters) or "none"
        raise UsageError(f"the plant has no adapter `{name}`", where=plant.where, remedy=f"It has: {known}.")
    try:
        module = adapters_.of_kind(settings.kind)
    except UsageError as error:
        raise plant.error_at(("adapter", name, "kind"), error.message, error.remedy) from None
    beside = Path(plant.where).parent
    named = {key: str(beside / value) for key, value in settings.settings.items()
             if key in getattr(module, "PATHS", ()) and isinstance(value, str)}  # fmt: skip
    try:
        config = msgspec.convert({**settings.settings, **named}, module.Config, strict=False)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        unknown = message.partition("unknown field `")[2].rstrip("`")
        path = [part for part in place.rstrip("`").split(".") if part] + ([unknown] if unknown else [])
        keys = ", ".join(module.Config.__struct_encode_fields__)
        raise plant.error_at(
            ("adapter", name, *path), message, f"An adapter of kind {settings.kind} takes: {keys}."
        ) from None
    for problem in module.check(config, name):
        raise plant.error_at(("adapter", name, *problem.at), problem.what, problem.remedy)
    return module, config


class _Plants:
    """The plant files of the record, in order of when they came into force; `given` while none is recorded."""

    def __init__(self, record: Record, effective: Callable[[AnyFact], AnyFact | None], given: Plant | None) -> None:
        self._record = record
        self._effective = effective
        self._given = given
        self._reading = threading.Lock()
        self._defined: list[tuple[dt.datetime, UUID, Plant]] = []
        self._seen = (0, 0)
        self._last_digest = ""
        self.files: dict[str, str] = {}
        """Digest → the file this process read it from: what a plant file names lies beside it."""

    def _read(self) -> None:
        """Take note of plant files recorded, or corrected, since the last look."""
        seen = (self._record.count(f"type:{PLANT_TYPE}"), self._record.count("type:correction_made.v1"))
        if seen == self._seen:
            return
        with self._reading:
            defined = []
            for recorded in self._record.about(f"type:{PLANT_TYPE}"):
                original = events.recall(recorded.body)
                fact = self._effective(original)
                if not isinstance(fact, PlantDefined):
                    continue
                self._last_digest = fact.digest
                # One written by a version that allowed more cannot be read: the one before stays in force.
                with suppress(PlantError):
                    defined.append(
                        (fact.event_time, fact.id, parse(fact.text, self.files.get(fact.digest, "recorded plant file")))
                    )
            self._defined = sorted(defined, key=lambda entry: entry[:2])
            self._seen = seen

    def last_digest(self) -> str:
        """The digest of the plant file recorded last; empty if there is none."""
        self._read()
        return self._last_digest

    def every(self) -> list[tuple[dt.datetime, Plant]]:
        """The plants in order of when they came into force."""
        self._read()
        first = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        defined = [(since, plant) for since, _, plant in self._defined]
        return defined or [(first, self._given or parse(EMPTY_PLANT))]

    def at(self, instant: dt.datetime) -> Plant:
        """The plant in force at an instant; before the first, the first."""
        self._read()
        defined = self._defined
        for since, _, plant in reversed(defined):
            if since <= instant:
                return plant
        if defined:
            return defined[0][2]
        return self._given or parse(EMPTY_PLANT)
