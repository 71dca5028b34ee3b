"""`POST /facts`: every sender gets a clear answer, every fact its result, and nothing crashes.

The adapter is driven through its ASGI answer with a sink that stands for the pipeline. Tokens are
checked by what mounts it: see tests/web.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from asbuilt import adapters, events
from asbuilt.adapters import Answer, Message, Rejection, Result, Taken, http
from asbuilt.app import AsBuilt
from asbuilt.errors import RecordError, RecordFull
from tests.conftest import NOW

ENVELOPE = {"event_time": "2026-06-01T07:30:00Z", "source": "gateway"}


def fact(number: int, **more: Any) -> dict[str, Any]:
    base = {
        "type": "state_changed.v1",
        "id": str(UUID(int=number)),
        **ENVELOPE,
        "station": "p/s/a/l/1",
        "state": "Idle",
    }
    return {**base, **more}


def ndjson(*items: dict[str, Any] | bytes) -> bytes:
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)


class FakeSink:
    """Records in a product in memory and remembers what was asked of it."""

    name = "gateway"

    def __init__(self, app: AsBuilt) -> None:
        self.app = app
        self.mounted: dict[str, tuple[Answer, bool]] = {}
        self.heard: list[str] = []
        self.error: Exception | None = None
        self.items: list[Taken] = []

    async def take_in(self, items: Sequence[Taken], *, decoded: bool = False) -> list[Result]:
        if self.error is not None:
            raise self.error
        self.items.extend(items)
        return self.app.take_in(items, self.name)

    def alive(self, source: str) -> None:
        self.heard.append(source)

    def mount(self, path: str, answer: Answer, *, open_to_all: bool = False) -> None:
        self.mounted[path] = (answer, open_to_all)


class Door:
    """The mounted adapter, as a sender meets it."""

    def __init__(self, app: AsBuilt, **settings: Any) -> None:
        self.sink = FakeSink(app)
        self.app = app
        asyncio.run(http.listen(http.Config(**settings), self.sink))

    def send(
        self, body: bytes, *, method: str = "POST", headers: dict[str, str] | None = None, chunk: int = 1 << 20
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, content and headers of the answer."""
        ((answer, _),) = self.sink.mounted.values()
        parts = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]
        incoming = [
            {"type": "http.request", "body": part, "more_body": number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        outgoing: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            outgoing.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": "/facts",
            "headers": [(key.lower().encode(), value.encode()) for key, value in (headers or {}).items()],
        }
        asyncio.run(answer(scope, receive, send))
        start, content = outgoing
        told = {key.decode(): value.decode() for key, value in start["headers"]}
        assert int(told["content-length"]) == len(content["body"])
        assert told["content-type"] == "application/json"
        return start["status"], json.loads(content["body"]), told

    def recorded(self) -> list[events.AnyFact]:
        return [events.decode(found.body) for found in self.app.record.read()]

    def rejections(self) -> list[events.MessageRejected]:
        return [found for found in self.recorded() if isinstance(found, events.MessageRejected)]


@pytest.fixture
def door(app: AsBuilt) -> Door:
    return Door(app)


def counts(content: dict[str, Any]) -> tuple[int, int, int, int]:
    return content["accepted"], content["duplicate"], content["conflict"], content["rejected"]


# --------------------------------------------------------------------------- what is taken in


@pytest.mark.parametrize("form", ["ndjson", "ndjson with an end", "ndjson with CRLF", "array", "spaced array"])
def test_facts_in_every_form(door, form):
    items = [fact(1), fact(2)]
    body = {
        "ndjson": ndjson(*items),
        "ndjson with an end": ndjson(*items) + b"\n",
        "ndjson with CRLF": ndjson(*items).replace(b"\n", b"\r\n") + b"\r\n",
        "array": json.dumps(items).encode(),
        "spaced array": b" \n\t" + json.dumps(items, indent=4).encode() + b"\n",
    }[form]
    status, content, _ = door.send(body)
    assert (status, counts(content)) == (200, (2, 0, 0, 0))
    assert content["results"] == [
        {"line": 1, "status": "accepted", "id": str(UUID(int=1))},
        {"line": 2, "status": "accepted", "id": str(UUID(int=2))},
    ]
    assert len(door.recorded()) == 2


def test_the_same_body_again_is_all_duplicates(door):
    body = ndjson(fact(1), fact(2))
    door.send(body)
    status, content, _ = door.send(body)
    assert (status, counts(content)) == (200, (0, 2, 0, 0))


def test_each_fact_has_its_result(door):
    door.send(ndjson(fact(1)))
    body = ndjson(fact(2), fact(1), fact(1, state="Held"), fact(3, state="Runing"), b"junk", fact(2))
    status, content, _ = door.send(body)
    assert (status, counts(content)) == (200, (1, 2, 1, 2))
    assert [one["status"] for one in content["results"]] == [
        "accepted", "duplicate", "conflict", "rejected", "rejected", "duplicate",
    ]  # fmt: skip
    assert [one["line"] for one in content["results"]] == [1, 2, 3, 4, 5, 6]
    assert "Runing" in content["results"][3]["reason"]


def test_lines_are_those_of_the_body_also_where_some_are_blank(door):
    _, content, _ = door.send(b"\n\n" + ndjson(fact(1)) + b"\n  \n" + ndjson(b"junk", fact(2)))
    assert [(one["line"], one["status"]) for one in content["results"]] == [
        (3, "accepted"),
        (5, "rejected"),
        (6, "accepted"),
    ]


def test_the_same_rejected_bytes_are_recorded_once(door):
    for _ in range(3):
        status, content, _ = door.send(ndjson(b'{"type": 1}', fact(1), b'{"type": 1}'))
        assert (status, content["rejected"]) == (200, 2)
    assert [found.message for found in door.rejections()] == [b'{"type": 1}']


@pytest.mark.parametrize("body", [b"", b"\n", b"  \r\n\n", b"[]", b" [ ] "])
def test_an_empty_body_says_that_the_source_is_alive(door, body):
    status, content, _ = door.send(body)
    assert (status, counts(content)) == (200, (0, 0, 0, 0))
    assert door.sink.heard == ["gateway"]
    assert door.recorded() == []


def test_a_body_in_small_pieces(door):
    status, content, _ = door.send(ndjson(fact(1), fact(2)), chunk=7)
    assert (status, content["accepted"]) == (200, 2)


def test_an_unknown_type_is_kept(door):
    _, content, _ = door.send(ndjson(fact(1, type="state_changed.v7", extra=[1])))
    assert content["accepted"] == 1
    (kept,) = door.recorded()
    assert isinstance(kept, events.Unknown)
    assert kept.content["extra"] == [1]


def test_an_unknown_station_is_no_matter_here(door):
    # The plant file may come after the facts; the line view shows what it knows.
    assert door.send(ndjson(fact(1, station="nowhere")))[1]["accepted"] == 1


def test_what_the_plant_itself_writes_is_not_taken_from_outside(door):
    rejected = json.loads(events.encode(events.rejection("gateway", b"x", "no", NOW)))
    plant = {"type": "plant_defined.v1", "id": str(UUID(int=5)), **ENVELOPE, "digest": "0" * 64, "text": "[plant]"}
    _, content, _ = door.send(ndjson(rejected, plant))
    assert content["rejected"] == 2
    assert all("written by the plant itself" in one["reason"] for one in content["results"])


def test_no_fact_is_recorded_under_an_id_that_a_rejection_may_need(door):
    """Ids of rejections follow from their bytes, so a sender could take one away beforehand."""
    taken_id = events.rejection("gateway", b"junk", "no", NOW).id
    door.send(ndjson(fact(1, id=str(taken_id))))
    door.send(b"junk")
    assert [found.message for found in door.rejections() if found.message == b"junk"] == [b"junk"]


# --------------------------------------------------------------------------- what is not a fact

BAD = {
    "not JSON": b"junk",
    "a number": b"7",
    "a string": b'"fact"',
    "torn": ndjson(fact(1))[:-2],
    "two on one line": ndjson(fact(1)) + b" " + ndjson(fact(1)),
    "NaN": ndjson(fact(1, state=0)).replace(b'"state": 0', b'"state": NaN'),
    "Infinity": ndjson(fact(1, type="later.v1", x=0)).replace(b'"x": 0', b'"x": Infinity'),
    "not UTF-8": ndjson(fact(1)).replace(b"gateway", b"\xff\xfe"),
    "UTF-16": ndjson(fact(1)).decode().encode("utf-16-le").replace(b"\n", b""),
    "a byte order mark": b"\xef\xbb\xbf" + ndjson(fact(1)),
    "a control character": ndjson(fact(1, source="a\x00b")),
    "a control character in a word": ndjson(fact(1, state="Ru\x01n")),
    "a control character in a name of a field": ndjson(fact(1, **{"a\x01": 1})),
    "a direction character": ndjson(fact(1, station="a\u202eb")),
    "a direction character in a word": ndjson(fact(1, state="a\u202eb")),
    "a lone surrogate": ndjson(fact(1, source="\ud800")),
    "deeply nested": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "deeply nested in an unknown type": ndjson(fact(1, type="later.v1", x=0)).replace(
        b'"x": 0', b'"x": ' + b"[" * 900 + b'"\\n"' + b"]" * 900
    ),
    "a huge number": ndjson(fact(1, type="later.v1", x=0)).replace(b'"x": 0', b'"x": ' + b"9" * 30_000),
    "long": ndjson(fact(1, message="x" * 70_000)),
    "a clock years ahead": ndjson(fact(1, event_time="2031-01-01T00:00:00Z")),
    "a clock before clocks": ndjson(fact(1, event_time="1900-01-01T00:00:00Z")),
    "no offset": ndjson(fact(1, event_time="2026-06-01T07:30:00")),
    "negative": ndjson({"type": "counted.v1", "id": str(UUID(int=1)), **ENVELOPE, "station": "s", "good": -1}),
    "absurd": ndjson({"type": "counted.v1", "id": str(UUID(int=1)), **ENVELOPE, "station": "s", "good": 10**10}),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_line_is_rejected_and_recorded_and_the_rest_taken_in(door, bad):
    status, content, _ = door.send(ndjson(fact(8), bad, fact(9)))
    assert (status, counts(content)) == (200, (2, 0, 0, 1))
    assert [(one["line"], one["status"]) for one in content["results"]] == [
        (1, "accepted"),
        (2, "rejected"),
        (3, "accepted"),
    ]
    assert content["results"][1]["reason"]
    (found,) = door.rejections()
    assert found.adapter == "gateway"
    assert found.message
    before = len(door.recorded())
    assert counts(door.send(ndjson(fact(8), bad, fact(9)))[1]) == (0, 2, 0, 1)
    assert len(door.recorded()) == before


ELEMENTS = {name: bad for name, bad in BAD.items() if name in (
    "a number", "a string", "a control character", "a direction character", "deeply nested in an unknown type",
    "a huge number", "long", "a clock years ahead", "no offset", "negative", "absurd",
)}  # fmt: skip


@pytest.mark.parametrize("bad", ELEMENTS.values(), ids=ELEMENTS)
def test_a_bad_element_is_rejected_and_the_rest_of_the_array_taken_in(door, bad):
    body = b"[" + ndjson(fact(8)) + b"," + bad + b"," + ndjson(fact(9)) + b"]"
    status, content, _ = door.send(body)
    assert (status, counts(content)) == (200, (2, 0, 0, 1))
    assert len(door.rejections()) == 1


BAD_ARRAYS = {
    "torn": json.dumps([fact(1)]).encode()[:-1],
    "junk behind": json.dumps([fact(1)]).encode() + b"junk",
    "not UTF-8": json.dumps([fact(1)]).encode().replace(b"gateway", b"\xff\xfe"),
    "deeply nested": b"[" * 100_000 + b"]" * 100_000,
    "deeply nested and torn": b"[" * 1_000_000,
    "a trailing comma": b"[" + ndjson(fact(1)) + b",]",
}


@pytest.mark.parametrize("body", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_array_that_is_not_one_is_refused_and_recorded(door, body):
    status, content, _ = door.send(body)
    assert status in (200, 400)
    assert content.get("rejected", 1) >= 1
    assert not any(isinstance(found, events.StateChanged) for found in door.recorded())
    (found,) = door.rejections()
    assert found.size in (len(body), len(body) - 2)
    if status == 400:
        assert content["error"]
        assert content["remedy"]


# --------------------------------------------------------------------------- gzip

GZIP = {"content-encoding": "gzip"}


def test_a_gzip_body(door):
    status, content, _ = door.send(gzip.compress(ndjson(fact(1), fact(2))), headers=GZIP)
    assert (status, content["accepted"]) == (200, 2)


def test_every_member_of_a_gzip_body_is_read(door):
    """`cat a.gz b.gz` is a gzip file of two members; the second must not be lost behind a 200."""
    body = gzip.compress(ndjson(fact(1)) + b"\n") + gzip.compress(ndjson(fact(2)) + b"\n")
    status, content, _ = door.send(body, headers=GZIP)
    assert (status, content["accepted"]) == (200, 2)


BAD_GZIP = {
    "truncated": gzip.compress(ndjson(*(fact(n) for n in range(1, 50))))[:-20],
    "one byte short": gzip.compress(ndjson(fact(1)))[:-1],
    "not gzip": ndjson(fact(1)),
    "zlib": zlib.compress(ndjson(fact(1))),
    "wrong checksum": gzip.compress(ndjson(fact(1)))[:-8] + bytes(8),
    "junk behind": gzip.compress(ndjson(fact(1))) + b"junk",
    "a torn second member": gzip.compress(ndjson(fact(1))) + gzip.compress(ndjson(fact(2)))[:-9],
    "only a beginning": b"\x1f\x8b",
}


@pytest.mark.parametrize("body", BAD_GZIP.values(), ids=BAD_GZIP)
def test_a_bad_gzip_body_is_refused_whole_and_recorded_once(door, body):
    for _ in range(2):
        status, content, _ = door.send(body, headers=GZIP)
        assert status == 400
        assert content["error"]
        assert content["remedy"]
    (found,) = door.recorded()
    assert isinstance(found, events.MessageRejected)
    assert found.message == body


def test_a_gzip_bomb_is_refused_and_stays_small(door):
    bomb = gzip.compress(bytes(200_000_000), compresslevel=9)
    assert len(bomb) < 300_000
    tracemalloc.start()
    status, content, _ = door.send(bomb, headers=GZIP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000
    assert status == 400
    assert "unpacks to more than 67,108,864 bytes" in content["error"]


def test_many_small_gzip_members_are_one_bomb(door):
    body = gzip.compress(bytes(10_000_000)) * 20
    status, content, _ = door.send(body, headers=GZIP)
    assert status == 400
    assert "unpacks to more than" in content["error"]


def test_another_encoding_is_refused(door):
    status, content, _ = door.send(ndjson(fact(1)), headers={"content-encoding": "br"})
    assert status == 415
    assert "br" in content["error"]
    assert door.recorded() == []


def test_no_encoding_may_be_said(door):
    assert door.send(ndjson(fact(1)), headers={"content-encoding": "identity"})[0] == 200


# --------------------------------------------------------------------------- bounds


def test_a_body_of_fifty_megabytes_is_refused(door):
    status, content, _ = door.send(b"x" * 50_000_000)
    assert status == 413
    assert "longer than 16,777,216 bytes" in content["error"]
    assert content["remedy"]
    assert door.recorded() == []


def test_a_line_of_ten_megabytes_is_one_rejection(door):
    status, content, _ = door.send(ndjson(fact(1), b"x" * 10_000_000, fact(2)))
    assert (status, counts(content)) == (200, (2, 0, 0, 1))
    (found,) = door.rejections()
    assert found.size == 10_000_000
    assert len(found.message) == events.MAX_REJECTED_BYTES


def test_too_many_facts_are_refused_before_they_are_looked_at(door):
    """Eight million lines of nothing must not hold up the plant's other senders."""
    began = time.process_time()
    status, content, _ = door.send(b"1\n" * 8_000_000)
    assert status == 413
    assert "limit is 50,000" in content["error"]
    assert time.process_time() - began < 3
    assert door.recorded() == []


def test_fifty_thousand_facts_are_not_too_many(door):
    body = ndjson(*[fact(n) for n in range(1, http.MAX_FACTS + 1)])
    status, content, _ = door.send(gzip.compress(body, compresslevel=1), headers=GZIP)
    assert (status, content["accepted"]) == (200, http.MAX_FACTS)
    assert door.send(body[:-50] + b"\n" + ndjson(fact(99_999), fact(99_998)))[0] == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post(door, method):
    status, content, _ = door.send(ndjson(fact(1)), method=method)
    assert status == 405
    assert content["remedy"]
    assert door.recorded() == []


def test_a_sender_that_breaks_off_records_nothing(door):
    ((answer, _),) = door.sink.mounted.values()
    incoming = [{"type": "http.request", "body": ndjson(fact(1)), "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        return

    asyncio.run(answer({"type": "http", "method": "POST", "headers": []}, receive, send))
    assert door.recorded() == []


# --------------------------------------------------------------------------- the record cannot take it


@pytest.mark.parametrize("body", [ndjson(fact(1)), b"[torn"], ids=["facts", "no facts"])
def test_a_full_record_says_come_again(door, body):
    door.sink.error = RecordFull("there is no room", remedy="Send them again in a few seconds.")
    status, content, headers = door.send(body)
    assert status == 503
    assert headers["retry-after"]
    assert content == {"error": "there is no room", "remedy": "Send them again in a few seconds."}


@pytest.mark.parametrize("body", [ndjson(fact(1)), b"[torn"], ids=["facts", "no facts"])
def test_a_broken_record_says_so(door, body):
    door.sink.error = RecordError("the disk is gone", remedy="Run `asbuilt doctor`.")
    status, content, _ = door.send(body)
    assert status == 500
    assert content["error"] == "the disk is gone"


# --------------------------------------------------------------------------- settings and translator


def test_the_path_and_the_door_are_those_of_the_settings(app):
    door = Door(app, path="/facts/gate-2", open=True)
    assert [(path, is_open) for path, (_, is_open) in door.sink.mounted.items()] == [("/facts/gate-2", True)]
    assert not next(iter(Door(app).sink.mounted.values()))[1], "without a word in the settings, a token is needed"


def test_the_translator_is_pure():
    translate = http.translator(http.Config(), "gateway")
    body = ndjson(fact(1), b"junk", fact(2, type="later.v1"))
    assert list(translate(Message(body))) == list(translate(Message(body)))
    kinds = [type(item).__name__ for item in translate(Message(body))]
    assert kinds == ["StateChanged", "Rejection", "Unknown"]


def test_results_tell_reasons():
    rejected = adapters.Result("rejected", None, "no", 3)
    told = msgspec.to_builtins(http._summary([3], [rejected]))
    assert told["results"] == [{"line": 3, "status": "rejected", "reason": "no"}]


def test_rejections_keep_the_bytes_of_the_line_alone():
    (item,) = http.translator(http.Config(), "gateway")(Message(b"[1]"))
    assert isinstance(item, Rejection)
    assert item.message == b"1"


def test_times_of_the_future_are_measured_by_the_plants_clock(door):
    soon = (NOW + dt.timedelta(hours=23)).isoformat()
    assert door.send(ndjson(fact(1, event_time=soon)))[1]["accepted"] == 1


def test_settings_are_strict():
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"paht": "/facts"}, http.Config)
