"""Lines of key=value against a plain reading of them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from trackway.codecs.logfmt import Logfmt
from trackway.model.event import Block
from trackway.model.schema import Schema

KEYS = st.sampled_from(["a", "b.c", "level", "x-1", "user", "Zip"])
BARE = st.from_regex(r"[a-z/:.]{1,8}", fullmatch=True).filter(lambda text: text not in ("true", "false"))
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=8)
VALUES = st.one_of(
    st.integers(-(10**9), 10**9).map(lambda number: (str(number), float(number))),
    st.booleans().map(lambda value: (str(value).lower(), value)),
    BARE.map(lambda text: (text, text)),
    TEXT.map(lambda text: (f'"{text}"', text)),
    TEXT.map(lambda text: (f'"{text}\\"\\n"', f'{text}"\n')),
)
PIECES = st.sampled_from(
    [b"a", b"=", b" ", b'"', b"\\", b"\n", b",", b"\t", b"1", b"-", b"true", b"\xff", b"\0", b"\xc3\xa9", b"e5"]
)


def decode(body: bytes) -> list[dict]:
    codec = Logfmt()
    table = codec.decode([Block(1, "w", 0, "logfmt", body, codec.count(body, {}))], Schema())
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(codec.count(body, {})))
    return table.to_pylist()


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_what_was_written_is_read(pairs):
    line = " ".join(f"{key}={written}" for key, (written, _) in pairs.items())
    [row] = decode(line.encode())
    assert {key: row[key] for key in pairs} == {key: value for key, (_, value) in pairs.items()}


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_any_lines_are_events_or_refusals(body):
    for row in decode(body):
        pair = re.search(rb"(?:^|[ \t,;])[^= \t\"]+=", row["raw"])
        assert row["reason"] or pair


def test_a_refused_line_leaves_its_neighbours_alone():
    good = b"a=1 b=two\n"
    assert [row["reason"] for row in decode(good + b"junk\n" + good)] == [None, "unreadable", None]
