"""Two clocks: what was known as of a version or a moment, and which late records made a difference since."""

import json
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journeys import OWNERS, QUICK, THOROUGH, commits, facts
from test_three_ways import QUESTIONS

from people import MONDAY, event, identify, people, store
from trackway.errors import QuestionError, WorkspaceError
from trackway.model.time import iso
from trackway.plan.config import component
from trackway.store.as_of import version_of
from trackway.store.columns import shards
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.difference import change, changed, difference
from trackway.store.lake import Lake

HOUR = 3_600_000_000
TREND = component("queries", {"type": "trend"}, "q")


def content(answer):
    return json.dumps([answer.rows, answer.totals, answer.notes])


# ── as of a version ─────────────────────────────────────────────────────────────────────────────────


def check(parts, known, question, key):
    """Every version, asked when it was the newest, asked again later of columns and lake, and compared."""
    folder = Path(tempfile.mkdtemp())
    try:
        lake = Lake(folder / "lake")
        columns = Columns(folder / "columns", lake)
        query = component("queries", question | {"actor": key}, "question")
        then = {}
        for place, part in enumerate(parts):
            store(lake, part)
            identify(lake, [(id_, OWNERS[id_], "0m") for id_ in known[place : place + 1]])
            columns.close()
            then[lake.version()] = ask(query, columns, now=0)
        for version, answer in then.items():
            folded, reference = (ask(query, columns, now=0, engine=e, version=version) for e in ("columns", "sql"))
            assert content(folded) == content(reference) == content(answer)
            assert folded.stands_on["engine"] == "columns"
            for name in ("lake_version", "events", "actors"):
                assert folded.stands_on[name] == reference.stands_on[name] == answer.stands_on[name]
        first, last = min(then), max(then)
        found = difference(query, columns, first, last, now=0)
        assert found.same == (then[first].rows == then[last].rows and then[first].totals == then[last].totals)
        assert found.stored["events"] == sum(len(part) for part in parts[1:])
    finally:
        shutil.rmtree(folder)


keys = st.sampled_from([["actor"], ["country"], ["user_id", "x"]])


@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_every_version_is_answered_as_it_was(questions):
    settings(QUICK, max_examples=6)(given(commits(), facts, questions, keys)(check))()


@pytest.mark.long
@pytest.mark.parametrize("questions", QUESTIONS, ids=["funnel", "trend", "retention"])
def test_every_version_is_answered_as_it_was_at_length(questions):
    THOROUGH(given(commits(), facts, questions, keys)(check))()


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def columns(tmp_path, lake):
    return Columns(tmp_path / "columns", lake)


def test_an_earlier_version_is_asked_of_the_columns_also_when_runs_were_merged(lake, columns, monkeypatch):
    monkeypatch.setattr(shards, "FLUSH_FIRST", 1)
    monkeypatch.setattr(shards, "FLUSH", 1)
    monkeypatch.setattr(shards, "TIER", 100)
    answers = {}
    for round_ in range(4):
        store(lake, [event(f"u{n % 3}", "A", MONDAY + n * HOUR + round_, {}, f"{round_}-{n}") for n in range(9)])
        answers[lake.version()] = content(ask(TREND, columns))
    assert len(columns.view().runs) == 1
    for version, answer in answers.items():
        found = ask(TREND, columns, version=version)
        assert (content(found), found.stands_on["engine"]) == (answer, "columns")
    assert columns.view(min(answers)).values("actor") == [("u0", 3), ("u1", 3), ("u2", 3)]


def test_twins_that_differ_in_nothing_are_taken_away_one_by_one(lake, columns):
    twin = people(ann=[("A", "0m")])
    store(lake, twin)
    first = lake.version()
    store(lake, twin)
    assert [ask(TREND, columns, version=version).totals["value"] for version in (first, None)] == [1, 2]
    assert ask(TREND, columns, version=first).stands_on["engine"] == "columns"


def test_a_version_long_past_and_one_whose_files_are_gone_are_asked_of_the_lake(lake, columns, monkeypatch):
    store(lake, people(ann=[("A", "0m")]))
    first = lake.version()
    for place in range(20):
        store(lake, [event("ann", "A", MONDAY + place, {}, f"more {place}")])
    columns.view()
    monkeypatch.setattr(shards, "LATE", 5)
    assert ask(TREND, columns, version=first).stands_on["engine"] == "sql"
    monkeypatch.undo()
    assert lake.compact() > 0
    assert ask(TREND, columns, version=first).stands_on["engine"] == "columns"
    columns.close()
    lake.vacuum(hours=0)
    columns.view()
    answer = ask(TREND, columns, version=first)
    assert (answer.totals, answer.stands_on["engine"]) == ({"value": 1}, "sql")


# ── as of a moment ──────────────────────────────────────────────────────────────────────────────────


def test_a_moment_means_the_last_version_committed_by_then(lake):
    versions = []
    for place in range(3):
        store(lake, [event("ann", "A", MONDAY, {}, f"{place}")])
        versions.append(lake.version())
        time.sleep(0.01)
    for version in versions:
        at = lake.committed(version)
        assert version_of(lake, iso(at)) == version_of(lake, version) == version_of(lake, str(version)) == version
    assert version_of(lake, iso(lake.committed(versions[1]) - 1_000)) == versions[0]
    assert version_of(lake, "2100-01-01T12:00") == version_of(lake, "now", now=4 * 10**15) == versions[2]
    assert version_of(lake, "-1d", now=lake.committed(versions[0]) + 24 * HOUR) == versions[0]
    assert version_of(lake, None) is version_of(lake, " ") is None


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ("soon", QuestionError, "expected a lake version or a moment"),
        ("-5", QuestionError, "expected a lake version or a moment"),
        ("99", WorkspaceError, "no version 99 yet"),
        ("2020-01-01", WorkspaceError, "nothing was stored yet at 2020-01-01"),
    ],
)
def test_what_is_no_version_and_no_moment_says_so(lake, asked, error, message):
    store(lake, people(ann=[("A", "0m")]))
    with pytest.raises(error, match=message) as caught:
        version_of(lake, asked)
    assert caught.value.path == "as_of"


