"""Calls over a real socket: in batches, in order, again when the collector is full, live with the time of now."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from trackway.worlds.leads import leads
from trackway.worlds.sender import send, trickle

UNTIL = datetime(2026, 3, 2, tzinfo=UTC)


@contextmanager
def collector(*statuses: int) -> Iterator[tuple[str, list[dict]]]:
    """A listener that answers with the given statuses, then 200 for ever, and keeps what it was sent."""
    answers, kept = list(statuses), []

    class Listener(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200:
                kept.append(body)
            self.send_response(status)
            self.send_header("Retry-After", "0.01")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_calls_go_out_in_order_a_hundred_at_a_time():
    calls = list(leads(days=1, visitors=60, until=UNTIL))
    with collector() as (url, kept):
        assert list(send(calls, url))[-1] == len(calls)
    assert [call for payload in kept for call in payload["batch"]] == calls
    assert {len(payload["batch"]) for payload in kept[:-1]} == {100}


def test_a_full_collector_gets_the_same_batch_again():
    with collector(503, 429) as (url, kept):
        assert list(send([{"type": "track", "messageId": "m1"}], url)) == [1]
    assert [payload["batch"] for payload in kept] == [[{"type": "track", "messageId": "m1"}]]


def test_a_refused_batch_is_an_error_and_not_sent_again():
    with collector(401) as (url, kept), pytest.raises(httpx.HTTPStatusError, match="401"):
        list(send([{"type": "track"}], url))
    assert kept == []


def test_the_trickle_is_of_now_and_stops_when_told():
    stop = threading.Event()
    with collector() as (url, kept):
        live = threading.Thread(target=trickle, args=(url, "", 500, stop, 3))
        started = time.time()
        live.start()
        while len(kept) < 30 and time.time() < started + 10:
            time.sleep(0.01)
        stop.set()
        live.join(timeout=5)
    assert not live.is_alive()
    first = kept[0]["batch"][0]
    assert abs(datetime.fromisoformat(first["timestamp"]).timestamp() - started) < 5
