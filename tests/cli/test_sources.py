"""`trackway sources`: what a person is told of sources, and of a trial that works or fails."""

import json
import time

import pytest

from trackway import cli
from trackway.app import Workspace

FILE = """
[sources.files]
type = "file"
paths = ["{root}/orders.ndjson"]

[sources.web]
type = "http"

[sources.queue]
type = "redis"
address = "redis://127.0.0.1:1/0"
streams = ["orders"]
"""


@pytest.fixture
def trackway(monkeypatch, capfd, tmp_path):
    """Run a verb: exit code, standard output, standard error."""
    (tmp_path / "orders.ndjson").write_text('{"event": "Order", "user_id": "ann"}\n' * 3)
    (tmp_path / "trackway.toml").write_text(FILE.format(root=tmp_path))

    def run(*words):
        monkeypatch.setattr("sys.argv", ["trackway", "-C", str(tmp_path), *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capfd.readouterr()

    return run


def test_sources_are_listed_with_how_they_are_read(trackway, tmp_path):
    workspace = Workspace.open(tmp_path)
    told = {"state": "failing", "lag": 1234, "at": time.time(), "kept_at": time.time() - 7, "failures": 2,
            "said": "cannot reach it\nHint: try"}  # fmt: skip
    workspace.control.set("health/queue", json.dumps(told))
    workspace.close()
    code, out, _ = trackway("sources", "list")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert code == 0
    assert "listening" in lines["web"]
    assert "stopped" in lines["files"]
    for word in ("failing", "1,234", "s ago", "cannot reach it"):
        assert word in lines["queue"]
    _, out, _ = trackway("sources", "list", "--json")
    assert {source["source"]: source["type"] for source in json.loads(out)["sources"]} == {
        "files": "file", "web": "http", "queue": "redis",
    }  # fmt: skip


def test_a_trial_that_works_shows_its_steps(trackway):
    code, out, _ = trackway("sources", "test", "files")
    assert code == 0
    assert "1 file" in out
    assert "orders.ndjson: json" in out.replace("\n", "")
    _, out, _ = trackway("sources", "test", "files", "--json")
    assert [step["step"] for step in json.loads(out)["steps"]] == ["list", "look"]


def test_a_trial_that_fails_says_what_to_mend_and_exits_with_one(trackway):
    code, _, said = trackway("sources", "test", "queue")
    assert code == 1
    assert "failed: cannot reach redis://127.0.0.1:1/0" in said
    assert "Hint: check `address`" in said
    code, out, _ = trackway("sources", "test", "queue", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False


def test_a_source_there_is_not_is_wrong_use(trackway):
    code, _, said = trackway("sources", "test", "fiels")
    assert code == 2
    assert "did you mean 'files'" in said
