"""NATS JetStream: each message exactly once, by a real server and the official client, through kills and restarts."""

import asyncio
import json
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from brokers import nats as served
from brokers import until
from pulling import Puller, exactly_once_through_kills, persistently
from trackway.app import Workspace
from trackway.errors import SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

nats = pytest.importorskip("nats")
from nats.js.api import StreamConfig  # noqa: E402


class Client:
    """The official client, one call at a time."""

    def __init__(self, port):
        self.port, self.loop, self.nc = port, asyncio.new_event_loop(), None
        self.connect()

    def connect(self):
        async def silent(_error):
            pass

        if self.nc is not None:
            self.run(self.nc.close())
        address = f"nats://127.0.0.1:{self.port}"
        self.nc = self.run(nats.connect(address, user="ann", password="secret", error_cb=silent, allow_reconnect=False))
        self.js = self.nc.jetstream(timeout=5)

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def stream(self, retention="limits"):
        for info in self.run(self.js.streams_info()):
            self.run(self.js.delete_stream(info.config.name))
        self.run(self.js.add_stream(StreamConfig(name="ORDERS", subjects=["orders.>"], retention=retention)))

    def send(self, *values, subject="orders.eu", **headers):
        for value in values:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.run(self.js.publish(subject, body, headers=headers or None))

    def close(self):
        self.run(self.nc.close())
        self.loop.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = served(tmp_path_factory.mktemp("nats"))
    yield made
    made.stop()


@pytest.fixture(params=["limits", "workqueue"])
def client(server, request):
    made = Client(server.port)
    made.stream(request.param)
    yield made
    made.close()


@pytest.fixture
def orders(server, client, tmp_path, monkeypatch):
    monkeypatch.setenv("NATS_PASSWORD", "secret")
    return Puller(tmp_path, **options(server))


def options(server, **others):
    given = {"servers": [f"nats://127.0.0.1:{server.port}"], "stream": "ORDERS", "user": "ann", "follow": False}
    return {"type": "nats", "password": "$NATS_PASSWORD", **given, **others}


def test_every_message_is_stored_once(client, orders):
    client.send(*({"event": "Order", "user_id": "ann", "n": n} for n in range(300)))
    orders.pull()
    orders.pull()
    assert orders.bins() == {"received": 300, "stored": 300}
    client.send({"event": "Order", "user_id": "ann", "n": 300})
    orders.pull()
    assert orders.bins() == {"received": 301, "stored": 301}
    held = client.run(client.js.stream_info("ORDERS"))
    assert held.state.messages == (0 if held.config.retention == "workqueue" else 301)


def test_a_poison_message_is_refused_and_the_rest_goes_through(client, orders):
    good = {"event": "Order", "user_id": "ann"}
    client.send(good, b"{broken", b"", b"\xff\x00\n", good)
    orders.pull()
    assert orders.bins() == {"received": 5, "stored": 2, "refused": 3}


def test_an_event_without_time_happened_when_the_stream_took_it(client, orders):
    began = time.time()
    client.send({"event": "Order", "user_id": "ann"})
    time.sleep(0.3)
    orders.pull()
    [row] = orders.rows("select epoch(time) as time from events")
    assert began - 0.1 <= row["time"] < began + 0.3


def test_only_some_subjects_are_read(server, client, orders):
    orders.configure(**options(server, subjects=["orders.eu"]))
    client.send({"event": "here", "user_id": "ann"})
    client.send({"event": "there", "user_id": "ann"}, subject="orders.us")
    orders.pull()
    assert [row["event"] for row in orders.rows("select event from events")] == ["here"]


def test_what_a_work_queue_brings_again_is_not_taken_twice(server, client, tmp_path):
    """As after a death between keeping and acknowledging: the journal has it, the queue does not know."""
    client.send({"event": "a"}, {"event": "b"})
    source = component("sources", options(server, password=Secret("secret")), "sources.o")
    session = source.connect("orders", {})
    first = session.fetch(10, 1.0)
    session.close()
    assert sum(payload.records for payload in first.payloads) == 2
    client.send({"event": "c"})
    session = source.connect("orders", first.payloads[-1].cursors)
    found = []
    for _ in range(4):
        found += session.fetch(10, 0.3).payloads
        session.kept()
    session.close()
    assert [payload.body for payload in found] == [b'{"event": "c"}']


