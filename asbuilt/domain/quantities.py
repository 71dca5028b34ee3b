"""Quantities with units of measure: what converts into what, exactly.

Codes are those of UCUM (case-sensitive), beside those of UN/ECE Recommendation 20 that suppliers send and what people
write. Factors are exact by definition (international yard and pound agreement, 1959; SI Brochure, 9th edition). Packages
are no units: how many pieces a bag holds is a fact of its own, and so is what a piece weighs.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

DIGITS: Final = 12
"""So many digits of a quantity that has no end in decimals are shown."""


class Unit(NamedTuple):
    """What a unit measures, and how many of the first unit of its kind it is."""

    kind: str
    factor: Fraction


def _table() -> dict[str, Unit]:
    pound, inch, gallon = Fraction("0.45359237"), Fraction("0.0254"), Fraction("3.785411784")
    kinds: dict[str, dict[str, Fraction | int | str]] = {
        "pieces": {
            "1 {piece} {pieces} {pcs} pcs pc pce piece pieces Stk Stück ea each EA C62 H87 NMB PCE": 1,
            "DZN dozen": 12, "MIL": 1_000,
        },
        "mass": {
            "kg KGM": 1, "g GRM": "1/1000", "mg MGM": "1/1000000", "ug µg MC": "1/1000000000", "t TNE": 1_000,
            "[lb_av] lb LBR": pound, "[oz_av] oz ONZ": pound / 16,
        },
        "length": {
            "m MTR": 1, "km KMT": 1_000, "dm DMT": "1/10", "cm CMT": "1/100", "mm MMT": "1/1000", "um µm 4H": "1/1000000",
            "nm C45": "1/1000000000", "[in_i] in INH": inch, "[ft_i] ft FOT": inch * 12,
        },
        "area": {"m2 m² MTK": 1, "dm2 dm²": "1/100", "cm2 cm² CMK": "1/10000", "mm2 mm² MMK": "1/1000000"},
        "volume": {
            "L l LTR dm3 dm³ DMQ": 1, "dL dl DLT": "1/10", "cL cl CLT": "1/100", "mL ml MLT cm3 cm³ CMQ": "1/1000",
            "uL ul µL µl": "1/1000000", "m3 m³ MTQ": 1_000, "[gal_us] GLL": gallon,
        },
        "time": {"s SEC": 1, "ms C26": "1/1000", "min MIN": 60, "h HUR": 3_600, "d DAY": 86_400},
    }  # fmt: skip
    return {
        code: Unit(kind, Fraction(factor))
        for kind, units in kinds.items()
        for codes, factor in units.items()
        for code in codes.split()
    }


UNITS: Final = _table()


@lru_cache(maxsize=4_096)
def unit_of(code: str) -> Unit:
    """The unit of a code; one that is not in the table is a kind of its own and converts into itself alone."""
    # Two characters look like a micro sign; blanks stand around codes that people type.
    plain = code.strip().replace("\u03bc", "µ")
    return UNITS.get(plain) or Unit(f"`{plain}`", Fraction(1))


_read = lru_cache(maxsize=4_096)(Fraction)
"""A number as a fraction; the same few are written again and again."""


def is_same(code: str, other: str) -> bool:
    """Whether quantities in the two units can be told in each other."""
    return code == other or unit_of(code).kind == unit_of(other).kind


def converted(number: Decimal | Fraction | str, code: str, to: str) -> Fraction | None:
    """A quantity in another unit, exactly; None where the two measure different things."""
    value = _read(number)
    if code == to:
        return value
    own, other = unit_of(code), unit_of(to)
    return value * own.factor / other.factor if own.kind == other.kind else None


def total(quantities: Iterable[tuple[str, str]], to: str) -> tuple[Fraction, tuple[str, ...]]:
    """The sum of quantities (number, unit) in one unit, and the units that could not be told in it, in order, once each."""
    found, others = Fraction(0), dict[str, None]()
    for number, code in quantities:
        value = converted(number, code, to)
        if value is None:
            others[code] = None
        else:
            found += value
    return found, tuple(others)


def plain(number: Fraction) -> str:
    """A quantity as a decimal: exact where decimals can be, else with twelve digits."""
    if number.denominator == 1:
        return str(number.numerator)
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        # As many decimals as the denominator has factors of ten, at most: exact.
        places = 0
        while (number * 10**places).denominator != 1:
            places += 1
        digits = int(number * 10**places)
        return format(Decimal(digits).scaleb(-places) if digits else Decimal(0), "f")
    value = Decimal(number.numerator) / Decimal(number.denominator)
    return format(
        value.normalize()
        if value.adjusted() < -DIGITS
        else round(value, max(0, DIGITS - 1 - value.adjusted())).normalize(),
        "f",
    )
