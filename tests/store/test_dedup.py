"""Dedup: exact, within its horizon, and healed from the lake whatever became of its files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackway.model.schema import ARROW, ENVELOPE
from trackway.store import dedup as module
from trackway.store.dedup import Dedup, Keys, sorted_run
from trackway.store.keys import order
from trackway.store.lake import Lake

HOUR = 3_600_000_000
START = 1_790_000_000_000_000


def keys(ids: Sequence[str], received: int = START, content: int = 1) -> Keys:
    """The keys of event ids of the source `web`, sorted."""
    digests = [hashlib.md5(b"web\0" + i.encode()).digest() for i in ids]
    halves = np.array([[int.from_bytes(d[8:], "little"), int.from_bytes(d[:8], "little")] for d in digests], np.uint64)
    hi, lo = halves.reshape(-1, 2).T
    made = Keys(hi, lo, np.full(len(ids), received, np.uint64), np.full(len(ids), content, np.uint64))
    return made.take(order(made.hi, made.lo))


def known(index: Dedup, ids: Sequence[str], received: int = START) -> int:
    return int(index.find(keys(ids, received))[0].sum())


def store(lake: Lake, ids: Sequence[str], position: int) -> int:
    rows = [{"event_id": i, "source": "web", "time": START, "received_at": START, "actor": "u", "tie": 0} for i in ids]
    columns = {name: pa.array([row.get(name) for row in rows], ARROW[kind]) for name, kind in ENVELOPE.items()}
    return lake.commit(pa.table(columns), position, {})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_what_was_added_is_found_and_nothing_else(lake: Lake, tmp_path: Path) -> None:
    index = Dedup(tmp_path / "dedup", lake, HOUR)
    index.add(sorted_run(keys(["a", "b"])), store(lake, ["a", "b"], 1))
    assert (known(index, ["a", "b"]), known(index, ["c"]), known(index, [])) == (2, 0, 0)


def test_an_id_is_forgotten_after_the_horizon(lake: Lake, tmp_path: Path) -> None:
    index = Dedup(tmp_path / "dedup", lake, HOUR)
    index.add(sorted_run(keys(["a"])), store(lake, ["a"], 1))
    assert known(index, ["a"], START + HOUR) == 1
    assert known(index, ["a"], START + HOUR + 1) == 0


def test_other_content_of_a_copy_is_told(lake: Lake, tmp_path: Path) -> None:
    index = Dedup(tmp_path / "dedup", lake, HOUR)
    index.add(sorted_run(keys(["a", "b"], content=1)), store(lake, ["a", "b"], 1))
    assert index.find(keys(["a"], content=1))[1].tolist() == [False]
    assert index.find(keys(["a"], content=2))[1].tolist() == [True]


@pytest.mark.parametrize("damage", ["nothing", "killed", "deleted", "torn"])
def test_it_knows_what_the_lake_has_whatever_became_of_its_files(lake: Lake, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "dedup"
    index = Dedup(folder, lake, HOUR)
    for number in range(5):
        ids = [f"{number}-{i}" for i in range(100)]
        index.add(sorted_run(keys(ids)), store(lake, ids, number + 1))
        if number == 2:
            index.flush()
    if damage == "nothing":
        index.close()
    elif damage == "deleted":
        shutil.rmtree(folder)
    elif damage == "torn":
        index.close()
        for path in folder.rglob("lo.npy"):
            path.write_bytes(path.read_bytes()[:70])
    healed = Dedup(folder, lake, HOUR)
    assert known(healed, [f"{n}-{i}" for n in range(5) for i in range(100)]) == 500
    assert known(healed, ["5-0"]) == 0


def test_a_lake_made_anew_does_not_believe_the_old_index(lake: Lake, tmp_path: Path) -> None:
    index = Dedup(tmp_path / "dedup", lake, HOUR)
    index.add(sorted_run(keys(["a"])), store(lake, ["a"], 1))
    index.close()
    shutil.rmtree(lake.folder)
    fresh = Lake(lake.folder)
    store(fresh, ["b"], 1)
    store(fresh, ["c"], 2)
    healed = Dedup(tmp_path / "dedup", fresh, HOUR)
    assert (known(healed, ["a"]), known(healed, ["b", "c"])) == (0, 2)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 200), max_size=40), max_size=12))
def test_runs_merged_in_any_way_find_the_same(tmp_path: Path, batches: list[list[int]]) -> None:
    lake = Lake(tmp_path / "nothing")
    shutil.rmtree(tmp_path / "d", ignore_errors=True)
    index = Dedup(tmp_path / "d", lake, HOUR)
    before, module.IN_MEMORY = module.IN_MEMORY, 16
    try:
        for batch in batches:
            index.add(sorted_run(keys([str(n) for n in batch])), -1)
    finally:
        module.IN_MEMORY = before
    seen = {n for batch in batches for n in batch}
    wanted = keys([str(n) for n in range(200)])
    ids = np.array([n in seen for n in range(200)])
    assert int(index.find(wanted)[0].sum()) == int(ids.sum())
    assert known(index, [str(n) for n in seen]) == len(seen)
