"""Facts in: import files, let the simulated plant produce, correct."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import msgspec
import typer
from rich.text import Text

from asbuilt.cli.shared import (
    AHEAD,
    BATCH,
    DEFAULT_DATA,
    Data,
    PlantFile,
    err,
    in_batches,
    need_record,
    opened_on,
    out,
    progress_bar,
    verify,
)
from asbuilt.errors import AsBuiltError, MalformedFact, UsageError

if TYPE_CHECKING:
    from asbuilt.adapters import Message
    from asbuilt.app import AsBuilt
    from asbuilt.connect.mapping import Memory

app = typer.Typer()
PANEL = "Facts in"
PLACE = 2


SHOWN_REJECTIONS = 20
SHOWN_FACTS = 10
SHOWN_CHARS = 400
SOME_REJECTED = 4
"""What an import ends with where some of it was rejected."""


@app.command("import", rich_help_panel=PANEL)
def import_(
    plant: PlantFile,
    adapter: Annotated[str, typer.Argument(help="An adapter of the plant file that reads files.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The files to import.")],
    data: Data = DEFAULT_DATA,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first messages beside their facts; record nothing.")
    ] = False,
) -> None:
    """Import files through an adapter of the plant file. What is recorded already is a duplicate.

    Ends with 0 where all was taken in, 4 where some was rejected, 1 where nothing of a file became a fact.

    Example: `asbuilt import examples/machine-shop/plant.toml reports log.csv --data shop`
    """
    from asbuilt.app import configure
    from asbuilt.plant import load

    loaded = load(plant)
    module, config = configure(loaded, adapter)
    if not hasattr(module, "read"):
        raise UsageError(f"adapter `{adapter}` ({module.KIND}) does not read files", remedy="Use one of kind csv_file.")
    verify(loaded, adapter, module, config)
    if dry_run:
        for file in files:
            _show_file(module, config, adapter, file)
        return
    rejected = 0
    with opened_on(data, f"import {adapter}", plant=loaded) as opened:
        for file in files:
            rejected += _import_file(opened, module, config, adapter, file)
        opened.pipeline.settle(3600)
    if rejected:
        raise typer.Exit(SOME_REJECTED)


def _show_file(module: Any, config: Any, adapter: str, file: Path) -> None:
    """The first messages of a file beside their facts, then how many there are of each; nothing is recorded."""
    from asbuilt import events
    from asbuilt.adapters import Rejection
    from asbuilt.connect.mapping import Memory

    translate = module.translator(config, adapter)
    counts: Counter[str] = Counter()
    rejections = messages = 0
    for message in _read(module, file, config, Memory()):
        messages += 1
        for item in translate(message):
            shown = rejections + counts.total() < SHOWN_FACTS
            if isinstance(item, Rejection):
                rejections += 1
                told = f"  ✗ {item.reason}"
            else:
                counts[events.type_name(item)] += 1
                told = f"  → {events.unchecked_bytes(item).decode('utf-8', 'replace')}"
            if shown:
                out.print(Text(f"line {message.line or '?'}: {message.data[:SHOWN_CHARS].decode('utf-8', 'replace')}"))
                out.print(Text(told))
    each = ", ".join(f"{number:,} {name}" for name, number in counts.most_common()) or "no fact"
    out.print(f"{file}: {messages:,} messages would become {each}, {rejections:,} rejected. Nothing is recorded.")


def _read(module: Any, file: Path, config: Any, memory: Memory) -> Iterator[Message]:
    """The messages of a file; an adapter whose files are pieces of one recording goes on from `memory`."""
    if getattr(module, "PIECES", False):
        return cast("Iterator[Message]", module.read(file, config, memory))
    return cast("Iterator[Message]", module.read(file, config))


def _import_file(opened: AsBuilt, module: Any, config: Any, adapter: str, file: Path) -> int:
    """Take a file in; how many of its messages were rejected. Raises `AsBuiltError` where none became a fact."""
    from asbuilt.connect.mapping import Memory

    translate = module.translator(config, adapter)
    counts: Counter[str] = Counter()
    seen: set[UUID] = set()
    read = 0
    noted = f"{adapter} files"
    memory = Memory(msgspec.json.decode(opened.remembered(noted) or b"{}"))
    rejected: list[Any] = []
    rejections = 0
    waiting: deque[Any] = deque()

    def answered() -> None:
        nonlocal rejections
        for result in waiting.popleft().result():
            twice = result.status == "duplicate" and result.id in seen
            counts["twice" if twice else result.status] += 1
            if result.id is not None:
                seen.add(result.id)
            if result.status in ("rejected", "conflict"):
                rejections += 1
                if len(rejected) < SHOWN_REJECTIONS:
                    rejected.append(result)

    total = module.count_lines(file) if hasattr(module, "count_lines") and file.is_file() else None
    with progress_bar(file.name, total) as (progress, task):
        for messages in in_batches(_read(module, file, config, memory), BATCH):
            read += len(messages)
            waiting.append(
                opened.pipeline.take_in(
                    adapter, [item for message in messages for item in translate(message)], decoded=True
                )
            )
            if len(waiting) > AHEAD:
                answered()
            progress.update(task, completed=messages[-1].line)
        while waiting:
            answered()
    told = f"{counts['accepted']:,} recorded, {counts['duplicate'] + counts['twice']:,} known already"
    if counts["twice"]:
        told += f" ({counts['twice']:,} told twice in this file)"
    if counts["conflict"]:
        told += f", {counts['conflict']:,} in conflict with what is recorded"
    out.print(f"{file}: {told}, {counts['rejected']:,} rejected.")
    for result in rejected:
        err.print(Text(f"  line {result.line or '?'}: {result.reason}"))
    if rejections > len(rejected):
        err.print(
            f"  … and {rejections - len(rejected):,} more; `asbuilt query source.rejections source={adapter}` lists them."
        )
    if memory.changed:
        # Only now: what was remembered follows from facts that are durable.
        opened.remember(noted, msgspec.json.encode(memory.values))
    if read and not counts["accepted"] + counts["duplicate"] + counts["twice"]:
        raise AsBuiltError(
            f"of {read:,} messages none became a fact", where=str(file),
            remedy=f"Look at what the mapping of `{adapter}` makes of them: add --dry-run.",
        )  # fmt: skip
    return rejections


@app.command(rich_help_panel=PANEL)
def simulate(
    plant: PlantFile,
    days: Annotated[float, typer.Option(help="How many days of production.", min=0.01)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same facts.")] = 1,
    end: Annotated[
        dt.datetime | None,
        typer.Option(
            help="When the simulated time ends; without an offset, plant time.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"],
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the facts here (NDJSON) instead of recording them."),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Let a simulated plant produce: into a data folder, or into a file of facts.

    Example: `asbuilt simulate examples/boxer/plant.toml --days 30 --seed 7 --data year`
    """
    from asbuilt import events
    from asbuilt.plant import load
    from asbuilt.run.demo import LIVE_FROM
    from asbuilt.simulate import history

    loaded = load(plant)
    until = end.replace(tzinfo=loaded.zone) if end else LIVE_FROM
    made = history(loaded, days=days, seed=seed, end=until)
    count = 0
    with progress_bar("Simulating") as (progress, task):
        if to is not None:
            with _writable(to) as file:
                for fact in made:
                    file.write(events.encode(fact) + b"\n")
                    count += 1
                    if count % 1000 == 0:
                        progress.update(task, completed=count)
        else:
            with opened_on(data, "simulate", plant=loaded) as opened:
                waiting: deque[Any] = deque()
                for batch in in_batches(made, BATCH):
                    waiting.append(opened.pipeline.take_in("simulate", batch))
                    if len(waiting) > AHEAD:
                        waiting.popleft().result()
                    count += len(batch)
                    progress.update(task, completed=count)
                while waiting:
                    waiting.popleft().result()
                opened.pipeline.settle(3600)
    out.print(f"{count:,} facts of {days:g} days {'written to ' + str(to) if to else 'recorded in ' + str(data)}.")


