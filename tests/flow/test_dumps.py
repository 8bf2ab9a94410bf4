"""The CSV of CRMs: whatever it holds, every row is a record or an odd row, however it is read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.flow.dumps import _quickly, _slowly, _values, dumped

PIECES = [b'"', b",", b"\n", b"\r\n", b"a", b"7", b"\x00", b"\xff", b"\xef\xbb\xbf", b"true", b'""', b'","', b"null"]
FIELD = st.text(st.sampled_from('ab7", \n\u00e9'), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join))
def test_no_bytes_are_too_odd(body):
    records, odd = dumped(body, {"a": "number", "7": "boolean"}, ("", "null"))
    assert len(records) + len(odd) <= body.count(b"\n") + body.count(b"\r") + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD), max_size=5))
def test_both_ways_to_read_agree(rows):
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    body = "\n".join(['"Id","n"', *quoted, ""]).encode()
    quickly, slowly = _quickly(body, ("",)), _slowly(body, ("",))
    read = [({name: _values(column, "number") for name, column in columns.items()}, odd)
            for columns, odd in (quickly, slowly)]  # fmt: skip
    assert read[0] == read[1]
    assert quickly[0]["Id"].to_pylist() == [first or None for first, _ in rows]
