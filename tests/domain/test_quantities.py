"""Units convert exactly or are named as different."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.domain.quantities import UNITS, converted, is_same, plain, total, unit_of

NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False).map(lambda n: format(n, "f"))
CODES = st.sampled_from(sorted(UNITS))


@pytest.mark.parametrize(
    ("number", "code", "to", "right"),
    [
        ("4", "g", "kg", "0.004"), ("0.004", "g", "kg", "0.000004"), ("1", "[lb_av]", "g", "453.59237"),
        ("1", "[in_i]", "mm", "25.4"), ("2", "h", "min", "120"), ("5", "pcs", "EA", "5"), ("5", "{piece}", "1", "5"),
        ("3", "ml", "cm3", "3"), ("12", "oz", "[oz_av]", "12"), ("1", "μg", "ug", "1"), ("1", "GRM", "g", "1"),
        ("90", "min", "h", "1.5"), ("1", "min", "h", "0.0166666666667"), ("1", "TNE", "kg", "1000"),
    ],
)  # fmt: skip
def test_it_converts(number, code, to, right):
    found = converted(number, code, to)
    assert found is not None and plain(found) == right


@pytest.mark.parametrize(
    ("code", "to"), [("g", "mL"), ("kg", "pcs"), ("box", "pcs"), ("G", "g"), ("m", "min"), ("", "g")]
)
def test_what_measures_something_else_does_not(code, to):
    assert converted("1", code, to) is None and not is_same(code, to)
    assert total([("1", to), ("2", code), ("3", code)], to) == (Fraction(1), (code,))


def test_an_unknown_unit_is_itself():
    assert converted("7", "box", "box") == 7 and unit_of("box") == unit_of(" box")


@given(NUMBERS, CODES, CODES)
def test_there_and_back_is_the_same(number, code, to):
    there = converted(number, code, to)
    if there is None:
        assert unit_of(code).kind != unit_of(to).kind
    else:
        assert converted(there, to, code) == Fraction(number)


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(["g", "kg", "mg", "[lb_av]"])), max_size=20))
def test_a_sum_does_not_depend_on_its_order_or_unit(quantities):
    found, others = total(quantities, "kg")
    again, _ = total(reversed(quantities), "g")
    assert not others and found * 1000 == again


@given(NUMBERS)
def test_plain_is_exact_where_decimals_are(number):
    assert Decimal(plain(Fraction(number))) == Decimal(number)
