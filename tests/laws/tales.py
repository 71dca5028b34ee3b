"""Random plants and what is told of them in two days: a tale, and the product that has taken it in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.events import Event
from asbuilt.plant import Plant, parse

MIDNIGHT = dt.datetime(2026, 6, 3, tzinfo=dt.UTC)
BEGIN, LAST = -12 * 60, 30 * 60
"""Minutes from midnight between which everything is told."""
AREA = "p/s/a"
STATES = ("Execute", "Execute", "Execute", "Held", "Unholding", "Aborted", "Stopped", "Resetting", "Idle", "Starved")
PATTERNS = """
[[shift_pattern]]
id = "two"
[[shift_pattern.shift]]
id = "A"
start = "06:00"
end = "14:00"
breaks = [{ start = "09:00", end = "09:15" }]
[[shift_pattern.shift]]
id = "B"
start = "14:00"
end = "22:30"
[[shift_pattern]]
id = "night"
[[shift_pattern.shift]]
id = "N"
start = "21:30"
end = "06:30"
[[reason]]
id = "jam"
name = "Jam"
failure = true
[[reason]]
id = "setup"
name = "Setup"
time = "setup"
[[product]]
id = "P"
name = "Pump"
[[product]]
id = "Q"
name = "Valve"
"""


class Place(NamedTuple):
    """A line of a plant file: its name, its flow, its stations from the first to the last."""

    path: str
    flow: str
    stations: tuple[str, ...]


class Tale(NamedTuple):
    """Lines; plant files, each with the minute from which it is in force; facts in order of arrival; moments; now.

    The first plant file is in force from the beginning; `moments` are minutes, none of them later than `now`.
    """

    lines: tuple[Place, ...]
    plants: tuple[tuple[int, str], ...]
    facts: tuple[Event, ...]
    moments: tuple[int, ...]
    now: int

    @property
    def stations(self) -> list[str]:
        """The paths of all stations."""
        return [station for line in self.lines for station in line.stations]

    def __repr__(self) -> str:
        told = "\n".join(
            f"  {fact.event_time:%d %H:%M} {type(fact).__name__} "
            + ", ".join(
                f"{name}={getattr(fact, name)!r}"
                for name in fact.__struct_fields__
                if name not in ("id", "event_time") and getattr(fact, name) not in (None, 0, ())
            )
            for fact in self.facts
        )
        files = "\n".join(f"from minute {since}:\n{text}" for since, text in self.plants)
        return f"Tale(moments={self.moments}, now={self.now}\n{told}\n{files})"


def at(minute: float) -> dt.datetime:
    """A minute of the tale as an instant."""
    return MIDNIGHT + dt.timedelta(minutes=minute)


minutes = st.integers(BEGIN, LAST) | st.integers(BEGIN // 60, LAST // 60).map(lambda hour: hour * 60)
"""Any minute; full hours more often, because shifts and hours begin there."""


def _plant(draw: Any, lines: tuple[Place, ...]) -> str:
    text = '[plant]\nid = "p"\nname = "Plant"\nzone = "UTC"\n[[site]]\nid = "s"\nname = "Site"\n[[site.area]]\nid = "a"\nname = "Area"\n'
    for line in lines:
        text += f'[[site.area.line]]\nid = "{line.path.rpartition("/")[2]}"\nname = "Line"\nflow = "{line.flow}"\n'
        takt, pattern, product = (
            draw(st.sampled_from(choice)) for choice in ((0, 60, 90), ("", "two", "two", "night"), ("", "P"))
        )
        text += f"takt_s = {takt}\n" if takt else ""
        text += f'shifts = "{pattern}"\n' if pattern else ""
        text += f'product = "{product}"\n' if product else ""
        for station in line.stations:
            name = station.rpartition("/")[2]
            text += f'[[site.area.line.station]]\nid = "{name}"\nname = "Station {name}"\n'
            cycle, source = draw(st.sampled_from((0, 40, 75))), draw(st.sampled_from(("", "fresh", "slow")))
            text += f"cycle_s = {cycle}\n" if cycle else ""
            text += f'source = "{source}"\n' if source else ""
    text += PATTERNS + '[adapter.fresh]\nkind = "http"\nfresh_s = 900\n[adapter.slow]\nkind = "http"\n'
    return text + draw(st.sampled_from(("", "[time]\nunheard_s = 7200\nunheard_standing_s = 14400\n")))


ALARM_ENDS: dict[str, type[Event]] = {
    "reset": events.AlarmReset, "unsuppressed": events.AlarmUnsuppressed, "in": events.AlarmPlacedInService,
}  # fmt: skip
ALARM_SAID = ("suppressed", "out", *ALARM_ENDS)


class _Teller:
    def __init__(self, draw: Any, stations: list[str]) -> None:
        self.draw, self.stations, self.facts = draw, stations, list[Event]()

    def of(self, *choice: Any) -> Any:
        return self.draw(st.sampled_from(choice))

    def tell(self, kind: type[Event], time: int, /, **fields: Any) -> None:
        source = self.of("fresh", "slow")
        self.facts.append(kind(id=UUID(int=len(self.facts) + 1), event_time=at(time), source=source, **fields))

    def one(self, time: int) -> None:
        draw, of, station = self.draw, self.of, self.draw(st.sampled_from(self.stations))
        few, order, product = st.integers(0, 9), of(None, "O1", "O1", "O2"), of("P", "P", "Q")
        match of(
            "state",
            "state",
            "state",
            "count",
            "count",
            "done",
            "done",
            "report",
            "alarm",
            "alarm",
            "hold",
            "source",
            "explain",
            "case",
        ):
            case "state":
                self.tell(
                    events.StateChanged, time, station=station, state=of(*STATES), reason=of(None, None, "jam", "setup")
                )
            case "count":
                self.tell(
                    events.Counted, time, station=station, order=order, product=of(None, product), good=draw(few),
                    rejected=draw(few) // 4, for_review=draw(few) // 7,
                )  # fmt: skip
            case "done":
                told = of({}, {"good": 1}, {"scrap": 1}, {"rework": 1})
                self.tell(
                    events.OperationCompleted, time, station=station, operation=of("turn", "mill"), product=product,
                    serial=of("1", "2", "3"), order=order, **told,
                )  # fmt: skip
            case "report":
                self.tell(
                    events.OperationReported, time, station=station, operation=of("turn", "mill"), order=order or "O2",
                    kind=of("setup", "production", "production", "breakdown"), start_time=at(time - of(0, 20, 130)),
                    good=draw(few), rejected=draw(few) // 4, rework=of(False, False, True), by=of("Ann", "Ben"),
                )  # fmt: skip
            case "alarm":
                where = of({"station": station}, {"station": station}, {"adapter": "fresh"})
                alarm = of("oil", "air")
                match said := of("raised", "raised", "raised", "cleared", "cleared", "seen", "shelved", *ALARM_SAID):
                    case "raised":
                        self.tell(
                            events.AlarmRaised, time, alarm=alarm, priority=draw(st.integers(1, 4)), text="Too warm",
                            response="Look.", latching=of(False, False, True), **where,
                        )  # fmt: skip
                        if of(False, False, True):
                            self.tell(events.AlarmSuppressed, time, alarm=alarm, reason="Its cause stands", **where)
                    case "cleared":
                        self.tell(events.AlarmCleared, time, alarm=alarm, **where)
                    case "seen":
                        self.tell(events.AlarmAcknowledged, time, alarm=alarm, by="Ann", **where)
                    case "suppressed" | "out":
                        kind: type[Event] = (
                            events.AlarmSuppressed if said == "suppressed" else events.AlarmRemovedFromService
                        )
                        self.tell(kind, time, alarm=alarm, reason="Known", by="Ann", **where)
                    case "reset" | "unsuppressed" | "in":
                        self.tell(ALARM_ENDS[said], time, alarm=alarm, by="Ann", **where)
                    case _:
                        self.tell(
                            events.AlarmShelved, time, alarm=alarm, until=at(time + of(20, 300)), by="Ann", **where
                        )
            case "hold":
                # One serial of two products is two units.
                thing: dict[str, Any] = of(
                    {"product": product, "serial": of("1", "2")}, {"product": product, "serial": of("1", "2")}, {"product": product},
                )  # fmt: skip
                if of(True, True, False):
                    self.tell(
                        events.HoldPlaced,
                        time,
                        hold=of("H1", "H2"),
                        reason="Looks odd",
                        station=of(None, station),
                        **thing,
                    )
                else:
                    self.tell(events.HoldReleased, time, hold=of("H1", "H2"), **of(thing, {}, {"station": station}))
            case "case":
                self.tell(
                    events.NonconformanceRaised, time, nonconformance=of("N1", "N2"), reason="jam", product=product,
                    serial=of("1", "2"), station=station,
                )  # fmt: skip
            case "source":
                adapter, since = of("fresh", "slow"), at(time - draw(st.integers(0, 90)))
                match of("heard", "lost", "missed", "gap"):
                    case "heard":
                        self.tell(events.SourceConnected, time, adapter=adapter)
                    case "lost":
                        self.tell(events.SourceLost, time, adapter=adapter, last_seen=since)
                    case "missed":
                        self.tell(events.HeartbeatMissed, time, adapter=adapter, last_seen=since, period_s="5")
                    case _:
                        self.tell(events.GapFound, time, adapter=adapter, start_time=since, end_time=at(time))
            case _:
                self.tell(
                    events.StopExplained, time, station=station, start_time=at(time - of(10, 100)), end_time=at(time),
                    reason=of("jam", "setup"), by="Ann",
                )  # fmt: skip


@st.composite
def tales(draw: Any, most: int = 30, least: int = 0) -> Tale:
    """A plant of one or two lines and at most eight stations, told of by at most `most` facts; some come late, some are corrected."""
    lines = tuple(
        Place(f"{AREA}/{name}", draw(st.sampled_from(("serial", "serial", "job_shop"))),
              tuple(f"{AREA}/{name}/{number}" for number in range(1, draw(st.sampled_from((1, 1, 2, 2, 3, 4))) + 1)))
        for name in ("l", "m")[: draw(st.integers(1, 2))]
    )  # fmt: skip
    plants = [(BEGIN - 24 * 60, _plant(draw, lines))]
    for _ in range(draw(st.integers(0, 1))):
        plants.append((draw(minutes), _plant(draw, lines)))
    teller = _Teller(draw, [station for line in lines for station in line.stations])
    for order in ("O1", "O2")[: draw(st.integers(0, 2))]:
        teller.tell(events.OrderReleased, BEGIN, order=order, product="P", quantity=100, line=lines[0].path)
    now = draw(st.integers(LAST - 600, LAST + 600))
    moments = draw(
        st.lists(minutes.filter(lambda minute: minute <= now), min_size=1, max_size=1 + (most > 20), unique=True)
    )
    # Half of it happens in the eight hours before the first moment, so that facts meet.
    near = st.integers(moments[0] - 470, moments[0])
    for time in draw(st.lists(minutes | near, min_size=least, max_size=most)):
        teller.one(time)
    facts = teller.facts
    for _ in range(draw(st.integers(0, 2)) if facts else 0):
        wrong = draw(st.sampled_from(teller.facts))
        if isinstance(wrong, events.CorrectionMade) or draw(st.booleans()):
            teller.tell(events.CorrectionMade, LAST, corrects=wrong.id, reason="did_not_occur", by="Ann")
        else:
            # It happened a little later; an interval that ends there, or ended before, stays one.
            moved = msgspec.structs.replace(
                wrong, event_time=wrong.event_time + dt.timedelta(minutes=draw(st.integers(0, 70)))
            )
            teller.tell(
                events.CorrectionMade, LAST, corrects=wrong.id, reason="incorrect_data", replacement=moved, by="Ann"
            )
    arrived = draw(st.permutations(facts)) if draw(st.booleans()) else facts
    return Tale(lines, tuple(plants), tuple(arrived), tuple(moments), now)


def plant_facts(tale: Tale) -> list[Event]:
    """The plant files as they came into force, as facts."""
    found: list[Event] = []
    for number, (since, text) in enumerate(tale.plants):
        plant: Plant = parse(text)
        found.append(
            events.PlantDefined(
                id=UUID(int=10_000 + number), event_time=at(since), source="asbuilt", digest=plant.digest, text=text
            )
        )
    return found


@contextmanager
def told(tale: Tale) -> Iterator[AsBuilt]:
    """The product that has taken in a tale, at its now."""
    with AsBuilt(memory=True, strict=True, now=lambda: at(tale.now)) as app:
        results = app.take_in([*plant_facts(tale), *tale.facts])
        assert {result.status for result in results} <= {"accepted"}, results
        app.pipeline.settle()
        yield app
