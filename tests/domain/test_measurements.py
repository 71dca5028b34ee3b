"""Measured values: stored once, read by station, by gauge, and per unit from the record as it reads today."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from asbuilt.domain.measurements import questions as measurements
from asbuilt.events import CorrectionMade, Measured, microseconds
from asbuilt.views.unit import queries as unit
from tests.test_genealogy import MINUTE, START, held


def told(number: int, minute: int, value: str, **more: str) -> Measured:
    given = {"product": "E", "serial": "1", "station": "p/s/a/l/1", "characteristic": "torque", "uom": "N·m", **more}
    return Measured(id=UUID(int=number), event_time=START + minute * MINUTE, source="line", value=value, **given)


def corrects(number: int, target: int, replacement: Measured | None) -> CorrectionMade:
    return CorrectionMade(
        id=UUID(int=number),
        event_time=START + dt.timedelta(hours=1),
        source="office",
        corrects=UUID(int=target),
        reason="incorrect_data" if replacement else "did_not_occur",
        replacement=replacement,
    )


def test_the_last_value_at_a_station_is_that_of_the_latest_moment_then_of_the_later_fact():
    # Recorded late and out of order.
    facts = [told(3, 5, "30"), told(1, 1, "10"), told(4, 5, "40"), told(2, 9, "20")]
    with held(facts) as plant, plant.reader() as reader:
        for minute, value in ((0, None), (1, "10"), (4, "10"), (5, "40"), (8, "40"), (9, "20")):
            found = measurements.last(reader, "p/s/a/l/1", "torque", microseconds(START + minute * MINUTE))
            assert (found.value if found else None) == value, minute
        assert measurements.last(reader, "p/s/a/l/2", "torque", 2**60) is None


def test_a_units_values_follow_corrections_also_to_another_unit():
    facts = [
        told(1, 1, "10"),
        told(2, 2, "20"),
        told(3, 3, "30"),
        told(4, 4, "40", serial="2"),
        corrects(11, 1, told(1, 1, "11")),
        corrects(12, 2, None),
        corrects(13, 3, told(3, 3, "31", serial="2")),
        corrects(14, 4, told(4, 4, "41", serial="1")),
        corrects(15, 12, None),  # the second did happen after all
    ]
    with held(facts) as plant, plant.reader() as reader:
        assert [row.value for row in unit.measurements(reader, "1", "E")] == ["11", "20", "41"]
        assert [row.value for row in unit.measurements(reader, "2", "E")] == ["31"]


def test_a_gauge_knows_its_units():
    facts = [
        told(1, 1, "10", gauge="G1"),
        told(2, 2, "20", gauge="G2"),
        told(3, 3, "30", gauge="G1", serial="2"),
        told(4, 4, "1"),
    ]
    with held(facts) as plant, plant.reader() as reader:
        assert sorted(measurements.by_gauge(reader, "G1")) == [
            ("unit:E/1", microseconds(START + MINUTE)),
            ("unit:E/2", microseconds(START + 3 * MINUTE)),
        ]
        assert measurements.by_gauge(reader, "") == []
        assert measurements.is_gauge(reader, "G2") and not measurements.is_gauge(reader, "G3")
        assert not measurements.is_gauge(reader, "")


def test_what_many_units_were_measured_with_is_told_in_order_of_time():
    facts = [
        told(2, 5, "20"),
        told(1, 1, "10", upper="12"),
        told(3, 3, "30", serial="2"),
        told(4, 1, "9", characteristic="gap"),
    ]
    with held(facts) as plant, plant.reader() as reader:
        until = microseconds(START + 4 * MINUTE)
        assert measurements.of_characteristic(reader, "torque", ["unit:E/1", "unit:E/2"], until) == [
            ("unit:E/1", "10", "", "12"),
            ("unit:E/2", "30", "", ""),
        ]
        assert measurements.of_characteristic(reader, "torque", ["unit:E/3"], until) == []
