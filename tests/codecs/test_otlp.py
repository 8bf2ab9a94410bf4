"""Logs of OpenTelemetry: its own exporters in both forms over a road that fails, and bytes that are none."""

import json
import random
import time

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from collecting import node, roads, send, serving, stored
from trackway.codecs.otlp import Otlp, _plain_record
from trackway.errors import PayloadError
from trackway.model.event import Block
from trackway.model.json_text import as_array
from trackway.model.otlp_json import plain_records
from trackway.model.schema import Schema

KEY = {"Authorization": "Bearer wk"}
FAULTS = roads("busy", "lost", "reset")


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("packing", [Compression.NoCompression, Compression.Gzip], ids=["plain", "gzip"])
def test_its_python_exporter_delivers_each_record_once_over_any_road(tmp_path, faults, packing):
    with serving(tmp_path, "otlp", faults=faults) as served:
        exporter = OTLPLogExporter(f"{served.url}/v1/logs", headers=KEY, compression=packing, timeout=30)
        provider = LoggerProvider(resource=Resource({"service.name": "shop", "host.name": "web-1"}))
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_export_batch_size=40))
        logger = provider.get_logger("lib", "1.0")
        for number in range(100):
            logger.emit(
                timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, body="Köln ☕", event_name="bought",
                attributes={"user.id": f"u{number % 7}", "number": number, "price": 0.1, "tags": ["a", "b"]},
            )  # fmt: skip
        provider.force_flush()
        provider.shutdown()
        rows = stored(served, "event", "user_id", "number", "price", "tags", "message", "host.name", "scope.name")
        assert sorted(row.pop("number") for row in rows) == list(range(100))
        assert {row.pop("user_id") for row in rows} == {f"u{number}" for number in range(7)}
        assert {tuple(row.values()) for row in rows} == {("bought", 0.1, '["a","b"]', "Köln ☕", "web-1", "lib")}
        assert tuple(served.road.met[: len(faults)]) == faults
        assert ("duplicate" in served.house.bins()) == ("lost" in faults)


@pytest.mark.parametrize("faults", FAULTS)
@pytest.mark.parametrize("form", ["http", "proto"])
def test_its_node_exporters_deliver_each_record_once_over_any_road(tmp_path, faults, form):
    with serving(tmp_path, "otlp", faults=faults) as served:
        assert node("otlp.js", f"{served.url}/v1/logs", "wk", form) == {"results": [0]}
        rows = stored(served, "event", "user_id", "number", "price", "fresh", "tags", "message", "scope.version")
        assert sorted(row.pop("number") for row in rows) == list(range(100))
        assert {row.pop("user_id") for row in rows} == {f"u{number}" for number in range(7)}
        assert {tuple(row.values()) for row in rows} == {("bought", 0.1, True, '["a","b"]', "Köln ☕", "1.0")}
        assert tuple(served.road.met[: len(faults)]) == faults


def test_the_answer_has_the_form_of_the_question(tmp_path):
    with serving(tmp_path, "otlp", faults=["ok", "ok", "busy"]) as served:
        status, said, body = send(served, "/v1/logs", b'{"resourceLogs": []}', KEY)
        assert (status, said["content-type"], body) == (200, "application/json", b"{}")
        status, said, body = send(served, "/v1/logs", b"", KEY)
        assert (status, said["content-type"], body) == (200, "application/x-protobuf", b"")
        status, said, body = send(served, "/v1/logs", b'{"resourceLogs": []}', KEY)
        assert (status, said["retry-after"], json.loads(body)["code"]) == (503, "2", 14)
        status, said, body = send(served, "/v1/logs", b"\x0a\xff", KEY)
        assert (status, said["content-type"], body[:2]) == (400, "application/x-protobuf", b"\x08\x03")
        assert send(served, "/v1/logs", b"{}")[0] == 401


def test_a_record_that_is_none_does_not_take_the_others_with_it():
    good = LogRecord(time_unix_nano=1_790_000_000_000_000_000).SerializeToString()
    bad = b"\x2a\x05\x32\x03\x0a\x05a"
    scope = b"".join(b"\x12" + bytes([len(record)]) + record for record in (good, bad, good))
    body = bytes([10, len(scope) + 2, 18, len(scope)]) + scope
    table = Otlp().decode([Block(1, "web", 0, "otlp", body, 3)], Schema())
    assert table["reason"].to_pylist() == [None, "unreadable", None]
    assert table["raw"].to_pylist() == [good, bad, good]


