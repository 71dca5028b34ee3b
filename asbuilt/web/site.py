"""The web site of one `AsBuilt`: pages of all views, the query API, live updates, adapters' doors."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import inspect
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler

from asbuilt.access import Clearance
from asbuilt.access.parameters import as_csv, as_json, parameter
from asbuilt.adapters import Answer
from asbuilt.errors import AsBuiltError, UsageError, WithheldError
from asbuilt.web import proof_doors, svg, words
from asbuilt.web.acting import MAX_BODY_BYTES, Acting, Action
from asbuilt.web.addresses import here, matched, path_of, with_query
from asbuilt.web.api import handlers as api_handlers
from asbuilt.web.asgi import send_json, send_page, whole_body
from asbuilt.web.guard import Guard
from asbuilt.web.health import behind, health
from asbuilt.web.live import Live, LivePage
from asbuilt.web.pages import Menu, Page, Rendered, Renderer

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

STATIC = Path(__file__).parent / "static"
THEMES = ("dark", "light")
SCREEN = "screen"
"""Who asks for a page."""
_log = logging.getLogger("asbuilt")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _Door(NamedTuple):
    """Where an adapter answers: its name, its ASGI application, and whether it asks for a token."""

    adapter: str
    answer: Answer
    open_to_all: bool


class Site:
    """An ASGI application. `screen_token` closes the pages to screens that do not show it."""

    def __init__(
        self,
        app: AsBuilt,
        *,
        screen_token: str | None = None,
        any_name: bool = False,
        rate: float = 1.0,
    ) -> None:
        self.app = app
        self.rate = rate
        self._doors: dict[str, list[_Door]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        pages = {view.name: view.page for view in app.views.values() if view.page is not None}
        actions: dict[str, Action] = {
            f"{name}/{action.name}": action
            for name, module in pages.items()
            for action in getattr(module, "ACTIONS", ())
        }
        self._acting = Acting(app, actions)
        folders = {name: Path(inspect.getfile(module)).parent for name, module in pages.items()}
        self._renderer = Renderer(folders, act_token=self._acting.token)
        menus = [getattr(module, "MENU", None) or [] for module in pages.values()]
        self.menu: list[Menu] = sorted(
            (entry for menu in menus for entry in ([menu] if isinstance(menu, Menu) else menu)),
            key=lambda entry: entry.order,
        )
        self._static = {file.name: file.read_bytes() for file in STATIC.iterdir()}
        # The common sheet first: the others build on its tokens.
        self._sheets = sorted(
            (name for name in self._static if name.endswith(".css")), key=lambda n: (n != "asbuilt.css", n)
        )
        self._static_version = hashlib.sha256(b"".join(self._static.values())).hexdigest()[:10]
        self.live = Live(self._beat)
        handlers: list[HTTPRouteHandler] = []
        self._pages: dict[str, tuple[str, Page]] = {}
        for name, module in pages.items():
            handlers += [handler for page in module.PAGES for handler in self._handler(name, page)]
        self._litestar = Litestar(
            [
                *handlers,
                *self._own_handlers(),
                *proof_doors.handlers(app, f"/static/{self._static_version}", self._acting, self.who),
            ],
            exception_handlers={AsBuiltError: self._explain, Exception: self._explain},
            openapi_config=None,
            logging_config=None,
            pdb_on_exception=False,
        )
        self._guard = Guard(self._answer, screen_token, any_name=any_name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._guard(scope, receive, send)

    # ----------------------------------------------------------------- life

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Begin to send live updates."""
        self.app.listeners.append(self.live.announce)
        self._tasks.append(asyncio.create_task(self.live.run(), name="live"))

    async def stop(self) -> None:
        """End the streams."""
        self.live.stop()
        if self.live.announce in self.app.listeners:
            self.app.listeners.remove(self.live.announce)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _beat(self) -> dict[str, Any] | None:
        """A sign of life; None while the views do not follow the record, for then no page is live."""
        if self.app.pipeline.views_error is not None:
            return None
        heard = {source: round(time.timestamp(), 3) for source, time in self.app.heard.items()}
        now = self.app.now().astimezone(self.app.plant.zone)
        return {
            "now": round(now.timestamp(), 3), "rate": self.rate, "heard": heard, "version": self.version(),
            "offset": _offset_s(now), "day": words.day(now), "behind": behind(self.app),
        }  # fmt: skip

    def version(self) -> str:
        """What a page was made of; one made of something else loads itself anew."""
        return f"{self._static_version}-{self.app.plant.digest[:10]}"

    # ----------------------------------------------------------------- dispatch

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/live":
            await self._stream(scope, receive, send)
        elif path.startswith("/act/"):
            await self._act(path, scope, receive, send)
        elif path in self._doors or path == "/facts" or path.startswith("/facts/"):
            await self._at_door(path, scope, receive, send)
        else:
            await self._litestar(scope, receive, send)  # type: ignore[arg-type]

    def mount(self, path: str, adapter: str, answer: Answer, open_to_all: bool) -> None:
        """Let an adapter answer at a path."""
        self._doors.setdefault(path, []).append(_Door(adapter, answer, open_to_all))

    def unmount(self, adapter: str) -> None:
        """Close every door of an adapter."""
        for path, doors in [*self._doors.items()]:
            self._doors[path] = [door for door in doors if door.adapter != adapter]
            if not self._doors[path]:
                del self._doors[path]

    async def _at_door(self, path: str, scope: dict[str, Any], receive: Any, send: Any) -> None:
        doors = self._doors.get(path, [])
        if not doors:
            await send_json(send, 404, {"error": f"no adapter listens at {path}", "remedy": 'Add an adapter of kind "http" to the plant file.'})  # fmt: skip
            return
        shown = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ").strip()
        chosen = None
        for door in doors:
            # Every token is compared, so that the time taken tells nothing about which was close.
            if hmac.compare_digest(shown.encode(), self.app.token(door.adapter).encode()):
                chosen = door
        if chosen is None and not shown:
            chosen = next((door for door in doors if door.open_to_all), None)
        if chosen is None:
            await send_json(send, 401, {"error": "the token is missing or wrong", "remedy": "`asbuilt token ADAPTER` prints it; send it as Authorization: Bearer …"})  # fmt: skip
            return
        await chosen.answer(scope, receive, send)

    async def _act(self, path: str, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """A person records facts: answered in words for scripts, with the page again for forms."""
        if scope["method"] != "POST":
            await send_json(send, 405, {"error": "only POST", "remedy": "Load the page anew."})
            return
        headers = dict(scope["headers"])
        body = await whole_body(receive, MAX_BODY_BYTES)
        status, said, values = await self._acting.answer(path, headers, body)
        if headers.get(b"accept", b"").startswith(b"application/json"):
            await send_json(send, status, said)
        elif status == 200:
            await send_page(send, 303, "", here(values.get("back", "/")))
        else:
            request: Request[Any, Any, Any] = Request(scope, receive, send)  # type: ignore[arg-type]
            body_of_page = self._renderer.problem(f"Not saved: {said.error}.", said.remedy)
            await send_page(send, status, self._frame(request, title="Not saved", body=body_of_page))

    # ----------------------------------------------------------------- pages

    def _handler(self, view: str, page: Page) -> Iterator[HTTPRouteHandler]:
        """What answers at the page's address; one below another page's open end is found by that one's."""

        async def show(request: Request[Any, Any, Any]) -> Response[str]:
            found = self._find(path_of(request.scope), live_only=False)
            return await self._show(*(found[:2] if found else (view, page)), request)

        address = page.address
        self._pages[address] = (view, page)
        if ":path}/" not in address:
            route = re.sub(r"\{(\w+)\}", r"{\1:str}", address)
            yield get(route, media_type=MediaType.HTML, name=f"{view}:{address}")(show)

    async def _show(self, view: str, page: Page, request: Request[Any, Any, Any]) -> Response[str]:
        asked = dict(request.query_params)
        at = self._at(asked.pop("at", ""))
        wall = asked.pop("wall", "") not in ("", "0")
        path = path_of(request.scope)
        path_given = matched(page.address, path) or {}
        given, seen_as = {**self._parameters(page, asked), **path_given}, self.app.seen_as(self.who(request.scope))
        is_live = page.live and at is None
        since = ""
        if is_live:
            live = self._live_page(view, page, given, seen_as)
            rendered = await live.rendered()
            since = self.live.since(live)
        else:
            rendered = await asyncio.to_thread(self._render, view, page, given, at, seen_as)
        if rendered.shown.go:
            return Response("", status_code=303, headers={"location": rendered.shown.go})
        address = with_query(path, {key: value for key, value in given.items() if key not in path_given})
        document = self._frame(
            request,
            title=rendered.shown.title,
            body=self._renderer.body(view, rendered),
            here=rendered.shown.menu or address,
            at=at.astimezone(self.app.plant.zone) if at else None,
            live=f"/live?page={quote(address, safe='')}&since={since}" if is_live else "",
            wall=wall,
            counts=rendered.fragments.get("counts", ""),
        )
        return Response(document, media_type=MediaType.HTML, headers={"cache-control": "no-store"})

    def _frame(self, request: Request[Any, Any, Any], **values: Any) -> str:
        """The document around a body; values that are not given are those of a page without any."""
        now = self.app.now().astimezone(self.app.plant.zone)
        theme = request.cookies.get("theme", "")
        path = path_of(request.scope)
        query = request.scope["query_string"].decode("latin-1")
        standard: dict[str, Any] = {
            "menu": self.menu, "here": "", "plant": self.app.plant.name, "now": now, "offset": _offset_s(now),
            "at": None, "live": "", "path": path, "back": f"{path}?{query}" if query else path, "wall": False,
            "theme": theme if theme in THEMES else "", "static": f"/static/{self._static_version}",
            "version": self.version(), "behind": behind(self.app), "patterns": svg.PATTERNS, "brand": svg.BRAND, "rate": self.rate, "counts": "", "sheets": self._sheets,
        }  # fmt: skip
        return self._renderer.frame(**{**standard, **values})

    def _parameters(self, page: Page, asked: dict[str, str]) -> dict[str, Any]:
        """The query parameters that the page's `show` takes, as their types; others are ignored."""
        known = inspect.signature(page.show, eval_str=True).parameters
        return {
            name: parameter(known[name], text, self.app.plant.zone)
            for name, text in asked.items()
            if name in known and name not in ("reader", "at")
        }

    def who(self, scope: Any) -> str:
        """Who sends a request: a screen, until people are known."""
        return SCREEN

    def _render(
        self, view: str, page: Page, given: dict[str, Any], at: dt.datetime | None, seen_as: Clearance
    ) -> Rendered:
        with self.app.reader(SCREEN, seen_as) as reader:
            reader.instant(at)
            shown = page.show(reader, **given, at=at)
            # In here, for what is withheld may be met first where it is put into words.
            return self._renderer.fragments(view, shown)._replace(asked=frozenset(reader.asked))

    def _live_page(self, view: str, page: Page, given: dict[str, Any], seen_as: Clearance) -> LivePage:
        # By address and by what its reader may see: nobody is sent what was rendered for other eyes.
        key = msgspec.json.encode([page.address, sorted(given.items()), seen_as.key]).decode()
        views = tuple(one if isinstance(one, str) else self.app.store.table(one).name for one in page.views)
        return self.live.page(key, partial(self._render_live, view, page, given, seen_as), views, page.refresh_s)

    async def _render_live(self, view: str, page: Page, given: dict[str, Any], seen_as: Clearance) -> Rendered:
        return await asyncio.to_thread(self._render, view, page, given, None, seen_as)

    async def _stream(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        address = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("page", "")
        path, _, query = address.partition("?")
        found = self._find(path)
        if found is None:
            await send_json(
                send, 404, {"error": "there is no live page at this address", "remedy": "Load the page anew."}
            )
            return
        view, page, path_given = found
        try:
            given = {**self._parameters(page, dict(parse_qsl(query))), **path_given}
            live = self._live_page(view, page, given, self.app.seen_as(self.who(scope)))
            await live.rendered()
        except AsBuiltError as error:
            await send_json(send, 404, {"error": error.message, "remedy": error.remedy})
            return
        await self.live.stream(live, scope, receive, send)

    def _find(self, path: str, *, live_only: bool = True) -> tuple[str, Page, dict[str, str]] | None:
        """The page at a path as it stands in an address; of several that fit, the one that names most of it."""
        found = [
            (len(re.sub(r"\{[^}]*\}", "", address)), view, page, given)
            for address, (view, page) in self._pages.items()
            if (given := matched(address, path)) is not None and (page.live or not live_only)
        ]
        return max(found, key=lambda one: one[0])[1:] if found else None

    def _at(self, text: str) -> dt.datetime | None:
        if not text:
            return None
        asked = inspect.Parameter("at", inspect.Parameter.KEYWORD_ONLY, annotation=dt.datetime)
        at: dt.datetime = parameter(asked, text, self.app.plant.zone)
        return at

    # ----------------------------------------------------------------- own addresses

    def _own_handlers(self) -> Iterator[HTTPRouteHandler]:
        @get("/", media_type=MediaType.HTML)
        async def home(request: Request[Any, Any, Any]) -> Response[str]:
            return Response("", status_code=303, headers={"location": self._front()})

        @get("/static/{version:str}/{name:str}")
        async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
            name = request.path_params["name"]
            content = self._static.get(name)
            if content is None:
                return Response(b"", status_code=404)
            # The version is part of the address, so what is cached is never stale.
            return Response(
                content,
                media_type=_TYPES.get(Path(name).suffix, "application/octet-stream"),
                headers={"cache-control": "public, max-age=31536000, immutable"},
            )

        @get("/theme/{theme:str}")
        async def theme(request: Request[Any, Any, Any]) -> Response[str]:
            theme = request.path_params["theme"]
            back = request.query_params.get("back", "/")
            back = here(back)
            chosen = Cookie(
                key="theme", value=theme if theme in THEMES else "", path="/", max_age=31_536_000, samesite="strict"
            )
            return Response("", status_code=303, headers={"location": back}, cookies=[chosen])

        @get("/api/{name:str}")
        async def api(request: Request[Any, Any, Any]) -> Response[bytes]:
            asked = dict(request.query_params)
            return await asyncio.to_thread(self._query, request.path_params["name"], asked, self.who(request.scope))

        @get("/healthz")
        async def healthz() -> dict[str, Any]:
            return health(self.app)

        yield from (home, static, theme, api, healthz, *api_handlers(self.app, self.who))

    def _front(self) -> str:
        """Where a newcomer begins: the only line there is, else the list of lines."""
        lines = self.app.plant.lines
        if len(lines) == 1:
            return f"/line/{quote(self.app.plant.address(next(iter(lines.values()))))}"
        return self.menu[0].address if self.menu else "/healthz"

    def _query(self, name: str, asked: dict[str, str], who: str) -> Response[bytes]:
        name, is_table = name.removesuffix(".csv"), name.endswith(".csv")
        query = self.app.queries.get(name)
        if query is None:
            raise UsageError(f"there is no query `{name}`", remedy=f"Ask one of: {', '.join(self.app.queries)}.")
        given = {}
        for key, text in asked.items():
            if key not in query.parameters:
                raise UsageError(
                    f"{name} has no parameter {key}", remedy=f"It takes: {', '.join(query.parameters) or 'nothing'}."
                )
            given[key] = parameter(query.parameters[key], text, self.app.plant.zone)
        answer = self.app.ask(who, name, given)
        if is_table:
            return Response(
                as_csv(answer, query.function).encode(), media_type="text/csv", headers={"cache-control": "no-store"}
            )
        return Response(as_json(answer), media_type=MediaType.JSON, headers={"cache-control": "no-store"})

    def _explain(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        status, message, remedy = _said(error)
        if status >= 500:
            _log.error("%s could not be answered", request.url.path, exc_info=error)
        if request.url.path.startswith(("/api/", "/facts", "/live")):
            return Response({"error": message, "remedy": remedy}, status_code=status, media_type=MediaType.JSON)
        document = self._frame(
            request,
            title={403: "Withheld", 404: "Not found"}.get(status, "Something is wrong"),
            body=self._renderer.problem(message, remedy),
        )
        return Response(document, status_code=status, media_type=MediaType.HTML)


def _said(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, AsBuiltError):
        status = {UsageError: 404, WithheldError: 403}.get(type(error), 500)
        return status, error.message, error.remedy
    status = getattr(error, "status_code", 500)
    if status == 404:
        return 404, "There is no page at this address.", "Choose one from the bar above."
    if status < 500:
        return status, str(getattr(error, "detail", "The request cannot be answered.")), "Check the address."
    return (
        500,
        f"A fault of the product: {type(error).__name__}: {error}",
        "Nothing recorded is lost. Please report it.",
    )


def _offset_s(now: dt.datetime) -> int:
    """How far the plant's clock is ahead of UTC, seconds."""
    return int((now.utcoffset() or dt.timedelta()).total_seconds())
