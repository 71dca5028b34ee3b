"""The drawings of the shift pages: bars that stretch with their column, the trend of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from asbuilt.views.shift.queries import HourRow, Kpi, Loss
from asbuilt.web import svg, words

UNITS = 1000.0


def _bar(inside: str, label: str = "") -> Markup:
    says = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(f'<svg class="stretch" viewBox="0 0 {UNITS:.0f} 14" preserveAspectRatio="none" {says}>{inside}</svg>')


def share_bar(share: float, fill: str = "shape") -> Markup:
    """A bar as long as a share of its column."""
    return _bar(svg.rect(0, 2, UNITS * min(1.0, max(0.0, share)), 10, fill))


def hour_bar(hour: HourRow, most: int) -> Markup:
    """Made pieces of an hour, with the plan as a mark."""
    inside = svg.rect(0, 2, UNITS, 10, "band")
    if hour.made is not None:
        inside += svg.rect(0, 2, UNITS * min(1.0, hour.made / most), 10, "shape")
    if hour.planned is not None:
        x = UNITS * min(0.995, hour.planned / most)
        inside += svg.rect(x - 3, 0, 6, 14, "ink1")
    return _bar(inside)


class Step(NamedTuple):
    """A row of the waterfall: the loss and its bar."""

    loss: Loss
    share: float
    bar: Markup


def waterfall(losses: Sequence[Loss]) -> list[Step]:
    """Planned operation time at the top, good pieces at the bottom; what was lost between hangs where it was lost."""
    whole = max((loss.seconds for loss in losses), default=0.0) or 1.0
    steps = []
    level = 0.0
    for loss in losses:
        if loss.level:
            level = loss.seconds
            inside = svg.rect(0, 1, UNITS * level / whole, 12, "shape" if loss.id != "good" else "ink1")
        else:
            left = max(0.0, level - loss.seconds)
            fill = "#hat" if loss.id == "not_observed" else "ink2"
            inside = svg.rect(UNITS * min(left, level) / whole, 3, UNITS * abs(loss.seconds) / whole, 8, fill)
            level = left
        if loss.level or abs(loss.seconds) >= 0.5:
            steps.append(Step(loss, loss.seconds / whole, _bar(inside)))
    return steps


TREND_WIDTH, TREND_HEIGHT = 1060.0, 190.0
_LEFT, _RIGHT, _TOP, _ZERO = 40.0, 1050.0, 14.0, 160.0


def trend(rows: Sequence[Kpi], figure: str, name: str) -> Markup | None:
    """A figure over the parts of a window; parts without it leave a hatched gap. None below two known ones."""
    known: list[tuple[int, float | None]] = [(number, getattr(row, figure)) for number, row in enumerate(rows)]
    values = [value for _, value in known if value is not None]
    if len(values) < 2:
        return None
    top = max(1.0, *values)
    step = (_RIGHT - _LEFT) / len(rows)

    def x(number: int) -> float:
        return _LEFT + step * (number + 0.5)

    def y(value: float) -> float:
        return _ZERO - (_ZERO - _TOP) * value / top

    inside = ""
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        inside += svg.line(_LEFT, y(tick), _RIGHT, y(tick), "rule") + svg.text(
            _LEFT - 8, y(tick) + 4, f"{tick * 100:.0f}", "axis", "end"
        )
    path, pen = "", "M"
    for number, value in known:
        if value is None:
            inside += svg.rect(x(number) - step / 2, _TOP, step, _ZERO - _TOP, "#hat")
            pen = "M"
            continue
        path += f"{pen}{x(number):.1f} {y(value):.1f}"
        pen = "L"
    inside += svg.path(path, stroke="ink1", width=2.4)
    every = -(-len(rows) // 14)
    for number, value in known:
        if value is not None:
            title = f"{rows[number].name}: {words.percent(value)} %"
            inside += f'<circle cx="{x(number):.1f}" cy="{y(value):.1f}" r="4" fill="var(--ink1)"><title>{escape(title)}</title></circle>'
        if number % every == 0:
            inside += svg.text(x(number), _ZERO + 18, _short(rows[number]), "axis", "middle")
    label = f"{name}, {len(values)} of {len(rows)} known: from {words.percent(min(values))} to {words.percent(max(values))} %"
    return svg.element(TREND_WIDTH, TREND_HEIGHT, inside, label=label, css="chart")


def _short(row: Kpi) -> str:
    """`18 Nov A`, or the hour."""
    if row.part == "hour":
        return f"{row.start:%H:%M}"
    return f"{row.start.day} {row.start:%b} {row.name[11:]}".strip()
