"""The benchmark's events: the same for the same seed, as many as asked, skewed, and without ties."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trackway.bench.events import COUNTRIES, DAY, DAYS, NAMES, START, Traffic


def everything(traffic: Traffic) -> pa.Table:
    return pa.concat_tables(traffic.chunks())


def test_the_same_seed_gives_the_same_events() -> None:
    assert everything(Traffic(20_000, seed=7)).equals(everything(Traffic(20_000, seed=7)))


def test_another_seed_gives_other_events() -> None:
    assert not everything(Traffic(20_000, seed=7)).equals(everything(Traffic(20_000, seed=8)))


def test_there_are_as_many_events_as_asked_and_two_percent_of_them_are_actors() -> None:
    table = everything(Traffic(50_000))
    assert table.num_rows == 50_000
    assert 900 <= len(table["actor"].unique()) <= 1_000


def test_events_are_in_time_order_within_sixty_days() -> None:
    time = everything(Traffic(20_000))["time"].cast(pa.int64()).to_numpy()
    assert time[0] >= START
    assert time[-1] < START + DAYS * DAY
    assert (np.diff(time) >= 0).all()


def test_no_actor_has_two_events_at_one_instant() -> None:
    table = everything(Traffic(200_000))
    assert table.group_by(["actor", "time"]).aggregate([]).num_rows == 200_000


def test_actors_are_heavy_tailed_and_all_forty_events_occur() -> None:
    table = everything(Traffic(100_000))
    per_actor = np.sort(table.group_by("actor").aggregate([("time", "count")])["time_count"].to_numpy())
    assert per_actor[-1] > 20 * np.median(per_actor)
    assert set(table["event"].unique().to_pylist()) == set(NAMES)
    assert len(COUNTRIES) == len(set(COUNTRIES)) == 50


def test_files_are_written_once_and_hold_the_events(tmp_path) -> None:
    files = Traffic(30_000).write(tmp_path)
    before = [file.stat().st_mtime_ns for file in files]
    assert pa.concat_tables(pq.read_table(file) for file in files).num_rows == 30_000
    assert [file.stat().st_mtime_ns for file in Traffic(30_000).write(tmp_path)] == before
