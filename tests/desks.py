"""Servers of other companies, made of what their documentation says: real HTTP on loopback, with faults when asked for.

A desk refuses what the real server refuses. What stands in for a server must be proved to be like it, so that the
official client of each is driven against its desk too.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit


class Asked(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body) if self.body else {}

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}


class Said(NamedTuple):
    status: int
    body: Any = b""
    headers: Mapping[str, str] = MappingProxyType({})
    cut: int | None = None
    """Bytes of the body after which the connection is reset."""

    @property
    def text(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Desk(ABC):
    """One server; `clock` may be set forward."""

    content_type = "application/json"

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: deque[Callable[[Asked, Said], Said | None]] = deque()
        self.skipped = 0.0
        self.lock = threading.RLock()
        self.port = 0
        self.scheme = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def now(self) -> float:
        return time.time() + self.skipped

    @abstractmethod
    def answer(self, asked: Asked) -> Said:
        """What the real server answers."""

    def say(self, asked: Asked) -> Said:
        """The answer, as the first fault that wants it makes it."""
        with self.lock:
            self.asked.append(asked)
            said = self.answer(asked)
            for fault in list(self.faults):
                changed = fault(asked, said)
                if changed is not None:
                    self.faults.remove(fault)
                    return changed
            return said


def busy(path: str, status: int = 429, body: Any = b"", **headers: str) -> Callable[[Asked, Said], Said | None]:
    """Once, for a path that ends so: an answer that asks for patience, and nothing was done."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked, said: Said(status, body, named) if asked.path.endswith(path) else None


def cut(path: str, after: int = 20) -> Callable[[Asked, Said], Said | None]:
    """Once, for a path that ends so and an answer that is longer: a reset in the midst of it."""
    return lambda asked, said: (
        said._replace(cut=after) if asked.path.endswith(path) and said.status < 300 and len(said.text) > after else None
    )


class Quiet(ThreadingHTTPServer):
    """A server that has nothing to say about connections that were reset on purpose."""

    daemon_threads = True

    def handle_error(self, *_):
        pass

    def shutdown_request(self, request):
        with suppress(OSError):
            super().shutdown_request(request)


def window(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Window(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_GET(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.tell(desk.say(Asked(self.command, unquote(parts.path), query, headers, body)))

        do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET  # noqa: N815

        def tell(self, said: Said) -> None:
            text = b"" if self.command == "HEAD" else said.text
            head = {"Content-Type": desk.content_type, "Content-Length": str(len(text)), **said.headers}
            if self.headers.get("Connection", "").lower() == "close":
                head["Connection"] = "close"  # the library of Splunk counts on being told
            self.send_response_only(said.status)
            for name, value in head.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text[: said.cut])
            if said.cut is not None:
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()

        def finish(self):
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_):
            pass

    return Window


@contextmanager
def served(desk: Desk, certificate: tuple[Path, Path] | None = None) -> Iterator[Desk]:
    """A desk on loopback; over TLS with a certificate and its key."""
    server = Quiet(("127.0.0.1", 0), window(desk))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        desk.scheme = "https"
    desk.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
