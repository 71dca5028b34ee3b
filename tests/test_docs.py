"""What is written about adapters is what they are; example plants hold together."""

from __future__ import annotations

import pytest

from asbuilt import adapters, events
from asbuilt.app import configure
from asbuilt.exchange.reference import TYPES_BEGIN, adapter_page, fact_types
from asbuilt.plant import load
from tests.conftest import ROOT

EXAMPLES = sorted(ROOT.glob("examples/*/plant.toml"))


@pytest.mark.parametrize("kind", adapters.discover())
def test_each_adapter_has_its_page_as_it_is_now(kind):
    page = ROOT / "docs" / "adapters" / f"{kind}.md"
    assert page.exists(), "run `make docs`"
    assert page.read_text() == adapter_page(adapters.of_kind(kind)), "run `make docs`"
    assert f"adapters/{kind}.md" in (ROOT / "docs" / "connect.md").read_text()


def test_the_record_format_says_every_type_of_fact_as_it_is_now():
    """A type or a member nobody wrote down could not be read by others in fifty years."""
    by_hand, begin, said = (ROOT / "docs" / "record-format.md").read_text().partition(TYPES_BEGIN)
    assert begin + said == fact_types(), "run `make docs`"
    for name, kind in events.TYPES.items():
        _, found, rest = said.partition(f"**`{name}`** ")
        assert found, f"{name} is not in the record's format"
        members = rest.split("**`")[0]
        for member in set(kind.__struct_fields__) - set(events.Event.__struct_fields__):
            assert f"`{member}` " in members, f"{name}: {member} is not written down"
    for member in ("type", *events.Event.__struct_fields__):
        assert f"| `{member}` |" in by_hand


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
