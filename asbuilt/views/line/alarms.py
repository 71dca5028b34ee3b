"""Alarms of a line: what stands, and what was cleared in this shift."""

from __future__ import annotations

from asbuilt.views.line.answers import AlarmRow
from asbuilt.views.line.fold import LONG_STAY_US, Spell
from asbuilt.views.line.moment import Moment


def alarms(look: Moment, *, standing: bool) -> list[AlarmRow]:
    """What stands at the moment, most urgent first; or what was cleared in the shift, latest first."""
    places = _places(look)
    marks = ", ".join("?" * len(places))
    if standing:
        # Two conditions so that each uses its index: what still stands, and what stood at a past moment.
        spells = look.reader.rows(Spell, f"place IN ({marks}) AND until_us = 0 AND from_us <= ?", *places, look.at_us)
        if not look.live:
            spells += look.reader.rows(
                Spell, f"from_us <= ? AND until_us > ? AND place IN ({marks})", look.at_us, look.at_us, *places
            )
    else:
        spells = look.reader.rows(
            Spell,
            f"from_us > ? AND until_us BETWEEN ? AND ? AND place IN ({marks})",
            look.start_us - LONG_STAY_US, look.start_us, look.at_us, *places,
        )  # fmt: skip
    rows = [_alarm_row(look, spell, places) for spell in spells]
    if standing:
        return sorted(rows, key=lambda row: (row.priority, row.seen_by != "", row.since))
    return sorted(rows, key=lambda row: row.until or row.since, reverse=True)


def _places(look: Moment) -> dict[str, str]:
    """Where alarms of this line can be: stations, and the sources stations speak through → station id."""
    places = {station.path: station.id for station in look.line.station}
    for station in reversed(look.line.station):
        if station.source:
            places[f"source:{station.source}"] = station.id
    return places


def _alarm_row(look: Moment, spell: Spell, places: dict[str, str]) -> AlarmRow:
    seen = 0 < spell.seen_us <= look.at_us
    return AlarmRow(
        alarm=spell.alarm,
        priority=spell.priority,
        text=spell.text,
        response=spell.response,
        detail=spell.detail,
        station=places.get(spell.place, ""),
        place=spell.place,
        since=look.time(spell.from_us),
        until=look.time(spell.until_us) if 0 < spell.until_us <= look.at_us else None,
        seen_at=look.time(spell.seen_us) if seen else None,
        seen_by=spell.seen_by if seen else "",
        shelved_until=look.time(spell.shelved_us) if spell.shelved_us > look.at_us else None,
    )
