"""What was known at a moment of very many engines: where a lot went, as it stood before later facts and corrections.

Every engine carries a part of one lot and was shipped. After the moment that is asked about some came back, and some
installations were corrected. Seconds are of the processor.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from uuid import UUID

from asbuilt import events, folding, views
from asbuilt.access import reading
from asbuilt.access.sources import OnePlant, Sources
from asbuilt.cli.shared import collect_less
from asbuilt.events import ComponentInstalled, CorrectionMade, Event, UnitReturned, UnitShipped
from asbuilt.plant import parse
from asbuilt.record import Entry
from asbuilt.record.sqlite import Log
from asbuilt.rows.store import Store
from asbuilt.views.trace import queries as trace
from bench.measure import Result, folder, result

ENGINES = 100_000
AT_ONCE = 5_000
RETURNED, CORRECTED = 50, 1_000
"""Of so many engines one came back, and of one the installation was corrected, after the moment that is asked about."""
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ASKED = BEGIN + dt.timedelta(days=100)
LATER = BEGIN + dt.timedelta(days=200)
PLANT = parse('[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n')
VIEWS = ("genealogy", "measurements", "passages", "cases", "trace", "unit")


def run(scale: float) -> Iterator[Result]:
    """The serials of one lot: as they are, and as they were known."""
    engines = max(1_000, int(ENGINES * scale))
    with folder() as path:
        clock = [BEGIN]
        log = Log(path / "record.db", lambda: clock[0])
        known = views.discover()
        store = Store(path / "views.db", {name: known[name] for name in VIEWS})
        _recorded(log, list(_first(engines)))
        clock[0] = LATER
        _recorded(log, list(_later(engines)))
        folding.fold_from(log, store)
        sources = Sources(store, log, OnePlant(PLANT), lambda: LATER)
        collect_less()
        now, then = (min(_seconds(sources, engines, at) for _ in range(3)) for at in (None, ASKED))
        store.close()
        log.close()
    named = f"where-used of {engines:,} engines"
    yield result(f"{named}, as known at a moment, processor time", "s", then, now, "the same, as it is now", "≤ 5")


def _seconds(sources: Sources, engines: int, known_at: dt.datetime | None) -> float:
    began = time.process_time()
    with reading(sources, "bench") as reader:
        answer = trace.where_used(reader, "lot:Q/BULK", known_at=known_at)
    spent = time.process_time() - began
    back = len(range(0, engines, RETURNED))
    corrected = len(range(1, engines, CORRECTED))
    if known_at is None:
        assert (answer.serials, answer.states["returned"]) == (engines - corrected, back)
    else:
        assert (answer.serials, answer.states) == (engines, {"shipped": engines})
    return spent


def _recorded(log: Log, facts: list[Event]) -> None:
    for at in range(0, len(facts), AT_ONCE):
        log.append([Entry(fact, events.encode(fact)) for fact in facts[at : at + AT_ONCE]])


def _id(number: int, kind: int) -> UUID:
    return UUID(int=number << 8 | kind)


def _first(engines: int) -> Iterator[Event]:
    for number in range(engines):
        at, serial = BEGIN + number * dt.timedelta(minutes=1), f"{number:08d}"
        yield ComponentInstalled(
            id=_id(number, 1), event_time=at, source="line", product="E", serial=serial, position="Q", quantity="1",
            uom="pcs", component_product="Q", component_lot="BULK", evidence="scanned", station="p/s/a/l/1",
        )  # fmt: skip
        yield UnitShipped(
            id=_id(number, 2), event_time=at + dt.timedelta(days=1), source="dock", product="E", serial=serial,
            consignee=f"Customer {number % 50}",
        )  # fmt: skip


def _later(engines: int) -> Iterator[Event]:
    for number in range(0, engines, RETURNED):
        yield UnitReturned(
            id=_id(number, 3), event_time=ASKED + dt.timedelta(days=1), source="dock", product="E",
            serial=f"{number:08d}", reason="noise",
        )  # fmt: skip
    for number in range(1, engines, CORRECTED):
        yield CorrectionMade(
            id=_id(number, 4), event_time=LATER, source="office", corrects=_id(number, 1), reason="did_not_occur"
        )
