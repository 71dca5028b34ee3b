"""What was told to whom, and public claims held against the record."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from asbuilt.events.envelope import Count, Digest, Event, Instant, Name, Text


class StatementChecked(Event, tag="statement_checked.v1", frozen=True, kw_only=True):
    """A public claim was held against the record, and what the record says."""

    statement: Text
    verdict: Literal["supported", "contradicted", "not_decidable"]
    finding: Text | None = None


class DisclosureIssued(Event, tag="disclosure_issued.v1", frozen=True, kw_only=True):
    """Something was told to someone: what, to whom, for what, until when.

    `profile` names the choice of fields, `status_place` the file's place in the status list.
    """

    disclosure: Name
    recipient: Name
    purpose: Text
    product: Name | None = None
    serial: Name | None = None
    fields: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    expires: Instant | None = None
    file_digest: Digest | None = None
    profile: Name | None = None
    status_place: Count | None = None


class DisclosureRevoked(Event, tag="disclosure_revoked.v1", frozen=True, kw_only=True):
    """What was told no longer stands."""

    disclosure: Name
    reason: Text | None = None


class DisclosureOpened(Event, tag="disclosure_opened.v1", frozen=True, kw_only=True):
    """What was told was looked at or checked, as far as the plant came to know."""

    disclosure: Name
    message: Text | None = None


class LaneRegistered(Event, tag="lane_registered.v1", frozen=True, kw_only=True):
    """Units of a product will be counted in this period, and the count closed once, at a place fixed by the lane's name."""

    lane: Name
