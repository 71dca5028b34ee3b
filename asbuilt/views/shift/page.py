"""The shift pages: what must the next shift know, and how do the figures come about?"""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

from asbuilt.access import Reader
from asbuilt.domain.states.rows import Explained
from asbuilt.errors import UsageError
from asbuilt.plant import Line, Plant, Reason
from asbuilt.views.line import queries as lines
from asbuilt.views.shift import drawing, queries
from asbuilt.views.shift.acts import ACTIONS
from asbuilt.views.shift.explorer import explore, window
from asbuilt.views.shift.queries import Report
from asbuilt.views.shift.rows import Handover, Note
from asbuilt.web.pages import Fragment, Menu, Page, Shown

__all__ = ["ACTIONS", "MENU", "PAGES"]

MENU = [Menu("Shift", "/shift", 15, "h"), Menu("Key figures", "/kpi", 17, "k")]
REFRESH_S = 5.0
"""What machines tell moves the figures so often; what people tell is shown at once."""
TOLD_BY_PEOPLE = (Explained, Note, Handover, "cases", "alarms")
SHOWN_STOPS = 40


def index(reader: Reader, at: dt.datetime | None = None, line: str | None = None) -> Shown:
    """The shift at work, or the last one."""
    plant = reader.plant(at)
    known = [one for one in plant.lines.values() if plant.has_shifts(one)]
    found = _line(plant, line) if line else (known[0] if known else None)
    day, shift = queries.latest(reader, found.path, at) if found is not None else ("", "")
    if not shift:
        return Shown(
            "Shift", {"nothing": Fragment("nothing", {"lines": bool(plant.lines)})}, layout="single", menu="/shift"
        )
    asked = [f"line={quote(plant.address(found), safe='')}"] if found is not None and len(plant.lines) > 1 else []
    if at is not None:
        asked.append(f"at={quote(at.isoformat(), safe='')}")
    return Shown(
        "Shift", {}, menu="/shift", go=f"/shift/{day}/{quote(shift)}" + ("?" + "&".join(asked) if asked else "")
    )


def show(reader: Reader, day: str, shift: str, line: str | None = None, at: dt.datetime | None = None) -> Shown:
    """The handover report of one shift."""
    plant = reader.plant(at)
    found = _line(plant, line) if line else next((one for one in plant.lines.values() if plant.has_shifts(one)), None)
    if found is None:
        raise UsageError("no line works by shifts", remedy="Give a line `shifts` in the plant file.")
    report = queries.report(reader, found.path, _date(day), shift, at)
    address = f"/shift/{day}/{quote(shift)}" + (f"?line={quote(report.address)}" if len(plant.lines) > 1 else "")
    common = {"report": report, "back": address, "here": at is None}
    alarms = lines.board(reader, found.path, report.at if not report.over else report.shift.end).alarms
    fragments = {
        "head": Fragment(
            "head",
            {
                **common,
                "context": _context(plant, found, report),
                "more": _more(plant, report),
                "lines": _lines(plant, report),
            },
        ),
        "hours": Fragment("hours", {**common, "bars": _bars(report)}),
        "losses": Fragment("losses", {**common, "steps": drawing.waterfall(report.losses)}),
        "causes": Fragment("causes", {**common, "draw": drawing}),
        "open": Fragment("open", {**common, "alarms": alarms}),
        "stops": Fragment("stops", {**common, "reasons": reason_groups(plant), "shown": SHOWN_STOPS}),
        "stations": Fragment("stations", common),
        "notes": Fragment("notes", common),
        "sign": Fragment("sign", common),
    }
    return Shown(f"Shift {shift}, {day}", fragments, menu="/shift")


def _context(plant: Plant, line: Line, report: Report) -> list[str]:
    window = report.shift
    product = plant.products.get(line.product or "")
    return [
        line.name,
        *([product.name] if product else []),
        f"shift {window.id}" + (f", {window.lead}" if window.lead else ""),
        f"{window.start:%a} {window.start.day} {window.start:%b %Y}, {window.start:%H:%M} – {window.end:%H:%M}",
    ]


def _more(plant: Plant, report: Report) -> dict[str, str]:
    tail = f"?line={quote(report.address)}" if len(plant.lines) > 1 else ""
    return {
        name: f"/shift/{quote(where)}{tail}"
        for name, where in (("before", report.before), ("after", report.after))
        if where
    }


def _lines(plant: Plant, report: Report) -> list[tuple[str, str]]:
    """The lines that work by shifts, with the address of each one's shift now; none if there is only one."""
    lines = [line for line in plant.lines.values() if plant.has_shifts(line)]
    return [(line.name, f"/shift?line={quote(plant.address(line), safe='')}") for line in lines if len(lines) > 1]


def _bars(report: Report) -> list[object]:
    most = max([1, *(max(hour.made or 0, hour.planned or 0) for hour in report.hours)])
    return [drawing.hour_bar(hour, most) for hour in report.hours]


def reason_groups(plant: Plant) -> list[tuple[str, list[Reason]]]:
    """The reasons a person may give, by group, in the order of the plant file."""
    found: dict[str, list[Reason]] = {}
    above = {reason.under for reason in plant.reasons.values()}
    for reason in plant.reasons.values():
        # A branch is chosen by its leaves; one without any is a leaf.
        if reason.id not in above:
            found.setdefault(plant.reason_group(reason.id), []).append(reason)
    return list(found.items())


def _line(plant: Plant, name: str) -> Line:
    found = plant.line(name)
    if found is None:
        known = ", ".join(plant.address(line) for line in plant.lines.values()) or "none yet"
        raise UsageError(f"there is no line `{name}`", remedy=f"The plant has: {known}.")
    return found


def _date(day: str) -> dt.date:
    try:
        return dt.date.fromisoformat(day)
    except ValueError:
        raise UsageError(f"`{day}` is not a date", remedy="Write the day as 2026-06-03.") from None


PAGES = [
    Page("/shift", index, live=False),
    Page("/shift/{day}/{shift}", show, views=TOLD_BY_PEOPLE, refresh_s=REFRESH_S),
    Page("/kpi", explore, views=(Explained,), refresh_s=120),
    Page("/kpi/window", window, refresh_s=60),
]
