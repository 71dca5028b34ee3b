"""Proof on pages: the public check, the log for everybody, files handed out and taken back."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from asbuilt import verify
from asbuilt.app import AsBuilt
from asbuilt.events import UnitCompleted, UnitStarted
from asbuilt.proof import container, note
from asbuilt.verify import Known
from asbuilt.web import proving
from tests.web.markup import read
from tests.web.scripted import PLANT, Told

NOW = dt.datetime(2026, 11, 23, 8, 0, 30, tzinfo=dt.UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[tuple[AsBuilt, Clock]]:
    """A plant whose log holds one unit; its sealer is driven by hand."""
    from asbuilt.seal import sealer

    clock = Clock()
    with AsBuilt(tmp_path / "data", plant=PLANT, now=clock, strict=True) as app:
        told = Told(900)
        told.tell(UnitStarted, NOW, product="P7", serial="S<1>", by="A. Aas")
        told.tell(UnitCompleted, NOW, product="P7", serial="S<1>", revision="B")
        app.take_in(told.facts)
        sealer.begin(app.folder, clock(), app.random, origin="works.example/log", slots=64)
        app.sealer = sealer.Sealer(app.folder, app.record, clock, app.random)
        close_blocks(app, clock)
        yield app, clock


def close_blocks(app: AsBuilt, clock: Clock) -> None:
    clock.now += dt.timedelta(seconds=60)
    while app.sealer.catch_up():
        pass


FORM = {"product": "P7", "serial": "S<1>", "recipient": "Inspectorate 7", "purpose": "incoming inspection",
        "profile": "customer", "by": "A. Aas"}  # fmt: skip


def hand_out(app: AsBuilt, **changed: str) -> httpx.Response:
    page = app.client.get("/disclosures").text
    token = re.search(r'name="token" value="([^"]+)"', page)
    return app.client.post("/hand-out", data={"token": token[1], **FORM, **changed})


def carried(response: httpx.Response) -> bytes:
    return container._from_page(response.content) if response.content.startswith(b"<!doctype") else response.content


# --------------------------------------------------------------------------- handing out


def test_a_passport_is_handed_out_and_on_record(sealed):
    app, clock = sealed
    response = hand_out(app)
    assert response.status_code == 200
    assert response.headers["content-disposition"] == 'attachment; filename="S-1-.html"'
    report = verify.verify(response.content, Known(now=clock(), policy=proving.own_policy(app)))
    assert report.ok and report.decided
    (fact,) = [fact for _, fact in _facts(app, "disclosure_issued")]
    assert (fact.recipient, fact.by, fact.profile) == ("Inspectorate 7", "A. Aas", "customer")
    row = app.query("disclosure.list")[0]
    assert (row.state, row.recipient, row.serial, row.opened) == ("valid", "Inspectorate 7", "S<1>", None)
    words = read(app.client.get("/disclosures").text).one("main").text
    assert "1 file was handed out; 1 stands." in words and "not being sealed" not in words


def _facts(app: AsBuilt, kind: str) -> list[tuple[int, object]]:
    with app.reader() as reader:
        return [(one.position, fact) for one, fact in reader.facts(f"type:{kind}.v1")]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"serial": "nobody"}, "Nothing about P7/nobody is sealed"),
        ({"recipient": " "}, "Recipient is missing"),
        ({"profile": "all"}, "There is no profile all"),
        ({"expires": "soon"}, "is not a day"),
    ],
)
def test_what_cannot_be_handed_out_is_told_and_not_recorded(sealed, changed, says):
    app, _ = sealed
    response = hand_out(app, **changed)
    assert response.status_code == 404 and says in read(response.text).one("main").text
    assert _facts(app, "disclosure_issued") == []


def test_another_site_cannot_hand_out(sealed):
    app, _ = sealed
    assert app.client.post("/hand-out", data={"token": "guessed", **FORM}).status_code == 403
    page = app.client.get("/disclosures").text
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    foreign = {"sec-fetch-site": "cross-site"}
    assert app.client.post("/hand-out", data={"token": token, **FORM}, headers=foreign).status_code == 403
    assert _facts(app, "disclosure_issued") == []


def test_a_page_cannot_be_broken_by_a_serial(sealed):
    app, _ = sealed
    html = hand_out(app).text
    assert "S<1>" not in html
    assert html.count("<script") == 2 + html.count("'<script")


def test_a_revoked_file_is_on_the_status_list_of_the_next_block(sealed):
    app, clock = sealed
    file = carried(hand_out(app, form="file"))
    disclosure = app.query("disclosure.list")[0].disclosure
    page = app.client.get(f"/disclosures/{disclosure}").text
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    told = {"token": token, "disclosure": disclosure, "reason": "withdrawn", "by": "A. Aas"}
    assert app.client.post("/act/disclosure/revoke", data=told).status_code == 303
    assert app.client.post("/act/disclosure/revoke", data=told).status_code == 409
    assert app.query("disclosure.show", disclosure=disclosure).state == "revoked"
    known = Known(now=clock(), policy=proving.own_policy(app))
    assert verify.verify(file, known).ok
    close_blocks(app, clock)
    status = app.client.get("/log/status").text
    report = verify.verify(file, Known(now=clock(), policy=proving.own_policy(app), status=status))
    assert report.reason == "revoked"


def test_an_expired_disclosure(sealed):
    app, clock = sealed
    hand_out(app, expires="2026-11-23")
    assert app.query("disclosure.list")[0].state == "valid"
    clock.now += dt.timedelta(days=2)
    assert app.query("disclosure.list")[0].state == "expired"
    assert app.query("disclosure.list", at=NOW + dt.timedelta(hours=1))[0].state == "valid"


def test_what_keeps_it_from_being_sealed_is_said_where_proof_is_handed_out(sealed):
    app, _ = sealed
    (app.folder.proof / "checkpoint").write_bytes(
        (app.folder.proof / "checkpoint").read_bytes().replace(b"works.example/log\n2\n", b"works.example/log\n9\n", 1)
    )
    app.sealer.stop()
    app.seal()
    assert "second history" in app.seal_problem.message
    assert "What is recorded is not being sealed." in app.client.get("/disclosures").text
    assert "second history" in app.client.get("/healthz").json()["seal"]
    assert app.take_in(Told(950).facts) == []
    told = Told(960)
    told.tell(UnitStarted, NOW, product="P7", serial="S-3")
    assert [one.status for one in app.take_in(told.facts)] == ["accepted"], "recording goes on all the same"


# --------------------------------------------------------------------------- checking


def check(app: AsBuilt, file: bytes, policy: bytes | None = None) -> str:
    files = {"file": ("passport", file)} | ({"policy": ("policy", policy)} if policy else {})
    response = app.client.post("/verify", files=files)
    assert response.status_code == 200
    return response.text


def test_the_public_page_says_first_what_it_does_not_show(sealed):
    app, _ = sealed
    document = read(app.client.get("/verify").text)
    words = document.one("main").text
    assert words.index("does not show") < words.index("dropped here")
    assert all(line in words for line in verify.SHOWS_NOT)
    assert not document.all("nav")


def test_a_file_is_checked_without_script_and_known_to_be_opened(sealed):
    app, _ = sealed
    file = carried(hand_out(app))
    html = check(app, file)
    assert "Valid: 2 facts about P7/S&lt;1&gt; stand in the log" in html
    app.pipeline.settle()
    assert app.query("disclosure.list")[0].opened is not None
    check(app, file)
    assert len(_facts(app, "disclosure_opened")) == 1


def test_a_strange_file_leaves_no_trace(sealed):
    app, _ = sealed
    file = carried(hand_out(app))
    assert "Reason: content_altered" in check(app, file.replace(b'"slot"', b'"s1ot"', 1))
    assert "Reason: truncated" in check(app, b"")
    assert "Reason: unknown_format" in check(app, b"x" * 100_000)
    assert "The policy cannot be read" in check(app, file, b"nonsense")
    stranger = note.Key("works.example/log", 1, bytes(range(32))).vkey
    assert "Reason: unknown_key" in check(app, file, f"log {stranger}\nquorum none\n".encode())
    assert _facts(app, "disclosure_opened") == []


def test_a_plant_without_a_log_leaves_it_open(sealed, app):
    sealing, _ = sealed
    file = carried(hand_out(sealing))
    assert "Whole in itself, by a key that nobody here vouches for" in check(app, file)


def test_the_log_is_for_everybody_and_nothing_else_is(sealed):
    app, _ = sealed
    from asbuilt.web.client import Client
    from asbuilt.web.site import Site

    closed = Client(app)
    closed.site._guard = Site(app, screen_token="secret")._guard  # type: ignore[attr-defined]
    try:
        for address in (
            "/log/checkpoint",
            "/log/tile/0/000.p/2",
            "/log/tile/entries/000.p/2",
            "/log/keys/1",
            "/verify",
        ):
            assert closed.get(address).status_code == 200, address
        for address in ("/disclosures", "/log/../seal.db", "/log/%2e%2e/seal.db", "/log/../keys/x", "/"):
            assert closed.get(address).status_code in (401, 404), address
    finally:
        closed.close()
    assert app.client.get("/log/checkpoint").content == (app.folder.proof / "checkpoint").read_bytes()
    assert app.client.get("/log/seal.db").status_code == 404
