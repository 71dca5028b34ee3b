"""Questions about sources: what each delivers, whether it is heard, what was rejected."""

from __future__ import annotations

import datetime as dt
from typing import Literal
from uuid import UUID

from msgspec import Struct

from asbuilt.access import Reader
from asbuilt.access.conditions import at_most, count, distinct, least, most, total
from asbuilt.domain.presence import questions as presence
from asbuilt.domain.presence.questions import SILENT_PERIODS
from asbuilt.events import microseconds
from asbuilt.time import SECOND_US
from asbuilt.views.source.fold import Delivered, Deviation, Rejected

LATEST_US = 2**62
MOST = 100_000


class SourceRow(Struct, frozen=True):
    """A source at a glance.

    `heard` is when this process heard it last; `recorded` when its last fact was recorded, and
    `lag_s` how long after the event that was. `state` is `silent` when it has not been heard for
    five of its periods, `unwatched` when the plant file gives no period.
    """

    source: str
    title: str
    kind: str
    state: Literal["heard", "silent", "never heard", "unwatched"]
    facts: int
    types: int
    first: dt.datetime | None
    last: dt.datetime | None
    heard: dt.datetime | None
    recorded: dt.datetime | None
    lag_s: float | None
    period_s: float | None
    rejected: int
    conflicts: int


class TypeRow(Struct, frozen=True):
    """How many facts of a type a source delivered, and about what time."""

    source: str
    type: str
    facts: int
    first: dt.datetime
    last: dt.datetime


class RejectionRow(Struct, frozen=True):
    """A message that could not be taken in."""

    source: str
    reason: str
    conflict: bool
    size: int
    text: str
    recorded: dt.datetime | None
    fact: UUID


class GapRow(Struct, frozen=True):
    """What a source saw between two moments is not known and will not come."""

    source: str
    start: dt.datetime
    end: dt.datetime
    seconds: float
    reason: str


class DeviationRow(Struct, frozen=True):
    """How a source does not keep to its protocol; each is told once."""

    source: str
    deviation: str
    message: str
    since: dt.datetime


class FailureRow(Struct, frozen=True):
    """A fact that a view could not fold: a fault of the product, healed by a newer version."""

    view: str
    fact: UUID
    error: str


def list_(reader: Reader, at: dt.datetime | None = None) -> list[SourceRow]:
    """Every source of the plant file or the record: deliveries, last seen, lag, rejections.

    Of a past moment, deliveries are those about hours that were over then, and nothing is told
    about hearing and lag.
    """
    plant = reader.plant(at)
    until_us = LATEST_US if at is None else microseconds(at)
    delivered = {
        name: (facts, types, first, last)
        for name, facts, types, first, last in reader.totals(
            Delivered,
            {"last_us": at_most(until_us)},
            by=("source",),
            of=(total("facts"), distinct("type"), least("first_us"), most("last_us")),
        )
    }
    rejected = _rejected(reader, at)
    names = sorted({*plant.adapters, *delivered, *rejected})
    return [_row(reader, name, delivered.get(name), rejected.get(name, (0, 0)), at) for name in names]


def _rejected(reader: Reader, at: dt.datetime | None) -> dict[str, tuple[int, int]]:
    """Per source: how many messages were rejected, and how many of them conflicted."""
    if at is None:
        counts = reader.totals(Rejected, by=("adapter",), of=(count(), total("conflict")))
        return {name: (number, conflicts) for name, number, conflicts in counts}
    found: dict[str, tuple[int, int]] = {}
    for row in rejections(reader, limit=MOST, at=at):
        number, conflicts = found.get(row.source, (0, 0))
        found[row.source] = (number + 1, conflicts + row.conflict)
    return found


def gaps(reader: Reader, source: str | None = None, limit: int = 100, at: dt.datetime | None = None) -> list[GapRow]:
    """Gaps of sources and of the parts behind them, the latest first."""
    zone = reader.plant(at).zone
    rows = presence.gaps_before(reader, microseconds(reader.instant(at)), source, max(0, min(limit, MOST)))
    return [
        GapRow(
            source=row.source,
            start=_time(row.start_us, zone),
            end=_time(row.end_us, zone),
            seconds=(row.end_us - row.start_us) / SECOND_US,
            reason=row.reason,
        )
        for row in rows
    ]


