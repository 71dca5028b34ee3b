"""What a station did, put together from its states, what people explained, and silence; and what that counts as.

At an instant: where nobody observed, nothing is known; what the station says it produced, it produced; where it stood,
the explanation declared last says why, of all that cover the instant, those about the whole line included.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal, NamedTuple

from asbuilt.access import Reader
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.states import spells
from asbuilt.domain.states.rows import Explained
from asbuilt.domain.states.spells import Spell
from asbuilt.events import microseconds
from asbuilt.plant import Plant, TimeKind

Kind = Literal["production", "setup", "delay", "down", "planned", "break", "off", "not observed", "ahead"]
REPORTED: dict[str, TimeKind] = {
    "production": "production", "rework": "production", "setup": "setup", "breakdown": "delay", "no report": "down"
}  # fmt: skip
"""What the time of a station counts as whose work people report, by the kind of report."""


class Reasoned(NamedTuple):
    """The explanation that holds from when to when."""

    start_us: int
    end_us: int
    told: Explained


class Reading(NamedTuple):
    """How an instant of a station reads.

    `state` and `reason` are empty where nothing is known; `lead` is the state its stop goes by; `kind` what it counts
    as; `explained` the explanation in force, whether it had an effect (`kind` is not production) or not.
    """

    kind: Kind
    state: str
    reason: str
    message: str
    lead: str
    explained: Explained | None


def reading(plant: Plant, spell: Spell | None, silent: bool, reasoned: Reasoned | None) -> Reading:
    """How an instant reads, from what covers it."""
    explained = reasoned.told if reasoned is not None else None
    if spell is None or silent:
        if explained is None:
            return Reading("not observed", *_shown(spell), spell.lead if spell else "", None)
        # A person fills in what no machine saw: who explains a stop says that the station stood.
        kind = plant.time_of("Stopped", explained.reason)
        return Reading(_standing(kind), "", explained.reason, explained.message, "Stopped", explained)
    kind = kind_of(plant, spell.state, spell.reason, spell.lead)
    if explained is None or kind == "production":
        return Reading(kind, *_shown(spell), spell.lead, explained)
    kind = kind_of(plant, spell.state, explained.reason, spell.lead)
    return Reading(_standing(kind), spell.state, explained.reason, explained.message, spell.lead, explained)


def _shown(spell: Spell | None) -> tuple[str, str, str]:
    return (spell.state, spell.reason, spell.message) if spell is not None else ("", "", "")


def _standing(kind: TimeKind) -> TimeKind:
    return "delay" if kind == "production" else kind


def kind_of(plant: Plant, state: str, reason: str, lead: str) -> TimeKind:
    """What a station's time counts as: by the kind of report, or by state and reason; all of one stop alike."""
    if state in REPORTED:
        return REPORTED[state]
    # Resetting after a stop is the end of that stop; by itself it is a station that waits for work.
    return plant.time_of(lead if state == "Resetting" else state, reason)


def fails(plant: Plant, kind: Kind, lead: str, reason: str) -> bool:
    """Whether a station fails then: a delay for a reason that counts for MTBF and MTTR."""
    return kind == "delay" and (lead == "breakdown" or plant.is_failure(lead, reason))


def resolved(several: Iterable[Explained]) -> list[Reasoned]:
    """Which explanation holds from when to when: of those that overlap the one declared last, at every instant."""
    begins = sorted(
        (row for row in several if row.start_us < row.end_us), key=lambda row: (row.start_us, row.declared_us, row.fact)
    )
    edges = sorted({edge for row in begins for edge in (row.start_us, row.end_us)})
    found: list[Reasoned] = []
    open_: list[tuple[int, int, Explained]] = []
    at = 0
    for start, end in pairwise(edges):
        while at < len(begins) and begins[at].start_us <= start:
            row = begins[at]
            heapq.heappush(open_, (-row.declared_us, -int.from_bytes(row.fact, "big"), row))
            at += 1
        while open_ and open_[0][2].end_us <= start:
            heapq.heappop(open_)
        if open_:
            holds = open_[0][2]
            if found and found[-1].told == holds and found[-1].end_us == start:
                found[-1] = found[-1]._replace(end_us=end)
            else:
                found.append(Reasoned(start, end, holds))
    return found


# --------------------------------------------------------------------------- one moment, and the course of a window


class Status(NamedTuple):
    """What a station does at an instant, since when (of the state; of the silence where nobody observes it).

    `reading.state` is what was last known where `silence` hides it.
    """

    reading: Reading
    since_us: int | None
    silence: presence.Silence | None


class Course(NamedTuple):
    """A piece of a station's time that reads alike."""

    start_us: int
    end_us: int
    reading: Reading


def status(reader: Reader, plant: Plant, station: str, at_us: int) -> Status:
    """What a station does at an instant, told by everything known of that instant."""
    found = spells.spells(reader, station, at_us, at_us + 1, microseconds(reader.now) + 1)
    spell = found[-1] if found else None
    reasoned = explained_at(reader, station, at_us)
    silence = presence.silence_at(reader, station, at_us)
    since_us = silence.start_us if silence is not None else spell.start_us if spell is not None else None
    return Status(reading(plant, spell, silence is not None, reasoned), since_us, silence)


def explained_at(reader: Reader, station: str, at_us: int) -> Reasoned | None:
    """The explanation that holds for a station at an instant."""
    found = _explained(reader, station, at_us, at_us + 1)
    return next((one for one in found if one.start_us <= at_us < one.end_us), None)


def course(reader: Reader, plant: Plant, station: str, start_us: int, end_us: int) -> list[Course]:
    """How a window of a station reads, up to now, without gaps and overlaps."""
    now_us = microseconds(reader.now)
    end_us = min(end_us, now_us)
    layers: list[list[tuple[int, int, object]]] = [
        [(one.start_us, one.end_us, one) for one in spells.spells(reader, station, start_us, end_us, now_us)],
        [(one.start_us, one.end_us, one) for one in _explained(reader, station, start_us, end_us)],
        [(one.start_us, one.end_us, one) for one in presence.silences(reader, station, start_us, end_us)],
    ]
    inside = {edge for layer in layers for a, b, _ in layer for edge in (a, b) if start_us < edge < end_us}
    edges = [start_us, *sorted(inside), end_us] if start_us < end_us else []
    at = [0, 0, 0]
    found: list[Course] = []
    for start, end in pairwise(edges):
        covering: list[object | None] = []
        for n, layer in enumerate(layers):
            while at[n] < len(layer) and layer[at[n]][1] <= start:
                at[n] += 1
            covering.append(layer[at[n]][2] if at[n] < len(layer) and layer[at[n]][0] <= start else None)
        spell, reasoned, silence = covering
        assert spell is None or isinstance(spell, Spell)
        assert reasoned is None or isinstance(reasoned, Reasoned)
        here = reading(plant, spell, silence is not None, reasoned)
        if found and found[-1].reading == here:
            found[-1] = found[-1]._replace(end_us=end)
        else:
            found.append(Course(start, end, here))
    return found


def _explained(reader: Reader, station: str, start_us: int, end_us: int) -> list[Reasoned]:
    return resolved(spells.explanations(reader, station, start_us, end_us))
