"""Nothing unobserved is a number: no zero of a time of which nobody saw anything, and no word that it was nothing."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from hypothesis import given, settings

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.app import AsBuilt
from asbuilt.domain.presence import questions as presence
from asbuilt.events import microseconds
from asbuilt.views.line import output
from asbuilt.views.shift.window import Look
from tests.conftest import examples
from tests.laws.claims import PIECES, TICK, Asking
from tests.laws.tales import Tale, tales, told
from tests.laws.test_agree import SOME, asked

SAYS_THAT_NOTHING_WAS = re.compile(
    r"\b(none|nothing was made|is held|empty|complete|to plan|(ahead of|behind) plan|behind)\b"
)
TELLS_PIECES = (events.Counted, events.OperationCompleted, events.OperationReported)


def zeros(app: AsBuilt, asking: Asking) -> list[str]:
    """Zeros claimed of the pieces of stations in a window of which nothing was observed, and nothing told."""
    told_at = {
        (one.station, one.event_time)
        for fact in asking.tale.facts
        for one in (fact, getattr(fact, "replacement", None))
        if isinstance(one, TELLS_PIECES)
    }
    # What a person explained of a stop is known of it, also where no machine spoke.
    explained = [
        (one.station, one.start_time, one.end_time)
        for fact in asking.tale.facts
        for one in (fact, getattr(fact, "replacement", None))
        if isinstance(one, events.StopExplained)
    ]
    found = []
    with app.reader() as reader:
        for key, claims in asking.claims.items():
            zero = [claim for claim in claims if claim.value == 0 and key.figure in PIECES.values()]
            if (
                not zero
                or key.start is None
                or key.end is None
                or key.end - key.start <= TICK
                or key.subject[1] is not None
            ):
                continue
            stations = key.subject[0]
            if (
                not _observed(reader, stations, key)
                and not any(station in stations and key.start <= time < key.end for station, time in told_at)
                and not any(one in stations and start < key.end and key.start < end for one, start, end in explained)
            ):
                found += [
                    f"0 {key.figure} from {key.start} to {key.end} by {claim.by}: {claim.asked}" for claim in zero
                ]
    return found


def _observed(reader: Reader, stations: Any, key: Any) -> bool:
    window = microseconds(key.start), microseconds(key.end)
    return any(presence.observed_us(reader, station, *window) > 0 for station in stations)


@examples(10)
@given(tales())
def test_no_zero_of_what_nobody_observed(tale):
    with told(tale) as app:
        found = zeros(app, asked(app, tale))
    assert not found, "\n".join(found[:5])


def words(answer: Any) -> list[str]:
    """Every sentence and word of an answer."""
    if isinstance(answer, str):
        return [answer]
    if isinstance(answer, msgspec.Struct):
        return [word for field in answer.__struct_fields__ for word in words(getattr(answer, field))]
    return [word for one in answer for word in words(one)] if isinstance(answer, list | tuple) else []


@examples(10)
@given(tales(most=0))
def test_of_a_plant_of_which_nobody_told_anything_nothing_is_said(tale):
    with told(tale._replace(facts=())) as app:
        asking = asked(app, tale._replace(facts=()))
        assert not zeros(app, asking)
    said = {word for _, _, answer in asking.answers for word in words(answer)}
    assert not [word for word in said if SAYS_THAT_NOTHING_WAS.search(word)]


def _caught() -> bool:
    found: list[str] = []

    @settings(SOME, max_examples=10)
    @given(tales(least=10))
    def look(tale: Tale) -> None:
        if not found:
            with told(tale) as app:
                found.extend(zeros(app, asked(app, tale)))

    look()
    return bool(found)


def test_a_zero_on_the_board_is_caught(monkeypatch):
    """What nobody told of is nothing, says the board."""
    # The law asks presence itself: only the board is told a lie.
    monkeypatch.setattr(output, "presence", _Lies())
    assert _caught()


def test_a_zero_in_the_figures_is_caught(monkeypatch):
    """A time without plan counts as observed."""
    monkeypatch.setattr(Look, "watched", lambda self, start_us, end_us, members=None: True)
    assert _caught()


class _Lies:
    """Presence, but for silences."""

    def __getattr__(self, name: str) -> Any:
        return getattr(presence, name)

    def observed_us(self, reader: Any, station: str, start_us: int, end_us: int) -> int:
        """All of it."""
        return end_us - start_us
