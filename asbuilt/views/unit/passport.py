"""What the passport page shows: gathered from queries, put in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.identity import codes
from asbuilt.identity.link import link
from asbuilt.plant import Plant
from asbuilt.views.unit import drawing, queries
from asbuilt.views.unit.answers import AsBuilt, CaseRow, Completeness, Component, Measurement, Step, Unit
from asbuilt.views.unit.drawing import Fit, Note

CRITICAL = 14


class Passport:
    """Everything about one unit at a moment, asked once."""

    def __init__(
        self, reader: Reader, serial: str, product: str | None, at: dt.datetime | None, known_at: dt.datetime | None
    ) -> None:
        self.plant: Plant = reader.plant(at)
        self.at, self.known_at = reader.instant(at).astimezone(self.plant.zone), known_at
        asked: dict[str, Any] = {"serial": serial, "product": product, "at": at, "known_at": known_at}
        self.unit: Unit = queries.show(reader, **asked)
        asked["product"], asked["serial"] = self.unit.product, self.unit.serial
        self.tree: AsBuilt = queries.as_built(reader, **asked)
        self.whole: Completeness = queries.completeness(reader, **asked)
        self.steps: list[Step] = queries.steps(reader, **asked)
        self.values: list[Measurement] = queries.measurements(reader, **asked)
        self.runs = queries.runs(reader, **asked)
        self.cases: list[CaseRow] = queries.cases(reader, **asked)
        self.moments = queries.moments(reader, **asked)
        self.curve: Any = None
        self.curve_problem = ("", "")
        if self.runs and self.runs[-1].curve:
            try:
                self.curve = reader.curve(self.runs[-1].curve)
            except UsageError as error:
                self.curve_problem = error.message, error.remedy

    # ----------------------------------------------------------------- words

    @property
    def title(self) -> str:
        """Product in words: name, revision, order."""
        product = self.plant.products.get(self.unit.product)
        parts = [product.name if product else self.unit.product]
        if self.unit.revision:
            parts.append(f"rev. {self.unit.revision}")
        if self.unit.order:
            parts.append(f"order {self.unit.order}")
        return " · ".join(parts)

    @property
    def station_names(self) -> dict[str, str]:
        """Names of stations by path."""
        return {path: station.name for path, station in self.plant.stations.items()}

    @property
    def flag(self) -> int:
        """The priority of what keeps it from leaving; 0 if nothing does."""
        return 2 if self.tree.holds or self.unit.state == "scrapped" else 3 if self.tree.anomalies else 0

    @property
    def says(self) -> tuple[str, str]:
        """Whether it is good, complete, and where: a short answer, and the rest of the sentence."""
        unit, since = self.unit, self.unit.since
        when = f" since {since:%d %b %H:%M}" if since else ""
        if self.tree.holds:
            hold = self.tree.holds[0]
            more = f" and {len(self.tree.holds) - 1} more" if len(self.tree.holds) > 1 else ""
            return "On hold.", f"{hold.reason}{'' if hold.reason.endswith('.') else '.'} Since {hold.since:%d %b %H:%M}{more}. {self._where()}"  # fmt: skip
        if unit.state == "scrapped":
            return "Scrapped.", f"{self._where()}{when}."
        if unit.state in ("installed", "removed"):
            place = unit.place.partition(":")[2]
            return (
                ("Installed.", f"In {place}{when}.")
                if unit.state == "installed"
                else ("Loose.", f"Taken out of {place}{when}.")
            )
        if unit.state == "in work":
            return "In work.", f"{self._where()}{when}."
        if self.whole.complete:
            return "Complete.", self._where()
        count = len(self.whole.open)
        return (
            f"Not complete, {count} open.",
            f"{self.whole.open[0][:1].upper()}{self.whole.open[0][1:]}. {self._where()}",
        )

    def _where(self) -> str:
        unit = self.unit
        place = unit.place.rpartition("/")[2]
        match unit.state:
            case "in work":
                return f"At station {place}" if place else "Not at a station"
            case "packed":
                return f"Packed in {place}."
            case "shipped":
                return f"Shipped to {unit.place}."
            case "fitted":
                return f"Fitted in {unit.place}" + (f", shipped to {unit.consignee}." if unit.consignee else ".")
            case "returned":
                return f"Returned{f' by {unit.place}' if unit.place else ''}."
            case "completed":
                return f"Released {unit.completed:%d %b %H:%M}." if unit.completed else ""
        return f"Last at station {place}" if place else "Where it is, is not known"

    @property
    def figures(self) -> list[tuple[str, str]]:
        """The figures of the head."""
        good = sum(1 for v in self.values if v.latest and v.within is not False)
        all_latest = sum(1 for v in self.values if v.latest)
        repeats = sum(1 for step in self.steps if step.number > 1)
        concessions = sum(1 for case in self.cases for d in case.decisions if d.decision == "use_as_is")
        return [
            ("operations", self.whole.operations), ("components", self.whole.parts),
            ("measurements", f"{good} of {all_latest}"), ("retests", str(repeats)), ("concessions", str(concessions)),
        ]  # fmt: skip

    # ----------------------------------------------------------------- code

    @property
    def link(self) -> str:
        """What its code says: the GS1 Digital Link where the product has a GTIN, else product and serial."""
        product = self.plant.products.get(self.unit.product)
        if product is not None and product.gtin:
            try:
                return link(product.gtin, serial=self.unit.serial)
            except UsageError:
                pass
        return f"{self.unit.product}/{self.unit.serial}"

    @property
    def code(self) -> str:
        """The code as SVG."""
        return codes.svg(codes.qr(self.link), label=f"QR code: {self.link}")

    # ----------------------------------------------------------------- parts

    @property
    def drawing(self) -> Markup | None:
        """The product's drawing with identities and fits; None where the plant file in force then has none."""
        product = self.plant.products.get(self.unit.product)
        if product is None or product.drawing is None or "<svg" not in product.drawing:
            return None
        held = {hold.item for hold in self.tree.holds}
        fits = drawing.fits(product.drawing)
        notes = {c.position: self._note(c, held, fits.get(c.position)) for c in self.tree.components}
        return drawing.drawn(product.drawing, notes)

    def _note(self, component: Component, held: set[str], fit: Fit | None) -> Note:
        identity = component.serial or component.container or component.lot or ""
        keys = {f"lot:{component.product}/{component.lot}", f"unit:{component.product}/{component.serial}"}
        flag = 2 if keys & held else 0
        if fit is None:
            return Note(identity, flag=flag)
        for value in self.values:
            at_part = value.position == component.position or value.position.startswith(fit.at)
            if value.latest and value.characteristic == fit.characteristic and at_part:
                lower, upper = (float(v) if v is not None else None for v in (value.lower, value.upper))
                return Note(identity, f"{fit.word} {value.value} {value.uom}", float(value.value), lower, upper, flag)
        return Note(identity, flag=flag)

    @property
    def rows(self) -> list[tuple[int, Component]]:
        """The tree as rows with their level, serials first."""
        return list(_rows(self.tree.components, 0))

    @property
    def critical(self) -> list[Measurement]:
        """Of each characteristic the value nearest to a limit; the nearest of all first in routing order."""
        nearest: dict[str, tuple[float, Measurement]] = {}
        for value in self.values:
            if not value.latest:
                continue
            margin = _margin(value)
            if margin is not None and (
                value.characteristic not in nearest or margin < nearest[value.characteristic][0]
            ):
                nearest[value.characteristic] = margin, value
        chosen = sorted(nearest.values(), key=lambda one: one[0])[:CRITICAL]
        return [value for _, value in sorted(chosen, key=lambda one: one[1].time)]


def _rows(components: Sequence[Component], level: int) -> Iterator[tuple[int, Component]]:
    for component in sorted(components, key=lambda c: (c.serial is None, c.since, c.position)):
        yield level, component
        yield from _rows(component.components, level + 1)


def _margin(value: Measurement) -> float | None:
    """The way to the nearest limit as a share of the way between them; below zero beyond it."""
    number = Decimal(value.value)
    lower = Decimal(value.lower) if value.lower is not None else None
    upper = Decimal(value.upper) if value.upper is not None else None
    if lower is not None and upper is not None and upper > lower:
        return float(min(number - lower, upper - number) / (upper - lower))
    if upper is not None:
        return float((upper - number) / abs(upper)) if upper else float(-number)
    if lower is not None:
        return float((number - lower) / abs(lower)) if lower else float(number)
    return None
