"""Curves: kept under the digest of their bytes, shown only if they still have it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from asbuilt.exchange import curves
from tests.web.markup import read
from tests.web.scripted import LINE, PLANT

pytest.importorskip("pyarrow", reason="curves need the extra `curves`")
CSV = "time_s,head 1 [°C],vibration [mm/s]\n0,20,0.5\n1,60.5,1.5\n2,150,3.4\n"
START = dt.datetime(2026, 6, 3, 8, 0, tzinfo=PLANT.zone)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    path.write_text(CSV)
    return path


def test_a_curve_comes_back_as_it_was_and_is_kept_once(file, tmp_path):
    curve = curves.from_csv(file)
    assert curve == curves.Curve(
        [0.0, 1.0, 2.0], {"head 1 [°C]": [20.0, 60.5, 150.0], "vibration [mm/s]": [0.5, 1.5, 3.4]}
    )
    digest = curves.keep(tmp_path / "traces", curve)
    assert curves.keep(tmp_path / "traces", curve) == digest
    assert [path.name for path in (tmp_path / "traces").iterdir()] == [f"{digest}.parquet"]
    assert curves.find(tmp_path / "traces", digest) == curve


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ("time_s\n0\n", 1), ("t,a\n0,1\n", 1), ("time_s,a,a\n0,1,2\n", 1), ("time_s,a\n0,x\n", 2), ("time_s,a\n0,1\n1\n", 3),
     ("time_s,a\n1,1\n0,1\n", 3), ("time_s,a\n0,nan\n", 2)],
)  # fmt: skip
def test_what_is_no_curve_is_named_with_its_line(tmp_path, text, line):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        curves.from_csv(path)
    assert error.value.where == f"{path}:{line}" and error.value.remedy
    path.write_text("time_s,a\n")
    with pytest.raises(UsageError, match="no values"):
        curves.from_csv(path)


def test_a_changed_curve_is_never_shown(file, tmp_path):
    with AsBuilt(tmp_path / "data", plant=PLANT, now=lambda: START + dt.timedelta(hours=1)) as app:
        assert app.folder is not None
        digest = curves.keep(app.folder.traces, curves.from_csv(file))
        app.take_in(
            [events.RunRecorded(id=events.new_id(START, lambda n: bytes(n)), event_time=START, start_time=START, source="bench", product="P7",
                                serial="1", station=f"{LINE}/30", program="R4", verdict="pass", curve_digest=digest)]
        )  # fmt: skip
        app.pipeline.settle()

        def runs() -> str:
            return read(app.client.get("/unit/1?at=2026-06-03T08:30").text).one("main").text

        assert "matches its digest." in runs()
        assert "head 1 [°C]" in runs()
        path = app.folder.traces / f"{digest}.parquet"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        assert "The curve file does not match its digest." in runs()
        assert "head 1 [°C]" not in runs()
        path.unlink()
        assert "The curve is not in traces/." in runs()
