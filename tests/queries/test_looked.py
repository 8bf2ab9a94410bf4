"""Columns of lookups: the fold, the reference SQL and a diary in plain Python agree, as of the event and the latest."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from people import MONDAY, people, store
from trackway.errors import ConditionError, ConfigError, QuestionError
from trackway.plan.config import component
from trackway.plan.lookup import Lookup
from trackway.plan.naming import Naming
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake
from trackway.store.lookups import SINCE, Dump, add, compare, facts

HOUR = 3_600_000_000
KEYS = {"org": ["x", "y", "", None], "seat": [1.0, 2.0, 2.5, None]}


def load(lake: Lake, name: str, asked: Lookup, rows: list[dict[str, str]], hour: int) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row)) or asked.key
    table = pa.table({each: pa.array([row.get(each) for row in rows], pa.string()) for each in names})
    known = lake.tables["lookups"]
    add(known, *compare(facts(known, name), name, asked, Dump(table, MONDAY + hour * HOUR, "dump", {})))


def answer(lake: Lake, folder: Path, lookups: dict[str, Lookup], by: list[str], engine: str) -> list[tuple]:
    columns = Columns(folder / "columns", lake)
    query = component("queries", {"type": "trend", "by": by, "every": "1mo", "top": None}, "q")
    try:
        rows = ask(query, columns, engine=engine, naming=Naming(lookups=lookups)).rows
    finally:
        columns.close()
    found: Counter[tuple] = Counter()
    for row in rows:
        found[tuple(row[name] for name in by)] += row["value"]
    return sorted(((*group, number) for group, number in found.items() if number), key=str)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob"]), st.integers(-3, 9), st.sampled_from(KEYS["org"]),
              st.sampled_from(KEYS["seat"])), min_size=1, max_size=12,
)  # fmt: skip
DUMPS = st.lists(
    st.lists(st.fixed_dictionaries({"org": st.sampled_from("xyz"), "seat": st.sampled_from(["1", "2", "2.5"]),
                                    "plan": st.sampled_from(["free", "pro", ""])}), min_size=1, max_size=4),
    max_size=4,
)  # fmt: skip


@settings(max_examples=20)
@given(EVENTS, DUMPS, st.sampled_from([["org"], ["seat"], ["org", "seat"]]), st.sampled_from(["event", "latest"]))
def test_columns_reference_and_a_diary_agree(events, dumps, key, as_of):
    asked = Lookup(key=key, columns=["org", "seat", "plan"], as_of=as_of)
    diary: dict[tuple, list[tuple[int, str | None, bool]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        story: dict[str, list] = {"ann": [], "bob": []}
        for who, hour, org, seat in events:
            story[who].append(("seen", f"{hour + 3}h", {"org": org, "seat": seat}))
        made = people(**story)
        for each in made:
            each["time"] -= 3 * HOUR
        store(lake, made)
        for number, rows in enumerate(dumps):
            load(lake, "acc", asked, rows, 2 * number)
            said = {tuple(row[name] for name in key): row["plan"] or None for row in rows}
            for name in [name for name, told in diary.items() if name not in said and told[-1][2]]:
                diary[name].append((2 * number, None, False))
            for name, plan in said.items():
                diary.setdefault(name, []).append((-99 if number == 0 else 2 * number, plan, True))
        expected: dict[tuple, int] = {}
        for _, hour, org, seat in events:
            texts = {"org": org, "seat": None if seat is None else f"{seat:g}"}
            told = [v for v in diary.get(tuple(texts[name] for name in key), []) if as_of == "latest" or v[0] <= hour]
            group = (told[-1][1], told[-1][2]) if told else (None, False)
            expected[group] = expected.get(group, 0) + 1
        wanted = sorted(((*group, number) for group, number in expected.items()), key=str)
        for engine in ("columns", "sql"):
            assert answer(lake, Path(folder), {"acc": asked}, ["acc.plan", "acc.known"], engine) == wanted, engine


@pytest.fixture
def lake(tmp_path):
    made = people(
        ann=[("order", "1h", {"org": "x"}), ("order", "5h", {"org": "x"})], bob=[("order", "2h", {"org": "y"})]
    )
    return store(Lake(tmp_path / "lake"), made)


def test_an_expression_is_made_of_a_lookup_and_an_event_from_before_the_first_dump_is_not_found(lake, tmp_path):
    asked = Lookup(key="org", backfill=False)
    load(lake, "acc", asked, [{"org": "x", "seats": "3"}], 2)
    assert answer(lake, tmp_path, {"acc": asked}, ["acc.seats"], "columns") == [(3.0, 1), (None, 2)]


def test_the_events_of_a_source_are_rows_valid_since_they_happened(lake, tmp_path):
    """Here the orders themselves: what the org said last."""
    asked = Lookup(key="org", source="web", columns=["org"], on={"org": "org"})
    for engine in ("columns", "sql"):
        assert answer(lake, tmp_path, {"acc": asked}, ["acc.org", "acc.known"], engine) == [
            ("x", True, 2),
            ("y", True, 1),
        ]


def test_sql_shows_every_version_with_until_when_it_holds_and_the_later_of_two_for_one_moment(lake):
    asked = Lookup(key="org", valid_from="at", complete=False)
    for plan in ("free", "pro"):
        rows = pa.table({"org": ["x"], "plan": [plan], SINCE: pa.array([MONDAY], pa.timestamp("us", "UTC"))})
        known = facts(lake.tables["lookups"], "acc")
        add(lake.tables["lookups"], *compare(known, "acc", asked, Dump(rows, MONDAY, "dump", {})))
    load(lake, "acc", Lookup(key="org"), [{"org": "y", "plan": "free"}], 2)
    found = lake.sql("select key, epoch_us(valid_from), epoch_us(valid_to), row ->> 'plan' from lookups order by 1, 2")
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("x", MONDAY, MONDAY + 2 * HOUR, "pro"), ("x", MONDAY + 2 * HOUR, None, None),
        ("y", MONDAY + 2 * HOUR, None, "free"),
    ]  # fmt: skip


def test_what_is_wrong_is_said_with_a_hint(lake, tmp_path):
    asked = Lookup(key="org")
    load(lake, "acc", asked, [{"org": "x", "plan": "pro"}], 0)
    with pytest.raises(ConditionError, match=r"unknown column 'acc\.plam'") as told:
        answer(lake, tmp_path, {"acc": asked}, ["acc.plam"], "columns")
    assert told.value.hint == "did you mean 'acc.plan'?"
    broken = {"acc": asked, "none": Lookup(key="nowhere", source="web")}
    assert answer(lake, tmp_path, broken, ["acc.plan"], "columns") == [("pro", 2), (None, 1)]
    with pytest.raises(ConditionError, match="unknown column 'plam'"):
        answer(lake, tmp_path, broken, ["plam"], "columns")
    with pytest.raises(ConfigError, match="no column 'nowhere'"):
        answer(lake, tmp_path, broken, ["none.plan"], "columns")
    with pytest.raises(QuestionError, match="'time' is time, and no key of a lookup"):
        answer(lake, tmp_path, {"acc": Lookup(key="org", on={"org": "time"})}, ["acc.plan"], "columns")
    with pytest.raises(QuestionError, match="there are sessions of this name"):
        Naming(lookups={"visit": asked}, sessions={"visit": {}}).checked()
