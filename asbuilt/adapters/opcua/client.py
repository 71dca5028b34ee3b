"""An OPC UA client's side: nodes found, changes and history as plain data, machines and jobs by type.

The client library is imported where it is used: it is an extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import enum
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from asbuilt import events
from asbuilt.adapters import Sink, Taken
from asbuilt.adapters.opcua.settings import Config
from asbuilt.connect.mapping import EARLIEST_YEAR, Memory
from asbuilt.errors import AsBuiltError, UsageError

HELD: Final = 20_000
"""So many changes wait to be recorded."""
QUEUE: Final = 100_000
MAX_DEPTH: Final = 12
MAX_MEMBERS: Final = 10_000
OVERFLOW: Final = 0x480
"""The bits of a status that say that the server's queue ran over (OPC UA Part 4, 7.39)."""
ANSWER_S: Final = 10.0
GOODBYE_S: Final = 2.0
HEARTBEAT: Final = "heartbeat"
_CLOCK: Final = "i=2258"
STATES: Final[Mapping[str, str]] = {"Executing": "Execute", "NotExecuting": "Idle", "OutOfService": "Stopped"}
"""MachineryItemState (OPC 40001-1, 8.2) → PackML state; NotAvailable is no data."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value of a node. `part` is set for what machines say by type: "state" or "jobs"."""

    node: str
    value: Any = None
    time: dt.datetime | None = None
    server_time: dt.datetime | None = None
    status: int = 0
    part: str = ""
    overflow: bool = False


class Nodes(NamedTuple):
    """The nodes to follow: by node id, what each is called and which part of a machine it is."""

    by_id: dict[Any, list[tuple[str, str]]]
    nodes: list[Any]


def library() -> Any:
    """The client library. Raises `UsageError` where it is not installed."""
    try:
        import asyncua
    except ImportError:
        raise UsageError(
            "OPC UA needs its client library", remedy="Install it: pip install 'asbuilt[opcua]'."
        ) from None
    # Its own words about lost connections are long; what matters is recorded.
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    return asyncua


# --------------------------------------------------------------------------- values


def plain(value: Any, depth: int = 0) -> Any:
    """A value as numbers, texts, instants, lists and members by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.name if isinstance(value, enum.Enum) else value
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if depth > MAX_DEPTH:
        raise ValueError(f"a value nested more than {MAX_DEPTH} deep")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(member, depth + 1) for member in value[:MAX_MEMBERS]]
    kind = type(value).__name__
    if kind == "LocalizedText":
        return value.Text
    if kind == "QualifiedName":
        return value.Name
    if kind == "Variant":
        return plain(value.Value, depth + 1)
    if dataclasses.is_dataclass(value) and kind != "NodeId":
        return {each.name: plain(getattr(value, each.name), depth + 1) for each in dataclasses.fields(value)}
    return str(value)


def _change(name: str, part: str, data: Any) -> Change:
    status = int(getattr(data.StatusCode, "value", 0)) if data.StatusCode is not None else 0
    try:
        value = plain(data.Value) if data.Value is not None else None
    except ValueError:
        value = None
    return Change(
        name, value, plain(data.SourceTimestamp), plain(data.ServerTimestamp), status, part,
        overflow=status & OVERFLOW == OVERFLOW,
    )  # fmt: skip


def change_of(event: Any, nodes: Nodes) -> Change | str | None:
    """What a notification of the library says: a change, the heartbeat, or nothing."""
    data = getattr(event, "data", None)
    if data is None or getattr(event, "node", None) is None:
        return None
    named = nodes.by_id.get(event.node.nodeid)
    if not named:
        return HEARTBEAT
    name, part = named[0]
    return _change(name, part, data.monitored_item.Value)


# --------------------------------------------------------------------------- connecting


async def connected(config: Config, sink: Sink) -> Any:
    """A client with a session. Raises `AsBuiltError` in words."""
    asyncua = library()
    client = asyncua.Client(config.address, timeout=ANSWER_S, auto_reconnect=False)
    client.name = client.description = sink.identity
    if config.user is not None:
        client.set_user(config.user)
        if config.password is not None:
            client.set_password(sink.secret(config.password))
    try:
        if config.security != "None":
            await _secured(client, config)
        await client.connect()
    except AsBuiltError:
        raise
    except Exception as error:
        await disconnected(client)
        words = str(error) or type(error).__name__
        raise AsBuiltError(
            f"cannot connect: {words[:300]}", where=config.address, remedy="Check address, security and user."
        ) from None
    return client


async def disconnected(client: Any, *, silent: bool = False) -> None:
    """Let go of a client, whatever state it is in; a `silent` server is not asked to say goodbye."""
    if silent:
        with contextlib.suppress(Exception):
            client.disconnect_socket()
    try:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.disconnect(), GOODBYE_S)
    finally:
        with contextlib.suppress(Exception):
            client.disconnect_socket()


async def _secured(client: Any, config: Config) -> None:
    from asyncua import ua
    from asyncua.crypto import security_policies

    assert config.certificate is not None
    assert config.key is not None
    assert config.trust is not None
    policy = getattr(security_policies, f"SecurityPolicy{config.security}")
    if not Path(config.certificate).exists() and not Path(config.key).exists():
        await client.setup_self_signed_certificate(Path(config.key), Path(config.certificate))
        Path(config.key).chmod(0o600)
    endpoints = await client.connect_and_get_server_endpoints()
    mode = ua.MessageSecurityMode.SignAndEncrypt
    offered = [one for one in endpoints if one.SecurityPolicyUri == policy.URI and one.SecurityMode == mode]
    if not offered:
        policies = ", ".join(sorted({one.SecurityPolicyUri.rpartition("#")[2] for one in endpoints}))
        raise AsBuiltError(
            f"the server does not offer {config.security}", where=config.address, remedy=f"It offers: {policies}."
        )
    certificate = bytes(offered[0].ServerCertificate)
    _trusted(certificate, Path(config.trust), config.address)
    await client.set_security(policy, config.certificate, config.key, server_certificate=certificate, mode=mode)


def _trusted(certificate: bytes, folder: Path, where: str) -> None:
    """Whether the server's certificate lies in the folder. Raises `AsBuiltError` and keeps it where it does not."""
    import ssl

    mark = hashlib.sha256(certificate).hexdigest()
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError):
            data = file.read_bytes()
            if data.startswith(b"-----BEGIN"):
                data = ssl.PEM_cert_to_DER_cert(data.decode())
            if hashlib.sha256(data).hexdigest() == mark:
                return
    kept = folder / "rejected" / f"{mark[:16]}.der"
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(certificate)
    raise AsBuiltError(
        f"the server's certificate (SHA-256 {mark[:16]}…) is not trusted", where=where,
        remedy=f"If it is the right one, move {kept} to {folder}.",
    )  # fmt: skip


