"""Redis streams: each entry exactly once, by a real Redis and the official client, through kills and restarts."""

import json
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from brokers import redis as served
from brokers import until
from pulling import Puller, exactly_once_through_kills, persistently, taken
from trackway.app import Workspace
from trackway.errors import ConfigError, SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

redis = pytest.importorskip("redis")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = served(tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


@pytest.fixture
def client(server):
    with redis.Redis(port=server.port, password="secret") as client:
        client.flushall()
        yield client


@pytest.fixture
def orders(server, client, tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    return Puller(tmp_path, **options(server))


def options(server, **others):
    given = {"streams": ["orders"], "password": "$REDIS_PASSWORD", "follow": False}
    return {"type": "redis", "address": f"redis://127.0.0.1:{server.port}/0", **given, **others}


def test_every_entry_is_stored_once(client, orders):
    for n in range(300):
        client.xadd(
            "orders", {"event": "Order", "user_id": "ann", "n": n, "new": "true", "address": '{"city": "Köln"}'}
        )
    orders.pull()
    orders.pull()
    assert orders.bins() == {"received": 300, "stored": 300}
    client.xadd("orders", {"event": "Order", "user_id": "ann", "n": 300})
    orders.pull()
    assert orders.bins() == {"received": 301, "stored": 301}
    assert orders.rows('select n, "new", "address.city" as city from events where n = 7') == [
        {"n": 7.0, "new": True, "city": "Köln"}
    ]


def test_an_event_without_time_happened_when_its_entry_was_added(client, orders):
    client.xadd("orders", {"event": "Order", "user_id": "ann"}, id="1700000000123-0")
    orders.pull()
    assert orders.rows("select epoch_ms(time) as time from events") == [{"time": 1_700_000_000_123}]


def test_one_field_may_hold_the_message_and_a_poisonous_one_is_refused(server, client, orders):
    orders.configure(**options(server, field="body"))
    good = json.dumps({"event": "Order", "user_id": "ann"})
    for fields in ({"body": good}, {"body": "{broken"}, {"other": "x"}, {"body": ""}, {"body": good}):
        client.xadd("orders", fields)
    orders.pull()
    assert orders.bins() == {"received": 5, "stored": 2, "refused": 3}
    details = {row["detail"] for row in orders.rows("select detail from refused")}
    assert "an entry without the field 'body'" in details


def test_patterns_find_streams_and_new_ones_are_taken_up_while_reading(server, client, monkeypatch):
    monkeypatch.setattr("trackway.sources.redis.LOOK", 0.2)
    given = options(server, streams=["shop:*"], password=Secret("secret"), follow=True)
    client.set("shop:settings", "no stream")
    source, kept, stop = component("sources", given, "sources.o"), [], threading.Event()
    reading = threading.Thread(target=lambda: list(source.read("orders", kept.extend, {}, stop)))
    reading.start()
    try:
        for number, key in enumerate(("shop:a", "shop:b"), 1):
            client.xadd(key, {"event": "a"})
            until("the stream", lambda number=number: sum(payload.records for payload in kept) == number)
    finally:
        stop.set()
        reading.join(10)
    assert [json.loads(payload.headers["origin"])["in"] for payload in kept] == ["shop:a", "shop:b"]


def test_a_stream_that_was_made_anew_is_read_from_its_beginning(client, orders):
    client.xadd("orders", {"event": "first", "user_id": "ann"})
    orders.pull()
    client.delete("orders")
    client.xadd("orders", {"event": "second", "user_id": "ann"}, id="1-1")
    orders.pull()
    assert orders.bins() == {"received": 2, "stored": 2}


@pytest.mark.parametrize(("start", "read"), [("latest", 0), ("earliest", 3), ("2-0", 1)])
def test_a_source_may_begin_later(server, client, orders, start, read):
    for number in (1, 2, 3):
        client.xadd("orders", {"event": "old", "user_id": "ann"}, id=f"{number}-0")
    orders.configure(**options(server, start=start))
    orders.pull()
    assert orders.asked(lambda workspace: workspace.ledger()[0].received) == read


def test_a_source_that_began_with_the_latest_never_reads_what_was_before(server, client):
    client.xadd("orders", {"event": "old"})
    client.xadd("refunds", {"event": "old"})
    given = options(server, streams=["orders", "refunds"], password=Secret("secret"), start="latest")
    source = component("sources", given, "sources.o")
    cursors = taken(source, {}, lambda: client.xadd("orders", {"event": "new"}))
    assert set(cursors) == {"orders", "refunds"}
    after = taken(source, cursors, lambda: client.xadd("refunds", {"event": "newer"}))
    assert set(after) == {"refunds"}


def test_a_trial_shows_one_entry_and_takes_none(client, orders):
    client.xadd("orders", {"event": "Order", "user_id": "ann"})
    connected, listed, looked = orders.proofs()
    assert "Redis 7" in connected["text"]
    assert listed["text"] == "stream orders: 1 entries"
    assert looked["columns"]["event"] == "Order"
    assert orders.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"streams": ["ordesr"]}, "no stream 'ordesr'", "did you mean 'orders'"),
        ({"streams": ["text"]}, "is a string, not a stream", "stream"),
        ({"address": "redis://127.0.0.1:1/0"}, "cannot reach", "address"),
        ({"password": Secret("wrong")}, "does not let us in", "password"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(server, client, others, said, hint):
    client.xadd("orders", {"event": "Order"})
    client.set("text", "x")
    given = options(server, **{"password": Secret("secret"), **others})
    with pytest.raises(SourceError, match=said) as raised:
        list(component("sources", given, "sources.o").prove("orders"))
    assert hint in raised.value.hint


def test_a_password_stands_neither_in_the_file_nor_in_the_address(server):
    for others in ({"password": "secret"}, {"address": "redis://:secret@127.0.0.1/0", "password": Secret("secret")}):
        with pytest.raises(ConfigError, match="env"):
            component("sources", options(server, **others), "sources.o")


def test_how_far_behind_a_source_is_can_be_seen(server, client, tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    puller = Puller(tmp_path, **options(server, follow=True, rate="100/s"))
    pipe = client.pipeline()
    for n in range(1_000):
        pipe.xadd("orders", {"event": "Order", "user_id": "ann", "n": n})
    pipe.execute()
    workspace, stop = Workspace.open(tmp_path), threading.Event()
    reading = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
    reading.start()
    try:
        until("a lag", lambda: (puller.health()["lag"] or 0) > 0)
        began = time.monotonic()
        until("some of it", lambda: workspace.ledger()[0].received >= 300)
    finally:
        stop.set()
        reading.join(10)
        workspace.close()
    assert time.monotonic() - began > 0.8
    assert puller.health()["state"] == "stopped"


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_restarts_of_redis(tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    server = served(tmp_path)
    puller = Puller(tmp_path, **options(server, follow=True))
    client = redis.Redis(port=server.port, password="secret")

    def add(n):
        with suppress(redis.ResponseError):  # it was added, and only the answer lost
            client.xadd("orders", {"event": "Order", "user_id": f"u{n % 9}", "n": n}, id=f"{1_700_000_000_000 + n}-1")

    def produce(n):
        persistently(partial(add, n), redis.ConnectionError, lambda: time.sleep(0.05))

    def disturb():
        server.kill()
        server.start()

    try:
        exactly_once_through_kills(puller, produce, total=5_000, kills=10, disturb=disturb)
    finally:
        client.close()
        server.stop()
