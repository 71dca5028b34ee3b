"""The site: who and what is where, blind cameras, rounds; the page that shows it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from asbuilt.app import AsBuilt
from asbuilt.errors import PlantError
from asbuilt.events import RoundChecked, SiteObserved, SourceConnected, StateChanged
from asbuilt.plant import parse
from tests.web.scripted import PLANT_TEXT, at

SITE = """
[[zone]]
id = "yard"
name = "Yard"
x = 0
y = 0
width = 40
height = 15
expected = ["person", "car"]
[[zone]]
id = "hall"
name = "Assembly hall"
x = 0
y = 16
width = 25
height = 14
expected = ["person"]
line = "1"
in_shifts = true
[[zone]]
id = "store"
name = "Spare parts store"
x = 26
y = 16
width = 14
height = 14

[[round]]
id = "night"
name = "Night round"
checkpoints = ["gate", "store", "hall"]
starts = ["02:00", "05:00"]
within_min = 45
"""
PLANT = parse(PLANT_TEXT + SITE)
_next = iter(range(10**6))


def seen(device: str, zone: str, category: str, time: str, **more: Any) -> SiteObserved:
    moment = at(time)
    more = {key: at(value) if key in ("start_time", "end_time") else value for key, value in more.items()}
    return SiteObserved(id=UUID(int=next(_next) + 2**64), event_time=moment, source="site", device=device, zone=zone, category=category, **more)  # fmt: skip


def checked(checkpoint: str, time: str) -> RoundChecked:
    return RoundChecked(id=UUID(int=next(_next) + 2**64), event_time=at(time), source="site", round="night", checkpoint=checkpoint)  # fmt: skip


def a_night() -> list[Any]:
    return [
        seen("front cam", "yard", "person", "05:50:00", external_id="r1"),
        seen("front cam", "yard", "person", "05:50:40", external_id="r1", start_time="05:50:00", end_time="05:50:40"),
        seen("hall cam", "hall", "person", "04:10:00", external_id="r2", severity="alert"),
        seen("hall cam", "hall", "person", "04:12:00", external_id="r2", end_time="04:12:00"),
        seen("hall cam", "hall", "person", "08:20:00", external_id="r3"),
        seen("store door", "store", "door open", "08:24:00", severity="alert", external_id="17"),
        seen("yard cam", "yard", "blind", "08:00:00", severity="alert"),
        seen("old cam", "yard", "blind", "03:00:00"),
        seen("old cam", "yard", "blind", "03:30:00", end_time="03:30:00"),
        checked("gate", "02:05"), checked("store", "02:20"), checked("hall", "02:31"),
        checked("gate", "05:02"), checked("hall", "06:30"),
        SourceConnected(id=UUID(int=6), event_time=at("05:00"), source="asbuilt", adapter="left"),
        StateChanged(id=UUID(int=5), event_time=at("08:23:10"), source="left", station="works/main/hall/1/10", state="Held"),
    ]  # fmt: skip


def site(facts: list[Any], now: str = "08:30") -> AsBuilt:
    app = AsBuilt(memory=True, strict=True, plant=PLANT, now=lambda: at(now))
    app.take_in(facts)
    app.pipeline.settle()
    return app


def test_what_is_where_and_whether_it_should_be():
    with site(a_night()) as app:
        here = app.query("site.present")
        assert [(row.zone, row.category, row.unexpected) for row in here] == [
            ("store", "door open", "not expected there"),
            ("hall", "person", ""),
        ]
        history = {(row.category, row.since.strftime("%H:%M")): row for row in app.query("site.seen")}
        assert history["person", "04:10"].unexpected == "outside the shifts of Line 1"
        assert history["person", "04:10"].severity == "alert"
        assert (history["person", "04:10"].until - history["person", "04:10"].since) == dt.timedelta(minutes=2)
        assert history["person", "05:50"].unexpected == ""


def test_an_end_that_nobody_tells_does_not_keep_somebody_there_for_ever():
    with site(a_night(), now="09:00") as app:
        assert app.query("site.present") == []
        assert app.query("site.present", at=at("08:30"))


def test_a_blind_camera_is_blind_until_it_sees():
    with site(a_night()) as app:
        told = [
            (row.device, row.since.strftime("%H:%M"), row.until and row.until.strftime("%H:%M"))
            for row in app.query("site.blind")
        ]
        assert told == [("yard cam", "08:00", None), ("old cam", "03:00", "03:30")]
        zones = {row.id: row for row in app.query("site.zones")}
        assert zones["yard"].blind == ("yard cam",)
        assert zones["store"].unexpected == 1
        assert app.query("site.blind", at=at("03:10"))[0].until is None


def test_rounds_are_walked_missed_and_due():
    with site(a_night()) as app:
        rows = {row.due.strftime("%d %H:%M"): row for row in app.query("site.rounds")}
        assert rows["03 02:00"].state == "walked"
        assert (rows["03 05:00"].state, rows["03 05:00"].missing) == ("missed", ("store", "hall"))
        assert rows["04 02:00"].state == "coming"
        assert app.query("site.rounds", at=at("05:20"))[1].state == "under way"
        assert app.query("site.rounds", at=at("05:01"))[1].state == "due"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('line = "1"', 'line = "9"'),
        ('line = "1"\n', ""),
        ('id = "store"', 'id = "yard"'),
        ('checkpoints = ["gate", "store", "hall"]', "checkpoints = []"),
        ("width = 14", "width = 0"),
        ('starts = ["02:00", "05:00"]', 'starts = ["25:00"]'),
    ],
)
def test_a_plan_that_does_not_hold_together_is_refused_with_its_line(wrong, words):
    with pytest.raises(PlantError, match=r"plant.toml:\d+: .*(?s:.*)→"):
        parse(PLANT_TEXT + SITE.replace(wrong, words))


def test_the_rows_do_not_depend_on_the_order_of_arrival():
    facts = a_night()
    with site(facts) as one, site(facts[::-1]) as other:
        assert one.query("site.seen") == other.query("site.seen")
        assert one.store.digest() == other.store.digest()


def test_the_page_says_first_what_must_be_known():
    with site(a_night()) as app:
        text = app.client.get("/site").text
        assert "Door open in Spare parts store since 08:24: not expected there." in text
        assert "Yard cam sees nothing: what happens there is not known." in text
        assert "Night round of 05:00 was not walked whole." in text
        assert "Machining 08:23" in text
        assert "url(#hat)" in text
        assert 'style="' not in text
        past = app.client.get("/site?at=2026-06-03T04:11").text
        assert "Person in Assembly hall since 04:10: outside the shifts of Line 1." in past
    with site([]) as app:
        assert "Nobody and nothing is seen where it should not be." in app.client.get("/site").text
    with AsBuilt(memory=True, strict=True, plant=parse(PLANT_TEXT), now=lambda: at("08:30")) as app:
        assert "No zone or round is in the plant file" in app.client.get("/site").text
