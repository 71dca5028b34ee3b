"""Fittings: stored once, whatever order they come in; links beside them only where more was said of a position."""

from __future__ import annotations

from uuid import UUID

from asbuilt.domain.genealogy.rows import FOREVER, Fitting, Link, Stray
from asbuilt.events import ComponentInstalled, ComponentRemoved, CorrectionMade, Event, microseconds
from asbuilt.views.trace import queries as trace
from asbuilt.views.unit import queries as unit
from tests.test_genealogy import MINUTE, START, held


def put_in(number: int, minute: int, position: str, lot: str, **more: str) -> ComponentInstalled:
    told = {"component_product": "C", "component_lot": lot, "uom": "pcs", "quantity": "1", **more}
    return ComponentInstalled(
        id=UUID(int=number), event_time=START + minute * MINUTE, source="line", product="E", serial="1",
        position=position, evidence="scanned", **told,
    )  # fmt: skip


def take_out(number: int, minute: int, position: str) -> ComponentRemoved:
    return ComponentRemoved(
        id=UUID(int=number), event_time=START + minute * MINUTE, source="line", product="E", serial="1",
        position=position, uom="pcs",
    )  # fmt: skip


def test_what_was_installed_once_is_stored_once():
    with held([put_in(1, 1, "a", "L1"), put_in(2, 2, "b", "L1", quantity="2.5")]) as plant, plant.reader() as reader:
        assert len(reader.rows(Fitting)) == 2
        assert reader.rows(Link) == reader.rows(Stray) == []
        assert [c.quantity for c in unit.as_built(reader, "1", "E").components] == ["1", "2.5"]
        assert trace.where_used(reader, "lot:C/L1").serials == 1


def test_where_more_was_said_the_links_that_follow_are_stored_and_stand_instead_of_the_fittings():
    facts: list[Event] = [
        put_in(1, 1, "a", "L1"),
        put_in(2, 2, "b", "L1"),
        take_out(3, 5, "a"),
        put_in(4, 6, "a", "L2"),
    ]
    for order in (facts, facts[::-1]):
        with held(order) as plant, plant.reader() as reader:
            links = sorted((row.lot, row.from_us, row.until_us) for row in reader.rows(Link))
            minute = [microseconds(START + n * MINUTE) for n in range(8)]
            assert links == [("lot:C/L1", minute[1], minute[5]), ("lot:C/L2", minute[6], FOREVER)]
            assert [c.lot for c in unit.as_built(reader, "1", "E").components] == ["L2", "L1"]
            (use,) = trace.where_used(reader, "lot:C/L1").uses
            assert (use.since, use.still, use.position) == (START + MINUTE, True, "a")


def test_a_correction_that_leaves_one_fitting_leaves_no_link():
    undone = CorrectionMade(
        id=UUID(int=9), event_time=START + 60 * MINUTE, source="office", corrects=UUID(int=3), reason="did_not_occur"
    )
    with held([put_in(1, 1, "a", "L1"), take_out(3, 5, "a"), undone]) as plant, plant.reader() as reader:
        assert reader.rows(Link) == []
        assert [c.lot for c in unit.as_built(reader, "1", "E").components] == ["L1"]


def test_a_single_fitting_of_no_quantity_is_named_and_shown():
    with held([put_in(1, 1, "a", "L1", quantity="0")]) as plant, plant.reader() as reader:
        answer = unit.as_built(reader, "1", "E")
        assert [one.kind for one in answer.anomalies] == ["quantity not above zero"]
        assert [c.quantity for c in answer.components] == ["0"]
