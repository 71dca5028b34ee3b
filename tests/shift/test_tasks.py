"""What a station worked on: the order or product told last, found without walking back through all pieces."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.events import Event, microseconds
from asbuilt.views.shift.timeline import Station, Task
from tests.conftest import examples
from tests.shift.telling import LINE, plant, taken_in

BEGIN = dt.datetime(2026, 6, 3, tzinfo=dt.UTC)
STATION = f"{LINE}/1"
HOURS = 40


def tasks(app: Any, start: dt.datetime, end: dt.datetime) -> list[Task]:
    with app.reader() as reader:
        return _station(reader, start, end).tasks(closing=False)


def _station(reader: Reader, start: dt.datetime, end: dt.datetime) -> Station:
    start_us, end_us = microseconds(start), microseconds(end)
    return Station(reader, STATION, None, start_us, end_us, end_us, "flow")  # type: ignore[arg-type]


def counted(number: int, time: dt.datetime, order: str | None, product: str | None) -> Event:
    return events.Counted(
        id=UUID(int=number + 1), event_time=time, source="gw", station=STATION, good=1, order=order, product=product
    )


TOLD = st.tuples(
    st.integers(0, HOURS * 60), st.sampled_from([None, None, "O1", "O2"]), st.sampled_from([None, "P1", "P2"])
)


@examples(80)
@given(st.lists(TOLD, max_size=25), st.integers(0, HOURS * 60), st.integers(1, 20 * 60))
def test_what_is_worked_on_is_what_was_told_last(told, start, length):
    facts = [counted(n, BEGIN + dt.timedelta(minutes=minute), *rest) for n, (minute, *rest) in enumerate(told)]
    first, last = BEGIN + dt.timedelta(minutes=start), BEGIN + dt.timedelta(minutes=start + length)
    named = sorted((f.event_time, f.id, f.order or "", f.product or "") for f in facts if f.order or f.product)
    before = [one for one in named if one[0] < first][-1:]
    changes: list[tuple[int, str, str]] = []
    for time, _, order, product in before + [one for one in named if first <= one[0] < last]:
        if not changes or changes[-1][1:] != (order, product):
            changes.append((microseconds(time), order, product))
    with taken_in(plant(60.0), facts) as app:
        app.pipeline.settle()
        found = [(task.start_us, task.order, task.product) for task in tasks(app, first, last)]
    # What was told and replaced at one instant was worked on for no time.
    assert found == [one for n, one in enumerate(changes) if n + 1 == len(changes) or changes[n + 1][0] > one[0]]


def test_a_station_without_orders_is_not_walked_back(monkeypatch: pytest.MonkeyPatch):
    """It read every piece that was ever made there: 10 ms of processor time at 100,000 pieces, for each look."""
    facts = [counted(n, BEGIN + dt.timedelta(minutes=n), None, None) for n in range(2_000)]
    read: list[int] = []
    right = Reader.rows

    def rows(self: Reader, *values: Any, **more: Any) -> list[Any]:
        if more.get("limit") == 1:
            # The store walks until it finds one: as many as there are that fit but for what is looked for.
            wanted = {name: test for name, test in values[1].items() if name in ("station", "hour")}
            read.append(len(right(self, values[0], wanted)))
        found = right(self, *values, **more)
        read.append(len(found))
        return found

    end = BEGIN + dt.timedelta(minutes=2_000)
    with taken_in(plant(60.0), facts) as app:
        app.pipeline.settle()
        monkeypatch.setattr(Reader, "rows", rows)
        assert tasks(app, end - dt.timedelta(minutes=5), end) == []
    assert sum(read) < 100
