"""Drawings of a trace: from the heat to one square an engine, and a characteristic in order of fitting."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from asbuilt.views.trace.answers import LotRow, Use
from asbuilt.web import svg, words
from asbuilt.web.svg import line, path, rect, text

WIDTH = 1300.0
TOP, TALL = 44.0, 400.0
GROUPS = ("on the line", "finished stock", "shipped", "scrapped", "elsewhere")
_GROUP_OF = {"in work": 0, "completed": 1, "packed": 1, "returned": 1, "shipped": 2, "fitted": 2, "scrapped": 3}
TONES = ("shape", "ink2", "mute", "rule2", "ink3")
MAX_SQUARES = 240
"""So many squares are drawn in a group; then one stands for several."""


class Dot(NamedTuple):
    """A unit in the drawings: its use, its tone's number, its value if measured, whether it is flagged."""

    use: Use
    tone: int
    value: float | None
    flagged: bool


def group_of(use: Use) -> str:
    """Where it is now, in five words."""
    return GROUPS[_GROUP_OF.get(use.state, 4)]


def boxes_of(uses: Iterable[Use]) -> list[str]:
    """The containers (or lots) it came from, the one fitted first first; the last one may stand for all others."""
    first: dict[str, dt.datetime] = {}
    for use in uses:
        name = use.container or use.lot or use.part
        if use.since is not None and (name not in first or use.since < first[name]):
            first[name] = use.since
    return sorted(first, key=lambda name: (first[name], name))


def box_of(use: Use) -> str:
    """The container it came from, else the lot or part."""
    return use.container or use.lot or use.part


# --------------------------------------------------------------------------- the flow


class _Node(NamedTuple):
    x: float
    y: float
    height: float


class _Column:
    """Nodes above each other, their heights as their counts."""

    def __init__(self, x: float, counts: Mapping[str, int], gap: float = 14.0) -> None:
        self.counts = counts
        total = sum(counts.values()) or 1
        room = TALL - gap * max(0, len(counts) - 1)
        self.scale = room / total
        self.nodes: dict[str, _Node] = {}
        y = TOP
        for name, count in counts.items():
            self.nodes[name] = _Node(x, y, max(2.0, count * self.scale))
            y += max(2.0, count * self.scale) + gap
        self._taken: defaultdict[tuple[str, str], float] = defaultdict(float)

    def slot(self, name: str, side: str, count: int) -> tuple[float, float]:
        """The next piece of a node's edge, so high as a count."""
        node, key = self.nodes[name], (name, side)
        y = node.y + self._taken[key]
        height = node.height * count / (self.counts[name] or 1)
        self._taken[key] += height
        return y, height


def flow(dots: Sequence[Dot], lots: Sequence[LotRow], boxes: Sequence[str], label: str) -> Markup:
    """From heats through lots, boxes and the time of fitting to where every unit is now."""
    zone_groups = [name for name in GROUPS if any(group_of(dot.use) == name for dot in dots)]
    periods = _periods(dots)
    by_box = {box: sum(1 for dot in dots if box_of(dot.use) == box) for box in boxes}
    columns = [
        _Column(20, {_heat(lots): len(dots)}), _Column(180, {_lot(lots, dots): len(dots)}), _Column(345, by_box),
        _Column(520, {name: sum(1 for d in dots if _period(d, periods) == name) for name in periods}),
        _Column(720, {name: sum(1 for d in dots if group_of(d.use) == name) for name in zone_groups}, 26),
    ]  # fmt: skip
    keys = [
        lambda d: _heat(lots), lambda d: _lot(lots, dots), lambda d: box_of(d.use), lambda d: _period(d, periods),
        lambda d: group_of(d.use),
    ]  # fmt: skip
    inside = "".join(
        text(x, 16, title, "axis")
        for x, title in ((20, "Heat"), (180, "Lot"), (345, "Box"), (520, "Fitted"), (720, "Where they are now"))
    )
    inside += line(20, 26, WIDTH - 20, 26, "rule")
    for number in range(4):
        inside += _ribbons(columns[number], columns[number + 1], keys[number], keys[number + 1], dots, number)
    for number, column in enumerate(columns):
        for name, node in column.nodes.items():
            tone = (
                TONES[min(list(boxes).index(name), 4)]
                if number == 2 and name in boxes
                else "ink1"
                if number in (1, 4)
                else "shape"
            )
            inside += rect(node.x, node.y, 8 if number < 4 else 4, node.height, tone)
            if number < 4:
                inside += _caption(number, name, node, column.counts[name], lots)
    inside += _squares(columns[4], dots, zone_groups)
    return svg.element(WIDTH, TOP + TALL + 40, inside, label=label, css="chart wide flow-chart")


