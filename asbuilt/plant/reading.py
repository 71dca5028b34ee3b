"""Read the text of a plant file; every error names file, line and remedy."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from asbuilt.errors import PlantError
from asbuilt.plant.drawing import with_drawings
from asbuilt.plant.model import Plant
from asbuilt.plant.places import line_of
from asbuilt.plant.references import problems_of
from asbuilt.plant.tables import (
    AlarmRule,
    Area,
    Break,
    Characteristic,
    DayChange,
    File,
    Head,
    Line,
    Operation,
    Part,
    Product,
    Reason,
    Round,
    Shift,
    ShiftPattern,
    Site,
    Station,
    TimeModel,
    Zone,
)


def load(path: Path) -> Plant:
    """Read a plant file. Raises `PlantError` naming file, line and remedy."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise PlantError(
            "there is no such file", where=str(path), remedy="Name a plant file; examples/ has some."
        ) from None
    except OSError as error:
        raise PlantError(
            f"it cannot be read: {error.strerror}", where=str(path), remedy="Check the path and its rights."
        ) from None
    if len(data) > 900_000:
        raise PlantError("it is longer than 900,000 bytes", where=str(path), remedy="Move what is generated out of it.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PlantError("it is not UTF-8", where=f"{path}:{line}", remedy="Save the file as UTF-8.") from None
    plant = parse(text, str(path))
    drawn = with_drawings(text, path) if any(product.drawing for product in plant.products.values()) else text
    return plant if drawn == text else parse(drawn, str(path))


def parse(text: str, where: str = "plant.toml") -> Plant:
    """Read the text of a plant file. Raises `PlantError` naming file, line and remedy."""
    try:
        tree = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        found = re.search(r"line (\d+)", place)
        line = found[1] if found else text.count("\n") + 1
        raise PlantError(
            f"TOML: {message}", where=f"{where}:{line}", remedy="Mend this line; see toml.io for the format."
        ) from None
    _numbers_as_written(tree)
    try:
        file = msgspec.convert(tree, File, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(error, text, where) from None
    problems = sorted(problems_of(file), key=lambda problem: line_of(text, problem[0]))
    if problems:
        first, *more = [
            PlantError(what, where=f"{where}:{line_of(text, path)}", remedy=remedy) for path, what, remedy in problems
        ]
        if not more:
            raise first
        raise PlantError("\n".join(str(problem) for problem in (first, *more)))
    return Plant(file, text, where)


def _numbers_as_written(value: Any) -> None:
    """Whole numbers under keys that hold a `Number` become strings, as decimals already are."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("nominal", "lower", "upper", "quantity", "above", "below", "deadband") and type(item) is int:
                value[key] = str(item)
            else:
                _numbers_as_written(item)
    elif isinstance(value, list):
        for item in value:
            _numbers_as_written(item)


def _explained(error: msgspec.ValidationError, text: str, where: str) -> PlantError:
    message, _, place = str(error).partition(" - at `$")
    path = tuple(
        int(index) if index else name
        for name, index in re.findall(r"\.?([A-Za-z_][\w-]*)|\[(\d+)\]", place.rstrip("`"))
    )
    unknown = re.search(r"unknown field `(.+)`", message)
    if unknown:
        path = (*path, unknown[1])
        close = difflib.get_close_matches(unknown[1], _KNOWN_KEYS, 1)
        message = f"unknown key `{unknown[1]}`"
        remedy = f"Did you mean `{close[0]}`?" if close else "Remove it, or look in docs/operate.md for the keys."
    elif "missing required field" in message:
        message = message.replace("Object missing required field", "missing key")
        remedy = "Add the key to this table."
    else:
        remedy = "Change the value; docs/operate.md lists what each key may hold."
    return PlantError(message, where=f"{where}:{line_of(text, path)}", remedy=remedy)


_TABLES: tuple[type[Struct], ...] = (
    File, Head, Site, Area, Line, Station, Product, Operation, Part, Characteristic, ShiftPattern, Shift, Break, Reason,
    Zone, Round, DayChange, TimeModel, AlarmRule,
)  # fmt: skip
_KNOWN_KEYS = sorted({key for table in _TABLES for key in table.__struct_encode_fields__ if not key.startswith("_")})
