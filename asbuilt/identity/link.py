"""GS1 Digital Link (GS1 Digital Link Standard: URI Syntax 1.3) for serialised units and for lots.

A GTIN has 14 digits with the check digit of the GS1 General Specifications, 7.9. A serial (AI 21) or
lot (AI 10) has 1 to 20 characters of GS1's character set 82, percent-encoded where URIs need it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from asbuilt.errors import UsageError
from asbuilt.identity import compressed
from asbuilt.identity.elements import (
    CPID,
    CPID_SERIAL,
    GTIN,
    LOT,
    SERIAL,
    SET_82,
    SSCC,
    Element,
    check_digit,
    fault,
    parts_of,
)

RESOLVER = "https://id.gs1.org"
_CHARACTERS = re.compile(f"[{SET_82}]{{1,20}}")
_KEYS: Final = (GTIN, SSCC, CPID)
_WORDS: Final = {"gtin": GTIN, "ser": SERIAL, "lot": LOT, "cpv": "22", "sscc": SSCC, "cpid": CPID, "cpsn": CPID_SERIAL}
"""The words of version 1.0 of the standard."""


class Identity(NamedTuple):
    """What a link names: a product by GTIN, and a serial or a lot of it."""

    gtin: str
    serial: str = ""
    lot: str = ""


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
    """What a scanned link names, whatever its host; None if it names no product. Raises `UsageError` if it is wrong."""
    found = {one.ai: one.value for one in elements_of(text)}
    return Identity(found[GTIN], found.get(SERIAL, ""), found.get(LOT, "")) if GTIN in found else None


def elements_of(text: str) -> list[Element]:
    """The elements of a GS1 Digital Link, also with the words of version 1.0 (`gtin`, `ser`) or compressed; none if it is no such link.

    Raises `UsageError` for a link whose values GS1 does not allow.
    """
    address = urlsplit(text)
    parts = [unquote(part) for part in address.path.split("/") if part]
    for at in range(len(parts) - 1):
        key = _WORDS.get(parts[at], parts[at])
        if key in _KEYS and re.fullmatch(r"[!-~]{1,30}", parts[at + 1]):
            if key == GTIN and not re.fullmatch(r"\d{8}|\d{12,14}", parts[at + 1]):
                continue
            pairs = [(key, parts[at + 1].zfill(14) if key == GTIN else parts[at + 1])]
            pairs += [(_WORDS.get(k, k), v) for k, v in zip(parts[at + 2 :: 2], parts[at + 3 :: 2], strict=False)]
            pairs += [(k, v) for k, v in parse_qsl(address.query) if parts_of(k)]
            for one in pairs:
                if parts_of(one[0]) and (wrong := fault(*one)):
                    raise UsageError(wrong, remedy="Scan the code again, or look at the label.")
            return [Element(*one) for one in pairs if parts_of(one[0])]
    return compressed.read(parts[-1]) if parts else []
