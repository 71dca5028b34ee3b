"""What a line made in the shift: against plan, with pace and forecast, hour by hour and state by state."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence

from asbuilt.domain.pieces import questions as pieces
from asbuilt.domain.pieces.rows import Made
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.states import spells as states
from asbuilt.domain.states.reading import course
from asbuilt.events import microseconds
from asbuilt.plant import Station
from asbuilt.plant.calendar import forecast, pace_s, plan_of, utc
from asbuilt.views.line.answers import OWN_CAUSES, Curve, Hour, Ribbon, RibbonPart
from asbuilt.views.line.moment import Moment


def told_in_shift(look: Moment, station: Station) -> list[Made]:
    """Whatever was told of pieces of the station in this shift, in order of time."""
    return pieces.told(look.reader, station.path, look.start_us, look.at_us + 1)


def made_at(look: Moment, station: Station) -> list[Made]:
    """What counts of the pieces of the station in this shift, in order of time: as the handover has it."""
    return pieces.made(look.reader, station.path, look.start_us, look.at_us + 1)


def ends(look: Moment) -> list[Station]:
    """The stations at which pieces leave the line: the last one, in a job shop each."""
    return list(look.line.station[-1:]) if look.line.flow == "serial" else list(look.line.station)


def made_in_shift(look: Moment) -> list[dt.datetime]:
    """When good pieces left the line in this shift."""
    found = [(row.time_us, row.good) for station in ends(look) for row in made_at(look, station)]
    return [look.time(time_us) for time_us, good in sorted(found) for _ in range(min(good, 10_000))]


def told_at_end(look: Moment) -> bool:
    """Whether anybody has told pieces at the line's end up to now."""
    return pieces.ever_told(look.reader, [station.path for station in ends(look)], look.at_us)


def observed(look: Moment) -> float | None:
    """The share of the shift so far in which the line's end was observed; None where it has just begun, and in a job shop.

    People report after the fact: of a job shop, no report is no sign of silence.
    """
    if look.line.flow == "job_shop":
        return None
    whole = len(ends(look)) * (look.at_us - look.start_us)
    seen = sum(presence.observed_us(look.reader, station.path, look.start_us, look.at_us) for station in ends(look))
    return seen / whole if whole else None


def output_of(look: Moment, stations: Sequence[Station], good: int, *, told: bool) -> int | None:
    """Good pieces of stations in the shift so far; None where nobody told any and nothing was observed."""
    # In a shift that begins this very moment nothing can have been made.
    if (
        told
        or look.start_us == look.at_us
        or any(presence.observed_us(look.reader, one.path, look.start_us, look.at_us) for one in stations)
    ):
        return good
    return None


def planned(look: Moment, until: dt.datetime) -> int | None:
    """Pieces that the takt asks for from the start of the shift to an instant."""
    if look.shift is None or not look.line.takt_s:
        return None
    return plan_of(look.shift, look.line.takt_s, until)


def cadence_s(look: Moment, made: Sequence[dt.datetime]) -> float | None:
    """Mean working time between the last pieces, seconds; None below three pieces."""
    return pace_s(look.shift, made) if look.shift is not None else None


def curve(look: Moment, made: Sequence[dt.datetime], cadence: float | None) -> Curve | None:
    """Output against plan, and where the pace of the last pieces leads by the end of the shift."""
    if look.shift is None or not look.line.takt_s:
        return None
    planned_total = planned(look, look.shift.end) or 0
    foreseen = pieces.foreseeable(look.reader, look.plant, [station.path for station in ends(look)], look.at_us)
    ahead = forecast(look.shift, look.at, made) if cadence and foreseen else None
    if ahead is None:
        return Curve(tuple(made), planned_total, None, None, None)
    return Curve(tuple(made), planned_total, ahead.total, ahead.low, ahead.high)


def hours(look: Moment, made: Sequence[dt.datetime], ribbons: Sequence[Ribbon], pieces_told: bool) -> Iterator[Hour]:
    """The hours of the shift: planned, made (None where that is not known), and what cost most."""
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
            made=_made_between(look, made, start, min(end, now), now < end) if begun and pieces_told else None,
            reason=_costliest(ribbons, start, min(end, now)) if begun else "",
        )
        start = end


def _made_between(
    look: Moment, made: Sequence[dt.datetime], start: dt.datetime, end: dt.datetime, is_under_way: bool
) -> int | None:
    """Pieces between two instants (UTC); None where none were told and nobody observed.

    Of an hour under way what was made at this very instant is in it; at its end an hour is over, and the next one has that.
    """
    count = sum(1 for time in made if start <= utc(time) < end or (is_under_way and utc(time) == end))
    first, last = microseconds(start), microseconds(end)
    if count or first >= last:
        return count
    seen = any(presence.observed_us(look.reader, station.path, first, last) for station in ends(look))
    return 0 if seen else None


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
