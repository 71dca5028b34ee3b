"""The file that is handed out: two lines, the statement and what it is about.

    {"format":"asbuilt.passport/1","statement":"…"}
    {"kind":"passport","log":…}

The statement names the digest of the second line's bytes, so nothing has to be brought into a canonical
form first. In an HTML page the same two lines stand in one script element.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import malformed, read_json, write_json

PASSPORT, CLAIM = "asbuilt.passport/1", "asbuilt.claim/1"
KINDS = {PASSPORT: "passport", CLAIM: "claim"}
MAX_FILE_BYTES = 64 * 1024 * 1024
"""No file is read beyond this."""
MAX_PARTS = 2_000_000
"""Nor is content taken apart that has more members and elements: small ones cost far more memory than bytes."""

_FIRST = re.compile(rb'\{"format":"([a-z]+\.[a-z]+/[0-9]+)","statement":"([A-Za-z0-9._-]+)"\}\Z')
_IN_PAGE = (b'<script type="application/json" id="proof">\n', b"</script>")


class Container(NamedTuple):
    """A file taken apart: its format, the statement, and the second line as it was."""

    format: str
    statement: str
    content: bytes


def written(format_: str, statement: str, content: bytes) -> bytes:
    """The file."""
    return f'{{"format":"{format_}","statement":"{statement}"}}\n'.encode() + content + b"\n"


def content_of(held: dict[str, Any]) -> bytes:
    """The second line, without its line break."""
    return write_json(held).encode()


def read(data: bytes) -> Container:
    """Take a file apart, or a page that carries one. Raises `ProofError`."""
    if len(data) > MAX_FILE_BYTES:
        raise ProofError("too_large", f"the file has {len(data):,} bytes, at most {MAX_FILE_BYTES:,} are read")
    if data[:15].lower() == b"<!doctype html>":
        data = _from_page(data)
    first, _, rest = data.partition(b"\n")
    found = _FIRST.match(first)
    if not found:
        if len(data) < 50 or (data.startswith(b'{"format":"asbuilt.') and b"\n" not in data):
            raise ProofError("truncated", "the file ends early")
        raise ProofError("unknown_format", "this is not a passport or claim of asbuilt")
    format_ = found[1].decode()
    if format_ not in KINDS:
        raise ProofError("unknown_format", f"the format {format_} is not known to this version")
    if not rest.endswith(b"\n"):
        raise ProofError("truncated", "the file ends early")
    content = rest[:-1]
    if b"\n" in content:
        malformed("the file has more than two lines")
    return Container(format_, found[2].decode(), content)


def held_by(container: Container) -> dict[str, Any]:
    """What the second line holds, once its digest is known to be right. Raises `ProofError`."""
    if sum(container.content.count(mark) for mark in (b",", b"[", b"{")) > MAX_PARTS:
        raise ProofError("too_large", f"the content has more than {MAX_PARTS:,} parts")
    held = read_json(container.content)
    if not isinstance(held, dict) or held.get("kind") != KINDS[container.format]:
        malformed("the file holds something else than its first line says")
    return held


def _from_page(data: bytes) -> bytes:
    _, opened, rest = data.partition(_IN_PAGE[0])
    inside, closed, after = rest.partition(_IN_PAGE[1])
    if not opened or not closed:
        raise ProofError("truncated", "the page carries no whole passport")
    if _IN_PAGE[0] in after:
        malformed("the page carries two passports")
    return inside


def in_page(file: bytes) -> bytes:
    """The script element that carries a file in a page."""
    return _IN_PAGE[0] + file + _IN_PAGE[1]
