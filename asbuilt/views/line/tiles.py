"""The tiles of a line: what each station does, since when and why, its cycles, key value and yield."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from asbuilt.access.conditions import between, count, total
from asbuilt.domain.measurements import questions as measurements
from asbuilt.domain.passages.rows import LONG_STAY_US
from asbuilt.domain.pieces import questions as pieces
from asbuilt.domain.pieces.rows import First, Made
from asbuilt.domain.presence.questions import Silence
from asbuilt.domain.states import spells
from asbuilt.domain.states.reading import explained_at, reading
from asbuilt.domain.states.spells import Spell
from asbuilt.events import microseconds
from asbuilt.plant import Characteristic, Station
from asbuilt.views.line.answers import AlarmRow, Cycle, Indicator, Tile
from asbuilt.views.line.cycles import counted_from, cycles
from asbuilt.views.line.flow import Here
from asbuilt.views.line.moment import Moment
from asbuilt.views.line.observation import Observation
from asbuilt.views.line.output import made_at, output_of, told_in_shift
from asbuilt.views.line.sentence import capital


class Tiles:
    """Makes the tiles of a line at a moment."""

    def __init__(self, look: Moment, observation: Observation, here: Here, alarms: Sequence[AlarmRow]) -> None:
        self._look = look
        self._observation = observation
        self._here = here
        self._alarms = alarms

    def tile(self, station: Station) -> Tile:
        """The tile of one station."""
        state = self._spell(station)
        inside = self._here.get((station.path, "at"), [])
        lost = self._observation.lost(station)
        # Where a machine tells states, people's reports do not: the same on every page.
        jobs = self._jobs(station) if self._look.line.flow == "job_shop" and state is None else []
        word, since, cause = self._word(state, jobs, lost, station)
        done = told_in_shift(self._look, station)
        made = made_at(self._look, station)
        adapter = self._look.plant.adapters.get((station.source or "").partition(":")[0])
        return Tile(
            id=station.id,
            path=station.path,
            name=station.name,
            label=station.label,
            state=word,
            since=since,
            cause=cause,
            planned=word == (state and state.state) and self._is_planned(state),
            observed=self._observation.told(bool(lost), bool(state or done)),
            source=station.source or "",
            fresh_s=adapter.fresh_s if adapter else None,
            seen=self._observation.seen(station, lost),
            units=tuple(serial(stay.unit) for stay in inside),
            cycle=Cycle(
                since=counted_from(self._look, station, inside[0].from_us) if inside else None,
                unit=serial(inside[0].unit) if inside else "",
                target_s=station.cycle_s or self._look.line.takt_s,
            ),
            cycles_s=cycles(self._look, station),
            takt_s=self._look.line.takt_s * station.places if self._look.line.takt_s else None,
            key=self._key(station),
            alarm=self._top_alarm(station),
            first_pass=self._first_pass(station),
            output=output_of(self._look, [station], sum(row.good for row in made), told=bool(made)),
            order=next((row.order_no for row in reversed(done) if row.order_no), ""),
            jobs=len(jobs),
        )

    def _spell(self, station: Station) -> Spell | None:
        """The state at the moment, as it reads by everything known now: one stop has one reason."""
        now_us = microseconds(self._look.reader.now) + 1
        at_us = self._look.at_us
        found = spells.spells(self._look.reader, station.path, at_us, at_us + 1, now_us)
        return found[-1] if found else None

    def _word(
        self, state: Spell | None, jobs: list[Made], lost: Silence | None, station: Station
    ) -> tuple[str, dt.datetime | None, str]:
        if lost is not None:
            known = self._look.plant.adapters.get(lost.source)
            title = known.title if known is not None else lost.source
            cause = f"{capital(title)} silent" if title else "No word"
            return "No data", self._look.time(lost.start_us), cause
        if self._look.line.flow == "job_shop" and state is None:
            if not jobs:
                return "Idle", None, ""
            people = sorted({job.by for job in jobs if job.by})
            return "Execute", self._look.time(min(job.start_us for job in jobs)), ", ".join(people)
        if state is None:
            return "No data", None, "Never heard of"
        cause = self._cause(state, station)
        if not cause and state.state == "Starved":
            cause = self._starved_by(station)
        return state.state, self._look.time(state.start_us), cause

    def _cause(self, state: Spell, station: Station) -> str:
        """Why a station stands: as a person explained it, else as the machine told it."""
        plant = self._look.plant
        here = reading(plant, state, False, explained_at(self._look.reader, station.path, self._look.at_us))
        known = plant.reasons.get(here.reason)
        return here.message or (known.name if known else here.reason)

    def _is_planned(self, state: Spell | None) -> bool:
        reason = self._look.plant.reasons.get(state.reason) if state else None
        return reason is not None and reason.group == "planned"

    def _starved_by(self, station: Station) -> str:
        index = self._look.line.station.index(station)
        return f"Waiting for {self._look.line.station[index - 1].label}" if index else "Waiting for material"

    def _jobs(self, station: Station) -> list[Made]:
        """Reports that cover this moment."""
        at_us = self._look.at_us
        later = pieces.told(self._look.reader, station.path, at_us + 1, at_us + 7 * LONG_STAY_US + 1, told="reported")
        return [row for row in later if row.start_us <= at_us]

    def _first_pass(self, station: Station) -> float | None:
        """Share of units that were good at their first completion here (ISO 22400-2: GP / IP, serials)."""
        shift = between(self._look.start_us, self._look.at_us + 1)
        ((inspected, clean),) = self._look.reader.totals(
            First, {"station": station.path, "time_us": shift}, of=(count(), total("clean"))
        )
        return clean / inspected if inspected else None

    def _key(self, station: Station) -> Indicator | None:
        if station.key is None:
            return None
        reading = measurements.last(self._look.reader, station.path, station.key, self._look.at_us)
        if reading is None:
            return None
        known = self._look.plant.characteristic(self._look.line, station.key)
        lower = reading.lower or (known.lower if known else None)
        upper = reading.upper or (known.upper if known else None)
        return Indicator(
            name=known.name if known else station.key,
            value=_shown(reading.value, known),
            uom=reading.uom,
            lower=lower or None,
            upper=upper or None,
            nominal=known.nominal if known else None,
            time=self._look.time(reading.time_us),
            verdict=_verdict(reading.value, lower or None, upper or None),
        )

    def _top_alarm(self, station: Station) -> AlarmRow | None:
        places = (station.path, f"source:{station.source}")
        return next((row for row in self._alarms if row.place in places and not row.aside), None)


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


def serial(item: str) -> str:
    """The name of an item for people: its serial, lot or order number."""
    return item.partition("/")[2] if item.startswith("unit:") else item.partition(":")[2]
