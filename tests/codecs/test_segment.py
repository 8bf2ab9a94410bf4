"""What is special about Segment: batches and single calls, and where the write key is."""

import pytest

from trackway.codecs.segment import Segment
from trackway.errors import PayloadError
from trackway.plan.component import Request

BASIC = {"authorization": "Basic d2s6"}


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b'{"batch": [{}, {}], "sentAt": "x"}', 2),
        (b'{"sentAt": {"batch": [1]}, "batch" : [ ] }', 0),
        (b'{"type": "track", "properties": {"batch": [1, 2]}}', 1),
        (b'{"batch": [{"event": "\xff"}]}', 1),
        (b"[1, 2]", 1),
    ],
)
def test_a_batch_counts_its_calls_and_anything_else_is_one(body, records):
    assert Segment().count(body, {}) == records


@pytest.mark.parametrize("body", [b"", b"x", b'{"batch": [{}', b'{"batch": [{"a": tru}]}', b'{"batch": [{}],}',
                                  b'{"batch": {}}', b'{"batch": [1], "batch": [1]}', b'{"batch": [1]} {}'])  # fmt: skip
def test_what_is_no_json_or_no_list_of_calls_is_said_to_the_sender(body):
    with pytest.raises(PayloadError) as error:
        Segment().count(body, {})
    assert error.value.status == 400


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        (BASIC, b"{}", "wk"),
        (BASIC, b'{"writeKey": "other"}', "wk"),
        ({}, b'{"batch": [{}], "writeKey": "wk"}', "wk"),
        ({}, b'{"type": "track", "writeKey": "wk"}', "wk"),
        ({}, b'{"type": "track", "writeKey": 5}', None),
        ({}, b"not json", None),
    ],
)
def test_the_write_key_is_a_user_name_or_stands_in_the_body(headers, body, key):
    assert Segment().key(Request("/v1/batch", headers, body)) == key
