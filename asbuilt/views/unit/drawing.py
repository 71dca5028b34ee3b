"""The as-built drawing of a unit: its product's drawing, with the identity and fit of the parts that were built in."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from xml.etree import ElementTree

from markupsafe import Markup

from asbuilt.plant.drawing import name, parsed
from asbuilt.web import svg
from asbuilt.web.svg import line, path, rect

FLAGGED = "var(--p2)"


class Fit(NamedTuple):
    """Which measurement is a part's fit: its characteristic, the beginning of its position, a word for it."""

    characteristic: str
    at: str
    word: str


class Note(NamedTuple):
    """What stands at a part: its identity, one fit in words with its share of the way between the limits, flagged or not."""

    identity: str
    fit: str = ""
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    flag: int = 0


def fits(drawing: str) -> dict[str, Fit]:
    """The fits that a drawing shows, by the position of the part."""
    return {
        element.get("data-part", ""): Fit(
            element.get("data-fit", ""),
            element.get("data-fit-at", element.get("data-part", "")),
            element.get("data-fit-word", element.get("data-fit", "")),
        )
        for element in parsed(drawing).iter()
        if element.get("data-part") and element.get("data-fit")
    }


def drawn(drawing: str, notes: Mapping[str, Note]) -> Markup:
    """The drawing with a note at each part that has one; what is about other parts is left out."""
    root = parsed(drawing)
    width, height = (float(side) for side in root.get("viewBox", "").split()[2:])
    inside = "".join(_written(child, notes, "") for child in root)
    said = ", ".join(f"{position} {note.identity}" for position, note in notes.items())
    return svg.element(width, height, inside, label=f"As-built drawing: {said}", css="wide asbuilt-drawing")


def _written(element: ElementTree.Element, notes: Mapping[str, Note], part: str) -> str:
    part = element.get("data-part", part)
    if element.get("data-part") is not None and part not in notes:
        return ""
    words = escape((element.text or "").strip())
    says = element.get("data-say")
    if says is not None and part in notes:
        note = notes[part]
        if says in ("scale", "flag"):
            return _mark(says, float(element.get("x", "0")), float(element.get("y", "0")), note)
        words = escape({"position": part, "identity": note.identity, "fit": note.fit}[says])
        if not words:
            return ""
    kept = {key: value for key, value in element.attrib.items() if not key.startswith("data-")}
    flagged = notes.get(element.get("data-flag", ""))
    if flagged is not None and flagged.flag:
        kept["fill"] = FLAGGED
    inside = words + "".join(_written(child, notes, part) + escape((child.tail or "").strip()) for child in element)
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in kept.items())
    return f"<{name(element)}{attributes}>{inside}</{name(element)}>" if inside else f"<{name(element)}{attributes}/>"


def _mark(says: str, x: float, y: float, note: Note) -> str:
    if says == "flag":
        return _glyph(x, y, note.flag) if note.flag else ""
    known = None not in (note.value, note.lower, note.upper)
    return _scale(x, y, note) if known else ""


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
