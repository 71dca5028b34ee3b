"""The subjects under which a fact is found."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final, cast

from asbuilt.events.codec import type_name
from asbuilt.events.envelope import Event
from asbuilt.events.facts import TYPES, AnyFact, CorrectionMade
from asbuilt.events.lots import LotMerged, LotSplit


def unit_key(product: str | None, serial: str) -> str:
    """The subject key of a unit."""
    return f"unit:{_ESCAPED[product]}/{serial}"


def lot_key(product: str | None, lot: str) -> str:
    """The subject key of a lot."""
    return f"lot:{_ESCAPED[product]}/{lot}"


def _escaped(product: str | None) -> str:
    # The first slash ends the product, so that ("A/B", "C") and ("A", "B/C") stay two keys.
    return product.replace("%", "%25").replace("/", "%2F") if product else ""


def subjects(fact: AnyFact) -> list[str]:
    """The keys under which a fact is found: `unit:P/S`, `lot:P/L`, `order:O`, `station:PATH`, …

    Every fact is at least under its type (`type:NAME`) and its source (`source:NAME`).
    """
    find = _FIND.get(type(fact))
    if find is None:
        found = [f"type:{type_name(fact)}", f"source:{fact.source}"]
        return found if fact.by is None else [*found, f"person:{fact.by}"]
    return find(fact)


def _of_split(fact: LotSplit) -> list[str]:
    return [lot_key(fact.product, part.lot) for part in fact.into]


def _of_merge(fact: LotMerged) -> list[str]:
    return [lot_key(fact.product, part.lot) for part in fact.merged]


def _of_correction(fact: CorrectionMade) -> list[str]:
    """A correction is found wherever the fact it corrects is found, once that is replaced."""
    found = [f"fact:{fact.corrects}"]
    if fact.replacement is not None:
        found.extend(key for key in subjects(fact.replacement) if not key.startswith(("type:", "source:")))
    return found


_OF_PRODUCT = (("unit", "product", "serial"), ("lot", "product", "lot"),
               ("unit", "component_product", "component_serial"), ("lot", "component_product", "component_lot"))  # fmt: skip
_BY_NAME = ("order", "station", "line", "adapter", "container", "nonconformance", "hold", "disclosure")

_SubjectPlan = tuple[str, tuple[str, ...], tuple[tuple[str, int | None, int], ...]]


def _subject_plan(name: str, cls: type[Event]) -> _SubjectPlan:
    """The type's own key, all fields needed, and per key: prefix, product's and value's place among the fields."""
    fields = ["source", "by"]
    places: list[tuple[str, int | None, int]] = [("source:", None, 0), ("person:", None, 1)]
    for kind, product, field in _OF_PRODUCT:
        if field in cls.__struct_fields__:
            places.append((f"{kind}:", len(fields), len(fields) + 1))
            fields += [product, field]
    for field in _BY_NAME:
        if field in cls.__struct_fields__:
            places.append((f"{field}:", None, len(fields)))
            fields.append(field)
    return f"type:{name}", tuple(fields), tuple(places)


_SUBJECT_PLANS: dict[type, _SubjectPlan] = {cls: _subject_plan(name, cls) for name, cls in TYPES.items()}


def _finder(cls: type[Event]) -> Callable[[Any], list[str]]:
    """The plan of a type as a function of its own: one look at each field and no loop, at half the time."""
    own_type, fields, places = _SUBJECT_PLANS[cls]
    lines = ["def find(fact):", f"    found = [{own_type!r}]"]
    for prefix, product_at, at in places:
        product = "" if product_at is None else f"escaped[fact.{fields[product_at]}] + '/' + "
        lines += [
            f"    value = fact.{fields[at]}",
            f"    if value is not None: found.append({prefix!r} + {product}value)",
        ]
    if cls in _BY_HAND:
        lines.append("    found += by_hand(fact)")
    scope: dict[str, Any] = {"escaped": _ESCAPED, "by_hand": _BY_HAND.get(cls)}
    exec("\n".join([*lines, "    return found"]), scope)
    return cast(Callable[[Any], list[str]], scope["find"])


