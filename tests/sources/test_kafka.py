"""Kafka: each message exactly once, by a real broker and the official client, through kills and restarts."""

import json
import struct
import threading
import time
from pathlib import Path

import pytest

from brokers import seaweed, tansu, until
from pulling import Puller, exactly_once_through_kills, taken
from trackway.errors import ConfigError, SourceError
from trackway.plan.config import check, component

kafka = pytest.importorskip("confluent_kafka")
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

CONNECTION = (
    "Endpoint=sb://shop-hubs.servicebus.windows.net/;SharedAccessKeyName=reader;SharedAccessKey=c2VjcmV0;EntityPath=x"
)


class Broker:
    """A broker with a producer."""

    def __init__(self, server):
        self.server = server
        self.address = f"127.0.0.1:{server.port}"
        self.admin = AdminClient({"bootstrap.servers": self.address})
        self.producer = kafka.Producer({"bootstrap.servers": self.address, "linger.ms": 5, "enable.idempotence": True})

    def topic(self, name, partitions=1):
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(10)

    def send(self, topic, *values, **options):
        for value in values:
            body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
            self.producer.produce(topic, body, **options)
        assert self.producer.flush(10) == 0


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    server = tansu(tmp_path_factory.mktemp("tansu"))
    made = Broker(server)
    yield made
    del made.admin, made.producer
    server.stop()


@pytest.fixture
def orders(broker, tmp_path, request):
    """A puller of a fresh topic, named after the test."""
    topic = request.node.name[:60].translate(str.maketrans("[]-", "___"))
    broker.topic(topic, 3)
    puller = Puller(tmp_path, type="kafka", brokers=[broker.address], topics=[topic], follow=False)
    return puller, topic


def test_every_message_of_every_partition_is_stored_once(broker, orders):
    puller, topic = orders
    for partition in range(3):
        broker.send(topic, *({"event": "Order", "user_id": "ann", "n": n} for n in range(100)), partition=partition)
    puller.pull()
    puller.pull()
    assert puller.bins() == {"received": 300, "stored": 300}
    broker.send(topic, {"event": "Order", "user_id": "ann", "n": 100}, partition=1)
    puller.pull()
    assert puller.bins() == {"received": 301, "stored": 301}
    assert puller.health()["state"] == "ended"


def test_an_event_without_time_happened_when_its_message_was_written(broker, orders):
    puller, topic = orders
    broker.send(topic, {"event": "Order", "user_id": "ann"}, timestamp=1_700_000_000_123)
    broker.send(
        topic, {"event": "Order", "user_id": "bob", "time": "2026-01-02T03:04:05Z"}, timestamp=1_700_000_000_123
    )
    puller.pull()
    times = {row["user_id"]: row["time"] for row in puller.rows("select user_id, epoch_ms(time) as time from events")}
    assert times == {"ann": 1_700_000_000_123, "bob": 1_767_323_045_000}


def test_a_producers_own_id_tells_copies(broker, orders):
    puller, topic = orders
    broker.send(topic, *[{"event": "Order", "user_id": "ann", "event_id": "o-1"}] * 2)
    puller.pull()
    assert puller.bins() == {"received": 2, "stored": 1, "duplicate": 1}


