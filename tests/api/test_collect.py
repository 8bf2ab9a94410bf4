"""The collector answers once the journal has a payload on disk; driven by the real Segment library and raw HTTP."""

import base64
import gzip
import http.client
import json
import socket
import threading
import time
import zlib
from contextlib import contextmanager
from types import SimpleNamespace

import pyarrow as pa
import pytest
import uvicorn
from fastapi import FastAPI
from segment.analytics.client import Client

from trackway.api.collect import routes
from trackway.api.doors import choose, open_doors
from trackway.codecs.segment import Segment
from trackway.errors import ConfigError, PayloadError, StorageError
from trackway.model.schema import Schema
from trackway.plan.component import Request
from trackway.plan.config import check
from trackway.store.journal import Journal

KEY = {"Authorization": "Basic " + base64.b64encode(b"wk:").decode()}
ONE = b'{"event": "Signed Up", "user_id": "ann"}'


@contextmanager
def collector(folder, sources, **project):
    """A collector on a loopback port, with a journal and a flow that is nowhere yet."""
    plan = check({"sources": sources, "project": project}, folder)
    journal = Journal(plan.data / "journal")
    app = FastAPI()
    app.router.routes[:0] = routes(
        SimpleNamespace(plan=plan, journal=journal, lake=SimpleNamespace(position=lambda: 0))
    )
    settings = uvicorn.Config(app, http="httptools", ws="none", log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield SimpleNamespace(port=listener.getsockname()[1], journal=journal)
        finally:
            server.should_exit = True
            thread.join()
            journal.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """One source with a key and both codecs, bodies up to 100 kB."""
    sources = {"web": {"type": "http", "codecs": ["segment", "json"], "write_keys": ["wk"], "max_body": "100KB"}}
    with collector(tmp_path_factory.mktemp("shop"), sources) as served:
        yield served


def send(served, path, body=b"", headers=None, method="POST"):
    """Status, headers and body of one request; `body` may be an iterable, which is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {}, encode_chunked=not isinstance(body, bytes))
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def kept(served, before):
    return served.journal.read(before)


# ── the real library ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_segment_library_delivers_all_its_calls(shop, packed):
    before, failures = shop.journal.last(), []
    client = Client(
        "wk", host=f"http://127.0.0.1:{shop.port}", gzip=packed, on_error=lambda error, _: failures.append(error)
    )
    client.identify("u1", {"email": "ann@example.com"}, anonymous_id="a1")
    for number in range(250):
        client.track("u1", "Plan Chosen", {"plan": "pro", "number": number, "note": "Köln ☕"})
    client.page("u1", "Docs", "Pricing", {"path": "/pricing"})
    client.screen("u1", "App", "Home")
    client.group("u1", "g1", {"name": "Acme"})
    client.alias("a1", "u1")
    client.shutdown()
    blocks = kept(shop, before)
    assert failures == []
    assert sum(block.records for block in blocks) == 255
    assert {(block.source, block.codec, block.headers["path"]) for block in blocks} == {("web", "segment", "/v1/batch")}
    table = Segment().decode(blocks, Schema())
    assert table["reason"].null_count == 255
    names = table["event"].to_pylist()
    assert [names.count(name) for name in ("Identify", "Plan Chosen", "Page", "Screen", "Group", "Alias")] == [
        1,
        250,
        1,
        1,
        1,
        1,
    ]
    assert table["number"].drop_null().to_pylist() == list(range(250))
    assert set(table["note"].to_pylist()) == {"Köln ☕", None}
    assert table["event_id"].null_count == table["time"].null_count == table["sent_at"].null_count == 0
    assert table["previous_id"].drop_null().to_pylist() == ["a1"]


def test_the_segment_library_hears_of_a_wrong_key(shop):
    failures = []
    client = Client(
        "nope", host=f"http://127.0.0.1:{shop.port}", on_error=lambda error, _: failures.append(error), max_retries=1
    )
    client.track("u1", "A")
    client.shutdown()
    assert [error.status for error in failures] == [401]


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────


def chunks(body):
    return (body[place : place + 7] for place in range(0, len(body), 7))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE, {}),
        (gzip.compress(ONE), {"Content-Encoding": "gzip"}),
        (gzip.compress(ONE), {}),
        (ONE, {"Content-Encoding": "gzip"}),
        (zlib.compress(ONE), {"Content-Encoding": "deflate"}),
        (zlib.compress(ONE)[2:-4], {"Content-Encoding": "deflate"}),
        (pa.compress(ONE, "zstd", asbytes=True), {"Content-Encoding": "zstd"}),
        (gzip.compress(ONE[:5]) + gzip.compress(ONE[5:]), {"Content-Encoding": "gzip"}),
        (ONE, {"Content-Type": "application/x-www-form-urlencoded"}),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_bodies_come_packed_or_not_chunked_or_not_under_any_content_type(shop, body, headers, chunked):
    before = shop.journal.last()
    headers = KEY | headers | ({"Transfer-Encoding": "chunked"} if chunked else {})
    status, _, reply = send(shop, "/v1/events", chunks(body) if chunked else body, headers)
    assert (status, json.loads(reply)) == (200, {"ok": True, "received": 1})
    assert [(block.body, block.records) for block in kept(shop, before)] == [(ONE, 1)]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "error"),
    [
        ("/v1/events", b"x" * 100_001, KEY, 413, "more than 100,000 bytes"),
        ("/v1/events", gzip.compress(b" " * 50_000_000), KEY, 413, "more than 100,000 bytes"),
        ("/v1/events", pa.compress(b" " * 50_000_000, "zstd", asbytes=True), KEY, 413, "more than 100,000 bytes"),
        ("/v1/events", pa.compress(ONE, "zstd", asbytes=True)[:-9], KEY, 400, "the zstd body is damaged"),
        ("/v1/events", gzip.compress(ONE)[:-9], KEY, 400, "the gzip body is cut off"),
        ("/v1/events", gzip.compress(ONE)[:-8] + bytes(8), KEY, 400, "the gzip body is damaged"),
        ("/v1/events", ONE, KEY | {"Content-Encoding": "br"}, 415, "cannot unpack 'br'"),
        ("/v1/events", b'{"event": ', KEY, 400, "not JSON"),
        ("/v1/batch", b'{"batch": [{]}', KEY, 400, "not JSON"),
        ("/v1/events", ONE, {}, 401, "a write key is needed"),
        ("/v1/events", ONE, {"Authorization": "Bearer wrong"}, 401, "the write key is not known"),
        ("/v1/events", ONE, {"Authorization": "Basic \xe9"}, 401, "a write key is needed"),
        ("/v1/batch", b'{"batch": [{}], "writeKey": "wrong"}', {}, 401, "the write key is not known"),
    ],
)
def test_what_cannot_be_taken_in_is_said_and_not_kept(shop, path, body, headers, status, error):  # noqa: PLR0917
    before = shop.journal.last()
    got, said, reply = send(shop, path, body, headers)
    shape = json.loads(reply)
    assert (got, shape["status"], shape["ok"]) == (status, status, False)
    assert error in shape["error"]
    assert shape["hint"] or "damaged" in error or "cut off" in error
    assert ("www-authenticate" in said) == (status == 401)
    assert shop.journal.last() == before


def test_a_body_far_too_large_is_given_up_without_reading_it_all(shop):
    headers = KEY | {"Content-Length": str(10**12), "Expect": "100-continue"}
    status, said, _ = send(shop, "/v1/events", b"", headers)
    assert (status, said["connection"]) == (413, "close")


def test_bad_lines_are_kept_with_the_good_ones_and_refused_later(shop):
    before = shop.journal.last()
    status, _, reply = send(shop, "/v1/events", ONE + b"\nbroken\n" + ONE, KEY)
    assert (status, json.loads(reply)["received"]) == (200, 3)
    assert kept(shop, before)[0].records == 3


def test_an_empty_batch_is_answered_and_not_kept(shop):
    before = shop.journal.last()
    status, _, reply = send(shop, "/v1/batch", b'{"batch": []}', KEY)
    assert (status, reply) == (200, b'{"success": true}')
    assert shop.journal.last() == before


def test_only_post_is_answered_and_other_paths_belong_to_others(shop):
    status, said, _ = send(shop, "/v1/events", method="GET", headers=KEY)
    assert (status, said["allow"]) == (405, "OPTIONS, POST")
    assert send(shop, "/v1/elsewhere", ONE, KEY)[0] == 404


@pytest.mark.parametrize("path", ["/v1/t", "/v1/track", "/v1/track/", "/in/web/v1/track"])
def test_one_call_comes_on_its_own_path_and_under_the_name_of_the_source(shop, path):
    before = shop.journal.last()
    assert send(shop, path, b'{"event": "A", "userId": "u", "writeKey": "wk"}')[0] == 200
    assert [(block.codec, block.headers["path"]) for block in kept(shop, before)] == [("segment", path.rstrip("/"))]


# ── browsers ────────────────────────────────────────────────────────────────────────────────────────


def test_browsers_may_send_from_any_page(shop):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Headers": "authorization,content-type"}
    status, said, _ = send(shop, "/v1/t", method="OPTIONS", headers=asked)
    assert status == 204
    assert said["access-control-allow-origin"] == "https://shop.example"
    assert said["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in said["access-control-allow-methods"]
    beacon = {"Origin": "https://shop.example", "Content-Type": "text/plain"}
    status, said, _ = send(shop, "/v1/t", b'{"event": "A", "userId": "u", "writeKey": "wk"}', beacon)
    assert (status, said["access-control-allow-origin"]) == (200, "https://shop.example")
    assert send(shop, "/v1/t", b"{}", beacon)[1]["access-control-allow-credentials"] == "true"


# ── several sources ─────────────────────────────────────────────────────────────────────────────────


def test_sources_are_told_apart_by_key_then_by_path(tmp_path):
    sources = {
        "web": {"type": "http", "write_keys": ["wk", "wk2"]},
        "app": {"type": "http", "write_keys": ["ak"]},
        "one": {"type": "http", "codecs": ["json"]},
        "two": {"type": "http", "codecs": ["json"]},
    }
    with collector(tmp_path, sources) as served:
        for key in ("ak", "wk2"):
            assert send(served, f"/v1/events?key={key}", ONE)[0] == 200
        for path in ("/in/two", "/in/one/v1/events", "/in/two/"):
            assert send(served, path, ONE)[0] == 200
        status, _, reply = send(served, "/v1/events", ONE)
        assert status == 404
        assert "/in/one/v1/events or /in/two/v1/events" in json.loads(reply)["hint"]
        assert send(served, "/in/app?key=wk", ONE)[0] == 401
        assert [block.source for block in served.journal.read(0)] == ["app", "web", "two", "one", "two"]


def test_a_source_without_keys_is_open_on_loopback_only(tmp_path):
    plan = check({"sources": {"web": {"type": "http"}}, "project": {"listen": "0.0.0.0:8700"}}, tmp_path)
    with pytest.raises(ConfigError, match="open to everybody") as error:
        open_doors(plan)
    assert error.value.path == "sources.web"


def test_an_open_source_answers_only_this_machine_wherever_it_listens(tmp_path):
    doors = open_doors(check({"sources": {"web": {"type": "http"}}}, tmp_path)).find("/v1/events").doors["POST"]
    request = Request("/v1/events", {}, ONE)
    assert choose(doors, request, ("127.0.0.1", 8700)).name == "web"
    with pytest.raises(PayloadError, match="only this machine") as error:
        choose(doors, request, ("192.0.2.7", 8700))
    assert error.value.status == 401


@pytest.mark.parametrize(
    ("table", "path", "error"),
    [
        ({"codecs": ["jason"]}, "sources.web.codecs", "unknown type 'jason'"),
        ({"codecs": ["access_log"]}, "sources.web.codecs", "reads files"),
        ({"codecs": []}, "sources.web.codecs", "at least one"),
        ({"write_keys": [""]}, "sources.web.write_keys", "empty"),
        ({"max_body": "big"}, "sources.web.max_body", "a size such as"),
    ],
)
def test_wrong_options_are_named_with_their_path(tmp_path, table, path, error):
    with pytest.raises(ConfigError, match=error) as raised:
        check({"sources": {"web": {"type": "http", **table}}}, tmp_path)
    assert raised.value.path == path


# ── when it cannot ──────────────────────────────────────────────────────────────────────────────────


def test_a_flow_that_falls_behind_is_felt_by_the_senders(tmp_path):
    with collector(tmp_path, {"web": {"type": "http"}}, max_backlog=10) as served:
        eleven = b"\n".join([ONE] * 11)
        assert send(served, "/v1/events", eleven)[0] == 200
        status, said, reply = send(served, "/v1/events", ONE)
        assert (status, said["retry-after"], said["content-type"]) == (503, "2", "text/plain; charset=utf-8")
        assert b"the flow is behind" in reply
        assert served.journal.received()["web"].records == 11


def test_a_disk_that_refuses_is_said_with_503_and_heals(tmp_path, monkeypatch):
    with collector(tmp_path, {"web": {"type": "http"}}) as served:
        with monkeypatch.context() as patch:
            patch.setattr(served.journal, "append", refuse)
            status, said, reply = send(served, "/v1/events", ONE)
        assert (status, said["retry-after"]) == (503, "2")
        assert b"database or disk is full" in reply
        assert send(served, "/v1/events", ONE)[0] == 200
        assert served.journal.last() == 1


def refuse(_payloads):
    raise StorageError("the journal cannot be used: database or disk is full")


def test_many_senders_at_once_are_all_kept_once(shop):
    before = shop.journal.last()
    statuses = []

    def post(worker):
        for number in range(20):
            body = json.dumps({"event": f"{worker}-{number}", "user_id": "u"}).encode()
            statuses.append(send(shop, "/v1/events", body, KEY)[0])

    workers = [threading.Thread(target=post, args=(worker,)) for worker in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert statuses == [200] * 160
    events = {json.loads(block.body)["event"] for block in kept(shop, before)}
    assert events == {f"{worker}-{number}" for worker in range(8) for number in range(20)}


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(shop):
    before = shop.journal.last()
    with socket.create_connection(("127.0.0.1", shop.port)) as half:
        half.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + ONE)
    assert send(shop, "/v1/events", ONE, KEY)[0] == 200
    assert len(kept(shop, before)) == 1
