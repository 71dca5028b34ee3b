"""The shift report on paper and in the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.exchange.shift_pdf import shift_pdf
from tests.conftest import ROOT
from tests.web.scripted import LINE, PLANT, Told, at, morning, shop


def sides(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def full_shift() -> Told:
    """Every station stops every six minutes, and everybody writes long notes."""
    told = morning()
    for minute in range(0, 300, 6):
        for station in ("10", "20", "30"):
            time = f"{9 + minute // 60:02}:{minute % 60:02}"
            told.state(station, "Held", f"{time}:00", message="A long story of what happened here, told in many words")
            told.state(station, "Execute", f"{9 + (minute + 3) // 60:02}:{(minute + 3) % 60:02}:00")
        told.tell(
            events.NoteWritten,
            f"{9 + minute // 60:02}:{minute % 60:02}:30",
            line=LINE,
            by="Ann",
            text="word & <sign>\n" * 60,
        )
        told.tell(
            events.HoldPlaced,
            f"{9 + minute // 60:02}:{minute % 60:02}:40",
            hold=f"H-{minute}",
            reason="leak " * 60,
            product="P7",
            serial=str(minute),
        )
    return told


@pytest.mark.parametrize("told", [Told(), morning(), full_shift()], ids=["nothing", "morning", "everything"])
def test_always_two_sides(told):
    with shop(told, now="14:05") as app:
        report = app.query("shift.report", line="1")
    pdf = shift_pdf(report, PLANT.name)
    assert pdf.startswith(b"%PDF-") and sides(pdf) == 2
    assert shift_pdf(report, PLANT.name) == pdf


def test_letters_of_other_scripts_do_not_stop_it():
    told = morning()
    told.tell(events.NoteWritten, "08:00", line=LINE, by="Łukasz Žižka", text="Смена прошла спокойно. 交接班 ✓")
    with shop(told) as app:
        assert sides(shift_pdf(app.query("shift.report", line="1"), "Завод")) == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    data = tmp_path_factory.mktemp("report") / "data"
    with AsBuilt(data, plant=PLANT, now=lambda: at("14:05")) as app:
        app.take_in(morning().facts)
    return data


def asbuilt(folder, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asbuilt", "report", "shift", *words, "--data", str(folder)],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip


def test_the_command_writes_a_pdf_prints_words_and_json(folder, tmp_path):
    done = asbuilt(folder, "2026-06-03/A", "--pdf", str(tmp_path / "shift.pdf"))
    assert done.returncode == 0, done.stderr
    assert sides((tmp_path / "shift.pdf").read_bytes()) == 2
    assert "Line 1 made 138 of 465" in asbuilt(folder, "2026-06-03/A").stdout
    assert json.loads(asbuilt(folder, "2026-06-03/A", "--json").stdout)["made"] == 138


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["yesterday"], "`yesterday` is not DAY/SHIFT"),
        (["2026-06-03/Z"], "has no shift Z on 2026-06-03"),
        (["2026-06-03/A", "--line", "9"], "there is no line `9`"),
    ],
)
def test_what_cannot_be_reported_says_why(folder, words, what):
    done = asbuilt(folder, *words)
    assert done.returncode == 2
    assert what in done.stderr and "Traceback" not in done.stderr
