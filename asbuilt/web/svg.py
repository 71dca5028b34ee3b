"""The few marks that pages are drawn with: priority glyphs, state icons, bars, indicators.

Colours are design tokens (`var(--…)` in `asbuilt.css`), so one drawing serves both themes.
Every drawing that says something has a sentence for those who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from markupsafe import Markup


def element(width: float, height: float, inside: str, *, label: str = "", css: str = "") -> Markup:
    """An SVG element; with a label it is an image with that sentence, without it is decoration."""
    says = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(
        f'<svg class="{css}" width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" {says}>{inside}</svg>'
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    *,
    rx: float = 0,
    stroke: str = "",
    css: str = "",
    title: str = "",
) -> str:
    """A rectangle; `fill` and `stroke` are token names, or `#id` for a pattern."""
    paint = f' stroke="var(--{stroke})"' if stroke else ""
    inner = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" height="{_n(height)}" fill="{_paint(fill)}"'
        f"{paint}{f' rx={chr(34)}{_n(rx)}{chr(34)}' if rx else ''}{f' class={chr(34)}{css}{chr(34)}' if css else ''}>{inner}</rect>"
    )


def _paint(fill: str) -> str:
    if fill in ("", "none"):
        return "none"
    return f"url({fill})" if fill.startswith("#") else f"var(--{fill})"


def line(
    x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1, dash: str = "", css: str = ""
) -> str:
    """A straight line in a token's colour."""
    return (
        f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="var(--{stroke})" stroke-width="{_n(width)}"'
        f"{f' stroke-dasharray={chr(34)}{dash}{chr(34)}' if dash else ''}{f' class={chr(34)}{css}{chr(34)}' if css else ''}/>"
    )


def path(d: str, *, stroke: str = "", fill: str = "none", width: float = 1, dash: str = "", css: str = "") -> str:
    """A path in tokens' colours."""
    return (
        f'<path d="{d}" fill="{_paint(fill)}"{f" stroke={chr(34)}var(--{stroke}){chr(34)}" if stroke else ""}'
        f' stroke-width="{_n(width)}"{f" stroke-dasharray={chr(34)}{dash}{chr(34)}" if dash else ""}'
        f'{f" class={chr(34)}{css}{chr(34)}" if css else ""} stroke-linejoin="round"/>'
    )


def text(x: float, y: float, words: str, css: str = "k", anchor: str = "start") -> str:
    """A piece of text; `css` names one of the chart type classes."""
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


# --------------------------------------------------------------------------- glyphs and icons


def glyph(priority: int, size: float = 17, *, seen: bool = False, quiet: bool = False) -> Markup:
    """An alarm priority: its own shape, colour and digit; filled until acknowledged, then hollow.

    `quiet` draws it in grey, for a count of none.
    """
    shape = _shape(priority, size)
    digit = f'<text x="{_n(size / 2)}" y="{_n(_baseline(priority, size))}" font-size="{_n(size * 0.6)}" font-weight="700" text-anchor="middle"'
    if quiet:
        inside = f'{shape} fill="none" stroke="var(--rule2)" stroke-width="1.7"/>{digit} fill="var(--ink3)">{priority}</text>'
    elif seen:
        inside = (
            f'{shape} fill="none" stroke="var(--glyphline)" stroke-width="2.7"/>'
            f'{shape} fill="none" stroke="var(--p{priority})" stroke-width="1.7"/>'
            f'{digit} fill="var(--ink1)">{priority}</text>'
        )
    else:
        inside = (
            f'{shape} fill="var(--p{priority})" stroke="var(--glyphline)" stroke-width="1.2"/>'
            f'{digit} fill="var(--on{priority})">{priority}</text>'
        )
    said = f"priority {priority}" + (", acknowledged" if seen else "")
    return element(size, size, inside, label=said, css="gl" if seen or quiet else "gl unack")


def _shape(priority: int, s: float) -> str:
    low, high = 0.035 * s, 0.965 * s
    if priority == 1:
        return f'<rect x="{_n(0.07 * s)}" y="{_n(0.07 * s)}" width="{_n(0.86 * s)}" height="{_n(0.86 * s)}" rx="1.5"'
    if priority == 2:
        return f'<path stroke-linejoin="round" d="M{_n(s / 2)} {_n(0.05 * s)}L{_n(high)} {_n(0.93 * s)}H{_n(low)}Z"'
    if priority == 3:
        return f'<path stroke-linejoin="round" d="M{_n(s / 2)} {_n(low)}L{_n(high)} {_n(s / 2)}L{_n(s / 2)} {_n(high)}L{_n(low)} {_n(s / 2)}Z"'
    return f'<circle cx="{_n(s / 2)}" cy="{_n(s / 2)}" r="{_n(0.43 * s)}"'


