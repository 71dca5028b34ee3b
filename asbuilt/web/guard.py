"""What every request passes first: who may ask, and headers that keep a page to itself.

Closed by default: only this machine may ask, under a local name (a page of another site cannot
ask through a name of its own). For other machines a screen shows its token once and keeps it as
a cookie. Nothing a page loads comes from anywhere but here.
"""

from __future__ import annotations

import hmac
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})
COOKIE = "asbuilt-screen"

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Guard:
    """An ASGI application around another.

    `token` is asked of every screen; without one, the address must be a local name, unless
    `any_name` opens it.
    """

    def __init__(self, inner: Any, token: str | None = None, *, any_name: bool = False) -> None:
        self._inner = inner
        self._token = token
        self._any_name = any_name

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = dict(scope["headers"])

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        path: str = scope["path"]
        if path.startswith("/facts"):
            # Adapters have tokens of their own, and one that is open to all is not open to web pages:
            # any page a person of this network looks at could tell facts.
            if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
                await _plain(send_with_headers, 403, "A page of another site cannot tell facts.\n")
                return
        elif path.startswith(("/static/", "/log/")) or path == "/verify":
            pass  # style sheets are no secret; the log and its verifier are for everybody
        elif self._token is None:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if not self._any_name and name.lower() not in LOCAL_NAMES:
                await _plain(
                    send_with_headers, 421, f"This screen answers to local names only, not to {name[:100]!r}.\n"
                )
                return
        elif not self._is_known(headers):
            if await self._welcome(scope, send_with_headers):
                return
            await _plain(send_with_headers, 401, "Open this page once with the screen's token: …/?token=…\n`asbuilt token` prints it.\n")  # fmt: skip
            return
        await self._inner(scope, receive, send_with_headers)

    def _is_known(self, headers: dict[bytes, bytes]) -> bool:
        cookies = SimpleCookie()
        try:
            cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
        except Exception:  # a malformed cookie is no cookie
            return False
        shown = cookies[COOKIE].value if COOKIE in cookies else ""
        bearer = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ")
        return self._is_token(shown) or self._is_token(bearer)

    def _is_token(self, shown: str) -> bool:
        return self._token is not None and hmac.compare_digest(shown.encode(), self._token.encode())

    async def _welcome(self, scope: dict[str, Any], send: Any) -> bool:
        """A screen that shows its token in the address gets a cookie and the address without it."""
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
        shown = dict(asked).get("token", "")
        if not shown or not self._is_token(shown):
            return False
        rest = urlencode([(key, value) for key, value in asked if key != "token"])
        cookie = f"{COOKIE}={self._token}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
        path = "/" + quote(scope["path"].lstrip("/"))
        headers = [
            (b"location", (path + (f"?{rest}" if rest else "")).encode()),
            (b"set-cookie", cookie.encode()),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return True


async def _plain(send: Any, status: int, words: str) -> None:
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
