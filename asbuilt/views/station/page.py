"""The station page: what is in the machine, what to do now. Made for a tablet, a scanner and gloves."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote

from asbuilt.access import Reader
from asbuilt.views.line import queries as lines
from asbuilt.views.station import acts
from asbuilt.views.station.work import Work
from asbuilt.views.unit import queries as units
from asbuilt.web.acting import SOURCE
from asbuilt.web.pages import Fragment, Page, Shown

MENU = None
DEFECT = "defect"
"""The group of reasons for scrap and rework; the others are for stops."""
ACTIONS = acts.ACTIONS
STANDS = ("Held", "Aborted", "Stopped", "Holding", "Aborting", "Stopping", "Clearing", "Starved", "Blocked")


def show(reader: Reader, line: str, station: str, at: dt.datetime | None = None) -> Shown:
    """One station."""
    work = Work(reader, line, station, at)
    board = lines.board(reader, work.line.path, at)
    tile = next(tile for tile in board.tiles if tile.path == work.station.path)
    whole = units.show(reader, work.current.serial, work.current.product, at) if work.current else None
    address = f"/line/{quote(work.plant.address(work.line), safe='/')}/station/{quote(work.station.id, safe='')}"
    own = {"w": work, "back": address, "at": at}
    after = next((buffer for buffer in board.buffers if buffer.after == work.station.id), None)
    defects = [reason for reason in work.plant.reasons.values() if reason.group == DEFECT]
    stops = [reason for reason in work.plant.reasons.values() if reason.group != DEFECT]
    fragments = {
        "state": Fragment("state", {**own, "tile": tile, "board": board, "stands": _stands(tile), "reasons": stops}),
        "scan": Fragment("scan", own),
        "unit": Fragment("unit", {**own, "whole": whole, "ours": _ours(reader, work), "tile": tile}),
        "values": Fragment("values", own),
        "do": Fragment("do", {**own, "alarm": tile.alarm, "called": _called(board, work), "after": after, "tile": tile}),
        "finish": Fragment("finish", {**own, "reasons": defects or stops}),
    }  # fmt: skip
    values = {"w": work, "line": work.plant.address(work.line)}
    return Shown(f"{work.station.id} {work.station.name}", fragments, layout="station", values=values, menu="/line")


def _stands(tile: Any) -> bool:
    return bool(tile.observed == "yes" and tile.state in STANDS and tile.since is not None)


def _called(board: Any, work: Work) -> bool:
    name, place = f"call-{work.station.id}", work.station.path
    return any((alarm.alarm, alarm.place, alarm.until) == (name, place, None) for alarm in board.alarms)


def _ours(reader: Reader, work: Work) -> set[str]:
    """Facts that were told at a screen and can be undone here."""
    found = set()
    for slot in work.slots:
        for component in slot.components:
            fact = reader.fact(component.fact)
            if fact is not None and fact.source == SOURCE:
                found.add(str(component.fact))
    return found


STATION_ROWS = (
    "line", "unit", "cases", "alarms", "states", "presence", "genealogy", "passages", "measurements",
)  # fmt: skip
PAGES = [
    Page("/line/{line:path}/station/{station}", show, refresh_s=30),
]
