"""What a fact says, decided once: pure rules that every fold and question uses, never written a second time.

One function a rule, each with its reason. A rule sees facts alone: no rows, no plant, no clock.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from asbuilt.events import Counted, OperationCompleted, OperationReported, lot_key, unit_key

# --------------------------------------------------------------------------- what a fact is about


def item_of(fact: Any) -> str:
    """The narrowest thing a fact is about, as a subject key: unit, lot, order, product or station; empty if none is told."""
    serial, lot, product = (getattr(fact, name, None) for name in ("serial", "lot", "product"))
    if serial is not None:
        return unit_key(product, serial)
    if lot is not None:
        return lot_key(product, lot)
    for kind in ("order", "product", "station"):
        if (name := getattr(fact, kind, None)) is not None:
            return f"{kind}:{name}"
    return ""


# --------------------------------------------------------------------------- pieces


class Pieces(NamedTuple):
    """Whole pieces: good, rejected (scrap), for review, sent to rework."""

    good: int
    rejected: int
    for_review: int
    rework: int


def pieces_of(fact: Counted | OperationCompleted | OperationReported) -> Pieces:
    """The pieces a fact brings forth.

    A unit that completed with no quantities told is one good piece. A report brings pieces forth only as production:
    what a setup or a breakdown made is not output.
    """
    match fact:
        case Counted():
            return Pieces(fact.good, fact.rejected, fact.for_review, 0)
        case OperationCompleted():
            told = fact.good or fact.scrap or fact.rework
            return Pieces(1 if fact.serial is not None and not told else fact.good, fact.scrap, 0, fact.rework)
        case OperationReported():
            return (
                Pieces(fact.good, fact.rejected, fact.for_review, 0)
                if fact.kind == "production"
                else Pieces(0, 0, 0, 0)
            )
