"""Care of a plant file and a data folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asbuilt.cli.shared import (
    DEFAULT_DATA,
    Data,
    PlantFile,
    err,
    need_record,
    opened_on,
    out,
    progress_bar,
    verify,
)
from asbuilt.errors import UsageError

if TYPE_CHECKING:
    pass

app = typer.Typer()
PANEL = "Care"
PLACE = 4
WIDE = 400


@app.command(rich_help_panel=PANEL)
def check(plant: PlantFile) -> None:
    """Read a plant file and draw the plant back, as a person would.

    Example: `asbuilt check examples/boxer/plant.toml`
    """
    from asbuilt.app import configure
    from asbuilt.exchange.plant_drawing import draw
    from asbuilt.plant import load

    loaded = load(plant)
    for name in loaded.adapters:
        module, config = configure(loaded, name)
        verify(loaded, name, module, config)
    for part in draw(loaded):
        out.print(part)


@app.command(rich_help_panel=PANEL)
def parts() -> None:
    """List every part that discovery finds – views, queries, adapters, records – with its file.

    Example: `asbuilt parts | grep ^query`
    """
    import inspect

    from asbuilt import adapters, record, views

    base = Path(__file__).parents[2]
    table = Table("part", "name", "file", "what", box=None, pad_edge=False)
    for column in table.columns[:3]:
        column.no_wrap = True

    def add(part: str, name: str, thing: Any) -> None:
        path = Path(inspect.getfile(thing))
        shown = path.relative_to(base) if path.is_relative_to(base) else path
        table.add_row(part, name, str(shown), (inspect.getdoc(thing) or "").partition("\n")[0])

    found = views.discover()
    for name, view in found.items():
        # One without rows of its own is what can be asked of it.
        add("view", name, view.fold if view.tables else view.queries)
        if view.page is not None:
            for page in view.page.PAGES:
                add("page", page.address, page.show)
    for name, query in views.queries(found).items():
        add("query", name, query.function)
    for kind, module in adapters.discover().items():
        add("adapter", kind, module)
    for name, module in record.implementations().items():
        add("record", name, module)
    # What reads a pipe reads line by line.
    wide = out if out.is_terminal else Console(highlight=False, width=WIDE)
    wide.print(table, soft_wrap=False, crop=False)


@app.command(rich_help_panel=PANEL)
def rebuild(data: Data = DEFAULT_DATA) -> None:
    """Delete the rows of all views and fold them anew from the record. The record is not touched.

    Example: `asbuilt rebuild --data shop`
    """
    need_record(data)
    with opened_on(data, "rebuild", rebuild=True) as opened:
        out.print(f"Folded {opened.record.head():,} facts into {len(opened.views)} views: {opened.store.digest()}")


@app.command(rich_help_panel=PANEL)
def doctor(data: Data = DEFAULT_DATA) -> None:
    """Read everything and say what is not as it should be. Nothing is repaired.

    Example: `asbuilt doctor --data shop`
    """
    from asbuilt.app import system_clock
    from asbuilt.folder.doctor import examine

    problems = 0
    if not data.exists():
        raise UsageError("there is no such folder", where=str(data), remedy="Name the data folder with --data.")
    with progress_bar("Reading the record") as (progress, task):
        told = examine(data, system_clock, lambda done, total: progress.update(task, completed=done, total=total))
        for finding in told:
            problems += finding.bad
            (err if finding.bad else out).print(Text(("✗ " if finding.bad else "✓ ") + finding.what))
            if finding.remedy:
                err.print(Text(f"  → {finding.remedy}"))
    if problems:
        raise typer.Exit(3)


@app.command(rich_help_panel=PANEL)
def token(
    adapter: Annotated[str | None, typer.Argument(help="The adapter; without one, the token of screens.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print the token by which a sender may speak as an adapter, or a screen of another machine may look.

    Example: `curl -H "Authorization: Bearer $(asbuilt token gateway)" --data-binary @facts.ndjson http://…/facts`
    """
    from asbuilt.folder import DataFolder

    folder = DataFolder(data)
    folder.make()
    sys.stdout.write(folder.secret(f"adapter-{adapter}.token" if adapter else "screen.token") + "\n")
