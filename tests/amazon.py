"""Amazon's services on loopback: moto's HTTP server, with resharding and limits as AWS documents them.

Of Kinesis, moto alone lets a shard that was split or merged take records still, never ends it, counts each shard from
one, and knows no limit. Here such a shard keeps what it has and ends, numbers ascend over all shards and are as long as
those of AWS, and a shard answers five `GetRecords` a second. `POST /faults?slow=N` makes every Nth of them be refused
on top, and `broken=N` answered by 500; `cut=N` breaks the connection in the middle of the next N objects.

Run as a program it serves on the port it is given.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
import threading
import time
from collections import OrderedDict, defaultdict, deque
from urllib.parse import parse_qsl

FIRST = 49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898
A_SECOND = 5


def documented() -> None:
    """Kinesis as it is documented."""
    from moto.kinesis import models

    numbers, lock = itertools.count(FIRST), threading.RLock()

    def put_record(self, partition_key, data, explicit_hash_key):
        number = next(numbers)
        self.records[number] = models.Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    def one_by_one(act):
        def acting(*given):
            with lock:
                return act(*given)

        return acting

    def for_key(self, partition_key, explicit_hash_key):
        key = int(
            explicit_hash_key or models.md5_hash(partition_key.encode()).hexdigest(), 10 if explicit_hash_key else 16
        )
        there = (shard for shard in self.shards.values() if shard.is_open)
        return next(shard for shard in there if shard.starting_hash <= key <= shard.ending_hash)

    def keeping(change):
        def changed(self, first, second):
            pair = [self.shards[name] for name in (first, second) if name in self.shards]
            had = [(shard, shard.records) for shard in pair]
            for shard in pair:
                shard.records = OrderedDict()
            change(self, first, second)
            for shard, records in had:
                shard.records = records

        return changed

    get_records = models.KinesisBackend.get_records

    def ending(self, stream_arn, shard_iterator, limit):
        following, records, late = get_records(self, stream_arn, shard_iterator, limit)
        name, shard_id, last = models.decompose_shard_iterator(following)
        shard = self.describe_stream(stream_arn, name).get_shard(shard_id)
        ended = not shard.is_open and int(last) >= shard.get_max_sequence_number()
        return None if ended else following, records, late

    models.Shard.put_record = put_record
    models.Stream.get_shard_for_key = for_key
    models.Stream.put_record = one_by_one(models.Stream.put_record)
    models.Stream.split_shard = one_by_one(keeping(models.Stream.split_shard))
    models.Stream.merge_shards = one_by_one(keeping(models.Stream.merge_shards))
    models.KinesisBackend.get_records = one_by_one(ending)


class Limited:
    """A WSGI application in front of moto's: limits, and faults that a test asks for."""

    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()
        self.asked = defaultdict(deque)
        self.faults, self.number, self.refused = {}, 0, 0

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/faults":
            self.faults = {name: int(value) for name, value in parse_qsl(environ["QUERY_STRING"])}
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"refused": self.refused}).encode()]
        if self.faults.get("cut") and environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].count("/") > 1:
            self.faults["cut"] -= 1
            return half(self.app(environ, start_response))
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".GetRecords"):
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            if fault := self.fault(json.loads(body)["ShardIterator"]):
                start_response(fault[0], [("Content-Type", "application/x-amz-json-1.1")])
                return [json.dumps({"__type": fault[1], "message": "as the test asked, or too often"}).encode()]
            environ["wsgi.input"] = io.BytesIO(body)
        return self.app(environ, start_response)

    def fault(self, iterator):
        from moto.kinesis.utils import decompose_shard_iterator

        with self.lock:
            self.number += 1
            asked = self.asked[tuple(decompose_shard_iterator(iterator)[:2])]
            now = time.monotonic()
            while asked and asked[0] < now - 1:
                asked.popleft()
            slow, broken = self.faults.get("slow"), self.faults.get("broken")
            if len(asked) >= A_SECOND or (slow and self.number % slow == 0):
                self.refused += 1
                return "400 Bad Request", "ProvisionedThroughputExceededException"
            asked.append(now)
            return ("500 Internal Server Error", "InternalFailure") if broken and self.number % broken == 0 else None


def half(parts):
    """The first half of an answer; then the connection breaks."""
    body = b"".join(parts)
    yield body[: len(body) // 2]
    raise ConnectionError("as the test asked")


def serve(port: int) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, run_simple

    documented()
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    run_simple("127.0.0.1", port, Limited(DomainDispatcherApplication(create_backend_app)), threaded=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
