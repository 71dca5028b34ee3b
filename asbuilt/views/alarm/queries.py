"""Questions about alarms: what stands, what is shelved or suppressed, what was, and how often."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.domain.alarms import questions as alarms
from asbuilt.domain.alarms.fold import ACTIVE, NORMAL, STANDS, Phase
from asbuilt.domain.alarms.questions import TEN_MINUTES_US
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.presence.words import know_words
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.plant.calendar import at_place
from asbuilt.time import FOREVER_US, HOUR_US, SECOND_US, time_at

GOOD_AN_HOUR, MANAGEABLE_AN_HOUR = 6, 12
"""Average alarms an hour that an operator is very likely to handle, and at most to manage (ANSI/ISA-18.2)."""
STALE_US = 24 * HOUR_US
CHATTER = 3
"""So many times within a minute is chattering."""
MAX_WINDOW = dt.timedelta(days=92)
MAX_LISTED = 1_000


class AlarmRow(Struct, frozen=True):
    """An alarm that stands or stood, in its state of ISA-18.2 (NORM, UNACK, ACK, RTN-UNACK, LATCH-UNACK, LATCH-ACK).

    `aside` tells how it is put aside, so that it asks for nothing: SHLVD, SUPPR (by design) or OOSRV; empty else. `until`
    is when its condition went, `seen_by` is empty until a person acknowledged it, `raised` counts repetitions. One that
    was put aside before it ever came is listed since then. `suppressed_by` names the rule, else who said so;
    `out_of_service_until` is None until somebody places it back.
    """

    alarm: str
    place: str
    name: str
    state: str
    aside: str
    priority: int
    text: str
    response: str
    detail: str
    since: dt.datetime
    until: dt.datetime | None
    raised: int
    seen_at: dt.datetime | None
    seen_by: str
    shelved_until: dt.datetime | None
    shelved_by: str
    shelved_why: str
    suppressed_since: dt.datetime | None
    suppressed_by: str
    suppressed_why: str
    out_of_service_until: dt.datetime | None
    out_of_service_by: str
    out_of_service_why: str

    @property
    def active(self) -> bool:
        """Whether it stands: its condition is present, or it is latched until it is reset."""
        return self.state in ACTIVE


class StepRow(Struct, frozen=True):
    """One thing said about an alarm."""

    time: dt.datetime
    what: str
    alarm: str
    place: str
    name: str
    text: str
    by: str
    reason: str


class Frequent(Struct, frozen=True):
    """How often one alarm was raised, and its share of all."""

    alarm: str
    place: str
    name: str
    text: str
    count: int
    share: float
    chattering: bool


class Rates(Struct, frozen=True):
    """How much the alarms of a window asked of people (ANSI/ISA-18.2).

    `per_hour` new alarms an hour; `peak` the most in any ten minutes; `floods` periods that begin with more than
    ten in ten minutes and end with fewer than five, `flood_s` their length; `stale` stand longer than a day; `by_priority`
    counts of priority 1 to 4 (about 5, 15 and 80 % of 2, 3 and 4 are aimed at); `to_see_s` median
    time until one was acknowledged; `tens` new alarms by ten minutes, from the start; `observed` is the share of the
    stations' time so far that was. Where nothing was observed and none was told, `per_hour` is None.
    """

    start: dt.datetime
    end: dt.datetime
    count: int
    per_hour: float | None
    verdict: str
    peak: int
    peak_at: dt.datetime | None
    floods: int
    flood_s: float
    stale: int
    by_priority: tuple[int, int, int, int]
    to_see_s: float | None
    frequent: tuple[Frequent, ...]
    tens: tuple[int, ...]
    observed: float | None

    @property
    def known(self) -> bool:
        """Whether its counts are counts: something was observed, or alarms were told."""
        return bool(self.count or self.observed)


def standing(
    reader: Reader, at: dt.datetime | None = None, shelved: bool | None = None, aside: bool | None = None
) -> list[AlarmRow]:
    """Alarms that stand, are latched or returned to normal unacknowledged, the most urgent first.

    `aside=yes` those that are put aside (shelved, suppressed by design, out of service), also while their condition is
    gone; `aside=no` the others. `shelved=yes` or `no` the same of the shelf alone.
    """
    found = _listed(reader, at)
    chosen = [
        phase
        for phase in found
        if (phase.state != NORMAL or shelved or aside)
        and (shelved is None or bool(phase.shelved_us) == shelved)
        and (aside is None or bool(phase.aside) == aside)
    ]
    return _rows(reader, chosen, at)


def _listed(reader: Reader, at: dt.datetime | None) -> list[Phase]:
    return alarms.listed(reader, microseconds(reader.instant(at)))


def _rows(reader: Reader, phases: Sequence[Phase], at: dt.datetime | None) -> list[AlarmRow]:
    plant = reader.plant(at)
    rows = [_row(plant, phase) for phase in phases]
    return sorted(rows, key=lambda row: (row.priority, row.seen_by != "", row.since, row.alarm, row.place))


def listed(reader: Reader, at: dt.datetime | None = None) -> list[AlarmRow]:
    """Every alarm that is not plainly normal, the most urgent first: those of `standing`, and those put aside while normal."""
    return _rows(reader, _listed(reader, at), at)


def cleared(reader: Reader, hours: float = 24, at: dt.datetime | None = None) -> list[AlarmRow]:
    """Alarms cleared in the last hours, the latest first."""
    at_us = microseconds(reader.instant(at))
    plant = reader.plant(at)
    found = alarms.cleared(reader, at_us - round(hours * HOUR_US), at_us, limit=MAX_LISTED)
    return [_row(plant, phase) for phase in found]


def journal(reader: Reader, hours: float = 24, limit: int = 200, at: dt.datetime | None = None) -> list[StepRow]:
    """Everything said about alarms in the last hours, the latest first."""
    at_us = microseconds(reader.instant(at))
    plant = reader.plant(at)
    rows = alarms.history(reader, at_us - round(hours * HOUR_US), at_us, min(max(limit, 0), MAX_LISTED))
    return [
        StepRow(
            _time(plant, row.time_us), row.what, row.alarm, row.place, name_of(plant, row.place), row.text, row.by,
            row.reason,
        )
        for row in rows
    ]  # fmt: skip


def rates(
    reader: Reader, from_: dt.datetime | None = None, to: dt.datetime | None = None, at: dt.datetime | None = None
) -> Rates:
    """How many alarms were raised, how dense, which most often; the last day unless told otherwise."""
    # What was raised this very instant belongs to the last day.
    end = reader.instant(at) + dt.timedelta(microseconds=1) if to is None else to
    start = end - dt.timedelta(days=1) if from_ is None else from_
    if not start < end or end - start > MAX_WINDOW:
        raise UsageError(
            "this window cannot be asked", remedy=f"Let `to` be after `from`, at most {MAX_WINDOW.days} days."
        )
    plant = reader.plant(at)
    start_us, end_us = microseconds(start), microseconds(end)
    at_us = microseconds(reader.instant(at))
    # Nothing is said of what has not come, such as the end of a shelf.
    known_us = min(end_us, at_us + 1)
    rows = alarms.annunciations(reader, start_us, max(start_us, known_us))
    times = [row.from_us for row in rows]
    found = alarms.density(times, max(start_us, known_us))
    hours = (end_us - start_us) / HOUR_US
    acknowledged = alarms.acknowledgements(reader, start_us, max(start_us, known_us))
    seen = sorted((row.seen_us - row.asked_us) / SECOND_US for row in acknowledged if row.asked_us)
    still = alarms.listed(reader, min(end_us, at_us))
    tens = [0] * (-(-(end_us - start_us) // TEN_MINUTES_US))
    for time_us in times:
        tens[(time_us - start_us) // TEN_MINUTES_US] += 1
    observed = _observed(reader, list(plant.stations), start_us, min(end_us, at_us))
    per_hour = len(rows) / hours if rows or observed else None
    return Rates(
        start=at_place(start, plant.zone), end=at_place(end, plant.zone), count=len(rows), per_hour=per_hour,
        verdict=_verdict(per_hour, observed is not None and observed >= plant.time_model.min_coverage),
        peak=found.peak, peak_at=_time(plant, found.peak_us) if found.peak else None, floods=len(found.floods),
        flood_s=sum(flood.until_us - flood.from_us for flood in found.floods) / SECOND_US,
        stale=sum(row.state in STANDS and row.since_us <= min(end_us, at_us) - STALE_US for row in still),
        by_priority=_by_priority(rows), to_see_s=seen[len(seen) // 2] if seen else None,
        frequent=tuple(_frequent(plant, rows)), tens=tuple(tens), observed=observed,
    )  # fmt: skip


def _verdict(per_hour: float | None, enough: bool) -> str:
    """Too many are too many in any case; that they are few takes enough of the time to have been observed."""
    if per_hour is not None and per_hour > MANAGEABLE_AN_HOUR:
        return "too many"
    if per_hour is None or not enough:
        return ""
    return "good" if per_hour <= GOOD_AN_HOUR else "manageable"


def _observed(reader: Reader, stations: Sequence[str], start_us: int, end_us: int) -> float | None:
    """The share of the stations' time in which they were observed; None without any."""
    whole = len(stations) * (end_us - start_us)
    if whole <= 0:
        return None
    know_words(reader, stations, start_us, end_us)
    return sum(presence.observed_us(reader, station, start_us, end_us) for station in stations) / whole


