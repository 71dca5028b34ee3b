"""What no peer should send: recorded as rejected, within bounds, and the adapter lives."""

from __future__ import annotations

import gzip
import resource
import time
import tomllib
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.adapters import Message, Rejection, sparkplug
from asbuilt.adapters.mqtt.packets import Publish, Reader, publish_packet
from asbuilt.adapters.sparkplug import payload as wire
from asbuilt.adapters.sparkplug.host import Host
from asbuilt.adapters.sparkplug.host_results import Data
from asbuilt.adapters.sparkplug.payload import Metric, Payload
from asbuilt.adapters.sparkplug.protobuf import put_bytes, put_number, put_varint
from asbuilt.connect import messages as recordings
from asbuilt.connect.mapping import Memory
from asbuilt.errors import MalformedFact
from asbuilt.events import encode
from tests.conftest import ROOT
from tests.web.serving import allowed_s

CASE = ROOT / "tests/vectors/sparkplug/cell"


def config() -> sparkplug.Config:
    settings = tomllib.loads((CASE / "config.toml").read_text())
    return msgspec.convert(settings, sparkplug.Config)


def mutated(data: bytes, random: Random) -> bytes:
    body = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        how = random.randrange(5)
        at = random.randrange(len(body) + 1)
        if how == 0 and at < len(body):
            body[at] = random.randrange(256)
        elif how == 1:
            del body[at : at + random.randrange(1, 9)]
        elif how == 2:
            body[at:at] = random.randbytes(random.randrange(1, 9))
        elif how == 3:
            body[at:at] = put_varint(random.choice((1 << 30, 1 << 63, 255, 1 << 14)))
        elif body:
            start = random.randrange(len(body))
            body[at:at] = body[start : start + random.randrange(1, 40)]
    return bytes(body)


@pytest.mark.slow
def test_a_hundred_thousand_broken_payloads_break_nothing(app):
    random = Random(20260603)
    seeds = [recorded.message for recorded in recordings.read(CASE / "in.messages")]
    rules = sparkplug.Rules(config(), "fuzz")
    translate = sparkplug.translator(config(), "fuzz")
    host = Host(reorder_s=2.0)
    topics = [msgspec.json.decode(message.context)["topic"] for message in seeds]
    began, refused, taken, unwritable = time.monotonic(), 0, 0, []
    for number in range(100_000):
        seed = random.choice(seeds)
        data = mutated(seed.data, random)
        outcomes = [
            *host.receive(random.choice(topics), data, number / 1000),
            *(host.tick(number / 1000) if number % 50 == 0 else ()),
        ]
        items = [
            item for outcome in outcomes if isinstance(outcome, Data) for item in rules.taken(outcome, None, Memory())
        ]
        if number % 10 == 0:
            items += translate(seed._replace(data=data))
        for item in items:
            if isinstance(item, Rejection):
                refused += 1
                assert item.reason
            else:
                taken += 1
                try:
                    encode(item)
                except MalformedFact:
                    unwritable.append(item)
    # A name with a control character in it is a rejection of the pipeline's.
    assert {result.status for result in app.take_in(unwritable[:500], "fuzz")} <= {"rejected"}
    assert refused > 1_000
    assert taken > 1_000
    assert time.monotonic() - began < allowed_s(300)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    "payload",
    [
        put_bytes(2, put_bytes(1, "x") + put_bytes(17, put_number(1, 1 << 30))),
        put_bytes(2, put_bytes(1, "x") + put_bytes(17, put_number(1, 1 << 60) + put_bytes(2, "a") + put_number(3, 3))),
        put_bytes(2, put_bytes(1, "x") + put_number(4, 32) + put_bytes(16, b"\xff\xff\xff\x7f\x00")),
        put_varint(2 << 3 | 2) + put_varint(1 << 30) + b"x",
        put_bytes(2, put_bytes(1, "x") + put_varint(16 << 3 | 2) + put_varint(1 << 62)),
        put_bytes(4, wire.COMPRESSED) + put_bytes(5, gzip.compress(b"\0" * 200_000_000)),
        put_bytes(4, wire.COMPRESSED) + put_bytes(5, b"\x1f\x8bnothing"),
    ],
    ids=["columns", "columns and one", "truths", "length", "bytes", "bomb", "torn"],
)
def test_what_declares_a_gigabyte_is_refused_without_one(payload):
    before, began = peak_mb(), time.monotonic()
    with pytest.raises(ValueError, match=r"\w"):
        for metric in wire.decode(payload).metrics:
            wire.valued(metric, metric.datatype)
    assert peak_mb() - before < 200
    assert time.monotonic() - began < allowed_s(5)


def test_templates_do_not_nest_for_ever():
    inner = put_bytes(1, "t") + put_bytes(18, b"")
    for _ in range(1_000):
        inner = put_bytes(1, "t") + put_bytes(18, put_bytes(2, inner))
    metric = wire.decode(put_bytes(2, inner)).metrics[0]
    with pytest.raises(ValueError, match="nested"):
        wire.valued(metric, wire.TEMPLATE)


