"""`Plant`: a plant file that holds together, looked up by id or by path."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from asbuilt.errors import PlantError
from asbuilt.plant.places import line_of
from asbuilt.plant.tables import (
    DAYS,
    STATE_TIMES,
    AdapterSettings,
    AlarmRule,
    Characteristic,
    DayChange,
    File,
    Line,
    Reason,
    Shift,
    Site,
    Station,
    TimeKind,
)

_FOR_EVERY_ADAPTER = ("kind", "title", "fresh_s", "response")


class Plant:
    """A plant file that holds together. Look things up by id or by path."""

    def __init__(self, file: File, text: str, where: str) -> None:
        self.id = file.plant.id
        self.name = file.plant.name
        self.zone_name = file.plant.zone
        self.zone = ZoneInfo(file.plant.zone)
        sources = _sources(file)
        self.sites = tuple(_with_paths(site, f"{self.id}/{site.id}", sources) for site in file.site)
        self.products = {product.id: product for product in file.product}
        self.shift_patterns = {pattern.id: pattern for pattern in file.shift_pattern}
        self.reasons = {reason.id: reason for reason in file.reason}
        self.zones = {zone.id: zone for zone in file.zone}
        self.rounds = {found.id: found for found in file.round}
        self.time_model = file.time
        self.alarms = {alarm.id: alarm for alarm in file.alarm}
        self._day_changes = file.day_change
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

    def alarm_places(self, rule: AlarmRule) -> list[Station]:
        """The stations an alarm rule watches."""
        if rule.station is not None:
            return [one for one in self.stations.values() if rule.station in (one.path, one.id)]
        lines = [line for line in self.lines.values() if rule.line in (None, line.id, line.path)]
        return [station for line in lines for station in line.station]

    def has_shifts(self, line: Line) -> bool:
        """Whether a line works by shifts; one that does not has no time outside of them."""
        return line.shifts in self.shift_patterns or any(
            change.shift and self._change_holds(change, line) for change in self._day_changes
        )

    def _change_holds(self, change: DayChange, line: Line) -> bool:
        at_site = change.site is None or line.path.startswith(f"{self.id}/{change.site}/")
        return at_site and (change.line is None or change.line in (line.path, line.id))

    def shifts_on(self, line: Line, day: dt.date) -> tuple[Shift, ...]:
        """The shifts of a line that begin on a day: those of a change for that day, else the pattern's."""
        found, narrowest = None, -1
        for change in self._day_changes:
            if change.day <= day <= (change.until or change.day):
                narrow = (change.site is not None) + 2 * (change.line is not None)
                if self._change_holds(change, line) and narrow >= narrowest:
                    found, narrowest = change.shift, narrow
        if found is not None:
            return tuple(shift for shift in found if DAYS[day.weekday()] in shift.days)
        pattern = self.shift_patterns.get(line.shifts or "")
        return tuple(shift for shift in pattern.shift if DAYS[day.weekday()] in shift.days) if pattern else ()

    @cached_property
    def state_times(self) -> dict[str, TimeKind]:
        """What each state counts as here."""
        return {**STATE_TIMES, **self.time_model.states}

    def above(self, reason: str) -> list[Reason]:
        """A reason and those it is under, from itself to the root; empty if the plant does not know it."""
        found: list[Reason] = []
        while reason in self.reasons and len(found) <= len(self.reasons):
            found.append(self.reasons[reason])
            reason = found[-1].under or ""
        return found

    def time_of(self, state: str, reason: str) -> TimeKind:
        """What a station's time in a state for a reason counts as: as the reason says, else the state."""
        told = (above.time for above in self.above(reason) if above.time is not None)
        return next(told, self.state_times.get(state, "delay"))

    def is_failure(self, state: str, reason: str) -> bool:
        """Whether a stop counts for MTBF and MTTR: as its reason says; without a reason, if the state is Aborted."""
        for above in self.above(reason):
            if above.failure is not None:
                return above.failure
        return not reason and state in ("Aborting", "Aborted", "Clearing")

    def reason_title(self, reason: str) -> str:
        """The name of a reason; the code itself if the plant does not know it."""
        return self.reasons[reason].name if reason in self.reasons else reason

    def reason_group(self, reason: str) -> str:
        """The group of a reason: the title at the root of its branch, else its `group`."""
        above = self.above(reason)
        if not above:
            return "unexplained" if not reason else "not in the plant file"
        return above[-1].name if len(above) > 1 else above[0].group

    def characteristic(self, line: Line, name: str) -> Characteristic | None:
        """A characteristic of the line's product or of one of its stations."""
        product = self.products.get(line.product or "")
        every = [*(product.characteristic if product else ()), *(c for s in line.station for c in s.characteristic)]
        return next((c for c in every if c.id == name), None)

    def error_at(self, path: tuple[str | int, ...], message: str, remedy: str) -> PlantError:
        """An error about a place in the file, with its line."""
        return PlantError(message, where=f"{self.where}:{line_of(self.text, path)}", remedy=remedy)


def _sources(file: File) -> dict[str, str]:
    """Path of a station → the one machine behind an adapter that speaks for it; none where several do.

    An adapter's `stations` says which machine is which station; a station need not say it again.
    """
    found: dict[str, list[str]] = {}
    for name, settings in file.adapter.items():
        stations = settings.get("stations")
        for machine, path in stations.items() if isinstance(stations, dict) else ():
            # What follows a machine's last slash is what it is called (`/Machines/Mill 1`).
            found.setdefault(str(path), []).append(f"{name}:{str(machine).rpartition('/')[2]}"[:200])
    return {path: sources[0] for path, sources in found.items() if len(sources) == 1}


def _with_paths(site: Site, path: str, sources: dict[str, str]) -> Site:
    """Give every line and station of the site its ISA-95 path, and the source that follows from the adapters."""

    def line_with_paths(line: Line, above: str) -> Line:
        own = f"{above}/{line.id}"
        stations = tuple(
            msgspec.structs.replace(s, path=f"{own}/{s.id}", source=s.source or sources.get(f"{own}/{s.id}"))
            for s in line.station
        )
        return msgspec.structs.replace(line, path=own, station=stations)

    areas = tuple(
        msgspec.structs.replace(area, line=tuple(line_with_paths(line, f"{path}/{area.id}") for line in area.line))
        for area in site.area
    )
    return msgspec.structs.replace(site, area=areas)


def local_day(plant: Plant, instant: dt.datetime) -> dt.date:
    """The calendar day of an instant at the plant."""
    return instant.astimezone(plant.zone).date()
