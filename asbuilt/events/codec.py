"""Facts as bytes: read strictly, written canonically."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, Final, NoReturn, TypeVar, cast, get_args, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from asbuilt.errors import MalformedFact
from asbuilt.events.envelope import (
    COUNTRY,
    DECIMAL,
    MAX_FACT_BYTES,
    MAX_NESTING,
    MAX_REJECTED_BYTES,
    SHA256,
    Decimal,
    Event,
    Instant,
    Name,
    PlantText,
    Text,
)
from asbuilt.events.facts import TYPES, AnyFact, Fact, MessageRejected, PlantDefined, Unknown
from asbuilt.events.ids import derived_id

_E = TypeVar("_E", bound=Event)
_decoder = msgspec.json.Decoder(Fact)
_encoder = msgspec.json.Encoder(order="sorted")
_TYPE_NAME = re.compile(r"\A[a-z][a-z0-9_]{0,79}\.v[1-9][0-9]{0,3}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SUSPECT = re.compile(rb"\\[a-z]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\x7f")


class _Envelope(Struct, frozen=True):
    id: UUID
    type: Annotated[str, Meta(max_length=100)]
    event_time: Instant
    source: Name
    by: Name | None = None


class _KeptEnvelope(Struct, frozen=True):
    id: UUID
    type: str
    event_time: dt.datetime
    source: str
    by: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)
_kept_decoder = msgspec.json.Decoder(_KeptEnvelope)


def decode(data: bytes | memoryview) -> AnyFact:
    """Read one fact from JSON, strictly: unknown fields, wrong types and bad values are refused.

    A well-formed envelope of an unknown type becomes `Unknown`.
    Raises `MalformedFact` with the place and the remedy.
    """
    try:
        fact: Event = _decoder.decode(data)
        plan = _DECIMALS.get(type(fact))
        if plan is not None and (plan[2] or not _seen.issuperset(plan[0](fact))):
            _check_decimals(fact)
        return fact
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            return _decode_unknown(data, error)
        _malformed(error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _malformed(error)


def decode_all(several: Sequence[bytes]) -> list[AnyFact] | None:
    """Read many facts at once; None if one of them is to be looked at by itself: then `decode` tells which."""
    try:
        facts: list[AnyFact] = [_decoder.decode(data) for data in several]
        _check_all_decimals(facts)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return facts


def convert(fields: Mapping[str, Any], kind: type[_E], *, strict: bool = True) -> _E:
    """A fact of this type from its fields, checked as `decode` checks one; raises `msgspec.ValidationError`."""
    fact = msgspec.convert(fields, kind, strict=strict)
    _check_decimals(fact)
    return fact


def _decode_unknown(data: bytes | memoryview, error: Exception) -> Unknown:
    try:
        envelope = _envelope_decoder.decode(data)
        content = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as inner:
        _malformed(inner)
    if envelope.type in TYPES or not _TYPE_NAME.match(envelope.type):
        _malformed(error)
    if _nests_deeper(content, MAX_NESTING):
        raise MalformedFact(f"nested too deeply, the limit is {MAX_NESTING}")
    return Unknown(envelope.id, envelope.type, envelope.event_time, envelope.source, envelope.by, content)


def recall(body: bytes) -> AnyFact:
    """A fact from the record. What this version cannot read as its type (written by a newer one) is `Unknown`.

    What was checked when it was recorded is not checked again: the chained checksums tell what was altered.
    """
    try:
        fact: Event = _decoder.decode(body)
        return fact
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    try:
        return decode(body)
    except MalformedFact:
        kept = _kept_decoder.decode(body)
        time = kept.event_time if kept.event_time.tzinfo else kept.event_time.replace(tzinfo=dt.UTC)
        return Unknown(kept.id, kept.type, time, kept.source, kept.by, msgspec.json.decode(body))


def recall_all(bodies: Sequence[bytes]) -> list[AnyFact]:
    """`recall` of each."""
    try:
        return [_decoder.decode(body) for body in bodies]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return [recall(body) for body in bodies]


def _nests_deeper(value: object, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inside) and (levels == 0 or any(_nests_deeper(item, levels - 1) for item in inside))


def in_words(message: str) -> str:
    """The decoder's message, with its patterns said as what they ask for."""
    for pattern, words in _PATTERNS_IN_WORDS.items():
        message = message.replace(f"matching regex {pattern!r}", words)
    return message


_PATTERNS_IN_WORDS = {
    DECIMAL: "that is a decimal number such as '36.004'",
    SHA256: "of 64 hexadecimal digits (SHA-256)",
    COUNTRY: "of two capital letters (ISO 3166)",
}


