"""Addresses of proof: /verify (public), /log (public), and handing files out (`POST /hand-out`, for screens)."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from asbuilt.errors import UsageError
from asbuilt.proof import container
from asbuilt.web import proving
from asbuilt.web.acting import Acting

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

MAX_UPLOAD = container.MAX_FILE_BYTES + 2_000_000
AT_ONCE = 2
"""So many files are looked at at a time; the next ones wait."""
PATIENCE_S = 120
"""So long a file may take to come and to be checked; nobody keeps the others waiting for ever."""
_LOG_FILE = re.compile(
    r"checkpoint|witnessed|status|keys/[0-9]{1,6}|tile/(?:entries|[0-9]{1,2})(?:/x[0-9]{3}){0,5}/[0-9]{3}(?:\.p/[0-9]{1,3})?"
)


def handlers(app: AsBuilt, static: str, acting: Acting, who: Callable[[Any], str]) -> Iterator[HTTPRouteHandler]:
    """The handlers of one site; `static` is where its style sheets lie."""
    looking, handing = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    def theme(request: Request[Any, Any, Any]) -> str:
        return request.cookies.get("theme", "")

    @get("/verify", media_type=MediaType.HTML)
    async def verify_page(request: Request[Any, Any, Any]) -> str:
        return proving.check_page(static, theme(request), None, proving.own_policy(app))

    @post("/verify", media_type=MediaType.HTML, status_code=200, request_max_body_size=MAX_UPLOAD)
    async def verify_file(request: Request[Any, Any, Any]) -> str:
        async with looking, asyncio.timeout(PATIENCE_S):
            form = await request.form()
            file, policy = await _content(form.get("file")), await _content(form.get("policy"))
            report = await asyncio.to_thread(proving.checked, app, file, policy[: proving.MAX_POLICY_BYTES])
        return proving.check_page(static, theme(request), report, proving.own_policy(app))

    @get("/log/{path:path}")
    async def log_file(request: Request[Any, Any, Any]) -> Response[bytes]:
        path = request.path_params["path"].lstrip("/")
        file = app.folder.proof / path if app.folder and _LOG_FILE.fullmatch(path) else None
        if file is None or not file.is_file():
            return Response(b"", status_code=404)
        is_text = path in ("checkpoint", "witnessed", "status") or path.startswith("keys/")
        return Response(
            file.read_bytes(),
            media_type="text/plain; charset=utf-8" if is_text else "application/octet-stream",
            headers={"cache-control": "no-store" if is_text else "public, max-age=31536000, immutable"},
        )

    @post("/hand-out", status_code=200, request_max_body_size=64 * 1024)
    async def hand_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if not acting.is_own(dict(request.scope["headers"]), form.get("token", "")):
            return Response(b"This form is not from a page of this server; load the page anew.\n", status_code=403, media_type=MediaType.TEXT)  # fmt: skip
        app.sees_all(who(request.scope), "A passport holds facts as they were recorded")
        async with handing:
            name, content = await asyncio.to_thread(_handed_out, app, form)
        return Response(
            content,
            media_type="text/html; charset=utf-8" if name.endswith(".html") else "application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"},
        )

    yield from (verify_page, verify_file, log_file, hand_out)


async def _content(part: Any) -> bytes:
    return await part.read() if isinstance(part, UploadFile) else b""


def _handed_out(app: AsBuilt, form: Mapping[str, str]) -> tuple[str, bytes]:
    """Make a passport, record that it was made, and give its name and bytes. Raises `UsageError`."""
    from asbuilt import events
    from asbuilt.seal.issue import Issuer, Told
    from asbuilt.seal.profiles import profile

    if app.folder is None:
        raise UsageError("nothing is sealed in memory", remedy="Run on a data folder.")
    missing = [name for name in ("product", "serial", "recipient", "purpose", "by") if not form.get(name, "").strip()]
    if missing:
        raise UsageError(f"{missing[0]} is missing", remedy="Go back, fill it in and hand it out again.")
    told = Told(form["recipient"].strip(), form["purpose"].strip(), _expires(form.get("expires", "")))
    unit = events.unit_key(form["product"].strip(), form["serial"].strip())
    issuer = Issuer(app.folder, app.record, app.now(), app.random)
    try:
        issued = issuer.passport(unit, told, profile(form.get("profile", "customer")))
    finally:
        issuer.close()
    (result,) = app.take_in([msgspec.structs.replace(issued.fact, by=form["by"].strip())])
    if result.status != "accepted":
        raise UsageError(f"it could not be recorded: {result.reason}", remedy="Nothing was handed out; try again.")
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", form["serial"].strip())[:80]
    if form.get("form") == "file":
        return f"{plain}.passport", issued.file
    from asbuilt.verify import Known

    return f"{plain}.html", proving.self_verifying(
        issued.file, f"Passport {form['serial'].strip()}", Known(now=app.now())
    )


def _expires(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(f"{text.strip()}T23:59:59+00:00") if text.strip() else None
    except ValueError:
        raise UsageError(f"{text[:30]!r} is not a day", remedy="Give it as 2027-01-31.") from None
