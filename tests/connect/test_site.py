"""Cameras over a real broker, doors and rounds by webhook; what real cameras said."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from asbuilt.adapters import Message, Rejection, site
from asbuilt.events import MessageRejected, RoundChecked, SiteObserved, SourceConnected, encode
from tests.connect import peers
from tests.connect.test_mqtt import listening, publisher, recorded
from tests.web.serving import wait_until

PLANT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"
[[zone]]
id = "gate"
name = "Gate"
x = 0
y = 0
width = 10
height = 10
[adapter.site]
kind = "site"
port = {port}
frigate = "frigate"
webhook = "/site/events"
zones = {{ front_cam = "gate" }}
"""


def test_a_camera_a_door_and_a_guard(tmp_path: Path) -> None:
    with peers.mosquitto(tmp_path) as broker, listening(PLANT.format(port=broker.port)) as server:
        wait_until(lambda: recorded(server.app, SourceConnected))
        review = {
            "id": "r1",
            "camera": "front_cam",
            "start_time": 1780468200.0,
            "end_time": None,
            "severity": "alert",
            "data": {"objects": ["person"], "zones": [], "sub_labels": ["Bob"]},
        }
        with publisher(broker.port) as out:
            out.say("frigate/reviews", {"type": "new", "before": review, "after": review})
            out.say("frigate/front_cam/status/detect", "offline")
            out.say("frigate/reviews", "broken by Bob Smith")
        wait_until(lambda: len(recorded(server.app, SiteObserved)) == 2 and recorded(server.app, MessageRejected))
        (here,) = server.query("site.present")
        assert (here.zone, here.category, here.unexpected) == ("gate", "person", "not expected there")
        assert [row.device for row in server.query("site.blind")] == ["front_cam"]
        assert not any(b"Bob Smith" in encode(fact) or b'"Bob"' in encode(fact) for fact in recorded(server.app))
        token = {"authorization": f"Bearer {server.app.token('site')}"}
        told = {"round": "night", "checkpoint": "gate", "time": "2026-06-03T08:20:00+02:00", "guard": "J. Doe"}
        assert httpx.post(f"{server.address}/site/events", json=told).status_code == 401
        assert httpx.post(f"{server.address}/site/events", json=told, headers=token).status_code == 200
        assert httpx.post(f"{server.address}/site/events", json=told, headers=token).status_code == 200
        assert httpx.post(f"{server.address}/site/events", content=b"{", headers=token).status_code == 400
        assert httpx.get(f"{server.address}/site/events", headers=token).status_code == 405
        assert [fact.checkpoint for fact in recorded(server.app, RoundChecked)] == ["gate"]


@pytest.mark.oracle
def test_what_real_cameras_said_is_taken_without_anything_personal(oracles):
    config = site.Config(frigate="frigate", onvif=("looper",), axis=("axis",))
    translate = site.translator(config, "site")
    found = {}
    for name in ("frigate_reviews_update", "axis_object_analytics_event", "onvif_profile_m_mqtt_occupancy"):
        told = json.loads((oracles / "site" / f"{name}.json").read_text())
        context = json.dumps(
            {"topic": told["topic"].replace("<serial>", "B8A4"), "received": "2026-06-03T08:30:00+02:00"}
        )
        found[name] = list(translate(Message(json.dumps(told["payload"]).encode(), None, context)))
        assert not any(isinstance(item, Rejection) for item in found[name]), found[name]
    review = found["frigate_reviews_update"]
    assert {(fact.zone, fact.category, fact.severity) for fact in review} == {
        ("front_yard", "person", "alert"),
        ("front_yard", "car", "alert"),
    }
    assert b"Bob" not in b"".join(map(encode, review))
    (axis,) = found["axis_object_analytics_event"]
    assert (axis.category, axis.end_time is not None) == ("person", True)
    (count,) = found["onvif_profile_m_mqtt_occupancy"]
    assert (count.device, count.zone, count.end_time is not None) == ("camera 1", "Occupancy", True)
