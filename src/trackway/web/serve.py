"""`trackway run`: the collector, API and pages in this process, the flow in a child, so that they share no GIL.

The flow is watched: when it dies it is started again, and when this process dies, however suddenly, the
flow sees the end of its standard input and ends as well.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from trackway.app import Workspace
from trackway.errors import ConfigError, WorkspaceError, suggest

log = logging.getLogger("trackway")

ROLES = ("all", "collector", "flow", "web")
SLOWEST = 10.0
"""Longest wait in seconds before a flow that keeps dying is started again."""
PATIENCE = 30.0
"""Seconds a flow has to finish its batch at the end."""
CONNECTIONS = 2_048
"""Connections waiting to be accepted."""


def serve(root: Path, *, role: str = "all", listen: str = "", tethered: bool = False) -> None:
    """Run a workspace until told to stop. `tethered`: also stop when standard input ends. Raises TrackwayError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    if role not in ROLES:
        raise ConfigError(f"no role '{role}'", path="role", hint=suggest(role, ROLES))
    workspace = Workspace.open(root)
    try:
        if role == "flow":
            flow(workspace, tethered=tethered)
            return
        child = flow_child(root) if role == "all" else nullcontext()
        with bound(listen or workspace.plan.project.listen) as listener, child, listeners(workspace, role):
            answer(workspace, listener, role)
    finally:
        workspace.close()


def answer(workspace: Workspace, listener: socket.socket, role: str) -> None:
    """Serve HTTP until SIGINT or SIGTERM."""
    import uvicorn

    from trackway.api.collect import routes
    from trackway.web.server import create_app

    app = create_app(workspace, routes(workspace) if role != "web" else (), asks=role != "collector")
    settings = uvicorn.Config(
        app, http="httptools", ws="none", log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    host, port = listener.getsockname()[:2]
    sys.stdout.write(f"Trackway is on http://{host}:{port}  ({workspace.plan.project.name}, {role}); Ctrl-C stops\n")
    sys.stdout.flush()
    # uvicorn raises the signal again once it has shut down; as an interrupt it leaves time to end the flow
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listener])


@contextmanager
def bound(listen: str) -> Iterator[socket.socket]:
    """A listening socket on an address such as 127.0.0.1:8700. Raises ConfigError or WorkspaceError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"expected an address such as 127.0.0.1:8700, got '{listen}'", path="listen")
    host = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(CONNECTIONS)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise WorkspaceError(
            f"cannot listen on {listen}: {said}", hint="choose another with --listen HOST:PORT"
        ) from error
    with listener:
        yield listener


# ── the flow, in this process ───────────────────────────────────────────────────────────────────────


def flow(workspace: Workspace, *, tethered: bool) -> None:
    """Read the sources that pull and take everything to the lake, until SIGTERM, SIGINT, or the end of the tether."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    if tethered:
        threading.Thread(target=watch_tether, args=(stop,), name="tether", daemon=True).start()
    with workspace.flow() as runner:
        readers = reading(workspace, stop, listens=False)
        runner.run(stop)
        for reader in readers:
            reader.join(PATIENCE)


@contextmanager
def listeners(workspace: Workspace, role: str) -> Iterator[None]:
    """The sources that listen on addresses of their own, beside the collector, while the block runs."""
    stop = threading.Event()
    readers = [] if role == "web" else reading(workspace, stop, listens=True)
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join(PATIENCE)


def reading(workspace: Workspace, stop: threading.Event, *, listens: bool) -> list[threading.Thread]:
    """A running thread for each source that listens, or for each that pulls."""
    readers = [
        threading.Thread(target=intake.run, args=(stop,), name=f"source {name}", daemon=True)
        for name, intake in workspace.intakes().items()
        if workspace.plan.sources[name].listens == listens
    ]
    for reader in readers:
        reader.start()
    return readers


def watch_tether(stop: threading.Event) -> None:
    """Set `stop` when standard input ends: whoever held the other end is gone."""
    while os.read(0, 4096):
        continue
    stop.set()


# ── the flow, in a child ────────────────────────────────────────────────────────────────────────────


@contextmanager
def flow_child(root: Path) -> Iterator[None]:
    """A flow in a process of its own while the block runs, started again whenever it dies."""
    stop = threading.Event()
    watcher = threading.Thread(target=supervise, args=(root, stop), name="supervisor")
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def supervise(root: Path, stop: threading.Event) -> None:
    """Start the flow, and again when it dies, at first at once and then ever slower; end it with us."""
    command = [sys.executable, "-m", "trackway", "-C", str(root), "run", "--role", "flow", "--tethered"]
    wait = 0.0
    while not stop.wait(wait):
        begun = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as child:  # noqa: S603 - ourselves
            while child.poll() is None and not stop.wait(0.1):
                continue
            finish(child)
        lasted = time.monotonic() - begun
        wait = 0.0 if lasted > SLOWEST else min(max(2 * wait, 0.5), SLOWEST)
        if not stop.is_set():
            log.warning("the flow ended (%s) after %.1f s and is started again", child.returncode, lasted)


def finish(child: subprocess.Popen[bytes]) -> None:
    """Let a flow finish its batch; one that does not is killed, and loses nothing by it."""
    if child.stdin is not None:
        with suppress(OSError):
            child.stdin.close()
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
