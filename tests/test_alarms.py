"""Alarm rules at work: delays, deadband, suppression by cause, never twice; and what people do with alarms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.app import AsBuilt
from asbuilt.errors import PlantError
from asbuilt.plant import AlarmRule, parse
from asbuilt.run.alarm_rules import Alarms, Watch
from asbuilt.web import acting
from tests.web.markup import read
from tests.web.scripted import LINE, PLANT_TEXT, Told, at, shop

RULES = """
[[alarm]]
id = "bore_wide"
name = "Bore too wide"
response = "Change the tool."
priority = 2
station = "10"
characteristic = "bore"
above = 35.010
deadband = 0.002
on_delay_s = 10
off_delay_s = 20

[[alarm]]
id = "held"
name = "Station held"
response = "See the station."
priority = 3
states = ["Held"]

[[alarm]]
id = "starved"
name = "Starved"
response = "Look upstream."
priority = 4
line = "1"
states = ["Starved"]
suppressed_by = ["held"]
"""
PLANT = parse(PLANT_TEXT + RULES)
RULE = PLANT.alarms["bore_wide"]
S = 1_000_000


# --------------------------------------------------------------------------- one watch


def walked(rule: AlarmRule, *seen: tuple[int, float]) -> list[tuple[int, str]]:
    """What is said when, in seconds, looking every second."""
    watch, said = Watch(rule), []
    values = dict(seen)
    for second in range(max(values) + 60):
        if second in values:
            watch.value(second * S, values[second])
        said += [(second, due) for due in watch.due(second * S, cause=False)]
    return said


def test_on_delay_off_delay_and_deadband():
    assert walked(RULE, (0, 35.02), (5, 35.0)) == []
    assert walked(RULE, (0, 35.02)) == [(10, "raise")]
    # Inside the deadband it stays; at its edge it is over, once the off-delay has passed.
    assert walked(RULE, (0, 35.02), (20, 35.009)) == [(10, "raise")]
    assert walked(RULE, (0, 35.02), (20, 35.007)) == [(10, "raise"), (40, "clear")]
    assert walked(RULE, (0, 35.02), (20, 35.0), (30, 35.02), (35, 35.0)) == [(10, "raise"), (55, "clear")]


@given(st.lists(st.tuples(st.integers(0, 120), st.floats(34.9, 35.1)), max_size=30))
def test_raised_and_cleared_take_turns(seen):
    said = [what for _, what in walked(RULE, (0, 35.0), *sorted(seen))]
    assert said == ["raise", "clear"] * (len(said) // 2) + ["raise"] * (len(said) % 2)


@given(st.lists(st.booleans(), max_size=40))
def test_what_is_suppressed_is_never_raised(seen):
    watch = Watch(RULE)
    for second, holds in enumerate(seen):
        watch.sees(second * 30 * S, holds)
        assert "raise" not in watch.due(second * 30 * S, cause=True)


# --------------------------------------------------------------------------- rules at work


class Floor:
    """The product with a clock of its own and its rules looked at when the test says so."""

    def __init__(self, app: AsBuilt, clock: list[dt.datetime]) -> None:
        self.app, self.clock = app, clock
        self.alarms = Alarms(app)
        self._told = Told(first=1000)

    def tell(self, name: str, *values: Any, **more: Any) -> None:
        getattr(self._told, name)(*values, **more)
        self.app.take_in(self._told.facts[-1:])
        self.app.pipeline.settle()

    def look(self, time: str) -> list[tuple[str, str]]:
        """Look at a time; what was said: (type, station)."""
        self.clock[0] = at(time)
        facts = self.alarms.look()
        self.app.take_in(facts)
        self.app.pipeline.settle()
        return [(type(fact).__name__, fact.station.split("/")[-1]) for fact in facts]

    def act(self, name: str, by: str = "M. Okafor", **values: str) -> Any:
        told = {
            "act_id": str(events.new_id(self.app.now(), self.app.random)),
            "act_time": self.app.now().isoformat(),
            "by": by,
            **values,
        }
        headers = {"x-act-token": self.app.token(acting.TOKEN_NAME), "accept": "application/json"}
        answer = self.app.client.post(f"/act/alarm/{name}", json=told, headers=headers).json()
        self.app.pipeline.settle()
        return answer

    def words(self, address: str = "/alarms") -> str:
        return read(self.app.client.get(address).text).one("main").text


@pytest.fixture
def floor() -> Iterator[Floor]:
    clock = [at("08:00")]
    with shop(now=lambda: clock[0], plant=PLANT) as app:
        yield Floor(app, clock)


def test_a_value_raises_and_clears(floor):
    floor.tell("value", "10", "bore", "35.0200", "08:00:00")
    assert floor.look("08:00:05") == []
    assert floor.look("08:00:10") == [("AlarmRaised", "10")]
    assert floor.look("08:01:00") == []
    (row,) = floor.app.query("alarm.standing")
    assert (row.text, row.response, row.detail, row.priority) == (
        "Bore too wide",
        "Change the tool.",
        "35.0200 mm, limit 35.010",
        2,
    )
    floor.tell("value", "10", "bore", "35.0000", "08:02:00")
    assert floor.look("08:02:10") == []
    assert floor.look("08:02:20") == [("AlarmCleared", "10")]
    # Nobody has seen it: it stays listed until somebody has.
    (row,) = floor.app.query("alarm.standing")
    assert (row.state, row.until) == ("RTN-UNACK", at("08:02:20"))
    floor.act("acknowledge", alarm="bore_wide", place=f"{LINE}/10")
    assert floor.app.query("alarm.standing") == []
    assert [row.seen_by for row in floor.app.query("alarm.cleared")] == ["M. Okafor"]


def test_a_cause_suppresses_its_consequences_until_it_is_gone(floor):
    floor.tell("state", "20", "Held", "08:00:00")
    floor.tell("state", "30", "Starved", "08:00:01")
    assert floor.look("08:00:02") == [("AlarmRaised", "20"), ("AlarmSuppressed", "30")]
    assert "suppressed by Station held, 20 Fuel and ignition since 08:00:02 (held); normal now" in floor.words()
    (row,) = floor.app.query("alarm.standing", aside=True)
    assert (row.alarm, row.state, row.aside, row.suppressed_by) == ("starved", "NORM", "SUPPR", "held")
    # A process that begins anew knows that it has been said.
    floor.alarms = Alarms(floor.app)
    assert floor.look("08:00:03") == []
    floor.tell("state", "20", "Execute", "08:05:00")
    assert floor.look("08:05:01") == [("AlarmCleared", "20"), ("AlarmRaised", "30"), ("AlarmUnsuppressed", "30")]
    asking = [(row.alarm, row.state, row.since) for row in floor.app.query("alarm.standing", aside=False)]
    assert asking == [("held", "RTN-UNACK", at("08:00:02")), ("starved", "UNACK", at("08:05:01"))]
    assert floor.app.query("alarm.standing", aside=True) == []
    # What was so then is shown of then.
    past = floor.words("/alarms?at=2026-06-03T08:01")
    assert "suppressed by Station held, 20 Fuel and ignition" in past
    metrics = floor.app.client.get("/metrics").text
    assert 'asbuilt_alarms_aside{state="SUPPR"} 0' in metrics


def test_what_another_suppressed_is_not_ours_to_end(floor):
    about = {"alarm": "starved", "station": f"{LINE}/30"}
    floor.tell("tell", events.AlarmSuppressed, "07:59:00", "left", reason="starting up", rule="start", **about)
    assert floor.look("08:00:00") == []
    floor.tell("state", "30", "Starved", "08:00:01")
    # Its condition is recorded; nobody is asked.
    assert floor.look("08:00:02") == [("AlarmRaised", "30")]
    assert floor.app.query("alarm.standing", aside=False) == []
    floor.tell("tell", events.AlarmUnsuppressed, "08:01:00", "left", **about)
    floor.clock[0] = at("08:01:01")
    assert [row.state for row in floor.app.query("alarm.standing", aside=False)] == ["UNACK"]


def test_a_latched_alarm_stands_until_it_is_reset(floor):
    about = {"alarm": "oil", "place": f"{LINE}/20"}
    told = {"alarm": "oil", "station": f"{LINE}/20"}
    floor.tell(
        "tell",
        events.AlarmRaised,
        "08:00:00",
        "left",
        priority=1,
        text="Oil hot",
        response="Look.",
        latching=True,
        **told,
    )
    floor.clock[0] = at("08:00:30")
    assert floor.act("reset", **about)["error"] == "this alarm waits for no reset"
    floor.tell("tell", events.AlarmCleared, "08:01:00", "left", **told)
    floor.clock[0] = at("08:01:30")
    assert "1 alarm stands, 1 not acknowledged" in floor.words()
    assert 'asbuilt_alarms_standing{priority="1"} 1' in floor.app.client.get("/metrics").text
    floor.act("acknowledge", **about)
    assert "Oil hot returned to normal 08:01:00, latched until it is reset" in floor.words()
    floor.clock[0] = at("08:02:00")
    assert floor.act("reset", **about)["status"] == "saved"
    assert floor.app.query("alarm.standing") == []
    assert [row.state for row in floor.app.query("alarm.standing", at=at("08:01:45"))] == ["LATCH-ACK"]


def test_out_of_service_until_it_is_placed_back(floor):
    floor.tell("state", "20", "Held", "08:00:00")
    floor.look("08:00:01")
    floor.clock[0] = at("08:00:30")
    about = {"alarm": "held", "place": f"{LINE}/20"}
    assert floor.act("remove", days="3", reason="sensor", **about)["status"] == "refused"
    assert floor.act("remove", **about)["error"] == "reason is missing"
    assert floor.act("place", **about)["error"] == "this alarm is in service"
    assert floor.act("remove", reason="sensor exchanged", **about)["status"] == "saved"
    said = floor.words()
    assert (
        "Out of service Station held , 20 Fuel and ignition until placed back, by M. Okafor: sensor exchanged; stands"
        in said
    )
    assert "Nothing known asks for a response" in said
    floor.tell("state", "20", "Execute", "08:05:00")
    floor.look("08:05:01")
    floor.tell("state", "20", "Held", "08:06:00")
    floor.look("08:06:01")
    assert floor.app.query("alarm.rates").count == 1
    assert floor.act("place", **about)["status"] == "saved"
    (row,) = floor.app.query("alarm.standing", aside=False)
    assert (row.state, row.seen_by, row.since) == ("UNACK", "", at("08:06:01"))
    floor.clock[0] = at("08:07")
    assert floor.act("remove", days="1", reason="again", **about)["status"] == "saved"
    floor.clock[0] += dt.timedelta(hours=23)
    assert [row.aside for row in floor.app.query("alarm.standing")] == ["OOSRV"]
    floor.clock[0] += dt.timedelta(hours=1)
    assert [row.aside for row in floor.app.query("alarm.standing")] == [""]


def test_what_returned_and_is_shelved_is_listed_once(floor):
    """It stood among the shelved and among the cleared."""
    floor.tell("alarm", "20", "oil", "08:00:00", 2)
    floor.tell("tell", events.AlarmCleared, "08:01:00", "left", alarm="oil", station=f"{LINE}/20")
    floor.clock[0] = at("08:02")
    floor.act("shelve", minutes="60", reason="known", alarm="oil", place=f"{LINE}/20")
    page = read(floor.app.client.get("/alarms").text)
    lists = [page.one("section", id=name).text for name in ("shelved", "cleared", "standing")]
    assert [("Oil too warm" in text) for text in lists] == [True, False, False]
    board = floor.app.query("line.board", line="1")
    assert ([row.alarm for row in board.alarms], list(board.cleared)) == (["oil"], [])


def test_never_a_second_one_for_the_same_cause(floor):
    floor.tell("alarm", "20", "held", "08:00:00", 3)
    floor.tell("state", "20", "Held", "08:00:00")
    assert floor.look("08:00:02") == []
    # A process that begins anew knows what stands.
    floor.alarms = Alarms(floor.app)
    assert floor.look("08:00:03") == []
    floor.tell("state", "20", "Execute", "08:05:00")
    assert floor.look("08:05:01") == [("AlarmCleared", "20")]
    assert len(floor.app.query("alarm.cleared")) == 1


def test_what_somebody_else_cleared_is_raised_again_when_it_comes_again(floor):
    floor.tell("state", "20", "Held", "08:00:00")
    assert floor.look("08:00:01") == [("AlarmRaised", "20")]
    floor.tell("tell", events.AlarmCleared, "08:01:00", "left", alarm="held", station=f"{LINE}/20")
    assert floor.look("08:01:01") == []
    floor.tell("state", "20", "Execute", "08:02:00")
    assert floor.look("08:02:01") == []
    floor.tell("state", "20", "Held", "08:03:00")
    assert floor.look("08:03:01") == [("AlarmRaised", "20")]


# --------------------------------------------------------------------------- people


def test_acknowledged_shelved_and_back(floor):
    floor.tell("state", "20", "Held", "08:00:00")
    floor.look("08:00:01")
    about = {"alarm": "held", "place": f"{LINE}/20"}
    assert floor.act("acknowledge", by="", **about)["error"] == "nobody is named"
    assert floor.act("acknowledge", **about)["status"] == "saved"
    assert floor.act("acknowledge", by="T. Moreau", **about)["error"] == "M. Okafor has seen this alarm already"
    assert "1 alarm stands, all acknowledged; the most urgent is station held at 20 Fuel and ignition." in floor.words()
    assert floor.act("shelve", minutes="600", reason="part ordered", **about)["status"] == "refused"
    assert floor.act("shelve", minutes="60", **about)["error"] == "reason is missing"
    assert floor.act("shelve", minutes="60", reason="part ordered", **about)["status"] == "saved"
    said = floor.words()
    assert "Nothing known asks for a response; 3 of 5 stations are not observed." in said
    assert "20 Fuel and ignition until 09:00:01 by M. Okafor: part ordered" in said
    floor.clock[0] = at("09:00:02")
    # Its shelf has ended while it stands: it asks again.
    assert [(row.state, row.seen_by) for row in floor.app.query("alarm.standing", shelved=False)] == [("UNACK", "")]
    floor.act("shelve", minutes="15", reason="still", **about)
    floor.clock[0] = at("09:00:03")
    assert floor.app.query("alarm.standing", shelved=False) == []
    assert floor.act("unshelve", **about)["status"] == "saved"
    assert len(floor.app.query("alarm.standing", shelved=False)) == 1
    assert floor.act("unshelve", **about)["error"] == "this alarm is not shelved"
    assert floor.act("acknowledge", alarm="none", place="")["error"] == "this alarm does not stand any more"


def test_what_stood_at_a_past_moment(floor):
    floor.tell("state", "20", "Held", "08:00:00")
    floor.look("08:00:01")
    floor.tell("state", "20", "Execute", "08:10:00")
    floor.look("08:10:01")
    said = floor.words()
    assert "No alarm stands, 1 returned to normal, 1 not acknowledged" in said
    assert "Station held returned to normal 08:10:01, not acknowledged" in said
    past = floor.words("/alarms?at=2026-06-03T08:05")
    assert "1 alarm stands, 1 not acknowledged" in past
    assert "Acknowledge" not in past


def test_floods_and_rates():
    told = Told()
    for number in range(30):
        told.alarm("20", f"a{number}", f"06:{number // 2:02}:{number % 2 * 30:02}", 1 + number % 4)
    told.alarm("20", "late", "07:30:00", 3)
    with shop(told) as app:
        found = app.query("alarm.rates", **{"from": at("06:00"), "to": at("08:00")})
    assert (found.count, found.peak, found.floods, found.flood_s) == (31, 20, 1, 22.5 * 60)
    assert (found.per_hour, found.verdict) == (15.5, "too many")
    assert found.by_priority == (8, 8, 8, 7)
    assert sum(found.tens) == 31 and found.tens[0] == 20 and len(found.tens) == 12


def test_an_alarm_that_chatters_is_named():
    told = Told()
    for second in range(0, 50, 10):
        told.alarm("20", "loose", f"06:00:{second:02}")
        told.tell(events.AlarmCleared, f"06:00:{second + 5:02}", "left", alarm="loose", station=f"{LINE}/20")
    with shop(told) as app:
        (one,) = app.query("alarm.rates").frequent
    assert (one.count, one.chattering) == (5, True)


# --------------------------------------------------------------------------- the plant file


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ('characteristic = "bore"\nabove = 1\nstates = ["Held"]', "has two conditions"),
        ("", "has no condition"),
        ("above = 3", "has a limit of nothing"),
        ('characteristic = "bore"', "has no condition"),
        ('characteristic = "bor"\nabove = 1', "Did you mean `bore`"),
        ('states = ["Hold"]', "there is no state `Hold`"),
        ('station = "99"\nstates = ["Held"]', "there is no station `99`"),
        ('states = ["Held"]\nsuppressed_by = ["none"]', "there is no alarm `none`"),
        ('characteristic = "bore"\nabove = 1\nbelow = 2', "would always be raised"),
        ('characteristic = "bore"\nabove = 1\ndeadband = -1', "deadband is negative"),
        ('states = ["Held"]\npriority = 5', "priority"),
    ],
)
def test_rules_that_cannot_be(more, what):
    priority = "" if "priority" in more else "priority = 3\n"
    with pytest.raises(PlantError) as error:
        parse(PLANT_TEXT + f'[[alarm]]\nid = "x"\nname = "X"\nresponse = "Do."\n{priority}{more}\n')
    assert what in str(error.value) or "Expected `int` <= 4" in str(error.value)
