"""Inspection results: the real covers of the NIST test bed, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from asbuilt.adapters import Message, Rejection, qif
from asbuilt.app import AsBuilt, configure
from asbuilt.plant import load
from tests.conftest import ROOT

PLANT = load(ROOT / "examples" / "nist-covers" / "plant.toml")


@pytest.mark.oracle
def test_the_covers_have_their_real_measurements(oracles: Path):
    module, config = configure(PLANT, "cmm")
    path = oracles / "mtconnect" / "nist_CoverResults_20_samples.qif.xml"
    (message,) = module.read(path, config)
    items = list(module.translator(config, "cmm")(message))
    with AsBuilt(memory=True, strict=True, plant=PLANT) as app:
        for _ in range(2):  # importing twice changes nothing
            results = app.take_in(items, "cmm")
        assert {result.status for result in results} <= {"duplicate", "rejected"}
        units = app.query("unit.list")
        # 541 values of 20 parts are in the file; the twentieth has no serial and is named as rejected.
        assert app.query("trace.where_used", item="gauge:CMM").serials == 19
        values = app.query("unit.measurements", serial="A01")
        assert len(values) == 27
        first = next(value for value in values if value.characteristic == "FLATNESS1")
        assert (first.characteristic, first.value, first.upper, first.within, first.gauge) == (
            "FLATNESS1",
            "0.042",
            "0.05",
            True,
            "CMM",
        )
        diameter = next(
            value for value in values if (value.characteristic, value.position) == ("DIAMETER2", "feature 19")
        )
        assert (diameter.value, diameter.nominal, diameter.lower, diameter.upper) == ("4.522", "4.5", "4.2", "4.8")
        assert first.time.isoformat() == "2017-03-20T11:40:15-04:00"
        assert {run.verdict for run in app.query("unit.runs", serial="A01")} == {"pass"}
        assert sum(isinstance(item, Rejection) for item in items) == 1
        assert app.client.get("/unit/A01").status_code == 200
    assert units == []  # nothing told of their lives but the inspection


@pytest.mark.parametrize(
    "data",
    [b"", b"<", b"<a/>", b"<QIFDocument/>", b'<!DOCTYPE a [<!ENTITY b "c">]><QIFDocument>&b;</QIFDocument>', b"\xff\xfe",
     b"<a>" * 100, b"<QIFDocument><Version><TimeCreated>yesterday</TimeCreated></Version></QIFDocument>"],
)  # fmt: skip
def test_what_is_no_qif_file_is_rejected(data):
    translate = qif.translator(qif.Config(product="P"), "cmm")
    (found,) = translate(Message(data))
    assert isinstance(found, Rejection)
    assert found.reason.startswith("not a QIF file that can be read")


def test_settings_that_cannot_be():
    for config in (
        qif.Config(product="P", serial="("),
        qif.Config(product="P", serial="x"),
        qif.Config(product="P", zone="Nowhere/X"),
    ):
        (problem,) = qif.check(config, "cmm")
        assert problem.remedy
