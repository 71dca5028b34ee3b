"""What answers claim, whoever gives them: found by the names of parameters and of fields, not by a list of questions.

Every query of the product is asked everything that its parameters can be given in a tale. An answer is walked to its
last field. A field whose name is one of the `FIGURES` claims something of a subject: the stations, order, operation and
window told beside it, above it, or asked for. Claims of one subject by two questions have to be equal.
"""

from __future__ import annotations

import datetime as dt
import inspect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from asbuilt.app import AsBuilt
from asbuilt.errors import UsageError
from asbuilt.plant.calendar import ShiftWindow
from tests.laws.tales import AREA, BEGIN, STATES, Tale, at

TICK = dt.timedelta(microseconds=1)
FIRST = at(BEGIN - 24 * 60)
"""Before anything was told: an answer of all that was until a moment has a window from here."""

PIECES = {
    "good": "good", "gq": "good", "made": "good", "output": "good",
    "rejected": "rejected", "sq": "rejected", "scrap": "rejected",
    "for_review": "for review", "review": "for review",
    "rework": "rework", "rq": "rework",
}  # fmt: skip
"""Names of fields that hold pieces."""
LEFT_THE_LINE = ("made", "output")
"""Of a line, these are pieces at its end; the others, of all its stations."""
TIMES = {
    "production": "apt_s", "setup": "aust_s", "delay": "adet_s", "down": "adot_s", "not observed": "not_observed_s",
    "planned": "planned_down_s", "break": "planned_down_s", "off": "off_s", "ahead": "ahead_s",
}  # fmt: skip
ANY_ORDER = "any order"
"""Questions about orders do not speak of what was told without one."""
ALARM_LISTS = ("standing", "alarms")
"""What a list of all alarms that stand is called."""


class Key(NamedTuple):
    """What is claimed of what: a figure of a subject, from when to when or at an instant."""

    figure: str
    subject: Any
    start: dt.datetime | None
    end: dt.datetime | None


class Claim(NamedTuple):
    """A question (with the field that answers) says this."""

    key: Key
    value: Any
    by: str
    asked: str


class Context(NamedTuple):
    """What is known of an answer at one of its fields."""

    query: str
    asked: str
    field: str
    place: str = ""
    order: str | None = None
    operation: str | None = None
    product: str | None = None
    serial: str | None = None
    start: dt.datetime = FIRST
    end: dt.datetime | None = None
    at: dt.datetime | None = None
    now: dt.datetime = FIRST

    @property
    def known(self) -> dt.datetime:
        """The instant from which on nothing can be said."""
        return (self.now if self.at is None else self.at) + TICK

    @property
    def until(self) -> dt.datetime:
        """The end of the window, as far as anything can be said of it."""
        return min(self.end or self.known, self.known)


