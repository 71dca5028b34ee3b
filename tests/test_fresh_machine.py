"""What a machine needs that has nothing of ours: locks that are whole, and tests that name the peer they miss."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path

import pytest

from tests import conftest
from tests.conftest import ROOT
from tests.connect import peers

LOCKS = sorted([*ROOT.glob("*.lock"), *ROOT.glob("tests/peers/*.lock")])
UV = Path(sysconfig.get_path("scripts")) / "uv"
NO_INDEX = re.compile(r"dns error|tcp connect|connection refused|network is unreachable|timed out", re.I)


def uv(*words: object, may_lack_index: bool = False) -> str:
    """What uv said. A machine without any package index skips; everything else that goes wrong is a fault of the lock."""
    done = subprocess.run([UV, *map(str, words)], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode and may_lack_index and NO_INDEX.search(done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.name for lock in LOCKS])
def test_a_lock_has_a_version_and_hashes_for_each_and_no_address(lock):
    said = lock.read_text().replace("\\\n", " ")
    assert "://" not in said
    for line in said.splitlines():
        if line.strip() and not line.startswith("#"):
            assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==\S+ ", line), line
            assert " --hash=sha256:" in line, line


@pytest.mark.slow
@pytest.mark.parametrize("lock", LOCKS, ids=[lock.name for lock in LOCKS])
def test_a_lock_is_whole_and_is_installed_without_resolving(lock, tmp_path):
    """Whatever is released tomorrow: only what stands in the lock is asked for, and nothing that it needs is missing."""
    python = tmp_path / "new" / "bin" / "python"
    uv("venv", "-q", "--python", sys.executable, tmp_path / "new")
    uv("pip", "install", "-q", "--python", python, "--no-deps", "--require-hashes", "-r", lock, may_lack_index=True)
    if lock.parent == ROOT:
        uv("pip", "install", "-q", "--python", python, "--no-deps", "--no-build-isolation", "-e", ROOT)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        said = subprocess.run([python.with_name("asbuilt"), "--version"], capture_output=True, text=True, env=environment, check=True)  # fmt: skip
        assert said.stdout.startswith("asbuilt ")
    uv("pip", "check", "--python", python)


OUTSIDE = """
from pathlib import Path
import asbuilt
from asbuilt.plant import load
from asbuilt.run.demo import plant_file


assert "site-packages" in asbuilt.__file__, asbuilt.__file__
plant = load(plant_file())
assert plant.products["BX172"].drawing.startswith("<svg")
with asbuilt.AsBuilt(memory=True, plant=plant) as app:
    answer = app.client.get("/line/1")
    assert answer.status_code == 200, (answer.status_code, answer.text[:500])
"""


VERSIONS = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
"""What the package says it runs on."""


def interpreter(version: str) -> Path:
    """A Python of this version that is on this machine; where there is none the test skips by its name."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    named = [Path(found) for found in [shutil.which(f"python{version}")] if found]
    for candidate in [Path(sys.executable), *named, *kept.glob(f"versions/{version}.*/bin/python")]:
        ask = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == version:
            return candidate
    pytest.skip(f"Python {version} is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from the source distribution alone."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run([*build, "-t", "sdist", "-d", str(folder)], check=True, capture_output=True, cwd=ROOT)
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    assert {"requirements.lock", "LICENSE", "Makefile", "tests", "docs", "examples"} <= {
        path.name for path in unpacked.iterdir()
    }
    subprocess.run([*build, "-t", "wheel", "-d", str(folder)], check=True, capture_output=True, cwd=unpacked)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wheel_works_outside_of_the_checkout(built, version, tmp_path):
    """What the package needs besides modules is in it: pages, templates, the demo's plant and its drawing."""
    python = tmp_path / "new" / "bin" / "python"
    uv("venv", "-q", "--python", interpreter(version), tmp_path / "new")
    locked = ("--no-deps", "--require-hashes", "-r", ROOT / "requirements.lock")
    uv("pip", "install", "-q", "--python", python, *locked, may_lack_index=True)
    uv("pip", "install", "-q", "--python", python, "--no-deps", built)
    uv("pip", "check", "--python", python)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = python.with_name("asbuilt")
    for words in (
        [python, "-W", "error", "-c", OUTSIDE], [command, "new", "adapter", "counter"], [command, "new", "view", "pieces_of"],
        [command, "simulate", ROOT / "examples/boxer/plant.toml", "--days", "0.05", "--end", "2026-06-03T12:00", "--data", "works"],
        [command, "doctor", "--data", "works"],
    ):  # fmt: skip
        done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "counter" / "tests" / "vectors" / "first" / "facts.jsonl").exists()


