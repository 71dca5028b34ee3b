"""Facts in: import files, let the simulated plant produce, correct."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter, deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any
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
)
from asbuilt.errors import MalformedFact, UsageError

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

app = typer.Typer()
PANEL = "Facts in"
PLACE = 2


SHOWN_REJECTIONS = 20


@app.command("import", rich_help_panel=PANEL)
def import_(
    plant: PlantFile,
    adapter: Annotated[str, typer.Argument(help="An adapter of the plant file that reads files.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="The files to import.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Import files through an adapter of the plant file. What is recorded already is a duplicate.

    Example: `asbuilt import examples/machine-shop/plant.toml reports log.csv --data shop`
    """
    from asbuilt.app import configure
    from asbuilt.plant import load

    loaded = load(plant)
    module, config = configure(loaded, adapter)
    if not hasattr(module, "read"):
        raise UsageError(f"adapter `{adapter}` ({module.KIND}) does not read files", remedy="Use one of kind csv_file.")
    with opened_on(data, f"import {adapter}", plant=loaded) as opened:
        for file in files:
            _import_file(opened, module, config, adapter, file)
        opened.pipeline.settle(3600)


def _import_file(opened: AsBuilt, module: Any, config: Any, adapter: str, file: Path) -> None:
    translate = module.translator(config, adapter)
    counts: Counter[str] = Counter()
    rejected: list[Any] = []
    rejections = 0
    waiting: deque[Any] = deque()

    def answered() -> None:
        nonlocal rejections
        for result in waiting.popleft().result():
            counts[result.status] += 1
            if result.status in ("rejected", "conflict"):
                rejections += 1
                if len(rejected) < SHOWN_REJECTIONS:
                    rejected.append(result)

    total = module.count_lines(file) if hasattr(module, "count_lines") and file.is_file() else None
    with progress_bar(file.name, total) as (progress, task):
        for messages in in_batches(module.read(file, config), BATCH):
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
    told = f"{counts['accepted']:,} recorded, {counts['duplicate']:,} known already"
    if counts["conflict"]:
        told += f", {counts['conflict']:,} in conflict with what is recorded"
    out.print(f"{file}: {told}, {counts['rejected']:,} rejected.")
    for result in rejected:
        err.print(Text(f"  line {result.line or '?'}: {result.reason}"))
    if rejections > len(rejected):
        err.print(
            f"  … and {rejections - len(rejected):,} more; `asbuilt query source.rejections source={adapter}` lists them."
        )


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
