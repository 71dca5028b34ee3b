"""OPC UA servers: nodes by id or by path, machines and their jobs by type.

    [adapter.cell]
    kind = "opcua"
    address = "opc.tcp://cell.works:4840"
    security = "Basic256Sha256"
    certificate = "/etc/asbuilt/opcua.der"
    key = "/etc/asbuilt/opcua.pem"
    trust = "/etc/asbuilt/opcua-trust"
    stations = { "/Machines/Mill 1" = "works/main/shop/1/10" }

    [[adapter.cell.map]]
    node = "ns=2;s=Oil.Temp"
    fact = "measured"
    constants = { station = "works/main/shop/1/10", characteristic = "oil temp", uom = "°C" }
    [adapter.cell.map.fields]
    value = "round(value, 1)"

It needs the client library: `pip install 'asbuilt[opcua]'`. In five minutes: write the address and run
`asbuilt connect test plant.toml cell`, which names what the server's objects folder holds; then give a machine its station,
or write a rule for a node, and look with `asbuilt connect watch`.

**Nodes.** `node` is a node id (`ns=2;s=…`, `nsu=http://…;i=…`) or a path of browse names from the objects folder
(`/Press/State`, with `2:` where a name is in several namespaces). Expressions know `value` (structures and lists by name and
place), `time` (the source's), `server_time`, `status`, `node`, `received`. Values of bad status are left out unless the rule's `when` looks at
`status`. `each = "value"` makes one fact per member of a list, as `item`.

**Machines.** A machine in `stations` tells its state by its MachineryItemState (OPC 40001-1): Executing, NotExecuting, OutOfService become
Execute, Idle, Stopped; when it is NotAvailable, its station (`source = "cell:Mill 1"`) shows "no data". `states = { OutOfService = "Held" }` says
otherwise. Jobs that ended (JobOrderResults of OPC 40001-3, ISA-95 job responses) become completed operations of their order.

**Security.** `security` is "None", "Basic256Sha256", "Aes128Sha256RsaOaep" or "Aes256Sha256RsaPss", signed and encrypted. A server is
trusted when its certificate lies in the folder `trust`; one that is not is kept in `trust/rejected`, to be looked at and moved. Where `certificate`
and `key` name no files yet, a pair is made. `user = "…"`, `password = "file:…"`.

**What is promised.** The server's clock is subscribed to as a heartbeat. When nothing comes for `silent_s` (3.5 s), though the connection may look
alive, a new client is built. What was missed is read from the server's history where it keeps one; what cannot be is recorded as a gap.
`every_s` (0.2 s) is the publishing interval, `queue` (1,000) how many values the server keeps per node; when it ran over, that is a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Sink, Taken, Translate
from asbuilt.adapters.opcua import client as opcua
from asbuilt.adapters.opcua.client import Change, plain
from asbuilt.adapters.opcua.settings import POLICIES, Config
from asbuilt.connect import expression, mapping
from asbuilt.connect.mapping import Mapper, Memory
from asbuilt.errors import AsBuiltError

KIND = "opcua"
PATHS = ("certificate", "key", "trust")
NAMES = frozenset(("value", "item", "time", "server_time", "status", "node", "received"))
BAD = 0x80000000


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    if not config.address.startswith("opc.tcp://"):
        yield Problem(("address",), f"`{config.address}` is not an OPC UA address", 'Use "opc.tcp://host:4840".')
    if config.security not in POLICIES:
        yield Problem(("security",), f"there is no policy `{config.security}`", f"Use one of: {', '.join(POLICIES)}.")
    elif config.security != "None" and None in (config.certificate, config.key, config.trust):
        yield Problem(("security",), "security needs certificate, key and trust", "Name two files and a folder.")
    if config.password is not None and config.password.partition(":")[0] not in ("env", "file"):
        yield Problem(("password",), "a secret does not belong into the plant file", 'Write password = "file:…".')
    if not config.stations and not config.map:
        yield Problem((), "no node would become a fact", "Add stations = {…} or an [[adapter.NAME.map]].")
    if config.map:
        yield from mapping.problems(config.map, NAMES)
    for word, state in config.states.items():
        if state not in get_args(events.State):
            yield Problem(("states", word), f"`{state}` is not a state", "Use a PackML state, such as Held.")
    if not 0.01 <= config.every_s <= 60 or not 1 <= config.silent_s <= 600 or not 1 <= config.queue <= 100_000:
        yield Problem(("every_s",), "every_s is 0.01 to 60, silent_s 1 to 600, queue 1 to 100,000", "Leave them out.")
    for rule in config.map:
        if rule.each is not None:
            try:
                expression.compiled(rule.each, NAMES)
            except ValueError as error:
                yield Problem(("map", "each"), str(error), 'Name the list: each = "value".')


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a change depends on besides itself."""

    received: dt.datetime | None = None
    before: dict[str, Any] = {}