def _baseline(priority: int, s: float) -> float:
    return s * (0.825 if priority == 2 else 0.72)


_ICONS = {
    "Execute": '<path d="M4 2.5L13.5 8L4 13.5Z" fill="var(--ink1)"/>',
    "Held": '<rect x="3" y="2.5" width="3.8" height="11" fill="var(--ink1)"/><rect x="9.2" y="2.5" width="3.8" height="11" fill="var(--ink1)"/>',
    "Starved": '<path d="M2.5 2.5V13.5" stroke="var(--ink1)" stroke-width="2"/>'
    '<path d="M6.5 3.2L13.8 8L6.5 12.8Z" fill="none" stroke="var(--ink1)" stroke-width="1.6" stroke-linejoin="round"/>',
    "Blocked": '<path d="M13.5 2.5V13.5" stroke="var(--ink1)" stroke-width="2"/>'
    '<path d="M2.2 3.2L9.5 8L2.2 12.8Z" fill="none" stroke="var(--ink1)" stroke-width="1.6" stroke-linejoin="round"/>',
    "Aborted": '<path d="M3.5 3.5L12.5 12.5M12.5 3.5L3.5 12.5" stroke="var(--ink1)" stroke-width="2.4"/>',
    "Stopped": '<rect x="3" y="3" width="10" height="10" fill="var(--ink1)"/>',
    "Idle": '<circle cx="8" cy="8" r="5.4" fill="none" stroke="var(--ink1)" stroke-width="1.6"/>',
    "Complete": '<path d="M3 8.6L6.6 12L13 4.2" fill="none" stroke="var(--ink1)" stroke-width="2"/>',
    "No data": '<circle cx="8" cy="8" r="6" fill="none" stroke="var(--ink1)" stroke-width="1.6" stroke-dasharray="2.6 2.2"/>'
    '<path d="M8 4.8V8L10.4 9.8" stroke="var(--ink1)" stroke-width="1.5" fill="none"/>',
}
_LIKE = {"Holding": "Held", "Unholding": "Held", "Suspending": "Starved", "Unsuspending": "Starved",
         "Aborting": "Aborted", "Stopping": "Stopped", "Clearing": "Stopped", "Completing": "Complete",
         "Starting": "Execute", "Resetting": "Idle"}  # fmt: skip


def state_icon(state: str, size: float = 17) -> Markup:
    """The icon of a PackML state; the word always stands beside it."""
    inside = _ICONS.get(_LIKE.get(state, state), _ICONS["Idle"])
    return Markup(
        f'<svg class="gl" width="{_n(size)}" height="{_n(size)}" viewBox="0 0 16 16" aria-hidden="true">{inside}</svg>'
    )


# --------------------------------------------------------------------------- tiles

TILE_WIDTH = 172
_TARGET = 0.8
"""Where on a cycle bar the target stands: the bar ends at 1.25 times the target."""


def cycle_bar(
    elapsed_s: float | None, target_s: float | None, tone: str = "ink2", since: float | None = None
) -> Markup:
    """How long the present cycle has taken against its target; the page lets it grow by itself."""
    inside = rect(0, 2, TILE_WIDTH, 6, "band", rx=3)
    if elapsed_s is not None and target_s:
        share = min(1.0, max(0.0, elapsed_s / target_s * _TARGET))
        inside += rect(0, 2, TILE_WIDTH * share, 6, tone, rx=3, css="grow")
    if target_s:
        inside += line(TILE_WIDTH * _TARGET, -1, TILE_WIDTH * _TARGET, 11, "ink1", 1.6)
    grows = f' data-grow="{since:.3f}" data-target="{target_s:.1f}"' if since is not None and target_s else ""
    drawn = element(TILE_WIDTH, 10, inside, css="wide")
    return Markup(str(drawn).replace("<svg ", f"<svg{grows} ", 1)) if grows else drawn


def cycle_columns(cycles_s: Sequence[float], takt_s: float | None, tone: str = "", *, count: int = 12) -> Markup:
    """The last cycles as columns against takt (dashed); those clearly above it stand out."""
    height, top = 46.0, 21.4
    scale = (height - 1 - top) / takt_s if takt_s else (height - 8) / max(cycles_s, default=1)
    step = TILE_WIDTH / count
    inside = ""
    for index in range(count):
        x = index * step + 1
        at = index - (count - len(cycles_s))
        if at < 0:
            inside += rect(x, height - 3, 11.3, 2, "rule2")
            continue
        tall = min(height - 4, max(2.0, cycles_s[at] * scale))
        over = takt_s is not None and cycles_s[at] > takt_s * 1.1
        last = at == len(cycles_s) - 1
        fill = "#hat" if tone == "#hat" else (tone if over and last and tone else ("ink2" if over else "shape"))
        inside += rect(x, height - 1 - tall, 11.3, tall, fill, rx=1)
    if takt_s:
        inside += line(0, top, TILE_WIDTH, top, "ink2", 1, "3 3")
    over_count = sum(1 for cycle in cycles_s if takt_s and cycle > takt_s * 1.1)
    label = f"last {len(cycles_s)} cycles against takt, {over_count} above"
    return element(TILE_WIDTH, height, inside, label=label, css="wide")


