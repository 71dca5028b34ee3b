"""What a unit is made of and what happened to it: events → rows.

Which component sat where from when to when follows from all fittings of the unit (`Link`), and
where the unit is now from all its passages (`Status`); everything else belongs to one fact.
All times are microseconds since 1970 UTC, `FOREVER` is the end of what lasts; `fact` is the id of
the fact behind a row; units and lots are named by their subject keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any, NamedTuple

from asbuilt.events import (
    ComponentInstalled,
    ComponentRemoved,
    DispositionDecided,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
    OperationCompleted,
    OperationReported,
    OperationStarted,
    Packed,
    RunRecorded,
    UnitCompleted,
    UnitFitted,
    UnitReturned,
    UnitScrapped,
    UnitShipped,
    UnitStarted,
    lot_key,
    microseconds,
    unit_key,
)

VERSION = 2

FOREVER = 9_223_372_036_854_775_807
EXACT = Context(prec=100)
"""Quantities have at most 30 digits; sums of them are exact."""
REMOVED, INSTALLED = 0, 1


class Fitting(NamedTuple):
    """A component was installed (`step` 1) at a position of a unit, or removed (0) from it.

    `part` is the component's unit key, `lot` its lot's key; both may be empty. Of steps at the same
    time a removal comes first: a swap is told at one instant.
    """

    unit: str
    time_us: int
    step: int
    fact: bytes
    position: str
    product: str
    part: str
    lot: str
    container: str
    quantity: str
    uom: str
    evidence: str
    station: str
    operation: str
    by: str
    reason: str


class Link(NamedTuple):
    """A component sat at a position of a unit for a time; `fact` installed it.

    A removal of a part of the quantity makes `piece`s: what was taken, and what stayed.
    """

    unit: str
    position: str
    from_us: int
    fact: bytes
    piece: int
    until_us: int
    quantity: str
    part: str
    lot: str
    container: str
    evidence: str


class Stray(NamedTuple):
    """A fitting that does not fit with the others of its unit; shown, never dropped."""

    unit: str
    time_us: int
    fact: bytes
    kind: str
    position: str
    other: str


class Passage(NamedTuple):
    """Something happened to a unit as a whole: `what` is born, started, completed, reported, released,
    packed, shipped, fitted, returned or scrapped; `rank` puts those of one instant in order.

    `place` is the container, consignee or what it was fitted in; `start_us` 0 where not told.
    """

    unit: str
    time_us: int
    rank: int
    fact: bytes
    what: str
    station: str
    operation: str
    order_no: str
    program: str
    program_revision: str
    start_us: int
    good: int
    scrap: int
    rework: int
    by: str
    place: str
    reason: str
    revision: str


class Status(NamedTuple):
    """Where a unit is in its life, from all its passages.

    `state`: in work, completed, packed, shipped, fitted, returned or scrapped. `place` is the station
    where it was last, or the container, consignee or what it is fitted in. Times are 0 if never.
    """

    unit: str
    serial: str
    state: str
    since_us: int
    place: str
    station: str
    consignee: str
    order_no: str
    revision: str
    started_us: int
    completed_us: int


class Run(NamedTuple):
    """A test run of a unit; `curve` is the digest of its curve file, `channels` are JSON."""

    unit: str
    time_us: int
    fact: bytes
    start_us: int
    station: str
    program: str
    program_revision: str
    verdict: str
    curve: str
    channels: str
    by: str


class Case(NamedTuple):
    """A nonconformance was raised (`step` 0) or something decided about it (1)."""

    nonconformance: str
    time_us: int
    step: int
    fact: bytes
    item: str
    order_no: str
    station: str
    reason: str
    severity: str
    decision: str
    quantity: str
    message: str
    by: str


class HoldStep(NamedTuple):
    """A hold was placed (`step` 1) on an item or released (0); an empty item is everything it stands for."""

    item: str
    time_us: int
    step: int
    fact: bytes
    hold: str
    reason: str
    by: str


ROWS = {
    Fitting: ("unit", "time_us", "step", "fact"),
    Link: ("unit", "position", "from_us", "fact", "piece"),
    Stray: ("unit", "time_us", "fact", "kind"),
    Passage: ("unit", "time_us", "rank", "fact"),
    Status: ("unit",),
    Run: ("unit", "time_us", "fact"),
    Case: ("nonconformance", "time_us", "step", "fact"),
    HoldStep: ("item", "time_us", "step", "fact"),
}
# Indexes on links hold all that a walk needs, so that it never touches the table.
_WALK = "unit, until_us, evidence, quantity"
INDEXES = {
    Link: [
        f"part, {_WALK}, lot, container WHERE part <> ''",
        f"lot, {_WALK}, part, container WHERE lot <> ''",
        f"container, {_WALK}, lot, part WHERE container <> ''",
    ],
    Passage: ["station, time_us WHERE station <> ''", "by, time_us WHERE by <> ''",
              "program, program_revision, time_us WHERE program <> ''", "order_no WHERE order_no <> ''"],
    Status: ["state, since_us", "since_us", "order_no WHERE order_no <> ''", "completed_us WHERE completed_us > 0",
             "station WHERE state = 'in work'"],
    Case: ["item WHERE item <> ''", "time_us"],
    HoldStep: ["hold, time_us"],
}  # fmt: skip


# --------------------------------------------------------------------------- rows of one fact


def _key(kind: Any, product: str | None, name: str | None) -> str:
    return str(kind(product, name)) if name is not None else ""


def _installed(fact: ComponentInstalled, time_us: int) -> Iterator[Fitting]:
    yield Fitting(
        unit_key(fact.product, fact.serial), time_us, INSTALLED, fact.id.bytes, fact.position, fact.component_product,
        _key(unit_key, fact.component_product, fact.component_serial),
        _key(lot_key, fact.component_product, fact.component_lot),
        fact.container or "", fact.quantity, fact.uom, fact.evidence, fact.station or "", fact.operation or "",
        fact.by or "", "",
    )  # fmt: skip


def _removed(fact: ComponentRemoved, time_us: int) -> Iterator[Fitting]:
    yield Fitting(
        unit_key(fact.product, fact.serial), time_us, REMOVED, fact.id.bytes, fact.position,
        fact.component_product or "",
        _key(unit_key, fact.component_product, fact.component_serial),
        _key(lot_key, fact.component_product, fact.component_lot),
        "", fact.quantity or "", fact.uom, "", fact.station or "", fact.operation or "", fact.by or "",
        fact.reason or "",
    )  # fmt: skip


_RANKS = ("born", "completed", "reported", "started", "released", "packed", "shipped", "fitted", "returned", "scrapped")
_PLACES = {"packed": "container", "shipped": "consignee", "fitted": "fitted_in", "returned": "returned_by"}


def _passage(what: str) -> Any:
    place, rank = _PLACES.get(what, ""), _RANKS.index(what)

    def rule(fact: Any, time_us: int) -> Iterator[Passage]:
        if fact.serial is None or (what == "reported" and fact.kind != "production"):
            return
        told = {name: getattr(fact, name, None) or "" for name in _TOLD}
        start = getattr(fact, "start_time", None)
        good, scrap, rework = (int(getattr(fact, name, 0)) for name in ("good", "scrap", "rework"))
        if what == "reported":
            scrap = fact.rejected
        elif what == "completed" and not (good or scrap or rework):
            good = 1  # a unit that completed with no quantities told is one good piece
        yield Passage(
            unit_key(fact.product, fact.serial), time_us, rank, fact.id.bytes, what, told["station"],
            told["operation"], told["order"], told["program"], told["program_revision"],
            microseconds(start) if start else 0, good, scrap, rework, fact.by or "",
            (getattr(fact, place) or "") if place else "", told["reason"], told["revision"],
        )  # fmt: skip

    return rule


_TOLD = ("station", "operation", "order", "program", "program_revision", "reason", "revision")


def _run(fact: RunRecorded, time_us: int) -> Iterator[Run]:
    yield Run(
        unit_key(fact.product, fact.serial), time_us, fact.id.bytes, microseconds(fact.start_time), fact.station,
        fact.program, fact.program_revision or "", fact.verdict, fact.curve_digest or "",
        "\n".join("\t".join((c.name, c.uom, c.minimum, c.maximum, c.mean, c.lower or "", c.upper or "")) for c in fact.channels),
        fact.by or "",
    )  # fmt: skip


def item_key(fact: Any) -> str:
    """The narrowest thing that a case or a hold is about: unit, lot, product or station; empty if none is told."""
    if fact.serial is not None:
        return unit_key(fact.product, fact.serial)
    if fact.lot is not None:
        return lot_key(fact.product, fact.lot)
    if fact.product is not None:
        return f"product:{fact.product}"
    station = getattr(fact, "station", None)
    return f"station:{station}" if station is not None else ""


def _raised(fact: NonconformanceRaised, time_us: int) -> Iterator[Case]:
    yield Case(
        fact.nonconformance, time_us, 0, fact.id.bytes, item_key(fact), fact.order or "", fact.station or "",
        fact.reason, fact.severity, "", fact.quantity or "", fact.message or "", fact.by or "",
    )  # fmt: skip


def _decided(fact: DispositionDecided, time_us: int) -> Iterator[Case]:
    yield Case(
        fact.nonconformance, time_us, 1, fact.id.bytes, item_key(fact), fact.order or "", "", "", "", fact.decision,
        fact.quantity or "", fact.message or "", fact.by or "",
    )  # fmt: skip


def _hold(step: int) -> Any:
    def rule(fact: HoldPlaced | HoldReleased, time_us: int) -> Iterator[HoldStep]:
        yield HoldStep(item_key(fact), time_us, step, fact.id.bytes, fact.hold, fact.reason or "", fact.by or "")

    return rule


RULES = {
    ComponentInstalled: _installed,
    ComponentRemoved: _removed,
    OperationStarted: _passage("started"),
    OperationCompleted: _passage("completed"),
    OperationReported: _passage("reported"),
    UnitStarted: _passage("born"),
    UnitCompleted: _passage("released"),
    UnitScrapped: _passage("scrapped"),
    Packed: _passage("packed"),
    UnitShipped: _passage("shipped"),
    UnitFitted: _passage("fitted"),
    UnitReturned: _passage("returned"),
    RunRecorded: _run,
    NonconformanceRaised: _raised,
    DispositionDecided: _decided,
    HoldPlaced: _hold(1),
    HoldReleased: _hold(0),
}


# --------------------------------------------------------------------------- what sat where


def links(fittings: list[Fitting]) -> Iterator[Link | Stray]:
    """What sat where from when to when, from all fittings of a unit in order of time.

    Nothing is ever moved silently: what is installed over another stays beside it, a removal that
    finds nothing is a `Stray`.
    """
    sitting: defaultdict[str, list[_Sitting]] = defaultdict(list)
    for fitting in fittings:
        here = sitting[fitting.position]
        if fitting.step == INSTALLED:
            if fitting.part and (other := _same_kind(here, fitting)):
                yield _stray(fitting, "installed over another", other.fitting.part)
            if Decimal(fitting.quantity) <= 0:
                yield _stray(fitting, "quantity not above zero", "")
            here.append(_Sitting(fitting))
            continue
        found = [one for one in here if _is_meant(fitting, one.fitting)]
        if not found:
            yield _stray(fitting, "removed, but not installed", fitting.part or fitting.lot)
        left = Decimal(fitting.quantity) if fitting.quantity else None
        if left is not None and left <= 0:
            yield _stray(fitting, "quantity not above zero", "")
        for one in found:
            took = one.left if left is None else min(one.left, left)
            if left is not None:
                if took <= 0:
                    continue
                left = EXACT.subtract(left, took)
            yield one.link(took, fitting)
            one.left = EXACT.subtract(one.left, took)
            one.pieces += 1
            if not one.left:
                here.remove(one)
        if found and left is not None and left > 0:
            yield _stray(fitting, "removed more than was installed", fitting.part or fitting.lot)
    for still_here in sitting.values():
        for one in still_here:
            yield one.link(one.left, None)


class _Sitting:
    """What an installation put in and is still there of it."""

    def __init__(self, fitting: Fitting) -> None:
        self.fitting = fitting
        self.left = Decimal(fitting.quantity)
        self.pieces = 0

    def link(self, quantity: Decimal, removal: Fitting | None) -> Link:
        f = self.fitting
        whole = not self.pieces and quantity == self.left
        return Link(
            f.unit, f.position, f.time_us, f.fact, self.pieces, removal.time_us if removal else FOREVER,
            f.quantity if whole else format(quantity, "f"), f.part, f.lot,
            f.container, f.evidence,
        )  # fmt: skip


def _same_kind(here: list[_Sitting], fitting: Fitting) -> _Sitting | None:
    """A serial of the same product that still sits at the position."""
    return next((one for one in here if one.fitting.part and one.fitting.product == fitting.product), None)


def _is_meant(removal: Fitting, installed: Fitting) -> bool:
    """Whether a removal from this position speaks of this installation: whatever it tells must fit."""
    if removal.product and removal.product != installed.product:
        return False
    # Without a product a removal's keys have none either; the names are compared alone.
    for told, known in ((removal.part, installed.part), (removal.lot, installed.lot)):
        if told and told.partition("/")[2] != known.partition("/")[2]:
            return False
    return True


def _stray(fitting: Fitting, kind: str, other: str) -> Stray:
    return Stray(fitting.unit, fitting.time_us, fitting.fact, kind, fitting.position, other)


# --------------------------------------------------------------------------- where a unit is

_STATES = {"released": "completed", "packed": "packed", "shipped": "shipped", "fitted": "fitted",
           "returned": "returned", "scrapped": "scrapped"}  # fmt: skip


def status(passages: list[Passage]) -> Iterator[Status]:
    """Where a unit is in its life, from all its passages in order of time.

    The last one says it. An operation that is completed opens nothing again: work on a unit that was
    released begins with a start.
    """
    first = passages[0]
    state, since, place = "in work", first.time_us, ""
    station = consignee = order = revision = ""
    completed = 0
    for passage in passages:
        station = passage.station or station
        order, revision = passage.order_no or order, passage.revision or revision
        new = _STATES.get(passage.what, "in work")
        if passage.what in ("completed", "reported"):
            lost = passage.scrap and not passage.good and not passage.rework
            new = "scrapped" if lost and passage.what == "completed" else state
        if passage.what == "released":
            completed = passage.time_us
        elif passage.what == "shipped":
            consignee = passage.place
        if new != state:
            state, since = new, passage.time_us
        elif passage.what in _STATES:
            since = passage.time_us
        place = passage.place if passage.what in _PLACES else place if new in ("packed", "shipped", "fitted", "returned") else station  # fmt: skip
    serial = first.unit.partition("/")[2]
    yield Status(first.unit, serial, state, since, place, station, consignee, order, revision, first.time_us, completed)


DERIVED = [
    {"rows": (Link, Stray), "of": Fitting, "by": "unit", "rule": links},
    {"rows": (Status,), "of": Passage, "by": "unit", "rule": status},
]