def _heat(lots: Sequence[LotRow]) -> str:
    return ", ".join(sorted({heat for lot in lots for heat in lot.heats})[:2]) or "heat not told"


def _lot(lots: Sequence[LotRow], dots: Sequence[Dot]) -> str:
    names = sorted({lot.lot for lot in lots}) or sorted({dot.use.lot for dot in dots if dot.use.lot})
    return names[0] if len(names) == 1 else f"{len(names)} lots" if names else "no lot told"


def _caption(number: int, name: str, node: _Node, count: int, lots: Sequence[LotRow]) -> str:
    x, y = node.x + 16, node.y + 15
    inside = text(x, y, _cut(name, 20 if number < 3 else 24), "strong15")
    if number == 0:
        suppliers = sorted({supplier for lot in lots for supplier in lot.suppliers})
        inside += text(x, y + 18, _cut(", ".join(suppliers), 20), "axis2")
    elif number == 1 and len(lots) == 1:
        inside += text(x, y + 18, f"{words.spaced(lots[0].quantity)} {lots[0].uom}", "axis2")
        if lots[0].received:
            inside += text(x, y + 35, f"received {lots[0].received:%d %b}", "axis2")
        if lots[0].left is not None:
            inside += text(x, y + 52, f"{words.spaced(lots[0].left)} left", "axis2")
    elif node.height > 30 or number == 2:
        inside += text(x, y + 17, words.plural(count, "unit"), "axis2") if node.height > 24 else ""
    return inside


def _cut(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _ribbons(a: _Column, b: _Column, key_a: object, key_b: object, dots: Sequence[Dot], number: int) -> str:
    assert callable(key_a) and callable(key_b)
    counts = Counter((key_a(dot), key_b(dot)) for dot in dots)
    inside = ""
    for left in a.nodes:
        for right in b.nodes:
            count = counts.get((left, right), 0)
            if not count:
                continue
            y1, h1 = a.slot(left, "out", count)
            y2, h2 = b.slot(right, "in", count)
            x1, x2 = a.nodes[left].x + 8, b.nodes[right].x
            middle = (x1 + x2) / 2
            d = (
                f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}V{y2 + h2:.1f}"
                f"C{middle:.1f} {y2 + h2:.1f} {middle:.1f} {y1 + h1:.1f} {x1:.1f} {y1 + h1:.1f}Z"
            )
            inside += path(d, fill="band2" if number > 1 else "band", css="ribbon")
    return inside


