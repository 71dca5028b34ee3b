"""What does not fit together at a station: named, never averaged away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, at_least, between, one_of, other_than
from asbuilt.domain.pieces import questions as pieces
from asbuilt.domain.pieces.rows import Made
from asbuilt.domain.presence.intervals import Interval, common, length, outside, union, within
from asbuilt.domain.states import spells
from asbuilt.domain.states.reading import kind_of
from asbuilt.domain.states.rows import Explained, Hour
from asbuilt.events import microseconds
from asbuilt.plant import Line, Plant
from asbuilt.views.shift.calendar import HOUR_US, SECOND_US, time_at
from asbuilt.views.shift.figures import disagreements
from asbuilt.views.shift.sums import Sums
from asbuilt.views.shift.timeline import Station

MAX_OF_A_KIND = 20


def anomalies_of(station: Station, plant: Plant, sums: Sums) -> Iterator[str]:
    """Every anomaly of a station in the window, in words."""
    yield from disagreements(sums)
    yield from _counter(station)
    yield from _reasons(station, plant)
    yield from _explanations(station, plant)


def know_together(stations: Sequence[Station]) -> None:
    """Read what anomalies of several stations over one window are looked for in, all at once."""
    one = stations[0]
    paths = one_of([station.path for station in stations])
    until_us = min(one.end_us, one.now_us + 1)
    readings: defaultdict[str, list[Made]] = defaultdict(list)
    for row in pieces.told(one.reader, paths, one.start_us, until_us, reading=at_least(0)):
        readings[row.station].append(row)
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    asked: dict[str, Value | Test] = {"station": paths, "hour": _hours(one), "reason": other_than("")}
    for path, reason in one.reader.totals(Hour, asked, by=("station", "reason"), of=()):
        reasons[path].append(reason)
    for station in stations:
        one.reader.know(_key("readings", station), readings[station.path])
        one.reader.know(_key("reasons", station), reasons[station.path])


def _key(what: str, station: Station) -> tuple[str, str, int, int, int]:
    return what, station.path, station.start_us, station.end_us, station.now_us


def _hours(station: Station) -> Test:
    return between(station.start_us // HOUR_US, station.end_us // HOUR_US + 1)


def _counter(station: Station) -> Iterator[str]:
    """A counter that went back or jumped: its readings against the pieces it told."""
    rows = station.reader.once(_key("readings", station), lambda: made_in(station, reading=at_least(0)))
    named = 0
    for before, row in pairwise(rows):
        made = row.good + row.rejected + row.for_review
        if row.reading == before.reading + made or named == MAX_OF_A_KIND:
            continue
        named += 1
        if row.reading < before.reading:
            yield f"the counter went back from {before.reading} to {row.reading}"
        else:
            yield f"the counter jumped from {before.reading} to {row.reading} while {made} pieces were told"


def made_in(station: Station, **more: Test) -> list[Made]:
    """What was told of pieces in a station's window, up to now, in order of time."""
    until_us = min(station.end_us, station.now_us + 1)
    return pieces.told(station.reader, station.path, station.start_us, until_us, **more)


def _reasons(station: Station, plant: Plant) -> Iterator[str]:
    """Reasons that the plant file does not know."""
    told_here = station.reader.once(
        _key("reasons", station),
        lambda: station.reader.values(
            Hour, "reason", {"station": station.path, "hour": _hours(station), "reason": other_than("")}
        ),
    )
    found = {*told_here} | {
        row.reason for row in spells.explanations(station.reader, station.path, station.start_us, station.end_us)
    }
    unknown = sorted(reason for reason in found if reason not in plant.reasons)
    for reason in unknown[:MAX_OF_A_KIND]:
        yield f"reason `{reason}` is not in the plant file"


def _explanations(station: Station, plant: Plant) -> Iterator[str]:
    """Explanations of time that is still to come, and of time in which the station says it produced."""
    rows = spells.explanations(station.reader, station.path, station.start_us, station.end_us)
    rows.sort(key=lambda row: (row.start_us, row.fact))
    for row in [row for row in rows if row.end_us > max(station.now_us, station.start_us)][:MAX_OF_A_KIND]:
        until = time_at(row.end_us, plant.zone)
        ahead_s = (row.end_us - max(row.start_us, station.now_us)) / SECOND_US
        yield f"{row.by} explained a stop until {until:%Y-%m-%d %H:%M}, {ahead_s / 60:.0f} min of it still to come"
    yield from without_effect(station, plant, rows)


def without_effect(station: Station, plant: Plant, rows: list[Explained]) -> Iterator[str]:
    """Explanations of time in which the station says that it produced: what it made, it made."""
    for row, us in list(produced_us(station, rows))[:MAX_OF_A_KIND]:
        start, end = time_at(row.start_us, plant.zone), time_at(row.end_us, plant.zone)
        yield (
            f"{row.by} explained {start:%Y-%m-%d %H:%M} to {end:%H:%M} as {plant.reason_title(row.reason)}:"
            f" without effect for {us / SECOND_US / 60:.0f} min, in which the station produced"
        )


def produced_us(station: Station, rows: list[Explained]) -> Iterator[tuple[Explained, int]]:
    """Of explanations of stops: how long inside the window the station says that it produced; those where it does."""
    if not rows or station.reports:
        return
    plants = station.plants
    begins = [-(2**62), *(microseconds(since) for since, _ in plants[1:]), 2**62]
    ran: list[Interval] = []
    for n, (_, plant) in enumerate(plants):
        ran += within(
            (
                (spell.start_us, spell.end_us)
                for spell in station.spells()
                if kind_of(plant, spell.state, spell.reason, spell.lead) == "production"
            ),
            begins[n],
            begins[n + 1],
        )
    heard = outside([(gap.start_us, gap.end_us) for gap in station.gaps()], station.start_us, station.end_us)
    produced = common(union(ran), heard)
    for row in rows:
        until_us = min(row.end_us, station.end_us, station.now_us)
        us = length(within(produced, max(row.start_us, station.start_us), until_us))
        if us:
            yield row, us


def of_nothing(reader: Reader, line: Line, start_us: int, end_us: int) -> Iterator[str]:
    """States that were told of a line: a line has none of its own, and its stations were not told them."""
    for row in spells.changes(reader, line.path, start_us, end_us)[:MAX_OF_A_KIND]:
        yield f"{row.state} was told of {line.path}, which is no station: without effect on its stations"
