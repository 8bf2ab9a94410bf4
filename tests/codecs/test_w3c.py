"""Extended log files of the W3C from the file to the events: headings that change, blocks that are cut, odd lines."""

import gzip
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.codecs.w3c import W3c
from trackway.flow.detect import detect, detect_text
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.model.size import Size
from trackway.sources.file import File

HEADING = b"#Fields: date time c-ip cs-method cs-uri-stem sc-status\n"
OTHER = b"#Fields: date time cs-method cs-uri-stem sc-status c-ip\n"
GOLDEN = sorted((Path(__file__).parent / "w3c").glob("*.in"))


def events(blocks: list[Block]) -> list[tuple]:
    rows = [row for block in blocks for row in W3c().decode([block], Schema()).to_pylist()]
    return [row["reason"] or (row["ip"], row["path"], row["status"]) for row in rows]


def read(path: Path, block: str) -> list[Block]:
    kept: list[Block] = []

    def keep(payloads):
        for payload in payloads:
            kept.append(Block(len(kept), "w", 0, payload.codec, payload.body, payload.records, payload.headers))
        return [0] * len(payloads)

    list(File(paths=[str(path)], block=Size(block)).read("w", keep, {}, threading.Event()))
    assert all(W3c().count(block.body, block.headers) == block.records for block in kept)
    return kept


@pytest.mark.parametrize("block", ["1B", "7B", "90B", "1MB"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_heading_holds_until_the_next_however_the_file_is_cut(tmp_path, block, pack):
    lines = [b"2020-01-01 00:00:0%d 10.0.0.1 GET /%d 200\n" % (i, i) for i in range(5)]
    swapped = [b"2020-01-01 00:00:0%d GET /%d 200 10.0.0.2\n" % (i, i) for i in range(3)]
    path = tmp_path / "u_ex200101.log"
    path.write_bytes(pack(b"".join([b"#Version: 1.0\n", HEADING, *lines, b"#Date: x\n", OTHER, *swapped, b"junk\n"])))
    found = [("10.0.0.1", f"/{i}", 200) for i in range(5)] + [("10.0.0.2", f"/{i}", 200) for i in range(3)]
    assert events(read(path, block)) == [*found, "unreadable"]


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.stem != "told"], ids=lambda path: path.stem)
def test_the_format_is_recognised(path):
    found = detect(path)
    assert (found.codec, found.form) == ("w3c", "headed")


def test_lines_without_a_heading_are_refused_and_say_why():
    table = W3c().decode([Block(1, "w", 0, "w3c", b"2020-01-01 00:00:00 10.0.0.1\n", 1)], Schema())
    assert table["detail"].to_pylist() == ["no line #Fields before it"]
    assert detect_text(b"2020-01-01 00:00:00 10.0.0.1\n") != "w3c"


def test_a_field_may_bear_any_name():
    body = b"#Fields: block raw reason event_id more c-ip Row row\n1 2 3 4 5 10.0.0.1 7 8\n"
    [row] = W3c().decode([Block(1, "w", 0, "w3c", body, 1)], Schema()).to_pylist()
    assert (row["block"], row["row"], row["reason"], row["ip"]) == (1, 0, None, "10.0.0.1")
    assert [row[f"properties.{name}"] for name in ("block", "raw", "reason", "event_id", "more")] == list("12345")


PIECES = st.sampled_from(
    [b"#Fields: ", b"#", b"date ", b"time ", b"c-ip", b" ", b"\t", b'"', b"-", b"\n", b"2020-01-01", b"00:00:00",
     b"x-event ", b"raw ", b"event_id ", b"c-statu ", b"cs(A) ", b"\xff", b"#Fields:\n", b"time-taken ", b"1.5 "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_any_lines_give_as_many_rows_as_counted(body):
    codec = W3c()
    table = codec.decode([Block(1, "w", 0, "w3c", body, codec.count(body, {}))], Schema())
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(codec.count(body, {})))
