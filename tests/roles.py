"""Processes of `trackway run`, started, killed and stopped by tests."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Role:
    """One `trackway run --role …` process that can be killed and started again."""

    def __init__(self, root: Path, role: str) -> None:
        self.root, self.role = root, role
        self.log = (root / f"{role}.log").open("ab")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "trackway", "-C", str(self.root), "run", "--role", self.role]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def stop(self) -> None:
        self.process.terminate()
        self.end()
        self.log.close()

    def end(self) -> None:
        self.process.wait(30)
        self.process.stdin.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)
