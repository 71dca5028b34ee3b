"""`POST /facts` as the site mounts it: tokens, results, and what becomes of every byte."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from asbuilt import events
from asbuilt.adapters import http
from asbuilt.app import AsBuilt
from asbuilt.errors import RecordFull
from asbuilt.plant import parse
from tests.web.scripted import LINE, PLANT_TEXT, Told, at, shop


def fact(number: int, **more: Any) -> dict[str, Any]:
    told = {"type": "state_changed.v1", "id": str(UUID(int=number)), "event_time": "2026-06-03T08:20:00+02:00",
            "source": "left", "station": f"{LINE}/10", "state": "Held"}  # fmt: skip
    return {**told, **more}


def ndjson(*facts: Any) -> bytes:
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in facts)


@pytest.fixture
def app() -> Iterator[AsBuilt]:
    with shop() as product:
        yield product


def send(app: AsBuilt, body: bytes, adapter: str = "left", **headers: str) -> httpx.Response:
    token = {"authorization": f"Bearer {app.token(adapter)}"} if adapter else {}
    return app.client.post("/facts", content=body, headers={**token, **headers})


def statuses(answer: httpx.Response) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


# --------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic {token}",
        "Bearer {token}x",
        "bearer",
        "Bearer {token} {token}",
    ],
)
def test_without_the_right_token_nothing_is_taken(app, header):
    given = {} if header is None else {"authorization": header.format(token=app.token("left"))}
    recorded = app.record.head()
    answer = app.client.post("/facts", content=ndjson(fact(1)), headers=given)
    if header == "Basic {token}":
        assert answer.status_code == 401
    assert answer.status_code == 401
    assert answer.json()["error"] == "the token is missing or wrong"
    assert "asbuilt token" in answer.json()["remedy"]
    assert app.record.head() == recorded
    assert app.heard == {}


def test_the_token_says_who_speaks(app):
    send(app, b"", "right")
    assert set(app.heard) == {"right"}
    assert send(app, ndjson(fact(1), b"junk"), "right").status_code == 200
    app.pipeline.settle()
    assert [row.source for row in app.query("source.rejections")] == ["right"]


def test_tokens_of_adapters_differ(app):
    assert len({app.token(name) for name in ("left", "right", "office")}) == 3


def test_an_adapter_that_is_open_needs_no_token():
    plant = parse(PLANT_TEXT.replace('[adapter.office]\nkind = "http"', '[adapter.office]\nkind = "http"\nopen = true'))
    with shop(plant=plant) as app:
        assert send(app, ndjson(fact(1)), "").status_code == 200
        assert set(app.heard) == {"office", "left"}
        assert app.client.post("/facts", headers={"authorization": "Bearer wrong"}).status_code == 401


def test_an_adapter_answers_at_its_own_path_only():
    plant = parse(PLANT_TEXT.replace('[adapter.office]\nkind = "http"', '[adapter.office]\nkind = "http"\npath = "/facts/office"'))  # fmt: skip
    with shop(plant=plant) as app:
        mine = {"authorization": f"Bearer {app.token('office')}"}
        assert app.client.post("/facts", headers=mine).status_code == 401
        assert app.client.post("/facts/office", headers=mine).status_code == 200
        assert app.client.post("/facts/nowhere", headers=mine).status_code == 404


def test_a_plant_without_such_an_adapter_says_so(app):
    with AsBuilt(memory=True) as empty:
        answer = empty.client.post("/facts", content=b"x")
        assert answer.status_code == 404
        assert answer.json()["remedy"] == 'Add an adapter of kind "http" to the plant file.'


# --------------------------------------------------------------------------- results


def test_every_fact_has_its_result_and_is_on_the_page(app):
    gateways = Told(first=1_000)
    gateways.connect("05:30")
    app.take_in(gateways.facts)
    assert "Chuck open" not in app.client.get("/line/1").text
    later = fact(3, state="Execute", event_time="2026-06-03T08:25:00+02:00")
    answer = send(app, ndjson(fact(1, message="Chuck open"), b"{]", fact(2, state="Runing"), later))
    assert answer.status_code == 200
    assert statuses(answer) == ["accepted", "rejected", "rejected", "accepted"]
    told = answer.json()
    assert {name: told[name] for name in ("accepted", "duplicate", "conflict", "rejected")} == {
        "accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 2,
    }  # fmt: skip
    assert [result["line"] for result in told["results"]] == [1, 2, 3, 4]
    assert told["results"][0]["id"] == str(UUID(int=1))
    assert "Runing" in told["results"][2]["reason"]
    app.pipeline.settle()
    assert "Chuck open" in app.client.get("/line/1?at=2026-06-03T08:24").text
    assert "Execute" in app.client.get("/line/1").text
    assert app.record.get(UUID(int=1)) is not None
    rejections = app.query("source.rejections")
    assert {row.text for row in rejections} == {"{]", json.dumps(fact(2, state="Runing"))}
    assert "Invalid enum value" in app.client.get("/sources").text


def test_the_same_again_is_a_duplicate_and_other_content_a_conflict(app):
    send(app, ndjson(fact(1)))
    assert statuses(send(app, ndjson(fact(1), fact(1, state="Execute"), fact(1)))) == [
        "duplicate",
        "conflict",
        "duplicate",
    ]
    app.pipeline.settle()
    (conflict,) = app.query("source.rejections")
    assert conflict.conflict
    assert "Execute" in conflict.text
    (left,) = [row for row in app.query("source.list") if row.source == "left"]
    assert (left.facts, left.rejected, left.conflicts) == (1, 1, 1)


def test_an_array_and_gzip_are_taken_too(app):
    assert statuses(send(app, json.dumps([fact(1), fact(2)]).encode())) == ["accepted"] * 2
    packed = gzip.compress(ndjson(fact(3), fact(4)))
    assert statuses(send(app, packed, **{"content-encoding": "gzip"})) == ["accepted"] * 2


def test_an_empty_body_says_only_that_the_source_lives(app):
    recorded = app.record.head()
    assert send(app, b"").json() == {"accepted": 0, "duplicate": 0, "conflict": 0, "rejected": 0, "results": []}
    assert app.heard == {"left": at("08:30")}
    assert app.record.head() == recorded


def test_a_type_of_tomorrow_is_kept_and_shown_as_delivered(app):
    unknown = {"type": "dream_dreamt.v3", "id": str(UUID(int=9)), "event_time": "2026-06-03T08:00:00Z", "source": "left", "x": [1, {"y": None}]}  # fmt: skip
    assert statuses(send(app, ndjson(unknown))) == ["accepted"]
    kept = app.record.get(UUID(int=9))
    assert kept is not None
    assert json.loads(kept.body) == unknown
    app.pipeline.settle()
    assert [(row.type, row.facts) for row in app.query("source.types", source="left")] == [("dream_dreamt.v3", 1)]


def test_what_the_plant_itself_says_cannot_be_said_from_outside(app):
    told = fact(1, type="plant_defined.v1", digest="0" * 64, text="[plant]")
    del told["station"], told["state"]
    (result,) = send(app, ndjson(told)).json()["results"]
    assert (result["status"], result["reason"]) == ("rejected", "plant_defined.v1 is written by the plant itself")
    assert app.plant.name == "Pump works"


# --------------------------------------------------------------------------- what cannot be taken


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b"[", {}, "not a JSON array"),
        (b"[" * 100_000, {}, "not a JSON array"),
        (b"not gzip", {"content-encoding": "gzip"}, "the body is not gzip"),
        (gzip.compress(b"{}" * 1000, mtime=0)[:-9], {"content-encoding": "gzip"}, "ends too early"),
    ],
)
def test_a_body_that_cannot_be_read_is_kept_as_a_rejection(app, body, headers, error):
    answer = send(app, body, **headers)
    assert answer.status_code == 400
    assert error in answer.json()["error"]
    assert answer.json()["remedy"]
    app.pipeline.settle()
    assert error in app.query("source.rejections")[0].reason


def test_too_much_is_refused(app, monkeypatch):
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    assert send(app, b"x" * 1001).status_code == 413
    monkeypatch.setattr(http, "MAX_FACTS", 2)
    assert send(app, b"1\n2\n3").status_code == 413
    assert send(app, b"x", **{"content-encoding": "br"}).status_code == 415
    assert app.client.get("/facts", headers={"authorization": f"Bearer {app.token('left')}"}).status_code == 405


def test_a_fact_that_is_too_long_is_rejected_alone(app):
    answer = send(app, ndjson(fact(1, message="x" * events.MAX_FACT_BYTES), fact(2)))
    assert statuses(answer) == ["rejected", "accepted"]


def test_a_full_disk_asks_to_come_again(app, monkeypatch):
    def full(*_: Any, **__: Any) -> Any:
        raise RecordFull("no room", remedy="Make room.")

    monkeypatch.setattr(app.pipeline, "take_in", full)
    answer = send(app, ndjson(fact(1)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json() == {"error": "no room", "remedy": "Make room."}


# --------------------------------------------------------------------------- being heard


def test_who_delivers_for_others_is_heard_itself(app):
    send(app, ndjson(fact(1, source="PLC 7")), "left")
    assert app.heard == {"left": at("08:30")}


def test_facts_of_another_adapter_are_a_sign_of_life_of_it(app):
    send(app, ndjson(fact(1, source="right")), "left")
    assert set(app.heard) == {"left", "right"}


def test_names_of_senders_do_not_pile_up(app):
    send(app, ndjson(*(fact(number, source=f"sender {number}") for number in range(1, 200))))
    assert set(app.heard) == {"left"}