@pytest.mark.parametrize("client", ["limits"], indirect=True)
@pytest.mark.parametrize(("start", "read"), [("latest", 0), ("earliest", 3), ("3", 1)])
def test_a_source_may_begin_later(server, client, orders, start, read):
    client.send(*[{"event": "old", "user_id": "ann"}] * 3)
    orders.configure(**options(server, start=start))
    orders.pull()
    assert orders.asked(lambda workspace: workspace.ledger()[0].received) == read


@pytest.mark.parametrize("client", ["limits"], indirect=True)
def test_a_stream_that_was_made_anew_is_read_from_its_beginning(client, orders):
    client.send({"event": "first", "user_id": "ann"}, {"event": "first", "user_id": "bob"})
    orders.pull()
    client.stream()
    client.send({"event": "second", "user_id": "ann"})
    orders.pull()
    assert orders.bins() == {"received": 3, "stored": 3}


def test_a_trial_shows_one_message_and_takes_none(client, orders):
    client.send({"event": "Order", "user_id": "ann"})
    connected, listed, looked = orders.proofs()
    assert "NATS 2" in connected["text"]
    assert "stream ORDERS of orders.>: 1 messages" in listed["text"]
    assert looked["columns"]["event"] == "Order"
    orders.pull()
    assert orders.bins() == {"received": 1, "stored": 1}


@pytest.mark.parametrize("client", ["limits"], indirect=True)
@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"stream": "ORDESR"}, "no stream 'ORDESR'", "did you mean 'ORDERS'"),
        ({"servers": ["nats://127.0.0.1:1"]}, "cannot reach", "servers"),
        ({"password": Secret("wrong")}, "does not let us in", "user"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(server, client, others, said, hint):
    given = options(server, **{"password": Secret("secret"), **others})
    with pytest.raises(SourceError, match=said) as raised:
        list(component("sources", given, "sources.o").prove("orders"))
    assert hint in raised.value.hint


@pytest.mark.parametrize("client", ["interest"], indirect=True)
def test_a_stream_that_forgets_is_refused(server, client):
    with pytest.raises(SourceError, match="forgets") as raised:
        list(component("sources", options(server, password=Secret("secret")), "sources.o").prove("orders"))
    assert "mirror" in raised.value.hint


@pytest.mark.long
@pytest.mark.parametrize("retention", ["limits", "workqueue"])
def test_exactly_once_through_kills_of_the_flow_and_restarts_of_the_server(tmp_path, monkeypatch, retention):
    monkeypatch.setenv("NATS_PASSWORD", "secret")
    server = served(tmp_path)
    client = Client(server.port)
    client.stream(retention)
    puller = Puller(tmp_path, **options(server, follow=True))

    def again():
        time.sleep(0.1)
        with suppress(nats.errors.Error, OSError):
            client.connect()

    def produce(n):
        event = {"event": "Order", "user_id": f"u{n % 9}", "n": n}
        send = partial(client.send, event, **{"Nats-Msg-Id": str(n)})
        persistently(send, (nats.errors.Error, OSError), again)

    def disturb():
        server.kill()
        server.start()

    try:
        exactly_once_through_kills(puller, produce, total=4_000, kills=8, disturb=disturb)
    finally:
        client.close()
        server.stop()


def test_a_server_that_restarts_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("NATS_PASSWORD", "secret")
    server = served(tmp_path)
    client = Client(server.port)
    client.stream()
    puller = Puller(tmp_path, **options(server, follow=True))
    workspace, stop = Workspace.open(tmp_path), threading.Event()
    reading = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
    reading.start()
    try:
        client.send({"event": "a", "user_id": "ann"})
        until("the first", lambda: workspace.ledger()[0].received == 1)
        server.kill()
        until("the fault to show", lambda: puller.health()["state"] == "failing")
        server.start()
        client.connect()
        client.send({"event": "b", "user_id": "ann"})
        until("the second", lambda: workspace.ledger()[0].received == 2)
        until("good health", lambda: puller.health()["state"] == "reading")
    finally:
        stop.set()
        reading.join(10)
        client.close()
        workspace.close()
        server.stop()
