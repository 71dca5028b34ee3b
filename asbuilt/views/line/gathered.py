"""One look at a line: every part of the board, gathered once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from asbuilt.access import Reader
from asbuilt.access.conditions import between, one_of
from asbuilt.domain.passages.rows import Oddity
from asbuilt.domain.pieces.questions import know_tellers
from asbuilt.domain.presence.words import know_words
from asbuilt.domain.states import spells
from asbuilt.plant import Line, Plant
from asbuilt.views.line.alarms import alarms
from asbuilt.views.line.answers import Board, Contradiction
from asbuilt.views.line.flow import buffers, tracked, units_on_line
from asbuilt.views.line.moment import Moment
from asbuilt.views.line.observation import Observation
from asbuilt.views.line.output import (
    cadence_s,
    curve,
    ends,
    hours,
    made_in_shift,
    observed,
    output_of,
    planned,
    ribbon,
    told_at_end,
)
from asbuilt.views.line.sentence import headline
from asbuilt.views.line.tiles import Tiles, serial


def look_at(reader: Reader, plant: Plant, line: Line, at: dt.datetime | None) -> Board:
    """The board of a line at a moment; without one, now."""
    look = Moment(reader, plant, line, at)
    _know_together(look)
    observation = Observation(look)
    here = units_on_line(look)
    standing = alarms(look, standing=True)
    make = Tiles(look, observation, here, standing)
    tiles = [make.tile(station) for station in line.station]
    units_told = tracked(look)
    between = buffers(look, here, tiles, units_told)
    made = made_in_shift(look)
    seen = observed(look)
    pieces_told = bool(made) or told_at_end(look)
    output = output_of(look, ends(look), len(made), told=bool(made)) if pieces_told else None
    due = planned(look, look.at)
    cadence = cadence_s(look, made)
    following = look.following_shift()
    ribbons = tuple(ribbon(look, station) for station in line.station) if look.shift else ()
    return Board(
        line=line.path,
        name=line.name,
        address=plant.address(line),
        flow=line.flow,
        product=_product_title(look),
        at=look.at,
        live=look.live,
        headline=headline(
            line,
            tiles,
            between,
            look.shift,
            look.at,
            output,
            due,
            cadence,
            following,
            seen is not None and round(seen, 2) < 1,
            pieces_told,
        ),
        shift=look.shift,
        next_shift=following,
        takt_s=line.takt_s,
        cadence_s=cadence,
        output=output,
        observed=seen,
        planned=due,
        rolled_yield=_product_of(tile.first_pass for tile in tiles),
        on_line=sum(len(units) for units in here.values()) if units_told else None,
        order=next((tile.order for tile in tiles if tile.order), ""),
        tiles=tuple(tiles),
        buffers=tuple(between),
        curve=curve(look, made, cadence),
        hours=tuple(hours(look, made, ribbons, pieces_told)),
        ribbons=ribbons,
        alarms=tuple(standing),
        cleared=tuple(alarms(look, standing=False)),
        contradictions=tuple(_contradictions(look)),
        unknown_stations=tuple(_unknown_stations(look)),
    )


def _know_together(look: Moment) -> None:
    """Ask once for all stations what every tile and ribbon would ask for its own."""
    paths = [station.path for station in look.line.station]
    know_tellers(look.reader, paths, look.start_us, look.at_us + 1)
    for start_us, end_us in ((look.at_us, look.at_us + 1), (look.start_us, look.at_us)):
        know_words(look.reader, paths, start_us, end_us)
        spells.know_explanations(look.reader, paths, start_us, end_us)


def _product_title(look: Moment) -> str:
    product = look.plant.products.get(look.line.product or "")
    if product is None:
        return look.line.product or ""
    title = product.name if product.id in product.name else f"{product.id} {product.name}"
    return f"{title}, rev. {product.revision}" if product.revision else title


def _contradictions(look: Moment) -> list[Contradiction]:
    rows = look.reader.rows(
        Oddity,
        {
            "station": one_of(station.path for station in look.line.station),
            "time_us": between(look.start_us, look.at_us + 1),
        },
        order="-time_us",
        limit=50,
    )
    return [Contradiction(look.time(row.time_us), row.kind, serial(row.unit), row.station, row.other) for row in rows]


def _unknown_stations(look: Moment) -> list[str]:
    """Stations under this line's path that facts speak of and the plant file does not have."""
    rows = look.reader.subjects("station")
    known = {station.path for station in look.line.station}
    return [path for path in rows if path.startswith(f"{look.line.path}/") and path not in known]


def _product_of(shares: Iterable[float | None]) -> float | None:
    """Rolled throughput yield: the product of the stations' first pass yields."""
    known = [share for share in shares if share is not None]
    if not known:
        return None
    result = 1.0
    for share in known:
        result *= share
    return result