def indicator(
    value: float, lower: float | None, upper: float | None, *, label: str, tone: str = "", dim: bool = False
) -> Markup:
    """A value in its range: limits as ticks, the middle of the range as a darker band, a pointer."""
    width, left = 172.0, 6.0
    low, high = _scale(value, lower, upper)
    if high <= low:
        # Limits of nothing: "no leaks" is an upper limit of 0.
        high = low + 1

    def x(v: float) -> float:
        return left + width * min(1.0, max(0.0, (v - low) / (high - low)))

    inside = rect(left, 5.5, width, 11, "band", rx=1.5)
    begin = lower if lower is not None else low
    end = upper if upper is not None else high
    reach = (end - begin) * 0.2
    inside += rect(x(begin + (reach if lower is not None else 0)), 5.5, x(end - (reach if upper is not None else 0)) - x(begin + (reach if lower is not None else 0)), 11, "band2")  # fmt: skip
    for limit in (lower, upper):
        if limit is not None and low < limit < high:
            inside += line(x(limit), 3, x(limit), 19, "ink3", 1.5)
    if tone:
        if upper is not None and value > upper - (upper - begin) * 0.1:
            start = upper if value > upper else upper - (upper - begin) * 0.2
            inside += rect(x(start), 5.5, left + width - x(start) if value > upper else x(upper) - x(start), 11, tone)
        elif lower is not None:
            stop = lower if value < lower else lower + (end - lower) * 0.2
            inside += rect(
                left if value < lower else x(lower), 5.5, x(stop) - (left if value < lower else x(lower)), 11, tone
            )
    ink = "ink3" if dim else "ink1"
    at = x(value)
    inside += path(f"M{_n(at)} 6.5l-4.6 -6.2h9.2Z", fill=ink) + line(at, 4.5, at, 17.5, ink, 1.8)
    return element(184, 22, inside, label=label, css="indicator")


def _scale(value: float, lower: float | None, upper: float | None) -> tuple[float, float]:
    if lower is not None and upper is not None:
        room = (upper - lower) * 0.3
        return lower - room, upper + room
    if upper is not None:
        return (0.0 if upper > 0 else upper * 2), upper + abs(upper) * 0.3
    if lower is not None:
        return lower - abs(lower) * 0.3, max(value, lower) + abs(lower) * 0.6 + 1e-9
    return value - max(1.0, abs(value)), value + max(1.0, abs(value))


def buffer_stack(count: int, capacity: int) -> Markup:
    """What waits in a buffer, one cell a place (up to twelve cells)."""
    cells = min(capacity, 12)
    filled = min(cells, round(count * cells / capacity)) if capacity else 0
    filled = max(filled, 1) if count else filled
    step = 120 / cells
    inside = ""
    for index in range(cells):
        y = 120 - (index + 1) * step + 1.5
        full = index < filled
        inside += rect(8, y, 14, step - 3, "shape" if full else "none", rx=1.5, stroke="" if full else "rule2")
    return element(30, 120, inside)


BRAND = Markup(
    '<svg width="30" height="20" viewBox="0 0 30 20" aria-hidden="true"><g fill="none" stroke="var(--ink1)" stroke-width="1.7">'
    '<circle cx="15" cy="10" r="4.6"/><path d="M10.4 7H4.2M10.4 13H4.2M19.6 7h6.2M19.6 13h6.2"/>'
    '<path d="M2.2 5.4v9.2M27.8 5.4v9.2" stroke-width="2.4"/></g><circle cx="15" cy="10" r="1.5" fill="var(--ink1)"/></svg>'
)

PATTERNS = Markup(
    '<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="hat" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="3" height="7" fill="var(--hatch2)"/></pattern>'
    '<pattern id="pin" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="1.5" y="1.7" fill="var(--shape)"/></pattern>'
    '<pattern id="pout" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="1.5" height="5" x="1.7" fill="var(--shape)"/></pattern>'
    "</defs></svg>"
)
"""Fill patterns every page carries: hatched is no data, lying lines starved, standing lines blocked."""
