"""The vocabulary and its bytes: golden vectors, round trips, and what strict reading refuses."""

from __future__ import annotations

import datetime as dt
import json
import os
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.errors import MalformedFact
from asbuilt.events import (
    ComponentInstalled,
    CorrectionMade,
    Counted,
    LotSplit,
    Measured,
    MessageRejected,
    OperationReported,
    SourceConnected,
    StateChanged,
    Unknown,
    codec,
)
from asbuilt.testing.strategies import facts_of, instants, unknown_facts

ID = UUID("019a0000-0000-7000-8000-000000000001")
OTHER_ID = UUID("019a0000-0000-7000-8000-000000000002")
ENVELOPE = {"id": str(ID), "event_time": "2026-06-01T07:30:00+02:00", "source": "gateway"}
TIME = dt.datetime(2026, 6, 1, 7, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))


def fact_json(**fields: object) -> bytes:
    """A state_changed fact as JSON, with fields added or replaced."""
    base = {"type": "state_changed.v1", **ENVELOPE, "station": "p/s/a/l/1", "state": "Held"}
    return json.dumps({**base, **fields}).encode()


# --------------------------------------------------------------------------- canonical bytes

GOLDEN = [
    (
        StateChanged(id=ID, event_time=TIME, source="gateway", by="Ann", station="p/s/a/l/1", state="Held", reason="oil"),
        b'{"by":"Ann","event_time":"2026-06-01T07:30:00+02:00","id":"019a0000-0000-7000-8000-000000000001",'
        b'"reason":"oil","source":"gateway","state":"Held","station":"p/s/a/l/1","type":"state_changed.v1"}',
    ),
    (
        Counted(
            id=ID, event_time=TIME.astimezone(dt.UTC).replace(microsecond=120), source="gateway", station="s", good=7
        ),
        b'{"event_time":"2026-06-01T05:30:00.000120Z","good":7,"id":"019a0000-0000-7000-8000-000000000001",'
        b'"source":"gateway","station":"s","type":"counted.v1"}',
    ),
    (
        Measured(
            id=ID, event_time=TIME, source="bench", characteristic="bore Ø", value="36.0040", uom="mm",
            product="BX-100", serial="0007", lower="-0.5",
        ),
        '{"characteristic":"bore Ø","event_time":"2026-06-01T07:30:00+02:00",'
        '"id":"019a0000-0000-7000-8000-000000000001","lower":"-0.5","product":"BX-100","serial":"0007",'
        '"source":"bench","type":"measured.v1","uom":"mm","value":"36.0040"}'.encode(),
    ),
    (
        LotSplit(
            id=ID, event_time=TIME, source="store", product="ring", lot="L1",
            into=(events.LotPart(lot="L1a", quantity="10"), events.LotPart(lot="L1b", quantity="2.5")),
        ),
        b'{"event_time":"2026-06-01T07:30:00+02:00","id":"019a0000-0000-7000-8000-000000000001",'
        b'"into":[{"lot":"L1a","quantity":"10"},{"lot":"L1b","quantity":"2.5"}],"lot":"L1","product":"ring",'
        b'"source":"store","type":"lot_split.v1"}',
    ),
    (
        CorrectionMade(
            id=OTHER_ID, event_time=TIME, source="office", by="Ben", corrects=ID, reason="incorrect_data",
            replacement=SourceConnected(id=ID, event_time=TIME, source="gateway", adapter="plc"),
        ),
        b'{"by":"Ben","corrects":"019a0000-0000-7000-8000-000000000001","event_time":"2026-06-01T07:30:00+02:00",'
        b'"id":"019a0000-0000-7000-8000-000000000002","reason":"incorrect_data","replacement":{"adapter":"plc",'
        b'"event_time":"2026-06-01T07:30:00+02:00","id":"019a0000-0000-7000-8000-000000000001","source":"gateway",'
        b'"type":"source_connected.v1"},"source":"office","type":"correction_made.v1"}',
    ),
    (
        events.rejection("gateway", b"not\xff json", "not UTF-8", TIME),
        b'{"adapter":"gateway","digest":"b043e5958846026d6c20fcec373fe7f83b92d9d4c73103f271cb1b5f841c6ecd",'
        b'"event_time":"2026-06-01T07:30:00+02:00","id":"a52da80c-064d-8a11-984c-e1b857907db1",'
        b'"message":"bm90/yBqc29u","reason":"not UTF-8","size":9,"source":"asbuilt","type":"message_rejected.v1"}',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "data"), GOLDEN, ids=[events.type_name(fact) for fact, _ in GOLDEN])