def test_the_package_says_which_pythons_it_runs_on():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told["requires-python"] == f">={VERSIONS[0]}"
    assert [f"3.{minor}" for minor in range(int(VERSIONS[0][2:]), int(VERSIONS[-1][2:]) + 1)] == VERSIONS
    assert f"Python {', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}." in (ROOT / "docs/operate.md").read_text()


# --------------------------------------------------------------------------- each peer missing

OF_PEERS = ["tests/connect/test_mqtt.py", "tests/connect/test_site.py", "tests/connect/test_sparkplug_peers.py",
            "tests/connect/test_opcua.py", "tests/proof/test_log_format.py", "tests/proof/test_token.py",
            "tests/browser/test_morph.py"]  # fmt: skip
MISSING = {
    "mosquitto": ["tests/connect/test_site.py", "tests/connect/test_sparkplug_peers.py"],
    "mosquitto_passwd": ["tests/connect/test_mqtt.py", "-k", "password and broker"],
    "openssl": ["tests/connect/test_mqtt.py", "-k", "tls or certificate"],
    "nats": ["tests/connect/test_mqtt.py", "-k", "nats"],
    "node": ["tests/connect/test_opcua.py"],
    "pysparkplug": ["tests/connect/test_sparkplug_peers.py", "-k", "becomes_facts and pysparkplug"],
    "spbwrapper": ["tests/connect/test_sparkplug_peers.py", "-k", "becomes_facts and wrapper"],
    "proof": ["tests/proof/test_log_format.py", "-k", "sigstore"],
    "softhsm2": ["tests/proof/test_token.py"],
    "chromium": ["tests/browser/test_morph.py"],
}
"""Each peer, and tests that need it."""


def without(peer: str, *selected: str) -> str:
    """How tests end while a peer is missing."""
    words = ["-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", *selected]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "ASBUILT_HIDDEN_PEERS": peer},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("peer", MISSING)
def test_without_a_peer_its_tests_skip_by_its_name(peer):
    assert f"{peer} is not installed" in without(peer, *MISSING[peer])


@pytest.mark.slow
@pytest.mark.alone
def test_without_any_peer_nothing_fails():
    assert " skipped" in without("all", *OF_PEERS)


def test_half_of_a_peer_is_none(tmp_path, monkeypatch):
    (tmp_path / "nats" / "bin").mkdir(parents=True)
    (tmp_path / "nats" / "bin" / "nats-server").touch()
    monkeypatch.setattr(peers, "PEERS", tmp_path)
    with pytest.raises(pytest.skip.Exception, match="nats is not installed"):
        peers.nats_path()


def test_every_lock_of_a_peer_is_tried():
    names = {lock.stem for lock in ROOT.glob("tests/peers/*.lock")}
    assert names <= set(MISSING)


def test_lists_of_slow_and_lone_tests_name_what_is_there():
    for name in (*conftest.ALONE, *conftest.SLOW):
        file, _, test = name.partition("::")
        assert (ROOT / file).exists(), name
        # A test of a contract is in the class that keeps it by inheritance.
        named = test.partition("::")[0]
        assert not test or re.search(rf"^ *(def|class) {named}\b", (ROOT / file).read_text(), re.MULTILINE), name
