"""Acts at pages: durable before they are answered, ours only, without doubles, bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import MalformedFact
from asbuilt.events import NoteWritten
from asbuilt.web import acting
from asbuilt.web.acting import Act, Action, Refused
from tests.web.scripted import PLANT, at, shop

NOW = at("08:30")
ACT = events.new_id(NOW, lambda size: bytes(range(size)))


def note(reader: Any, act: Act) -> list[events.Event]:
    text = act.text("text")
    if text == "no":
        raise Refused("that is not a note", remedy="Write another.")
    return [act.fact(NoteWritten, text=part) for part in text.split("|")]


@pytest.fixture
def app() -> Iterator[AsBuilt]:
    with shop() as product:
        product.client.site._acting.actions["demo/note"] = Action("note", note)
        yield product


def act(app: AsBuilt, *, token: str | None = None, headers: Any = None, **values: str) -> httpx.Response:
    shown = app.token(acting.TOKEN_NAME) if token is None else token
    told = {"act_id": str(ACT), "act_time": NOW.isoformat(), "by": "M. Okafor", "text": "warm oil", **values}
    return app.client.post(
        "/act/demo/note", json=told, headers={"x-act-token": shown, "accept": "application/json", **(headers or {})}
    )


def notes(app: AsBuilt) -> list[Any]:
    return [events.recall(found.body) for found in app.record.about("type:note_written.v1")]


def test_an_act_is_a_fact_with_source_person_time_and_id(app):
    answer = act(app)
    assert (answer.status_code, answer.json()) == (200, {"status": "saved", "facts": 1})
    (fact,) = notes(app)
    assert (fact.id, fact.event_time, fact.source, fact.by, fact.text) == (ACT, NOW, "screen", "M. Okafor", "warm oil")
    assert fact.event_time.utcoffset() == NOW.utcoffset()


def test_an_act_that_comes_again_is_saved_and_has_no_effect(app):
    assert act(app, text="a|b|c").json() == {"status": "saved", "facts": 3}
    head = app.record.head()
    # Even if it would be refused by now: it was done.
    for text in ("a|b|c", "no", "something else"):
        assert act(app, text=text).json() == {"status": "again"}
    assert app.record.head() == head
    assert len({fact.id for fact in notes(app)}) == 3


def test_an_act_cut_off_half_way_is_done_again_without_doubles(app, monkeypatch):
    real = acting.Acting._take
    calls = []

    def broken(self: Any, facts: Any) -> None:
        calls.append(len(facts))
        if len(calls) == 2:
            raise MalformedFact("the power failed")
        real(self, facts)

    monkeypatch.setattr(acting.Acting, "_take", broken)
    assert act(app, text="a|b|c").status_code == 409
    monkeypatch.setattr(acting.Acting, "_take", real)
    assert act(app, text="a|b|c").json()["status"] == "saved"
    assert sorted(fact.text for fact in notes(app)) == ["a", "b", "c"]


def test_refusals_say_why_and_record_nothing(app):
    head = app.record.head()
    answer = act(app, text="no")
    assert answer.status_code == 409
    assert answer.json() == {"status": "refused", "error": "that is not a note", "remedy": "Write another."}
    assert act(app, text=" ").json()["error"] == "text is missing"
    assert act(app, act_id="junk").status_code == 409
    assert act(app, act_id=str(UUID(int=4))).status_code == 409
    assert act(app, act_time="2026-06-03T08:30:00").status_code == 409
    assert act(app, act_time=(NOW - dt.timedelta(days=31)).isoformat()).status_code == 409
    assert app.record.head() == head


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
                                     {"origin": "http://evil.example"}, {"origin": "null"}])  # fmt: skip
def test_another_site_cannot_act(app, headers):
    assert act(app, headers=headers).status_code == 403
    assert not notes(app)


@pytest.mark.parametrize("token", ["", "x", "Bearer"])
def test_without_the_pages_token_nothing_is_done(app, token):
    assert act(app, token=token).status_code == 403
    assert not notes(app)


def test_our_own_pages_can(app):
    assert act(app, headers={"sec-fetch-site": "same-origin", "origin": "http://localhost"}).status_code == 200


def test_a_form_without_script_comes_back_to_its_page(app):
    token = app.token(acting.TOKEN_NAME)
    answer = app.client.post("/act/demo/note", data={"token": token, "text": "plain", "back": "/orders"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/orders")
    (fact,) = notes(app)
    assert fact.event_time == NOW and fact.event_time.tzinfo is not None and fact.id.version == 7
    answer = app.client.post("/act/demo/note", data={"token": token, "text": "plain", "back": "//evil.example"})
    assert answer.headers["location"] == "/"
    answer = app.client.post("/act/demo/note", data={"token": token, "text": "no"})
    assert answer.status_code == 409
    assert "Not saved: that is not a note." in answer.text


def test_bodies_and_numbers_are_bounded(app, monkeypatch):
    assert act(app, text="x" * acting.MAX_BODY_BYTES).status_code == 413
    monkeypatch.setattr(acting, "MAX_ACT_FACTS", 2)
    assert act(app, text="a|b|c").json()["error"] == "3 facts at once are too many"
    token = app.token(acting.TOKEN_NAME)
    for body, kind in ((b"{", "application/json"), (b'{"a": 1}', "application/json"), (b"a=b", "text/plain")):
        answer = app.client.post("/act/demo/note", content=body, headers={"content-type": kind, "x-act-token": token})
        assert answer.status_code == 400
    assert not notes(app)


def test_what_is_not_a_fact_is_refused_with_the_reason(app):
    answer = act(app, text="x" * 4001)
    assert answer.status_code == 409
    assert "4000" in answer.json()["error"]


def test_only_post_and_only_what_there_is(app):
    assert app.client.get("/act/demo/note").status_code == 405
    token = {"x-act-token": app.token(acting.TOKEN_NAME), "accept": "application/json"}
    assert app.client.post("/act/demo/nothing", json={}, headers=token).status_code == 404


def test_what_was_told_at_a_screen_can_be_undone_and_nothing_else(app):
    act(app)
    (fact,) = notes(app)
    token = {"x-act-token": app.token(acting.TOKEN_NAME), "accept": "application/json"}

    def undo(fact_id: str) -> httpx.Response:
        return app.client.post("/act/facts/undo", json={"fact": fact_id}, headers=token)

    assert undo(str(fact.id)).json()["status"] == "saved"
    assert app.effective(fact) is None
    defined = app.record.about("type:plant_defined.v1")[0]
    for other in (str(UUID(bytes=defined.id)), str(UUID(int=9)), "junk"):
        assert undo(other).status_code == 409


def test_forms_carry_what_shows_that_they_are_ours(app):
    form = str(app.client.site._renderer._environment.globals["acting"]('/a?b="c'))  # type: ignore[operator]
    assert app.token(acting.TOKEN_NAME) in form
    assert '"/a?b=&#34;c"' in form
    assert PLANT.zone is not None
