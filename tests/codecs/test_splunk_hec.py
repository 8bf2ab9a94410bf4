"""The HTTP Event Collector: Splunk's logger over a road that fails, a handler of Python, acknowledgements, errors."""

import json
import logging
import time

import pytest
import requests
from splunk_hec_handler import SplunkHecHandler

from collecting import node, roads, send, serving, stored

TOKEN = {"Authorization": "Splunk wk"}
AT = "/services/collector"
ONE = b'{"event": {"event": "a", "user_id": "ann"}, "time": 1790000000}'


@pytest.mark.parametrize("faults", roads("reset", "lost", "ok", "lost", "reset"))
def test_its_logger_delivers_each_event_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "splunk_hec", faults=faults) as served:
        said = node("splunk_hec.js", f"{served.url}{AT}/event/1.0", "wk")
        assert said == {"failures": [], "codes": [0]}
        rows = stored(served, "number", "user_id", "note", "host", "event")
        assert sorted(row["number"] for row in rows) == list(range(100))
        assert {(row["note"], row["host"], row["event"]) for row in rows} == {("Köln ☕", "web-1", "bought")}
        assert tuple(served.road.met[: len(faults)]) == faults
        assert ("duplicate" in served.house.bins()) == ("lost" in faults)


@pytest.mark.parametrize("endpoint", ["event", "raw"])
def test_a_handler_of_python_delivers_and_is_told_to_wait(tmp_path, endpoint):
    with serving(tmp_path, "splunk_hec", faults=["ok", "busy"]) as served:
        handler = SplunkHecHandler(
            "127.0.0.1", "wk", port=served.port, proto="http", endpoint=endpoint, hostname="web-1", sourcetype="_json"
        )
        sent = {"event": "bought", "user_id": "ann", "number": 1}
        handler.emit(logging.makeLogRecord({"msg": sent, "levelname": "INFO", "created": time.time()}))
        with pytest.raises(requests.HTTPError, match="503"):
            handler.emit(logging.makeLogRecord({"msg": sent, "levelname": "INFO", "created": time.time()}))
        handler.r.close()
        assert len(stored(served, "event_id")) == 1
        if endpoint == "event":
            assert stored(served, "event", "user_id", "log_level") == [
                {"event": "bought", "user_id": "ann", "log_level": "INFO"}
            ]


def test_a_channel_gets_ids_that_are_all_acknowledged(tmp_path):
    with serving(tmp_path, "splunk_hec") as served:
        channel = TOKEN | {"X-Splunk-Request-Channel": "c1"}
        given = [json.loads(send(served, AT, ONE, channel)[2]) for _ in range(2)]
        assert [reply["ackId"] for reply in given] == [1, 2]
        assert json.loads(send(served, f"{AT}/ack?channel=c1", b'{"acks": [1, 2]}', TOKEN)[2]) == {
            "acks": {"1": True, "2": True}
        }
        assert "ackId" not in json.loads(send(served, AT, ONE, TOKEN)[2])


def test_what_stands_before_a_break_is_kept(tmp_path):
    with serving(tmp_path, "splunk_hec") as served:
        status, _, text = send(served, AT, ONE * 2 + b'{"event": ', TOKEN)
        assert (status, json.loads(text)) == (
            400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 2}
        )  # fmt: skip
        assert [row["event"] for row in stored(served, "event")] == ["a", "a"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (ONE, TOKEN, 200, 0),
        (b"[" + ONE + b"," + ONE + b"]", TOKEN, 200, 0),
        (ONE, {"Authorization": "Basic eDp3aw=="}, 200, 0),
        (b"", TOKEN, 400, 5),
        (b"nope", TOKEN, 400, 6),
        (ONE, {}, 401, 2),
        (ONE, {"Authorization": "Splunk no"}, 403, 4),
    ],
)
def test_replies_have_the_numbers_that_senders_know(tmp_path, body, headers, status, code):
    with serving(tmp_path, "splunk_hec") as served:
        got, _, text = send(served, f"{AT}/event", body, headers)
        assert (got, json.loads(text)["code"]) == (status, code)
        assert send(served, f"{AT}/event?token=wk", ONE)[0] == 200
        status, _, text = send(served, f"{AT}/health/1.0", method="GET")
        assert (status, json.loads(text)["code"]) == (200, 17)
