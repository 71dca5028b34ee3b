"""MQTT control packets as bytes (OASIS MQTT 3.1.1 and 5.0, sections 2 and 3). No input or output."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

KEPT_OF_TOO_LONG = 16 * 1024
"""So much of a message above the limit is kept, as evidence; the rest is passed over unread."""


class Will(NamedTuple):
    """What the broker shall say when this client is gone without a word."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Publish(NamedTuple):
    """A message that arrived. `size` is its whole length; `payload` is shorter where that is above the limit."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    id: int
    size: int
    kind: int = 3


class Connack(NamedTuple):
    """The broker's answer to CONNECT; code 0 is welcome."""

    session_present: bool
    code: int
    kind: int = 2
    id: int = 0


class Suback(NamedTuple):
    """The broker's answer to SUBSCRIBE, one code per topic; 0x80 and above is a refusal."""

    id: int
    codes: bytes
    kind: int = 9


class Other(NamedTuple):
    """Any other packet: its kind and packet id."""

    kind: int
    id: int


Packet = Publish | Connack | Suback | Other


class Reader:
    """Bytes in, packets out. Raises `ValueError` for what is not MQTT."""

    def __init__(self, version: int, bytes_max: int) -> None:
        self.version = version
        self.bytes_max = bytes_max
        self._buffer = bytearray()
        self._passing: tuple[Publish, int] | None = None

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete now."""
        found: list[Packet] = []
        if self._passing is not None:
            data = self._pass_over(data, found)
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= 2:
            length, body = _length(buffer, at + 1, end)
            if body == 0:
                break
            if body + length > end:
                if length > self.bytes_max and buffer[at] >> 4 == 3:
                    if end - body < min(length, KEPT_OF_TOO_LONG + 70_000):
                        break
                    self._begin_passing(buffer[at], bytes(buffer[body:end]), length)
                    at = end
                break
            packet = self._packet(buffer[at], buffer, body, body + length)
            found.append(packet)
            at = body + length
        del buffer[:at]
        return found

    def _begin_passing(self, first: int, seen: bytes, length: int) -> None:
        packet = self._publish(first, seen, 0, len(seen))
        size = length - (len(seen) - len(packet.payload))
        self._passing = (packet._replace(payload=packet.payload[:KEPT_OF_TOO_LONG], size=size), length - len(seen))

    def _pass_over(self, data: bytes, found: list[Packet]) -> bytes:
        assert self._passing is not None
        packet, left = self._passing
        if len(data) < left:
            self._passing = (packet, left - len(data))
            return b""
        self._passing = None
        found.append(packet)
        return data[left:]

    def _packet(self, first: int, buffer: bytearray, at: int, end: int) -> Packet:
        kind = first >> 4
        if kind == 3:
            publish = self._publish(first, buffer, at, end)
            if publish.size > self.bytes_max:
                return publish._replace(payload=publish.payload[:KEPT_OF_TOO_LONG])
            return publish
        if kind == 2:
            if end - at < 2:
                raise ValueError("CONNACK is too short")
            return Connack(bool(buffer[at] & 1), buffer[at + 1])
        if kind == 9:
            packet_id = _uint16(buffer, at, end)
            at += 2
            if self.version == 5:
                at = _past_properties(buffer, at, end)
            return Suback(packet_id, bytes(buffer[at:end]))
        if kind in (4, 11):
            return Other(kind, _uint16(buffer, at, end))
        if kind in (13, 14):
            return Other(kind, 0)
        raise ValueError(f"packet of kind {kind}")

    def _publish(self, first: int, buffer: bytes | bytearray, at: int, end: int) -> Publish:
        qos = first >> 1 & 3
        if qos > 1:
            raise ValueError(f"a message of QoS {qos}, which was not asked for")
        length = _uint16(buffer, at, end)
        at += 2
        if at + length > end:
            raise ValueError("a topic beyond its packet")
        topic = bytes(buffer[at : at + length]).decode("utf-8", "replace")
        at += length
        packet_id = 0
        if qos:
            packet_id = _uint16(buffer, at, end)
            at += 2
        if self.version == 5:
            at = _past_properties(buffer, at, end)
        return Publish(topic, bytes(buffer[at:end]), qos, bool(first & 1), bool(first & 8), packet_id, end - at)


def _length(buffer: bytearray, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer and where it ends; (0, 0) while it is not all there."""
    value = shift = 0
    for place in range(at, min(at + 4, end)):
        byte = buffer[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
    if end - at >= 4:
        raise ValueError("a length of more than four bytes")
    return 0, 0


def _uint16(buffer: bytes | bytearray, at: int, end: int) -> int:
    if at + 2 > end:
        raise ValueError("a packet that ends too early")
    return buffer[at] << 8 | buffer[at + 1]


def _past_properties(buffer: bytes | bytearray, at: int, end: int) -> int:
    # A packet is all there when it is looked at, except for the head of one that is too long.
    value = shift = 0
    for place in range(at, min(at + 4, end)):
        byte = buffer[place]
        value |= (byte & 127) << shift
        if byte < 128:
            if place + 1 + value > end:
                raise ValueError("properties beyond their packet")
            return place + 1 + value
        shift += 7
    raise ValueError("a packet without its properties")


# --------------------------------------------------------------------------- writing


def _variable(value: int) -> bytes:
    out = bytearray()
    while True:
        value, byte = divmod(value, 128)
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)


