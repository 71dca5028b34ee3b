"""What a line made in the shift: against plan, with pace and forecast, hour by hour and state by state."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence

from asbuilt.access.conditions import Test, Value, between, one_of
from asbuilt.domain.states import told as states
from asbuilt.domain.states.reading import course
from asbuilt.plant import Station
from asbuilt.plant.calendar import forecast, pace_s, plan_of, utc
from asbuilt.time import DAY_US
from asbuilt.views.line.answers import OWN_CAUSES, Curve, Hour, Ribbon, RibbonPart, Tile
from asbuilt.views.line.fold import Output, Passage
from asbuilt.views.line.moment import Moment


def passages(look: Moment, station: Station) -> list[Passage]:
    """What the station completed in this shift, in order of time."""
    return look.reader.rows(
        Passage,
        "station = ? AND time_us >= ? AND time_us <= ? AND what IN ('completed', 'reported') ORDER BY time_us, fact",
        station.path, look.start_us, look.at_us,
    )  # fmt: skip


def made_in_shift(look: Moment) -> list[dt.datetime]:
    """When good pieces left the last station in this shift."""
    if not look.line.station:
        return []
    last = look.line.station[-1]
    told = [(passage.time_us, passage.good) for passage in passages(look, last)]
    # A counter tells the pieces of a station that completes nothing; beside completions it tells the same ones again.
    week_us = 7 * DAY_US
    identified: dict[str, Value | Test] = {
        "station": last.path,
        "time_us": between(look.start_us - week_us, look.at_us + 1),
    }
    if not told and not look.reader.exists(Passage, {**identified, "what": one_of(("completed", "reported"))}):
        counted: dict[str, Value | Test] = {"station": last.path, "time_us": between(look.start_us, look.at_us + 1)}
        told = [(row.time_us, row.good) for row in look.reader.rows(Output, counted, order="time_us fact")]
    return [look.time(time_us) for time_us, good in told for _ in range(min(good, 10_000))]


def planned(look: Moment, until: dt.datetime) -> int | None:
    """Pieces that the takt asks for from the start of the shift to an instant."""
    if look.shift is None or not look.line.takt_s:
        return None
    return plan_of(look.shift, look.line.takt_s, until)


def cadence_s(look: Moment, made: Sequence[dt.datetime]) -> float | None:
    """Mean working time between the last pieces, seconds; None below three pieces."""
    return pace_s(look.shift, made) if look.shift is not None else None


def curve(look: Moment, made: Sequence[dt.datetime], cadence: float | None, last: Tile | None) -> Curve | None:
    """Output against plan, and where the pace of the last pieces leads by the end of the shift."""
    if look.shift is None or not look.line.takt_s:
        return None
    planned_total = planned(look, look.shift.end) or 0
    # A forecast on stale input would be a guess: none while the last station is not observed.
    ahead = forecast(look.shift, look.at, made) if cadence and last is not None and last.observed == "yes" else None
    if ahead is None:
        return Curve(tuple(made), planned_total, None, None, None)
    return Curve(tuple(made), planned_total, ahead.total, ahead.low, ahead.high)


def hours(look: Moment, made: Sequence[dt.datetime], ribbons: Sequence[Ribbon]) -> Iterator[Hour]:
    """The hours of the shift: planned, made, and what cost most."""
    if look.shift is None or not look.line.takt_s:
        return
    zone, now, start = look.plant.zone, utc(look.at), utc(look.shift.start)
    while start < utc(look.shift.end):
        end = min(start + dt.timedelta(hours=1), utc(look.shift.end))
        begun = start <= now
        yield Hour(
            start=start.astimezone(zone),
            end=end.astimezone(zone),
            planned=(planned(look, end) or 0) - (planned(look, start) or 0),
            made=sum(1 for time in made if start <= utc(time) < end) if begun else None,
            reason=_costliest(ribbons, start, min(end, now)) if begun else "",
        )
        start = end


def ribbon(look: Moment, station: Station) -> Ribbon:
    """The states of a station over the shift so far, with the reasons as they read today; no data where nobody observed."""
    assert look.shift is not None
    parts: list[RibbonPart] = []
    if states.before(look.reader, station.path, look.at_us + 1) is None:
        return Ribbon(station.id, ())
    for piece in course(look.reader, look.plant, station.path, look.start_us, look.at_us):
        here = piece.reading
        known = look.plant.reasons.get(here.reason)
        state = here.state if here.kind != "not observed" and here.state else "No data"
        cause = "" if state == "No data" else here.message or (known.name if known else here.reason)
        begin, end = look.time(piece.start_us), look.time(piece.end_us)
        if parts and (parts[-1].state, parts[-1].cause) == (state, cause) and state == "No data":
            parts[-1] = RibbonPart(parts[-1].start, end, state, cause)
        else:
            parts.append(RibbonPart(begin, end, state, cause))
    return Ribbon(station.id, tuple(parts))


def _costliest(ribbons: Sequence[Ribbon], start: dt.datetime, end: dt.datetime) -> str:
    """The cause of the stop that took most time between two instants (UTC); empty below two minutes."""
    lost: defaultdict[str, float] = defaultdict(float)
    for ribbon in ribbons:
        for part in ribbon.parts:
            if part.state in OWN_CAUSES:
                overlap = (min(utc(part.end), end) - max(utc(part.start), start)).total_seconds()
                if overlap > 0:
                    lost[part.cause or part.state] += overlap
    if not lost:
        return ""
    cause, seconds = max(lost.items(), key=lambda item: item[1])
    return cause if seconds >= 120 else ""
