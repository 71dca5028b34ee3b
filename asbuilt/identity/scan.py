"""What a scanner sends, read: GS1 in all its carriers, labels of suppliers (ISO/IEC 15434), and plain codes.

The prefix that scanners can send (the symbology identifier of ISO/IEC 15424) decides where it is there. Without it a
text is GS1 only where nothing else is likely: whoever knows the text as it stands asks that first.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from asbuilt.errors import UsageError
from asbuilt.identity import elements
from asbuilt.identity.elements import CPID, CPID_SERIAL, GS, GTIN, LOT, SERIAL, SSCC, Element
from asbuilt.identity.link import elements_of

Form = Literal["plain", "elements", "link", "message"]
_GS1: Final = ("]C1", "]e0", "]d2", "]Q3", "]J1")
_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Fa-f]")
_SEEN_AS_GS: Final = ("<GS>", "{GS}", "\u241d")
"""How keyboards show a separator that they cannot type."""
_OTHER_KEYBOARD = re.compile(r"\+(C1|e0|d2|Q3|J1)|\)\d{2,4}=|https?Ö--|https?>&&")
_CAPS = re.compile(r"\](c1|E0|D2|q3|j1)")
MESSAGE: Final = "[)>\x1e"
RS, EOT = "\x1e", "\x04"
_FIELDS: Final = (
    ("25S", "unique"), ("16D", "made"), ("1T", "lot"), ("1P", "part"), ("2P", "revision"), ("3S", "container"),
    ("7Q", "weight"), *((f"{n}J", "container") for n in range(1, 7)), ("P", "customer_part"), ("S", "serial"),
    ("T", "lot"), ("Q", "quantity"), ("K", "order"), ("V", "supplier"),
)  # fmt: skip
"""Data identifiers (ANSI MH10.8.2) that we know, the longest first, and what each tells."""


class Scan(NamedTuple):
    """What a code names. Empty where it does not tell.

    `part` is a GTIN, a component's number (CPID) or a supplier's or customer's number of the part; `doubt` says why
    it must be asked about before it is believed, with the other reading behind it.
    """

    text: str
    form: Form
    part: str = ""
    serial: str = ""
    lot: str = ""
    container: str = ""
    gtin: str = ""
    told: tuple[tuple[str, str], ...] = ()
    doubt: str = ""

    @property
    def name(self) -> str:
        """The narrowest thing named: the serial, else lot, container, or the text itself."""
        return self.serial or self.lot or self.container or self.text


def read(text: str) -> Scan:
    """What was scanned or typed. Raises `UsageError` for what is GS1 and wrong, or typed through another keyboard."""
    text = text.strip(" \t\r\n")
    if _OTHER_KEYBOARD.match(text):
        raise UsageError(
            "the scanner types for another keyboard layout than this computer's",
            remedy="Set the scanner to the keyboard's layout, or to send characters by their numbers; nothing was recorded.",
        )
    if _CAPS.match(text):
        raise UsageError(
            "capitals and small letters are exchanged",
            remedy="Switch Caps Lock off and scan again; nothing was recorded.",
        )
    for seen in _SEEN_AS_GS:
        text = text.replace(seen, GS)
    if text.startswith(_GS1):
        return _of_elements(text, elements.split(text[3:]))
    prefix = _SYMBOLOGY.match(text)
    if prefix:
        text = text[prefix.end() :]
    if text.startswith((MESSAGE, "[)>" + GS)):
        return _of_message(text)
    if "://" in text:
        linked = elements_of(text)
        return _of_elements(text, linked, "link") if linked else Scan(text, "plain")
    if not prefix and _is_likely_gs1(text):
        found = elements.brackets(text) if text.startswith("(") else elements.split(text)
        return _of_elements(text, found)
    return Scan(text.strip(GS), "plain")


def _is_likely_gs1(text: str) -> bool:
    """Whether a text without a prefix is GS1: it begins as one does, and every part of it can be read."""
    text = text.lstrip(GS)
    if re.match(r"\((0[0-4]|8010|10|21)\)", text):
        return True
    if re.fullmatch(r"00\d{18}", text):
        return elements.is_checked(text[2:])
    if not re.match(r"01\d{14}", text):
        return False
    if len(text) == 16:
        return elements.is_checked(text[2:])
    # What follows begins like an element; if the check digit is wrong all the same, that is said.
    return re.match(r"\x1d|1[0-7]|2[0-2]|24[0-3]|25[0-4]|9\d|[37]\d|4[0-3]|80", text[16:]) is not None


def _of_elements(text: str, found: list[Element], form: Form = "elements") -> Scan:
    by_ai = {one.ai: one.value for one in reversed(found)}
    doubt = ""
    if form == "elements" and found and SERIAL not in by_ai and (other := elements.lost_separator(found[-1])):
        doubt = f"the lot {by_ai[LOT]} may be the lot {other[0].value} and the serial {other[1].value}: a separator may have been lost"  # fmt: skip
    return Scan(
        text, form,
        part=by_ai.get(GTIN, "") or by_ai.get(CPID, ""),
        serial=by_ai.get(SERIAL, "") or by_ai.get(CPID_SERIAL, ""),
        lot=by_ai.get(LOT, ""), container=by_ai.get(SSCC, ""), gtin=by_ai.get(GTIN, ""),
        told=tuple((one.ai, one.value) for one in found), doubt=doubt,
    )  # fmt: skip


def _of_message(text: str) -> Scan:
    """ISO/IEC 15434, format 06: fields with data identifiers between a header and an end."""
    body = text[3:].strip(RS + EOT)
    kind, _, rest = body.partition(GS)
    if kind != "06":
        raise UsageError(f"the label's format is {kind[:2] or 'not told'}, 06 is read", remedy="Type what is printed on it.")  # fmt: skip
    told: list[tuple[str, str]] = []
    for field in rest.split(RS)[0].split(GS):
        known = next(((key, name) for key, name in _FIELDS if field.startswith(key)), None)
        if known and len(field) > len(known[0]):
            told.append((known[1], field[len(known[0]) :]))
    first = dict(reversed(told))
    if not first:
        raise UsageError("the label tells nothing that is known", remedy="Type what is printed on it.")
    return Scan(
        text, "message", part=first.get("part", "") or first.get("customer_part", ""),
        serial=first.get("serial", "") or first.get("unique", ""), lot=first.get("lot", ""),
        container=first.get("container", ""), told=tuple(told),
    )  # fmt: skip
