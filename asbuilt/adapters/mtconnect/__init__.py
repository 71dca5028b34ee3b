"""Machine tools by MTConnect: an agent, 1.3 to 2.x, or the SHDR recordings of its adapters.

    [adapter.machines]
    kind = "mtconnect"
    address = "http://agent.works:5000"
    stations = { Mazak01 = "works/main/shop/1/10", Hurco02 = "works/main/shop/1/20" }

In five minutes: write the address, run `asbuilt connect test plant.toml machines` to see the devices, give each one that matters its
station. Nothing else is needed: Execution, EmergencyStop and FunctionalMode become the station's states, PartCount its
pieces, Conditions its alarms, overrides measured values; a running program is named with its state. A station with
`source = "machines:Mazak01"` shows "no data" while just this machine is unavailable.

**More than that.** A rule makes facts of other observations; `observed` is a pattern (with `*`) for the type, the name or the id of a data item:

    [[adapter.machines.map]]
    observed = "Sload"
    fact = "measured"
    constants = { station = "works/main/shop/1/10", characteristic = "spindle load", uom = "%" }
    [adapter.machines.map.fields]
    value = "number(value)"

Expressions know `device`, `type`, `subtype`, `name`, `id`, `value`, `entries` (of data sets and tables), `time`, `sequence`. Observations that
are UNAVAILABLE reach no rule. `states = { STOPPED = "Idle" }` says another PackML state for a word of Execution. With several
paths the machine executes while one of them does, and each PartCount counts for itself. A part count that jumps or goes back
is held until the next tells whether it was a glitch, which is recorded as a deviation; `step_max = 50` says how many pieces
from one reading to the next can be (1,000, or ten a second, where nothing is said).

**What is promised.** The agent's instance and sequence are noted with what was made of them; after a break, asbuilt reads on where it was. Where
the agent was restarted or its buffer ran over, the gap is recorded. `every_s` (1 s) is the pause between questions, `count` (5,000) how many
observations are asked for at once; an agent that does not answer in 3.5 s is lost.

**Recordings.** `asbuilt import plant.toml machines day.shdr.txt` reads lines of `time|name|value`, resolved by the device model in
`devices = "Devices.xml"`; where names occur in several devices, `device = "Mazak01"` says which. XML files that an agent gave are read as well.

**Settings.** `bytes_max = 67108864` bounds a document. https addresses are checked against the system's authorities.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Sink, Taken, Translate
from asbuilt.adapters.mtconnect import documents, pieces
from asbuilt.adapters.mtconnect.agent import Agent
from asbuilt.adapters.mtconnect.default_mapping import Machine
from asbuilt.adapters.mtconnect.documents import UNAVAILABLE, Item, Observation, Streams
from asbuilt.connect import mapping
from asbuilt.connect.mapping import Mapper, Memory, Rule
from asbuilt.errors import AsBuiltError, UsageError

KIND = "mtconnect"
PATHS = ("devices",)
PIECES = True
AGAIN_S = 0.2
MAX_LINE = 256 * 1024
NAMES = frozenset(("device", "type", "subtype", "name", "id", "value", "entries", "time", "sequence"))


class ObservedRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for the observations of some data items."""

    observed: str


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of an agent and its machines."""

    address: str | None = None
    stations: dict[str, str] = {}
    states: dict[str, str] = {}
    device: str | None = None
    devices: str | None = None
    step_max: int | None = None
    every_s: float = 1.0
    count: int = 5_000
    bytes_max: int = 64 * 1024 * 1024
    map: tuple[ObservedRule, ...] = ()


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    if not config.stations and not config.map:
        yield Problem(("stations",), "no machine has a station", 'Add stations = { Device = "works/…/10" }.')
    if config.address is not None and urlsplit(config.address).scheme not in ("http", "https"):
        yield Problem(("address",), f"`{config.address}` is not an address", 'Use "http://agent:5000".')
    known = set(get_args(events.State))
    for word, state in config.states.items():
        if state not in known:
            yield Problem(("states", word), f"`{state}` is not a state", f"Use one of: {', '.join(sorted(known))}.")
    if not 0 < config.every_s <= 3600 or not 1 <= config.count <= 100_000:
        yield Problem(("every_s",), "every_s is up to 3,600 seconds, count up to 100,000", "Leave them out.")
    if config.map:
        yield from mapping.problems(config.map, NAMES)


def verify(config: Config) -> Iterator[Problem]:
    """What the device model says against the settings."""
    if config.devices is not None:
        try:
            known = sorted({item.device for item in _items(config).values()})
        except UsageError as error:
            yield Problem(("devices",), error.message, error.remedy)
            return
        for device in config.stations:
            if device not in known:
                yield Problem(("stations", device), f"the device model has no device `{device}`", f"It has: {', '.join(known)}.")  # fmt: skip


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a document or a line depends on besides its bytes; `items` are the data items of a line by name."""

    items: dict[str, Item] | None = None
    before: dict[str, Any] = {}


