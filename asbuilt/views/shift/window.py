"""One look at a part of the plant over a window: its stations, their calendars and sums."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import after_until
from asbuilt.domain.pieces.cycles import Cycles
from asbuilt.domain.pieces.questions import know_tellers
from asbuilt.domain.pieces.rows import Made, Pieces
from asbuilt.domain.presence.intervals import common, length
from asbuilt.domain.presence.words import know_words
from asbuilt.domain.states import spells
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Line, Plant
from asbuilt.plant import Station as PlantStation
from asbuilt.time import HOUR_US
from asbuilt.views.shift.anomalies import anomalies_of, know_together, of_nothing
from asbuilt.views.shift.calendar import DAY_US, By, Calendar, Group, Span, groups, time_at
from asbuilt.views.shift.clocks import ClockJump, clock_jumps
from asbuilt.views.shift.figures import Beyond, Kpi, effectiveness, kpi
from asbuilt.views.shift.hours import know_edges, know_sums
from asbuilt.views.shift.pieces import first_run_sums, know_first_runs, know_piece_sums, piece_sums, report_sums
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Station
from asbuilt.views.shift.times import Spans, time_sums

BYS: Final[tuple[By, ...]] = ("", "hour", "shift", "day", "week", "order", "product")
MAX_PARTS: Final = 10_000
"""So many parts of a window (hours, shifts …) are answered at once."""
FEW_US: Final = 2 * DAY_US
"""Over so long a window the rows of all stations are few enough to be read at once."""
MAX_WINDOW: Final = dt.timedelta(days=4_000)


MAX_ANOMALIES: Final = 50


class Member(NamedTuple):
    """A station of a scope with its line; `ends` tells that pieces leave the line here, `begins` that they come in."""

    line: Line
    station: PlantStation
    begins: bool
    ends: bool


class Part(NamedTuple):
    """A part of the window with the sums of each station."""

    key: Key
    start_us: int
    end_us: int
    by_station: dict[str, Sums]


class _Cut(NamedTuple):
    """A line's window cut into groups, its spans, and from when to when each key lasts."""

    groups: list[Group]
    spans: Spans
    bounds: dict[Key, tuple[int, int]]