class Asking:
    """Asks everything of one tale and keeps what is claimed."""

    def __init__(self, app: AsBuilt, tale: Tale, probes: Iterable[dt.datetime], most_windows: int = 3) -> None:
        self.app, self.tale, self.most_windows = app, tale, most_windows
        self.probes = sorted(set(probes))
        self.flows = {line.path: line for line in tale.lines}
        self.claims: defaultdict[Key, list[Claim]] = defaultdict(list)
        self.orders = sorted({fact.order for fact in tale.facts if getattr(fact, "order", None)})
        told = {(fact.product, fact.serial) for fact in tale.facts if getattr(fact, "serial", None)}
        self.units = sorted(told)
        self.answers: list[tuple[str, dict[str, Any], Any]] = []

    # ----------------------------------------------------------------- asking

    def everything(self) -> None:
        """Every question about every moment; then every question about a window, of the windows that were answered of."""
        moments = [None, *map(at, self.tale.moments)]
        for name, query in self.app.queries.items():
            if "from" not in query.parameters:
                for moment in moments if "at" in query.parameters else [None]:
                    self._ask_all(name, {} if moment is None else {"at": moment})
        windows = {
            (key.start, key.end)
            for key in self.claims
            if key.start is not None and key.end is not None and key.start < key.end
        }
        # Hours are asked for as parts of longer windows; of those that moments answered of, the first few will do.
        windows = set(
            sorted((a, b) for a, b in windows if a != FIRST and b - a > dt.timedelta(hours=1))[: self.most_windows]
        )
        windows |= {(FIRST, at(moment) + TICK) for moment in self.tale.moments}
        for name, query in self.app.queries.items():
            if "from" in query.parameters:
                for start, end in sorted(windows):
                    self._ask_all(name, {"from": start, "to": end})
        self.as_told()

    def as_told(self) -> None:
        """What follows from the facts by themselves, where nobody took one back: which units are held at each moment."""
        if any(type(fact).__name__ == "CorrectionMade" for fact in self.tale.facts):
            return
        said = [fact for fact in self.tale.facts if type(fact).__name__ in ("HoldPlaced", "HoldReleased")]
        said.sort(key=lambda fact: (fact.event_time, type(fact).__name__ == "HoldPlaced", fact.id))
        for moment in {at(self.tale.now), *map(at, self.tale.moments)}:
            standing: set[tuple[str, str | None, str | None, str | None]] = set()
            for fact in said:
                if fact.event_time > moment:
                    break
                if type(fact).__name__ == "HoldPlaced":
                    standing.add((fact.hold, fact.product, fact.serial, fact.station))
                else:
                    standing = {one for one in standing if one[0] != fact.hold or not _is_meant(fact, one)}
            for product, serial in self.units:
                held = any(one[1] == product and one[2] in (None, serial) for one in standing)
                key = Key("held", (product, serial), None, moment + TICK)
                if key in self.claims:
                    self.claims[key].append(Claim(key, held, "the facts", "by themselves"))

    def _choices(self, name: str, parameter: inspect.Parameter) -> list[dict[str, Any]]:
        """What a parameter can be given in this tale; nothing where the tale has nothing of it."""
        stations, lines = self.tale.stations, list(self.flows)
        optional = parameter.default is not parameter.empty
        match parameter.name.rstrip("_"):
            case "line":
                found: list[Any] = lines
            case "scope":
                found = [AREA, *lines, *stations]
            case "station":
                found = stations
            case "order":
                found = self.orders
            case "serial":
                return [{"product": product, "serial": serial} for product, serial in self.units] + [{}] * optional
            case "by" if parameter.annotation is str:
                found = ["hour", "shift", "day", "order", "product"]
            case _:
                return [{}] if optional else []
        return [{parameter.name: value} for value in found] + [{}] * optional

    def _ask_all(self, name: str, moment: dict[str, Any]) -> None:
        parameters = [p for p in self.app.queries[name].parameters.values() if p.name not in ("at", "from_", "to")]
        whole = {p.name for p in parameters}
        if {"line", "day", "shift"} <= whole and any(p.default is p.empty for p in parameters if p.name == "day"):
            return  # Signatures and the like: nothing is signed in a tale.
        free = [p for p in parameters if not (p.name == "product" and "serial" in whole)]
        for several in itertools.product(*(self._choices(name, p) for p in free)):
            arguments = {key: value for one in several for key, value in one.items()}
            # A person asks for one thing at a time: that two filters go together is another question.
            if sum(key in arguments for key in ("order", "station")) > 1:
                continue
            self._ask(name, arguments, moment)

    def _ask(self, name: str, arguments: dict[str, Any], moment: dict[str, Any]) -> None:
        limit = {"limit": 100_000} if "limit" in self.app.queries[name].parameters else {}
        try:
            answer = self.app.query(name, **arguments, **moment, **limit)
        except UsageError:
            return  # Nothing is known of it, and that is said.
        asked = f"{name}({', '.join(f'{key}={value}' for key, value in {**arguments, **moment}.items())})"
        self.answers.append((name, {**arguments, **moment}, answer))
        place = arguments.get("scope") or arguments.get("station") or arguments.get("line") or ""
        self._walk(
            answer,
            Context(
                name, asked, name.partition(".")[2], place, arguments.get("order"), None, arguments.get("product"),
                arguments.get("serial"), moment.get("from", FIRST), moment.get("to"), moment.get("at"), at(self.tale.now),
            ),
        )  # fmt: skip

    # ----------------------------------------------------------------- reading answers

    def _walk(self, value: Any, here: Context) -> None:
        if isinstance(value, msgspec.Struct):
            here = self._narrowed(value, here)
            for claim in self._claims(value, here):
                if claim not in self.claims[claim.key]:
                    self.claims[claim.key].append(claim)
            for field in value.__struct_fields__:
                if not (field == "shift" and isinstance(value.shift, ShiftWindow)):
                    self._walk(getattr(value, field), here._replace(field=field))
        elif isinstance(value, list | tuple):
            self._lists(value, here)
            for one in value:
                self._walk(one, here)

    def _narrowed(self, row: Any, here: Context) -> Context:
        """What the row says of itself."""
        if place := next(
            (getattr(row, name, None) for name in ("path", "scope", "station", "line") if getattr(row, name, None)),
            None,
        ):
            here = here._replace(place=self._path(place, here.place))
        for name in ("order", "operation", "product", "serial"):
            # A tile's order is the one at work, no part of its figures; a board's as well.
            if isinstance(getattr(row, name, None), str) and not hasattr(row, "tiles") and not hasattr(row, "cycle"):
                here = here._replace(**{name: getattr(row, name)})
        if isinstance(shift := getattr(row, "shift", None), ShiftWindow):
            here = here._replace(start=shift.start, end=shift.end)
        elif hasattr(row, "tiles"):
            here = here._replace(start=row.at - dt.timedelta(hours=8), end=None)
        if isinstance(getattr(row, "cycle", None), msgspec.Struct) and here.start == FIRST:
            here = here._replace(start=self._window_of_tiles(here))
        if getattr(row, "part", None) in ("order", "product"):
            # Its start and end are those of the work on it; its figures are of the window asked for.
            return here._replace(**{row.part: row.name})
        if isinstance(getattr(row, "start", None), dt.datetime) and isinstance(getattr(row, "end", None), dt.datetime):
            here = here._replace(start=row.start, end=row.end)
        return here

    def _window_of_tiles(self, here: Context) -> dt.datetime:
        """Tiles without their board: the window is the board's."""
        moment = {} if here.at is None else {"at": here.at}
        line = here.place.rpartition("/")[0]
        board = self.app.query("line.board", line=line, **moment)
        return board.shift.start if board.shift else board.at - dt.timedelta(hours=8)

    def _path(self, place: str, above: str) -> str:
        """A place by its path: a line's address and a station's bare name are found below what is above."""
        if place in self.flows or place in self.tale.stations:
            return place
        under = above if above in self.flows else above.rpartition("/")[0]
        return next((station for station in self.tale.stations if station == f"{under}/{place}"), place)

    def _stations(self, place: str, *, ends: bool) -> frozenset[str]:
        line = self.flows.get(place)
        if line is None:
            # An order that nothing narrows is worked on at every station.
            return frozenset(self.tale.stations if place in ("", AREA) else {place})
        return frozenset(line.stations[-1:] if ends and line.flow == "serial" else line.stations)

    def _claims(self, row: Any, here: Context) -> Iterator[Claim]:
        fields = row.__struct_fields__
        where = f"{here.query} {type(row).__name__}"
        if "fact" in fields:
            yield from self._of_a_fact(row, here, where)
        elif "told" in fields or set(fields) & set(PIECES):
            yield from self._pieces(row, here, where)
        yield from self._state(row, here, where)
        if {"alarm", "place", "since", "seen_by"} <= set(fields):
            key = Key("alarm", (row.alarm, row.place, row.since), None, here.known)
            yield Claim(key, (row.until, row.priority, row.seen_at, row.seen_by), where, here.asked)
            if here.field in ALARM_LISTS:
                key = Key("alarm's state", (row.alarm, row.place, row.since), None, here.known)
                yield Claim(key, (row.state, row.aside), where, here.asked)
        if "held" in fields and here.serial and here.product:
            yield Claim(
                Key("held", (here.product, here.serial), None, here.known), row.held, f"{where}.held", here.asked
            )
        if "held" in fields or "completed" in fields:
            for field in ("state", "place"):
                if here.serial and isinstance(getattr(row, field, None), str) and "known_at" not in fields:
                    key = Key(f"unit's {field}", (here.product, here.serial), None, here.known)
                    yield Claim(key, getattr(row, field), f"{where}.{field}", here.asked)

    def _of_a_fact(self, row: Any, here: Context, where: str) -> Iterator[Claim]:
        for field in set(row.__struct_fields__) & set(PIECES) - {"rework"}:
            yield Claim(
                Key(f"{PIECES[field]} of a fact", str(row.fact), None, None),
                getattr(row, field),
                f"{where}.{field}",
                here.asked,
            )

    def _pieces(self, row: Any, here: Context, where: str) -> Iterator[Claim]:
        if here.start > here.until or here.serial or not (here.place or here.order):
            return
        part = getattr(row, "part", None)
        if (part == "shift" and not row.name) or (part in ("shift", "day", "week") and f"scope={AREA}," in here.asked):
            return  # What lies in no shift has no window of its own; lines of an area have shifts and days of their own.
        for field in row.__struct_fields__:
            if field not in PIECES or not isinstance(getattr(row, field), int | None):
                continue
            of_order = hasattr(row, "progress")
            operation = here.operation
            if of_order:
                # How far an order is, is what its last operation gave.
                operation = row.last_operation if field == "made" else None
                if row.first is None:
                    continue
            if "started" in row.__struct_fields__ and not self._told_of_units_alone(here.order):
                continue  # Passes of units are all of an order's pieces where nothing else is told of it.
            if hasattr(row, "kind") and "order.totals" in here.query:
                operation = None
                if row.kind != "production":
                    continue
            ends = field in LEFT_THE_LINE or "made" in row.__struct_fields__
            order, product = here.order, row.name if getattr(row, "part", None) == "product" else None
            if order is None and here.query.startswith("order."):
                order = ANY_ORDER
            subject = (self._stations(here.place, ends=ends), order, operation, product)
            yield Claim(
                Key(PIECES[field], subject, here.start, here.until), getattr(row, field), f"{where}.{field}", here.asked
            )

    def _told_of_units_alone(self, order: str | None) -> bool:
        kinds = {_way(fact) for fact in self.tale.facts if getattr(fact, "order", None) == order}
        return kinds <= {"", "OperationCompleted"}

    def _state(self, row: Any, here: Context, where: str) -> Iterator[Claim]:
        """A state at an instant, or over a stretch of time that holds some of the instants looked at."""
        if not isinstance(getattr(row, "state", None), str) or here.place not in self.tale.stations or here.serial:
            return
        if isinstance(getattr(row, "cycle", None), msgspec.Struct):
            # Of a job shop's stations people report: nobody is silent there.
            if self.flows[here.place.rpartition("/")[0]].flow == "serial":
                yield Claim(Key("state", here.place, None, here.known), row.state, f"{where}.state", here.asked)
        elif {"start", "end"} <= set(row.__struct_fields__) and "began" not in row.__struct_fields__:
            kind = getattr(row, "kind", "")
            if kind in ("off", "break", "ahead") or self.flows[here.place.rpartition("/")[0]].flow != "serial":
                return
            if row.state and row.state not in STATES:
                return  # What people report of a station: `no report` is no state of a machine.
            state = "No data" if kind == "not observed" or not row.state else row.state
            if getattr(row, "explained_by", "") and not row.state:
                state = "No data"
            for probe in self.probes:
                if row.start <= probe < row.end and probe < here.known:
                    yield Claim(Key("state", here.place, None, probe + TICK), state, f"{where}.state", here.asked)

    def _lists(self, rows: Any, here: Context) -> None:
        """What only the whole list says: all alarms that stand, all holds, the pieces of its facts."""
        if here.field in ALARM_LISTS:
            for line in self.tale.lines:
                if here.place in ("", line.path):
                    plant = self.app.plant_at(at(self.tale.now) if here.at is None else here.at)
                    sources = {f"source:{plant.stations[one].source}" for one in line.stations}
                    found = frozenset(
                        (row.alarm, row.place) for row in rows if row.active and row.place in {*line.stations, *sources}
                    )
                    key = Key("alarms that stand", line.path, None, here.known)
                    self.claims[key].append(Claim(key, found, f"{here.query}.{here.field}", here.asked))
        if here.field == "holds" and here.serial:
            key = Key("held", (here.product, here.serial), None, here.known)
            self.claims[key].append(Claim(key, bool(rows), f"{here.query}.{here.field}", here.asked))
        if rows and all(
            isinstance(row, msgspec.Struct) and {"fact", "told", "station", "time"} <= set(row.__struct_fields__)
            for row in rows
        ):
            self._sums_of_facts(rows, here)

        if rows and all(isinstance(row, msgspec.Struct) for row in rows):
            self._sums_of_parts(rows, here)

    def _sums_of_parts(self, rows: Any, here: Context) -> None:
        """What the rows of a list claim together: parts of a window, stations of a line, operations, orders, products."""
        alike: defaultdict[tuple[str, str], list[Claim]] = defaultdict(list)
        for row in rows:
            narrowed = self._narrowed(row, here)
            if "fact" not in row.__struct_fields__:
                for claim in self._pieces(row, narrowed, f"{here.query} {type(row).__name__}"):
                    alike[claim.key.figure, claim.by].append(claim)
        for (figure, by), several in alike.items():
            keys = [claim.key for claim in several]
            for key, summed in _together(keys, several):
                # An hour that begins this instant says 0 of no time: that makes nothing known of the others.
                values = [
                    claim.value
                    for claim in summed
                    if claim.value is not None and (claim.value or claim.key.end - claim.key.start > TICK)
                ]
                self.claims[key._replace(figure=figure)].append(
                    Claim(key, sum(values) if values else None, f"{by} summed", here.asked)
                )

    def _sums_of_facts(self, rows: Any, here: Context) -> None:
        """Where one way of telling is the only one, all of it counts."""
        for station in {row.station for row in rows}:
            mine = [row for row in rows if row.station == station]
            ways = {
                fact
                for fact in (_way(one) for one in self.tale.facts if getattr(one, "station", None) == station)
                if fact
            }
            if len(ways) == 1:
                key = Key("good", (frozenset({station}), None, None, None), here.start, here.until)
                self.claims[key].append(Claim(key, sum(row.good for row in mine), f"{here.query} summed", here.asked))

    # ----------------------------------------------------------------- what follows

    def disagreements(self) -> list[str]:
        """Subjects of which different things are claimed, with everybody who claims them."""
        found = []
        for key, claims in self.claims.items():
            if len({claim.value for claim in claims if claim.value is not None}) > 1:
                told = "\n    ".join(f"{claim.value!r:20} {claim.by}: {claim.asked}" for claim in claims)
                found.append(f"{key.figure} of {key.subject} from {key.start} to {key.end}:\n    {told}")
        return found

    def pairs(self) -> set[tuple[str, str, str]]:
        """The figure and the two fields that claimed it of one subject."""
        return {
            (key.figure, *sorted(pair))
            for key, claims in self.claims.items()
            for pair in itertools.combinations(sorted({claim.by for claim in claims}), 2)
        }


