"""The alarms page: what asks for a response, and do alarms ask too much?"""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from asbuilt.access import Reader
from asbuilt.domain.alarms.fold import NORMAL
from asbuilt.domain.alarms.questions import FLOOD_BEGINS
from asbuilt.domain.presence import questions as presence
from asbuilt.events import AlarmAcknowledged, AlarmShelved, Event, microseconds
from asbuilt.plant import AlarmRule
from asbuilt.views.alarm import queries
from asbuilt.views.alarm.queries import AlarmRow, Rates
from asbuilt.views.line import queries as lines
from asbuilt.web import svg, words
from asbuilt.web.acting import Act, Action, Refused
from asbuilt.web.pages import Fragment, Menu, Page, Shown

MENU = Menu("Alarms", "/alarms", 18, "a")
SHELVES_MIN = (15, 60, 240, 480)
"""For how many minutes an alarm may be put aside: at most a shift."""
REFRESH_S = 5.0
WIDTH, HEIGHT = 720.0, 74.0


def show(reader: Reader, at: dt.datetime | None = None) -> Shown:
    """Alarms that stand, those put aside, what was cleared, and how many there were."""
    found = queries.standing(reader, at)
    rates = queries.rates(reader, at=at)
    now = reader.instant(at).astimezone(reader.plant(at).zone)
    common = {"now": now, "here": at is None}
    hidden = _suppressed(reader, found, at)
    stations = list(reader.plant(at).stations)
    quiet = words.quiet(len(presence.unobserved(reader, stations, microseconds(now))), len(stations))
    fragments = {
        "counts": Fragment("counts", {"counts": _counts(found)}),
        "head": Fragment("head", {"finding": _finding(found, rates, quiet), "rates": rates, **common}),
        "standing": Fragment(
            "standing",
            {
                "rows": [row for row in found if row.shelved_until is None],
                "shelves": SHELVES_MIN,
                "quiet": quiet,
                **common,
            },
        ),
        "shelved": Fragment("shelved", {"rows": queries.standing(reader, at, shelved=True), **common}),
        "suppressed": Fragment("suppressed", {"rows": hidden, **common}),
        "cleared": Fragment("cleared", {"rows": queries.cleared(reader, at=at)[:40], **common}),
        "rates": Fragment("rates", {"rates": rates, "drawing": _tens(rates), **common}),
    }
    return Shown("Alarms", fragments, menu="/alarms")


def _suppressed(reader: Reader, found: list[AlarmRow], at: dt.datetime | None) -> list[tuple[str, str, int]]:
    """Rules whose condition holds while their cause stands: the alarm, the cause, at how many stations."""
    plant = reader.plant(at)
    lines_of = {station.path: line for line in plant.lines.values() for station in line.station}
    hidden: dict[tuple[str, str], int] = {}
    for rule in plant.alarms.values():
        for station in plant.alarm_places(rule) if rule.suppressed_by else ():
            here = {one.path for one in lines_of[station.path].station}
            cause = next(
                (row for row in found if row.alarm in rule.suppressed_by and row.place in here and row.until is None),
                None,
            )
            raised = any(row.alarm == rule.id and row.place == station.path and row.until is None for row in found)
            if cause is not None and not raised and _holds(reader, rule, station.path, at):
                key = (rule.name, f"{cause.text}, {cause.name}")
                hidden[key] = hidden.get(key, 0) + 1
    return [(name, cause, count) for (name, cause), count in sorted(hidden.items())]


def _holds(reader: Reader, rule: AlarmRule, station: str, at: dt.datetime | None) -> bool:
    seen = lines.condition(reader, station, rule.characteristic or "", at)
    if not seen or rule.characteristic is None:
        return seen in rule.states
    over = rule.above is not None and float(seen) > float(rule.above)
    return over or (rule.below is not None and float(seen) < float(rule.below))


def _finding(found: list[AlarmRow], rates: Rates, quiet: str) -> str:
    active = [row for row in found if row.shelved_until is None]
    unseen = [row for row in active if not row.seen_by]
    if not active:
        return quiet
    first = active[0]
    gone = sum(1 for row in active if row.until is not None)
    stand = len(active) - gone
    text = f"{stand or 'No'} {'alarms stand' if stand > 1 else 'alarm stands'}"
    text += f", {gone} returned to normal" if gone else ""
    text += f", {len(unseen)} not acknowledged" if unseen else ", all acknowledged"
    text += f"; the most urgent is {first.text[:1].lower() + first.text[1:]} at {first.name}"
    return f"{text}. {'A flood: look at the first ones.' if rates.floods else ''}".strip()


def _counts(found: list[AlarmRow]) -> list[tuple[int, int, bool]]:
    active = [row for row in found if row.shelved_until is None]
    return [
        (
            priority,
            sum(1 for row in active if row.priority == priority and row.until is None),
            any(row.priority == priority and not row.seen_by for row in active),
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


def _standing(reader: Reader, act: Act) -> AlarmRow:
    name, place = act.text("alarm"), act.text("place", "")
    every = queries.standing(reader) + queries.standing(reader, shelved=True)
    found = next((row for row in every if (row.alarm, row.place) == (name, place)), None)
    if found is None:
        raise Refused("this alarm does not stand any more", remedy="Nothing is to be done.")
    if not act.by:
        raise Refused("nobody is named", remedy="Write your name beside the button, then try again.")
    return found


def _about(row: AlarmRow) -> dict[str, str]:
    if row.place.startswith("source:"):
        return {"alarm": row.alarm, "adapter": row.place.removeprefix("source:")}
    return {"alarm": row.alarm, "station": row.place} if row.place else {"alarm": row.alarm}


def acknowledge(reader: Reader, act: Act) -> list[Event]:
    """A person has seen an alarm."""
    row = _standing(reader, act)
    if row.state == NORMAL:
        raise Refused("this alarm is normal and shelved", remedy="Nothing is to be done.")
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


ACTIONS = [Action("acknowledge", acknowledge), Action("shelve", shelve), Action("unshelve", unshelve)]
PAGES = [Page("/alarms", show, refresh_s=REFRESH_S)]
