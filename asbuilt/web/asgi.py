"""Requests and answers below the router: whole bodies in, documents and JSON out."""

from __future__ import annotations

from typing import Any

import msgspec


async def whole_body(receive: Any, limit: int) -> bytes | None:
    """A request's bytes; None if there are too many."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > limit or message["type"] == "http.disconnect":
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def send_page(send: Any, status: int, document: str, location: str = "") -> None:
    """Answer with a document, or send the browser elsewhere."""
    body = document.encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if location:
        headers.append((b"location", location.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send: Any, status: int, content: Any) -> None:
    """Answer with JSON."""
    body = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
