"""Columns follow the lake: caught up by whoever asks, merged, written once, and disposable (law 4)."""

import json
import random
import shutil
import threading

import numpy as np
import pytest

from people import MONDAY, event, identify, people, store
from trackway.plan.config import component
from trackway.store.columns import manifest, shards
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

MINUTE = 60_000_000
DAY = 1440 * MINUTE
FUNNEL = {"type": "funnel", "steps": ["event = 'A'", "event = 'B'"], "within": "1d", "by": "country"}
TREND = {"type": "trend", "measure": "actors", "by": ["country"], "where": "event <> 'C'"}
RETENTION = {"type": "retention", "start": "event = 'A'", "return": "event = 'B'", "every": "1d"}


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


@pytest.fixture
def columns(tmp_path, lake):
    return Columns(tmp_path / "columns", lake)


@pytest.fixture
def flush_at_once(monkeypatch):
    monkeypatch.setattr(shards, "FLUSH_FIRST", 1)
    monkeypatch.setattr(shards, "FLUSH", 1)


def crowd(count, seed=1, names="ABC"):
    """So many events of twenty actors over ten days, in random order."""
    dice = random.Random(seed)
    return [
        event(
            f"actor-{dice.randrange(20)}", dice.choice(names), MONDAY + dice.randrange(10 * DAY // MINUTE) * MINUTE,
            {"country": dice.choice(["de", "fr", None])}, f"{seed}-{place}",
        )
        for place in range(count)
    ]  # fmt: skip


def answers(columns, engine="columns"):
    """All three answers as text, without what they stand on."""
    found = [ask(component("queries", q, "q"), columns, engine=engine) for q in (FUNNEL, TREND, RETENTION)]
    assert {answer.stands_on["engine"] for answer in found} == {engine}
    return json.dumps([[answer.rows, answer.totals, answer.notes] for answer in found])


def on_disk(columns):
    return manifest.read(columns.folder)


def test_an_empty_lake_gives_empty_answers(columns):
    answer = ask(component("queries", {"type": "trend"}, "q"), columns)
    assert (answer.rows, answer.stands_on["events"], answer.stands_on["lake_version"]) == ([], 0, -1)


def test_a_new_commit_is_in_the_next_answer(lake, columns):
    store(lake, people(ann=[("A", "0m")]))
    assert columns.view().rows == 1
    store(lake, people(bob=[("B", "1m"), ("A", "2m")]))
    assert columns.view(catch_up=False).rows == 1
    assert columns.view().rows == 3
    assert columns.view().events() == [("A", 2), ("B", 1)]


def test_an_older_version_is_answered_by_the_lake(lake, columns):
    store(lake, people(ann=[("A", "0m")]))
    before = lake.version()
    store(lake, people(bob=[("A", "1m")]))
    query = component("queries", {"type": "trend", "every": None}, "q")
    assert [ask(query, columns).rows[0]["value"], ask(query, columns, version=before).rows[0]["value"]] == [2, 1]
    assert ask(query, columns, version=before).stands_on["lake_version"] == before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_order_and_split_of_the_input_do_not_matter(tmp_path, seed):
    events = crowd(120)
    shuffled = random.Random(seed).sample(events, len(events))
    found = set()
    for name, commits in (("whole", [events]), ("split", [shuffled[:40], shuffled[40:50], shuffled[50:]])):
        lake = Lake(tmp_path / name / "lake")
        columns = Columns(tmp_path / name / "columns", lake)
        for commit in commits:
            store(lake, commit)
            columns.view()
        found |= {answers(columns), answers(columns, engine="sql")}
    assert len(found) == 1


def test_runs_that_overlap_in_time_are_folded_in_order(lake, columns, flush_at_once, monkeypatch):
    monkeypatch.setattr(shards, "TIER", 0)
    store(lake, people(ann=[("A", "0m"), ("A", "2h")]))
    columns.view()
    store(lake, people(ann=[("C", "1h"), ("B", "3h")], bob=[("A", "0m")]))
    view = columns.view()
    assert (len(on_disk(columns).runs), view.overlaid, view.rows, view.actors) == (2, True, 5, 2)
    funnel = component("queries", {"type": "funnel", "steps": ["event = 'A'", "event = 'B'"]}, "q")
    row = ask(funnel, columns).rows[1]
    assert (row["actors"], row["median_seconds"]) == (1, 3600.0)
    assert view.values("event") == [("A", 3), ("B", 1), ("C", 1)]


def test_merging_runs_changes_no_answer(lake, columns, flush_at_once):
    for seed in range(6):
        store(lake, crowd(30 + seed * 10, seed))
        columns.view()
    expected = answers(columns, engine="sql")
    assert answers(columns) == expected
    assert len(on_disk(columns).runs) < 6
    assert answers(Columns(columns.folder, lake)) == expected


def test_deleting_the_columns_loses_nothing(lake, columns, flush_at_once):
    store(lake, crowd(100))
    before = answers(columns)
    columns.close()
    shutil.rmtree(columns.folder)
    assert answers(columns) == before


@pytest.mark.parametrize("damage", ["manifest", "run", "words", "format"])
def test_damaged_columns_are_built_again(lake, columns, flush_at_once, damage):
    store(lake, crowd(100))
    before = answers(columns)
    if damage in ("manifest", "format"):
        text = (
            "{"
            if damage == "manifest"
            else json.dumps(json.loads((columns.folder / manifest.FILE).read_text()) | {"format": 0})
        )
        (columns.folder / manifest.FILE).write_text(text)
    else:
        next(columns.folder.glob(f"*.{damage}")).unlink()
    assert answers(Columns(columns.folder, lake)) == before


def test_another_process_continues_from_what_is_on_disk(lake, columns, flush_at_once):
    store(lake, crowd(100))
    columns.view()
    other = Columns(columns.folder, lake)
    assert [run.name for run in other.view().runs] == [run["name"] for run in on_disk(columns).runs]
    store(lake, crowd(50, seed=2))
    assert answers(other) == answers(columns) == answers(columns, engine="sql")


def test_while_another_process_writes_new_rows_stay_in_memory(lake, columns, monkeypatch):
    monkeypatch.setattr(shards, "FLUSH_FIRST", 1)
    store(lake, crowd(10))
    with manifest.writing(columns.folder, wait=False) as mine:
        assert mine
        answers(columns)
        assert on_disk(columns).version == -1
    store(lake, crowd(10, seed=2))
    assert answers(columns) == answers(columns, engine="sql")
    assert on_disk(columns).version == lake.version()


def test_many_threads_and_two_columns_ask_while_commits_arrive(lake, columns, flush_at_once):
    store(lake, crowd(20))
    other = Columns(columns.folder, lake)
    failed = []

    def work(mine):
        try:
            for _ in range(5):
                answers(mine)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in (columns, columns, other)]
    for thread in threads:
        thread.start()
    for seed in range(2, 6):
        store(lake, crowd(20, seed))
    for thread in threads:
        thread.join()
    assert failed == []
    assert answers(columns) == answers(other) == answers(columns, engine="sql")


