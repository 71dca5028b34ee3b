"""The handover report of a shift: plan and output hour by hour, losses, stops, what is open, who signed."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import at_most, between, one_of
from asbuilt.domain.cases import questions as cases
from asbuilt.domain.meaning import named_in
from asbuilt.domain.pieces import questions as pieces
from asbuilt.domain.states import spells
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Line
from asbuilt.plant.calendar import Forecast, ShiftWindow, at_place, forecast, pace_s, plan_of, shifts_of
from asbuilt.views.shift.anomalies import produced_us
from asbuilt.views.shift.calendar import HOUR_US, SECOND_US, Calendar, time_at
from asbuilt.views.shift.figures import Kpi
from asbuilt.views.shift.rows import Handover, Note
from asbuilt.views.shift.stops import FROM_OUTSIDE, Cause, Loss, Stop, losses, pareto, stops
from asbuilt.views.shift.window import Look

MAX_LISTED = 200
ALL_SEEN = 0.995
"""From this share on, what was observed is all of it for people."""
REASON_FROM_S = 60.0
"""An hour names what cost it at least so much."""


class HourRow(Struct, frozen=True):
    """One hour of a shift: planned and made pieces, by itself and since its start, and what cost most.

    `made` is None for an hour to come, for one in which nobody told pieces and nothing was observed, and while nobody has
    ever told pieces; `observed` is the share of its work so far in which the last station was.
    """

    start: dt.datetime
    end: dt.datetime
    planned: int | None
    made: int | None
    planned_so_far: int | None
    made_so_far: int | None
    reason: str
    lost_s: float
    observed: float | None


class Open(Struct, frozen=True):
    """A hold or nonconformance that stood at the end of the shift."""

    item: str
    subject: str
    since: dt.datetime
    station: str
    text: str
    grade: str
    by: str


class NoteRow(Struct, frozen=True):
    """A note of the shift."""

    time: dt.datetime
    place: str
    text: str
    by: str
    about: str


class Signature(Struct, frozen=True):
    """Who handed the shift over, and when."""

    by: str
    time: dt.datetime


class Explanation(Struct, frozen=True):
    """One explanation of a stop, as it was told; `holds` tells whether it is the one that counts now, anywhere.

    `without_effect_s` is how long of it the station says that it produced: there it counts for nothing.
    """

    station: str
    start: dt.datetime
    end: dt.datetime
    reason: str
    title: str
    message: str
    by: str
    told: dt.datetime
    holds: bool
    without_effect_s: float
    fact: UUID


class Report(Struct, frozen=True):
    """Everything a shift hands over. `late` counts explanations declared after it was signed.

    `made` is None where nobody told pieces and nothing was observed, or nobody ever told any; `seen` says of how much of the time the report
    can speak, in words to be added to a sentence: empty for all of it; `observed` is that share at the line's end.
    """

    line: str
    name: str
    address: str
    shift: ShiftWindow
    at: dt.datetime
    over: bool
    headline: str
    kpi: Kpi
    stations: tuple[Kpi, ...]
    hours: tuple[HourRow, ...]
    made: int | None
    observed: float | None
    seen: str
    planned: int | None
    planned_total: int | None
    takt_s: float | None
    pace_s: float | None
    forecast: Forecast | None
    losses: tuple[Loss, ...]
    causes: tuple[Cause, ...]
    waits: tuple[Cause, ...]
    stops: tuple[Stop, ...]
    explanations: tuple[Explanation, ...]
    open_items: tuple[Open, ...]
    notes: tuple[NoteRow, ...]
    signed: tuple[Signature, ...]
    late: int
    before: str
    after: str


def find_shift(reader: Reader, line: Line, day: dt.date, name: str) -> ShiftWindow:
    """The shift of a line that began on a day, by the plant file then in force. Raises `UsageError`."""
    zone = reader.plant().zone
    start = microseconds(dt.datetime.combine(day, dt.time(), zone))
    calendar = Calendar(reader.plants(), line.path, start, start + 26 * HOUR_US)
    known = [window for window, _, _, _ in calendar.shifts if window.day == day]
    for window in known:
        if window.id == name:
            return window
    there = ", ".join(window.id for window in known) or "none"
    raise UsageError(f"{line.name} has no shift {name} on {day}", remedy=f"The shifts of that day: {there}.")


def report(reader: Reader, line: Line, window: ShiftWindow, at: dt.datetime | None) -> Report:
    """The report of one shift of a line, as it stands at a moment."""
    instant = at_place(reader.instant(at), reader.plant(at).zone)
    until = min(max(instant, window.start), window.end)
    look = Look(reader, line.path, window.start, window.end, instant)
    found = stops(look)
    made = _made(look)
    good = [time_at(us, look.zone) for us, pieces in made for _ in range(min(pieces, 10_000))]
    takt = line.takt_s
    signed = signatures_of(reader, line, window, instant)
    explained = _explanations(reader, look)
    own = [stop for stop in found if stop.state not in FROM_OUTSIDE]
    waits = [stop for stop in found if stop.state in FROM_OUTSIDE]
    before, after = _neighbours(reader, line, window)
    planned = plan_of(window, takt, until) if takt else None
    kpi = look.kpis("")[0]
    observed = look.observed(look.start_us, look.end_us)
    ends = [member.station.path for member in look.members if member.ends]
    told_any = bool(made) or pieces.ever_told(reader, ends, min(look.end_us, look.now_us))
    seen = observed if observed is not None else look.watched(look.start_us, look.end_us)
    count = len(good) if made or (told_any and seen) else None
    foreseen = instant < window.end and pieces.foreseeable(reader, look.plant, ends, look.now_us)
    return Report(
        line=line.path, name=line.name, address=look.plant.address(line), shift=window, at=instant,
        over=instant >= window.end, headline=_headline(line, window, instant, count, planned, own, observed),
        kpi=kpi, stations=tuple(_by_station(look)),
        hours=tuple(_hours(look, window, instant, made, takt, own, told_any)), made=count, observed=observed, seen=seen_of(kpi.coverage), planned=planned,
        planned_total=plan_of(window, takt, window.end) if takt else None, takt_s=takt, pace_s=pace_s(window, good),
        forecast=forecast(window, instant, good) if foreseen else None,
        losses=tuple(losses(look, found)), causes=tuple(pareto(own)), waits=tuple(pareto(waits)),
        stops=tuple(stop for stop in own if not stop.short)[:MAX_LISTED],
        explanations=tuple(explained), open_items=tuple(_open_items(reader, look, line)),
        notes=tuple(_notes(reader, look, line, window)), signed=tuple(signed),
        late=sum(1 for row in explained if signed and row.told > signed[0].time), before=before, after=after,
    )  # fmt: skip


def _by_station(look: Look) -> list[Kpi]:
    (part,) = look.parts("")
    return [look.figures_of(part, member) for member in look.members if member.station.path in part.by_station]


def _made(look: Look) -> list[tuple[int, int]]:
    """When good pieces left the line, and how many: of the last station, or of all of a job shop's."""
    rows: list[tuple[int, int]] = []
    for member in look.members:
        if not member.ends:
            continue
        made = pieces.made(look.reader, member.station.path, look.start_us, min(look.end_us, look.now_us + 1))
        rows += [(row.time_us, row.good) for row in made if row.good]
    return sorted(rows)


