"""mParticle: its own library, which does not retry by itself, so its caller does as callers do."""

import time

import mparticle
import pytest

from collecting import roads, send, serving, stored
from trackway.codecs.mparticle import Mparticle
from trackway.errors import PayloadError


def batch(first):
    events = [
        mparticle.AppEvent(
            "bought", timestamp_unixtime_ms=int(time.time() * 1000), custom_attributes={"number": str(number)}
        )
        for number in range(first, first + 10)
    ]
    made = mparticle.Batch()
    made.events = events
    made.environment = "development"
    made.user_identities = mparticle.UserIdentities(customerid=f"u{first}", email="u@shop.example")
    made.user_attributes = {"plan": "pro"}
    return made


@pytest.mark.parametrize("faults", roads("busy", "lost", "reset", "502"))
def test_its_library_delivers_each_event_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "mparticle", keys=("secret",), faults=faults) as served:
        config = mparticle.Configuration()
        config.host, config.api_key, config.api_secret = f"{served.url}/v2", "key", "secret"
        api = mparticle.EventsApi(config)
        sends = [(api.upload_events, batch(first)) for first in range(0, 50, 10)]
        sends.append((api.bulk_upload_events, [batch(first) for first in range(50, 100, 10)]))
        for method, body in sends:
            while not delivered(method, body):
                time.sleep(0.05)
        config.api_client.rest_client.pool_manager.clear()
        rows = stored(served, "event", "user_id", "number", "traits.plan", "event_id")
        assert sorted(int(row["number"]) for row in rows) == list(range(100))
        assert len({row["event_id"] for row in rows}) == 100
        assert {(row["event"], row["traits.plan"]) for row in rows} == {("bought", "pro")}
        assert {row["user_id"] for row in rows} == {f"u{first}" for first in range(0, 100, 10)}
        assert tuple(served.road.met[: len(faults)]) == faults


def delivered(method, body):
    try:
        method(body)
    except Exception:  # noqa: BLE001 - an answer that is none, or a broken connection
        return False
    return True


def test_a_key_is_needed_and_an_empty_list_is_no_batch(tmp_path):
    with serving(tmp_path, "mparticle") as served:
        assert send(served, "/v2/events", b'{"events": []}')[0] == 401
    with pytest.raises(PayloadError, match="no batch"):
        Mparticle().count(b"[]", {})
