"""Mixpanel: its own library over a road that fails, every wrapping, and both shapes of reply."""

import base64
import json
from urllib.parse import quote

import pytest
from mixpanel import BufferedConsumer, Consumer, Mixpanel, MixpanelException

from collecting import roads, send, serving, stored
from trackway.codecs.mixpanel import Mixpanel as Codec
from trackway.plan.component import Request

EVENT = {"event": "a", "properties": {"token": "wk", "distinct_id": "ann", "$insert_id": "i1", "time": 1_790_000_000}}
TEXT = json.dumps(EVENT).encode()
CODED = base64.b64encode(TEXT).decode()


def urls(served):
    return {f"{name}_url": f"{served.url}/{path}" for name, path in
            (("events", "track"), ("people", "engage"), ("groups", "groups"), ("import", "import"))}  # fmt: skip


@pytest.mark.parametrize("faults", roads("lost", "busy", "reset", "502"))
def test_its_library_delivers_each_event_once_over_any_road(tmp_path, faults, monkeypatch):
    with serving(tmp_path, "mixpanel", faults=faults, tls=True) as served:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(served.certificate))
        consumer = BufferedConsumer(max_size=20, **urls(served), retry_limit=6)
        client = Mixpanel("wk", consumer=consumer)
        for number in range(100):
            client.track(f"u{number % 7}", "bought", {"number": number, "note": "Köln ☕ + %"})
        client.people_set("u1", {"$email": "u1@shop.example"})
        client.group_set("company", "acme", {"plan": "pro"})
        consumer.flush()
        assert tuple(served.road.met[: len(faults)]) == faults
        rows = stored(served, "event", "actor", "number", "note", "traits.$email", "traits.plan", "event_id")
        bought = [row for row in rows if row["event"] == "bought"]
        assert sorted(row["number"] for row in bought) == list(range(100))
        assert {row["note"] for row in bought} == {"Köln ☕ + %"}
        others = {row["event"]: row for row in rows if row["event"] != "bought"}
        assert others["$engage"]["traits.$email"] == "u1@shop.example"
        assert (others["$groups"]["actor"], others["$groups"]["traits.plan"]) == ("company:acme", "pro")
        assert len(rows) == 102
        assert "wk" not in str(served.house.lake.sql("select * from events").to_pylist())


def test_its_library_imports_with_a_secret_and_hears_of_a_wrong_one(tmp_path):
    with serving(tmp_path, "mixpanel", keys=("secret",)) as served:
        client = Mixpanel("wk", consumer=Consumer(**urls(served)))
        client.import_data(None, "ann", "Old", 1_790_000_000, {"n": 1}, api_secret="secret")
        with pytest.raises(MixpanelException, match="write key is not known"):
            client.track("ann", "new")
        assert [row["event"] for row in stored(served, "event")] == ["Old"]


@pytest.mark.parametrize(
    ("path", "body", "reply"),
    [
        ("/track?verbose=1&data=" + quote(CODED), None, b'{"status": 1, "error": null}'),
        ("/track?data=" + quote(TEXT.decode()), None, b"1"),
        ("/track", b"verbose=0&data=" + quote(CODED).encode(), b"1"),
        ("/track?verbose=1", b"data=" + quote(TEXT.decode()).encode(), b'{"status": 1, "error": null}'),
        ("/track", TEXT, b"1"),
        ("/import?strict=1", b"[" + TEXT + b"]", b'{"code":200,"num_records_imported":1,"status":"OK"}'),
        ("/import", TEXT + b"\n", b'{"code":200,"num_records_imported":1,"status":"OK"}'),
        ("/import", b"verbose=1&data=" + quote(TEXT.decode()).encode(), b'{"status": 1, "error": null}'),
    ],
)
def test_an_event_comes_in_any_wrapping_and_is_answered_in_its_shape(tmp_path, path, body, reply):
    with serving(tmp_path, "mixpanel", "posthog") as served:
        method = "GET" if body is None else "POST"
        assert send(served, path, body or b"", method=method)[::2] == (200, reply)
        assert stored(served, "event", "user_id", "event_id") == [{"event": "a", "user_id": "ann", "event_id": "i1"}]


@pytest.mark.parametrize("body", [b"", b"data=", b"data=%%%", b"[{]", b"\xff", b"data=e30="])
def test_what_holds_no_event_shows_no_key(body):
    assert Codec().key(Request("/track", {}, body)) is None
