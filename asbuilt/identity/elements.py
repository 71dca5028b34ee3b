"""GS1 element strings: application identifiers (AI) and their values, one after another.

AIs, formats and which of them end without a separator are those of the GS1 General Specifications, 3.2 and
7.8.5: only those of a predefined length (00–04, 11–20, 31–36, 41) may stand without one before what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from asbuilt.errors import UsageError

GTIN, LOT, SERIAL, SSCC = "01", "10", "21", "00"
CPID, CPID_SERIAL = "8010", "8011"
GS: Final = "\x1d"
"""What scanners send for the separator FNC1."""
SET_82 = "!\"%&'()*+,\\-./0-9:;<=>?A-Z_a-z"
"""GS1's character set 82, as a regular expression writes it."""
SET_39 = "#\\-/0-9A-Z"
LONGEST: Final = 4_000
"""No code holds more characters."""

FORMATS: Final = (
    ("00", "N18"), ("01|02|03", "N14"), ("10|21|22|243|254|420|4318|702[0-2]|71[0-7]|7240|8002|8012", "X..20"),
    ("11|12|13|15|16|17|3[1-6]\\d[0-5]", "N6"), ("20", "N2"), ("235", "X..28"),
    ("240|241|250|251|400|401|403|4308|4319|7002|7023|8004|90", "X..30"), ("242", "N..6"), ("253", "N13X..17"),
    ("255", "N13N..12"), ("30|37", "N..8"), ("390\\d|392\\d", "N..15"), ("391\\d|393\\d", "N3N..15"),
    ("394[0-3]|8111", "N4"), ("395[0-5]|4326|7006|8005", "N6"), ("402", "N17"), ("41[0-7]|7001", "N13"),
    ("421", "N3X..9"), ("422|424|426", "N3"), ("423|425", "N3N..12"), ("427|7008", "X..3"),
    ("430[01]|431[01]|4320", "X..35"), ("430[2-6]|431[2-6]|7257|8110|8112|8200", "X..70"), ("4307|4317", "X2"),
    ("4309", "N20"), ("432[1-3]|7252", "N1"), ("432[45]|7003", "N10"), ("433[0-3]", "N6X..1"), ("7004", "N..4"),
    ("7005", "X..12"), ("7007", "N6N..6"), ("7009|7255", "X..10"), ("7010", "X..2"), ("7011", "N6N..4"),
    ("703\\d", "N3X..27"), ("7040", "N1X3"), ("7041", "X..4"), ("723\\d", "X2X..28"), ("7241", "N2"),
    ("7242|8013|8014|8020", "X..25"), ("7250", "N8"), ("7251", "N12"), ("725[349]", "X..40"), ("7256|9[1-9]", "X..90"),
    ("7258", "N1X1N1"), ("8001", "N14"), ("8003", "N14X..16"), ("8006|8026", "N18"), ("8007", "X..34"),
    ("8008", "N8N..4"), ("8009", "X..50"), ("8010", "Y..30"), ("8011", "N..12"), ("8017|8018", "N18"),
    ("8019", "N..10"), ("8030", "Z..90"), ("804[01]", "N15"), ("8042", "N32"), ("8043", "N18N..2"),
)  # fmt: skip
"""AIs by pattern, and the parts of their values: digits (N), characters of set 82 (X), of set 39 (Y), base64 (Z)."""
_NO_SEPARATOR = re.compile(r"0[0-4]|1[1-9]|20|3[1-6]|41")
_AI = re.compile(r"0\d|1\d|2[0-2]|30|37|9\d|2[345]\d|4[0-2]\d|71\d|\d{4}")
_CHECKED: Final = {"00": 18, "01": 14, "02": 14, "03": 14, "8001": 0, "8017": 18, "8018": 18} | {
    f"41{n}": 13 for n in range(8)
}
_NAMES: Final = {GTIN: "GTIN", LOT: "lot", SERIAL: "serial", SSCC: "SSCC", CPID: "component", CPID_SERIAL: "serial"}


class Part(NamedTuple):
    """A part of a value: its kind of characters, fewest and most of them."""

    kind: str
    least: int
    most: int


class Element(NamedTuple):
    """An application identifier and its value."""

    ai: str
    value: str


@lru_cache(maxsize=1024)
def parts_of(ai: str) -> tuple[Part, ...]:
    """The parts of an AI's value; none if there is no such AI."""
    for pattern, written in FORMATS:
        if re.fullmatch(pattern, ai):
            return tuple(
                Part(kind, 0 if dots else int(count), int(count))
                for kind, dots, count in re.findall(r"([NXYZ])(\.\.)?(\d+)", written)
            )
    return ()


