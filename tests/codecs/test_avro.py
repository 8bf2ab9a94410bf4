"""Avro: containers as fastavro writes them, every packing, and messages of Confluent's serializer through Kafka."""

import datetime as dt
import io
import json
import uuid
import warnings
import zlib
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import tansu
from collecting import send, serving, stored
from pulling import Puller
from trackway.codecs.avro import Avro
from trackway.errors import PayloadError, SourceError
from trackway.model.avro import container, opened, read_varint, varint
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan.config import component

fastavro = pytest.importorskip("fastavro")
kafka = pytest.importorskip("confluent_kafka")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # authlib has a wish about httpx
    from confluent_kafka.schema_registry import Schema as Text
    from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402

from sources.registry import Registry, served  # noqa: E402

ORDER = {
    "type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "event", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "user_id", "type": "string"},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "plan", "type": {"type": "enum", "name": "Plan", "symbols": ["free", "pro"]}},
        {"name": "raw", "type": "bytes"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "address", "type": {"type": "record", "name": "Address", "fields": [
            {"name": "city", "type": "string"}]}},
    ],
}  # fmt: skip
AT = dt.datetime(2026, 5, 17, 10, 5, 3, 250_000, dt.UTC)


def order(n):
    return {
        "event": "Order", "time": AT, "user_id": f"u{n}", "total": Decimal("12.34"), "day": AT.date(),
        "key": uuid.UUID(int=n), "plan": "pro", "raw": b"\xff\x00", "tags": ["a", "b"], "note": None,
        "address": {"city": "Köln"},
    }  # fmt: skip


def read(body):
    codec = Avro()
    records = codec.count(body, {})
    table = codec.decode([Block(1, "s", 0, "avro", body, records, {})], Schema())
    assert table.num_rows == records
    return table.to_pylist()


def written(schema, *records):
    out = []
    for record in records:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), record)
        out.append(stream.getvalue())
    return out


