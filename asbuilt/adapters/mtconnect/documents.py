"""MTConnect documents and SHDR recordings as observations (MTConnect Standard 1.3 to 2.x).

XML is read by expat as a stream; a document type declaration is refused, so that there are no
entities to expand or to fetch.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from msgspec import Struct

MAX_OBSERVATIONS: Final = 500_000
MAX_DEPTH: Final = 64
MAX_TEXT: Final = 64 * 1024
UNAVAILABLE: Final = "UNAVAILABLE"
LEVELS: Final = ("Normal", "Warning", "Fault", "Unavailable")


class Observation(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a data item said: `type` as in streams ("PartCount"), for conditions the condition's type.

    `level` is a condition's; `value` its message, an event's or sample's text, or `entries` of a data set or table.
    """

    device: str
    item: str
    type: str
    time: str
    value: str = ""
    name: str = ""
    subtype: str = ""
    category: str = ""
    component: str = ""
    level: str = ""
    code: str = ""
    qualifier: str = ""
    condition: str = ""
    sequence: int = 0
    entries: dict[str, Any] | None = None


class Header(Struct, frozen=True, gc=False):
    """Where an agent stands: a new instance counts from the beginning."""

    instance: int = 0
    first: int = 0
    next: int = 0
    last: int = 0
    created: str = ""


class Streams(Struct, gc=False):
    """A document of an agent; `errors` are (code, words) where it is one of errors."""

    header: Header
    observations: list[Observation]
    errors: list[tuple[str, str]]
    kind: str = ""


class Item(Struct, frozen=True, gc=False):
    """A data item as a device model defines it."""

    device: str
    id: str
    name: str
    type: str
    category: str
    subtype: str = ""
    units: str = ""


class _Parser:
    """Expat with handlers; `finish` gives what was found."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._depth = 0
        self._words: list[str] = []
        self._size = 0

    def _refuse(self, *_: Any) -> None:
        raise ValueError("the document declares a type or entities, which no agent does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"elements nested more than {MAX_DEPTH} deep")
        self._words.clear()
        self._size = 0
        self.begun(tag.rpartition(":")[2], attributes)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        self.ended(tag.rpartition(":")[2], "".join(self._words).strip())
        self._words.clear()
        self._size = 0

    def _text(self, words: str) -> None:
        self._size += len(words)
        if self._size <= MAX_TEXT:
            self._words.append(words)

    def begun(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def ended(self, tag: str, text: str) -> None:
        """An element ends."""

    def read(self, data: bytes) -> None:
        """Read a whole document. Raises `ValueError` in words."""
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ValueError(f"not XML: {error}") from None
        except (UnicodeError, LookupError) as error:
            raise ValueError(f"not readable XML: {error}") from None


class _StreamsParser(_Parser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Observation] = []
        self.errors: list[tuple[str, str]] = []
        self.header = Header()
        self.kind = ""
        self._device = self._component = self._category = self._error = ""
        self._open: dict[str, str] | None = None
        self._open_tag = ""
        self._entries: dict[str, Any] | None = None
        self._entry = ""
        self._cells: dict[str, str] | None = None
        self._cell = ""

    def begun(self, tag: str, attributes: dict[str, str]) -> None:
        self.kind = self.kind or tag
        if self._open is not None:
            self._inside(tag, attributes)
        elif self._category and "dataItemId" in attributes:
            self._open, self._open_tag, self._entries = attributes, tag, None
        elif tag in ("Samples", "Events", "Condition"):
            self._category = tag
        elif tag == "ComponentStream":
            self._component = attributes.get("componentId", "")
        elif tag == "DeviceStream":
            self._device = attributes.get("name") or attributes.get("uuid", "")
        elif tag == "Header":
            instance, first, following, last = (
                _number(attributes.get(key)) for key in ("instanceId", "firstSequence", "nextSequence", "lastSequence")
            )
            self.header = Header(instance, first, following, last, attributes.get("creationTime", ""))
        elif tag == "Error":
            self._error = attributes.get("errorCode", "?")

    def _inside(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "Entry":
            self._entries = {} if self._entries is None else self._entries
            self._entry, self._cells = attributes.get("key", ""), None
        elif tag == "Cell":
            self._cells = {} if self._cells is None else self._cells
            self._cell = attributes.get("key", "")

    def ended(self, tag: str, text: str) -> None:
        if self._open is not None:
            if tag == "Cell" and self._cells is not None:
                self._cells[self._cell] = text
            elif tag == "Entry" and self._entries is not None:
                self._entries[self._entry] = text if self._cells is None else self._cells
            elif tag == self._open_tag:
                self._observe(text)
        elif tag in ("Samples", "Events", "Condition"):
            self._category = ""
        elif tag in ("Error", "ErrorMessage") and self._error:
            self.errors.append((self._error, text))
            self._error = ""

    def _observe(self, text: str) -> None:
        if len(self.found) >= MAX_OBSERVATIONS:
            raise ValueError(f"more than {MAX_OBSERVATIONS:,} observations in a document")
        assert self._open is not None
        given, condition = self._open, self._category == "Condition"
        self._open = None
        self.found.append(
            Observation(
                self._device,
                given["dataItemId"],
                given.get("type", "") if condition else self._open_tag,
                given.get("timestamp", ""),
                text,
                given.get("name", ""),
                given.get("subType", ""),
                self._category,
                self._component,
                self._open_tag.capitalize() if condition else "",
                given.get("nativeCode", ""),
                given.get("qualifier", ""),
                given.get("conditionId", ""),
                _number(given.get("sequence")),
                self._entries,
            )
        )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else 0


def streams(data: bytes) -> Streams:
    """The observations of a streams document, or the errors of an error document. Raises `ValueError`."""
    parser = _StreamsParser()
    parser.read(data)
    # Documents are ordered by component; what happened is ordered by sequence.
    parser.found.sort(key=lambda seen: seen.sequence)
    return Streams(parser.header, parser.found, parser.errors, parser.kind)


class _DevicesParser(_Parser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Item] = []
        self._device = ""

    def begun(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("Device", "Agent"):
            self._device = attributes.get("name") or attributes.get("uuid", "")
        elif tag == "DataItem" and "id" in attributes and len(self.found) < MAX_OBSERVATIONS:
            self.found.append(
                Item(
                    self._device, attributes["id"], attributes.get("name", ""), camel(attributes.get("type", "")),
                    attributes.get("category", ""), attributes.get("subType", ""), attributes.get("units", ""),
                )
            )  # fmt: skip


def devices(data: bytes) -> list[Item]:
    """The data items of a device model (the answer to `probe`, or an agent's Devices.xml)."""
    parser = _DevicesParser()
    parser.read(data)
    return parser.found


def camel(name: str) -> str:
    """`PART_COUNT` as it stands in streams: `PartCount`."""
    prefix, _, bare = name.rpartition(":")
    return (f"{prefix}:" if prefix else "") + "".join(part.capitalize() for part in bare.split("_"))


# --------------------------------------------------------------------------- SHDR

_TIME = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?:@[\d.]+)?\Z")


