"""Facts over HTTP: `POST /facts` with NDJSON or a JSON array, gzip allowed.

    [adapter.gateway]
    kind = "http"
    path = "/facts"
    fresh_s = 5

The sender shows the adapter's token (`asbuilt token gateway --data DIR`) and gets its answer when
the facts are durable, with one result per fact, in order:

    curl -H "Authorization: Bearer $TOKEN" --data-binary @facts.ndjson http://127.0.0.1:8000/facts

    {"accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 1, "results": [
        {"line": 1, "status": "accepted", "id": "019e…"},
        {"line": 2, "status": "accepted", "id": "019e…"},
        {"line": 3, "status": "rejected", "reason": "Invalid enum value 'Runing' - at `$.state`"}]}

Sending the same facts again is harmless. An empty body only says that the source is alive.
`open = true` lets senders in without a token; use it on a network of your own only.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, get_args
from uuid import UUID

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Result, Sink, Status, Taken, Translate
from asbuilt.errors import AsBuiltError, MalformedFact, RecordFull
from asbuilt.events import AnyFact

KIND = "http"
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_UNPACKED_BYTES = 64 * 1024 * 1024
LARGE_BODY_BYTES = 2 * 1024 * 1024
MAX_FACTS = 50_000
MAX_BODIES_AT_ONCE = 16
"""So many bodies of one adapter are held in memory; further senders wait."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an HTTP source."""

    path: str = "/facts"
    open: bool = False


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    if not config.path.startswith("/facts"):
        yield Problem(("path",), "the path must begin with /facts", 'Leave it out, or use "/facts/gateway".')


def translator(config: Config, name: str) -> Translate:
    """A pure function from a body to its facts, each line that is not one a rejection."""

    def translate(message: Message) -> Iterator[Taken]:
        try:
            for _, item in _facts(list(_split(message.data))):
                yield item
        except MalformedFact as error:
            yield Rejection(message.data, error.message)

    return translate


def _facts(parts: Sequence[tuple[int, bytes]]) -> Iterator[tuple[int, Taken]]:
    """What the parts of a body bring, each with the number of its line or element."""
    facts = _all_facts([data for _, data in parts])
    if facts is not None:
        yield from zip([number for number, _ in parts], facts, strict=True)
        return
    for number, data in parts:
        if len(data) > events.MAX_FACT_BYTES:
            reason = f"the fact is {len(data):,} bytes long, the limit is {events.MAX_FACT_BYTES:,}"
            yield number, Rejection(data, reason, number)
            continue
        try:
            fact = events.decode(data)
        except MalformedFact as error:
            yield number, Rejection(data, error.message, number)
            continue
        if type(fact) in _OWN:
            yield number, Rejection(data, f"{events.type_name(fact)} is written by the plant itself", number)
        elif fact.id.int >> 76 & 0xF == 8:
            # The plant derives them from messages; a sender could take the id of a rejection away.
            yield number, Rejection(data, "ids of version 8 are the plant's own; use UUIDv7", number)
        else:
            yield number, fact


def _all_facts(several: list[bytes]) -> list[AnyFact] | None:
    """Many facts read at once; None if something about one of them is to be said."""
    if max(map(len, several), default=0) > events.MAX_FACT_BYTES:
        return None
    facts = events.decode_all(several)
    if facts is None or not _OWN.isdisjoint(map(type, facts)):
        return None
    if 8 in {fact.id.int >> 76 & 0xF for fact in facts}:
        return None
    return facts


_OWN = frozenset((events.PlantDefined, events.MessageRejected))
_raw_array = msgspec.json.Decoder(list[msgspec.Raw])


def _split(body: bytes) -> Iterator[tuple[int, bytes]]:
    if body[:1] == b"[" or body.lstrip()[:1] == b"[":
        try:
            items = _raw_array.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else error
            raise MalformedFact(f"the body is not a JSON array: {what}") from None
        yield from ((number, bytes(item)) for number, item in enumerate(items, 1))
    elif body.count(b"\n") > MAX_FACTS:  # not all at once: blank lines may be very many
        for number, line in enumerate(io.BytesIO(body), 1):
            if not line.isspace():
                yield number, line.removesuffix(b"\n")
    else:
        yield from [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line and not line.isspace()]


