"""What every adapter promises, held against every adapter that is found and its recorded messages."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import adapters, events
from asbuilt.adapters import Message, Rejection, Taken
from asbuilt.connect import messages as recordings

VECTORS = Path(__file__).parent.parent / "vectors"
ADAPTERS = adapters.discover()
NAME = "vectors"


class Case(NamedTuple):
    """Recorded messages of an adapter, and what they must become."""

    module: ModuleType
    config: Any
    messages: list[Message]
    expected: list[bytes]


def case(folder: Path) -> Case:
    module = ADAPTERS[folder.parent.name]
    settings = tomllib.loads((folder / "config.toml").read_text())
    config = msgspec.convert(settings, module.Config)
    (source,) = folder.glob("in.*")
    if source.suffix == ".messages":
        messages = [recorded.message for recorded in recordings.read(source)]
    else:
        messages = list(module.read(source, config)) if hasattr(module, "read") else [Message(source.read_bytes())]
    expected = (folder / "facts.jsonl").read_bytes().splitlines()
    return Case(module, config, messages, expected)


FOLDERS = sorted(path for path in VECTORS.glob("*/*") if path.is_dir())
CASES = {f"{path.parent.name}/{path.name}": path for path in FOLDERS}


@pytest.fixture(params=CASES.values(), ids=CASES)
def vectors(request: pytest.FixtureRequest) -> Case:
    return case(request.param)


def written(item: Taken) -> bytes:
    """An item as a line of `facts.jsonl`."""
    if isinstance(item, Rejection):
        return msgspec.json.encode({"line": item.line, "rejected": item.reason})
    return events.encode(item)


def translated(found: Case) -> list[Taken]:
    translate = found.module.translator(found.config, NAME)
    return [item for message in found.messages for item in translate(message)]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_adapter_has_recorded_messages(kind):
    assert [path for path in FOLDERS if path.parent.name == kind], f"add tests/vectors/{kind}/<case>/"


def test_recorded_messages_become_these_facts(vectors):
    assert [written(item) for item in translated(vectors)] == vectors.expected


def test_translating_is_pure(vectors):
    once = [written(item) for item in translated(vectors)]
    assert [written(item) for item in translated(vectors)] == once
    # The same translator again, and from the last message to the first: nothing is remembered.
    translate = vectors.module.translator(vectors.config, NAME)
    for _ in range(2):
        by_message = [[written(item) for item in translate(message)] for message in reversed(vectors.messages)]
        assert [line for lines in reversed(by_message) for line in lines] == once


def test_ids_are_those_of_the_message_and_the_source(vectors):
    mine, others = translated(vectors), vectors.module.translator(vectors.config, "other")
    again = [item for message in vectors.messages for item in others(message)]
    for item, other in zip(mine, again, strict=True):
        if isinstance(item, Rejection):
            assert item == other
        elif item.source == NAME:
            assert item.id != other.id, "two sources must not share ids that are made here"
        else:
            assert item.id == other.id


def test_what_comes_out_can_be_recorded(vectors):
    for item in translated(vectors):
        if isinstance(item, Rejection):
            assert isinstance(item.message, bytes)
            assert item.reason
        else:
            assert events.decode(events.encode(item)) == item


def test_the_settings_are_found_right(vectors):
    assert list(vectors.module.check(vectors.config, NAME)) == []


@given(data=st.data())
def test_no_message_makes_it_raise(data):
    found = case(data.draw(st.sampled_from(FOLDERS)))
    message = data.draw(st.sampled_from(found.messages))
    body = bytearray(message.data)
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "replace", "repeat"]))
    if how == "cut":
        body = body[: data.draw(st.integers(0, len(body)))]
    elif how == "replace":
        body = bytearray(data.draw(st.binary(max_size=100)))
    elif how == "repeat":
        body *= data.draw(st.integers(2, 50))
    elif body:
        at = data.draw(st.integers(0, len(body) - 1))
        if how == "flip":
            body[at] = data.draw(st.integers(0, 255))
        else:
            body[at:at] = data.draw(st.binary(max_size=8))
    translate = found.module.translator(found.config, NAME)
    for item in translate(message._replace(data=bytes(body))):
        if isinstance(item, Rejection):
            assert item.reason
            assert item.message in bytes(body)
            events.encode(events.rejection(NAME, item.message, item.reason, _time(found)))
        else:
            events.decode(events.unchecked_bytes(item))


def _time(found: Case) -> Any:
    facts = [item for item in translated(found) if not isinstance(item, Rejection)]
    return facts[0].event_time


HOSTILE = [
    b"", b"\0", b"\xff" * 100, b"[", b"{", b'"', b"[" * 100_000, b'{"a":' * 20_000, b"," * 10_000, b"\n" * 10_000,
    b"\xef\xbb\xbf", b"NaN", b"1e999", b'{"type":"counted.v1"}', "\u202e".encode(), b"A" * 200_000,
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_messages_become_rejections(vectors, body):
    translate = vectors.module.translator(vectors.config, NAME)
    for item in translate(vectors.messages[0]._replace(data=body)):
        assert isinstance(item, Rejection)
        assert item.reason


# --------------------------------------------------------------------------- the form of an adapter

BETTER_NAMES = {
    "timezone": "zone", "time_zone": "zone", "tz": "zone",
    "delimiter": "separator", "sep": "separator", "charset": "encoding",
    "filename": "path", "file": "path", "url": "address", "uri": "address", "hostname": "host",
    "username": "user", "timeout": "timeout_s", "interval": "every_s", "period": "every_s", "max_size": "bytes_max",
    "mapping": "columns", "timestamp": "event_time", "ts": "event_time", "type": "fact", "event": "fact",
}  # fmt: skip
"""One word for one thing in every adapter's settings."""
FOR_EVERY_ADAPTER = {"kind", "title", "fresh_s", "response"}
"""Keys that the plant file itself takes."""


@pytest.mark.parametrize("kind", ADAPTERS)
def test_an_adapter_has_the_form_of_one(kind):
    module = ADAPTERS[kind]
    assert inspect.getdoc(module), "the module's docstring is its documentation page"
    assert kind == module.__name__.rpartition(".")[2] or not module.__name__.startswith("asbuilt.adapters")
    assert hasattr(module, "read") or inspect.iscoroutinefunction(getattr(module, "listen", None))
    config = module.Config.__struct_config__
    assert config.frozen
    assert config.forbid_unknown_fields
    assert inspect.getdoc(module.Config)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_options_have_canonical_names_and_are_explained(kind):
    module = ADAPTERS[kind]
    for name in module.Config.__struct_encode_fields__:
        assert name not in BETTER_NAMES, f"call it {BETTER_NAMES.get(name)!r}, as the other adapters do"
        assert name not in FOR_EVERY_ADAPTER, f"{name!r} belongs to every adapter of the plant file"
        assert name == name.lower()
        documented = f"{name} =" in module.__doc__ or f"`{name}" in module.__doc__ or f".{name}" in module.__doc__
        assert documented, f"explain the option `{name}` in the docstring of {module.__name__}"


def test_discovery_is_in_order_of_kind():
    assert list(ADAPTERS) == sorted(ADAPTERS)
    assert {"csv_file", "http"} <= set(ADAPTERS)