def test_a_poison_message_is_refused_and_the_rest_goes_through(broker, orders):
    puller, topic = orders
    good = {"event": "Order", "user_id": "ann"}
    broker.send(topic, good, b"{broken", None, b"\xff\x00\n\x01", good, [good, good], [], good, partition=0)
    puller.pull()
    assert puller.bins() == {"received": 8, "stored": 5, "refused": 3}
    refused = puller.rows("select reason, raw from refused order by reason, raw")
    assert [(row["reason"], row["raw"]) for row in refused] == [
        ("no_event", b""), ("unreadable", b"{broken"), ("unreadable", b"\xff\x00\n\x01"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("codec", "message", "event"),
    [
        ("access_log", b'10.0.0.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12', "request"),
        ("syslog", b"<34>1 2026-05-17T10:05:03Z web1 app 1 - - hello", "log"),
        ("logfmt", b"at=2026-05-17T10:05:03Z event=Signed user_id=ann", "Signed"),
        ("segment", json.dumps({"type": "track", "event": "Signed", "messageId": "m", "userId": "ann",
                                "timestamp": "2026-05-17T10:05:03Z"}, indent=1).encode(), "Signed"),
    ],
)  # fmt: skip
def test_any_codec_reads_messages(broker, orders, codec, message, event):
    puller, topic = orders
    broker.send(topic, message, message.replace(b"10:05:03", b"10:05:04").replace(b'"m"', b'"n"'))
    puller.configure(type="kafka", brokers=[broker.address], topics=[topic], follow=False, codec=codec)
    puller.pull()
    assert puller.bins() == {"received": 2, "stored": 2}
    assert puller.rows("select distinct event from events") == [{"event": event}]


def test_of_an_aborted_transaction_nothing_is_stored(broker, orders):
    puller, topic = orders
    producer = kafka.Producer({"bootstrap.servers": broker.address, "transactional.id": topic})
    producer.init_transactions(10)
    for name, end in (("kept", producer.commit_transaction), ("gone", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, json.dumps({"event": name, "user_id": "ann"}).encode(), partition=0)
        producer.flush(10)
        end(10)
    puller.pull()
    assert "kept" in [row["event"] for row in puller.rows("select event from events")]


def test_new_partitions_and_topics_are_taken_up_while_reading(broker, tmp_path, monkeypatch):
    monkeypatch.setattr("trackway.sources.kafka.LOOK", 0.3)
    broker.topic("grows-1", 1)
    source = component("sources", {"type": "kafka", "brokers": [broker.address], "topics": ["^grows-"]}, "sources.o")
    kept, stop = [], threading.Event()

    def keep(payloads):
        kept.extend(payloads)

    def seen():
        return {stream for p in kept for stream in [json.loads(p.headers["origin"])["in"]]}

    reading = threading.Thread(target=lambda: list(source.read("orders", keep, {}, stop)))
    reading.start()
    try:
        broker.send("grows-1", {"event": "a"})
        until("the first message", lambda: seen() == {"grows-1/0"})
        broker.topic("grows-2", 2)
        broker.send("grows-2", {"event": "a"}, partition=1)
        until("the new topic", lambda: "grows-2/1" in seen())
    finally:
        stop.set()
        reading.join(10)
    assert sum(payload.records for payload in kept) == 2


@pytest.mark.parametrize(("start", "read"), [("latest", []), ("2025-01-01", ["late"]), ("earliest", ["early", "late"])])
def test_a_source_may_begin_later(broker, orders, start, read, monkeypatch):
    """Tansu takes every time for the beginning, so that one answer is given here as Apache Kafka gives it."""

    class Dated(kafka.Consumer):
        def offsets_for_times(self, asked, timeout):
            assert [one.offset for one in asked] == [1_735_689_600_000] * 3
            return [kafka.TopicPartition(one.topic, one.partition, -1 if one.partition else 1) for one in asked]

    monkeypatch.setattr(kafka, "Consumer", Dated)
    puller, topic = orders
    for name, stamp in (("early", 1_700_000_000_000), ("late", 1_760_000_000_000)):
        broker.send(topic, {"event": name, "user_id": "ann"}, timestamp=stamp, partition=0)
    puller.configure(type="kafka", brokers=[broker.address], topics=[topic], follow=False, start=start)
    puller.pull()
    assert puller.asked(lambda workspace: workspace.ledger()[0].received) == len(read)
    assert not read or [row["event"] for row in puller.rows("select event from events order by time")] == read


def test_a_source_that_began_with_the_latest_never_reads_what_was_before(broker):
    broker.topic("begun", 2)
    for partition in (0, 1):
        broker.send("begun", {"event": "old"}, partition=partition)
    given = {"type": "kafka", "brokers": [broker.address], "topics": ["begun"], "start": "latest"}
    source = component("sources", given, "sources.o")
    cursors = taken(source, {}, lambda: broker.send("begun", {"event": "new"}, partition=0))
    assert cursors == {"begun/0": "2", "begun/1": "1"}
    assert taken(source, cursors, lambda: broker.send("begun", {"event": "new"}, partition=1)) == {"begun/1": "2"}


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(tmp_path, caplog):
    """What the journal has lies behind the end of the topic."""
    cluster = kafka.Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 1})
    [server] = cluster.list_topics(timeout=10).brokers.values()
    producer = kafka.Producer({"bootstrap.servers": f"{server.host}:{server.port}"})
    for n in range(3):
        producer.produce("anew", json.dumps({"event": "Order", "n": n}).encode(), partition=0)
    assert producer.flush(10) == 0
    given = {"type": "kafka", "brokers": [f"{server.host}:{server.port}"], "topics": ["anew"]}
    source, kept, stop = component("sources", given, "sources.o"), [], threading.Event()
    reading = threading.Thread(target=lambda: list(source.read("o", kept.extend, {"anew/0": "500"}, stop)))
    reading.start()
    try:
        until("the messages", lambda: sum(payload.records for payload in kept) == 3)
    finally:
        stop.set()
        reading.join(10)
    assert "anew/0 goes on at 0 instead of 500" in caplog.text


