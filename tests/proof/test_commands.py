"""The commands of proof as an operator and a recipient would type them."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import pytest

from asbuilt.app import AsBuilt
from asbuilt.events import UnitCompleted, UnitStarted
from tests.commands import Ask, here
from tests.web.scripted import PLANT, Told


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    return here(monkeypatch, capsys)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with two units of a minute ago, not sealed yet."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    with AsBuilt(tmp_path / "data", plant=PLANT, now=lambda: before) as app:
        told = Told(900)
        for serial in ("S-1", "S-2"):
            told.tell(UnitStarted, before, product="P7", serial=serial, by="A. Aas")
            told.tell(UnitCompleted, before, product="P7", serial=serial, revision="B")
        app.take_in(told.facts)
    return tmp_path / "data"


@pytest.fixture
def sealed(ask: Ask, data: Path) -> Path:
    done = ask("seal", "begin", "--origin", "works.example/log", "--backlog", "1", "--slots", "16", "--data", data)
    assert done.code == 0 and "take it away" in done.out, done
    return data


TOLD = ("--recipient", "Inspectorate 7", "--purpose", "incoming inspection")


def test_from_the_first_block_to_a_verified_passport(ask, sealed, tmp_path):
    done = ask("seal", "status", "--data", sealed)
    assert done.code == 0 and "sealed: 5 of 5 facts, in 1 blocks" in done.out
    assert re.search(r"take proof-root-[0-9a-f]{8}\.key away", done.err)
    (tmp_path / "p").write_text(ask("seal", "policy", "--data", sealed).out)
    file = tmp_path / "S-1.passport"
    done = ask("passport", "S-1", *TOLD, "-o", file, "--data", sealed)
    assert done.code == 0 and "Inspectorate 7" in done.out, done
    done = ask("verify", file, "--policy", tmp_path / "p", "--facts")
    assert (done.code, done.err) == (0, ""), done
    for words in (
        "Valid: 2 facts about P7/S-1",
        "Proved",
        "Asserted by the plant",
        "Hidden",
        "Not checked",
        "What this does not show",
        "unit completed",
    ):
        assert words in done.out, words
    assert "A. Aas" not in done.out
    assert ask("verify", file).code == 2
    told = json.loads(ask("verify", file, "--policy", tmp_path / "p", "--json").out)
    assert (told["ok"], told["exit_code"], told["told"]["recipient"]) == (True, 0, "Inspectorate 7")
    assert ask("verify", file, "--recipient", "Somebody else").code == 1
    file.write_bytes(file.read_bytes().replace(b'"slot"', b'"s1ot"', 1))
    done = ask("verify", file, "--policy", tmp_path / "p")
    assert done.code == 1 and "reason: content_altered" in done.err and "Proved" not in done.out
    with AsBuilt(sealed) as app:
        assert [row.recipient for row in app.query("disclosure.list")] == ["Inspectorate 7"]


def test_a_page_carries_the_same(ask, sealed, tmp_path):
    (tmp_path / "p").write_text(ask("seal", "policy", "--data", sealed).out)
    assert ask("passport", "S-2", *TOLD, "-o", tmp_path / "x.html", "--fields", "full", "--data", sealed).code == 0
    done = ask("verify", tmp_path / "x.html", "--policy", tmp_path / "p", "--facts")
    assert done.code == 0 and "by A. Aas" in done.out


def test_the_audit_and_an_old_checkpoint(ask, sealed, tmp_path):
    done = ask("log", "audit", "--data", sealed)
    assert (done.code, done.err) == (0, "") and "5 facts in 1 blocks are what was sealed" in done.out
    shutil.copy(sealed / "proof" / "checkpoint", tmp_path / "kept")
    done = ask("log", "consistency", tmp_path / "kept", "-o", tmp_path / "since", "--data", sealed)
    assert done.code == 0 and "begins with the 2 that were seen before" in done.out
    lines = (tmp_path / "kept").read_text().split("\n")
    (tmp_path / "kept").write_text("\n".join([lines[0], lines[1], "A" * 43 + "=", *lines[3:]]))
    done = ask("log", "consistency", tmp_path / "kept", "--data", sealed)
    assert done.code == 1 and "two different logs of 2 entries" in done.err
    import apsw

    # A commit after it, so that it is not the record itself that notices when it is opened.
    assert ask("claim", "register", f"completed/P7/{dt.datetime.now(dt.UTC).year + 1}", "--data", sealed).code == 0
    db = apsw.Connection(str(sealed / "record.db"))
    db.execute("UPDATE fact SET body = CAST(replace(body, 'S-1', 'S-9') AS BLOB) WHERE position = 3")
    db.close()
    done = ask("log", "audit", "--data", sealed)
    assert done.code == 3 and "are not what was sealed" in done.err
    done = ask("seal", "now", "--data", sealed)
    assert done.code == 3 and "altered or replaced" in done.err


def test_a_witness_signs_what_only_grew_and_nothing_else(ask, sealed, tmp_path):
    (tmp_path / "p").write_text(ask("seal", "policy", "--data", sealed).out)
    cosign = (
        "--policy",
        tmp_path / "p",
        "--name",
        "witness.example/w",
        "--keep",
        tmp_path / "w",
        "-o",
        tmp_path / "cosigned",
    )
    shutil.copy(sealed / "proof" / "checkpoint", tmp_path / "first")
    done = ask("log", "cosign", tmp_path / "first", *cosign)
    assert done.code == 0, done
    line = done.out.partition("For policies: ")[2].replace("\n", "").strip()
    assert ask("log", "witnessed", tmp_path / "cosigned", "--data", sealed).code == 0
    file = tmp_path / "S-1.passport"
    assert ask("passport", "S-1", *TOLD, "--witnessed", "-o", file, "--data", sealed).code == 0
    asked = (tmp_path / "p").read_text().replace("quorum none", f"{line}\nquorum w")
    (tmp_path / "quorum").write_text(asked)
    done = ask("verify", file, "--policy", tmp_path / "quorum")
    assert done.code == 0 and "found consistent by witness.example/w" in done.out, done
    # A newer checkpoint needs a proof; one of another history is never signed.
    with AsBuilt(sealed) as app:
        from asbuilt.seal.sealer import Sealer

        later = Sealer(app.folder, app.record, lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=3), app.random)
        later.catch_up()
        later.stop()
    done = ask("log", "cosign", sealed / "proof" / "checkpoint", *cosign)
    assert done.code == 1 and "nothing shows" in done.err
    assert ask("log", "consistency", tmp_path / "first", "-o", tmp_path / "x", "--data", sealed).code == 0
    assert ask("log", "cosign", sealed / "proof" / "checkpoint", *cosign, "--consistency", tmp_path / "x").code == 0
    done = ask("log", "cosign", tmp_path / "first", *cosign)
    assert done.code == 1, "a witness does not go back"
    assert ask("passport", "S-2", *TOLD, "-o", tmp_path / "s", "--data", sealed).code == 0
    done = ask("verify", tmp_path / "s", "--policy", tmp_path / "quorum")
    assert done.code == 1 and "not_witnessed" in done.err


def test_keys_are_changed(ask, sealed):
    before = ask("seal", "policy", "--data", sealed).out
    assert ask("seal", "rotate", "--data", sealed).code == 0
    both = ask("seal", "policy", "--data", sealed).out
    assert set(re.findall("^log .*", before, re.MULTILINE)) < set(re.findall("^log .*", both, re.MULTILINE))
    assert ask("seal", "rotate", "--finish", "--data", sealed).code == 0
    after = ask("seal", "policy", "--data", sealed).out
    assert not set(re.findall("^log .*", before, re.MULTILINE)) & set(re.findall("^log .*", after, re.MULTILINE))
    (root,) = (sealed / "keys").glob("proof-root-*")
    root.unlink()
    done = ask("seal", "rotate", "--data", sealed)
    assert done.code == 2 and "root key is not on this machine" in done.err


def test_a_clock_that_runs_far_ahead_is_believed_only_when_told_so(ask, sealed, monkeypatch):
    """The remedy names an option; there has to be one."""
    monkeypatch.setattr("asbuilt.seal.sealer.MAX_DUE", -1)
    refused = ask("seal", "now", "--data", sealed)
    assert refused.code != 0 and "`asbuilt seal now --long`" in refused.err, refused
    done = ask("seal", "now", "--long", "--data", sealed)
    assert done.code == 0 and "blocks are closed" in done.out, done


def test_a_lane_is_registered_and_listed(ask, sealed, tmp_path):
    year = dt.datetime.now(dt.UTC).year + 1
    lane = f"completed/P7/{year}"
    assert ask("claim", "register", lane, "--data", sealed).code == 0
    done = ask("claim", "make", lane, *TOLD, "-o", tmp_path / "c", "--data", sealed)
    assert done.code == 2 and ("no lane" in done.err or "not closed yet" in done.err)
    assert "over" in ask("claim", "register", "completed/P7/2020", "--data", sealed).err
    assert ask("claim", "register", "engines/P7/2030", "--data", sealed).code == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("passport", "S-9", *TOLD, "-o", "x"), 2, "no unit has the serial S-9"),
        (("passport", "S-1", *TOLD, "-o", "x", "--fields", "some"), 2, "there is no profile `some`"),
        (("passport", "S-1", *TOLD, "-o", "no/such/folder/x"), 2, "cannot be written"),
        (("verify", "nowhere"), 2, "cannot read it"),
        (("seal", "begin"), 2, "this folder has a log"),
        (("log", "consistency", "nowhere"), 2, "cannot read it"),
    ],
)
def test_what_is_wrong_is_told_with_a_remedy(ask, sealed, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASBUILT_DATA", str(sealed))
    done = ask(*words)
    assert done.code == code and says in done.err and "→" in done.err and "Traceback" not in done.err, done


def test_before_anything_is_sealed(ask, data, tmp_path):
    for words in (
        ("seal", "status"),
        ("seal", "now"),
        ("seal", "policy"),
        ("log", "audit"),
        ("passport", "S-1", *TOLD, "-o", tmp_path / "x"),
    ):
        done = ask(*words, "--data", data)
        assert done.code in (2, 3) and "→" in done.err and "Traceback" not in done.err, (words, done)
    assert not (tmp_path / "x").exists()


LOADED = """
import sys
from asbuilt import cli
sys.argv = ["asbuilt", "verify", sys.argv[1]]
try:
    cli.main()
except SystemExit:
    pass
heavy = {"apsw", "litestar", "uvicorn", "jinja2", "simpy"}
sys.stderr.write("loaded:" + ",".join(sorted(heavy & {name.split(".")[0] for name in sys.modules} - {"socket"})))
"""


def test_the_verifier_loads_neither_database_nor_web(ask, sealed, tmp_path):
    import subprocess
    import sys

    file = tmp_path / "x.passport"
    assert ask("passport", "S-1", *TOLD, "-o", file, "--data", sealed).code == 0
    done = subprocess.run([sys.executable, "-c", LOADED, file], capture_output=True, text=True, check=True)
    assert "Whole in itself" in done.stdout
    assert done.stderr.endswith("loaded:"), done.stderr