def _squares(column: _Column, dots: Sequence[Dot], groups: Sequence[str]) -> str:
    """One square a unit, in the tone of its box; a triangle where it is flagged."""
    inside = ""
    for name in groups:
        node = column.nodes[name]
        own = sorted(
            (d for d in dots if group_of(d.use) == name), key=lambda d: (d.use.consignee, d.tone, d.use.serial)
        )
        inside += text(node.x + 16, node.y + 14, f"{words.number(len(own))} {name}", "strong15")
        each = -(-len(own) // MAX_SQUARES)
        if each > 1:
            inside += text(node.x + 200, node.y + 14, f"one square for {each}", "axis")
        x, y, last = node.x + 16, node.y + 24, ""
        for at in range(0, len(own), each):
            dot = own[at]
            place = dot.use.consignee if name == "shipped" else ""
            if place != last or x > WIDTH - 150:
                if (place != last and last) or x > WIDTH - 150:
                    x, y = node.x + 16, y + 17
                if place and place != last:
                    inside += text(WIDTH - 20, y + 11, _cut(place, 20), "axis2", "end")
                last = place
            inside += _square(x, y, dot, each)
            x += 16
    return inside


def _square(x: float, y: float, dot: Dot, each: int) -> str:
    tone = TONES[min(dot.tone, 4)]
    shape = (
        path(f"M{x + 6:.1f} {y:.1f}l6.4 12h-12.8Z", fill="p2", stroke="glyphline", width=1)
        if dot.flagged
        else rect(x, y, 12, 12, tone, rx=1.5, stroke="ink1" if dot.use.held else "")
    )
    said = f"{dot.use.serial}, {dot.use.state}{', held' if dot.use.held else ''}" + (
        f" and {each - 1} more" if each > 1 else ""
    )
    return f'<a href="/unit/{quote(dot.use.product, safe="")}/{quote(dot.use.serial, safe="")}" tabindex="-1"><title>{escape(said)}</title>{shape}</a>'


def _periods(dots: Sequence[Dot]) -> dict[str, tuple[dt.datetime, dt.datetime]]:
    """Up to six stretches of time in which it was fitted, cut at whole hours or days."""
    times = sorted(dot.use.since for dot in dots if dot.use.since is not None)
    if not times:
        return {"not told": (dt.datetime.min.replace(tzinfo=dt.UTC), dt.datetime.max.replace(tzinfo=dt.UTC))}
    length = (times[-1] - times[0]).total_seconds()
    step = next(
        (s for s in (3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800, 2_592_000) if length / s <= 5), length / 5
    )
    begin = times[0].replace(minute=0, second=0, microsecond=0)
    if step >= 86_400:
        begin = begin.replace(hour=0)
    found = {}
    while begin <= times[-1]:
        end = begin + dt.timedelta(seconds=step)
        if any(begin <= time < end for time in times):
            name = f"{begin:%d %b %H:%M} – {end:%H:%M}" if step < 86_400 else f"{begin:%d %b} – {end - dt.timedelta(days=1):%d %b}" if step > 86_400 else f"{begin:%d %b}"  # fmt: skip
            found[name] = begin, end
        begin = end
    return found


def _period(dot: Dot, periods: Mapping[str, tuple[dt.datetime, dt.datetime]]) -> str:
    for name, (begin, end) in periods.items():
        if dot.use.since is not None and begin <= dot.use.since < end:
            return name
    return next(iter(periods))


# --------------------------------------------------------------------------- the evidence


def evidence(dots: Sequence[Dot], name: str, limits: Mapping[str, float], boxes: Sequence[str]) -> Markup | None:
    """A characteristic of each unit at the time at which it was fitted; what is not measured yet stands at the foot."""
    timed = sorted((d for d in dots if d.use.since is not None), key=_fitted)
    known = [d.value for d in timed if d.value is not None]
    if len(timed) < 2 or not known:
        return None
    first, last = timed[0].use.since, timed[-1].use.since
    assert first is not None and last is not None
    length = max(1.0, (last - first).total_seconds())
    low, high = min([*known, *limits.values()]), max([*known, *limits.values()])
    room = (high - low) * 0.1 or 1.0
    low, high = (0.0 if 0 <= low < high * 0.6 else low - room), high + room

    def x(time: dt.datetime) -> float:
        return 60 + 1120 * (time - first).total_seconds() / length

    def y(value: float) -> float:
        return 20 + 170 * (high - value) / (high - low)

    inside = line(60, 192, 1190, 192, "ink3")
    for word, limit in limits.items():
        inside += line(60, y(limit), 1190, y(limit), "ink2", 1, "6 4") + text(
            1196, y(limit) + 4, f"{word} {limit:g}", "axis2"
        )
    for value in (low, (low + high) / 2, high):
        inside += text(52, y(value) + 4, f"{value:.3g}", "axis", "end")
    for number, box in enumerate(boxes[:5]):
        own = [d.use.since for d in timed if box_of(d.use) == box and d.use.since]
        if own:
            inside += rect(x(min(own)), 198, max(3.0, x(max(own)) - x(min(own))), 6, TONES[min(number, 4)])
    inside += text(1196, 205, "box", "axis2")
    open_count = 0
    for dot in timed:
        assert dot.use.since is not None
        at = x(dot.use.since)
        if dot.value is None:
            open_count += 1
            inside += rect(at - 4, 180, 8, 8, "none", rx=1, stroke="ink3", css="dashed")
        elif dot.flagged:
            inside += path(f"M{at:.1f} {y(dot.value) - 6:.1f}l6 11.4h-12Z", fill="p2", stroke="glyphline", width=1)
        else:
            inside += rect(at - 4.5, y(dot.value) - 4.5, 9, 9, TONES[min(dot.tone, 4)], rx=1)
    if open_count:
        inside += text(1196, 188, f"not measured, {open_count}", "axis")
    for share in range(6):
        time = first + dt.timedelta(seconds=length * share / 5)
        inside += text(60 + 1120 * share / 5, 226, f"{time:%d %b %H:%M}", "axis", "middle" if share else "start")
    label = f"{name} of {len(timed) - open_count} units in order of fitting, {sum(d.flagged for d in timed)} flagged"
    return svg.element(WIDTH, 234, inside, label=label, css="chart wide")


def _fitted(dot: Dot) -> dt.datetime:
    assert dot.use.since is not None
    return dot.use.since


def number(value: str) -> float:
    """A decimal string as a number to draw."""
    return float(Decimal(value))
