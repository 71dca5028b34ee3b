"""The plant file: `plant.toml` → `Plant`.

One TOML file describes the plant: sites, areas, lines and stations (ISA-95), products with
routing, parts list and characteristics, shift patterns, stop reasons, and adapters with their
mappings. Unknown keys, dangling references and bad values are refused with file, line and
remedy. `Plant` is plain data; nothing here touches the record.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct, field

from asbuilt.errors import PlantError

Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._ -]{0,79}\Z")]
"""Letters, digits, `.`, `_`, `-` and spaces; it becomes part of paths and addresses."""
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
Number = Annotated[str, Meta(pattern=r"\A-?[0-9]{1,18}(\.[0-9]{1,12})?\Z")]
"""A decimal number kept as it was written."""
TimeOfDay = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the plant file; keys that are not declared are refused."""


# --------------------------------------------------------------------------- products


class Characteristic(_Table, frozen=True, kw_only=True):
    """Something that is measured, with its limits; `digits` is how many decimals are shown."""

    id: Id
    name: Title
    uom: Title
    nominal: Number | None = None
    lower: Number | None = None
    upper: Number | None = None
    digits: Annotated[int, Meta(ge=0, le=9)] | None = None


class Operation(_Table, frozen=True, kw_only=True):
    """A step of a product's routing; `station` is an id on the product's line or a full path."""

    id: Id
    name: Title
    station: str
    cycle_s: Seconds | None = None
    characteristics: tuple[Id, ...] = ()


class Part(_Table, frozen=True, kw_only=True):
    """A line of the parts list: how many go in, at which operation, and how they are tracked."""

    product: Id
    name: Title
    quantity: Number = "1"
    uom: Title = "pcs"
    tracking: Literal["serial", "lot", "bulk"] = "lot"
    operation: Id | None = None
    positions: tuple[Title, ...] = ()


class Product(_Table, frozen=True, kw_only=True):
    """What is built, with routing, parts list and characteristics."""

    id: Id
    name: Title
    revision: Title | None = None
    gtin: Annotated[str, Meta(pattern=r"\A[0-9]{8,14}\Z")] | None = None
    operation: tuple[Operation, ...] = ()
    part: tuple[Part, ...] = ()
    characteristic: tuple[Characteristic, ...] = ()


# --------------------------------------------------------------------------- equipment


class Station(_Table, frozen=True, kw_only=True):
    """A work unit of a line. `buffer` is the capacity of the buffer after it (none: no buffer).

    `key` names the characteristic shown on its tile; `source` the adapter it speaks through.
    """

    id: Id
    name: Title
    short: Title | None = None
    cycle_s: Seconds | None = None
    buffer: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    source: Id | None = None
    key: Id | None = None
    places: Annotated[int, Meta(ge=1, le=1000)] = 1
    characteristic: tuple[Characteristic, ...] = ()
    path: str = field(default="", name="_path")

    @property
    def label(self) -> str:
        """The name used in sentences."""
        return self.short or self.name


class Line(_Table, frozen=True, kw_only=True):
    """A work centre: stations in the order of flow, a takt, a shift pattern."""

    id: Id
    name: Title
    product: Id | None = None
    takt_s: Seconds | None = None
    shifts: Id | None = None
    flow: Literal["serial", "job_shop"] = "serial"
    station: tuple[Station, ...] = ()
    path: str = field(default="", name="_path")


class Area(_Table, frozen=True, kw_only=True):
    """A part of a site."""

    id: Id
    name: Title
    line: tuple[Line, ...] = ()


class Site(_Table, frozen=True, kw_only=True):
    """A place."""

    id: Id
    name: Title
    area: tuple[Area, ...] = ()


# --------------------------------------------------------------------------- time, reasons, sources


class Break(_Table, frozen=True, kw_only=True):
    """A pause inside a shift, times of day in the plant's zone."""

    start: TimeOfDay
    end: TimeOfDay
    name: Title = "break"


class Shift(_Table, frozen=True, kw_only=True):
    """A shift of a pattern. It begins on the given days; one that ends at or before its start ends on the next day."""

    id: Id
    start: TimeOfDay
    end: TimeOfDay
    days: tuple[Day, ...] = DAYS
    lead: Title | None = None
    breaks: tuple[Break, ...] = ()


class ShiftPattern(_Table, frozen=True, kw_only=True):
    """The shifts of a week."""

    id: Id
    shift: tuple[Shift, ...] = ()


class Reason(_Table, frozen=True, kw_only=True):
    """A reason for a stop, with the group it belongs to."""

    id: Id
    name: Title
    group: Title = "other"


