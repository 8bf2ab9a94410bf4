"""Elasticsearch: its own clients over a road that fails, the handshakes of shippers, and replies in request order."""

import base64
import gzip
import json
import time

import elasticsearch
import pytest
from elasticsearch import helpers

from collecting import node, roads, send, serving, stored
from trackway.codecs.elasticsearch import Elasticsearch
from trackway.plan.component import Request

FAULTS = roads("busy", "reset", "lost", "502")
BULK = b'{"create": {"_index": "a", "_id": "1"}}\n{"n": 1}\n{"index": {}}\n{"n": 2}\n{"delete": {"_id": "9"}}\n'
KEY = {"Authorization": "ApiKey wk"}


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("prefix", ["", "/in/web"], ids=["root", "prefix"])
def test_its_python_client_delivers_each_document_once_over_any_road(tmp_path, faults, prefix):
    with serving(tmp_path, "elasticsearch", faults=faults) as served:
        client = elasticsearch.Elasticsearch(
            served.url + prefix, api_key="wk", http_compress=True, max_retries=8, retry_on_timeout=True
        )
        assert client.info()["tagline"] == "You Know, for Search"
        now = time.time()
        documents = (
            {"_op_type": "create", "_index": "shop", "_id": f"d{number}", "@timestamp": now, "number": number,
             "event": {"action": "bought"}, "user": {"id": f"u{number % 7}"}, "note": "Köln ☕"}
            for number in range(100)
        )  # fmt: skip
        done, errors = helpers.bulk(client, documents, chunk_size=30)
        client.index(index="shop", id="one", document={"event": "single", "user_id": "ann"})
        assert (done, errors) == (100, [])
        rows = stored(served, "event", "user_id", "number", "note", "event_id", "_index")
        assert {row["event_id"] for row in rows} == {*(f"shop/d{number}" for number in range(100)), "shop/one"}
        assert len(rows) == 101
        assert {(row["event"], row["note"]) for row in rows} == {("bought", "Köln ☕"), ("single", None)}
        assert tuple(served.road.met[: len(faults)]) == faults
        assert ("duplicate" in served.house.bins()) == ("lost" in faults)


@pytest.mark.parametrize("faults", FAULTS)
def test_its_node_client_delivers_each_document_once_over_any_road(tmp_path, faults):
    with serving(tmp_path, "elasticsearch", faults=faults) as served:
        said = node("elasticsearch.js", served.url, "wk")
        assert said == {"version": "9.0.0", "failed": 0, "successful": 100}
        rows = stored(served, "number", "user_id", "event_id")
        assert sorted(row["number"] for row in rows) == list(range(100))
        assert tuple(served.road.met[: len(faults)]) == faults


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_every_action_has_its_item_in_the_order_of_the_request(tmp_path, method):
    with serving(tmp_path, "elasticsearch") as served:
        status, said, text = send(served, "/logs/_bulk", gzip.compress(BULK), KEY, method)
        reply = json.loads(text)
        assert (status, said["x-elastic-product"], reply["errors"]) == (200, "Elasticsearch", False)
        items = [(*item.keys(), *(value["_index"] for value in item.values())) for item in reply["items"]]
        assert items == [("create", "a"), ("index", "logs"), ("delete", "logs")]
        assert [value["status"] for item in reply["items"] for value in item.values()] == [201, 201, 200]
        filters = "/_bulk?filter_path=errors,items.*.error,items.*.status"
        assert json.loads(send(served, filters, BULK, KEY)[2])["items"][0] == {"create": {"status": 201}}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", b'"tagline":"You Know, for Search"'),
        ("HEAD", "/", b""),
        ("GET", "/in/web", b'"cluster_name":"trackway"'),
        ("GET", "/_license", b'"status":"active"'),
        ("GET", "/_xpack", b'"type":"basic"'),
        ("GET", "/_cat/health", b"green"),
        ("GET", "/_cluster/health", b'"status":"green"'),
        ("GET", "/_ilm/policy/filebeat", b"{}"),
        ("PUT", "/_index_template/filebeat-8", b'{"acknowledged":true}'),
        ("GET", "/_nodes/http", b"{}"),
    ],
)
def test_shippers_are_greeted(tmp_path, method, path, expected):
    with serving(tmp_path, "elasticsearch") as served:
        status, said, text = send(served, path, method=method)
        assert (status, said["x-elastic-product"]) == (200, "Elasticsearch")
        assert expected in text
        assert served.house.journal.last() == 0


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ({}, "8.17.0"),
        ({"user-agent": "Elastic-filebeat/8.19.2 (linux; amd64)"}, "8.19.2"),
        ({"user-agent": "Filebeat/7.17.1"}, "7.17.1"),
        ({"accept": "application/vnd.elasticsearch+json; compatible-with=9"}, "9.0.0"),
    ],
)
def test_the_cluster_is_no_older_than_the_shipper(headers, number):
    reply = Elasticsearch().greet(Request("", headers, b"", method="GET"))
    assert json.loads(reply.body)["version"]["number"] == number


def test_a_person_at_the_root_is_left_to_the_pages(tmp_path):
    with serving(tmp_path, "elasticsearch") as served:
        assert send(served, "/", headers={"Accept": "text/html,*/*"}, method="GET")[0] == 404


@pytest.mark.parametrize(
    ("credentials", "admitted"),
    [
        ("Basic " + base64.b64encode(b"elastic:wk").decode(), True),
        ("Basic " + base64.b64encode(b"wk:").decode(), True),
        ("ApiKey wk", True),
        ("ApiKey " + base64.b64encode(b"id:wk").decode(), True),
        ("Bearer wk", True),
        ("Bearer no", False),
        ("ApiKey %%", False),
        ("Basic Og==", False),
    ],
)
def test_the_key_is_any_half_of_the_credentials(credentials, admitted):
    assert Elasticsearch().shows(Request("/_bulk", {"authorization": credentials}, b""), ["wk"]) is admitted


def test_what_is_refused_is_said_as_a_cluster_does(tmp_path):
    with serving(tmp_path, "elasticsearch", faults=["busy"], max_body="1KB") as served:
        status, said, text = send(served, "/_bulk", BULK, KEY)
        assert (status, said["content-type"], said["retry-after"]) == (503, "text/plain; charset=UTF-8", "2")
        assert text
        for body, headers, expected in ((BULK, {}, 401), (b"x", KEY, 400), (b"x" * 2000, KEY, 413)):
            status, said, text = send(served, "/_bulk", body, headers)
            assert (status, json.loads(text)["status"], said["x-elastic-product"]) == (
                expected,
                expected,
                "Elasticsearch",
            )
