"""The HTTP server around a site."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asbuilt.errors import UsageError
from asbuilt.run.supervisor import Supervisor, Surroundings, discover
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
    site = Site(app, screen_token=screen_token, any_name=any_name, rate=rate)
    with _listening(host, port) as door, contextlib.suppress(KeyboardInterrupt):
        server(site, ready, supervised(site, plant_file, beside)).run([door])


def supervised(
    site: Site, plant_file: Path | None = None, beside: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> Supervisor:
    """The supervisor of every task found, with this site's doors for adapters; `beside` is one task more."""
    tasks = discover()
    if beside is not None:
        feed = beside
        tasks["beside"] = lambda around: feed()
    return Supervisor(Surroundings(site.app, site.mount, site.unmount, plant_file), tasks)


def server(
    site: Site, ready: Callable[[int], None] = lambda port: None, supervisor: Supervisor | None = None
) -> uvicorn.Server:
    """A server for a site and the tasks beside it; `run` it with the socket it shall listen on."""
    import uvicorn

    tasks = supervisor or supervised(site)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            # Adapters open their doors before the first request.
            await site.start()
            await tasks.start()
            await super().startup(sockets)
            if not self.started:
                await tasks.stop()
                await site.stop()
            else:
                ready(sockets[0].getsockname()[1])

        async def shutdown(self, sockets: Any = None) -> None:
            # Screens never hang up by themselves.
            site.live.stop()
            await super().shutdown(sockets)
            await tasks.stop()
            await site.stop()

    return Server(
        uvicorn.Config(
            site,
            log_level="warning",
            access_log=False,
            lifespan="off",
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
