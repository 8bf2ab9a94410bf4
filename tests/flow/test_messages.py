"""Messages become payloads: short ones share one, each keeps its place, and a bad one goes alone."""

import json

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trackway.flow.messages import LARGEST, Message, payloads
from trackway.flow.origin import read_origin, write_origin
from trackway.plan import registry

MIB = 1 << 20


def pack(*messages, codec="json"):
    return list(payloads("orders", codec, registry.load("codecs", codec)(), {}, messages))


def places(payload):
    return read_origin(payload.headers["origin"], payload.records)[0].to_pylist()


def test_lines_share_a_payload_and_know_their_places():
    [payload] = pack(
        *(Message("orders/0", 7 + n, b'{"event":"e"}\n') for n in range(3)),
    )
    assert (payload.records, payload.body) == (3, b'{"event":"e"}\n{"event":"e"}\n{"event":"e"}')
    assert payload.headers["lines"] == "true"
    assert places(payload) == ["orders/0@7", "orders/0@8", "orders/0@9"]


def test_streams_do_not_mix():
    found = pack(Message("a/0", 1, b"{}"), Message("a/0", 2, b"{}"), Message("a/1", 1, b"{}"))
    assert [places(payload) for payload in found] == [["a/0@1", "a/0@2"], ["a/1@1"]]


def test_a_list_is_a_payload_of_its_own_whose_records_are_numbered():
    found = pack(
        Message("a/0", 1, b"{}"), Message("a/0", 2, b'[{"event":"a"},{"event":"b"}]'), Message("a/0", 3, b"{}")
    )
    assert [places(payload) for payload in found] == [["a/0@1"], ["a/0@2-0", "a/0@2-1"], ["a/0@3"]]
    assert [payload.records for payload in found] == [1, 2, 1]


def test_a_list_without_elements_is_nothing():
    assert pack(Message("a/0", 1, b"[]")) == []


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (Message("a/0", 1, b""), "no_event", "a message without a value"),
        (Message("a/0", 1, b" \n "), "no_event", "a message without a value"),
        (Message("a/0", 1, b"[1,"), "unreadable", "not JSON"),
        (Message("a/0", 1, b"\x00\n\xff"), "unreadable", "not JSON"),
        (Message("a/0", 1, b"{}", wrong="no schema 7"), "unreadable", "no schema 7"),
    ],
)
def test_what_no_codec_takes_in_is_refused_with_its_bytes(message, reason, detail):
    found = pack(Message("a/0", 0, b"{}"), message, Message("a/0", 2, b"{}"))
    assert [payload.codec for payload in found] == ["json", "refused", "json"]
    assert found[1].body == message.body
    assert found[1].headers["reason"] == reason
    assert detail in found[1].headers["detail"]


def test_a_payload_is_closed_when_it_is_large():
    found = pack(*(Message("a/0", n, b'"' + b"x" * MIB + b'"') for n in range(20)))
    assert sum(payload.records for payload in found) == 20
    assert max(len(payload.body) for payload in found) < LARGEST + 2 * MIB
    assert [place for payload in found for place in places(payload)] == [f"a/0@{n}" for n in range(20)]


@given(
    offsets=st.lists(st.integers(0, 2**62), max_size=40, unique=True).map(sorted),
    times=st.lists(st.integers(0, 2**42), min_size=40, max_size=40),
)
def test_places_and_times_come_back_as_they_were(offsets, times):
    times = times[: len(offsets)]
    named, stamps = read_origin(write_origin("t/3", offsets, times), len(offsets))
    assert named.to_pylist() == [f"t/3@{offset}" for offset in offsets]
    assert stamps.cast(pa.int64()).to_pylist() == [time * 1000 or None for time in times]


def test_places_may_be_any_text():
    header = write_origin("s", ["1-0", "1-1"], [1, 1])
    assert json.loads(header)["at"] == ["1-0", "1-1"]
    assert read_origin(header, 2)[0].to_pylist() == ["s@1-0", "s@1-1"]


@given(
    bodies=st.lists(
        st.binary(max_size=30)
        | st.sampled_from([b"{}", b"[{},{}]", b"{\n}", b"{}\r\n", b"\xef\xbb\xbf{}", b"\xef\xbb\xbf"])
    )
)
@example(bodies=[b"\xef\xbb\xbf"])
@example(bodies=[b"{}", b"\xef\xbb\xbf[{},{}]"])
@pytest.mark.parametrize("codec", ["json", "logfmt", "access_log", "syslog", "access_json"])
def test_whatever_comes_is_counted_as_its_codec_counts_it(bodies, codec):
    made = pack(*(Message("a/0", n, body) for n, body in enumerate(bodies)), codec=codec)
    for payload in made:
        assert registry.load("codecs", payload.codec)().count(payload.body, payload.headers) == payload.records
        assert len(places(payload)) == payload.records
