"""The as-built drawing of a boxer twin, seen from above: parts with their identity and fit.

Drawn for whatever has a crankshaft and two cylinders; positions are those of its parts list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from markupsafe import Markup

from asbuilt.web import svg
from asbuilt.web.svg import line, path, rect, text

WIDTH, HEIGHT = 760.0, 424.0
NEEDED = ("Crankshaft", "Cylinder 1", "Cylinder 2")


class Note(NamedTuple):
    """What stands at a part: its identity, one fit in words with its share of the way between the limits, flagged or not."""

    identity: str
    fit: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    flag: int = 0


class _Callout(NamedTuple):
    position: str
    x: float
    y: float
    anchor: str
    at: tuple[float, float]
    knee: float


_CALLOUTS = (
    _Callout("Cylinder 1", 142, 44, "end", (250, 160), 170),
    _Callout("Piston 1", 142, 304, "end", (242, 206), 180),
    _Callout("Crankshaft", 292, 24, "end", (366, 140), 312),
    _Callout("Main bearings", 478, 32, "start", (394, 116), 446),
    _Callout("Piston 2", 620, 96, "start", (522, 232), 590),
    _Callout("Cylinder 2", 620, 304, "start", (510, 286), 590),
    _Callout("Throttle body 1", 292, 388, "end", (368, 384), 312),
    _Callout("Injector 1", 478, 388, "start", (416, 372), 446),
)


def is_boxer(positions: Mapping[str, object]) -> bool:
    """Whether these positions are those of a boxer twin."""
    return all(position in positions for position in NEEDED)


def drawing(notes: Mapping[str, Note]) -> Markup:
    """The engine with a note at each part that has one."""
    inside = _frame() + _cylinder(-1, 188) + _cylinder(1, 252) + _case(bool(notes.get("Main bearings", Note("")).flag))
    for callout in _CALLOUTS:
        note = notes.get(callout.position)
        if note is not None:
            inside += _callout(callout, note)
    inside += text(10, 414, "top view, not to scale", "k") + text(750, 414, "front ↑", "k", "end")
    said = ", ".join(f"{position} {note.identity}" for position, note in notes.items())
    return svg.element(WIDTH, HEIGHT, inside, label=f"As-built drawing: {said}", css="wide asbuilt-drawing")


def _frame() -> str:
    inside = ""
    for step in range(9):
        inside += line(step * 95, 0, step * 95, 6, "rule2") + line(step * 95, 418, step * 95, 424, "rule2")
    for step in range(5):
        inside += line(0, step * 106, 6, step * 106, "rule2") + line(754, step * 106, 760, step * 106, "rule2")
    dash = "14 3 3 3"
    inside += line(380, 40, 380, 400, "ink3", 0.9, dash) + line(86, 188, 390, 188, "ink3", 0.9, dash)
    return inside + line(370, 252, 674, 252, "ink3", 0.9, dash)


def _cylinder(side: int, y: float) -> str:
    """A cylinder with fins, head and plug to one side of the case; -1 is left."""

    def box(near: float, far: float, half: float, fill: str = "raise", rx: float = 1, stroke: float = 1.2) -> str:
        left = 380 + (near if side > 0 else -far)
        return _part(left, y - half, far - near, 2 * half, fill, rx, stroke)

    inside = box(76, 86, 48) + box(86, 176, 35)
    for fin in range(9):
        inside += box(91 + 9.6 * fin, 95.6 + 9.6 * fin, 50 if fin % 2 == 0 else 52, stroke=1.1)
    inside += box(178, 214, 44, "tile", 4)
    for fin in range(4):
        inside += box(181 + 9 * fin, 186 + 9 * fin, 59 - 3.5 * fin, stroke=1.1)
    inside += box(214, 222, 11) + box(222, 236, 8, "tile", 2) + box(236, 262, 4.5, rx=2) + box(262, 272, 3, "tile")

    def x(reach: float) -> float:
        return 380 + side * reach

    hidden = f"M{x(112)} {y - 33}H{x(158)}V{y + 33}H{x(112)}ZM{x(149)} {y - 33}V{y + 33}M{x(154)} {y - 33}V{y + 33}"
    hidden += f"M{x(123)} {y - 5}L{x(14)} {y - 9}M{x(123)} {y + 5}L{x(14)} {y + 9}"
    inside += path(hidden, stroke="ink3", width=0.9, dash="4 3")
    return inside + _circle(x(130), y, 7, "none", "ink3", 1)


def _case(flagged: bool) -> str:
    outline = "M322 112L338 96H422L438 112V336L422 352H338L322 336Z"
    inside = path(outline, stroke="ink1", width=1.6, fill="raise")
    inside += path("M330 118L343 104H417L430 118V330L417 344H343L330 330Z", stroke="ink1", width=0.8)
    inside += line(380, 104, 380, 344, "ink1", 0.8)
    for y in (124, 172, 220, 276, 324):
        for x in (366, 394):
            inside += _circle(x, y, 3.6, "tile", "ink1", 0.9) + _circle(x, y, 1.4, "ink1", "", 0)
    for x, y in ((337, 150), (337, 226), (423, 214), (423, 290)):
        inside += _circle(x, y, 3.4, "tile", "ink1", 0.9)
    hidden = "M371 60h18v90h-18ZM351 150h58v14h-58ZM369 164h22v48h-22ZM351 212h58v16h-58ZM369 228h22v48h-22ZM351 276h58v14h-58ZM371 290h18v62h-18Z"
    inside += path(hidden, stroke="ink3", width=0.9, dash="4 3")
    inside += _part(352, 84, 56, 12, "tile", 2, 1.3) + _part(366, 62, 28, 22, "raise", 2, 1.3) + _part(344, 52, 72, 10, "tile", 2, 1.3)  # fmt: skip
    for x in (363, 389):
        for y in (108, 318):
            inside += _part(x, y, 8, 16, "p2" if flagged else "band2", 1.5, 0.9)
    inside += _part(350, 352, 60, 10, "tile", 1, 1.2) + _part(356, 362, 48, 30, "raise", 3, 1.3)
    return inside + line(362, 386, 398, 368, "ink1", 1.2) + _part(404, 368, 22, 9, "tile", 2, 1.1)


def _part(x: float, y: float, width: float, height: float, fill: str, rx: float, stroke: float) -> str:
    return path(
        f"M{x + rx:g} {y:g}h{width - 2 * rx:g}q{rx:g} 0 {rx:g} {rx:g}v{height - 2 * rx:g}q0 {rx:g} -{rx:g} {rx:g}"
        f"h-{width - 2 * rx:g}q-{rx:g} 0 -{rx:g} -{rx:g}v-{height - 2 * rx:g}q0 -{rx:g} {rx:g} -{rx:g}Z",
        stroke="ink1", fill=fill, width=stroke,
    )  # fmt: skip


def _circle(x: float, y: float, r: float, fill: str, stroke: str, width: float) -> str:
    d = f"M{x - r:g} {y:g}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 -{2 * r:g} 0Z"
    return path(d, stroke=stroke, fill=fill, width=width)


def _callout(callout: _Callout, note: Note) -> str:
    x, y, anchor = callout.x, callout.y, callout.anchor
    towards = 8 if anchor == "end" else -8
    inside = path(f"M{callout.at[0]} {callout.at[1]}L{callout.knee} {y + 5}L{x + towards} {y + 5}", stroke="ink2", width=0.9)  # fmt: skip
    inside += _circle(*callout.at, 2.6, "ink1", "", 0)
    inside += text(x, y, callout.position, "cn", anchor) + text(x, y + 17, note.identity, "ci", anchor)
    if note.fit:
        inside += text(x, y + 34, note.fit, "ci", anchor)
    if note.value is not None and note.lower is not None and note.upper is not None:
        inside += _scale(x - 92 if anchor == "end" else x, y + 42.5, note)
    if note.flag:
        inside += _glyph(x + 6 if anchor == "end" else x - 24, y - 14, note.flag)
    return inside


def _scale(x: float, y: float, note: Note) -> str:
    assert note.value is not None and note.lower is not None and note.upper is not None
    room = (note.upper - note.lower) * 0.25
    low, high = note.lower - room, note.upper + room

    def at(value: float) -> float:
        return x + 92 * min(1.0, max(0.0, (value - low) / (high - low)))

    inside = rect(x, y, 92, 9, "band", rx=1.5) + rect(at(note.lower + room), y, at(note.upper - room) - at(note.lower + room), 9, "band2")  # fmt: skip
    inside += line(at(note.lower), y - 2.5, at(note.lower), y + 11.5, "ink3", 1.5)
    inside += line(at(note.upper), y - 2.5, at(note.upper), y + 11.5, "ink3", 1.5)
    here = at(note.value)
    return inside + path(f"M{here:.1f} {y + 1}l-4.6 -6.2h9.2Z", fill="ink1") + line(here, y - 1, here, y + 10, "ink1", 1.8)  # fmt: skip


def _glyph(x: float, y: float, priority: int) -> str:
    inner = str(svg.glyph(priority, 17, seen=True))
    return f'<g transform="translate({x:g} {y:g})">{inner}</g>'
