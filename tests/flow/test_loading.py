"""Dumps of lookups: whatever file they are in, and however their headers are written."""

from __future__ import annotations

import bz2
import gzip
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trackway.errors import ConfigError, TrackwayError
from trackway.flow.loading import named, read
from trackway.model.time import instant
from trackway.plan.lookup import Lookup
from trackway.store.lookups import SINCE

ASKED = Lookup(key="account_id")
NOW = instant("2026-11-22")
CSV = "account_id,name,seats\n007,Müller & Söhne,3\n8,,\n"
ROWS = [{"account_id": "007", "name": "Müller & Söhne", "seats": "3"}, {"account_id": "8", "name": None, "seats": None}]


def rows(path, asked=ASKED, known=(), at=None):
    return read(path, asked, known, at, NOW, "UTC").rows.to_pylist()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.csv", CSV.encode()), ("b.csv.gz", gzip.compress(CSV.encode())), ("c.bz2", bz2.compress(CSV.encode())),
        ("d.csv", CSV.encode("utf-16")), ("e.csv", CSV.encode("windows-1252")),
        ("f.txt", CSV.replace(",", ";").encode()),
        ("g.tsv", b"\xef\xbb\xbf" + CSV.replace(",", "\t").encode()),
        ("h.json", b'[{"account_id": "007", "name": "M\\u00fcller & S\\u00f6hne", "seats": 3}, {"account_id": "8"}]'),
        ("i.ndjson", b'{"account_id": "007", "name": "M\\u00fcller & S\\u00f6hne", "seats": 3}\n{"account_id": "8"}\n'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_dump_is_read_from_any_file(tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    assert rows(tmp_path / name) == ROWS


def test_a_parquet_file_gives_the_same_texts(tmp_path):
    table = {"account_id": ["007", "8"], "name": [ROWS[0]["name"], None], "seats": pa.array([3.0, None]),
             "tags": [["a"], None]}  # fmt: skip
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [{**ROWS[0], "tags": '["a"]'}, {**ROWS[1], "tags": None}]


@pytest.mark.parametrize(
    ("headers", "asked", "known", "found"),
    [
        (["Account ID", "E-Mail (work)", "annualRevenue"], ASKED, [],
         {"account_id": "Account ID", "e_mail_work": "E-Mail (work)", "annual_revenue": "annualRevenue"}),
        (["AccountID", "anual_revenue"], ASKED, ["annual_revenue"],
         {"account_id": "AccountID", "annual_revenue": "anual_revenue"}),
        (["account_id", "Account ID"], ASKED, [], {"account_id": "account_id", "account_id_2": "Account ID"}),
        (["account_id", "Plan", "secret"], Lookup(key="account_id", columns=["plan"]), [],
         {"account_id": "account_id", "plan": "Plan"}),
        (["account_id", "known"], ASKED, [], {"account_id": "account_id", "known_2": "known"}),
    ],
)  # fmt: skip
def test_headers_are_found_under_the_names_we_know(headers, asked, known, found):
    assert named(headers, asked, known) == found


@pytest.mark.parametrize("headers", [["id", "plan"], ["Account ID", "account-id"]])
def test_a_key_that_is_not_there_or_there_twice_is_an_error_that_lists_the_headers(headers):
    with pytest.raises(ConfigError, match="no column like 'account_id'") as told:
        named(headers, ASKED, [])
    assert told.value.hint == f"the headers are {', '.join(headers)}"


def test_a_dump_was_made_on_the_day_in_its_name_or_when_it_was_written_or_as_one_says(tmp_path):
    for name, at, made in [
        ("crm_20260131.csv", None, "2026-01-31"), ("crm-2026-02-03T04.csv", None, "2026-02-03"),
        ("crm.csv", None, "2026-03-04T05:06:07Z"), ("crm_20260131.csv", "2026-04-01T12:00:00Z", "2026-04-01T12:00:00Z"),
    ]:  # fmt: skip
        path = tmp_path / name
        path.write_text(CSV)
        os.utime(path, (instant("2026-03-04T05:06:07Z") / 1e6,) * 2)
        assert read(path, ASKED, [], at, NOW, "UTC").at == instant(made), name


def test_rows_say_since_when_they_hold_however_that_is_written(tmp_path):
    (tmp_path / "a.csv").write_text("account_id,Updated At\n1,2026-05-17T10:00:00+02:00\n2,1778976000\n3,soon\n")
    found = rows(tmp_path / "a.csv", Lookup(key="account_id", valid_from="updated_at"))
    assert [one[SINCE] and one[SINCE].isoformat() for one in found] == [
        "2026-05-17T08:00:00+00:00", "2026-05-17T00:00:00+00:00", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (gzip.compress(CSV.encode() * 999)[:40], "cut off|damaged|ends"), (b'{"account_id": ', "cannot read"),
        (b"", "no column|cannot"),
    ],
)  # fmt: skip
def test_a_file_that_is_cut_off_or_no_dump_changes_nothing(tmp_path, body, said):
    (tmp_path / "a").write_bytes(body)
    with pytest.raises(TrackwayError, match=said):
        rows(tmp_path / "a")
