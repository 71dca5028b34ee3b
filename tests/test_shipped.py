"""What comes along with an installation is known: its licences are listed and allowed, its parts are in a bill of materials."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.conftest import ROOT
from tools import shipped

ALL = shipped.shipped()


def test_the_list_of_licences_is_as_it_is_now():
    assert shipped.PAGE.read_text() == shipped.page(), "run `make sbom`"


@pytest.mark.parametrize("one", ALL, ids=[one.name for one in ALL])
def test_what_comes_along_is_under_a_licence_that_asks_for_nothing_of_those_who_use_it(one):
    assert any(part in shipped.ALLOWED for part in re.split(r" OR ", one.license)), one
    assert not re.search(r"\b[AL]?GPL", one.license), one


def test_an_extra_brings_the_lgpl_at_most_and_says_so():
    for extra, asked in shipped.extras().items():
        for name, license_ in asked:
            assert license_ in shipped.WITH_EXTRAS, (extra, name)
    of_lgpl = {
        extra for extra, asked in shipped.extras().items() if any(license_.startswith("LGPL") for _, license_ in asked)
    }
    assert of_lgpl == {"opcua", "tdms"}
    told = (ROOT / "pyproject.toml").read_text()
    for extra in of_lgpl:
        assert re.search(rf"# .*LGPL.*\n{extra} = ", told), extra


def test_a_licence_nobody_has_read_is_refused(monkeypatch):
    monkeypatch.setattr(shipped.metadata, "metadata", lambda name: _Told())
    with pytest.raises(LookupError, match="Secret Sauce"):
        shipped.license_of("whatever")


class _Told:
    def get_all(self, name: str) -> list[str] | None:
        return {"License": ["Secret Sauce 1.0"], "Classifier": ["License :: Other/Proprietary License"]}.get(name)


def test_the_bill_of_materials_is_valid_and_whole():
    document = shipped.document()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    told = json.loads(document)
    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "asbuilt"
    parts = {part["name"]: part for part in told["components"]}
    locked = {name: (version, hashes) for name, version, hashes in shipped.locked(ROOT / "requirements.lock")}
    assert set(locked) - set(parts) == {one.name for one in ALL if one.remark == "only to build it"}
    for name, part in parts.items():
        assert (part["version"], {one["content"] for one in part["hashes"]}) == (locked[name][0], set(locked[name][1]))
        assert part["licenses"], name
    below = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    reached, waiting = set[str](), [told["metadata"]["component"]["bom-ref"]]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += below[ref]
    elsewhere = {"colorama"}  # on Windows
    assert {part["bom-ref"] for part in parts.values() if part["name"] not in elsewhere} <= reached, (
        "nobody needs it: why is it in the lock?"
    )


def test_the_lock_has_what_the_package_asks_for():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {name for name, _, _ in shipped.locked(ROOT / "requirements.lock")}
    assert {re.split(r"[^\w.-]", one)[0] for one in asked} <= names
