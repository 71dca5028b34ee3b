"""A plant drawn with characters, for `asbuilt check`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from asbuilt.plant import Line, Plant, Product

Part = Tree | Table | Text


def draw(plant: Plant) -> Iterator[Part]:
    """The plant as a person would draw it: sites, areas, lines with their flow; products; shifts; sources."""
    tree = Tree(Text(f"{plant.name} ({plant.id}), {plant.zone_name}", "bold"))
    for site in plant.sites:
        at_site = tree.add(f"site {site.id}: {site.name}")
        for area in site.area:
            at_area = at_site.add(f"area {area.id}: {area.name}")
            for line in area.line:
                at_area.add(_line(line))
    yield tree
    for product in plant.products.values():
        yield _product(product)
    for pattern in plant.shift_patterns.values():
        shifts = Tree(Text(f"shifts {pattern.id}", "bold"))
        for shift in pattern.shift:
            pauses = ", ".join(f"{pause.name} {pause.start}–{pause.end}" for pause in shift.breaks)
            days = "daily" if len(shift.days) == 7 else " ".join(shift.days)
            shifts.add(f"{shift.id} {shift.start}–{shift.end} {days}" + (f" ({pauses})" if pauses else ""))
        yield shifts
    if plant.adapters:
        sources = Tree(Text("sources", "bold"))
        for adapter in plant.adapters.values():
            heard = f", heard every {adapter.fresh_s:g} s" if adapter.fresh_s else ""
            stations = [s.id for s in plant.stations.values() if s.source == adapter.name]
            speaks = f", speaks for {', '.join(stations)}" if stations else ""
            sources.add(f"{adapter.name}: {adapter.kind}{heard}{speaks}")
        yield sources
    if plant.reasons:
        groups: dict[str, list[str]] = {}
        for reason in plant.reasons.values():
            groups.setdefault(reason.group, []).append(reason.name)
        reasons = Tree(Text(f"{len(plant.reasons)} reasons"))
        for group, names in groups.items():
            reasons.add(Text(f"{group}: {' · '.join(names)}"))
        yield reasons


def _line(line: Line) -> Tree:
    what = ", ".join(
        part
        for part in (
            line.product and f"builds {line.product}",
            line.takt_s and f"takt {line.takt_s:g} s",
            line.shifts and f"shifts {line.shifts}",
            line.flow == "job_shop" and "job shop",
        )
        if part
    )
    drawn = Tree(f"line {line.id}: {line.name}" + (f" ({what})" if what else ""))
    for index, station in enumerate(line.station):
        last = index == len(line.station) - 1
        cells = f" ×{station.places}" if station.places > 1 else ""
        cycle = f", {station.cycle_s:g} s" if station.cycle_s else ""
        key = f", shows {station.key}" if station.key else ""
        arrow = "" if last or line.flow == "job_shop" else (f"  ↓ [{station.buffer}]" if station.buffer else "  ↓")
        drawn.add(f"{station.id} {station.name}{cells}{cycle}{key}{arrow}")
    return drawn


def _product(product: Product) -> Tree:
    title = f"product {product.id}: {product.name}" + (f", rev. {product.revision}" if product.revision else "")
    drawn = Tree(Text(title, "bold"))
    if product.operation:
        drawn.add(
            "routing "
            + " → ".join(f"{operation.id}@{operation.station.split('/')[-1]}" for operation in product.operation)
        )
    if product.part:
        kinds = {"serial": 0, "lot": 0, "bulk": 0}
        for part in product.part:
            kinds[part.tracking] += 1
        told = ", ".join(f"{count} by {kind}" for kind, count in kinds.items() if count)
        drawn.add(f"{len(product.part)} parts: {told}")
    if product.characteristic:
        drawn.add(f"{len(product.characteristic)} characteristics: {', '.join(c.id for c in product.characteristic)}")
    return drawn
