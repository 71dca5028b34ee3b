"""What an operator does at a station: one scan, one touch.

The server decides what a scan means, from what stands at the station when the act arrives: a unit's
serial begins or ends work on it, a component's serial, lot or box goes in where the parts list wants it.
What must not be is refused with the reason; what happened all the same is recorded with `anyway`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from asbuilt.access import Reader
from asbuilt.errors import UsageError
from asbuilt.events import (
    AlarmAcknowledged,
    AlarmCleared,
    AlarmRaised,
    ComponentInstalled,
    ComponentRemoved,
    Event,
    Measured,
    OperationCompleted,
    OperationStarted,
    StopExplained,
    UnitCompleted,
    UnitScrapped,
    UnitStarted,
    lot_key,
    microseconds,
    unit_key,
)
from asbuilt.identity import scan as scans
from asbuilt.identity.scan import Scan
from asbuilt.plant import Operation, Part
from asbuilt.views.order import queries as orders
from asbuilt.views.station.work import Slot, Work
from asbuilt.views.trace import queries as trace
from asbuilt.views.unit import build, find
from asbuilt.views.unit import queries as units
from asbuilt.views.unit.rows import rows_for
from asbuilt.web.acting import Act, Action, Refused

CALL_PRIORITY = 2
_LIKE_A_SERIAL = re.compile(r"(?=.*\d)[^\s]{1,64}")
"""Without a rule of the product's own: a digit and no blanks."""
_ANYWAY = "If it happened all the same, tick “record it anyway” and scan again."


class Code(NamedTuple):
    """What a scanned code stands for: a part of the parts list, known by serial, lot or box."""

    part: Part
    serial: str | None = None
    lot: str | None = None
    container: str | None = None

    @property
    def name(self) -> str:
        """What was scanned."""
        return self.serial or self.container or self.lot or ""


def _work(reader: Reader, act: Act) -> Work:
    # What was done a moment ahead of the server's clock counts as well.
    at = act.time if act.time > reader.now else None
    return Work(reader, act.text("line"), act.text("station"), at)


def _anyway(act: Act) -> bool:
    return bool(act.values.get("anyway"))


# --------------------------------------------------------------------------- scan


def scan(reader: Reader, act: Act) -> list[Event]:
    """Whatever was scanned: a unit to begin or end, a component to install, or with `swap` the one to take its place."""
    work, read = _work(reader, act), scans.read(act.text("scan"))
    product = work.product
    if product is None:
        raise Refused(f"{work.line.name} builds no product", remedy="Name its product in the plant file.")
    # A text that is known as it stands is that, whatever else it could be read as.
    names = [read.text] if read.form == "plain" else [read.text, read.serial]
    is_ours = _is_of(work, read, product.id)
    if work.current is not None and is_ours and work.current.serial in names:
        return list(_finish(work, act, "good", ""))
    code = _code(reader, work, read)
    known = [name for name in names if name and find.exists(reader, unit_key(product.id, name))] if is_ours else []
    if code is None and known:
        return list(_begin(work, act, known[0]))
    if code is None and work.current is None and work.first:
        _ask_of_a_new_serial(work, act, read)
        return list(_begin(work, act, read.serial or read.text))
    if code is None:
        if read.doubt:
            raise Refused(read.doubt, remedy="Check the label and the scanner's settings, or type what is printed.")
        raise Refused(
            f"{read.name} is not known: neither a unit of {product.name} nor in its parts list",
            remedy="Scan the code on the part or its box; `asbuilt import` brings lots.",
        )
    if work.current is None:
        raise Refused(f"no unit is in the machine for {read.name}", remedy="Scan the unit first, then its parts.")
    swap = act.text("swap", "")
    return list(_swap(work, act, code, swap) if swap else _install(work, act, code))


def _is_of(work: Work, read: Scan, product: str) -> bool:
    """Whether a code can be of a product: none that names another product's GTIN can."""
    known = work.plant.products.get(product)
    if not read.gtin or (known and known.gtin and known.gtin.zfill(14) == read.gtin):
        return True
    return not (known and known.gtin) and _of_gtin(work, read.gtin) is None


