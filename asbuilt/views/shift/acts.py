"""What people do at the shift pages: give reasons, write notes, correct counts, sign the handover."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from asbuilt.access import Reader
from asbuilt.events import CorrectionMade, Counted, Event, NoteWritten, OperationCompleted, ShiftClosed, StopExplained
from asbuilt.plant import Line
from asbuilt.views.shift import queries
from asbuilt.web.acting import Act, Action, Refused

SIGN_EARLY = dt.timedelta(minutes=30)
"""A shift may be signed so long before its end: people hand over while the line still runs."""


def explain(reader: Reader, act: Act) -> list[Event]:
    """Why a station stood. Who explains again is heard as well; the later word holds."""
    _person(act)
    station, reason = act.text("station"), act.text("reason")
    if station not in act.plant.stations:
        raise Refused(f"the plant has no station {station}", remedy="Load the page anew.")
    if reason not in act.plant.reasons:
        raise Refused(f"the plant file has no reason {reason}", remedy="Choose one from the list.")
    start, end = _instant(act, "start"), _instant(act, "end")
    if not start < end:
        raise Refused("the stop ends before it begins", remedy="Load the page anew.")
    if end > act.time + dt.timedelta(minutes=5):
        raise Refused("the stop ends in the future", remedy="Explain it when it is over, or up to now.")
    message = act.text("message", "")
    line = next(line for line in act.plant.lines.values() if any(one.path == station for one in line.station))
    if queries.signed(reader, line.path, start) and not message:
        raise Refused("this shift has been handed over", remedy="Say why it must be corrected, and save again.")
    return [
        act.fact(StopExplained, station=station, start_time=start, end_time=end, reason=reason, message=message or None)
    ]


def note(reader: Reader, act: Act) -> list[Event]:
    """A note for the next shift."""
    _person(act)
    line, day, shift = _shift(act)
    _refuse_signed(reader, line, day, shift)
    return [act.fact(NoteWritten, text=act.text("text"), line=line.path, day=day, shift=shift)]


def sign(reader: Reader, act: Act) -> list[Event]:
    """Hand the shift over: what is told from now on is a correction."""
    _person(act)
    line, day, shift = _shift(act)
    _refuse_signed(reader, line, day, shift)
    window = queries.find(reader, line.path, day, shift)
    if act.time < window.end - SIGN_EARLY:
        raise Refused(
            f"the shift goes on until {window.end:%H:%M}",
            remedy=f"Sign it from {window.end - SIGN_EARLY:%H:%M} on, when you hand it over.",
        )
    return [act.fact(ShiftClosed, line=line.path, day=day, shift=shift)]


def correct(reader: Reader, act: Act) -> list[Event]:
    """A count was wrong: the fact with other pieces, who says so and why. Both stay in the record."""
    _person(act)
    why = act.text("message")
    try:
        wanted = UUID(act.text("fact"))
    except ValueError:
        raise Refused("this is not the id of a fact", remedy="Load the page anew.") from None
    told = reader.effective(wanted)
    if not isinstance(told, Counted | OperationCompleted):
        raise Refused(
            "only counts and completions are corrected here", remedy="`asbuilt correct FACT_ID` corrects any fact."
        )
    good, bad = _pieces(act, "good"), _pieces(act, "rejected")
    bad_name = "rejected" if isinstance(told, Counted) else "scrap"
    changed: dict[str, Any] = {**asdict(told), "good": good, bad_name: bad}
    if changed == asdict(told):
        raise Refused("nothing is changed", remedy="Give other numbers of pieces.")
    return [
        act.fact(
            CorrectionMade, corrects=told.id, reason="incorrect_data", replacement=type(told)(**changed), message=why
        )
    ]


def _person(act: Act) -> None:
    if not act.by:
        raise Refused("nobody is named", remedy="Write your name beside the button, then save again.")


def _instant(act: Act, name: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(act.text(name))
    except ValueError:
        raise Refused(f"{name} is not a time", remedy="Load the page anew.") from None
    return found if found.tzinfo else found.replace(tzinfo=act.plant.zone)


def _pieces(act: Act, name: str) -> int:
    text = act.text(name, "0")
    if not (text.isascii() and text.isdigit() and int(text) <= 1_000_000):
        raise Refused(f"{name} is not a number of pieces", remedy="Give a whole number, 0 or more.")
    return int(text)


def _shift(act: Act) -> tuple[Line, dt.date, str]:
    line = act.plant.line(act.text("line"))
    if line is None:
        raise Refused("the plant has no such line", remedy="Load the page anew.")
    try:
        return line, dt.date.fromisoformat(act.text("day")), act.text("shift")
    except ValueError:
        raise Refused("the day is not a date", remedy="Load the page anew.") from None


def _refuse_signed(reader: Reader, line: Line, day: dt.date, shift: str) -> None:
    for signature in queries.signatures(reader, line.path, day, shift):
        raise Refused(
            f"{signature.by} has handed this shift over at {signature.time:%H:%M}",
            remedy="Write it in the shift that runs; reasons can still be corrected, with a word why.",
        )


ACTIONS = [Action("explain", explain), Action("note", note), Action("sign", sign), Action("correct", correct)]