def _malformed(error: Exception) -> NoReturn:
    what = "nested too deeply" if isinstance(error, RecursionError) else in_words(str(error))
    raise MalformedFact(what) from None


def encode(fact: AnyFact) -> bytes:
    """Canonical bytes: one JSON object, keys sorted, no white space, defaults left out, UTF-8.

    Raises `MalformedFact` for control or direction-changing characters in identifiers, for lone
    surrogates, for decimals that are none, and for facts above `MAX_FACT_BYTES` (a plant file may be longer).
    """
    try:
        plan = _DECIMALS.get(type(fact))
        if plan is not None and (plan[2] or not _seen.issuperset(plan[0](fact))):
            _check_decimals(fact)
        data = _encoder.encode(fact.content if type(fact) is Unknown else fact)
    except msgspec.ValidationError as error:
        _malformed(error)
    except UnicodeEncodeError as error:
        raise MalformedFact(f"it cannot be written as UTF-8: {error.reason}") from None
    if len(data) > MAX_FACT_BYTES and type(fact) is not PlantDefined:
        raise MalformedFact(f"the fact is {len(data):,} bytes long, the limit is {MAX_FACT_BYTES:,}")
    if _is_suspect(data):
        _refuse_control_characters(msgspec.json.decode(data), "$", type_name(fact))
    return data


def encode_all(facts: Sequence[AnyFact]) -> list[bytes] | None:
    """The canonical bytes of many facts; None if one of them may have to be refused: then `encode` tells which."""
    types = set(map(type, facts))
    if not _KNOWN.issuperset(types):
        return None
    try:
        _check_all_decimals(facts)
        plain = [fact.content if type(fact) is Unknown else fact for fact in facts] if Unknown in types else facts
        lines = _encoder.encode_lines(plain)
        # Canonical JSON has no line break of its own: in texts it is written as an escape.
        every = lines.split(b"\n")
        every.pop()
        if max(map(len, every), default=0) > MAX_FACT_BYTES:
            return None
        if _is_suspect(lines):
            for fact, data in zip(facts, every, strict=True):
                if _is_suspect(data):
                    _refuse_control_characters(msgspec.json.decode(data), "$", type_name(fact))
    except (MalformedFact, msgspec.ValidationError, UnicodeEncodeError, TypeError):
        return None
    return every


def _is_suspect(data: bytes) -> bool:
    """Whether a character may be in it that is refused in some fields; a few bytes are looked for, not each looked at."""
    if (b"\\" in data or b"\x7f" in data) and _SUSPECT.search(data):
        return True
    return not data.isascii() and _SUSPECT.search(data.translate(None, _ASCII)) is not None


_ASCII = bytes(range(128))
_KNOWN: Final[frozenset[type]] = frozenset((*TYPES.values(), Unknown))


def unchecked_bytes(fact: AnyFact) -> bytes:
    """The canonical form of what is not recordable, or the nearest to it."""
    try:
        return _encoder.encode(fact.content if isinstance(fact, Unknown) else fact)
    except (UnicodeEncodeError, TypeError):
        return repr(fact).encode(errors="backslashreplace")


def _is_free_text(hint: Any) -> bool:
    return hint in (Text, PlantText) or Text in get_args(hint)


def _refuse_control_characters(value: object, where: str, type_: str, free_text: bool = False) -> None:
    if isinstance(value, dict):
        own_type = str(value.get("type", type_))
        texts = _TEXT_FIELDS.get(own_type, frozenset())
        for key, item in value.items():
            _refuse_control_characters(key, where, own_type)
            _refuse_control_characters(item, f"{where}.{key}", own_type, key in texts)
    elif isinstance(value, list):
        for item in value:
            _refuse_control_characters(item, f"{where}[…]", type_)
    elif isinstance(value, str):
        found = _CONTROL.search(value.replace("\n", "").replace("\t", "").replace("\r", "") if free_text else value)
        if found:
            raise MalformedFact(f"character U+{ord(found[0]):04X} is not allowed - at `{where}`")


_TEXT_FIELDS = {
    name: frozenset(field for field, hint in get_type_hints(cls, include_extras=True).items() if _is_free_text(hint))
    for name, cls in TYPES.items()
}
"""Per type, the fields that hold words for people: they may have line breaks and tabs."""


_Decimals = tuple[Callable[[Any], tuple[str | None, ...]], tuple[str, ...], tuple[str, ...]]
"""Where a struct has decimals: a getter of their values, their fields, and the fields with structs that have some."""


