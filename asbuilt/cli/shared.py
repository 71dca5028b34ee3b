"""What commands share: the consoles, the data folder's option, opening a folder, progress."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from asbuilt.errors import RecordBusy, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from asbuilt.app import AsBuilt
    from asbuilt.plant import Plant

# What is written to a file or a pipe is not cut to the width of a screen.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Data = Annotated[
    Path,
    typer.Option("--data", envvar="ASBUILT_DATA", help="The data folder.", show_default="asbuilt-data"),
]
DEFAULT_DATA = Path("asbuilt-data")
PlantFile = Annotated[Path, typer.Argument(metavar="PLANT", help="The plant file (plant.toml).")]
BATCH = 1000
"""Facts handed over at once."""
AHEAD = 8
"""Batches handed over before the answer to the first is awaited."""


@contextmanager
def opened_on(data: Path, purpose: str, **options: Any) -> Iterator[AsBuilt]:
    """The product on a data folder, folding with a progress bar what it has not folded yet."""
    from asbuilt.app import AsBuilt

    with progress_bar("Folding views") as (progress, task):

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        collect_less()
        opened = AsBuilt(data, purpose=purpose, progress=report, **options)
    with opened:
        yield opened


def collect_less() -> None:
    """Facts and rows hold no cycles: looking for cycles at the usual rate costs a quarter of the speed."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@contextmanager
def asked(data: Path, purpose: str) -> Iterator[AsBuilt]:
    """The product for a question: beside a process that works on the folder, if there is one."""
    need_record(data)
    try:
        with opened_on(data, purpose) as opened:
            yield opened
    except RecordBusy:
        with opened_on(data, purpose, read_only=True) as opened:
            yield opened


def need_record(data: Path) -> None:
    """Refuse a folder without a record, rather than make one. Raises `UsageError`."""
    if not (data / "record.db").exists():
        raise UsageError(
            "there is no record in this folder",
            where=str(data),
            remedy="Name the data folder with --data, or fill one: `asbuilt import`, `asbuilt simulate`, `asbuilt run`.",
        )


@contextmanager
def progress_bar(what: str, total: float | None = None) -> Iterator[tuple[Progress, Any]]:
    """A bar with its task, for anything that may take longer than a second."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # It shows itself only where somebody watches, and only once something takes time.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)


def in_batches(items: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """Lists of `size` items; the last one may be shorter."""
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def verify(plant: Plant, name: str, module: Any, config: Any) -> None:
    """Look for what an adapter can never take in, though its settings read well.

    Raises `PlantError` naming the line of a station that the plant does not have, or of what the module's own
    `verify` finds in the files that its settings name.
    """
    for at, path in _stations_of(plant.adapters[name].settings):
        if path not in plant.stations:
            raise plant.error_at(
                ("adapter", name, *at), f"the plant has no station `{path}`",
                f"It has: {', '.join(plant.stations) or 'none'}.",
            )  # fmt: skip
    for problem in module.verify(config) if hasattr(module, "verify") else ():
        raise plant.error_at(("adapter", name, *problem.at), problem.what, problem.remedy)


def _stations_of(settings: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where an adapter's settings name a station as it is, and which."""
    rules = settings.get("map", ())
    for at, table in (((), settings), *((("map",), rule) for rule in rules if isinstance(rule, dict))):
        constants, stations = table.get("constants"), table.get("stations")
        if isinstance(constants, dict) and isinstance(constants.get("station"), str):
            yield (*at, "constants", "station"), constants["station"]
        if isinstance(stations, dict):
            yield from (((*at, "stations", str(key)), str(path)) for key, path in stations.items())
        if isinstance(table.get("station"), str):
            yield (*at, "station"), table["station"]
