"""What traces answer. Times are at the plant."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct


class Use(Struct, frozen=True, gc=False):
    """A serial that carried what was looked for, or is made of it, and where it is at the moment asked about.

    `contains` is yes, or may where it came through a lot or container that holds other things too. `evidence` is the
    weakest link on the best way. `since` … `until` is when it carried it (open ends are None: from the beginning,
    until now); `still` whether it does. `position`, `part`, `lot`, `container` are the link through which it came in
    first. `state` as in `unit.list`, `installed` or `removed` for what is known as a component only; `place` goes with
    it; `inside` is the unit it sits in now.
    """

    product: str
    serial: str
    contains: str
    evidence: str
    since: dt.datetime | None
    until: dt.datetime | None
    still: bool
    position: str
    part: str
    lot: str
    container: str
    state: str
    place: str
    consignee: str
    inside: str
    held: bool


class LotUse(Struct, frozen=True):
    """A lot or container that contains what was looked for (yes), or may, from a moment on."""

    kind: str
    product: str
    id: str
    contains: str
    since: dt.datetime | None


class WhereUsed(Struct, frozen=True):
    """Everything in which something went. `serials` counts `uses`; `cut_short` says that there is more."""

    item: str
    at: dt.datetime
    known_at: dt.datetime | None
    serials: int
    states: dict[str, int]
    cut_short: bool
    lots: tuple[LotUse, ...]
    uses: tuple[Use, ...]


class Origin(Struct, frozen=True):
    """Something that went into a unit: directly (level 1) or inside something else.

    `kind` is serial, lot, container; a lot in which others were put is followed by these, one level deeper, with
    `contains` yes or may. `since` … `until` is when it was inside the unit asked about; `parent` is what it sat in.
    Where a lot came from stands with the lot.
    """

    level: int
    kind: str
    product: str
    id: str
    parent: str
    position: str
    quantity: str
    uom: str
    contains: str
    evidence: str
    since: dt.datetime | None
    until: dt.datetime | None
    supplier: str
    supplier_lot: str
    heat: str
    country: str
    received: dt.datetime | None


class LotRow(Struct, frozen=True):
    """A lot and what became of it: `quantity` that came in (received, split off, put in), out and into units.

    `left` = in - out - installed + reused - scrapped, in `uom`; below zero more was taken than there was (`overdrawn`). A serial
    counts once however often it was built in; `reused` are pieces that must have been taken out and built in again, as the lot
    held too few for anything else; `scrapped` was decided to be scrapped or sent back. None where nothing is known to have come
    in, or where something was told in units that do not convert (`differs`).
    """

    product: str
    lot: str
    uom: str
    quantity: str
    out: str
    installed: str
    reused: str
    scrapped: str
    left: str | None
    overdrawn: bool
    differs: tuple[str, ...]
    suppliers: tuple[str, ...]
    supplier_lots: tuple[str, ...]
    heats: tuple[str, ...]
    countries: tuple[str, ...]
    received: dt.datetime | None
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    containers: tuple[str, ...]
    held: bool


class Comparison(Struct, frozen=True):
    """Two populations against something that happened to some of each: Fisher's exact test, two-sided.

    Serials in both populations and those of which the outcome is not known are left out and counted apart.
    `p` is how often a difference at least as unlikely comes by chance if both are alike (R. A. Fisher, The logic of inductive
    inference, 1935). `says` is the answer in words.
    """

    first: str
    second: str
    outcome: str
    first_with: int
    first_without: int
    second_with: int
    second_without: int
    both: int
    unknown: int
    p: float
    says: str
