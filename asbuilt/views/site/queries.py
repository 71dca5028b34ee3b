"""Questions about the premises: who or what is where, what was not seen, which rounds were walked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import Where, above, after_until, at_most, between, other_than
from asbuilt.events import microseconds
from asbuilt.plant import Plant, Round, Zone
from asbuilt.plant.calendar import shift_at
from asbuilt.views.site.fold import Check, Presence

SECOND_US = 1_000_000
HOUR_US = 3_600_000_000
BLIND = "blind"
UNTOLD_END_US = 900 * SECOND_US
"""What was told of once and whose end nobody tells counts as there for so long; a blind camera stays blind."""
MOST = 500


class PresenceRow(Struct, frozen=True):
    """Something was in a zone. `until` is None while it is there; `unexpected` says why it should not be, if so."""

    zone: str
    zone_name: str
    category: str
    device: str
    severity: str
    since: dt.datetime
    until: dt.datetime | None
    unexpected: str
    message: str


class BlindRow(Struct, frozen=True):
    """A device sees nothing: its zone is not observed by it from `since` to `until` (None: still)."""

    device: str
    zone: str
    zone_name: str
    since: dt.datetime
    until: dt.datetime | None


class RoundRow(Struct, frozen=True):
    """A round that was or is to be walked: `missing` are its checkpoints that were not passed in time."""

    round: str
    name: str
    due: dt.datetime
    until: dt.datetime
    state: Literal["walked", "under way", "due", "missed", "coming"]
    passed: int
    checkpoints: int
    missing: tuple[str, ...]
    last: dt.datetime | None


class ZoneRow(Struct, frozen=True):
    """A zone of the plan as it is: who is there, whether anything is that should not be, and who cannot see it."""

    id: str
    name: str
    x: float
    y: float
    width: float
    height: float
    present: tuple[str, ...]
    unexpected: int
    blind: tuple[str, ...]


def present(reader: Reader, at: dt.datetime | None = None) -> list[PresenceRow]:
    """What is on the premises, what should not be there first."""
    at_us = microseconds(reader.instant(at))
    began: Where = {"from_us": at_most(at_us), "category": other_than(BLIND)}
    still_told = {**began, "until_us": 0, "last_us": above(at_us - UNTOLD_END_US)}
    rows = reader.rows(Presence, [{**began, "until_us": above(at_us)}, still_told], order="-from_us", limit=MOST)
    found = [_presence(reader.plant(at), row, at_us) for row in rows]
    return sorted(found, key=lambda row: (not row.unexpected, row.since.timestamp() * -1))


def seen(reader: Reader, hours: float = 12, limit: int = 100, at: dt.datetime | None = None) -> list[PresenceRow]:
    """What was seen in the last hours, the latest first."""
    at_us = microseconds(reader.instant(at))
    window = after_until(at_us - int(min(max(hours, 0), 8784) * HOUR_US), at_us)
    rows = reader.rows(
        Presence,
        {"from_us": window, "category": other_than(BLIND)},
        order="-from_us thing",
        limit=max(0, min(limit, MOST)),
    )
    plant = reader.plant(at)
    return [_presence(plant, row, at_us) for row in rows]


def blind(reader: Reader, hours: float = 12, at: dt.datetime | None = None) -> list[BlindRow]:
    """When devices saw nothing in the last hours, the latest first: what happened there then is not known."""
    at_us = microseconds(reader.instant(at))
    plant = reader.plant(at)
    began: Where = {"category": BLIND, "from_us": at_most(at_us)}
    ended = above(at_us - int(min(max(hours, 0), 8784) * HOUR_US))
    rows = reader.rows(
        Presence, [{**began, "until_us": 0}, {**began, "until_us": ended}], order="-from_us thing", limit=MOST
    )
    return [
        BlindRow(
            row.device, row.zone, _named(plant, row.zone), _time(row.from_us, plant),
            _time(row.until_us, plant) if 0 < row.until_us <= at_us else None,
        )
        for row in rows
    ]  # fmt: skip


def rounds(reader: Reader, hours: float = 24, at: dt.datetime | None = None) -> list[RoundRow]:
    """The rounds of the last hours and the next one of each, the next first."""
    now = reader.instant(at)
    plant = reader.plant(at)
    found = []
    for each in plant.rounds.values():
        dues = sorted(_dues(each, plant, now, hours))
        after = [due for due in dues if due > now]
        found += [_round(reader, each, due, now) for due in [*(due for due in dues if due <= now), *after[:1]]]
    return sorted(found, key=lambda row: row.due, reverse=True)


def zones(reader: Reader, at: dt.datetime | None = None) -> list[ZoneRow]:
    """The zones of the plant file as they are."""
    here, unseen = present(reader, at), [row for row in blind(reader, at=at) if row.until is None]
    return [
        ZoneRow(
            zone.id, zone.name, zone.x, zone.y, zone.width, zone.height,
            tuple(dict.fromkeys(row.category for row in here if row.zone == zone.id)),
            sum(1 for row in here if row.zone == zone.id and row.unexpected),
            tuple(row.device for row in unseen if row.zone == zone.id),
        )
        for zone in reader.plant(at).zones.values()
    ]  # fmt: skip


# --------------------------------------------------------------------------- one row


def _presence(plant: Plant, row: Presence, at_us: int) -> PresenceRow:
    until_us = row.until_us or (row.last_us + UNTOLD_END_US)
    since = _time(row.from_us, plant)
    return PresenceRow(
        row.zone, _named(plant, row.zone), row.category, row.device, row.severity, since,
        _time(row.until_us or row.last_us, plant) if until_us <= at_us else None,
        _unexpected(plant, plant.zones.get(row.zone), row.category, since), row.message,
    )  # fmt: skip


def _unexpected(plant: Plant, zone: Zone | None, category: str, since: dt.datetime) -> str:
    """Why something should not be in a zone; empty where it may, or where the plant file says nothing."""
    if zone is None:
        return ""
    if category not in zone.expected:
        return "not expected there"
    if zone.in_shifts and zone.line is not None:
        line = plant.line(zone.line)
        if line is not None and shift_at(plant, line, since) is None:
            return f"outside the shifts of {line.name}"
    return ""


def _named(plant: Plant, zone: str) -> str:
    found = plant.zones.get(zone)
    return found.name if found else zone


def _dues(each: Round, plant: Plant, now: dt.datetime, hours: float) -> Iterator[dt.datetime]:
    here = now.astimezone(plant.zone)
    begin = here - dt.timedelta(hours=min(max(hours, 1), 8784))
    day = begin.date() - dt.timedelta(days=1)
    while day <= here.date() + dt.timedelta(days=1):
        for start in each.starts:
            due = dt.datetime.combine(day, dt.time.fromisoformat(start), plant.zone)
            if due >= begin:
                yield due
        day += dt.timedelta(days=1)


def _round(reader: Reader, each: Round, due: dt.datetime, now: dt.datetime) -> RoundRow:
    until = (due.astimezone(dt.UTC) + dt.timedelta(minutes=each.within_min)).astimezone(due.tzinfo)
    walked = between(microseconds(due), min(microseconds(until), microseconds(now)) + 1)
    checks = reader.rows(Check, {"round": each.id, "time_us": walked}, order="time_us fact", limit=10_000)
    passed = {check.checkpoint for check in checks}
    missing = tuple(point for point in each.checkpoints if point not in passed)
    state: Literal["walked", "under way", "due", "missed", "coming"]
    if due > now:
        state = "coming"
    elif not missing:
        state = "walked"
    elif now > until:
        state = "missed"
    else:
        state = "under way" if len(missing) < len(each.checkpoints) else "due"
    last = dt.datetime.fromtimestamp(checks[-1].time_us / SECOND_US, due.tzinfo) if checks else None
    done = len(each.checkpoints) - len(missing)
    return RoundRow(each.id, each.name, due, until, state, done, len(each.checkpoints), missing, last)


def _time(time_us: int, plant: Plant) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_us / SECOND_US, plant.zone)
