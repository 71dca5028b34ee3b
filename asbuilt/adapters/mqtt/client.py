"""An MQTT client (3.1.1 and 5.0) whose acknowledgements and reading the caller decides on.

A message of QoS 1 is acknowledged when `acknowledge` is called with it: after it is durable. While
`HELD` messages or `HELD_BYTES` wait to be fetched nothing more is read from the network, so that
the broker holds back. The formats are those of the OASIS standards, MQTT 3.1.1 and 5.0, section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl as ssl_
from collections import deque
from collections.abc import Iterable, Sequence

from asbuilt.adapters.mqtt.packets import (
    Connack,
    Packet,
    Publish,
    Reader,
    Suback,
    Will,
    ack_packet,
    connect_packet,
    disconnect_packet,
    ping_packet,
    publish_packet,
    refusal,
    subscribe_packet,
)
from asbuilt.errors import AsBuiltError

HELD = 5_000
"""So many messages wait to be fetched; then nothing more is read."""
HELD_BYTES = 64 * 1024 * 1024
RECEIVE_MAXIMUM = 1_000
"""So many messages of QoS 1 a broker may send ahead of their acknowledgement (MQTT 5)."""
PING_EVERY_S = 1.0
SILENT_AFTER_S = 3.5
"""Without a word for so long, though asked, the broker is lost."""
CONNECT_S = 10.0
KEEP_ALIVE_S = 15


class ConnectionLost(AsBuiltError):
    """The broker cannot be reached, refuses, or is gone."""


class Client:
    """One connection to a broker. Make it with `connect`; it is not used again after it is lost."""

    def __init__(self, version: int, bytes_max: int) -> None:
        self.version = version
        self.session_present = False
        self.refused = 0
        self.hung_up = False
        self._reader = Reader(version, bytes_max)
        self._held: deque[Publish] = deque()
        self._held_bytes = 0
        self._fetched = asyncio.Event()
        self._arrived = asyncio.Event()
        self._error: ConnectionLost | None = None
        self._expected: dict[tuple[int, int], asyncio.Future[Packet]] = {}
        self._next_id = 0
        self._heard = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        tls: ssl_.SSLContext | None = None,
        user: str | None = None,
        password: str | None = None,
        keep_session: bool = True,
        expiry_s: int = 0,
        will: Will | None = None,
    ) -> None:
        """Connect and log in. Raises `ConnectionLost` with the broker's reason.

        `keep_session` asks the broker to keep subscriptions and messages while this client is away,
        under MQTT 5 for `expiry_s` seconds.
        """
        loop = asyncio.get_running_loop()
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(CONNECT_S):
                self._in, self._out = await asyncio.open_connection(host, port, ssl=tls, limit=1 << 20)
                packet = connect_packet(
                    self.version, client_id, KEEP_ALIVE_S, clean=not keep_session, expiry_s=expiry_s, user=user,
                    password=password, will=will, receive_maximum=RECEIVE_MAXIMUM,
                )  # fmt: skip
                self._out.write(packet)
                answer = await self._first()
        except TimeoutError:
            await self.close(politely=False)
            raise ConnectionLost("no answer", where=where, remedy="Check address, port and firewall.") from None
        except ssl_.SSLError as error:
            raise ConnectionLost(
                f"TLS failed: {error.reason or error}", where=where, remedy="Check `ca` and the broker's certificate."
            ) from None
        except (OSError, EOFError, ValueError) as error:
            self.hung_up = not isinstance(error, OSError)
            await self.close(politely=False)
            raise ConnectionLost(
                f"cannot connect: {error or type(error).__name__}", where=where, remedy="Check that the broker runs."
            ) from None
        if answer.code:
            self.refused = answer.code
            await self.close(politely=False)
            words, remedy = refusal(self.version, answer.code)
            raise ConnectionLost(f"the broker refuses: {words}", where=where, remedy=remedy)
        self.session_present = answer.session_present
        self._heard = loop.time()
        self._tasks = [loop.create_task(self._read(), name="mqtt-read"), loop.create_task(self._watch())]

    async def _first(self) -> Connack:
        while True:
            data = await self._in.read(65_536)
            if not data:
                raise EOFError("the broker hung up")
            packets = self._reader.feed(data)
            if packets:
                first, *rest = packets
                if not isinstance(first, Connack):
                    raise ValueError("this is not an MQTT broker")
                self._take(rest)
                return first

    # ----------------------------------------------------------------- reading

    async def _read(self) -> None:
        try:
            while True:
                while len(self._held) >= HELD or self._held_bytes >= HELD_BYTES:
                    self._fetched.clear()
                    await self._fetched.wait()
                    self._heard = asyncio.get_running_loop().time()
                data = await self._in.read(262_144)
                if not data:
                    self._lose("the broker hung up")
                    return
                self._heard = asyncio.get_running_loop().time()
                self._take(self._reader.feed(data))
        except OSError as error:
            self._lose(f"the connection broke: {error}")
        except ValueError as error:
            self._lose(f"the broker sent what is not MQTT: {error}")

    def _take(self, packets: Iterable[Packet]) -> None:
        for packet in packets:
            if isinstance(packet, Publish):
                self._held.append(packet)
                self._held_bytes += len(packet.payload)
                self._arrived.set()
            elif packet.kind == 14:
                self._lose("the broker said goodbye")
            else:
                waiting = self._expected.pop((packet.kind, packet.id), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(packet)

    async def _watch(self) -> None:
        """Ask for signs of life; a broker that does not answer is lost though the socket is open."""
        loop = asyncio.get_running_loop()
        while self._error is None:
            await asyncio.sleep(PING_EVERY_S)
            quiet_s = loop.time() - self._heard
            full = len(self._held) >= HELD or self._held_bytes >= HELD_BYTES
            if quiet_s > SILENT_AFTER_S and not full:
                self._lose(f"no sign of life for {quiet_s:.1f} s")
            elif quiet_s >= PING_EVERY_S:
                self._write(ping_packet())

    def _lose(self, reason: str) -> None:
        if self._error is None:
            self._error = ConnectionLost(reason, remedy="Check the broker and the network; it is tried again.")
            self._arrived.set()
            for waiting in self._expected.values():
                if not waiting.done():
                    waiting.set_exception(self._error)
            self._expected.clear()

    async def messages(self, limit: int = 1_000) -> list[Publish]:
        """What has arrived, at least one message. Raises `ConnectionLost` once all that came before is fetched."""
        while not self._held:
            if self._error is not None:
                raise self._error
            self._arrived.clear()
            await self._arrived.wait()
        found = [self._held.popleft() for _ in range(min(limit, len(self._held)))]
        self._held_bytes -= sum(len(message.payload) for message in found)
        self._fetched.set()
        return found

    # ----------------------------------------------------------------- writing

    def _write(self, packet: bytes) -> None:
        if self._error is None:
            try:
                self._out.write(packet)
            except (OSError, RuntimeError) as error:
                self._lose(f"the connection broke: {error}")

    async def _ask(self, kind: int, packet_id: int, packet: bytes) -> Packet:
        if self._error is not None:
            raise self._error
        future: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._expected[kind, packet_id] = future
        self._write(packet)
        return await asyncio.wait_for(future, CONNECT_S)

    def _id(self) -> int:
        self._next_id = self._next_id % 65_535 + 1
        return self._next_id

    async def subscribe(self, topics: Sequence[str], qos: int = 1) -> None:
        """Subscribe; retained messages are sent at every subscription. Raises `ConnectionLost` where one is refused."""
        packet_id = self._id()
        try:
            answer = await self._ask(9, packet_id, subscribe_packet(self.version, packet_id, topics, qos))
        except TimeoutError:
            raise ConnectionLost("the broker does not answer a subscription", remedy="Look at its log.") from None
        assert isinstance(answer, Suback)
        for topic, code in zip(topics, answer.codes, strict=False):
            if code >= 0x80:
                raise ConnectionLost(
                    f"the broker refuses a subscription to `{topic}`",
                    remedy="Give this user the right to read it; some brokers refuse spaces in topics.",
                )

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send a message; with QoS 1 until the broker has it."""
        packet_id = self._id() if qos else 0
        packet = publish_packet(self.version, topic, payload, qos, retain, packet_id)
        if not qos:
            if self._error is not None:
                raise self._error
            self._write(packet)
            return
        try:
            await self._ask(4, packet_id, packet)
        except TimeoutError:
            raise ConnectionLost("the broker does not acknowledge", remedy="Look at its log.") from None

    def acknowledge(self, messages: Iterable[Publish]) -> None:
        """Tell the broker that these are durable here; in the order of arrival."""
        packets = b"".join([ack_packet(message.id) for message in messages if message.qos])
        if packets:
            self._write(packets)

    async def close(self, *, politely: bool = True) -> None:
        """Let go of the connection; politely: with a goodbye, so that the broker says no will."""
        for task in self._tasks:
            task.cancel()
        if not hasattr(self, "_out"):
            return
        with contextlib.suppress(OSError, RuntimeError, asyncio.TimeoutError):
            if politely and self._error is None:
                self._out.write(disconnect_packet(self.version))
                await asyncio.wait_for(self._out.drain(), 2)
            self._out.close()
        self._lose("closed")
