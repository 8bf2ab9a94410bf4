"""The journal: every payload as it was received, durable before it is acknowledged, replayable after.

Positions (`seq`) ascend over all files without gaps, so one number says how far a reader is. Several
processes append (a collector, `trackway load`); a lock file puts them in line, and with it the choice of
the file: one a day (UTC), and never an older one than the newest, even when the clock steps back.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trackway.errors import StorageError
from trackway.model.event import Block
from trackway.plan.component import Payload
from trackway.store.day_file import DayFile, Received

NAME = re.compile(r"\d{15}\.\d{4}-\d{2}-\d{2}\.sqlite")
POLL_SECONDS = 0.02
"""How often a waiting reader looks for what other processes wrote."""


def _now() -> int:
    return time.time_ns() // 1000


class Journal:
    """The journal of one workspace. Safe to use from many threads and many processes."""

    def __init__(self, folder: Path, clock: Callable[[], int] = _now) -> None:
        """`clock` gives microseconds since 1970 UTC. Raises StorageError when the folder cannot be made."""
        self.folder = folder
        self._clock = clock
        self._days: dict[str, DayFile] = {}
        self._days_lock = threading.Lock()
        self._appending = threading.Lock()
        self._appended = threading.Condition()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"the journal cannot be opened: {error.strerror}", path=str(folder)) from error

    def append(self, payloads: Sequence[Payload]) -> list[int]:
        """Keep payloads in one transaction; durable on return. Returns their positions.

        Raises StorageError when the disk is full, read-only or gone; then none of them is kept.
        """
        if not payloads:
            return []
        with self._alone():
            now = self._clock()
            seqs = self._today(now).append(payloads, now)
        with self._appended:
            self._appended.notify_all()
        return seqs

    def read(self, after: int, most_records: int = 100_000, most_bytes: int = 64 << 20) -> list[Block]:
        """The blocks after a position in order: at least one if there is any, within the limits otherwise.

        `most_bytes` counts uncompressed bodies. A call never crosses from one day's file into the next.
        """
        files = self._files()
        newest_holder = max((n for n, day in enumerate(files) if day.first <= after + 1), default=0)
        for day in files[newest_holder:]:
            if blocks := day.read(after, most_records, most_bytes):
                return blocks
        return []

    def of(self, source: str, after: int, upto: int) -> list[Block]:
        """The blocks of a source in (after, upto] that are still kept, in order."""
        files = self._files()
        ends = [*(day.first for day in files[1:]), upto + 1]
        near = [day for day, end in zip(files, ends, strict=True) if day.first <= upto and end > after + 1]
        return [block for day in near for block in day.of(source, after, upto)]

    def span(self, source: str, first: int, last: int) -> tuple[int, int] | None:
        """The first and last position of what is kept of what a source received in [first, last), in microseconds."""
        spans = [span for day in self._files() if (span := day.span(source, first, last)) is not None]
        return (spans[0][0], spans[-1][1]) if spans else None

    def get(self, seq: int) -> Block | None:
        """One block; None when there is none of this number, or it was pruned."""
        blocks = self.read(seq - 1, most_records=0)
        return blocks[0] if blocks and blocks[0].seq == seq else None

    def last(self) -> int:
        """The newest position; 0 when nothing was ever kept. Cheap enough to poll."""
        files = self._files()
        return files[-1].last()[0] if files else 0

    def wait(self, after: int, seconds: float) -> bool:
        """Wait until something lies after a position: at once for this process, soon for others."""
        end = time.monotonic() + seconds
        with self._appended:
            while self.last() <= after:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._appended.wait(min(left, POLL_SECONDS))
        return True

    def backlog(self, after: int) -> dict[str, int]:
        """Records waiting after a position, per source that has any; a few index look-ups."""
        files = self._files()
        if not files:
            return {}
        holder = next((day for day in reversed(files) if day.first <= after), files[0])
        done = holder.records_until(after)
        waiting = {source: total.records - done.get(source, 0) for source, total in files[-1].received().items()}
        return {source: records for source, records in waiting.items() if records > 0}

    def received(self) -> dict[str, Received]:
        """What ever came, per source, also what was pruned since."""
        files = self._files()
        return files[-1].received() if files else {}

    def cursors(self, source: str) -> dict[str, str]:
        """Where a source was after its last payload that was kept."""
        files = self._files()
        return files[-1].cursors(source) if files else {}

    def prune(self, upto_seq: int, before_micros: int) -> int:
        """Delete the files of which all blocks are at or below `upto_seq` and were received before an instant.

        The newest file always stays, and with it the totals and cursors. Returns how many were deleted.
        """
        deleted = 0
        with self._alone():
            files = self._files()
            for day in files[:-1]:
                last, received_at = day.last()
                if last > upto_seq or (received_at is not None and received_at >= before_micros):
                    break
                day.delete()
                deleted += 1
        return deleted

    def close(self) -> None:
        """Close all files; a journal is not used after that."""
        with self._appending, self._days_lock:
            for day in self._days.values():
                day.close()
            self._days.clear()
            if self._lock_file >= 0:
                os.close(self._lock_file)
            self._lock_file = -1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One appending thread of one process at a time; the kernel frees the lock of a killed process."""
        with self._appending:
            if self._lock_file < 0:
                raise StorageError("the journal is closed", path=str(self.folder))
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _today(self, now: int) -> DayFile:
        """The file to append to: the newest, or a new one when its day is over."""
        date = datetime.fromtimestamp(now / 1e6, UTC).strftime("%Y-%m-%d")
        files = self._files()
        newest = files[-1] if files else None
        if newest is not None and newest.date >= date:
            return newest
        first = newest.last()[0] + 1 if newest is not None else 1
        DayFile.create(self.folder, first, date, newest)
        return self._files()[-1]

    def _files(self) -> list[DayFile]:
        """The files there are now, oldest first."""
        try:
            names = sorted(filter(NAME.fullmatch, os.listdir(self.folder)))  # noqa: PTH208  polled, so fast
        except OSError as error:
            raise StorageError(f"the journal is gone: {error.strerror}", path=str(self.folder)) from error
        with self._days_lock:
            for pruned in self._days.keys() - set(names):
                self._days.pop(pruned).close()
            return [self._days.get(name) or self._days.setdefault(name, DayFile(self.folder / name)) for name in names]