def _of_gtin(work: Work, gtin: str) -> str | None:
    """The product that has a GTIN."""
    return next((one.name for one in work.plant.products.values() if one.gtin and one.gtin.zfill(14) == gtin), None)


def _ask_of_a_new_serial(work: Work, act: Act, read: Scan) -> None:
    """An engine is begun by whatever is scanned at the first station: what is hardly its serial is asked about once."""
    assert work.product is not None
    if _anyway(act):
        return
    if read.doubt:
        raise Refused(read.doubt, remedy=f"Check the label and the scanner's settings. {_ANYWAY}")
    if not _is_of(work, read, work.product.id):
        other = _of_gtin(work, read.gtin)
        whose = f"the GTIN of {other}" if other else "a GTIN that the plant file does not know"
        raise Refused(f"{read.gtin} is {whose}, not of {work.product.name}", remedy=f"Scan the code of {_a(work.product.name)}. {_ANYWAY}")  # fmt: skip
    serial = read.serial or read.text
    if read.form != "plain" and not read.serial:
        raise Refused("the code names no serial", remedy=f"Scan the code of {_a(work.product.name)}. {_ANYWAY}")
    pattern = work.product.serial
    if not (re.fullmatch(pattern, serial) if pattern else _LIKE_A_SERIAL.fullmatch(serial)):
        wanted = f"; serials of {work.product.name} are like {pattern}" if pattern else ""
        raise Refused(f"`{serial}` does not look like a serial{wanted}", remedy=f"Scan it again. {_ANYWAY}")


def _code(reader: Reader, work: Work, read: Scan) -> Code | None:
    """Which part of the parts list a code stands for; parts that go in here come first."""
    assert work.product is not None
    here = {operation.id for operation in work.operations}
    parts = sorted((one for one in work.product.part if _is_of(work, read, one.product)), key=lambda part: part.operation not in here)  # fmt: skip
    parts.sort(key=lambda part: part.product != read.part)
    serials, lots, boxes = ([read.text, *([name] if name else [])] for name in (read.serial, read.lot, read.container))
    for part in parts:
        for name in serials:
            if find.exists(reader, unit_key(part.product, name)):
                return Code(part, serial=name, lot=read.lot or None)
        for name in lots:
            if not read.serial and find.exists(reader, lot_key(part.product, name)):
                return Code(part, lot=name)
    for name in boxes:
        box = _box(reader, name)
        for part in parts:
            if box is not None and box[0] == part.product:
                return Code(part, lot=box[1], container=name)
    # Nothing is known of it yet: its GTIN or part number says what it is, or the maker printed the product before the number.
    for part in parts:
        known = work.plant.products.get(part.product)
        is_named = part.product == read.part or bool(read.gtin and known and known.gtin)
        if is_named and read.serial and part.tracking == "serial":
            return Code(part, serial=read.serial, lot=read.lot or None)
        if is_named and read.lot:
            return Code(part, lot=read.lot)
    text = read.text
    for part in sorted(parts, key=lambda part: -len(part.product)):
        if text.startswith((f"{part.product}-", f"{part.product}:")):
            name = text.removeprefix(f"{part.product}:")
            return Code(part, serial=name) if part.tracking == "serial" else Code(part, lot=name)
    return None


def _box(reader: Reader, container: str) -> tuple[str, str] | None:
    """Product and lot of what is in a box now."""
    found = trace.box(reader, container)
    return (found.product, found.lot) if found else None


# --------------------------------------------------------------------------- a unit comes and goes


