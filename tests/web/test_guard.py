"""Who may look, and what keeps a page to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from asbuilt.app import AsBuilt
from asbuilt.web.site import Site
from tests.web.scripted import morning, shop

TOKEN = "the-screens-token"


class Browser:
    """Asks one site under any name."""

    def __init__(self, app: AsBuilt, **options: Any) -> None:
        self.site = Site(app, **options)

    def get(
        self, address: str, host: str = "plant.example:8000", method: str = "GET", **headers: str
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.site, raise_app_exceptions=False)
            named = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.request(method, address, headers={**named, "host": host})

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def app() -> Iterator[AsBuilt]:
    with shop(morning()) as product:
        yield product


@pytest.fixture(scope="module")
def closed(app: AsBuilt) -> Browser:
    return Browser(app, screen_token=TOKEN)


# --------------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "address",
    ["/line/1", "/static/x/nothing.css", "/facts", "/api/line.lines", "/nowhere", "/healthz", "/theme/dark", "/live"],
)
def test_every_answer_carries_the_headers_that_keep_it_to_itself(app, address):
    headers = app.client.get(address).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


# --------------------------------------------------------------------------- names


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]", "[::1]:8000", "LOCALHOST"])
def test_local_names_are_answered(app, host):
    assert Browser(app).get("/line/1", host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.nip.io", "::1"]
)
def test_a_site_that_points_its_name_here_learns_nothing(app, host):
    for address in ("/line/1", "/api/line.board?line=1", "/live?page=/line/1", "/", "/healthz"):
        answer = Browser(app).get(address, host)
        assert answer.status_code == 421
        assert "answers to local names only" in answer.text
        assert "Pump works" not in answer.text


def test_every_name_is_answered_where_that_was_chosen(app):
    assert Browser(app, any_name=True).get("/line/1", "plant.example").status_code == 200


# --------------------------------------------------------------------------- the screen token


def test_without_the_token_a_screen_sees_nothing(closed):
    for address in (
        "/line/1",
        "/api/line.board?line=1",
        "/live?page=/line/1",
        "/",
        "/healthz",
        "/nowhere",
        "/theme/dark",
    ):
        answer = closed.get(address)
        assert answer.status_code == 401
        assert answer.text.startswith("Open this page once with the screen's token")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("shown", ["wrong", "", TOKEN + "x", TOKEN[:-1], "ünïcode", TOKEN.upper()])
def test_a_wrong_token_is_none(closed, shown):
    assert closed.get(f"/line/1?token={shown}").status_code == 401
    assert closed.get("/line/1", cookie=f"asbuilt-screen={shown}").status_code == 401
    assert closed.get("/line/1", authorization=f"Bearer {shown}").status_code == 401


def test_the_token_is_shown_once_and_leaves_the_address(closed):
    answer = closed.get(f"/line/1?wall=1&token={TOKEN}&at=2026-06-03T08%3A10%2B02%3A00")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/line/1?wall=1&at=2026-06-03T08%3A10%2B02%3A00"
    cookie = answer.headers["set-cookie"]
    assert cookie.split("; ")[0] == f"asbuilt-screen={TOKEN}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert closed.get(answer.headers["location"], cookie=cookie.split(";")[0]).status_code == 200
    assert closed.get("/line/1", authorization=f"Bearer {TOKEN}").status_code == 200
    assert closed.get("/line/1", cookie=f"theme=dark; {cookie.split(';')[0]}").status_code == 200


@pytest.mark.parametrize(("path", "leads_to"), [("//evil.example/x", "/evil.example/x"), ("/a%0d%0aset-cookie:%20b=c", "/a%0D%0Aset-cookie%3A%20b%3Dc"), ("/orders/a%2Fb", "/orders/a/b"), ("/%C3%BC", "/%C3%BC")])  # fmt: skip
def test_the_token_leads_to_this_plant_only(closed, path, leads_to):
    async def ask() -> dict[bytes, bytes]:
        sent: list[dict[str, Any]] = []
        from urllib.parse import unquote

        scope = {
            "type": "http", "method": "GET", "path": unquote(path), "raw_path": path.encode(), "headers": [(b"host", b"x")],
            "query_string": f"token={TOKEN}".encode(),
        }  # fmt: skip

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await closed.site(scope, None, send)
        return dict(sent[0]["headers"])

    location = asyncio.run(ask())[b"location"].decode("ascii")
    assert location.replace("%2F", "/").lower() == leads_to.lower()


def test_style_sheets_and_adapters_need_no_screen_token(closed):
    # They have a version or a token of their own; the site is not started, so no adapter listens yet.
    assert closed.get("/static/x/nothing.css").status_code == 404
    assert closed.get("/facts", method="POST").status_code == 404


# --------------------------------------------------------------------------- other sites


def test_a_page_of_another_site_cannot_tell_facts(app):
    app.client.get("/line")
    token = {"authorization": f"Bearer {app.token('left')}"}
    for site in ("cross-site", "same-site"):
        answer = app.client.post("/facts", content=b"", headers={**token, "sec-fetch-site": site})
        assert answer.status_code == 403
    assert app.client.post("/facts", content=b"", headers={**token, "sec-fetch-site": "same-origin"}).status_code == 200
