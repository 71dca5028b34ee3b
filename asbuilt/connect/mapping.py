"""Rules that say which message, metric or node value is which fact.

    [[adapter.NAME.map]]
    fact = "state_changed"
    when = "payload.valid"                  # optional: only then
    constants = { station = "works/main/assembly/1/30" }
    [adapter.NAME.map.fields]               # field of the fact → expression
    state = "payload.state"
    event_time = "time(payload.ts)"
    [adapter.NAME.map.values.state]         # what the machine says → what the fact says
    "3" = "Execute"

Without `event_time` the moment of arrival is taken. Without `id` the whole message makes the id of
the fact, so a message that is delivered twice is one fact; `id` is an expression for what else
tells one occurrence from another (a cycle number).

`counts = "good"` (or "rejected", "for_review") makes a machine's own counter, given as `reading`,
into pieces: what it went on by since the reading before. Its first reading counts nothing. One that went
back, or on by more than `step_max` (1,000, or ten a second since the reading before), is held until the next
says whether the counter was set anew or read wrong once, which is recorded as a deviation. Each topic, node or
metric is a counter of its own. A `state_changed` that says what was said before is left out, unless
`on_change = false`.
"""

from __future__ import annotations

import datetime as dt
import typing
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from asbuilt import events
from asbuilt.adapters import Problem, Rejection, Taken
from asbuilt.connect import counters, expression
from asbuilt.connect.expression import Evaluate
from asbuilt.errors import MalformedFact

MAX_REMEMBERED: Final = 50_000
"""So many counters and states of one adapter are remembered."""
EARLIEST_YEAR: Final = 2000
"""A machine that says an earlier time has no clock."""
COUNTS: Final = ("good", "rejected", "for_review")
_NEVER_MAPPED = (events.PlantDefined, events.MessageRejected, events.CorrectionMade, events.SourceConnected,
                 events.SourceLost, events.HeartbeatMissed)  # fmt: skip
_STATES_OF_THINGS = (events.StateChanged, events.Measured, events.AlarmRaised, events.AlarmCleared, events.SiteObserved)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule; see the module."""

    fact: str
    when: str | None = None
    fields: dict[str, str] = {}
    constants: dict[str, Any] = {}
    values: dict[str, dict[str, Any]] = {}
    counts: Literal["good", "rejected", "for_review"] | None = None
    on_change: bool | None = None
    step_max: int | None = None


class Memory:
    """What an adapter remembers between messages: readings of counters and states that were told.

    `asked` holds what was looked up for the message at hand: with it, translating is a pure function.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = dict(values or {})
        self.asked: dict[str, Any] = {}
        self.changed = False

    def get(self, key: str) -> Any:
        """What was remembered under a key."""
        value = self.values.get(key)
        self.asked.setdefault(key, value)
        return value

    def put(self, key: str, value: Any) -> None:
        """Remember; the oldest is forgotten when there is too much."""
        if self.values.pop(key, None) is None and len(self.values) >= MAX_REMEMBERED:
            del self.values[next(iter(self.values))]
        self.values[key] = value
        self.changed = True


def fact_type(name: str) -> type[events.Event] | None:
    """The type of fact that a name in a plant file stands for."""
    return events.TYPES.get(name) or events.TYPES.get(f"{name}.v1")


