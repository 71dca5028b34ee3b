"""What is written about adapters is what they are; example plants hold together."""

from __future__ import annotations

import pytest

from asbuilt import adapters
from asbuilt.app import configure
from asbuilt.exchange.reference import adapter_page
from asbuilt.plant import load
from tests.conftest import ROOT

EXAMPLES = sorted(ROOT.glob("examples/*/plant.toml"))


@pytest.mark.parametrize("kind", adapters.discover())
def test_each_adapter_has_its_page_as_it_is_now(kind):
    page = ROOT / "docs" / "adapters" / f"{kind}.md"
    assert page.exists(), "run `make docs`"
    assert page.read_text() == adapter_page(adapters.of_kind(kind)), "run `make docs`"
    assert f"adapters/{kind}.md" in (ROOT / "docs" / "connect.md").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_example_plants_hold_together(path):
    plant = load(path)
    for name in plant.adapters:
        module, config = configure(plant, name)
        assert module.translator(config, name)


@pytest.mark.parametrize("kind", [kind for kind, module in adapters.discover().items() if hasattr(module, "probe")])
def test_there_is_an_example_of_each_connection(kind):
    plant = load(ROOT / "examples" / kind / "plant.toml")
    assert any(settings.kind == kind for settings in plant.adapters.values())