_contexts = msgspec.json.Decoder(Context)


def translator(config: Config, name: str) -> Translate:
    """A pure function from a document, or a line of a recording, to facts."""
    made = Observed(config, name)

    def translate(message: Message) -> Iterator[Taken]:
        try:
            context = _contexts.decode(message.context) if message.context else Context()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            context = Context()
        memory = Memory(context.before)
        try:
            if context.items is not None:
                seen = list(documents.shdr(_line(message.data), context.items))
            else:
                seen = _document(message.data).observations
        except ValueError as error:
            yield Rejection(message.data, str(error), message.line)
            return
        for observation in seen:
            for item in made.taken(observation, memory, message.data):
                yield item._replace(line=message.line) if isinstance(item, Rejection) else item

    return translate


def _document(data: bytes) -> Streams:
    found = documents.streams(data)
    if found.kind not in ("MTConnectStreams", "MTConnectError"):
        raise ValueError("the document is not one of MTConnectStreams")
    return found


def _line(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None


class Observed:
    """What the observations of an adapter become: by default, and by its rules."""

    def __init__(self, config: Config, name: str) -> None:
        self._machine = Machine(name, config.stations, config.states, config.step_max)
        self._mapper = Mapper(name, config.map, NAMES)
        self._patterns = [_pattern(rule.observed) for rule in config.map]

    def taken(self, seen: Observation, memory: Memory, raw: bytes) -> Iterator[Taken]:
        """The facts and rejections of an observation; `raw` is what it came in."""
        try:
            yield from self._machine.facts(seen, memory)
        except (ValueError, ArithmeticError) as error:
            yield Rejection(_evidence(seen, raw), f"{seen.device} {seen.name or seen.item}: {error}")
        if not self._patterns or seen.value == UNAVAILABLE:
            return
        words = (seen.type, seen.name, seen.item)
        for ready, pattern in zip(self._mapper.rules, self._patterns, strict=True):
            if not any(pattern.fullmatch(word) for word in words):
                continue
            try:
                time = documents.instant(seen.time)
            except ValueError as error:
                yield Rejection(_evidence(seen, raw), str(error))
                return
            given = {
                "device": seen.device, "type": seen.type, "subtype": seen.subtype, "name": seen.name, "id": seen.item,
                "value": seen.value, "entries": seen.entries, "time": time, "sequence": seen.sequence,
            }  # fmt: skip
            parts = (seen.device, seen.item, seen.time, seen.value)
            yield from self._mapper.facts(
                [ready], given, _evidence(seen, raw), time, parts, memory, item=f"{seen.device}/{seen.item}"
            )


def _evidence(seen: Observation, raw: bytes) -> bytes:
    """Of a document, the text of the observation where it can be found; a line as it is."""
    if len(raw) < 4_000:
        return raw
    value = seen.value.encode()
    return value if value and value in raw else raw[:4_000]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


# --------------------------------------------------------------------------- recordings


def count_lines(path: Path) -> int:
    """About how many lines a file has, for a progress bar."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def read(path: Path, config: Config, memory: Memory | None = None) -> Iterator[Message]:
    """The lines of an SHDR recording, resolved by the device model; or an agent's XML, as one message.

    What later lines depend on (states, counters) is carried along in their context, and to the next piece of a
    recording in `memory`. A piece that is read again begins as it began; one that overlaps others, with nothing.
    """
    try:
        with path.open("rb") as file:
            head = file.read(200)
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
                yield Message(head + file.read(config.bytes_max), None)
                return
            file.seek(0)
            yield from _lines(file, config, Memory() if memory is None else memory)
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(path), remedy="Check the name.") from None


def _lines(file: Any, config: Config, carried: Memory) -> Iterator[Message]:
    items = _items(config)
    made, memory = Observed(config, "recording"), Memory()
    inside = False
    until = ""
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
        data = line.rstrip(b"\r\n")
        if b"--multiline--" in data:
            inside = not inside
        # Assets are documents of their own, between marks.
        if not data or inside or b"--multiline--" in data or b"|@" in data:
            continue
        text = data.decode("utf-8", "replace")
        known = {name: items[name] for name in documents.shdr_names(text) if name in items}
        if not known:
            continue
        memory.asked = {}
        try:
            for seen in documents.shdr(text, known):
                time = documents.instant(seen.time).astimezone(dt.UTC).isoformat(timespec="microseconds")
                memory = memory if until else pieces.begin(carried, time)
                until = max(until, time)
                for _ in made.taken(seen, memory, data):
                    pass
        except ValueError:
            memory.asked = {}
        yield Message(data, number, msgspec.json.encode(Context(known, memory.asked)).decode())
    pieces.end(carried, memory, until)


def _items(config: Config) -> dict[str, Item]:
    if config.devices is None:
        raise UsageError(
            "a recording names data items, and no device model says what they are",
            remedy='Add devices = "Devices.xml" to the adapter: the answer of the agent to /probe.',
        )
    try:
        found = documents.devices(Path(config.devices).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the device model cannot be read: {error}", where=config.devices, remedy="Check `devices`."
        ) from None
    wanted = [item for item in found if config.device is None or item.device == config.device]
    if not wanted:
        raise UsageError(
            f"the device model has no device `{config.device}`", where=config.devices,
            remedy=f"It has: {', '.join(sorted({item.device for item in found})) or 'none'}.",
        )  # fmt: skip
    return {name: item for item in wanted for name in (item.id, item.name) if name}


# --------------------------------------------------------------------------- listening


async def probe(config: Config, sink: Sink) -> str:
    """Ask the agent which devices it has."""
    agent = Agent(config.address, config.device, config.bytes_max)
    try:
        items = documents.devices(await asyncio.to_thread(agent.ask, "probe"))
    except ValueError as error:
        raise AsBuiltError(f"the agent's answer is not a device model: {error}", remedy="Check the address.") from None
    finally:
        agent.close()
    names = sorted({item.device for item in items})
    return f"{len(names)} devices with {len(items)} data items: {', '.join(names[:50])}"


async def listen(config: Config, sink: Sink) -> None:
    """Ask the agent for what is new, again and again, until cancelled or it does not answer."""
    agent = Agent(config.address, config.device, config.bytes_max)
    try:
        await _Reading(config, sink, agent).run()
    finally:
        agent.close()


class _Note(msgspec.Struct):
    """Where an agent's stream was left: noted together with what was remembered then."""

    instance: int = 0
    next: int = 0
    heard: dt.datetime | None = None
    values: dict[str, Any] = {}


class _Reading:
    """Reads an agent's stream on from where it was left."""

    def __init__(self, config: Config, sink: Sink, agent: Agent) -> None:
        self._config, self._sink, self._agent = config, sink, agent
        self._made = Observed(config, sink.name)
        self._note = msgspec.json.decode(sink.remembered() or b"{}", type=_Note)
        self._memory = Memory(self._note.values)
        self._reported = False

    async def run(self) -> None:
        """Read on."""
        while True:
            document, data = await self._fetch()
            if not await self._follow(document.header) or document.errors:
                # The answer is not what follows on what was read; it is asked for again from where there is something.
                await asyncio.sleep(min(self._config.every_s, AGAIN_S))
                continue
            items: list[Taken] = []
            for seen in document.observations:
                items += self._made.taken(seen, self._memory, data)
            if self._sink.watched:
                context = msgspec.json.encode(Context(None, self._memory.asked)).decode()
                self._sink.show(Message(data, None, context), items)
                self._memory.asked = {}
            await self._record(items)
            at_end = document.header.next > document.header.last or not document.observations
            self._note.next = document.header.next or self._note.next
            self._note.heard = self._sink.now()
            self._note.values = self._memory.values
            self._sink.remember(msgspec.json.encode(self._note))
            if at_end:
                await asyncio.sleep(self._config.every_s)

    async def _record(self, items: list[Taken]) -> None:
        """Record; whether machines can be heard is said by whoever watches over sources."""
        about_machines = [item for item in items if isinstance(item, events.SourceLost | events.SourceConnected)]
        await self._sink.take_all([item for item in items if item not in about_machines] if about_machines else items)
        self._sink.alive(self._sink.name)
        for item in about_machines:
            assert isinstance(item, events.SourceLost | events.SourceConnected)
            device = item.adapter.partition(":")[2]
            if isinstance(item, events.SourceLost):
                await self._sink.lost(item.reason or "", device, item.event_time)
            else:
                await self._sink.connected(device, resumed=True, at=item.event_time)
        for device in self._heard():
            self._sink.alive(f"{self._sink.name}:{device}")

    def _heard(self) -> list[str]:
        """The machines that are available, as far as they said."""
        known = ((device, self._memory.values.get(f"machine|{device}")) for device in self._config.stations)
        return [device for device, told in known if told and told.get("told") is not None]

    async def _fetch(self) -> tuple[Streams, bytes]:
        place = f"from={self._note.next}&" if self._note.next else ""
        data = await asyncio.to_thread(self._agent.ask, f"sample?{place}count={self._config.count}")
        try:
            document = await asyncio.to_thread(_document, data)
            if document.errors:
                code, words = document.errors[0]
                if code != "OUT_OF_RANGE":
                    raise AsBuiltError(f"the agent refuses: {code}: {words[:200]}", remedy="Look at the agent's log.")
                data = await asyncio.to_thread(self._agent.ask, "current")
                where = documents.streams(data).header
                return Streams(where, [], document.errors), data
        except ValueError as error:
            await self._sink.take_all([Rejection(data, str(error))])
            raise AsBuiltError("the agent's answer cannot be read", remedy="See the sources page for why.") from None
        return document, data

    async def _follow(self, header: documents.Header) -> bool:
        """Compare where the agent stands with where it was left; False where the reading begins elsewhere."""
        note, now = self._note, self._sink.now()
        same = note.instance == header.instance
        if not self._reported:
            self._reported = True
            await self._sink.connected(resumed=same and header.first <= note.next)
            for device in self._heard():
                await self._sink.connected(device, resumed=True)
        if note.instance == 0:
            note.instance, note.next = header.instance, header.first
            return True
        if same and header.first <= note.next <= header.next:
            return True
        if not same:
            reason = "the agent was restarted; what it heard before is gone"
        elif note.next < header.first:
            reason = f"the agent's buffer ran over: {header.first - note.next:,} observations are gone"
        else:
            reason = "the agent counts from an earlier place than before"
        await self._sink.gap(note.heard or now, now, reason)
        for device in self._heard():
            await self._sink.gap(note.heard or now, now, reason, device)
        note.instance, note.next = header.instance, header.first
        self._sink.remember(msgspec.json.encode(note))
        return False
