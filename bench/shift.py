"""Key figures: of one shift, of a month by shift for 50 stations, of a year of 10 million state changes.

Beside each the plain SQL a person would write over the same rows for one figure, availability: window
functions over the states, clipped to the shifts, without breaks, reasons, silences and pieces.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import apsw

from asbuilt import views
from asbuilt.access import OnePlant, Sources, reading
from asbuilt.events import AnyFact, Counted, StateChanged, microseconds
from asbuilt.plant import Plant, parse
from asbuilt.record.memory import Log
from asbuilt.rows.store import Store
from asbuilt.time import HOUR_US
from asbuilt.views.shift import queries
from asbuilt.views.shift.calendar import Calendar
from bench.measure import Result, folder, result

LINES, STATIONS = 5, 10
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
PLAIN = "SQLite: availability alone, by window functions over the same states, without breaks, reasons, pieces"
BATCH = 20_000


def run(scale: float) -> Iterator[Result]:
    """Each question asked of a folder on disk, its pages in the cache, the median of five."""
    with folder() as path:
        month = _filled(path / "month.db", 31, max(1, round(20 * scale)), pieces=True)
        shift = (START + dt.timedelta(days=6, hours=6), START + dt.timedelta(days=6, hours=14))
        yield from _beside(
            "OEE of one shift of a line of 10 stations", month, f"{_PLANT.id}/s/a/0", *shift, "", 5, "≤ 5"
        )
        yield from _beside("OEE of a month by shift, 50 stations", month, _PLANT.id, START, START + dt.timedelta(days=31), "shift", 5, "≤ 200")  # fmt: skip
        month.close()
        (path / "month.db").unlink()
        year = _filled(
            path / "year.db", 365, max(1, round(10_000_000 * scale / 365 / 24 / LINES / STATIONS)), pieces=False
        )
        yield from _beside(f"OEE of a year of {_changes(year):,} state changes, 50 stations", year, _PLANT.id, START, START + dt.timedelta(days=365), "", 3)  # fmt: skip
        year.close()


def _plant() -> Plant:
    text = '[plant]\nid = "p"\nname = "P"\nzone = "Europe/Berlin"\n[[site]]\nid = "s"\nname = "S"\n[[site.area]]\nid = "a"\nname = "A"\n'
    for line in range(LINES):
        text += f'[[site.area.line]]\nid = "{line}"\nname = "L{line}"\nshifts = "two"\n'
        for station in range(STATIONS):
            text += f'[[site.area.line.station]]\nid = "{station}"\nname = "S{station}"\ncycle_s = 300\n'
    breaks = 'breaks = [{{ start = "{0}:00", end = "{0}:10" }}, {{ start = "{1}:00", end = "{1}:30" }}]\n'
    text += '[[shift_pattern]]\nid = "two"\n'
    for name, start, end, *pauses in (("A", "06", "14", "08", "10"), ("B", "14", "22", "16", "18")):
        text += f'[[shift_pattern.shift]]\nid = "{name}"\nstart = "{start}:00"\nend = "{end}:00"\n' + breaks.format(
            *pauses
        )
    return parse(text)


_PLANT = _plant()


def _filled(path: Path, days: int, changes_an_hour: int, *, pieces: bool) -> Store:
    """Rows of so many days of every station, folded as they would be in a plant."""
    store = Store(
        path,
        {
            name: view
            for name, view in views.discover().items()
            if name in ("presence", "states", "pieces", "orders", "shift")
        },
    )
    batch: list[tuple[int, AnyFact]] = []
    for position, fact in enumerate(_facts(days, changes_an_hour, pieces), 1):
        batch.append((position, fact))
        if len(batch) == BATCH:
            store.fold(batch, lambda fact_id: None)
            batch = []
    store.fold(batch, lambda fact_id: None)
    return store


def _facts(days: int, changes_an_hour: int, pieces: bool) -> Iterator[AnyFact]:
    """In order of time: every hour so many changes of every station, and a count every six minutes."""
    random = Random(7)
    paths = list(_PLANT.stations)
    number = 0
    for hour in range(days * 24):
        begin = START + dt.timedelta(hours=hour)
        for path in paths:
            for seconds in sorted(random.randrange(3_600_000) / 1000 for _ in range(changes_an_hour)):
                number += 1
                yield StateChanged(
                    id=UUID(int=number), event_time=begin + dt.timedelta(seconds=seconds), source="gw", station=path,
                    state=random.choice(("Execute", "Execute", "Starved", "Blocked", "Held")),
                )  # fmt: skip
            for minute in range(0, 60 if pieces else 0, 6):
                number += 1
                yield Counted(
                    id=UUID(int=number),
                    event_time=begin + dt.timedelta(minutes=minute),
                    source="gw",
                    station=path,
                    good=1,
                )


def _changes(store: Store) -> int:
    with store.reading() as rows:
        return int(rows.execute("SELECT count(*) FROM states_state").get)


def _beside(
    name: str, store: Store, scope: str, start: dt.datetime, end: dt.datetime, by: str, rounds: int, must: str = ""
) -> Iterator[Result]:
    ours, plain = [], []
    for _ in range(rounds):
        ours.append(_ours(store, scope, start, end, by))
        plain.append(_plain(store, scope, start, end))
    yield result(name, "ms", statistics.median(ours), statistics.median(plain), PLAIN, must)


def _ours(store: Store, scope: str, start: dt.datetime, end: dt.datetime, by: str) -> float:
    with reading(Sources(store, Log(lambda: end), OnePlant(_PLANT, START), lambda: end), "bench") as reader:
        began = time.perf_counter()
        found = queries.kpi(reader, scope, start, end, by)
        took = time.perf_counter() - began
    assert found
    return took * 1000


_AVAILABILITY = """
WITH spell AS (
  SELECT state, time_us, lead(time_us) OVER (ORDER BY hour, time_us, fact) AS until_us
  FROM states_state WHERE station = ?1 AND hour >= ?2 AND hour <= ?3
)
SELECT w.key, sum(CASE WHEN state = ?5 THEN min(until_us, w.value->>1) - max(time_us, w.value->>0) END)
FROM json_each(?4) w JOIN spell ON time_us < w.value->>1 AND until_us > w.value->>0 GROUP BY 1
"""
_WHOLE = """
SELECT sum(CASE WHEN state = ?4 THEN until_us - time_us END) FROM (
  SELECT state, time_us, lead(time_us) OVER (ORDER BY hour, time_us, fact) AS until_us
  FROM states_state WHERE station = ?1 AND hour >= ?2 AND hour <= ?3)
"""


def _plain(store: Store, scope: str, start: dt.datetime, end: dt.datetime) -> float:
    """The states' sums, station by station; for long windows not even clipped to the shifts."""
    start_us, end_us = microseconds(start), microseconds(end)
    few = (end - start) < dt.timedelta(days=2)
    with store.reading() as rows:
        # Names are integers in the rows; whoever writes SQL by hand looks them up beforehand.
        number = dict(_all(rows, "SELECT text, id FROM name"))
        began = time.perf_counter()
        for path in (path for path in _PLANT.stations if f"{path}/".startswith(f"{scope}/")):
            cells = (number[path], start_us // HOUR_US, end_us // HOUR_US)
            if few:
                shifts = Calendar([(START, _PLANT)], path.rpartition("/")[0], start_us, end_us).shifts
                windows = json.dumps([[begin, until] for _, begin, until, _ in shifts])
                _all(rows, _AVAILABILITY, *cells, windows, number["Execute"])
            else:
                found = _all(rows, _WHOLE, *cells, number["Execute"])
                assert found[0][0], "the plain SQL found nothing"
    return (time.perf_counter() - began) * 1000


def _all(rows: apsw.Connection, sql: str, *bindings: object) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = rows.execute(sql, bindings).fetchall()
    return found
