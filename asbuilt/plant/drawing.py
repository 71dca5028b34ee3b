"""A product's drawing: an SVG file that the plant file names, in which the page of a unit writes what was built.

    [[product]]
    id = "BX172"
    drawing = "boxer.svg"       # beside the plant file

The file's text takes the place of its name when the plant file is read, so that the drawing is recorded with it and the one in
force at a moment is shown of that moment. Only shapes and words are allowed: no scripts, links, styles or files.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from asbuilt.errors import PlantError

MAX_CHARS: Final = 200_000
SHAPES: Final = frozenset(
    ("svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc")
)
ATTRIBUTES: Final = frozenset(
    (
        "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "d", "points", "width", "height", "viewBox", "transform",
        "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap",
        "opacity", "class", "text-anchor", "font-size", "font-weight", "font-family", "dx", "dy",
        "data-part", "data-say", "data-flag", "data-fit", "data-fit-at", "data-fit-word",
    )
)  # fmt: skip
SAYINGS: Final = frozenset(("position", "identity", "fit", "scale", "flag"))
_SPACE = "{http://www.w3.org/2000/svg}"
_NAMED = re.compile(r"""^([ \t]*drawing[ \t]*=[ \t]*)(["'])([^"'\n<]+)\2([ \t]*(?:#.*)?)$""", re.M)


@lru_cache(maxsize=16)
def parsed(text: str) -> ElementTree.Element:
    """The root of a drawing, not to be changed. Raises `ValueError` in words for what is no drawing or holds what is not allowed."""
    if len(text) > MAX_CHARS:
        raise ValueError(f"it is longer than {MAX_CHARS:,} characters")
    if "<!DOCTYPE" in text or "<!ENTITY" in text or "'''" in text:
        raise ValueError("it declares a document type, or has three quotation marks in a row")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is not XML: {error}") from None
    if root.tag != f"{_SPACE}svg" or not re.fullmatch(r"0 0 [0-9.]+ [0-9.]+", root.get("viewBox", "")):
        raise ValueError('it is no SVG with a viewBox such as "0 0 760 424"')
    for element in root.iter():
        name = str(element.tag).removeprefix(_SPACE)
        if name not in SHAPES:
            raise ValueError(f"<{name}> is not allowed")
        for key, value in element.attrib.items():
            if key not in ATTRIBUTES:
                raise ValueError(f"<{name} {key}=…> is not allowed")
            if "url(" in value or ":" in value:
                raise ValueError(f"<{name} {key}=…> leads elsewhere")
        if element.get("data-say", "fit") not in SAYINGS:
            raise ValueError(f"data-say is one of {', '.join(sorted(SAYINGS))}")
    return root


def name(element: ElementTree.Element) -> str:
    """The name of an element of a drawing, such as `path`."""
    return str(element.tag).removeprefix(_SPACE)


def with_drawings(text: str, file: Path) -> str:
    """The text of a plant file, with drawings in place of their files' names. Raises `PlantError`."""

    def drawn(found: re.Match[str]) -> str:
        path = file.parent / found[3]
        where = f"{file}:{text[: found.start()].count(chr(10)) + 1}"
        try:
            svg = path.read_text("utf-8")
            parsed(svg)
        except (OSError, ValueError) as error:
            why = (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
            raise PlantError(
                f"drawing {found[3]}: {why}",
                where=where,
                remedy="Name an SVG file beside the plant file; docs/operate.md says what it may hold.",
            ) from None
        return f"{found[1]}'''\n{svg}'''{found[4]}"

    return _NAMED.sub(drawn, text)