def places(facts: Sequence[AnyFact], first: int) -> dict[str, list[int]]:
    """Subject → positions, ascending, of facts that follow each other in the record from position `first` on.

    The same as `subjects` of each, but a subject's key is put together once and not once a fact.
    """
    by_type: dict[type, list[tuple[int, Any]]] = {}
    for numbered in enumerate(facts, first):
        cls = type(numbered[1])
        if cls in by_type:
            by_type[cls].append(numbered)
        else:
            by_type[cls] = [numbered]
    of_product: _OfProduct = {kind: defaultdict(_positions_by_name) for kind, _, _ in _OF_PRODUCT}
    by_name: _ByName = {name: defaultdict(list) for name in ("source", "person", *_BY_NAME)}
    found: dict[str, list[int]] = {}
    for cls, some in by_type.items():
        place = _PLACE.get(cls)
        if place is not None:
            found[_SUBJECT_PLANS[cls][0]] = [position for position, _ in some]
            place(some, of_product, by_name)
        else:
            for position, fact in some:
                for key in subjects(fact):
                    found.setdefault(key, []).append(position)
    for name, by_value in by_name.items():
        for value, positions in by_value.items():
            _add(found, f"{name}:{value}", positions)
    for kind, by_product in of_product.items():
        for product, by_value in by_product.items():
            start = f"{kind}:{_ESCAPED[product]}/"
            for value, positions in by_value.items():
                _add(found, start + value, positions)
    for key, positions in found.items():
        if len(positions) > 1:
            # Types come one after the other, and a fact may name a subject twice.
            found[key] = sorted(positions) if key.startswith(_ONCE) else sorted(set(positions))
    return found


def _add(found: dict[str, list[int]], key: str, positions: list[int]) -> None:
    if key in found:
        found[key] += positions
    else:
        found[key] = positions


def _positions_by_name() -> defaultdict[str, list[int]]:
    return defaultdict(list)


_OfProduct = dict[str, defaultdict[str | None, defaultdict[str, list[int]]]]
_ByName = dict[str, defaultdict[str, list[int]]]
_Place = Callable[[Sequence[tuple[int, Any]], _OfProduct, _ByName], None]
_ONCE = ("type:", "source:")
"""Kinds of which a fact of a known type has one subject; their lists are long."""


def _placer(cls: type[Event]) -> _Place:
    """The plan of a type as a function over many facts of it, each field looked at once."""
    _, fields, places = _SUBJECT_PLANS[cls]
    begin: list[str] = []
    loop: list[str] = []
    for number, (prefix, product_at, at) in enumerate(places):
        if product_at is None:
            begin.append(f"    into_{number} = by_name[{prefix[:-1]!r}]")
            into = f"into_{number}[value]"
        else:
            begin.append(f"    into_{number} = of_product[{prefix[:-1]!r}]")
            into = f"into_{number}[fact.{fields[product_at]}][value]"
        loop += [f"        value = fact.{fields[at]}", f"        if value is not None: {into}.append(position)"]
    scope: dict[str, Any] = {}
    lines = ["def place(facts, of_product, by_name):", *begin, "    for position, fact in facts:", *loop]
    exec("\n".join(lines), scope)
    return cast(_Place, scope["place"])


class _Escaped(dict[str | None, str]):
    """Products as they stand in keys, kept as long as there are not too many."""

    def __missing__(self, product: str | None) -> str:
        if len(self) >= 4096:
            self.clear()
        escaped = self[product] = _escaped(product)
        return escaped


_ESCAPED = _Escaped()
_BY_HAND: dict[type, Callable[[Any], list[str]]] = {
    LotSplit: _of_split,
    LotMerged: _of_merge,
    CorrectionMade: _of_correction,
}
_FIND: dict[type, Callable[[Any], list[str]]] = {cls: _finder(cls) for cls in _SUBJECT_PLANS}
_PLACE: dict[type, _Place] = {cls: _placer(cls) for cls in _SUBJECT_PLANS if cls not in _BY_HAND}

_SUBJECTS_BY_HAND = 1
"""Raise it when the code of `subjects` changes other than by types and fields."""
SUBJECTS_VERSION: Final = int.from_bytes(
    hashlib.sha256(
        repr(
            (
                _SUBJECTS_BY_HAND,
                sorted(repr((own, attrgetter(*fields), places)) for own, fields, places in _SUBJECT_PLANS.values()),
            )
        ).encode()
    ).digest()[:6],
    "big",
)
"""Changes whenever a fact is found under other subjects than before; an index made by another is made anew."""
