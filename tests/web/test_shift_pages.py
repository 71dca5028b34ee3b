"""The shift report and the key figures as pages: what they say, and what people do there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.plant import parse
from asbuilt.web import acting
from tests.web.markup import read
from tests.web.scripted import LINE, PLANT_TEXT, Told, at, morning, shop

SHIFT = "/shift/2026-06-03/A"
REASONS = (
    '\n[[reason]]\nid = "setup"\nname = "Setup"\ntime = "setup"\n[[reason]]\nid = "jam"\nname = "Jam"\nfailure = true\n'
)
SHIFT_PLANT = parse(PLANT_TEXT.replace("[adapter.left]", REASONS + "\n[adapter.left]", 1))


@pytest.fixture
def clock() -> list[dt.datetime]:
    return [at("14:05")]


@pytest.fixture
def app(clock) -> Iterator[AsBuilt]:
    """The whole shift: 20 stood from 08:20 to 08:40, 10 from 12:00 to 12:30 without a reason."""
    told = morning()
    told.state("20", "Execute", "08:40:00")
    told.state("30", "Execute", "08:41:00")
    told.state("10", "Held", "12:00:00")
    told.state("10", "Execute", "12:30:00")
    with shop(told, now=lambda: clock[0], plant=SHIFT_PLANT) as product:
        yield product


def words(app: AsBuilt, address: str = SHIFT) -> str:
    answer = app.client.get(address)
    assert answer.status_code == 200, answer.text
    return read(answer.text).one("main").text


def act(app: AsBuilt, name: str, /, by: str = "M. Okafor", **values: str) -> Any:
    now = app.now()
    told = {"act_id": str(events.new_id(now, app.random)), "act_time": now.isoformat(), "by": by, **values}
    headers = {"x-act-token": app.token(acting.TOKEN_NAME), "accept": "application/json"}
    answer = app.client.post(f"/act/shift/{name}", json=told, headers=headers)
    app.pipeline.settle()
    return answer.json()


def explain(app: AsBuilt, reason: str, by: str = "M. Okafor", **more: str) -> Any:
    told = {"station": f"{LINE}/10", "start": at("12:00").isoformat(), "end": at("12:30").isoformat(), "reason": reason}
    return act(app, "explain", by, **{**told, **more})


def of_shift(**more: str) -> dict[str, str]:
    return {"line": LINE, "day": "2026-06-03", "shift": "A", **more}


def losses(app: AsBuilt) -> dict[str, float]:
    window = {"from": at("06:00"), "to": at("14:00")}
    return {loss.id: loss.seconds for loss in app.query("shift.losses", scope=LINE, **window)}


# --------------------------------------------------------------------------- what it says


def test_the_front_of_shifts_is_the_one_at_work(app, clock):
    assert app.client.get("/shift").headers["location"] == f"{SHIFT}?line=1"
    clock[0] = at("23:00")
    assert app.client.get("/shift").headers["location"] == f"{SHIFT}?line=1"


def test_the_report_says_plan_output_causes_and_what_waits(app):
    said = words(app)
    assert (
        "Line 1 made 138 of 465, 327 behind plan; Machining cost most: not explained, 30 min; 1 stop waits for a reason."
        in said
    )
    assert "Fuel and ignition: Coolant, oil 20:00" in said
    assert "08:00 – 09:00 60 " in said
    assert "Waiting for others, not counted above: waiting for material" in said
    assert "Not handed over yet" in said


def test_an_hour_that_is_not_over_cannot_be_behind(clock, app):
    clock[0] = at("08:30")
    said = words(app)
    assert "Line 1 has made 138 of 150, 12 behind plan" in said
    assert "Runs" in said and "forecast" in said


def test_looking_back_shows_the_shift_as_it_was(app):
    said = words(app, f"{SHIFT}?at=2026-06-03T07:00")
    assert "Line 1 has made 58 of 60" in said
    assert "Save" not in said and "Sign" not in said


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("/shift/2026-06-03/X", "Line 1 has no shift X on 2026-06-03"),
        ("/shift/2026-06-07/A", "has no shift A on 2026-06-07"),
        ("/shift/yesterday/A", "is not a date"),
        (f"{SHIFT}?line=9", "There is no line"),
        ("/kpi?scope=nowhere", "There is no station under"),
        ("/kpi/window", "needs scope, start and end"),
        ("/kpi/window?scope=1&start=2020-01-01&end=2026-01-01", "too long for a page"),
    ],
)
def test_addresses_that_lead_nowhere(app, address, what):
    answer = app.client.get(address)
    assert answer.status_code == 404
    assert what in read(answer.text).one("main").text


def test_a_plant_without_shifts_says_what_to_do():
    with shop(plant=parse('[plant]\nid = "p"\nname = "P"\nzone = "UTC"\n')) as app:
        assert "Add [[site.area.line]] to it." in words(app, "/shift")
        assert "Add [[site.area.line]] to it." in words(app, "/kpi")


# --------------------------------------------------------------------------- what people do


def test_a_late_reason_changes_the_losses(app):
    before = losses(app)
    assert explain(app, "setup") == {"status": "saved", "facts": 1}
    after = losses(app)
    assert (after["setup"] - before["setup"], after["stops"] - before["stops"]) == (1800, -1800)
    said = words(app)
    assert "Setup" in said and "waits for a reason" not in said


def test_two_people_who_correct_the_same_stop_both_stay_visible(app, clock):
    explain(app, "jam", by="M. Okafor")
    clock[0] = at("14:07")
    explain(app, "setup", by="T. Moreau")
    said = words(app)
    assert "before: Jam, M. Okafor 14:05:00" in said
    (stop,) = [
        stop
        for stop in app.query("shift.stops", scope=LINE, **{"from": at("11:00"), "to": at("13:00")})
        if stop.kind == "setup"
    ]
    assert (stop.reason, stop.explained_by) == ("setup", "T. Moreau")


def test_a_whole_handover(app, clock):
    assert act(app, "note", **of_shift(text="Watch the chiller.\nFilter ordered."))["status"] == "saved"
    assert act(app, "sign", **of_shift())["status"] == "saved"
    said = words(app)
    assert "Watch the chiller. Filter ordered." in said.replace("\n", " ")
    assert "M. Okafor handed this shift over on Wed 3 Jun at 14:05:00." in said
    assert "It is locked" in said
    # Signed is signed: nobody else signs or writes, and a correction needs a word.
    refused = act(app, "sign", by="T. Moreau", **of_shift())
    assert refused["error"] == "M. Okafor has handed this shift over at 14:05"
    assert act(app, "note", **of_shift(text="One more"))["status"] == "refused"
    assert explain(app, "jam")["error"] == "this shift has been handed over"
    clock[0] = at("14:20")
    assert explain(app, "jam", message="Found the broken belt")["status"] == "saved"
    assert "1 correction since" in words(app)
    (report,) = [app.query("shift.report", line="1", day=dt.date(2026, 6, 3), shift="A")]
    assert (report.signed[0].by, report.late) == ("M. Okafor", 1)


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("sign", of_shift(by=""), "nobody is named"),
        ("sign", of_shift(day="soon"), "the day is not a date"),
        ("sign", of_shift(line="9"), "the plant has no such line"),
        ("sign", of_shift(shift="Z"), "has no shift Z"),
        ("note", of_shift(text=" "), "text is missing"),
        ("explain", {"station": f"{LINE}/99", "reason": "jam"}, "has no station"),
        ("explain", {"station": f"{LINE}/10", "reason": "gremlins"}, "has no reason gremlins"),
        ("explain", {"station": f"{LINE}/10", "reason": "jam", "start": "noon", "end": "later"}, "start is not a time"),
        ("explain", {"station": f"{LINE}/10", "reason": "jam", "start": at("12:00").isoformat(), "end": at("11:00").isoformat()}, "ends before it begins"),
        ("explain", {"station": f"{LINE}/10", "reason": "jam", "start": at("12:00").isoformat(), "end": at("18:00").isoformat()}, "ends in the future"),
        ("correct", {"fact": "x", "message": "y"}, "not the id of a fact"),
        ("correct", {"fact": "00000000-0000-0000-0000-000000000001", "message": "y", "good": "1"}, "only counts and completions"),
    ],
)  # fmt: skip
def test_acts_that_must_not_be_done(app, name, values, what):
    head = app.record.head()
    said = act(app, name, **values)
    assert said["status"] == "refused" and what in said["error"], said
    assert said["remedy"]
    assert app.record.head() == head


def test_a_shift_is_not_signed_long_before_its_end(app, clock):
    clock[0] = at("10:00")
    assert act(app, "sign", **of_shift())["error"] == "the shift goes on until 14:00"
    clock[0] = at("13:31")
    assert act(app, "sign", **of_shift())["status"] == "saved"


def test_a_count_is_corrected_and_the_former_value_stays_visible():
    told = Told()
    told.state("10", "Execute", "06:00:00")
    counted = told.tell(events.Counted, "07:00:00", "left", station=f"{LINE}/10", good=50, rejected=2)
    with shop(told, now="08:00") as app:
        address = f"/kpi/window?scope={quote(LINE + '/10', safe='')}&start=2026-06-03T06:00&end=2026-06-03T08:00"
        assert "corrected" not in words(app, address)
        assert (
            act(app, "correct", fact=str(counted.id), good="45", rejected="2", message="Counted twice")["status"]
            == "saved"
        )
        said = words(app, address)
        assert "corrected by M. Okafor, was 50 good, 2 rejected: Counted twice" in said
        assert "PQ 47" in said
        assert (
            act(app, "correct", fact=str(counted.id), good="45", rejected="2", message="again")["error"]
            == "nothing is changed"
        )
        assert act(app, "correct", fact=str(counted.id), good="45", rejected="2")["error"] == "message is missing"


# --------------------------------------------------------------------------- key figures


def test_the_map_of_figures_leads_down_to_the_facts(app):
    document = read(app.client.get("/kpi?scope=1&days=3&figure=availability").text)
    cells = [
        link.attributes["href"] for link in document.one("main").all("a") if "/kpi/window" in link.attributes["href"]
    ]
    assert len(cells) == 3 + 1 + 3 + 1 + 3 + 1 or cells
    said = words(app, cells[0].replace("&amp;", "&"))
    assert "Time, tile by tile" in said and "APT / (PBT − not observed)" in said


def test_what_is_withheld_says_why(app):
    said = words(app, "/kpi?scope=1&days=1")
    assert "Availability" in said
    assert "OEE" in said
