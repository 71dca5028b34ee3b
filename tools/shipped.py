"""What comes along when `asbuilt` is installed: under which licences, and as a bill of materials.

`python -m tools.shipped licenses` writes `docs/licenses.md`, `python -m tools.shipped sbom FILE` a CycloneDX 1.6 document.
Both are made of the lock (which packages, which versions, which files) and of what is installed from it (which licence).
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licenses.md"

SPELT = {
    "MIT License": "MIT", "ISC License": "ISC", "Apache Software License": "Apache-2.0", "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "BSD": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "Python Software Foundation License": "PSF-2.0", "Apache 2.0": "Apache-2.0", "Apache License 2.0": "Apache-2.0",
}  # fmt: skip
"""Old spellings, as SPDX identifiers."""
ALLOWED = {
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "ISC",
    "PSF-2.0",
    "MPL-2.0",
    "any-OSI",
}
"""What may come along with the package. A licence of files (MPL) asks only for changes of those files."""
WITH_EXTRAS = ALLOWED | {"LGPL-3.0-only", "LGPL-3.0-or-later", "LGPL-2.1-or-later"}
"""What an extra may bring, which nobody gets who does not ask for it."""
READ = {
    "apsw": ("any-OSI", "whichever licence of the OSI one likes"),
    "colorama": ("BSD-3-Clause", "only on Windows"),
    "rich-click": ("MIT", "its metadata has the licence's text"),
    "reportlab": ("BSD-3-Clause", "its metadata points to the licence's text"),
}
"""Read by a person, where a package's metadata have no identifier of a licence or the package is not for this machine."""


class Shipped(NamedTuple):
    """A package of a lock: its licence as an SPDX expression, what there is to say of it, and the files it may be."""

    name: str
    version: str
    license: str
    remark: str
    hashes: tuple[str, ...]


def locked(lock: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, version and SHA-256 of the files of each package of a lock."""
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        if found := re.match(r"([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", line):
            yield found[1], found[2], tuple(re.findall(r"--hash=sha256:(\w+)", line))


def license_of(name: str) -> str:
    """The licence a package declares, in SPDX's words. Raises `LookupError` if it declares none that is known."""
    if name in READ:
        return READ[name][0]
    told = metadata.metadata(name)
    if expression := told.get_all("License-Expression"):
        return str(expression[0])
    classes = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or () if one.startswith("License :: ")]
    declared = str((told.get_all("License") or [""])[0])
    for said in (declared, " OR ".join(SPELT.get(one, one) for one in classes)):
        spelt = SPELT.get(said, said)
        if spelt and set(re.split(r" (?:OR|AND) ", spelt)) <= WITH_EXTRAS:
            return spelt
    raise LookupError(f"{name} declares {declared[:60]!r} {classes}: look, and say what it is in READ")


def shipped() -> list[Shipped]:
    """What an installation consists of, besides the package itself, in order of names."""
    build = {*_needed_to_build()}
    found = []
    for name, version, hashes in locked(ROOT / "requirements.lock"):
        remark = READ[name][1] if name in READ else "only to build it" if name in build else ""
        found.append(Shipped(name, version, license_of(name), remark, hashes))
    return found


def _needed_to_build() -> Iterator[str]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    waiting = [*told["dependency-groups"]["build"]]
    runtime = set(_needed([re.split(r"[^\w.-]", one)[0] for one in told["project"]["dependencies"]]))
    yield from (name for name in _needed(waiting) if name not in runtime)


def _needed(names: list[str]) -> Iterator[str]:
    """These packages and all that they need here, each once."""
    seen: set[str] = set()
    waiting = [name.lower().replace("_", "-") for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting += [re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in needs if "extra ==" not in one]


def extras() -> dict[str, list[tuple[str, str]]]:
    """What each extra asks for, and under which licence."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {extra: [re.split(r"[^\w.-]", one)[0] for one in asked] for extra, asked in told.items()}
    return {extra: [(name, license_of(name)) for name in asked] for extra, asked in sorted(names.items())}


def page() -> str:
    """`docs/licenses.md`."""
    lines = [
        "# Licences", "",
        "asbuilt itself is under Apache-2.0 ([LICENSE](../LICENSE)). An installation brings these packages along, each under its own licence;",
        "none is under the GPL or AGPL. Made by `make sbom` from `requirements.lock` and what the packages declare.", "",
        "| package | version | licence (SPDX) | |", "|---|---|---|---|",
        *(f"| {one.name} | {one.version} | {one.license} | {one.remark} |" for one in shipped()),
        "", "## Only where somebody asks for it", "",
        "| extra | brings | licence (SPDX) |", "|---|---|---|",
        *(f"| `asbuilt[{extra}]` | {name} | {license_} |" for extra, asked in extras().items() for name, license_ in asked), "",
    ]  # fmt: skip
    return "\n".join(lines)


def bill() -> Bom:
    """The bill of materials: the package, and what comes along."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    licenses = LicenseFactory()
    version = metadata.version("asbuilt")
    root = Component(
        name="asbuilt", version=version, type=ComponentType.APPLICATION, bom_ref=f"asbuilt@{version}",
        description=told["description"], licenses=[licenses.make_from_string(told["license"])],
        purl=PackageURL("pypi", None, "asbuilt", version),
    )  # fmt: skip
    bom = Bom()
    bom.metadata.component = root
    for one in shipped():
        if one.remark == "only to build it":
            continue
        component = Component(
            name=one.name, version=one.version, type=ComponentType.LIBRARY, bom_ref=f"{one.name}@{one.version}",
            licenses=[licenses.make_from_string(one.license)], purl=PackageURL("pypi", None, one.name, one.version),
            # A lock names every file a package may be installed from; the bill names them all.
            hashes=[HashTypeFactory().from_composite_str(f"sha256:{digest}") for digest in one.hashes],
        )  # fmt: skip
        bom.components.add(component)
        bom.register_dependency(component)
    by_name = {component.name: component for component in bom.components}
    asked = [re.split(r"[^\w.-]", one)[0] for one in told["dependencies"]]
    bom.register_dependency(root, [by_name[name] for name in asked if name in by_name])
    for name, component in by_name.items():
        needed = [*_needed_directly(name)]
        bom.register_dependency(component, [by_name[it] for it in needed if it in by_name])
    return bom


def _needed_directly(name: str) -> Iterator[str]:
    try:
        needs = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    yield from (re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in needs if "extra ==" not in one)


def document() -> str:
    """The bill as CycloneDX 1.6 in JSON. Without a serial number of its own: the same lock gives the same parts."""
    return str(JsonV1Dot6(bill()).output_as_string(indent=2)) + "\n"


def main(*words: str) -> None:
    """`licenses`, or `sbom FILE`."""
    match words:
        case ("licenses",):
            PAGE.write_text(page())
        case ("sbom", file):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(document())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