def _by_priority(rows: Sequence[Phase]) -> tuple[int, int, int, int]:
    counts = Counter(row.priority for row in rows)
    return counts[1], counts[2], counts[3], counts[4]


def _frequent(plant: Plant, rows: Sequence[Phase]) -> list[Frequent]:
    by_subject: dict[tuple[str, str], list[Phase]] = {}
    for row in rows:
        by_subject.setdefault((row.alarm, row.place), []).append(row)
    most = sorted(by_subject.values(), key=lambda found: (-len(found), found[0].alarm, found[0].place))[:10]
    return [
        Frequent(
            found[0].alarm, found[0].place, name_of(plant, found[0].place), found[-1].text, len(found),
            len(found) / len(rows), _chatters([phase.from_us for phase in found]),
        )
        for found in most
    ]  # fmt: skip


def _chatters(times: Sequence[int]) -> bool:
    return any(b - a < 60 * SECOND_US for a, b in zip(times, times[CHATTER - 1 :], strict=False))


def name_of(plant: Plant, place: str) -> str:
    """A place's name for people: the station's, or the source's title."""
    if place in plant.stations:
        return f"{plant.stations[place].id} {plant.stations[place].label}"
    source = place.removeprefix("source:")
    return plant.adapters[source].title if source in plant.adapters else source or "the plant"


