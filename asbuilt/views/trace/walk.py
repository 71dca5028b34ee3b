"""Walks through what is in what: where a thing went, narrowed in time.

A thing was in a unit while it sat in it, or while it sat in a part that sat in it: intervals are cut
with each other at every step. A part that was swapped out taints no later holder, one that was swapped
in taints from its installation on. Every interval carries how it is known: `sure` or maybe, and the
weakest evidence on the way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from asbuilt.domain.genealogy.rows import FOREVER, Link
from asbuilt.domain.meaning import named_in
from asbuilt.views.trace.lots import START, Lots, Taint
from asbuilt.views.unit.rows import Rows

MAX_UNITS = 1_000_000
"""So many units are walked; a walk that is cut short says so."""
EVIDENCE = ("scanned", "container", "time_window")
_RANK = {name: rank for rank, name in enumerate(EVIDENCE)}

_UNKNOWN = object()

Label = tuple[bool, int]
"""Maybe (True) or sure (False), and the rank of the weakest evidence: lower is better."""
Spans = list[tuple[int, int]]
"""Intervals from … until, apart from each other and in order."""


Once = tuple["Label", int, int, Link | None]
"""What is known of a unit that one link brought it to: label, since, until, link. Most units are of this kind."""


class Carrier:
    """A unit that carried what is looked for: when, how it is known, and through which link first."""

    __slots__ = ("first", "spans")

    def __init__(self, label: Label, since: int, until: int, first: Link | None) -> None:
        self.spans: dict[Label, Spans] = {label: [(since, until)]}
        self.first = first

    def add(self, label: Label, since: int, until: int) -> bool:
        """Take note of an interval; whether it tells something new."""
        spans = self.spans.get(label)
        if spans is None:
            self.spans[label] = [(since, until)]
            return True
        if any(a <= since and until <= b for a, b in spans):
            return False
        self.spans[label] = merged([*spans, (since, until)])
        return True


def _came(link: Link) -> tuple[Any, ...]:
    """By which of two links a thing first came into a unit."""
    return link.from_us, link.position, link.fact, link.part, link.lot, link.container


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same time as intervals that do not touch each other."""
    found: Spans = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


