"""Curves from TDMS files: the same as from CSV, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from asbuilt import cli
from asbuilt.errors import UsageError
from asbuilt.exchange import curves

pytest.importorskip("pyarrow", reason="curves need the extra `curves`")
nptdms = pytest.importorskip("nptdms", reason="TDMS curves need the extra `tdms`")


def tdms(path: Path, *channels: Any) -> Path:
    with nptdms.TdmsWriter(str(path)) as writer:
        writer.write_segment(list(channels))
    return path


def channel(name: str, values: list[float], group: str = "run", **properties: object) -> Any:
    numpy = pytest.importorskip("numpy")
    return nptdms.ChannelObject(group, name, numpy.array(values), properties=properties)


WAVE = {"wf_start_offset": 0.0, "wf_increment": 0.5}


def test_a_tdms_file_is_the_same_curve_as_csv(tmp_path):
    file = tdms(
        tmp_path / "run.tdms",
        channel("speed", [0.0, 1200.0, 2400.5], unit_string="1/min", **WAVE),
        channel("vibration", [0.25, 0.5, 0.75], **WAVE),
    )
    text = tmp_path / "run.csv"
    text.write_text("time_s,speed [1/min],vibration\n0,0,0.25\n0.5,1200,0.5\n1,2400.5,0.75\n")
    assert curves.from_tdms(file) == curves.from_csv(text)
    data = tmp_path / "data"
    done = [CliRunner().invoke(cli.app, ["curve", str(one), "--data", str(data)]) for one in (file, text)]
    assert [one.exit_code for one in done] == [0, 0]
    assert len(list((data / "traces").iterdir())) == 1


def test_a_tdms_file_may_tell_its_time_in_a_channel(tmp_path):
    file = tdms(tmp_path / "run.tdms", channel("time_s", [0.0, 0.1, 0.3]), channel("speed", [1.0, 2.0, 3.0]))
    assert curves.from_tdms(file) == curves.Curve([0.0, 0.1, 0.3], {"speed": [1.0, 2.0, 3.0]})


def test_of_several_groups_one_is_named(tmp_path):
    file = tdms(tmp_path / "run.tdms", channel("a", [1.0], "one", **WAVE), channel("a", [2.0], "two", **WAVE))
    assert curves.from_tdms(file, "two").channels == {"a": [2.0]}
    with pytest.raises(UsageError, match="one, two"):
        curves.from_tdms(file)
    with pytest.raises(UsageError, match="one, two"):
        curves.from_tdms(file, "three")


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ([channel("a", [1.0, 2.0])], "time track"),
        ([channel("a", [1.0, 2.0], **WAVE), channel("b", [1.0], **WAVE)], "different time tracks"),
        ([channel("time_s", [0.0, 0.2, 0.1]), channel("a", [1.0, 2.0, 3.0])], "goes back"),
        ([channel("a", [1.0, float("nan")], **WAVE)], "no numbers"),
        ([channel("time_s", [0.0])], "1 to"),
    ],
)
def test_a_tdms_file_that_does_not_fit_together_is_refused_with_a_remedy(tmp_path, channels, says):
    file = tdms(tmp_path / "run.tdms", *channels)
    with pytest.raises(UsageError, match=says) as caught:
        curves.from_tdms(file)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"TDSm", b"TDSm" + bytes(60), b"time_s,a\n0,1\n", bytes(range(256)) * 40])
def test_what_is_no_tdms_file_is_refused(tmp_path, content):
    file = tmp_path / "run.tdms"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        curves.from_tdms(file)
    assert caught.value.remedy


def test_a_curve_file_that_is_not_there_is_told(tmp_path):
    for reading in (curves.from_csv, curves.from_tdms):
        with pytest.raises(UsageError, match="cannot read it"):
            reading(tmp_path / "nix")