def _begin(work: Work, act: Act, serial: str) -> Iterator[Event]:
    assert work.product is not None
    reader, operation = work.reader, work.operation
    if operation is None:
        raise Refused(f"no operation of {work.product.name} is done at {work.station.name}", remedy="Check the routing in the plant file.")  # fmt: skip
    if work.current is not None and len([one for one in work.here if one.in_machine]) >= work.station.places:
        raise Refused(
            f"{work.current.serial} is in the machine", remedy="Scan it again when it is done, then the next."
        )
    known = find.exists(reader, unit_key(work.product.id, serial))
    common = {"product": work.product.id, "serial": serial, "station": work.station.path}
    order = None
    if known:
        unit = units.show(reader, serial, work.product.id, work.at)
        order = unit.order or None
        if unit.state in ("scrapped", "shipped", "fitted") and not _anyway(act):
            raise Refused(f"{serial} is {unit.state}", remedy="Check the serial; a unit that came back is recorded as returned first.")  # fmt: skip
        passed = {step.operation: step.result for step in units.steps(reader, serial, work.product.id, work.at)}
        undone = [operation for operation in work.before() if passed.get(operation.id) != "good"]
        if undone and not _anyway(act):
            raise Refused(f"{undone[0].id} {undone[0].name} is not done on {serial}", remedy=f"Bring it to {undone[0].station}. {_ANYWAY}")  # fmt: skip
    elif not work.first:
        raise Refused(f"nothing is known of a unit {serial}", remedy="Units are begun at the first station.")
    else:
        order = next(
            (row.order for row in orders.list_(reader, state="open", limit=100) if row.product == work.product.id), None
        )
    yield act.fact(OperationStarted, operation=operation.id, order=order, **common)
    if not known:
        yield act.fact(UnitStarted, order=order, revision=work.product.revision, **common)


def finish(reader: Reader, act: Act) -> list[Event]:
    """The unit is done here: good, sent to rework, or scrap with its reason – in one touch."""
    result, reason = act.text("result"), act.text("reason", "")
    if result not in ("good", "rework", "scrap"):
        raise Refused(f"`{result}` is not a result", remedy="Press Good, a reason for rework, or a reason for scrap.")
    if result != "good" and not reason:
        raise Refused("the reason is missing", remedy="Press the reason itself.")
    work = _work(reader, act)
    if work.current is None:
        raise Refused("no unit is in the machine", remedy="Scan the unit first.")
    return list(_finish(work, act, result, reason))


def _finish(work: Work, act: Act, result: str, reason: str) -> Iterator[Event]:
    current, operation = work.current, work.operation
    assert current is not None and work.product is not None
    if result == "good" and work.missing and not _anyway(act):
        slot = work.missing[0]
        more = f" and {len(work.missing) - 1} more" if len(work.missing) > 1 else ""
        raise Refused(f"{current.serial} is not whole: {slot.part.name}, {slot.position} is missing{more}", remedy=f"Scan it in. {_ANYWAY}")  # fmt: skip
    common = {"product": current.product, "serial": current.serial, "station": work.station.path, "order": current.order or None}  # fmt: skip
    done = {"good": {"good": 1}, "rework": {"rework": 1}, "scrap": {"scrap": 1}}[result]
    yield act.fact(OperationCompleted, operation=current.operation, reason=reason or None, **done, **common)
    if result == "scrap":
        yield act.fact(UnitScrapped, reason=reason or None, **common)
    if result != "good" or operation is None:
        return
    following = work.following(operation)
    if following is not None:
        yield act.fact(OperationStarted, operation=following.id, **common)
    elif work.product.operation[-1] is operation and work.tree is not None and not work.tree.holds:
        yield from _release(work, act, operation, common)


def _release(work: Work, act: Act, last: Operation, common: Mapping[str, Any]) -> Iterator[Event]:
    """After its last operation a whole unit is released: it gets its birth certificate."""
    assert work.current is not None and work.product is not None
    whole = units.completeness(work.reader, work.current.serial, work.current.product, work.at)
    still_open = [
        line for line in whole.lines if line.state in ("missing", "doubled", "open") and line.kind != "characteristic"
    ]
    if all(line.kind == "operation" and line.id == last.id for line in still_open):
        yield act.fact(UnitCompleted, revision=work.product.revision, **common)


# --------------------------------------------------------------------------- components


