"""A Sparkplug B host application's view of its edge nodes (Sparkplug 3.0.0, sections 4 to 6).

`Host.receive` takes a message and gives what follows from it, as plain data: metrics with their names
and datatypes, nodes and devices that came or went, commands to send, deviations from the
specification. It knows neither network nor clock; `now_s` is any clock that only goes on.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.host_results import (
    NAMESPACE,
    REBIRTH,
    Command,
    Data,
    Deviation,
    Offline,
    Online,
    Outcome,
    Refused,
    command_topic,
    is_definition,
)
from asbuilt.adapters.sparkplug.payload import Metric, Payload

BDSEQ: Final = "bdSeq"
MAX_NODES: Final = 10_000
MAX_DEVICES: Final = 5_000
MAX_DEFINED: Final = 3_000_000
"""So many metrics of all nodes together are known by name."""
MAX_PENDING: Final = 256
FIRST_ASK_S: Final = 10.0
LONGEST_ASK_S: Final = 300.0
ASKED_PER_S: Final = 20
DOUBT_S: Final = 10.0
"""An edge node whose death is doubtful has so long to be born anew."""
REMEMBERED: Final = 32
OLD: Final = 128
"""A sequence number so far ahead is one from before."""


class _Device(Struct):
    """What is known of a device."""

    types: dict[str, int] = field(default_factory=dict)
    online: bool = True


class _Node(Struct):
    """What is known of an edge node. `types` of "" are those of the node itself."""

    name: str
    online: bool = False
    bdseq: int | None = None
    next_seq: int = 0
    types: dict[str, int] = field(default_factory=dict)
    aliases: dict[int, tuple[str, str]] = field(default_factory=dict)
    templates: set[str] = field(default_factory=set)
    devices: dict[str, _Device] = field(default_factory=dict)
    pending: dict[int, tuple[str, str, str, Payload]] = field(default_factory=dict)
    pending_until_s: float | None = None
    heard_s: float = 0.0
    asked_s: float | None = None
    ask_again_s: float = FIRST_ASK_S
    doubt_until_s: float | None = None
    can_be_asked: bool = True
    told: set[str] = field(default_factory=set)
    digests: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Host:
    """The state of all edge nodes. Parts are named `Group/Node` and `Group/Node/Device`."""

    def __init__(self, *, reorder_s: float, stale_s: float = 0.0, rebirths: bool = True) -> None:
        self.nodes: dict[str, _Node] = {}
        self._reorder_s = reorder_s
        self._stale_s = stale_s
        self._rebirths = rebirths
        self._defined = 0
        self._wanted: dict[str, None] = {}
        self._tokens = float(ASKED_PER_S)
        self._tokens_s: float | None = None

    # ----------------------------------------------------------------- messages

    def receive(self, topic: str, data: bytes, now_s: float, qos: int = 0) -> Iterator[Outcome]:
        """What follows from a message on a topic of the namespace; STATE is not for here."""
        levels = topic.split("/")
        kind = levels[2] if len(levels) in (4, 5) else ""
        with_device = len(levels) == 5
        if levels[0] != NAMESPACE or kind not in (_DEVICE_KINDS if with_device else _NODE_KINDS):
            yield Refused(data, f"`{topic}` is not a Sparkplug topic")
            return
        if kind in ("NCMD", "DCMD"):
            return
        name, device = f"{levels[1]}/{levels[3]}", levels[4] if with_device else ""
        try:
            payload = wire.decode(data)
        except ValueError as error:
            yield Refused(data, f"not a Sparkplug payload: {error}")
            return
        node = self.nodes.get(name)
        if node is None:
            if len(self.nodes) >= MAX_NODES:
                yield Refused(data, f"more than {MAX_NODES:,} edge nodes")
                return
            node = self.nodes[name] = _Node(name)
        node.heard_s = now_s
        if kind == "NDEATH":
            yield from self._node_death(node, payload, qos, now_s)
        elif kind == "NBIRTH":
            yield from self._node_birth(node, topic, payload, now_s)
        else:
            yield from self._in_sequence(node, kind, device, topic, payload, now_s)

    def _in_sequence(
        self, node: _Node, kind: str, device: str, topic: str, payload: Payload, now_s: float
    ) -> Iterator[Outcome]:
        if not node.online:
            # Without its birth nothing is known of its metrics; it is asked for it.
            yield from self._ask(node, now_s)
            return
        digest = hashlib.blake2b(payload.data, digest_size=12).digest()
        if payload.seq is None:
            yield from self._deviates(node, "seq-missing", f"{kind} without a sequence number")
            yield from self._taken(node, kind, device, topic, payload, now_s)
            return
        ahead = (payload.seq - node.next_seq) % 256
        if ahead == 0 and payload.seq < 256:
            node.digests.append(digest)
            yield from self._taken(node, kind, device, topic, payload, now_s)
            node.next_seq = (payload.seq + 1) % 256
            yield from self._gap_filled(node, now_s)
        elif ahead >= OLD and digest in node.digests:
            return
        else:
            if payload.seq > 255:
                yield from self._deviates(node, "seq-range", f"sequence number {payload.seq}; they end at 255")
            node.digests.append(digest)
            if len(node.pending) < MAX_PENDING:
                node.pending[payload.seq] = (kind, device, topic, payload)
            if node.pending_until_s is None:
                node.pending_until_s = now_s + self._reorder_s

    def _gap_filled(self, node: _Node, now_s: float) -> Iterator[Outcome]:
        """What waited for a message before it comes now, in order."""
        while node.online and node.next_seq in node.pending:
            kind, device, topic, payload = node.pending.pop(node.next_seq)
            yield from self._taken(node, kind, device, topic, payload, now_s)
            node.next_seq = (node.next_seq + 1) % 256
        if not node.pending:
            node.pending_until_s = None

    def _taken(
        self, node: _Node, kind: str, device: str, topic: str, payload: Payload, now_s: float
    ) -> Iterator[Outcome]:
        if kind == "DBIRTH":
            yield from self._device_birth(node, device, topic, payload)
        elif kind == "DDEATH":
            known = node.devices.get(device)
            if known is not None and known.online:
                known.online = False
                yield Offline(f"{node.name}/{device}", "the device is gone (DDEATH)", payload.timestamp)
        else:
            yield from self._data(node, kind, device, topic, payload, now_s)

    # ----------------------------------------------------------------- births

    def _node_birth(self, node: _Node, topic: str, payload: Payload, now_s: float) -> Iterator[Outcome]:
        yield from self._devices_gone(node, "its edge node was born anew", None)
        self._forget(node)
        if payload.seq != 0:
            yield from self._deviates(node, "birth-seq", f"NBIRTH with sequence number {payload.seq}; it is 0")
        node.next_seq = ((payload.seq or 0) + 1) % 256
        node.bdseq = None
        node.can_be_asked = False
        for metric in payload.metrics:
            if metric.name == BDSEQ:
                node.bdseq = metric.raw if isinstance(metric.raw, int) else None
                if metric.datatype not in (wire.INT64,):
                    yield from self._deviates(node, "bdseq-type", f"bdSeq of datatype {metric.datatype}; it is Int64")
            elif metric.name == REBIRTH:
                node.can_be_asked = True
        if node.bdseq is None:
            yield from self._deviates(
                node, "bdseq-missing", "NBIRTH without bdSeq: its death cannot be told from another"
            )
        if not node.can_be_asked:
            yield from self._deviates(node, "rebirth-missing", f"NBIRTH without `{REBIRTH}`: it may not listen")
        resolved = yield from self._defined_by(node, "", node.types, payload)
        was_online, node.online = node.online, True
        node.asked_s, node.ask_again_s, node.doubt_until_s = None, FIRST_ASK_S, None
        self._wanted.pop(node.name, None)
        if not was_online:
            yield Online(node.name)
        yield Data(node.name, "", "NBIRTH", topic, payload, resolved)

    def _device_birth(self, node: _Node, device: str, topic: str, payload: Payload) -> Iterator[Outcome]:
        known = node.devices.get(device)
        if known is None:
            if len(node.devices) >= MAX_DEVICES:
                yield Refused(payload.data, f"more than {MAX_DEVICES:,} devices of one edge node")
                return
            known = node.devices[device] = _Device(online=False)
        self._defined -= len(known.types)
        known.types.clear()
        resolved = yield from self._defined_by(node, device, known.types, payload)
        if not known.online:
            known.online = True
            yield Online(f"{node.name}/{device}")
        yield Data(node.name, device, "DBIRTH", topic, payload, resolved)

    def _defined_by(self, node: _Node, device: str, types: dict[str, int], payload: Payload) -> Any:
        resolved = []
        for metric in payload.metrics:
            name = metric.name
            if name is None:
                yield from self._deviates(node, "birth-name-missing", "a metric of a birth without a name")
                continue
            if self._defined >= MAX_DEFINED:
                yield Refused(payload.data, f"more than {MAX_DEFINED:,} metrics")
                break
            if name not in types:
                self._defined += 1
            types[name] = metric.datatype
            if metric.alias is not None:
                yield from self._alias(node, device, metric)
            if metric.timestamp is None and name != BDSEQ:
                yield from self._deviates(
                    node, "timestamp-missing", "metrics without a timestamp: the payload's is taken"
                )
            if metric.field == 18 and is_definition(metric):
                if device:
                    yield from self._deviates(node, "template-in-dbirth", "a template is defined outside of NBIRTH")
                node.templates.add(name)
            resolved.append((name, metric.datatype, metric))
        return resolved

    def _alias(self, node: _Node, device: str, metric: Metric) -> Iterator[Outcome]:
        assert metric.alias is not None
        assert metric.name is not None
        if metric.name == REBIRTH:
            yield from self._deviates(node, "rebirth-alias", f"`{REBIRTH}` has an alias")
        known = node.aliases.get(metric.alias)
        if known is not None and known != (device, metric.name):
            yield from self._deviates(
                node, "alias-twice", f"alias {metric.alias} stands for two metrics of one edge node"
            )
        node.aliases[metric.alias] = (device, metric.name)

    def _forget(self, node: _Node) -> None:
        self._defined -= len(node.types) + sum(len(device.types) for device in node.devices.values())
        node.types.clear()
        node.aliases.clear()
        node.templates.clear()
        node.devices.clear()
        node.pending.clear()
        node.pending_until_s = None
        node.digests.clear()

    # ----------------------------------------------------------------- data

    def _data(
        self, node: _Node, kind: str, device: str, topic: str, payload: Payload, now_s: float
    ) -> Iterator[Outcome]:
        types = node.types
        if device:
            known = node.devices.get(device)
            if known is None or not known.online:
                yield from self._deviates(node, "device-not-born", f"data of the device `{device}` without its birth")
                yield from self._ask(node, now_s)
                return
            types = known.types
        resolved = []
        strange = None
        for metric in payload.metrics:
            name = metric.name
            if name is None and metric.alias is not None:
                of, name = node.aliases.get(metric.alias, ("", None))
                if name is None or of != device:
                    strange = f"alias {metric.alias}"
                    yield Refused(metric.data, f"{strange} is not known from a birth of {node.name}")
                    continue
            if name is None:
                yield Refused(metric.data, "a metric without name and alias")
                continue
            datatype = types.get(name)
            if datatype is None:
                strange = f"`{name}`"
                if metric.datatype == 0:
                    yield Refused(metric.data, f"{strange} is not known from a birth of {node.name}")
                    continue
                yield from self._deviates(node, "metric-not-born", f"{kind} of {strange}, which no birth named")
                datatype = metric.datatype
            elif metric.datatype not in (0, datatype):
                yield from self._deviates(
                    node, "datatype-changed", f"`{name}` came with another datatype than at birth"
                )
            resolved.append((name, datatype, metric))
        yield Data(node.name, device, kind, topic, payload, resolved)
        if strange is not None:
            yield from self._ask(node, now_s)

    # ----------------------------------------------------------------- deaths

    def _node_death(self, node: _Node, payload: Payload, qos: int, now_s: float) -> Iterator[Outcome]:
        if qos == 0:
            yield from self._deviates(node, "will-qos", "NDEATH of QoS 0: the broker may not deliver it")
        if payload.seq is not None:
            yield from self._deviates(node, "death-seq", "NDEATH with a sequence number; it has none")
        told = next((m.raw for m in payload.metrics if m.name == BDSEQ and isinstance(m.raw, int)), None)
        if not node.online:
            return
        if told is not None and node.bdseq is not None and told != node.bdseq:
            # The death of an earlier session, or of this one by a node that counts otherwise: it is asked.
            yield from self._deviates(
                node, "bdseq-mismatch", f"NDEATH with bdSeq {told} after a birth with {node.bdseq}"
            )
            node.doubt_until_s = now_s + DOUBT_S
            yield from self._ask(node, now_s)
            return
        yield from self._gone(node, "the edge node is gone (NDEATH)")

    def _gone(self, node: _Node, reason: str) -> Iterator[Outcome]:
        if node.online:
            node.online = False
            node.doubt_until_s = None
            yield Offline(node.name, reason)
            yield from self._devices_gone(node, reason, None)
            self._forget(node)

    def _devices_gone(self, node: _Node, reason: str, at_ms: int | None) -> Iterator[Outcome]:
        for name, device in node.devices.items():
            if device.online:
                device.online = False
                yield Offline(f"{node.name}/{name}", reason, at_ms)

    # ----------------------------------------------------------------- time and rebirths

    def tick(self, now_s: float) -> Iterator[Outcome]:
        """What follows from time going on: waits that end, nodes that fell silent, questions that are due."""
        for node in self.nodes.values():
            if node.pending_until_s is not None and now_s >= node.pending_until_s:
                missing = node.next_seq
                # What came after the missing one is true; only that it is everything is not.
                waiting = sorted(node.pending.items(), key=lambda entry: (entry[0] - missing) % 256)
                node.pending.clear()
                node.pending_until_s = None
                for _, (kind, device, topic, payload) in waiting:
                    yield from self._taken(node, kind, device, topic, payload, now_s)
                yield from self._gone(node, f"message {missing} of the edge node did not come")
                yield from self._ask(node, now_s)
            if node.doubt_until_s is not None and now_s >= node.doubt_until_s:
                yield from self._gone(node, "the edge node said goodbye and did not answer")
            if self._stale_s and node.online and now_s - node.heard_s > self._stale_s and node.doubt_until_s is None:
                node.doubt_until_s = now_s + DOUBT_S
                yield from self._ask(node, now_s)
        yield from self._ask_those_wanted(now_s)

    def all_unknown(self, now_s: float) -> Iterator[Outcome]:
        """After a connection of its own is new: births are not kept by brokers, so every node is asked for one."""
        for node in self.nodes.values():
            node.online = False
            self._forget(node)
            node.asked_s = None
            yield from self._ask(node, now_s)

    def know(self, names: list[str]) -> None:
        """Nodes known from before a restart."""
        for name in names[:MAX_NODES]:
            self.nodes.setdefault(name, _Node(name))

    def _ask(self, node: _Node, now_s: float) -> Iterator[Outcome]:
        """Want a birth of a node: not too often of one, and not of all at once."""
        if not self._rebirths:
            return
        if node.asked_s is not None and now_s - node.asked_s < node.ask_again_s:
            return
        self._wanted[node.name] = None
        yield from self._ask_those_wanted(now_s)

    def _ask_those_wanted(self, now_s: float) -> Iterator[Outcome]:
        if self._tokens_s is not None:
            self._tokens = min(float(ASKED_PER_S), self._tokens + (now_s - self._tokens_s) * ASKED_PER_S)
        self._tokens_s = now_s
        while self._wanted and self._tokens >= 1:
            name = next(iter(self._wanted))
            del self._wanted[name]
            self._tokens -= 1
            node = self.nodes[name]
            if node.asked_s is not None:
                node.ask_again_s = min(2 * node.ask_again_s, LONGEST_ASK_S)
            node.asked_s = now_s
            yield Command(command_topic(name), b"")

    def _deviates(self, node: _Node, code: str, message: str) -> Iterator[Outcome]:
        if code not in node.told:
            node.told.add(code)
            yield Deviation(node.name, code, message)


_NODE_KINDS = ("NBIRTH", "NDEATH", "NDATA", "NCMD")
_DEVICE_KINDS = ("DBIRTH", "DDEATH", "DDATA", "DCMD")
