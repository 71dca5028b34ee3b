"""Base64 and JSON, read strictly: every text has one meaning, and every meaning one text where it is signed."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NoReturn

from asbuilt.errors import ProofError

MAX_INTEGER = 2**53 - 1
"""The greatest integer that every reader of JSON holds exactly."""
MAX_DEPTH = 64
"""How deep JSON of a proof may nest."""

_URL_TEXT = re.compile(r"[A-Za-z0-9_-]*\Z")
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def b64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, 4)."""
    return binascii.b2a_base64(data, newline=False).decode()


def unb64(text: str, length: int | None = None) -> bytes:
    """The bytes of canonical standard base64, of a given length if one is given. Raises `ProofError`."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        malformed("not base64")
    if b64(data) != text:
        malformed("base64 with stray bits")
    if length is not None and len(data) != length:
        malformed(f"{len(data)} bytes where {length} are needed")
    return data


def b64url(data: bytes) -> str:
    """Base64 for addresses without padding (RFC 4648, 5; RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    """The bytes of canonical unpadded base64url. Raises `ProofError`."""
    if not _URL_TEXT.match(text):
        malformed("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        malformed("not base64url")
    if b64url(data) != text:
        malformed("base64url with stray bits")
    return data


def read_json(data: bytes | str) -> Any:
    """JSON (RFC 8259) without doubled names, deep nesting or characters that turn text around.

    A number with a fraction or exponent, or beyond 2^53, is kept as its text: nothing is rounded. Raises `ProofError`.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        found = json.loads(
            text, object_pairs_hook=_once_each, parse_int=_integer, parse_float=str, parse_constant=_no_constant
        )
    except RecursionError:
        malformed("nested too deeply")
    except (UnicodeDecodeError, ValueError) as error:
        malformed(f"not JSON: {error}")
    refuse_hidden_characters(found)
    return found


def refuse_hidden_characters(value: object, depth: int = 0) -> None:
    """Raise `ProofError` for the control and direction characters that no fact may hold, and for lone surrogates."""
    if depth > MAX_DEPTH:
        malformed("nested too deeply")
    if isinstance(value, str):
        found = _HIDDEN.search(value)
        if found:
            malformed(f"the hidden character U+{ord(found[0]):04X}")
    elif isinstance(value, dict):
        for name, item in value.items():
            refuse_hidden_characters(name, depth + 1)
            refuse_hidden_characters(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            refuse_hidden_characters(item, depth + 1)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        malformed("a name stands twice in one object")
    return found


def _integer(text: str) -> int | str:
    return text if len(text) > 17 or abs(int(text)) > MAX_INTEGER else int(text)


def _no_constant(text: str) -> NoReturn:
    malformed(f"{text} is not JSON")


def write_json(value: object) -> str:
    """Compact JSON in ASCII that may stand in an HTML script element as it is."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def malformed(what: str) -> NoReturn:
    """Refuse what does not have the form it should."""
    raise ProofError("malformed", what)