class AdapterSettings(Struct, frozen=True, kw_only=True):
    """An adapter of the plant file: its kind, what every adapter has, and its own settings.

    `title` is its name for people, `fresh_s` how often it should be heard, `response` what to do
    when it is silent.
    """

    name: str
    kind: str
    title: str
    fresh_s: float | None
    response: str
    settings: dict[str, Any]


class _Head(_Table, frozen=True, kw_only=True):
    id: Id
    name: Title
    zone: str


class _File(_Table, frozen=True, kw_only=True):
    plant: _Head
    site: tuple[Site, ...] = ()
    product: tuple[Product, ...] = ()
    shift_pattern: tuple[ShiftPattern, ...] = ()
    reason: tuple[Reason, ...] = ()
    adapter: dict[Id, dict[str, Any]] = {}


_FOR_EVERY_ADAPTER = ("kind", "title", "fresh_s", "response")


class Plant:
    """A plant file that holds together. Look things up by id or by path."""

    def __init__(self, file: _File, text: str, where: str) -> None:
        self.id = file.plant.id
        self.name = file.plant.name
        self.zone_name = file.plant.zone
        self.zone = ZoneInfo(file.plant.zone)
        self.sites = tuple(_with_paths(site, f"{self.id}/{site.id}") for site in file.site)
        self.products = {product.id: product for product in file.product}
        self.shift_patterns = {pattern.id: pattern for pattern in file.shift_pattern}
        self.reasons = {reason.id: reason for reason in file.reason}
        self.adapters = {
            name: AdapterSettings(
                name=name,
                kind=str(settings.get("kind")),
                title=str(settings.get("title", name)),
                fresh_s=float(settings["fresh_s"]) if "fresh_s" in settings else None,
                response=str(settings.get("response", "")),
                settings={key: value for key, value in settings.items() if key not in _FOR_EVERY_ADAPTER},
            )
            for name, settings in file.adapter.items()
        }
        self.text = text
        self.where = where
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def lines(self) -> dict[str, Line]:
        """Path → line, in the order of the file."""
        return {line.path: line for site in self.sites for area in site.area for line in area.line}

    @cached_property
    def stations(self) -> dict[str, Station]:
        """Path → station, in the order of flow."""
        return {station.path: station for line in self.lines.values() for station in line.station}

    def line(self, name: str) -> Line | None:
        """A line by its path, or by its id where that is the only one."""
        if name in self.lines:
            return self.lines[name]
        found = [line for line in self.lines.values() if line.id == name]
        return found[0] if len(found) == 1 else None

    def address(self, line: Line) -> str:
        """The shortest name that finds the line again: its id if no other line has it."""
        return line.id if self.line(line.id) is line else line.path

    def characteristic(self, line: Line, name: str) -> Characteristic | None:
        """A characteristic of the line's product or of one of its stations."""
        product = self.products.get(line.product or "")
        every = [*(product.characteristic if product else ()), *(c for s in line.station for c in s.characteristic)]
        return next((c for c in every if c.id == name), None)

    def error_at(self, path: tuple[str | int, ...], message: str, remedy: str) -> PlantError:
        """An error about a place in the file, with its line."""
        return PlantError(message, where=f"{self.where}:{_line_of(self.text, path)}", remedy=remedy)


def _with_paths(site: Site, path: str) -> Site:
    """Give every line and station of the site its ISA-95 path."""

    def line_with_paths(line: Line, above: str) -> Line:
        own = f"{above}/{line.id}"
        stations = tuple(msgspec.structs.replace(s, path=f"{own}/{s.id}") for s in line.station)
        return msgspec.structs.replace(line, path=own, station=stations)

    areas = tuple(
        msgspec.structs.replace(area, line=tuple(line_with_paths(line, f"{path}/{area.id}") for line in area.line))
        for area in site.area
    )
    return msgspec.structs.replace(site, area=areas)


