"""Stops and losses: why a station did not produce, and what became of its time, from its tiles."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from uuid import UUID

from msgspec import Struct

from asbuilt.domain.pieces.questions import believed
from asbuilt.plant import Plant
from asbuilt.views.shift.anomalies import made_in
from asbuilt.views.shift.calendar import DAY_US, SECOND_US, Calendar, time_at
from asbuilt.views.shift.sums import Sums
from asbuilt.views.shift.timeline import Tile
from asbuilt.views.shift.window import Look, Member

NOT_EXPLAINED = "Not explained"
OWN_CAUSES = ("Holding", "Held", "Unholding", "Stopping", "Stopped", "Aborting", "Aborted", "Clearing")
"""States whose cause lies at the station itself: such a stop waits for a reason."""
STOP_DAYS = 256
"""A stop that a window cuts is followed back and forth for so many days."""
FROM_OUTSIDE = {"Starved": "Waiting for material", "Blocked": "Waiting for room downstream"}


class TileRow(Struct, frozen=True):
    """A piece of a station's time, what it counts as, and the facts that say so."""

    station: str
    start: dt.datetime
    end: dt.datetime
    seconds: float
    kind: str
    state: str
    reason: str
    message: str
    order: str
    shift: str
    fact: UUID | None
    explanation: UUID | None
    explained_by: str


class Stop(Struct, frozen=True):
    """A station stood: from when to when, within one shift, for one reason.

    `seconds` is the part inside the window, `length_s` the stop between the edges of its shift, `began`, `ended` and
    `stood_s` the whole of it over breaks and shifts: whether it is a short stop never depends on what is asked.
    `waiting` says that somebody must still explain it.
    """

    station: str
    name: str
    start: dt.datetime
    end: dt.datetime
    seconds: float
    length_s: float
    began: dt.datetime
    ended: dt.datetime
    stood_s: float
    kind: str
    state: str
    reason: str
    title: str
    group: str
    message: str
    order: str
    short: bool
    waiting: bool
    running: bool
    fact: UUID | None
    explanation: UUID | None
    explained_by: str


class Cause(Struct, frozen=True):
    """One bar of a Pareto: time and number of stops for one reason, and the shares of all stops up to it."""

    reason: str
    title: str
    group: str
    seconds: float
    count: int
    share: float
    cumulated: float


class Loss(Struct, frozen=True):
    """A step of the way from planned operation time to good pieces, in seconds of station time.

    `level` tells that it is what remains (POT, PBT, APT …), not what is lost.
    """

    id: str
    name: str
    seconds: float
    level: bool
    pieces: int | None = None


def tile_rows(look: Look, limit: int) -> Iterator[TileRow]:
    """The tiles of every station of a look, in order."""
    left = limit
    for member in look.members:
        station = look.station(member)
        for tile in station.tiles(look.calendars[member.line.path].spans):
            if left <= 0:
                return
            left -= 1
            yield _row(member.station.path, tile, look.zone)


def _row(station: str, tile: Tile, zone: dt.tzinfo) -> TileRow:
    window = tile.span.shift
    return TileRow(
        station=station, start=time_at(tile.start_us, zone), end=time_at(tile.end_us, zone),
        seconds=(tile.end_us - tile.start_us) / SECOND_US, kind=tile.kind, state=tile.state, reason=tile.reason,
        message=tile.message, order=tile.task.order if tile.task else "",
        shift=f"{window.day.isoformat()} {window.id}" if window else "",
        fact=_id(tile.fact), explanation=_id(tile.explained.fact) if tile.explained else None,
        explained_by=tile.explained.by if tile.explained else "",
    )  # fmt: skip


def _id(fact: bytes) -> UUID | None:
    return UUID(bytes=fact) if fact else None


# --------------------------------------------------------------------------- stops


def stops(look: Look) -> list[Stop]:
    """Every stop that reaches into the window, the longest first."""
    found = [stop for member in look.members for stop in stops_of(look, member)]
    return sorted(found, key=lambda stop: (-stop.seconds, stop.start, stop.station))


def stops_of(look: Look, member: Member) -> Iterator[Stop]:
    """A station's stops in order of time, cut where shift, break or order ends; each knows how long it stood in all."""
    for run, whole in _runs(_widened(look, member)):
        yield from _stop(look, member, run, whole)