def test_records_that_repeat_their_fields_stay_within_bounds():
    records = [b"\x10\x7f" * 400, b"\x2a\x00" * 400, b"\x1a\x01\x01" * 300, b"\x32\x00" * 400, b"\x4a\x01\xff" * 300]
    body = LogsData(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()] * 5)])])
    body = body.SerializeToString()
    scope = b"".join(b"\x12" + bytes([len(record) & 127 | 128, len(record) >> 7]) + record for record in records)
    inner = b"\x12" + bytes([len(scope) & 127 | 128, len(scope) >> 7]) + scope
    body = b"\x0a" + bytes([len(inner) & 127 | 128, len(inner) >> 7]) + inner
    assert Otlp().count(body, {}) == 5
    assert len(Otlp().decode([Block(1, "web", 0, "otlp", body, 5)], Schema())) == 5


def test_no_bytes_of_the_wire_format_make_it_raise():
    dice = random.Random(5)
    for _ in range(3_000):
        body = bytearray()
        for _ in range(dice.randrange(1, 12)):
            body += bytes([dice.choice((10, 18, 26, 42, 50, 9, 16, 72, 82, 98))])
            body += bytes([dice.choice((0, 1, 2, 5, 127, 128, 255)), *dice.choices((0, 10, 18, 50, 255), k=2)])
        data = bytes(body)
        try:
            count = Otlp().count(data, {})
        except PayloadError:
            continue
        assert len(Otlp().decode([Block(1, "web", 0, "otlp", data, count)], Schema())) == count


VALUES = st.one_of(
    st.builds(lambda text: {"stringValue": text}, st.text(max_size=6)),
    st.builds(lambda number: {"intValue": str(number)}, st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda number: {"intValue": number}, st.integers(-9, 2**40)),
    st.builds(lambda number: {"doubleValue": number}, st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(lambda said: {"boolValue": said}, st.booleans()),
    st.builds(lambda text: {"bytesValue": text}, st.sampled_from(["", "AAEC"])),
    st.sampled_from([
        {}, None, 5, {"stringValue": None}, {"stringValue": 5}, {"intValue": "x"}, {"intValue": 1.5},
        {"boolValue": "x"}, {"doubleValue": "NaN"}, {"doubleValue": 1e300}, {"other": 1},
        {"arrayValue": {"values": [{"intValue": 1}]}},
        {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}, {"intValue": 1, "boolValue": True},
    ]),
)  # fmt: skip
PAIRS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"key": st.sampled_from(["a", "user.id", 'q"', "", "é"]), "value": VALUES}),
        st.sampled_from([{}, 5, {"kit": "a", "value": {"stringValue": "x"}}, {"key": "alone"}, {"key": 5, "value": {}},
                         {"value": {"stringValue": "first"}, "key": "turned"}]),
    ),
    max_size=4,
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "timeUnixNano": st.sampled_from(["1763632800123456789", 1763632800123456789, "0", 0, None, "soon", "-5", "12"]),
        "observedTimeUnixNano": st.just("1763632800000000000"),
        "severityNumber": st.sampled_from([9, "9", "", None, True, 1.5, [1]]),
        "severityText": st.sampled_from(["INFO", "", None, 0, 5]),
        "body": VALUES, "attributes": st.one_of(PAIRS, st.sampled_from([None, {}, "x"])),
        "eventName": st.sampled_from(["bought", "", None]), "traceId": st.sampled_from(["00ff", ""]),
        "flags": st.sampled_from([0, {"deep": [1, {"x": "]}"}]}]),
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(records=st.lists(RECORDS, max_size=5), indent=st.booleans())
def test_the_compiled_pass_writes_records_as_the_slow_one_does(records, indent):
    texts = [orjson.dumps(record, option=orjson.OPT_INDENT_2 if indent else 0) for record in records]
    bounds = np.cumsum([0, *map(len, texts)])
    written, edges = plain_records(as_array(b"".join(texts) + b" " * 40), bounds[:-1], bounds[1:])
    for row, text in enumerate(texts):
        made = written[edges[row] : edges[row + 1]].tobytes()
        if made:
            assert _some(orjson.loads(made)) == _some(orjson.loads(_plain_record(text)))


def _some(value):
    """A record without what is null, and with whole numbers as they are in a column."""
    if isinstance(value, dict):
        return {key: _some(inner) for key, inner in value.items() if inner is not None and inner != {}}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value
