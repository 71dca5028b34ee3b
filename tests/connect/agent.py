"""An agent that plays recorded observations over HTTP: a buffer of limited size, an instance, sequence numbers."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from asbuilt.adapters.mtconnect.documents import Observation


class Agent:
    """Observations are `add`ed as a machine would say them; the oldest fall out of the buffer."""

    def __init__(self, size: int = 131_072, port: int = 0) -> None:
        self.size, self.instance, self.next = size, 1, 1
        self.buffer: list[tuple[int, Observation]] = []
        self.asked: list[str] = []
        self.frozen = threading.Event()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                agent.asked.append(self.path)
                while agent.frozen.is_set():
                    threading.Event().wait(0.05)
                body = agent.answer(self.path).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/xml")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, *seen: Observation) -> None:
        for one in seen:
            self.buffer.append((self.next, one))
            self.next += 1
        del self.buffer[: max(0, len(self.buffer) - self.size)]

    def restart(self) -> None:
        """A new instance: it counts from 1 and has nothing."""
        self.instance, self.next, self.buffer = self.instance + 1, 1, []

    @property
    def first(self) -> int:
        return self.buffer[0][0] if self.buffer else self.next

    def answer(self, path: str) -> str:
        parts = urlsplit(path)
        query = {key: int(values[0]) for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/probe"):
            return '<MTConnectDevices><Header/><Devices><Device name="M"><DataItems><DataItem id="e" type="EXECUTION" category="EVENT"/></DataItems></Device></Devices></MTConnectDevices>'
        begin, count = query.get("from", self.first), query.get("count", 100)
        if not self.first <= begin <= self.next:
            return f'<MTConnectError>{self._header(begin)}<Errors><Error errorCode="OUT_OF_RANGE">from={begin}</Error></Errors></MTConnectError>'
        found = [(sequence, seen) for sequence, seen in self.buffer if sequence >= begin][:count]
        if parts.path.endswith("/current"):
            found = self.buffer[-1:]
            return self._streams(found, self.next)
        return self._streams(found, found[-1][0] + 1 if found else begin)

    def _header(self, following: int) -> str:
        return f'<Header instanceId="{self.instance}" firstSequence="{self.first}" nextSequence="{following}" lastSequence="{self.next - 1}" creationTime="2026-06-03T00:00:00Z"/>'

    def _streams(self, found: list[tuple[int, Observation]], following: int) -> str:
        out = [f"<MTConnectStreams>{self._header(following)}<Streams>"]
        for sequence, seen in found:
            tag = seen.level if seen.category == "Condition" else seen.type.replace(":", "_")
            given = {"dataItemId": seen.item, "timestamp": seen.time, "sequence": str(sequence), "name": seen.name,
                     "subType": seen.subtype, "nativeCode": seen.code, "qualifier": seen.qualifier}  # fmt: skip
            if seen.category == "Condition":
                given["type"] = seen.type
            attributes = " ".join(f"{key}={quoteattr(value)}" for key, value in given.items() if value)
            out.append(
                f'<DeviceStream name="{seen.device}"><ComponentStream componentId="c"><{seen.category}><{tag} {attributes}>{escape(seen.value)}</{tag}></{seen.category}></ComponentStream></DeviceStream>'
            )
        return "".join([*out, "</Streams></MTConnectStreams>"])

    def close(self) -> None:
        self.frozen.clear()
        self._server.shutdown()
        self._server.server_close()