def _hours(
    look: Look,
    window: ShiftWindow,
    at: dt.datetime,
    made: Sequence[tuple[int, int]],
    takt: float | None,
    found: Sequence[Stop],
    told_any: bool,
) -> list[HourRow]:
    rows = []
    times = [us for us, _ in made]
    sums = [0]
    for _, count in made:
        sums.append(sums[-1] + count)
    start_us, end_us = microseconds(window.start), microseconds(window.end)
    for begin_us in range(start_us, end_us, HOUR_US):
        begin, end = (time_at(us, look.zone) for us in (begin_us, min(begin_us + HOUR_US, end_us)))
        begun = begin <= at
        here, so_far = (sums[bisect_left(times, us)] for us in (begin_us, min(begin_us + HOUR_US, end_us)))
        reason, lost_s = _costliest(found, begin, min(end, at)) if begun else ("", 0.0)
        observed = look.observed(begin_us, min(begin_us + HOUR_US, end_us)) if begun else None
        until_us = min(begin_us + HOUR_US, end_us)
        seen = so_far > here or (observed > 0 if observed is not None else look.watched(begin_us, until_us))
        known = begun and seen and told_any
        if begun and not seen and not reason:
            reason = "Not observed"
        rows.append(
            HourRow(
                start=begin, end=end, made=so_far - here if known else None, made_so_far=so_far if known else None,
                observed=observed,
                planned=plan_of(window, takt, end) - plan_of(window, takt, begin) if takt else None,
                planned_so_far=plan_of(window, takt, end) if takt else None, reason=reason, lost_s=lost_s,
            )
        )  # fmt: skip
    return rows


