"""`Plant`: a plant file that holds together, looked up by id or by path."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from asbuilt.errors import PlantError
from asbuilt.plant.places import line_of
from asbuilt.plant.tables import AdapterSettings, Characteristic, File, Line, Site, Station

_FOR_EVERY_ADAPTER = ("kind", "title", "fresh_s", "response")


class Plant:
    """A plant file that holds together. Look things up by id or by path."""

    def __init__(self, file: File, text: str, where: str) -> None:
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
        return PlantError(message, where=f"{self.where}:{line_of(self.text, path)}", remedy=remedy)


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


def local_day(plant: Plant, instant: dt.datetime) -> dt.date:
    """The calendar day of an instant at the plant."""
    return instant.astimezone(plant.zone).date()
