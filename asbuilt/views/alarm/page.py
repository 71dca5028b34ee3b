"""The alarms page: what asks for a response, and do alarms ask too much?"""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from asbuilt.access import Reader
from asbuilt.domain.alarms.fold import LATCHED, LATCHED_SEEN, NORMAL, OUT_OF_SERVICE, SHELVED, SUPPRESSED
from asbuilt.domain.alarms.questions import FLOOD_BEGINS
from asbuilt.domain.presence import questions as presence
from asbuilt.events import (
    AlarmAcknowledged,
    AlarmPlacedInService,
    AlarmRemovedFromService,
    AlarmReset,
    AlarmShelved,
    Event,
    microseconds,
)
from asbuilt.views.alarm import queries
from asbuilt.views.alarm.queries import AlarmRow, Rates
from asbuilt.web import svg, words
from asbuilt.web.acting import Act, Action, Refused
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Alarms", "/alarms", 18, "a")
SHELVES_MIN = (15, 60, 240, 480)
"""For how many minutes an alarm may be put aside: at most a shift."""
OUT_DAYS = (1, 7, 30)
"""For how many days an alarm may be out of service; else until somebody places it back."""
REFRESH_S = 5.0
WIDTH, HEIGHT = 720.0, 74.0


def show(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """Alarms that stand, those put aside, what was cleared, and how many there were."""
    every = queries.listed(reader, at)
    found = [row for row in every if row.state != NORMAL]
    rates = queries.rates(reader, at=at)
    now = reader.instant(at).astimezone(reader.plant(at).zone)
    common = {"now": now, "here": at is None}
    stations = list(reader.plant(at).stations)
    quiet = words.quiet(len(presence.unobserved(reader, stations, microseconds(now))), len(stations))
    asking = [row for row in found if not row.aside]
    fragments = {
        "counts": Fragment("counts", {"counts": _counts(asking)}),
        "head": Fragment("head", {"finding": _finding(asking, rates, quiet), "rates": rates, **common}),
        "standing": Fragment(
            "standing", {"rows": asking, "shelves": SHELVES_MIN, "days": OUT_DAYS, "quiet": quiet, **common}
        ),
        "suppressed": Fragment("suppressed", {"rows": [row for row in every if row.aside == SUPPRESSED], **common}),
        "shelved": Fragment("shelved", {"rows": [row for row in every if row.aside == SHELVED], **common}),
        "out": Fragment("out", {"rows": [row for row in every if row.aside == OUT_OF_SERVICE], **common}),
        "cleared": Fragment("cleared", {"rows": _settled(every, queries.cleared(reader, at=at))[:40], **common}),
        "rates": Fragment("rates", {"rates": rates, "drawing": _tens(rates), **common}),
    }
    return Shown("Alarms", fragments, menu="/alarms")


def _settled(every: list[AlarmRow], cleared: list[AlarmRow]) -> list[AlarmRow]:
    """What was cleared and waits for nobody: what returned unseen is in the lists above already."""
    waiting = {(row.alarm, row.place, row.since) for row in every if row.state != NORMAL}
    return [row for row in cleared if (row.alarm, row.place, row.since) not in waiting]


def _finding(asking: list[AlarmRow], rates: Rates, quiet: str) -> str:
    unseen = [row for row in asking if not row.seen_by]
    if not asking:
        return quiet
    first = asking[0]
    gone = sum(1 for row in asking if not row.active)
    stand = len(asking) - gone
    text = f"{stand or 'No'} {'alarms stand' if stand > 1 else 'alarm stands'}"
    text += f", {gone} returned to normal" if gone else ""
    text += f", {len(unseen)} not acknowledged" if unseen else ", all acknowledged"
    text += f"; the most urgent is {first.text[:1].lower() + first.text[1:]} at {first.name}"
    return f"{text}. {'A flood: look at the first ones.' if rates.floods else ''}".strip()


def _counts(asking: list[AlarmRow]) -> list[tuple[int, int, bool]]:
    return [
        (
            priority,
            sum(1 for row in asking if row.priority == priority and row.active),
            any(row.priority == priority and not row.seen_by for row in asking),
        )
        for priority in (1, 2, 3, 4)
    ]


def _tens(rates: Rates) -> Markup:
    """New alarms by ten minutes; the line is where a flood begins."""
    most = max([FLOOD_BEGINS, *rates.tens])
    step = WIDTH / len(rates.tens)
    inside = svg.line(0, 60 - 56 * FLOOD_BEGINS / most, WIDTH, 60 - 56 * FLOOD_BEGINS / most, "ink3", 1, "4 4")
    for number, count in enumerate(rates.tens):
        if count:
            high = 56 * count / most
            inside += svg.rect(
                number * step, 60 - high, max(step - 0.8, 1), high, "ink1" if count > FLOOD_BEGINS else "shape"
            )
    inside += svg.line(0, 60, WIDTH, 60, "rule")
    inside += svg.text(0, 72, f"{rates.start:%H:%M}", "axis") + svg.text(WIDTH, 72, f"{rates.end:%H:%M}", "axis", "end")
    label = f"{rates.count} new alarms, at most {rates.peak} in ten minutes"
    return svg.element(WIDTH, HEIGHT, inside, label=label, css="chart")


# --------------------------------------------------------------------------- acts


def _named(act: Act) -> None:
    if not act.by:
        raise Refused("nobody is named", remedy="Write your name beside the button, then try again.")


def _standing(reader: Reader, act: Act) -> AlarmRow:
    name, place = act.text("alarm"), act.text("place", "")
    found = next((row for row in queries.listed(reader) if (row.alarm, row.place) == (name, place)), None)
    if found is None:
        raise Refused("this alarm does not stand any more", remedy="Nothing is to be done.")
    _named(act)
    return found


def _about(row: AlarmRow) -> dict[str, str]:
    if row.place.startswith("source:"):
        return {"alarm": row.alarm, "adapter": row.place.removeprefix("source:")}
    return {"alarm": row.alarm, "station": row.place} if row.place else {"alarm": row.alarm}


def acknowledge(reader: Reader, act: Act) -> list[Event]:
    """A person has seen an alarm."""
    row = _standing(reader, act)
    if row.state == NORMAL:
        raise Refused("this alarm is normal and put aside", remedy="Nothing is to be done.")
    if row.seen_by:
        raise Refused(f"{row.seen_by} has seen this alarm already", remedy="Nothing is to be done.")
    return [act.fact(AlarmAcknowledged, **_about(row))]


def shelve(reader: Reader, act: Act) -> list[Event]:
    """A person puts an alarm aside for a while, with a reason; it comes back by itself."""
    row = _standing(reader, act)
    minutes = act.text("minutes")
    if minutes not in map(str, SHELVES_MIN):
        raise Refused(f"an alarm cannot be put aside for {minutes} minutes", remedy="Choose one of the times given.")
    until = act.time + dt.timedelta(minutes=int(minutes))
    return [act.fact(AlarmShelved, until=until, reason=act.text("reason"), **_about(row))]


def unshelve(reader: Reader, act: Act) -> list[Event]:
    """A person takes an alarm back before its time."""
    row = _standing(reader, act)
    if row.shelved_until is None:
        raise Refused("this alarm is not shelved", remedy="Load the page anew.")
    return [act.fact(AlarmShelved, until=act.time, reason="taken back", **_about(row))]


def reset(reader: Reader, act: Act) -> list[Event]:
    """A person resets a latched alarm whose condition is gone."""
    row = _standing(reader, act)
    if row.state not in (LATCHED, LATCHED_SEEN):
        raise Refused("this alarm waits for no reset", remedy="It is cleared when its condition is gone.")
    return [act.fact(AlarmReset, **_about(row))]


def remove(reader: Reader, act: Act) -> list[Event]:
    """A person takes an alarm out of service, with a reason: for some days, or until it is placed back."""
    row, days = _standing(reader, act), act.text("days", "")
    if days not in ("", *map(str, OUT_DAYS)):
        raise Refused(f"an alarm cannot be out of service for {days} days", remedy="Choose one of the times given.")
    until = act.time + dt.timedelta(days=int(days)) if days else None
    return [act.fact(AlarmRemovedFromService, until=until, reason=act.text("reason"), **_about(row))]


def place(reader: Reader, act: Act) -> list[Event]:
    """A person places an alarm in service again."""
    row = _standing(reader, act)
    if row.aside != OUT_OF_SERVICE:
        raise Refused("this alarm is in service", remedy="Load the page anew.")
    return [act.fact(AlarmPlacedInService, **_about(row))]


ACTIONS = [
    Action("acknowledge", acknowledge), Action("reset", reset), Action("shelve", shelve), Action("unshelve", unshelve),
    Action("remove", remove), Action("place", place),
]  # fmt: skip
PAGES = [Page("/alarms", show, refresh_s=REFRESH_S)]