# --------------------------------------------------------------------------- reading


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
    return parse(text, str(path))


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
        file = msgspec.convert(tree, _File, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(error, text, where) from None
    problems = sorted(_problems(file), key=lambda problem: _line_of(text, problem[0]))
    if problems:
        first, *more = [
            PlantError(what, where=f"{where}:{_line_of(text, path)}", remedy=remedy) for path, what, remedy in problems
        ]
        if not more:
            raise first
        raise PlantError("\n".join(str(problem) for problem in (first, *more)))
    return Plant(file, text, where)


def _numbers_as_written(value: Any) -> None:
    """Whole numbers under keys that hold a `Number` become strings, as decimals already are."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("nominal", "lower", "upper", "quantity") and type(item) is int:
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
    return PlantError(message, where=f"{where}:{_line_of(text, path)}", remedy=remedy)


_TABLES: tuple[type[Struct], ...] = (
    _File, _Head, Site, Area, Line, Station, Product, Operation, Part, Characteristic, ShiftPattern, Shift, Break, Reason,
)  # fmt: skip
_KNOWN_KEYS = sorted({key for table in _TABLES for key in table.__struct_encode_fields__ if not key.startswith("_")})


# --------------------------------------------------------------------------- references

_Place = tuple[str | int, ...]
_Problem = tuple[_Place, str, str]


def _problems(file: _File) -> Iterator[_Problem]:
    yield from _zone_problems(file)
    yield from _equipment_problems(file)
    yield from _product_problems(file)
    yield from _shift_problems(file)
    yield from _repeated("reason", ("reason",), (reason.id for reason in file.reason))
    for name, settings in file.adapter.items():
        if not isinstance(settings.get("kind"), str):
            yield (
                ("adapter", name),
                f"adapter `{name}` has no kind",
                'Add kind = "csv_file" or another kind; `asbuilt parts` lists them.',
            )
        try:
            fresh_s = float(settings.get("fresh_s", 1))
        except (TypeError, ValueError):
            fresh_s = 0
        if not 0 < fresh_s <= 86_400:
            yield (
                ("adapter", name, "fresh_s"),
                "fresh_s must be seconds, above 0",
                "Give how often the source speaks, such as 5.",
            )


def _zone_problems(file: _File) -> Iterator[_Problem]:
    try:
        ZoneInfo(file.plant.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield (
            ("plant", "zone"),
            f"`{file.plant.zone}` is not a time zone",
            "Use a name of the IANA time zone database, such as Europe/Berlin.",
        )


def _repeated(what: str, place: _Place, ids: Iterable[str]) -> Iterator[_Problem]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(ids):
        seen[name] += 1
        if seen[name] == 2:
            yield (*place, index, "id"), f"{what} `{name}` is there twice", "Give each one an id of its own."


def _dangling(place: _Place, what: str, name: str | None, known: Iterable[str]) -> Iterator[_Problem]:
    options = list(known)
    if name is not None and name not in options:
        close = difflib.get_close_matches(name, options, 1)
        hint = (
            f"Did you mean `{close[0]}`?" if close else f"Define it, or use one of: {', '.join(options) or 'none yet'}."
        )
        yield place, f"there is no {what} `{name}`", hint


def _equipment_problems(file: _File) -> Iterator[_Problem]:
    products = [product.id for product in file.product]
    patterns = [pattern.id for pattern in file.shift_pattern]
    of_product = {product.id: {c.id for c in product.characteristic} for product in file.product}
    yield from _repeated("site", ("site",), (site.id for site in file.site))
    for s, site in enumerate(file.site):
        yield from _repeated("area", ("site", s, "area"), (area.id for area in site.area))
        for a, area in enumerate(site.area):
            at: _Place = ("site", s, "area", a, "line")
            yield from _repeated("line", at, (line.id for line in area.line))
            for n, line in enumerate(area.line):
                yield from _dangling((*at, n, "product"), "product", line.product, products)
                yield from _dangling((*at, n, "shifts"), "shift pattern", line.shifts, patterns)
                yield from _repeated("station", (*at, n, "station"), (station.id for station in line.station))
                measured = {c.id for station in line.station for c in station.characteristic}
                measured |= of_product.get(line.product or "", set())
                for i, station in enumerate(line.station):
                    here = (*at, n, "station", i)
                    yield from _dangling((*here, "source"), "adapter", station.source, file.adapter)
                    if line.product is None or line.product in of_product:
                        yield from _dangling((*here, "key"), "characteristic", station.key, sorted(measured))


def _product_problems(file: _File) -> Iterator[_Problem]:
    yield from _repeated("product", ("product",), (product.id for product in file.product))
    stations = {
        station.id: f"{file.plant.id}/{site.id}/{area.id}/{line.id}/{station.id}"
        for site in file.site
        for area in site.area
        for line in area.line
        for station in line.station
    }
    for p, product in enumerate(file.product):
        here: _Place = ("product", p)
        yield from _repeated("operation", (*here, "operation"), (o.id for o in product.operation))
        yield from _repeated("characteristic", (*here, "characteristic"), (c.id for c in product.characteristic))
        for o, operation in enumerate(product.operation):
            known = [*stations, *stations.values()]
            yield from _dangling((*here, "operation", o, "station"), "station", operation.station, known)
            for name in operation.characteristics:
                place = (*here, "operation", o, "characteristics")
                yield from _dangling(place, "characteristic", name, [c.id for c in product.characteristic])
        for c, characteristic in enumerate(product.characteristic):
            if (
                characteristic.lower
                and characteristic.upper
                and float(characteristic.lower) > float(characteristic.upper)
            ):
                yield (*here, "characteristic", c, "lower"), "the lower limit is above the upper one", "Swap them."
        for n, part in enumerate(product.part):
            yield from _dangling(
                (*here, "part", n, "operation"), "operation", part.operation, [o.id for o in product.operation]
            )


def _shift_problems(file: _File) -> Iterator[_Problem]:
    yield from _repeated("shift pattern", ("shift_pattern",), (pattern.id for pattern in file.shift_pattern))
    for p, pattern in enumerate(file.shift_pattern):
        here: _Place = ("shift_pattern", p, "shift")
        yield from _repeated("shift", here, (shift.id for shift in pattern.shift))
        for index, shift in enumerate(pattern.shift):
            length = shift_minutes(shift)
            for n, pause in enumerate(shift.breaks):
                begin, end = ((minutes(t) - minutes(shift.start)) % 1440 for t in (pause.start, pause.end))
                if not begin < end <= length:
                    yield (
                        (*here, index, "breaks"),
                        f"break {n + 1} ({pause.start}–{pause.end}) is not inside shift {shift.id} ({shift.start}–{shift.end})",
                        "Move the break into the shift.",
                    )
        taken = sorted(
            (
                day * 1440 + minutes(shift.start),
                day * 1440 + minutes(shift.start) + shift_minutes(shift),
                shift.id,
                index,
            )
            for index, shift in enumerate(pattern.shift)
            for day in (DAYS.index(name) for name in shift.days)
        )
        for (_, end, before, _), (start, _, after, index) in zip(taken, [*taken[1:], *taken[:1]], strict=True):
            if len(taken) > 1 and start + (10_080 if (start, after) == (taken[0][0], taken[0][2]) else 0) < end:
                yield (
                    (*here, index, "start"),
                    f"shift {after} begins before shift {before} has ended",
                    "Let shifts meet, not overlap.",
                )
                break


def minutes(time_of_day: str) -> int:
    """Minutes since midnight of `HH:MM`."""
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])


def shift_minutes(shift: Shift) -> int:
    """Length of a shift by the clock on the wall, 1 … 1440 minutes."""
    return (minutes(shift.end) - minutes(shift.start)) % 1440 or 1440


# --------------------------------------------------------------------------- where in the file

_HEADER = re.compile(r"\s*(\[\[|\[)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The line where the deepest written part of `path` stands (tomllib keeps no positions)."""
    known = _lines(text)
    while path and path not in known:
        path = path[:-1]
    return known.get(path, 1)


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    places: dict[tuple[str | int, ...], int] = {}
    counts: Counter[tuple[str | int, ...]] = Counter()
    table: tuple[str | int, ...] = ()
    open_string = ""
    depth = 0
    for number, raw in enumerate(text.splitlines(), 1):
        if open_string:
            open_string = "" if open_string in raw else open_string
            continue
        header = _HEADER.match(raw) if depth == 0 else None
        if header:
            table = ()
            parts = [part.strip("\"'") for part in _PART.findall(header[2])]
            for index, part in enumerate(parts):
                table = (*table, part)
                if header[1] == "[[" and index == len(parts) - 1:
                    table = (*table, counts[table])
                    counts[table[:-1]] += 1
                elif counts[table]:
                    table = (*table, counts[table] - 1)
            places.setdefault(table, number)
            if header[1] == "[[":
                places.setdefault(table[:-1], number)
            continue
        key = _KEY.match(raw) if depth == 0 else None
        if key:
            path = (*table, *(part.strip("\"'") for part in _PART.findall(key[1])))
            for end in range(len(table) + 1, len(path) + 1):
                places.setdefault(path[:end], number)
        bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*", "", raw) if '"""' not in raw and "'''" not in raw else ""
        for quote in ('"""', "'''"):
            if raw.count(quote) % 2:
                open_string = quote
        depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return places


def local_day(plant: Plant, instant: dt.datetime) -> dt.date:
    """The calendar day of an instant at the plant."""
    return instant.astimezone(plant.zone).date()
