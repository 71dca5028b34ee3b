"""A broker that says what it was told, packet by packet: for rules about what a client sends."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any, NamedTuple


class Told(NamedTuple):
    """A packet that a client sent: its kind, and what it holds by name."""

    kind: str
    holds: dict[str, Any]


class TellingBroker:
    """MQTT 3.1.1 and 5 as far as one client needs it."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.sessions = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._client: socket.socket | None = None
        self._version = 4
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._client = client
            self.sessions += 1
            try:
                self._talk(client)
            except (OSError, IndexError):
                self.told.append(Told("closed", {}))

    def _read(self, client: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            if not more:
                raise OSError
            data += more
        return data

    def _talk(self, client: socket.socket) -> None:
        while True:
            first = self._read(client, 1)[0]
            length = shift = 0
            while True:
                byte = self._read(client, 1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            self._packet(client, first, self._read(client, length))

    def _packet(self, client: socket.socket, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == 1:
            self._connect(client, body)
        elif kind == 3:
            size = struct.unpack(">H", body[:2])[0]
            topic, at = body[2 : 2 + size].decode(), 2 + size
            qos = first >> 1 & 3
            if qos:
                client.sendall(b"\x40\x02" + body[at : at + 2])
                at += 2
            at += 1 if self._version == 5 else 0
            self.told.append(
                Told("publish", {"topic": topic, "payload": body[at:], "qos": qos, "retain": bool(first & 1)})
            )
        elif kind == 8:
            at, topics = 2 + (1 if self._version == 5 else 0), []
            while at < len(body):
                size = struct.unpack(">H", body[at : at + 2])[0]
                topics.append(body[at + 2 : at + 2 + size].decode())
                at += 3 + size
            self.told.append(Told("subscribe", {"topics": topics}))
            answer = body[:2] + (b"\0" if self._version == 5 else b"") + b"\x01" * len(topics)
            client.sendall(bytes([0x90, len(answer)]) + answer)
        elif kind == 12:
            client.sendall(b"\xd0\x00")
        elif kind == 14:
            self.told.append(Told("disconnect", {}))

    def _connect(self, client: socket.socket, body: bytes) -> None:
        self._version, flags, at = body[6], body[7], 10
        holds: dict[str, Any] = {"version": self._version, "clean": bool(flags & 2), "expiry_s": 0}
        if self._version == 5:
            end, place = at + 1 + body[at], at + 1
            while place < end:
                code = body[place]
                size = {0x21: 2, 0x11: 4, 0x27: 4}[code]
                if code == 0x11:
                    holds["expiry_s"] = struct.unpack(">I", body[place + 1 : place + 5])[0]
                place += 1 + size
            at = end

        def text() -> bytes:
            nonlocal at
            size = struct.unpack(">H", body[at : at + 2])[0]
            found = body[at + 2 : at + 2 + size]
            at += 2 + size
            return found

        holds["client_id"] = text().decode()
        if flags & 4:
            at += 1 if self._version == 5 else 0
            holds["will"] = {
                "topic": text().decode(),
                "payload": text(),
                "qos": flags >> 3 & 3,
                "retain": bool(flags & 32),
            }
        self.told.append(Told("connect", holds))
        client.sendall(b"\x20\x03\x00\x00\x00" if self._version == 5 else b"\x20\x02\x00\x00")

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Deliver a message of QoS 0."""
        assert self._client is not None
        body = (
            struct.pack(">H", len(topic.encode())) + topic.encode() + (b"\0" if self._version == 5 else b"") + payload
        )
        length, out = len(body), b""
        while True:
            length, byte = divmod(length, 128)
            out += bytes([byte | (128 if length else 0)])
            if not length:
                break
        self._client.sendall(bytes([0x30 | retain]) + out + body)

    def drop(self) -> None:
        """Close the client's socket without a word."""
        assert self._client is not None
        self._client.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [told.holds for told in self.told if told.kind == kind]

    def close(self) -> None:
        self._server.close()
        if self._client is not None:
            self._client.close()
