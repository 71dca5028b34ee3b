"""A real machining shop's log, imported: the published figures, in whatever way it comes in.

The log is the one of 4TU "Production Analysis with Process Mining" (D. Levy, 2014). It is not part
of this repository; see the `oracles` fixture.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import os
import random
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from asbuilt import plant as plant_
from asbuilt.adapters import Rejection, csv_file
from asbuilt.app import AsBuilt, configure
from asbuilt.events import OperationReported
from tests.conftest import NOW, ROOT

pytestmark = pytest.mark.oracle

PLANT = ROOT / "examples/machine-shop/plant.toml"
TOTALS = {
    "setup": (704, 2_432.933),
    "production": (3_725, 11_098.617),
    "breakdown": (51, 175.617),
}
PIECES = (91_174, 593, 105)
"""Of production: good, rejected, for review."""
REPORTS, ROWS, EXACT_COPIES = 4_480, 4_503, 23


@pytest.fixture(scope="module")
def log(oracles: Path) -> Path:
    path = oracles / "shop-log" / "Production_disco_export.csv"
    if not path.exists():
        pytest.skip(f"the shop's log is not at {path}")
    return path


@pytest.fixture(scope="module")
def rows(log: Path) -> list[OperationReported]:
    """Every row of the log as the fact it is, exact copies too."""
    module, config = configure(plant_.load(PLANT), "reports")
    translate = module.translator(config, "reports")
    items = [item for message in module.read(log, config) for item in translate(message)]
    assert not [item for item in items if isinstance(item, Rejection)]
    return items


@pytest.fixture(scope="module")
def digest(rows: list[OperationReported]) -> str:
    """The views' digest of a plain import."""
    with shop() as app:
        app.take_in(rows, "reports")
        app.pipeline.settle()
        return app.store.digest()


def shop() -> AsBuilt:
    return AsBuilt(memory=True, plant=plant_.load(PLANT), now=lambda: NOW, strict=True)


def import_file(app: AsBuilt, path: Path, batch: int = 500) -> Counter[str]:
    """Import as the command does; how many rows had which outcome."""
    module, config = app.configured("reports")
    translate = module.translator(config, "reports")
    items = [item for message in module.read(path, config) for item in translate(message)]
    statuses: Counter[str] = Counter()
    for start in range(0, len(items), batch):
        statuses.update(result.status for result in app.take_in(items[start : start + batch], "reports"))
    return statuses


def assert_golden(app: AsBuilt) -> None:
    totals = {total.kind: total for total in app.query("order.totals")}
    assert {kind: (total.reports, total.hours) for kind, total in totals.items()} == TOTALS
    production = totals["production"]
    assert (production.good, production.rejected, production.for_review) == PIECES


# --------------------------------------------------------------------------- figures


def test_the_published_figures(log):
    with shop() as app:
        assert import_file(app, log) == {"accepted": REPORTS, "duplicate": EXACT_COPIES}
        assert_golden(app)


def test_the_file_twice(log, digest):
    with shop() as app:
        import_file(app, log)
        assert import_file(app, log) == {"duplicate": ROWS}
        assert_golden(app)
        assert app.store.digest() == digest


@pytest.mark.parametrize("seed", [1, 2])
def test_the_file_shuffled(log, digest, tmp_path, seed):
    header, *lines = log.read_bytes().splitlines()
    random.Random(seed).shuffle(lines)
    (tmp_path / "shuffled.csv").write_bytes(b"\n".join([header, *lines]))
    with shop() as app:
        import_file(app, tmp_path / "shuffled.csv", batch=97)
        assert_golden(app)
        assert app.store.digest() == digest


def test_the_file_in_ten_parts_from_last_to_first(log, digest, tmp_path):
    header, *lines = log.read_bytes().splitlines(keepends=True)
    size = len(lines) // 10 + 1
    with shop() as app:
        for number in reversed(range(10)):
            part = tmp_path / f"part-{number}.csv"
            part.write_bytes(header + b"".join(lines[number * size : (number + 1) * size]))
            import_file(app, part)
        assert_golden(app)
        assert app.store.digest() == digest


def test_rebuilt(rows, digest, tmp_path):
    with AsBuilt(tmp_path, plant=plant_.load(PLANT), now=lambda: NOW) as app:
        app.take_in(rows, "reports")
    with AsBuilt(tmp_path, now=lambda: NOW, rebuild=True) as app:
        assert_golden(app)
        assert app.store.digest() == digest
        assert list(app.record.verify()) == []


def test_the_commands_of_the_readme(log, digest, tmp_path):
    def asbuilt(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "asbuilt", *words, "--data", str(tmp_path / "data")],
            capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    asbuilt("import", str(PLANT), "reports", str(log))
    totals = {row["kind"]: row for row in json.loads(asbuilt("query", "order.totals", "--json"))}
    assert {kind: (row["reports"], row["hours"]) for kind, row in totals.items()} == TOTALS
    assert tuple(totals["production"][name] for name in ("good", "rejected", "for_review")) == PIECES
    told = dict(line.rsplit(" ", 1) for line in asbuilt("digest").splitlines())
    assert told["views"] == digest
    assert set(told) == {"views", f"record {REPORTS + 1}"}


