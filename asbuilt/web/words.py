"""How pages say numbers, times and durations. Plant time everywhere, 24 hours, tabular figures."""

from __future__ import annotations

import datetime as dt
import re
from html import escape

from markupsafe import Markup


def duration(seconds: float | None) -> str:
    """`0:38`, `52:10`, `1:13 h`, `2 d 3 h`; a dash for none."""
    if seconds is None:
        return "—"
    whole = max(0, int(seconds))
    if whole >= 2 * 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours}:{minutes:02} h" if hours else f"{minutes}:{rest:02}"


def age(seconds: float | None) -> str:
    """`0.3 s`, `38 s`, `5 min`, `3 h`, `2 d`."""
    if seconds is None:
        return "—"
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)} {unit}"
    return f"{int(seconds // 86_400)} d"


def clock(instant: dt.datetime | None, reference: dt.datetime | None = None) -> str:
    """`17:25:30`, with the day where it is not the reference's."""
    if instant is None:
        return "—"
    if reference is not None and instant.date() != reference.date():
        return f"{instant:%d %b %H:%M}"
    return f"{instant:%H:%M:%S}"


def day(instant: dt.datetime | dt.date) -> str:
    """`Tue 18 Nov`."""
    return f"{instant:%a} {instant.day} {instant:%b}"


def number(value: float | int | None, digits: int = 0) -> str:
    """Thousands set apart by a narrow space; a dash for none."""
    if value is None:
        return "—"
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace("-", "−")


def signed(value: int | None) -> str:
    """`+3`, `−3`, `±0`."""
    if value is None:
        return ""
    return f"{value:+d}".replace("-", "−") if value else "±0"


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent without the sign; a dash for none, and no decimals on the whole.

    What is not the whole is never rounded to it, nor a little to nothing: it gets the decimal that tells.
    """
    if share is None:
        return "—"
    if share == 1:
        return "100"
    shown = f"{share * 100:.{digits}f}"
    if share < 1 and float(shown) >= 100:
        return f"{min(share * 100, 99.9):.1f}"
    return f"{max(share * 100, 0.1):.1f}" if share > 0 and float(shown) == 0 else shown


def quiet(unseen: int, stations: int) -> str:
    """That no alarm stands, as far as the stations are observed."""
    if not unseen and stations:
        return "Nothing asks for a response."
    if unseen == stations:
        return "Nothing known asks for a response, and nothing is observed."
    seen = f"{unseen} of {plural(stations, 'station')} {'is' if unseen == 1 else 'are'} not observed"
    return f"Nothing known asks for a response; {seen}."


def spaced(value: str) -> str:
    """A decimal string with its thousands set apart, sign typographic."""
    whole, dot, rest = value.lstrip("-").partition(".")
    groups = f"{int(whole):,}".replace(",", "\u202f") if whole.isdigit() else whole
    return ("−" if value.startswith("-") else "") + groups + dot + rest


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 fact`, `2 facts`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return text[:1].upper() + text[1:]


def marked(text: str) -> Markup:
    """Words of a message as HTML: what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)))
