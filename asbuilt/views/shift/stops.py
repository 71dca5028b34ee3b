"""Stops and losses: why a station did not produce, and what became of its time, from its tiles."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec import Struct

from asbuilt.plant import Plant
from asbuilt.views.shift.calendar import DAY_US, SECOND_US, Calendar, time_at
from asbuilt.views.shift.look import Look, Member
from asbuilt.views.shift.rows import Made
from asbuilt.views.shift.sums import Sums
from asbuilt.views.shift.timeline import Tile

NOT_EXPLAINED = "Not explained"
OWN_CAUSES = ("Holding", "Held", "Unholding", "Stopping", "Stopped", "Aborting", "Aborted", "Clearing")
"""States whose cause lies at the station itself: such a stop waits for a reason."""
FROM_OUTSIDE = {"Starved": "Waiting for material", "Blocked": "Waiting for room downstream"}


class TileRow(Struct, frozen=True):
    """A piece of a station's time, what it counts as, and the facts that say so (ids; empty: none)."""

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
    fact: str
    explanation: str
    explained_by: str


class Stop(Struct, frozen=True):
    """A station stood: from when to when, within one shift, for one reason.

    `seconds` is the part inside the window, `length_s` the whole stop between the edges of its
    shift: whether it is a short stop never depends on what is asked. `waiting` says that somebody
    must still explain it.
    """

    station: str
    name: str
    start: dt.datetime
    end: dt.datetime
    seconds: float
    length_s: float
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
    fact: str
    explanation: str
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
        fact=_id(tile.fact), explanation=_id(tile.explained.fact) if tile.explained else "",
        explained_by=tile.explained.by if tile.explained else "",
    )  # fmt: skip


def _id(fact: bytes) -> str:
    return str(UUID(bytes=fact)) if fact else ""


# --------------------------------------------------------------------------- stops


def stops(look: Look) -> list[Stop]:
    """Every stop that reaches into the window, the longest first."""
    found = [stop for member in look.members for stop in stops_of(look, member)]
    return sorted(found, key=lambda stop: (-stop.seconds, stop.start, stop.station))


def stops_of(look: Look, member: Member) -> Iterator[Stop]:
    """A station's stops in order of time, cut where shift, break or order ends."""
    # A day more on either side: wide enough for every shift that reaches in.
    station = look.station(member, DAY_US)
    calendar = Calendar(look.plants, member.line.path, station.start_us, station.end_us)
    run: list[Tile] = []
    for tile in station.tiles(calendar.spans):
        if run and not _same_stop(run[-1], tile):
            yield from _stop(look, member, run, station.now_us)
            run = []
        if tile.kind in ("delay", "down", "setup"):
            run.append(tile)
    if run:
        yield from _stop(look, member, run, station.now_us)


def _same_stop(before: Tile, tile: Tile) -> bool:
    return (before.kind, before.reason, before.state, before.task, before.end_us) == (
        tile.kind, tile.reason, tile.state, tile.task, tile.start_us,
    ) and before.span == tile.span  # fmt: skip


def _stop(look: Look, member: Member, run: list[Tile], now_us: int) -> Iterator[Stop]:
    first, last = run[0], run[-1]
    start_us, end_us = max(first.start_us, look.start_us), min(last.end_us, look.end_us)
    if start_us >= end_us:
        return
    plant = first.span.plant
    length_s = (last.end_us - first.start_us) / SECOND_US
    short = length_s < plant.time_model.short_stop_s
    told = next((tile.explained for tile in run if tile.explained is not None), None)
    title, group = cause_of(plant, first.state, first.reason)
    yield Stop(
        station=member.station.path, name=member.station.name,
        start=time_at(first.start_us, look.zone), end=time_at(last.end_us, look.zone),
        seconds=(end_us - start_us) / SECOND_US, length_s=length_s, kind=first.kind, state=first.state,
        reason=first.reason, title=title, group=group,
        message=next((tile.message for tile in run if tile.message), ""),
        order=first.task.order if first.task else "",
        short=short, waiting=not short and not first.reason and first.state in OWN_CAUSES,
        running=last.end_us == now_us, fact=_id(next((tile.fact for tile in run if tile.fact), b"")),
        explanation=_id(told.fact) if told else "", explained_by=told.by if told else "",
    )  # fmt: skip


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


def losses(look: Look, found: Sequence[Stop]) -> list[Loss]:
    """The way from planned operation time to good pieces: each loss and what remains after it.

    What `Execute` did not turn into pieces at planned run time is slow running; it is negative
    where stations were faster than planned. Pieces rejected in setup are lost in starting up.
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
    return [Loss(row.id, row.name, row.seconds / SECOND_US, row.level, row.pieces) for row in rows]


def _rejected_in_setup(look: Look, member: Member) -> tuple[int, int]:
    """Pieces a station rejected while it was being set up, and their planned run time."""
    rows = look.reader.rows(
        Made,
        "cell >= ? AND cell <= ? AND time_us >= ? AND time_us < ? AND rejected > 0 AND told <> 'started'"
        " ORDER BY cell, time_us LIMIT 100000",
        *look.station(member).cells, look.start_us, look.end_us,
    )  # fmt: skip
    if not rows:
        return 0, 0
    told = {row.told for row in rows}
    believed = next(name for name in ("completed", "counted", "reported") if name in told)
    tiles = look.station(member).tiles(look.calendars[member.line.path].spans)
    starts = [tile.start_us for tile in tiles]
    cycles = look.cycles(member)
    pieces, us = 0, 0
    for row in rows:
        tile = tiles[bisect_right(starts, row.time_us) - 1]
        if row.told == believed and tile.kind == "setup":
            pieces += row.rejected
            us += round(row.rejected * (cycles.of(row.product) or 0) * SECOND_US)
    return pieces, us
