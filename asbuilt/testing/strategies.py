"""Hypothesis strategies for facts: of every type, wide (any legal value) or from one small plant.

A small plant has few stations, units and orders and few instants, so that facts meet: the same
unit at two stations at once, two corrections declared at the same time.
"""

from __future__ import annotations

import datetime as dt
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from asbuilt import events
from asbuilt.events import AnyFact, CorrectionMade, Event, MessageRejected, PlantDefined, Unknown, codec

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What a contract promises does not depend on how busy a machine is."""


def examples(number: int) -> settings:
    """So many examples for a test that is slower or quicker than others, of 60; in proportion under other profiles."""
    return settings(UNHURRIED, max_examples=max(1, number * settings().max_examples // 60))


START = dt.datetime(2026, 6, 1, 5, 0, tzinfo=dt.UTC)
ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=3)), dt.timezone(dt.timedelta(hours=-5, minutes=-30))]

# --------------------------------------------------------------------------- wide values

letters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # fmt: skip
names = st.text(letters, min_size=1, max_size=30)
texts = st.text(letters | st.sampled_from("\n\t\r"), max_size=60)
decimals = st.from_regex(r"\A-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?\Z").filter(str.isascii)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
instants = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 12, 31), timezones=offsets)  # noqa: DTZ001
ids = st.uuids()

_ALIASES: list[tuple[Any, SearchStrategy[Any]]] = [
    (events.Name, names),
    (events.Text, texts),
    (events.Path, names),
    (events.Count, st.integers(0, 1_000_000_000)),
    (events.Decimal, decimals),
    (events.Instant, instants),
    (events.Digest, st.binary(min_size=32, max_size=32).map(bytes.hex)),
    (events.Priority, st.integers(1, 4)),
    (UUID, ids),
    (bool, st.booleans()),
    (dt.date, st.dates()),
]


def values(hint: Any) -> SearchStrategy[Any]:
    """Any legal value of a field's annotation."""
    for alias, strategy in _ALIASES:
        if hint == alias:
            return strategy
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if part is types.NoneType else values(part) for part in inside))
    if origin is Literal:
        return st.sampled_from(inside)
    if origin is typing.Annotated:
        (meta,) = (part for part in hint.__metadata__ if isinstance(part, msgspec.Meta))
        return _annotated(inside[0], meta)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return fields(hint, {}).map(lambda found: hint(**found))
    raise TypeError(f"no strategy for {hint}: add it to asbuilt/testing/strategies.py")


def _annotated(kind: Any, meta: msgspec.Meta) -> SearchStrategy[Any]:
    if meta.pattern is not None:
        return st.from_regex(meta.pattern).filter(str.isascii)
    if kind is str:
        return st.text(letters, min_size=meta.min_length or 0, max_size=50)
    if kind is int:
        return st.integers(int(meta.ge or 0), int(meta.le or 1_000_000))
    if kind is bytes:
        return st.binary(max_size=60)
    if typing.get_origin(kind) is tuple:
        return st.lists(values(typing.get_args(kind)[0]), min_size=meta.min_length or 0, max_size=4).map(tuple)
    raise TypeError(f"no strategy for {kind}: add it to asbuilt/testing/strategies.py")


