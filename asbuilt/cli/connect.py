"""Connections: see what an adapter would record, record what it receives, play it again."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from asbuilt.cli.shared import DEFAULT_DATA, Data, PlantFile, err, in_batches, opened_on, out, progress_bar
from asbuilt.errors import AsBuiltError, UsageError

if TYPE_CHECKING:
    from asbuilt.adapters import Message

app = typer.Typer()
PANEL = "Connections"
PLACE = 3
SHOWN_CHARS = 2_000
PROBE_S = 20.0
REPLAY_AHEAD = 200

connect = typer.Typer(
    help="What the plant's adapters hear. Nothing is recorded.\n\nExample: `asbuilt connect test plant.toml presses`",
    no_args_is_help=True,
)
app.add_typer(connect, name="connect", rich_help_panel=PANEL)
AdapterName = Annotated[str, typer.Argument(metavar="ADAPTER", help="An adapter of the plant file.")]


@connect.command("list")
def list_(plant: PlantFile) -> None:
    """The adapters of a plant file: kind, how facts come in, how often each should be heard.

    Example: `asbuilt connect list plant.toml`
    """
    from rich.table import Table

    from asbuilt.app import configure
    from asbuilt.plant import load

    loaded = load(plant)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("adapter", "kind", "facts come", "heard at least every"):
        table.add_column(column)
    for name, settings in loaded.adapters.items():
        module, _ = configure(loaded, name)
        ways = " and ".join(
            words for has, words in (("listen", "live"), ("read", "by asbuilt import")) if hasattr(module, has)
        )
        table.add_row(name, settings.kind, ways, f"{settings.fresh_s:g} s" if settings.fresh_s else "not watched")
    out.print(table)


@connect.command()
def test(plant: PlantFile, adapter: AdapterName) -> None:
    """Connect, say what is there, and hang up.

    Example: `asbuilt connect test plant.toml presses`
    """
    module, config, sink = _prepared(plant, adapter, lambda message, items: None)
    if not hasattr(module, "probe"):
        out.print(f"{adapter} ({module.KIND}) waits for its senders; there is nothing to connect to.")
        return

    async def ask() -> str:
        async with asyncio.timeout(PROBE_S):
            return str(await module.probe(config, sink))

    try:
        out.print(Text(f"{adapter}: {asyncio.run(ask())}"))
    except TimeoutError:
        raise UsageError(
            f"{adapter} did not answer within {PROBE_S:g} s", remedy="Check address and network."
        ) from None


@connect.command()
def watch(
    plant: PlantFile,
    adapter: AdapterName,
    seconds: Annotated[float, typer.Option(help="End after so many seconds; 0: when interrupted.", min=0)] = 0,
) -> None:
    """Show each raw message beside the facts it would become. Nothing is recorded or acknowledged.

    Example: `asbuilt connect watch plant.toml presses`
    """
    from asbuilt import events
    from asbuilt.adapters import Rejection

    def show(message: Message, items: Any) -> None:
        shown = message.data[:SHOWN_CHARS].decode("utf-8", "backslashreplace")
        out.print(Text(f"{message.context} {shown}".strip(), style="dim"))
        for item in items:
            if isinstance(item, Rejection):
                out.print(Text(f"  ✗ {item.reason}", style="bold"))
            else:
                out.print(Text(f"  → {events.unchecked_bytes(item).decode('utf-8', 'replace')}"))

    _observe(plant, adapter, show, seconds)


@app.command(rich_help_panel=PANEL)
def record(
    plant: PlantFile,
    adapter: AdapterName,
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="Write the messages here.")],
    seconds: Annotated[float, typer.Option(help="End after so many seconds; 0: when interrupted.", min=0)] = 0,
) -> None:
    """Write the messages an adapter receives to a file, for `asbuilt replay` and for tests.

    Example: `asbuilt record plant.toml presses --out presses.messages --seconds 60`
    """
    from asbuilt.connect.messages import written

    began = time.monotonic()
    count = 0
    with to.open("wb") as file:

        def keep(message: Message, items: Any) -> None:
            nonlocal count
            file.write(written(message, time.monotonic() - began))
            count += 1

        _observe(plant, adapter, keep, seconds)
    out.print(f"{count:,} messages in {to}.")


@app.command(rich_help_panel=PANEL)
def replay(
    plant: PlantFile,
    adapter: AdapterName,
    file: Annotated[Path, typer.Argument(help="Messages that `asbuilt record` wrote.")],
    speed: Annotated[float, typer.Option(help="1: as they came, 10: ten times as fast, 0: at once.", min=0)] = 0,
    data: Data = DEFAULT_DATA,
) -> None:
    """Take recorded messages in as if they came now, at any speed. What is recorded already is a duplicate.

    Example: `asbuilt replay plant.toml presses presses.messages --speed 10 --data trial`
    """
    from asbuilt.app import configure
    from asbuilt.connect.messages import read
    from asbuilt.plant import load

    loaded = load(plant)
    module, config = configure(loaded, adapter)
    translate = module.translator(config, adapter)
    counts: Counter[str] = Counter()
    with opened_on(data, f"replay {adapter}", plant=loaded) as opened, progress_bar(file.name) as (progress, task):
        began = time.monotonic()
        for batch in in_batches(read(file), REPLAY_AHEAD if not speed else 1):
            if speed:
                time.sleep(max(0.0, began + batch[0].at_s / speed - time.monotonic()))
            items = [item for recorded in batch for item in translate(recorded.message)]
            counts.update(result.status for result in opened.pipeline.take_in(adapter, items).result())
            progress.update(task, advance=len(batch))
        opened.pipeline.settle(3600)
    out.print(f"{file}: {counts['accepted']:,} recorded, {counts['duplicate']:,} known already, {counts['rejected']:,} rejected.")  # fmt: skip


def _prepared(plant: PlantFile, adapter: str, show: Any) -> tuple[Any, Any, Any]:
    from asbuilt.app import configure, system_clock
    from asbuilt.plant import load
    from asbuilt.run.intake import WatchingSink

    loaded = load(plant)
    module, config = configure(loaded, adapter)

    def say(words: str) -> None:
        err.print(Text(words, style="bold"))

    return module, config, WatchingSink(loaded, adapter, system_clock, show, say)


def _observe(plant: PlantFile, adapter: str, show: Any, seconds: float) -> None:
    module, config, sink = _prepared(plant, adapter, show)
    if not hasattr(module, "probe"):
        raise UsageError(
            f"{adapter} ({module.KIND}) cannot be watched from outside", remedy="Its senders reach only `asbuilt run`."
        )

    async def observe() -> None:
        async with asyncio.timeout(seconds or None):
            while True:
                try:
                    await module.listen(config, sink)
                    return
                except AsBuiltError as error:
                    err.print(Text(str(error)))
                    await asyncio.sleep(2)

    began = dt.timedelta(seconds=seconds)
    try:
        asyncio.run(observe())
    except TimeoutError:
        err.print(f"Watched for {began}.")
    except KeyboardInterrupt:
        sys.stdout.flush()
