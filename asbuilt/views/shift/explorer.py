"""The explorer of key figures: stations by shifts, the trend, and down to the facts."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple
from urllib.parse import urlencode

from asbuilt.access import Reader
from asbuilt.domain.presence import questions as presence
from asbuilt.errors import UsageError
from asbuilt.events import Counted, OperationCompleted
from asbuilt.plant import Plant
from asbuilt.time import time_at
from asbuilt.views.shift import drawing, queries
from asbuilt.views.shift.queries import Kpi, PieceRow
from asbuilt.web.pages import Fragment, Shown

FIGURES = {
    "oee": "OEE", "availability": "Availability", "effectiveness": "Effectiveness", "quality_ratio": "Quality ratio",
    "first_pass_yield": "First pass yield", "nee": "NEE", "coverage": "Coverage",
}  # fmt: skip
SPANS = (3, 7, 14, 28)
MAX_COLUMNS = 62
SHOWN = 30


class Cell(NamedTuple):
    """A station in a part of the window; `grade` is its shade, 0 (lowest) to 4; None where it is withheld."""

    value: float | None
    grade: int
    kpi: Kpi
    address: str


class Counting(NamedTuple):
    """A count with what it read at first, and who changed it why."""

    row: PieceRow
    was: str
    by: str
    why: str
    correctable: bool
    good: int
    rejected: int


def explore(
    reader: Reader,
    scope: str | None = None,
    days: int = 7,
    by: str = "shift",
    figure: str = "oee",
    at: dt.datetime | None = None,
) -> Shown:
    """Stations against shifts or days, shaded by one figure."""
    plant = reader.plant(at)
    figure, by, days = (
        figure if figure in FIGURES else "oee",
        by if by in ("shift", "day", "hour") else "shift",
        min(max(days, 1), 60),
    )
    chosen = scope or (plant.address(next(iter(plant.lines.values()))) if plant.lines else "")
    if not chosen:
        return Shown("Key figures", {"nothing": Fragment("nothing", {"lines": False})}, layout="single", menu="/kpi")
    end = reader.instant(at).astimezone(plant.zone)
    start = (end - dt.timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    if by == "hour":
        start = max(start, end - dt.timedelta(hours=24))
    start = max(start, min(_begin(reader, chosen, plant) or start, end - dt.timedelta(hours=1)))
    whole = queries.kpi(reader, chosen, start, end)
    parts = queries.kpi(reader, chosen, start, end, by)
    assert isinstance(whole, Kpi) and isinstance(parts, list)
    parts = parts[-MAX_COLUMNS:]
    stations = queries.matrix(reader, chosen, start, end, "")
    cells = _cells(reader, chosen, start, end, by, figure, plant)
    asked = {"scope": chosen, "days": days, "by": by, "figure": figure}
    values: dict[str, Any] = {
        "asked": asked, "whole": whole, "parts": parts, "cells": cells, "figures": FIGURES, "spans": SPANS,
        "lines": [(plant.address(line), line.name) for line in plant.lines.values()],
        "names": {path: station.name for path, station in plant.stations.items()}, "title": _title(plant, chosen),
        "finding": _finding(whole, figure, stations, plant, days if by != "hour" else min(days, 1)),
        "drawing": drawing.trend(parts, figure, FIGURES[figure]), "link": _link, "with_": lambda **more: "/kpi?" + urlencode({**asked, **more}),
    }  # fmt: skip
    return Shown("Key figures", {"explorer": Fragment("explorer", values)}, layout="explorer_layout", menu="/kpi")


def _cells(
    reader: Reader, scope: str, start: dt.datetime, end: dt.datetime, by: str, figure: str, plant: Plant
) -> dict[str, dict[str, Cell]]:
    """Station → part's name → cell."""
    found: dict[str, dict[str, Cell]] = {}
    for kpi in queries.matrix(reader, scope, start, end, by):
        value = getattr(kpi, figure)
        # What nobody was planned to work is no row of the map.
        if kpi.pot_s or kpi.pq:
            grade = 0 if value is None else min(4, max(0, int((value - 0.5) * 10)))
            found.setdefault(kpi.scope, {})[kpi.name] = Cell(value, grade, kpi, _link(kpi))
    return found


def _title(plant: Plant, scope: str) -> str:
    line = plant.line(scope)
    return line.name if line is not None else plant.stations[scope].name if scope in plant.stations else scope


def _link(kpi: Kpi) -> str:
    """The address of the window behind a figure."""
    return "/kpi/window?" + urlencode({"scope": kpi.scope, "start": kpi.start.isoformat(), "end": kpi.end.isoformat()})


