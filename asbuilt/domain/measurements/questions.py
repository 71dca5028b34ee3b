"""Questions about measured values: the last one at a station, those of a gauge, those of one unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import Test, Value, above, at_most, named, one_of
from asbuilt.domain.meaning import item_of
from asbuilt.domain.measurements.fold import Measurement
from asbuilt.events import AnyFact, Measured, microseconds

ITEMS_AT_ONCE = 100_000


class ItemValue(NamedTuple):
    """What was measured on one unit or lot, told in full; empty where nothing is told."""

    time_us: int
    fact: bytes
    characteristic: str
    position: str
    value: str
    uom: str
    nominal: str
    lower: str
    upper: str
    gauge: str
    station: str
    operation: str
    by: str


def last(reader: Reader, station: str, characteristic: str, at_us: int) -> Measurement | None:
    """What was measured of a characteristic at a station last, at a moment at the latest; of one instant the later fact."""
    return reader.first(
        Measurement,
        {"characteristic": characteristic, "station": station, "time_us": at_most(at_us)},
        order="-time_us -fact",
    )


def since(reader: Reader, station: str, characteristic: str, after_us: int, limit: int) -> list[Measurement]:
    """The last so many values of a characteristic at a station after a moment, the latest first."""
    return reader.rows(
        Measurement,
        {"characteristic": characteristic, "station": station, "time_us": above(after_us)},
        order="-time_us -fact",
        limit=limit,
    )


def by_gauge(reader: Reader, gauge: str) -> list[tuple[str, int]]:
    """The units a gauge measured, and when: keys and microseconds, in any order."""
    found = reader.totals(Measurement, {"gauge": named(gauge)}, by=("item", "time_us"), of=())
    return [(item, time_us) for item, time_us in found if item.startswith("unit:")]


def is_gauge(reader: Reader, gauge: str) -> bool:
    """Whether anything was measured with a gauge of this name."""
    return reader.exists(Measurement, {"gauge": named(gauge)})


def of_characteristic(
    reader: Reader, characteristic: str, items: Sequence[str], at_us: int
) -> list[tuple[str, str, str, str]]:
    """Item, value, lower and upper limit of everything measured of a characteristic on items until a moment, in order of time."""
    found: list[Measurement] = []
    for start in range(0, len(items), ITEMS_AT_ONCE):
        asked: dict[str, Value | Test] = {
            "characteristic": characteristic,
            "time_us": at_most(at_us),
            "item": one_of(items[start : start + ITEMS_AT_ONCE]),
        }
        found += reader.rows(Measurement, asked)
    found.sort(key=lambda row: (row.item, row.time_us, row.fact))
    return [(row.item, row.value, row.lower, row.upper) for row in found]


def of_item(facts: Iterable[AnyFact], item: str) -> list[ItemValue]:
    """What was measured on a unit or lot (its key), from all facts about it, in order of time and of fact."""
    return sorted(_told(fact) for fact in facts if type(fact) is Measured and item_of(fact) == item)


def _told(fact: Measured) -> ItemValue:
    return ItemValue(
        time_us=microseconds(fact.event_time),
        fact=fact.id.bytes,
        characteristic=fact.characteristic,
        position=fact.position or "",
        value=fact.value,
        uom=fact.uom,
        nominal=fact.nominal or "",
        lower=fact.lower or "",
        upper=fact.upper or "",
        gauge=fact.gauge or "",
        station=fact.station or "",
        operation=fact.operation or "",
        by=fact.by or "",
    )
