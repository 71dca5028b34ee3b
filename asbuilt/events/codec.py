"""Facts as bytes: read strictly, written canonically."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Annotated, Any, NoReturn, get_args, get_type_hints
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
    Event,
    Instant,
    Name,
    PlantText,
    Text,
)
from asbuilt.events.facts import TYPES, AnyFact, Fact, MessageRejected, PlantDefined, Unknown
from asbuilt.events.ids import derived_id

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
        return fact
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            return _decode_unknown(data, error)
        _malformed(error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _malformed(error)


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
    """A fact from the record. What this version cannot read as its type (written by a newer one) is `Unknown`."""
    try:
        return decode(body)
    except MalformedFact:
        kept = _kept_decoder.decode(body)
        time = kept.event_time if kept.event_time.tzinfo else kept.event_time.replace(tzinfo=dt.UTC)
        return Unknown(kept.id, kept.type, time, kept.source, kept.by, msgspec.json.decode(body))


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
    surrogates, and for facts above `MAX_FACT_BYTES` (a plant file may be longer).
    """
    try:
        data = _encoder.encode(fact.content if isinstance(fact, Unknown) else fact)
    except UnicodeEncodeError as error:
        raise MalformedFact(f"it cannot be written as UTF-8: {error.reason}") from None
    if len(data) > MAX_FACT_BYTES and not isinstance(fact, PlantDefined):
        raise MalformedFact(f"the fact is {len(data):,} bytes long, the limit is {MAX_FACT_BYTES:,}")
    # Nearly all facts are plain ASCII without escapes; only others pay for looking at each field.
    if (not data.isascii() or b"\\" in data or b"\x7f" in data) and _SUSPECT.search(data):
        _refuse_control_characters(msgspec.json.decode(data), "$", type_name(fact))
    return data


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
