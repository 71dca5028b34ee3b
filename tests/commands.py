"""The command line under test: in this process, or as one of its own where streams and signals matter."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from asbuilt import cli
from tests.conftest import ROOT

PATIENCE_S = 300
COMMAND = [sys.executable, "-m", "asbuilt"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("ASBUILT_DATA", "COLUMNS", "FORCE_COLOR")},
    "PYTHONPATH": str(ROOT),
    "NO_COLOR": "1",
}


class Done(NamedTuple):
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str


Ask = Callable[..., Done]


def process(*words: object, cwd: Path | None = None, given: str | bytes | None = None) -> Done:
    """A command as a process of its own."""
    text = given.encode() if isinstance(given, str) else given
    done = subprocess.run(
        [*COMMAND, *map(str, words)], cwd=cwd, env=ENVIRONMENT, input=text, capture_output=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def running(*words: object, cwd: Path | None = None, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on, with its output as pipes; killed at the end if it is still there."""
    with subprocess.Popen(
        [*COMMAND, *map(str, words)], cwd=cwd, env={**ENVIRONMENT, **variables}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as started:  # fmt: skip
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()
                started.wait(PATIENCE_S)


def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """A function that runs a command in this process, as its entry point does; an escaping exception fails the test."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["asbuilt", *map(str, words)])
        capsys.readouterr()
        thresholds = gc.get_threshold()
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
        assert code is None or isinstance(code, int), code
        told = capsys.readouterr()
        return Done(code or 0, told.out, told.err)

    return run
