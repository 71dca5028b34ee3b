"""What cameras say over MQTT, as sightings: Frigate reviews, ONVIF Profile M, Axis event bridges.

Nothing about persons is read: no names, faces, plates or pictures.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from asbuilt.connect.expression import time

AVAILABLE: Final = "available"
BLIND: Final = "blind"
_BLINDING: Final = ("ImageTooDark", "ImageTooBright", "ImageTooBlurry", "GlobalSceneChange", "SignalLoss", "tampering")
_ACTIVE: Final = (
    "active",
    "State",
    "IsMotion",
    "IsInside",
    "IsSoundDetected",
    "LogicalState",
    "Motion",
    "Value",
    "Count",
)
_KINDS: Final = {"human": "person", "vehicle": "car"}
MAX_NAMES: Final = 20

Severity = Literal["info", "detection", "alert"]


class Sighting(NamedTuple):
    """Something was seen, changed, or ended; without `time` when it arrived."""

    device: str
    zone: str
    category: str
    severity: Severity = "info"
    time: dt.datetime | None = None
    start: dt.datetime | None = None
    external_id: str = ""
    ended: bool = False


def sightings(
    topic: str, data: bytes, *, frigate: str | None, onvif: Sequence[str], axis: Sequence[str]
) -> Iterator[Sighting]:
    """What a message says. Raises `ValueError` in words; other errors mean another form than expected."""
    if frigate is not None and topic.startswith(f"{frigate}/"):
        yield from _frigate(topic.removeprefix(f"{frigate}/"), data)
        return
    for prefix in onvif:
        if topic.startswith(f"{prefix}/onvif-ej/"):
            yield from _profile_m(topic.removeprefix(f"{prefix}/onvif-ej/"), _object(data))
            return
    if any(topic.startswith(f"{prefix}/") for prefix in axis):
        yield from _axis(topic, _object(data))
        return
    raise ValueError("no camera speaks on this topic")


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("the payload is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the payload is not a JSON object")
    return found


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a name is missing")
    return value[:120]


# --------------------------------------------------------------------------- Frigate


def _frigate(rest: str, data: bytes) -> Iterator[Sighting]:
    levels = rest.split("/")
    if rest == "reviews":
        yield from _review(_object(data))
    elif rest == "available":
        yield Sighting("frigate", "", AVAILABLE, ended=data.strip() == b"online")
    elif len(levels) == 3 and levels[1] == "status":
        if levels[2] != "detect" or data.strip() == b"disabled":
            return
        # Retained, and told again at every start: the same state again is the same sighting.
        yield Sighting(levels[0], "", BLIND, "alert", ended=data.strip() == b"online")
    else:
        raise ValueError("no camera speaks on this topic")


def _review(message: dict[str, Any]) -> Iterator[Sighting]:
    """A review begins, changes or ends (Frigate documentation, `frigate/reviews`)."""
    kind, before, after = message["type"], message.get("before") or {}, message["after"]
    if kind not in ("new", "update", "end"):
        raise ValueError(f"a review of type `{str(kind)[:40]}`")
    if kind == "update" and _told(before) == _told(after):
        return
    severity: Severity = "alert" if after.get("severity") == "alert" else "detection"
    start = time(after["start_time"])
    end = time(after["end_time"]) if after.get("end_time") is not None else None
    inside = after.get("data") or {}
    moment = start if kind == "new" else end if kind == "end" else None
    for zone in _names(inside.get("zones")) or [""]:
        for category in _names(inside.get("objects")) or ["motion"]:
            yield Sighting(
                _name(after["camera"]), zone, category, severity, moment, start, _name(after["id"]), kind == "end"
            )


def _told(review: Mapping[str, Any]) -> Any:
    inside = review.get("data") or {}
    return review.get("severity"), _names(inside.get("zones")), _names(inside.get("objects"))


def _names(value: Any) -> list[str]:
    # "person-verified" is a person whose face is known; that it is known is nobody's business here.
    found = [str(name).removesuffix("-verified")[:80] for name in value[:MAX_NAMES]] if isinstance(value, list) else []
    return list(dict.fromkeys(name for name in found if name))


# --------------------------------------------------------------------------- ONVIF and Axis


def _profile_m(rest: str, message: dict[str, Any]) -> Iterator[Sighting]:
    """`topic/…/&source/rule` with `UtcTime`, `Source`, `Data` (ONVIF Profile M, MQTT event bridge)."""
    words, _, place = rest.partition("/&")
    source = _items(message.get("Source"))
    device = (
        source.get("VideoSource") or source.get("VideoSourceConfigurationToken") or place.partition("/")[0] or words
    )
    rule = source.get("Rule") or place.rpartition("/")[2]
    yield from _switched(words, f"camera {device}", rule, _items(message.get("Data")), time(_utc(message["UtcTime"])))


def _axis(topic: str, message: dict[str, Any]) -> Iterator[Sighting]:
    inside = message["message"]
    data = _items(inside.get("data"))
    words = str(message.get("topic", topic)).partition(":")[2] or topic
    category = _KINDS.get(data.get("classTypes", ""), data.get("classTypes", ""))
    rule = words.rpartition("/")[2]
    yield from _switched(
        words, f"camera {_name(message.get('serial'))}", rule, data, time(message["timestamp"]), category
    )


def _switched(
    words: str, device: str, rule: str, data: Mapping[str, str], moment: dt.datetime, category: str = ""
) -> Iterator[Sighting]:
    """Something that is on or off, or a number of things."""
    active = next((data[key] for key in _ACTIVE if key in data), None)
    if active is None:
        raise ValueError(f"none of its values says whether something is the case: {', '.join(list(data)[:8])}")
    on = active.strip().lower() not in ("0", "false", "", "none", "inactive")
    blind = any(word.lower() in words.lower() for word in _BLINDING)
    if blind:
        yield Sighting(device, "", BLIND, "alert", moment, ended=not on)
        return
    kind = category or (
        "door" if "DigitalInput" in words or "Door" in words else _CATEGORIES.get(words.rpartition("/")[2], "motion")
    )
    yield Sighting(device, rule[:120], kind[:80], "detection", moment, ended=not on)


_CATEGORIES: Final = {"OccupancyCounter": "person", "ObjectsInside": "presence", "DetectedSound": "sound"}


def _items(value: Any) -> dict[str, str]:
    """Items by name: an object, or a list of (Name, Value), or one of them."""
    if value is None:
        return {}
    pairs = value if isinstance(value, list) else [value]
    found: dict[str, str] = {}
    for pair in pairs[:50]:
        if isinstance(pair, dict):
            if "Name" in pair and "Value" in pair:
                found[str(pair["Name"])] = str(pair["Value"])
            else:
                found |= {str(key): str(inner) for key, inner in list(pair.items())[:50]}
    return found


def _utc(text: Any) -> Any:
    """ONVIF times are UTC, also where they do not say so."""
    return f"{text}Z" if isinstance(text, str) and not text.endswith("Z") and "+" not in text else text
