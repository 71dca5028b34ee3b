"""Drawings of the passport: passes over time, and what the test bench saw."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from markupsafe import Markup

from asbuilt.exchange.curves import Curve
from asbuilt.views.unit.answers import ChannelRow, Step
from asbuilt.web import svg, words
from asbuilt.web.svg import line, path, rect, text

LEFT, RIGHT, ROW = 210.0, 700.0, 26.0
_MARKS = {"scanned": "full", "container": "half", "time_window": "open"}
_SAID = {"scanned": "scanned", "container": "known by its container", "time_window": "known by the time it was open"}


def mark(evidence: str) -> Markup:
    """How a link is known: a full, half or broken ring."""
    if evidence == "scanned":
        inside = path("M2 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", fill="ink2", stroke="ink2", width=1.4)
    elif evidence == "container":
        inside = path("M2 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", stroke="ink2", width=1.4) + path(
            "M6 2a4 4 0 0 0 0 8Z", fill="ink2"
        )
    else:
        inside = path("M2 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", stroke="ink2", width=1.4, dash="2 1.6")
    return svg.element(12, 12, inside, label=_SAID.get(evidence, evidence), css="gl")


def history(steps: Sequence[Step], names: Mapping[str, str]) -> Markup | None:
    """Passes through operations over time: one row an operation, repeats beside each other.

    `names` are those of the stations, by path.
    """
    timed = [step for step in steps if step.start or step.end]
    if not timed:
        return None
    begin = min(step.start or step.end for step in timed)  # type: ignore[type-var]
    end = max(step.end or step.start for step in timed)  # type: ignore[type-var]
    assert begin is not None and end is not None
    length = max(60.0, (end - begin).total_seconds())

    def x(time: dt.datetime) -> float:
        return LEFT + (RIGHT - LEFT) * (time - begin).total_seconds() / length

    rows = list(dict.fromkeys(step.operation for step in timed))
    height = 28 + ROW * len(rows)
    inside = _hours(begin, end, x, height)
    before: tuple[float, float] | None = None
    for number, name in enumerate(rows):
        y = 24 + ROW * number
        own = [step for step in timed if step.operation == name]
        inside += line(0, y + ROW, 960, y + ROW, "rule")
        inside += text(0, y + 17, name, "strong14") + text(
            36, y + 17, _cut(names.get(own[-1].station, own[-1].name), 25), "axis13i"
        )
        for step in own:
            start, stop = x(step.start or step.end), x(step.end or step.start)  # type: ignore[arg-type]
            if before is not None:
                inside += path(f"M{before[0]:.1f} {before[1]:.1f}V{y + 13:.1f}H{start:.1f}", stroke="rule2", width=1)
            tall, fill = 10, "ink1" if step.result == "good" else "#hat" if step.result == "open" else "shape"
            inside += rect(start, y + 8, max(4.0, stop - start), tall, fill, rx=1, stroke="ink1" if step.result == "open" else "", title=_said(step))  # fmt: skip
            before = max(stop, start + 4), y + 13
        inside += _cells(y, own)
    label = f"{len(timed)} passes through {len(rows)} operations from {begin:%d %b %H:%M} to {end:%d %b %H:%M}"
    inside += text(730, 14, "by", "axis") + text(826, 14, "touch", "axis", "end") + text(846, 14, "result", "axis")
    return svg.element(960, height, inside, label=label, css="chart wide")


def _hours(begin: dt.datetime, end: dt.datetime, x: object, height: float) -> str:
    assert callable(x)
    whole_s = (end - begin).total_seconds()
    step = next((s for s in (600, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800) if whole_s / s <= 6), 2_592_000)
    inside, time = "", begin.replace(minute=0, second=0, microsecond=0)
    if step >= 86_400:
        time = time.replace(hour=0)
    while time <= end:
        if time >= begin:
            form = "%H:%M" if step < 43_200 else "%d %b"
            inside += line(x(time), 20, x(time), height, "rule") + text(x(time), 14, f"{time:{form}}", "axis", "middle")
        time += dt.timedelta(seconds=step)
    return inside


def _cells(y: float, own: Sequence[Step]) -> str:
    last = own[-1]
    touch = sum(step.touch_s or 0 for step in own)
    result = last.result if len(own) == 1 else f"{last.result}, {_nth(len(own))}"
    inside = text(730, y + 17, _cut(last.by, 9), "axis13i")
    inside += text(826, y + 17, words.duration(touch) if touch else "—", "strong14", "end")
    if last.result == "good":
        inside += path(f"M846 {y + 13}l3.4 3.4l7 -7.6", stroke="ink1", width=1.8)
    return inside + text(864 if last.result == "good" else 846, y + 17, result, "axis13i")


def _nth(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number if number < 4 else 0, 'th') }"


def _said(step: Step) -> str:
    when = f"{step.start:%H:%M:%S}" if step.start else "?"
    until = f"{step.end:%H:%M:%S}" if step.end else "open"
    return f"{step.operation} {step.name}: {when} to {until}, {step.result}"


def _cut(words_: str, length: int) -> str:
    return words_ if len(words_) <= length else words_[: length - 1] + "…"


def channels(found: Sequence[ChannelRow]) -> Markup:
    """Each channel of a run: from its least to its greatest value, the mean as a mark, against its limits."""
    height = 30.0 * len(found) + 6
    inside = ""
    for number, channel in enumerate(found):
        y = 4 + 30.0 * number
        low, high, mean = (float(Decimal(v)) for v in (channel.minimum, channel.maximum, channel.mean))
        limits = [float(Decimal(v)) for v in (channel.lower, channel.upper) if v is not None]
        bottom, top = min(low, 0, *limits), max(high, *limits, 0) * 1.08 or 1

        def x(value: float, bottom: float = bottom, top: float = top) -> float:
            return 250 + 330 * (value - bottom) / ((top - bottom) or 1)

        inside += text(0, y + 17, _cut(channel.name, 34), "axis13i") + rect(250, y + 8, 330, 10, "band", rx=1.5)
        inside += rect(x(low), y + 8, max(2, x(high) - x(low)), 10, "shape", rx=1)
        inside += line(x(mean), y + 5, x(mean), y + 21, "ink1", 2)
        for limit in limits:
            inside += line(x(limit), y + 3, x(limit), y + 23, "ink3", 1.5)
        inside += text(664, y + 17, words.spaced(channel.maximum), "strong14", "end") + text(
            670, y + 17, channel.uom, "axis"
        )
        limit_words = f"limit {channel.upper}" if channel.upper is not None else f"from {channel.lower}" if channel.lower is not None else ""  # fmt: skip
        inside += text(770, y + 17, limit_words, "axis", "end")
    label = "; ".join(f"{c.name} from {c.minimum} to {c.maximum} {c.uom}" for c in found)
    return svg.element(776, height, inside, label=label, css="chart wide")


PANEL, POINTS = 96.0, 360
"""Height of the drawing of one unit of measure, and into how many pieces its time is cut."""


def curve(found: Curve) -> Markup:
    """The curve of a run: channels of one unit of measure together, least and greatest value of each piece of time."""
    groups: dict[str, list[str]] = {}
    for name in found.channels:
        uom = name.rpartition("[")[2].rstrip("]") if "[" in name else ""
        groups.setdefault(uom, []).append(name)
    end = max(found.time_s[-1], 1e-9)
    inside = ""
    for number, (uom, names) in enumerate(list(groups.items())[:4]):
        top = 8 + number * (PANEL + 14)
        low = min(min(found.channels[name]) for name in names)
        high = max(max(found.channels[name]) for name in names)
        low, high = (0.0 if 0 <= low < high * 0.7 else low), high if high > low else low + 1
        for value in (low, high):
            y = top + PANEL * (high - value) / (high - low)
            inside += line(48, y, 640, y, "rule") + text(42, y + 4, f"{value:.4g}", "axis", "end")
        for at, name in enumerate(names[:4]):
            inside += path(_trace(found, name, end, low, high, top), stroke="ink1" if at == 0 else "shape", width=1.5)
            inside += text(648, top + 14 + 16 * at, _cut(name, 22), "axis2")
        inside += text(48, top - 1, uom, "axis")
    height = 8 + min(len(groups), 4) * (PANEL + 14) + 14
    for share in range(5):
        inside += text(48 + 592 * share / 4, height - 2, words.duration(end * share / 4), "axis", "middle")
    label = f"{len(found.channels)} channels over {words.duration(end)}"
    return svg.element(776, height, inside, label=label, css="chart wide")


def _trace(found: Curve, name: str, end: float, low: float, high: float, top: float) -> str:
    pieces: dict[int, tuple[float, float]] = {}
    for time, value in zip(found.time_s, found.channels[name], strict=True):
        at = min(POINTS - 1, int(time / end * POINTS))
        least, most = pieces.get(at, (value, value))
        pieces[at] = min(least, value), max(most, value)
    points = []
    for at, (least, most) in sorted(pieces.items()):
        x = 48 + 592 * (at + 0.5) / POINTS
        for value in (least, most) if most > least else (least,):
            points.append(f"{x:.1f} {top + PANEL * (high - value) / (high - low):.1f}")
    return "M" + "L".join(points)
