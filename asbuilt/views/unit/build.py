"""The as-built tree of a unit at a moment, and what in it does not fit."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from msgspec import convert

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import EXACT, Link, Seat
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.views.unit.answers import Anomaly, AsBuilt, Component, Standing
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import Rows, rows_for

SECOND_US = 1_000_000
MAX_LINKS = 200_000
"""A tree has at most so many links; what lies beyond is named as cut off."""
_REMEDIES = {
    "installed over another": "Record the removal of the one that came out, or correct the installation that is wrong.",
    "removed, but not installed": "Record the installation that is missing, or correct the removal.",
    "removed more than was installed": "Correct the quantity of the removal or of the installation.",
    "quantity not above zero": "Correct the quantity.",
    "installed elsewhere as well": "One of the two is wrong: look at both units, then record the removal or correct it.",
    "inside itself": "Correct the installation that closes the circle.",
    "cut off": "Ask for the parts one by one.",
}


def time_at(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    """Microseconds since 1970 UTC as an instant in a zone."""
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)


class Tree:
    """What sits in a unit at a moment, all levels of it."""

    def __init__(self, rows: Rows, unit: str, at_us: int) -> None:
        self.rows = rows
        self.unit = unit
        self.at_us = at_us
        self.seats = rows.seats_below(unit, at_us, is_over_too=False, at_most=MAX_LINKS)
        self.every = [seat for found in self.seats.values() for seat in found]
        """All links at all levels."""
        self.circles: list[Seat] = []
        self.cut_off = len(self.every) > MAX_LINKS

    def components(self, plant: Plant, unit: str, path: tuple[str, ...] = ()) -> tuple[Component, ...]:
        """What sits in a unit, by position and time, with what sits in that."""
        names, zone = _names(plant, product_of(unit)), plant.zone
        found = []
        whole = _whole(self.seats.get(unit, ()))
        facts = convert([seat.fact for seat in whole], list[UUID])
        # A hundred components and more are made for an answer: each seat is taken apart once.
        for seat, fact in zip(whole, facts, strict=True):
            _, position, from_us, _, _, _, quantity, part, lot, container, evidence, *told = seat
            product, uom, station, operation, by = told
            inside: tuple[Component, ...] = ()
            if part and (part == unit or part in path):
                self.circles.append(seat)
            elif part and self.seats.get(part):
                inside = self.components(plant, part, (*path, unit))
            found.append(
                Component(
                    position, product, names.get(product, product), part.partition("/")[2] if part else None,
                    lot.partition("/")[2] if lot else None, container or None, quantity, uom, evidence, time_at(from_us, zone),
                    station, operation, by, fact, inside,
                )
            )  # fmt: skip
        return tuple(found)


def _whole(seats: Sequence[Seat]) -> list[Seat]:
    """Seats by position and time; pieces of one installation that a later removal will tell apart are one."""
    ordered = sorted(seats)
    if len({seat.fact for seat in seats}) == len(ordered):
        return ordered
    found: dict[bytes, Seat] = {}
    for seat in ordered:
        if seat.fact in found:
            total = EXACT.add(Decimal(found[seat.fact].quantity), Decimal(seat.quantity))
            seat = seat._replace(quantity=format(total, "f"))
        found[seat.fact] = seat
    return list(found.values())


def _names(plant: Plant, product: str) -> dict[str, str]:
    known = plant.products.get(product)
    return {part.product: part.name for part in known.part} if known else {}


def as_built(reader: Reader, unit: str, at: dt.datetime | None, known_at: dt.datetime | None) -> AsBuilt:
    """The whole answer."""
    plant, rows = reader.plant(at), rows_for(reader, known_at)
    moment = reader.instant(at).astimezone(plant.zone)
    at_us = microseconds(moment)
    tree = Tree(rows, unit, at_us)
    components = tree.components(plant, unit)
    status = rows.statuses([unit], None if at is None else at_us).get(unit)
    every = tree.every
    return AsBuilt(
        product=product_of(unit),
        serial=name_of(unit),
        state=status.state if status else "",
        place=status.place if status else "",
        order=status.order_no if status else "",
        revision=status.revision if status else "",
        completed=time_at(status.completed_us, plant.zone) if status and status.completed_us else None,
        at=moment,
        known_at=known_at.astimezone(plant.zone) if known_at else None,
        links=len(every),
        components=components,
        holds=tuple(holds_of(rows, unit, every, at_us, plant.zone)),
        anomalies=tuple(_anomalies(tree, plant.zone)),
    )


# --------------------------------------------------------------------------- holds


def holds_of(rows: Rows, unit: str, links: Sequence[Seat], at_us: int, zone: dt.tzinfo) -> list[Standing]:
    """The holds that keep a unit from being packed: on it, its product, or a part or lot that sits in it."""
    items = {unit, f"product:{product_of(unit)}"}
    items.update(name for link in links for name in (link.part, link.lot) if name)
    return holds_on(rows, list(items), at_us, zone)


def holds_on(rows: Rows, items: Sequence[str], at_us: int, zone: dt.tzinfo) -> list[Standing]:
    """The holds that stand on any of these items (keys); others are not looked at, however many there are."""
    return [
        Standing(hold.hold, hold.item, time_at(hold.from_us, zone), hold.reason, hold.by)
        for hold in rows.holds(items, at_us)
    ]


# --------------------------------------------------------------------------- what does not fit


def _anomalies(tree: Tree, zone: dt.tzinfo) -> list[Anomaly]:
    found = []
    for stray in tree.rows.strays(sorted(tree.seats)):
        if stray.time_us <= tree.at_us:
            message = f"{stray.position}: {stray.kind}" + (f" {name_of(stray.other)}" if stray.other else "")
            found.append(_anomaly(stray.kind, stray.unit, stray.position, message, stray.time_us, stray.fact, zone))
    found += _elsewhere(tree, zone)
    for link in tree.circles:
        message = f"{name_of(link.part)} at {link.position} of {name_of(link.unit)} is inside itself"
        found.append(_anomaly("inside itself", link.unit, link.position, message, link.from_us, link.fact, zone))
    if tree.cut_off:
        message = f"there are more than {MAX_LINKS:,} components"
        found.append(Anomaly("cut off", tree.unit, "", message, _REMEDIES["cut off"], None, None))
    return sorted(
        found, key=lambda one: (one.time is None, one.time, one.unit, one.fact or UUID(int=0), one.kind, one.message)
    )


def _elsewhere(tree: Tree, zone: dt.tzinfo) -> list[Anomaly]:
    """Serials that sit somewhere else at the same time: told on both units, moved on neither."""
    here = [link for link in tree.every if link.part]
    sitting: defaultdict[str, list[Link]] = defaultdict(list)
    # Of a serial that sits twice in the tree both are told of.
    twice = {part for part, count in Counter(link.part for link in here).items() if count > 1}
    own = [link.fact for link in here if link.part not in twice]
    for other in tree.rows.links_of("part", sorted({link.part for link in here}), but=own):
        if other.from_us <= tree.at_us < other.until_us:
            sitting[other.part].append(other)
    found = []
    for link, other in [(one, other) for one in here for other in sitting[one.part] if other.fact != one.fact]:
        message = f"{name_of(link.part)} at {link.position} of {name_of(link.unit)} also sits at {other.position} of {name_of(other.unit)}"  # fmt: skip
        found.append(_anomaly("installed elsewhere as well", link.unit, link.position, message, max(link.from_us, other.from_us), link.fact, zone))  # fmt: skip
    return found


def _anomaly(kind: str, unit: str, position: str, message: str, time_us: int, fact: bytes, zone: dt.tzinfo) -> Anomaly:
    return Anomaly(kind, unit, position, message, _REMEDIES[kind], time_at(time_us, zone), UUID(bytes=fact))
