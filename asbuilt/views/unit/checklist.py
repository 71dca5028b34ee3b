"""Completeness: a unit held against routing, parts list and characteristics of the plant file."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from fractions import Fraction
from itertools import groupby

from asbuilt.access import Reader
from asbuilt.domain.cases.fold import Told
from asbuilt.domain.cases.fold import cases as told_cases
from asbuilt.domain.cases.fold import state as told_state
from asbuilt.domain.genealogy.rows import Seat
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages.rows import Passage
from asbuilt.domain.quantities import plain, total
from asbuilt.events import microseconds
from asbuilt.plant import Part, Product
from asbuilt.views.unit.answers import Completeness, Expected
from asbuilt.views.unit.build import Tree, holds_of, time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.history import cases, passes, within
from asbuilt.views.unit.rows import rows_for

SCRAPPED = "it is scrapped"
DIFFERS = "unit differs"
CONCEDED = "conceded"
FINE = ("complete", CONCEDED)
"""The states of a line that keep nothing open."""


def completeness(reader: Reader, unit: str, at: dt.datetime | None, known_at: dt.datetime | None) -> Completeness:
    """What is missing, doubled, unexpected or out of limits at a moment."""
    rows = rows_for(reader, known_at)
    now = reader.instant(at)
    at_us = microseconds(now)
    status = rows.statuses([unit], None if at is None else at_us).get(unit)
    # What had to be in it is what the plant file said when it was released.
    released = status.completed_us if status else 0
    plant = reader.plant(time_at(released, dt.UTC) if released else now)
    product = plant.products.get(product_of(unit))
    tree = Tree(rows, unit, at_us)
    passages = [row for row in rows.passages(unit) if row.time_us <= at_us]
    values = [row for row in rows.values(unit) if row.time_us <= at_us]
    told = [case for case in rows.cases([], [unit]) if case.time_us <= at_us]
    by_name = groupby(sorted(told, key=lambda case: case.nonconformance), key=lambda case: case.nonconformance)
    about = [case for _, steps in by_name for case in told_cases(steps) if case.raised and case.raised.item == unit]
    lines: list[Expected] = []
    still_open: list[str] = []
    if product is None:
        still_open.append(f"the plant file has no product {product_of(unit)}: what belongs in it is not known")
    else:
        lines = [
            *_operations(product, passages),
            *_parts(product, tree, unit),
            *_characteristics(product, values, _conceded_us(about)),
        ]
    still_open += [_sentence(line) for line in lines if line.state not in (*FINE, "unexpected")]
    for hold in holds_of(rows, unit, tree.every, at_us, plant.zone):
        still_open.append(f"hold {hold.hold} stands: {hold.reason}")
    still_open += [
        f"nothing is decided about {case.nonconformance}" for case in cases(plant.zone, told) if case.state == "open"
    ]
    if status and status.state == "scrapped":
        still_open.append(SCRAPPED)
    return Completeness(
        product=product_of(unit),
        serial=name_of(unit),
        at=now.astimezone(plant.zone),
        known_at=known_at.astimezone(plant.zone) if known_at else None,
        complete=not still_open,
        operations=_share(lines, "operation"),
        parts=_share(lines, "part"),
        characteristics=_share(lines, "characteristic"),
        open=tuple(still_open),
        lines=tuple(lines),
    )


def _share(lines: Sequence[Expected], kind: str) -> str:
    wanted = [line for line in lines if line.kind == kind and line.state != "unexpected"]
    return f"{sum(line.state in FINE for line in wanted)} of {len(wanted)}"


def _sentence(line: Expected) -> str:
    name = f"{line.name}, {line.position}" if line.position and line.position != line.name else line.name
    match line.state:
        case "missing" if line.kind == "part" and line.found != "0":
            return f"{name}: {line.found} of {line.wanted} {line.uom} installed"
        case "missing":
            return f"{name}: {'not installed' if line.kind == 'part' else 'not measured' if line.kind == 'characteristic' else 'not done'}"
        case "unit differs":
            return f"{name}: {line.found} installed, {line.wanted} {line.uom} wanted: the unit differs"
        case "doubled":
            return f"{name}: {line.found} {line.uom} installed, {line.wanted} wanted"
        case "out of limits":
            return f"{name}: {line.found} {line.uom} is out of limits"
    return f"{name}: {line.state}"


# --------------------------------------------------------------------------- routing


def _operations(product: Product, passages: Sequence[Passage]) -> Iterator[Expected]:
    last = {}
    for one in passes(passages):
        last[one.told.operation] = one.result
    for operation in product.operation:
        result = last.pop(operation.id, None)
        state = {"good": "complete", None: "missing"}.get(result, "open")
        yield Expected("operation", operation.id, operation.name, "", "good", result or "", "", state)
    for name, result in last.items():
        yield Expected("operation", name, name, "", "", result, "", "unexpected")


# --------------------------------------------------------------------------- parts list


def _parts(product: Product, tree: Tree, unit: str) -> Iterator[Expected]:
    here: defaultdict[str, list[Seat]] = defaultdict(list)
    for seat in tree.seats.get(unit, ()):
        here[seat.product].append(seat)
    for part in product.part:
        yield from _part(part, here.pop(part.product, []))
    for name, seats in here.items():
        yield _unexpected(name, name, seats, seats[0].uom)


def _part(part: Part, seats: Sequence[Seat]) -> Iterator[Expected]:
    """A line of the parts list; by position where it names as many as pieces are wanted, else as a whole."""
    wanted = Fraction(part.quantity)
    positions = part.positions
    if positions and wanted % len(positions) == 0:
        rest = [seat for seat in seats if seat.position not in positions]
        for position in positions:
            yield _held(part, position, wanted / len(positions), [seat for seat in seats if seat.position == position])
        if rest:
            yield _unexpected(part.product, part.name, rest, part.uom)
    else:
        yield _held(part, "", wanted, seats)


def _held(part: Part, position: str, wanted: Fraction, seats: Sequence[Seat]) -> Expected:
    found, others = total(((seat.quantity, seat.uom) for seat in seats), part.uom)
    if others:
        # Grams of what is counted in pieces: neither whole nor missing can be said.
        told = " + ".join(f"{seat.quantity} {seat.uom}" for seat in seats)
        return Expected("part", part.product, part.name, position, plain(wanted), told, part.uom, DIFFERS)
    state = "complete" if found == wanted else "missing" if found < wanted else "doubled"
    return Expected("part", part.product, part.name, position, plain(wanted), plain(found), part.uom, state)


def _unexpected(product: str, name: str, seats: Sequence[Seat], uom: str) -> Expected:
    found, others = total(((seat.quantity, seat.uom) for seat in seats), uom)
    told = " + ".join([plain(found), *(f"{seat.quantity} {seat.uom}" for seat in seats if seat.uom in others)])
    return Expected("part", product, name, seats[0].position, "0", told, uom, "unexpected")


# --------------------------------------------------------------------------- characteristics


def _characteristics(
    product: Product, values: Sequence[ItemValue], conceded_us: Mapping[str, int]
) -> Iterator[Expected]:
    """Each characteristic of the routing: measured at least once, and what was out of limits measured good again or conceded.

    A value is superseded by the next one at the same operation and position. One out of limits is mended by a later good one
    at an operation outside the routing (rework), or the other way round; the routing's own operations do not speak for each other. What
    was measured until `conceded_us` of the characteristic, or of none, may stay as it is.
    """
    planned = {(operation.id, name) for operation in product.operation for name in operation.characteristics}
    wanted = {name for _, name in planned}
    by_name: defaultdict[str, list[ItemValue]] = defaultdict(list)
    for value in values:
        by_name[value.characteristic].append(value)
    for spec in product.characteristic:
        if spec.id not in wanted:
            continue
        found = list({(value.operation, value.position): value for value in by_name[spec.id]}.values())
        bad = [value for value in found if within(value.value, value.lower, value.upper) is False]
        bad = [value for value in bad if not _is_mended(value, found, planned)]
        until_us = max(conceded_us.get(spec.id, 0), conceded_us.get("", 0))
        open_ = [value for value in bad if value.time_us > until_us]
        state = "missing" if not found else "out of limits" if open_ else CONCEDED if bad else "complete"
        shown = (open_ or bad or found)[-1] if found else None
        limits = f"{spec.lower or ''} … {spec.upper or ''}" if spec.lower or spec.upper else ""
        yield Expected(
            "characteristic", spec.id, spec.name, shown.position if shown else "", limits,
            shown.value if shown else "", spec.uom, state,
        )  # fmt: skip


def _is_mended(bad: ItemValue, others: Sequence[ItemValue], planned: Set[tuple[str, str]]) -> bool:
    for other in others:
        is_rework = not {(bad.operation, bad.characteristic), (other.operation, other.characteristic)} <= planned
        if (
            is_rework
            and other.position == bad.position
            and other.time_us > bad.time_us
            and within(other.value, other.lower, other.upper) is not False
        ):
            return True
    return False


def _conceded_us(told: Sequence[Told]) -> dict[str, int]:
    """Until when what was measured may stay, by characteristic: the last raising of what was decided `use_as_is` in full.

    A nonconformance that names no characteristic (the key is empty) is about whatever was out of limits then.
    """
    found: dict[str, int] = {}
    for case in told:
        is_decided = told_state(case) == "decided" and all(one.decision == "use_as_is" for one in case.decided)
        if case.raised is not None and is_decided:
            name = case.raised.characteristic
            found[name] = max(found.get(name, 0), case.raised.time_us)
    return found