# --------------------------------------------------------------------------- instants


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_every_report_agrees_to_the_second_with_the_utc_rendering(rows, oracles):
    with (oracles / "shop-log" / "Production_utc.csv").open(newline="") as file:
        expected = Counter(
            (row["case_id"], row["Activity"], row["Resource"], utc(row["start_time"]), utc(row["end_time"]))
            for row in csv.DictReader(file)
        )
    found = Counter((row.order, row.operation, row.by, row.start_time, row.event_time) for row in rows)
    assert found == expected
    assert found.total() == ROWS


def passages(rows: list[OperationReported]) -> Iterator[tuple[str | None, str, str | None, str, dt.datetime]]:
    """Each report as the start and the end of work: order, activity, worker, which, when."""
    for row in rows:
        yield row.order, row.operation, row.by, "start", row.start_time
        yield row.order, row.operation, row.by, "complete", row.event_time


def test_every_report_agrees_with_the_rendering_at_plus_two(rows, oracles):
    assert Counter(passages(rows)) == Counter(_passages(oracles / "shop-log" / "Production_utc+2.xes.gz"))


def test_every_report_agrees_with_the_rendering_at_minus_five(rows, oracles):
    # Of reports of one case and activity that overlap, this rendering gives 104 starts to another worker.
    rendering = _passages(oracles / "shop-log" / "Production_utc-5.xes.gz")
    without_worker = [
        Counter((case, what, which, when) for case, what, _, which, when in every)
        for every in (passages(rows), rendering)
    ]
    assert without_worker[0] == without_worker[1]


def _passages(path: Path) -> Iterator[tuple[str, str, str, str, dt.datetime]]:
    """Case, activity, worker, transition and instant of every event but the artificial first and last of a case."""
    with gzip.open(path) as file:
        for _, trace in ET.iterparse(file):
            if not trace.tag.endswith("}trace"):
                continue
            case = _values(trace)["concept:name"]
            for event in trace:
                if event.tag.endswith("}event"):
                    found = _values(event)
                    if found["concept:name"] not in ("Start", "End"):
                        yield (
                            case,
                            found["concept:name"],
                            found["org:resource"],
                            found["lifecycle:transition"],
                            dt.datetime.fromisoformat(found["time:timestamp"]),
                        )
            trace.clear()


def _values(element: ET.Element) -> dict[str, str]:
    return {child.get("key", ""): child.get("value", "") for child in element}


def test_two_reports_span_the_jump_of_25_march(rows):
    """The wall clock of the export jumps from 03:00 to 04:00; an interval over it is an hour shorter than it looks."""
    spanning = [row for row in rows if row.start_time.utcoffset() != row.event_time.utcoffset()]
    assert len(spanning) == 2
    for row in spanning:
        walls = [time.replace(tzinfo=None) for time in (row.start_time, row.event_time)]
        assert walls[0] < dt.datetime(2012, 3, 25, 3) < walls[1]  # noqa: DTZ001
        assert (walls[1] - walls[0]) - (row.event_time - row.start_time) == dt.timedelta(hours=1)
    offsets = {row.event_time.utcoffset() for row in rows}
    assert offsets == {dt.timedelta(hours=2), dt.timedelta(hours=3)}


def test_told_the_wrong_zone_the_hours_are_wrong(log, rows):
    """The trap: read as UTC, nothing looks odd, and the two reports are an hour too long."""
    text = PLANT.read_text().replace('zone = "Europe/Tallinn"\ntime_format', 'zone = "UTC"\ntime_format')
    module, config = configure(plant_.parse(text), "reports")
    translate = module.translator(config, "reports")
    wrong = [item for message in csv_file.read(log, config) for item in translate(message)]
    hours = [sum((row.event_time - row.start_time).total_seconds() for row in every) / 3600 for every in (wrong, rows)]
    assert round(hours[0] - hours[1], 6) == 2.0


# --------------------------------------------------------------------------- identity


def test_only_exact_copies_share_an_id(log, rows):
    assert len({row.id for row in rows}) == REPORTS
    lines = [
        line for line in log.read_bytes().splitlines()[1:] if b",Start,Start," not in line and b",End,End," not in line
    ]
    assert len(lines) == ROWS
    assert len(set(lines)) == REPORTS


def test_rework_and_stations(rows):
    with shop() as app:
        import_file_rows = app.take_in(rows, "reports")
        assert len(import_file_rows) == ROWS
        assert all(row.station in app.plant.stations for row in rows if row.station is not None)
    assert any(row.rework for row in rows)