def test_canonical_bytes_stay_as_they_are(fact, data):
    # These literals are the record format: if one changes, every sealed record changes.
    assert events.encode(fact) == data
    assert events.decode(data) == fact


def test_every_type_has_a_versioned_name():
    for name in events.TYPES:
        assert codec._TYPE_NAME.match(name), name


@pytest.mark.parametrize("cls", events.TYPES.values(), ids=events.TYPES)
def test_every_type_survives_the_round_trip(cls):
    @given(facts_of(cls))
    def survives(fact):
        data = events.encode(fact)
        again = events.decode(data)
        assert again == fact
        assert events.encode(again) == data
        assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert None not in json.loads(data).values()
        assert f"type:{events.type_name(fact)}" in list(events.subjects(fact))

    survives()


def test_a_field_at_its_default_is_not_written():
    given_ = fact_json(reason=None, message=None, by=None)
    assert events.encode(events.decode(given_)) == events.encode(events.decode(fact_json()))
    counted = {"type": "counted.v1", **ENVELOPE, "station": "s", "good": 0, "rejected": 0}
    assert b"good" not in events.encode(events.decode(json.dumps(counted).encode()))


def test_white_space_key_order_and_escapes_do_not_change_the_bytes():
    fields = json.loads(fact_json(message="Öl"))
    spaced = json.dumps(dict(reversed(fields.items())), indent=3).encode()
    assert b"\\u00d6" in spaced
    assert events.encode(events.decode(spaced)) == events.encode(events.decode(fact_json(message="Öl")))


def test_a_large_message_is_cut_and_stands_by_size_and_digest():
    message = bytes(range(256)) * 1_000
    fact = events.rejection("gateway", message, "no", TIME)
    assert fact.message == message[: events.MAX_REJECTED_BYTES]
    assert fact.size == 256_000
    assert fact.id == events.rejection("gateway", message, "another reason", TIME + dt.timedelta(days=1)).id
    assert fact.id != events.rejection("other", message, "no", TIME).id
    assert events.decode(events.encode(fact)) == fact


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"])
def test_a_rejection_can_be_recorded_whatever_its_reason_quotes(character):
    # The reason often quotes the message: "Invalid enum value '…'".
    fact = events.rejection("gateway", b"message", f"bad value '{character}'", TIME)
    assert events.decode(events.encode(fact)) == fact


@pytest.mark.parametrize("reason", ["€" * 10_000, '"' * 10_000, "\n" * 10_000])
def test_a_rejection_is_never_too_long_itself(reason):
    fact = events.rejection("a" * 200, b"\xff" * 1_000_000, reason, TIME)
    assert len(events.encode(fact)) <= events.MAX_FACT_BYTES


# --------------------------------------------------------------------------- strict reading

