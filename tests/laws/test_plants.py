"""A later plant file changes no earlier answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asbuilt.access import Reader
from tests.conftest import examples
from tests.laws.claims import TICK, Asking
from tests.laws.tales import LAST, Tale, at, tales, told
from tests.laws.test_agree import SOME

OTHERWISE = {
    "takt_s = 60": "takt_s = 30", "cycle_s = 40": "cycle_s = 20", 'shifts = "two"': 'shifts = "night"', 'product = "P"': 'product = "Q"',
    'flow = "serial"': 'flow = "job_shop"', 'source = "fresh"\n': "", "unheard_s = 7200": "unheard_s = 720", "fresh_s = 900": "fresh_s = 9",
    'name = "Line"': 'name = "Hall"', 'name = "Jam"': 'name = "Chips"',
}  # fmt: skip
"""What another plant file says of the same stations."""


def earlier(tale: Tale, until: dt.datetime) -> dict[str, Any]:
    """Every answer about moments of the tale, and about windows that end there."""
    with told(tale) as app:
        asking = Asking(app, tale, map(at, tale.moments))
        asking.everything()
    last = max(map(at, tale.moments)) + TICK
    return {
        f"{name} {arguments}": _until(answer, until)
        for name, arguments, answer in asking.answers
        if "at" in arguments or ("to" in arguments and arguments["to"] <= last)
    }


def _until(answer: Any, until: dt.datetime) -> Any:
    """Without stops that go on: how one ends is for the plant file to say that is in force then."""
    if isinstance(answer, list):
        return [
            row for row in answer if not isinstance(ended := getattr(row, "ended", None), dt.datetime) or ended < until
        ]
    return answer


def changed(tale: Tale, later: int) -> list[str]:
    """Answers that a plant file changes which comes into force some minutes after the last moment."""
    since = max(tale.moments) + later
    text = tale.plants[-1][1]
    for said, otherwise in OTHERWISE.items():
        text = text.replace(said, otherwise)
    known = tuple(plant for plant in tale.plants if plant[0] < since)
    before = earlier(tale._replace(plants=known, now=LAST + 700), at(since))
    after = earlier(tale._replace(plants=(*known, (since, text)), now=LAST + 700), at(since))
    found = [f"{one}:\n  {before[one]}\n  {after.get(one)}" for one in before if before[one] != after.get(one)]
    return found + [f"{one} can be answered" for one in after if one not in before]


@examples(6)
@given(tales(least=10, most=20), st.integers(1, 400))
def test_a_later_plant_file_changes_no_earlier_answer(tale, later):
    found = changed(tale, later)
    assert not found, "\n".join(found[:3])


def test_a_question_that_looks_at_the_plant_of_now_is_caught(monkeypatch):
    right = Reader.plant
    monkeypatch.setattr(Reader, "plant", lambda self, at=None: right(self, None))

    def first() -> list[str]:
        found: list[str] = []

        @settings(SOME, max_examples=5)
        @given(tales(least=15))
        def look(tale: Tale) -> None:
            if not found:
                found.extend(changed(tale, 60))

        look()
        return found

    assert first()
