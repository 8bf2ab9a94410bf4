"""Objects: each exactly once, from moto and SeaweedFS through AWS' own client, through broken connections and kills."""

import bz2
import gzip
import io
import json
import threading
import time
from functools import partial
from itertools import count

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from brokers import amazon, seaweed, until
from pulling import Puller, exactly_once_through_kills, persistently
from trackway.errors import SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

boto3 = pytest.importorskip("boto3")
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

LOG = '10.0.0.1 - - [17/May/2026:10:05:0{n} +0000] "GET /p/{n} HTTP/1.1" 200 12\n'


class Bucket:
    """A bucket that is written to."""

    numbers = count()

    def __init__(self, server):
        self.server, self.name = server, f"drops-{next(self.numbers)}"
        self.client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1",
                                   aws_access_key_id="any", aws_secret_access_key="secret")  # fmt: skip
        self.client.create_bucket(Bucket=self.name)

    def put(self, key, body):
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def faults(self, **asked):
        httpx.post(f"http://127.0.0.1:{self.server.port}/faults", params=asked)

    def options(self, **others):
        return {
            "type": "s3", "bucket": self.name, "endpoint": f"http://127.0.0.1:{self.server.port}",
            "region": "us-east-1", "access_key": "any", "secret_key": "$S3_SECRET", "follow": False, **others,
        }  # fmt: skip

    def source(self, **others):
        return component("sources", self.options(**{"secret_key": Secret("secret"), **others}), "sources.orders")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = amazon(tmp_path_factory.mktemp("amazon"))
    yield made
    made.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    monkeypatch.setenv("S3_SECRET", "secret")
    made = Bucket(server)
    yield made
    made.faults()
    made.client.close()


def orders(*numbers):
    lines = [json.dumps({"event": "Order", "user_id": "ann", "time": 1_790_000_000 + n, "n": n}) for n in numbers]
    return "".join(f"{line}\n" for line in lines).encode()


def numbers(kept):
    return sorted(json.loads(line)["n"] for payload in kept for line in payload.body.splitlines())


def test_every_object_is_read_once_whatever_it_is_packed_in(bucket, tmp_path):
    bucket.put("in/a b+ü.json.gz", gzip.compress(orders(*range(10))))
    bucket.put("in/deep/er.ndjson.bz2", bz2.compress(orders(*range(10, 20))))
    bucket.put("in/access.log", "".join(LOG.format(n=n) for n in range(5)))
    bucket.put("in/people.csv", "event,user_id,time,n\nOrder,ann,2026-05-17,20\nOrder,ann,2026-05-18,21\n")
    sink = io.BytesIO()
    rows = [{"event": "Order", "user_id": "ann", "time": "2026-05-19", "n": n} for n in (22, 23)]
    pq.write_table(pa.Table.from_pylist(rows), sink)
    bucket.put("in/part-0.parquet", sink.getvalue())
    bucket.put("in/empty.json", b"")
    bucket.put("in/blank.json", b"\n\n")
    bucket.put("other/not-meant.json", orders(99))
    puller = Puller(tmp_path, **bucket.options(prefix="in/"))
    puller.pull()
    puller.pull()
    assert puller.bins() == {"received": 29, "stored": 29}
    assert puller.rows("select count(distinct n) as n, max(n) as last from events") == [{"n": 24, "last": 23.0}]
    bucket.put("in/later.json", orders(24))
    bucket.put("in/access.log", "".join(LOG.format(n=n) for n in range(6)))
    puller.pull()
    assert puller.bins() == {"received": 36, "stored": 31, "duplicate": 5}


def test_an_object_that_breaks_off_is_fetched_on_and_one_that_was_read_in_part_too(bucket, monkeypatch):
    monkeypatch.setattr("trackway.sources.s3.PART", 1000)
    bucket.put("a.json", orders(*range(500)))
    bucket.faults(cut=2)
    kept, cursors, stop = [], {}, threading.Event()

    def keep(payloads):
        kept.extend(payloads)
        for payload in payloads:
            cursors.update(payload.cursors)
        if len(kept) == 3:
            stop.set()

    source = bucket.source(block="8KB")
    list(source.read("o", keep, {}, stop))
    assert 0 < len(numbers(kept)) < 500
    assert "[0," not in cursors["a.json"]
    list(source.read("o", keep, dict(cursors), threading.Event()))
    assert numbers(kept) == list(range(500))
    assert len(json.loads(cursors["a.json"])) == 1


def test_new_objects_are_taken_up_while_reading_and_what_cannot_be_read_is_left_out(bucket, caplog):
    kept, stop = [], threading.Event()
    source = bucket.source(follow=True, every="100ms", pattern="*/2026-*")
    bucket.put("x/2026-1", b"\x00\x01\x02" * 100)
    bucket.put("x/2025-1", orders(1))
    reading = threading.Thread(target=lambda: list(source.read("o", kept.extend, {}, stop)))
    reading.start()
    try:
        for n in (2, 3):
            bucket.put(f"y/2026-{n}", orders(n))
            until("the object", lambda n=n: numbers(kept)[-1:] == [n])
    finally:
        stop.set()
        reading.join(10)
    assert numbers(kept) == [2, 3]
    assert caplog.text.count("Cannot read this object") == 1


def test_a_trial_shows_what_is_in_the_newest_object_and_takes_nothing(bucket, tmp_path):
    bucket.put("a.json.gz", gzip.compress(orders(1)))
    puller = Puller(tmp_path, **bucket.options())
    connected, listed, looked = puller.proofs()
    assert connected["text"] == f"bucket {bucket.name}"
    assert listed["text"].startswith("1 object under ''")
    assert looked["text"] == "a.json.gz: json, packed with gzip"
    assert looked["columns"]["event"] == "Order"
    assert puller.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"bucket": "nowhere"}, "no bucket 'nowhere'", "bucket"),
        ({"endpoint": "http://127.0.0.1:1"}, "cannot reach http://127.0.0.1:1", "endpoint"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(bucket, others, said, hint):
    with pytest.raises(SourceError, match=said) as raised:
        list(bucket.source(**others).prove("o"))
    assert hint in raised.value.hint


@pytest.mark.long
@pytest.mark.parametrize("served", [amazon, seaweed])
def test_exactly_once_through_kills_of_the_flow_and_of_seaweedfs(tmp_path, monkeypatch, served):
    """What moto holds is in memory, so that it is not killed."""
    monkeypatch.setenv("S3_SECRET", "secret")
    (tmp_path / "store").mkdir()
    (tmp_path / "site").mkdir()
    server = served(tmp_path / "store")
    bucket = Bucket(server)
    puller = Puller(tmp_path / "site", **bucket.options(follow=True, every="200ms", block="4KB"))
    each = 100

    def produce(n):
        if n % each == each - 1:
            put = partial(bucket.put, f"{n:06}.json", orders(*range(n + 1 - each, n + 1)))
            persistently(put, (ClientError, BotoCoreError), lambda: time.sleep(0.1))
            time.sleep(0.1)

    def disturb():
        server.kill()
        server.start()

    try:
        exactly_once_through_kills(
            puller, produce, total=5_000, kills=6, disturb=disturb if served is seaweed else None
        )
    finally:
        bucket.client.close()
        server.stop()
