"""Lanes on the record's side: which units are counted, and the closing that commits to their number."""

from __future__ import annotations

import msgspec

from asbuilt.events import AnyFact, RunRecorded, UnitCompleted, UnitShipped
from asbuilt.proof import lane as lane_
from asbuilt.proof import merkle
from asbuilt.proof.block import Founding
from asbuilt.proof.encoding import b64url
from asbuilt.proof.lane import Lane
from asbuilt.record import Record
from asbuilt.seal import corrected

_TYPES = {"run_in_passed": "run_recorded", "completed": "unit_completed", "shipped": "unit_shipped"}


def _is_counted(fact: AnyFact, road: Lane) -> str | None:
    """The serial of the unit that a fact counts for the lane's product; None if it counts none."""
    match fact:
        case RunRecorded(product=road.product, verdict="pass", serial=serial):
            return serial if road.counts == "run_in_passed" else None
        case UnitCompleted(product=road.product, serial=serial):
            return serial if road.counts == "completed" else None
        case UnitShipped(product=road.product, serial=serial):
            return serial if road.counts == "shipped" else None
    return None


def counted(record: Record, road: Lane, known_to: int) -> list[int]:
    """The positions of the facts that count: of each unit the earliest, where that lies in the period."""
    first: dict[str, tuple[float, int]] = {}
    for position, fact in corrected.of_type(record, _TYPES[road.counts], known_to):
        serial = _is_counted(fact, road)
        if serial is not None:
            at = (fact.event_time.timestamp(), position)
            first[serial] = min(first.get(serial, at), at)
    start, end = road.start.timestamp(), road.end.timestamp()
    return sorted(position for time, position in first.values() if start <= time < end)


def closing(name: str, leaves: list[bytes], chain: bytes) -> bytes:
    """The members of a lane's closing, as canonical bytes: number, root over the counted leaves, end of the chain."""
    return msgspec.json.encode(
        {
            "floor": b64url(lane_.chained(name, chain, len(leaves))),
            "lane": name,
            "root": b64url(merkle.root_of(leaves)),
            "size": len(leaves),
            "type": lane_.CLOSED,
        }
    )


def place(name: str, founding: Founding) -> tuple[int, int]:
    """Where a lane is closed."""
    return lane_.place(name, founding)
