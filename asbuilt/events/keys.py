"""The subjects under which a fact is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from asbuilt.events.codec import type_name
from asbuilt.events.envelope import Event
from asbuilt.events.facts import TYPES, AnyFact, CorrectionMade
from asbuilt.events.lots import LotMerged, LotSplit


def unit_key(product: str | None, serial: str) -> str:
    """The subject key of a unit."""
    return f"unit:{_escaped(product)}/{serial}"


def lot_key(product: str | None, lot: str) -> str:
    """The subject key of a lot."""
    return f"lot:{_escaped(product)}/{lot}"


def _escaped(product: str | None) -> str:
    # The first slash ends the product, so that ("A/B", "C") and ("A", "B/C") stay two keys.
    return product.replace("%", "%25").replace("/", "%2F") if product else ""


def subjects(fact: AnyFact) -> list[str]:
    """The keys under which a fact is found: `unit:P/S`, `lot:P/L`, `order:O`, `station:PATH`, …

    Every fact is at least under its type (`type:NAME`) and its source (`source:NAME`).
    """
    plan = _SUBJECT_PLANS.get(type(fact))
    if plan is None:
        found = [f"type:{type_name(fact)}", f"source:{fact.source}"]
        return found if fact.by is None else [*found, f"person:{fact.by}"]
    own_type, values_of, places = plan
    values = values_of(fact)
    found = [own_type]
    for prefix, product_at, at in places:
        value = values[at]
        if value is not None:
            found.append(prefix + value if product_at is None else f"{prefix}{_escaped(values[product_at])}/{value}")
    if isinstance(fact, LotSplit):
        found.extend(lot_key(fact.product, part.lot) for part in fact.into)
    elif isinstance(fact, LotMerged):
        found.extend(lot_key(fact.product, part.lot) for part in fact.merged)
    elif isinstance(fact, CorrectionMade):
        # A correction is found wherever the fact it corrects is found, once that is replaced.
        found.append(f"fact:{fact.corrects}")
        if fact.replacement is not None:
            found.extend(key for key in subjects(fact.replacement) if not key.startswith(("type:", "source:")))
    return found


_OF_PRODUCT = (("unit", "product", "serial"), ("lot", "product", "lot"),
               ("unit", "component_product", "component_serial"), ("lot", "component_product", "component_lot"))  # fmt: skip
_BY_NAME = ("order", "station", "line", "adapter", "container", "nonconformance", "hold", "disclosure")

_SubjectPlan = tuple[str, Callable[[Any], Any], tuple[tuple[str, int | None, int], ...]]


def _subject_plan(name: str, cls: type[Event]) -> _SubjectPlan:
    """The type's own key, one getter for all fields needed, and per key: prefix, product's and value's place."""
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
    return f"type:{name}", attrgetter(*fields), tuple(places)


_SUBJECT_PLANS: dict[type, _SubjectPlan] = {cls: _subject_plan(name, cls) for name, cls in TYPES.items()}

_SUBJECTS_BY_HAND = 1
"""Raise it when the code of `subjects` changes other than by types and fields."""
SUBJECTS_VERSION: Final = int.from_bytes(
    hashlib.sha256(repr((_SUBJECTS_BY_HAND, sorted(map(repr, _SUBJECT_PLANS.values())))).encode()).digest()[:6], "big"
)
"""Changes whenever a fact is found under other subjects than before; an index made by another is made anew."""
