"""How long and with how much memory a question may be answered, and whether anyone still waits for the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trackway.errors import Cancelled, TooSlow
from trackway.model.time import MICROS, Duration


@dataclass(frozen=True)
class Limits:
    """What holds for one question. Any thread may cancel it; the threads that answer look between shards."""

    memory: int | None = None
    """Bytes that what is folded may take, besides the columns themselves; None for as much as there is."""
    folder: Path | None = None
    """Where what does not fit into memory is put; the system's folder for such files when left out."""
    deadline: Duration | None = None
    """Longest time from the asking to the answer."""
    begun: float = field(default_factory=time.monotonic)
    _gone: threading.Event = field(default_factory=threading.Event)
    _told: list[Callable[[], None]] = field(default_factory=list)

    def cancel(self) -> None:
        """Stop answering as soon as possible."""
        self._gone.set()
        for stop in list(self._told):
            stop()

    @property
    def left(self) -> float | None:
        """Seconds until the deadline, not below 0; None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.begun + self.deadline.micros / MICROS - time.monotonic())

    def check(self) -> None:
        """Raises Cancelled or TooSlow when it is time to stop."""
        if self._gone.is_set():
            raise Cancelled("the question was cancelled")
        if self.left == 0:
            raise TooSlow(
                f"no answer within {self.deadline}", path="deadline",
                hint="ask a sample, such as sample=10%, a shorter range, or allow more time",
            )  # fmt: skip

    @contextmanager
    def interrupting(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` when it is time to stop, while the block runs, which must then end with an exception."""
        timer = threading.Timer(self.left or 0, stop) if self.left is not None else None
        self._told.append(stop)
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            self._told.remove(stop)
            if timer is not None:
                timer.cancel()
