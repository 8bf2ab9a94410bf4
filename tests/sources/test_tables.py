"""Tables in files as Excel, databases and people write them: found out by themselves, or told by `sheet`."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from houses import NOW, House
from trackway.errors import ConfigError
from trackway.plan.config import check

ROW = {"event": "Käufe", "user_id": "jürgen"}


@contextmanager
def loaded(folder, body, name="table.csv", **options):
    """The rows of a file, and the bytes of those refused."""
    path = folder / name
    path.write_bytes(body)
    source = check({"sources": {"files": {"type": "file", "paths": [str(path)], **options}}}, folder).sources["files"]
    house, arrived = House(folder), datetime.fromtimestamp(NOW / 1e6, UTC)
    try:
        for _ in source.read("files", house.journal.append, {}, threading.Event()):
            pass
        house.run()
        found = [
            {name: value for name, value in row.items() if value not in (None, arrived)}
            for row in house.events("* exclude (event_id, received_at, stored_at, source, tie, block, row, actor)",
                                    order='"block", "row"')
        ]  # fmt: skip
        yield found, [row["raw"] for row in house.lake.sql("select raw from refused").to_pylist()]
    finally:
        house.close()


def written(encoding, *, sep="", delimiter=";"):
    return f"{sep}event{delimiter}user_id\r\nKäufe{delimiter}jürgen\r\n".encode(encoding)


@pytest.mark.parametrize(
    "body",
    [written("utf-8"), written("utf-8-sig"), written("utf-16", delimiter="\t"), written("cp1252"),
     written("utf-8-sig", sep="sep=;\r\n"), written("cp1252", sep="sep=;\r\n"), written("utf-16-le", delimiter=",")],
    ids=["utf-8", "with a mark", "unicode text of Excel", "cp1252", "sep and mark", "sep and cp1252", "utf-16-le"],
)  # fmt: skip
@pytest.mark.parametrize("block", ["8MB", "20B"])
def test_a_table_of_excel_is_read_in_whatever_encoding(tmp_path, body, block):
    with loaded(tmp_path, body, block=block) as (rows, bad):
        assert (rows, bad) == ([ROW], [])


def test_an_encoding_that_is_not_found_can_be_told(tmp_path):
    with loaded(tmp_path, written("mac-roman"), encoding="mac-roman") as (rows, _):
        assert rows == [ROW]


@pytest.mark.parametrize("block", ["8MB", "30B"])
def test_what_stands_before_and_between_the_rows_is_left_out(tmp_path, block):
    body = b'Report\n"one, open\n\n# made by hand\nevent|amount|user_id\n# more\nPaid|1.5|ann\nPaid|-|bob\nPaid|2\n'
    sheet = {"skip": 3, "comment": "#", "null": ["-"], "quote": ""}
    with loaded(tmp_path, body, codec="csv", sheet=sheet, block=block) as (rows, bad):
        assert rows == [
            {"event": "Paid", "amount": 1.5, "user_id": "ann"}, {"event": "Paid", "user_id": "bob"},
        ]  # fmt: skip
        assert bad == [b"Paid|2"]


@pytest.mark.parametrize("block", ["8MB", "30B"])
def test_the_dump_of_a_database_is_read_with_the_names_told(tmp_path, block):
    body = b"1\t2015-05-17 10:05:03\tann\t\\N\tone\\\ntwo\n2\t2015-05-17 10:06:03\tbob\t7\tthree\\tfour\n"
    names = ["event", "time", "user_id", "amount", "note"]
    with loaded(tmp_path, body, "orders.txt", codec="csv", sheet={"names": names}, block=block) as (rows, bad):
        assert bad == []
        assert [(row["event"], row["user_id"], row.get("amount"), row["note"]) for row in rows] == [
            ("1", "ann", None, "one\ntwo"), ("2", "bob", 7, "three\tfour"),
        ]  # fmt: skip
        assert rows[0]["time"].isoformat() == "2015-05-17T10:05:03+00:00"


def test_a_first_row_like_all_others_is_no_header_unless_told(tmp_path):
    body = b"1,ann,Paid\n2,bob,Sent\n"
    names = {"user_id": "column_2", "event": "column_3"}
    with loaded(tmp_path, body, columns=names) as (rows, _):
        assert [row["user_id"] for row in rows] == ["ann", "bob"]


def test_a_header_may_be_said_to_be_one(tmp_path):
    body = b"1,event,user_id\n2,Paid,ann\n"
    with loaded(tmp_path, body, sheet={"header": True}, codec="csv") as (rows, _):
        assert rows == [{"1": 2, "event": "Paid", "user_id": "ann"}]


@pytest.mark.parametrize(
    ("sheet", "says"),
    [({"delimiter": "||"}, "at most 1 character"), ({"quote": "«"}, "a character of ASCII"),
     ({"decimal": "x"}, "pattern"), ({"colour": "red"}, "unknown option"), ({"skip": -1}, "greater than or equal")],
)  # fmt: skip
def test_a_sheet_that_cannot_be_meant_is_said(tmp_path, sheet, says):
    with pytest.raises(ConfigError, match=says):
        check({"sources": {"files": {"type": "file", "sheet": sheet}}}, tmp_path)


def test_what_a_block_holds_is_said_in_its_headers(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"sep=;\nevent;x\ne;1,5\n")
    source = check({"sources": {"files": {"type": "file", "paths": [str(tmp_path / "a.csv")]}}}, tmp_path)
    kept = []
    for _ in source.sources["files"].read("files", lambda p: kept.extend(p) or [0], {}, threading.Event()):
        pass
    assert kept[0].body == b"e;1,5\n"
    assert json.loads(kept[0].headers["names"]) == ["event", "x"]
    assert kept[0].headers["decimal"] == ","
