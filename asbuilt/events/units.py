"""Serialised units: their births and ends, and what is fitted in them."""

from __future__ import annotations

from typing import Literal

from asbuilt.events.envelope import Decimal, Event, Name, Path, Text


class UnitStarted(Event, tag="unit_started.v1", frozen=True, kw_only=True):
    """A serialised unit is born."""

    product: Name
    serial: Name
    order: Name | None = None
    station: Path | None = None
    revision: Name | None = None


class UnitCompleted(Event, tag="unit_completed.v1", frozen=True, kw_only=True):
    """A unit is released: its birth certificate."""

    product: Name
    serial: Name
    order: Name | None = None
    station: Path | None = None
    revision: Name | None = None


class UnitScrapped(Event, tag="unit_scrapped.v1", frozen=True, kw_only=True):
    """A unit's end."""

    product: Name
    serial: Name
    station: Path | None = None
    order: Name | None = None
    reason: Name | None = None
    message: Text | None = None


Evidence = Literal["scanned", "container", "time_window"]
"""How a link is known: read at the part, by the container it came from, by the time it was open."""


class ComponentInstalled(Event, tag="component_installed.v1", frozen=True, kw_only=True):
    """A component (a serial, or a quantity of a lot) now sits at a position of a unit."""

    product: Name
    serial: Name
    position: Name
    component_product: Name
    component_serial: Name | None = None
    component_lot: Name | None = None
    container: Name | None = None
    quantity: Decimal = "1"
    uom: Name = "pcs"
    evidence: Evidence = "scanned"
    station: Path | None = None
    operation: Name | None = None

    def __post_init__(self) -> None:
        if self.component_serial is None and self.component_lot is None and self.container is None:
            raise ValueError("a component needs a component_serial, a component_lot or a container")


class ComponentRemoved(Event, tag="component_removed.v1", frozen=True, kw_only=True):
    """A component left its position of a unit."""

    product: Name
    serial: Name
    position: Name
    component_product: Name | None = None
    component_serial: Name | None = None
    component_lot: Name | None = None
    quantity: Decimal | None = None
    uom: Name = "pcs"
    reason: Name | None = None
    station: Path | None = None
    operation: Name | None = None