@lru_cache(maxsize=1024)
def _value(ai: str) -> re.Pattern[str]:
    sets = {"N": r"\d", "X": f"[{SET_82}]", "Y": f"[{SET_39}]", "Z": "[A-Za-z0-9_=-]"}
    return re.compile("".join(f"{sets[part.kind]}{{{part.least},{part.most}}}" for part in parts_of(ai)))


def check_digit(digits: str) -> int:
    """The digit that follows these: weights 3 and 1 from the right, up to the next ten (General Specifications, 7.9)."""
    total = sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(reversed(digits)))
    return -total % 10


def is_checked(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    return digits.isascii() and digits.isdecimal() and int(digits[-1]) == check_digit(digits[:-1])


def fault(ai: str, value: str) -> str:
    """What is wrong with the value of an AI, in words; empty if nothing is."""
    name = _NAMES.get(ai, f"AI {ai}")
    if not parts_of(ai):
        return f"there is no application identifier {ai}"
    most = sum(part.most for part in parts_of(ai))
    if len(value) > most:
        return f"the {name} has {len(value)} characters, GS1 allows {most}"
    if not value or not _value(ai).fullmatch(value):
        return f"the {name} `{value}` is not of the form that GS1 gives it"
    if ai in _CHECKED and _CHECKED[ai] and not is_checked(value):
        return f"the check digit of the {name} {value} is wrong"
    return ""


def split(text: str) -> list[Element]:
    """The elements of a string with separators GS where they are needed. Raises `UsageError` that says what is wrong.

    The string does not say whether a separator was lost: a value of open length runs to the next one.
    """
    found, at = list[Element](), 0
    if len(text) > LONGEST:
        raise UsageError(f"a code has at most {LONGEST:,} characters", remedy="Scan one code at a time.")
    while at < len(text):
        if text[at] == GS:
            at += 1
            continue
        named = _AI.match(text, at)
        ai = named[0] if named else text[at : at + 4]
        if not parts_of(ai):
            raise UsageError(f"`{text[at : at + 4]}` begins no GS1 element", remedy="Scan the code again.")
        at += len(ai)
        if _NO_SEPARATOR.match(ai):
            end = at + sum(part.most for part in parts_of(ai))
        else:
            end = text.find(GS, at) if GS in text[at:] else len(text)
        value = text[at:end]
        wrong = fault(ai, value)
        if wrong:
            lost = " A separator may have been lost: check the scanner's settings." if "characters" in wrong else ""
            raise UsageError(wrong, remedy=f"Scan the code again, or look at the label.{lost}")
        found.append(Element(ai, value))
        at = end
    return found


def brackets(text: str) -> list[Element]:
    """The elements of the printed form `(01)…(21)…`. Raises `UsageError`.

    Brackets may stand inside serials as well: one begins an element only where it holds an AI that is not told yet.
    """
    found: list[Element] = []
    for ai, value in _bracketed(text):
        if found and (not parts_of(ai) or any(ai == one.ai for one in found)):
            found[-1] = Element(found[-1].ai, f"{found[-1].value}({ai}){value}")
        else:
            found.append(Element(ai, value))
    for element in found:
        wrong = fault(*element)
        if wrong:
            raise UsageError(wrong, remedy="Scan the code again, or look at the label.")
    return found


def _bracketed(text: str) -> Iterator[tuple[str, str]]:
    pieces = re.split(r"\((\d{2,4})\)", text)
    return zip(pieces[1::2], pieces[2::2], strict=True)


def lost_separator(element: Element) -> list[Element]:
    """Another reading of a lot that runs to the end of a code: a shorter lot and a serial, with the separator lost."""
    if element.ai != LOT:
        return []
    for at in range(1, len(element.value) - 2):
        if element.value.startswith(SERIAL, at):
            return [Element(LOT, element.value[:at]), Element(SERIAL, element.value[at + 2 :])]
    return []


def joined(elements: list[Element]) -> str:
    """Elements as one string, with separators where they are needed (the symbol's leading FNC1 is not part of it)."""
    text = ""
    for number, (ai, value) in enumerate(elements):
        last = number == len(elements) - 1
        text += ai + value + ("" if last or _NO_SEPARATOR.match(ai) else GS)
    return text
