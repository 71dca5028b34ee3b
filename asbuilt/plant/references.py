"""What in a plant file does not hold together: names that lead nowhere, limits and shifts that contradict."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from asbuilt.plant.tables import DAYS, STATE_TIMES, File, Shift, minutes, shift_minutes

MAX_CHANGED_DAYS = 400
_Place = tuple[str | int, ...]
_Problem = tuple[_Place, str, str]


def problems_of(file: File) -> Iterator[_Problem]:
    """Every fault: the place in the file, what is wrong, the remedy."""
    yield from _zone_problems(file)
    yield from _equipment_problems(file)
    yield from _product_problems(file)
    yield from _shift_problems(file)
    yield from _time_problems(file)
    yield from _alarm_problems(file)
    yield from _repeated("reason", ("reason",), (reason.id for reason in file.reason))
    yield from _site_problems(file)
    for name, settings in file.adapter.items():
        if not isinstance(settings.get("kind"), str):
            yield (
                ("adapter", name),
                f"adapter `{name}` has no kind",
                'Add kind = "csv_file" or another kind; `asbuilt parts` lists them.',
            )
        try:
            fresh_s = float(settings.get("fresh_s", 1))
        except (TypeError, ValueError):
            fresh_s = 0
        if not 0 < fresh_s <= 86_400:
            yield (
                ("adapter", name, "fresh_s"),
                "fresh_s must be seconds, above 0",
                "Give how often the source speaks, such as 5.",
            )


def _site_problems(file: File) -> Iterator[_Problem]:
    yield from _repeated("zone", ("zone",), (zone.id for zone in file.zone))
    yield from _repeated("round", ("round",), (found.id for found in file.round))
    lines = [line.id for site in file.site for area in site.area for line in area.line]
    paths = [f"{file.plant.id}/{s.id}/{a.id}/{line.id}" for s in file.site for a in s.area for line in a.line]
    for number, zone in enumerate(file.zone):
        yield from _dangling(("zone", number, "line"), "line", zone.line, [*lines, *paths])
        if zone.in_shifts and zone.line is None:
            yield (
                ("zone", number, "in_shifts"),
                f"zone `{zone.id}` has no line whose shifts it could keep",
                'Add line = "1".',
            )
    for number, found in enumerate(file.round):
        if not found.checkpoints or not found.starts:
            yield ("round", number), f"round `{found.id}` has no checkpoints or no starts", "Name at least one of each."


def _zone_problems(file: File) -> Iterator[_Problem]:
    try:
        ZoneInfo(file.plant.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield (
            ("plant", "zone"),
            f"`{file.plant.zone}` is not a time zone",
            "Use a name of the IANA time zone database, such as Europe/Berlin.",
        )


def _repeated(what: str, place: _Place, ids: Iterable[str]) -> Iterator[_Problem]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(ids):
        seen[name] += 1
        if seen[name] == 2:
            yield (*place, index, "id"), f"{what} `{name}` is there twice", "Give each one an id of its own."


def _dangling(place: _Place, what: str, name: str | None, known: Iterable[str]) -> Iterator[_Problem]:
    options = list(known)
    if name is not None and name not in options:
        close = difflib.get_close_matches(name, options, 1)
        hint = (
            f"Did you mean `{close[0]}`?" if close else f"Define it, or use one of: {', '.join(options) or 'none yet'}."
        )
        yield place, f"there is no {what} `{name}`", hint


def _equipment_problems(file: File) -> Iterator[_Problem]:
    products = [product.id for product in file.product]
    patterns = [pattern.id for pattern in file.shift_pattern]
    of_product = {product.id: {c.id for c in product.characteristic} for product in file.product}
    yield from _repeated("site", ("site",), (site.id for site in file.site))
    for s, site in enumerate(file.site):
        yield from _repeated("area", ("site", s, "area"), (area.id for area in site.area))
        for a, area in enumerate(site.area):
            at: _Place = ("site", s, "area", a, "line")
            yield from _repeated("line", at, (line.id for line in area.line))
            for n, line in enumerate(area.line):
                yield from _dangling((*at, n, "product"), "product", line.product, products)
                yield from _dangling((*at, n, "shifts"), "shift pattern", line.shifts, patterns)
                yield from _repeated("station", (*at, n, "station"), (station.id for station in line.station))
                measured = {c.id for station in line.station for c in station.characteristic}
                measured |= of_product.get(line.product or "", set())
                for i, station in enumerate(line.station):
                    here = (*at, n, "station", i)
                    adapter = station.source.partition(":")[0] if station.source else None
                    yield from _dangling((*here, "source"), "adapter", adapter, file.adapter)
                    if line.product is None or line.product in of_product:
                        yield from _dangling((*here, "key"), "characteristic", station.key, sorted(measured))


def _no_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        return str(error)
    return ""


def _product_problems(file: File) -> Iterator[_Problem]:
    yield from _repeated("product", ("product",), (product.id for product in file.product))
    stations = {
        station.id: f"{file.plant.id}/{site.id}/{area.id}/{line.id}/{station.id}"
        for site in file.site
        for area in site.area
        for line in area.line
        for station in line.station
    }
    for p, product in enumerate(file.product):
        here: _Place = ("product", p)
        yield from _repeated("operation", (*here, "operation"), (o.id for o in product.operation))
        if product.serial is not None and (wrong := _no_pattern(product.serial)):
            yield (
                (*here, "serial"),
                f"serial is no regular expression: {wrong}",
                'Write one such as "[A-Z]{2}[0-9]{5}".',
            )
        yield from _repeated("characteristic", (*here, "characteristic"), (c.id for c in product.characteristic))
        for o, operation in enumerate(product.operation):
            known = [*stations, *stations.values()]
            yield from _dangling((*here, "operation", o, "station"), "station", operation.station, known)
            for name in operation.characteristics:
                place = (*here, "operation", o, "characteristics")
                yield from _dangling(place, "characteristic", name, [c.id for c in product.characteristic])
        for c, characteristic in enumerate(product.characteristic):
            if (
                characteristic.lower
                and characteristic.upper
                and float(characteristic.lower) > float(characteristic.upper)
            ):
                yield (*here, "characteristic", c, "lower"), "the lower limit is above the upper one", "Swap them."
        for n, part in enumerate(product.part):
            yield from _dangling(
                (*here, "part", n, "operation"), "operation", part.operation, [o.id for o in product.operation]
            )


def _shift_problems(file: File) -> Iterator[_Problem]:
    yield from _repeated("shift pattern", ("shift_pattern",), (pattern.id for pattern in file.shift_pattern))
    for p, pattern in enumerate(file.shift_pattern):
        yield from _problems_of_shifts(("shift_pattern", p, "shift"), pattern.shift)
    sites = {site.id: site for site in file.site}
    lines = [
        name
        for site in file.site
        for area in site.area
        for line in area.line
        for name in (line.id, f"{file.plant.id}/{site.id}/{area.id}/{line.id}")
    ]
    for n, change in enumerate(file.day_change):
        here: _Place = ("day_change", n)
        yield from _dangling((*here, "site"), "site", change.site, sites)
        yield from _dangling((*here, "line"), "line", change.line, lines)
        yield from _problems_of_shifts((*here, "shift"), change.shift)
        days = ((change.until or change.day) - change.day).days
        if not 0 <= days <= MAX_CHANGED_DAYS:
            yield (
                (*here, "until"),
                f"the change goes from {change.day} to {change.until}",
                f"Let it end on its first day or later, within {MAX_CHANGED_DAYS} days; what lasts is a shift pattern.",
            )


def _problems_of_shifts(here: _Place, shifts: Sequence[Shift]) -> Iterator[_Problem]:
    """Breaks outside their shift, and shifts of a week that overlap."""
    yield from _repeated("shift", here, (shift.id for shift in shifts))
    for index, shift in enumerate(shifts):
        length = shift_minutes(shift)
        for n, pause in enumerate(shift.breaks):
            begin, end = ((minutes(t) - minutes(shift.start)) % 1440 for t in (pause.start, pause.end))
            if not begin < end <= length:
                yield (
                    (*here, index, "breaks"),
                    f"break {n + 1} ({pause.start}–{pause.end}) is not inside shift {shift.id} ({shift.start}–{shift.end})",
                    "Move the break into the shift.",
                )
    taken = sorted(
        (
            day * 1440 + minutes(shift.start),
            day * 1440 + minutes(shift.start) + shift_minutes(shift),
            shift.id,
            index,
        )
        for index, shift in enumerate(shifts)
        for day in (DAYS.index(name) for name in shift.days)
    )
    for (_, end, before, _), (start, _, after, index) in zip(taken, [*taken[1:], *taken[:1]], strict=True):
        if len(taken) > 1 and start + (10_080 if (start, after) == (taken[0][0], taken[0][2]) else 0) < end:
            yield (
                (*here, index, "start"),
                f"shift {after} begins before shift {before} has ended",
                "Let shifts meet, not overlap.",
            )
            break


def _time_problems(file: File) -> Iterator[_Problem]:
    for state in file.time.states:
        yield from _dangling(("time", "states", state), "state", state, STATE_TIMES)
    reasons = {reason.id: reason for reason in file.reason}
    for n, reason in enumerate(file.reason):
        yield from _dangling(("reason", n, "under"), "reason", reason.under, reasons)
        walked, at = {reason.id}, reason.under
        while at in reasons and at not in walked:
            walked.add(at)
            at = reasons[at].under
        if at in walked:
            yield (
                ("reason", n, "under"),
                f"reason {reason.id} is under itself",
                "Let the branch end at a reason that is under no other.",
            )


def _alarm_problems(file: File) -> Iterator[_Problem]:
    yield from _repeated("alarm", ("alarm",), (alarm.id for alarm in file.alarm))
    lines = [line for site in file.site for area in site.area for line in area.line]
    stations = [station for line in lines for station in line.station]
    known = {c.id for station in stations for c in station.characteristic}
    known |= {c.id for product in file.product for c in product.characteristic}
    for n, alarm in enumerate(file.alarm):
        here: _Place = ("alarm", n)
        if alarm.station is None or "/" not in alarm.station:
            yield from _dangling((*here, "station"), "station", alarm.station, [station.id for station in stations])
        if alarm.line is None or "/" not in alarm.line:
            yield from _dangling((*here, "line"), "line", alarm.line, [line.id for line in lines])
        yield from _dangling((*here, "characteristic"), "characteristic", alarm.characteristic, sorted(known))
        for name in alarm.suppressed_by:
            yield from _dangling((*here, "suppressed_by"), "alarm", name, [one.id for one in file.alarm])
        for state in alarm.states:
            yield from _dangling((*here, "states"), "state", state, STATE_TIMES)
        limits = [limit for limit in (alarm.above, alarm.below) if limit is not None]
        if alarm.characteristic is None and limits:
            yield (*here, "id"), f"alarm {alarm.id} has a limit of nothing", "Say which characteristic it is about."
        elif bool(alarm.states) == bool(limits):
            yield (
                (*here, "id"),
                f"alarm {alarm.id} has {'two conditions' if limits else 'no condition'}",
                "Give a characteristic with above or below, or states; one of the two.",
            )
        if float(alarm.deadband) < 0:
            yield (*here, "deadband"), "the deadband is negative", "Give 0 or more."
        if alarm.above and alarm.below and float(alarm.below) >= float(alarm.above):
            yield (*here, "below"), "it would always be raised: below is not under above", "Swap the two limits."
