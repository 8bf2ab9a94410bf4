"""CloudEvents: their own library in both modes, batches, and the handshake of webhooks."""

import json

import pytest
from cloudevents.v1.conversion import to_binary, to_structured
from cloudevents.v1.http import CloudEvent

from collecting import FAULTS, deliver, send, serving, stored

TOKEN = {"Authorization": "Bearer wk"}


@pytest.mark.parametrize("convert", [to_structured, to_binary])
def test_their_library_delivers_each_event_once(tmp_path, convert):
    with serving(tmp_path, "cloudevents", faults=FAULTS) as served:
        for number in range(20):
            about = {
                "type": "com.example.bought",
                "source": "/shop",
                "id": f"i{number}",
                "subject": f"order {number} ö",
            }
            headers, body = convert(CloudEvent(about, {"number": number, "user_id": "ann", "note": "Köln ☕"}))
            assert deliver(served, "/cloudevents", body, {**headers, **TOKEN}) == 204
        rows = stored(served, "event", "event_id", "user_id", "number", "note", "subject", "properties.source")
        assert sorted(row["number"] for row in rows) == list(range(20))
        assert {row["event_id"] for row in rows} == {f"/shop#i{number}" for number in range(20)}
        assert {(row["event"], row["user_id"], row["note"]) for row in rows} == {
            ("com.example.bought", "ann", "Köln ☕")
        }
        assert len({row["subject"] for row in rows}) == 20


@pytest.mark.parametrize(
    ("body", "column", "value"),
    [
        (b"plain text", "data", "plain text"),
        (b"\xff\x00", "data_base64", "/wA="),
        (b'"text"', "data", "text"),
        (b"5", "data", 5),
        (b'{"n": 5}', "n", 5),
    ],
)
def test_a_binary_event_may_hold_anything(tmp_path, body, column, value):
    with serving(tmp_path, "cloudevents") as served:
        about = {"ce-specversion": "1.0", "ce-type": "a", "ce-source": "/s", "ce-id": "1", "ce-subject": "K%C3%B6ln"}
        assert send(served, "/cloudevents?access_token=wk", body, about)[0] == 204
        assert stored(served, "event", "anonymous_id", column) == [
            {"event": "a", "anonymous_id": "Köln", column: value}
        ]


def test_a_binary_event_without_data_and_a_batch(tmp_path):
    with serving(tmp_path, "cloudevents") as served:
        about = {"ce-specversion": "1.0", "ce-type": "a", "ce-source": "/s", "ce-id": "1"}
        assert send(served, "/cloudevents", b"", {**about, **TOKEN})[0] == 204
        batch = [{"specversion": "1.0", "type": "b", "source": "/s", "id": f"b{number}"} for number in range(3)]
        assert send(served, "/cloudevents", json.dumps(batch).encode(), TOKEN)[0] == 204
        assert [row["event"] for row in stored(served, "event", order="event")] == ["a", "b", "b", "b"]


def test_a_sender_is_allowed_by_the_handshake_and_told_to_wait(tmp_path):
    with serving(tmp_path, "cloudevents", faults=["busy"]) as served:
        asked = {"WebHook-Request-Origin": "eventemitter.example.com", "WebHook-Request-Rate": "120"}
        status, said, _ = send(served, "/cloudevents", headers=asked, method="OPTIONS")
        assert (status, said["webhook-allowed-origin"], said["webhook-allowed-rate"], said["allow"]) == (
            200, "eventemitter.example.com", "*", "POST",
        )  # fmt: skip
        status, said, _ = send(served, "/cloudevents", b"{}", TOKEN)
        assert (status, said["retry-after"]) == (429, "2")
        assert send(served, "/cloudevents", b"{}")[0] == 401
        assert send(served, "/cloudevents", b"nope", TOKEN)[0] == 400
