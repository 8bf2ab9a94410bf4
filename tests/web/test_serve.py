"""`trackway run` as processes: it serves, its flow is started again, and nothing outlives it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import shop


@contextlib.contextmanager
def running(root, *words):
    """A `trackway run` on a free port; its process and a client."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "trackway", "-C", str(root), "run", "--listen", address, *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=10) as client:
            until(lambda: alive(client))
            yield process, client
    finally:
        process.terminate()
        process.wait(30)


def alive(client):
    with contextlib.suppress(httpx.TransportError):
        return client.get("/healthz").json()["ok"]


def until(true, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise TimeoutError


def children(pid):
    """The processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def stored(client):
    return client.get("/api/status").json()["stored"]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_an_event_is_askable_the_flow_comes_back_and_ends_with_its_parent(tmp_path):
    with running(shop.write_config(tmp_path)) as (process, client):
        client.post("/v1/events", json={"event": "A", "user_id": "u"}).raise_for_status()
        until(lambda: stored(client) == 1)
        assert client.post("/api/ask", json={"type": "trend"}).json()["totals"] == {"value": 1}
        (flow,) = children(process.pid)
        os.kill(flow, signal.SIGKILL)
        client.post("/v1/events", json={"event": "B", "user_id": "u"}).raise_for_status()
        until(lambda: stored(client) == 2)
        (again,) = children(process.pid)
        assert again != flow
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{again}").exists())


def test_an_address_in_use_is_told_in_a_sentence(tmp_path):
    shop.write_config(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "trackway", "-C", str(tmp_path), "run", "--listen", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"cannot listen on {address}: Address already in use\nHint: " in done.stderr


@pytest.mark.long
def test_the_roles_run_apart(tmp_path):
    shop.write_config(tmp_path)
    with running(tmp_path, "--role", "collector") as (process, client):
        client.post("/v1/events", json={"event": "A", "user_id": "u"}).raise_for_status()
        assert children(process.pid) == []
    flow = subprocess.Popen([sys.executable, "-m", "trackway", "-C", str(tmp_path), "run", "--role", "flow"])
    try:
        with running(tmp_path, "--role", "web") as (_, client):
            until(lambda: stored(client) == 1)
            assert client.post("/v1/events", json={"event": "B", "user_id": "u"}).status_code == 404
    finally:
        flow.terminate()
        assert flow.wait(30) == 0