_contexts = msgspec.json.Decoder(Context)
_changes = msgspec.json.Decoder(Change)


def translator(config: Config, name: str) -> Translate:
    """A pure function from a change of a node, as JSON, to facts."""
    rules = Changes(config, name)

    def translate(message: Message) -> Iterator[Taken]:
        try:
            context = _contexts.decode(message.context) if message.context else Context()
            change = _changes.decode(message.data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            yield Rejection(message.data, f"not a change of a node: {error}")
            return
        yield from rules.taken(change, message.data, context.received, Memory(context.before))

    return translate


class Changes:
    """What changes of nodes become."""

    def __init__(self, config: Config, name: str) -> None:
        self._mapper = Mapper(name, config.map, NAMES)
        self._machines = opcua.Machines(name, config.stations, config.states)
        self._each = [expression.compiled(rule.each, NAMES) if rule.each else None for rule in config.map]
        self._sees_status = ["status" in (rule.when or "") for rule in config.map]
        self.of: dict[str, list[Any]] = {}
        for rule, ready in zip(config.map, self._mapper.rules, strict=True):
            self.of.setdefault(rule.node, []).append(ready)

    def taken(self, change: Change, raw: bytes, received: dt.datetime | None, memory: Memory) -> Iterator[Taken]:
        """The facts and rejections of a change."""
        try:
            yield from self._machines.facts(change, memory)
        except (ValueError, ArithmeticError) as error:
            yield Rejection(raw, f"{change.node}: {error}")
        if change.part:
            return
        given = {
            "value": change.value, "time": change.time, "server_time": change.server_time, "status": change.status,
            "node": change.node, "received": received,
        }  # fmt: skip
        moment = change.time or change.server_time or received
        for ready in self.of.get(change.node, ()):
            if change.status & BAD and not self._sees_status[ready.number]:
                continue
            if change.value is None:
                continue
            each = self._each[ready.number]
            members: Sequence[dict[str, Any]] = [given]
            if each is not None:
                items = each(given)
                members = [given | {"item": item} for item in items] if isinstance(items, list) else []
            for number, member in enumerate(members):
                parts = (change.node, repr(change.value)[:10_000], str(number))
                yield from self._mapper.facts([ready], member, raw, moment, parts, memory, item=change.node)


# --------------------------------------------------------------------------- listening


async def probe(config: Config, sink: Sink) -> str:
    """Connect and name what the objects folder holds."""
    client = await opcua.connected(config, sink)
    try:
        names = [(await node.read_browse_name()).Name for node in await client.nodes.objects.get_children()]
    finally:
        await opcua.disconnected(client)
    return f"connected; objects: {', '.join(names[:50])}"


class _Note(msgspec.Struct):
    """When a value was taken last, and what was remembered then."""

    heard: dt.datetime | None = None
    values: dict[str, Any] = {}


async def listen(config: Config, sink: Sink) -> None:
    """Subscribe, and take changes until cancelled or the server is silent."""
    session = _Session(config, sink)
    client = await opcua.connected(config, sink)
    try:
        await session.run(client)
    except AsBuiltError as error:
        # Said before the client is let go: a silent server does not answer a goodbye either.
        await sink.lost(error.message)
        await opcua.disconnected(client, silent=True)
        raise
    finally:
        await opcua.disconnected(client)


class _Session:
    """One connection at work."""

    def __init__(self, config: Config, sink: Sink) -> None:
        self._config, self._sink = config, sink
        self._changes = Changes(config, sink.name)
        self._note = msgspec.json.decode(sink.remembered() or b"{}", type=_Note)
        self._memory = Memory(self._note.values)
        self._waiting: list[Change] = []
        self._arrived, self._taken = asyncio.Event(), asyncio.Event()

    async def run(self, client: Any) -> None:
        """Find the nodes, read what was missed, and follow."""
        nodes = await opcua.found(client, [rule.node for rule in self._config.map], list(self._config.stations))
        await self._catch_up(nodes)
        subscription = await opcua.subscribed(client, nodes, self._config.every_s, self._config.queue)
        reader = asyncio.create_task(self._read(subscription, nodes))
        try:
            while not self._waiting:
                await self._wait(reader)
            while True:
                await self._take()
                await self._wait(reader)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reader

    async def _wait(self, reader: asyncio.Task[None]) -> None:
        """Until something arrives. Raises where the server is silent."""
        if self._waiting:
            return
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), self._config.silent_s)
        except TimeoutError:
            raise AsBuiltError(
                f"no sign of life for {self._config.silent_s:g} s, though the connection may look alive",
                where=self._config.address, remedy="Look at the server; a new client is built.",
            ) from None  # fmt: skip
        if reader.done() and not self._waiting:
            await reader

    async def _read(self, subscription: Any, nodes: opcua.Nodes) -> None:
        async for event in subscription:
            if isinstance(change := opcua.change_of(event, nodes), Change):
                self._waiting.append(change)
                self._arrived.set()
                while len(self._waiting) >= opcua.HELD:
                    self._taken.clear()
                    await self._taken.wait()
            elif change is opcua.HEARTBEAT:
                self._sink.alive(self._sink.name)
                self._arrived.set()

    async def _take(self) -> None:
        changes, self._waiting = self._waiting, []
        self._taken.set()
        if not changes:
            return
        items: list[Taken] = []
        now = self._sink.now()
        for change in changes:
            raw = msgspec.json.encode(change, enc_hook=plain) if self._sink.watched else b""
            self._memory.asked = {}
            try:
                found = list(self._changes.taken(change, raw, now, self._memory))
            except RecursionError:
                found = [Rejection(b"", f"{change.node}: nested too deeply")]
            if not raw:
                # The bytes are only needed as evidence; most changes are facts.
                found = [_with_evidence(item, change) for item in found]
            items += found
            if self._sink.watched:
                context = msgspec.json.encode(Context(now, self._memory.asked)).decode()
                self._sink.show(Message(raw, None, context), found)
            if change.overflow:
                await self._sink.gap(self._note.heard or now, now, f"the server's queue of {change.node} ran over")
        await self._record(items)
        self._note.heard, self._note.values = now, self._memory.values
        self._sink.remember(msgspec.json.encode(self._note))

    async def _record(self, items: list[Taken]) -> None:
        about = [item for item in items if isinstance(item, events.SourceLost | events.SourceConnected)]
        await self._sink.take_all([item for item in items if item not in about] if about else items)
        self._sink.alive(self._sink.name)
        for item in about:
            assert isinstance(item, events.SourceLost | events.SourceConnected)
            part = item.adapter.partition(":")[2]
            if isinstance(item, events.SourceLost):
                await self._sink.lost(item.reason or "", part, item.event_time)
            else:
                await self._sink.connected(part, resumed=True, at=item.event_time)

    async def _catch_up(self, nodes: opcua.Nodes) -> None:
        """Read what was missed from the server's history; what it does not keep is a gap."""
        note, now = self._note, self._sink.now()
        await self._sink.connected(resumed=True)
        for part in self._changes._machines.heard(self._memory):
            await self._sink.connected(part, resumed=True)
        if note.heard is None:
            return
        missed, without = await opcua.history(nodes, note.heard, now)
        self._waiting = sorted(missed, key=lambda change: change.time or note.heard or now)
        await self._take()
        if without:
            rules = [ready for name in without for ready in self._changes.of.get(name, ())]
            mapping.recollect(self._memory, self._sink.recent(), rules)
            shown = ", ".join(without[:5]) + ("…" if len(without) > 5 else "")
            await self._sink.gap(note.heard, now, f"the server keeps no history of {shown}")
            note.heard = now


def _with_evidence(item: Taken, change: Change) -> Taken:
    if isinstance(item, Rejection):
        return item._replace(message=msgspec.json.encode(change, enc_hook=plain))
    return item
