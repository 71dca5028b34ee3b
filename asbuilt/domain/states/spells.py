"""A station's states as they read: changes, and spells in which one stop has one reason.

Nothing here asks whether the station was observed, or what the plant counts a state as.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import at_least, at_most, below, between, one_of
from asbuilt.domain.meaning import comes_after, goes_on, last_of_instants, lead_of
from asbuilt.domain.states.rows import Explained, State
from asbuilt.time import FOREVER_US, HOUR_US

MOST_OF_A_STOP: Final = 5_000
"""So many changes of state of one stop are followed back and forth from where a window cuts it."""
_AT_ONCE: Final = 8


class Spell(NamedTuple):
    """From when to when a station was in a state, as told by one fact.

    `reason` is that of the whole stop the spell belongs to, whenever in it that was told; `lead` the state the stop goes
    by; `stop_us` when that began. A spell that has not ended ends at the end of time.
    """

    start_us: int
    end_us: int
    state: str
    reason: str
    message: str
    fact: bytes
    lead: str
    stop_us: int


def before(reader: Reader, station: str, time_us: int) -> State | None:
    """The last change of a station's state before an instant."""
    return reader.once(("state before", station, time_us), lambda: _before(reader, station, time_us))


def _before(reader: Reader, station: str, time_us: int) -> State | None:
    return reader.first(
        State,
        {"station": station, "hour": at_most(time_us // HOUR_US), "time_us": below(time_us)},
        order="-hour -time_us -fact",
    )


def changes(reader: Reader, station: str, start_us: int, end_us: int) -> list[State]:
    """A station's changes of state in a window, in order."""
    return reader.rows(
        State,
        {
            "station": station,
            "hour": between(start_us // HOUR_US, -(-end_us // HOUR_US)),
            "time_us": between(start_us, end_us),
        },
        order="hour time_us fact",
    )


def spells(reader: Reader, station: str, start_us: int, end_us: int, now_us: int) -> list[Spell]:
    """A station's states over a window as they read at `now_us`, in order, without overlaps.

    The first begins where its state did, however long before; what a stop is called may have been told before the
    window or after it, up to `now_us`.
    """
    until_us = min(end_us, now_us)
    first = before(reader, station, start_us)
    rows = [*([first] if first else []), *changes(reader, station, start_us, until_us)]
    if not rows:
        return []
    rows = [*back(reader, rows[0]), *rows, *on(reader, rows[-1], now_us)]
    return [spell for spell in together(rows) if spell.end_us > start_us and spell.start_us < until_us]


def together(told: Sequence[State]) -> list[Spell]:
    """Changes in order as spells; those of one stop have its reason, and the state it goes by."""
    rows = last_of_instants(told[::-1])[::-1]
    ends = [*(row.time_us for row in rows[1:]), FOREVER_US]
    found: list[Spell] = []
    at = 0
    while at < len(rows):
        until, reason = at + 1, rows[at].reason
        while until < len(rows) and _goes_on(rows[until - 1], rows[until], reason):
            reason = reason or rows[until].reason
            until += 1
        lead = lead_of(rows[at].state)
        message = next((row.message for row in rows[at:until] if row.message), "")
        found += [
            Spell(row.time_us, end, row.state, reason, row.message or message, row.fact, lead, rows[at].time_us)
            for row, end in zip(rows[at:until], ends[at:until], strict=True)
        ]
        at = until
    return found


def _goes_on(before: State, after: State, reason: str = "") -> bool:
    return goes_on((before.state, before.reason), (after.state, after.reason), reason)


def reads_by_what_was_before(state: str, reason: str) -> bool:
    """Whether what was told before a state may say more about the stop it belongs to: its reason, or its kind."""
    return comes_after(state) and (not reason or lead_of(state) in ("Stopped", "Resetting"))


def reads_by_what_comes(state: str, reason: str) -> bool:
    """Whether what is told after a state may say more about the stop it belongs to: its reason."""
    return not reason and goes_on((state, reason), (state, reason))


def back(reader: Reader, row: State) -> list[State]:
    """The changes before one that belong to the same stop, in order."""
    found: list[State] = []
    while len(found) < MOST_OF_A_STOP:
        head = found[-1] if found else row
        earlier = reader.rows(
            State,
            {"station": head.station, "hour": at_most(head.hour), "time_us": below(head.time_us)},
            order="-hour -time_us -fact",
            limit=_AT_ONCE,
        )
        for one in last_of_instants(earlier):
            if not _goes_on(one, head):
                return found[::-1]
            found.append(one)
            head = one
        if len(earlier) < _AT_ONCE:
            break
    return found[::-1]


def on(reader: Reader, row: State, now_us: int) -> list[State]:
    """The change after one, if it is known by now, and those that go on with the same stop."""
    found: list[State] = []
    while len(found) < MOST_OF_A_STOP:
        tail = found[-1] if found else row
        later = reader.rows(
            State,
            {
                "station": tail.station,
                "hour": between(tail.hour, now_us // HOUR_US + 1),
                "time_us": between(tail.time_us + 1, now_us),
            },
            order="hour time_us fact",
            limit=_AT_ONCE,
        )
        for one in last_of_instants(later[::-1])[::-1]:
            found.append(one)
            if not _goes_on(tail, one):
                return found
            tail = one
        if len(later) < _AT_ONCE:
            break
    return found


# --------------------------------------------------------------------------- explanations


def above(station: str) -> list[str]:
    """A station's path and those of the line, area, site and enterprise it belongs to."""
    parts = station.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def explanations(reader: Reader, station: str, start_us: int, end_us: int) -> list[Explained]:
    """What was said about stops of a station, or of all it belongs to, that reaches into a window or ends where it begins."""
    return list(
        reader.once(
            _explained(station, start_us, end_us),
            lambda: reader.rows(
                Explained, {"place": one_of(above(station)), "end_us": at_least(start_us), "start_us": below(end_us)}
            ),
        )
    )


def know_explanations(reader: Reader, stations: Sequence[str], start_us: int, end_us: int) -> None:
    """Read what was said about stops of several stations at once, for whoever asks for one of them."""
    every = {station: above(station) for station in stations}
    places = sorted({place for several in every.values() for place in several})
    rows = reader.rows(Explained, {"place": one_of(places), "end_us": at_least(start_us), "start_us": below(end_us)})
    for station, several in every.items():
        found = [row for row in rows if row.place in several] if rows else []
        reader.know(_explained(station, start_us, end_us), found)


def _explained(station: str, start_us: int, end_us: int) -> tuple[str, str, int, int]:
    return "explained", station, start_us, end_us
