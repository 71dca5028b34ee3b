"""Planted faults: each breaks one rule in one place, and the law that two who can answer agree fails.

Were one of these not caught, the law would be a law of nothing.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings

from asbuilt import events
from asbuilt.domain.alarms import questions as alarms
from asbuilt.domain.pieces import questions as pieces
from asbuilt.views.line import alarms as board_alarms
from asbuilt.views.line import answers, output, tiles
from asbuilt.views.order import queries as orders
from asbuilt.views.shift import pieces as shift_pieces
from asbuilt.views.shift import report
from tests.laws.tales import BEGIN, Tale, at, tales, told
from tests.laws.test_agree import SOME, asked


def board_ignores_counters(patch: pytest.MonkeyPatch) -> None:
    """The board counts units alone."""
    right = output.made_at

    def wrong(look: Any, station: Any) -> Any:
        return [row for row in right(look, station) if row.told != "counted"]

    patch.setattr(output, "made_at", wrong)
    patch.setattr(tiles, "made_at", wrong)


def order_ignores_counters(patch: pytest.MonkeyPatch) -> None:
    """An order's progress counts what is reported or completed alone."""
    right = orders._cells
    patch.setattr(
        orders, "_cells", lambda reader, where: [cell for cell in right(reader, where) if cell.told != "counted"]
    )


def handover_believes_everybody(patch: pytest.MonkeyPatch) -> None:
    """Pieces count twice in the handover where a counter and units tell of them."""
    right = pieces.told

    class Doubled:
        made = staticmethod(lambda reader, station, start_us, end_us: right(reader, station, start_us, end_us))
        foreseeable = staticmethod(pieces.foreseeable)
        ever_told = staticmethod(pieces.ever_told)

    patch.setattr(report, "pieces", Doubled)


def teller_by_window(patch: pytest.MonkeyPatch) -> None:
    """Who is believed follows from the window that is asked: its first teller throughout."""
    right = pieces._believed

    def wrong(reader: Any, station: str, start_us: int, end_us: int) -> Any:
        parts = right(reader, station, start_us, end_us).parts
        return pieces.Believed([(start_us, end_us, parts[0][2])] if parts else [])

    patch.setattr(pieces, "_believed", wrong)


def hours_lose_their_first_microsecond(patch: pytest.MonkeyPatch) -> None:
    """What is told at the begin of a part belongs to no hour: parts of a window no longer add up."""
    right = shift_pieces._ranges_of_pieces

    def wrong(cycles: Any, cut: Any, until: int) -> Any:
        ranges, of_range = right(cycles, cut, until)
        return type(ranges)([(start + 1, end) for start, end in ranges]), of_range

    patch.setattr(shift_pieces, "_ranges_of_pieces", wrong)


def alarm_an_hour_late(patch: pytest.MonkeyPatch) -> None:
    """The phases of an alarm as one page sees them are shifted."""
    right = alarms.current

    def wrong(reader: Any, at_us: int, places: Any = None) -> Any:
        return right(reader, at_us if places is None else at_us - 3_600_000_000, places)

    patch.setattr(alarms, "current", wrong)


def board_asks_for_what_is_put_aside(patch: pytest.MonkeyPatch) -> None:
    """What is suppressed or out of service asks on the board all the same."""
    right = board_alarms._alarm_row
    patch.setattr(board_alarms, "_alarm_row", lambda *values: msgspec.structs.replace(right(*values), aside=""))


def latched_is_gone(patch: pytest.MonkeyPatch) -> None:
    """On the board a latched alarm is over as soon as its condition is."""
    patch.setattr(answers.AlarmRow, "active", property(lambda self: self.until is None))


def hold_by_serial_alone(patch: pytest.MonkeyPatch) -> None:
    """A list of units shows a hold on every unit of that serial, whatever its product."""
    from asbuilt.views.unit.rows import Now

    right = Now.holds

    def wrong(self: Any, items: Any, at_us: int) -> Any:
        found = right(self, [*items, *(item.replace("unit:P/", "unit:Q/") for item in items)], at_us)
        return [*found, *(hold._replace(item=hold.item.replace("unit:Q/", "unit:P/")) for hold in found)]

    patch.setattr(Now, "holds", wrong)


def silence_dropped(patch: pytest.MonkeyPatch) -> None:
    """The board takes its last word for what is, however long ago."""
    from asbuilt.views.line.observation import Observation

    patch.setattr(Observation, "lost", lambda self, station: None)


def seldom(fault: Any, tale: Tale) -> Tale:
    """A tale with what a fault needs to show and random tales tell too seldom."""
    when, source = at(BEGIN), {"source": "fresh"}
    more: list[events.Event] = []
    if fault is hold_by_serial_alone:
        about: dict[str, Any] = {"serial": "77", "event_time": when, **source}
        more = [
            events.UnitStarted(id=UUID(int=9001), product="P", **about),
            events.UnitStarted(id=UUID(int=9002), product="Q", **about),
            events.HoldPlaced(id=UUID(int=9003), hold="H77", reason="Looks odd", product="Q", **about),
        ]
    if fault is latched_is_gone:
        about = {"alarm": "pump", "station": tale.stations[0], **source}
        more = [
            events.AlarmRaised(id=UUID(int=9001), event_time=when, priority=2, text="Too hot", response="Look.", latching=True, **about),
            events.AlarmCleared(id=UUID(int=9002), event_time=at(BEGIN + 1), **about),
        ]  # fmt: skip
    if fault is alarm_an_hour_late:
        more = [
            events.AlarmRaised(
                id=UUID(int=9001 + number), event_time=at(moment - 30), alarm=f"fan {number}", station=tale.stations[0],
                priority=2, text="Too slow", response="Look.", **source,
            )
            for number, moment in enumerate({*tale.moments, tale.now})
        ]  # fmt: skip
    if fault is teller_by_window:
        more = [
            fact
            for number, station in enumerate(tale.stations)
            for fact in (
                events.Counted(id=UUID(int=9100 + number), event_time=at(BEGIN), good=5, station=station, **source),
                events.OperationCompleted(
                    id=UUID(int=9200 + number), event_time=at(tale.now - 1), operation="mill", product="P",
                    serial=f"7{number}", good=1, station=station, **source,
                ),
            )
        ]  # fmt: skip
    return tale._replace(facts=(*tale.facts, *more))


@pytest.mark.parametrize(
    "fault",
    [
        board_ignores_counters, order_ignores_counters, handover_believes_everybody, teller_by_window,
        hours_lose_their_first_microsecond, hold_by_serial_alone, alarm_an_hour_late, silence_dropped,
        board_asks_for_what_is_put_aside, latched_is_gone,
    ],
    ids=lambda fault: fault.__name__,
)  # fmt: skip
def test_a_planted_fault_is_caught(fault, monkeypatch):
    caught: list[str] = []

    class Enough(Exception):
        """One that is caught is enough."""

    def disagreements(tale: Any) -> list[str]:
        with told(tale) as app:
            return asked(app, tale).disagreements()

    @settings(SOME, max_examples=30)
    @given(tales(most=30, least=20))
    def look(tale: Any) -> None:
        if caught:
            raise Enough
        tale = seldom(fault, tale)
        with monkeypatch.context() as patch:
            fault(patch)
            found = disagreements(tale)
        if found:
            assert not disagreements(tale), "it is the fault that is caught"
            caught.extend(found)
            raise Enough

    with pytest.raises(Enough):
        look()
