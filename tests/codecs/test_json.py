"""What is special about JSON events: which bodies are taken in, and how blocks of files name the envelope."""

import json

import pytest

from trackway.codecs.json import Json
from trackway.errors import PayloadError
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan.component import Request


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b'{"event": "A"}', 1),
        (b'\xef\xbb\xbf {\n "event":\n "A"\n}\n', 1),
        (b'[{"event": "A"}, 5, null]', 3),
        (b"[]", 0),
        (b'{"event": "A"}\n{"event": "B"}\n', 2),
        (b'broken\r\n\r\n  \n{"event": "B"}', 2),
        (b"5", 1),
    ],
)
def test_bodies_are_told_apart_by_what_they_hold(body, records):
    assert Json().count(body, {}) == records


@pytest.mark.parametrize("body", [b"", b"  \n", b"event=A", b'{"event": "A"', b'[{"event": "A"},', b'[{"a": 1}, {]',
                                  b'{\n "event": tru\n}', b"<html>\n</html>", b'[{"event": "A"}] x'])  # fmt: skip
def test_what_is_no_json_and_no_lines_is_said_to_the_sender(body):
    with pytest.raises(PayloadError, match="not JSON") as error:
        Json().count(body, {})
    assert error.value.status == 400


def test_blocks_of_files_are_lines_whatever_they_hold():
    assert Json().count(b"[1,\n2]\nx", {"lines": "true"}) == 3


def test_blocks_that_name_the_envelope_differently_are_read_together():
    files = [
        Block(seq, "files", 0, "json", body, 1, {"lines": "true", "columns": json.dumps(columns)})
        for seq, (body, columns) in enumerate(
            [(b'{"who": "ann", "n": 1}', {"user_id": "who"}), (b'{"who": 5, "n": "x"}', {})]
        )
    ]
    table = Json().decode(files, Schema())
    assert table.select(["user_id", "who", "n"]).to_pylist() == [
        {"user_id": "ann", "who": None, "n": "1"},
        {"user_id": None, "who": 5.0, "n": "x"},
    ]


@pytest.mark.parametrize(
    ("headers", "query", "key"),
    [
        ({"authorization": "Bearer wk"}, {}, "wk"),
        ({"authorization": "Basic d2s6"}, {}, "wk"),
        ({"authorization": "Basic %%%"}, {}, ""),
        ({}, {"key": "wk"}, "wk"),
        ({}, {}, None),
    ],
)
def test_a_write_key_comes_in_a_header_or_in_the_address(headers, query, key):
    assert Json().key(Request("/v1/events", headers, b"{}", query)) == key
