"""Lots: where they come from, and into what they are divided and put together."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from asbuilt.events.envelope import Country, Decimal, Digest, Event, Name, Path


class LotReceived(Event, tag="lot_received.v1", frozen=True, kw_only=True):
    """A lot came in from a supplier."""

    product: Name
    lot: Name
    quantity: Decimal
    uom: Name = "pcs"
    supplier: Name | None = None
    supplier_lot: Name | None = None
    heat: Name | None = None
    origin_country: Country | None = None
    certificate_digest: Digest | None = None
    order: Name | None = None


class LotPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A quantity of a lot or container that a split made or a merge took."""

    lot: Name
    quantity: Decimal


class LotSplit(Event, tag="lot_split.v1", frozen=True, kw_only=True):
    """A lot was divided into others."""

    product: Name
    lot: Name
    into: Annotated[tuple[LotPart, ...], Meta(min_length=1, max_length=1000)]
    uom: Name = "pcs"


class LotMerged(Event, tag="lot_merged.v1", frozen=True, kw_only=True):
    """Lots were put together into one."""

    product: Name
    lot: Name
    merged: Annotated[tuple[LotPart, ...], Meta(min_length=1, max_length=1000)]
    uom: Name = "pcs"


class LotOpened(Event, tag="lot_opened.v1", frozen=True, kw_only=True):
    """A lot or one of its containers is in use at a station from now on."""

    product: Name
    lot: Name
    station: Path
    container: Name | None = None
