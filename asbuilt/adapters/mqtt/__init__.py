"""Messages of an MQTT broker: JSON, CSV or text, by topic.

    [adapter.presses]
    kind = "mqtt"
    host = "broker.works"
    user = "asbuilt"
    password = "file:/etc/asbuilt/mqtt.secret"      # or "env:NAME"; never the secret itself

    [[adapter.presses.map]]
    topic = "press/+/state"
    fact = "state_changed"
    [adapter.presses.map.fields]
    station = '"works/main/forming/1/" + topic[1]'
    state = "payload.state"
    event_time = "time(payload.ts)"
    [adapter.presses.map.values.state]
    running = "Execute"
    idle = "Idle"

    [[adapter.presses.map]]
    topic = "press/+/parts"
    format = "text"
    fact = "counted"
    counts = "good"
    [adapter.presses.map.fields]
    station = '"works/main/forming/1/" + topic[1]'
    reading = "number(payload)"

In five minutes: write host and one rule, run `asbuilt connect test plant.toml presses`, then
`asbuilt connect watch plant.toml presses`: every message beside the facts it would become, nothing recorded.
When they are right, `asbuilt run plant.toml` – a running one takes the changed file by itself.

**Rules.** The topic is a filter with `+` and `#`; spaces and any script may be in it. Every rule that fits makes a
fact. `format` is "json" (default), "text" (`payload` is the text), or "csv": every line by itself, `payload` its cells, or by
name with `columns`. `each = "payload.items"` makes one fact per member of a list, as `item`. Expressions know `topic` (its
levels), `payload`, `item`, `received` and `retained`. Fields, `constants`, `values`, `counts`, `when` and `id` are those of
every mapping. A message that fits no field becomes a recorded rejection.

**What is promised.** The broker keeps a session for `session_s` seconds (a week); every message of QoS 1 is acknowledged once
its facts are durable, so that neither side's crash loses one. One that is delivered twice is one fact: by its bytes where it
says its own time, otherwise by what was recorded of it before. Messages of QoS 0 are lost while the connection is away; the
gap is recorded. Retained messages tell a state, never that a thing happened again; one without a time of its own is not counted.

**Settings.** `port = 1883`, `tls = true` with `ca = "ca.crt"` and, for a client certificate, `certificate = "…"` and
`key = "…"`; `version = "auto"` tries MQTT 5, then 3.1.1; `client_id = "…"` (asbuilt-PLANT-ADAPTER); `bytes_max = 16777216`: a
longer message is rejected with its beginning kept.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import msgspec

from asbuilt.adapters import Message, Problem, Rejection, Sink, Taken, Translate
from asbuilt.adapters.mqtt import broker
from asbuilt.connect import expression, mapping
from asbuilt.connect.mapping import Mapper, Memory, Ready, Rule

KIND = "mqtt"
PATHS = broker.PATHS
MAX_MEMBERS = 10_000
"""So many facts may one message become."""
NAMES = frozenset(("topic", "payload", "item", "received", "retained"))


class TopicRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for the messages of a topic filter."""

    topic: str
    format: Literal["json", "text", "csv"] = "json"
    columns: tuple[str, ...] = ()
    separator: str = ","
    each: str | None = None