REFUSED = {
    "unknown field": (fact_json(statoin="x"), "unknown field `statoin`"),
    "missing field": (json.dumps({"type": "state_changed.v1", **ENVELOPE, "state": "Held"}).encode(), "station"),
    "no type": (json.dumps(ENVELOPE).encode(), "type"),
    "number as text": (fact_json(station=5), "$.station"),
    "text as number": (json.dumps({"type": "counted.v1", **ENVELOPE, "station": "s", "good": "5"}).encode(), "$.good"),
    "float as count": (json.dumps({"type": "counted.v1", **ENVELOPE, "station": "s", "good": 1.5}).encode(), "$.good"),
    "negative count": (json.dumps({"type": "counted.v1", **ENVELOPE, "station": "s", "good": -1}).encode(), "$.good"),
    "absurd count": (
        json.dumps({"type": "counted.v1", **ENVELOPE, "station": "s", "good": 1_000_000_001}).encode(),
        "$.good",
    ),
    "float as decimal": (
        json.dumps({"type": "measured.v1", **ENVELOPE, "characteristic": "c", "value": 1.5, "uom": "mm"}).encode(),
        "$.value",
    ),
    "decimal with exponent": (
        json.dumps({"type": "measured.v1", **ENVELOPE, "characteristic": "c", "value": "1e5", "uom": "mm"}).encode(),
        "$.value",
    ),
    "decimal with digits of another script": (
        json.dumps({"type": "measured.v1", **ENVELOPE, "characteristic": "c", "value": "1٣", "uom": "mm"}).encode(),
        "$.value",
    ),
    "NaN": (fact_json().replace(b'"Held"', b"NaN"), "malformed"),
    "unknown state": (fact_json(state="Runing"), "'Runing'"),
    "naive time": (fact_json(event_time="2026-06-01T07:30:00"), "timezone"),
    "number as time": (fact_json(event_time=1_700_000_000), "$.event_time"),
    "date as time": (fact_json(event_time="2026-06-01"), "$.event_time"),
    "no such day": (fact_json(event_time="2026-02-30T07:30:00Z"), "$.event_time"),
    "leap second": (fact_json(event_time="2026-06-30T23:59:60Z"), "$.event_time"),
    "not a UUID": (fact_json(id="7"), "$.id"),
    "empty name": (fact_json(source=""), "$.source"),
    "long name": (fact_json(source="s" * 201), "$.source"),
    "long path": (fact_json(station="s" * 401), "$.station"),
    "long text": (fact_json(message="s" * 4001), "$.message"),
    "array": (b"[]", "object"),
    "nothing": (b"", "truncated"),
    "null": (b"null", "object"),
    "torn": (fact_json()[:-1], "truncated"),
    "two facts": (fact_json() + fact_json(), "malformed"),
    "not UTF-8": (fact_json().replace(b"gateway", b"gatew\xe4y"), "UTF-8"),
    "not UTF-8 in a field name": (fact_json().replace(b'"station"', b'"stati\xf6n"'), ""),
    "not UTF-8 in an unknown type": (fact_json(type="later.v1").replace(b'"station"', b'"stati\xf6n"'), ""),
    "lone surrogate": (fact_json(source="\ud800"), "surrogate"),
    "deeply nested": (fact_json(message="x").replace(b'"x"', b"[" * 100_000 + b"]" * 100_000), ""),
    "deeply nested in an unknown type": (
        fact_json(type="later.v1", message="x").replace(b'"x"', b"[" * 100_000 + b"]" * 100_000),
        "nested too deeply",
    ),
    "huge number in an unknown type": (fact_json(type="later.v1", extra=0).replace(b": 0", b": 1e999"), "out of range"),
    "unversioned type": (fact_json(type="later"), "type"),
    "odd type": (fact_json(type="../later.v1"), "type"),
    "version zero": (fact_json(type="state_changed.v0"), "type"),
    "type is a number": (fact_json(type=1), "type"),
    "unknown type without envelope": (b'{"type":"later.v1"}', "id"),
    "unknown type at a naive time": (fact_json(type="later.v1", event_time="2026-06-01T07:30:00"), "timezone"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_fact_is_refused_with_its_place(data, says):
    with pytest.raises(MalformedFact) as refusal:
        events.decode(data)
    assert says.lower() in refusal.value.message.lower()


RULES = {
    "ends before it starts": (
        {"type": "operation_reported.v1", "operation": "hone", "kind": "setup", "order": "1",
         "start_time": "2026-06-01T05:30:00.000001Z"},
        "before it starts",
    ),
    "explanation ends before it starts": (
        {"type": "stop_explained.v1", "station": "s", "reason": "x", "start_time": "2026-06-01T05:30:01Z",
         "end_time": "2026-06-01T05:30:00Z"},
        "before it starts",
    ),
    "about nothing": ({"type": "operation_started.v1", "station": "s", "operation": "hone"}, "serial, lot or order"),
    "serial without product": (
        {"type": "operation_started.v1", "station": "s", "operation": "hone", "serial": "1"},
        "needs its product",
    ),
    "component without a trace": (
        {"type": "component_installed.v1", "product": "P", "serial": "1", "position": "p", "component_product": "C"},
        "component_serial",
    ),
    "replacement of another": (
        {"type": "correction_made.v1", "corrects": str(OTHER_ID), "reason": "incorrect_data",
         "replacement": {"type": "source_lost.v1", **ENVELOPE, "adapter": "plc"}},
        "must carry the id",
    ),
    "replacement of what did not occur": (
        {"type": "correction_made.v1", "corrects": str(ID), "reason": "did_not_occur",
         "replacement": {"type": "source_lost.v1", **ENVELOPE, "adapter": "plc"}},
        "has no replacement",
    ),
    "correction as replacement": (
        {"type": "correction_made.v1", "corrects": str(ID), "reason": "incorrect_data",
         "replacement": {"type": "correction_made.v1", **ENVELOPE, "corrects": str(OTHER_ID), "reason": "did_not_occur"}},
        "cannot be a replacement",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "says"), RULES.values(), ids=RULES)
def test_rules_between_fields(fields, says):
    with pytest.raises(MalformedFact, match=says):
        events.decode(json.dumps({**ENVELOPE, **fields}).encode())


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x7f", "\x85", "\u2028", "\u202a", "\u202e", "\u2066", "\u2069"]
)
@pytest.mark.parametrize("field", ["source", "station"])
def test_control_and_direction_characters_are_refused_in_names(character, field):
    with pytest.raises(MalformedFact, match=f"U\\+{ord(character):04X}.*{field}"):
        events.encode(events.decode(fact_json(**{field: f"a{character}b"})))


@pytest.mark.parametrize("character", "\n\r\t")
def test_line_breaks_are_for_texts_only(character):
    assert events.encode(events.decode(fact_json(message=f"warm{character}oil")))
    with pytest.raises(MalformedFact, match="source"):
        events.encode(events.decode(fact_json(source=f"gate{character}way")))


def test_control_characters_are_found_in_nested_and_unknown_facts():
    replacement = {"type": "source_lost.v1", **ENVELOPE, "adapter": "p\u202elc"}
    correction = {"type": "correction_made.v1", **ENVELOPE, "id": str(OTHER_ID), "corrects": str(ID),
                  "reason": "incorrect_data", "replacement": replacement}  # fmt: skip
    with pytest.raises(MalformedFact, match=r"U\+202E"):
        events.encode(events.decode(json.dumps(correction).encode()))
    with pytest.raises(MalformedFact, match=r"U\+0000"):
        events.encode(events.decode(fact_json(type="later.v1", extra=[{"a\x00": 1}])))


def test_a_fact_made_in_python_with_a_lone_surrogate_is_refused():
    fact = StateChanged(id=ID, event_time=TIME, source="\ud800", station="s", state="Held")
    with pytest.raises(MalformedFact):
        events.encode(fact)
    assert isinstance(events.unchecked_bytes(fact), bytes)


def test_a_long_fact_is_refused_and_a_plant_file_is_not():
    fact = events.decode(fact_json(type="later.v1", extra="x" * events.MAX_FACT_BYTES))
    with pytest.raises(MalformedFact, match="65,536"):
        events.encode(fact)
    plant = events.PlantDefined(id=ID, event_time=TIME, source="asbuilt", digest="0" * 64, text="x" * 200_000)
    assert len(events.encode(plant)) > 200_000


@pytest.mark.parametrize("depth", [10, events.MAX_NESTING - 1])
def test_unknown_content_may_nest(depth):
    data = fact_json(type="later.v1", extra="x").replace(b'"x"', b"[" * depth + b"1" + b"]" * depth)
    assert events.encode(events.decode(data)).count(b"[") == depth


@pytest.mark.parametrize("depth", [events.MAX_NESTING, 400, 600, 800, 900, 950, 990])
def test_unknown_content_that_nests_deeply_is_refused_whatever_the_stack(depth):
    # Reading and writing recurse by different amounts; a fact that can be read must be writable from any depth.
    data = fact_json(type="later.v1", extra="x").replace(b'"x"', b"[" * depth + b'"x"' + b"]" * depth)
    with pytest.raises(MalformedFact, match="nested too deeply"):
        events.decode(data)


# --------------------------------------------------------------------------- what strictness lets through


def test_of_a_field_given_twice_the_last_counts():
    # JSON leaves it open; this is what is recorded, in one form for all readers.
    twice = fact_json().replace(b'"station": "p/s/a/l/1"', b'"station": "first", "station": "last"')
    fact = events.decode(twice)
    assert isinstance(fact, StateChanged)
    assert fact.station == "last"
    assert events.encode(fact).count(b"station") == 1


def test_a_type_given_twice_never_changes_a_known_fact_into_another():
    twice = fact_json().replace(b'"type"', b'"type": "source_lost.v1", "type"')
    with pytest.raises(MalformedFact):
        events.decode(twice)


def test_an_id_in_another_spelling_is_the_same_id():
    for spelling in (str(ID).upper(), ID.hex):
        assert events.encode(events.decode(fact_json(id=spelling))) == events.encode(events.decode(fact_json()))


def test_finer_times_are_rounded_to_microseconds():
    fact = events.decode(fact_json(event_time="2026-06-01T05:30:00.1234567Z"))
    assert fact.event_time.microsecond == 123_457


# --------------------------------------------------------------------------- unknown types


def test_an_unknown_type_is_kept_whole():
    fact = events.decode(fact_json(type="state_changed.v2", extra={"b": [1, 2.5, None], "a": True}))
    assert isinstance(fact, Unknown)
    assert (fact.id, fact.type, fact.source, fact.by) == (ID, "state_changed.v2", "gateway", None)
    assert fact.event_time == TIME
    assert events.encode(fact) == (
        b'{"event_time":"2026-06-01T07:30:00+02:00","extra":{"a":true,"b":[1,2.5,null]},'
        b'"id":"019a0000-0000-7000-8000-000000000001","source":"gateway","state":"Held","station":"p/s/a/l/1",'
        b'"type":"state_changed.v2"}'
    )
    assert list(events.subjects(fact)) == ["type:state_changed.v2", "source:gateway"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
)  # fmt: skip


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), _json, max_size=4))
def test_unknown_content_has_one_form(extra):
    try:
        data = events.encode(events.decode(fact_json(type="later.v1", **extra)))
    except MalformedFact as refusal:
        assert "U+" in refusal.message
        return
    assert events.encode(events.decode(data)) == data


