"""Completeness: a unit held against routing, parts list and characteristics of the plant file."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import EXACT, Seat
from asbuilt.domain.measurements.questions import ItemValue
from asbuilt.domain.passages.rows import Passage
from asbuilt.events import microseconds
from asbuilt.plant import Part, Product
from asbuilt.views.unit.answers import Completeness, Expected
from asbuilt.views.unit.build import Tree, holds_of, time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.life import cases, passes, within
from asbuilt.views.unit.rows import rows_for

SCRAPPED = "it is scrapped"


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
    lines: list[Expected] = []
    still_open: list[str] = []
    if product is None:
        still_open.append(f"the plant file has no product {product_of(unit)}: what belongs in it is not known")
    else:
        lines = [*_operations(product, passages), *_parts(product, tree, unit), *_characteristics(product, values)]
    still_open += [_sentence(line) for line in lines if line.state not in ("complete", "unexpected")]
    for hold in holds_of(rows, unit, tree.every, at_us, plant.zone):
        still_open.append(f"hold {hold.hold} stands: {hold.reason}")
    told = [case for case in rows.cases([], [unit]) if case.time_us <= at_us]
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
    return f"{sum(line.state == 'complete' for line in wanted)} of {len(wanted)}"


def _sentence(line: Expected) -> str:
    name = f"{line.name}, {line.position}" if line.position and line.position != line.name else line.name
    match line.state:
        case "missing" if line.kind == "part" and line.found != "0":
            return f"{name}: {line.found} of {line.wanted} {line.uom} installed"
        case "missing":
            return f"{name}: {'not installed' if line.kind == 'part' else 'not measured' if line.kind == 'characteristic' else 'not done'}"
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
    uoms = {}
    for seat in tree.seats.get(unit, ()):
        here[seat.product].append(seat)
        uoms[seat.product] = seat.uom
    for part in product.part:
        yield from _part(part, here.pop(part.product, []))
    for name, links in here.items():
        total = _sum(links)
        yield Expected("part", name, name, links[0].position, "0", _plain(total), uoms[name], "unexpected")


def _part(part: Part, links: Sequence[Seat]) -> Iterator[Expected]:
    """A line of the parts list; by position where it names as many as pieces are wanted, else as a whole."""
    wanted = Decimal(part.quantity)
    positions = part.positions
    if positions and wanted % len(positions) == 0:
        each = wanted / len(positions)
        rest = [link for link in links if link.position not in positions]
        for position in positions:
            found = _sum(link for link in links if link.position == position)
            yield _held(part, position, each, found)
        if rest:
            yield Expected("part", part.product, part.name, rest[0].position, "0", _plain(_sum(rest)), part.uom, "unexpected")  # fmt: skip
    else:
        yield _held(part, "", wanted, _sum(links))


def _held(part: Part, position: str, wanted: Decimal, found: Decimal) -> Expected:
    state = "complete" if found == wanted else "missing" if found < wanted else "doubled"
    return Expected("part", part.product, part.name, position, _plain(wanted), _plain(found), part.uom, state)


def _sum(links: Sequence[Seat] | Iterator[Seat]) -> Decimal:
    total = Decimal(0)
    for link in links:
        total = EXACT.add(total, Decimal(link.quantity))
    return total


def _plain(number: Decimal) -> str:
    return format(number.normalize(EXACT), "f")


# --------------------------------------------------------------------------- characteristics


def _characteristics(product: Product, values: Sequence[ItemValue]) -> Iterator[Expected]:
    """Each characteristic of the routing: measured at least once, and everywhere within its limits the last time."""
    last: defaultdict[str, dict[tuple[str, str], ItemValue]] = defaultdict(dict)
    for value in values:
        last[value.characteristic][value.operation, value.position] = value
    wanted = {name for operation in product.operation for name in operation.characteristics}
    for spec in product.characteristic:
        if spec.id not in wanted:
            continue
        found = list(last.get(spec.id, {}).values())
        bad = [value for value in found if within(value.value, value.lower, value.upper) is False]
        state = "missing" if not found else "out of limits" if bad else "complete"
        shown = (bad or found)[-1] if found else None
        limits = f"{spec.lower or ''} … {spec.upper or ''}" if spec.lower or spec.upper else ""
        yield Expected(
            "characteristic", spec.id, spec.name, shown.position if shown else "", limits,
            shown.value if shown else "", spec.uom, state,
        )  # fmt: skip