class Config(broker.Broker, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a broker and the rules for its topics."""

    map: tuple[TopicRule, ...] = ()


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    yield from broker.problems(config)
    yield from mapping.problems(config.map, NAMES)
    for rule in config.map:
        levels = rule.topic.split("/")
        if not rule.topic or "#" in "".join(levels[:-1]) or any(len(x) > 1 and ("+" in x or "#" in x) for x in levels):
            yield Problem(
                ("map", "topic"), f"`{rule.topic}` is not a topic filter", "+ is one level, # the rest; each stands alone between slashes."
            )  # fmt: skip
        if rule.each is not None:
            try:
                expression.compiled(rule.each, NAMES)
            except ValueError as error:
                yield Problem(("map", "each"), str(error), 'Name the list: each = "payload.items".')
        if len(rule.separator) != 1:
            yield Problem(("map", "separator"), "the separator must be one character", 'Use "," or ";" or "\\t".')


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a message besides its bytes: it is kept with recorded messages."""

    topic: str
    received: dt.datetime | None = None
    retained: bool = False
    packet: int = 0
    before: dict[str, Any] = {}


_contexts = msgspec.json.Decoder(Context)
_json = msgspec.json.Decoder(float_hook=Decimal)


def translator(config: Config, name: str) -> Translate:
    """A pure function from a message to its facts; what it depends on besides is in the message's context."""
    rules = Rules(config, name)

    def translate(message: Message) -> Iterator[Taken]:
        try:
            context = _contexts.decode(message.context) if message.context else Context("")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            context = Context("")
        yield from rules.taken(message.data, context, Memory(context.before))

    return translate


class Rules:
    """The rules of an adapter, found by topic."""

    def __init__(self, config: Config, name: str) -> None:
        self._mapper = Mapper(name, config.map, NAMES)
        self._topics = [rule.topic.split("/") for rule in config.map]
        self._each = [expression.compiled(rule.each, NAMES) if rule.each else None for rule in config.map]
        self._settings = config.map
        self.of = lru_cache(maxsize=10_000)(self._of)

    def _of(self, topic: str) -> list[Ready]:
        levels = topic.split("/")
        return [ready for ready, wanted in zip(self._mapper.rules, self._topics, strict=True) if fits(wanted, levels)]

    def taken(self, data: bytes, context: Context, memory: Memory) -> Iterator[Taken]:
        """The facts and rejections of a message."""
        rules = self.of(context.topic)
        if not rules:
            yield Rejection(data, f"no rule is for the topic `{context.topic}`")
            return
        for ready in rules:
            yield from self._by_rule(ready, data, context, memory)

    def _by_rule(self, ready: Ready, data: bytes, context: Context, memory: Memory) -> Iterator[Taken]:
        settings = self._settings[ready.number]
        levels = context.topic.split("/")
        given: dict[str, Any] = {"topic": levels, "received": context.received, "retained": context.retained}
        each = self._each[ready.number]
        try:
            payloads = _payloads(settings, data)
            members: Sequence[dict[str, Any]] = [given | {"payload": payload} for payload in payloads]
            if each is not None:
                members = [whole | {"item": item} for whole in members for item in _listed(each(whole))]
            if len(members) > MAX_MEMBERS:
                raise ValueError(f"a message of more than {MAX_MEMBERS:,} facts")
        except ValueError as error:
            yield Rejection(data, str(error))
            return
        for number, member in enumerate(members):
            yield from self._mapper.facts(
                [ready], member, data, context.received, (context.topic, data, str(number)), memory,
                arrival=str(context.packet), kept=context.retained, item=context.topic,
            )  # fmt: skip


def _payloads(rule: TopicRule, data: bytes) -> list[Any]:
    if rule.format == "json":
        try:
            return [_json.decode(data)]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"the payload is not JSON: {error}") from None
        except RecursionError:
            raise ValueError("the payload is nested too deeply") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("the payload is not UTF-8") from None
    if rule.format == "text":
        return [text]
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=rule.separator) if row]
    except csv.Error as error:
        raise ValueError(f"the payload is not CSV: {error}") from None
    if not rows:
        raise ValueError("the payload is empty")
    if not rule.columns:
        return [*rows]
    return [dict(zip(rule.columns, row, strict=False)) for row in rows]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("`each` did not find a list")
    return value


def fits(wanted: Sequence[str], levels: Sequence[str]) -> bool:
    """Whether a topic fits a filter (MQTT 5.0, 4.7)."""
    if levels[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for at, want in enumerate(wanted):
        if want == "#":
            return True
        if at >= len(levels) or (want not in ("+", levels[at])):
            return False
    return len(wanted) == len(levels)


# --------------------------------------------------------------------------- listening


async def probe(config: Config, sink: Sink) -> str:
    """Connect and say what is there."""
    client = await broker.connected(config, sink, keep_session=False)
    try:
        await client.subscribe(sorted({rule.topic for rule in config.map}))
    finally:
        await client.close()
    return f"connected, MQTT {'5' if client.version == 5 else '3.1.1'}; {len({r.topic for r in config.map})} topics subscribed"


async def listen(config: Config, sink: Sink) -> None:
    """Take messages in until cancelled or the broker is lost."""
    rules = Rules(config, sink.name)
    memory = Memory(msgspec.json.decode(sink.remembered() or b"{}"))
    client = await broker.connected(config, sink, keep_session=True)
    try:
        await client.subscribe(sorted({rule.topic for rule in config.map}))
        await sink.connected(resumed=client.session_present)
        again = _Again(sink) if client.session_present else None
        while True:
            messages = await client.messages()
            now = sink.now()
            items: list[Taken] = []
            for message in messages:
                received = now
                if message.dup and again is not None:
                    received = again.first_received(rules, message, now)
                packet = message.id if message.qos else 0
                context = Context(message.topic, received, message.retain, packet)
                memory.asked = {}
                if message.size > len(message.payload):
                    found: list[Taken] = [Rejection(message.payload, f"{message.size:,} bytes long; bytes_max is {config.bytes_max:,}")]  # fmt: skip
                else:
                    found = list(rules.taken(message.payload, context, memory))
                items += found
                if sink.watched:
                    before = msgspec.structs.replace(context, before=memory.asked)
                    sink.show(Message(message.payload, None, msgspec.json.encode(before).decode()), found)
            await sink.take_all(items)
            sink.alive(sink.name)
            if memory.changed:
                sink.remember(msgspec.json.encode(memory.values))
                memory.changed = False
            if not sink.only_watching:
                client.acknowledge(messages)
    finally:
        await client.close()


class _Again:
    """Finds what was recorded of a message that the broker delivers again, for it says no time itself.

    The lower bits of a fact's id are those of its message; of the facts recorded last, the one
    that has them came from this message, and its time is when the message first arrived.
    """

    def __init__(self, sink: Sink) -> None:
        self._times = {fact.id.int & _LOWER: fact.event_time for fact in sink.recent()}

    def first_received(self, rules: Rules, message: Any, now: dt.datetime) -> dt.datetime:
        context = Context(message.topic, now, message.retain, message.id)
        for item in rules.taken(message.payload, context, Memory()):
            if not isinstance(item, Rejection) and item.id.int & _LOWER in self._times:
                return self._times[item.id.int & _LOWER]
        return now


_LOWER = (1 << 62) - 1
