"""Pages: run a plant, show the demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.shared import (
    DEFAULT_DATA,
    Data,
    PlantFile,
    err,
    opened_on,
    out,
    progress_bar,
)

if TYPE_CHECKING:
    pass

app = typer.Typer()
PANEL = "Pages"
PLACE = 1


Port = Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)]
Host = Annotated[
    str, typer.Option(help="Address to listen on. Beyond this machine, screens must show a token (`asbuilt token`).")
]
Open = Annotated[bool, typer.Option("--open", help="Let every screen in without a token.")]
OneProcess = Annotated[
    bool,
    typer.Option("--one-process", help="Record, fold and show in one process, as on a machine with one processor."),
]
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command(rich_help_panel=PANEL)
def run(
    plant: PlantFile,
    data: Data = DEFAULT_DATA,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    open_: Open = False,
    seal: Annotated[bool, typer.Option(help="Seal what is recorded.")] = True,
    one_process: OneProcess = False,
) -> None:
    """Run a plant: take facts in through its adapters and show its pages.

    Example: `asbuilt run plant.toml --data /srv/asbuilt`
    """
    from asbuilt.app import configure
    from asbuilt.plant import load
    from asbuilt.web.server import serve

    loaded = load(plant)
    for name in loaded.adapters:
        configure(loaded, name)
    with opened_on(data, "run", plant=loaded, fold_beside=True, processes=_processes(one_process)) as opened:
        token = None
        if host not in LOOPBACK and not open_:
            assert opened.folder is not None
            token = opened.folder.secret("screen.token")

        if seal:
            opened.seal()
            if opened.seal_problem is not None:
                err.print(f"Nothing is sealed: {opened.seal_problem}", markup=False)

        def ready(port: int) -> None:
            out.print(f"{loaded.name} is live at http://{_shown_host(host)}:{port}/  (Ctrl+C ends)")
            if token:
                out.print(f"Screens of other machines begin with http://{_shown_host(host)}:{port}/?token={token}")

        serve(opened, host, port, screen_token=token, any_name=open_, ready=ready, plant_file=plant)


@app.command(rich_help_panel=PANEL)
def demo(
    port: Port = 8000,
    host: Host = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Seed of the simulated plant.")] = 7,
    speed: Annotated[float, typer.Option(help="How many plant seconds pass in a second.", min=0.1, max=20)] = 1.0,
    days: Annotated[int, typer.Option(help="Days of history before the live part.", min=0, max=400)] = 3,
    data: Annotated[Path | None, typer.Option(help="Keep the data here; without it, it is gone at the end.")] = None,
    one_process: OneProcess = False,
) -> None:
    """Show a simulated engine plant, live: some days of history, then as it happens.

    Example: `asbuilt demo --port 8080 --speed 10`
    """
    from asbuilt.run.demo import run_demo

    run_demo(
        port=port,
        host=host,
        seed=seed,
        speed=speed,
        days=days,
        data=data,
        processes=_processes(one_process),
        progress=progress_bar,
        say=lambda words: out.print(words),
    )


def _processes(one: bool) -> bool:
    """Whether there is a processor for the process that folds."""
    return not one and len(os.sched_getaffinity(0)) > 1


def _shown_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