def _text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    if len(data) > 65_535:
        raise ValueError("a text of more than 65,535 bytes")
    return struct.pack(">H", len(data)) + data


def _whole(first: int, body: bytes) -> bytes:
    return bytes([first]) + _variable(len(body)) + body


def connect_packet(
    version: int,
    client_id: str,
    keep_alive_s: int,
    *,
    clean: bool,
    expiry_s: int,
    user: str | None,
    password: str | None,
    will: Will | None,
    receive_maximum: int,
) -> bytes:
    """CONNECT (3.1). No largest packet is told: a broker would leave longer ones out without a word."""
    flags = (2 if clean else 0) | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    if will is not None:
        flags |= 4 | will.qos << 3 | (0x20 if will.retain else 0)
    head = _text("MQTT") + bytes([version, flags]) + struct.pack(">H", keep_alive_s)
    body = b""
    if version == 5:
        properties = b"\x21" + struct.pack(">H", receive_maximum)
        if not clean:
            properties += b"\x11" + struct.pack(">I", expiry_s)
        body += _variable(len(properties)) + properties
    body += _text(client_id)
    if will is not None:
        body += (b"\0" if version == 5 else b"") + _text(will.topic) + _text(will.payload)
    if user is not None:
        body += _text(user)
    if password is not None:
        body += _text(password)
    return _whole(0x10, head + body)


def subscribe_packet(version: int, packet_id: int, topics: Sequence[str], qos: int) -> bytes:
    """SUBSCRIBE (3.8).

    MQTT 5's "retain as published" stays off: as under 3.1.1, the mark then says that the broker kept the message
    for newcomers, and not that its publisher asked for that.
    """
    options = qos
    body = struct.pack(">H", packet_id) + (b"\0" if version == 5 else b"")
    return _whole(0x82, body + b"".join(_text(topic) + bytes([options]) for topic in topics))


def publish_packet(version: int, topic: str, payload: bytes, qos: int, retain: bool, packet_id: int) -> bytes:
    """PUBLISH (3.3)."""
    body = _text(topic) + (struct.pack(">H", packet_id) if qos else b"") + (b"\0" if version == 5 else b"") + payload
    return _whole(0x30 | qos << 1 | retain, body)


def ack_packet(packet_id: int) -> bytes:
    """PUBACK (3.4)."""
    return b"\x40\x02" + struct.pack(">H", packet_id)


def ping_packet() -> bytes:
    """PINGREQ (3.12)."""
    return b"\xc0\x00"


def disconnect_packet(version: int) -> bytes:
    """DISCONNECT (3.14)."""
    return b"\xe0\x00"


_REFUSALS_3 = {
    1: ("it does not speak this version of MQTT", 'Set version = "3.1.1" or "5".'),
    2: ("it does not take the client id", "Set client_id to one that it takes."),
    3: ("it is not available", "Look at the broker's log; it is tried again."),
    4: ("user or password is wrong", "Check `user` and `password`."),
    5: ("this user may not connect", "Check `user` and the broker's rights."),
}
_REFUSALS_5 = {
    0x81: ("it cannot read the request", 'Set version = "3.1.1".'),
    0x84: _REFUSALS_3[1],
    0x85: _REFUSALS_3[2],
    0x86: _REFUSALS_3[4],
    0x87: _REFUSALS_3[5],
    0x88: _REFUSALS_3[3],
    0x89: ("it is busy", "It is tried again."),
    0x8A: ("this client is banned", "Look at the broker's settings."),
    0x8C: ("it wants another way of authentication", "Use user and password, or a client certificate."),
    0x95: ("packets are too long", "Lower bytes_max."),
    0x9F: ("too many connections", "It is tried again."),
}
WRONG_VERSION = {4: {1}, 5: {0x01, 0x81, 0x84}}
"""Codes that mean: speak the other version."""


def refusal(version: int, code: int) -> tuple[str, str]:
    """A refused CONNECT in words, and the remedy."""
    known = (_REFUSALS_5 if version == 5 else _REFUSALS_3).get(code) or _REFUSALS_3.get(code)
    return known or (f"code {code}", "Look at the broker's log.")
