"""Cameras, doors and guard rounds: Frigate, ONVIF and Axis events over MQTT, and a webhook for the rest.

    [adapter.site]
    kind = "site"
    host = "broker.works"
    frigate = "frigate"                     # Frigate's topic prefix
    onvif = ["cameras"]                     # prefixes of ONVIF Profile M topics
    axis = ["axis"]                         # prefixes of Axis event bridges
    zones = { front_cam = "gate", "front_cam/front_yard" = "yard" }

In five minutes: name the broker and the prefix your cameras use, give each camera its zone of the plant file, and watch
`/site`. Doors and guard rounds need no broker: they post to a webhook (`webhook = "/site/events"`) with the adapter's token
(`asbuilt token site`):

    {"device": "door 3", "zone": "store", "category": "door open", "id": "17", "time": "2026-06-03T22:04:00+02:00"}
    {"round": "night", "checkpoint": "gate", "time": "2026-06-03T22:10:00+02:00"}

or come as files by an adapter of kind csv_file with `fact = "site_observed"` or `fact = "round_checked"`.

**What becomes a fact.** Reviews of Frigate (not its single detections), with their start, zones, kinds of objects and severity, when they
begin, when they change and when they end. ONVIF and Axis events whose value turns true begin something, false ends it. A camera that Frigate says is
offline, or that says itself that it sees nothing (too dark, too bright, blurred, moved, no signal), is a fact of category `blind`: what it should have
seen is not known. `zones` gives cameras ("camera", or "camera/zone") their zone; others keep the names they have.

**No personal data.** Names, faces, number plates, snapshots and their paths are never read into a fact, and of a message that cannot be taken in only the
first 16 bytes are kept. A webhook's unknown members are left out.

**Settings.** `port = 1883`, `user = "…"`, `password = "file:…"`, `tls = true`, `ca = "…"`, `certificate = "…"`, `key = "…"`, `version = "auto"`,
`client_id = "…"`, `session_s = 604800`, `bytes_max = 16777216` as for mqtt; `mqtt = false` without a broker; `open = true` lets the webhook in without a
token, for a network of your own. Messages of QoS 1 are acknowledged when they are durable.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Sink, Taken, Translate
from asbuilt.adapters.mqtt import broker
from asbuilt.adapters.site import cameras
from asbuilt.adapters.site.cameras import Sighting
from asbuilt.connect.expression import time
from asbuilt.errors import MalformedFact

KIND = "site"
PATHS = broker.PATHS
MAX_BODY = 256 * 1024
EVIDENCE = 16
_FOR_WEBHOOK = ("device", "zone", "category", "severity", "time", "start", "end", "id", "round", "checkpoint")


class Config(broker.Broker, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a site's cameras, doors and rounds."""

    mqtt: bool = True
    frigate: str | None = None
    onvif: tuple[str, ...] = ()
    axis: tuple[str, ...] = ()
    webhook: str | None = None
    open: bool = False
    zones: dict[str, str] = msgspec.field(default_factory=dict)


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    yield from broker.problems(config)
    if config.mqtt and not _topics(config):
        yield Problem((), "no topic is listened to", 'Add frigate = "frigate", onvif, axis, or mqtt = false.')
    if not config.mqtt and config.webhook is None:
        yield Problem((), "neither a broker nor a webhook", 'Add webhook = "/site/events".')
    if config.webhook is not None and not config.webhook.startswith("/site/"):
        yield Problem(("webhook",), "the path must begin with /site/", 'Use "/site/events".')
    for prefix in (*config.onvif, *config.axis, config.frigate or "x"):
        if not prefix or "#" in prefix or "+" in prefix:
            yield Problem(
                ("onvif",), f"`{prefix}` is not a topic prefix", "Leave out wildcards and slashes at the end."
            )


def _topics(config: Config) -> list[str]:
    topics = [f"{prefix}/onvif-ej/#" for prefix in config.onvif] + [f"{prefix}/#" for prefix in config.axis]
    if config.frigate is not None:
        topics += [f"{config.frigate}/{rest}" for rest in ("reviews", "available", "+/status/+")]
    return topics


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """The topic of a message (none: the webhook's), and when it came."""

    topic: str = ""
    received: dt.datetime | None = None


_contexts = msgspec.json.Decoder(Context)


def translator(config: Config, name: str) -> Translate:
    """A pure function from a message of a camera or a webhook to facts."""

    def translate(message: Message) -> Iterator[Taken]:
        evidence = message.data[:EVIDENCE]
        try:
            context = _contexts.decode(message.context) if message.context else Context()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            context = Context()
        try:
            yield from _facts(config, name, message.data, context)
        except (ValueError, ArithmeticError, AttributeError, TypeError, KeyError, RecursionError) as error:
            words = str(error) if isinstance(error, ValueError) else "the message has another form than this topic's"
            yield Rejection(evidence, f"{context.topic or 'webhook'}: {words}"[:400])

    return translate


def _facts(config: Config, name: str, data: bytes, context: Context) -> Iterator[events.Event]:
    if not context.topic:
        for entry in _entries(data):
            yield _posted(name, entry, context.received)
        return
    found = cameras.sightings(context.topic, data, frigate=config.frigate, onvif=config.onvif, axis=config.axis)
    for seen in found:
        if seen.category == cameras.AVAILABLE:
            yield _availability(name, seen, context)
        else:
            yield _observed(config, name, seen, context.received)


