"""What is made of what: what sat where in which unit, and the ways of lots. Events → rows.

Which component sat at a position of a unit from when to when follows from all fittings at that position. Nearly all
positions hold what was installed there once: of these the fitting alone is kept. Where more was said, what follows is
kept beside it (`Link`), so that whoever asks for a part or lot finds it by index. Everything else belongs to one fact. All times are microseconds since 1970 UTC, `FOREVER` is the end of what lasts;
`fact` is the id of the fact behind a row; units and lots are named by their subject keys. What a split or merge says
of two lots stands under both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from asbuilt.domain.genealogy.rows import (
    EXACT,
    FOREVER,
    INSTALLED,
    REMOVED,
    Fitting,
    Link,
    LotMove,
    Named,
    Opening,
    Receipt,
    Seat,
    Stray,
)
from asbuilt.events import (
    TYPES,
    ComponentInstalled,
    ComponentRemoved,
    CorrectionMade,
    LotMerged,
    LotOpened,
    LotReceived,
    LotSplit,
    lot_key,
    unit_key,
)
from asbuilt.rows import ROW, by_type

VERSION = 2

ROWS = {
    Fitting: ("unit", "position", "time_us", "step", "fact"),
    Link: ("unit", "position", "from_us", "fact", "piece"),
    Stray: ("unit", "position", "time_us", "fact", "kind"),
    Receipt: ("lot", "time_us", "fact"),
    LotMove: ("lot", "time_us", "fact", "what", "other", "number"),
    Opening: ("lot", "time_us", "fact"),
}
# Indexes hold all that a walk needs, so that it never touches the table.
_WALK = "unit, evidence, quantity"
_BY_COMPONENT = [
    f"part, {_WALK}, lot, container WHERE part <> ''",
    f"lot, {_WALK}, part, container WHERE lot <> ''",
    f"container, {_WALK}, lot, part WHERE container <> ''",
]
INDEXES = {
    Fitting: _BY_COMPONENT,
    Link: ["part WHERE part <> ''", "lot WHERE lot <> ''", "container WHERE container <> ''"],
    Receipt: ["heat WHERE heat <> ''", "supplier_lot WHERE supplier_lot <> ''", "supplier WHERE supplier <> ''"],
    Opening: ["container WHERE container <> ''", "station, time_us"],
}
TALLIES = {Named: {"first_us": "min"}}
SHOWS = {
    Fitting: {
        "unit": "product serial", "step": "type", "product": "component_product",
        "part": "component_product component_serial", "lot": "component_product component_lot",
    },
    Link: {
        ROW: "product serial position component_product component_serial component_lot quantity event_time",
        "unit": "product serial", "from_us": "event_time", "piece": "quantity", "until_us": "event_time",
        "part": "component_product component_serial", "lot": "component_product component_lot",
    },
    Stray: {
        ROW: "product serial position component_product component_serial component_lot quantity event_time",
        "unit": "product serial", "kind": "type", "other": "component_product component_serial component_lot",
    },
    Receipt: {
        "lot": "product lot", "country": "origin_country", "certificate": "certificate_digest", "order_no": "order",
    },
    LotMove: {
        ROW: "into merged",
        "lot": "product lot into merged", "what": "type", "other": "product lot into merged", "number": "into merged",
        "quantity": "into merged",
    },
    Opening: {"lot": "product lot"},
    Named: {
        ROW: "product serial lot component_product component_serial component_lot",
        "kind": "serial lot", "product": "product component_product", "first_us": "event_time",
    },
}  # fmt: skip


# --------------------------------------------------------------------------- rows of one fact


def _key(kind: Any, product: str | None, name: str | None) -> str:
    return str(kind(product, name)) if name is not None else ""


def _installed(fact: ComponentInstalled, time_us: int) -> Iterator[Fitting]:
    yield Fitting(
        unit=unit_key(fact.product, fact.serial),
        position=fact.position,
        time_us=time_us,
        step=INSTALLED,
        fact=fact.id.bytes,
        product=fact.component_product,
        part=_key(unit_key, fact.component_product, fact.component_serial),
        lot=_key(lot_key, fact.component_product, fact.component_lot),
        container=fact.container or "",
        quantity=fact.quantity,
        uom=fact.uom,
        evidence=fact.evidence,
        station=fact.station or "",
        operation=fact.operation or "",
        by=fact.by or "",
        reason="",
    )


def _removed(fact: ComponentRemoved, time_us: int) -> Iterator[Fitting]:
    yield Fitting(
        unit=unit_key(fact.product, fact.serial),
        position=fact.position,
        time_us=time_us,
        step=REMOVED,
        fact=fact.id.bytes,
        product=fact.component_product or "",
        part=_key(unit_key, fact.component_product, fact.component_serial),
        lot=_key(lot_key, fact.component_product, fact.component_lot),
        container="",
        quantity=fact.quantity or "",
        uom=fact.uom,
        evidence="",
        station=fact.station or "",
        operation=fact.operation or "",
        by=fact.by or "",
        reason=fact.reason or "",
    )


def _received(fact: LotReceived, time_us: int) -> Iterator[Receipt]:
    yield Receipt(
        lot=lot_key(fact.product, fact.lot),
        time_us=time_us,
        fact=fact.id.bytes,
        product=fact.product,
        quantity=fact.quantity,
        uom=fact.uom,
        supplier=fact.supplier or "",
        supplier_lot=fact.supplier_lot or "",
        heat=fact.heat or "",
        country=fact.origin_country or "",
        certificate=fact.certificate_digest or "",
        order_no=fact.order or "",
        by=fact.by or "",
    )


def _split(fact: LotSplit, time_us: int) -> Iterator[LotMove]:
    whole = lot_key(fact.product, fact.lot)
    for number, part in enumerate(fact.into):
        name = lot_key(fact.product, part.lot)
        yield LotMove(
            lot=whole,
            time_us=time_us,
            fact=fact.id.bytes,
            what="out",
            other=name,
            number=number,
            quantity=part.quantity,
            uom=fact.uom,
        )
        yield LotMove(
            lot=name,
            time_us=time_us,
            fact=fact.id.bytes,
            what="in",
            other=whole,
            number=number,
            quantity=part.quantity,
            uom=fact.uom,
        )


def _merged(fact: LotMerged, time_us: int) -> Iterator[LotMove]:
    whole = lot_key(fact.product, fact.lot)
    for number, part in enumerate(fact.merged):
        name = lot_key(fact.product, part.lot)
        yield LotMove(
            lot=whole,
            time_us=time_us,
            fact=fact.id.bytes,
            what="in",
            other=name,
            number=number,
            quantity=part.quantity,
            uom=fact.uom,
        )
        yield LotMove(
            lot=name,
            time_us=time_us,
            fact=fact.id.bytes,
            what="out",
            other=whole,
            number=number,
            quantity=part.quantity,
            uom=fact.uom,
        )


def _opened(fact: LotOpened, time_us: int) -> Iterator[Opening]:
    yield Opening(
        lot=lot_key(fact.product, fact.lot),
        time_us=time_us,
        fact=fact.id.bytes,
        container=fact.container or "",
        station=fact.station,
        by=fact.by or "",
    )


RULES = {
    ComponentInstalled: _installed,
    ComponentRemoved: _removed,
    LotReceived: _received,
    LotSplit: _split,
    LotMerged: _merged,
    LotOpened: _opened,
}


# --------------------------------------------------------------------------- what was ever named

_NAMES = (
    ("unit", "product", "serial"),
    ("lot", "product", "lot"),
    ("unit", "component_product", "component_serial"),
    ("part", "component_product", "component_serial"),
    ("lot", "component_product", "component_lot"),
)
_NAMED_IN = {
    kind: tuple(
        one
        for one in _NAMES
        if one[1] in kind.__struct_fields__
        and one[2] in kind.__struct_fields__
        and (kind is ComponentInstalled or one[0] != "part")
    )
    for kind in TYPES.values()
}
"""By type of fact the pairs of fields that name units, lots and parts."""


def tally(facts: Iterable[tuple[Any, int]]) -> Iterator[Named]:
    """The products that facts name serials and lots of."""
    readings = list(facts)
    readings += [
        (fact.replacement, time_us)
        for fact, time_us in readings
        if type(fact) is CorrectionMade and fact.replacement is not None
    ]
    found: dict[tuple[str, str], int] = {}
    for reading, some in by_type(readings).items():
        for kind, product, name in _NAMED_IN.get(reading, ()):
            both = attrgetter(product, name)
            least: dict[str, int] = {}
            for fact, time_us in some:
                known, named = both(fact)
                if known is not None and named is not None and time_us < least.get(known, FOREVER):
                    least[known] = time_us
            for known, time_us in least.items():
                found[kind, known] = min(time_us, found.get((kind, known), time_us))
    for (kind, product), first_us in found.items():
        yield Named(kind, product, first_us)


# --------------------------------------------------------------------------- what sat where


def seats(fittings: Sequence[Fitting]) -> Iterator[Seat | Stray]:
    """What sat where from when to when, from all fittings at a position of a unit in order of time.

    Nothing is ever moved silently: what is installed over another stays beside it, a removal that
    finds nothing is a `Stray`.
    """
    here: list[_Sitting] = []
    for fitting in fittings:
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
            yield one.seat(took, fitting)
            one.left = EXACT.subtract(one.left, took)
            one.pieces += 1
            if not one.left:
                here.remove(one)
        if found and left is not None and left > 0:
            yield _stray(fitting, "removed more than was installed", fitting.part or fitting.lot)
    for one in here:
        yield one.seat(one.left, None)


class _Sitting:
    """What an installation put in and is still there of it."""

    def __init__(self, fitting: Fitting) -> None:
        self.fitting = fitting
        self.left = Decimal(fitting.quantity)
        self.pieces = 0

    def seat(self, quantity: Decimal, removal: Fitting | None) -> Seat:
        f = self.fitting
        whole = not self.pieces and quantity == self.left
        return Seat(
            unit=f.unit,
            position=f.position,
            from_us=f.time_us,
            fact=f.fact,
            piece=self.pieces,
            until_us=removal.time_us if removal else FOREVER,
            quantity=f.quantity if whole else format(quantity, "f"),
            part=f.part,
            lot=f.lot,
            container=f.container,
            evidence=f.evidence,
            product=f.product,
            uom=f.uom,
            station=f.station,
            operation=f.operation,
            by=f.by,
        )


def kept(fittings: list[Fitting]) -> Iterator[Link | Stray]:
    """What is kept beside the fittings at a position: nothing where one was installed and that is all."""
    is_alone = len(fittings) == 1 and fittings[0].step == INSTALLED
    if is_alone and (fittings[0].quantity == "1" or Decimal(fittings[0].quantity) > 0):
        return  # Nearly every position.
    for found in seats(fittings):
        if isinstance(found, Stray):
            yield found
        elif not is_alone:
            yield found.link


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
    return Stray(
        unit=fitting.unit,
        position=fitting.position,
        time_us=fitting.time_us,
        fact=fitting.fact,
        kind=kind,
        other=other,
    )


DERIVED = [{"rows": (Link, Stray), "of": Fitting, "by": ("unit", "position"), "rule": kept}]
