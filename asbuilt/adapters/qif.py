"""Inspection results in QIF 2 and 3 (ISO 23952): what a coordinate measuring machine found on serialised parts.

    [adapter.cmm]
    kind = "qif"
    product = "COVER"
    serial = "COVER_RESULTS_([A-Z][0-9]+)_.*"
    station = "works/main/shop/1/cmm"
    zone = "America/New_York"

`asbuilt import plant.toml cmm results.qif` makes of each result a measured value of the unit, with target and limits from the
file; `serial` is a pattern whose group is the serial in the file's SerialNumber (all of it if left out). With a `station` each part's
inspection becomes a test run with its verdict. One characteristic measured at several features is told apart by position
(`feature 33`). `operation` ("inspection") names what was done. Times without offset are read in `zone`. A part without serial is rejected by name, the others are taken.

A tolerance that is told as a deviation is added to the target; a zone of form or position is an upper limit. A tolerance below zero says
nothing and is left out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat
from zoneinfo import ZoneInfo

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Taken, Translate
from asbuilt.errors import UsageError

KIND = "qif"
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 40
_ANGLES = ("Angle", "Angularity", "Conicity")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a source of QIF files."""

    product: str
    serial: str = "(.+)"
    station: str | None = None
    operation: str = "inspection"
    zone: str = "UTC"


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    try:
        if re.compile(config.serial).groups != 1:
            yield Problem(("serial",), "the pattern needs one group: the serial", 'Write it such as "PART_([0-9]+)".')
    except re.error as error:
        yield Problem(("serial",), f"it is not a pattern: {error}", 'Write it such as "PART_([0-9]+)".')
    try:
        ZoneInfo(config.zone)
    except (ValueError, OSError, KeyError):
        yield Problem(("zone",), f"there is no zone `{config.zone}`", "Use an IANA name such as Europe/Berlin.")