def fields(cls: type[msgspec.Struct], known: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[dict[str, Any]]:
    """A value for every field: by the field's name where it is known, else by its annotation."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(cls):
        optional = not field.required and field.default is None
        if field.name in known:
            found[field.name] = st.none() | known[field.name] if optional else known[field.name]
        elif field.name in ("replacement", "corrects") and cls is CorrectionMade:
            continue
        else:
            found[field.name] = values(hints[field.name])
    return st.fixed_dictionaries(found)


# --------------------------------------------------------------------------- facts


@st.composite
def facts_of(draw: DrawFn, cls: type[Event], known: Mapping[str, SearchStrategy[Any]] = {}) -> Event:
    """A fact of one type that keeps the rules between its fields."""
    found = draw(fields(cls, known))
    if found.get("start_time") is not None:
        end = "end_time" if "end_time" in found else "event_time"
        if found[end] is not None:
            found["start_time"], found[end] = sorted((found["start_time"], found[end]))
    if cls in (events.OperationStarted, events.OperationCompleted, events.OperationReported):
        if found["serial"] is None and found["lot"] is None:
            found["order"] = found["order"] or "O-1"
        else:
            found["product"] = found["product"] or "P-1"
    if cls is events.ComponentInstalled and found["component_serial"] is None and found["container"] is None:
        found["component_lot"] = found["component_lot"] or "L-1"
    if cls is CorrectionMade:
        found["corrects"] = draw(known.get("corrects", ids))
        if found["reason"] == "incorrect_data" and draw(st.booleans()):
            found["replacement"] = draw(_replacements(found["corrects"], known))
    return cls(**found)


NOT_A_REPLACEMENT = (CorrectionMade, MessageRejected, PlantDefined)


def _replacements(fact_id: UUID, known: Mapping[str, SearchStrategy[Any]]) -> SearchStrategy[Event]:
    classes = [cls for cls in events.TYPES.values() if cls not in NOT_A_REPLACEMENT]

    def of(cls: type[Event]) -> SearchStrategy[Event]:
        # What means something else in this type keeps the type's own strategy here as well.
        own = {name: strategy for name, strategy in known.items() if name not in _OWN_FIELDS.get(cls, ())}
        return facts_of(cls, {**own, "id": st.just(fact_id)})

    return st.sampled_from(classes).flatmap(of)


_SMALL_TIMES = st.builds(
    lambda minutes, zone: (START + dt.timedelta(minutes=minutes)).astimezone(zone),
    st.integers(0, 12),
    st.sampled_from(ZONES),
)

SMALL: dict[str, SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("event_time", "start_time", "end_time", "due", "until", "last_seen", "expires"), _SMALL_TIMES
    ),
    "source": st.sampled_from(["bench", "gateway", "asbuilt"]),
    "adapter": st.sampled_from(["bench", "gateway"]),
    "by": st.none() | st.sampled_from(["Ann", "Ben"]),
    "station": st.sampled_from(["p/s/a/l/1", "p/s/a/l/2", "p/s/a/l/3"]),
    "line": st.just("p/s/a/l"),
    "operation": st.sampled_from(["hone", "wash"]),
    "product": st.sampled_from(["P-1", "P/2"]),
    "component_product": st.just("C-1"),
    "serial": st.sampled_from(["1", "2"]),
    "component_serial": st.sampled_from(["1", "2"]),
    "lot": st.sampled_from(["L-1", "L-2"]),
    "component_lot": st.sampled_from(["L-1", "L-2"]),
    "position": st.sampled_from(["left", "right"]),
    "quantity": st.sampled_from(["1", "2", "0.5", "0", "-1"]),
    "hold": st.sampled_from(["H-1", "H-2"]),
    "nonconformance": st.sampled_from(["N-1", "N-2"]),
    "order": st.sampled_from(["O-1", "O-2"]),
    "alarm": st.sampled_from(["warm oil", "no air"]),
    "characteristic": st.sampled_from(["bore", "mass"]),
    "good": st.integers(0, 3),
    "scrap": st.integers(0, 1),
    "rejected": st.integers(0, 1),
    "message": st.none(),
    "reason": st.sampled_from(["warm", "late"]),
}  # fmt: skip
"""Values of the small plant, by the name of the field."""

# Fields whose meaning depends on the type keep the type's own strategy.
_OWN_FIELDS: dict[type[Event], tuple[str, ...]] = {
    CorrectionMade: ("reason",),
    MessageRejected: ("message",),
    events.OrderClosed: ("good",),
    events.OrderReleased: ("quantity",),
}

NAMED_BY_VIEWS = (
    events.StateChanged, events.OperationStarted, events.OperationCompleted, events.OperationReported,
    events.UnitStarted, events.UnitScrapped, events.UnitShipped, events.UnitReturned, events.AlarmRaised,
    events.AlarmCleared, events.ComponentInstalled, events.ComponentRemoved, events.UnitCompleted,
)  # fmt: skip
"""Types drawn more often, because rows of one subject follow from several of them."""


def small(cls: type[Event]) -> dict[str, SearchStrategy[Any]]:
    """The small plant's values for this type."""
    known = {name: strategy for name, strategy in SMALL.items() if name not in _OWN_FIELDS.get(cls, ())}
    if cls is events.OrderClosed:
        known["good"] = st.none() | st.integers(0, 3)
    return known


def small_facts() -> SearchStrategy[Event]:
    """A fact of any type but a correction, from the small plant."""
    classes: list[type[Event]] = [cls for cls in events.TYPES.values() if cls is not CorrectionMade]
    classes += NAMED_BY_VIEWS * 3
    return st.sampled_from(classes).flatmap(lambda cls: facts_of(cls, small(cls)))


unknown_facts = st.builds(
    lambda fact_id, number, time, extra: events.decode(
        codec._encoder.encode(
            {"type": f"later_{number}.v1", "id": fact_id, "event_time": time, "source": "bench", **extra}
        )
    ),
    ids,
    st.integers(1, 3),
    _SMALL_TIMES,
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers() | names, max_size=2),
)
"""Facts of types that this version does not know."""


class History(NamedTuple):
    """Facts with ids of their own in the order in which they were drawn; corrections among them."""

    facts: tuple[AnyFact, ...]


@st.composite
def corrections(draw: DrawFn, targets: list[UUID]) -> CorrectionMade:
    """A correction of one of these facts; declared at one of few instants, so that ties happen."""
    known = small(CorrectionMade) | {"corrects": st.sampled_from(targets)}
    fact = draw(facts_of(CorrectionMade, known))
    assert isinstance(fact, CorrectionMade)
    return fact


@st.composite
def histories(draw: DrawFn, max_facts: int = 14, max_corrections: int = 6) -> History:
    """Facts, corrections of them, corrections of corrections, and facts of unknown types.

    What is corrected may not be there at all.
    """
    found: list[AnyFact] = draw(st.lists(small_facts() | unknown_facts, max_size=max_facts))
    targets = [fact.id for fact in found] or [draw(ids)]
    if draw(st.booleans()):
        targets.append(draw(ids))
    for _ in range(draw(st.integers(0, max_corrections))):
        correction = draw(corrections(targets))
        found.append(correction)
        targets.append(correction.id)
    return History(tuple({fact.id: fact for fact in found}.values()))


def arrivals(history: History) -> SearchStrategy[list[AnyFact]]:
    """The same facts in any order."""
    return st.permutations(list(history.facts))


__all__ = ["Unknown", "arrivals", "corrections", "facts_of", "histories", "small", "small_facts", "unknown_facts"]
