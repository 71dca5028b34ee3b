"""Who is believed about pieces does not depend on the window that is asked: any cut of a window adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.domain.meaning import TELLERS, TELLS_FOR_H, tellers_over
from asbuilt.domain.pieces import questions as pieces
from asbuilt.events import microseconds
from tests.conftest import examples
from tests.web.scripted import LINE, Told, at, shop

STATION = f"{LINE}/10"
told = st.lists(
    st.tuples(st.sampled_from(["counted", "completed"]), st.integers(0, 359), st.integers(0, 9)), max_size=12
)


@examples(60)
@given(told, st.integers(0, 359))
def test_two_windows_add_up_and_whole_hours_agree_with_single_facts(every, cut):
    facts = Told()
    start = microseconds(at("06:00"))
    for what, minute, good in every:
        time = f"{6 + minute // 60:02}:{minute % 60:02}"
        if what == "counted":
            facts.tell(events.Counted, time, station=STATION, good=good)
        else:
            facts.tell(
                events.OperationCompleted, time, station=STATION, operation="x", lot="L", product="P7", good=good
            )
    middle, end = start + cut * 60_000_000, start + 6 * 3_600_000_000
    with shop(facts, "12:30") as app, app.reader() as reader:

        def made(*ranges: tuple[int, int]) -> int:
            return sum(part.good for part in pieces.pieces(reader, STATION, ranges) if part.believed)

        whole = made((start, end))
        assert made((start, middle)) + made((middle, end)) == whole == made((start, middle), (middle, end))
        assert sum(row.good for row in pieces.made(reader, STATION, start, end)) == whole


@given(st.dictionaries(st.sampled_from(TELLERS), st.lists(st.integers(0, 2000), min_size=1, max_size=5).map(sorted)))
def test_the_first_who_spoke_within_a_week_is_believed(hours):
    spans = tellers_over(hours)
    for hour in range(0, 2300, 7):
        speaks = [name for name in TELLERS if any(h <= hour < h + TELLS_FOR_H for h in hours.get(name, ()))]
        assert [name for a, b, name in spans if a <= hour < b] == speaks[:1]