def _check_decimals(struct: Any, where: str = "$") -> None:
    """Refuse a decimal that is none, in the decoder's words. Most were seen before, limits above all."""
    plan = _DECIMALS.get(type(struct))
    if plan is None:
        return
    values_of, fields, inside = plan
    if not _seen.issuperset(values_of(struct)):
        for field in fields:
            value = getattr(struct, field)
            if not isinstance(value, str):
                continue  # None, or a number given in Python, of which only the written form can be checked
            if not _is_decimal(value):
                raise msgspec.ValidationError(f"Expected `str` matching regex {DECIMAL!r} - at `{where}.{field}`")
            _note(value)
    for field in inside:
        value = getattr(struct, field)
        if type(value) is tuple:
            for one in value:
                _check_decimals(one, f"{where}.{field}[...]")
        else:
            _check_decimals(value, f"{where}.{field}")


def _check_all_decimals(facts: Sequence[AnyFact]) -> None:
    """`_check_decimals` for each, those of a type at once: what was seen before is found without a loop of ours."""
    by_type: dict[type, list[AnyFact]] = {}
    for fact in facts:
        cls = type(fact)
        if cls in _DECIMALS:
            if cls in by_type:
                by_type[cls].append(fact)
            else:
                by_type[cls] = [fact]
    for cls, some in by_type.items():
        values_of, _, inside = _DECIMALS[cls]
        if inside:
            unclear = True
        else:
            new = set(chain.from_iterable(map(values_of, some))) - _seen
            unclear = not all(isinstance(value, str) and _is_decimal(value) for value in new)
            for value in () if unclear else new:
                _note(cast(str, value))
        if unclear:
            for fact in some:
                _check_decimals(fact)


def _note(decimal: str) -> None:
    global _seen
    if len(_seen) >= _SEEN_AT_MOST:
        _seen = {None}  # a new one: another thread may be looking into this
    _seen.add(decimal)


_SEEN_AT_MOST = 65_536
_seen: set[str | None] = {None}
_is_decimal = re.compile(DECIMAL).match


def _decimals_of(cls: type[Struct], known: dict[type, _Decimals]) -> bool:
    """Note where a struct has decimals, and those inside it; whether it has any."""
    fields: list[str] = []
    inside: list[str] = []
    for field, hint in get_type_hints(cls, include_extras=True).items():
        structs = list(_structs_in(hint))
        if Decimal == hint or Decimal in get_args(hint):
            fields.append(field)
        elif any(issubclass(one, Event) for one in structs):
            inside.append(field)  # any fact: what a correction replaces another with
        elif sum([_decimals_of(one, known) for one in structs]):  # each is looked at, also after one that has some
            inside.append(field)
    if fields or inside:
        one_or_more = fields * 2 if len(fields) == 1 else fields
        values_of = attrgetter(*one_or_more) if fields else (lambda struct: ())
        known[cls] = cast(Any, values_of), tuple(fields), tuple(inside)
    return cls in known


def _structs_in(hint: Any) -> Iterator[type[Struct]]:
    if isinstance(hint, type) and issubclass(hint, Struct):
        yield hint
    for inner in get_args(hint):
        yield from _structs_in(inner)


_DECIMALS: Final[dict[type, _Decimals]] = {}
for _cls in TYPES.values():
    _decimals_of(_cls, _DECIMALS)


def type_name(fact: AnyFact) -> str:
    """The stored, versioned name of the fact's type."""
    return _NAMES.get(type(fact)) or fact.type  # type: ignore[union-attr]


_NAMES: dict[type, str] = {cls: name for name, cls in TYPES.items()}


def rejection(
    adapter: str, message: bytes, reason: str, now: dt.datetime, *, source: str = "asbuilt", conflict: bool = False
) -> MessageRejected:
    """The fact that a message was rejected; its id depends only on adapter, message and conflict."""
    digest = hashlib.sha256(message).hexdigest()
    return MessageRejected(
        id=derived_id(None, "message_conflict" if conflict else "message_rejected", adapter, digest),
        event_time=now,
        source=source,
        adapter=adapter,
        reason=_writable(reason)[:4000],
        message=message[:MAX_REJECTED_BYTES],
        size=len(message),
        digest=digest,
        conflict=conflict,
    )


def _writable(reason: str) -> str:
    """The reason without what may not be recorded; reasons quote the message they are about."""
    replaced = _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t\r" else "\ufffd", reason)
    return replaced.encode(errors="replace").decode()
