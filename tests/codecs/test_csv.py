"""The CSV codec: every row an event or a refusal."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.codecs.csv import Csv
from trackway.model.event import Block
from trackway.model.schema import Schema


def decode(body, known=None, **headers):
    """Rows of one or several bodies, without their nulls; a refusal is its reason and detail."""
    bodies = [body] if isinstance(body, str) else body
    codec = Csv()
    blocks = [
        Block(seq, "crm", 0, "csv", text.encode("utf-8", "surrogateescape"), codec.count(
            text.encode("utf-8", "surrogateescape"), headers), headers)
        for seq, text in enumerate(bodies)
    ]  # fmt: skip
    table = codec.decode(blocks, Schema(known or {}))
    table.validate(full=True)
    rows = []
    for row in table.to_pylist():
        values = {
            k: v for k, v in row.items() if k not in ("block", "row", "raw", "reason", "detail") and v is not None
        }
        rows.append((row["reason"], row["detail"]) if row["reason"] else values)
    assert len(rows) == sum(block.records for block in blocks)
    return rows


def test_the_envelope_is_known_by_its_names():
    assert decode("Event_Name,Timestamp,userId,plan\nBuy,2015-05-17T10:05:03Z,u1,pro\n") == [
        {"event": "Buy", "time": datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC), "user_id": "u1", "plan": "pro"}
    ]


def test_a_source_may_name_the_envelope():
    columns = json.dumps({"event": "Action", "time": "When", "user_id": "Customer"})
    [row] = decode("Action,When,Customer,time\nBuy,1431857103,7,noon\n", columns=columns)
    assert row == {
        "event": "Buy", "time": datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC), "user_id": "7", "properties.time": "noon",
    }  # fmt: skip


def test_id_is_not_taken_for_an_event_id():
    assert decode("event,id\nBuy,7\nBuy,7\n") == [{"event": "Buy", "id": 7.0}] * 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    assert decode("event,plan\nBuy,pro\nSell,free\n".replace(",", delimiter)) == [
        {"event": "Buy", "plan": "pro"}, {"event": "Sell", "plan": "free"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2.5", "-3e2"], [1.0, 2.5, -300.0]),
        (["1", "", "2"], [1.0, None, 2.0]),
        (["1", "x"], ["1", "x"]),
        (["007", "1"], ["007", "1"]),
        (["9007199254740993", "1"], ["9007199254740993", "1"]),
        (["9007199254740992", "1"], [2.0**53, 1.0]),
        (["true", "FALSE"], [True, False]),
        (["true", "1"], ["true", "1"]),
        (["1e999", "1"], ["1e999", "1"]),
        (["2015-05-17", "2015-05-18"], ["2015-05-17", "2015-05-18"]),
        (["NaN", "inf"], ["NaN", "inf"]),
    ],
)
def test_a_column_has_the_kind_that_all_its_values_have(values, expected):
    rows = decode("event,x\n" + "".join(f"e,{value}\n" for value in values))
    assert [row.get("x") for row in rows] == expected


def test_known_columns_keep_their_kind_and_misfits_go_to_more():
    rows = decode("event,n,i,b\ne,1,2,true\ne,much,2.5,maybe\n", {"n": "number", "i": "integer", "b": "boolean"})
    assert rows[0] == {"event": "e", "n": 1.0, "i": 2, "b": True}
    assert json.loads(rows[1].pop("more")) == {"n": "much", "i": "2.5", "b": "maybe"}
    assert rows[1] == {"event": "e"}


def test_a_known_text_stays_text():
    assert decode("event,zip\ne,10115\n", {"zip": "string"}) == [{"event": "e", "zip": "10115"}]


def test_blocks_of_different_headers_come_together():
    rows = decode(["event,a\ne,1\n", "event,b,a\nf,x,2\n"])
    assert rows == [{"event": "e", "a": 1.0}, {"event": "f", "b": "x", "a": 2.0}]


def test_ragged_rows_are_refused_and_the_rest_goes_through():
    assert decode("event,a,b\ne,1,2\ne,1\ne,1,2,3\n\ne,3,4\n") == [
        {"event": "e", "a": 1.0, "b": 2.0},
        ("unreadable", "2 fields, the header has 3"),
        ("unreadable", "4 fields, the header has 3"),
        {"event": "e", "a": 3.0, "b": 4.0},
    ]


def test_a_stray_quote_costs_one_row():
    rows = decode('event,note\ne,"never closed\ne,fine\ne,"closed" and more\ne,"two\nlines"\n')
    assert rows == [
        ("unreadable", "a stray quote"),
        {"event": "e", "note": "fine"},
        ("unreadable", "a stray quote"),
        {"event": "e", "note": "two\nlines"},
    ]


def test_bytes_that_are_not_text_cost_one_row():
    assert decode("event,x\ne,\udcff\ne,ok\n") == [("encoding", "bytes that are not UTF-8"), {"event": "e", "x": "ok"}]


def test_a_time_that_cannot_be_read_costs_one_row():
    assert decode("event,time\ne,soon\ne,\n") == [("no_time", "cannot read the time 'soon'"), {"event": "e"}]


def test_columns_without_or_with_the_same_name_get_one():
    assert decode("event,,x,x\ne,1,2,3\n") == [{"event": "e", "column_2": 1.0, "x": 2.0, "x_2": 3.0}]


def test_the_original_bytes_of_every_row_are_kept():
    body = b'event,note\r\ne,"a\r\nb"\r\nf,c\r\n'
    table = Csv().decode([Block(1, "crm", 0, "csv", body, 2)], Schema())
    assert table["raw"].to_pylist() == [b'e,"a\r\nb"', b"f,c"]


CELL = st.text(st.sampled_from('a,;"\n é1'), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_what_csv_wrote_is_read_as_python_reads_it(rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    header = {"header": "a,b,c", "delimiter": ",", "fields": "3"}
    found = decode(out.getvalue(), dict.fromkeys("abc", "string"), **header)
    assert found == [{name: cell for name, cell in zip("abc", row, strict=True) if cell} for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_as_many_rows_as_counted(body):
    for headers in ({}, {"header": "event,time,x", "delimiter": ",", "fields": "3"}):
        records = Csv().count(body, headers)
        assert Csv().decode([Block(1, "crm", 0, "csv", body, records, headers)], Schema()).num_rows == records


def test_a_time_that_does_not_say_its_zone_is_read_in_that_of_the_source():
    rows = decode("time\n2026-07-01 12:00:00\n2026-07-01T12:00:00Z\n1782900000\nnever\n", zone="Europe/Berlin")
    hours = [row["time"].astimezone(UTC).hour if isinstance(row, dict) else row[0] for row in rows]
    assert hours == [10, 12, 10, "no_time"]


STYLES = [(",", '"', ""), (";", "'", ""), ("\t", '"', "\\"), ("|", "", "\\"), (",", "'", "\\")]
ODD = st.text(st.sampled_from("a,;\t|\"'\\\n é1"), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(ODD, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from(STYLES))
def test_what_is_written_in_any_style_is_read_as_it_was_meant(rows, style):
    delimiter, quote, escape = style
    special = {delimiter, "\n", quote, escape}

    def written(cell):
        if quote and not escape:
            return quote + cell.replace(quote, quote * 2) + quote
        text = "".join(escape + letter if letter in special else letter for letter in cell)
        return quote + text + quote if quote else text

    body = "".join(delimiter.join(map(written, row)) + "\n" for row in rows)
    told = {"names": '["a", "b", "c"]', "delimiter": delimiter, "quote": quote, "escape": escape}
    found = decode(body, dict.fromkeys("abc", "string"), **told)
    blank = [row for row in rows if any(row) or quote]
    assert found == [{name: cell for name, cell in zip("abc", row, strict=True) if cell} for row in blank] or not all(
        map(any, rows)
    )


def test_a_word_for_nothing_is_one_only_without_quotes():
    assert decode('event,note\ne,NULL\ne,"NULL"\n', null='["NULL"]', header="event,note", delimiter=",") == [
        {"event": "event", "note": "note"}, {"event": "e"}, {"event": "e", "note": "NULL"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1,5", "-2,25"], [1.5, -2.25]),
        (["1.234.567,8", "12"], [1234567.8, 12.0]),
        (["1,5", "many"], ["1,5", "many"]),
        (["1,50", "1.50"], ["1,50", "1.50"]),
        (["1,234", "2,345"], ["1,234", "2,345"]),
    ],
)
def test_decimal_commas_are_seen_in_the_numbers(values, expected):
    rows = decode("event;x\n" + "".join(f"e;{value}\n" for value in values))
    assert [row["x"] for row in rows] == expected
