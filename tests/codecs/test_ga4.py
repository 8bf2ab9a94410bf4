"""The Measurement Protocol: a library that speaks it, its debug address, and ids where the protocol has none."""

import json
import time
from datetime import datetime, timedelta

import pytest
from ga4mp import FirebaseMP, GtagMP

from collecting import FAULTS, deliver, send, serving, stored
from trackway.codecs.ga4 import Ga4
from trackway.errors import PayloadError

ADDRESS = "/mp/collect?measurement_id=G-1&api_secret=wk"


def test_a_library_delivers_each_event_once(tmp_path):
    with serving(tmp_path, "ga4") as served:
        web = GtagMP(api_secret="wk", measurement_id="G-1", client_id="c-1")
        app = FirebaseMP(api_secret="wk", firebase_app_id="F-1", app_instance_id="a" * 32)
        for library in (web, app):
            library._base_domain, library._validation_domain = (
                f"{served.url}/mp/collect",
                f"{served.url}/debug/mp/collect",
            )
            library.store.set_user_property("plan", "pro")
            events = [event(library, number) for number in range(60)]
            library.send(events)
            library.send(events[:2], validation_hit=True)
        web.send([event(web, 60)], date=datetime.now() - timedelta(hours=2))
        web.send([event(web, 61)], postpone=True)
        web.postponed_send()
        rows = stored(served, "event", "anonymous_id", "number", "traits.plan", "measurement_id", "firebase_app_id")
        assert sorted(row["number"] for row in rows) == sorted([*range(60), *range(62)])
        assert {row["traits.plan"] for row in rows} == {"pro"}
        assert {(row["anonymous_id"], row["measurement_id"], row["firebase_app_id"]) for row in rows} == {
            ("c-1", "G-1", None), ("a" * 32, None, "F-1"),
        }  # fmt: skip


def event(library, number):
    made = library.create_new_event("tutorial_begin")
    made.set_event_param("number", number)
    return made


def test_a_request_with_a_time_is_the_same_events_however_often_it_comes(tmp_path):
    with serving(tmp_path, "ga4", faults=FAULTS) as served:
        now = int(time.time() * 1e6)
        for client in ("c-1", "c-2"):
            events = [{"name": "view", "params": {}}, {"name": "view", "params": {}}]
            body = json.dumps({"client_id": client, "timestamp_micros": now, "events": events}).encode()
            for _ in range(3):
                assert deliver(served, ADDRESS, body) == 204
        assert [row["anonymous_id"] for row in stored(served, "anonymous_id", order="anonymous_id")] == [
            "c-1", "c-1", "c-2", "c-2",
        ]  # fmt: skip


def test_a_wrong_secret_is_said_and_a_body_without_events_too(tmp_path):
    with serving(tmp_path, "ga4") as served:
        assert send(served, "/mp/collect?api_secret=no", b'{"events": []}')[0] == 401
        assert send(served, ADDRESS, b'{"event": 1}')[0] == 400


@pytest.mark.parametrize("body", [b'{"events": {"name": "a"}', b'{"events": {"name": "a"}} x', b'{"events": 1}', b"[]"])
def test_what_is_no_list_and_no_event_is_none(body):
    with pytest.raises(PayloadError):
        Ga4().count(body, {})