def test_a_version_whose_log_is_gone_says_which_is_the_oldest(lake):
    store(lake, people(ann=[("A", "0m")]), people(bob=[("A", "0m")]))
    kept = lake.kept()
    (lake.folder / "events" / "_delta_log" / f"{0:020d}.json").unlink()
    with pytest.raises(WorkspaceError, match="version 0 is not kept any more") as caught:
        version_of(lake, "0")
    assert f"{kept[1]}" in caught.value.hint
    with pytest.raises(WorkspaceError, match="is not kept any more"):
        version_of(lake, "2020-01-01")


def test_nothing_stored_has_no_past(lake):
    with pytest.raises(WorkspaceError, match="nothing was stored yet"):
        version_of(lake, "2026-01-05")


# ── differences ─────────────────────────────────────────────────────────────────────────────────────


def test_the_late_records_that_changed_a_number_are_told(lake, columns):
    store(lake, people(ann=[("A", "0m"), ("B", "1h")], bob=[("A", "24h")]))
    first = lake.version()
    store(lake, people(zoe=[("A", "2h"), ("C", "3h")]))
    query = component("queries", {"type": "trend", "where": "event <> 'C'"}, "q")
    found = difference(query, columns, first, lake.version())
    assert found.rows == [
        {
            "row": {"time": "2026-01-05T00:00:00Z"}, "status": "changed", "before": {"value": 2},
            "after": {"value": 3}, "change": {"value": 1},
        }
    ]  # fmt: skip
    assert found.totals["change"] == {"value": 1}
    assert (found.stored["events"], found.stored["looked_at"]) == (2, 1)
    assert [(one["source"], one["events"]) for one in found.stored["sources"]] == [("web", 1)]
    assert found.stored["days"] == [{"day": "2026-01-05", "events": 1}]
    assert [one["event_id"] for one in found.stored["samples"]] == ["zoe-0"]
    assert json.loads(json.dumps(found.as_json()))["after"]["totals"] == {"value": 4}


def test_without_the_records_in_between_the_first_answer_is_back(tmp_path, lake, columns):
    """A lake that never got them, but everything else, gives the answer as of the first version."""
    early, late = people(ann=[("A", "0m"), ("B", "1h")]), people(ann=[("B", "30m")], zoe=[("A", "1h")])
    store(lake, early)
    first = lake.version()
    store(lake, late)
    other = Lake(tmp_path / "other" / "lake")
    store(other, early)
    query = component("queries", {"type": "funnel", "steps": ["event = 'A'", "event = 'B'"]}, "q")
    found = difference(query, columns, first, lake.version())
    assert {one["event_id"] for one in found.stored["samples"]} == {item["event_id"] for item in late}
    assert content(ask(query, Columns(tmp_path / "other" / "columns", other))) == content(found.before)
    assert content(ask(query, columns)) == content(found.after)
    assert not found.same


def test_identities_learned_in_between_are_told(lake, columns):
    store(lake, people(laptop=[("A", "0m")], ann=[("B", "1h")]))
    first = lake.version()
    store(lake, people(eve=[("C", "2h")]))
    identify(lake, [("laptop", "ann", "1h")])
    query = component(
        "queries", {"type": "funnel", "steps": ["event = 'A'", "event = 'B'"], "where": "event <> 'C'"}, "q"
    )
    found = difference(query, columns, first, lake.version())
    assert found.stored["looked_at"] == 0
    assert [row["change"].get("actors") for row in found.rows] == [1]
    assert found.identities["samples"] == [{"id": "laptop", "before": "laptop", "after": "ann"}]


def test_compaction_makes_no_difference(lake, columns):
    for place in range(20):
        store(lake, [event("ann", "A", MONDAY, {}, f"{place}")])
    first = lake.version()
    assert lake.compact() > 0
    found = difference(TREND, columns, first, lake.version())
    assert (found.same, found.rows, found.stored["events"], found.identities["facts"]) == (True, [], 0, 0)


def test_the_order_of_versions_matters(lake, columns):
    store(lake, people(ann=[("A", "0m")]), people(bob=[("A", "0m")]))
    with pytest.raises(QuestionError, match="older than"):
        difference(TREND, columns, lake.version(), lake.version() - 1)


def test_rows_are_matched_by_what_names_them():
    before = [{"step": 1, "x": 1, "value": 5, "rate": None}, {"step": 2, "x": 1, "value": 3, "rate": 0.5}]
    after = [{"step": 1, "x": 1, "value": 5, "rate": None}, {"step": 1, "x": None, "value": 2, "rate": 1.0}]
    found = list(changed(before, after, frozenset({"step", "x"})))
    assert [(row["row"], row["status"], row["change"]) for row in found] == [
        ({"step": 1, "x": None}, "added", {"value": 2, "rate": 1.0}),
        ({"step": 2, "x": 1}, "removed", {"value": -3, "rate": -0.5}),
    ]
    assert change({"a": True, "b": [1], "c": None}, {"a": False, "b": [], "c": None}) == {}
