"""Amplitude: its own library over a road that fails, and the replies that it reads."""

import json
import time

import pytest
from amplitude import Amplitude as Client
from amplitude import BaseEvent, Config, EventOptions, Identify

from collecting import roads, send, serving, stored

ONE = {"event_type": "a", "user_id": "ann", "insert_id": "i1", "time": 1_790_000_000_000}


@pytest.mark.parametrize("faults", roads("busy", "502", "ok", "lost"))
@pytest.mark.parametrize("batch", [False, True], ids=["httpapi", "batch"])
def test_its_library_delivers_each_event_once_over_any_road(tmp_path, batch, faults):
    with serving(tmp_path, "amplitude", "posthog", faults=faults) as served:
        told = []
        config = Config(
            flush_interval_millis=100, flush_queue_size=40, use_batch=batch,
            server_url=served.url + ("/batch" if batch else "/2/httpapi"),
        )  # fmt: skip
        config.callback = lambda event, code, message: told.append(code)
        client = Client("wk", config)
        for number in range(100):
            client.track(BaseEvent("bought", user_id=f"user-{number % 7}", event_properties={"number": number}))
        client.identify(Identify().set("plan", "pro"), EventOptions(user_id="user-1"))
        end = time.monotonic() + 20
        while len(told) < 101 - 40 * faults.count("lost") and time.monotonic() < end:
            time.sleep(0.05)
        client.shutdown()
        assert set(told) == {200}
        rows = stored(served, "event", "user_id", "number", "traits.plan", "event_id")
        assert len(rows) == len({row["event_id"] for row in rows}) == 101
        assert sorted(row["number"] for row in rows if row["event"] == "bought") == list(range(100))
        assert [row["traits.plan"] for row in rows if row["event"] == "$identify"] == ["pro"]
        assert tuple(served.road.met[: len(faults)]) == faults
        assert "wk" not in str(served.house.lake.sql("select * from events").to_pylist())


@pytest.mark.parametrize(
    ("body", "status", "reply"),
    [
        ({"api_key": "wk", "events": [ONE, ONE]}, 200, {"code": 200, "events_ingested": 2}),
        (
            {"api_key": "no", "events": [ONE]},
            400,
            {"code": 400, "error": "Invalid API key: the write key is not known"},
        ),
        ({"api_key": "wk", "events": [ONE] * 2000}, 413, {"code": 413}),
    ],
)
def test_replies_are_those_its_libraries_read(tmp_path, body, status, reply):
    with serving(tmp_path, "amplitude", max_body="50KB") as served:
        got, _, text = send(served, "/2/httpapi", json.dumps(body).encode())
        said = json.loads(text)
        assert (got, {name: said[name] for name in reply}) == (status, reply)
        assert status != 200 or (said["payload_size_bytes"] > 100 and said["server_upload_time"] > 1_790_000_000_000)


def test_a_body_without_events_names_what_is_missing(tmp_path):
    with serving(tmp_path, "amplitude", keys=()) as served:
        status, _, text = send(served, "/2/httpapi", b'{"api_key": "wk", "event": {}}')
        assert (status, json.loads(text)["missing_field"]) == (400, "events")
