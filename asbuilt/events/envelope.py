"""What every fact has: its envelope, and the types of fields."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1, max_length=200)]
"""An identifier or short title: 1 to 200 characters, no control characters."""
Text = Annotated[str, Meta(max_length=4000)]
"""Words for people: at most 4,000 characters; may have line breaks and tabs."""
PlantText = Annotated[str, Meta(max_length=900_000)]
"""The text of a plant file."""
Path = Annotated[str, Meta(min_length=1, max_length=400)]
"""An ISA-95 equipment path, parts joined by `/`."""
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
"""Whole pieces."""
DECIMAL = r"\A-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,12})?\Z"
SHA256 = r"\A[0-9a-f]{64}\Z"
COUNTRY = r"\A[A-Z]{2}\Z"

Decimal = Annotated[str, Meta(extra_json_schema={"pattern": DECIMAL})]
"""An exact decimal number as a string; trailing zeros are kept (they say the resolution).

The codec holds it against the pattern (`events.decode`, `encode`, `convert`), for it knows those seen
before: a pattern that the decoder itself has to match cost more than all else it does.
"""
Instant = Annotated[dt.datetime, Meta(tz=True)]
"""A point in time with its offset from UTC."""
Country = Annotated[str, Meta(pattern=COUNTRY)]
"""ISO 3166-1 alpha-2."""
Digest = Annotated[str, Meta(pattern=SHA256)]
"""SHA-256 in lower-case hexadecimal."""
Priority = Annotated[int, Meta(ge=1, le=4)]
"""ISA-18.2 alarm priority, 1 is the most urgent."""

State = Literal[
    "Idle", "Starting", "Execute", "Completing", "Complete", "Resetting",
    "Holding", "Held", "Unholding", "Suspending", "Starved", "Blocked", "Unsuspending",
    "Stopping", "Stopped", "Aborting", "Aborted", "Clearing",
]  # fmt: skip
"""PackML states (ISA-TR88.00.02). `Suspended` is told apart by its cause: `Starved` waits for
material from upstream, `Blocked` cannot pass material on."""

MAX_FACT_BYTES: Final = 64 * 1024
"""A fact from outside is at most this long in canonical bytes."""
MAX_REJECTED_BYTES: Final = 16 * 1024
"""How much of a rejected message is kept; its length and digest stand for the rest."""
MAX_NESTING: Final = 50
"""How deep the content of a fact of unknown type may nest."""


class Event(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False, tag_field="type"
):
    """The envelope every fact has.

    `id` is a UUIDv7, or derived from the source row (`derived_id`) so that a re-import is a
    duplicate. `source` is the adapter or person that says so; `by` the person who did it.
    """

    id: UUID
    event_time: Instant
    source: Name
    by: Name | None = None


def in_order(start: dt.datetime, end: dt.datetime) -> None:
    """Refuse a time that ends before it starts (a `ValueError`, which the decoder tells with its place)."""
    if end < start:
        raise ValueError(f"it ends ({end.isoformat()}) before it starts ({start.isoformat()})")