@given(unknown_facts)
def test_unknown_facts_survive_the_round_trip(fact):
    assert events.decode(events.encode(fact)) == fact


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_fact_or_refused(data):
    with pytest.raises(MalformedFact):
        events.decode(data)


@given(st.data())
def test_a_damaged_fact_is_a_fact_or_refused(data):
    body = bytearray(events.encode(GOLDEN[4][0]))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        fact = events.decode(bytes(body))
        again = events.encode(fact)
    except MalformedFact:
        return
    assert events.encode(events.decode(again)) == again


# --------------------------------------------------------------------------- time and identity


@given(instants)
def test_microseconds_are_exact(instant):
    exact = (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert events.microseconds(instant) == exact


@pytest.mark.parametrize("year", [1, 1900, 2500, 9999])
def test_microseconds_are_exact_far_away(year):
    # A due date of 9999-12-31 is what some systems write for "never".
    instant = dt.datetime(year, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC)
    exact = (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    assert events.microseconds(instant) == exact


@given(instants, instants, st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_new_ids_are_version_7_and_sort_by_time(first, second, one, other):
    a, b = events.new_id(first, lambda n: one), events.new_id(second, lambda n: other)
    assert (a.version, a.variant) == (7, "specified in RFC 4122")
    assert abs((a.int >> 80) - first.timestamp() * 1000) <= 1
    if second - first > dt.timedelta(milliseconds=2):
        assert a < b


def test_new_ids_differ():
    assert len({events.new_id(TIME, os.urandom) for _ in range(1_000)}) == 1_000


def test_a_new_id_from_its_parts():
    # 0x019e81a90bc0 is 2026-06-01T05:30:00Z in milliseconds.
    assert events.new_id(TIME, lambda n: b"\xff" * n) == UUID("019e81a9-0bc0-7fff-bfff-ffffffffffff")
    assert events.new_id(TIME, lambda n: bytes(n)) == UUID("019e81a9-0bc0-7000-8000-000000000000")


def test_derived_ids_stay_as_they_are():
    # Importers rely on it: another id for the same row would double everything ever imported.
    assert str(events.derived_id(TIME, "reports", "Case 1", "Packing")) == "019e81a9-0bc0-7e1c-b5e6-3a5e608eb5ac"
    assert str(events.derived_id(None, "reports", "Case 1", "Packing")) == "210bee71-30af-8e1c-b5e6-3a5e608eb5ac"


def test_derived_ids_depend_on_every_part_and_its_borders():
    parts = [("a", "b"), ("ab",), ("a", "b", ""), ("", "a", "b"), ("b", "a"), ("a", b"b ")]
    assert len({events.derived_id(TIME, *given_) for given_ in parts}) == len(parts)
    assert events.derived_id(TIME, "a", "b") == events.derived_id(TIME, b"a", "b")
    assert events.derived_id(TIME, "a").version == 7
    assert events.derived_id(None, "a").version == 8
    assert events.derived_id(TIME, "a") == events.derived_id(TIME.astimezone(dt.UTC), "a")


# --------------------------------------------------------------------------- subjects


def subjects(fact: events.AnyFact) -> set[str]:
    return set(events.subjects(fact))


def test_a_fact_is_found_under_all_it_names():
    installed = ComponentInstalled(
        id=ID, event_time=TIME, source="ST40", by="Ann", product="BX", serial="7", position="left",
        component_product="piston", component_serial="P9", component_lot="L3", container="BOX-1", station="p/s/a/l/4",
    )  # fmt: skip
    assert subjects(installed) == {
        "type:component_installed.v1", "source:ST40", "person:Ann", "unit:BX/7", "unit:piston/P9", "lot:piston/L3",
        "container:BOX-1", "station:p/s/a/l/4",
    }  # fmt: skip
    split = GOLDEN[3][0]
    assert {"lot:ring/L1", "lot:ring/L1a", "lot:ring/L1b"} <= subjects(split)


def test_two_products_never_share_a_key():
    pairs = [("A/B", "C"), ("A", "B/C"), ("A%2FB", "C"), ("A%2fB", "C"), ("A%B", "C"), (None, "A/B/C"), ("", "C")]
    assert len({events.unit_key(*pair) for pair in pairs}) == len(pairs)
    assert len({events.lot_key(*pair) for pair in pairs}) == len(pairs)
    assert events.unit_key("A/B", "C/D") == "unit:A%2FB/C/D"
    assert events.unit_key("100%", "1") == "unit:100%25/1"


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_keys_are_equal_only_for_equal_units(product, serial, other_product, other_serial):
    same = (product, serial) == (other_product, other_serial)
    assert (events.unit_key(product, serial) == events.unit_key(other_product, other_serial)) == same


def test_a_correction_is_found_under_what_it_corrects_and_what_now_holds():
    replacement = OperationReported(
        id=ID, event_time=TIME, start_time=TIME, source="office", operation="hone", kind="setup", order="O-1"
    )
    correction = CorrectionMade(
        id=OTHER_ID, event_time=TIME, source="desk", corrects=ID, reason="incorrect_data", replacement=replacement
    )
    assert subjects(correction) == {"type:correction_made.v1", "source:desk", f"fact:{ID}", "order:O-1"}


def test_a_rejection_is_found_under_its_adapter():
    fact = events.rejection("gateway", b"x", "no", TIME)
    assert isinstance(fact, MessageRejected)
    assert "adapter:gateway" in subjects(fact)


def test_facts_are_immutable():
    fact = GOLDEN[0][0]
    with pytest.raises(AttributeError):
        fact.source = "other"  # type: ignore[misc]
    assert isinstance(fact, msgspec.Struct)