# --------------------------------------------------------------------------- answering


async def listen(config: Config, sink: Sink) -> None:
    """Answer `POST /facts` for this adapter's token."""
    at_once = asyncio.Semaphore(MAX_BODIES_AT_ONCE)

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async with at_once:
            status, content = await _answer(scope, receive, sink)
        body = msgspec.json.encode(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 503:
            headers.append((b"retry-after", b"2"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    sink.mount(config.path, answer, open_to_all=config.open)


async def _answer(scope: dict[str, Any], receive: Any, sink: Sink) -> tuple[int, dict[str, Any]]:
    if scope["method"] != "POST":
        return 405, _told("only POST", "Send facts with POST.")
    body = await _body(receive)
    if body is None:
        return 413, _told(
            f"the body is longer than {MAX_BODY_BYTES:,} bytes", "Send fewer facts at once; 1,000 is good."
        )
    encoding = dict(scope["headers"]).get(b"content-encoding", b"").lower()
    if encoding not in (b"gzip", b"identity", b""):
        return 415, _told(f"content-encoding {encoding.decode('latin-1')} is not known", "Use gzip or none.")
    refusal = None
    try:
        # Reading a large body must not keep the loop from everybody else.
        large = len(body) > LARGE_BODY_BYTES or encoding == b"gzip"
        found = await asyncio.to_thread(_read, body, encoding) if large else _read(body, encoding)
    except MalformedFact as error:
        found, refusal = [(1, Rejection(body, error.message))], error
    if found is None:
        return 413, _told(f"too many facts at once, the limit is {MAX_FACTS:,}", "Send fewer at once; 1,000 is good.")
    if not found:
        sink.alive(sink.name)
        return 200, _summary([], [])
    try:
        results = await sink.take_in([item for _, item in found], decoded=True)
    except RecordFull as error:
        return 503, _told(error.message, error.remedy)
    except AsBuiltError as error:
        return 500, _told(error.message, error.remedy)
    if refusal is not None:
        return 400, _told(refusal.message, refusal.remedy or "Send NDJSON (one fact a line) or a JSON array.")
    return 200, _summary([number for number, _ in found], results)


def _read(body: bytes, encoding: bytes) -> list[tuple[int, Taken]] | None:
    """What a body brings; None if that is too many, before any of it is looked at."""
    parts = list(islice(_split(_unpacked(body) if encoding == b"gzip" else body), MAX_FACTS + 1))
    return list(_facts(parts)) if len(parts) <= MAX_FACTS else None


async def _body(receive: Any) -> bytes | None:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts) if len(parts) > 1 else part


def _unpacked(body: bytes) -> bytes:
    try:
        data = gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_UNPACKED_BYTES + 1)
    except EOFError:
        raise MalformedFact(
            "the gzip body ends too early", remedy="Send it again whole; nothing of it was recorded."
        ) from None
    except (OSError, zlib.error) as error:
        raise MalformedFact(f"the body is not gzip: {error}") from None
    if len(data) > MAX_UNPACKED_BYTES:
        raise MalformedFact(
            f"the body unpacks to more than {MAX_UNPACKED_BYTES:,} bytes", remedy="Send fewer facts at once."
        )
    return data


class _Told(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One result as the sender reads it."""

    line: int
    status: Status
    id: UUID | None = None
    reason: str | None = None


def _summary(lines: Sequence[int], results: Sequence[Result]) -> dict[str, Any]:
    statuses = [result.status for result in results]
    counts = Counter(statuses)
    # Columns, not a loop of ours: an answer has as many results as the request had facts.
    told = list(map(_Told, lines, statuses, [one.id for one in results], [one.reason for one in results]))
    return {**{status: counts[status] for status in get_args(Status)}, "results": told}


def _told(error: str, remedy: str) -> dict[str, Any]:
    return {"error": error, "remedy": remedy}
