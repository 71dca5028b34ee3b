"""Alarms, in the words of ISA-18.2."""

from __future__ import annotations

from asbuilt.events.envelope import Event, Instant, Name, Path, Priority, Text


class AlarmRaised(Event, tag="alarm_raised.v1", frozen=True, kw_only=True):
    """An alarm condition is present and asks for a response."""

    alarm: Name
    priority: Priority
    text: Text
    response: Text
    station: Path | None = None
    adapter: Name | None = None
    detail: Text | None = None


class AlarmCleared(Event, tag="alarm_cleared.v1", frozen=True, kw_only=True):
    """The alarm condition is gone."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None


class AlarmAcknowledged(Event, tag="alarm_acknowledged.v1", frozen=True, kw_only=True):
    """A person has seen the alarm."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None


class AlarmShelved(Event, tag="alarm_shelved.v1", frozen=True, kw_only=True):
    """A person put the alarm aside until a time, with a reason."""

    alarm: Name
    until: Instant
    station: Path | None = None
    adapter: Name | None = None
    reason: Text | None = None