def test_codes_widen_as_values_are_added(lake, columns, flush_at_once, monkeypatch):
    monkeypatch.setattr(shards, "TIER", 0)
    pages = [event("ann", f"page {n}", MONDAY + n * MINUTE, {}, f"p{n}") for n in range(600)]
    store(lake, pages[:200])
    columns.view()
    store(lake, pages[200:])
    view = columns.view()
    assert [run.codes["event"].dtype for run in view.runs] == [np.uint8, np.uint16]
    count = component("queries", {"type": "trend", "every": None, "where": "event in ('page 0', 'page 599')"}, "q")
    assert ask(count, columns).rows[0]["value"] == 2
    grouped = component("queries", {"type": "trend", "every": None, "by": "event", "top": None}, "q")
    assert len(ask(grouped, columns).rows) == 600


def test_a_column_of_mostly_distinct_values_is_left_to_the_lake(lake, columns, monkeypatch):
    monkeypatch.setattr(shards, "WIDE_FROM", 10)
    store(lake, [event("ann", "A", MONDAY + n, {"token": f"t{n}"}, f"e{n}") for n in range(40)])
    assert columns.view().wide == {"token"}
    answer = ask(component("queries", {"type": "trend", "every": None, "where": "token < 't2'"}, "q"), columns)
    assert (answer.rows[0]["value"], answer.stands_on["engine"]) == (12, "sql")


def test_a_visitor_who_identifies_is_one_actor_from_the_beginning(lake, columns):
    story = people(laptop=[("A", "0m")], ann=[("B", "1h")], bob=[("A", "0m")])
    funnel = component("queries", {"type": "funnel", "steps": ["event = 'A'", "event = 'B'"]}, "q")
    store(lake, story)
    assert ask(funnel, columns).rows[1]["actors"] == 0
    identify(lake, [("laptop", "ann", "1h")])
    store(lake, people(eve=[("C", "2h")]))
    assert ask(funnel, columns).rows[1]["actors"] == 1
    assert columns.view().actors == 3
    assert columns.view().values("actor") == [("ann", 2), ("bob", 1), ("eve", 1)]
    identify(lake, [("bob", "nobody-yet", "0m")])
    store(lake, people(eve=[("C", "3h")]))
    assert columns.view().values("actor", "nob") == [("nobody-yet", 1)]


def test_every_script_of_the_world_is_kept_and_found(lake, columns):
    store(lake, people(ann=[("Größe gewählt", "0m", {"city": "東京"}), ("🛒 añadido", "1m", {"city": "São Paulo"})]))
    assert columns.view().values("city", "são") == [("São Paulo", 1)]
    count = component("queries", {"type": "trend", "every": None, "where": "city = '東京' and event like 'Gr%'"}, "q")
    assert ask(count, columns).rows[0]["value"] == 1


def test_a_full_disk_keeps_the_columns_in_memory(lake, columns, flush_at_once, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    store(lake, crowd(50))
    monkeypatch.setattr("trackway.store.columns.run.os.posix_fallocate", full)
    assert answers(columns) == answers(columns, engine="sql")
    assert on_disk(columns).version == -1
    assert list(columns.folder.glob("*.run")) == []


def test_a_disk_that_fills_while_much_is_read_is_no_reason_to_fail(lake, columns, monkeypatch):
    monkeypatch.setattr(shards, "BATCH", 10)
    monkeypatch.setattr(
        "trackway.store.columns.run.os.posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    store(lake, crowd(25), crowd(25, seed=2))
    assert answers(columns) == answers(columns, engine="sql")


def test_a_rebuild_in_batches_gives_the_same_answers(lake, columns, flush_at_once, monkeypatch):
    monkeypatch.setattr(shards, "BATCH", 16)
    for seed in range(4):
        store(lake, crowd(40, seed))
    assert answers(columns) == answers(columns, engine="sql")
    assert len(on_disk(columns).runs) == 1
    assert sorted(path.suffix for path in columns.folder.iterdir()) == ["", ".json", ".run", ".words"]


def test_another_lake_in_the_same_place_replaces_the_columns(tmp_path, lake, columns, flush_at_once):
    store(lake, crowd(10), crowd(10, seed=2), crowd(10, seed=3))
    columns.view()
    shutil.rmtree(lake.folder)
    fresh = store(Lake(lake.folder), people(ann=[("A", "0m")]))
    assert Columns(columns.folder, fresh).view().rows == 1
