"""The other side of `flow.guarded`: a process of its own that runs a user's function on tables, until its input ends.

Run as a script and alone: it imports nothing of Trackway. It gives up the network before it imports anything (where the
kernel lets it), then loads the function, then limits its own memory and time, then says that it is ready with an empty
answer. A message is its length in eight bytes and an Arrow stream; an answer has a byte in front: 0 for a table, 1 for
a sentence about what went wrong.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of Linux."""
LENGTH = struct.Struct(">Q")


def alone() -> bool:
    """Leave the network, as far as the platform allows: into a namespace with nothing in it."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(NEW_NETWORK) == 0 or libc.unshare(NEW_USER | NEW_NETWORK) == 0)


def limit_memory(most: int) -> None:
    """Let this process have so many bytes more than now (Linux)."""
    import resource

    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + most, held + most))


def limit_time(seconds: float) -> None:
    """Let this process have so many more seconds of every core."""
    import resource

    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    most = int(used + seconds * (os.cpu_count() or 1)) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (most if hard < 0 else min(most, hard), hard))


def loaded(path: str, name: str) -> Callable[[Any], Any]:
    """The function of a name in a file."""
    sys.path.append(str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("functions", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Any], Any] = getattr(module, name)
    return found


def answered(function: Callable[[Any], Any], message: bytes) -> bytes:
    """What the function makes of a table, or a sentence about its failure."""
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(message) as stream:
            given = stream.read_all()
        found = function(given)
        table = found if isinstance(found, pa.Table) else pa.table(found)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return b"\0" + bytes(sink.getvalue())
    except Exception as error:  # noqa: BLE001 - whatever a user's function raises is told, not thrown
        return b"\1" + f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


def orphaned(parent: int) -> None:
    """End when whoever started this has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def serve(messages: BinaryIO, answers: BinaryIO, function: Callable[[Any], Any] | str, seconds: float) -> None:
    """Answer until the messages end."""
    while len(head := messages.read(LENGTH.size)) == LENGTH.size:
        message = messages.read(LENGTH.unpack(head)[0])
        limit_time(seconds)
        answer = b"\1" + function.encode() if isinstance(function, str) else answered(function, message)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def main(path: str, name: str, memory: str, seconds: str, network: str) -> None:
    """Serve the function `name` of the file `path`. What it prints goes to the standard error output."""
    if network != "yes":
        alone()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import pyarrow.ipc  # noqa: F401 - before memory is limited

    threading.Thread(target=orphaned, args=(os.getppid(),), daemon=True).start()
    function: Callable[[Any], Any] | str
    try:
        function = loaded(path, name)
    except Exception as error:  # noqa: BLE001 - as above
        function = f"cannot load {name} of {Path(path).name}: {type(error).__name__}: {error}"[:500]
    limit_memory(int(memory))
    answers.write(LENGTH.pack(0))
    answers.flush()
    serve(sys.stdin.buffer, answers, function, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
