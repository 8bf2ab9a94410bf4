"""Snowplow: its own tracker, posting and by pixel, over a road that fails."""

import time

import pytest
from snowplow_tracker import Emitter, PageView, SelfDescribing, SelfDescribingJson, StructuredEvent, Subject, Tracker

from collecting import roads, send, serving, stored
from trackway.codecs.snowplow import Snowplow
from trackway.model.event import Block
from trackway.model.form import PIXEL
from trackway.model.schema import Schema

LINK = "iglu:com.acme/link_click/jsonschema/1-0-1"
PAGE = SelfDescribingJson("iglu:com.acme/product/jsonschema/1-0-0", {"sku": "A-7"})


def track(served, method):
    """A hundred events of three kinds, all acknowledged."""
    failed = []
    emitter = Emitter(
        "127.0.0.1", port=served.port, protocol="http", method=method, batch_size=20,
        on_failure=lambda _sent, events: failed.append(len(events)),
    )  # fmt: skip
    tracker = Tracker(namespace="t", emitters=emitter, app_id="wk", subject=Subject().set_domain_user_id("d-1"))
    for number in range(34):
        who = Subject().set_user_id(f"u{number % 7}")
        tracker.track(PageView(f"https://shop.example/{number}", page_title="Köln ☕", event_subject=who))
        tracker.track(StructuredEvent("shop", "bought", value=number, event_subject=who))
        if number < 32:
            tracker.track(SelfDescribing(SelfDescribingJson(LINK, {"number": number}), context=[PAGE]))
    tracker.flush()
    return emitter, tracker, failed


@pytest.mark.parametrize("faults", roads("busy", "lost", "reset"))
def test_its_tracker_delivers_each_event_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "snowplow", faults=faults) as served:
        emitter, tracker, _ = track(served, "post")
        patience = time.monotonic() + 40
        while emitter.event_store.size() and time.monotonic() < patience:
            time.sleep(0.1)
            tracker.flush()
        rows = stored(served, "event", "event_id", "user_id", "anonymous_id", "page_title", "se_value", "number",
                      "contexts.product.sku")  # fmt: skip
        assert len(rows) == len({row["event_id"] for row in rows}) == 100
        pages, bought, clicks = ([row for row in rows if row["event"] == name]
                                 for name in ("page_view", "struct", "link_click"))  # fmt: skip
        assert {row["page_title"] for row in pages} == {"Köln ☕"}
        assert sorted(row["se_value"] for row in bought) == list(range(34))
        assert sorted(row["number"] for row in clicks) == list(range(32))
        assert {row["contexts.product.sku"] for row in clicks} == {"A-7"}
        assert {row["anonymous_id"] for row in clicks} == {"d-1"}
        assert tuple(served.road.met[: len(faults)]) == faults


def test_its_tracker_sends_by_pixel_too(tmp_path):
    with serving(tmp_path, "snowplow") as served:
        _, _, failed = track(served, "get")
        assert failed == []
        rows = stored(served, "event", "number", "user_id")
        assert len(rows) == 100
        assert sorted(row["number"] for row in rows if row["event"] == "link_click") == list(range(32))


def test_the_pixel_is_a_picture_and_needs_the_application_id(tmp_path):
    with serving(tmp_path, "snowplow") as served:
        status, said, body = send(served, "/i?e=pv&aid=wk&eid=1&duid=d", method="GET")
        assert (status, said["content-type"], body) == (200, "image/gif", PIXEL)
        assert send(served, "/i?e=pv&aid=no", method="GET")[0] == 401
        assert send(served, "/com.snowplowanalytics.snowplow/tp2", b'{"data": 1}')[0] == 401


@pytest.mark.parametrize(
    "part",
    ['{"ue_px": "e30"}', '{"ue_pr": "[]"}', '{"ue_pr": "{\\"data\\": {\\"schema\\": \\"x\\", \\"data\\": 1}}"}',
     '{"cx": "////"}', '{"co": "{\\"data\\": 3}"}'],
)  # fmt: skip
def test_a_part_that_cannot_be_read_is_refused_and_not_the_rest(part):
    body = f'{{"data": [{{"e": "ue", "eid": "1"}}, {part}, {{"e": "pv", "eid": "2"}}]}}'.encode()
    table = Snowplow().decode([Block(1, "web", 0, "snowplow", body, 3)], Schema())
    assert table["reason"].to_pylist() == [None, "unreadable", None]
