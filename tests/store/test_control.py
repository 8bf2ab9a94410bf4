"""Control: totals that count each commit once, and a file from a newer version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.errors import WorkspaceError
from trackway.store.control import Control, Count
from trackway.store.delta import Commit


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    opened = Control(tmp_path / "control.sqlite")
    yield opened
    opened.close()


def commit(version: int, position: int, *counts: list[object]) -> Commit:
    return Commit(version, position, {"counts": list(counts)}, [])


def test_each_commit_counts_once_however_often_it_is_added(control: Control) -> None:
    first = commit(1, 10, ["web", "stored", "", "", 5], ["web", "refused", "decode", "unreadable", 1])
    second = commit(2, 20, ["web", "stored", "", "", 7])
    control.add([first], 1)
    control.add([first, second], 2)
    control.add([first, second], 2)
    totals = control.totals()
    assert (totals.version, totals.position) == (2, 20)
    assert totals.counts == [Count("web", "refused", "decode", "unreadable", 1), Count("web", "stored", "", "", 12)]


def test_a_commit_without_counts_moves_the_version_alone(control: Control) -> None:
    control.add([commit(1, 10)], 1)
    control.add([], 5)
    assert (control.totals().version, control.totals().position, control.covered()) == (5, 10, 5)


def test_values_are_kept_under_their_keys(control: Control, tmp_path: Path) -> None:
    control.set("k", "one")
    control.set("k", "two")
    other = Control(tmp_path / "control.sqlite")
    assert (other.get("k"), other.get("nothing")) == ("two", None)
    other.close()


def test_a_file_of_a_newer_version_is_refused(control: Control, tmp_path: Path) -> None:
    control.set("format", "99")
    with pytest.raises(WorkspaceError, match="format 99"):
        Control(tmp_path / "control.sqlite")
