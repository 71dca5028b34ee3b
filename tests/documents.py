"""A document as a newcomer reads it: its blocks in order, typed into a shell of their own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

ANY = "…"
"""In a sample: a line of it is any number of lines, in a line it is any text."""
PATIENCE_S = 300
LONG = re.compile(r"(asbuilt (run|demo)|make demo)\b")
"""Commands that go on until they are interrupted: they stay until the section of the document ends."""
ADDRESS = re.compile(r"http://127\.0\.0\.1:8000(/[^\s>`'\")]*)")


class Block(NamedTuple):
    """A block of a document: the line before it, its language, its lines; `heading` counts the sections before it."""

    line: int
    language: str
    lines: list[str]
    heading: int


class Command(NamedTuple):
    """A command, the line it stands in, what the document says it prints, and in which section."""

    line: int
    text: str
    prints: list[str]
    heading: int


def documents() -> list[Path]:
    """Every document somebody follows: all but the changelog and the decisions, which tell what was."""
    found = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/adapters/*.md"),
        *ROOT.glob("examples/*/README.md"),
    ]
    return sorted(path for path in found if path.name != "CHANGELOG.md")


def blocks(file: Path) -> Iterator[Block]:
    """All blocks of code: fenced ones with their language, indented ones with none."""
    lines = file.read_text().splitlines()
    heading = number = 0
    while number < len(lines):
        line = lines[number]
        begin, block = number, list[str]()
        if line.startswith("```"):
            number += 1
            while lines[number] != "```":
                block.append(lines[number])
                number += 1
            yield Block(begin + 1, line[3:] or "text", block, heading)
        elif line.startswith("    ") and (not number or not lines[number - 1].strip()):
            while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
                block.append(lines[number][4:])
                number += 1
            number -= 1
            while not block[-1].strip():
                block.pop()
            yield Block(begin, "", block, heading)
        elif line.startswith("#"):
            heading += 1
        number += 1


def commands(file: Path) -> list[Command]:
    """The commands of a document's `console` blocks."""
    found: list[Command] = []
    for block in blocks(file):
        if block.language != "console":
            continue
        more = False
        for number, line in enumerate(block.lines, block.line + 1):
            if line.startswith("$ "):
                found.append(Command(number, line[2:], [], block.heading))
            elif more:
                found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line.removeprefix('> ')}")
            else:
                found[-1].prints.append(line)
            more = line.endswith("\\") and (more or line.startswith("$ "))
    return found


def addresses(file: Path, heading: int) -> list[str]:
    """The paths of pages that a section names."""
    parts = re.split(r"^#.*$", re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.M | re.S), flags=re.M)
    return [path for path in ADDRESS.findall(parts[heading]) if "…" not in path]


def fits(sample: list[str], printed: str) -> bool:
    """Whether this was printed, as the sample says."""
    parts = (".*" if line == ANY else re.escape(line).replace(ANY, "[^\n]*") for line in sample)
    lines = "\n".join(line.rstrip() for line in printed.splitlines())
    # Any lines may also be none: then the end of the line before is not there either.
    return re.fullmatch("\n".join(parts).replace("\n.*", "(?:\n.*)?"), lines, re.DOTALL) is not None


class Newcomer:
    """A shell in a folder and a home of its own, as if each command were typed into the same one."""

    def __init__(self, folder: Path, home: Path, *path: Path) -> None:
        self.folder, self._home = folder, home
        self._port = "8000"
        self._server: subprocess.Popen[str] | None = None
        places = [*path, Path(sys.base_prefix) / "bin", "/usr/local/bin", "/usr/bin", "/bin"]
        self._environment = {
            "HOME": str(home), "PATH": os.pathsep.join(map(str, places)), "LC_ALL": "C.UTF-8", "USER": "newcomer",
            # Any free port, and no download twice: what a machine alone would have for itself.
            "PORT": "0", "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path("~/.cache/pip").expanduser())),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser())),
            **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name.startswith(("PIP_", "UV_", "SSL_", "REQUESTS_"))},
        }  # fmt: skip

    def _script(self, text: str) -> list[str]:
        """What the shell knew after the command before, the command, and what it knows then."""
        kept = shlex.quote(str(self._home / "shell"))
        before = f"set -a; [ ! -f {kept} ] || . {kept}; cd {shlex.quote(str(self.folder))}"
        after = f"code=$?; export -p > {kept}; exit $code"
        return ["bash", "-c", f"{before}\n{text.replace(':8000/', f':{self._port}/')}\n{after}"]

    def does(self, text: str) -> subprocess.CompletedProcess[str]:
        """How a command ends, and what it prints."""
        done = subprocess.run(
            self._script(text), cwd=self.folder, env=self._environment, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        done.stdout = self._as_told(done.stdout)
        return done

    def starts(self, text: str) -> str:
        """Start a command that goes on, and give what it prints until it says where it listens."""
        self.ends()
        if text.startswith("asbuilt ") and " --port " not in text:
            text += " --port 0"
        kept = shlex.quote(str(self._home / "shell"))
        self._server = subprocess.Popen(
            ["bash", "-c", f"[ ! -f {kept} ] || . {kept}; {text}"], cwd=self.folder, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        told = ""
        assert self._server.stdout is not None
        for line in self._server.stdout:
            told += line
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                self._port = found[1]
                return self._as_told(told)
        raise AssertionError(f"{text}\nended and said\n{told}")

    def _as_told(self, printed: str) -> str:
        return printed.replace(f":{self._port}/", ":8000/")

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def ends(self) -> None:
        """Ctrl+C for the command that goes on, if there is one."""
        if self._server is None:
            return
        server, self._server = self._server, None
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGINT)
        try:
            code = server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            raise
        assert server.stdout is not None
        said = server.stdout.read()
        server.stdout.close()
        # make tells of an interrupted command by 2, and bash by 130 or as it was interrupted; the product itself ends well.
        assert code in (0, 2, 130, -signal.SIGINT), (code, said)
        assert "Traceback" not in said, said


@contextmanager
def newcomer(folder: Path, *, checkout: bool = False) -> Iterator[Newcomer]:
    """A shell in an empty folder with the examples, and `asbuilt` on the path; or in a checkout nothing was made in."""
    home, work = folder / "home", folder / "work"
    home.mkdir()
    if checkout:
        copy_of_checkout(work)
        (folder / "bin").mkdir()
        for tool in ("uv", "pipx"):  # as a machine has them that has them
            (folder / "bin" / tool).symlink_to(Path(sysconfig.get_path("scripts")) / tool)
        shell = Newcomer(work, home, folder / "bin")
    else:
        work.mkdir()
        shutil.copytree(ROOT / "examples", work / "examples")
        (folder / "bin").mkdir()
        script = folder / "bin" / "asbuilt"
        script.write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m asbuilt "$@"\n'
        )
        script.chmod(0o755)
        shell = Newcomer(work, home, folder / "bin")
    try:
        yield shell
    finally:
        shell.ends()


def copy_of_checkout(to: Path) -> None:
    """The files that git would give somebody else, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