PACKED = {
    "snappy": lambda data: pa.compress(data, codec="snappy", asbytes=True) + zlib.crc32(data).to_bytes(4, "big"),
    "zstandard": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def repacked(body, packing):
    """A container with its blocks packed, as the specification has it."""
    found = opened(body)
    blocks = list(zip(found.records.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True))
    records, start, end = blocks[0]
    begin = start - len(varint(records)) - len(varint(end - start))
    sync = body[begin - 16 : begin]
    out = body[:begin].replace(varint(4) + b"null", varint(len(packing)) + packing.encode())
    for records, start, end in blocks:
        data = PACKED[packing](body[start:end])
        out += varint(records) + varint(len(data)) + data + sync
    return out


@pytest.mark.parametrize("packing", ["null", "deflate", "bzip2", "xz", "snappy", "zstandard"])
def test_a_file_of_every_packing_is_read(packing):
    out = io.BytesIO()
    native = packing not in PACKED
    fastavro.writer(out, ORDER, [order(n) for n in range(50)], codec=packing if native else "null", sync_interval=300)
    rows = read(out.getvalue() if native else repacked(out.getvalue(), packing))
    assert [row["user_id"] for row in rows] == [f"u{n}" for n in range(50)]
    row = rows[7]
    assert (row["event"], row["time"], row["total"], row["day"]) == ("Order", AT, "12.34", "2026-05-17")
    assert (row["key"], row["plan"], row["properties.raw"]) == (str(uuid.UUID(int=7)), "pro", "ff00")
    assert (json.loads(row["tags"]), row["address.city"]) == (["a", "b"], "Köln")


def test_a_container_of_ours_is_one_to_others():
    records = written(ORDER, order(1), order(2))
    found = list(fastavro.reader(io.BytesIO(container(json.dumps(ORDER), records))))
    assert [one["user_id"] for one in found] == ["u1", "u2"]


def test_one_bad_record_costs_itself():
    good = written(ORDER, order(1))[0]
    rows = read(container(json.dumps(ORDER), [good, good[:-3], b"", good + b"x", good]))
    assert [row["reason"] for row in rows] == [None, "unreadable", "unreadable", "unreadable", None]
    assert [row["raw"] for row in rows] == [good, good[:-3], b"", good + b"x", good]
    assert "not of its schema" in rows[1]["detail"]


def test_a_file_that_is_cut_off_tells_so():
    out = io.BytesIO()
    fastavro.writer(out, ORDER, [order(n) for n in range(50)], sync_interval=300)
    rows = read(out.getvalue()[:-40])
    assert [row["reason"] for row in rows[-1:]] == ["unreadable"]
    assert rows[-1]["detail"] == "the last block is cut off"
    assert all(row["reason"] is None for row in rows[:-1])


def test_records_that_would_never_end_are_refused():
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": {"type": "array", "items": "null"}}]}
    [row] = read(container(json.dumps(schema), [varint(1 << 60) + b"\x00"]))
    assert row["reason"] == "unreadable"


def test_what_is_no_container_is_not_taken_in():
    with pytest.raises(PayloadError, match="not an Avro container"):
        Avro().count(b"PAR1", {})


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back(number):
    assert read_varint(varint(number), 0) == (number, len(varint(number)))


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_no_bytes_in_a_container_make_it_raise(noise, place, cut):
    body = container(json.dumps(ORDER), written(ORDER, order(1), order(2)))
    body = body[:place] + noise + body[place + cut :]
    try:
        Avro().count(body, {})
    except PayloadError:
        return
    read(body)


# ── with a registry ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shop(tmp_path):
    """A broker, a registry with a password, and the official serializer."""
    server = tansu(tmp_path)
    registry = Registry("key", "secret")
    with served(registry) as url:
        yield server, registry, url
    server.stop()


def test_the_official_serializer_is_read_exactly_once(shop, tmp_path, monkeypatch):
    server, registry, url = shop
    monkeypatch.setenv("REGISTRY_SECRET", "secret")
    address = f"127.0.0.1:{server.port}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("orders", 2, 1)])["orders"].result(10)
    with SchemaRegistryClient({"url": url, "basic.auth.user.info": "key:secret"}) as client:
        number = client.register_schema(
            "address", Text(json.dumps(ORDER["fields"][-1]["type"] | {"namespace": "shop"}), "AVRO")
        )
        plain = AvroSerializer(client, json.dumps(ORDER))
        later = {**ORDER, "fields": [*ORDER["fields"][:-1], {"name": "address", "type": "shop.Address"},
                                     {"name": "coupon", "type": "string"}]}  # fmt: skip
        referring = AvroSerializer(
            client, Text(json.dumps(later), "AVRO", [SchemaReference("shop.Address", "address", 1)]),
            conf={"subject.name.strategy": lambda *_: "orders-later"},
        )  # fmt: skip
        context = SerializationContext("orders", MessageField.VALUE)
        producer = kafka.Producer({"bootstrap.servers": address})
        for n in range(200):
            body = plain(order(n), context) if n % 2 else referring({**order(n), "coupon": "SPRING"}, context)
            producer.produce("orders", body, partition=n % 2)
    proto = registry.put("proto", {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"})
    for poison in (
        b"\x00\x00\x00\x00\x63x",
        b"{}",
        bytes([0, 0, 0, 0, proto, 1]),
        bytes([0, 0, 0, 0, number]) + b"\xff" * 9,
    ):
        producer.produce("orders", poison, partition=0)
    assert producer.flush(10) == 0
    puller = Puller(
        tmp_path, type="kafka", brokers=[address], topics=["orders"], follow=False, codec="avro", registry=url,
        registry_user="key", registry_password="$REGISTRY_SECRET",
    )  # fmt: skip
    puller.pull()
    puller.pull()
    assert puller.bins() == {"received": 204, "stored": 200, "refused": 4}
    found = puller.rows('select "address.city" as city, coupon, count(*) as n from events group by all order by coupon')
    assert found == [{"city": "Köln", "coupon": "SPRING", "n": 100}, {"city": "Köln", "coupon": None, "n": 100}]
    details = " | ".join(row["detail"] for row in puller.rows("select detail from refused"))
    for said in ("not in the wire format", "no schema 99", "of type PROTOBUF", "not of its schema"):
        assert said in details
    assert sum(path.startswith("/schemas/ids/99") for _, path in registry.asked) <= 2
    assert puller.proofs()[-2]["text"].endswith("subjects")


def test_a_registry_that_is_down_or_refuses_stops_the_source_not_the_messages(shop, tmp_path, monkeypatch):
    server, registry, url = shop
    address = f"127.0.0.1:{server.port}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(10)
    producer = kafka.Producer({"bootstrap.servers": address})
    number = registry.put("orders", {"schema": json.dumps(ORDER)})
    producer.produce("orders", bytes([0, 0, 0, 0, number]) + written(ORDER, order(1))[0])
    producer.flush(10)
    options = {"type": "kafka", "brokers": [address], "topics": ["orders"], "codec": "avro", "registry": url}
    with pytest.raises(SourceError, match="refuses us") as raised:
        list(component("sources", options, "sources.o").prove("orders"))
    assert "registry_password" in raised.value.hint
    registry.user, registry.broken = "", True
    with pytest.raises(SourceError, match="500"):
        list(component("sources", options, "sources.o").prove("orders"))
    registry.broken = False
    found = list(component("sources", options, "sources.o").prove("orders"))
    assert found[-1].payload is not None


def test_bare_records_are_read_with_a_schema_from_a_file(tmp_path):
    server = tansu(tmp_path)
    address = f"127.0.0.1:{server.port}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(10)
    producer = kafka.Producer({"bootstrap.servers": address})
    for body in (*written(ORDER, *(order(n) for n in range(20))), b"\xff"):
        producer.produce("orders", body)
    assert producer.flush(10) == 0
    (tmp_path / "order.avsc").write_text(json.dumps(ORDER))
    puller = Puller(
        tmp_path, type="kafka", brokers=[address], topics=["orders"], follow=False, codec="avro",
        schema_file=str(tmp_path / "order.avsc"),
    )  # fmt: skip
    puller.pull()
    assert puller.bins() == {"received": 21, "stored": 20, "refused": 1}
    server.stop()


@pytest.mark.parametrize("packing", ["null", "deflate"])
def test_a_file_may_be_sent_over_http(tmp_path, packing):
    out = io.BytesIO()
    plain = {**ORDER, "fields": [field for field in ORDER["fields"] if field["name"] != "key"]}
    fastavro.writer(out, plain, [order(n % 25) for n in range(50)], codec=packing, sync_interval=300)
    with serving(tmp_path, "avro") as served_:
        headers = {"Authorization": "Bearer wk"}
        assert send(served_, "/v1/avro", out.getvalue()[:-30], headers)[0] == 400
        assert send(served_, "/v1/avro", b"Obj", headers)[0] == 400
        assert send(served_, "/v1/avro", out.getvalue(), {})[0] == 401
        status, _, reply = send(served_, "/v1/avro", out.getvalue(), headers)
        assert (status, json.loads(reply)) == (200, {"ok": True, "received": 50})
        rows = stored(served_, "user_id", "total")
    assert len(rows) == 50
    assert {row["user_id"] for row in rows} == {f"u{n}" for n in range(25)}
