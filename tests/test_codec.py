"""Many facts read and written at once are what each is by itself; decimals are checked wherever a fact has them."""

from __future__ import annotations

import typing
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.errors import MalformedFact
from asbuilt.events import Event, codec
from asbuilt.testing.strategies import START, examples, facts_of, unknown_facts

any_facts = st.sampled_from(list(events.TYPES.values())).flatmap(facts_of) | unknown_facts
ENVELOPE = {"id": UUID(int=7), "event_time": START, "source": "gateway"}
BAD = ["1e5", "", " 1", "1 ", "1\n", "01", "+1", ".5", "1.", "1٣", "NaN", "None", "1" * 19, "0.1234567890123"]


def measured(**fields: str | None) -> events.Measured:
    given = {"characteristic": "bore", "value": "36.004", "uom": "mm", **fields}
    return events.Measured(**ENVELOPE, **given)  # type: ignore[arg-type]


def channel(**fields: str) -> events.Channel:
    return events.Channel(name="c", uom="bar", **{"minimum": "1", "maximum": "2", "mean": "1.5", **fields})


def run(**fields: str) -> events.RunRecorded:
    return events.RunRecorded(
        **ENVELOPE, product="P", serial="1", station="s", program="p", verdict="pass", start_time=START,
        channels=(channel(), channel(**fields)),
    )  # fmt: skip


WHERE = [
    ("$.value", lambda bad: measured(value=bad)),
    ("$.lower", lambda bad: measured(lower=bad)),
    ("$.upper", lambda bad: measured(upper=bad)),
    ("$.nominal", lambda bad: measured(nominal=bad)),
    ("$.channels[...].mean", lambda bad: run(mean=bad)),
    ("$.channels[...].upper", lambda bad: run(upper=bad)),
    (
        "$.into[...].quantity",
        lambda bad: events.LotSplit(
            **ENVELOPE, product="P", lot="L", into=(events.LotPart(lot="M", quantity="1"), events.LotPart(lot="N", quantity=bad)),
        ),
    ),
    (
        "$.replacement.value",
        lambda bad: events.CorrectionMade(
            id=UUID(int=8), event_time=START, source="gateway", corrects=UUID(int=7), reason="incorrect_data", replacement=measured(value=bad)
        ),
    ),
    (
        "$.replacement.channels[...].mean",
        lambda bad: events.CorrectionMade(
            id=UUID(int=8), event_time=START, source="gateway", corrects=UUID(int=7), reason="incorrect_data", replacement=run(mean=bad)
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("where", "made"), WHERE, ids=[where for where, _ in WHERE])
def test_a_decimal_that_is_none_is_refused_with_its_place(where, made, bad):
    fact = made(bad)
    body = msgspec.json.encode(fact)
    says = f"Expected `str` that is a decimal number such as '36.004' - at `{where}`"
    for _ in range(2):  # what was refused is not kept as seen
        with pytest.raises(MalformedFact) as read:
            events.decode(body)
        assert says in read.value.message
        with pytest.raises(MalformedFact) as written:
            events.encode(fact)
        assert says in written.value.message
        assert events.decode_all([events.encode(run()), body]) is None
        assert events.encode_all([run(), fact]) is None
    with pytest.raises(msgspec.ValidationError):
        events.convert(msgspec.to_builtins(fact), type(fact))


def _structs(cls: type[Event]) -> list[type]:
    return [
        found for hint in typing.get_type_hints(cls, include_extras=True).values() for found in codec._structs_in(hint)
    ]


def test_every_decimal_of_every_type_is_looked_at():
    """By discovery: each field of the type `Decimal`, also within structs, of each type of fact."""
    found = 0
    for cls in events.TYPES.values():
        for struct in (cls, *_structs(cls)):
            if issubclass(struct, Event) and struct is not cls:
                continue
            hints = typing.get_type_hints(struct, include_extras=True)
            own = {
                name
                for name, hint in hints.items()
                if hint == events.Decimal or events.Decimal in typing.get_args(hint)
            }
            found += len(own)
            assert set(codec._DECIMALS.get(struct, ((), ()))[1]) == own
    assert found >= 15


def test_what_was_seen_is_bounded(monkeypatch):
    monkeypatch.setattr(codec, "_SEEN_AT_MOST", 10)
    monkeypatch.setattr(codec, "_seen", {None})  # whatever was read before in this process
    for number in range(100):
        assert events.decode(events.encode(measured(value=str(number)))) == measured(value=str(number))
        assert len(codec._seen) <= 10 + 1
        with pytest.raises(MalformedFact):
            events.encode(measured(value=f"{number}x"))


@examples(60)
@given(st.lists(any_facts, max_size=5))
def test_many_at_once_are_as_each_by_itself(facts):
    bodies = [events.encode(fact) for fact in facts]
    assert events.encode_all(facts) == bodies
    again = events.decode_all(bodies)
    if any(isinstance(fact, events.Unknown) for fact in facts):
        assert again is None  # looked at one by one
    else:
        assert again == facts
    assert (
        events.recall_all(bodies)
        == [events.recall(body) for body in bodies]
        == [events.decode(body) for body in bodies]
    )


@examples(60)
@given(st.lists(any_facts, max_size=3), st.sampled_from("\x00\x1f\x7f\x85\u2028\u202e\u2066"), st.integers(0, 3))
def test_one_with_a_control_character_is_found_among_many(facts, character, at):
    bad = events.StateChanged(**ENVELOPE, station=f"a{character}b", state="Idle")
    assert events.encode_all([*facts[:at], bad, *facts[at:]]) is None


@examples(60)
@given(st.lists(any_facts, max_size=3), st.sampled_from('\n\t"\\\u00e9\u00b5\u2026\u4e16\U0001f600'), st.integers(0, 3))
def test_line_breaks_quotes_and_letters_of_any_script_are_written_among_many_as_alone(facts, character, at):
    note = events.NoteWritten(**ENVELOPE, station="s", text=f"a{character}b\n\u00c2")
    every = [*facts[:at], note, *facts[at:]]
    assert events.encode_all(every) == [events.encode(fact) for fact in every]


def test_what_is_no_fact_is_not_written_among_many():
    assert events.encode_all([measured(), ("a", "b")]) is None


def test_one_that_is_too_long_or_no_text_is_found_among_many():
    long = events.decode(b'{"event_time":"2026-06-01T05:00:00Z","id":"%s","source":"s","type":"later.v1","x":"%s"}'
                         % (str(UUID(int=9)).encode(), b"x" * events.MAX_FACT_BYTES))  # fmt: skip
    lone = events.StateChanged(**ENVELOPE, station="\ud800", state="Idle")
    for bad in (long, lone):
        assert events.encode_all([measured(), bad]) is None
        with pytest.raises(MalformedFact):
            events.encode(bad)
