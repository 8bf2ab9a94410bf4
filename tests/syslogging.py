"""A source `syslog` on loopback, and the programs of Debian that send to it: rsyslog, syslog-ng and logger."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from houses import House
from trackway.plan.config import check

DEBIAN = Path(__file__).parent / "clients" / "debian"
"""Where `.ci/run` unpacks the package of rsyslog, which cannot be installed together with syslog-ng's."""
SYSTEM = "/usr/sbin:/usr/bin:/sbin"


def program(name: str, package: str) -> str:
    """The path of a program; the test is skipped without it."""
    found = shutil.which(name, path=f"{DEBIAN}/usr/sbin:{SYSTEM}")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: {package})")
    return found


def free_port() -> int:
    """A port that neither TCP nor UDP uses."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return int(tcp.getsockname()[1])


@contextmanager
def listening(house: House, port: int, **options: Any) -> Iterator[SimpleNamespace]:
    """The source, running in this process; `kept` are the payloads so far, and setting `disk` makes keeping fail."""
    table = {"type": "syslog", "listen": f"127.0.0.1:{port}", **options}
    source = check({"sources": {"machines": table}}, house.plan.root).sources["machines"]
    stop, told = threading.Event(), SimpleNamespace(kept=[], disk=None, keeping=threading.Event())

    def keep(payloads):
        told.keeping.set()
        if told.disk is not None:
            told.disk()
        told.kept += payloads
        return house.journal.append(payloads)

    def run():
        for _ in source.read("machines", keep, house.journal.cursors("machines"), stop):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: is_bound(port))
        yield told
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def is_bound(port: int) -> bool:
    tables = "".join(Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "udp"))
    return f"0100007F:{port:04X} 00000000:0000" in tables


def wait_until(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def received(house: House) -> int:
    return sum(total.records for total in house.journal.received().values())


@contextmanager
def rsyslog(place: Path, *actions: str) -> Iterator[Path]:
    """A running rsyslogd with these actions; what is written to the socket at the path given is logged."""
    binary = program("rsyslogd", "apt-get download rsyslog")
    modules = Path(binary).parents[2] / "usr/lib/x86_64-linux-gnu/rsyslog"
    inlet = place / "inlet"
    (place / "rsyslog.conf").write_text(
        f'global(workDirectory="{place}")\nmodule(load="imuxsock" sysSock.use="off")\n'
        f'input(type="imuxsock" socket="{inlet}" useSpecialParser="on" rateLimit.interval="0" createPath="on")\n'
        + "\n".join(actions)
    )
    command = [binary, "-n", "-f", str(place / "rsyslog.conf"), "-i", str(place / "pid"), "-M", str(modules)]
    with running(command, place / "rsyslog.log"):
        wait_until(inlet.exists)
        yield inlet


@contextmanager
def syslog_ng(place: Path, destination: str) -> Iterator[Path]:
    """A running syslog-ng with a destination; what is written to the socket at the path given is sent there."""
    binary = program("syslog-ng", "apt-get install syslog-ng-core")
    inlet = place / "inlet"
    (place / "ng.conf").write_text(
        "@version: 3.38\noptions { time-reopen(1); keep-hostname(yes); };\n"
        f'source inlet {{ unix-dgram("{inlet}"); }};\ndestination out {{ {destination} }};\n'
        "log { source(inlet); destination(out); };\n"
    )
    files = [f"--{name}={place}/{name}" for name in ("persist-file", "control", "pidfile")]
    with running([binary, "-F", "--no-caps", "-f", str(place / "ng.conf"), *files], place / "ng.log"):
        wait_until(inlet.exists)
        yield inlet


@contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def tell(inlet: Path, *texts: str) -> None:
    """Messages as programs log them, through the socket of a daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        for text in texts:
            one.sendto(f"<134>Nov 22 12:00:00 shop[17]: {text}".encode(), str(inlet))
