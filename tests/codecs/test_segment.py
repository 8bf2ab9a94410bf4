"""What is special about Segment: batches and single calls, and where the write key is."""

import base64
import json

import pytest
from segment.analytics.client import Client

from collecting import node, roads, send, serving, stored
from trackway.codecs.segment import Segment
from trackway.errors import PayloadError
from trackway.model.form import PIXEL
from trackway.plan.component import Request

FAULTS = roads("busy", "lost", "reset", "502")
BASIC = {"authorization": "Basic d2s6"}


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b'{"batch": [{}, {}], "sentAt": "x"}', 2),
        (b'{"sentAt": {"batch": [1]}, "batch" : [ ] }', 0),
        (b'{"type": "track", "properties": {"batch": [1, 2]}}', 1),
        (b'{"batch": [{"event": "\xff"}]}', 1),
        (b"[1, 2]", 2),
        (b'{"type": "track"}\n{"type": "page"}\n', 2),
    ],
)
def test_a_batch_counts_its_calls_so_do_lists_and_lines_and_anything_else_is_one(body, records):
    assert Segment().count(body, {}) == records


@pytest.mark.parametrize("body", [b"", b"x", b'{"batch": [{}', b'{"batch": [{"a": tru}]}', b'{"batch": [{}],}',
                                  b'{"batch": {}}', b'{"batch": [1], "batch": [1]}', b'{"batch": [1]} {}'])  # fmt: skip
def test_what_is_no_json_or_no_list_of_calls_is_said_to_the_sender(body):
    with pytest.raises(PayloadError) as error:
        Segment().count(body, {})
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        (BASIC, b"{}", "wk"),
        (BASIC, b'{"writeKey": "other"}', "wk"),
        ({}, b'{"batch": [{}], "writeKey": "wk"}', "wk"),
        ({}, b'{"type": "track", "writeKey": "wk"}', "wk"),
        ({}, b'{"type": "track", "writeKey": 5}', None),
        ({}, b"not json", None),
    ],
)
def test_the_write_key_is_a_user_name_or_stands_in_the_body(headers, body, key):
    assert Segment().key(Request("/v1/batch", headers, body)) == key


@pytest.mark.parametrize("faults", FAULTS)
def test_its_python_library_delivers_each_call_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "segment", faults=faults) as served:
        failures = []
        client = Client("wk", host=served.url, gzip=True, on_error=lambda error, _: failures.append(error))
        for number in range(100):
            client.track(f"u{number % 7}", "bought", {"number": number})
        client.shutdown()
        assert failures == []
        assert sorted(row["number"] for row in stored(served, "number")) == list(range(100))
        assert tuple(served.road.met[: len(faults)]) == faults


@pytest.mark.parametrize("faults", FAULTS)
def test_its_node_library_delivers_each_call_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "segment", faults=faults) as served:
        assert node("segment.js", served.url, "wk") == {"failures": []}
        rows = stored(served, "event", "number", "traits.email", "previous_id")
        assert sorted(row["number"] for row in rows if row["event"] == "bought") == list(range(100))
        others = {row["event"]: row for row in rows if row["event"] != "bought"}
        assert set(others) == {"Identify", "Page", "Screen", "Group", "Alias"}
        assert (others["Identify"]["traits.email"], others["Alias"]["previous_id"]) == ("ann@shop.example", "anon")
        assert tuple(served.road.met[: len(faults)]) == faults


def test_a_pixel_brings_one_call_and_needs_the_key(tmp_path):
    with serving(tmp_path, "segment") as served:
        call = {"event": "Mail Opened", "userId": "ann", "writeKey": "wk", "messageId": "m"}
        for key, expected in (("wk", 200), ("no", 401)):
            data = base64.b64encode(json.dumps(call | {"writeKey": key}).encode()).decode()
            status, _, body = send(served, f"/v1/pixel/track?data={data}", method="GET")
            assert (status, body == PIXEL) == (expected, expected == 200)
        assert send(served, "/v1/pixel/track?data=%25", method="GET")[0] == 401
        assert stored(served, "event", "user_id", "event_id") == [
            {"event": "Mail Opened", "user_id": "ann", "event_id": "m"}
        ]


def test_a_browser_is_told_its_settings(tmp_path):
    with serving(tmp_path, "segment") as served:
        said = json.loads(send(served, "/v1/projects/wk/settings", method="GET")[2])
        assert said["integrations"]["Segment.io"] == {"apiKey": "wk", "apiHost": f"127.0.0.1:{served.port}/v1"}
        assert send(served, "/v1/m", b'{"series": []}')[0] == 200
        assert served.house.journal.last() == 0
