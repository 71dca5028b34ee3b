"""The sources page: is everything heard, and what could not be taken in?"""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.views.source import queries
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Sources", "/sources", 90, "s")


def index(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """Every source: deliveries, last heard, lag, rejections."""
    values = {
        "rows": queries.list_(reader),
        "rejections": queries.rejections(reader, limit=50),
        "unknown": queries.unknown_stations(reader),
        "failures": queries.failures(reader),
        "now": reader.now.astimezone(reader.plant().zone),
    }
    return Shown("Sources", {"sources": Fragment("sources", values)}, menu="/sources")


PAGES = [Page("/sources", index, views=("source", "line"), refresh_s=5)]