# --------------------------------------------------------------------------- finding and following


async def found(client: Any, names: Sequence[str], machines: Sequence[str]) -> Nodes:
    """The nodes of rules and machines. Raises `AsBuiltError` naming one that is not there."""
    by_id: dict[Any, list[tuple[str, str]]] = {}
    nodes = []

    def follow(node: Any, name: str, part: str) -> None:
        if node.nodeid not in by_id:
            by_id[node.nodeid] = []
            nodes.append(node)
        if (name, part) not in by_id[node.nodeid]:
            by_id[node.nodeid].append((name, part))

    for name in names:
        node = await _by_name(client, name)
        if node is None:
            raise AsBuiltError(
                f"the server has no node `{name}`", remedy="Look with a browser of OPC UA, or `asbuilt connect test`."
            )
        follow(node, name, "")
    for name in machines:
        machine = await _by_name(client, name)
        if machine is None:
            raise AsBuiltError(
                f"the server has no machine `{name}`", remedy="`asbuilt connect test` names its objects."
            )
        for part, paths in _PARTS.items():
            for path in paths:
                node = await _walk(machine, path)
                if node is not None:
                    follow(node, name, part)
                    break
    if any([await _has_own_type(node) for node in nodes]):
        # Structures of the server's own types are read by their definitions; that takes seconds.
        with contextlib.suppress(Exception):
            await client.load_data_type_definitions()
    return Nodes(by_id, nodes)


async def _has_own_type(node: Any) -> bool:
    with contextlib.suppress(Exception):
        return bool((await node.read_data_type()).NamespaceIndex)
    return False


_PARTS: Final = {
    "state": (
        ["MachineryBuildingBlocks", "MachineryItemState", "CurrentState"],
        ["MachineryItemState", "CurrentState"],
    ),
    "jobs": (
        ["MachineryBuildingBlocks", "JobManagement", "JobOrderResults", "JobOrderResponseList"],
        ["JobManagement", "JobOrderResults", "JobOrderResponseList"],
    ),
}


async def _by_name(client: Any, name: str) -> Any:
    if name.startswith("/"):
        return await _walk(client.nodes.objects, [part for part in name.split("/") if part])
    if name.startswith("nsu="):
        uri, _, rest = name.removeprefix("nsu=").partition(";")
        try:
            name = f"ns={await client.get_namespace_index(uri)};{rest}"
        except ValueError:
            return None
    try:
        node = client.get_node(name)
        await node.read_node_class()
    except Exception:
        return None
    return node


async def _walk(start: Any, path: Sequence[str]) -> Any:
    node = start
    for step in path:
        space, colon, bare = step.partition(":")
        wanted = bare if colon and space.isdigit() else step
        for child in await node.get_children():
            name = await child.read_browse_name()
            if name.Name == wanted and (wanted == step or name.NamespaceIndex == int(space)):
                node = child
                break
        else:
            return None
    return node


