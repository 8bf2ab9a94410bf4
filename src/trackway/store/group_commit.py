"""Group commit: the payloads of many waiting requests become one transaction, so one fsync serves them all.

While one transaction is being written the next requests gather; under load a commit carries dozens of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from trackway.errors import StorageError
from trackway.plan.component import Payload
from trackway.store.journal import Journal

MOST_PAYLOADS = 1_000
MOST_BYTES = 32 << 20
"""Most that one transaction carries, so that nobody waits for an endless one."""


class GroupCommit:
    """A thread that appends to a journal for requests of asyncio loops."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[tuple[Payload, asyncio.Future[int]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def keep(self, payload: Payload) -> int:
        """The position of a payload, once it is on disk. Raises StorageError when it could not be kept."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closed:
                raise StorageError("the collector is stopping", hint="send it again to the next one")
            self._waiting.append((payload, future))
            self._changed.notify()
        return await future

    def close(self) -> None:
        """Keep what is waiting, then stop. The journal stays open."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            try:
                seqs = self._journal.append([payload for payload, _ in group])
            except Exception as error:  # noqa: BLE001  whatever went wrong belongs to the requests that wait
                _settle(group, error)
            else:
                _settle(group, seqs)

    def _next(self) -> list[tuple[Payload, asyncio.Future[int]]]:
        """The payloads of the next transaction; empty when closed and done."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            group: list[tuple[Payload, asyncio.Future[int]]] = []
            size = 0
            while self._waiting and len(group) < MOST_PAYLOADS and size < MOST_BYTES:
                group.append(self._waiting.popleft())
                size += len(group[-1][0].body)
            return group


def _settle(group: list[tuple[Payload, asyncio.Future[int]]], outcome: list[int] | Exception) -> None:
    """Wake the requests of a group, one call a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[int], int | Exception]]] = {}
    for number, (_, future) in enumerate(group):
        result = outcome if isinstance(outcome, Exception) else outcome[number]
        by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, results in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, results)


def _resolve(results: list[tuple[asyncio.Future[int], int | Exception]]) -> None:
    for future, result in results:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