def _costliest(found: Sequence[Stop], start: dt.datetime, end: dt.datetime) -> tuple[str, float]:
    """What cost most in an hour: station, cause and seconds."""
    lost: dict[str, float] = {}
    for stop in found:
        overlap = (min(stop.end, end) - max(stop.start, start)).total_seconds()
        if overlap > 0 and stop.kind in ("delay", "setup"):
            lost[f"{stop.name}: {stop.title}"] = lost.get(f"{stop.name}: {stop.title}", 0.0) + overlap
    if not lost:
        return "", 0.0
    cause, seconds = max(lost.items(), key=lambda item: (item[1], item[0]))
    return (cause, seconds) if seconds >= REASON_FROM_S else ("", 0.0)


def seen_of(coverage: float | None) -> str:
    """Of how much of the time something can be said, to be added to a sentence; empty for all of it."""
    if coverage is None or coverage >= ALL_SEEN:
        return ""
    if coverage <= 0:
        return ": nothing was observed"
    # A little is not nothing: made in "the 0 % that was observed" says that it was not seen.
    share = f"the {coverage * 100:.0f} %" if coverage >= 0.01 else "less than 1 %"
    return f" in {share} of the time that was observed"


def _headline(
    line: Line,
    window: ShiftWindow,
    at: dt.datetime,
    made: int | None,
    planned: int | None,
    own: Sequence[Stop],
    observed: float | None,
) -> str:
    """The finding of the report: output against plan, what cost most, what waits for a reason."""
    if at <= window.start:
        # Of no time nothing is made, and nothing is to plan.
        return f"Shift {window.id} begins at {window.start:%H:%M}."
    if made is None and (observed is None or observed > 0):
        return f"Nobody has told pieces of {line.name} yet: what it made in shift {window.id} is not known."
    if made is None:
        return f"{line.name} was not observed in shift {window.id}: what it made is not known."
    parts = [f"{line.name} {'made' if at >= window.end else 'has made'} {made}"]
    if planned is not None:
        parts[0] += f" of {planned}"
    if observed is not None and observed < ALL_SEEN:
        parts[0] += seen_of(observed) if observed > 0 else ", told by somebody, of a time that was not observed"
    elif planned is not None:
        missing = planned - made
        parts[0] += f", {missing} behind plan" if missing > 0 else ", to plan" if not missing else f", {-missing} ahead of plan"  # fmt: skip
    lost: dict[tuple[str, str], float] = {}
    for stop in own:
        if stop.kind == "delay":
            key = (stop.name, stop.title)
            lost[key] = lost.get(key, 0.0) + stop.seconds
    if lost:
        (name, title), seconds = max(lost.items(), key=lambda item: (item[1], item[0]))
        if seconds >= REASON_FROM_S:
            parts.append(
                f"{name} cost most: {title.lower() if title[:2] != title[:2].upper() else title}, {seconds / 60:.0f} min"
            )
    waiting = sum(1 for stop in own if stop.waiting)
    if waiting:
        parts.append(f"{waiting} {'stop waits' if waiting == 1 else 'stops wait'} for a reason")
    return "; ".join(parts) + "."


def signatures_of(reader: Reader, line: Line, window: ShiftWindow, at: dt.datetime) -> list[Signature]:
    """Who handed a shift over up to a moment, in order."""
    rows = reader.rows(
        Handover,
        {"line": line.path, "day": window.day.isoformat(), "shift": window.id, "time_us": at_most(microseconds(at))},
        order="time_us fact",
    )
    return [Signature(row.by, time_at(row.time_us, reader.plant(at).zone)) for row in rows]


