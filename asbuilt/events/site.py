"""What watches the site: cameras, doors, detectors and rounds."""

from __future__ import annotations

from typing import Literal

from asbuilt.events.envelope import Event, Instant, Name, Text


class SiteObserved(Event, tag="site_observed.v1", frozen=True, kw_only=True):
    """A camera, door or detector saw something in a zone; no personal data.

    `end_time` says that it is over. What belongs together has one `external_id`, or is of one device
    and category. Of category `blind`, the device sees nothing itself.
    """

    device: Name
    zone: Name
    category: Name
    severity: Literal["info", "detection", "alert"] = "info"
    start_time: Instant | None = None
    end_time: Instant | None = None
    external_id: Name | None = None
    message: Text | None = None


class RoundChecked(Event, tag="round_checked.v1", frozen=True, kw_only=True):
    """A guard passed a checkpoint of a round."""

    round: Name
    checkpoint: Name
    message: Text | None = None
