"""Bad files, end to end: each gets a clear error or refusals, and everything else goes through."""

import gzip
import json
from collections import Counter

import pytest

from trackway.app import Workspace
from trackway.errors import TrackwayError

CONFIG = """
[sources.files]
type = "file"
"""
GOOD = {"event": "e", "user_id": "u", "time": "2026-01-02T03:04:05Z"}


class Loaded:
    """A workspace into which files are loaded, and where their records went."""

    def __init__(self, root):
        self.root = root
        (root / "trackway.toml").write_text(CONFIG)
        self.workspace = Workspace.open(root)

    def load(self, content, name="events"):
        """Load one file of these bytes; returns bins and, of the refused, reasons with how many."""
        path = self.root / name
        path.write_bytes(content)
        self.workspace.load([path], "files", lambda *_: None)
        [account] = self.workspace.ledger()
        assert account.balanced
        assert account.pending == 0
        bins = {name: getattr(account, name) for name in ("received", "stored", "duplicate", "dropped", "refused")}
        return {name: number for name, number in bins.items() if number}, Counter(
            row["reason"] for row in self.sql("select reason from refused")
        )

    def sql(self, statement):
        return self.workspace.sql(statement).to_pylist()


@pytest.fixture
def loaded(tmp_path):
    made = Loaded(tmp_path)
    yield made
    made.workspace.close()


def lines(*records):
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)


def good(number):
    return [{**GOOD, "n": n} for n in range(number)]


def test_broken_json_in_the_middle_of_a_file(loaded):
    bins, reasons = loaded.load(lines(*good(10), b'{"event": "e", "user_id": ', b"not json at all", *good(20)[10:]))
    assert bins == {"received": 22, "stored": 20, "refused": 2}
    assert reasons == {"unreadable": 2}
    assert [row["raw"] for row in loaded.sql('select raw from refused order by "row"')] == [
        b'{"event": "e", "user_id": ', b"not json at all",
    ]  # fmt: skip


def test_broken_json_in_the_middle_of_an_array(loaded):
    records = [json.dumps(record) for record in good(20)]
    records[7] = records[7][:-3] + ',"x": "no end}'
    records[9] = '{"event": }'
    bins, reasons = loaded.load(("[" + ",\n".join(records) + "]").encode())
    assert bins == {"received": 20, "stored": 18, "refused": 2}
    assert reasons == {"unreadable": 2}


