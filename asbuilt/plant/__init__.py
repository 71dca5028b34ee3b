"""The plant file: `plant.toml` → `Plant`.

One TOML file describes the plant: sites, areas, lines and stations (ISA-95), products with
routing, parts list and characteristics, shift patterns, stop reasons, and adapters with their
mappings. Unknown keys, dangling references and bad values are refused with file, line and
remedy. `Plant` is plain data; nothing here touches the record.

`tables` holds the keys, `references` what must hold between them, `reading` the way from the
file to a `Plant`.
"""

from __future__ import annotations

from asbuilt.plant.model import Plant, local_day
from asbuilt.plant.reading import load, parse
from asbuilt.plant.tables import (
    DAYS,
    STATE_TIMES,
    AdapterSettings,
    AlarmRule,
    Area,
    Break,
    Characteristic,
    Day,
    DayChange,
    Line,
    Operation,
    Part,
    Product,
    Reason,
    Round,
    Shift,
    ShiftPattern,
    Site,
    Station,
    TimeKind,
    TimeModel,
    Zone,
    minutes,
    shift_minutes,
)

__all__ = [
    "DAYS",
    "STATE_TIMES",
    "AdapterSettings",
    "AlarmRule",
    "Area",
    "Break",
    "Characteristic",
    "Day",
    "DayChange",
    "Line",
    "Operation",
    "Part",
    "Plant",
    "Product",
    "Reason",
    "Round",
    "Shift",
    "ShiftPattern",
    "Site",
    "Station",
    "TimeKind",
    "TimeModel",
    "Zone",
    "load",
    "local_day",
    "minutes",
    "parse",
    "shift_minutes",
]