def _checked(kind: type[events.Event], fields: dict[str, Any]) -> events.Event:
    try:
        fact = events.convert({key: value for key, value in fields.items() if value is not None}, kind)
        events.encode(fact)
    except msgspec.ValidationError as error:
        raise ValueError(events.in_words(str(error))) from None
    except MalformedFact as error:
        raise ValueError(error.message) from None
    return fact


def _availability(name: str, seen: Sighting, context: Context) -> events.Event:
    """Frigate itself came or went: with it all its cameras."""
    moment = seen.time or context.received
    if moment is None:
        raise ValueError("it says no time, and when it arrived is not known")
    fields: dict[str, Any] = {
        "id": events.derived_id(moment, name, seen.device, "online" if seen.ended else "offline"),
        "event_time": moment, "source": name, "adapter": f"{name}:{seen.device}",
    }  # fmt: skip
    if seen.ended:
        return _checked(events.SourceConnected, fields)
    return _checked(events.SourceLost, {**fields, "reason": f"{seen.device} is offline"})


def _observed(config: Config, name: str, seen: Sighting, received: dt.datetime | None) -> events.Event:
    moment = seen.time or received
    if moment is None:
        raise ValueError("it says no time, and when it arrived is not known")
    zones = config.zones
    zone = zones.get(f"{seen.device}/{seen.zone}") or zones.get(seen.device) or zones.get(seen.zone)
    zone = zone or seen.zone or seen.device
    told = (seen.device, zone, seen.category, seen.severity, seen.external_id, str(seen.ended))
    return _checked(
        events.SiteObserved,
        {
            "id": events.derived_id(moment, name, *told, moment.isoformat()), "event_time": moment, "source": name, "device": seen.device,
            "zone": zone, "category": seen.category, "severity": seen.severity, "start_time": seen.start,
            "end_time": moment if seen.ended else None, "external_id": seen.external_id or None,
        },
    )  # fmt: skip


def _entries(data: bytes) -> list[dict[str, Any]]:
    try:
        given = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("the body is not JSON") from None
    entries = given if isinstance(given, list) else [given]
    if not entries or len(entries) > 1_000 or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("the body is neither an object nor a list of up to 1,000")
    return entries


def _posted(name: str, entry: dict[str, Any], received: dt.datetime | None) -> events.Event:
    """A door's event or a guard's check; who the guard was is not kept."""
    kept = {key: entry[key] for key in _FOR_WEBHOOK if entry.get(key) is not None}
    moment = time(kept["time"]) if "time" in kept else received
    if moment is None:
        raise ValueError("it says no time, and when it arrived is not known")
    told = msgspec.json.encode(kept, order="sorted")
    fields: dict[str, Any] = {"id": events.derived_id(moment, name, told), "event_time": moment, "source": name}
    if "round" in kept:
        return _checked(events.RoundChecked, {**fields, "round": kept["round"], "checkpoint": kept.get("checkpoint")})
    return _checked(
        events.SiteObserved,
        {
            **fields, "device": kept.get("device"), "zone": kept.get("zone"), "category": kept.get("category"),
            "severity": kept.get("severity", "info"), "external_id": str(kept["id"]) if "id" in kept else None,
            "start_time": time(kept["start"]) if "start" in kept else None,
            "end_time": time(kept["end"]) if "end" in kept else None,
        },
    )  # fmt: skip


# --------------------------------------------------------------------------- listening


async def probe(config: Config, sink: Sink) -> str:
    """Connect and subscribe."""
    if not config.mqtt:
        return "a webhook only; its senders come by themselves"
    client = await broker.connected(config, sink, keep_session=False)
    try:
        await client.subscribe(_topics(config))
    finally:
        await client.close()
    return f"connected; listening to {', '.join(_topics(config))}"


async def listen(config: Config, sink: Sink) -> None:
    """Take the webhook's and the broker's messages until cancelled or the broker is lost."""
    translate = translator(config, sink.name)
    if config.webhook is not None:
        sink.mount(config.webhook, _door(sink, translate), open_to_all=config.open)
    if not config.mqtt:
        return
    client = await broker.connected(config, sink, keep_session=True)
    try:
        await client.subscribe(_topics(config))
        await sink.connected(resumed=client.session_present)
        while True:
            messages = await client.messages()
            items: list[Taken] = []
            for message in messages:
                context = msgspec.json.encode(Context(message.topic, sink.now())).decode()
                whole = Message(message.payload, None, context)
                found = list(translate(whole))
                items += found
                if sink.watched:
                    sink.show(whole, found)
            await sink.take_all(items)
            sink.alive(sink.name)
            if not sink.only_watching:
                client.acknowledge(messages)
    finally:
        await client.close()


def _door(sink: Sink, translate: Translate) -> Any:
    at_once = asyncio.Semaphore(8)

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        async with at_once:
            body = b""
            while len(body) <= MAX_BODY:
                part = await receive()
                body += part.get("body", b"")
                if not part.get("more_body"):
                    break
            if scope["method"] != "POST" or len(body) > MAX_BODY:
                status, told = (405, "only POST") if scope["method"] != "POST" else (413, "the body is too long")
            else:
                context = msgspec.json.encode(Context("", sink.now())).decode()
                results = await sink.take_in(list(translate(Message(body, None, context))), decoded=True)
                refused = [result.reason for result in results if result.status == "rejected"]
                status, told = (400, refused[0] or "") if refused else (200, "")
        content = {"error": told} if told else {"recorded": True}
        data = msgspec.json.encode(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    return answer