def _begin(reader: Reader, scope: str, plant: Plant) -> dt.datetime | None:
    """The midnight before the first word about a scope: before it there is nothing to be computed."""
    line = plant.line(scope)
    path = line.path if line is not None else scope.strip("/")
    first_us = presence.first_word_us(reader, [one for one in plant.stations if f"{one}/".startswith(f"{path}/")])
    if first_us is None:
        return None
    return time_at(first_us, plant.zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _finding(whole: Kpi, figure: str, stations: list[Kpi], plant: Plant, days: int) -> str:
    """The figure with the window it was computed over and the share of it that was observed."""
    value, name = getattr(whole, figure), FIGURES[figure]
    if value is None:
        why = whole.withheld.get(figure) or whole.withheld.get("oee") or "nothing was produced"
        return f"{name} is withheld: {why}."
    spanned = -((whole.start - whole.end) // dt.timedelta(days=1))
    text = f"{name} {value * 100:.1f} % over {spanned} {'day' if spanned == 1 else 'days'}"
    if spanned < days:
        text += f" of the {days} asked for, since {whole.start.day} {whole.start:%b}, when the record begins"
    if whole.coverage is not None and whole.coverage < 1:
        text += f", {whole.coverage * 100:.0f} % observed"
    known = {kpi.scope: getattr(kpi, figure) for kpi in stations if getattr(kpi, figure) is not None}
    if len(known) > 1:
        worst = min(known, key=lambda path: (known[path], path))
        label = plant.stations[worst].label if worst in plant.stations else worst
        text += f"; lowest at {label} with {known[worst] * 100:.0f} %"
    return text + "."


def window(
    reader: Reader,
    scope: str | None = None,
    start: dt.datetime | None = None,
    end: dt.datetime | None = None,
    at: dt.datetime | None = None,
) -> Shown:
    """One scope and window: every figure with what it is made of, the stops, the facts."""
    if scope is None or start is None or end is None:
        raise UsageError("this page needs scope, start and end", remedy="Open it from the key figures.")
    plant = reader.plant(at)
    if end > start + dt.timedelta(days=62):
        raise UsageError(
            "this window is too long for a page", remedy="Ask for at most 62 days, or use `asbuilt query`."
        )
    kpi = queries.kpi(reader, scope, start, end)
    assert isinstance(kpi, Kpi)
    name = _title(plant, scope)
    values = {
        "kpi": kpi, "name": name, "losses": drawing.waterfall(queries.losses(reader, scope, start, end)),
        "stops": queries.stops(reader, scope, start, end)[:SHOWN], "pieces": _countings(reader, scope, start, end),
        "tiles": queries.tiles(reader, scope, start, end, limit=SHOWN + 1), "shown": SHOWN, "withheld": sorted(set(kpi.withheld.values())),
        "back": _link(kpi), "here": at is None, "formulas": FORMULAS,
    }  # fmt: skip
    return Shown(f"Key figures of {name}", {"window": Fragment("window", values)}, layout="window_layout", menu="/kpi")


FORMULAS = [
    ("oee", "OEE", "availability · effectiveness · quality ratio"),
    ("availability", "Availability", "APT / (PBT − not observed)"),
    ("effectiveness", "Effectiveness", "PRI · PQ / APT"),
    ("quality_ratio", "Quality ratio", "GQ / PQ"),
    ("nee", "NEE", "AUPT / (PBT − not observed) · effectiveness · quality ratio"),
    ("setup_ratio", "Setup ratio", "AUST / AUPT"),
    ("technical_efficiency", "Technical efficiency", "APT / (APT + ADET)"),
    ("first_pass_yield", "First pass yield", "GP / IP"),
    ("rolled_throughput_yield", "Rolled throughput yield", "product of the stations' first pass yields"),
    ("scrap_ratio", "Scrap ratio", "SQ / PQ"),
    ("rework_ratio", "Rework ratio", "RQ / PQ"),
    ("takt_attainment", "Takt attainment", "good pieces · takt / PBT"),
    ("teep", "TEEP", "OEE · PBT / window"),
]
"""What the page shows of the figures, with the formula (ISO 22400-2)."""


def _countings(reader: Reader, scope: str, start: dt.datetime, end: dt.datetime) -> list[Counting]:
    """The latest counts of the window; those corrected with their former value."""
    found: list[Counting] = []
    for row in reversed(queries.pieces(reader, scope, start, end, limit=10_000)):
        if len(found) > SHOWN:
            break
        fact_id = row.fact
        first = reader.fact(fact_id)
        was = by = why = ""
        corrections = reader.facts(f"fact:{row.fact}", limit=20)
        if corrections and first is not None and isinstance(first, Counted | OperationCompleted):
            bad = first.rejected if isinstance(first, Counted) else first.scrap
            if (first.good, bad) != (row.good, row.rejected):
                was = f"{first.good} good, {bad} rejected"
            last = max((fact for _, fact in corrections), key=lambda fact: (fact.event_time, fact.id))
            by, why = last.by or last.source, getattr(last, "message", None) or ""
        kinds = isinstance(first, Counted | OperationCompleted)
        found.append(Counting(row, was, by, why, kinds, row.good, row.rejected))
    return found
