"""Kinesis: each record exactly once, by moto's server and AWS' own client, through resharding, limits and kills."""

import json
import threading
import time

import httpx
import pytest

from brokers import amazon, until
from pulling import Puller, exactly_once_through_kills
from trackway.errors import ConfigError, SourceError
from trackway.flow.aggregated import unpacked
from trackway.model.secret import Secret
from trackway.plan.config import component

boto3 = pytest.importorskip("boto3")
aggregator = pytest.importorskip("aws_kinesis_agg.aggregator")

LARGEST_KEY = 2**128 - 1


class Stream:
    """A stream that is written to."""

    def __init__(self, server, name, shards):
        self.server, self.name = server, name
        self.client = boto3.client("kinesis", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="eu-west-1",
                                   aws_access_key_id="AKIA", aws_secret_access_key="secret")  # fmt: skip
        self.client.create_stream(StreamName=name, ShardCount=shards)

    def send(self, *values, key=None):
        """Up to 500 records; those without a key go by their number to any shard."""
        records = [
            {"Data": value if isinstance(value, bytes) else json.dumps(value).encode(), "PartitionKey": key or str(n)}
            for n, value in enumerate(values)
        ]
        for begin in range(0, len(records), 500):
            assert not self.client.put_records(StreamName=self.name, Records=records[begin : begin + 500])[
                "FailedRecordCount"
            ]

    def open(self):
        """The shards that take records, by their hash keys."""
        there = self.client.list_shards(StreamName=self.name)["Shards"]
        still = [one for one in there if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        return sorted(still, key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))

    def split(self):
        """The first of them in two."""
        first = self.open()[0]
        low, high = (int(first["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
        self.client.split_shard(
            StreamName=self.name, ShardToSplit=first["ShardId"], NewStartingHashKey=str((low + high) // 2)
        )

    def merge(self):
        """The first two of them into one."""
        first, second, *_ = self.open()
        self.client.merge_shards(
            StreamName=self.name, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"]
        )

    def faults(self, **asked):
        return httpx.post(f"http://127.0.0.1:{self.server.port}/faults", params=asked).json()

    def options(self, **others):
        return {
            "type": "kinesis", "stream": self.name, "endpoint": f"http://127.0.0.1:{self.server.port}",
            "region": "eu-west-1", "access_key": "AKIA", "secret_key": "$AWS_SECRET", "follow": False, **others,
        }  # fmt: skip

    def source(self, **others):
        return component("sources", self.options(**{"secret_key": Secret("secret"), **others}), "sources.orders")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = amazon(tmp_path_factory.mktemp("amazon"))
    yield made
    made.stop()


@pytest.fixture
def stream(server, request, monkeypatch):
    """A fresh stream of two shards, named after the test; shards are asked as soon as they may."""
    monkeypatch.setenv("AWS_SECRET", "secret")
    monkeypatch.setattr("trackway.sources.kinesis.IDLE", 0.25)
    made = Stream(server, request.node.name[:60].translate(str.maketrans("[]", "__")), 2)
    yield made
    made.faults()
    made.client.close()


def orders(*numbers):
    return [{"event": "Order", "user_id": "ann", "n": n} for n in numbers]


def test_every_record_of_every_shard_is_stored_once(stream, tmp_path):
    puller = Puller(tmp_path, **stream.options())
    stream.send(*orders(*range(300)))
    puller.pull()
    puller.pull()
    assert puller.bins() == {"received": 300, "stored": 300}
    stream.send(*orders(300), key="b")
    puller.pull()
    assert puller.bins() == {"received": 301, "stored": 301}
    [times] = puller.rows("select min(time) as first, max(time) as last, count(distinct n) as n from events")
    assert times["n"] == 301
    assert abs(times["first"].timestamp() - time.time()) < 600


def test_children_are_read_once_all_of_their_parents_was(stream, tmp_path):
    """Split, and merged, and split again before anything is read: the events of one key keep their order."""
    begin = 0
    for change in (stream.split, stream.merge, stream.merge, stream.split):
        stream.send(*orders(*range(begin, begin + 50)), key="ann")
        begin += 50
        change()
    stream.send(*orders(*range(begin, begin + 50)), key="ann")
    kept = []
    list(stream.source(rate="1000/s").read("orders", kept.extend, {}, threading.Event()))
    numbers = [json.loads(line)["n"] for payload in kept for line in payload.body.splitlines()]
    assert numbers == list(range(250))
    assert len({json.loads(payload.headers["origin"])["in"] for payload in kept}) == 5


def test_a_stream_is_resharded_while_it_is_read_and_after_a_restart(stream, tmp_path):
    kept, cursors, stop = [], {}, threading.Event()

    def keep(payloads):
        kept.extend(payloads)
        for payload in payloads:
            cursors.update(payload.cursors)

    def numbers():
        return sorted(json.loads(line)["n"] for payload in kept for line in payload.body.splitlines())

    def reading():
        return threading.Thread(
            target=lambda: list(stream.source(follow=True).read("orders", keep, dict(cursors), stop))
        )

    for begin, changes in ((0, [stream.split]), (200, [stream.merge, stream.split])):
        stop.clear()
        thread = reading()
        thread.start()
        try:
            for offset, change in enumerate([*changes, lambda: None]):
                stream.send(*orders(*range(begin + 50 * offset, begin + 50 * offset + 50)))
                change()
            upto = begin + 50 * (len(changes) + 1)
            until("all of it", lambda begin=begin, upto=upto: set(numbers()) >= set(range(begin, upto)))
        finally:
            stop.set()
            thread.join(10)
    assert numbers() == [*range(100), *range(200, 350)]
    assert list(cursors.values()).count("end") >= 3


def test_aggregated_records_are_taken_apart(stream, tmp_path):
    packed = aggregator.RecordAggregator()
    for order in orders(*range(100)):
        assert packed.add_user_record(f"k{order['n'] % 7}", json.dumps(order).encode()) is None
    packed.add_user_record("k1", b"{broken", "12345")
    key, _, body = packed.clear_and_get().get_contents()
    stream.send(orders(100)[0], body, body[:-1] + b"x", key=key)
    puller = Puller(tmp_path, **stream.options())
    puller.pull()
    assert puller.bins() == {"received": 103, "stored": 101, "refused": 2}
    assert puller.rows("select count(distinct n) as n from events") == [{"n": 101}]
    refused = {bytes(row["raw"]) for row in puller.rows("select raw from refused")}
    assert refused == {b"{broken", body[:-1] + b"x"}
    assert unpacked(b"\xf3\x89\x9a\xc2") is None


def test_a_shard_that_is_asked_too_often_is_left_alone_and_nothing_is_lost(stream, tmp_path, monkeypatch):
    """Two at once read each shard, which answers five questions a second in all."""
    monkeypatch.setattr("trackway.sources.kinesis.FIRST", 0.1)
    monkeypatch.setattr("trackway.sources.kinesis.LONGEST", 0.4)
    monkeypatch.setattr("trackway.sources.kinesis.BUSY", 0.05)
    monkeypatch.setattr("trackway.flow.pulling.MOST", 50)
    stream.send(*orders(*range(200)))
    before = stream.faults(slow=3)["refused"]
    kept = [[], []]
    reading = [
        threading.Thread(target=lambda one=one: list(stream.source().read("o", one.extend, {}, threading.Event())))
        for one in kept
    ]
    for thread in reading:
        thread.start()
    for thread in reading:
        thread.join(60)
    assert stream.faults()["refused"] - before >= 2
    for one in kept:
        assert sorted(json.loads(line)["n"] for p in one for line in p.body.splitlines()) == list(range(200))


@pytest.mark.parametrize(
    ("start", "read"), [("latest", ["new"]), ("time", ["late", "new"]), ("earliest", ["early", "late", "new"])]
)
def test_a_source_may_begin_later(stream, tmp_path, start, read):
    stream.send({"event": "early", "user_id": "ann"})
    time.sleep(0.05)
    middle = time.time()
    stream.send({"event": "late", "user_id": "ann"})
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(middle)) + f".{int(middle % 1 * 1e6):06}Z"
    source, kept, stop = stream.source(follow=True, start=at if start == "time" else start), [], threading.Event()
    began = threading.Event()
    reading = threading.Thread(target=lambda: [began.set() for _ in source.read("o", kept.extend, {}, stop)])
    reading.start()
    try:
        assert began.wait(30)
        stream.send({"event": "new", "user_id": "ann"}, key="other")
        until("the new one", lambda: any(b"new" in payload.body for payload in kept))
    finally:
        stop.set()
        reading.join(10)
    assert sorted(json.loads(line)["event"] for payload in kept for line in payload.body.splitlines()) == read
    assert {shard for payload in kept for shard in payload.cursors} == {f"shardId-00000000000{n}" for n in (0, 1)}


def test_a_stream_that_was_made_anew_is_read_from_its_beginning(stream, tmp_path, caplog):
    stream.send(*orders(1, 2))
    kept = []
    known = {"shardId-000000000000": "end", "shardId-000000000001": "end"}
    list(stream.source().read("orders", kept.extend, known, threading.Event()))
    assert sum(payload.records for payload in kept) == 2
    assert "made anew" in caplog.text


def test_a_trial_shows_one_record_and_takes_none(stream, tmp_path):
    stream.send(*orders(1))
    stream.split()
    puller = Puller(tmp_path, **stream.options())
    connected, listed, looked = puller.proofs()
    assert connected["text"] == f"stream {stream.name}: active, 24 hours are kept"
    assert listed["text"] == "3 open shards, 1 that were split or merged"
    assert looked["columns"]["event"] == "Order"
    assert puller.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"stream": "ordesr"}, "no stream 'ordesr'", "did you mean 'orders'"),
        ({"endpoint": "http://127.0.0.1:1"}, "cannot reach http://127.0.0.1:1", "endpoint"),
        ({"profile": "nobody"}, "nobody", "profile"),
        ({"region": ""}, "region", "region"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(stream, others, said, hint, monkeypatch):
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    if "orders" not in stream.client.list_streams(Limit=100)["StreamNames"]:
        stream.client.create_stream(StreamName="orders", ShardCount=1)
    with pytest.raises(SourceError, match=said) as raised:
        list(stream.source(**others).prove("orders"))
    assert hint in raised.value.hint


def test_without_keys_those_of_the_machine_are_taken(stream, monkeypatch, tmp_path):
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(name, value)
    given = {name: stream.options()[name] for name in ("type", "stream", "endpoint", "region")}
    assert list(component("sources", given, "sources.o").prove("o"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="nobody to be"):
        list(component("sources", given, "sources.o").prove("o"))
    with pytest.raises(ConfigError, match="go together"):
        component("sources", {**given, "access_key": "AKIA"}, "sources.o")


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_resharding_and_limits(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET", "secret")
    stream = Stream(server, "kills", 2)
    puller = Puller(tmp_path, **stream.options(follow=True))
    changes = [stream.split, stream.split, stream.merge, stream.merge, stream.split]

    def produce(n):
        stream.client.put_record(
            StreamName=stream.name, Data=json.dumps(orders(n)[0]).encode(), PartitionKey=str(n % 97)
        )

    def disturb():
        stream.faults(slow=4, broken=9)
        if changes:
            changes.pop()()

    try:
        exactly_once_through_kills(puller, produce, total=3_000, kills=10, disturb=disturb)
    finally:
        stream.faults()
        stream.client.close()
