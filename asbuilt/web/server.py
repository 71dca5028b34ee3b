"""The HTTP server around a site."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asbuilt.errors import UsageError
from asbuilt.web.site import Site

if TYPE_CHECKING:
    import uvicorn

    from asbuilt.app import AsBuilt


def serve(
    app: AsBuilt,
    host: str,
    port: int,
    *,
    screen_token: str | None,
    any_name: bool = False,
    rate: float = 1.0,
    ready: Callable[[int], None] = lambda port: None,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
    plant_file: Path | None = None,
) -> None:
    """Serve until interrupted; `ready` is told the port, `beside` is run in the same loop (the demo's feed).

    Changes of `plant_file` are taken while it serves.

    Raises `UsageError` where the port cannot be had.
    """
    site = Site(app, screen_token=screen_token, any_name=any_name, rate=rate, beside=beside, plant_file=plant_file)
    with _listening(host, port) as door, contextlib.suppress(KeyboardInterrupt):
        server(site, ready).run([door])


def server(site: Site, ready: Callable[[int], None] = lambda port: None) -> uvicorn.Server:
    """A server for a site; `run` it with the socket it shall listen on."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(sockets[0].getsockname()[1])

        async def shutdown(self, sockets: Any = None) -> None:
            # Screens never hang up by themselves.
            site.live.stop()
            await super().shutdown(sockets)

    return Server(
        uvicorn.Config(
            site,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
        )
    )


def _listening(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(
            f"cannot listen on port {port} of {host}: {error.strerror}", remedy="Choose another with --port or --host."
        ) from None
