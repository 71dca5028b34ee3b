"""What is in what, worked out the slow way from the facts as `asbuilt facts` prints them.

Written from the meaning, not from the product: time is looked at minute by minute, ways through lots
are walked one by one, nothing is merged or cut. Facts are dictionaries with `position` and
`record_time`; times are datetimes.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

Fact = dict[str, Any]
MINUTE = dt.timedelta(minutes=1)
RANK = {"scanned": 0, "container": 1, "time_window": 2}


def time_of(fact: Fact) -> dt.datetime:
    return dt.datetime.fromisoformat(fact["event_time"])


def holding(facts: list[Fact], known_at: dt.datetime | None) -> list[Fact]:
    """The facts that hold, corrected, as far as they had been recorded."""
    seen = [f for f in facts if known_at is None or dt.datetime.fromisoformat(f["record_time"]) <= known_at]
    corrections = [f for f in seen if f["type"] == "correction_made.v1"]

    def rank(f: Fact) -> Any:
        return time_of(f), f["id"]

    def stands(f: Fact) -> bool:
        return not any(c["corrects"] == f["id"] and rank(c) > rank(f) and stands(c) for c in corrections)

    found = []
    for fact in seen:
        if fact["type"] == "correction_made.v1":
            continue
        valid = sorted((c for c in corrections if c["corrects"] == fact["id"] and stands(c)), key=rank)
        reading = valid[-1].get("replacement") if valid else fact
        if reading is not None:
            found.append(reading)
    return found


class Brute:
    """One state of knowledge: the facts that hold with an event time up to `at`."""

    def __init__(self, facts: list[Fact], at: dt.datetime, known_at: dt.datetime | None = None) -> None:
        self.at = at
        self.facts = [f for f in holding(facts, known_at) if time_of(f) <= at]
        self.seats = self._seats()
        self.flows = self._flows()

    # ----------------------------------------------------------------- what sat where

    def _seats(self) -> list[dict[str, Any]]:
        """Every stretch of time in which a quantity sat at a position."""
        done: list[dict[str, Any]] = []
        sitting: list[dict[str, Any]] = []
        steps = [f for f in self.facts if f["type"] in ("component_installed.v1", "component_removed.v1")]
        steps.sort(key=lambda f: (time_of(f), f["type"] == "component_installed.v1", f["id"]))
        for f in steps:
            unit = (f["product"], f["serial"])
            if f["type"] == "component_installed.v1":
                product = f["component_product"]
                sitting.append({
                    "unit": unit, "position": f["position"], "product": product,
                    "part": (product, f["component_serial"]) if "component_serial" in f else None,
                    "lot": (product, f["component_lot"]) if "component_lot" in f else None,
                    "box": f.get("container"), "quantity": Decimal(f.get("quantity", "1")),
                    "from": time_of(f), "until": None, "rank": RANK[f.get("evidence", "scanned")], "fact": f["id"],
                })  # fmt: skip
                continue
            left = Decimal(f["quantity"]) if "quantity" in f else None
            for seat in list(sitting):
                if (seat["unit"], seat["position"]) != (unit, f["position"]):
                    continue
                if "component_product" in f and f["component_product"] != seat["product"]:
                    continue
                if "component_serial" in f and (seat["part"] is None or seat["part"][1] != f["component_serial"]):
                    continue
                if "component_lot" in f and (seat["lot"] is None or seat["lot"][1] != f["component_lot"]):
                    continue
                gone = seat["quantity"] if left is None else min(seat["quantity"], left)
                if left is not None and gone <= 0:
                    continue
                done.append({**seat, "until": time_of(f), "quantity": gone})
                seat["quantity"] -= gone
                left = None if left is None else left - gone
                if seat["quantity"] == 0:
                    sitting.remove(seat)
        return done + sitting

    def now_in(self, unit: Any) -> list[dict[str, Any]]:
        return [s for s in self.seats if s["unit"] == unit and s["until"] is None]

    def tree(self, unit: Any, path: tuple[Any, ...] = ()) -> list[Any]:
        """What sits in a unit, nested; pieces of one installation count as one."""
        whole: dict[Any, Any] = {}
        for seat in self.now_in(unit):
            key = seat["fact"]
            if key in whole:
                whole[key]["quantity"] += seat["quantity"]
            else:
                whole[key] = dict(seat)
        rows = []
        for seat in whole.values():
            part = seat["part"]
            inside = self.tree(part, (*path, unit)) if part and part not in (*path, unit) else []
            rows.append((seat["position"], seat["from"], seat["fact"], part and part[1], seat["lot"] and seat["lot"][1],
                         seat["box"], seat["quantity"], inside))  # fmt: skip
        return sorted(rows, key=lambda row: (row[0], row[1], row[2]))

    # ----------------------------------------------------------------- lots

    def _flows(self) -> list[tuple[Any, Any, dt.datetime, dt.datetime]]:
        """From what into what, from when to when."""
        found: list[Any] = []
        boxes: dict[Any, list[dt.datetime]] = {}
        for f in self.facts:
            time = time_of(f)
            if f["type"] == "lot_split.v1":
                found += [
                    (("lot", f["product"], f["lot"]), ("lot", f["product"], p["lot"]), time, time) for p in f["into"]
                ]
            elif f["type"] == "lot_merged.v1":
                found += [
                    (("lot", f["product"], p["lot"]), ("lot", f["product"], f["lot"]), time, time) for p in f["merged"]
                ]
            elif f["type"] == "lot_opened.v1" and "container" in f:
                boxes.setdefault((("lot", f["product"], f["lot"]), ("box", f["container"])), []).append(time)
            elif f["type"] == "component_installed.v1" and "component_lot" in f and "container" in f:
                lot = ("lot", f["component_product"], f["component_lot"])
                boxes.setdefault((lot, ("box", f["container"])), []).append(time)
        return found + [(lot, box, min(times), max(times)) for (lot, box), times in boxes.items()]

    def received(self, lot: Any) -> list[Fact]:
        return [f for f in self.facts if f["type"] == "lot_received.v1" and ("lot", f["product"], f["lot"]) == lot]

    def all_from(self, starts: set[Any]) -> set[Any]:
        """Lots and boxes in which there is nothing but what came from the starts."""
        sure = set(starts)
        for _ in range(len(self.flows) + 1):
            for target in {t for _, t, _, _ in self.flows}:
                sources = {s for s, t, _, _ in self.flows if t == target}
                if sources <= sure and not self.received(target):
                    sure.add(target)
        return sure

    def ways(self, starts: set[Any], sure: set[Any]) -> dict[Any, dt.datetime]:
        """From when on something of the starts may be in a lot or box, by walking every way."""
        best: dict[Any, dt.datetime] = {}
        long_ago = dt.datetime(1, 1, 1, tzinfo=dt.UTC)

        def walk(node: Any, since: dt.datetime, used: tuple[int, ...]) -> None:
            if node not in best or since < best[node]:
                best[node] = since
            for number, (source, target, first, last) in enumerate(self.flows):
                if source == node and number not in used and last >= since:
                    walk(target, max(first, since), (*used, number))

        for start in starts | sure:
            walk(start, long_ago, ())
        return best

    # ----------------------------------------------------------------- who carries it, minute by minute

    def label_of_seat(self, seat: Any, sure: set[Any], since: dict[Any, dt.datetime]) -> tuple[bool, int] | None:
        lot = ("lot", *seat["lot"]) if seat["lot"] else None
        box = ("box", seat["box"]) if seat["box"] else None
        if lot in sure or box in sure:
            return False, seat["rank"]
        looked_at = lot or box
        if looked_at in since and since[looked_at] <= seat["from"]:
            return True, seat["rank"]
        return None

    def where_used(self, item: Any) -> dict[Any, tuple[bool, str, Any, Any, bool]]:
        """Unit → (maybe, evidence, since, until, still) for every serial that carried it or is made of it."""
        parts: dict[Any, tuple[bool, int]] = {}
        sure: set[Any] = set()
        since: dict[Any, dt.datetime] = {}
        touched: dict[Any, dt.datetime] = {}
        if item[0] == "unit":
            parts[item[1:]] = (False, 0)
        elif item[0] == "station":
            for f in self.facts:
                if (
                    f.get("station") == item[1]
                    and f["type"] in ("operation_started.v1", "unit_started.v1")
                    and "serial" in f
                ):
                    unit = (f["product"], f["serial"])
                    touched[unit] = min(touched.get(unit, time_of(f)), time_of(f))
        else:
            starts = {item}
            own = {item}
            if item[0] == "heat":
                came = [f for f in self.facts if f["type"] == "lot_received.v1" and f.get("heat") == item[1]]
                starts = {("lot", f["product"], f["lot"]) for f in came}
                own = {
                    lot for lot in starts
                    if all(f.get("heat") == item[1] for f in self.received(lot)) and not any(t == lot for _, t, _, _ in self.flows)
                }  # fmt: skip
            sure = self.all_from(own)
            since = self.ways(starts, sure)
            for part in {s["part"] for s in self.seats if s["part"]}:
                told = [s for s in self.seats if s["part"] == part and (s["lot"] or s["box"])]
                labels = [self.label_of_seat(s, sure, since) for s in told]
                known = [label for label in labels if label]
                if known:
                    parts[part] = (len(known) < len(labels) or any(m for m, _ in known), min(r for _, r in known))
        units = {s["unit"] for s in self.seats} | {s["part"] for s in self.seats if s["part"]} | set(touched)
        found = {}
        for unit in units:
            spans: list[tuple[bool, int, dt.datetime, dt.datetime | None]] = []
            for minute in self._minutes():
                for label in self._carries(unit, minute, parts, touched, (sure, since), ()):
                    spans.append((*label, minute, None))
            is_made = unit in parts and item[0] != "unit"
            labels = [(m, r) for m, r, _, _ in spans] + ([parts[unit]] if is_made else [])
            if not labels:
                continue
            maybe, rank = min(labels)
            minutes = {minute for _, _, minute, _ in spans}
            still = is_made or self.at in minutes or max(minutes) == self._minutes()[-1]
            first = None if is_made else min(minutes)
            last = None if still else max(minutes) + MINUTE
            found[unit] = (maybe, list(RANK)[rank], first, last, still)
        return found

    def _minutes(self) -> list[dt.datetime]:
        """Every minute from the first fact to the moment asked about."""
        first = min((time_of(f) for f in self.facts), default=self.at)
        return [first + n * MINUTE for n in range(int((self.at - first) / MINUTE) + 1)]

    def _carries(self, unit: Any, minute: Any, parts: Any, touched: Any, lots: Any, path: tuple[Any, ...]) -> set[Any]:
        """The labels under which a unit carries it at a minute."""
        found: set[Any] = set()
        if unit in touched and touched[unit] <= minute:
            found.add((False, 0))
        if unit in path:
            return found
        for seat in self.seats:
            if seat["unit"] != unit or not seat["from"] <= minute or (seat["until"] and minute >= seat["until"]):
                continue
            part = seat["part"]
            if part is None:
                label = self.label_of_seat(seat, *lots)
                found |= {label} if label else set()
                continue
            inside = self._carries(part, minute, parts, touched, lots, (*path, unit))
            inside |= {parts[part]} if part in parts else set()
            found |= {(maybe, max(rank, seat["rank"])) for maybe, rank in inside}
        return found
