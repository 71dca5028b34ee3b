"""One look at a line: gathers rows once and derives the board from them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from asbuilt.access import Reader
from asbuilt.events import microseconds
from asbuilt.plant import Characteristic, Line, Plant, Station
from asbuilt.shifts import ShiftWindow, next_shift, shift_at
from asbuilt.views.line.answers import (
    FROM_OUTSIDE,
    OWN_CAUSES,
    AlarmRow,
    Board,
    Buffer,
    Contradiction,
    Curve,
    Cycle,
    Hour,
    Indicator,
    Ribbon,
    RibbonPart,
    Tile,
)
from asbuilt.views.line.fold import LONG_STAY_US, Oddity, Passage, Reading, Spell, State, Stay, Watch
from asbuilt.views.line.sentence import capital, headline

SECOND_US = 1_000_000
LAST_CYCLES = 12


def time_at(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    """Microseconds since 1970 UTC as an instant in a zone."""
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)


class Look:
    """One look at one line at one moment; gathers rows once and derives the rest from them."""

    def __init__(self, reader: Reader, plant: Plant, line: Line, at: dt.datetime | None) -> None:
        self.reader = reader
        self.plant = plant
        self.line = line
        self.live = at is None
        self.at = reader.instant(at).astimezone(plant.zone)
        self.at_us = microseconds(self.at)
        self.shift = shift_at(plant, line, self.at)
        self.pause = self.shift.pause_at(self.at) if self.shift else None
        start = self.shift.start if self.shift else self.at - dt.timedelta(hours=8)
        self.start_us = microseconds(start)
        self.here = self._units_on_line()
        self.alarms = self._alarms(standing=True)
        self.lost = self._lost_sources()

    def time(self, time_us: int) -> dt.datetime:
        """Microseconds as an instant at the plant."""
        return time_at(time_us, self.plant.zone)

    def board(self) -> Board:
        """The answer."""
        tiles = [self._tile(station) for station in self.line.station]
        made = self._made_in_shift()
        planned = self._planned(self.at)
        cadence = self._cadence(made)
        between = self._buffers(tiles)
        ribbons = tuple(self._ribbon(station) for station in self.line.station) if self.shift else ()
        return Board(
            line=self.line.path,
            name=self.line.name,
            address=self.plant.address(self.line),
            flow=self.line.flow,
            product=self._product_title(),
            at=self.at,
            live=self.live,
            headline=headline(
                self.line, tiles, between, self.shift, self.at, len(made), planned, cadence, self._next()
            ),
            shift=self.shift,
            next_shift=self._next(),
            takt_s=self.line.takt_s,
            cadence_s=cadence,
            output=len(made) if self.line.flow == "serial" else sum(tile.output for tile in tiles[-1:]),
            planned=planned,
            rolled_yield=_product_of(tile.first_pass for tile in tiles),
            on_line=sum(len(units) for units in self.here.values()),
            order=next((tile.order for tile in tiles if tile.order), ""),
            tiles=tuple(tiles),
            buffers=tuple(between),
            curve=self._curve(made, cadence, tiles),
            hours=tuple(self._hours(made, ribbons)),
            ribbons=ribbons,
            alarms=tuple(self.alarms),
            cleared=tuple(self._alarms(standing=False)),
            contradictions=tuple(self._contradictions()),
            unknown_stations=tuple(self._unknown_stations()),
        )

    def _product_title(self) -> str:
        product = self.plant.products.get(self.line.product or "")
        if product is None:
            return self.line.product or ""
        title = product.name if product.id in product.name else f"{product.id} {product.name}"
        return f"{title}, rev. {product.revision}" if product.revision else title

    def _next(self) -> ShiftWindow | None:
        return None if self.shift else next_shift(self.plant, self.line, self.at)

    # ----------------------------------------------------------------- units

    def _units_on_line(self) -> dict[tuple[str, str], list[Stay]]:
        """(station, phase) → stays at this moment, longest first. What passed the last station has left."""
        found: defaultdict[tuple[str, str], list[Stay]] = defaultdict(list)
        last = self.line.station[-1].path if self.line.station else ""
        for station in self.line.station:
            recent = self.reader.rows(
                Stay,
                "station = ? AND from_us BETWEEN ? AND ? AND long = 0 AND until_us > ?",
                station.path, self.at_us - LONG_STAY_US, self.at_us, self.at_us,
            )  # fmt: skip
            long = self.reader.rows(
                Stay,
                "station = ? AND long = 1 AND from_us <= ? AND (until_us = 0 OR until_us > ?)",
                station.path, self.at_us, self.at_us,
            )  # fmt: skip
            for stay in sorted((*recent, *long), key=lambda stay: (stay.from_us, stay.item)):
                if (stay.station, stay.phase) != (last, "after"):
                    found[stay.station, stay.phase].append(stay)
        return dict(found)

    def _cycles(self, station: Station) -> tuple[float, ...]:
        rows = self.reader.select(
            "SELECT until_us - from_us FROM line_stay WHERE station = ? AND from_us <= ? AND phase = 'at'"
            " AND until_us > 0 AND until_us <= ? ORDER BY from_us DESC LIMIT ?",
            station.path, self.at_us, self.at_us, LAST_CYCLES,
        )  # fmt: skip
        return tuple(us / SECOND_US for (us,) in reversed(rows))

    # ----------------------------------------------------------------- tiles

    def _tile(self, station: Station) -> Tile:
        state = self.reader.first(
            State, "station = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC", station.path, self.at_us
        )
        inside = self.here.get((station.path, "at"), [])
        lost = self._lost(station)
        jobs = self._jobs(station) if self.line.flow == "job_shop" else []
        word, since, cause = self._word(state, jobs, lost, station)
        passages = self._passages(station)
        adapter = self.plant.adapters.get((station.source or "").partition(":")[0])
        return Tile(
            id=station.id,
            path=station.path,
            name=station.name,
            label=station.label,
            state=word,
            since=since,
            cause=cause,
            observed=self._observed(station, bool(lost), bool(state or passages)),
            source=station.source or "",
            fresh_s=adapter.fresh_s if adapter else None,
            seen=self._seen(station, lost),
            units=tuple(_serial(stay.item) for stay in inside),
            cycle=Cycle(
                since=self.time(inside[0].from_us) if inside else None,
                unit=_serial(inside[0].item) if inside else "",
                target_s=station.cycle_s or self.line.takt_s,
            ),
            cycles_s=self._cycles(station),
            takt_s=self.line.takt_s * station.places if self.line.takt_s else None,
            key=self._key(station),
            alarm=self._top_alarm(station),
            first_pass=self._first_pass(passages),
            output=self._output(station, passages),
            order=next((p.order_no for p in reversed(passages) if p.order_no), ""),
            jobs=len(jobs),
        )

    def _observed(self, station: Station, lost: bool, heard: bool) -> Literal["yes", "no", "never"]:
        if lost:
            return "no"
        # People report after the fact: no report is no sign of silence.
        return "yes" if heard or self.line.flow == "job_shop" else "never"

    def _word(
        self, state: State | None, jobs: list[Passage], lost: Watch | None, station: Station
    ) -> tuple[str, dt.datetime | None, str]:
        if lost is not None:
            title = self.plant.adapters[lost.adapter].title if lost.adapter in self.plant.adapters else lost.adapter
            return "No data", self.time(lost.seen_us), f"{capital(title)} silent"
        if self.line.flow == "job_shop":
            if not jobs:
                return "Idle", None, ""
            people = sorted({job.by for job in jobs if job.by})
            return "Execute", self.time(min(job.start_us for job in jobs)), ", ".join(people)
        if state is None:
            return "No data", None, "Never heard of"
        reason = self.plant.reasons.get(state.reason)
        cause = state.message or (reason.name if reason else state.reason)
        if not cause and state.state == "Starved":
            cause = self._starved_by(station)
        return state.state, self.time(state.time_us), cause

    def _starved_by(self, station: Station) -> str:
        index = self.line.station.index(station)
        return f"Waiting for {self.line.station[index - 1].label}" if index else "Waiting for material"

    def _jobs(self, station: Station) -> list[Passage]:
        """Reports that cover this moment."""
        return self.reader.rows(
            Passage,
            "station = ? AND time_us > ? AND time_us <= ? AND start_us <= ? AND what = 'reported' ORDER BY start_us",
            station.path, self.at_us, self.at_us + 7 * LONG_STAY_US, self.at_us,
        )  # fmt: skip

    def _passages(self, station: Station) -> list[Passage]:
        """What the station completed in this shift, in order of time."""
        return self.reader.rows(
            Passage,
            "station = ? AND time_us >= ? AND time_us <= ? AND what IN ('completed', 'reported') ORDER BY time_us, fact",
            station.path, self.start_us, self.at_us,
        )  # fmt: skip

    def _output(self, station: Station, passages: list[Passage]) -> int:
        if passages:
            return sum(passage.good for passage in passages)
        ((good,),) = self.reader.select(
            "SELECT coalesce(sum(good), 0) FROM line_output WHERE station = ? AND time_us >= ? AND time_us <= ?",
            station.path, self.start_us, self.at_us,
        )  # fmt: skip
        return int(good)

    def _first_pass(self, passages: list[Passage]) -> float | None:
        """Share of units that were good at their first completion here (ISO 22400-2: GP / IP, serials)."""
        units = [passage for passage in passages if passage.item.startswith("unit:") and passage.what == "completed"]
        if not units:
            return None
        firsts: dict[str, Passage] = {}
        for passage in units:
            firsts.setdefault(passage.item, passage)
        marks = ", ".join("?" * len(firsts))
        earlier = {
            item
            for (item,) in self.reader.select(
                f"SELECT DISTINCT item FROM line_passage WHERE item IN ({marks}) AND time_us < ?"
                " AND station = ? AND what = 'completed'",
                *firsts,
                self.start_us,
                units[0].station,
            )
        }
        inspected = [passage for item, passage in firsts.items() if item not in earlier]
        good = sum(1 for passage in inspected if passage.good and not passage.rework and not passage.scrap)
        return good / len(inspected) if inspected else None

    # ----------------------------------------------------------------- observation

    def _lost_sources(self) -> dict[str, Watch]:
        found = {}
        for name in {station.source for station in self.line.station if station.source}:
            watch = self.reader.first(
                Watch, "adapter = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC", name, self.at_us
            )
            if watch is not None and watch.lost:
                found[name] = watch
        return found

    def _lost(self, station: Station) -> Watch | None:
        """The silence that hides this station now, unless it was heard of since (late facts fill a gap)."""
        watch = self.lost.get(station.source or "")
        if watch is None:
            return None
        known_us = self._last_known_us(station)
        return watch if known_us is None or known_us <= watch.time_us else None

    def _last_known_us(self, station: Station) -> int | None:
        ((latest,),) = self.reader.select(
            "SELECT max(t) FROM (SELECT max(time_us) AS t FROM line_state WHERE station = ?1 AND time_us <= ?2"
            " UNION ALL SELECT max(time_us) FROM line_passage WHERE station = ?1 AND time_us <= ?2"
            " UNION ALL SELECT max(time_us) FROM line_output WHERE station = ?1 AND time_us <= ?2)",
            station.path, self.at_us,
        )  # fmt: skip
        return int(latest) if latest is not None else None

    def _seen(self, station: Station, lost: Watch | None) -> dt.datetime | None:
        if lost is not None:
            return self.time(lost.seen_us)
        heard = self.reader.heard.get(station.source or "") if self.live else None
        if heard is not None:
            return heard.astimezone(self.plant.zone)
        known_us = self._last_known_us(station)
        return self.time(known_us) if known_us is not None else None

    # ----------------------------------------------------------------- values and alarms

    def _key(self, station: Station) -> Indicator | None:
        if station.key is None:
            return None
        reading = self.reader.first(
            Reading,
            "station = ? AND characteristic = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC",
            station.path, station.key, self.at_us,
        )  # fmt: skip
        if reading is None:
            return None
        known = self.plant.characteristic(self.line, station.key)
        lower = reading.lower or (known.lower if known else None)
        upper = reading.upper or (known.upper if known else None)
        return Indicator(
            name=known.name if known else station.key,
            value=_shown(reading.value, known),
            uom=reading.uom,
            lower=lower or None,
            upper=upper or None,
            nominal=known.nominal if known else None,
            time=self.time(reading.time_us),
            verdict=_verdict(reading.value, lower or None, upper or None),
        )

    def _places(self) -> dict[str, str]:
        """Where alarms of this line can be: stations, and the sources stations speak through → station id."""
        places = {station.path: station.id for station in self.line.station}
        for station in reversed(self.line.station):
            if station.source:
                places[f"source:{station.source}"] = station.id
        return places

    def _alarms(self, standing: bool) -> list[AlarmRow]:
        places = self._places()
        marks = ", ".join("?" * len(places))
        if standing:
            # Two conditions so that each uses its index: what still stands, and what stood at a past moment.
            spells = self.reader.rows(
                Spell, f"place IN ({marks}) AND until_us = 0 AND from_us <= ?", *places, self.at_us
            )
            if not self.live:
                spells += self.reader.rows(
                    Spell, f"from_us <= ? AND until_us > ? AND place IN ({marks})", self.at_us, self.at_us, *places
                )
        else:
            spells = self.reader.rows(
                Spell,
                f"from_us > ? AND until_us BETWEEN ? AND ? AND place IN ({marks})",
                self.start_us - LONG_STAY_US, self.start_us, self.at_us, *places,
            )  # fmt: skip
        rows = [self._alarm_row(spell, places) for spell in spells]
        if standing:
            return sorted(rows, key=lambda row: (row.priority, row.seen_by != "", row.since))
        return sorted(rows, key=lambda row: row.until or row.since, reverse=True)

    def _alarm_row(self, spell: Spell, places: dict[str, str]) -> AlarmRow:
        seen = 0 < spell.seen_us <= self.at_us
        return AlarmRow(
            alarm=spell.alarm,
            priority=spell.priority,
            text=spell.text,
            response=spell.response,
            detail=spell.detail,
            station=places.get(spell.place, ""),
            place=spell.place,
            since=self.time(spell.from_us),
            until=self.time(spell.until_us) if 0 < spell.until_us <= self.at_us else None,
            seen_at=self.time(spell.seen_us) if seen else None,
            seen_by=spell.seen_by if seen else "",
            shelved_until=self.time(spell.shelved_us) if spell.shelved_us > self.at_us else None,
        )

    def _top_alarm(self, station: Station) -> AlarmRow | None:
        places = (station.path, f"source:{station.source}")
        return next((row for row in self.alarms if row.place in places), None)

    # ----------------------------------------------------------------- output and plan

    def _made_in_shift(self) -> list[dt.datetime]:
        """When good pieces left the last station in this shift."""
        if not self.line.station:
            return []
        passages = self._passages(self.line.station[-1])
        return [self.time(passage.time_us) for passage in passages for _ in range(min(passage.good, 10_000))]

    def _planned(self, until: dt.datetime) -> int | None:
        if self.shift is None or not self.line.takt_s:
            return None
        return int(self.shift.working_s(until) / self.line.takt_s)

    def _cadence(self, made: Sequence[dt.datetime]) -> float | None:
        """Mean working time between the last pieces, seconds; None below three pieces."""
        recent = list(made[-LAST_CYCLES:])
        if self.shift is None or len(recent) < 3:
            return None
        return (self.shift.working_s(recent[-1]) - self.shift.working_s(recent[0])) / (len(recent) - 1)

    def _curve(self, made: list[dt.datetime], cadence: float | None, tiles: list[Tile]) -> Curve | None:
        if self.shift is None or not self.line.takt_s:
            return None
        forecast = low = high = None
        # A forecast on stale input would be a guess: none while the last station is not observed.
        if cadence and made and tiles[-1].observed == "yes":
            left = self.shift.working_s(self.shift.end) - self.shift.working_s(self.at)
            gaps = [self.shift.working_s(b) - self.shift.working_s(a) for a, b in pairwise(made[-LAST_CYCLES:])]
            spread = (sum((gap - cadence) ** 2 for gap in gaps) / len(gaps)) ** 0.5
            more = left / cadence
            doubt = (spread / cadence) * more**0.5
            forecast = len(made) + round(more)
            low, high = max(len(made), round(forecast - doubt)), round(forecast + doubt)
        planned_total = self._planned(self.shift.end) or 0
        return Curve(tuple(made), planned_total, forecast, low, high)

    def _hours(self, made: list[dt.datetime], ribbons: tuple[Ribbon, ...]) -> Iterable[Hour]:
        if self.shift is None or not self.line.takt_s:
            return
        start = self.shift.start
        while start < self.shift.end:
            end = min((start.astimezone(dt.UTC) + dt.timedelta(hours=1)).astimezone(self.plant.zone), self.shift.end)
            begun = start <= self.at
            yield Hour(
                start=start,
                end=end,
                planned=(self._planned(end) or 0) - (self._planned(start) or 0),
                made=sum(1 for time in made if start <= time < end) if begun else None,
                reason=_costliest(ribbons, start, min(end, self.at)) if begun else "",
            )
            start = end

    def _ribbon(self, station: Station) -> Ribbon:
        assert self.shift is not None
        before = self.reader.rows(
            State, "station = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC LIMIT 1", station.path, self.start_us
        )
        rows = self.reader.rows(
            State,
            "station = ? AND time_us > ? AND time_us <= ? ORDER BY time_us, fact",
            station.path, self.start_us, self.at_us,
        )  # fmt: skip
        parts = []
        every = [*before, *rows]
        for index, row in enumerate(every):
            begin_us = max(row.time_us, self.start_us)
            end_us = every[index + 1].time_us if index + 1 < len(every) else self.at_us
            if end_us > begin_us:
                reason = self.plant.reasons.get(row.reason)
                cause = row.message or (reason.name if reason else row.reason)
                parts.append(RibbonPart(self.time(begin_us), self.time(end_us), row.state, cause))
        lost = self._lost(station)
        if lost is not None:
            parts = _cut(parts, self.time(lost.seen_us), self.at)
        return Ribbon(station.id, tuple(parts))

    # ----------------------------------------------------------------- buffers

    def _buffers(self, tiles: list[Tile]) -> list[Buffer]:
        found = []
        for (station, tile), (_, after) in pairwise(zip(self.line.station, tiles, strict=True)):
            if station.buffer is None:
                continue
            count = len(self.here.get((station.path, "after"), ()))
            found.append(
                Buffer(
                    after=station.id,
                    count=count,
                    capacity=station.buffer or None,
                    empty_at=self._runs_empty(tile, after, count),
                    full_at=self._runs_full(tile, after, count, station.buffer),
                )
            )
        return found

    def _runs_empty(self, before: Tile, after: Tile, count: int) -> dt.datetime | None:
        """When the station after has used up what waits, if the one before gives no more."""
        if before.state not in (*OWN_CAUSES, *FROM_OUTSIDE) or after.state != "Execute" or self.shift is None:
            return None
        pace = _pace(after)
        if pace is None:
            return None
        return self.shift.after_work(self.at, self._remaining(after, pace) + count * pace)

    def _runs_full(self, before: Tile, after: Tile, count: int, capacity: int) -> dt.datetime | None:
        """When the buffer is full, if the station after takes nothing."""
        if after.state not in (*OWN_CAUSES, "Blocked") or before.state != "Execute" or self.shift is None:
            return None
        pace = _pace(before)
        if pace is None or not capacity:
            return None
        free = capacity - count
        return self.shift.after_work(self.at, self._remaining(before, pace) + (free - 1) * pace) if free > 0 else None

    def _remaining(self, tile: Tile, pace: float) -> float:
        if tile.cycle.since is None:
            return 0.0
        return max(0.0, pace - (self.at - tile.cycle.since).total_seconds())

    # ----------------------------------------------------------------- what does not fit

    def _contradictions(self) -> list[Contradiction]:
        marks = ", ".join("?" * len(self.line.station))
        rows = self.reader.rows(
            Oddity,
            f"station IN ({marks}) AND time_us >= ? AND time_us <= ? ORDER BY time_us DESC LIMIT 50",
            *(station.path for station in self.line.station), self.start_us, self.at_us,
        )  # fmt: skip
        return [
            Contradiction(self.time(row.time_us), row.kind, _serial(row.item), row.station, row.other) for row in rows
        ]

    def _unknown_stations(self) -> list[str]:
        """Stations under this line's path that facts speak of and the plant file does not have."""
        rows = self.reader.select(
            "WITH RECURSIVE s(p) AS (SELECT min(station) FROM line_state WHERE station > ?1 AND station < ?2"
            " UNION ALL SELECT (SELECT min(station) FROM line_state WHERE station > p AND station < ?2)"
            " FROM s WHERE p IS NOT NULL) SELECT p FROM s WHERE p IS NOT NULL",
            f"{self.line.path}/", f"{self.line.path}0",
        )  # fmt: skip
        known = {station.path for station in self.line.station}
        return [path for (path,) in rows if path not in known]


