"""What the trace page shows: gathered from queries, put in words."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import msgspec
from markupsafe import Markup

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import microseconds, unit_key
from asbuilt.plant import Characteristic, Plant
from asbuilt.views.trace import compare, flow, queries
from asbuilt.views.trace.answers import Comparison, LotRow, Origin, Use, WhereUsed
from asbuilt.views.trace.flow import Dot, box_of, boxes_of, group_of
from asbuilt.web.words import plural

LISTED = 300
MAX_LOT_BOOKS = 20


class Finding:
    """A where-used answer with its drawings, sentence and containment."""

    def __init__(
        self, reader: Reader, item: str, characteristic: str, limit: str, at: dt.datetime | None,
        known_at: dt.datetime | None,
    ) -> None:  # fmt: skip
        self.plant: Plant = reader.plant(at)
        self.answer: WhereUsed = queries.where_used(reader, item, at, known_at)
        self.item = self.answer.item
        self.limit = limit
        self.units = _outermost(self.answer.uses, self.plant)
        self.boxes = boxes_of(self.units)
        self.lots: list[LotRow] = [
            queries.lot(reader, use.id, use.product, at, known_at)
            for use in self.answer.lots[:MAX_LOT_BOOKS]
            if use.kind == "lot" and use.contains == "yes"
        ]
        self.characteristics = self._characteristics()
        self.characteristic = next((c for c in self.characteristics if c.id == characteristic), None) or self._usual()
        self.values = self._values(reader, at)
        self.dots = self._dots()
        self.comparison = self._compare(reader, at)
        self.origins: list[Origin] = []
        if self.item.startswith("unit:"):
            product, _, serial = self.item.removeprefix("unit:").partition("/")
            self.origins = queries.made_from(reader, serial, product, at, known_at)

    # ----------------------------------------------------------------- evidence

    def _characteristics(self) -> list[Characteristic]:
        products = Counter(use.product for use in self.units)
        known = self.plant.products.get(products.most_common(1)[0][0]) if products else None
        return list(known.characteristic) if known else []

    def _usual(self) -> Characteristic | None:
        """What the last operation but packing is about: a run-in's vibration where there is one."""
        for wanted in ("vibration",):
            found = next((c for c in self.characteristics if c.id == wanted), None)
            if found is not None:
                return found
        return self.characteristics[-1] if self.characteristics else None

    def _values(self, reader: Reader, at: dt.datetime | None) -> dict[str, tuple[str, str, str]]:
        if self.characteristic is None or not self.units:
            return {}
        at_us = microseconds(reader.instant(at))
        found = compare.last_values(reader, [_key(use) for use in self.units], self.characteristic.id, at_us)
        return {unit: (value, lower, upper) for unit, value, lower, upper in found}

    def _dots(self) -> list[Dot]:
        tones = {box: number for number, box in enumerate(self.boxes)}
        above = self._alert
        found = []
        for use in self.units:
            told = self.values.get(_key(use))
            value = flow.number(told[0]) if told else None
            flagged = False
            if told and value is not None:
                beyond = above is not None and Decimal(told[0]) > above
                flagged = beyond or bool(told[1] and Decimal(told[0]) < Decimal(told[1])) or bool(told[2] and Decimal(told[0]) > Decimal(told[2]))  # fmt: skip
            found.append(Dot(use, tones.get(box_of(use), 0), value, flagged))
        return found

    @property
    def _alert(self) -> Decimal | None:
        try:
            return Decimal(self.limit) if self.limit else None
        except InvalidOperation:
            raise UsageError(f"`{self.limit}` is not a number", remedy="Give a limit such as 3.5.") from None

    def _compare(self, reader: Reader, at: dt.datetime | None) -> Comparison | None:
        """The two boxes with most units, by what is flagged."""
        boxes = [box for box, _ in Counter(box_of(use) for use in self.units if use.container).most_common(2)]
        if len(boxes) < 2 or self.characteristic is None or not any(dot.flagged for dot in self.dots):
            return None
        outcome = f"above:{self.characteristic.id}:{self.limit}" if self.limit else f"out:{self.characteristic.id}"
        return queries.compare(reader, f"container:{boxes[0]}", f"container:{boxes[1]}", outcome, at)

    @property
    def flagged(self) -> list[Dot]:
        """Units whose value is above the limit asked about, or out of its limits."""
        return [dot for dot in self.dots if dot.flagged]

    # ----------------------------------------------------------------- words

    @property
    def says(self) -> str:
        """The headline."""
        if not self.units:
            others = self.answer.serials
            return f"{plural(others, 'part')} of it, in no unit." if others else "Nothing is known to carry it."
        still = [use for use in self.units if use.still]
        gone = len(self.units) - len(still)
        count = plural(len(still), "unit carries", "units carry") if still else "No unit carries"
        kind = self.item.partition(":")[0]
        what = {"lot": "this lot", "container": "this box", "unit": "this part", "heat": "this heat"}.get(kind, "it")
        if kind in ("station", "gauge", "program", "person", "order"):
            count, what = plural(len(self.units), "unit was", "units were"), "touched"
        away = sum(1 for use in still if group_of(use) == "shipped")
        sentences = [f"{count} {what}."]
        if still:
            here = sum(1 for use in still if group_of(use) in ("on the line", "finished stock"))
            sentences.append(f"{here} {'is' if here == 1 else 'are'} still here, {away} {'has' if away == 1 else 'have'} shipped.")  # fmt: skip
        maybe = sum(1 for use in self.units if use.contains == "may")
        if maybe:
            sentences.append(f"Of these {maybe} may contain it, not certainly.")
        if gone:
            sentences.append(f"{plural(gone, 'unit')} carried it before.")
        if self.flagged:
            boxes = {box_of(dot.use) for dot in self.flagged}
            which = "above the limit" if self.limit else "out of limits"
            if len(boxes) == 1 and len(self.boxes) > 1:
                sentences.append(f"All {len(self.flagged)} {which} come from {boxes.pop()}." if len(self.flagged) > 1 else f"The one {which} comes from {boxes.pop()}.")  # fmt: skip
            else:
                sentences.append(f"{len(self.flagged)} {'is' if len(self.flagged) == 1 else 'are'} {which}.")
        return " ".join(sentences)

    @property
    def evidence(self) -> str:
        """How the links are known."""
        counts = Counter(use.evidence for use in self.units)
        told = {"scanned": "scanned", "container": "known by the container", "time_window": "inferred by time"}
        return ", ".join(f"{counts[name]} {words}" for name, words in told.items() if counts[name])

    # ----------------------------------------------------------------- drawings

    @property
    def drawing(self) -> Markup | None:
        """The flow; None where there is nothing to draw."""
        if not self.dots:
            return None
        shown = self.boxes[:5]
        dots = [dot if box_of(dot.use) in shown else dot._replace(tone=4) for dot in self.dots]
        if len(self.boxes) > 5:
            rest = f"{len(self.boxes) - 4} others"
            shown = [*self.boxes[:4], rest]
            dots = [d if box_of(d.use) in shown else d._replace(use=_renamed(d.use, rest)) for d in dots]
        return flow.flow(dots, self.lots, shown, self.says)

    @property
    def chart(self) -> Markup | None:
        """The characteristic in order of fitting."""
        if self.characteristic is None:
            return None
        limits = {}
        if self.characteristic.upper is not None:
            limits["limit"] = flow.number(self.characteristic.upper)
        if self.characteristic.lower is not None and flow.number(self.characteristic.lower) != 0:
            limits["from"] = flow.number(self.characteristic.lower)
        if self.limit:
            limits["asked"] = flow.number(self.limit)
        return flow.evidence(self.dots, self.characteristic.name, limits, self.boxes)

    # ----------------------------------------------------------------- containment

    @property
    def containment(self) -> list[tuple[str, int, int]]:
        """Where units are: how many are held, of how many."""
        groups: defaultdict[str, list[Use]] = defaultdict(list)
        for use in self.units:
            if use.still:
                groups[group_of(use)].append(use)
        return [
            (name, sum(use.held for use in groups[name]), len(groups[name])) for name in flow.GROUPS if groups[name]
        ]

    @property
    def open_here(self) -> int:
        """How many units that are here and carry it are not held."""
        return len(to_hold(self.units))

    @property
    def rows(self) -> Sequence[Use]:
        """The first serials, for the list."""
        return self.answer.uses[:LISTED]


def to_hold(uses: Sequence[Use]) -> list[Use]:
    """Units that carry it, are not held yet, and are in reach: on the line, in stock or returned."""
    return [use for use in uses if use.still and not use.held and use.state in ("in work", "completed", "packed", "returned", "installed", "removed", "")]  # fmt: skip


def outermost(answer: WhereUsed, plant: Plant) -> list[Use]:
    """Of the serials those that people call units: not a part in something else."""
    return _outermost(answer.uses, plant)


def _outermost(uses: Sequence[Use], plant: Plant) -> list[Use]:
    built = {product for line in plant.lines.values() if (product := line.product)} | {use.product for use in uses if use.state not in ("installed", "removed", "")}  # fmt: skip
    return [use for use in uses if use.product in built]


def _key(use: Use) -> str:
    return unit_key(use.product, use.serial)


def _renamed(use: Use, box: str) -> Use:
    return msgspec.structs.replace(use, container=box)
