"""Quantities of the stations themselves: oil temperatures, flows, loads."""

from __future__ import annotations

from collections.abc import Generator
from math import exp
from typing import Any

import simpy

from asbuilt.events import Measured
from asbuilt.plant import Characteristic, Station
from asbuilt.simulate.floor import Floor
from asbuilt.simulate.hours import MINUTE

KEY_EVERY, OTHER_EVERY = 2 * MINUTE, 5 * MINUTE
"""How often a quantity is told in the past …"""
KEY_EVERY_LIVE, OTHER_EVERY_LIVE = 5_000, 30_000
"""… and while somebody watches."""
RESTING_EVERY = 30 * MINUTE
SETTLES_IN = 6 * MINUTE
"""How fast a value goes back to its mean, when it strayed."""


def start(floor: Floor) -> None:
    """Begin to tell the quantities of all stations of the line."""
    for index, station in enumerate(floor.line.station):
        for characteristic in station.characteristic:
            floor.env.process(_tell(floor, index, station, characteristic))


def _tell(
    floor: Floor, index: int, station: Station, characteristic: Characteristic
) -> Generator[simpy.Event, Any, None]:
    random = floor.random(f"sensor/{station.id}/{characteristic.id}")
    spread = floor.know.spread(characteristic)
    digits = characteristic.digits if characteristic.digits is not None else 2
    is_key = characteristic.id == station.key
    strayed = 0.0
    yield floor.env.timeout(random.randrange(1, OTHER_EVERY))
    while True:
        every = _period(floor, is_key, floor.flow.bays[index].on_duty)
        keep = exp(-every / SETTLES_IN)
        strayed = strayed * keep + random.gauss(0, spread.sigma * 0.6 * (1 - keep * keep) ** 0.5)
        mean = floor.scenario.quantity(characteristic.id, floor.now)
        value = (spread.mean if mean is None else mean) + strayed * (1 if mean is None else 0.2)
        floor.say(
            Measured, station, characteristic=characteristic.id, value=f"{value:.{digits}f}", uom=characteristic.uom,
            nominal=characteristic.nominal, lower=characteristic.lower, upper=characteristic.upper,
        )  # fmt: skip
        yield floor.env.timeout(every)


def _period(floor: Floor, is_key: bool, on_duty: bool) -> int:
    if not on_duty:
        return RESTING_EVERY
    if floor.scenario.live(floor.now):
        return KEY_EVERY_LIVE if is_key else OTHER_EVERY_LIVE
    return KEY_EVERY if is_key else OTHER_EVERY
