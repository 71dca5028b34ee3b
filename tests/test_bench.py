"""The measurements: what ours is compared with does the same work, and a result says whether it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asbuilt import events, views
from asbuilt.record import layout
from asbuilt.rows.store import Store
from bench import postgres
from bench.measure import bodies, result
from tests.connect import peers

FACTS, AT_ONCE = 6_000, 1_500


def test_postgresql_keeps_the_same_rows_of_all_views_and_the_same_index(tmp_path: Path):
    peers.needs("PostgreSQL 15", postgres.BINARIES / "postgres")
    lines = bodies(FACTS)
    store = Store(tmp_path / "views.db", views.discover())
    index: list[tuple[str, int, bytes]] = []
    for at in range(0, FACTS, AT_ONCE):
        facts = [events.recall(line) for line in lines[at : at + AT_ONCE]]
        store.fold(list(enumerate(facts, at + 1)), lambda fact_id: None)
        index += [(key, places[0], layout.packed(places)) for key, places in events.places(facts, at + 1).items()]
    kept, about = asyncio.run(_kept(lines))
    assert about == sorted(index)
    filled = 0
    with store.reading() as db:
        for view in store.views.values():
            for table in view.tables.values():
                ours = sorted(map(repr, store.every_row(db, table)))
                assert kept[table.name] == ours, table.name
                filled += bool(ours)
    store.close()
    assert filled > 15


async def _kept(lines: Sequence[bytes]) -> tuple[dict[str, list[str]], list[tuple[str, int, bytes]]]:
    """Every table's rows with names for their numbers, in any order; and the index."""
    with postgres.cluster() as settings:
        db = await postgres.connect(settings)
        recorder, folder = postgres.Recorder(db), postgres.Folder(db)
        await recorder.prepare()
        await folder.prepare()
        await folder.begin()
        for at in range(0, len(lines), AT_ONCE):
            await recorder.take(lines[at : at + AT_ONCE], at + 1)
            await folder.fold(lines[at : at + AT_ONCE])
        kept: dict[str, list[str]] = {}
        for table in folder.tables():
            found: list[Any] = await folder.rows(table)
            kept[table.name] = sorted(repr(tuple(row)) for row in found)
        about = sorted(tuple(row) for row in await db.fetch("SELECT subject, first_position, more FROM about"))
        await db.close()
        return kept, about


@pytest.mark.parametrize(
    ("ours", "reference", "must", "met"),
    [
        (40_000, 10_000, "≥ 40000", True), (39_999, 10_000, "≥ 40000", False), (15.1, 1, "≤ 15", False), (15, 1, "≤ 15", True),
        (15, 10, "≥ 1.5 ×", True), (14.9, 10, "≥ 1.5 ×", False), (12.6, 10, "≤ 1.25 ×", False), (1, None, "≥ 1.5 ×", False),
        (1, None, "", None),
    ],
)  # fmt: skip
def test_a_result_says_whether_it_holds(ours, reference, must, met):
    assert result("n", "u", ours, reference, "r", must).met is met