def _install(work: Work, act: Act, code: Code) -> Iterator[Event]:
    slots = [slot for slot in work.slots if slot.part.product == code.part.product]
    if not slots and not _anyway(act):
        raise Refused(f"{code.name} is {_a(code.part.name)}: {_belongs(work, code.part)}", remedy=f"Scan a part of this operation. {_ANYWAY}")  # fmt: skip
    slot = next((slot for slot in slots if slot.left > 0), None)
    if slot is None and slots and not _anyway(act):
        last = slots[-1].components[-1] if slots[-1].components else None
        there = f" ({last.serial or last.container or last.lot})" if last else ""
        raise Refused(f"{code.part.name} is in already{there}", remedy="To change it, press Swap beside it and scan the new one.")  # fmt: skip
    _check_free(work, act, code)
    slot = slot or (slots[-1] if slots else _unplanned(code.part))
    yield _installed(work, act, code, slot, slot.left or slot.wanted)


def _swap(work: Work, act: Act, code: Code, position: str) -> Iterator[Event]:
    """What sits at a position comes out, the scanned one goes in, at one instant."""
    slot = next((slot for slot in work.slots if slot.position == position), None)
    if slot is None or not slot.components:
        raise Refused(f"nothing sits at {position}", remedy="Scan the part without Swap.")
    if slot.part.product != code.part.product and not _anyway(act):
        raise Refused(
            f"{code.name} is {_a(code.part.name)}, not {_a(slot.part.name)}", remedy=f"Scan {_a(slot.part.name)}."
        )
    _check_free(work, act, code)
    yield from _removed(work, act, slot, act.text("reason", "") or None)
    yield _installed(work, act, code, slot, slot.wanted)


def remove(reader: Reader, act: Act) -> list[Event]:
    """What sits at a position comes out."""
    work, position = _work(reader, act), act.text("position")
    slot = next((slot for slot in work.slots if slot.position == position and slot.components), None)
    if slot is None:
        raise Refused(f"nothing sits at {position}", remedy="Load the page anew.")
    return list(_removed(work, act, slot, act.text("reason", "") or None))


def _removed(work: Work, act: Act, slot: Slot, reason: str | None) -> Iterator[Event]:
    assert work.current is not None
    for component in slot.components:
        yield act.fact(
            ComponentRemoved, product=work.current.product, serial=work.current.serial, position=slot.position,
            component_product=component.product, component_serial=component.serial, component_lot=component.lot,
            quantity=component.quantity, uom=component.uom, reason=reason, station=work.station.path,
            operation=work.current.operation,
        )  # fmt: skip


def _installed(work: Work, act: Act, code: Code, slot: Slot, quantity: Decimal) -> Event:
    assert work.current is not None
    return act.fact(
        ComponentInstalled, product=work.current.product, serial=work.current.serial, position=slot.position,
        component_product=code.part.product, component_serial=code.serial, component_lot=code.lot,
        container=code.container, quantity="1" if code.serial else format(quantity.normalize(), "f"), uom=slot.part.uom,
        evidence="container" if code.container else "scanned", station=work.station.path,
        operation=work.current.operation,
    )  # fmt: skip


def _check_free(work: Work, act: Act, code: Code) -> None:
    """A part that sits in another unit, or that is held, is not put in by mistake."""
    if _anyway(act):
        return
    keys = [unit_key(code.part.product, code.serial)] if code.serial else []
    keys += [lot_key(code.part.product, code.lot)] if code.lot else []
    plant, at_us = work.reader.plant(work.at), microseconds(work.at or work.reader.now)
    for hold in build.holds_on(rows_for(work.reader, None), keys, at_us, plant.zone):
        raise Refused(f"{code.name} is on hold: {hold.reason}", remedy="Put it aside and take another.")
    if code.serial:
        try:
            known = units.show(work.reader, code.serial, code.part.product, work.at)
        except UsageError:
            return
        if known.state == "installed":
            raise Refused(f"{code.serial} sits in {find.name_of(known.place)}", remedy=f"Check both units; if it came out there, record that first. {_ANYWAY}")  # fmt: skip