def _explanations(reader: Reader, look: Look) -> list[Explanation]:
    """Every explanation of time in the shift, the latest told first; those that no longer hold stay visible."""
    found = []
    for member in look.members:
        rows = [
            row
            for row in spells.explanations(reader, member.station.path, look.start_us, look.end_us)
            if row.end_us > look.start_us
        ]
        station = look.station(member)
        without = {row.fact: us for row, us in produced_us(station, rows)}
        holding = {
            piece.told.fact
            for piece in station.explanations()
            if piece.told.end_us - piece.told.start_us > without.get(piece.told.fact, 0)
        }
        found += [
            Explanation(
                station=member.station.name, start=time_at(row.start_us, look.zone), end=time_at(row.end_us, look.zone),
                reason=row.reason, title=look.plant.reason_title(row.reason), message=row.message, by=row.by,
                told=time_at(row.declared_us, look.zone), holds=row.fact in holding,
                without_effect_s=without.get(row.fact, 0) / SECOND_US, fact=UUID(bytes=row.fact),
            )
            for row in rows
        ]  # fmt: skip
    return sorted(found, key=lambda row: (row.told, row.fact), reverse=True)[:MAX_LISTED]


def _open_items(reader: Reader, look: Look, line: Line) -> list[Open]:
    at_us = min(look.end_us, look.now_us)
    # What begins as the shift ends is the next one's.
    rows = [
        Open(f"hold {row.hold}", _thing(row.item), time_at(row.from_us, look.zone), row.station, row.reason, "", row.by)
        for row in cases.holds_standing(reader, at_us)
        if row.from_us < look.end_us
    ]
    rows += [
        Open(
            f"nonconformance {row.nonconformance}", _thing(row.item),
            time_at(row.from_us, look.zone), row.station, row.reason, row.severity, row.by,
        )
        for row in cases.open_cases(reader, at_us)
        if row.from_us < look.end_us
    ]  # fmt: skip
    here = [row for row in rows if not row.station or row.station.startswith(f"{line.path}/")]
    here.sort(key=lambda row: (row.item, row.subject))
    here.sort(key=lambda row: row.since, reverse=True)
    return here[:MAX_LISTED]


def _thing(key: str) -> str:
    """A thing's key in words; a serial or lot with its product, so that two of one name are two."""
    if not key:
        return ""
    kind, (product, name) = key.partition(":")[0], named_in(key)
    return f"{'serial' if kind == 'unit' else kind} {name}" + (f" of {product}" if product else "")


def _notes(reader: Reader, look: Look, line: Line, window: ShiftWindow) -> list[NoteRow]:
    """Notes that name the shift, and those written in it that name none."""
    place = one_of(look.places())
    known = at_most(look.now_us)
    named = f"{window.day.isoformat()} {window.id}"
    rows = reader.rows(Note, {"shift": named, "place": place, "time_us": known}, limit=MAX_LISTED)
    until_us = min(look.end_us, look.now_us + 1)
    rows += reader.rows(
        Note, {"shift": "", "place": place, "time_us": between(look.start_us, until_us)}, limit=MAX_LISTED
    )
    return [
        NoteRow(
            time_at(row.time_us, look.zone), row.place.removeprefix(line.path).strip("/"), row.text, row.by, row.about
        )
        for row in sorted(rows, key=lambda row: (row.time_us, row.fact))
    ]


def _neighbours(reader: Reader, line: Line, window: ShiftWindow) -> tuple[str, str]:
    """The shifts before and after, as `DAY/SHIFT`; empty where there is none within a week."""
    plant = reader.plant(window.start)
    week = dt.timedelta(days=7)
    names = [
        (f"{one.day.isoformat()}/{one.id}", one.start)
        for one in shifts_of(plant, plant.lines.get(line.path, line), window.day - week, window.day + week)
    ]
    before = [name for name, start in names if start < window.start]
    after = [name for name, start in names if start > window.start]
    return before[-1] if before else "", after[0] if after else ""
