"""Lookups: any story of dumps against a diary kept in plain Python, and what kinds its columns are of."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackway.errors import ConfigError
from trackway.plan.lookup import Lookup
from trackway.store.delta import Table
from trackway.store.lookups import SINCE, Dump, add, compare, facts
from trackway.store.standing import Versions, versions

HOUR = 3_600_000_000


def load(table: Table, asked: Lookup, rows: list[dict[str, str | None]], at: int) -> dict[str, int]:
    """A dump made `at` hours; `since` of a row, in hours, is when it says it holds from."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != "since")) or asked.key
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    if asked.valid_from:
        hours = [None if row.get("since") is None else int(row["since"] or 0) * HOUR for row in rows]
        columns[SINCE] = pa.array(hours, pa.int64()).cast(pa.timestamp("us", "UTC"))
    change, kept = compare(facts(table, "one"), "one", asked, Dump(pa.table(columns), at * HOUR, f"at-{at}", {}))
    add(table, change, kept)
    return {name: number for name, number in change.counts.items() if number}


def now(table: Table, asked: Lookup) -> Versions:
    return versions(facts(table, "one"), asked, "mark")


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path / "lookups")


ROWS = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("abc"), "plan": st.sampled_from(["free", "pro", None])}),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40)
@given(
    st.lists(ROWS, max_size=5), st.booleans(), st.booleans(),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-2, 12)), min_size=1, max_size=8),
)  # fmt: skip
def test_any_story_of_dumps_gives_what_a_diary_says(dumps, complete, backfill, asked):
    lookup = Lookup(key="id", complete=complete, backfill=backfill)
    diary: dict[str, list[tuple[int, dict[str, str] | None]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        table = Table(Path(folder) / "lookups")
        for number, rows in enumerate(dumps):
            load(table, lookup, rows, 2 * number)
            said = {row["id"]: {name: value for name, value in row.items() if value is not None} for row in rows}
            gone = {
                key: None for key, told in diary.items() if complete and key not in said and told[-1][1] is not None
            }
            for key, row in {**said, **gone}.items():
                first = backfill and key not in diary and (number == 0 or not complete)
                if key not in diary or diary[key][-1][1] != row:
                    diary.setdefault(key, []).append((-(10**9) if first else 2 * number, row))
        held = now(table, lookup)
        found = held.find(pa.array([key for key, _ in asked]), np.array([hour * HOUR for _, hour in asked]))
        for (key, hour), at in zip(asked, found.tolist(), strict=True):
            told = [row for since, row in diary.get(key, []) if since <= hour]
            row = (
                {}
                if at < 0
                else {name: value for name, value in held.values.slice(at, 1).to_pylist()[0].items() if value}
            )
            assert row == ((told[-1] if told else None) or {}), (key, hour)
            assert bool(at >= 0 and held.there[at]) == bool(told and told[-1] is not None)


def test_a_dump_says_what_it_changes(table):
    asked = Lookup(key="id")
    first = [{"id": "7", "n": "1"}, {"id": "8", "n": "1"}, {"id": "8", "n": "2"}, {"id": " "}]
    assert load(table, asked, first, 1) == {
        "rows": 4, "new": 2, "repeated": 1, "unnamed": 1,
    }  # fmt: skip
    assert load(table, asked, [{"id": "7", "n": "1"}, {"id": "9", "n": "3"}], 2) == {
        "rows": 2, "new": 1, "same": 1, "gone": 1,
    }  # fmt: skip
    assert load(table, asked, [{"id": "7", "n": "5"}, {"id": "9", "n": "3"}], 3) == {"rows": 2, "changed": 1, "same": 1}
    assert now(table, asked).of(["8"]) == [
        {"since": None, "row": {"id": "8", "n": 2.0}}, {"since": "1970-01-01T02:00:00Z", "row": None},
    ]  # fmt: skip


def test_an_older_dump_is_refused_and_changes_nothing(table):
    asked = Lookup(key="id")
    load(table, asked, [{"id": "7", "n": "1"}], 5)
    with pytest.raises(ConfigError, match="at-4 is of 1970-01-01T04:00:00Z, and one of 1970-01-01T05:00:00Z is loaded"):
        load(table, asked, [{"id": "7", "n": "2"}], 4)
    assert facts(table, "one").num_rows == 2


def test_a_dump_without_rows_is_refused_where_it_would_leave_none(table):
    load(table, Lookup(key="id"), [{"id": "7", "n": "1"}], 1)
    with pytest.raises(ConfigError, match="at-2 holds no row, so that all 1 would be gone"):
        load(table, Lookup(key="id"), [{"id": None, "n": "1"}], 2)
    assert load(table, Lookup(key="id", complete=False), [{"id": None, "n": "1"}], 2) == {"rows": 1, "unnamed": 1}


def test_rows_that_say_since_when_hold_from_then_and_are_corrected_by_a_later_dump(table):
    asked = Lookup(key="id", valid_from="updated", complete=False, backfill=False)
    load(table, asked, [{"id": "7", "plan": "free", "since": "1"}, {"id": "7", "plan": "pro", "since": "3"}], 5)
    assert load(table, asked, [{"id": "7", "plan": "team", "since": "3"}, {"id": "8", "since": None}], 6) == {
        "rows": 2, "changed": 1, "unnamed": 1,
    }  # fmt: skip
    held = now(table, asked)
    at = held.find(pa.array(["7"] * 4), np.array([0, 1, 2, 3]) * HOUR)
    assert [None if one < 0 else held.values["plan"][one].as_py() for one in at] == [None, "free", "free", "team"]


def test_a_column_is_of_the_kind_that_all_its_values_are_of(table):
    asked = Lookup(key="id")
    given = {
        "number": ["12", "-1.5e3"], "zip": ["01067", "12"], "long": ["12345678901234567890", "1"],
        "truth": ["true", "FALSE"], "day": ["2026-05-17", "2026-05-17 10:00:00+02"], "mixed": ["1", "x"],
        "never": [None, None], "id": ["1", "02"],
    }  # fmt: skip
    load(table, asked, [{name: values[row] for name, values in given.items()} for row in range(2)], 1)
    assert now(table, asked).schema == {
        "id": "string", "number": "number", "zip": "string", "long": "string", "truth": "boolean", "day": "time",
        "mixed": "string", "known": "boolean",
    }  # fmt: skip


def test_a_condition_says_which_rows_are_gone(table):
    asked = Lookup(key=["org", "id"], gone="deleted")
    load(table, asked, [{"org": "x", "id": "1", "deleted": "false"}, {"org": "x", "id": "2", "deleted": "true"}], 1)
    held = now(table, asked)
    assert held.there[held.find(pa.array(["x\x1f1", "x\x1f2"]), None)].tolist() == [True, False]
    with pytest.raises(ConfigError, match="does not fit its rows"):
        now(table, Lookup(key=["org", "id"], gone="nowhere = 1"))
