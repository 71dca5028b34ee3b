"""Who can answer a question answers it as the others do: pairs are found by the names of parameters and fields."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings

from asbuilt.app import AsBuilt
from tests.conftest import examples
from tests.laws.claims import Asking
from tests.laws.tales import Tale, at, tales, told

SOME = settings(deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
"""The same tales at every run, for what must be found in some of them."""
MUST_BE_FOUND = {
    ("alarm's state", "alarm.standing", "line.board"),
    ("alarms that stand", "alarm.standing", "line.board"),
    ("good", "line.board", "shift.kpi"),
    ("good", "line.board", "shift.report"),
    ("good", "line.board", "line.states"),
    ("good", "order.show", "order.steps"),
    ("good", "order.totals", "shift.kpi"),
    ("good", "shift.kpi", "shift.report"),
    ("good of a fact", "order.reports", "shift.pieces"),
    ("held", "unit.holds", "unit.show"),
    ("state", "line.board", "shift.tiles"),
}
"""Were one of these not among the pairs, the search for them would have gone blind."""


def asked(app: AsBuilt, tale: Tale) -> Asking:
    """Everything asked of a tale."""
    found = Asking(app, tale, map(at, tale.moments))
    found.everything()
    return found


@examples(12)
@given(tales())
def test_two_that_can_answer_a_question_agree(tale):
    with told(tale) as app:
        disagreements = asked(app, tale).disagreements()
    assert not disagreements, "\n".join(disagreements[:3])


def _asked_of(claimant: str) -> str:
    return ".".join(claimant.split()[0].split(".")[:2])


def test_the_pairs_are_found():
    found: set[tuple[str, str, str]] = set()

    @settings(SOME, max_examples=6)
    @given(tales(least=20))
    def look(tale: Tale) -> None:
        with told(tale) as app:
            found.update(asked(app, tale).pairs())

    look()
    questions = {(figure, *sorted({_asked_of(one) for one in pair})) for figure, *pair in found}
    assert {one for one in MUST_BE_FOUND if one not in questions} == set()