async def subscribed(client: Any, nodes: Nodes, every_s: float, queue: int) -> Any:
    """A subscription to all nodes and to the server's clock, to be iterated over."""
    from asyncua.common.subscription import OverflowPolicy

    subscription = await client.create_subscription(
        every_s * 1000, queue_maxsize=QUEUE, overflow=OverflowPolicy.DISCONNECT
    )
    clock = client.get_node(_CLOCK)
    await subscription.subscribe_data_change(clock, queuesize=1, sampling_interval=500.0)
    for at in range(0, len(nodes.nodes), 500):
        # 0 is every change, as fast as the server can tell it: sampled, a short pulse would never have been.
        await subscription.subscribe_data_change(nodes.nodes[at : at + 500], queuesize=queue, sampling_interval=0.0)
    return subscription


async def history(nodes: Nodes, start: dt.datetime, end: dt.datetime) -> tuple[list[Change], list[str]]:
    """Values between two moments, and the nodes of which the server keeps none."""
    changes: list[Change] = []
    without = []
    begin, until = (moment.astimezone(dt.UTC).replace(tzinfo=None) for moment in (start, end))
    for node in nodes.nodes:
        (name, part), *_ = nodes.by_id[node.nodeid]
        try:
            values = await node.read_raw_history(begin, until, return_bounds=False)
        except Exception:
            without.append(name)
            continue
        changes += [_change(name, part, value) for value in values]
    return changes, without


# --------------------------------------------------------------------------- machines


class Machines:
    """What machines say by type: their state and the jobs they ended."""

    def __init__(self, source: str, stations: Mapping[str, str], states: Mapping[str, str]) -> None:
        self._source = source
        self._stations = stations
        self._states = {**STATES, **states}

    def heard(self, memory: Memory) -> list[str]:
        """The machines that said a state last."""
        return [_short(name) for name in self._stations if memory.values.get(f"machine|{name}")]

    def facts(self, change: Change, memory: Memory) -> Iterator[Taken]:
        """The facts of a change. Raises `ValueError` in words."""
        station = self._stations.get(change.node)
        if station is None or not change.part:
            return
        if change.part == "state":
            yield from self._state(change, station, memory)
        elif isinstance(change.value, list):
            for job in change.value:
                yield from self._job(change, station, job)

    def _state(self, change: Change, station: str, memory: Memory) -> Iterator[Taken]:
        key, word = f"machine|{change.node}", str(change.value or "").replace(" ", "")
        before = memory.get(key)
        gone = bool(change.status & 0x80000000) or word in ("NotAvailable", "")
        told = "" if gone else self._states.get(word)
        if told is None:
            raise ValueError(f"MachineryItemState says `{word[:60]}`; name the state in the plant file's `states`")
        memory.put(key, told)
        if told == before:
            return
        part = f"{self._source}:{_short(change.node)}"
        if gone:
            if before:
                yield self._fact(events.SourceLost, change, "lost", adapter=part, reason="the machine is not available")
            return
        if not before:
            yield self._fact(events.SourceConnected, change, "connected", adapter=part)
        yield self._fact(events.StateChanged, change, "state", station=station, state=told)

    def _job(self, change: Change, station: str, job: Any) -> Iterator[Taken]:
        """A job response of ISA-95 (OPC 10031-4): an operation of its order, once it has an end."""
        if not isinstance(job, dict):
            raise ValueError("a job response that is no structure; its type is not known")
        order, ended = job.get("JobOrderID"), job.get("EndTime")
        if not order or not isinstance(ended, dt.datetime | str):
            return
        ended, started = _instant(ended), _instant(job.get("StartTime"))
        if ended is None:
            return
        fact_id = events.derived_id(ended, self._source, change.node, str(order), str(job.get("JobResponseID") or ""))
        fields = {"station": station, "operation": "job", "order": str(order)}
        if started is not None and started <= ended:
            fields["start_time"] = started  # type: ignore[assignment]
        yield _checked(
            events.OperationCompleted, {"id": fact_id, "event_time": ended, "source": self._source, **fields}
        )

    def _fact(self, kind: type[events.Event], change: Change, what: str, **fields: Any) -> events.Event:
        moment = change.time or change.server_time
        if moment is None or moment.year < EARLIEST_YEAR:
            raise ValueError("a state without a time")
        fact_id = events.derived_id(moment, self._source, change.node, what, str(change.value), str(change.status))
        return _checked(kind, {"id": fact_id, "event_time": moment, "source": self._source, **fields})


def _checked(kind: type[events.Event], fields: dict[str, Any]) -> events.Event:
    try:
        return events.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ValueError(events.in_words(str(error))) from None


def _instant(value: Any) -> dt.datetime | None:
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime) or value.year < EARLIEST_YEAR:
        return None
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)


def _short(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2] or name
