"""GS1 Digital Link (GS1 Digital Link Standard: URI Syntax 1.3) for serialised units and for lots.

A GTIN has 14 digits with the check digit of the GS1 General Specifications, 7.9. A serial (AI 21) or
lot (AI 10) has 1 to 20 characters of GS1's character set 82, percent-encoded where URIs need it.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from asbuilt.errors import UsageError

RESOLVER = "https://id.gs1.org"
SERIAL, LOT = "21", "10"
_CHARACTERS = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")


class Identity(NamedTuple):
    """What a link names: a product by GTIN, and a serial or a lot of it."""

    gtin: str
    serial: str = ""
    lot: str = ""


def check_digit(digits: str) -> int:
    """The digit that follows these: weights 3 and 1 from the right, up to the next ten."""
    total = sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(reversed(digits)))
    return -total % 10


def gtin14(gtin: str) -> str:
    """A GTIN-8, -12, -13 or -14 with 14 digits. Raises `UsageError` if its check digit is wrong."""
    if not re.fullmatch(r"\d{8}|\d{12,14}", gtin) or int(gtin[-1]) != check_digit(gtin[:-1]):
        raise UsageError(
            f"`{gtin}` is not a GTIN: wrong length or check digit", remedy="Copy it from the product's GS1 record."
        )
    return gtin.zfill(14)


def link(gtin: str, *, serial: str = "", lot: str = "", resolver: str = RESOLVER) -> str:
    """`https://id.gs1.org/01/GTIN/21/SERIAL` or `…/10/LOT`. Raises `UsageError` for what GS1 does not allow."""
    for what, value in (("serial", serial), ("lot", lot)):
        if value and not _CHARACTERS.fullmatch(value):
            raise UsageError(
                f"the {what} `{value}` cannot stand in a GS1 link",
                remedy="GS1 allows 1 to 20 letters, digits and !\"%&'()*+,-./:;<=>?_.",
            )
    # The lot stands before the serial where both are told (key qualifiers have an order).
    parts = ["01", gtin14(gtin), *((LOT, lot) if lot else ()), *((SERIAL, serial) if serial else ())]
    return f"{resolver}/" + "/".join(quote(part, safe="") for part in parts)


def read(text: str) -> Identity | None:
    """What a scanned link names, whatever its host; None if it is no such link."""
    path = urlsplit(text).path if "://" in text else text
    parts = [unquote(part) for part in path.split("/")]
    for at in range(len(parts) - 1):
        if parts[at] == "01" and re.fullmatch(r"\d{8,14}", parts[at + 1]):
            rest = dict(zip(parts[at + 2 :: 2], parts[at + 3 :: 2], strict=False))
            return Identity(parts[at + 1].zfill(14), rest.get(SERIAL, ""), rest.get(LOT, ""))
    return None


def read_elements(text: str) -> Identity | None:
    """What a scanner sends for a GS1 Data Matrix: `(01)…(21)…` or digits with group separators."""
    plain = re.sub(r"\((\d{2,4})\)", "\x1d\\1", text).lstrip("\x1d") if text.startswith("(") else text
    plain = re.sub(r"^\](d2|Q3|C1)", "", plain).lstrip("\x1d")
    found: dict[str, str] = {}
    while plain:
        plain = plain.lstrip("\x1d")
        if re.match(r"01\d{14}", plain):
            found["01"], plain = plain[2:16], plain[16:]
        elif plain[:2] in (SERIAL, LOT) and len(plain) > 2:
            key = plain[:2]
            found[key], _, plain = plain[2:].partition("\x1d")
        else:
            return None
    return Identity(found["01"], found.get(SERIAL, ""), found.get(LOT, "")) if "01" in found else None
