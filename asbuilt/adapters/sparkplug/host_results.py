"""What follows from Sparkplug messages, as plain data, and the command that a host sends."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.payload import Metric, Payload

NAMESPACE: Final = "spBv1.0"
REBIRTH: Final = "Node Control/Rebirth"


class Data(NamedTuple):
    """Metrics of a birth or of data, resolved: each with its name and datatype."""

    node: str
    device: str
    kind: str
    topic: str
    payload: Payload
    metrics: list[tuple[str, int, Metric]]


class Online(NamedTuple):
    """A node or device was born."""

    part: str


class Offline(NamedTuple):
    """A node or device is gone, or what it says cannot be understood any more; `at_ms` is its own time, if it told."""

    part: str
    reason: str
    at_ms: int | None = None


class Command(NamedTuple):
    """What is to be published: QoS 0, not retained."""

    topic: str
    payload: bytes


class Deviation(NamedTuple):
    """How a node or device departs from the specification."""

    part: str
    code: str
    message: str


class Refused(NamedTuple):
    """Bytes that could not be understood."""

    data: bytes
    reason: str


Outcome = Data | Online | Offline | Command | Deviation | Refused


def command_topic(name: str) -> str:
    """Where an edge node `Group/Node` listens."""
    group, _, node = name.partition("/")
    return f"{NAMESPACE}/{group}/NCMD/{node}"


def rebirth_payload(now: dt.datetime) -> bytes:
    """NCMD that asks for a birth: a timestamp, no sequence number, the metric by its name."""
    milliseconds = int(now.timestamp() * 1000)
    metric = Metric(name=REBIRTH, timestamp=milliseconds, datatype=wire.BOOLEAN, value=True)
    return wire.encode(Payload(timestamp=milliseconds, metrics=[metric]))


def is_definition(metric: Metric) -> bool:
    """Whether a metric defines a template."""
    try:
        value = wire.valued(metric, metric.datatype)
    except ValueError:
        return False
    return bool(getattr(value, "is_definition", False))