def read(path: Path, config: Config) -> Iterator[Message]:
    """The file as one message."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UsageError(
            f"the file has {size:,} bytes, the limit is {MAX_BYTES:,}", where=str(path), remedy="Split it by parts."
        )
    yield Message(path.read_bytes())


def translator(config: Config, name: str) -> Translate:
    """A pure function from a file to the values of its parts."""

    def translate(message: Message) -> Iterator[Taken]:
        try:
            document = _parsed(message.data)
            yield from _Results(message.data, document, config, name).facts()
        except (ValueError, expat.ExpatError, RecursionError, LookupError) as error:
            yield Rejection(message.data, f"not a QIF file that can be read: {error}")

    return translate


# --------------------------------------------------------------------------- XML


class _Element:
    """An element of a document: tag without namespace, attributes, text, children."""

    __slots__ = ("attributes", "begin", "children", "end", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], begin: int = 0) -> None:
        self.begin, self.end = begin, begin
        self.tag = tag.rpartition(":")[2]
        self.attributes = attributes
        self.children: list[_Element] = []
        self.text = ""

    def find(self, *path: str) -> _Element | None:
        """The first element at the end of a path."""
        found: _Element | None = self
        for tag in path:
            found = next((child for child in found.children if child.tag == tag), None) if found else None
        return found

    def get(self, *path: str) -> str:
        """The text at the end of a path; empty if there is none."""
        found = self.find(*path)
        return found.text.strip() if found is not None else ""

    def all(self) -> Iterator[_Element]:
        """This element and everything in it."""
        yield self
        for child in self.children:
            yield from child.all()


def _parsed(data: bytes) -> _Element:
    """The document; one with a type declaration is refused, so that there are no entities."""
    parser = expat.ParserCreate()
    stack: list[_Element] = [_Element("", {})]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        element = _Element(tag, attributes, parser.CurrentByteIndex)
        stack[-1].children.append(element)
        stack.append(element)

    def end(tag: str) -> None:
        stack.pop().end = data.find(b">", parser.CurrentByteIndex) + 1

    def text(words: str) -> None:
        stack[-1].text += words

    def doctype(*_: Any) -> None:
        raise ValueError("a document type declaration is not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, doctype
    parser.buffer_text = True
    parser.Parse(data, True)
    (document,) = stack[0].children
    if document.tag != "QIFDocument":
        raise ValueError(f"it is a {document.tag or 'nothing'}, not a QIFDocument")
    return document


# --------------------------------------------------------------------------- results


class _Spec(NamedTuple):
    """A characteristic: its name, device, target and limits."""

    name: str
    device: str
    uom: str
    nominal: str | None
    lower: str | None
    upper: str | None


class _Results:
    def __init__(self, data: bytes, document: _Element, config: Config, name: str) -> None:
        self.data, self.config, self.name = data, config, name
        self.document = document
        by_id = {e.attributes["id"]: e for e in document.all() if "id" in e.attributes}
        self.by_id = by_id
        self.results = document.find("MeasurementsResults") or _Element("", {})
        self.time = self._time(
            self.results.get("InspectionTraceability", "ReportPreparationDate")
            or document.get("Version", "TimeCreated")
        )
        self.program = document.get("PreInspectionTraceability", "ReportNumber") or "inspection"
        self.uom = document.get("FileUnits", "PrimaryUnits", "LinearUnit", "UnitName") or "mm"
        self.angle = document.get("FileUnits", "PrimaryUnits", "AngularUnit", "UnitName") or "degree"
        self.file = document.get("QPId") or "qif"

    def _time(self, text: str) -> dt.datetime:
        if not text:
            raise ValueError("it tells no time")
        time = dt.datetime.fromisoformat(text)
        if time.tzinfo is None:
            zone = ZoneInfo(self.config.zone)
            offset = time.replace(tzinfo=zone).utcoffset()
            time = time.replace(tzinfo=dt.timezone(offset or dt.timedelta()))
        return time

    def facts(self) -> Iterator[Taken]:
        """Values part by part, then the part's run."""
        results = self.results.find("MeasurementResultsSet")
        if results is None or not results.children:
            yield Rejection(self.data, "it holds no measurement results")
            return
        for result in results.children:
            yield from self._part(result)

    def _part(self, result: _Element) -> Iterator[Taken]:
        component = self.by_id.get(result.get("ActualComponentIds", "Id"))
        told = component.get("SerialNumber") if component is not None else ""
        match = re.fullmatch(self.config.serial, told) if told else None
        number = result.attributes.get("id", "")
        if match is None:
            why = f"its SerialNumber {told!r} is not of the pattern" if told else "it has no SerialNumber"
            yield Rejection(self._bytes(result), f"part {number} cannot be named: {why}")
            return
        about = {
            "product": self.config.product,
            "serial": match[1],
            "source": self.name,
            "station": self.config.station,
        }
        actuals = result.find("MeasuredCharacteristics", "CharacteristicActuals")
        for actual in actuals.children if actuals is not None else ():
            yield from self._value(actual, match[1], number, about)
        verdict = result.get("InspectionStatus", "InspectionStatusEnum")
        if self.config.station is not None and verdict in ("PASS", "FAIL"):
            yield events.RunRecorded(
                id=events.derived_id(self.time, self.name, self.file, number, "run"), event_time=self.time,
                start_time=self.time, program=self.program, verdict="pass" if verdict == "PASS" else "fail",
                product=self.config.product, serial=match[1], source=self.name, station=self.config.station,
            )  # fmt: skip

    def _value(self, actual: _Element, serial: str, number: str, about: dict[str, Any]) -> Iterator[Taken]:
        item = self.by_id.get(actual.get("CharacteristicItemId"))
        value = actual.get("Value")
        if item is None or not value:
            return  # not measured
        try:
            spec = self._spec(item)
            yield events.Measured(
                id=events.derived_id(self.time, self.name, self.file, number, actual.attributes.get("id", "")),
                event_time=self.time, characteristic=spec.name, value=_decimal(value), uom=spec.uom,
                position=self._position(actual), gauge=spec.device or None, nominal=spec.nominal, lower=spec.lower,
                upper=spec.upper, operation=self.config.operation, **about,
            )  # fmt: skip
        except (ValueError, InvalidOperation) as error:
            yield Rejection(
                self._bytes(actual),
                f"a value of {serial} is not one: {error}",
            )

    def _bytes(self, element: _Element) -> bytes:
        """The element as it stands in the file."""
        return self.data[element.begin : element.end]

    def _position(self, actual: _Element) -> str | None:
        features = []
        for reference in (actual.find("FeatureActualIds") or _Element("", {})).children:
            feature = self.by_id.get(reference.text.strip())
            if feature is not None and (name := feature.get("FeatureItemId")):
                features.append(name)
        return f"feature {', '.join(features)}" if features else None

    def _spec(self, item: _Element) -> _Spec:
        nominal = self.by_id.get(item.get("CharacteristicNominalId"), _Element("", {}))
        definition = self.by_id.get(nominal.get("CharacteristicDefinitionId"), _Element("", {}))
        device = self.by_id.get(item.get("MeasurementDeviceIds", "Id"), _Element("", {}))
        target = nominal.get("TargetValue")
        lower, upper = _limits(definition, target)
        angular = item.tag.startswith(_ANGLES)
        return _Spec(
            item.get("Name") or item.tag, device.get("Name"), self.angle if angular else self.uom,
            _decimal(target) if target else None, lower, upper,
        )  # fmt: skip


def _limits(definition: _Element, target: str) -> tuple[str | None, str | None]:
    zone = definition.get("ToleranceValue")
    if zone:
        return None, _decimal(zone) if Decimal(zone) > 0 else None
    tolerance = definition.find("Tolerance")
    if tolerance is None:
        return None, None
    is_limit = tolerance.get("DefinedAsLimit") == "true"
    found: list[str | None] = []
    for name in ("MinValue", "MaxValue"):
        text = tolerance.get(name)
        if not text or (not is_limit and not target):
            found.append(None)
        else:
            found.append(_decimal(text if is_limit else str(_exact(target) + _exact(text))))
    return found[0], found[1]


def _exact(text: str) -> Decimal:
    """A number as it was meant: 101.59999999999999 is what a float makes of 101.6."""
    number = Decimal(text)
    if not number.is_finite() or abs(number) >= Decimal(10) ** 17:
        raise ValueError(f"{text[:40]} is not a number that can be recorded")
    return number.quantize(Decimal("1e-9")) if number.as_tuple().exponent < -9 else number  # type: ignore[operator]


def _decimal(text: str) -> str:
    number = _exact(text)
    shown = format(number, "f")
    if "." in shown and len(shown.partition(".")[2]) >= 9:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown.lstrip("-").strip("0.") == "" and shown.startswith("-") else shown
