"""Recorded messages: one JSON object a line, for `asbuilt record`, `asbuilt replay` and test vectors.

`at_s` seconds since the recording began, `context` what the message depends on besides its bytes,
and the bytes as `data` where they are readable text, else as `data64` in base64.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from asbuilt.adapters import Message
from asbuilt.errors import UsageError


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A recorded message as it is written."""

    at_s: float = 0.0
    context: str = ""
    data: str | None = None
    data64: bytes | None = None


class Recorded(NamedTuple):
    """A recorded message, and when it came: seconds since the recording began."""

    at_s: float
    message: Message


_decoder = msgspec.json.Decoder(Line)


def written(message: Message, at_s: float) -> bytes:
    """A message as a line."""
    try:
        text = message.data.decode()
    except UnicodeDecodeError:
        text = None
    line = Line(round(at_s, 3), message.context, text, None if text is not None else message.data)
    return msgspec.json.encode(line) + b"\n"


def read(path: Path) -> Iterator[Recorded]:
    """The messages of a file. Raises `UsageError` naming the line that is none."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    found = _decoder.decode(line)
                    data = found.data64 if found.data64 is not None else (found.data or "").encode()
                except (msgspec.MsgspecError, UnicodeError) as error:
                    raise UsageError(
                        f"not a recorded message: {error}", where=f"{path}:{number}",
                        remedy="Use a file that `asbuilt record` made.",
                    ) from None  # fmt: skip
                yield Recorded(found.at_s, Message(data, number, found.context))
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(path), remedy="Check the name.") from None
