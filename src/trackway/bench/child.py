"""The command `trackway` as a child process: what a person's shell would run, with the same Python."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

COMMAND = (sys.executable, "-c", "import sys; from trackway.cli import main; sys.exit(main())")
"""The console script, also when it is not on the PATH."""
PATIENCE = 20.0
"""Seconds a server is given to end by itself."""


def trackway(root: Path, *arguments: str, stdin: str | None = None) -> str:
    """What `trackway -C ROOT ARGUMENTS` prints. Raises RuntimeError with its complaint when it fails."""
    done = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, "-C", str(root), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"trackway {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def ask(root: Path, question: dict[str, Any]) -> dict[str, Any]:
    """The JSON answer to a question, by the command line."""
    return dict(orjson.loads(trackway(root, "ask", "-", "--json", stdin=orjson.dumps(question).decode())))


def ledger(root: Path) -> dict[str, dict[str, Any]]:
    """The account of each source, which must balance."""
    found = orjson.loads(trackway(root, "ledger", "--json"))
    return {account["source"]: account for account in found["sources"]}


def serve(root: Path, log: Path) -> subprocess.Popen[bytes]:
    """`trackway run` in the background, its output in a file."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "-C", str(root), "run"], stdout=output, stderr=subprocess.STDOUT
        )


def end(server: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, and make sure."""
    server.terminate()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
