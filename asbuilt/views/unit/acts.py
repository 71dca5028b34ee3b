"""What is decided about a unit: nonconformance, disposition, hold; packed, shipped, fitted, returned, scrapped.

A unit on hold is neither packed nor shipped through here: refused with the hold and its reason.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from asbuilt.access import Reader
from asbuilt.events import (
    DispositionDecided,
    Event,
    HoldPlaced,
    HoldReleased,
    NonconformanceRaised,
    Packed,
    UnitFitted,
    UnitReturned,
    UnitScrapped,
    UnitShipped,
)
from asbuilt.views.unit import queries
from asbuilt.views.unit.answers import Unit
from asbuilt.views.unit.find import name_of, product_of
from asbuilt.web.acting import Act, Action, Refused

DECISIONS: tuple[str, ...] = get_args(get_type_hints(DispositionDecided)["decision"])
SEVERITIES: tuple[str, ...] = get_args(get_type_hints(NonconformanceRaised)["severity"])


def _unit(reader: Reader, act: Act) -> Unit:
    at = act.time if act.time > reader.now else None
    return queries.show(reader, act.text("serial"), act.text("product"), at)


def _about(unit: Unit) -> dict[str, Any]:
    return {"product": unit.product, "serial": unit.serial}


def raise_(reader: Reader, act: Act) -> list[Event]:
    """Something is not as it should be on the unit."""
    unit, severity = _unit(reader, act), act.text("severity", "minor")
    if severity not in SEVERITIES:
        raise Refused(f"there is no severity `{severity}`", remedy=f"Choose {', '.join(SEVERITIES)}.")
    name = act.text("nonconformance", f"NC-{act.time:%y%m%d-%H%M%S}")
    return [
        act.fact(
            NonconformanceRaised, nonconformance=name, reason=act.text("reason"), severity=severity,
            message=act.text("message", "") or None, order=unit.order or None,
            characteristic=act.text("characteristic", "") or None, **_about(unit),
        )
    ]  # fmt: skip


def decide(reader: Reader, act: Act) -> list[Event]:
    """What is to be done about a nonconformance; scrap ends the unit as well."""
    name, decision = act.text("nonconformance"), act.text("decision")
    if decision not in DECISIONS:
        raise Refused(f"there is no decision `{decision}`", remedy=f"Choose {', '.join(DECISIONS)}.")
    found = queries.cases(reader, nonconformance=name)
    if not found:
        raise Refused(f"nothing is known of a nonconformance {name}", remedy="Raise it first.")
    case, about = found[0], dict[str, Any]()
    kind = case.item.partition(":")[0]
    if kind in ("unit", "lot"):
        about = {"product": product_of(case.item), "serial" if kind == "unit" else "lot": name_of(case.item)}
    quantity = act.text("quantity", "") or None
    made: list[Event] = [
        act.fact(
            DispositionDecided, nonconformance=name, decision=decision, quantity=quantity,
            message=act.text("message", "") or None, **about,
        )
    ]  # fmt: skip
    if decision == "scrap" and kind == "unit":
        made.append(act.fact(UnitScrapped, reason=case.reason or None, **about))
    return made


def hold(reader: Reader, act: Act) -> list[Event]:
    """The unit may not leave."""
    unit = _unit(reader, act)
    name = act.text("hold", f"H-{act.time:%y%m%d-%H%M%S}")
    return [act.fact(HoldPlaced, hold=name, reason=act.text("reason"), **_about(unit))]


def release(reader: Reader, act: Act) -> list[Event]:
    """A hold on the unit is over; one on a lot or product in it is released where it was placed."""
    unit, name = _unit(reader, act), act.text("hold")
    own = [h for h in queries.holds(reader, unit.serial, unit.product) if h.hold == name]
    if not own:
        raise Refused(f"hold {name} does not stand on {unit.serial}", remedy="Load the page anew.")
    if all(not h.item.startswith("unit:") for h in own):
        raise Refused(
            f"hold {name} is on {own[0].item}, not on {unit.serial}",
            remedy="Release it from the trace of what it is on.",
        )
    return [act.fact(HoldReleased, hold=name, reason=act.text("reason", "") or None, **_about(unit))]


def _free(reader: Reader, act: Act) -> Unit:
    """The unit, if nothing keeps it from leaving."""
    unit = _unit(reader, act)
    at = act.time if act.time > reader.now else None
    holds = queries.holds(reader, unit.serial, unit.product, at)
    if holds:
        raise Refused(f"{unit.serial} is on hold: {holds[0].reason} ({holds[0].hold})", remedy="Release the hold first, with its reason.")  # fmt: skip
    if unit.state == "scrapped":
        raise Refused(f"{unit.serial} is scrapped", remedy="Check the serial.")
    return unit


def pack(reader: Reader, act: Act) -> list[Event]:
    """The unit goes into a container."""
    return [act.fact(Packed, container=act.text("container"), **_about(_free(reader, act)))]


def ship(reader: Reader, act: Act) -> list[Event]:
    """The unit leaves for a consignee, for a stated end use."""
    unit = _free(reader, act)
    return [
        act.fact(
            UnitShipped, consignee=act.text("consignee"), end_use=act.text("end_use", "") or None,
            container=unit.place if unit.state == "packed" else None, order=unit.order or None, **_about(unit),
        )
    ]  # fmt: skip


def fit(reader: Reader, act: Act) -> list[Event]:
    """The unit was built into something."""
    return [act.fact(UnitFitted, fitted_in=act.text("fitted_in"), **_about(_unit(reader, act)))]


def return_(reader: Reader, act: Act) -> list[Event]:
    """The unit came back."""
    returned_by = act.text("returned_by", "") or None
    return [act.fact(UnitReturned, reason=act.text("reason"), returned_by=returned_by, **_about(_unit(reader, act)))]


def scrap(reader: Reader, act: Act) -> list[Event]:
    """The unit's end."""
    unit = _unit(reader, act)
    if unit.state == "scrapped":
        raise Refused(f"{unit.serial} is scrapped already", remedy="Load the page anew.")
    return [act.fact(UnitScrapped, reason=act.text("reason"), order=unit.order or None, **_about(unit))]


ACTIONS = [
    Action("raise", raise_), Action("decide", decide), Action("hold", hold), Action("release", release),
    Action("pack", pack), Action("ship", ship), Action("fit", fit), Action("return", return_), Action("scrap", scrap),
]  # fmt: skip
