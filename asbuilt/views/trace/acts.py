"""Containment: holds on everything a trace returned, in one act."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.access import Reader
from asbuilt.events import Event, HoldPlaced, HoldReleased
from asbuilt.views.trace import queries
from asbuilt.views.trace.content import outermost, to_hold
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.web.acting import Act, Action, Refused


def hold(reader: Reader, act: Act) -> list[Event]:
    """Hold every unit in reach that carries the item and is not held yet; with `lots`, its lots and boxes' lots too."""
    return list(_holds(reader, act))


def _holds(reader: Reader, act: Act) -> Iterator[Event]:
    item, reason = act.text("item"), act.text("reason")
    name = act.text("hold", f"H-{act.time:%y%m%d-%H%M%S}")
    answer = queries.where_used(reader, item)
    uses = to_hold(outermost(answer, act.plant))
    lots = [lot for lot in answer.lots if lot.kind == "lot"] if act.text("lots", "") else []
    if not uses and not lots:
        raise Refused("nothing in reach carries it that is not held already", remedy="Look at what has shipped.")
    for use in uses:
        yield act.fact(HoldPlaced, hold=name, reason=reason, product=use.product, serial=use.serial)
    for lot in lots:
        yield act.fact(HoldPlaced, hold=name, reason=reason, product=lot.product, lot=lot.id)


def release(reader: Reader, act: Act) -> list[Event]:
    """Release a hold: altogether, or for one item (a unit's or lot's key)."""
    name, item = act.text("hold"), act.text("item", "")
    kind = item.partition(":")[0]
    subject = {"unit": "serial", "lot": "lot"}.get(kind, "")
    about = {"product": product_of(item), subject: name_of(item)} if subject else {}
    return [act.fact(HoldReleased, hold=name, reason=act.text("reason", "") or None, **about)]


ACTIONS = [Action("hold", hold), Action("release", release)]
