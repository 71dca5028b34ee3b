"""Sparkplug B 3.0: a host application for the edge nodes behind a broker.

    [adapter.cells]
    kind = "sparkplug"
    host = "broker.works"
    host_id = "asbuilt"

    [[adapter.cells.map]]
    node = "Works/Press-*"                  # Group/Node, with *
    device = "Press"
    metric = "Status/State"
    fact = "state_changed"
    constants = { station = "works/main/forming/1/10" }
    [adapter.cells.map.fields]
    state = "value"
    [adapter.cells.map.values.state]
    "3" = "Execute"
    "2" = "Idle"

    [[adapter.cells.map]]
    node = "Works/*"
    metric = "*/Parts made"
    fact = "counted"
    counts = "good"
    [adapter.cells.map.fields]
    station = '"works/main/forming/1/" + node'
    reading = "value"

In five minutes: write host and host_id, run `asbuilt connect watch plant.toml cells` and look at the names of the metrics (it asks nodes for
their births, and says no state of its own); add
a rule for each that matters. A station with `source = "cells:Works/Press-7"` shows "no data" when just this edge node is gone.

**Rules.** `node` ("Group/Node"), `device` ("" for the node's own metrics) and `metric` are patterns with `*`; members of a template are
metrics `template/member`. Expressions know `group`, `node`, `device`, `metric`, `value`, `time`, `quality`, `properties`, `historical`,
`received`; a data set is a list of rows, `each = "value"` makes one fact of each as `item`. The time of a fact is the metric's, then
the payload's. Null values are left out, and those of bad or stale quality unless the rule's `when` looks at `quality`. Historical values
become facts of their time and leave counters and states alone. A birth tells all values again: what was told is a duplicate.

**As a host.** Its will, birth and death on `spBv1.0/STATE/host_id` follow the specification, so that edges with a primary host work; with
`primary = false` it says nothing. Sequence gaps wait `reorder_s` (2 s), then the node counts as lost and is asked for a rebirth; one
question per node in 10 s, doubling to 5 minutes, and 20 a second over all. Nodes silent for `stale_s` (300 s; 0: never) are asked too, and
lost if they do not answer. A node that deviates from the specification is taken as far as it is clear, and each deviation is recorded once.

**What is promised.** Sparkplug data is QoS 0: what is sent while the connection is away is lost and shown as not observed, from the break to
the node's next birth.

**Settings.** `port = 1883`, `user = "…"`, `password = "file:…"`, `tls = true`, `ca = "…"`, `certificate = "…"`, `key = "…"`,
`version = "auto"`, `client_id = "…"`, `session_s = 0` (not used: sessions are clean), `bytes_max = 16777216`.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from asbuilt.adapters import Message, Problem, Rejection, Sink, Taken, Translate
from asbuilt.adapters.mqtt import broker
from asbuilt.adapters.mqtt.client import Client
from asbuilt.adapters.mqtt.packets import Publish, Will
from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.host import Host
from asbuilt.adapters.sparkplug.host_results import (
    NAMESPACE,
    Command,
    Data,
    Deviation,
    Offline,
    Online,
    Refused,
    rebirth_payload,
)
from asbuilt.connect import expression, mapping
from asbuilt.connect.mapping import Mapper, Memory, Ready, Rule

KIND = "sparkplug"
PATHS = broker.PATHS
TICK_S = 0.25
BELIEVED = dt.timedelta(hours=1)
"""A device's own time for its end is believed when it is at most so long ago."""
GOODBYE_S = 2.0
BAD_QUALITIES = (0, 500)
NAMES = frozenset(
    ("group", "node", "device", "metric", "value", "item", "time", "quality", "properties", "historical", "received")
)


class MetricRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for the metrics whose names fit."""

    metric: str
    node: str = "*"
    device: str = "*"
    each: str | None = None


class Config(broker.Broker, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a Sparkplug host application and the rules for metrics."""

    host_id: str = "asbuilt"
    primary: bool = True
    reorder_s: float = 2.0
    stale_s: float = 300.0
    map: tuple[MetricRule, ...] = ()


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    yield from broker.problems(config)
    yield from mapping.problems(config.map, NAMES)
    if not config.host_id or any(character in config.host_id for character in "+#/"):
        yield Problem(("host_id",), "a host id has no +, # and /", 'Use a word, such as "asbuilt".')
    if not 0 < config.reorder_s <= 60:
        yield Problem(("reorder_s",), "reorder_s is above 0, at most 60 seconds", "Leave it out: 2 seconds.")
    if not 0 <= config.stale_s <= 86_400:
        yield Problem(("stale_s",), "stale_s is 0 to 86,400 seconds", "Leave it out: 300 seconds.")
    for rule in config.map:
        if rule.each is not None:
            try:
                expression.compiled(rule.each, NAMES)
            except ValueError as error:
                yield Problem(("map", "each"), str(error), 'Name the list: each = "value".')


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a payload depends on besides its bytes; `names` are (name, datatype) of its metrics as births gave them."""

    topic: str
    received: dt.datetime | None = None
    names: list[tuple[str, int]] | None = None
    before: dict[str, Any] = {}


_contexts = msgspec.json.Decoder(Context)


def translator(config: Config, name: str) -> Translate:
    """A pure function from a payload and its context to facts."""
    rules = Rules(config, name)

    def translate(message: Message) -> Iterator[Taken]:
        try:
            context = _contexts.decode(message.context) if message.context else Context("")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            context = Context("")
        try:
            payload = wire.decode(message.data)
        except ValueError as error:
            yield Rejection(message.data, f"not a Sparkplug payload: {error}")
            return
        levels = context.topic.split("/")
        if len(levels) not in (4, 5) or levels[2] in ("NDEATH", "DDEATH"):
            if not payload.metrics or len(levels) not in (4, 5):
                yield Rejection(message.data, "not a Sparkplug payload of a known topic")
            return
        named = [metric for metric in payload.metrics if context.names is not None or metric.name is not None]
        names = context.names or [(metric.name or "", metric.datatype) for metric in named]
        resolved = [(called, kind, metric) for (called, kind), metric in zip(names, named, strict=False)]
        device = levels[4] if len(levels) == 5 else ""
        data = Data(f"{levels[1]}/{levels[3]}", device, levels[2], context.topic, payload, resolved)
        yield from rules.taken(data, context.received, Memory(context.before))

    return translate


class Rules:
    """The rules of an adapter, found by node, device and metric."""

    def __init__(self, config: Config, name: str) -> None:
        self._mapper = Mapper(name, config.map, NAMES)
        self._patterns = [tuple(map(_pattern, (rule.node, rule.device, rule.metric))) for rule in config.map]
        self._each = [expression.compiled(rule.each, NAMES) if rule.each else None for rule in config.map]
        self._sees_quality = ["quality" in (rule.when or "") for rule in config.map]
        self.all = self._mapper.rules
        self.of = lru_cache(maxsize=100_000)(self._of)

    def _of(self, *what: str) -> list[Ready]:
        return [
            ready
            for ready, patterns in zip(self._mapper.rules, self._patterns, strict=True)
            if all(pattern.fullmatch(text) for pattern, text in zip(patterns, what, strict=True))
        ]

    def taken(self, data: Data, received: dt.datetime | None, memory: Memory) -> Iterator[Taken]:
        """The facts and rejections of a payload."""
        group, _, node = data.node.partition("/")
        for name, datatype, metric in data.metrics:
            rules = self.of(data.node, data.device, name)
            if not rules and datatype != wire.TEMPLATE:
                continue
            try:
                value = wire.valued(metric, datatype)
                moment = _moment(metric, data, received)
            except ValueError as error:
                yield Rejection(metric.data, f"{name}: {error}")
                continue
            properties = metric.properties or {}
            given = {
                "group": group, "node": node, "device": data.device, "metric": name, "value": value, "time": moment,
                "quality": properties.get("Quality"), "properties": properties, "historical": metric.historical,
                "received": received,
            }  # fmt: skip
            yield from self._by_rules(rules, given, metric, memory)
            if isinstance(value, wire.Template) and not value.is_definition:
                for member, inner in _members(name, value):
                    more = self.of(data.node, data.device, member)
                    if more:
                        yield from self._by_rules(more, given | {"metric": member, "value": inner}, metric, memory)

    def _by_rules(
        self, rules: Sequence[Ready], given: dict[str, Any], metric: wire.Metric, memory: Memory
    ) -> Iterator[Taken]:
        if given["value"] is None:
            return
        parts = (f"{given['group']}/{given['node']}/{given['device']}", given["metric"], str(metric.raw))
        # A library of the field tells a metric as DATA/count at birth and as count afterwards: it is one counter.
        item = f"{parts[0]}/{given['metric'].removeprefix('DATA/')}"
        for ready in rules:
            if given["quality"] in BAD_QUALITIES and not self._sees_quality[ready.number]:
                continue
            each = self._each[ready.number]
            members = [given]
            if each is not None:
                items = each(given)
                members = [given | {"item": item} for item in items] if isinstance(items, list) else []
            for number, member in enumerate(members):
                yield from self._mapper.facts(
                    [ready],
                    member,
                    metric.data,
                    given["time"],
                    (*parts, str(number)),
                    memory,
                    late=metric.historical,
                    item=item,
                )


def _members(name: str, template: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for member, value in template.items():
        yield f"{name}/{member}", value
        if isinstance(value, dict):
            yield from _members(f"{name}/{member}", value)


def _moment(metric: wire.Metric, data: Data, received: dt.datetime | None) -> dt.datetime | None:
    milliseconds = metric.timestamp if metric.timestamp is not None else data.payload.timestamp
    return wire.instant(milliseconds) if milliseconds is not None else received


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


# --------------------------------------------------------------------------- listening


async def probe(config: Config, sink: Sink) -> str:
    """Connect and say what is there."""
    client = await broker.connected(config, sink, keep_session=False)
    try:
        await client.subscribe([f"{NAMESPACE}/#"])
    finally:
        await client.close()
    return f"connected, MQTT {'5' if client.version == 5 else '3.1.1'}; births come as nodes are born or asked (`asbuilt connect watch`)"


async def listen(config: Config, sink: Sink) -> None:
    """Be a host application until cancelled or the broker is lost."""
    note = msgspec.json.decode(sink.remembered() or b"{}")
    host = Host(reorder_s=config.reorder_s, stale_s=config.stale_s)
    host.know(note.get("nodes", []))
    began_ms = int(sink.now().timestamp() * 1000)
    state = f"{NAMESPACE}/STATE/{config.host_id}"
    speaks = config.primary and not sink.only_watching
    will = Will(state, _state(False, began_ms), 1, True) if speaks else None
    client = await broker.connected(config, sink, keep_session=False, will=will)
    session = _Session(config, sink, host, client, Memory(note.get("values", {})))
    try:
        await client.subscribe([state, f"{NAMESPACE}/#"])
        if speaks:
            await client.publish(state, _state(True, began_ms), qos=1, retain=True)
            session.state, session.born = state, _state(True, began_ms)
        await sink.connected()
        await session.run()
    finally:
        if speaks:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(GOODBYE_S):
                    ended_ms = int(sink.now().timestamp() * 1000)
                    await client.publish(state, _state(False, ended_ms), qos=1, retain=True)
        await client.close()


def _believed(milliseconds: int | None, now: dt.datetime) -> dt.datetime | None:
    """A device's own time for its end, if its clock can be right."""
    with contextlib.suppress(ValueError):
        at = wire.instant(milliseconds) if milliseconds is not None else None
        return at if at is not None and now - BELIEVED < at < now else None
    return None


