"""The demo, as someone meets it: it fills itself once, answers, goes on live, and ends when told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from trackway.demo import demo, free_address
from trackway.errors import WorkspaceError

DEMO = [sys.executable, "-m", "trackway", "-C"]
QUIET = ["demo", "--no-browser", "--listen", "127.0.0.1:0"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> tuple[Path, str]:
    """A demo that was filled and answered its questions once, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [*DEMO, "demo", *QUIET, "--once"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "demo", done.stdout


@pytest.mark.long
def test_the_first_start_fills_the_workspace_so_that_every_bin_has_something_in_it(filled):
    root, printed = filled
    sources = {account["source"]: account for account in ask(root, "ledger")["sources"]}
    assert set(sources) == {"web", "files"}
    assert all(sources["web"][name] > 0 for name in ("stored", "duplicate", "dropped", "refused"))
    assert sources["files"]["received"] == 10_000
    assert sources["files"]["refused"] == 1
    assert all(account["pending"] == 0 and account["balanced"] for account in sources.values())
    assert "Trackway is up: http://127.0.0.1:" in printed


@pytest.mark.long
def test_the_questions_of_the_tour_have_answers_that_make_sense(filled):
    root, _ = filled
    steps = ask(root, "ask", "lead_to_crm")["rows"]
    assert [row["name"] for row in steps] == ["Form seen", "Form sent", "Scored", "In the CRM"]
    assert steps[0]["actors"] > steps[1]["actors"] >= steps[2]["actors"] > steps[3]["actors"] > 100
    channels = {row["channel"] for row in ask(root, "ask", "signup_by_channel")["rows"]}
    assert channels == {"organic", "cpc", "social", "direct", "referral", "email"}
    identified = ask(root, "sql", "select count(*) n from events where user_id is null and actor like 'user-%'")
    assert identified["rows"][0]["n"] > 1_000, "what users did before they signed up is theirs"


@pytest.mark.long
def test_a_second_start_fills_nothing_again_goes_on_live_and_ends_on_ctrl_c(filled):
    root, _ = filled
    before = ask(root, "ledger")["sources"]
    process = subprocess.Popen([*DEMO, str(root), *QUIET], stdout=subprocess.PIPE, text=True)
    try:
        url = next(line.split()[-1] for line in process.stdout if "Trackway is up" in line)
        deadline = time.monotonic() + 30
        while received(url) < total(before) + 5 and time.monotonic() < deadline:
            time.sleep(0.2)
        now = received(url)
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    process.stdout.close()
    assert total(before) + 5 <= now < total(before) + 1_000


def test_a_taken_port_means_the_next_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host, _, free = free_address(f"127.0.0.1:{port}").rpartition(":")
    assert host == "127.0.0.1"
    assert port < int(free) < port + 20


def test_an_address_that_is_none_is_told():
    with pytest.raises(WorkspaceError, match="expected an address"):
        free_address("here")


def test_a_workspace_that_is_not_a_demo_is_left_alone(tmp_path):
    (tmp_path / "trackway.toml").write_text("[project]\n", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="not one that the demo made"):
        demo(tmp_path, fresh=True, once=True, opens=False)
    assert (tmp_path / "trackway.toml").read_text(encoding="utf-8") == "[project]\n"


def ask(root: Path, *arguments: str) -> dict:
    """The JSON object of one command."""
    command = [*DEMO, str(root), *arguments, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)


def received(url: str) -> int:
    return httpx.get(f"{url}/api/status", timeout=30, trust_env=False).json()["received"]


def total(accounts: list[dict]) -> int:
    return sum(account["received"] for account in accounts)