def _belongs(work: Work, part: Part) -> str:
    assert work.product is not None
    operation = next((o for o in work.product.operation if o.id == part.operation), None)
    return f"it goes in at {operation.station}, not here" if operation else "it goes in at another station"


def _unplanned(part: Part) -> Slot:
    return Slot(part, (part.positions or (part.name,))[0], Decimal(1), Decimal(0), ())


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name[:1].lower()}{name[1:]}"


# --------------------------------------------------------------------------- values, counts, stops, help


def measure(reader: Reader, act: Act) -> list[Event]:
    """Measured values of the unit in the machine, against the limits in force; a value out of limits is recorded as it is."""
    work = _work(reader, act)
    if work.current is None:
        raise Refused("no unit is in the machine", remedy="Scan the unit first.")
    found: list[Event] = []
    for spec, _ in work.characteristics:
        text = act.values.get(f"value:{spec.id}", "").strip().replace(",", ".").replace("−", "-")
        if not text:
            continue
        try:
            value = format(Decimal(text), "f")
        except InvalidOperation:
            raise Refused(f"{spec.name}: `{text}` is not a number", remedy="Write it such as 35.004.") from None
        found.append(
            act.fact(
                Measured, product=work.current.product, serial=work.current.serial, characteristic=spec.id, value=value,
                uom=spec.uom, nominal=spec.nominal, lower=spec.lower, upper=spec.upper, station=work.station.path,
                operation=work.current.operation, order=work.current.order or None,
                gauge=act.text("gauge", "") or None,
            )
        )  # fmt: skip
    return found


def count(reader: Reader, act: Act) -> list[Event]:
    """Good, scrap and why, of an order, in one gesture: for work that is not on single units."""
    work = _work(reader, act)
    good, scrap = (_whole(act.text(name, "0")) for name in ("good", "scrap"))
    if not good and not scrap:
        raise Refused("nothing is counted", remedy="Say how many are good, how many are scrap.")
    if scrap and not act.text("reason", ""):
        raise Refused("the reason for the scrap is missing", remedy="Choose one.")
    operation = act.text("operation", work.operation.id if work.operation else work.station.id)
    return [
        act.fact(
            OperationCompleted, station=work.station.path, operation=operation, order=act.text("order"), good=good,
            scrap=scrap, reason=act.text("reason", "") or None,
        )
    ]  # fmt: skip


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise Refused(f"`{text}` is not a count", remedy="Write whole pieces such as 12.")
    return int(text)


def explain(reader: Reader, act: Act) -> list[Event]:
    """Why the station stands, from when it began to stand until now."""
    work = _work(reader, act)
    try:
        since = dt.datetime.fromisoformat(act.text("since"))
    except ValueError:
        raise Refused("since when it stands is not told", remedy="Load the page anew.") from None
    if since.tzinfo is None or since > act.time:
        raise Refused("it does not stand", remedy="Load the page anew.")
    reason = act.text("reason")
    if reason not in act.plant.reasons:
        raise Refused(f"there is no reason `{reason}`", remedy="Load the page anew.")
    return [act.fact(StopExplained, station=work.station.path, start_time=since, end_time=act.time, reason=reason)]


def call(reader: Reader, act: Act) -> list[Event]:
    """Help is wanted: an alarm with its response; with `done` it is over."""
    work = _work(reader, act)
    name = f"call-{work.station.id}"
    if act.text("done", ""):
        # Whoever says that help has come has seen the call as well: nobody need acknowledge it any more.
        about = {"alarm": name, "station": work.station.path}
        return [act.fact(AlarmAcknowledged, **about), act.fact(AlarmCleared, **about)]
    return [
        act.fact(
            AlarmRaised, alarm=name, station=work.station.path, priority=CALL_PRIORITY,
            text=f"Help wanted at {work.station.label}", response=f"Go to {work.station.label}.",
            detail=act.text("what", "") or act.by or None,
        )
    ]  # fmt: skip


ACTIONS = [
    Action("scan", scan), Action("finish", finish), Action("remove", remove), Action("measure", measure),
    Action("count", count), Action("explain", explain), Action("call", call),
]  # fmt: skip
