"""Units of time, and instants as people read them.

Rows keep instants as microseconds since 1970 UTC (names end in `_us`); durations told to people are seconds (`_s`).
"""

from __future__ import annotations

import datetime as dt
from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
FOREVER_US: Final = 9_223_372_036_854_775_807
"""The end of what has none: the largest instant a row can hold."""


def time_at(us: int, zone: dt.tzinfo) -> dt.datetime:
    """An instant in a place's own time. Microseconds since 1970 UTC; raises `OverflowError` outside years 1 to 9999."""
    # By parts: a float of seconds has not the resolution for microseconds.
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=us)).astimezone(zone)
