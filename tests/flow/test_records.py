"""Cutting streams into records: the pieces a stream comes in make no difference."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.flow.records import Elements, Lines
from trackway.flow.rows import Rows
from trackway.flow.spans import Copies, as_array, line_spans


def cut(cutter, text, sizes):
    """Records and refusals of a text fed in pieces of these sizes, in turn."""
    records, bad, at, turn = [], [], 0, 0
    cuts = []
    while at < len(text):
        size = sizes[turn % len(sizes)]
        cuts.append(cutter.feed(text[at : at + size]))
        at, turn = at + size, turn + 1
    for made in [*cuts, cutter.end()]:
        records += [made.body[start:end].tobytes() for start, end in zip(made.starts, made.ends, strict=True)]
        bad += [(b.offset, b.raw, b.reason, b.detail) for b in made.bad]
        assert all(made.body[end] == ord("\n") for end in made.ends)
    return records, bad


TABLE = {"delimiter": ",", "fields": "3"}
CUTTERS = {
    "lines": lambda: Lines(40),
    "rows": lambda: Rows(40, TABLE),
    "elements": lambda: Elements(10_000),
}
PIECE = st.sampled_from(
    [b"\n", b"\r\n", b",", b'"', b'""', b"\\", b"{", b"}", b"[", b"]", b'{"a":1}', b'{"a":"b"},\n', b"a,b,c\n",
     b' "x\ny",b,c\n',
     b"x" * 45, b" ", b'"x" y', b"\0", b":", b"1"]
)  # fmt: skip
TEXT = st.lists(PIECE, max_size=30).map(b"".join)


@pytest.mark.parametrize("form", CUTTERS)
@settings(max_examples=150, deadline=None)
@given(text=TEXT, sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_pieces_make_no_difference(form, text, sizes):
    text = b"a,b,c\n" + text if form == "rows" else text
    assert cut(CUTTERS[form](), text, sizes) == cut(CUTTERS[form](), text, [len(text) + 1])


VALUE = st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=3))
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUE, min_size=1, max_size=3), max_size=6)


LARGE = st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.text(max_size=60), min_size=1), max_size=8)


@settings(max_examples=150, deadline=None)
@given(LARGE, st.sampled_from([None, 1]), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_pieces_make_no_difference_to_elements_over_the_limit(values, indent, sizes):
    text = json.dumps(values, indent=indent).encode()
    records, bad = cut(Elements(40), text, sizes)
    assert (records, bad) == cut(Elements(40), text, [len(text) + 1])
    assert len(records) + len(bad) == len(values)
    assert {reason for _, _, reason, _ in bad} <= {"too_large"}


@settings(max_examples=100, deadline=None)
@given(OBJECTS, st.sampled_from([None, 1]))
def test_the_elements_of_an_array_are_the_lines_it_was_made_of(values, indent):
    records, bad = cut(Elements(10_000), json.dumps(values, indent=indent).encode(), [7])
    assert [json.loads(record) for record in records] == values
    assert bad == []


@pytest.mark.parametrize(
    "text",
    [
        b'[{"n":1},{"n":"2},{"n":3},{"n":4},{"n":"5"}]',
        b'[{"n":1},\n{"n":"2},\n{"n":3},\n{"n":4},\n{"n":"5"}]',
        b'[\n {\n  "n": 1\n },\n {\n  "n": "2\n },\n {\n  "n": 3\n },\n {"n": 4}, {"n": "5"}\n]',
    ],
)
def test_a_text_without_its_closing_quote_costs_one_element(text):
    records, bad = cut(Elements(10_000), text, [1000])
    assert [json.loads(record)["n"] for record in records] == [1, 3, 4, "5"]
    assert [reason for _, _, reason, _ in bad] == ["unreadable"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=60), st.integers(1, 60))
def test_copies_are_counted_from_the_beginning_of_a_file(records, at):
    def count(copies, some):
        data = as_array(b"\n".join(some))
        return copies.count(data, *line_spans(data)).tolist()

    whole, parts = Copies(), Copies()
    assert count(whole, records) == count(parts, records[:at]) + count(parts, records[at:])
    assert whole.total == parts.total
    assert count(Copies(), records) == [records[:i].count(record) for i, record in enumerate(records)]


def test_a_copy_is_known_as_long_as_the_one_before_is_near():
    copies = Copies(remembered=10)
    data = as_array(
        b"\n".join([b"x", *(b"%d" % n for n in range(9)), b"x", *(b"%d" % n for n in range(100, 125)), b"x"])
    )
    assert copies.count(data, *line_spans(data))[[0, 10, 36]].tolist() == [0, 1, 0]