class Walk:
    """Where things went, as far as facts until `at_us` tell."""

    def __init__(self, rows: Rows, at_us: int) -> None:
        self.rows = rows
        self.at_us = at_us
        self.once: dict[str, Once] = {}
        self._carriers: dict[str, Carrier] = {}
        self.lots = Lots(rows, at_us)
        self.taints: dict[str, Taint] = {}
        self.parts: dict[str, Label] = {}
        self._taken: dict[tuple[str, str], object] = {}
        self._sat: dict[str, list[Link]] = {}
        self._ever: dict[str, bool] = {}
        self.ever_parts: dict[str, None] = {}
        """Those of the units met of which something of the same product was ever a part."""

    @property
    def cut_short(self) -> bool:
        """Whether there was more than a walk may look at."""
        return self.lots.cut_short or len(self.once) + len(self._carriers) >= MAX_UNITS

    @property
    def carriers(self) -> list[str]:
        """Every unit that carried what is looked for, in any order."""
        return [*self.once, *self._carriers]

    def carrier(self, unit: str) -> Carrier | None:
        """What is known of a unit that carried it."""
        known = self.once.pop(unit, None)
        if known is not None:
            self._carriers[unit] = Carrier(*known)
        return self._carriers.get(unit)

    def _add(self, unit: str, label: Label, since: int, until: int, first: Link | None) -> bool:
        """A unit carried it for a time; whether that is new."""
        carrier = self.carrier(unit)
        if carrier is None:
            self.once[unit] = label, since, until, first
            return True
        if first is not None and (carrier.first is None or _came(first) < _came(carrier.first)):
            carrier.first = first
        return carrier.add(label, since, until)

    def from_parts(self, labels: dict[str, Label]) -> None:
        """Begin with parts that are, or are made of, what is looked for, and walk up."""
        self.parts.update(labels)
        self.ever_parts.update(dict.fromkeys(labels))
        starts = {part: {label: [(START, FOREVER)]} for part, label in labels.items()}
        self._up(starts)

    def from_units(self, touched: Iterable[tuple[str, int]]) -> None:
        """Begin with units that something had to do with from a time on, and walk up."""
        for unit, time_us in touched:
            if time_us <= self.at_us:
                self._add(unit, (False, 0), time_us, FOREVER, None)
        self._up_from(self.carriers)

    def from_lots(self, starts: Sequence[str], foreign: dict[str, bool] | None = None) -> None:
        """Begin with lots or containers (`container:…`) and walk through lots into units and up."""
        self.lots.below(starts)
        self.taints = self.lots.taints(starts, foreign)
        names = sorted(self.taints)
        lots = [name for name in names if not name.startswith("container:")]
        boxes = [name.removeprefix("container:") for name in names if name.startswith("container:")]
        links = self.lots.links_of("lot", lots)
        links += [link for link in self.lots.links_of("container", boxes) if link[8] not in self.taints]
        made_of: dict[str, None] = {}
        once, carriers, at_us = self.once, self._carriers, self.at_us
        # Most of what comes next to each other was taken from one lot, out of one container.
        taint, label, before = None, (False, 0), ("", "", "")
        # A hundred thousand links are walked here: each is taken apart once and looked up once.
        for link in links:
            unit, _, from_us, _, _, until_us, _, part, lot, container, evidence = link
            if from_us > at_us:
                continue
            if part:
                made_of[part] = None
                continue
            if before[0] is not lot or before[1] is not container or before[2] is not evidence:
                before = lot, container, evidence
                taint = self._taint_of(lot, container)
                label = not (taint and taint.sure), _RANK[evidence]
            if taint is None or not (taint[0] or taint[1] <= from_us):
                continue
            until = until_us if until_us <= at_us else FOREVER
            if from_us >= until:
                continue
            if unit in once or unit in carriers:
                self._add(unit, label, from_us, until, link)
            else:
                once[unit] = label, from_us, until, link
        self._up_from(self.carriers)
        labels = self._made_of(list(made_of))
        if labels:
            self.from_parts(labels)

    def _taint_of(self, lot: str, container: str) -> Taint | None:
        """What is known of something that was taken from a lot, out of a container."""
        known = self._taken.get((lot, container), _UNKNOWN)
        if known is _UNKNOWN:
            by_lot = self.taints.get(lot) if lot else None
            by_box = self.taints.get(f"container:{container}") if container else None
            known = by_box if by_box and by_box.sure else by_lot if lot else by_box
            known = self._taken[lot, container] = by_lot if by_lot and by_lot.sure else known
        return known  # type: ignore[return-value]

    def label_of(self, link: Link) -> Label | None:
        """Whether what was installed by a link is of the lots looked for, by what the link tells."""
        taint = self._taint_of(link.lot, link.container)
        return (
            (not taint.sure, _RANK[link.evidence]) if taint and (taint.sure or taint.from_us <= link.from_us) else None
        )

    def _made_of(self, parts: list[str]) -> dict[str, Label]:
        """Parts that are made of the lots looked for: certainly, if all that is told of them says so."""
        told: defaultdict[str, list[Label | None]] = defaultdict(list)
        for link in self.sat(parts):
            if link.lot or link.container:
                told[link.part].append(self.label_of(link))
        labels = {}
        for part, every in told.items():
            known = [label for label in every if label is not None]
            if known:
                maybe = len(known) < len(every) or any(label[0] for label in known)
                labels[part] = (maybe, min(label[1] for label in known))
        return labels

    def _up_from(self, units: Iterable[str]) -> None:
        self._up({unit: self._spans(unit) for unit in self._parts_among(units)})

    def _spans(self, unit: str) -> dict[Label, Spans]:
        known = self.once.get(unit)
        if known is not None:
            label, since, until, _ = known
            return {label: [(since, until)]}
        return dict(self._carriers[unit].spans)

    def _up(self, changed: dict[str, dict[Label, Spans]]) -> None:
        """From parts to the units they sat in, and on, until nothing new is found."""
        at_us = self.at_us
        while changed and not self.cut_short:
            above: dict[str, None] = {}
            for link in self.sat(changed):
                unit, _, from_us, _, _, until_us, _, part, _, _, evidence = link
                until, rank = until_us if until_us <= at_us else FOREVER, _RANK[evidence]
                for (maybe, weakest), spans in changed[part].items():
                    label = maybe, weakest if weakest > rank else rank
                    for since, till in spans:
                        begin, end = since if since > from_us else from_us, till if till < until else until
                        if begin < end and self._add(unit, label, begin, end, link):
                            above[unit] = None
            changed = {unit: self._spans(unit) for unit in self._parts_among(above)}

    def sat(self, parts: Iterable[str]) -> list[Link]:
        """Where parts sat until the moment; each is looked for once in a walk."""
        fresh = {part: list[Link]() for part in parts if part not in self._sat}
        for link in self.rows.links_of("part", list(fresh)):
            if link.from_us <= self.at_us:
                fresh[link.part].append(link)
        self._sat.update(fresh)
        return [link for part in parts for link in self._sat[part]]

    def _parts_among(self, units: Iterable[str]) -> list[str]:
        """Those of which something of the same product was ever a part: engines are asked for once, not each."""
        found: list[str] = []
        ever = self._ever
        for unit in units:
            product = unit.partition("/")[0]
            is_part = ever.get(product)
            if is_part is None:
                is_part = ever[product] = self.rows.is_ever_part(named_in(unit)[0])
            if is_part:
                found.append(unit)
        self.ever_parts.update(dict.fromkeys(found))
        return found
