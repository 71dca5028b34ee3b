"""The product on the scripted plant, as it stands at 08:30."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from tests.web.scripted import morning, shop


@pytest.fixture(scope="module")
def morning_app() -> Iterator[AsBuilt]:
    """The scripted morning, shared by the tests of a module: ask, do not tell."""
    told = morning()
    told.tell(
        events.DisclosureIssued, "07:30", disclosure="D-1", recipient="Inspectorate 7", purpose="incoming inspection",
        product="P7", serial="S-1", profile="customer", fields=("value", "uom"),
    )  # fmt: skip
    told.report("lathe", "07:00", "09:00", order="J-1", by="A. Aas")
    told.tell(events.LotReceived, "05:00", product="BRG", lot="B-1", quantity="40", supplier="Norrlager", heat="48-1")
    told.tell(
        events.ComponentInstalled, "06:00:30", product="P7", serial="00001", position="Bearing", component_product="BRG",
        component_lot="B-1", quantity="2",
    )  # fmt: skip
    with shop(told) as app:
        yield app
