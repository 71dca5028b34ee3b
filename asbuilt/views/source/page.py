"""The sources page: is everything heard, and what could not be taken in?"""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from asbuilt.access import Reader
from asbuilt.views.line import queries as lines
from asbuilt.views.source import queries
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Sources", "/sources", 90, "s")


def index(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """Every source: deliveries, last heard, lag, rejections."""
    rows = queries.list_(reader, at)
    # A connection that is lost is silent whether its source has a period or not.
    silent = {silence.source for silence in lines.silences(reader, at)}
    rows = [replace(row, state="silent") if row.source in silent else row for row in rows]
    values = {
        "rows": rows,
        "time": reader.plant(at).time_model,
        "rejections": queries.rejections(reader, limit=50, at=at),
        "gaps": queries.gaps(reader, limit=20, at=at),
        "deviations": queries.deviations(reader, limit=50, at=at),
        # What is amiss today says nothing about a past moment.
        "unknown": queries.unknown_stations(reader) if at is None else [],
        "failures": queries.failures(reader) if at is None else [],
    }
    return Shown("Sources", {"sources": Fragment("sources", values)}, menu="/sources")


PAGES = [Page("/sources", index, refresh_s=5)]
