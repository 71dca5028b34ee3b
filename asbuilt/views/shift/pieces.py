"""A station's pieces, first runs and reported hours, added to the parts of a window."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from asbuilt.access.conditions import Ranges, between, count, overlap, total
from asbuilt.domain.pieces.cycles import Cycles
from asbuilt.domain.pieces.questions import Part, know_pieces, pieces
from asbuilt.domain.pieces.rows import First
from asbuilt.views.shift.calendar import By, Group
from asbuilt.views.shift.rows import Reported
from asbuilt.views.shift.sums import Key, Sums
from asbuilt.views.shift.timeline import Station


def piece_sums(station: Station, cycles: Cycles, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add a station's pieces to the groups: all that was told is kept, what is believed counts."""
    until = min(station.end_us, station.now_us + 1)
    ranges, of_range = station.reader.once(
        ("ranges of pieces", until, tuple(cut)), lambda: _ranges_of_pieces(cycles, cut, until)
    )
    rows = pieces(station.reader, station.path, ranges)
    cycles.know(row.order_no for row in rows)
    told: defaultdict[Key, list[tuple[int, Part]]] = defaultdict(list)
    for row in rows:
        group_number, plant = of_range[row.number]
        own = {"order": row.order_no, "product": row.product}.get(by)
        told[cut[group_number].key if own is None else (own,)].append((plant, row))
    for key, several in told.items():
        _add_pieces(result[key], several, cycles)


def know_piece_sums(stations: Sequence[Station], cycles: Cycles, cut: Sequence[Group]) -> None:
    """Read at once what `piece_sums` reads of each of several stations of a line."""
    one = stations[0]
    until = min(one.end_us, one.now_us + 1)
    ranges, _ = one.reader.once(("ranges of pieces", until, tuple(cut)), lambda: _ranges_of_pieces(cycles, cut, until))
    know_pieces(one.reader, [station.path for station in stations], ranges)


def _ranges_of_pieces(cycles: Cycles, cut: Sequence[Group], until: int) -> tuple[Ranges, list[tuple[int, int]]]:
    """The groups up to an instant, cut where the plant file changed; of which group and plant file each is."""
    ranges: list[tuple[int, int]] = []
    of_range: list[tuple[int, int]] = []
    for group_number, group in enumerate(cut):
        for plant, start, end in _by_plant(cycles, group.start_us, min(group.end_us, until)):
            ranges.append((start, end))
            of_range.append((group_number, plant))
    return Ranges(ranges), of_range


def _by_plant(cycles: Cycles, start_us: int, end_us: int) -> Iterator[tuple[int, int, int]]:
    """A stretch of time cut where the plant file changed, each part with the number of the file."""
    at = start_us
    while at < end_us:
        number = cycles.number(at)
        until = min(end_us, cycles.begins[number + 1]) if number + 1 < len(cycles.begins) else end_us
        yield number, at, until
        at = until


def _add_pieces(sums: Sums, rows: Sequence[tuple[int, Part]], cycles: Cycles) -> None:
    # Rounded once for all pieces of one cycle: the parts of a window add up to it.
    by_cycle: defaultdict[tuple[int, float | None], list[int]] = defaultdict(lambda: [0, 0])
    for plant, row in rows:
        # What goes to rework comes again: only what is settled can be compared.
        settled = row.good + row.rejected + row.for_review
        sums.tell(row.teller, row.told, settled)
        if not row.believed:
            continue
        sums.good += row.good
        sums.rejected += row.rejected
        sums.for_review += row.for_review
        sums.rework += row.rework
        sums.mended += row.good if row.kind == "rework" else 0
        both = by_cycle[plant, cycles.of(plant, row.product, row.order_no)]
        both[0] += settled + row.rework
        both[1] += row.good
    for (plant, cycle_s), (every, good) in by_cycle.items():
        if cycle_s is None:
            sums.unplanned += every
        else:
            sums.planned_us += round(every * cycle_s * 1_000_000)
            sums.bad_us += round((every - good) * cycle_s * 1_000_000)
            sums.slack_us = max(sums.slack_us, round(cycle_s * cycles.places(plant) * 1_000_000))


def first_run_sums(station: Station, cut: Sequence[Group], result: Mapping[Key, Sums]) -> None:
    """Add units inspected for the first time here, and those of them that were good (IP and GP)."""
    if not station.reader.once(_first_runs(station), lambda: True):
        return
    for number, inspected, clean in station.reader.totals_in(
        First, _ranges(station, cut), "time_us", {"station": station.path}, of=(count(), total("clean"))
    ):
        result[cut[number].key].inspected += inspected
        result[cut[number].key].clean += clean


def know_first_runs(stations: Sequence[Station]) -> None:
    """Find out at once at which of several stations anything was inspected for the first time."""
    one = stations[0]
    here = one.reader.given(
        First, "station", [station.path for station in stations], {"time_us": between(one.start_us, one.end_us)}
    )
    for station in stations:
        one.reader.know(_first_runs(station), station.path in here)


def _first_runs(station: Station) -> tuple[str, str, int, int]:
    return "first runs", station.path, station.start_us, station.end_us


def report_sums(station: Station, cut: Sequence[Group], by: By, result: Mapping[Key, Sums]) -> None:
    """Add the hours people reported, by kind; side by side they count each."""
    own = {"order": "order_no", "product": "product"}.get(by)
    for number, kind, *name, us in station.reader.totals_in(
        Reported,
        _ranges(station, cut),
        "start_us",
        {"station": station.path},
        end="time_us",
        by=("kind", *([own] if own else [])),
        of=(overlap("start_us", "time_us"),),
    ):
        sums = result[(name[0],) if name else cut[number].key]
        kind = "production" if kind == "rework" else kind
        sums.reported_us[kind] = sums.reported_us.get(kind, 0) + us


def _ranges(station: Station, cut: Sequence[Group]) -> list[tuple[int, int]]:
    """The groups as intervals up to now; what is ahead is an empty one."""
    until = min(station.end_us, station.now_us + 1)
    return [(group.start_us, max(group.start_us, min(group.end_us, until))) for group in cut]