def _widened(look: Look, member: Member) -> list[Tile]:
    """The tiles of a window and around it, as far as what stood at its edges reaches."""
    # A day more on either side: wide enough for every shift that reaches in.
    back = on = 1
    while True:
        station = look.station(member).over(look.start_us - back * DAY_US, look.end_us + on * DAY_US)
        window = (member.line.path, station.start_us, station.end_us)
        calendar = look.reader.once(("calendar", *window), partial(Calendar, look.plants, *window))
        found = station.tiles(calendar.spans)
        further_back = back < STOP_DAYS and _reaches(found, look.start_us)
        further_on = on < STOP_DAYS and station.end_us < station.now_us and _reaches(found[::-1], look.end_us - 1)
        if not further_back and not further_on:
            return found
        back, on = back * 4 if further_back else back, on * 4 if further_on else on


def _reaches(tiles: Sequence[Tile], time_us: int) -> bool:
    """Whether one stop goes on from the outermost of some tiles to an instant."""
    for before, tile in zip([None, *tiles], tiles, strict=False):
        if not _stands(tile) or (before is not None and not _one_stop(before, tile)):
            return False
        if tile.start_us <= time_us < tile.end_us:
            return True
    return False


def _runs(tiles: Sequence[Tile]) -> Iterator[tuple[list[Tile], list[int]]]:
    """Tiles of one stop within one span of the calendar, each with begin and end of the whole stop."""
    runs: list[tuple[list[Tile], list[int]]] = []
    whole: list[int] = []
    before: Tile | None = None
    for tile in tiles:
        goes_on = before is not None and _one_stop(before, tile)
        if goes_on and whole:
            whole[1] = tile.end_us
        else:
            whole = [tile.start_us, tile.end_us]
        if tile.kind in ("delay", "down", "setup"):
            if runs and before is not None and runs[-1][0][-1] is before and goes_on and _same_part(before, tile):
                runs[-1][0].append(tile)
            else:
                runs.append(([tile], whole))
        before = tile
    yield from runs


def _stands(tile: Tile) -> bool:
    return tile.kind not in ("production", "not observed", "ahead")


def _one_stop(before: Tile, tile: Tile) -> bool:
    """Whether a tile goes on with the stop of the one before: for one reason, by one chain of states."""
    return (
        _stands(before)
        and _stands(tile)
        and before.end_us == tile.start_us
        and before.reason == tile.reason
        and (before.state == tile.state or before.stop_us == tile.stop_us != 0)
    )


def _same_part(before: Tile, tile: Tile) -> bool:
    # A change of the plant file ends no stop.
    return (before.kind, before.task, before.span.kind, before.span.shift) == (
        tile.kind,
        tile.task,
        tile.span.kind,
        tile.span.shift,
    )


def _stop(look: Look, member: Member, run: list[Tile], whole: Sequence[int]) -> Iterator[Stop]:
    first, last = run[0], run[-1]
    start_us, end_us = max(first.start_us, look.start_us), min(last.end_us, look.end_us)
    if start_us >= end_us:
        return
    plant = first.span.plant
    short = whole[1] - whole[0] < plant.time_model.short_stop_s * SECOND_US
    told = next((tile.explained for tile in run if tile.explained is not None), None)
    state = first.lead if first.state else ""
    title, group = cause_of(plant, state, first.reason)
    yield Stop(
        station=member.station.path,
        name=member.station.name,
        start=time_at(first.start_us, look.zone),
        end=time_at(last.end_us, look.zone),
        seconds=(end_us - start_us) / SECOND_US,
        length_s=(last.end_us - first.start_us) / SECOND_US,
        began=time_at(whole[0], look.zone),
        ended=time_at(whole[1], look.zone),
        stood_s=(whole[1] - whole[0]) / SECOND_US,
        kind=first.kind,
        state=state,
        reason=first.reason,
        title=title,
        group=group,
        message=next((tile.message for tile in run if tile.message), ""),
        order=first.task.order if first.task else "",
        short=short,
        waiting=not short and not first.reason and state in OWN_CAUSES,
        running=last.end_us == look.now_us,
        fact=_id(next((tile.fact for tile in run if tile.fact), b"")),
        explanation=_id(told.fact) if told else None,
        explained_by=told.by if told else "",
    )


def cause_of(plant: Plant, state: str, reason: str) -> tuple[str, str]:
    """The title and group of a stop: by its reason, else by where its cause must lie."""
    if reason:
        return plant.reason_title(reason), plant.reason_group(reason)
    if state in FROM_OUTSIDE:
        return FROM_OUTSIDE[state], "flow"
    if state in OWN_CAUSES:
        return NOT_EXPLAINED, "not explained"
    return (state or "No report"), "not in work"


