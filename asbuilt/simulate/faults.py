"""What goes wrong between a plant and its record: pure, seeded, composable.

Two kinds. The first changes *what is said*: `skewed` clocks, `with_gaps`, `corrected` facts; each
takes facts and returns facts. The second is how it *travels*: `deliver` makes deliveries that come
late, twice, out of order, damaged or in conflict. Whatever `deliver` does, the record must end up
with the same facts; only conflicts, damaged and unknown messages are added to them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec

from asbuilt import events
from asbuilt.events import CorrectionMade, Counted, Event, Fact, Measured, StateChanged

FaultName = Literal["", "late", "duplicate", "conflict", "malformed", "unknown"]


class Delivery(NamedTuple):
    """A fact, or bytes, that arrive at a time; `fault` says what is wrong with it."""

    time: dt.datetime
    content: Event | bytes
    fault: FaultName = ""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """How often what happens: shares of facts (0 … 1) and times in seconds."""

    jitter_s: float = 0.5
    late: float = 0.0
    late_s: float = 600.0
    duplicate: float = 0.0
    conflict: float = 0.0
    malformed: float = 0.0
    unknown: float = 0.0


CALM = Faults()
ROUGH = Faults(jitter_s=30, late=0.1, late_s=3600, duplicate=0.1, conflict=0.02, malformed=0.02, unknown=0.02)


class Gap(NamedTuple):
    """A source says nothing from `start` up to `end`, and what it saw is lost."""

    source: str
    start: dt.datetime
    end: dt.datetime


# --------------------------------------------------------------------------- what is said


def with_gaps(facts: Iterable[Event], gaps: Sequence[Gap]) -> Iterator[Event]:
    """The facts without those that fall into a gap of their source."""
    for fact in facts:
        if not any(gap.source == fact.source and gap.start <= fact.event_time < gap.end for gap in gaps):
            yield fact


def skewed(facts: Iterable[Event], clocks: Mapping[str, float]) -> Iterator[Event]:
    """The facts with every time of these sources shifted by so many seconds: their clocks are wrong."""
    for fact in facts:
        off = clocks.get(fact.source)
        yield fact if off is None else _shifted(fact, dt.timedelta(seconds=off))


def _shifted(fact: Event, by: dt.timedelta) -> Event:
    known = {"event_time", "start_time", "end_time", "last_seen"} & set(fact.__struct_fields__)
    times = {name: value + by for name in sorted(known) if (value := getattr(fact, name)) is not None}
    return msgspec.structs.replace(fact, **times)


def corrected(facts: Iterable[Event], seed: int, share: float = 0.05) -> list[Event]:
    """The facts and corrections of some of them: not occurred, other data, twice, and taken back again.

    A correction is declared after its fact; the facts stay as they are and come first.
    """
    random = Random(f"{seed}/corrections")
    said = list(facts)
    made: list[Event] = []
    for fact in said:
        if random.random() < share and not isinstance(fact, _NOT_CORRECTED):
            made.extend(_corrections(fact, random))
    return [*said, *made]


_NOT_CORRECTED = (CorrectionMade, events.MessageRejected, events.PlantDefined)


def _corrections(fact: Event, random: Random) -> Iterator[Event]:
    first = _correction(fact, fact.event_time, random)
    yield first
    if random.random() < 0.4:
        # Somebody else corrects the same fact; now and then at the very same time.
        yield _correction(fact, first.event_time - dt.timedelta(seconds=1 if random.random() < 0.5 else 0), random)
    if random.random() < 0.3:
        yield CorrectionMade(
            **_envelope(first, random), corrects=first.id, reason="did_not_occur", message="The first entry was right."
        )


def _correction(fact: Event, since: dt.datetime, random: Random) -> CorrectionMade:
    other = None if random.random() < 0.3 else _other(fact, random)
    return CorrectionMade(
        **_envelope(fact, random, since),
        corrects=fact.id,
        reason="did_not_occur" if other is None else "incorrect_data",
        replacement=other,
    )


def _envelope(fact: Event, random: Random, since: dt.datetime | None = None) -> dict[str, Any]:
    time = max(since or fact.event_time, fact.event_time) + dt.timedelta(seconds=1 + random.randrange(4 * 3600))
    return {"id": events.new_id(time, random.randbytes), "event_time": time, "source": fact.source, "by": "QA-1"}


def _other(fact: Event, random: Random) -> Fact:
    """The same fact as it might have been meant; at another time if nothing better is known."""
    changed: Any
    match fact:
        case StateChanged():
            changed = msgspec.structs.replace(fact, state=random.choice(["Held", "Stopped", "Starved", "Execute"]))
        case Counted():
            changed = msgspec.structs.replace(fact, good=fact.good + 1, rejected=random.randrange(2))
        case Measured():
            changed = msgspec.structs.replace(fact, value=f"{float(fact.value) + random.randrange(-9, 9):.3f}")
        case _:
            changed = msgspec.structs.replace(
                fact, event_time=fact.event_time + dt.timedelta(seconds=random.randrange(90))
            )
    result: Fact = changed
    return result


# --------------------------------------------------------------------------- how it travels


def deliver(facts: Iterable[Event], seed: int, faults: Faults = ROUGH) -> list[Delivery]:
    """How the facts arrive, in order of arrival.

    A conflict (the id of a fact with other content) always comes after the fact itself, so that
    it is the one to be refused; everything else may come in any order.
    """
    random = Random(f"{seed}/deliveries")
    found: list[Delivery] = []
    for fact in facts:
        late = random.random() < faults.late
        wait_s = random.uniform(0, faults.jitter_s) + (random.expovariate(1 / faults.late_s) if late else 0.0)
        time = fact.event_time + dt.timedelta(seconds=wait_s)
        found.append(Delivery(time, fact, "late" if late else ""))
        if random.random() < faults.duplicate:
            again = fact.event_time + dt.timedelta(seconds=random.uniform(0, 2 * faults.jitter_s + faults.late_s / 4))
            found.append(Delivery(again, fact, "duplicate"))
            time = max(time, again)
        if random.random() < faults.conflict:
            later = time + dt.timedelta(seconds=1 + random.uniform(0, faults.jitter_s))
            found.append(Delivery(later, _conflicting(fact), "conflict"))
        if random.random() < faults.malformed:
            found.append(Delivery(time, malformed(fact, random), "malformed"))
        if random.random() < faults.unknown:
            found.append(Delivery(time, _from_the_future(fact, random), "unknown"))
    return sorted(found, key=lambda delivery: delivery.time)


def _conflicting(fact: Event) -> Event:
    return msgspec.structs.replace(fact, by=f"{fact.by or 'nobody'} too")


def malformed(fact: Event, random: Random) -> bytes:
    """A message that is meant to be this fact and is not one."""
    data = events.encode(fact)
    return random.choice(_DAMAGES)(data)


_DAMAGES = (
    lambda data: data[: len(data) // 2],
    lambda data: data.replace(b'"event_time":"', b'"event_time":"not ', 1),
    lambda data: data.replace(b'.v1"', b'"', 1),
    lambda data: data.replace(b'"source":', b'"sauce":', 1),
    lambda data: data[:-1] + b',"surprise":1}',
    lambda data: b"\xff\xfe" + data,
    lambda data: b"",
    lambda data: b"[" * 5_000,
    lambda data: b'{"temperature": 31.8}',
)


def _from_the_future(fact: Event, random: Random) -> bytes:
    """A fact of a type that this version does not know; to be kept as it is."""
    return msgspec.json.encode(
        {
            "type": f"{random.choice(['stone_dressed', 'robot_taught'])}.v{random.randrange(1, 4)}",
            "id": events.new_id(fact.event_time, random.randbytes),
            "event_time": fact.event_time,
            "source": fact.source,
            "amount": random.randrange(100),
        }
    )


def contents(deliveries: Iterable[Delivery], faults: Collection[FaultName] = ("", "late", "duplicate")) -> list[Event]:
    """The facts among deliveries with these faults, in order of arrival."""
    return [d.content for d in deliveries if d.fault in faults and isinstance(d.content, Event)]