def _row(plant: Plant, phase: Phase) -> AlarmRow:
    rule = plant.alarms.get(phase.alarm)
    return AlarmRow(
        alarm=phase.alarm, place=phase.place, name=name_of(plant, phase.place), state=phase.state, aside=phase.aside,
        priority=phase.priority or (rule.priority if rule else 0),
        text=phase.text or (rule.name if rule else phase.alarm), response=phase.response, detail=phase.detail,
        since=_time(plant, phase.since_us or phase.from_us), until=_when(plant, phase.gone_us), raised=phase.raised,
        seen_at=_when(plant, phase.seen_us), seen_by=phase.seen_by, shelved_until=_when(plant, phase.shelved_us),
        shelved_by=phase.shelved_by, shelved_why=phase.shelved_why,
        suppressed_since=_when(plant, phase.suppressed_us), suppressed_by=phase.suppressed_by,
        suppressed_why=phase.suppressed_why,
        out_of_service_until=_when(plant, phase.out_us) if phase.out_us < FOREVER_US else None,
        out_of_service_by=phase.out_by, out_of_service_why=phase.out_why,
    )  # fmt: skip


def _when(plant: Plant, time_us: int) -> dt.datetime | None:
    return _time(plant, time_us) if time_us else None


def _time(plant: Plant, time_us: int) -> dt.datetime:
    return time_at(time_us, plant.zone)
