"""A replay told as stories: what it says before, what it replaces, and that a kill leaves the old or the new."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from houses import NOW, House
from laws.test_replay_laws import SECOND, replay, under, whole
from trackway.errors import WorkspaceError
from trackway.flow.replay import Replay
from trackway.flow.runner import Runner
from trackway.flow.trace import trace
from trackway.store.columns.shards import Columns
from trackway.store.delta import Table
from trackway.store.replays import Replays

STRICT = {"contracts": {"a": {"event": "A", "mode": "refuse", "required": ["plan"]}}}
MENDED = {
    "contracts": {"a": {"event": "A", "mode": "refuse", "required": ["user_id"]}},
    "transforms": {"tier": {"type": "map_values", "column": "plan", "values": {"p": "pro"}}},
}


def event(number: int, **properties: Any) -> dict[str, Any]:
    return {"event": "A", "event_id": f"e{number}", "user_id": "ann", "time": "2026-09-20T10:00:00Z", **properties}


def filled(root: Path) -> House:
    """Four records, a second apart: two stored, one refused, one a duplicate."""
    one = under(root, STRICT)
    for number, properties in enumerate(({"plan": "p"}, {"plan": "free"}, {}, {"plan": "p"})):
        one.now = NOW + number * SECOND
        one.receive(event(number % 3, **properties))
        one.run()
    one.close()
    return one


def test_a_mended_pipeline_changes_what_it_said_and_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path)
    one = under(tmp_path, MENDED)
    one.now = NOW + 60 * SECOND
    before, version = whole(one), one.lake.version()
    told = replay(one, dry=True).as_json()
    assert (one.lake.version(), whole(one)) == (version, before), "a dry run writes nothing"
    counted = {name: told[name] for name in ("records", "same", "changed", "new", "newly_accepted", "gone")}
    assert counted == {"records": 4, "same": 1, "changed": 1, "new": 1, "newly_accepted": 1, "gone": 0}
    assert told["properties"] == {"plan": 1}
    assert told["samples"] == [{"event_id": "e0", "event": "A", "changes": {"plan": ["p", "pro"]}}]
    columns = Columns(one.plan.data / "columns", one.lake)
    assert sum(run.rows for run in columns.view().runs) == 2
    done = replay(one)
    assert done.as_json() == told
    assert one.events("event_id", "plan", order="event_id") == [
        {"event_id": "e0", "plan": "pro"}, {"event_id": "e1", "plan": "free"}, {"event_id": "e2", "plan": None},
    ]  # fmt: skip
    assert one.bins() == {"received": 4, "stored": 3, "duplicate": 1}
    assert one.lake.refused().num_rows == 0
    assert sum(run.rows for run in columns.view().runs) == 3
    stored = {row["event_id"]: row["s"] for row in one.events("event_id", "epoch_us(stored_at) as s")}
    assert [stored[name] == one.now for name in ("e0", "e1", "e2")] == [True, False, True]
    (line,) = [line for line in trace("e2", one.journal, one.lake, one.plan) if line.verb == "stored"]
    assert f"by the replay of lake version {one.lake.version()}" in line.text
    one.receive(event(2), event(3, plan="free"))
    one.run()
    assert one.bins() == {"received": 6, "stored": 4, "duplicate": 2}
    one.close()


def test_an_earlier_version_is_still_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path)
    one = under(tmp_path, MENDED)
    version, refused = one.lake.version(), one.lake.refused().to_pylist()
    replay(one)
    assert one.lake.refused(version).to_pylist() == refused
    with one.lake.connect(version) as past:
        assert past.execute("select event_id, plan from events order by 1").fetchall() == [("e0", "p"), ("e1", "free")]
        assert past.execute("select count(*) from refused").fetchall() == [(1,)]
    for path in one.lake.files(version):
        Path(path).unlink(missing_ok=path not in one.lake.files())
    with pytest.raises(WorkspaceError, match="before the replay of version"):
        one.lake.connect(version)
    one.close()


def test_a_span_takes_whole_batches_of_one_source_and_leaves_the_rest(tmp_path: Path) -> None:
    one = under(tmp_path, {})
    for number in range(6):
        one.now = NOW + number * SECOND
        one.receive(event(number, plan="p"), source=("web", "app")[number % 2])
        if number % 3 == 2:
            one.run()
    one.close()
    one = under(tmp_path, MENDED)
    found = replay(one, first=NOW, last=NOW + 1).as_json()
    assert (found["records"], found["changed"]) == (2, 2), "the batch of the first payload has two of this source"
    plans = [row["plan"] for row in one.events("plan", order="event_id")]
    assert plans == ["pro", "p", "pro", "p", "p", "p"]
    with pytest.raises(WorkspaceError, match="holds nothing"):
        replay(one, first=NOW - SECOND, last=NOW)
    one.close()


def test_one_at_a_time_and_a_look_beside_a_running_flow(tmp_path: Path) -> None:
    filled(tmp_path)
    one = under(tmp_path, MENDED)
    with one.flow():
        with pytest.raises(WorkspaceError, match="another process runs the flow"):
            Replay(one.plan, one.journal, one.lake, one.control, writes=True)
        assert replay(one, dry=True).changed == 1
    one.close()


def test_who_an_id_belongs_to_follows_the_events_that_are_left(tmp_path: Path) -> None:
    one = under(tmp_path, {})
    for number, name in enumerate(("A", "B")):
        one.receive({**event(number), "event": name, "anonymous_id": "x", "time": f"2026-09-2{number}T10:00:00Z"})
        one.run()
    assert one.lake.identities().num_rows == 1, "the later event says nothing new"
    one.close()
    one = under(tmp_path, {"transforms": {"out": {"type": "drop_events", "where": "event = 'A'"}}})
    replay(one, first=NOW, last=NOW + 1)
    (fact,) = one.lake.identities().to_pylist()
    assert (fact["id"], fact["owner"], fact["time"].day) == ("x", "ann", 21)
    one.close()


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.long
def test_killed_at_any_step_the_lake_is_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path / "begin").close()
    one = under(tmp_path / "begin", MENDED)
    old = whole(one)
    one.close()
    steps = [(Table, "write"), (Table, "_file"), (Table, "_commit"), (Replays, "_put"), (Path, "unlink")]
    outcomes = []
    for number in range(100):
        root = shutil.copytree(tmp_path / "begin", tmp_path / str(number))
        one = under(root, MENDED)
        if not killed(one, number, steps, monkeypatch):
            one.close()
            break
        seen = House(root, sources=one.plan.sources)
        now = whole(seen)
        seen.close()
        with Runner(one.plan, one.journal, one.lake, one.control):
            assert whole(one) == now, "what a start makes up for changes nothing that was seen"
        replay(one)
        assert [row["plan"] for row in whole(one)["events"] if "plan" in row] == ["pro", "free"]
        assert not (one.lake.folder / "replays" / "written").exists()
        outcomes.append(now == old)
        one.close()
    assert outcomes == sorted(outcomes, reverse=True), "old up to the commit, new from then on"
    assert {True, False} == set(outcomes)


def killed(one: House, number: int, steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Replay, and die before the step of this number; whether there was one."""
    left = iter(range(number))
    made = Replay(one.plan, one.journal, one.lake, one.control, writes=True)
    with monkeypatch.context() as patched:
        for owner, name in steps:
            patched.setattr(owner, name, dying(getattr(owner, name), left))
        try:
            made.compare("web", 0, 1 << 62)
            made.commit()
        except Killed:
            os.close(made._lock)
            return True
    made.close()
    return False


def dying(step: Any, left: Any) -> Any:
    def run(*given: Any, **named: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return step(*given, **named)

    return run
