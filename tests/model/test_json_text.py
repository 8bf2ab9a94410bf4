"""Where JSON begins and ends is found by its grammar, as orjson sees it."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.model.json_text import array_items, as_array, find_member, is_value, text_lines

LENIENT = ("infinity", "surrogate", "UTF-8")
"""What orjson alone complains of: it matters to whoever reads the values, not to where they end."""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=10,
)
pieces = st.sampled_from(
    [b'"', b"\\", b"\\u12", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e9", b"\n", b"\x1f", b"t"]
)


def spans(body, starts, ends):
    return [body[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def complaint(body):
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return str(error)
    return ""


@settings(max_examples=500, deadline=None)
@given(values, st.sampled_from([None, 1]), st.integers(0, 200), pieces | st.binary(max_size=2), st.booleans())
def test_what_passes_is_json_and_what_is_json_passes(value, indent, place, piece, damaged):
    body = json.dumps(value, indent=indent).encode()
    if damaged:
        body = body[: place % (len(body) + 1)] + piece + body[place % (len(body) + 1) + 1 :]
    said = complaint(body)
    passes = is_value(as_array(body), 0, len(body))
    assert passes == (not said) or any(word in said for word in LENIENT)


@given(st.lists(values, max_size=200), st.sampled_from([None, 1]), st.sampled_from(["", " ", "\n "]))
def test_items_of_a_list_are_found_each_as_it_was_written(items, indent, space):
    body = (space + json.dumps(items, indent=indent) + space).encode()
    starts, ends, after = array_items(as_array(body), 0, len(body))
    assert [json.loads(item) for item in spans(body, starts, ends)] == items
    assert body[after:].strip() == b""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"batch": [1]}', b"[1]}"),
        (b' {"a": {"batch": 0}, "b": "\\"batch\\":", "batch" :\n 5}', b"5}"),
        (b'{"batches": 1}', None),
        (b'{"a": {"batch": 0}}', None),
        (b'{"a": tru, "batch": 0}', None),
        (b'["batch", 1]', None),
        (b'{"batch', None),
        (b"", None),
    ],
)
def test_a_member_is_found_at_the_top_only(body, found):
    place = find_member(as_array(body), 0, len(body), as_array(b"batch"))
    assert (body[place:] if place >= 0 else None) == found


def test_lines_that_are_blank_do_not_count_and_the_others_stay_as_they_are():
    body = b'\n {"a": 1} \r\n\t \r\n\rx\r\nlast'
    assert spans(body, *text_lines(as_array(body), 0, len(body))) == [b' {"a": 1} ', b"\rx", b"last"]
