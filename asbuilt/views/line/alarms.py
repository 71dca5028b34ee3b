"""Alarms of a line: what stands, and what was cleared in this shift."""

from __future__ import annotations

from asbuilt.domain.alarms import questions
from asbuilt.domain.alarms.fold import Phase
from asbuilt.views.line.answers import AlarmRow
from asbuilt.views.line.moment import Moment


def alarms(look: Moment, *, standing: bool) -> list[AlarmRow]:
    """What is people's business at the moment, most urgent first; or what was cleared in the shift and waits for nobody, latest first."""
    places = _places(look)
    if standing:
        rows = [_alarm_row(look, phase, places) for phase in questions.current(look.reader, look.at_us, places)]
        return sorted(rows, key=lambda row: (row.priority, row.seen_by != "", row.since, row.alarm, row.place))
    found = questions.settled(look.reader, look.start_us - 1, look.at_us, places)
    return [_alarm_row(look, phase, places) for phase in found]


def _places(look: Moment) -> dict[str, str]:
    """Where alarms of this line can be: stations, and the sources stations speak through → station id."""
    places = {station.path: station.id for station in look.line.station}
    for station in reversed(look.line.station):
        if station.source:
            places[f"source:{station.source}"] = station.id
    return places


def _alarm_row(look: Moment, phase: Phase, places: dict[str, str]) -> AlarmRow:
    return AlarmRow(
        alarm=phase.alarm,
        state=phase.state,
        aside=phase.aside,
        priority=phase.priority,
        text=phase.text,
        response=phase.response,
        detail=phase.detail,
        station=places.get(phase.place, ""),
        place=phase.place,
        since=look.time(phase.since_us),
        until=look.time(phase.gone_us) if phase.gone_us else None,
        seen_at=look.time(phase.seen_us) if phase.seen_us else None,
        seen_by=phase.seen_by,
        shelved_until=look.time(phase.shelved_us) if phase.shelved_us else None,
    )
