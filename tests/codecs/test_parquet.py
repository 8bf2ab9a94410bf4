"""The Parquet codec: types of the file become kinds of columns."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from trackway.codecs.parquet import Parquet
from trackway.errors import PayloadError
from trackway.model.event import Block
from trackway.model.schema import Schema


def block(table, **headers):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Block(1, "warehouse", 0, "parquet", sink.getvalue().to_pybytes(), len(table), headers)


def decode(table, known=None, **headers):
    made = block(table, **headers)
    assert Parquet().count(made.body, made.headers) == len(table)
    found = Parquet().decode([made], Schema(known or {}))
    found.validate(full=True)
    return found


def test_types_become_kinds():
    table = pa.table({
        "event": ["e"], "time": pa.array([datetime(2020, 1, 2, 3)], pa.timestamp("ms")),
        "user_id": pa.array([7], pa.int32()), "small": pa.array([1], pa.int8()), "big": pa.array([2**63], pa.uint64()),
        "price": pa.array([Decimal("1.50")]), "ratio": pa.array([0.5], pa.float32()), "ok": [True],
        "day": [date(2020, 1, 2)], "plan": pa.array(["pro"]).dictionary_encode(),
        "address": [{"city": "Bonn", "geo": {"lat": 50.7}}], "tags": [["a", "b"]], "blob": [b"text"],
        "none": pa.nulls(1),
    })  # fmt: skip
    [row] = decode(table).drop_columns(["block", "row", "raw", "reason", "detail"]).to_pylist()
    assert row == {
        "event": "e", "time": datetime(2020, 1, 2, 3, tzinfo=UTC), "user_id": "7", "small": 1, "big": str(2**63),
        "price": 1.5, "ratio": 0.5, "ok": True, "day": datetime(2020, 1, 2, tzinfo=UTC), "plan": "pro",
        "address.city": "Bonn", "address.geo.lat": 50.7, "tags": '["a","b"]', "blob": "text",
    }  # fmt: skip


def test_a_source_may_name_the_envelope():
    table = pa.table({"action": ["Buy"], "at": [1431857103], "id": [7]})
    found = decode(table, columns=json.dumps({"event": "action", "time": "at", "user_id": "id"})).to_pylist()[0]
    assert (found["event"], found["time"], found["user_id"]) == (
        "Buy",
        datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC),
        "7",
    )


def test_known_columns_keep_their_kind():
    table = pa.table({"event": ["e", "e"], "n": pa.array([5, 2**53 + 1]), "s": [1.5, 2.0], "i": ["x", "3"]})
    rows = decode(table, {"n": "number", "s": "string", "i": "integer"}).to_pylist()
    assert [row["n"] for row in rows] == [5.0, None]
    assert [row["s"] for row in rows] == ["1.5", "2"]
    assert [row["i"] for row in rows] == [None, 3]
    assert [json.loads(row["more"]) for row in rows] == [{"i": "x"}, {"n": 2**53 + 1}]


def test_the_original_bytes_are_the_row_as_json():
    assert decode(pa.table({"event": ["e"], "n": [1]}))["raw"].to_pylist() == [b'{"event":"e","n":1}']


def test_what_is_no_arrow_stream_is_not_taken_in():
    with pytest.raises(PayloadError):
        Parquet().count(b"PAR1", {})
