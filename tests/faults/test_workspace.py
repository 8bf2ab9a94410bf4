"""A full disk, two flows on one workspace, a workspace from a newer version: each is told, and nothing is lost."""

import http.client
import json
import os
import subprocess
import sys

import pytest

from roles import Role, free_port, wait_for
from trackway.app import Workspace

CONFIG = """
[project]
listen = "127.0.0.1:{port}"

[sources.web]
type = "http"
codecs = ["json"]

[sources.files]
type = "file"
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "trackway.toml").write_text(CONFIG.format(port=free_port()))
    return tmp_path


def command(root, *words, stdin=None):
    full = [sys.executable, "-m", "trackway", "-C", str(root), *words]
    return subprocess.run(full, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def small_disk(root):
    """The data folder on a file system of its own, of 6 MB; gives what makes it larger."""
    data = root / "data"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(data)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted without being root")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=256m", str(data)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


def post(port, events):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/events", json.dumps(events))
        reply = connection.getresponse()
        return reply.status, reply.headers.get("Retry-After"), reply.read()
    finally:
        connection.close()


def batch(number):
    """A hundred events that do not compress."""
    return [
        {"event": "Ping", "event_id": f"{number}-{i}", "user_id": "u1", "noise": os.urandom(300).hex()}
        for i in range(100)
    ]


@pytest.mark.long
def test_a_full_disk_is_told_and_once_there_is_room_every_acknowledged_event_is_stored_once(root, small_disk):
    workspace = Workspace.open(root)
    port = int(workspace.plan.project.listen.rpartition(":")[2])
    role = Role(root, "all")
    acknowledged = 0
    try:
        wait_for("the collector", lambda: listening(port))
        for number in range(500):
            status, retry_after, body = post(port, batch(number))
            if status != 200:
                break
            acknowledged += 100
        assert (status, retry_after is not None) == (503, True)
        assert b"disk" in body or b"space" in body
        small_disk()
        wait_for("room to be used", lambda: post(port, batch(number))[0] == 200)
        wait_for("the flow to catch up", lambda: workspace.lake.position() >= workspace.journal.last() > 0, 120)
    finally:
        role.stop()
    found = workspace.sql("select count(*) as rows, count(distinct event_id) as ids from events").to_pylist()[0]
    account = next(a for a in workspace.ledger() if a.source == "web")
    workspace.close()
    assert acknowledged > 0
    assert found == {"rows": acknowledged + 100, "ids": acknowledged + 100}
    assert account.balanced
    assert (account.stored, account.pending) == (acknowledged + 100, 0)


def listening(port):
    try:
        return post(port, [])[0] > 0
    except OSError:
        return False


@pytest.mark.long
def test_a_second_flow_on_a_workspace_is_refused_and_a_load_leaves_the_work_to_the_first(root):
    role = Role(root, "flow")
    try:
        wait_for("the flow", (root / "data" / "flow.lock").exists)
        second = command(root, "run", "--role", "flow")
        assert second.returncode == 2
        assert "another process" in second.stderr
        (root / "one.ndjson").write_text('{"event": "Ping", "user_id": "u1", "time": "2026-11-01"}\n')
        loaded = command(root, "load", str(root / "one.ndjson"), "--source", "files")
        assert loaded.returncode == 0, loaded.stderr
    finally:
        role.stop()
    accounts = json.loads(command(root, "ledger", "--json").stdout)
    files = next(account for account in accounts["sources"] if account["source"] == "files")
    assert (files["received"], files["stored"], files["pending"]) == (1, 1, 0)


def test_a_workspace_of_a_newer_version_is_left_alone(root):
    (root / "data").mkdir()
    (root / "data" / "format").write_text("99\n")
    refused = command(root, "ledger")
    assert refused.returncode == 2
    assert "has format '99'" in refused.stderr
    assert "Hint: upgrade trackway" in refused.stderr


def test_an_unknown_column_in_a_question_comes_with_a_suggestion(root):
    (root / "one.ndjson").write_text('{"event": "Ping", "user_id": "u1", "time": "2026-11-01", "plan": "free"}\n')
    command(root, "load", str(root / "one.ndjson"), "--source", "files")
    question = {"type": "trend", "where": "plna = 'free'"}
    refused = command(root, "ask", "-", "--json", stdin=json.dumps(question))
    assert refused.returncode == 2
    answer = json.loads(refused.stdout)
    assert (answer["ok"], answer["hint"]) == (False, "did you mean 'plan'?")
    assert "unknown column 'plna'" in answer["error"]