def test_a_hundred_thousand_metrics_in_one_birth():
    metrics = [
        Metric(name=f"Cell/Drive {n}/Temp", alias=n, timestamp=1_780_468_200_000 + n, datatype=wire.DOUBLE, value=n / 8)
        for n in range(100_000)
    ]
    data = wire.encode(Payload(timestamp=1_780_468_200_000, seq=0, metrics=metrics))
    host, began, before = Host(reorder_s=2.0), time.monotonic(), peak_mb()
    (birth,) = [o for o in host.receive("spBv1.0/Works/NBIRTH/Wide", data, 0.0) if isinstance(o, Data)]
    items = list(sparkplug.Rules(config(), "cells").taken(birth, None, Memory()))
    assert len(items) == 100_000
    assert not any(isinstance(item, Rejection) for item in items)
    assert time.monotonic() - began < allowed_s(30)
    assert peak_mb() - before < 600


def test_more_metrics_than_any_payload_has_are_refused():
    data = put_bytes(2, b"") * (wire.MAX_METRICS + 1)
    with pytest.raises(ValueError, match="more than 250,000 metrics"):
        wire.decode(data)


@given(st.binary(max_size=300), st.sampled_from([4, 5]))
def test_bytes_that_are_not_mqtt_only_end_the_connection(data, version):
    reader = Reader(version, 1_000)
    try:
        reader.feed(data)
    except ValueError as error:
        assert str(error)


@given(
    payloads=st.lists(st.binary(max_size=3_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=30),
    topic=st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
    version=st.sampled_from([4, 5]),
)
def test_messages_come_whole_however_they_are_cut(payloads, cuts, topic, version):
    stream = b"".join(publish_packet(version, topic, payload, 1, False, n + 1) for n, payload in enumerate(payloads))
    reader, found, at = Reader(version, 1_000), [], 0
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[at : at + cut])
        at += cut
    assert [packet.id for packet in found] == list(range(1, len(payloads) + 1))
    for packet, payload in zip(found, payloads, strict=True):
        assert isinstance(packet, Publish)
        assert (packet.topic, packet.size) == (topic, len(payload))
        assert packet.payload == payload[: 16 * 1024]


_values = st.one_of(
    st.tuples(st.just(wire.INT8), st.integers(-128, 127)), st.tuples(st.just(wire.INT16), st.integers(-(2**15), 2**15 - 1)),
    st.tuples(st.just(wire.INT32), st.integers(-(2**31), 2**31 - 1)), st.tuples(st.just(wire.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(wire.UINT8), st.integers(0, 255)), st.tuples(st.just(wire.UINT32), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(wire.UINT64), st.integers(0, 2**64 - 1)), st.tuples(st.just(wire.DOUBLE), st.floats(allow_nan=False)),
    st.tuples(st.just(wire.FLOAT), st.floats(width=32, allow_nan=False)), st.tuples(st.just(wire.BOOLEAN), st.booleans()),
    st.tuples(st.just(wire.STRING), st.text()), st.tuples(st.just(wire.BYTES), st.binary()),
)  # fmt: skip


@given(st.lists(st.tuples(st.text(min_size=1), _values)), st.integers(0, 255))
def test_payloads_read_back_as_they_were_written(members, seq):
    metrics = [Metric(name=name, datatype=datatype, value=value, timestamp=5) for name, (datatype, value) in members]
    payload = wire.decode(wire.encode(Payload(timestamp=7, seq=seq, metrics=metrics)))
    assert (payload.timestamp, payload.seq) == (7, seq)
    read = [(metric.name, wire.valued(metric, metric.datatype)) for metric in payload.metrics]
    for (name, (datatype, value)), (read_name, read_value) in zip(members, read, strict=True):
        assert name == read_name
        if datatype == wire.FLOAT:
            assert read_value == pytest.approx(value, rel=1e-6)
        else:
            assert read_value == value


def test_a_time_in_2100_is_recorded_as_a_rejection(app):
    metric = Metric(name="Oil/Temp", datatype=wire.DOUBLE, value=1.5, timestamp=4_102_444_800_000)
    context = '{"topic":"spBv1.0/G/NDATA/N","received":"2026-07-01T12:00:00Z"}'
    data = wire.encode(Payload(timestamp=4_102_444_800_000, seq=1, metrics=[metric]))
    (item,) = sparkplug.translator(config(), "cells")(Message(data, None, context))
    (result,) = app.take_in([item], "cells")
    assert result.status == "rejected"
    assert "ahead of the plant's clock" in result.reason


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 1000, b'{"a":1}'])
def test_the_translator_refuses_what_is_no_payload(body):
    translate = sparkplug.translator(config(), "cells")
    context = '{"topic":"spBv1.0/G/NDATA/N"}'
    assert all(isinstance(item, Rejection) for item in translate(Message(body, None, context)))