@app.command(rich_help_panel=PANEL)
def correct(
    fact_id: Annotated[str, typer.Argument(metavar="FACT_ID", help="The id of the fact that is wrong.")],
    replace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON of the fact as it should read; `-` reads standard input.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who corrects it.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Why.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Declare that a fact did not occur, or with --replace how it should read. Both stay visible.

    Example: `asbuilt facts --subject order:2418 | tail -1`, then
    `asbuilt correct 019a… --replace fixed.json -m "typed 40 for 4"`
    """
    from asbuilt import events

    wrong = _uuid(fact_id)
    need_record(data)
    with opened_on(data, "correct") as opened:
        original = opened.record.get(wrong)
        if original is None:
            raise UsageError(f"no fact has the id {wrong}", remedy="`asbuilt facts` lists facts with their ids.")
        now = opened.now()
        correction: dict[str, Any] = {
            "type": "correction_made.v1",
            "id": events.new_id(now, opened.random),
            "event_time": now.astimezone(opened.plant.zone),
            "source": "cli",
            "corrects": wrong,
            "reason": "incorrect_data" if replace else "did_not_occur",
        }
        if replace is not None:
            correction["replacement"] = _replacement(replace, wrong, original.body)
        correction |= {key: value for key, value in (("by", by), ("message", message)) if value}
        try:
            fact = events.decode(msgspec.json.encode(correction))
        except MalformedFact as error:
            remedy = "Take the fact as `asbuilt facts` prints it, and change only what was wrong."
            raise MalformedFact(error.message, where=str(replace or ""), remedy=remedy) from None
        result = opened.take_in([fact])[0]
        if result.status == "rejected":
            raise MalformedFact(result.reason or "it was rejected")
        out.print(f"Recorded as {fact.id}: fact {wrong} {'reads anew' if replace else 'did not occur'}.")


def _replacement(file: Path, wrong: UUID, original: bytes) -> dict[str, Any]:
    """The replacement from a file; what it leaves out of the envelope is as in the original."""
    text = sys.stdin.buffer.read() if str(file) == "-" else _bytes_of(file)
    try:
        given = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise MalformedFact(str(error), where=str(file), remedy="Give one fact as a JSON object.") from None
    for added in ("position", "record_time"):
        given.pop(added, None)
    known = msgspec.json.decode(original)
    for field in ("type", "event_time", "source"):
        given.setdefault(field, known[field])
    given.setdefault("id", str(wrong))
    return given


def _writable(file: Path) -> IO[bytes]:
    try:
        return file.open("wb")
    except OSError as error:
        raise UsageError(
            f"cannot write it: {error.strerror}", where=str(file), remedy="Name a file in a folder that is there."
        ) from None


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(file), remedy="Check the name.") from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a fact id", remedy="`asbuilt facts` lists facts with their ids.") from None
