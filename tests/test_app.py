"""A workspace as doors use it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from trackway import app
from trackway.app import Workspace
from trackway.bench.weblog import write_log
from trackway.terminal.new import create


@pytest.mark.parametrize(("lines", "sorted_ahead"), [(1_000, False), (110_000, True)])
def test_only_a_large_load_brings_the_columns_along_and_either_can_be_asked(tmp_path, lines, sorted_ahead):
    file = tmp_path / "access.log"
    write_log(file, lines, None)
    workspace = Workspace.open(create(tmp_path / "workspace"))
    workspace.load([file], "files", lambda _stage, _done, _total: None)
    assert bool(list((workspace.data / "columns").glob("*.run"))) == sorted_ahead
    (account,) = (account for account in workspace.ledger() if account.source == "files")
    assert account.stored + account.refused == lines
    assert workspace.ask({"type": "trend"}).totals["value"] == account.stored
    workspace.close()


def test_threads_that_open_an_engine_at_once_get_the_same(tmp_path, monkeypatch):
    (tmp_path / "trackway.toml").write_text("")
    workspace, journal = Workspace.open(tmp_path), app.Journal

    def slow(folder):
        time.sleep(0.1)
        return journal(folder)

    monkeypatch.setattr(app, "Journal", slow)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: workspace.journal, range(4)))
    assert len(set(map(id, found))) == 1
    workspace.close()