def test_a_truncated_gzip(loaded):
    whole = gzip.compress(lines(*[{**record, "x": hash(str(record["n"]))} for record in good(20_000)]))
    bins, reasons = loaded.load(whole[: len(whole) // 2], "events.gz")
    assert reasons == {"truncated": 1}
    assert bins["stored"] > 5_000
    assert bins == {"received": bins["stored"] + 1, "stored": bins["stored"], "refused": 1}


def test_wrong_encoding(loaded):
    bins, reasons = loaded.load(lines(*good(3), '{"event": "é", "user_id": "u"}'.encode("latin-1"), *good(6)[3:]))
    assert bins == {"received": 7, "stored": 6, "refused": 1}
    assert reasons == {"encoding": 1}


def test_a_line_of_50_mb(loaded):
    huge = b'{"event": "e", "user_id": "u", "x": "' + b"x" * 50_000_000 + b'"}'
    bins, reasons = loaded.load(lines(*good(3), huge, *good(6)[3:]))
    assert bins == {"received": 7, "stored": 6, "refused": 1}
    assert reasons == {"too_large": 1}
    [row] = loaded.sql("select octet_length(raw) as size, detail from refused")
    assert row == {"size": 65_536, "detail": "longer than 1,000,000 bytes"}


def test_nul_bytes(loaded):
    bins, reasons = loaded.load(lines(*good(2), b"\0" * 100, b'{"event": "e\\u0000", "user_id": "u"}', *good(4)[2:]))
    assert bins["stored"] + bins["refused"] == bins["received"] == 6
    assert bins["stored"] >= 4
    assert set(reasons) <= {"unreadable", "encoding"}


def test_a_csv_with_ragged_rows(loaded):
    rows = [
        b"event,user_id,time,n", b"e,u1,2026-01-02,1", b"e,u2", b"e,u3,2026-01-02,3,4,5", b'e,u4,2026-01-02,"a\nb"',
        b'e,"u5,2026-01-02,1', b"e,u6,2026-01-02,6",
    ]  # fmt: skip
    bins, reasons = loaded.load(lines(*rows), "dump.csv")
    assert bins == {"received": 6, "stored": 3, "refused": 3}
    assert reasons == {"unreadable": 3}
    assert [row["actor"] for row in loaded.sql("select actor from events order by actor")] == ["u1", "u4", "u6"]


def test_dates_in_1900_and_3000_and_no_date_at_all(loaded):
    times = ["1900-01-01T00:00:00Z", "3000-01-01T00:00:00Z", "soon"]
    bins, reasons = loaded.load(lines(*good(2), *({**GOOD, "time": time} for time in times)))
    assert bins == {"received": 5, "stored": 2, "refused": 3}
    assert reasons == {"time_range": 2, "no_time": 1}


def test_a_property_whose_type_changes(loaded):
    changing = [1, 2.5, "three", True, [4], {"five": 5}, None]
    bins, _ = loaded.load(lines(*({**GOOD, "x": value, "at": n} for n, value in enumerate(changing))))
    assert bins == {"received": 7, "stored": 7}


def test_a_property_whose_type_changes_from_one_load_to_the_next(loaded):
    loaded.load(lines({**GOOD, "x": 1}))
    bins, _ = loaded.load(lines({**GOOD, "x": "one"}, {**GOOD, "x": 2}))
    assert bins == {"received": 3, "stored": 3}
    found = loaded.sql("select x, more from events order by x nulls last")
    assert [row["x"] for row in found] == [1.0, 2.0, None]
    assert json.loads(found[2]["more"]) == {"x": "one"}


@pytest.mark.long
def test_5000_distinct_property_names(loaded):
    bins, _ = loaded.load(lines(*({**GOOD, f"p{n}": n} for n in range(5_000))))
    assert bins == {"received": 5_000, "stored": 5_000}
    assert len(loaded.workspace.schema().properties) == 1_000
    [row] = loaded.sql("select count(*) as n from events where more is not null")
    assert row["n"] == 4_000


def test_an_access_log_with_every_kind_of_bad_line(loaded):
    fine = b'1.2.3.4 - - [17/May/2015:10:05:0%d +0000] "GET /%d HTTP/1.1" 200 5 "-" "curl"'
    fines = [fine % (n, n) for n in range(9)]
    bad = [
        b'1.2.3.4 - - [17/May/2015:10:05:00 +0000] "GET / HTTP/1.1" 200 5 "-" "cut off',
        b'1.2.3.4 - - [99/May/2015:10:05:00 +0000] "GET / HTTP/1.1" 200 5',
        b'1.2.3.4 - - [17/May/1900:10:05:00 +0000] "GET / HTTP/1.1" 200 5',
        b'1.2.3.4 - - [17/May/2015:10:05:00 +0000] "GET / HTTP/1.1" 200 5 "-" "\xff"',
        b"\0\0\0",
    ]
    odd = rb'1.2.3.4 - - [17/May/2015:10:05:00 +0000] "\x16\x03\x01" 400 0 "-" "-"'
    bins, reasons = loaded.load(lines(*fines[:5], *bad, odd, *fines[5:]))
    assert bins == {"received": 15, "stored": 10, "refused": 5}
    assert reasons == {"unreadable": 2, "no_time": 1, "time_range": 1, "encoding": 1}


def test_the_real_log_has_one_refusal_and_twice_the_file_is_all_duplicates(loaded, web_log):
    log = web_log.read_bytes()
    bins, reasons = loaded.load(log)
    assert (bins, reasons) == ({"received": 10_000, "stored": 9_999, "refused": 1}, {"unreadable": 1})
    bins, _ = loaded.load(gzip.compress(log), "again.gz")
    assert bins == {"received": 20_000, "stored": 9_999, "duplicate": 9_999, "refused": 2}


def test_an_empty_file_and_one_of_blank_lines(loaded):
    (loaded.root / "empty").write_bytes(b"")
    (loaded.root / "blank").write_bytes(b"\n \n")
    loaded.workspace.load([loaded.root / "empty", loaded.root / "blank"], "files", lambda *_: None)
    [account] = loaded.workspace.ledger()
    assert account.received == 0


@pytest.mark.parametrize(
    ("name", "complaint"), [("missing", "no file"), ("folder", "is a directory"), ("poem", "cannot tell the format")]
)
def test_what_is_no_file_of_events_is_a_clear_error(loaded, name, complaint):
    (loaded.root / "folder").mkdir()
    (loaded.root / "poem").write_text("O rose, thou art sick\n")
    with pytest.raises(TrackwayError, match=complaint):
        loaded.workspace.load([loaded.root / name], "files", lambda *_: None)