def problems(rules: Sequence[Rule], names: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with the rules; `names` are those that expressions may use."""
    if not rules:
        yield Problem(("map",), "no message would become a fact", "Add at least one [[adapter.NAME.map]].")
    for rule in rules:
        kind = fact_type(rule.fact)
        if kind is None or kind in _NEVER_MAPPED:
            allowed = [name for name, cls in events.TYPES.items() if cls not in _NEVER_MAPPED]
            yield Problem(
                ("map", "fact"), f"messages cannot become `{rule.fact}`", f"Use one of: {', '.join(allowed)}."
            )
            continue
        fields = [*kind.__struct_fields__]
        for table in ("fields", "constants", "values"):
            for field in getattr(rule, table):
                if field not in fields:
                    yield Problem(("map", table, field), f"{rule.fact} has no field `{field}`", f"It has: {', '.join(fields)}.")  # fmt: skip
        if "source" in (*rule.fields, *rule.constants):
            yield Problem(("map", "fields", "source"), "the source is the adapter itself", "Leave it out.")
        for key, text in (("when", rule.when), *rule.fields.items()):
            if text is not None:
                try:
                    expression.compiled(text, names)
                except ValueError as error:
                    yield Problem(("map", *(("fields",) if key != "when" else ()), key), str(error), "See the adapter's page for what an expression may hold.")  # fmt: skip
        if rule.counts and (kind is not events.Counted or "reading" not in rule.fields):
            yield Problem(("map", "counts"), "`counts` needs a counter", 'Use fact = "counted" and fields.reading.')
        missing = [one.name for one in msgspec.structs.fields(kind) if one.required and one.name not in
                   {"id", "source", "event_time", *rule.fields, *rule.constants}]  # fmt: skip
        if missing:
            yield Problem(("map", "fact"), f"no message can become a fact: {rule.fact} needs {', '.join(missing)}", "Add them to fields or constants.")  # fmt: skip


class Ready:
    """A rule, compiled."""

    def __init__(self, rule: Rule, names: frozenset[str], number: int) -> None:
        kind = fact_type(rule.fact)
        assert kind is not None
        self.kind = kind
        self.rule = rule
        self.number = number
        self.when = expression.compiled(rule.when, names) if rule.when else None
        self.fields = [(field, expression.compiled(text, names)) for field, text in rule.fields.items()]
        self.shapes = _shapes(kind)
        self.constants = rule.constants
        self.on_change = rule.on_change if rule.on_change is not None else kind is events.StateChanged
        self.tells_a_state = kind in _STATES_OF_THINGS

    def drafted(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """The fields of the fact; None if the rule does not apply. Raises `ValueError` in words."""
        if self.when is not None and not self.when(given):
            return None
        draft = dict(self.constants)
        for field, evaluate in self.fields:
            value = evaluate(given)
            known = self.rule.values.get(field)
            if known is not None and value is not None:
                value = known.get(expression.text(value), value)
            if value is not None:
                try:
                    draft[field] = self.shapes[field](value)
                except ValueError as error:
                    raise ValueError(f"{error} - at `$.{field}`") from None
        return draft


class Mapper:
    """The rules of an adapter, and what they make of a message."""

    def __init__(self, source: str, rules: Sequence[Rule], names: frozenset[str]) -> None:
        self.source = source
        self.rules = [Ready(rule, names, number) for number, rule in enumerate(rules)]

    def facts(
        self,
        rules: Sequence[Ready],
        given: Mapping[str, Any],
        raw: bytes,
        moment: dt.datetime | None,
        parts: tuple[str | bytes, ...],
        memory: Memory,
        *,
        arrival: str = "",
        late: bool = False,
        kept: bool = False,
        item: str = "",
    ) -> Iterator[Taken]:
        """What a message becomes. `parts` tell it from others; where it says no time, `moment` stands for it
        and `arrival` tells it from another with the same bytes. `item` is the data item it is of: its counter.

        `late` data leave the memory alone. Of what a broker `kept` for newcomers only states are
        taken, and what says when it happened.
        """
        for ready in rules:
            try:
                draft = ready.drafted(given)
                if draft is None or (kept and "event_time" not in draft and not ready.tells_a_state):
                    continue
                own = parts if "event_time" in draft else (*parts, arrival)
                draft.setdefault("event_time", moment)
                yield from self._fact(ready, draft, own, memory, late, item)
            except msgspec.ValidationError as error:
                yield Rejection(raw, events.in_words(str(error)))
            except (ValueError, ArithmeticError, MalformedFact) as error:
                yield Rejection(raw, str(error))

    def _fact(
        self, ready: Ready, draft: dict[str, Any], parts: tuple[str | bytes, ...], memory: Memory, late: bool, item: str
    ) -> Iterator[Taken]:
        event_time = draft["event_time"]
        if event_time is None:
            raise ValueError("it says no time, and when it arrived is not known")
        if event_time.year < EARLIEST_YEAR:
            raise ValueError(f"it says {event_time.isoformat()}: that clock was never set")
        own = draft.pop("id", None)
        if own is not None:
            parts = (ready.rule.fact, own)
        draft["id"] = events.derived_id(event_time, self.source, str(ready.number), *parts)
        draft["source"] = self.source
        if ready.rule.counts is not None:
            # What is no reading is refused before it is remembered.
            events.convert(draft, ready.kind)
            made = _counted(ready, draft, memory, late, item)
            if made.deviation is not None:
                yield self._deviation(draft, item, *made.deviation)
            if made.pieces is None:
                return
            draft[ready.rule.counts] = made.pieces
        # What cannot be recorded as it is (a control character in a name) the pipeline makes a rejection of.
        fact = events.convert(draft, ready.kind)
        if ready.on_change and not late:
            key = f"{ready.number}|{draft.get('station', '')}"
            told = msgspec.json.encode({k: v for k, v in draft.items() if k not in ("id", "event_time")}).decode()
            if memory.get(key) == told:
                return
            memory.put(key, told)
        yield fact

    def _deviation(self, draft: Mapping[str, Any], item: str, code: str, words: str) -> Taken:
        time = draft["event_time"]
        return events.convert(
            {
                "id": events.derived_id(time, self.source, code, str(draft["id"])), "event_time": time,
                "source": self.source, "adapter": self.source, "deviation": code,
                "message": f"{item or draft.get('station', '')}: {words}"[:4000],
            },
            events.DeviationNoticed,
        )  # fmt: skip


def recollect(memory: Memory, recent: Iterable[events.AnyFact], rules: Sequence[Ready]) -> None:
    """Take from facts recorded last what was not noted any more when the process was killed.

    Notes are written after the record, so a recorded reading is the newer one. For sources that do not send
    again what was not acknowledged; for the others, what comes again tells it.
    """
    counting = [ready for ready in rules if ready.rule.counts is not None]
    noted: defaultdict[str, list[str]] = defaultdict(list)
    for key in memory.values:
        noted["|".join(key.split("|", 3)[:-1])].append(key)
    for fact in recent:
        if not isinstance(fact, events.Counted) or fact.reading is None:
            continue
        told = [field for field in COUNTS if getattr(fact, field)]
        of_stations = [_counter(ready, fact.station) for ready in counting if not told or ready.rule.counts in told]
        # With its data item, where one was noted; with several, what is newest cannot be told apart.
        known = [key for of_station in of_stations for key in noted[of_station]]
        if len(known) == 1 or (not known and len(of_stations) == 1):
            memory.put((known or of_stations)[0], counters.settled(fact.reading, fact.event_time))


def _counter(ready: Ready, station: Any) -> str:
    """Where the readings of a rule for a station are remembered, before the data item."""
    return f"{ready.number}|{station}|{ready.rule.counts}"


def _counted(ready: Ready, draft: Mapping[str, Any], memory: Memory, late: bool, item: str) -> counters.Step:
    """What a reading says; a late one says nothing."""
    reading = draft.get("reading")
    if not isinstance(reading, int) or late:
        return counters.Step(None)
    of_station = _counter(ready, draft.get("station", ""))
    key = f"{of_station}|{item}"
    # What is known of the station's counter without its data item is of the one that is heard first.
    if memory.get(key) is None and (known := memory.get(of_station)) is not None:
        memory.put(of_station, None)
        memory.put(key, known)
    return counters.step(memory, key, reading, draft["event_time"], ready.rule.step_max)


# --------------------------------------------------------------------------- the shape of values

_Shape = Callable[[Any], Any]


def _shapes(kind: type[events.Event]) -> dict[str, _Shape]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field: _shape(hints[field], field) for field in kind.__struct_fields__}


def _shape(hint: Any, field: str) -> _Shape:
    if field == "id":
        return expression.text
    base = [part for part in typing.get_args(hint) if part is not type(None)] if type(None) in typing.get_args(hint) else [hint]  # fmt: skip
    inner = base[0]
    if inner == events.Decimal:
        return decimal_text
    bare = typing.get_args(inner)[0] if typing.get_origin(inner) is typing.Annotated else inner
    if bare is str:
        return expression.text
    if bare is int:
        return _whole
    if bare is dt.datetime:
        return expression.time
    if bare is bool:
        return _truth
    if typing.get_origin(bare) is Literal:
        return expression.text
    return lambda value: value


def decimal_text(value: Any) -> str:
    """A value as a fact keeps it: exact, without exponent, at most 12 decimals."""
    if type(value) is float:
        # Most measured values: short as they are written, and already exact.
        shown = repr(value)
        if len(shown) <= 13 and shown.isascii() and "e" not in shown and "n" not in shown:
            return "0" if shown == "-0.0" else shown
    found = value if isinstance(value, Decimal) else expression.number(value)
    if not found.is_finite():
        raise ValueError(f"{found} is not a number that can be recorded")
    exponent = found.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        if abs(found) > expression.LARGEST:
            raise ValueError("a number beyond 10^18")
        found = found.quantize(Decimal("1e-12"), context=expression.CONTEXT)
    shown = f"{found:f}"
    return "0" if shown.lstrip("-") == "0" else shown


def _whole(value: Any) -> int:
    found = expression.number(value)
    if found != found.to_integral_value():
        raise ValueError(f"{found} is not a whole number")
    return int(found)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "on": True, "off": False}
    try:
        return known[expression.text(value).strip().lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None


def evaluators(fields: Mapping[str, str], names: frozenset[str]) -> dict[str, Evaluate]:
    """Several expressions, compiled."""
    return {field: expression.compiled(text, names) for field, text in fields.items()}
