"""Where-used: from a thing to every serial that carried it, and where that is now."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from asbuilt.access import Reader
from asbuilt.domain.genealogy.rows import FOREVER, Link
from asbuilt.domain.genealogy.walks import SUPPLY, TOUCH
from asbuilt.errors import UsageError
from asbuilt.events import microseconds
from asbuilt.views.trace.answers import LotUse, Use, WhereUsed
from asbuilt.views.trace.lots import START
from asbuilt.views.trace.walk import EVIDENCE, Carrier, Label, Walk
from asbuilt.views.unit import find
from asbuilt.views.unit.build import SECOND_US, time_at
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.views.unit.rows import rows_for

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
    made_of = walk.parts if walk.taints else {}
    # Nearly in order already, as rows were read.
    units = sorted(dict.fromkeys([*walk.carriers, *made_of]))
    whereabouts = walk.rows.whereabouts(units, at_us)
    sitting, sat = _places(walk)
    held = {step.item for step in walk.rows.holds(units, walk.at_us)}
    products: dict[str, str] = {}
    lots: dict[str, str] = {"": ""}
    once, now, at_time = walk.once, FOREVER, dt.datetime.fromtimestamp
    for unit in units:
        head, _, serial = unit.partition("/")
        product = products.get(head)
        if product is None:
            product = products[head] = product_of(unit)
        carried = once.get(unit)
        if carried is not None and unit not in made_of:
            (maybe, rank), since, until, first = carried
        else:
            carrier = walk.carrier(unit)
            maybe, rank, since, until = _best(carrier, made_of.get(unit))
            first = carrier.first if carrier is not None else None
        _, position, _, _, _, _, _, part, lot, container, _ = first or _NO_LINK
        lot_name = lots.get(lot)
        if lot_name is None:
            lot_name = lots[lot] = name_of(lot)
        known, link = whereabouts.get(unit), sitting.get(unit)
        if known is not None:
            state, place, consignee = known
        else:
            last = link or sat.get(unit)
            state, place, consignee = "installed" if link else "removed" if last else "", last.unit if last else "", ""
        yield Use(
            product, serial, "may" if maybe else "yes", EVIDENCE[rank],
            None if since == START else at_time(since / SECOND_US, zone),
            None if until == now else at_time(until / SECOND_US, zone),
            until == now, position, name_of(part) if part else "", lot_name, container,
            state, place, consignee, link.unit if link else "", unit in held,
        )  # fmt: skip


_NO_LINK = Link("", "", 0, b"", 0, 0, "", "", "", "", "")


def _best(carrier: Carrier | None, made_of: Label | None) -> tuple[bool, int, int, int]:
    """The best label a unit carries it under, and from when until when it did under any."""
    if made_of is not None:
        labels = [*carrier.spans, made_of] if carrier is not None else [made_of]
        return *min(labels), START, FOREVER
    assert carrier is not None, "a use is a carrier or made of it"
    if len(carrier.spans) == 1:
        ((label, spans),) = carrier.spans.items()
        return *label, spans[0][0], spans[-1][1]
    every = [span for spans in carrier.spans.values() for span in spans]
    return *min(carrier.spans), min(since for since, _ in every), max(until for _, until in every)


def _places(walk: Walk) -> tuple[dict[str, Link], dict[str, Link]]:
    """In what the units met sit at the moment, and in what they sat last."""
    sitting: dict[str, Link] = {}
    sat: dict[str, Link] = {}
    for link in walk.sat(walk.ever_parts):
        before = sat.get(link.part)
        if before is None or (before.from_us, before) < (link.from_us, link):
            sat[link.part] = link
        if walk.at_us < link.until_us:
            before = sitting.get(link.part)
            if before is None or (before.from_us, before) < (link.from_us, link):
                sitting[link.part] = link
    return sitting, sat
