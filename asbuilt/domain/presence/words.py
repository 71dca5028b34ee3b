"""How often stations and sources were heard of over a window: enough to say that no gap in it is long enough to count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from asbuilt.access import Reader
from asbuilt.access.conditions import below, between, count, least, most, one_of
from asbuilt.domain.presence.fold import Hour, Minute
from asbuilt.domain.presence.intervals import Interval
from asbuilt.events import microseconds
from asbuilt.time import HOUR_US, MINUTE_US

LOOK_BACK_HOURS: Final = 24
"""So far before a window a word is looked for, before it is looked for closely."""
_WORDS: Final = (count(), least("first_us"), most("last_us"))


def know_words(reader: Reader, stations: Iterable[str], start_us: int, end_us: int) -> None:
    """Read how often several stations were heard of at once, for whoever asks for silences of one of them."""
    first, last = looked_at(reader, start_us, end_us)
    subjects = [f"station:{station}" for station in stations]
    rows = reader.totals(Hour, {"subject": one_of(subjects), "hour": between(first, last)}, by=("subject",), of=_WORDS)
    found = {subject: tuple(figures) for subject, *figures in rows}
    for subject in subjects:
        reader.know(("words", subject, first, last), found.get(subject, (0, None, None)))


def looked_at(reader: Reader, start_us: int, end_us: int) -> tuple[int, int]:
    """The hours whose words are looked at first: from a while before a window to its end, or to now."""
    return start_us // HOUR_US - LOOK_BACK_HOURS, min(end_us, microseconds(reader.now)) // HOUR_US + 2


def unbroken(
    reader: Reader, subjects: tuple[str, ...], limit_us: int, first: int, last: int, start_us: int
) -> Interval | None:
    """From the first to the last word of some hours, if too few of them are without one for a gap; None to look closer."""
    for subject in subjects:
        known, first_us, last_us = reader.once(
            ("words", subject, first, last),
            lambda subject=subject: reader.totals(  # type: ignore[misc]
                Hour, {"subject": subject, "hour": between(first, last)}, of=_WORDS
            )[0],
        )
        # So many hours without a word, and the parts of hours beside them, are no gap that counts.
        if known and (last - first - known + 2) * HOUR_US <= limit_us and first_us <= start_us:
            return first_us, last_us
    return None


def spoken_minutes(reader: Reader, source: str, limit_us: int, start_us: int, end_us: int) -> list[Interval]:
    """A source's words by the minute, those within a limit joined: read once for all of its stations."""

    def read() -> list[Interval]:
        low, high = (start_us - limit_us) // MINUTE_US, (end_us + limit_us) // MINUTE_US + 1
        minutes = reader.rows(Minute, {"source": source, "minute": between(low, high)})
        minutes += reader.rows(Minute, {"source": source, "minute": below(low)}, order="-minute", limit=1)
        return chained([(row.first_us, row.last_us) for row in minutes], limit_us)

    return reader.once(("minutes", source, limit_us, start_us, end_us), read)


def chained(spans: list[Interval], limit_us: int) -> list[Interval]:
    """From the first to the last of words that follow each other within a limit."""
    found: list[Interval] = []
    for first_us, last_us in sorted(spans):
        if found and first_us - found[-1][1] <= limit_us:
            found[-1] = (found[-1][0], max(found[-1][1], last_us))
        else:
            found.append((first_us, last_us))
    return found
