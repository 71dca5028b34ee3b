"""Unit pages: is this engine good, complete, and where?"""

from __future__ import annotations

import datetime as dt
from collections import Counter

from asbuilt.access import Reader, UnitSeal
from asbuilt.errors import UsageError
from asbuilt.events import unit_key
from asbuilt.views.unit import acts, charts, queries
from asbuilt.views.unit.passport import Passport
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Units", "/unit", 30, "u")
ACTIONS = acts.ACTIONS
ROWS = 200


def index(reader: Reader, state: str | None = None, at: dt.datetime | None = None) -> Shown:
    """Units, the one that changed last first."""
    rows = queries.list_(reader, state=state, limit=ROWS, at=at)
    values = {"rows": rows, "state": state or "", "states": queries.STATES, "counts": Counter(r.state for r in rows)}
    return Shown("Units", {"units": Fragment("units", values)}, layout="index", menu="/unit")


def show(reader: Reader, serial: str, at: dt.datetime | None = None, known_at: dt.datetime | None = None) -> Shown:
    """The passport of one unit: `serial`, or `product/serial`."""
    passport = _passport(reader, serial, at, known_at)
    own = {"p": passport, "mark": charts.mark}
    fragments = {
        "head": Fragment("head", {**own, "seal": _seal(reader, passport) if at is None and known_at is None else None}),
        "built": Fragment("built", own),
        "critical": Fragment("critical", own),
        "genealogy": Fragment("genealogy", own),
        "history": Fragment("history", {**own, "drawing": charts.history(passport.steps, passport.station_names)}),
        "runs": Fragment("runs", {**own, "channels": charts.channels, "curve": charts.curve}),
        "doubts": Fragment("doubts", own),
        "life": Fragment("life", own),
        "record": Fragment("record", {**own, "severities": acts.SEVERITIES, "decisions": acts.DECISIONS, "at": at}),
    }
    return Shown(passport.unit.serial, fragments, layout="passport", values={"p": passport}, menu="/unit")


def _seal(reader: Reader, passport: Passport) -> UnitSeal | None:
    return reader.seal(unit_key(passport.unit.product, passport.unit.serial))


def _passport(reader: Reader, serial: str, at: dt.datetime | None, known_at: dt.datetime | None) -> Passport:
    try:
        return Passport(reader, serial, None, at, known_at)
    except UsageError:
        product, slash, name = serial.partition("/")
        if not slash:
            raise
        return Passport(reader, name, product, at, known_at)


PAGES = [
    Page("/unit", index, refresh_s=60),
    Page("/unit/{serial:path}", show, refresh_s=60),
]