def _state(online: bool, milliseconds: int) -> bytes:
    return msgspec.json.encode({"online": online, "timestamp": milliseconds})


class _Session:
    """One connection at work."""

    def __init__(self, config: Config, sink: Sink, host: Host, client: Client, memory: Memory) -> None:
        self.state, self.born = "", b""
        self._sink, self._host, self._client, self._memory = sink, host, client, memory
        self._rules = Rules(config, sink.name)
        mapping.recollect(memory, sink.recent(), self._rules.all)
        self._nodes = len(host.nodes)
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Take messages and let time go on."""
        await self._follow(list(self._host.all_unknown(self._loop.time())), [])
        ticked_s = self._loop.time()
        while True:
            messages: list[Publish] = []
            with contextlib.suppress(TimeoutError):
                messages = await asyncio.wait_for(self._client.messages(), TICK_S)
            items: list[Taken] = []
            for message in messages:
                await self._message(message, items)
            if self._loop.time() - ticked_s >= TICK_S:
                ticked_s = self._loop.time()
                await self._follow(self._host.tick(ticked_s), items)
            if items:
                await self._sink.take_all(items)
            if messages:
                self._sink.alive(self._sink.name)
                self._keep()
                self._client.acknowledge(messages)

    def _keep(self) -> None:
        if self._memory.changed or len(self._host.nodes) != self._nodes:
            self._memory.changed, self._nodes = False, len(self._host.nodes)
            self._sink.remember(msgspec.json.encode({"nodes": [*self._host.nodes], "values": self._memory.values}))

    async def _message(self, message: Publish, items: list[Taken]) -> None:
        if message.size > len(message.payload):
            items.append(Rejection(message.payload, f"{message.size:,} bytes long, above bytes_max"))
        elif message.topic.startswith(f"{NAMESPACE}/STATE/"):
            await self._state_told(message)
        else:
            outcomes = self._host.receive(message.topic, message.payload, self._loop.time(), message.qos)
            await self._follow(outcomes, items)

    async def _state_told(self, message: Publish) -> None:
        """Somebody said what state a host application is in; what is said of this one must be true."""
        if message.topic != self.state or message.payload == self.born:
            return
        told = {}
        with contextlib.suppress(msgspec.MsgspecError):
            told = msgspec.json.decode(message.payload, type=dict[str, Any])
        if told.get("online") is False:
            await self._client.publish(self.state, self.born, qos=1, retain=True)
        elif not message.retain:
            await self._sink.deviation("host-id-twice", f"another application says it is `{self.state}`")

    async def _follow(self, outcomes: Any, items: list[Taken]) -> None:
        sink = self._sink
        for outcome in outcomes:
            match outcome:
                case Data():
                    self._take(outcome, items)
                case Online(part):
                    # What the birth says comes after it in the record as well.
                    await sink.connected(part)
                case Offline(part, reason, at_ms):
                    if items:
                        await sink.take_all([*items])
                        items.clear()
                    await sink.lost(reason, part, _believed(at_ms, sink.now()))
                case Command(topic, _):
                    await self._client.publish(topic, rebirth_payload(sink.now()))
                case Deviation(part, code, words):
                    await sink.deviation(code, words, part)
                case Refused(data, reason):
                    items.append(Rejection(data, reason))

    def _take(self, data: Data, items: list[Taken]) -> None:
        received = self._sink.now()
        self._memory.asked = {}
        found = list(self._rules.taken(data, received, self._memory))
        items += found
        self._sink.alive(f"{self._sink.name}:{data.node}")
        if data.device:
            self._sink.alive(f"{self._sink.name}:{data.node}/{data.device}")
        if self._sink.watched:
            names = [(name, kind) for name, kind, _ in data.metrics]
            context = Context(data.topic, received, names, self._memory.asked)
            self._sink.show(Message(data.payload.data, None, msgspec.json.encode(context).decode()), found)
