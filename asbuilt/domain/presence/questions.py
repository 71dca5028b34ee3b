"""Was a station observed? Silence is the union of all reasons for it, each an interval of event time.

A source is heard while it is connected and the record is written, and around every word it delivers. It is silent
while it is lost, in gaps that were found, and where no word comes for longer than its `fresh_s` allows (five periods,
as the watch over live sources has it) or, without one, than the plant file's `unheard_s` and `unheard_standing_s`.
What is silent in a window is the part of what is silent in any longer one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import above, at_least, at_most, below, between
from asbuilt.domain.presence.connections import NEVER_US, watch
from asbuilt.domain.presence.fold import Gap, Hour, Minute, Notice
from asbuilt.domain.presence.intervals import Interval, common, length, outside, union, within
from asbuilt.domain.presence.words import chained, looked_at, spoken_minutes, unbroken
from asbuilt.domain.states import spells
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.time import FOREVER_US, HOUR_US, MINUTE_US, SECOND_US, time_at

SILENT_PERIODS: Final = 5
"""A source is silent when it was not heard for so many of its periods."""

Reason = Literal["lost", "gap", "no word"]


class Silence(NamedTuple):
    """From when to when a station (or source) was not observed, and every reason that says so, in order."""

    start_us: int
    end_us: int
    source: str
    reasons: tuple[Reason, ...]


class Holds(NamedTuple):
    """How long a word of a source holds: for `limit_us` up to the next one; `after_us` of a longer silence as well.

    `standing_us` is for a station that stood, or whose work people report; reports vouch for the time before them too.
    """

    limit_us: int
    after_us: int
    standing_us: int
    reported: bool


# --------------------------------------------------------------------------- stations


def silences(reader: Reader, station: str, start_us: int, end_us: int) -> list[Silence]:
    """When nobody observed a station between two instants, up to now, in order and without overlaps."""
    key = ("silences", station, start_us, end_us)
    return reader.once(key, lambda: list(_silences(reader, station, start_us, end_us)))


def observed_us(reader: Reader, station: str, start_us: int, end_us: int) -> int:
    """How many microseconds of a window, up to now, a station was observed."""
    end_us = min(end_us, microseconds(reader.now))
    silent = sum(one.end_us - one.start_us for one in silences(reader, station, start_us, end_us))
    return max(0, end_us - start_us) - silent


def silence_at(reader: Reader, station: str, at_us: int) -> Silence | None:
    """The silence that hides a station at an instant, from its begin on; None if it is observed."""
    at_us = min(at_us, microseconds(reader.now))
    # Silence is told up to now; whether it holds at this very instant is asked for that instant as well.
    if not list(_silences(reader, station, at_us, at_us + 1, at_us + 1)):
        return None
    models = [plant.time_model for _, plant in reader.plants()] or [reader.plant().time_model]
    longest_us = 2 * round(max(max(model.unheard_s, model.unheard_standing_s) for model in models) * SECOND_US)
    reach_us = min(HOUR_US, longest_us)
    while True:
        here = list(_silences(reader, station, at_us - reach_us, at_us + 1, at_us + 1))
        first = here[-1]
        for one in reversed(here):
            if one.end_us >= first.start_us:
                first = one
        if first.start_us > at_us - reach_us or reach_us >= longest_us:
            begun_us = first.start_us if first.start_us > at_us - reach_us else _begun_us(reader, station, at_us, first)
            return first._replace(start_us=begun_us, end_us=here[-1].end_us, reasons=here[-1].reasons)
        reach_us = min(reach_us * 16, longest_us)


def _begun_us(reader: Reader, station: str, at_us: int, first: Silence) -> int:
    """When a silence began that is longer than any word holds: what one looked back for is no begin of it."""
    heard = [last_word_us(reader, station, at_us)]
    if first.source:
        heard.append(last_heard_us(reader, first.source, at_us))
    last_us = max((us for us in heard if us is not None), default=None)
    if last_us is None or last_us >= first.start_us:
        return first.start_us
    # It began after the last word and before what was looked at; what is told of connections lies anywhere between.
    begun_us = first.start_us
    for one in reversed(list(_silences(reader, station, last_us, first.start_us))):
        if one.end_us < begun_us:
            break
        begun_us = one.start_us
    return begun_us


def unobserved(reader: Reader, stations: Iterable[str], at_us: int) -> list[str]:
    """Those of some stations that nobody observes at an instant."""
    at_us = min(at_us, microseconds(reader.now))
    return [one for one in stations if next(_silences(reader, one, at_us, at_us + 1, at_us + 1), None) is not None]


def _silences(
    reader: Reader, station: str, start_us: int, end_us: int, until_us: int | None = None
) -> Iterator[Silence]:
    plants = reader.plants()
    begins = [NEVER_US, *(microseconds(since) for since, _ in plants[1:]), FOREVER_US]
    end_us = min(end_us, microseconds(reader.now) if until_us is None else until_us)
    for n, (_, plant) in enumerate(plants):
        first, last = max(begins[n], start_us), min(begins[n + 1], end_us)
        if first < last:
            known = plant.stations.get(station)
            source = known.source or "" if known is not None else ""
            by_reason = dict(_reasons(reader, plant, station, source, first, last))
            yield from _pieces(by_reason, source)


def _reasons(
    reader: Reader, plant: Plant, station: str, source: str, start_us: int, end_us: int
) -> Iterator[tuple[Reason, list[Interval]]]:
    """Every reason for silence and when it holds. A further reason is a further line here."""
    yield "lost", _lost(reader, source, station, start_us, end_us)
    yield "gap", _gaps(reader, source, start_us, end_us)
    yield "no word", _without_word(reader, plant, station, source, start_us, end_us)


def _pieces(by_reason: dict[Reason, list[Interval]], source: str) -> Iterator[Silence]:
    """The union of intervals, cut where the reasons change; those of one reason are in order and do not overlap."""
    edges = sorted({edge for intervals in by_reason.values() for interval in intervals for edge in interval})
    left = {reason: [*reversed(intervals)] for reason, intervals in by_reason.items()}
    for start, end in pairwise(edges):
        reasons: list[Reason] = []
        for reason, intervals in left.items():
            while intervals and intervals[-1][1] <= start:
                intervals.pop()
            if intervals and intervals[-1][0] <= start:
                reasons.append(reason)
        if reasons:
            yield Silence(start, end, source, tuple(reasons))


# --------------------------------------------------------------------------- lost, missed


def _lost(reader: Reader, source: str, station: str, start_us: int, end_us: int) -> list[Interval]:
    """Losses, less what was delivered of them after all: from the first to the last word about that time."""
    found: list[Interval] = []
    for since_us, until_us in watch(reader, source, start_us, end_us).lost:
        first, last = _words_inside(reader, source, station, since_us, until_us)
        found += [(since_us, until_us)] if first is None or last is None else [(since_us, first), (last, until_us)]
    return union(within(found, start_us, end_us))


def _words_inside(
    reader: Reader, source: str, station: str, since_us: int, until_us: int
) -> tuple[int | None, int | None]:
    """The first and the last word known to lie between two instants."""
    until_us = min(until_us, microseconds(reader.now))
    minute = between(since_us // MINUTE_US, -(-until_us // MINUTE_US))
    hour = between(since_us // HOUR_US, -(-until_us // HOUR_US))
    firsts: list[int] = []
    lasts: list[int] = []
    for sign, kept in (("", firsts), ("-", lasts)):
        rows: list[Minute | Hour] = [
            *reader.rows(Minute, {"source": source, "minute": minute}, order=f"{sign}minute", limit=2),
            *reader.rows(Hour, {"subject": f"station:{station}", "hour": hour}, order=f"{sign}hour", limit=2),
        ]
        kept += [us for row in rows for us in (row.first_us, row.last_us) if since_us < us < until_us]
    return min(firsts, default=None), max(lasts, default=None)


def _gaps(reader: Reader, source: str, start_us: int, end_us: int) -> list[Interval]:
    rows = reader.rows(Gap, {"source": source, "start_us": below(end_us), "end_us": above(start_us)}) if source else []
    return union(within(((row.start_us, row.end_us) for row in rows), start_us, end_us))


# --------------------------------------------------------------------------- words


def _without_word(
    reader: Reader, plant: Plant, station: str, source: str, start_us: int, end_us: int
) -> list[Interval]:
    """When no word came for too long, and no connection stood that would have carried one."""
    holds = _holds(plant, station, source)
    subjects = [f"station:{station}"]
    if source and ":" not in source:
        subjects.append(f"source:{source}")
    elif not source and holds.reported:
        # Who reports for a station is told nowhere: whoever works in the shop vouches for all of it.
        subjects.append("")
    heard: list[Interval] = []
    silent = [(start_us, end_us)]
    # A further word never makes a silence: what vouches for all stations of a source is asked first and once, and the
    # station's own words only where that leaves anything.
    ways: tuple[Callable[[], list[Interval]], ...] = (
        lambda: _connected(reader, plant, station, source, holds, start_us, end_us),
        lambda: _held(reader, plant, station, subjects[1:], holds, start_us, end_us) if not holds.after_us else [],
        lambda: _held(reader, plant, station, subjects, holds, start_us, end_us),
    )
    for vouched in ways:
        heard = union(heard, vouched())
        silent = outside(heard, start_us, end_us)
        if not silent:
            break
    return silent


def _connected(
    reader: Reader, plant: Plant, station: str, source: str, holds: Holds, start_us: int, end_us: int
) -> list[Interval]:
    """When a source was connected: where the watch says so; where a history tells it, while anything was observed at all."""
    sure: list[Interval] = []
    bounded: list[Interval] = []
    for one in watch(reader, source, start_us, end_us).connected:
        (sure if one.sure else bounded).append((one.start_us, one.end_us))
    if not bounded:
        return union(sure)
    written = _held(reader, plant, station, [""], _default_holds(plant, holds.reported), start_us, end_us)
    return union(sure, common(union(within(bounded, start_us, end_us)), union(written)))


def _holds(plant: Plant, station: str, source: str) -> Holds:
    """How long a word about a station holds, by the plant file in force."""
    settings = plant.adapters.get(source.partition(":")[0])
    line = plant.lines.get(station.rpartition("/")[0])
    reported = station in plant.stations and line is not None and line.flow == "job_shop"
    if settings is None or settings.fresh_s is None:
        return _default_holds(plant, reported)
    return Holds(max(round(SILENT_PERIODS * settings.fresh_s * SECOND_US), MINUTE_US), 0, 0, False)


def _default_holds(plant: Plant, reported: bool) -> Holds:
    producing_us = round(plant.time_model.unheard_s * SECOND_US)
    return Holds(producing_us, producing_us, round(plant.time_model.unheard_standing_s * SECOND_US), reported)


def _held(
    reader: Reader, plant: Plant, station: str, subjects: list[str], holds: Holds, start_us: int, end_us: int
) -> list[Interval]:
    """When words of some subjects hold: from word to word, and after the last one of a longer silence."""
    blocks = _blocks(reader, tuple(subjects), holds.limit_us, start_us, end_us)
    now_us = microseconds(reader.now)
    found: list[Interval] = []
    for n, (first_us, last_us) in enumerate(blocks):
        next_us = blocks[n + 1][0] if n + 1 < len(blocks) else FOREVER_US
        if not holds.after_us:
            # A source with a period of its own: what is not over yet is no silence yet.
            until_us = now_us if last_us <= now_us < min(next_us, last_us + holds.limit_us) else last_us
        elif last_us + holds.limit_us < end_us and _stands(reader, plant, station, last_us, holds.reported):
            until_us = last_us + max(holds.limit_us, holds.standing_us)
        else:
            until_us = last_us + holds.limit_us
        until_us = min(until_us, max(last_us, next_us))
        found.append((first_us - (holds.standing_us if holds.reported else 0), until_us))
    return union(found)


def _stands(reader: Reader, plant: Plant, station: str, at_us: int, reported: bool) -> bool:
    """Whether a station stood at an instant, as far as it said."""
    state = spells.before(reader, station, at_us + 1)
    return reported if state is None else plant.time_of(state.state, state.reason) != "production"


def _blocks(reader: Reader, subjects: tuple[str, ...], limit_us: int, start_us: int, end_us: int) -> list[Interval]:
    """From the first to the last of words that follow each other within a limit; both ends are words."""
    key = ("blocks", subjects, limit_us, start_us, end_us)
    return reader.once(key, lambda: _joined(reader, subjects, limit_us, start_us, end_us))


def _joined(reader: Reader, subjects: tuple[str, ...], limit_us: int, start_us: int, end_us: int) -> list[Interval]:
    # What the words nearest outside the window are decides how long a gap at its edges is.
    first, last = (start_us - limit_us) // HOUR_US, (end_us + limit_us) // HOUR_US + 1
    if limit_us >= HOUR_US:
        whole = unbroken(reader, subjects, limit_us, *looked_at(reader, start_us, end_us), start_us)
        if whole is not None:
            return [whole]
    spans: list[Interval] = []
    for subject in subjects:
        kind, _, name = subject.partition(":")
        if kind == "source" and limit_us < HOUR_US:
            spans += spoken_minutes(reader, name, limit_us, start_us, end_us)
            continue
        hours = reader.rows(Hour, {"subject": subject, "hour": between(first, last)})
        hours += reader.rows(Hour, {"subject": subject, "hour": below(first)}, order="-hour", limit=1)
        hours += reader.rows(Hour, {"subject": subject, "hour": at_least(last)}, order="hour", limit=1)
        # Where less than an hour is a silence, an hour's first and last word say nothing of the time between them.
        whole_hours = limit_us >= HOUR_US
        for row in hours:
            spans += [(row.first_us, row.last_us)] if whole_hours else [(us, us) for us in (row.first_us, row.last_us)]
    return chained(spans, limit_us)


def last_heard_us(reader: Reader, source: str, at_us: int) -> int | None:
    """When a source last spoke, or was said to be connected, at an instant or before it."""
    row = reader.first(Minute, {"source": source, "minute": at_most(at_us // MINUTE_US)}, order="-minute")
    spoken = _latest(row, at_us)
    if row is not None and spoken is None:
        row = reader.first(Minute, {"source": source, "minute": below(row.minute)}, order="-minute")
        spoken = _latest(row, at_us)
    notice = reader.first(Notice, {"source": source, "heard": 1, "time_us": at_most(at_us)}, order="-time_us")
    known = [us for us in (spoken, notice.time_us if notice else None) if us is not None]
    return max(known, default=None)


def _latest(row: Minute | Hour | None, at_us: int) -> int | None:
    """The latest word of a stretch that is known to lie at an instant or before it."""
    if row is None:
        return None
    return next((us for us in (row.last_us, row.first_us) if us <= at_us), None)


def last_word_us(reader: Reader, station: str, at_us: int) -> int | None:
    """When a station was last heard of, at an instant or before it, to the hour's first and last word."""
    return reader.once(("last word", station, at_us), lambda: _last_word_us(reader, station, at_us))


