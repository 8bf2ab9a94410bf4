"""PostHog: its own library over a road that fails, and every wrapping its events come in."""

import base64
import gzip
import json
from urllib.parse import quote, quote_plus

import pytest
from posthog import Posthog as Client

from collecting import node, roads, send, serving, stored
from trackway.codecs.posthog import Posthog
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan.component import Request

EVENT = {"api_key": "wk", "event": "clicked", "uuid": "u-1", "properties": {"distinct_id": "bob", "note": "Köln ☕?"}}
TEXT = json.dumps(EVENT).encode()
ROADS = roads("busy", "lost", "ok", "reset", "502")
CODED = base64.b64encode(TEXT)


@pytest.mark.parametrize("faults", ROADS)
@pytest.mark.parametrize("mode", ["v0", "v1"])
def test_its_library_delivers_each_event_once_over_any_road(tmp_path, mode, faults):
    with serving(tmp_path, "posthog", faults=faults) as served:
        failures = []
        client = Client(
            "wk", host=served.url, gzip=mode == "v0", capture_mode=mode, flush_at=60, flush_interval=0.1,
            on_error=lambda error, batch: failures.append(error), disable_geoip=False,
        )  # fmt: skip
        for number in range(100):
            client.capture("bought", distinct_id=f"u{number % 7}", properties={"number": number, "note": "Köln ☕"})
        client.alias("old", "ann")
        client.set(distinct_id="ann", properties={"email": "ann@shop.example"})
        client.shutdown()
        assert failures == []
        assert tuple(served.road.met[: len(faults)]) == faults
        rows = stored(served, "event", "user_id", "anonymous_id", "number", "note", "traits.email", "event_id")
        assert len(rows) == len({row["event_id"] for row in rows}) == 102
        bought = [row for row in rows if row["event"] == "bought"]
        assert sorted(row["number"] for row in bought) == list(range(100))
        assert {row["note"] for row in bought} == {"Köln ☕"}
        others = {row["event"]: row for row in rows if row["event"] != "bought"}
        assert (others["$create_alias"]["user_id"], others["$create_alias"]["anonymous_id"]) == ("old", "ann")
        assert others["$set"]["traits.email"] == "ann@shop.example"
        assert ("duplicate" in served.house.bins()) == ("lost" in faults)
        assert "wk" not in str(served.house.lake.sql("select * from events").to_pylist())


@pytest.mark.parametrize("faults", roads("busy", "lost", "reset"))
def test_its_node_library_delivers_each_event_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "posthog", faults=faults) as served:
        assert node("posthog.js", served.url, "wk") == {"failures": []}
        rows = stored(served, "number", "user_id", "event_id", "note")
        assert sorted(row["number"] for row in rows) == list(range(100))
        assert {row["note"] for row in rows} == {"Köln ☕"}
        assert tuple(served.road.met[: len(faults)]) == faults


def test_its_library_gives_up_on_a_wrong_key(tmp_path):
    with serving(tmp_path, "posthog") as served:
        failures = []
        client = Client("nope", host=served.url, on_error=lambda error, batch: failures.append(error.status))
        client.capture("bought", distinct_id="u")
        client.shutdown()
        assert failures == [401]


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [
        ("/e/", TEXT, "POST"),
        ("/e/?compression=gzip-js", gzip.compress(TEXT), "POST"),
        ("/e/?compression=base64", b"data=" + quote_plus(CODED).encode(), "POST"),
        ("/i/v0/e", b"data=" + CODED, "POST"),
        ("/capture", CODED, "POST"),
        ("/capture", b"data=" + quote_plus(TEXT).encode(), "POST"),
        ("/e?ip=1&data=" + quote(CODED.decode()), b"", "GET"),
        ("/e?data=" + quote(TEXT.decode()), b"", "GET"),
        ("/batch/", json.dumps({"api_key": "wk", "batch": [EVENT]}).encode(), "POST"),
        ("/track", json.dumps([EVENT]).encode(), "POST"),
    ],
)
def test_an_event_comes_in_any_wrapping(tmp_path, path, body, method):
    with serving(tmp_path, "posthog") as served:
        assert send(served, path, body, {"Content-Type": "text/plain"}, method)[::2] == (200, b'{"status": "Ok"}')
        assert stored(served, "event", "user_id", "note") == [
            {"event": "clicked", "user_id": "bob", "note": "Köln ☕?"}
        ]


def test_browsers_are_told_that_there_are_no_flags_and_no_recordings(tmp_path):
    with serving(tmp_path, "posthog") as served:
        status, _, reply = send(served, "/flags/?v=2", b'{"token": "wk"}', {"Origin": "https://shop.example"})
        assert (status, json.loads(reply)["sessionRecording"]) == (200, False)
        assert send(served, "/_readiness", method="GET")[0] == 200
        assert send(served, "/e/", b"{", {})[0] == 401
        assert send(served, "/e/", b"{", {"Authorization": "Bearer wk"})[0] == 400


def test_an_offset_counts_back_from_when_the_event_came():
    body = b'{"event": "a", "distinct_id": "b", "offset": 1500}'
    block = Block(1, "web", 1_790_000_000_000_000, "posthog", body, 1)
    time = Posthog().decode([block], Schema())["time"][0].as_py()
    assert time.timestamp() == 1_790_000_000 - 1.5


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ({"authorization": "Bearer a"}, b'{"api_key": "b"}', "a"),
        ({}, b'{"api_key": "b", "batch": []}', "b"),
        ({}, b'[{"properties": {"token": "c"}}]', "c"),
        ({}, b"[]", None),
        ({}, b'[{"event": "\xff"}]', None),
        ({}, b"%%%", None),
    ],
)
def test_the_key_is_a_bearer_or_stands_in_the_body(headers, body, key):
    assert Posthog().key(Request("/batch", headers, body)) == key
