"""What every adapter promises, as tests: a package with an adapter of its own subclasses `AdapterContract`.

    class TestMine(AdapterContract):
        module = mine                                               # the adapter: a module or a package
        vectors = Path(__file__).parent / "vectors" / "mine"        # a folder for each case

A case is a folder with `config.toml` (the adapter's settings), `in.*` (a file it reads, or recorded `in.messages` of
`asbuilt record`) and `facts.jsonl`: what it must become, a line each, `{"line":N,"rejected":"WHY"}` where it is none. Where
`facts.jsonl` is missing, the failing test prints what would stand in it.
"""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.adapters import Message, Rejection, Taken
from asbuilt.connect import messages as recordings
from asbuilt.testing.strategies import UNHURRIED

NAME = "vectors"
HOSTILE = [
    b"", b"\0", b"\xff" * 100, b"[", b"{", b'"', b"[" * 100_000, b'{"a":' * 20_000, b"," * 10_000, b"\n" * 10_000,
    b"\xef\xbb\xbf", b"NaN", b"1e999", b'{"type":"counted.v1"}', "\u202e".encode(), b"A" * 200_000,
]  # fmt: skip
"""Messages that nobody means."""

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


class Case(NamedTuple):
    """Recorded messages of an adapter, and what they must become."""

    module: ModuleType
    config: Any
    messages: list[Message]
    expected: list[bytes]


def case(module: ModuleType, folder: Path) -> Case:
    """The case in a folder."""
    config = msgspec.convert(tomllib.loads((folder / "config.toml").read_text()), module.Config)
    (source,) = folder.glob("in.*")
    if source.suffix == ".messages":
        messages = [recorded.message for recorded in recordings.read(source)]
    else:
        messages = list(module.read(source, config)) if hasattr(module, "read") else [Message(source.read_bytes())]
    facts = folder / "facts.jsonl"
    return Case(module, config, messages, facts.read_bytes().splitlines() if facts.exists() else [])


def written(item: Taken) -> bytes:
    """An item as a line of `facts.jsonl`."""
    if isinstance(item, Rejection):
        return msgspec.json.encode({"line": item.line, "rejected": item.reason})
    return events.encode(item)


def translated(found: Case) -> list[Taken]:
    """What the messages of a case become."""
    translate = found.module.translator(found.config, NAME)
    return [item for message in found.messages for item in translate(message)]


class AdapterContract:
    """The promises of an adapter: its form, its settings, and that translating is pure and never fails."""

    module: ClassVar[ModuleType]
    vectors: ClassVar[Path]

    def folders(self) -> list[Path]:
        """The folders of its cases."""
        return sorted(path for path in self.vectors.glob("*") if path.is_dir())

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test of recorded messages is one for each case."""
        if "found" in metafunc.fixturenames:
            folders = self.folders()
            metafunc.parametrize(
                "found", [case(self.module, path) for path in folders], ids=[path.name for path in folders]
            )
        if "body" in metafunc.fixturenames:
            metafunc.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))

    def test_it_has_recorded_messages(self) -> None:
        assert self.folders(), f"add {self.vectors}/CASE/"

    def test_recorded_messages_become_these_facts(self, found: Case) -> None:
        became = [written(item) for item in translated(found)]
        assert found.expected or not became, "facts.jsonl is empty; it would say:\n" + b"\n".join(became).decode()
        assert became == found.expected

    def test_translating_is_pure(self, found: Case) -> None:
        once = [written(item) for item in translated(found)]
        assert [written(item) for item in translated(found)] == once
        # The same translator again, and from the last message to the first: nothing is remembered.
        translate = found.module.translator(found.config, NAME)
        for _ in range(2):
            by_message = [[written(item) for item in translate(message)] for message in reversed(found.messages)]
            assert [line for lines in reversed(by_message) for line in lines] == once

    def test_ids_are_those_of_the_message_and_the_source(self, found: Case) -> None:
        mine, others = translated(found), found.module.translator(found.config, "other")
        again = [item for message in found.messages for item in others(message)]
        for item, other in zip(mine, again, strict=True):
            if isinstance(item, Rejection):
                assert item == other
            elif item.source == NAME:
                assert item.id != other.id, "two sources must not share ids that are made here"
            else:
                assert item.id == other.id

    def test_what_comes_out_can_be_recorded(self, found: Case) -> None:
        for item in translated(found):
            if isinstance(item, Rejection):
                assert isinstance(item.message, bytes)
                assert item.reason
            else:
                assert events.decode(events.encode(item)) == item

    def test_the_settings_are_found_right(self, found: Case) -> None:
        assert list(found.module.check(found.config, NAME)) == []

    def test_no_message_makes_it_raise(self) -> None:
        folders = self.folders()

        @UNHURRIED
        @given(data=st.data())
        def holds(data: st.DataObject) -> None:
            found = case(self.module, data.draw(st.sampled_from(folders)))
            message = data.draw(st.sampled_from(found.messages))
            body = _damaged(message.data, data)
            for item in found.module.translator(found.config, NAME)(message._replace(data=body)):
                if isinstance(item, Rejection):
                    assert item.reason
                    assert item.message in body
                    events.encode(events.rejection(NAME, item.message, item.reason, _time(found)))
                else:
                    events.decode(events.unchecked_bytes(item))

        holds()

    def test_hostile_messages_become_rejections(self, found: Case, body: bytes) -> None:
        translate = found.module.translator(found.config, NAME)
        for item in translate(found.messages[0]._replace(data=body)):
            assert isinstance(item, Rejection)
            assert item.reason

    def test_an_adapter_has_the_form_of_one(self) -> None:
        module, kind = self.module, self.module.KIND
        assert inspect.getdoc(module), "the module's docstring is its documentation page"
        assert kind == module.__name__.rpartition(".")[2] or not module.__name__.startswith("asbuilt.adapters")
        assert hasattr(module, "read") or inspect.iscoroutinefunction(getattr(module, "listen", None))
        config = module.Config.__struct_config__
        assert config.frozen
        assert config.forbid_unknown_fields
        assert inspect.getdoc(module.Config)

    def test_options_have_canonical_names_and_are_explained(self) -> None:
        module, page = self.module, self.module.__doc__ or ""
        for name in module.Config.__struct_encode_fields__:
            assert name not in BETTER_NAMES, f"call it {BETTER_NAMES.get(name)!r}, as the other adapters do"
            assert name not in FOR_EVERY_ADAPTER, f"{name!r} belongs to every adapter of the plant file"
            assert name == name.lower()
            documented = f"{name} =" in page or f"`{name}" in page or f".{name}" in page
            assert documented, f"explain the option `{name}` in the docstring of {module.__name__}"


def _damaged(message: bytes, data: st.DataObject) -> bytes:
    body = bytearray(message)
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
    return bytes(body)


def _time(found: Case) -> Any:
    facts = [item for item in translated(found) if not isinstance(item, Rejection)]
    return facts[0].event_time
