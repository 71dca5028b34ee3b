"""Compressed GS1 Digital Links (GS1 Digital Link Standard: Compression 1.0): one segment of base64url instead of the path."""

from __future__ import annotations

import math
from typing import Final

from asbuilt.identity.elements import Element, Part, fault, parts_of

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HEX: Final = "0123456789abcdef"
_TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    "0A": ("01", "22"), "0B": ("01", "10"), "0C": ("01", "21"), "0D": ("01", "17"), "0E": ("01", "7003"),
    "0F": ("01", "30"), "1A": ("01", "10", "21", "17"), "1B": ("01", "15"), "1C": ("01", "11"), "1D": ("01", "16"),
    "1E": ("01", "91"), "1F": ("01", "10", "15"), "9A": ("8010", "8011"), "9B": ("8017", "8019"), "9C": ("8018", "8019"),
    "9D": ("414", "254"), **{f"2{'ABCDEF'[n]}": ("01", f"310{n}") for n in range(6)},
    **{f"3{'ABCDEF'[n]}": ("01", f"320{n}") for n in range(6)}, **{f"A{n}": ("01", f"392{n}") for n in range(10)},
    **{f"C{n}": ("255", f"390{n}") for n in range(10)}, **{f"C{'ABCD'[n]}": ("255", f"394{n}") for n in range(4)},
}  # fmt: skip
"""Sequences of AIs that one byte stands for (table Opt of the standard)."""


class _NotOne(Exception):
    """The text is no compressed link."""


class _Bits:
    def __init__(self, text: str) -> None:
        self._bits = "".join(f"{_ALPHABET.index(symbol):06b}" for symbol in text)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._bits) - self._at

    def take(self, count: int) -> int:
        if count > self.left:
            raise _NotOne
        self._at += count
        return int(self._bits[self._at - count : self._at] or "0", 2)


def read(text: str) -> list[Element]:
    """The elements that a segment holds; none if it is no compressed link.

    Any word of base64url can be taken for one: it is believed only if every value has its form and check digit and no bit is left over.
    """
    if not 8 <= len(text) <= 200 or any(symbol not in _ALPHABET for symbol in text):
        return []
    bits, found = _Bits(text), list[Element]()
    try:
        while bits.left > 8:
            for ai in _ais(bits):
                value = "".join(_value(bits, part) for part in parts_of(ai))
                found.append(Element(ai, value))
        if bits.take(bits.left):
            return []
    except _NotOne:
        return []
    return [] if any(fault(*one) for one in found) else found


def _ais(bits: _Bits) -> tuple[str, ...]:
    first = f"{bits.take(8):02X}"
    if first in _TOGETHER:
        return _TOGETHER[first]
    ai = first
    while not parts_of(ai):
        if len(ai) == 4 or not ai.isdecimal():
            raise _NotOne
        ai += f"{bits.take(4):X}"
    return (ai,)


def _value(bits: _Bits, part: Part) -> str:
    fixed = part.least == part.most
    coding = 0 if part.kind == "N" else bits.take(3)
    count = part.most if fixed else bits.take(math.ceil(math.log2(part.most) + 0.01))
    if count > part.most:
        raise _NotOne
    match coding:
        case 0:
            number = bits.take(math.ceil(count * math.log2(10) + 0.01)) if count else 0
            digits = f"{number:0{count}d}" if count else ""
            if len(digits) > count:
                raise _NotOne
            return digits
        case 1 | 2:
            text = "".join(_HEX[bits.take(4)] for _ in range(count))
            return text.upper() if coding == 2 else text
        case 3:
            return "".join(_ALPHABET[bits.take(6)] for _ in range(count))
        case 4:
            return "".join(chr(bits.take(7)) for _ in range(count))
    raise _NotOne