def _pace(tile: Tile) -> float | None:
    """Seconds between pieces of a station: the mean of its last cycles, shared by its places."""
    if tile.cycles_s:
        mean = sum(tile.cycles_s) / len(tile.cycles_s)
        return mean / max(1, len(tile.units))
    return tile.cycle.target_s


def _cut(parts: Sequence[RibbonPart], start: dt.datetime, end: dt.datetime) -> list[RibbonPart]:
    """The parts up to `start`, then no data until `end`."""
    kept = [RibbonPart(p.start, min(p.end, start), p.state, p.cause) for p in parts if p.start < start]
    return [*kept, RibbonPart(max(start, kept[-1].end) if kept else start, end, "No data", "")]


def _costliest(ribbons: Sequence[Ribbon], start: dt.datetime, end: dt.datetime) -> str:
    """The cause of the stop that took most time in an hour; empty below two minutes."""
    lost: defaultdict[str, float] = defaultdict(float)
    for ribbon in ribbons:
        for part in ribbon.parts:
            if part.state in OWN_CAUSES:
                overlap = (min(part.end, end) - max(part.start, start)).total_seconds()
                if overlap > 0:
                    lost[part.cause or part.state] += overlap
    if not lost:
        return ""
    cause, seconds = max(lost.items(), key=lambda item: item[1])
    return cause if seconds >= 120 else ""


def _verdict(value: str, lower: str | None, upper: str | None) -> Literal["inside", "near", "outside"]:
    """Outside the limits, near one (within a tenth of the range), or inside."""
    x = float(value)
    low, high = (float(limit) if limit is not None else None for limit in (lower, upper))
    if (low is not None and x < low) or (high is not None and x > high):
        return "outside"
    margin = (high - low) / 10 if low is not None and high is not None else abs(high or low or 0) / 10
    if (low is not None and low != 0 and x < low + margin) or (high is not None and x > high - margin):
        return "near"
    return "inside"


def _shown(value: str, known: Characteristic | None) -> str:
    return f"{float(value):.{known.digits}f}" if known is not None and known.digits is not None else value


def _serial(item: str) -> str:
    return item.partition("/")[2] if item.startswith("unit:") else item.partition(":")[2]


def _product_of(shares: Iterable[float | None]) -> float | None:
    """Rolled throughput yield: the product of the stations' first pass yields."""
    known = [share for share in shares if share is not None]
    if not known:
        return None
    result = 1.0
    for share in known:
        result *= share
    return result