def _is_meant(release: Any, held: tuple[str, str | None, str | None, str | None]) -> bool:
    """Whether a release is of a hold on a thing: the narrowest it names decides, and one that names nothing is of all."""
    _, product, serial, station = held
    if release.product is not None:
        return release.product == product and release.serial in (None, serial)
    return release.station is None or release.station == station


def _together(keys: Sequence[Key], claims: Sequence[Claim]) -> Iterator[tuple[Key, Sequence[Claim]]]:
    """The subject that claims have together, where they differ in one thing alone and leave nothing out."""
    stations, orders, operations, products = ({key.subject[n] for key in keys} for n in range(4))
    windows = sorted({(key.start, key.end) for key in keys})
    figure, start, end = keys[0].figure, windows[0][0], windows[-1][1]
    (mine, order, operation, product) = keys[0].subject
    many = [len(each) > 1 for each in (stations, orders, operations, products, windows)]
    if len(keys) == 1 and order is not None and "by=order" in claims[0].asked:
        # A single order is all orders as well.
        yield Key(figure, (mine, None, operation, product), start, end), claims
        yield Key(figure, (mine, ANY_ORDER, operation, product), start, end), claims if order else []
    if len({(key.subject, key.start, key.end) for key in keys}) < len(keys) or sum(many) != 1:
        return
    if len(stations) > 1 and sum(map(len, stations)) == len(frozenset().union(*stations)):
        yield Key(figure, (frozenset().union(*stations), order, operation, product), start, end), claims
    elif len(windows) > 1 and all(a[1] == b[0] for a, b in itertools.pairwise(windows)):
        yield Key(figure, (mine, order, operation, product), start, end), claims
    elif len(orders) > 1:
        if "by=order" in claims[0].asked:
            yield Key(figure, (mine, None, operation, product), start, end), claims
        yield Key(figure, (mine, ANY_ORDER, operation, product), start, end), [c for c in claims if c.key.subject[1]]
    elif len(products) > 1:
        yield Key(figure, (mine, order, operation, None), start, end), claims
    elif len(operations) > 1:
        yield Key(figure, (mine, order, None, product), start, end), claims


def _way(fact: Any) -> str:
    """How a fact tells pieces; a correction may, in any way."""
    name = type(fact).__name__
    return name if name in ("Counted", "OperationCompleted", "OperationReported", "CorrectionMade") else ""
