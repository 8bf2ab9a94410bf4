"""A user's function in a process of its own: killed when it takes too long, ended when it takes too much memory.

Isolated are: time (a deadline for every table, and CPU time), memory (a limit beyond what Python and Arrow take),
the environment variables (none of ours is passed on, so no secret), the network (on Linux, where the kernel lets a
process leave it), the standard input and output, and crashes. Not isolated are files: the function runs as the same
user and can read and write what the flow can. Give only functions that you trust with the machine.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pyarrow as pa

from trackway.flow import guest

log = logging.getLogger(__name__)
CHUNK = 1 << 20
START = 60.0
"""Seconds that a process may take to start and to load the function."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Environment variables that the process gets."""


class Overrun(Exception):
    """The function failed; the message says how."""

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        """`fatal`: it took its process with it, and is not worth another try."""
        super().__init__(message)
        self.fatal = fatal


class Guarded:
    """One function of a file, called on tables. The process starts with the first, and again after it was killed."""

    def __init__(self, path: str, function: str, *, seconds: float, memory: int, network: bool) -> None:
        self._seconds = seconds
        self._memory = memory
        self._command = [
            sys.executable, "-I", guest.__file__, path, function, str(memory), str(seconds), "yes" if network else "no",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        """What the function gives for a table. Raises Overrun."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        message = sink.getvalue()
        answer = self._ask(guest.LENGTH.pack(message.size) + memoryview(message).tobytes())
        if answer[:1] != b"\0":
            raise Overrun(answer[1:].decode("utf-8", "replace"))
        try:
            with pa.ipc.open_stream(pa.py_buffer(answer[1:])) as stream:
                return stream.read_all()
        except pa.ArrowInvalid as error:
            raise Overrun(f"gave what is no table: {error}") from error

    def _ask(self, message: bytes) -> bytes:
        process, most = self._process, START
        try:
            if process is None or process.poll() is not None:
                process = self._started()
                _exchange(process, b"", time.monotonic() + START, self._memory)
            most = self._seconds
            return _exchange(process, message, time.monotonic() + most, self._memory)
        except TimeoutError as error:
            self.close()
            raise Overrun(f"took more than {most:g} s and was killed", fatal=True) from error
        except OverflowError as error:
            self.close()
            raise Overrun(f"gave more than {self._memory:,} bytes and was killed", fatal=True) from error
        except (OSError, EOFError) as error:
            ended = _end(process) if process else "it did not start"
            self.close()
            raise Overrun(f"ended its process ({ended}); it may have {self._memory:,} bytes", fatal=True) from error

    def _started(self) -> subprocess.Popen[bytes]:
        self.close()
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]
        return self._process

    def close(self) -> None:
        """End the process, and whatever it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


def _exchange(process: subprocess.Popen[bytes], message: bytes, deadline: float, largest: int) -> bytes:
    """Send a message and read the answer, both at once. Raises TimeoutError, EOFError, OSError, and OverflowError for
    an answer that says it will be larger.
    """
    given, found = process.stdin.fileno(), process.stdout.fileno()  # type: ignore[union-attr]
    rest, answer = memoryview(message), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(given, selectors.EVENT_WRITE)
        selector.register(found, selectors.EVENT_READ)
        while len(answer) < (size := _size(answer)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if size - guest.LENGTH.size > largest:
                raise OverflowError
            for key, _ in selector.select(left):
                if key.fd == given:
                    rest = rest[os.write(given, rest[:CHUNK]) :]
                    if not rest:
                        selector.unregister(given)
                elif part := os.read(found, min(CHUNK, size - len(answer))):
                    answer += part
                else:
                    raise EOFError
    return bytes(answer[guest.LENGTH.size :])


def _size(answer: bytes | bytearray) -> int:
    """How long an answer will be, as far as is known."""
    head = guest.LENGTH.size
    return head if len(answer) < head else head + int(guest.LENGTH.unpack_from(answer)[0])


def _end(process: subprocess.Popen[bytes]) -> str:
    """How a process ended that has closed its pipe."""
    try:
        code = process.wait(1.0)
    except subprocess.TimeoutExpired:
        return "it closed its output"
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