def shdr_names(line: str) -> Iterator[str]:
    """The names of the data items of a line, known or not."""
    yield from {cell.rpartition(":")[2] for cell in line.split("|")[1:]}


def shdr(line: str, items: dict[str, Item]) -> Iterator[Observation]:
    """The observations of a line of an adapter's stream. Raises `ValueError` where it is none.

    `time|name|value|name|value…`; a condition is `time|name|level|code|severity|qualifier|message`, a message
    `time|name|code|text`. Names that no device model defines are left out.
    """
    cells = line.rstrip("\r\n").split("|")
    if not _TIME.match(cells[0]):
        raise ValueError("the line does not begin with a time")
    time = cells[0].partition("@")[0].replace(",", ".")
    if not (time.endswith("Z") or re.search(r"[+-]\d\d:?\d\d\Z", time)):
        time += "Z"
    at = 1
    while at < len(cells):
        name = cells[at].rpartition(":")[2].strip()
        item = items.get(name)
        if item is not None and item.category == "CONDITION":
            level, code, _, qualifier, *words = (*cells[at + 1 : at + 6], "", "", "", "", "")[:5]
            yield Observation(
                item.device, item.id, item.type, time, words[0] if words else "", name, item.subtype, "Condition", "",
                level.strip().capitalize(), code, qualifier,
            )  # fmt: skip
            return
        if at + 1 >= len(cells):
            return
        wide = item is not None and item.type == "Message"
        value = cells[at + (2 if wide else 1)] if at + (2 if wide else 1) < len(cells) else ""
        if item is not None:
            category = {"SAMPLE": "Samples"}.get(item.category, "Events")
            yield Observation(item.device, item.id, item.type, time, value.strip(), name, item.subtype, category)
        at += 3 if wide else 2


def instant(text: str) -> dt.datetime:
    """The time of an observation. Raises `ValueError` where it is none."""
    # More digits than microseconds are cut: Python reads at most six.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        found = dt.datetime.fromisoformat(trimmed)
    except ValueError:
        raise ValueError(f"`{text[:60]}` is not a time") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