def pareto(found: Sequence[Stop], kinds: Sequence[str] = ("delay", "setup"), group: bool = False) -> list[Cause]:
    """Delays and setups by cause or group of causes, the costliest first; short stops are one cause of their own."""
    sums: defaultdict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0])
    for stop in found:
        if stop.kind not in kinds:
            continue
        key = ("", "Short stops", "short stops") if stop.short else (stop.reason, stop.title, stop.group)
        entry = sums[("", key[2], key[2]) if group else key]
        entry[0] += stop.seconds
        entry[1] += 1
    total = sum(seconds for seconds, _ in sums.values())
    rows: list[Cause] = []
    cumulated = 0.0
    for (reason, title, of_group), (seconds, count) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0])):
        cumulated += seconds
        rows.append(Cause(reason, title, of_group, seconds, int(count), seconds / total, min(1.0, cumulated / total)))
    return rows


# --------------------------------------------------------------------------- losses


_OF_PIECES = ("slow", "planned_run", "startup", "bad", "good")
"""Steps that say what became of production time, in pieces."""


def losses(look: Look, found: Sequence[Stop]) -> list[Loss]:
    """The way from planned operation time to good pieces: each loss and what remains after it.

    What `Execute` did not turn into pieces at planned run time is slow running; it is negative
    where stations were faster than planned. What nobody observed or told is left out. Pieces rejected in setup are lost in starting up.
    """
    total = Sums()
    startup_us = startup = 0
    for part in look.parts(""):
        for sums in part.by_station.values():
            total.add(sums)
    for member in look.members:
        rejected, rejected_us = _rejected_in_setup(look, member)
        startup, startup_us = startup + rejected, startup_us + rejected_us
    us = total.us
    short_us = round(sum(stop.seconds for stop in found if stop.kind == "delay" and stop.short) * SECOND_US)
    busy_us = us["production"] + us["setup"] + us["delay"] + us["down"] + us["not observed"]
    bad = total.pieces - total.good
    rows = [
        Loss("pot", "Planned operation time", busy_us + us["break"] + us["planned"], True),
        Loss("breaks", "Breaks", us["break"], False),
        Loss("planned", "Planned downtime", us["planned"], False),
        Loss("pbt", "Planned busy time", busy_us, True),
        Loss("not_observed", "Not observed", us["not observed"], False),
        Loss("down", "Without work", us["down"], False),
        Loss("stops", "Stops", us["delay"] - short_us, False),
        Loss("short_stops", "Short stops", short_us, False),
        Loss("setup", "Setup", us["setup"], False),
        Loss("apt", "Production time", us["production"], True),
        Loss("slow", "Slow running", us["production"] - total.planned_us, False),
        Loss("planned_run", "Pieces at planned pace", total.planned_us, True, total.pieces),
        Loss("startup", "Rejected in starting up", startup_us, False, startup),
        Loss("bad", "Rejected, rework, review", total.bad_us - startup_us, False, bad - startup),
        Loss("good", "Good pieces", total.planned_us - total.bad_us, True, total.good),
    ]
    # Of time that nobody observed, and of pieces that nobody tells, no zero is said.
    if busy_us and busy_us == us["not observed"] and not total.pieces:
        rows = [row for row in rows if row.id not in ("apt", *_OF_PIECES)]
    elif not look.counts():
        rows = [row for row in rows if row.id not in _OF_PIECES]
    return [Loss(row.id, row.name, row.seconds / SECOND_US, row.level, row.pieces) for row in rows]


def _rejected_in_setup(look: Look, member: Member) -> tuple[int, int]:
    """Pieces a station rejected while it was being set up, and their planned run time."""
    rows = made_in(look.station(member))
    if not any(row.rejected for row in rows):
        return 0, 0
    who = believed(look.reader, member.station.path, look.start_us, look.end_us)
    tiles = look.station(member).tiles(look.calendars[member.line.path].spans)
    starts = [tile.start_us for tile in tiles]
    cycles = look.cycles(member)
    cycles.know(row.order_no for row in rows)
    pieces, us = 0, 0
    for row in rows:
        tile = tiles[bisect_right(starts, row.time_us) - 1]
        if who.holds(row) and tile.kind == "setup" and row.rejected:
            pieces += row.rejected
            cycle_s = cycles.of(cycles.number(row.time_us), row.product, row.order_no)
            us += round(row.rejected * (cycle_s or 0) * SECOND_US)
    return pieces, us
