"""Debian's nginx and Apache on loopback, each writing an access log in formats that a test chooses."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

NGINX, APACHE, HAPROXY = (shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("nginx", "apache2", "haproxy"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}")


def send(port: int, *requests: bytes) -> None:
    """Every request by itself, its answer read to the end. Who hangs up before an answer may be taken for gone."""
    for request in requests:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(request)
            with suppress(TimeoutError):
                connection.recv(65536)
            connection.settimeout(30)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@contextmanager
def nginx(place: Path, formats: Mapping[str, str]) -> Iterator[int]:
    """A running nginx whose logs are `NAME.log` in a folder, each in its format; its port."""
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    port = free_port()
    (place / "index.html").write_text("hello")
    logs = "".join(
        f"log_format {name} {text};\naccess_log {place}/{name}.log {name};\n" for name, text in formats.items()
    )
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"user root; daemon off; pid {place}/pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ {temporary}{logs} server {{ listen 127.0.0.1:{port}; server_name shop.example; root {place}; }} }}\n"
    )
    with served([NGINX, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")], port):
        yield port


@contextmanager
def apache(place: Path, formats: Mapping[str, str]) -> Iterator[int]:
    """A running Apache whose logs are `NAME.log` in a folder, each in its format; its port."""
    if APACHE is None:
        pytest.skip("apache2 is not installed (Debian: apt-get install apache2)")
    port = free_port()
    (place / "index.html").write_text("hello")
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "dir")
    )
    logs = "".join(f'CustomLog {place}/{name}.log "{text}"\n' for name, text in formats.items())
    (place / "apache.conf").write_text(
        f"ServerRoot {place}\nServerName shop.example\nListen 127.0.0.1:{port}\nPidFile {place}/pid\n"
        f"ErrorLog {place}/error.log\n{modules}DocumentRoot {place}\nDefaultRuntimeDir {place}\n{logs}"
    )
    with served([APACHE, "-f", str(place / "apache.conf"), "-D", "FOREGROUND"], port):
        yield port


@contextmanager
def served(command: list[str], port: int, output: IO[bytes] | int = subprocess.DEVNULL) -> Iterator[None]:
    """A server while it is needed, stopped in a way that writes its logs out."""
    with subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def haproxy(place: Path, formats: Mapping[str, str]) -> Iterator[tuple[list[int], Callable[[], list[bytes]]]]:
    """A running HAProxy with one front end for each format (`option httplog` when empty), whose ports are given, and
    what tells the lines it logged once it has stopped or a moment later."""
    if HAPROXY is None:
        pytest.skip("haproxy is not installed (Debian: apt-get install haproxy)")
    ports = [free_port() for _ in formats]
    fronts = "".join(
        f"frontend {name}\n bind 127.0.0.1:{port}\n capture request header User-Agent len 100\n"
        + (f" log-format {quoted(text)}\n" if text else " option httplog\n") + " default_backend none\n"
        for port, (name, text) in zip(ports, formats.items(), strict=True)
    )  # fmt: skip
    (place / "haproxy.cfg").write_text(
        "global\n log stdout format raw local0\ndefaults\n mode http\n log global\n timeout connect 30s\n"
        f" timeout client 30s\n timeout server 30s\n{fronts}backend none\n"
    )
    with (
        (place / "haproxy.log").open("wb") as output,
        served([HAPROXY, "-f", str(place / "haproxy.cfg"), "-db"], ports[-1], output),
    ):
        yield ports, lambda: settled(place / "haproxy.log").splitlines()


def settled(path: Path) -> bytes:
    """What is in a file once nothing was written to it for a while."""
    found = b""
    for _ in range(40):
        if (seen := path.read_bytes()) and seen == found:
            break
        found = seen
        time.sleep(0.5)
    return found


def quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