class Look:
    """Stations under a path (enterprise, site, area, line or station) over a half-open window.

    What comes after `at` (now, unless told otherwise) is still ahead.
    """

    def __init__(
        self, reader: Reader, scope: str, start: dt.datetime, end: dt.datetime, at: dt.datetime | None = None
    ) -> None:
        if not start < end:
            raise UsageError(
                f"the window from {start.isoformat()} to {end.isoformat()} is empty", remedy="Let `to` be after `from`."
            )
        if end - start > MAX_WINDOW:
            raise UsageError(
                f"the window is {(end - start).days:,} days long", remedy=f"Ask for at most {MAX_WINDOW.days:,} days."
            )
        self.reader = reader
        self.plants = reader.plants()
        # A plant file that comes into force later says nothing of what is looked at.
        self.plant = reader.plant(end if at is None else min(end, at))
        self.members = _members(self.plant, scope)
        self.scope = scope
        self._stations: dict[tuple[str, int], Station] = {}
        self._known_parts: dict[By, list[Part]] = {}
        self.start_us, self.end_us = microseconds(start), microseconds(end)
        self.now_us = microseconds(reader.now if at is None else min(at, reader.now))

    @property
    def zone(self) -> dt.tzinfo:
        """The plant's zone, in which hours and days are cut."""
        return self.plant.zone

    @cached_property
    def calendars(self) -> dict[str, Calendar]:
        """Line → its calendar over the window."""
        lines = dict.fromkeys(member.line.path for member in self.members)
        return {line: Calendar(self.plants, line, self.start_us, self.end_us) for line in lines}

    def station(self, member: Member, margin_us: int = 0) -> Station:
        """The rows about a member over the window, or over a wider one."""
        key = (member.station.path, margin_us)
        if key not in self._stations:
            start_us, end_us = self.start_us - margin_us, self.end_us + margin_us
            self._stations[key] = Station(
                self.reader, member.station.path, self.plants, start_us, end_us, self.now_us, member.line.flow
            )
        return self._stations[key]

    def cycles(self, member: Member) -> Cycles:
        """Planned run times at a member."""
        return Cycles(self.reader, self.plants, member.station.path)

    def observed(self, start_us: int, end_us: int) -> float | None:
        """The share of planned time between two instants, up to now, in which the last stations were observed."""
        end_us = min(end_us, self.now_us)
        whole = seen = 0
        for member in self.members:
            if not member.ends or start_us >= end_us:
                continue
            work = [
                (max(span.start_us, start_us), min(span.end_us, end_us))
                for span in self.calendars[member.line.path].spans
                if span.kind == "work" and span.start_us < end_us and span.end_us > start_us
            ]
            silent = [(gap.start_us, gap.end_us) for gap in self.station(member).gaps()]
            whole += length(work)
            seen += length(work) - length(common(work, silent))
        return seen / whole if whole else None

    def watched(self, start_us: int, end_us: int, members: Sequence[Member] | None = None) -> bool:
        """Whether one of the last stations (or of these) was observed at all between two instants, planned or not."""
        window = [(start_us, min(end_us, self.now_us))]
        if start_us == window[0][1]:
            return True  # Of no time nothing is missing.
        for member in (each for each in self.members if each.ends) if members is None else members:
            silent = [(gap.start_us, gap.end_us) for gap in self.station(member).gaps()]
            if start_us < window[0][1] and length(common(window, silent)) < length(window):
                return True
        return False

    # ----------------------------------------------------------------- sums

    def parts(self, by: By) -> list[Part]:
        """The window's parts in order of time (orders and products: of their first work), with their sums."""
        if by not in self._known_parts:
            self._known_parts[by] = self._parts(by)
        return self._known_parts[by]

    def _parts(self, by: By) -> list[Part]:
        found: dict[Key, Part] = {}
        cuts = {line: groups(calendar, by, self.zone) for line, calendar in self.calendars.items()}
        if max(map(len, cuts.values()), default=0) > MAX_PARTS:
            raise UsageError(
                f"by={by} would cut the window into more than {MAX_PARTS:,} parts", remedy="Ask for a shorter window."
            )
        self._know_together(by)
        cutting: dict[str, _Cut] = {}
        for member in self.members:
            station, line = self.station(member), member.line.path
            if by in ("order", "product"):
                cut = self._cut(line, _by_task(station, by, cuts[line]))
            else:
                if line not in cutting:
                    cutting[line] = self._cut(line, cuts[line])
                    self._know_line(member, cutting[line])
                cut = cutting[line]
            sums = self._sums(member, station, cut, by)
            bounds = cut.bounds
            for key, value in sums.items():
                start_us, end_us = bounds.get(key, (self.start_us, self.end_us))
                known = found.get(key)
                if known is None:
                    found[key] = Part(key, start_us, end_us, {member.station.path: value})
                    continue
                known.by_station[member.station.path] = value
                if start_us < known.start_us or end_us > known.end_us:
                    found[key] = known._replace(
                        start_us=min(known.start_us, start_us), end_us=max(known.end_us, end_us)
                    )
        return sorted(found.values(), key=lambda part: (part.start_us, part.key))

    def _know_together(self, by: By) -> None:
        """Ask once for all stations what each would ask for itself."""
        stations = [self.station(member) for member in self.members]
        if len(stations) < 2:
            return
        paths = [station.path for station in stations]
        spells.know_explanations(self.reader, paths, self.start_us, self.end_us)
        know_words(self.reader, [path for path in paths if path], self.start_us, self.end_us)
        know_first_runs(stations)
        if self.end_us - self.start_us <= FEW_US:
            know_edges(stations)
            know_tellers(self.reader, paths, self.start_us, min(self.end_us, self.now_us + 1))
            if by == "":
                know_together(stations)

    def _know_line(self, first: Member, cut: _Cut) -> None:
        """Over a short window, ask once for all stations of a line what is summed alike."""
        members = [member for member in self.members if member.line.path == first.line.path]
        if len(members) < 2 or self.end_us - self.start_us > FEW_US:
            return
        stations = [self.station(member) for member in members]
        know_piece_sums(stations, self.cycles(first), cut.groups)
        if not cut.spans.by_order:
            know_sums(stations, cut.spans.plan)

    def _cut(self, line: str, found: list[Group]) -> _Cut:
        spans = Spans(_spans(self.calendars[line].spans, found), self.now_us)
        return _Cut(found, spans, _bounds(found))

    def _sums(self, member: Member, station: Station, cut: _Cut, by: By) -> dict[Key, Sums]:
        result: defaultdict[Key, Sums] = defaultdict(Sums)
        own = station.reports and by in ("order", "product")
        if not own:
            time_sums(station, member.line.path, cut.spans, result)
        piece_sums(station, self.cycles(member), cut.groups, by, result)
        first_run_sums(station, cut.groups, result)
        if station.reports:
            report_sums(station, cut.groups, by, result)
        longest_us = max((sums.slack_us for sums in result.values()), default=0)
        for sums in result.values():
            sums.cycle_us = 0 if own else longest_us
            if own:
                sums.us["production"] = sums.reported_us.get("production", 0)
                sums.us["setup"] = sums.reported_us.get("setup", 0)
                sums.us["delay"] = sums.reported_us.get("breakdown", 0)
            elif (problem := effectiveness(sums, self.plant.time_model)[1]).startswith(("the counts", "a cycle")):
                sums.contradiction = f"{member.station.name}: {problem}" if len(self.members) > 1 else problem
        return dict(result)

    # ----------------------------------------------------------------- figures

    def kpis(self, by: By) -> list[Kpi]:
        """The figures of every part; of the whole window if it is not cut."""
        return [
            self._kpi(part, by, self.members, self.scope)
            for part in self.parts(by)
            if part.key or by == "" or _has_pieces(part)
        ]

    def _kpi(self, part: Part, by: By, members: list[Member], scope: str) -> Kpi:
        total = Sums()
        for sums in part.by_station.values():
            total.add(sums)
        ends = [part.by_station[m.station.path] for m in members if m.ends and m.station.path in part.by_station]
        begins = [part.by_station[m.station.path] for m in members if m.begins and m.station.path in part.by_station]
        whole_lines = len(members) > 1
        takts = {member.line.takt_s for member in members}
        takt_s = takts.pop() if len(takts) == 1 else None
        beyond = Beyond(
            output=sum(sums.good for sums in ends) if ends and whole_lines else None,
            first_pq=sum(sums.pieces for sums in begins) if begins and whole_lines else None,
            takt_us=round(takt_s * 1_000_000) if takt_s and ends else None,
            ends_pbt_us=sum(_pbt_us(sums) for sums in ends),
            yields=tuple(sums.clean / sums.inspected for sums in part.by_station.values() if sums.inspected),
            aoet_us=self._aoet_us(part.key[0]) if by == "order" and part.key and part.key[0] else None,
            counts=bool(total.pieces) or self.counts(members, part.end_us),
            watched=bool(total.told) or _pbt_us(total) > 0 or self.watched(part.start_us, part.end_us, members),
            reported=bool(total.reported_us) and by in ("order", "product"),
            anomalies=self._anomalies(part, total, members) if by == "" else (),
            overlaps=by == "order",
        )
        name = " ".join(part.key) if by == "shift" else "".join(part.key)
        start, end = (time_at(us, self.zone) for us in (part.start_us, part.end_us))
        return kpi(scope, start, end, by, name, total, self.plant.time_model, beyond)

    def figures_of(self, part: Part, member: Member, by: By = "") -> Kpi:
        """The figures of one member in a part."""
        own = part._replace(by_station={member.station.path: part.by_station[member.station.path]})
        return self._kpi(own, by, [member], member.station.path)

    def clock_jumps(self) -> list[ClockJump]:
        """Clock changes with which reported work moved."""
        stations = [member.station.path for member in self.members]
        return list(clock_jumps(self.reader, stations, self.start_us, min(self.end_us, self.now_us), self.zone))

    def places(self) -> list[str]:
        """The lines and stations looked at."""
        return sorted({member.station.path for member in self.members} | {member.line.path for member in self.members})

    def counts(self, members: list[Member] | None = None, end_us: int | None = None) -> bool:
        """Whether pieces were told at one of some stations (or of all) up to the hour of an instant, in any window."""
        members = self.members if members is None else members
        last = min(self.end_us if end_us is None else end_us, self.now_us) // HOUR_US
        return any(hour is not None and hour <= last for hour in map(self._first_told, members))

    def _first_told(self, member: Member) -> int | None:
        """The hour in which pieces were told first at a station."""
        path = member.station.path
        return self.reader.once(
            ("pieces told first", path),
            lambda: next(
                (row.hour for row in self.reader.rows(Pieces, {"station": path}, order="hour", limit=1)), None
            ),
        )

    def _aoet_us(self, order: str) -> int:
        """Order execution time: from an order's first work to its last, inside the window."""
        paths = {member.station.path for member in self.members}
        rows = self.reader.rows(Made, {"order_no": order, "time_us": after_until(self.start_us, self.end_us)})
        told = [(max(row.start_us or row.time_us, self.start_us), row.time_us) for row in rows if row.station in paths]
        return max(end for _, end in told) - min(start for start, _ in told) if told else 0

    def _anomalies(self, part: Part, total: Sums, members: list[Member]) -> tuple[str, ...]:
        found: list[str] = []
        for member in members:
            sums = part.by_station.get(member.station.path, Sums())
            found += [f"{member.station.name}: {what}" for what in anomalies_of(self.station(member), self.plant, sums)]
        if len(members) > 1 or self.scope in self.plant.lines:
            for line in {member.line.path: member.line for member in members}.values():
                found += of_nothing(self.reader, line, self.start_us, min(self.end_us, self.now_us))
        reported = sum(total.reported_us.values())
        busy = total.us["production"] + total.us["setup"] + total.us["delay"]
        if reported > busy and total.reported_us:
            hours = (reported - busy) / 3_600_000_000
            found.append(
                f"{hours:,.1f} h were reported side by side with other work at the same station: people may work on"
                " several jobs, so hours by kind exceed the station's time"
            )
        if total.reported_us:
            found += [jump.words for jump in self.clock_jumps()]
        return tuple(found[:MAX_ANOMALIES])


