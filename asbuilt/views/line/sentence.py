"""The headline: the finding of the line page in one sentence or two, from its tiles alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from asbuilt.plant import Line
from asbuilt.plant.calendar import ShiftWindow
from asbuilt.views.line.answers import Buffer, Tile


def headline(
    line: Line,
    tiles: Sequence[Tile],
    between: Sequence[Buffer],
    shift: ShiftWindow | None,
    at: dt.datetime,
    output: int | None,
    planned: int | None,
    cadence_s: float | None,
    following: ShiftWindow | None,
    partly: bool = False,
    pieces_told: bool = True,
) -> str:
    """The finding of the page in one sentence or two, from the tiles alone."""
    if line.flow == "job_shop":
        return _job_shop_headline(tiles)
    seen = [tile for tile in tiles if tile.observed == "yes"]
    if not seen:
        return (
            f"No data from {line.name}."
            if any(tile.observed == "no" for tile in tiles)
            else f"{line.name} has not been heard of yet."
        )
    if shift is None and line.shifts:
        return f"No shift until {following.start:%a %H:%M}." if following else "No shift in the coming week."
    pause = shift.pause_at(at) if shift else None
    if pause is not None:
        return f"{capital(pause.name)} until {pause.end:%H:%M}."
    holding = _holding(tiles)
    if holding is None:
        return _running(line, tiles, output, planned, partly, pieces_told)
    sentence = f"{tiles[holding].label} is holding the line."
    return f"{sentence} {_consequence(tiles, between, holding)}".strip()


def _holding(tiles: Sequence[Tile]) -> int | None:
    """The station whose own stop, not a planned one, has lasted longest."""
    stopped = [
        (tile.since or dt.datetime.max.replace(tzinfo=dt.UTC), index) for index, tile in enumerate(tiles) if tile.holds
    ]
    return min(stopped)[1] if stopped else None


def _consequence(tiles: Sequence[Tile], between: Sequence[Buffer], holding: int) -> str:
    """Who is starved already, and who runs dry next, downstream of the station that holds."""
    starved = []
    for index in range(holding + 1, len(tiles)):
        if tiles[index].state != "Starved":
            break
        starved.append(tiles[index].label)
    dry = next(
        (
            (tiles[index].label, buffer.empty_at)
            for index in range(holding + 1, len(tiles))
            for buffer in between
            if buffer.after == tiles[index - 1].id and buffer.empty_at is not None
        ),
        None,
    )
    parts = []
    if starved:
        parts.append(f"{capital(joined(starved))} {'is' if len(starved) == 1 else 'are'} starved")
    if dry:
        label = lower(dry[0]) if parts else dry[0]
        parts.append(f"{label} runs dry at {dry[1]:%H:%M}")
    return "; ".join(parts) + "." if parts else ""


def _running(
    line: Line, tiles: Sequence[Tile], output: int | None, planned: int | None, partly: bool, pieces_told: bool
) -> str:
    silent = [tile.label for tile in tiles if tile.observed == "no"]
    if not pieces_told:
        sentence = f"{line.name}: nobody has told pieces yet."
    elif output is None:
        sentence = f"{line.name}: nobody observed what it made."
    elif partly:
        sentence = f"{line.name} runs, {output} seen to be made; not all of it was observed."
    elif planned is None:
        sentence = f"{line.name} runs."
    elif output >= planned:
        ahead = output - planned
        sentence = f"{line.name} runs to plan." if ahead == 0 else f"{line.name} runs {ahead} ahead of plan."
    else:
        sentence = f"{line.name} runs, {planned - output} behind plan."
        slow = _slowest(tiles)
        if slow is not None:
            sentence = f"{sentence[:-1]}; {lower(slow.label)} is the slowest."
    if silent:
        sentence += f" No data from {lower(joined(silent))}."
    return sentence


def _slowest(tiles: Sequence[Tile]) -> Tile | None:
    over = [
        (mean / tile.takt_s, index)
        for index, tile in enumerate(tiles)
        if tile.takt_s and tile.cycles_s and (mean := sum(tile.cycles_s) / len(tile.cycles_s)) > tile.takt_s
    ]
    return tiles[max(over)[1]] if over else None


def _job_shop_headline(tiles: Sequence[Tile]) -> str:
    busy = sorted((tile for tile in tiles if tile.jobs), key=lambda tile: -tile.jobs)
    if not busy:
        return "Nobody reports work at this moment."
    jobs = sum(tile.jobs for tile in busy)
    return (
        f"{jobs} {'job' if jobs == 1 else 'jobs'} in work at {len(busy)} of {len(tiles)} stations, most at "
        f"{lower(busy[0].label)}."
    )


def joined(labels: Sequence[str]) -> str:
    """Labels as people list them: a, b and c."""
    if len(labels) < 2:
        return "".join(labels)
    # Where a label has an "and" inside, another one between labels would hide where one ends.
    last = " as well as " if any(" and " in label for label in labels) else " and "
    first, *more = labels
    return ", ".join([first, *map(lower, more[:-1])]) + last + lower(more[-1])


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def lower(text: str) -> str:
    """Lower case at the start, unless the word is an abbreviation."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
