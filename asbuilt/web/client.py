"""The whole web site in this process, without a socket: for tests and scripts."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import httpx

from asbuilt.web.server import supervised
from asbuilt.web.site import Site

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt


class Client:
    """Answers `get` and `post` like a browser on this machine. Live streams need a real server."""

    def __init__(self, app: AsBuilt) -> None:
        self.site = Site(app)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="in-process-web", daemon=True)
        self._thread.start()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.site, raise_app_exceptions=False), base_url="http://localhost"
        )
        self._supervisor = supervised(self.site)
        self._run(self.site.start())
        self._run(self._supervisor.start())

    def get(self, address: str, **options: Any) -> httpx.Response:
        """GET an address of the site."""
        return self.request("GET", address, **options)

    def post(self, address: str, **options: Any) -> httpx.Response:
        """POST to an address of the site."""
        return self.request("POST", address, **options)

    def request(self, method: str, address: str, **options: Any) -> httpx.Response:
        """Any request; options are those of httpx."""
        response: httpx.Response = self._run(self._http.request(method, address, **options))
        return response

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        """End the tasks and the site."""
        self._run(self._supervisor.stop())
        self._run(self.site.stop())
        self._run(self._http.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
