"""The orders page: where do our orders stand?"""

from __future__ import annotations

import datetime as dt

from asbuilt.access import Reader
from asbuilt.views.order import queries
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Orders", "/orders", 20, "o")
ROWS = 200


def index(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """Orders, the one worked on last first."""
    rows = queries.list_(reader, limit=ROWS, at=at)
    values = {"rows": rows, "totals": queries.totals(reader, at=at), "count": queries.count(reader, at)}
    return Shown("Orders", {"orders": Fragment("orders", values)}, menu="/orders")


def one(reader: Reader, order: str, at: dt.datetime | None = None) -> Shown:
    """One order: its operations and reports."""
    values = {
        "row": queries.show(reader, order, at),
        "steps": queries.steps(reader, order, at),
        "reports": queries.reports(reader, order=order, limit=ROWS, at=at),
        "totals": queries.totals(reader, order=order, at=at),
    }
    return Shown(f"Order {order}", {"order": Fragment("order", values)}, layout="single", menu="/orders")


PAGES = [
    Page("/orders", index, refresh_s=60),
    Page("/orders/{order:path}", one, refresh_s=60),
]
