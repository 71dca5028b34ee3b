"""Expressions look at a message and can do nothing else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.connect.expression import compiled
from asbuilt.connect.mapping import decimal_text

NAMES = frozenset(("payload", "topic"))
GIVEN = {
    "topic": ["press", "7", "state"],
    "payload": {
        "a": 1,
        "b": {"c": Decimal("0.1")},
        "list": [5, 6],
        "°C": "21,5",
        "t": "12.50",
        "no": None,
        "yes": True,
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("payload.a", 1),
        ("payload.b.c", Decimal("0.1")),
        ("payload['°C']", "21,5"),
        ("payload.list[1]", 6),
        ("payload.list[-1]", 6),
        ("payload.list[9]", None),
        ("payload.gone.further", None),
        ("topic[1]", "7"),
        ("'works/' + topic[1]", "works/7"),
        ("number(payload.t) * 0.1", Decimal("1.250")),
        ("payload.b.c + 0.2", Decimal("0.3")),
        ("payload.gone * 2", None),
        ("-payload.a", -1),
        ("payload.a / 4", Decimal("0.25")),
        ("'x' if payload.a == 1 else 'y'", "x"),
        ("payload.a in [1, 2]", True),
        ("payload.a > 3 or payload.yes", True),
        ("not payload.gone", True),
        ("payload.gone > 1", False),
        ("default(payload.gone, 'none')", "none"),
        ("upper(topic[0])", "PRESS"),
        ("split(payload['°C'], ',')[0]", "21"),
        ("length(payload.list)", 2),
        ("round(payload.t * 1, 1)", None),
        ("time(1780464610)", dt.datetime(2026, 6, 3, 5, 30, 10, tzinfo=dt.UTC)),
        ("time(1780464610500)", dt.datetime(2026, 6, 3, 5, 30, 10, 500_000, tzinfo=dt.UTC)),
        ("time('2026-06-03T05:30:00Z')", dt.datetime(2026, 6, 3, 5, 30, tzinfo=dt.UTC)),
    ],
)
def test_what_it_gives(text, value):
    if text == "round(payload.t * 1, 1)":
        with pytest.raises(ValueError, match="not a number; number"):
            compiled(text, NAMES)(GIVEN)
        return
    assert compiled(text, NAMES)(GIVEN) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')", "payload.__class__()", "(lambda: 1)()", "[x for x in payload]", "open('/etc/passwd')", "2 ** 9999",
        "payload[0:1]", "f'{payload}'", "payload := 1", "secret", "1 << 90", "a" * 501, "(" * 200, "1 if", "number()", "x.y(1)",
        "number(1, 2)", "b'x'", "1j", "...", "{'a': 1}", "10000000000000000000000",
    ],
)  # fmt: skip
def test_what_it_refuses(text):
    with pytest.raises(ValueError, match=r"expression|takes|there is no|characters"):
        compiled(text, NAMES)


def test_attributes_of_python_are_out_of_reach():
    assert compiled("payload.__class__.__mro__", NAMES)(GIVEN) is None
    assert compiled("topic.append", NAMES)(GIVEN) is None


@pytest.mark.parametrize("text", ["number('nan')", "number('1e999')", "number('x')", "payload.a / 0", "time('soon')", "time('2026-06-03T05:30:00')", "topic + 1", "payload.a < 'x'"])  # fmt: skip
def test_what_has_no_value_is_said_in_words(text):
    with pytest.raises(ValueError, match=r"\w"):
        compiled(text, NAMES)(GIVEN)


_json = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside), max_leaves=10)  # fmt: skip


@given(payload=_json, text=st.sampled_from(["number(payload)", "time(payload)", "text(payload)", "payload + payload", "payload * 3", "payload.a.b", "payload[0]", "round(payload, 2)", "upper(payload)", "payload < 3", "payload in [1]", "-payload", "length(payload)", "split(payload, 'a')"]))  # fmt: skip
def test_no_payload_makes_it_do_more_than_refuse(payload, text):
    try:
        compiled(text, NAMES)({"payload": payload, "topic": []})
    except ValueError as error:
        assert str(error)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**17), max_value=10**17))
def test_decimals_are_written_as_facts_keep_them(value):
    text = decimal_text(value)
    assert "e" not in text.lower()
    assert abs(Decimal(text) - value) <= Decimal("5e-13")
