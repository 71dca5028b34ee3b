"""Out of the plant: packed, shipped, fitted into something, returned."""

from __future__ import annotations

import datetime as dt

from asbuilt.events.envelope import Event, Name, Path, Text


class Packed(Event, tag="packed.v1", frozen=True, kw_only=True):
    """A unit was put into a container."""

    product: Name
    serial: Name
    container: Name
    station: Path | None = None


class UnitShipped(Event, tag="unit_shipped.v1", frozen=True, kw_only=True):
    """A unit left for a consignee, for a stated end use."""

    product: Name
    serial: Name
    consignee: Name
    end_use: Text | None = None
    screened_on: dt.date | None = None
    container: Name | None = None
    order: Name | None = None


class UnitFitted(Event, tag="unit_fitted.v1", frozen=True, kw_only=True):
    """A unit was built into something: an aircraft, a generator set, a pump."""

    product: Name
    serial: Name
    fitted_in: Name
    message: Text | None = None


class UnitReturned(Event, tag="unit_returned.v1", frozen=True, kw_only=True):
    """A unit came back."""

    product: Name
    serial: Name
    reason: Text
    returned_by: Name | None = None
