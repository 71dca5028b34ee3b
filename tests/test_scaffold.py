"""What `asbuilt new` writes passes its own tests at once, and is found once it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asbuilt import scaffold
from asbuilt.errors import UsageError
from tests.commands import Ask, here
from tests.conftest import ROOT


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    return here(monkeypatch, capsys)


def run(*words: object, at: Path, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{path}"}
    return subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, cwd=at, env=environment, check=False
    )


@pytest.mark.parametrize(("kind", "name", "least"), [("adapter", "counter", 24), ("view", "pieces_of", 9)])
def test_what_is_written_passes_its_own_tests(ask, tmp_path, kind, name, least):
    done = ask("new", kind, name, "--into", tmp_path)
    assert done.code == 0, done.err
    written = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
    assert sorted(map(Path, done.out.split())) == written
    tested = run("-m", "pytest", "-q", "-p", "no:cacheprovider", at=tmp_path / name)
    assert tested.returncode == 0, tested.stdout
    assert int(tested.stdout.rpartition(" passed")[0].split()[-1]) >= least, tested.stdout


@pytest.mark.parametrize(("kind", "name"), [("adapter", "counter"), ("view", "pieces_of")])
def test_what_is_written_keeps_the_style_of_the_house(tmp_path, kind, name):
    scaffold.write(kind, name, tmp_path)
    tools = Path(sys.executable).parent
    for words in (
        ["ruff", "check", "--config", ROOT / "pyproject.toml", "."],
        ["ruff", "format", "--check", "--config", ROOT / "pyproject.toml", "."],
    ):
        done = subprocess.run(
            [tools / words[0], *map(str, words[1:])], capture_output=True, text=True, cwd=tmp_path / name, check=False
        )
        assert done.returncode == 0, done.stdout


BREAKS = [
    ("adapter", "asbuilt_counter/__init__.py", "int(good)", "int(good) + 1"),
    ("adapter", "asbuilt_counter/__init__.py", "events.derived_id(moment, name, line.strip())", "events.derived_id(moment, line.strip())"),
    ("view", "asbuilt_counter/fold.py", '("station", "time_us", "fact")', '("station", "time_us")'),
    ("view", "asbuilt_counter/queries.py", "at_most(", "at_least("),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "file", "right", "wrong"), BREAKS)
def test_the_tests_that_are_written_can_fail(tmp_path, kind, file, right, wrong):
    scaffold.write(kind, "counter", tmp_path)
    path = tmp_path / "counter" / file
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    assert run("-m", "pytest", "-q", "-p", "no:cacheprovider", at=tmp_path / "counter").returncode == 1


FIND = """
from asbuilt import adapters, views
assert adapters.of_kind("counter").Config
assert "pieces_of.of_station" in views.queries(views.discover())
"""


def test_what_is_installed_is_found(tmp_path):
    for kind, name, group in (("adapter", "counter", "adapters"), ("view", "pieces_of", "views")):
        scaffold.write(kind, name, tmp_path)
        (tmp_path / name / f"asbuilt_{name}").rename(tmp_path / f"asbuilt_{name}")
        # What an installation leaves of a package: its name, and its entry points as pyproject.toml has them.
        marks = tmp_path / f"asbuilt_{name}-0.1.dist-info"
        marks.mkdir()
        (marks / "METADATA").write_text(f"Metadata-Version: 2.1\nName: asbuilt-{name}\nVersion: 0.1\n")
        assert (
            f'[project.entry-points."asbuilt.{group}"]\n{name} = "asbuilt_{name}"'
            in (tmp_path / name / "pyproject.toml").read_text()
        )
        (marks / "entry_points.txt").write_text(f"[asbuilt.{group}]\n{name} = asbuilt_{name}\n")
    done = run("-c", FIND, at=tmp_path, path=tmp_path)
    assert done.returncode == 0, done.stderr


def test_nothing_is_overwritten_and_names_are_refused_with_a_remedy(ask, tmp_path):
    assert ask("new", "adapter", "counter", "--into", tmp_path).code == 0
    for kind, name, why in (
        ("adapter", "counter", "there already"), ("adapter", "mqtt", "there is an adapter `mqtt` already"),
        ("view", "line", "there is a view `line` already"), ("view", "Counter", "cannot be the name"),
        ("adapter", "class", "cannot be the name"), ("adapter", "../x", "cannot be the name"),
    ):  # fmt: skip
        done = ask("new", kind, name, "--into", tmp_path)
        assert (done.code, done.out) == (2, "")
        assert why in done.err
        assert "→" in done.err
    with pytest.raises(UsageError):
        scaffold.write("view", "", tmp_path)