def _last_word_us(reader: Reader, station: str, at_us: int) -> int | None:
    subject = f"station:{station}"
    row = reader.first(Hour, {"subject": subject, "hour": at_most(at_us // HOUR_US)}, order="-hour")
    word = _latest(row, at_us)
    if row is not None and word is None:
        word = _latest(reader.first(Hour, {"subject": subject, "hour": below(row.hour)}, order="-hour"), at_us)
    return word


def source_silent(reader: Reader, source: str, at_us: int) -> bool:
    """Whether a source was silent at an instant, for any reason."""
    plant = reader.plant(time_at(at_us, dt.UTC))
    return any(intervals for _, intervals in _reasons(reader, plant, "", source, at_us, at_us + 1))


def is_part(name: str, source: str) -> bool:
    """Whether a name is a source or a part behind it (`cell:Group/Node` of `cell`)."""
    return name == source or name.startswith(f"{source}:")


def gaps_before(reader: Reader, until_us: int, source: str | None, limit: int) -> list[Gap]:
    """Gaps that began up to an instant, of one source and its parts or of all, the latest first."""
    rows = reader.rows(Gap, {"start_us": at_most(until_us)}, order="-start_us", limit=None if source else limit)
    found = [row for row in rows if source is None or is_part(row.source, source)]
    found.sort(key=lambda row: (-row.start_us, row.source, row.fact))
    return found[:limit]


def first_word_us(reader: Reader, stations: Iterable[str]) -> int | None:
    """When the first of some stations was first heard of; None if none ever was."""
    found = [reader.first(Hour, {"subject": f"station:{station}"}, order="hour") for station in stations]
    return min((row.first_us for row in found if row is not None), default=None)


def covered(found: list[Silence]) -> int:
    """How many microseconds silences last together."""
    return length(union((one.start_us, one.end_us) for one in found))
