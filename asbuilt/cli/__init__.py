"""The command line: thin commands around `AsBuilt`.

Every module here but `shared` has an `app` with its commands and says at which `PLACE` of the
help its panel stands; discovery adds them.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from importlib import import_module
from typing import Annotated

import typer
from rich.text import Text

from asbuilt import __version__
from asbuilt.cli.shared import err, out
from asbuilt.errors import AsBuiltError

app = typer.Typer(
    name="asbuilt",
    help="Watch engines being built; prove what was built.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run a command; an error of the product is told with its remedy, never as a traceback."""
    try:
        app()
    except AsBuiltError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            # Whoever read our output has seen enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        raise
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(error: AsBuiltError) -> None:
    where = f"{error.where}: " if error.where else ""
    err.print(Text.assemble((f"{where}{error.message}", "bold")))
    if error.remedy:
        err.print(Text(f"  → {error.remedy}"))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(f"asbuilt {__version__}")
        raise typer.Exit


_modules = [
    import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__) if found.name != "shared"
]
for _module in sorted(_modules, key=lambda module: int(module.PLACE)):
    app.add_typer(_module.app)
