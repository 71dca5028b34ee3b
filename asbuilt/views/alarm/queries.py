"""Questions about alarms: what stands, what is shelved or suppressed, what was, and how often."""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Sequence

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.plant import Plant
from asbuilt.plant.calendar import at_place
from asbuilt.views.alarm.fold import Spell, Step

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
TEN_MINUTES_US = 600 * SECOND_US
FLOOD = 10
"""More new alarms than this within ten minutes are a flood (ANSI/ISA-18.2, table of performance metrics)."""
GOOD_AN_HOUR, MANAGEABLE_AN_HOUR = 6, 12
"""Average alarms an hour that an operator is very likely to handle, and at most to manage (ANSI/ISA-18.2)."""
STALE_US = 24 * HOUR_US
CHATTER = 3
"""So many times within a minute is chattering."""
MAX_WINDOW = dt.timedelta(days=92)
MAX_LISTED = 1_000


class AlarmRow(Struct, frozen=True):
    """An alarm that stands or stood. `seen_by` is empty until a person acknowledged it; `raised` counts repetitions."""

    alarm: str
    place: str
    name: str
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

    `per_hour` new alarms an hour; `peak` the most in any ten minutes; `floods` periods with more than
    ten in ten minutes, `flood_s` their length; `stale` stand longer than a day; `by_priority`
    counts of priority 1 to 4 (about 5, 15 and 80 % of 2, 3 and 4 are aimed at); `to_see_s` median
    time until one was acknowledged; `tens` new alarms by ten minutes, from the start.
    """

    start: dt.datetime
    end: dt.datetime
    count: int
    per_hour: float
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


def standing(reader: Reader, at: dt.datetime | None = None, shelved: bool | None = None) -> list[AlarmRow]:
    """Alarms that stand, the most urgent first; `shelved=yes` those put aside, `shelved=no` the others."""
    at_us = microseconds(reader.instant(at))
    rows = reader.rows(
        Spell, "(until_us = 0 OR until_us > ?) AND from_us <= ? ORDER BY from_us LIMIT ?", at_us, at_us, MAX_LISTED
    )
    plant = reader.plant(at)
    found = [_row(plant, spell, at_us) for spell in rows]
    chosen = [row for row in found if shelved is None or (row.shelved_until is not None) == shelved]
    return sorted(chosen, key=lambda row: (row.priority, row.seen_by != "", row.since, row.alarm, row.place))


def cleared(reader: Reader, hours: float = 24, at: dt.datetime | None = None) -> list[AlarmRow]:
    """Alarms cleared in the last hours, the latest first."""
    at_us = microseconds(reader.instant(at))
    rows = reader.rows(
        Spell, "until_us > ? AND until_us <= ? ORDER BY until_us DESC, subject LIMIT ?",
        at_us - round(hours * HOUR_US), at_us, MAX_LISTED,
    )  # fmt: skip
    plant = reader.plant(at)
    return [_row(plant, spell, at_us) for spell in rows]


def journal(reader: Reader, hours: float = 24, limit: int = 200, at: dt.datetime | None = None) -> list[StepRow]:
    """Everything said about alarms in the last hours, the latest first."""
    at_us = microseconds(reader.instant(at))
    plant = reader.plant(at)
    rows = reader.rows(
        Step, "time_us > ? AND time_us <= ? ORDER BY time_us DESC, fact DESC LIMIT ?",
        at_us - round(hours * HOUR_US), at_us, min(max(limit, 0), MAX_LISTED),
    )  # fmt: skip
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
    rows = reader.rows(Spell, "from_us >= ? AND from_us < ? ORDER BY from_us, subject", start_us, end_us)
    times = [row.from_us for row in rows]
    peak, peak_us, floods, flood_us = _density(times)
    hours = (end_us - start_us) / HOUR_US
    seen = sorted((row.seen_us - row.from_us) / SECOND_US for row in rows if row.seen_us)
    at_us = min(end_us, microseconds(reader.instant(at)))
    still = reader.select(
        "SELECT count(*) FROM alarm_spell WHERE from_us <= ? AND (until_us = 0 OR until_us > ?)",
        at_us - STALE_US,
        at_us,
    )
    tens = [0] * (-(-(end_us - start_us) // TEN_MINUTES_US))
    for time_us in times:
        tens[(time_us - start_us) // TEN_MINUTES_US] += 1
    per_hour = len(rows) / hours
    return Rates(
        start=at_place(start, plant.zone), end=at_place(end, plant.zone), count=len(rows), per_hour=per_hour,
        verdict="good" if per_hour <= GOOD_AN_HOUR else "manageable" if per_hour <= MANAGEABLE_AN_HOUR else "too many",
        peak=peak, peak_at=_time(plant, peak_us) if peak else None, floods=floods, flood_s=flood_us / SECOND_US,
        stale=int(still[0][0]), by_priority=_by_priority(rows), to_see_s=seen[len(seen) // 2] if seen else None,
        frequent=tuple(_frequent(plant, rows)), tens=tuple(tens),
    )  # fmt: skip


def _density(times: Sequence[int]) -> tuple[int, int, int, int]:
    """The most in ten minutes and when; how many floods there were, and how long they lasted together."""
    peak, peak_us, floods, flood_us = 0, 0, 0, 0
    recent: deque[int] = deque()
    begun: int | None = None
    last_us = 0
    for time_us in times:
        while recent and recent[0] <= time_us - TEN_MINUTES_US:
            recent.popleft()
        if begun is not None and len(recent) + 1 <= FLOOD:
            # It lasted until its last alarm, not until the next one after it.
            flood_us += last_us - begun
            begun = None
        recent.append(time_us)
        last_us = time_us
        if len(recent) > peak:
            peak, peak_us = len(recent), recent[0]
        if len(recent) > FLOOD and begun is None:
            begun, floods = recent[0], floods + 1
    if begun is not None:
        flood_us += last_us - begun
    return peak, peak_us, floods, flood_us


def _by_priority(rows: Sequence[Spell]) -> tuple[int, int, int, int]:
    counts = Counter(row.priority for row in rows)
    return counts[1], counts[2], counts[3], counts[4]


def _frequent(plant: Plant, rows: Sequence[Spell]) -> list[Frequent]:
    by_subject: dict[str, list[Spell]] = {}
    for row in rows:
        by_subject.setdefault(row.subject, []).append(row)
    most = sorted(by_subject.values(), key=lambda found: (-len(found), found[0].subject))[:10]
    return [
        Frequent(
            found[0].alarm, found[0].place, name_of(plant, found[0].place), found[-1].text, len(found),
            len(found) / len(rows), _chatters([spell.from_us for spell in found]),
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


def _row(plant: Plant, spell: Spell, at_us: int) -> AlarmRow:
    seen = 0 < spell.seen_us <= at_us
    shelved = spell.shelved_us > at_us
    return AlarmRow(
        alarm=spell.alarm, place=spell.place, name=name_of(plant, spell.place), priority=spell.priority,
        text=spell.text, response=spell.response, detail=spell.detail, since=_time(plant, spell.from_us),
        until=_time(plant, spell.until_us) if 0 < spell.until_us <= at_us else None, raised=spell.raised,
        seen_at=_time(plant, spell.seen_us) if seen else None, seen_by=spell.seen_by if seen else "",
        shelved_until=_time(plant, spell.shelved_us) if shelved else None,
        shelved_by=spell.shelved_by if shelved else "", shelved_why=spell.shelved_why if shelved else "",
    )  # fmt: skip


def _time(plant: Plant, time_us: int) -> dt.datetime:
    return at_place(
        dt.datetime.fromtimestamp(time_us // SECOND_US, dt.UTC).replace(microsecond=time_us % SECOND_US), plant.zone
    )