def test_the_group_is_told_how_far_we_are_and_can_be_taken_over(broker, orders, tmp_path):
    puller, topic = orders
    broker.send(topic, *({"event": "old", "user_id": "ann"} for _ in range(5)), partition=0)
    puller.pull()
    consumer = kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "trackway-orders"})
    until("the commit", lambda: consumer.committed([kafka.TopicPartition(topic, 0)], timeout=10)[0].offset == 5)
    consumer.close()
    broker.send(topic, {"event": "new", "user_id": "ann"}, partition=0)
    (tmp_path / "other").mkdir()
    other = Puller(tmp_path / "other", type="kafka", brokers=[broker.address], topics=[topic], follow=False,
                   start="group", group="trackway-orders")  # fmt: skip
    other.pull()
    assert [row["event"] for row in other.rows("select event from events")] == ["new"]


def test_a_trial_shows_one_message_and_takes_none(broker, orders):
    puller, topic = orders
    broker.send(topic, {"event": "Order", "user_id": "ann", "n": 1})
    connected, listed, looked = puller.proofs()
    assert "1 broker" in connected["text"]
    assert f"topic {topic}: 3 partitions" in listed["text"]
    assert looked["columns"]["event"] == "Order"
    assert puller.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"topics": ["ordesr"]}, "no topic 'ordesr'", "did you mean 'orders'"),
        ({"brokers": ["127.0.0.1:1"]}, "cannot reach 127.0.0.1:1", "brokers"),
        ({"brokers": ["nowhere.invalid:9092"]}, "nowhere.invalid", "brokers"),
        ({"settings": {"fetch.min.bytes": "many"}}, "refuses the settings", "options"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(broker, options, said, hint, monkeypatch):
    monkeypatch.setattr("trackway.sources.kafka.PATIENCE", 2.0)
    broker.admin.create_topics([NewTopic("orders", 1, 1)])["orders"].exception(10)
    given = {"type": "kafka", "brokers": [broker.address], "topics": ["orders"], **options}
    with pytest.raises(SourceError, match=said) as raised:
        list(component("sources", given, "sources.o").prove("orders"))
    assert hint in raised.value.hint


def test_a_user_the_broker_does_not_know_is_told_so(broker, monkeypatch):
    monkeypatch.setattr("trackway.sources.kafka.PATIENCE", 2.0)
    monkeypatch.setenv("PASSWORD", "hunter2")
    raw = {"sources": {"o": {
        "type": "kafka", "brokers": [broker.address], "topics": ["orders"], "user": "ann", "tls": False,
        "password": {"env": "PASSWORD"},
    }}}  # fmt: skip
    source = check(raw, Path()).sources["o"]
    with pytest.raises(SourceError) as raised:
        list(source.prove("orders"))
    assert "user" in raised.value.hint
    assert "hunter2" not in f"{raised.value} {source!r} {source.model_dump_json()}"


def test_a_password_does_not_stand_in_the_file():
    raw = {"type": "kafka", "brokers": ["a:1"], "topics": ["t"], "user": "u", "password": "hunter2"}
    with pytest.raises(ConfigError, match="env") as raised:
        component("sources", raw, "sources.o")
    assert raised.value.path.endswith("password")


def test_event_hubs_are_asked_as_azure_wants_it(monkeypatch):
    monkeypatch.setenv("HUB", CONNECTION)
    raw = {"sources": {"h": {"type": "kafka", "preset": "event_hubs", "connection_string": {"env": "HUB"},
                             "topics": ["clicks"]}}}  # fmt: skip
    made = check(raw, Path()).sources["h"].properties("h")
    assert made["bootstrap.servers"] == "shop-hubs.servicebus.windows.net:9093"
    assert (made["security.protocol"], made["sasl.mechanism"]) == ("SASL_SSL", "PLAIN")
    assert (made["sasl.username"], made["sasl.password"]) == ("$ConnectionString", CONNECTION)
    assert int(made["metadata.max.age.ms"]) < 240_000
    assert int(made["connections.max.idle.ms"]) < 240_000


def test_a_broker_that_restarts_is_found_again_and_its_state_shown(tmp_path):
    server = tansu(tmp_path)
    broker = Broker(server)
    broker.topic("orders")
    puller = Puller(tmp_path, type="kafka", brokers=[broker.address], topics=["orders"])
    from trackway.app import Workspace

    workspace, stop = Workspace.open(tmp_path), threading.Event()
    reading = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
    reading.start()
    try:
        broker.send("orders", {"event": "a", "user_id": "ann"})
        until("the first", lambda: workspace.ledger()[0].received == 1)
        server.kill()
        until("the fault to show", lambda: puller.health()["state"] == "failing")
        assert "cannot reach" in puller.health()["said"]
        server.start()
        broker.admin.create_topics([NewTopic("orders", 1, 1)])["orders"].exception(10)
        until("the reading to go on", lambda: puller.health()["state"] == "reading", 60)
    finally:
        stop.set()
        reading.join(20)
        workspace.close()
        server.stop()


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow(broker, tmp_path):
    broker.topic("killed", 4)
    puller = Puller(tmp_path, type="kafka", brokers=[broker.address], topics=["killed"])

    def produce(n):
        broker.producer.produce("killed", json.dumps({"event": "Order", "user_id": f"u{n % 9}", "n": n}).encode())
        broker.producer.poll(0)
        if n % 100 == 99:
            time.sleep(0.02)

    exactly_once_through_kills(puller, produce, total=60_000, kills=12)


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_of_a_broker_that_forgets_nothing(tmp_path):
    """The broker keeps its log in an object store. A producer that hears nothing sends again, which its ids tell."""
    store = seaweed(tmp_path)
    server = tansu(tmp_path, store)
    broker = Broker(server)
    broker.topic("killed", 2)
    broker.producer = kafka.Producer({"bootstrap.servers": broker.address, "acks": "all"})
    puller = Puller(tmp_path, type="kafka", brokers=[broker.address], topics=["killed"])

    def produce(n):
        event = {"event": "Order", "event_id": f"o{n}", "user_id": "ann", "n": n}
        broker.producer.produce("killed", json.dumps(event).encode())
        broker.producer.poll(0.002)

    def disturb():
        server.kill()
        server.start()

    try:
        exactly_once_through_kills(puller, produce, total=2_000, kills=6, disturb=disturb, resent=True)
    finally:
        del broker.admin, broker.producer
        server.stop()
        store.stop()


def test_several_brokers_that_lead_different_partitions(tmp_path):
    """The mock cluster of librdkafka: three brokers in this process, on real sockets."""
    cluster = kafka.Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 3})
    addresses = [f"{broker.host}:{broker.port}" for broker in cluster.list_topics(timeout=10).brokers.values()]
    producer = kafka.Producer({"bootstrap.servers": ",".join(addresses)})
    for n in range(400):
        producer.produce("spread", json.dumps({"event": "Order", "user_id": "ann", "n": n}).encode(), partition=n % 4)
    assert producer.flush(10) == 0
    puller = Puller(tmp_path, type="kafka", brokers=addresses, topics=["spread"], follow=False)
    puller.pull()
    assert puller.bins() == {"received": 400, "stored": 400}


def test_messages_in_the_wire_format_have_their_numbers():
    from trackway.flow.schemas import numbered

    assert numbered(b"\x00" + struct.pack(">I", 7) + b"x") == 7
    assert numbered(b'{"event": "a"}') is None
    assert numbered(b"\x00\x00") is None
