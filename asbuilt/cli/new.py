"""Begin an adapter or a view of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.shared import err, out
from asbuilt.errors import UsageError

app = typer.Typer()
PANEL = "Care"
PLACE = 9

new = typer.Typer(
    help="Write a package to begin with: code, tests and a vector that pass at once.\n\nExample: `asbuilt new adapter counter`",
    no_args_is_help=True,
)
app.add_typer(new, name="new", rich_help_panel=PANEL)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _.")]
Into = Annotated[Path, typer.Option("--into", help="The folder to write it into.")]
HERE = Path()


@new.command()
def adapter(name: Name, into: Into = HERE) -> None:
    """An adapter: settings, translating, reading a file; with its contract's tests and a recorded case.

    Example: `asbuilt new adapter counter --into ~/plugins`
    """
    from asbuilt import adapters
    from asbuilt.scaffold import write

    _refuse_known(name, list(adapters.discover()), "an adapter")
    _tell(write("adapter", name, into), into / name)


@new.command()
def view(name: Name, into: Into = HERE) -> None:
    """A view: rows folded from facts and a question; with its contract's tests and facts that are told.

    Example: `asbuilt new view pieces_of`
    """
    from asbuilt import views
    from asbuilt.scaffold import write

    _refuse_known(name, list(views.discover()), "a view")
    _tell(write("view", name, into), into / name)


def _refuse_known(name: str, known: list[str], what: str) -> None:
    if name in known:
        raise UsageError(f"there is {what} `{name}` already", remedy=f"Take another name than {', '.join(known)}.")


def _tell(written: list[Path], folder: Path) -> None:
    for path in written:
        out.print(str(path), highlight=False, soft_wrap=True)
    err.print(f"Test it:    cd {folder} && pytest        (needs pip install 'asbuilt\\[testing]')", soft_wrap=True)
    err.print(
        f"Install it: pip install -e {folder}      (asbuilt finds it then; `asbuilt parts` lists it)", soft_wrap=True
    )