def _members(plant: Plant, scope: str) -> list[Member]:
    found = []
    line = plant.line(scope)
    path = line.path if line is not None else scope.strip("/")
    for line in plant.lines.values():
        for number, station in enumerate(line.station):
            if f"{station.path}/".startswith(f"{path}/"):
                serial = line.flow == "serial"
                last = number == len(line.station) - 1
                found.append(Member(line, station, not serial or number == 0, not serial or last))
    if path == plant.id:
        # Work that was reported without a place belongs to the plant alone.
        nowhere = Line(id="", name="no station told", flow="job_shop", path="")
        found.append(Member(nowhere, PlantStation(id="", name="no station told"), True, True))
    if not found:
        known = ", ".join(plant.address(known) for known in plant.lines.values()) or "none yet"
        raise UsageError(
            f"there is no station under `{scope}`",
            remedy=f"Give the path of a station, line, area or site; the lines are: {known}.",
        )
    return found


def _spans(spans: list[Span], cut: list[Group]) -> list[tuple[Span, Key]]:
    """The spans cut where the groups are, each with its group's key."""
    found: list[tuple[Span, Key]] = []
    at = 0
    for group in cut:
        while at < len(spans) and spans[at].end_us <= group.start_us:
            at += 1
        n = at
        while n < len(spans) and spans[n].start_us < group.end_us:
            span = spans[n]
            piece = span._replace(start_us=max(span.start_us, group.start_us), end_us=min(span.end_us, group.end_us))
            found.append((piece, group.key))
            n += 1
    return found


def _bounds(cut: list[Group]) -> dict[Key, tuple[int, int]]:
    found: dict[Key, tuple[int, int]] = {}
    for group in cut:
        start, end = found.get(group.key, (group.start_us, group.end_us))
        found[group.key] = (min(start, group.start_us), max(end, group.end_us))
    return found


def _by_task(station: Station, by: By, cut: list[Group]) -> list[Group]:
    """The window cut by the orders or products the station worked on; the rest has an empty name."""
    found: list[Group] = []
    at, end = cut[0].start_us, cut[-1].end_us
    for task in station.tasks(closing=by == "order"):
        start, stop = max(task.start_us, at), min(task.end_us, end)
        if start >= stop:
            continue
        if at < start:
            found.append(Group(at, start, ("",)))
        found.append(Group(start, stop, (task.order if by == "order" else task.product,)))
        at = stop
    if at < end:
        found.append(Group(at, end, ("",)))
    return found


def _has_pieces(part: Part) -> bool:
    return any(sums.pieces for sums in part.by_station.values())


def _pbt_us(sums: Sums) -> int:
    return sum(sums.us[kind] for kind in ("production", "setup", "delay", "down", "not observed"))