def deviations(
    reader: Reader, source: str | None = None, limit: int = 500, at: dt.datetime | None = None
) -> list[DeviationRow]:
    """How sources deviate from their protocols."""
    zone = reader.plant(at).zone
    rows = [
        row
        for row in reader.rows(Deviation, {"time_us": at_most(microseconds(reader.instant(at)))})
        if source is None or presence.is_part(row.adapter, source)
    ]
    rows.sort(key=lambda row: (row.adapter, row.deviation, row.fact))
    return [
        DeviationRow(row.adapter, row.deviation, row.message, _time(row.time_us, zone))
        for row in rows[: max(0, min(limit, MOST))]
    ]


def types(reader: Reader, source: str | None = None) -> list[TypeRow]:
    """What a source delivers, by type of fact."""
    zone = reader.plant().zone
    rows = reader.totals(
        Delivered,
        {} if source is None else {"source": source},
        by=("source", "type"),
        of=(total("facts"), least("first_us"), most("last_us")),
    )
    return [
        TypeRow(name, kind, facts, _time(first, zone), _time(last, zone))
        for name, kind, facts, first, last in sorted(rows)
    ]


def rejections(
    reader: Reader, source: str | None = None, limit: int = 100, at: dt.datetime | None = None
) -> list[RejectionRow]:
    """Messages that could not be taken in, with reason and beginning; the latest recorded first."""
    zone = reader.plant(at).zone
    found = []
    for row in reader.rows(Rejected, {} if source is None else {"adapter": source}):
        recorded = reader.recorded_at(row.fact)
        if at is not None and (recorded is None or recorded > at):
            continue
        found.append(
            RejectionRow(
                row.adapter, row.reason, bool(row.conflict), row.size, row.text,
                recorded.astimezone(zone) if recorded else None, UUID(bytes=row.fact),
            )
        )  # fmt: skip
    found.sort(key=lambda row: (row.recorded is not None, row.recorded, row.fact), reverse=True)
    return found[: max(limit, 0)]


def failures(reader: Reader) -> list[FailureRow]:
    """Facts that a view could not fold."""
    return [FailureRow(view, UUID(bytes=fact), error) for view, fact, error in reader.failures()]


def unknown_stations(reader: Reader) -> list[str]:
    """Stations that facts speak of and the plant file does not have."""
    known = set(reader.plant().stations)
    return [path for path in reader.subjects("station") if path not in known]


def _row(
    reader: Reader,
    name: str,
    delivered: tuple[int, int, int, int] | None,
    rejected: tuple[int, int],
    at: dt.datetime | None,
) -> SourceRow:
    plant = reader.plant(at)
    settings = plant.adapters.get(name)
    heard = reader.heard.get(name) if at is None else None
    latest = reader.latest(f"source:{name}") if at is None else None
    recorded = lag = None
    if latest is not None:
        recorded = _time(latest[0].record_time_us, plant.zone)
        lag = round((recorded - latest[1].event_time).total_seconds(), 3)
    period = settings.fresh_s if settings else None
    return SourceRow(
        source=name,
        title=settings.title if settings else name,
        kind=settings.kind if settings else "",
        state=_state(reader.now, heard, recorded, period)
        if at is None
        else _past_state(reader, name, at, delivered is not None, period),
        facts=delivered[0] if delivered else 0,
        types=delivered[1] if delivered else 0,
        first=_time(delivered[2], plant.zone) if delivered else None,
        last=_time(delivered[3], plant.zone) if delivered else None,
        heard=heard.astimezone(plant.zone) if heard else None,
        recorded=recorded,
        lag_s=lag,
        period_s=period,
        rejected=rejected[0],
        conflicts=rejected[1],
    )


def _state(
    now: dt.datetime, heard: dt.datetime | None, recorded: dt.datetime | None, period_s: float | None
) -> Literal["heard", "silent", "never heard", "unwatched"]:
    # What was recorded counts only until this process has heard the source itself.
    last = heard or recorded
    if last is None:
        return "never heard"
    if period_s is None:
        return "unwatched"
    return "silent" if (now - last).total_seconds() > SILENT_PERIODS * period_s else "heard"


def _past_state(
    reader: Reader, source: str, at: dt.datetime, delivered: bool, period_s: float | None
) -> Literal["heard", "silent", "never heard", "unwatched"]:
    """Whether a source was heard at a past moment: by what it delivered around it, and what was said of it."""
    if not delivered:
        return "never heard"
    if presence.source_silent(reader, source, microseconds(at)):
        return "silent"
    return "unwatched" if period_s is None else "heard"


def _time(time_us: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_us / SECOND_US, zone)
