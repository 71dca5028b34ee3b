"""Where-used: from a thing to every serial that carried it, and where that is now."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import LotUse, Use, WhereUsed
from asbuilt.views.trace.lots import START
from asbuilt.views.trace.rows import SUPPLY, TOUCH, rows_for
from asbuilt.views.trace.walk import EVIDENCE, Walk
from asbuilt.views.unit import find
from asbuilt.views.unit.build import standing, time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.fold import FOREVER, Link

KINDS = ("unit", "lot", "container", *SUPPLY, *TOUCH)


def resolved(reader: Reader, item: str) -> tuple[str, str]:
    """Kind and name (a key for units and lots) of `KIND:ID`. Raises `UsageError`."""
    kind, colon, name = item.partition(":")
    kind = {"serial": "unit"}.get(kind, kind)
    if not colon or not name or kind not in KINDS:
        raise UsageError(
            f"`{item}` is not KIND:ID", remedy=f"KIND is one of {', '.join(KINDS)}; such as lot:MBR-2511-07."
        )
    if kind == "unit":
        return kind, item if find.exists(reader, f"unit:{name}") and "/" in name else find.unit(reader, name)
    if kind == "lot":
        return kind, item if "/" in name and find.exists(reader, item) else find.lot(reader, name)
    return kind, name


def walk_from(reader: Reader, kind: str, name: str, at_us: int, known_at: dt.datetime | None) -> Walk:
    """The walk from a thing, done."""
    walk = Walk(rows_for(reader, known_at), at_us)
    if kind == "unit":
        walk.from_parts({f"unit:{name.partition(':')[2]}": (False, 0)})
    elif kind == "lot":
        walk.from_lots([name])
    elif kind == "container":
        walk.from_lots([f"container:{name}"])
    elif kind in SUPPLY:
        lots = {receipt.lot for receipt in walk.rows.received(kind, name) if receipt.time_us <= at_us}
        walk.lots.below(lots)
        foreign = {lot: not _is_all(walk, lot, kind, name) for lot in lots}
        walk.from_lots(sorted(lots), foreign)
    else:
        walk.from_units(walk.rows.touched(kind, name))
    return walk


def _is_all(walk: Walk, lot: str, kind: str, name: str) -> bool:
    """Whether everything in a lot that was received is of one heat, supplier's lot or supplier."""
    receipts = walk.lots.receipts.get(lot, [])
    return not walk.lots.sources[lot] and all(getattr(receipt, kind) == name for receipt in receipts)


def where_used(reader: Reader, item: str, at: dt.datetime | None, known_at: dt.datetime | None) -> WhereUsed:
    """The whole answer."""
    zone, moment = reader.plant(at).zone, reader.instant(at)
    at_us = microseconds(moment)
    kind, name = resolved(reader, item)
    walk = walk_from(reader, kind, name, at_us, known_at)
    uses = tuple(_uses(walk, zone, None if at is None else at_us))
    return WhereUsed(
        item=name if kind in ("unit", "lot") else f"{kind}:{name}",
        at=moment.astimezone(zone),
        known_at=known_at.astimezone(zone) if known_at else None,
        serials=len(uses),
        states=dict(sorted(Counter(use.state for use in uses).items())),
        cut_short=walk.cut_short,
        lots=tuple(_lots(walk, zone)),
        uses=uses,
    )


def _lots(walk: Walk, zone: dt.tzinfo) -> Iterable[LotUse]:
    for name, taint in sorted(walk.taints.items()):
        is_box = name.startswith("container:")
        yield LotUse(
            kind="container" if is_box else "lot",
            product="" if is_box else product_of(name),
            id=name_of(name),
            contains="yes" if taint.sure else "may",
            since=None if taint.from_us == START else time_at(taint.from_us, zone),
        )


def _uses(walk: Walk, zone: dt.tzinfo, at_us: int | None) -> Iterable[Use]:
    started = walk.parts if not walk.taints else {}
    made_of = {part: label for part, label in walk.parts.items() if part not in started}
    units = sorted({*walk.carriers, *made_of})
    statuses = walk.rows.statuses(units, at_us)
    sitting, sat = _places(walk, units)
    held = {step.item for step in standing(walk.rows.holds(units), walk.at_us)}
    for unit in units:
        carrier = walk.carriers.get(unit)
        labels = [carrier.label] if carrier is not None and carrier.spans else []
        if unit in made_of:
            labels.append(made_of[unit])
        maybe, rank = min(labels)
        spans = [(START, FOREVER)] if unit in made_of else [s for several in carrier.spans.values() for s in several] if carrier else []  # fmt: skip
        since, until = min(a for a, _ in spans), max(b for _, b in spans)
        first = carrier.first if carrier is not None else None
        status, link = statuses.get(unit), sitting.get(unit)
        if status is not None:
            state, place, consignee = status.state, status.place, status.consignee
        else:
            last = link or sat.get(unit)
            state, place, consignee = "installed" if link else "removed" if last else "", last.unit if last else "", ""
        yield Use(
            product=product_of(unit), serial=name_of(unit), contains="may" if maybe else "yes", evidence=EVIDENCE[rank],
            since=None if since == START else time_at(since, zone),
            until=None if until == FOREVER else time_at(until, zone), still=until == FOREVER,
            position=first.position if first else "", part=name_of(first.part) if first else "",
            lot=name_of(first.lot) if first else "", container=first.container if first else "",
            state=state, place=place, consignee=consignee, inside=link.unit if link else "", held=unit in held,
        )  # fmt: skip


def _places(walk: Walk, units: list[str]) -> tuple[dict[str, Link], dict[str, Link]]:
    """In what units sit at the moment, and in what they sat last."""
    sitting: dict[str, Link] = {}
    sat: dict[str, Link] = {}
    for link in sorted(walk.rows.links_of("part", walk.ever_parts(units)), key=lambda link: (link.from_us, link)):
        if link.from_us <= walk.at_us:
            sat[link.part] = link
            if walk.at_us < link.until_us:
                sitting[link.part] = link
    return sitting, sat
