"""`/api/VIEW.NAME`: the questions the pages ask, for other programs."""

from __future__ import annotations

import re

import pytest

from tests.web.scripted import LINE, PLANT_TEXT, at, morning, shop


def test_a_query_answers_as_json(morning_app):
    answer = morning_app.client.get("/api/line.lines")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()[0] == {"line": LINE, "name": "Line 1", "address": "1", "stations": 3}


NEEDS = {"line": "1", "order": "2418", "serial": "00001", "lot": "B-1", "item": "lot:B-1", "first": "lot:B-1",
         "second": "order:2418", "outcome": "case", "scope": "1", "station": f"{LINE}/10", "day": "2026-06-03",
         "shift": "A", "at": "2026-06-03T08:00",
         "disclosure": "D-1", "container": "B-1-1"}  # fmt: skip
"""What queries of the scripted plant need."""


def test_every_query_can_be_asked(morning_app):
    for name, query in morning_app.queries.items():
        if name == "unit.as_released":
            continue  # nothing has been released this morning
        given = {key: NEEDS[key] for key, known in query.parameters.items() if known.default is known.empty}
        answer = morning_app.client.get(f"/api/{name}", params=given)
        assert answer.status_code == 200, (name, answer.text)
        answer.json()


def test_the_api_says_what_the_page_shows(morning_app):
    board = morning_app.client.get("/api/line.board?line=1").json()
    assert board["headline"] == "Fuel and ignition is holding the line. Test is starved."
    assert (board["output"], board["planned"], board["on_line"]) == (138, 150, 2)
    assert board["at"] == at("08:30").isoformat()
    assert [tile["state"] for tile in board["tiles"]] == ["Execute", "Held", "Starved"]
    past = morning_app.client.get("/api/line.board?line=1&at=2026-06-03T08:10").json()
    assert past["output"] == 128


@pytest.mark.parametrize(
    ("address", "error", "remedy"),
    [
        ("/api/line.nix", "there is no query `line.nix`", "Ask one of: "),
        ("/api/", "There is no page at this address.", ""),
        ("/api/line.board", "line.board needs line", "It takes: line=…, [at=…]."),
        ("/api/line.board?line=9", "there is no line `9`", "The plant has: 1, shop."),
        ("/api/line.board?line=1&foo=2", "line.board has no parameter foo", "It takes: line, at."),
        ("/api/line.board?line=1&at=x", "at=x is not a time", "Give at as 2025-11-18T17:26."),
        ("/api/order.list?limit=x", "limit=x is not a whole number", "Give limit as 100."),
        ("/api/order.list?limit=1.5", "limit=1.5 is not a whole number", "Give limit as 100."),
        ("/api/order.list?limit=99999999999999999999", "is not a whole number", "Give limit as 100."),
        ("/api/order.show?order=nix", "nothing is known of an order `nix`", ""),
        ("/api/source.list?reader=x", "source.list has no parameter reader", "It takes: at."),
    ],
)
def test_a_wrong_question_is_told_what_is_right(morning_app, address, error, remedy):
    answer = morning_app.client.get(address)
    assert answer.status_code == 404
    assert error in answer.json()["error"]
    assert answer.json()["remedy"].startswith(remedy)


def test_a_parameter_given_twice_or_empty_does_no_harm(morning_app):
    assert morning_app.client.get("/api/line.board?line=9&line=1").status_code in (200, 404)
    assert morning_app.client.get("/api/line.board?line=1&at=").status_code == 404
    assert morning_app.client.get("/api/order.show?order=").status_code == 404


def test_how_much_is_told_is_bounded(morning_app):
    count = len(morning_app.client.get("/api/order.reports").json())
    assert count > 100
    for limit, told in ((0, 0), (-1, 0), (-5, 0), (1, 1), (3, 3), (10**9, count)):
        assert len(morning_app.client.get(f"/api/order.reports?limit={limit}").json()) == told
    for limit, told in ((0, 0), (-1, 0), (1, 1), (10**9, 1)):
        assert len(morning_app.client.get(f"/api/order.list?limit={limit}").json()) == told
        assert len(morning_app.client.get(f"/api/source.rejections?limit={limit}").json()) == 0


def test_the_health_of_the_process():
    with shop(morning()) as app:
        health = app.client.get("/healthz").json()
        assert (health["recorded"], health["behind"], health["views"]) == (True, 0, "ok")
        assert health["version"] and health["folding"] == {}
        app.store.make_anew({"states"})
        assert app.client.get("/healthz").json()["folding"] == {"states": app.record.head()}


def test_names_from_the_plant_file_are_json_whatever_they_hold():
    from asbuilt.plant import parse

    with shop(plant=parse(PLANT_TEXT.replace('"Line 1"', "'</script>\"\\u2028'"))) as app:
        assert app.client.get("/api/line.lines").json()[0]["name"] == '</script>"\\u2028'


def test_the_api_describes_itself(morning_app):
    document = morning_app.client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {f"/api/{name}" for name in morning_app.queries}
    asked = document["paths"]["/api/shift.kpi"]["get"]
    parameters = {one["name"]: one for one in asked["parameters"]}
    assert parameters["scope"]["required"] and not parameters["from"]["required"]
    assert parameters["from"]["schema"] == {"type": "string", "format": "date-time"}

    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
    # What a query answers has the members that its schema names.
    schema = document["components"]["schemas"]["Kpi"]
    answer = morning_app.client.get("/api/shift.kpi?scope=1&from=2026-06-03T06:00&to=2026-06-03T08:00").json()
    assert set(answer) == set(schema["properties"])


def test_metrics_for_a_collector(morning_app):
    answer = morning_app.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    line = f'{{line="{LINE}",shift="2026-06-03 A"}}'
    assert float(samples["asbuilt_facts_recorded_total"]) == morning_app.record.head()
    assert (samples[f"asbuilt_line_made{line}"], samples[f"asbuilt_line_planned{line}"]) == ("138", "150")
    report = morning_app.query("shift.report", line="1")
    assert float(samples[f"asbuilt_line_availability{line}"]) == pytest.approx(report.kpi.availability)
    assert samples['asbuilt_alarms_standing{priority="2"}'] == "1"
    for text in answer.text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)*\})? [-+.e0-9]+', text), text
