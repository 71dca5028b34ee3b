"""The site page: is anyone or anything where it should not be, and what is not seen?"""

from __future__ import annotations

import datetime as dt
from typing import Any

from markupsafe import Markup

from asbuilt.access import Reader
from asbuilt.views.line import queries as lines
from asbuilt.views.shift import queries as shifts
from asbuilt.views.site import queries
from asbuilt.views.site.queries import BlindRow, PresenceRow, RoundRow, ZoneRow
from asbuilt.web import svg
from asbuilt.web.pages import Fragment, Menu, Page, Shown
from asbuilt.web.words import capital

MENU = Menu("Site", "/site", 85, "p")
HOURS = 12
MOST = 60
PLAN_WIDTH = 760.0
STOP_BEFORE = dt.timedelta(minutes=5)
"""A stop that began at most so long before or after something was seen stands beside it."""


def index(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """The plan, what is there, what was seen beside the stops, rounds and blind cameras."""
    zones = queries.zones(reader, at)
    here = queries.present(reader, at)
    unseen = queries.blind(reader, HOURS, at)
    rounds = queries.rounds(reader, at=at)
    seen = queries.seen(reader, HOURS, MOST, at)
    stops = _stops(reader, seen, at)
    beside = [(row, _beside(row, stops)) for row in seen]
    fragments = {
        "head": Fragment("head", {"finding": finding(here, unseen, rounds, seen, zones)}),
        "plan": Fragment("plan", {"drawing": drawn(zones), "zones": zones, "here": here}),
        "rounds": Fragment("rounds", {"rows": rounds}),
        "seen": Fragment("seen", {"rows": beside, "hours": HOURS}),
        "blind": Fragment("blind", {"rows": unseen, "hours": HOURS}),
    }
    return Shown("Site", fragments, menu="/site")


def finding(
    here: list[PresenceRow],
    unseen: list[BlindRow],
    rounds: list[RoundRow],
    seen: list[PresenceRow],
    zones: list[ZoneRow],
) -> str:
    """What must be known first, in sentences."""
    if not (zones or seen or unseen or rounds):
        return "No zone or round is in the plant file, and nothing has been seen yet."
    wrong = [row for row in here if row.unexpected]
    said = [
        f"{capital(row.category)} in {row.zone_name} since {row.since:%H:%M}: {row.unexpected}." for row in wrong[:2]
    ]
    if len(wrong) > 2:
        said.append(f"{len(wrong) - 2} more where they should not be.")
    if not wrong:
        said.append("Nobody and nothing is seen where it should not be.")
    still = [row for row in unseen if row.until is None]
    if still:
        names = ", ".join(dict.fromkeys(row.device for row in still[:3]))
        said.append(
            f"{capital(names)} {'sees' if len(still) == 1 else 'see'} nothing: what happens there is not known."
        )
    missed = [row for row in rounds if row.state == "missed"]
    if missed:
        said.append(f"{missed[0].name} of {missed[0].due:%H:%M} was not walked whole.")
    return " ".join(said)


def drawn(zones: list[ZoneRow]) -> Markup:
    """The plan: each zone a rectangle with its name and who is there; hatched where a camera is blind."""
    if not zones:
        return Markup("")
    left, top = min(zone.x for zone in zones), min(zone.y for zone in zones)
    wide = max(zone.x + zone.width for zone in zones) - left
    high = max(zone.y + zone.height for zone in zones) - top
    scale = min(PLAN_WIDTH / wide, 360 / high)
    parts = []
    for zone in zones:
        x, y = (zone.x - left) * scale + 3, (zone.y - top) * scale + 3
        width, height = zone.width * scale - 4, zone.height * scale - 4
        parts.append(svg.rect(x, y, width, height, "tile", rx=3, stroke="rule2"))
        if zone.blind:
            parts.append(svg.rect(x, y, width, height, "#hat", rx=3))
        if zone.unexpected:
            parts.append(svg.rect(x + 1.5, y + 1.5, width - 3, height - 3, "none", rx=3, stroke="p2", css="heavy"))
            mark = (
                str(svg.glyph(2, 22))
                .replace("gl unack", "gl")
                .replace("<svg ", f'<svg x="{x + width - 31:.0f}" y="{y + 8:.0f}" ', 1)
            )
            parts.append(mark)
        room = max(3, int(width / 7.2))
        parts.append(svg.text(x + 9, y + 20, _short(zone.name, room), "zone"))
        if height > 40:
            words = ", ".join(zone.present) or ("not seen" if zone.blind else "")
            parts.append(svg.text(x + 9, y + 38, _short(words, room), "k"))
    said = ". ".join(_sentence(zone) for zone in zones)
    return svg.element(
        wide * scale + 6, high * scale + 6, "".join(parts), label=f"Plan of the site. {said}", css="plan"
    )


def _sentence(zone: ZoneRow) -> str:
    there = ", ".join(zone.present) or "nobody seen"
    unexpected = ", not expected" if zone.unexpected else ""
    return f"{zone.name}: {there}{unexpected}{', not seen by ' + ', '.join(zone.blind) if zone.blind else ''}"


def _short(words: str, room: int) -> str:
    return words if len(words) <= room else f"{words[: room - 1]}…"


def _stops(reader: Reader, seen: list[PresenceRow], at: dt.datetime | None) -> list[Any]:
    """Stops of all lines in the time that is shown."""
    if not seen:
        return []
    until = reader.instant(at)
    begin = max(min(row.since for row in seen), until - dt.timedelta(hours=HOURS)) - STOP_BEFORE
    return [stop for line in lines.lines(reader, at) for stop in shifts.stops(reader, line.line, begin, until)]


def _beside(row: PresenceRow, stops: list[Any]) -> Any:
    """The stop that began nearest to when something was seen."""
    near = [stop for stop in stops if abs(stop.start - row.since) <= STOP_BEFORE]
    return min(near, key=lambda stop: (abs(stop.start - row.since), stop.station), default=None)


PAGES = [Page("/site", index, refresh_s=15)]
