"""A company to play with: thirty simulated days and a web log, taken in the way everyone's events are.

The server is `trackway run` in a process of its own, and the demo is its first customer: it posts the days
to the collector, loads the log through the file source, then keeps visitors coming. What it makes stays in
its directory, so the next start is quick.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from trackway import tour
from trackway.app import Workspace
from trackway.errors import TrackwayError, WorkspaceError
from trackway.plan.config import FILE
from trackway.worlds.leads import leads
from trackway.worlds.sender import send, trickle
from trackway.worlds.weblog import access_log

DAYS = 30
CALLS = 110_000
"""About how many calls the company makes in those days: the length of the progress bar."""
LOG = Path("../shared/data/weblogs/apache_combined.log")
"""A real web log, when there is one beside the directory the demo is started in."""
RATE = 4.0
"""Calls a second of the live visitors."""
PORTS = 20
"""How many ports after the one asked for are tried when it is taken."""


def demo(
    root: Path, *, listen: str = "127.0.0.1:8700", fresh: bool = False, once: bool = False, opens: bool = True
) -> int:
    """Make the demo in `root`, serve it until Ctrl-C, and return the exit code.

    `fresh` begins anew, `once` answers the questions of the tour and ends, `opens` shows a browser if there is one.
    """
    console = Console()
    _prepare(root, fresh)
    address = free_address(listen)
    if address != listen and not listen.endswith(":0"):
        console.print(f"{listen} is taken, so the demo is on {address}.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        world = json.loads((root / "world.json").read_text(encoding="utf-8"))
        if not world["loaded"]:
            _load_log(root, console)
        with serving(root, address) as url:
            if not world["loaded"]:
                _post_days(datetime.fromisoformat(world["until"]), url, console)
                _remember(root, world | {"loaded": True})
            questions = tour.questions(root)
            tour.show(questions, url, root, console)
            if once:
                return tour.answer(questions, url, console)
            if opens and has_browser():
                webbrowser.open(url)
            _live(url, console)
    except KeyboardInterrupt:
        console.print("\nStopped. The same command carries on; --fresh begins anew.")
    return 0


def _prepare(root: Path, fresh: bool) -> None:
    """The directory with its trackway.toml; an existing one is kept, whatever was changed in it."""
    if fresh and (root / "world.json").is_file():
        shutil.rmtree(root)
    if (root / FILE).exists() and not (root / "world.json").exists():
        hint = "choose another directory"
        raise WorkspaceError(f"{root} is a workspace, but not one that the demo made", hint=hint)
    root.mkdir(parents=True, exist_ok=True)
    if not (root / FILE).exists():
        until = datetime.now(UTC).replace(microsecond=0)
        _remember(root, {"until": until.isoformat(), "loaded": False})
        text = resources.files("trackway.worlds").joinpath("leads.toml").read_text(encoding="utf-8")
        (root / FILE).write_text(text, encoding="utf-8")


def _remember(root: Path, world: dict[str, Any]) -> None:
    (root / "world.json").write_text(json.dumps(world), encoding="utf-8")


def free_address(listen: str) -> str:
    """The address asked for, or the next one whose port is free. Raises WorkspaceError when none is."""
    host, _, first = listen.rpartition(":")
    if not host or not first.isdigit():
        raise WorkspaceError(f"expected an address such as 127.0.0.1:8700, got {listen!r}")
    for port in [0] if first == "0" else range(int(first), int(first) + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return f"{host}:{probe.getsockname()[1]}"
    raise WorkspaceError(f"no free port from {listen} on", hint="name another with --listen 127.0.0.1:9000")


@contextmanager
def serving(root: Path, address: str) -> Iterator[str]:
    """`trackway run` on a workspace while the block runs; the address of its pages. Raises WorkspaceError."""
    log = root / "run.log"
    command = [sys.executable, "-m", "trackway", "-C", str(root), "run", "--listen", address]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)  # noqa: S603
        try:
            _wait_until_up(process, f"http://{address}", log)
            yield f"http://{address}"
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path, patience: float = 60.0) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < patience:
        if process.poll() is not None:
            raise WorkspaceError(f"the server ended: {log.read_text(errors='replace')[-600:].strip()}")
        try:
            if httpx.get(f"{url}/healthz", timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise WorkspaceError(f"the server did not answer in {patience:.0f} s", hint=f"see {log}")


def _bars(console: Console) -> Progress:
    return Progress(TextColumn("{task.description:<30}"), BarColumn(), TimeElapsedColumn(), console=console)


def _load_log(root: Path, console: Console) -> None:
    """The web log through the file source, in this process."""
    path = LOG if LOG.is_file() else root / "access.log"
    if not path.is_file():
        path.write_bytes(b"".join(access_log()))
    workspace = Workspace.open(root)
    try:
        with _bars(console) as bars:
            task = bars.add_task(f"Loading {path.name}", total=None)

            def progress(_stage: str, done: int, total: int | None) -> None:
                bars.update(task, completed=done, total=total)

            workspace.load([path.resolve()], "files", progress)
            bars.update(task, completed=1, total=1)
    finally:
        workspace.close()


def _post_days(until: datetime, url: str, console: Console) -> None:
    """The company's days over HTTP, until they are stored. A load that was cut off is repeated as it was, and
    its copies are recognised.
    """
    with _bars(console) as bars:
        task = bars.add_task("Posting thirty days over HTTP", total=CALLS)
        for done in send(leads(DAYS, until=until), url):
            bars.update(task, completed=done)
        bars.update(task, total=done, completed=done)
        _wait_until_stored(url, bars)


def _wait_until_stored(url: str, bars: Progress, patience: float = 120.0) -> None:
    task = bars.add_task("Storing what is pending", total=None)
    begun = time.monotonic()
    while (pending := tour.get(url, "/api/status")["pending"]) > 0:
        bars.update(task, description=f"Storing {pending:,} pending")
        if time.monotonic() - begun > patience:
            raise TrackwayError(f"{pending:,} events still wait after {patience:.0f} s", hint=f"see {url}/ledger")
        time.sleep(0.2)
    bars.update(task, description="Stored, sorted, ready", total=1, completed=1)


def has_browser() -> bool:
    """Whether there is a display to open a page on."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _live(url: str, console: Console) -> None:
    """Visitors, until Ctrl-C."""
    stop = threading.Event()
    live = threading.Thread(target=trickle, args=(url, "", RATE, stop), daemon=True)
    live.start()
    console.print(f"\nLive: about {RATE:.0f} calls a second arrive while this runs. Ctrl-C stops.")
    try:
        while live.is_alive():
            live.join(1)
    finally:
        stop.set()
        live.join(5)
