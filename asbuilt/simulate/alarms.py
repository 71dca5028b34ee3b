"""Alarms: raised once, seen by a person, cleared when the cause is gone; latched ones are reset, some are out of service a while."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from asbuilt.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmPlacedInService,
    AlarmRaised,
    AlarmRemovedFromService,
    AlarmReset,
)
from asbuilt.plant import Station
from asbuilt.simulate.equipment import AlarmText
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import MINUTE


class Alarms:
    """Which alarms stand, and who sees to them."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._random = floor.random("alarms")
        self._standing: dict[tuple[str, str], int] = {}
        self._count = 0
        self._latching: set[tuple[str, str]] = set()

    def stands(self, name: str, station: Station) -> bool:
        """Whether this alarm stands at the station."""
        return (name, station.path) in self._standing

    def raise_(self, words: AlarmText, station: Station, detail: str | None = None) -> None:
        """Raise an alarm unless it stands already; somebody will acknowledge it."""
        key = (words.name, station.path)
        if key in self._standing:
            return
        self._count += 1
        self._standing[key] = self._count
        self._floor.say(
            AlarmRaised, station, alarm=words.name, priority=words.priority, text=words.text,
            response=words.response, detail=detail, latching=words.latching,
        )  # fmt: skip
        if words.latching:
            self._latching.add(key)
        self._floor.env.process(self._acknowledge(key, self._count, words.priority, station))

    def clear(self, name: str, station: Station) -> None:
        """The cause is gone."""
        if self._standing.pop((name, station.path), None) is not None:
            self._floor.say(AlarmCleared, station, alarm=name)
            if (name, station.path) in self._latching:
                self._latching.discard((name, station.path))
                self._floor.env.process(self._reset(name, station))

    def work_on(self, name: str, station: Station, why: str) -> None:
        """Somebody works on what an alarm watches: it is out of service meanwhile."""
        self._floor.say(
            AlarmRemovedFromService, station, self._floor.people.quality(self._floor.now), alarm=name, reason=why
        )

    def worked_on(self, name: str, station: Station) -> None:
        """The work is done: it is in service again."""
        self._floor.say(AlarmPlacedInService, station, self._floor.people.quality(self._floor.now), alarm=name)

    def _reset(self, name: str, station: Station) -> Generator[simpy.Event, Any, None]:
        floor = self._floor
        yield floor.env.timeout(self._random.randrange(1 * MINUTE, 4 * MINUTE))
        floor.say(AlarmReset, station, floor.people.quality(floor.now), alarm=name)

    def _acknowledge(
        self, key: tuple[str, str], number: int, priority: int, station: Station
    ) -> Generator[simpy.Event, Any, None]:
        floor = self._floor
        patience = (1, 2, 4, 8)[priority - 1] * MINUTE
        yield floor.env.timeout(self._random.randrange(20_000, patience))
        if self._standing.get(key) == number:
            people = floor.people
            by = people.maintenance(floor.now) if priority <= 2 else people.quality(floor.now)
            floor.say(AlarmAcknowledged, station, by, alarm=key[0])
