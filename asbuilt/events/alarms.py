"""Alarms, in the words of ISA-18.2."""

from __future__ import annotations

from asbuilt.events.envelope import Event, Instant, Name, Path, Priority, Text


class AlarmRaised(Event, tag="alarm_raised.v1", frozen=True, kw_only=True):
    """An alarm condition is present and asks for a response.

    `latching`: once the condition is gone the alarm still stands, until somebody resets it.
    """

    alarm: Name
    priority: Priority
    text: Text
    response: Text
    station: Path | None = None
    adapter: Name | None = None
    detail: Text | None = None
    latching: bool = False


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


class AlarmSuppressed(Event, tag="alarm_suppressed.v1", frozen=True, kw_only=True):
    """By design the alarm asks for nothing from now on, whether its condition is present or not.

    `rule` names what suppresses it: a rule of the plant's, or the alarm that is its cause.
    """

    alarm: Name
    reason: Text
    rule: Name | None = None
    station: Path | None = None
    adapter: Name | None = None


class AlarmUnsuppressed(Event, tag="alarm_unsuppressed.v1", frozen=True, kw_only=True):
    """The alarm is no longer suppressed by design; if its condition is present, it asks now."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None
    reason: Text | None = None


class AlarmRemovedFromService(Event, tag="alarm_removed_from_service.v1", frozen=True, kw_only=True):
    """A person took the alarm out of service, to maintain what it watches: until a time, or until it is placed back."""

    alarm: Name
    reason: Text
    until: Instant | None = None
    station: Path | None = None
    adapter: Name | None = None


class AlarmPlacedInService(Event, tag="alarm_placed_in_service.v1", frozen=True, kw_only=True):
    """The alarm is in service again; if its condition is present, it asks now."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None
    reason: Text | None = None


class AlarmReset(Event, tag="alarm_reset.v1", frozen=True, kw_only=True):
    """A person reset a latched alarm whose condition is gone: it stands no longer."""

    alarm: Name
    station: Path | None = None
    adapter: Name | None = None
